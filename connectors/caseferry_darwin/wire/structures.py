"""Masks from the structures of one slot: pixels of the layer that they share, and polygons that were masks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from caseferry.annotation import Mask
from caseferry.files import file_name, made
from caseferry.imaging.convert import nifti_bytes
from caseferry.sidecar import Found
from caseferry_darwin.wire.attributes import Attributes, said_of
from caseferry_darwin.wire.masks import Layer
from caseferry_darwin.wire.outlines import paint_outlines
from caseferry_darwin.wire.properties import same_words
from caseferry_darwin.wire.raws import UNREADABLE, kept_whole
from caseferry_darwin.wire.rows import contents_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.geometry import Geometry
    from caseferry_darwin.wire.annotations import Ids
    from caseferry_darwin.wire.classes import Classes
    from caseferry_darwin.wire.view import View

SAID = "said"
"""Beside a mask that was listed: what is said of it, in core's words."""

UNREAD = "unread"
"""The attribute that holds what is said of a mask and is not written as it should be."""

DRAWN = "drawn"
"""Beside a part of a mask that is a polygon: that polygon, in core's words."""


def masks_of(
    parts: Mapping[str, Mapping[str, Any]],
    layer: Layer,
    view: View,
    image: Image,
    known: Iterable[Annotation],
    ids: Ids,
) -> list[Found]:
    """The masks of one slot: those that were put together come back together, each other one by itself."""
    left = dict(parts)
    found: list[Found] = []
    for annotation in known:
        if not isinstance(annotation, Mask) or annotation.image != image.role:
            continue
        own = {ids.value(annotation.id, value): value for value in annotation.labels}
        there = {part: value for part, value in own.items() if part in left}
        if there:
            named = {part: (value, str(left[part]["label"])) for part, value in there.items()}
            drawn = {part: left[part][DRAWN] for part in there if DRAWN in left[part]}
            mask = _mask(annotation.id, named, layer, view, image, drawn)
            agreed = _agreed([left[part][SAID]["attributes"] for part in there])
            found.append(Found(replace(mask, attributes=agreed), ids.annotation(annotation.id)))
            left = {part: row for part, row in left.items() if part not in there}
    for part, row in left.items():
        mask = _mask(part, {part: (1, str(row["label"]))}, layer, view, image, {})
        found.append(Found(replace(mask, **row[SAID]), part))
    return found


def mask_said(row: Mapping[str, Any], classes: Classes) -> dict[str, Any]:
    """What is said of a mask: in its first frame, and by its properties in all; whole, where it cannot be read."""
    try:
        content = next(iter(contents_of(row)[1:]), row["data"])
        return said_of(row, content) | {"attributes": Attributes.read(row, classes.properties).everywhere(content)}
    except UNREADABLE:
        return {"attributes": {UNREAD: kept_whole(row)}}


def layer_of(row: Mapping[str, Any] | None) -> Layer | None:
    """The pixels that a slot has, none without a layer; None where it is not written as a layer is."""
    try:
        return Layer.read(row["data"]) if row is not None else Layer({})
    except UNREADABLE:
        return None


def _agreed(several: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The attributes in which several parts of one mask agree."""
    first, *others = several
    return {n: v for n, v in first.items() if all(n in each and same_words(each[n], v) for each in others)}


def _mask(
    name: str,
    parts: Mapping[str, tuple[int, str]],
    layer: Layer,
    view: View,
    image: Image,
    drawn: Mapping[str, Annotation],
) -> Mask:
    """A mask of some of the platform's; its voxels are drawn when it is opened.

    Parameters
    ----------
    parts : the platform's ids to voxel value and label
    drawn : those of them that are polygons
    """

    def make(out: BinaryIO) -> None:
        grid = cast("Geometry", image.geometry)
        voxels: NDArray[Any] = layer.voxels({part: value for part, (value, _) in parts.items()}, view)
        if view.turn is None and grid.frames > 1:
            voxels = voxels.reshape(*grid.shape, grid.frames, order="F")
        paint_outlines(voxels, [(each, parts[part][0]) for part, each in drawn.items()])
        out.write(nifti_bytes(voxels, grid, labels=True))

    file = made(make, file_name(name, ".nii.gz"), media_type="application/nifti")
    return Mask(image.role, file, dict(parts.values()), id=name)
