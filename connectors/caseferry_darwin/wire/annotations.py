"""Annotations in Darwin's words, and back: each with its class and its id."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Raw, Track
from caseferry.capability import Conversion
from caseferry_darwin.wire.attributes import Attributes, said_of
from caseferry_darwin.wire.classes import Wanted
from caseferry_darwin.wire.frames import Timeline, in_frames
from caseferry_darwin.wire.raws import UNREADABLE, raw_content, raw_form, still_says
from caseferry_darwin.wire.shapes import Meant, content_of, core_shape, core_tag, text_of
from caseferry_darwin.wire.tracks import core_track, track_content

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.mapping import Names
    from caseferry_darwin.wire.properties import Properties, WantedProperty
    from caseferry_darwin.wire.view import View

_NAMESPACE = uuid.UUID("0d3f7e3c-5b57-5f0e-9a51-6f2f0f0a6b10")

CONVERSIONS = {
    "category": Conversion("a tag with a text", "Darwin has no questions with answers"),
    "numeric": Conversion("a tag with a text, every digit of the number and its unit in it", "Darwin has no numbers"),
}
"""Kinds of annotations that have no form of their own, and the one that they are given."""


@dataclass(frozen=True, slots=True)
class Form:
    """An annotation as the platform takes it.

    Attributes
    ----------
    wanted : its class
    data : what it is and where
    id : its own id there
    slot : the slot that it lies in
    properties : values of its class's properties, by frame and by id
    actors : who made it, and who checked it
    said : names of the attributes that it holds, and whether each is read from there as it is
    made : properties that must be made for it
    """

    wanted: Wanted
    data: dict[str, Any]
    id: str
    slot: str
    properties: Mapping[str, Mapping[Any, Sequence[Any]]] = field(default_factory=dict)
    actors: tuple[Mapping[str, str], ...] = ()
    said: Mapping[str, bool] = field(default_factory=dict)
    made: tuple[WantedProperty, ...] = ()


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids, which are UUIDs, under which the annotations of a case stand on the platform.

    They are its own for each dataset, since the same case may be put into several and no id may be there twice;
    and the same at each attempt, so that what has arrived is recognised.

    Attributes
    ----------
    dataset, case : the dataset's id there, and the case's name
    kept : take ids that are UUIDs as they are: for annotations that are added later, of which no sidecar tells, and
        for those in files
    """

    dataset: object
    case: str
    kept: bool = False

    def annotation(self, name: str) -> str:
        """Of a whole annotation."""
        return name if self.kept and is_uuid(name) else self._made("annotation", name)

    def value(self, name: str, value: int) -> str:
        """Of one value of a mask."""
        return self._made("value", name, str(value))

    def layer(self, slot: str) -> str:
        """Of the layer that holds the pixels of all masks in a slot."""
        return self._made("layer", slot)

    def amendment(self, number: int) -> str:
        """Of an amendment of the sidecar."""
        return self._made("amendment", str(number))

    def _made(self, *parts: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, "\n".join([str(self.dataset), self.case, *parts])))


def is_uuid(name: str) -> bool:
    """Whether an annotation's own name can be its id on the platform."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def native_form(annotation: Annotation, view: View, names: Names, ids: Ids) -> Form | str:
    """What an annotation is on the platform, or why it has no form there. Masks: see `mask_forms`.

    Parameters
    ----------
    view : how the slot shows the annotation's image
    """
    data: dict[str, Any]
    if isinstance(annotation, Raw):
        raw = raw_content(annotation, view)
        if isinstance(raw, str):
            return raw
        kind, data, text = raw
        return Form(Wanted(names.label(annotation.label), kind, text), data, ids.annotation(annotation.id), view.slot)
    if isinstance(annotation, Track):
        track = track_content(annotation, view)
        if isinstance(track, str):
            return track
        kind, data = track
    else:
        found = content_of(annotation, view)
        if isinstance(found, str):
            return found
        kind, frame, data = found
        if view.frames:
            whole = annotation.frame is None and kind == "tag"
            data = in_frames({frame: data}, [(frame, view.frames if whole else frame + 1)])
    wanted = Wanted(names.label(annotation.label), kind, kind == "tag" and _says_text(annotation))
    return Form(wanted, data, ids.annotation(annotation.id), view.slot)


def tag_data(text: str, frames: int) -> dict[str, Any]:
    """A tag with a text that lasts over all frames of a slot; 0 for a slot that has none."""
    content: dict[str, Any] = {"tag": {}, "text": {"text": text}}
    return in_frames({0: content}, [(0, frames)]) if frames else content


def _says_text(annotation: Annotation) -> bool:
    return text_of(annotation.keyframes[0] if isinstance(annotation, Track) else annotation) is not None


# -- reading -------------------------------------------------------------------------------------------------------


def core_form(
    row: Mapping[str, Any], label: str, role: str, view: View, put: Annotation | None, known: Properties
) -> Annotation:
    """An annotation in core's words from what the platform answers; one that no kind fits is kept raw.

    Parameters
    ----------
    label : what its class is called in a case
    put : what was put under its id, when it was put here: it says which of several kinds is meant
    known : the properties of the team
    """
    if isinstance(put, Raw) and still_says(put, row):
        return put
    meant = Meant.by(put)
    try:
        attributes = Attributes.read(row, known)
        common: dict[str, Any] = {"image": role, "label": label, "id": str(row.get("id") or "")}
        if "frames" not in row["data"]:
            common |= said_of(row, row["data"]) | {"attributes": attributes.everywhere(row["data"])}
            return _plain(row["data"], common, None, view, meant)
        timeline = Timeline.read(row["data"], max(view.frames, 1))
        content = next(iter(timeline.keyframes.values()))
        common |= said_of(row, content)
        if isinstance(put, Track) or not _is_plain(timeline, content, view):
            return core_track(timeline, common, attributes, view, meant)
        common["attributes"] = attributes.everywhere(content)
        return _plain(content, common, timeline.moment, view, meant)
    except UNREADABLE:
        return raw_form(row, label, role, view)


def _is_plain(timeline: Timeline, content: Mapping[str, Any], view: View) -> bool:
    """Whether something lies in one frame, or is said of the whole image: then it is no track."""
    whole = timeline.ranges == ((0, view.frames - 1),) and len(timeline.keyframes) == 1 and "tag" in content
    return timeline.moment is not None or whole


def _plain(
    content: Mapping[str, Any], common: dict[str, Any], frame: int | None, view: View, meant: Meant
) -> Annotation:
    """A tag or a shape in a frame; in None, one of the whole image, or on a still picture."""
    if "tag" in content:
        return core_tag(content, common, None if frame is None else view.plane_of(frame), meant)
    return core_shape(content, common, frame or 0, view, meant)
