"""What is said of an annotation besides its shape, read from the platform: by whom, when, and with which attributes.

Attributes go by the names that people gave them: a property has its value, or a list where it takes several; an
attribute of the older kind is true. What Darwin writes beside a shape in a form of its own (``text``, ``instance_id``,
``directional_vector``, …) stands under that name in that form.

Source
------
The exports of V7's end-to-end tests: a property of a section is listed where it changes, and is null where it ends.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.plain import moment
from caseferry_darwin.wire.frames import LASTING, SUBS
from caseferry_darwin.wire.properties import MULTI, WHOLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caseferry.plain import Json
    from caseferry_darwin.wire.properties import Properties

FRAMES = "frames"
"""Under which the values of one that changes stand by frame, where no keyframes can tell of it."""

UNKNOWN = "properties"
"""Under which properties stand of which nobody knows the name."""


@dataclass(frozen=True)
class Attributes:
    """The attributes of one annotation on the platform.

    Attributes
    ----------
    whole : those of the whole annotation
    changes : of properties of sections, by frame; None where one ends
    flags : what the older attributes are called, by id
    """

    whole: Mapping[str, Json]
    changes: Mapping[int, Mapping[str, Json]]
    flags: Mapping[str, str]

    @classmethod
    def read(cls, row: Mapping[str, Any], known: Properties) -> Attributes:
        """From an annotation as a listing has it, or a release."""
        data = row.get("data") or {}
        whole: dict[str, Json] = {name: data[name] for name in LASTING if data.get(name)}
        changes: dict[int, dict[str, Json]] = {}
        properties = row.get("properties") or row.get("annotation_properties") or {}
        if isinstance(properties, dict):
            told, left = _by_id(properties, known)
            whole |= {UNKNOWN: left} if left else {}
        else:
            told = list(_by_name(properties, row.get("annotation_class_id"), known))
        for frame, name, value in told:
            if frame is not None:
                changes.setdefault(frame, {})[name] = value
            elif value is not None:
                whole[name] = value
        held = row.get("annotation_class_id")
        flags = {number: name for name, number in known.flags_of(held).items()}
        return cls(_plain(whole), _plain_frames(changes), flags)

    def at(self, content: Mapping[str, Any], frame: int) -> dict[str, Json]:
        """Those in a frame.

        Parameters
        ----------
        content : what stands beside the shape there
        """
        held: dict[str, Json] = {}
        for start in sorted(self.changes):
            if start <= frame:
                held |= self.changes[start]
        return self._with_subs(content) | {name: value for name, value in held.items() if value is not None}

    def everywhere(self, content: Mapping[str, Any]) -> dict[str, Json]:
        """Those of an annotation that is in one frame, or whose frames are not told apart.

        What changes from frame to frame stands under its name with all its values.
        """
        values: dict[str, dict[str, Json]] = {}
        for frame, changed in sorted(self.changes.items()):
            for name, value in changed.items():
                values.setdefault(name, {})[str(frame)] = value
        found = self._with_subs(content)
        for name, by_frame in values.items():
            one = next(iter(by_frame.values()))
            if any(value != one for value in by_frame.values()):
                found[name] = {FRAMES: dict(by_frame)}
            elif one is not None:
                found[name] = one
        return found

    def _with_subs(self, content: Mapping[str, Any]) -> dict[str, Json]:
        """Those of the whole annotation and what stands beside a shape; the text of a tag is its value."""
        beside = {
            name: content[name] for name in SUBS if content.get(name) and not (name == "text" and "tag" in content)
        }
        named = beside.pop("attributes", None)
        given = named.get("attributes") if isinstance(named, dict) else named
        flags: dict[str, Json] = {self.flags.get(str(each), str(each)): True for each in given or ()}
        return flags | dict(self.whole) | _plain(beside)


def _by_id(
    properties: Mapping[str, Any], known: Properties
) -> tuple[list[tuple[int | None, str, Json]], dict[str, Json]]:
    """Properties of a listing as frame, name and value; and those that nobody knows, as they stand there."""
    told: list[tuple[int | None, str, Json]] = []
    left: dict[str, Json] = {}
    for frame, values in properties.items():
        if not isinstance(values, dict):
            left[frame] = values
            continue
        for number, chosen in values.items():
            held = known.known.get(number)
            words = [held.word(each) for each in chosen] if held is not None and isinstance(chosen, list) else [None]
            if held is None or None in words:
                unknown: Any = left.setdefault(frame, {})
                unknown[number] = chosen
                continue
            value: Json = list(words) if held.type == MULTI else next(iter(words), None)
            told.append((int(frame) if frame.isdecimal() else None, held.name, value or None))
    return told, left


def _by_name(
    properties: Sequence[Mapping[str, Any]], class_id: object, known: Properties
) -> Iterator[tuple[int | None, str, Json]]:
    """Properties of a release as frame, name and value: a row for each value of one that takes several."""
    values: dict[tuple[int | None, str], list[Any]] = {}
    for each in properties:
        frame = each.get("frame_index")
        where = int(frame) if frame not in {None, WHOLE, "None"} else None
        values.setdefault((where, str(each.get("name"))), []).append(each.get("value"))
    for (where, name), several in values.items():
        given = [each for each in several if each is not None]
        held = known.of_class(class_id, name)
        listed = len(given) > 1 or (bool(given) and held is not None and held.type == MULTI)
        value: Json = given if listed else next(iter(given), None)
        yield where, name, value


def said_of(row: Mapping[str, Any], content: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What is said of any annotation besides its attributes: by whom, or by which model, and when.

    Parameters
    ----------
    content : what stands beside its shape
    """
    actors = [each for each in row.get("actors") or () if isinstance(each, dict)]
    people = {
        role: [_person(each) for each in actors if each.get("role") == role] for role in ("annotator", "reviewer")
    }
    said: dict[str, Any] = {
        "author": next(iter(people["annotator"]), None),
        "reviewer": next(iter(people["reviewer"]), None),
        "created": moment(row.get("inserted_at")),
        "modified": moment(row.get("updated_at")),
    }
    inferred = (content or {}).get("inference")
    if isinstance(inferred, dict):
        model, confidence = inferred.get("model"), inferred.get("confidence")
        name = model.get("name") if isinstance(model, dict) else model
        said["source"] = "model"
        said["model"] = name if isinstance(name, str) and name else None
        sure = isinstance(confidence, int | float) and not isinstance(confidence, bool) and 0 <= confidence <= 1
        said["confidence"] = confidence if sure else None
    return said


def _person(actor: Mapping[str, Any]) -> str | None:
    """A person by an e-mail address, or by the name where there is none."""
    known = actor.get("email") or actor.get("full_name")
    return str(known) if known else None


def _plain(table: Mapping[str, Any]) -> dict[str, Json]:
    return json.loads(json.dumps(dict(table)))  # type: ignore[no-any-return]


def _plain_frames(changes: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Json]]:
    return {frame: _plain(changed) for frame, changed in sorted(changes.items())}
