"""Annotations as the JSON of Grand Challenge's sockets, and back.

Positions are world millimetres of the MetaImage that the platform keeps, which is LPS; on flat images the third
coordinate is 0.5.

Source
------
Grand Challenge's JSON schemas of annotation sockets (``components/schemas.py`` of its source), version 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import (
    Angle,
    Annotation,
    Box,
    Category,
    Ellipse,
    Label,
    Line,
    Numeric,
    Placed,
    Point,
    Polygon,
    Polyline,
    Position,
    Raw,
    Text,
)
from caseferry.annotation.placed import SAME_PLACE_MM
from caseferry.geometry import Geometry, as_stored
from caseferry.shapes import upright_axes
from caseferry.sidecar import said_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

STRANGE = (KeyError, TypeError, ValueError, IndexError, AttributeError)
"""What comes of reading what is not as it should be."""

VERSION = {"major": 1, "minor": 0}
FLAT_Z = 0.5

ON_SLICE = 1e-4
"""How far from the middle of a slice, in slices, a position may lie to count as lying on it."""

SEVERAL = {
    "Multiple 2D bounding boxes": ("boxes", "2D bounding box"),
    "Multiple distance measurements": ("lines", "Distance measurement"),
    "Multiple points": ("points", "Point"),
    "Multiple polygons": ("polygons", "Polygon"),
    "Multiple lines": ("lines", "Line"),
    "Multiple angles": ("angles", "Angle"),
    "Multiple three-point angles": ("angles", "Three-point angle"),
    "Multiple ellipses": ("ellipses", "Ellipse"),
}
"""Kinds that hold several annotations: the member that lists them, and the kind of each."""

DRAWN: dict[str, Any] = {"sub_type": "brush", "groups": []}
"""What a polygon says of how it was drawn, where nobody says anything else."""

BESIDE = "grand-challenge"
"""The attribute that keeps what an annotation says in the platform's own words alone."""

PLACES = {
    "Point": ("point",),
    "Distance measurement": ("start", "end"),
    "Line": ("path_point_lists",),
    "2D bounding box": ("corners",),
    "Ellipse": ("major_axis", "minor_axis"),
    "Angle": ("lines",),
    "Three-point angle": ("angle",),
    "Polygon": ("path_points",),
}
"""The members of an annotation of each kind that say where it lies."""

ANY_ORDER = ("2D bounding box", "Ellipse")
"""Kinds of which the points may be told in another order."""

MARKS = (*(single for _, single in SEVERAL.values()), *SEVERAL)
"""Kinds of sockets whose values are positions."""


LATER = "it lies in a later moment of its image, which a position in space does not tell"
"""Why an annotation of an image that changes with time finds no socket."""


def lies_later(annotation: Annotation, grid: Geometry | None) -> bool:
    """Whether an annotation lies in a moment of its image, kept as the platform keeps it, that is not the first."""
    if grid is None or annotation.frame is None:
        return False
    stored = as_stored(grid)
    return stored.frames > 1 and annotation.frame >= stored.shape[2]


