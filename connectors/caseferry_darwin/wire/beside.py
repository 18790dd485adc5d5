"""What is said beside a shape, and what of it goes to Darwin with the shape.

A class says what its annotations may carry: texts, numbers of instances, directions, attributes that an annotation has
or has not, and properties, which have a name and a value. What it has no place for stays in the sidecar. In frames
each stands where it changes, and holds until it changes again.

Source
------
darwin-py 3.6.3's importer: the forms of ``text``, ``instance_id``, ``directional_vector`` and ``inference``, of
``annotation_properties`` and of ``actors``; attributes and chosen values are sent by their ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Raw, Track
from caseferry.plan import Given
from caseferry.sidecar import said_beside
from caseferry_darwin.wire.attributes import said_of
from caseferry_darwin.wire.properties import ANNOTATION, SECTION, TEXT, WHOLE, Property, WantedProperty

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.annotation import Annotation
    from caseferry_darwin.wire.annotations import Form
    from caseferry_darwin.wire.classes import Known, Wanted
    from caseferry_darwin.wire.place import Place
    from caseferry_darwin.wire.view import View

MEMBERS = {"text": {"text"}, "instance_id": {"value"}, "directional_vector": {"angle", "length"}}
"""What stands beside a shape, and the members that each has."""

INFERENCE = "inference"
INFERRED = ("source", "model", "confidence")
"""What a model said, and the fields of an annotation that are read of it."""

ABSENT: Any = object()
Changes = list[tuple[int, Any]]
"""What an attribute is from some frames on; `ABSENT` where it ends."""


@dataclass
class _Written:
    """What is written beside a shape.

    Attributes
    ----------
    contents : by frame
    properties : by frame, or for the whole annotation, and by id
    flags : by frame, the attributes that an annotation has from there on
    names : of the attributes that have a place in it, and whether each is read from there as it is
    made : properties that must be made for that
    """

    contents: dict[int, dict[str, Any]] = field(default_factory=dict)
    properties: dict[str, dict[Any, list[Any]]] = field(default_factory=dict)
    flags: dict[str, Changes] = field(default_factory=dict)
    names: dict[str, bool] = field(default_factory=dict)
    made: list[WantedProperty] = field(default_factory=list)


def said_in_frames(
    data: dict[str, Any], annotation: Annotation, view: View
) -> list[tuple[int, dict[str, Any], Mapping[str, Any]]]:
    """The frames of an annotation's data, or 0 on a still picture; what stands there, and the attributes said there."""
    if "frames" not in data:
        return [(0, data, annotation.attributes)]
    frames = [(int(frame), content) for frame, content in data["frames"].items()]
    if not isinstance(annotation, Track):
        return [(frame, content, annotation.attributes) for frame, content in frames]
    shown = annotation.trimmed().reordered(view.frame_of) or annotation
    said = {each.frame: {**annotation.attributes, **each.attributes} for each in shown.keyframes}
    return [(frame, content, said.get(frame, {})) for frame, content in frames]


def with_beside(form: Form, annotation: Annotation, view: View, place: Place) -> Form:
    """A form with what its annotation says beside the shape, as far as its class takes it or can be made to.

    Parameters
    ----------
    view : how the slot shows the annotation's image
    """
    if isinstance(annotation, Raw):
        return form  # its data is whole already
    classes = place.classes
    known = classes.known.get((form.wanted.name, form.wanted.kind))
    taken = set(known.types) if known is not None else set(classes.types) - {INFERENCE}
    if form.wanted.kind == "tag":
        taken -= {"text"}  # there it is the value
    told = [(frame, attributes) for frame, _, attributes in said_in_frames(form.data, annotation, view)]
    written = _Written()
    for name in dict.fromkeys(name for _, attributes in told for name in attributes):
        changes = changes_of(name, told)
        if _is_sub(name, changes, annotation) and name in taken:
            for frame, value in changes:
                written.contents.setdefault(frame, {})[name] = dict(value)
            written.names[name] = True
        elif known is None or not _write_by_name(name, changes, known, place, told[0][0], written):
            _make(name, changes, form.wanted, place, written)
    _write_flags(written, known, place)
    subs = {name for content in written.contents.values() for name in content} & (MEMBERS.keys() | {INFERENCE})
    wanted = replace(form.wanted, text=form.wanted.text or "text" in subs, subs=tuple(sorted(subs - {"text"})))
    people = {"annotator": annotation.author, "reviewer": annotation.reviewer}
    return replace(
        form,
        wanted=wanted,
        data=_with_contents(form.data, written.contents),
        properties=written.properties,
        actors=tuple({"email": name, "role": role} for role, name in people.items() if name in place.members),
        said=written.names,
        made=tuple(written.made),
    )


