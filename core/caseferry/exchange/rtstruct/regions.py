"""From annotations to the regions of a structure set, in voxels of their image.

Areas that say the same and lie in different planes are one region; a second one in the same plane begins another
region, so that two findings stay two. Every line, point and label of a mask is a region of its own. What was read
from a structure set goes back into the regions that it came from.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Angle, Annotation, Box, Ellipse, Line, Mask, Placed, Point, Polygon, Polyline
from caseferry.case.placement import aligned
from caseferry.exchange.rtstruct.keyholes import joined
from caseferry.shapes import ellipse_ring, polygons

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caseferry.case import Image
    from caseferry.exchange.written import Written
    from caseferry.geometry import FloatArray, Geometry

FLAT_MM = 1e-3
"""How far from one plane positions may lie to count as lying in it, in millimetres."""

ON_SLICE = 1e-4
"""How far from a slice, in slices, positions may lie to count as lying in it."""


@dataclass
class Contour:
    """One contour.

    Attributes
    ----------
    kind : its ContourGeometricType
    points : shape (n, 3); column, row, slice
    plane : the slice that it lies in; None for one that lies in none
    of : the annotation that comes back from it; None for an outline of a mask
    """

    kind: str
    points: FloatArray
    plane: int | None
    of: Annotation | None = None


@dataclass
class Region:
    """A region.

    Attributes
    ----------
    label : its name
    said : an annotation that says what is said of all of it
    """

    label: str
    said: Annotation
    contours: list[Contour] = field(default_factory=list)

    @property
    def planes(self) -> set[int | None]:
        """The slices in which it has contours."""
        return {contour.plane for contour in self.contours}


def regions(annotations: Iterable[Annotation], image: Image, grid: Geometry, written: Written) -> list[Region]:
    """The regions that annotations make, in the order of the annotations.

    Parameters
    ----------
    written : told what has no form as contours, and what changes
    """
    found: list[Region] = []
    shared: dict[str, list[Region]] = defaultdict(list)
    for annotation in annotations:
        if isinstance(annotation, Mask):
            found += _of_mask(annotation, image)
            written.changed.append((annotation, "becomes the outlines of its pixels, in each slice"))
            continue
        contours = _contours(annotation, grid)
        if isinstance(contours, str):
            written.left_out.append((annotation, contours))
            continue
        if type(annotation) in _BECOMES:
            written.changed.append((annotation, _BECOMES[type(annotation)]))
        planes = {contour.plane for contour in contours} - {None}
        candidates = shared[key] if (key := _key(annotation)) else []
        region = next((each for each in candidates if not planes & each.planes), None)
        if region is None:
            region = Region(annotation.label, annotation)
            found.append(region)
            candidates.append(region)
        region.contours += [replace(contour, of=annotation) for contour in contours]
    return found


_BECOMES: dict[type[Annotation], str] = {
    Box: "becomes its outline",
    Ellipse: "becomes an outline that follows it within a hundredth of a pixel",
    Angle: "becomes open contours",
}


def _key(annotation: Annotation) -> str:
    """The same for annotations of one region; empty for one that makes a region of its own."""
    told = annotation.to_json()
    named = "ROINumber" in annotation.attributes
    if not named and not isinstance(annotation, Polygon | Box | Ellipse):
        return ""
    own = {"kind", "id", "frame", "points", "rings", "created", "modified"}
    return json.dumps({name: value for name, value in told.items() if name not in own}, sort_keys=True)


def _of_mask(mask: Mask, image: Image) -> list[Region]:
    found = {label: Region(label, mask) for label in mask.labels.values()}
    for polygon in polygons(mask, aligned(mask, image)):
        plane = polygon.frame or 0
        rings = [np.asarray(ring, dtype=np.float64) for ring in polygon.rings]
        found[polygon.label].contours += [
            Contour("CLOSED_PLANAR", _deep(each, plane), plane) for each in joined(rings, traced=True)
        ]
    return list(found.values())


def _deep(points: FloatArray, plane: float) -> FloatArray:
    return np.column_stack((points, np.full(len(points), plane, dtype=np.float64)))


def _contours(annotation: Annotation, grid: Geometry) -> list[Contour] | str:
    """What an annotation is as contours, or why it has no form as such."""
    if not isinstance(annotation, Placed | Polygon):
        return f"a structure set has no {annotation.kind} annotation"
    if annotation.dimensions == 2:
        if annotation.frame is None and grid.shape[2] > 1:
            return f"it names none of {grid.shape[2]} slices"
        if (annotation.frame or 0) >= grid.shape[2]:
            return f"it lies in slice {annotation.frame} of {grid.shape[2]}"
    if isinstance(annotation, Box) and annotation.dimensions == 3:
        return _cuboid(annotation, grid)
    whole = np.array(annotation.points, dtype=np.float64)
    points = whole if annotation.dimensions == 3 else _deep(whole, annotation.frame or 0)
    plane = round(float(points[:, 2].mean()))
    inside = np.abs(points[:, 2] - plane).max() <= ON_SLICE and 0 <= plane < grid.shape[2]
    if isinstance(annotation, Box | Ellipse) and not inside:
        return "it lies in no single slice"
    slice_ = plane if inside else None
    if isinstance(annotation, Polygon):
        rings = np.split(points, np.cumsum([len(ring) for ring in annotation.rings])[:-1])
        return _closed(rings, slice_, grid)
    if isinstance(annotation, Box):
        return [Contour("CLOSED_PLANAR", _deep(_rectangle(points), plane), slice_)]
    if isinstance(annotation, Ellipse):
        return [Contour("CLOSED_PLANAR", _deep(ellipse_ring(points[:, :2].tolist()), plane), slice_)]
    if isinstance(annotation, Point):
        return [Contour("POINT", point[None, :], slice_) for point in points]
    assert isinstance(annotation, Line | Polyline | Angle)  # noqa: S101  there is no other kind
    ways = [points[:2], points[2:]] if isinstance(annotation, Angle) and len(points) == 4 else [points]
    return [Contour(_planar("OPEN", way, grid), way, slice_) for way in ways]


def _closed(rings: Sequence[FloatArray], plane: int | None, grid: Geometry) -> list[Contour]:
    points = np.concatenate(rings)
    kind = _planar("CLOSED", points, grid)
    spread = points.max(axis=0) - points.min(axis=0)
    first, second = (0, 1) if plane is not None else sorted(np.argsort(spread)[1:].tolist())
    return [Contour(kind, each, plane) for each in joined(rings, (first, second))]


def _planar(kind: str, points: FloatArray, grid: Geometry) -> str:
    places = grid.to_patient(points)
    places -= places.mean(axis=0)
    across = np.linalg.eigh(places.T @ places)[1][:, 0]
    return f"{kind}_PLANAR" if np.abs(places @ across).max() <= FLAT_MM else f"{kind}_NONPLANAR"


def _rectangle(corners: FloatArray) -> FloatArray:
    (left, top), (right, bottom) = corners[:, :2]
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _cuboid(box: Box, grid: Geometry) -> list[Contour] | str:
    corners: Any = np.array(box.points, dtype=np.float64)
    first, end = (min(max(math.ceil(depth), 0), grid.shape[2]) for depth in corners[:, 2])
    if first == end:
        return "it lies between slices"
    return [Contour("CLOSED_PLANAR", _deep(_rectangle(corners), plane), plane) for plane in range(first, end)]
