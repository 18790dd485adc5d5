"""Tracks: an annotation in each frame, and back.

Datamint has ranges of frames as well, for what is said without a place. They are not written: where one is listed
among annotations, no version of the platform's client says which frames it is about, and what a server answers there
is nowhere documented. An annotation in each frame is listed, with its frame, by all of them; client 2.5 makes a range
into that itself. Ranges that others have written are read; see `caseferry_datamint.wire.meaning`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from caseferry.annotation import Ellipse, Placed, Polygon, Shape, Track
from caseferry.case.compare import annotation_differences, same_meaning
from caseferry.errors import InvalidCase
from caseferry_datamint.wire.annotations import native_form
from caseferry_datamint.wire.answers import first_of, whole
from caseferry_datamint.wire.frames import place_of
from caseferry_datamint.wire.links import link_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.mapping import Names

MOST_FRAMES = 2000
"""Through how many frames a track may run to be written as an annotation in each: people look at the list of them."""

OF_EACH_ROW: dict[str, Any] = {
    "id": "",
    "author": None,
    "reviewer": None,
    "created": None,
    "modified": None,
    "status": None,
    "source": None,
    "model": None,
}
"""What a row of the platform says of itself, and a keyframe does not."""


def track_forms(track: Track, image: Image, names: Names) -> list[tuple[int, dict[str, Any]]] | str:
    """What creates each annotation that makes a track, or why there is no such thing; see `native_form`."""
    if (count := sum(last - first + 1 for first, last in track.ranges)) > MOST_FRAMES:
        return f"it runs through {count} frames, and would be as many annotations of Datamint's"
    forms = []
    for shape in track.shapes():
        form, place = native_form(replace(shape, id=track.id), image, names), place_of(image, cast("int", shape.frame))
        if isinstance(form, str):
            return form
        if place is None:
            return "Datamint numbers the axial slices of a volume only"
        forms.append((form[0], {**form[1], "scope": "frame", "frame_index": place.frame}))
    return forms


# -- reading -------------------------------------------------------------------------------------------------------


def bundled(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str | None, list[Mapping[str, Any]]]]:
    """Rows that have no voxels, each with those that were put with it as one annotation.

    These carry one link, are of one type and label, and each is of a frame of its own. One that carries the link of
    another and is no such thing, such as a copy, is an annotation by itself.

    Returns
    -------
    The link, and the rows in the order of their frames; no link for what was not put by caseferry.
    """
    bundles: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    first: dict[str, tuple[Any, ...]] = {}
    taken: dict[str, set[tuple[str, int] | None]] = {}
    for row in rows:
        link = link_of(row)
        what = (str(row.get("annotation_type") or row.get("type")), row.get("identifier") or row.get("name"))
        if link is None or first.setdefault(link, what) != what:
            bundles["row", str(row["id"])] = [row]
            continue
        spot, spots = _spot(row), taken.setdefault(link, set())
        if spots and (spot is None or spots & {None, spot}):
            bundles["row", str(row["id"])] = [row]
        else:
            bundles.setdefault(("link", link), []).append(row)
            spots.add(spot)
    return [(key[1] if key[0] == "link" else None, each) for key, each in bundles.items()]


def _spot(row: Mapping[str, Any]) -> tuple[str, int] | None:
    """The resource and the frame of a row; None when it is of no frame."""
    index = whole(first_of(row, "frame_index", "index"))
    return None if index is None else (str(row.get("resource_id")), index)


def track_of(shapes: Sequence[Annotation]) -> Track | None:
    """What was put as an annotation in each frame, as the track that it was; None when it makes none.

    A keyframe stands where something changes.
    """
    if not all(isinstance(shape, Shape) and shape.frame is not None for shape in shapes):
        return None
    ordered = sorted(cast("Sequence[Shape]", shapes), key=lambda shape: cast("int", shape.frame))
    keyframes: list[Shape] = []
    for shape in ordered:
        keyframe = replace(shape, **OF_EACH_ROW)
        if not keyframes or not _holds(keyframes[-1], keyframe):
            keyframes.append(keyframe)
    common: dict[str, Any] = {name: getattr(ordered[0], name) for name in ("image", "label", *OF_EACH_ROW)}
    if len({shape.status for shape in ordered}) > 1:  # some of its frames were checked, and others not
        common |= {"status": None, "reviewer": None}
    ranges = [(cast("int", shape.frame),) * 2 for shape in ordered]
    try:
        return Track(**common, keyframes=keyframes, ranges=ranges)
    except InvalidCase:
        return None


def _holds(before: Shape, after: Shape) -> bool:
    """Whether a keyframe says the same as the one before, some frames later."""
    return before.attributes == after.attributes and same_meaning(replace(before, frame=after.frame), after, None)


def reads_back(track: Track, image: Image) -> bool:
    """Whether a track is what its annotations in each frame say, and nothing more: keyframes where something changes.

    One of a single frame is not: nothing tells it from an annotation of that frame.
    """
    shapes = list(track.shapes())
    again = track_of(shapes) if len(shapes) > 1 and not isinstance(shapes[0], Ellipse) else None
    if again is None or any(isinstance(each, Placed | Polygon) and each.attributes for each in track.keyframes):
        return False
    said = {name: getattr(track, name) for name in ("id", "confidence", "attributes", "codes", *OF_EACH_ROW)}
    return annotation_differences(track, replace(again, **said), image, image) == []
