"""Masks as polygons, and polygons, boxes and ellipses as masks, under the convention of this package."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from caseferry.annotation import Annotation, Box, Ellipse, Mask, Polygon, Position
from caseferry.errors import Inexpressible, Problem
from caseferry.shapes.fill import box_mask, ellipse_mask, ellipse_ring, fill_into
from caseferry.shapes.trace import trace_planes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

Area: TypeAlias = Polygon | Box | Ellipse

OUTLINE_WITHIN = 0.02
"""How far the outline of an ellipse may lie from it, in pixels."""

IN_PLANE = 1e-3
"""How far from a slice, in slices, a position may lie to count as lying in it."""

_COMMON = [each.name for each in fields(Annotation) if each.name not in {"image", "label", "frame", "id"}]


def polygons(mask: Mask, voxels: NDArray[Any]) -> Iterator[Polygon]:
    """A mask as polygons along the edges of its pixels. Nothing is lost: painted again, they are the mask.

    Parameters
    ----------
    voxels : the mask's values on its image's grid, [column, row, slice], then frame where there is more than one

    Yields
    ------
    One polygon for each label in each plane where it is, with all its parts and holes as rings; author, times and
    what else is said of the mask go with each. They have no ids yet.
    """
    common = {name: getattr(mask, name) for name in _COMMON}
    for frame, outlines in trace_planes(voxels, mask.labels):
        for value, rings in outlines.items():
            points = cast("Sequence[Sequence[Position]]", [ring.tolist() for ring in rings])
            yield Polygon(cast("str", mask.image), points, label=mask.labels[value], frame=frame, **common)


def outlined(ellipse: Ellipse) -> Polygon:
    """The outline of an ellipse that lies in one plane, as a polygon whose corners lie on it.

    It is the form of an ellipse on platforms that have none, and always the same, so that it is recognised there; how
    far it is from the ellipse is told by `outline_error`.
    """
    ring = ellipse_ring([point[:2] for point in ellipse.points], OUTLINE_WITHIN)
    plane = ellipse.points[0][2:]
    points = cast("Sequence[Position]", [[*point, *plane] for point in ring.tolist()])
    common = {name: getattr(ellipse, name) for name in (*_COMMON, "image", "label", "frame", "id")}
    return Polygon(rings=[points], **common)


def paint(annotation: Area, volume: NDArray[Any], value: int) -> None:
    """Give a value to the voxels whose centres lie within an annotation, and leave the others.

    Parameters
    ----------
    volume : [column, row, slice], then frame where there is more than one; changed. A box with a slice and a
        polygon or ellipse that lies in one are painted in the first frame.

    Raises
    ------
    Inexpressible
        The annotation lies in no plane of the volume, or goes across slices; only boxes may.
    """
    if isinstance(annotation, Box) and annotation.dimensions == 3:
        first = volume.reshape(*volume.shape[:3], -1)[..., 0] if volume.ndim > 3 else volume
        first[box_mask(annotation.points, first.shape)] = value
        return
    plane = volume.transpose(*range(2, volume.ndim), 0, 1)[_plane(annotation, volume)]
    points = np.asarray(annotation.points, dtype=np.float64)[:, :2].tolist()
    if isinstance(annotation, Polygon):
        fill_into(plane, [np.asarray(ring, dtype=np.float64)[:, :2] for ring in annotation.rings], value)
    elif isinstance(annotation, Box):
        plane[box_mask(points, plane.shape)] = value
    else:
        plane[ellipse_mask(points, (plane.shape[0], plane.shape[1]))] = value


def _plane(annotation: Area, volume: NDArray[Any]) -> tuple[int, ...]:
    """The slice, and the frame where the volume has more than one, in which an annotation lies."""
    slices, frames = volume.shape[2], volume.shape[3] if volume.ndim > 3 else 1
    if annotation.dimensions == 3:
        depths = [point[2] for point in annotation.points if len(point) == 3]
        plane = round(depths[0])
        if max(abs(depth - plane) for depth in depths) > IN_PLANE or plane >= slices:
            raise _homeless(annotation, f"its positions lie in no single one of {slices} slices")
    else:
        plane = annotation.frame if annotation.frame is not None else 0
        if annotation.frame is None and slices * frames > 1:
            raise _homeless(annotation, f"it names none of {slices * frames} planes")
    if not 0 <= plane < slices * frames:
        raise _homeless(annotation, f"it lies in plane {plane} of {slices * frames}")
    index = (plane % slices, plane // slices)
    return index if volume.ndim > 3 else index[:1]


def _homeless(annotation: Area, why: str) -> Inexpressible:
    place = f"annotation {annotation.id}" if annotation.id else f"{annotation.kind} {annotation.label!r}"
    return Inexpressible(None, [Problem(place, f"has no form as a mask: {why}")])
