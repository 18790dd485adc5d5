"""Which annotations may be added to an item that is there: those that read back as they were without a sidecar.

The sidecar of an item is registered with it and cannot be changed any more, so that nothing tells later of what the
platform itself has no word for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Category, Label, Numeric, Polyline, Raw, Text, Track
from caseferry.errors import Problem
from caseferry.sidecar import said_beside
from caseferry_darwin.wire.annotations import is_uuid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caseferry_darwin.wire.view import View

AGAIN = "put the whole case anew"


def problems_of_adding(
    new: Sequence[Annotation], views: Mapping[str, View | None], beside: Mapping[str, Sequence[str]]
) -> list[Problem]:
    """Why annotations cannot be added to an item that is there; empty when they can.

    Parameters
    ----------
    views : how each image is shown, by role
    beside : what each annotation that is drawn says besides, by its id, that has no place with it
    """
    return [
        problem
        for annotation in new
        for problem in _problems(annotation, views, beside.get(annotation.id, said_beside(annotation)))
    ]


def _problems(annotation: Annotation, views: Mapping[str, View | None], lost: Sequence[str]) -> Iterator[Problem]:
    where = f"{annotation.kind} {annotation.label!r}"
    if not is_uuid(annotation.id):
        what = "is no UUID, and no sidecar can be changed here to tell of it"
        yield Problem(f"annotation id {annotation.id!r}", what, "leave the id out, or give a UUID")
    if (changed := _changed(annotation, views)) is not None:
        yield Problem(where, changed, AGAIN)
    if lost:
        what = f"{' and '.join(lost)} would be lost: Darwin keeps that of a case's first annotations alone"
        yield Problem(where, what, f"leave it out, or {AGAIN}")


def _changed(annotation: Annotation, views: Mapping[str, View | None]) -> str | None:
    """As what else an annotation would be read, or None where it is read as what it is."""
    if isinstance(annotation, Raw):
        return "would come back with the number and the class of what is made there"
    if isinstance(annotation, Track):
        return _changed_track(annotation, views)
    if isinstance(annotation, Category | Numeric):
        return f"would come back as a text: Darwin has tags with a text, and no {annotation.kind} annotations"
    if annotation.image is None:
        return "is of the whole case, and would come back as one of an image: Darwin's annotations lie in slots"
    view = views.get(annotation.image)
    if isinstance(annotation, Label) and view is not None and not view.frames:
        return "would come back as a tag of the case: on an image of one frame Darwin has no other labels"
    if isinstance(annotation, Polyline) and len(annotation.points) == 2:
        return "has two positions, and would come back as a line"
    return None


def _changed_track(track: Track, views: Mapping[str, View | None]) -> str | None:
    """As what else a track would be read, or None."""
    one, view = track.keyframes[0], views.get(str(track.image))
    if isinstance(one, Category | Numeric):
        return f"would come back as one of texts: Darwin has no {one.kind} annotations"
    if len(list(track.frames)) == 1:
        return f"is in one plane only, and would come back as a {one.kind}"
    everywhere = ((0, view.frames - 1),) if view is not None else ()
    if isinstance(one, Label | Text) and len(track.keyframes) == 1 and track.ranges == everywhere:
        return f"is in every plane, and would come back as a {one.kind} of the whole image"
    if all(isinstance(each, Polyline) and len(each.points) == 2 for each in track.keyframes):
        return "has two positions in each keyframe, and would come back as one of lines"
    return None
