"""What a plan says of an annotation, against what is read from its socket alone, without the sidecar."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.annotation import Placed
from caseferry.annotation.placed import SAME_PLACE_MM
from caseferry.files import FileRef
from caseferry.geometry import Geometry, as_stored
from caseferry.mapping import Names
from caseferry.shapes import same_ellipse
from caseferry_grand_challenge.wire.annotations import MARKS, SEVERAL, annotations_in, kinds_for
from caseferry_grand_challenge.wire.assigning import assign
from caseferry_grand_challenge.wire.holding import held_parts
from caseferry_grand_challenge.wire.putting import mark_values
from caseferry_grand_challenge.wire.raws import understood
from caseferry_grand_challenge.wire.sockets import Socket

QUICK = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
KINDS = (cf.Point, cf.Line, cf.Polyline, cf.Box, cf.Ellipse, cf.Angle, cf.Polygon)
SHAPE = (7, 6, 5)


@st.composite
def grids(draw: Any) -> Geometry:
    """Volumes in every orientation, straight and oblique; those that change with time; flat images; cines."""
    turned, _ = np.linalg.qr(np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3))
    straight = np.eye(3)[:, draw(st.permutations(range(3)))] * draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    affine = np.eye(4)
    spacing = np.diag(draw(st.tuples(*[st.floats(0.1, 5)] * 3)))
    affine[:3, :3] = draw(st.sampled_from([turned, straight])) @ spacing
    affine[:3, 3] = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    kind = draw(st.sampled_from(["volume", "in time", "one slice", "picture", "x-ray", "cine"]))
    if kind == "picture":
        return Geometry((*SHAPE[:2], 1), np.eye(4), space="pixel")
    if kind == "x-ray":
        return Geometry((*SHAPE[:2], 1), np.diag([*np.diag(spacing)[:2], 1, 1]), space="scaled")
    if kind == "cine":
        return Geometry((*SHAPE[:2], 1), np.eye(4), 4, "pixel")
    slices = 1 if kind == "one slice" else SHAPE[2]
    return Geometry((*SHAPE[:2], slices), affine, 3 if kind == "in time" else 1)


def there_is(grid: Geometry) -> Geometry:
    """The grid of an image as who looks at the platform knows it: files there claim a place in the patient."""
    stored = as_stored(grid)
    flat = grid.space == "pixel" and grid.frames == 1
    return grid if flat else Geometry(stored.shape, stored.affine, stored.frames)


@st.composite
def marks(draw: Any, grid: Geometry) -> cf.Annotation:
    """An annotation in some plane of an image, or anywhere in it."""
    made = draw(st.sampled_from(KINDS))
    solid = grid.planes > 1 and grid.frames == 1 and draw(st.booleans())
    counts = grid.shape if solid else grid.shape[:2]
    point = st.tuples(*[st.floats(-0.5, count - 0.5) for count in counts])
    common: dict[str, Any] = {"label": "it", "frame": None if solid else draw(st.integers(0, grid.planes - 1))}
    common["confidence"] = draw(st.none() | st.floats(0, 1))
    if made is cf.Polygon:
        ring = st.lists(point, min_size=3, max_size=6, unique=True)
        return cf.Polygon("image", rings=draw(st.lists(ring, min_size=1, max_size=2)), **common)
    if made is cf.Ellipse:
        centre, one, other = (np.array(draw(point)) for _ in range(3))
        ends = [centre - one, centre + one, centre - other, centre + other]
        return cf.Ellipse("image", [tuple(each) for each in ends], **common)
    least, most = made.least, made.most or 5  # type: ignore[attr-defined]
    points = draw(st.lists(point, min_size=least, max_size=most, unique=True))
    return cast("cf.Annotation", made("image", points, **common))  # type: ignore[call-arg, arg-type]


def expected_mm(annotation: Any, grid: Geometry) -> list[Any]:
    """Where ITK has the points of an annotation; without the third coordinate where there is one plane."""
    stored = as_stored(grid)
    image = sitk.Image([*stored.shape], sitk.sitkUInt8)
    image.SetSpacing([float(each) for each in stored.spacing_mm])
    image.SetDirection([float(each) for each in stored.direction.reshape(-1)])
    image.SetOrigin([float(each) for each in stored.affine[:3, 3]])
    third = float(annotation.frame or 0)
    solid = [[float(each) for each in point] + ([third] if len(point) == 2 else []) for point in annotation.points]
    return [list(image.TransformContinuousIndexToPhysicalPoint(point)) for point in solid]


def furthest_mm(put: Any, back: Any, grid: Geometry) -> float:
    """How far what is read lies from what was put, at most."""
    if put.kind != back.kind or len(put.points) != len(back.points):
        return float("inf")
    known, there = (np.array(expected_mm(each, grid)) for each in (put, back))
    if isinstance(put, cf.Ellipse):
        return 0.0 if same_ellipse(known, there, SAME_PLACE_MM) else float("inf")
    if isinstance(put, cf.Box):
        known, there = (np.sort(np.array(each.points), axis=0) for each in (put, back))
    return float(np.linalg.norm(known - there, axis=1).max())


@QUICK
@given(st.data())
def test_positions(data: st.DataObject) -> None:
    """In a socket of each kind that may hold it, alone and with others."""
    grid = data.draw(grids())
    mark = data.draw(marks(grid))
    measure(mark, grid, data.draw(st.sampled_from([*sum(kinds_for(mark, grid), ()), *MARKS])))


@pytest.mark.parametrize("kind", ["Line", "Multiple lines"])
def test_polylines_of_two_points(kind: str) -> None:
    grid = Geometry(SHAPE, np.diag([-0.5, -0.75, 2, 1]))
    measure(cf.Polyline("image", [(1, 2), (3, 4)], frame=2, label="it"), grid, kind)
    measure(cf.Polyline("image", [(1, 2), (3, 4), (5, 4)], frame=2, label="it"), grid, kind)


def measure(mark: cf.Annotation, grid: Geometry, kind: str) -> None:
    """Hold what is read of an annotation from a socket of a kind against what the plan says of it."""
    image = cf.Image(
        "image", [FileRef("/image.mha", "image.mha")], kind=cf.Kind.METAIMAGE, geometry=grid, modality="CT"
    )
    case = cf.Case("one", images=[image], annotations=[mark])
    sockets = {"it": Socket("it", kind, "Value"), "image": Socket("image", "Image", "Image")}
    assignment = assign(case, Names(), sockets)
    (held,) = (
        each
        for each in held_parts(case, assignment, sockets, (), {"/image.mha": "there"})
        if each.part.endswith("'it'")
    )
    value = mark_values(case, assignment, sockets).get("it")
    assert (value is None) == (held.kept in {"sidecar", "journal"})
    if value is None:
        return
    value, shown = json.loads(json.dumps(value)), there_is(grid)
    entry = value if kind not in SEVERAL else value[SEVERAL[kind][0]][0]
    found = annotations_in(kind, value, {"image": "image", "label": ""}, shown, ())
    assert understood(kind, value, found, shown)
    (back,) = found
    assert (back.label, back.confidence) == ("it", mark.confidence)
    assert (back.kind == mark.kind) == (held.kept == "native"), "the plan says when another kind is read"
    if held.kept == "converted":
        assert isinstance(mark, cf.Polyline)
        assert (back.kind, len(mark.points)) == ("line", 2)
        assert held.where.startswith("a line")
        back = cf.Polyline("image", back.points, frame=back.frame, label="it")  # type: ignore[attr-defined]
    measured = furthest_mm(mark, back, grid)
    assert measured <= max(held.error.mm, SAME_PLACE_MM)
    assert held.error.mm <= max(measured, SAME_PLACE_MM), "and no more is said to be lost than is"
    if isinstance(mark, cf.Point):
        place = expected_mm(mark, grid)[0][:2] + ([0.5] if grid.space != "patient" and grid.frames == 1 else [])
        np.testing.assert_allclose(entry["point"][: len(place)], place, atol=SAME_PLACE_MM)
    assert isinstance(mark, Placed | cf.Polygon)
