"""The first mapping for a dataset: what cases call their parts, beside what the dataset offers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Mask, Raw, slug
from caseferry.mapping.names import PARTS, Offered, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Case


@dataclass
class Used:
    """What cases call their parts.

    Attributes
    ----------
    names : for each part, in how many cases each name is
    details : for each label, its colour (``#rrggbb``) and its code (``SCT:4147007``), where all annotations that say
        one say the same
    """

    names: dict[str, dict[str, int]] = field(default_factory=lambda: {part: {} for part in PARTS})
    details: dict[str, dict[str, str]] = field(default_factory=dict)
    _torn: set[tuple[str, str]] = field(default_factory=set)

    def add(self, case: Case) -> None:
        """Count the names of a case."""
        used = {
            "images": [image.role for image in case.images],
            "labels": [name for each in case.annotations for name in _labels(each)],
            "values": list(case.values),
            "attachments": [each.name for each in case.attachments],
        }
        for part, names in used.items():
            for name in dict.fromkeys(names):
                self.names[part][name] = self.names[part].get(name, 0) + 1
        for each in case.annotations:
            if len(labels := _labels(each)) == 1:
                self.tell(labels[0], _details(each))

    def tell(self, label: str, details: Mapping[str, str]) -> None:
        """Say more of a label; what contradicts what was said before is forgotten."""
        for name, value in details.items():
            said = self.details.setdefault(label, {})
            if (label, name) in self._torn:
                continue
            if said.setdefault(name, value) != value:
                del said[name]
                self._torn.add((label, name))


def names_in(cases: Iterable[Case]) -> Used:
    """The names that cases use, and what is said of their labels."""
    used = Used()
    for case in cases:
        used.add(case)
    return used


def _labels(annotation: Any) -> list[str]:
    """What an annotation may be called on a platform: a mask by each of its structures, a raw one by nothing."""
    if isinstance(annotation, Raw):
        return []
    return list(annotation.labels.values()) if isinstance(annotation, Mask) else [annotation.label]


def _details(annotation: Annotation) -> dict[str, str]:
    """The code of an annotation, and the colour that a file which it came from gives it."""
    found = {}
    if annotation.codes and annotation.codes[0].value and annotation.codes[0].scheme:
        found["code"] = f"{annotation.codes[0].scheme}:{annotation.codes[0].value}"
    shares = str(annotation.attributes.get("Color", "")).split()  # of 3D Slicer, from 0 to 1
    parts = annotation.attributes.get("ROIDisplayColor")  # of DICOM, from 0 to 255
    try:
        numbers = [round(float(each) * 255) for each in shares] or [int(each) for each in parts or ()]  # type: ignore[union-attr,arg-type]
    except (TypeError, ValueError, OverflowError):
        return found
    if len(numbers) == 3 and all(0 <= each <= 255 for each in numbers):
        found["colour"] = "#{:02x}{:02x}{:02x}".format(*numbers)
    return found


def first_mapping(platform: str, used: Used, offered: Offered, label_fields: Sequence[str] = ()) -> str:
    """A mapping to begin with, as TOML.

    A name for which the target has the same is mapped to it. Any other stands in a comment, with the likeliest of
    what is there: it goes under its own name, or beside the case where the platform needs one that is there. A label
    of which colour or code is known has them in a table, for the class that is made of it when that is asked for.

    Parameters
    ----------
    offered : what the target has; parts of which it says nothing take any name
    label_fields : what the platform can use of a label beside its name
    """
    lines = [f"# Names in the cases, and what they are called on {platform}.", ""]
    for part in PARTS:
        if used.names.get(part):
            details = used.details if part == "labels" and label_fields else {}
            lines += [f"[{platform}.{part}]", *_entries(used.names[part], offered.get(part), details, label_fields), ""]
    return "\n".join(lines)


def _entries(
    used: Mapping[str, int],
    offered: Mapping[str, str] | None,
    details: Mapping[str, Mapping[str, str]],
    fields: Sequence[str],
) -> Iterator[str]:
    like = {slug(name) or name: name for name in offered or ()}
    for name, count in sorted(used.items()):
        cases = f"in {count} {'case' if count == 1 else 'cases'}"
        if offered is None:
            yield f"# {_quoted(name)} = {_quoted(name)}  # {cases}; any name is taken"
            continue
        there = name if name in offered else like.get(slug(name) or name)
        if there is not None:
            yield f"{_quoted(name)} = {_quoted(there)}  # {_quoted(offered[there])}; {cases}"
            continue
        near = nearest(name, offered)
        told = ", ".join(f"{_quoted(each)} ({_quoted(offered[each])})" for each in near)
        told = f"{cases}; " + (f"there is {told}" if told else "nothing like it is there")
        said = {key: value for key, value in details.get(name, {}).items() if key in fields}
        if said:
            table = ", ".join(f"{key} = {_quoted(value)}" for key, value in sorted(said.items()))
            yield f"{_quoted(name)} = {{{table}}}  # {told}; --create-missing makes it"
        else:
            yield f'# {_quoted(name)} = ""  # {told}'


def _quoted(name: str) -> str:
    """A basic string of TOML, which is one of JSON but for one character."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
