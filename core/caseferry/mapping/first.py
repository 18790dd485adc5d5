"""The first mapping for a dataset: what cases call their parts, beside what the dataset offers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Mask, Raw, slug
from caseferry.mapping.names import PARTS, Offered, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from caseferry.case import Case


def names_in(cases: Iterable[Case]) -> dict[str, dict[str, int]]:
    """The names that cases use: for each part, in how many cases each name is."""
    found: dict[str, dict[str, int]] = {part: {} for part in PARTS}
    for case in cases:
        used = {
            "images": [image.role for image in case.images],
            "labels": [name for each in case.annotations for name in _labels(each)],
            "values": list(case.values),
            "attachments": [each.name for each in case.attachments],
        }
        for part, names in used.items():
            for name in dict.fromkeys(names):
                found[part][name] = found[part].get(name, 0) + 1
    return found


def _labels(annotation: Any) -> list[str]:
    """What an annotation may be called on a platform: a mask by each of its structures, a raw one by nothing."""
    if isinstance(annotation, Raw):
        return []
    return list(annotation.labels.values()) if isinstance(annotation, Mask) else [annotation.label]


def first_mapping(platform: str, used: Mapping[str, Mapping[str, int]], offered: Offered) -> str:
    """A mapping to begin with, as TOML.

    A name for which the target has the same is mapped to it. Any other stands in a comment, with the likeliest of
    what is there: it goes under its own name, or beside the case where the platform needs one that is there.

    Parameters
    ----------
    used : see `names_in`
    offered : what the target has; parts of which it says nothing take any name
    """
    lines = [f"# Names in the cases, and what they are called on {platform}.", ""]
    for part in PARTS:
        if used.get(part):
            lines += [f"[{platform}.{part}]", *_entries(used[part], offered.get(part)), ""]
    return "\n".join(lines)


def _entries(used: Mapping[str, int], offered: Mapping[str, str] | None) -> Iterator[str]:
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
        yield f'# {_quoted(name)} = ""  # {cases}; ' + (f"there is {told}" if told else "nothing like it is there")


def _quoted(name: str) -> str:
    """A basic string of TOML, which is one of JSON but for one character."""
    return json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")