def unsaid(form: Form, annotation: Annotation, *, exactly: bool = False) -> list[str]:
    """What an annotation says besides that has no place in its form: fields and attributes by name.

    Parameters
    ----------
    exactly : count what would be read in other words, too
    """
    if isinstance(annotation, Raw):
        return said_beside(annotation)
    held = {each["role"]: each["email"] for each in form.actors}
    fields = {"author": "annotator" in held, "reviewer": "reviewer" in held, "attributes": True}
    fields |= dict.fromkeys(INFERRED, INFERENCE in form.said)
    frames = annotation.keyframes if isinstance(annotation, Track) else ()
    names = dict.fromkeys(name for each in (annotation, *frames) for name in each.attributes)
    beside = [name for name in said_beside(annotation) if not fields.get(name)]
    return beside + [
        f"attribute {name!r}" for name in names if name not in form.said or (exactly and not form.said[name])
    ]


def changes_of(name: str, told: Sequence[tuple[int, Mapping[str, Any]]]) -> Changes:
    """What an attribute is from some frames on, of what is said in each."""
    changes: Changes = []
    before = ABSENT
    for frame, attributes in told:
        value = attributes.get(name, ABSENT)
        if value is not before and (value is ABSENT or before is ABSENT or value != before):
            changes.append((frame, value))
        before = value
    return changes


def _is_sub(name: str, changes: Changes, annotation: Annotation) -> bool:
    """Whether an attribute is written as what Darwin has beside a shape; it cannot end there."""
    if name == INFERENCE:
        read = said_of({}, {INFERENCE: changes[0][1]})
        own = {field: getattr(annotation, field) for field in INFERRED}
        return len(changes) == 1 and own == {field: read.get(field) for field in INFERRED}
    return name in MEMBERS and all(isinstance(value, Mapping) and set(value) == MEMBERS[name] for _, value in changes)


def _write_by_name(name: str, changes: Changes, known: Known, place: Place, first: int, written: _Written) -> bool:
    """Write an attribute as what the team has under its name; whether it has anything."""
    properties = place.classes.properties
    if name in properties.flags_of(known.id) and all(value is True or value is ABSENT for _, value in changes):
        written.flags[name] = changes
        written.names[name] = True
        return True
    held = properties.of_class(known.id, name)
    if held is not None and (sent := _chosen(held, changes, first)) is not None:
        _write(name, changes, held, sent, held.id, written)
    return held is not None


def _make(name: str, changes: Changes, wanted: Wanted, place: Place, written: _Written) -> None:
    """Write an attribute as a property that is made for it, where the mapping says so."""
    made, held = WantedProperty(name, wanted.binding), Property("", name, TEXT)
    sent = _chosen(held, changes, 0) if place.create and place.displays.make_properties else None
    if sent is not None:
        written.made.append(made)
        _write(name, changes, held, sent, Given(made.binding), written)


def _write(
    name: str, changes: Changes, held: Property, sent: Mapping[str, list[Any]], key: str | Given, written: _Written
) -> None:
    for where, values in sent.items():
        written.properties.setdefault(where, {})[key] = values
    written.names[name] = all(value is ABSENT or held.reads(value) == value for _, value in changes)


def _chosen(held: Property, changes: Changes, first: int) -> dict[str, list[Any]] | None:
    """The values of a property by where they are said; None where it cannot have them."""
    chosen = [(frame, [] if value is ABSENT else held.chosen(value)) for frame, value in changes]
    if any(values is None for _, values in chosen):
        return None
    if held.granularity == SECTION:
        return {str(frame): values or [] for frame, values in chosen}
    if held.granularity == ANNOTATION and len(chosen) == 1 and chosen[0][0] == first:
        return {WHOLE: chosen[0][1] or []}
    return None


def _write_flags(written: _Written, known: Known | None, place: Place) -> None:
    """Write the attributes that an annotation has or has not: all of them wherever one changes."""
    ids = place.classes.properties.flags_of(known.id) if known is not None else {}
    has: dict[str, bool] = {}
    for frame in sorted({frame for changes in written.flags.values() for frame, _ in changes}):
        has |= {name: value is True for name, changes in written.flags.items() for at, value in changes if at == frame}
        numbers = [ids[name] for name, there in has.items() if there]
        written.contents.setdefault(frame, {})["attributes"] = {"attributes": numbers}


def _with_contents(data: dict[str, Any], contents: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    if "frames" not in data:
        return {**data, **contents.get(0, {})}
    frames = {frame: {**content, **contents.get(int(frame), {})} for frame, content in data["frames"].items()}
    return {**data, "frames": frames}