def kinds_for(annotation: Annotation, grid: Geometry | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The kinds of sockets that may hold an annotation: those that hold one, and those that hold several.

    Parameters
    ----------
    grid : of the image that it lies in
    """
    if isinstance(annotation, Placed | Polygon):
        if lies_later(annotation, grid):
            return (), ()
        single = _shape_kinds(annotation)
        return single, tuple(several for several, (_, each) in SEVERAL.items() if each in single)
    if annotation.frame is not None:
        return (), ()
    if isinstance(annotation, Label):
        return ("Bool",), ()
    if isinstance(annotation, Category):
        return ("Choice", "String"), ()
    if isinstance(annotation, Text):
        return ("String",), ()
    if isinstance(annotation, Numeric):
        return (("Integer", "Float") if isinstance(annotation.value, int) else ("Float",)), ()
    return (), ()


def _shape_kinds(annotation: Placed | Polygon) -> tuple[str, ...]:
    """The kinds of which an annotation with a place may be, the best first; none when it has no such form."""
    if isinstance(annotation, Line):
        return "Distance measurement", "Line"
    if isinstance(annotation, Polyline):
        return ("Line",)
    if isinstance(annotation, Angle):
        return ("Three-point angle",) if len(annotation.points) == 3 else ("Angle",)
    fits = {
        "Point": isinstance(annotation, Point) and len(annotation.points) == 1,
        "2D bounding box": isinstance(annotation, Box) and annotation.dimensions == 2,
        "Polygon": isinstance(annotation, Polygon) and len(annotation.rings) == 1,
        "Ellipse": isinstance(annotation, Ellipse) and upright_axes(annotation.points) is not None,
    }
    return tuple(kind for kind, fit in fits.items() if fit)


def socket_value(kind: str, annotations: Sequence[Annotation], grid: Geometry | None) -> Any:
    """The value of a socket that holds some annotations.

    Parameters
    ----------
    kind : of the socket; annotations fit it, see `kinds_for`
    grid : of the image that they lie in, for those that lie somewhere
    """
    first = annotations[0]
    if isinstance(first, Raw):
        return first.payload["value"] if isinstance(first.payload, dict) else None
    if isinstance(first, Label):
        return True
    if isinstance(first, Category | Text | Numeric):
        return first.value
    assert grid is not None  # noqa: S101  what lies somewhere lies in an image with a grid
    if kind in SEVERAL:
        member, single = SEVERAL[kind]
        return {"type": kind, "version": VERSION, member: [_mark(single, each, grid) for each in annotations]}
    return {"version": VERSION, **_mark(kind, first, grid)}


def _mark(kind: str, annotation: Annotation, grid: Geometry) -> dict[str, Any]:
    assert isinstance(annotation, Placed | Polygon)  # noqa: S101  see kinds_for
    world = _world(annotation, grid)
    mark: dict[str, Any] = {"type": kind, "name": annotation.label}
    if annotation.confidence is not None:
        mark["probability"] = annotation.confidence
    own = _own_members(annotation, world)
    if kind == "Point":
        return mark | {"point": world[0]}
    if kind == "Distance measurement":
        return mark | {"start": world[0], "end": world[1]}
    if kind == "Line":
        return mark | {"seed_points": world, "path_point_lists": [world], **own}
    if kind == "2D bounding box":
        return mark | {"corners": world}
    if kind == "Ellipse":
        return mark | {"major_axis": world[:2], "minor_axis": world[2:]}
    if kind == "Angle":
        return mark | {"lines": [world[:2], world[2:]]}
    if kind == "Three-point angle":
        return mark | {"angle": world}
    return mark | {"seed_point": world[0], "path_points": world, **DRAWN, **own}


def unsaid(annotation: Annotation) -> list[str]:
    """The fields of an annotation with a socket that have no place in its value."""
    said = {"confidence"} if isinstance(annotation, Placed | Polygon) else set()
    if annotation.attributes.keys() <= {BESIDE}:
        said.add("attributes")
    unit = ["unit"] if isinstance(annotation, Numeric) and annotation.unit else []
    return unit + [name for name in said_beside(annotation) if name not in said]


def _own_members(annotation: Annotation, world: Sequence[Sequence[float]]) -> dict[str, Any]:
    """What an annotation says in the platform's own words alone; where it was begun, unless it was moved since."""
    said = annotation.attributes.get(BESIDE)
    if not isinstance(said, dict):
        return {}
    own = {name: said[name] for name in DRAWN if name in said and isinstance(annotation, Polygon)}
    name = "seed_point" if isinstance(annotation, Polygon) else "seed_points"
    seeds = said.get(name)
    low, high = np.min(world, axis=0) - SAME_PLACE_MM, np.max(world, axis=0) + SAME_PLACE_MM
    points = _listed_points(seeds)
    if points and all(((low <= point) & (point <= high)).all() for point in points):
        own[name] = seeds
    return own


def _world(annotation: Placed | Polygon, grid: Geometry) -> list[list[float]]:
    points: Sequence[Position] = annotation.points
    if isinstance(annotation, Box):
        (left, top), (right, bottom) = (point[:2] for point in points)
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    third = 0.0 if annotation.frame is None else float(annotation.frame)
    solid = np.array([[*point, third] if len(point) == 2 else list(point) for point in points], dtype=np.float64)
    world = as_stored(grid).to_patient(solid)
    if isinstance(annotation, Ellipse) and (upright := upright_axes(world)) is not None:
        world = upright
    if _flat(grid):
        world[:, 2] = FLAT_Z
    return [[float(value) for value in point] for point in world]


def _flat(grid: Geometry) -> bool:
    return grid.planes == 1 and grid.space != "patient"


# -- reading -------------------------------------------------------------------------------------------------------


def annotations_in(
    kind: str, value: Any, common: Mapping[str, Any], grid: Geometry | None, put: Sequence[Annotation | None]
) -> list[Annotation]:
    """The annotations in the value of a socket; none when the value is not of the kind.

    Parameters
    ----------
    common : image and label
    grid : of the image that positions lie in
    put : what was put into the socket, in order: it says which of several kinds is meant
    """
    return [each for each in entries_back(kind, value, common, grid, put) if each is not None]


def entries_back(
    kind: str, value: Any, common: Mapping[str, Any], grid: Geometry | None, put: Sequence[Annotation | None]
) -> list[Annotation | None]:
    """Likewise, entry by entry: None for one that says nothing that can be understood."""
    hint = put[0] if put else None
    try:
        if kind == "Bool":
            return [Label(**common)] if value is True else []
        if kind in {"String", "Choice"}:
            return [(Category if isinstance(hint, Category) else Text)(**common, value=str(value))]
        if kind in {"Integer", "Float"}:
            unit = hint.unit if isinstance(hint, Numeric) else ""
            number = int(value) if kind == "Integer" else float(value)
            return [Numeric(**common, value=_as_put(number, hint), unit=unit)]
        if grid is None:
            return []
        if kind in SEVERAL:
            member, single = SEVERAL[kind]
            hints = chain(put, repeat(None))
            return [_entry_back(single, each, common, grid, next(hints)) for each in value[member]]
        return [_mark_back(kind, value, common, grid, hint)]
    except STRANGE:
        return []


def _entry_back(
    kind: str, mark: Any, common: Mapping[str, Any], grid: Geometry, put: Annotation | None
) -> Annotation | None:
    try:
        return _mark_back(kind, mark, common, grid, put)
    except STRANGE:
        return None


def _as_put(number: float, put: Annotation | None) -> float:
    whole = isinstance(put, Numeric) and isinstance(put.value, int) and float(number).is_integer()
    return int(number) if whole else number


def _mark_back(
    kind: str, mark: Mapping[str, Any], common: Mapping[str, Any], grid: Geometry, put: Annotation | None
) -> Annotation:
    named = dict(common)
    beside = _own_words(mark)
    if beside:
        named["attributes"] = {BESIDE: beside}
    if mark.get("name"):
        named["label"] = mark["name"]
    if mark.get("probability") is not None:
        named["confidence"] = float(mark["probability"])
    if kind == "Point":
        points, frame = _voxels([mark["point"]], grid)
        return Point(**named, frame=frame, points=points)
    if kind == "Distance measurement":
        points, frame = _voxels([mark["start"], mark["end"]], grid)
        return Line(**named, frame=frame, points=points)
    if kind == "2D bounding box":
        points, frame = _voxels(mark["corners"], grid)
        axes = np.array(points)
        low, high = axes.min(axis=0).tolist(), axes.max(axis=0).tolist()
        return Box(**named, frame=frame, points=[tuple(low), tuple(high)])
    if kind == "Line":
        points, frame = _voxels(mark["path_point_lists"][0], grid)
        straight = len(points) == 2 and not isinstance(put, Polyline)
        return (Line if straight else Polyline)(**named, frame=frame, points=points)
    if kind == "Ellipse":
        points, frame = _voxels([*mark["major_axis"], *mark["minor_axis"]], grid)
        return Ellipse(**named, frame=frame, points=points)
    if kind == "Angle":
        points, frame = _voxels([position for line in mark["lines"] for position in line], grid)
        return Angle(**named, frame=frame, points=points)
    if kind == "Three-point angle":
        points, frame = _voxels(mark["angle"], grid)
        return Angle(**named, frame=frame, points=points)
    points, frame = _voxels(mark["path_points"], grid)
    return Polygon(**named, frame=frame, rings=[points])


def _own_words(mark: Mapping[str, Any]) -> dict[str, Any]:
    """What an annotation in a socket says in the platform's own words alone, and not as everybody does."""
    firsts = {"seed_point": mark.get("path_points"), "seed_points": mark.get("path_point_lists")}
    usual = {**DRAWN, **{name: places[0] for name, places in firsts.items() if places}}
    return {name: mark[name] for name in usual if name in mark and mark[name] != usual[name]}


def _voxels(world: Sequence[Sequence[float]], grid: Geometry) -> tuple[list[Position], int | None]:
    """World positions as (column, row) and the plane where all lie on one, else as (column, row, slice)."""
    on_paper = _flat(grid) or (grid.planes == 1 and all(point[2] == FLAT_Z for point in world))
    flat = [[point[0], point[1], 0.0] for point in world] if on_paper else [list(point) for point in world]
    voxels: NDArray[np.float64] = as_stored(grid).to_voxel(flat)
    plane = round(float(voxels[0, 2]))
    if np.abs(voxels[:, 2] - plane).max() <= ON_SLICE:
        return [(float(v[0]), float(v[1])) for v in voxels], (plane if grid.planes > 1 else None)
    return [(float(v[0]), float(v[1]), float(v[2])) for v in voxels], None


def places_in(kind: str, one: Any, grid: Geometry, other: Mapping[str, Any]) -> bool:
    """Whether two annotations of a kind, as sockets hold them, lie in the same places."""
    if not isinstance(one, Mapping) or one.get("type", kind) != kind:
        return False
    ours, theirs = (_points([mark.get(name) for name in PLACES[kind]], grid) for mark in (one, other))
    if len(ours) != len(theirs):
        return False
    if kind not in ANY_ORDER:
        return all(_near(a, b) for a, b in zip(ours, theirs, strict=True))
    return all(any(_near(a, b) for b in theirs) for a in ours) and all(any(_near(a, b) for a in ours) for b in theirs)


def _points(places: Any, grid: Geometry) -> list[tuple[float, ...]]:
    """All points in some lists; in images of one plane their third coordinate says nothing."""
    return [point[:2] if grid.planes == 1 else point for point in _listed_points(places)]


def _listed_points(places: Any) -> list[tuple[float, ...]]:
    """All points in lists of lists, in order."""
    if not isinstance(places, list):
        return []
    if len(places) == 3 and all(isinstance(each, int | float) for each in places):
        return [tuple(map(float, places))]
    return [point for each in places for point in _listed_points(each)]


def _near(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(abs(a - b) <= SAME_PLACE_MM for a, b in zip(one, other, strict=True))
