"""Voxels and places: round trips, every order of axes, and what nibabel makes of them."""

from __future__ import annotations

import itertools
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseferry.errors import GeometryError
from caseferry.geometry import AxisMap, Geometry, as_stored, axis_map, normal, plane_affine, turn_towards
from oracles import LPS, affine_of, ramp, rotation

POINTS = st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3), min_size=1, max_size=5)
SPACINGS = st.tuples(*[st.floats(0.05, 20)] * 3)
ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)
SHAPES = st.tuples(*[st.integers(1, 5)] * 3)


@st.composite
def grids(draw: Any) -> Geometry:
    """Grids anywhere, in either handedness, the slices shifted against each other now and then."""
    affine = affine_of(rotation(*draw(ANGLES)), draw(SPACINGS), draw(st.tuples(*[st.floats(-1e3, 1e3)] * 3)))
    affine[:3, 2] += affine[:3, 1] * draw(st.sampled_from([0.0, 0.2]))
    affine[:3, 0] *= draw(st.sampled_from([1, -1]))
    return Geometry(draw(SHAPES), affine)


TURNS = [
    AxisMap(axes, flips)  # type: ignore[arg-type]
    for axes in itertools.permutations(range(3))
    for flips in itertools.product([False, True], repeat=3)
]


def turned(grid: Geometry, turn: AxisMap) -> Geometry:
    return Geometry(turn.shape(grid.shape), grid.affine @ turn.matrix(grid.shape))


@given(grid=grids(), points=POINTS)
def test_to_the_patient_and_back(grid: Geometry, points: Any) -> None:
    np.testing.assert_allclose(grid.to_voxel(grid.to_patient(points)), points, atol=1e-6)


@given(grid=grids(), points=POINTS)
def test_nibabel_puts_voxels_in_the_same_places(grid: Geometry, points: Any) -> None:
    theirs = nib.affines.apply_affine(LPS @ grid.affine, points)
    np.testing.assert_allclose(grid.to_patient(points), theirs * [-1, -1, 1], atol=1e-6)


@pytest.mark.parametrize("turn", TURNS, ids=str)
@given(grid=grids())
@settings(max_examples=5, deadline=None)
def test_each_of_the_48_orders_of_axes_is_found_again(turn: AxisMap, grid: Geometry) -> None:
    target = turned(grid, turn)
    found = axis_map(grid, target)
    assert found is not None
    # axes of one voxel may be found the other way round, which moves nothing
    assert [axis for axis, size in zip(found.axes, target.shape, strict=True) if size > 1] == [
        axis for axis, size in zip(turn.axes, target.shape, strict=True) if size > 1
    ]
    voxels = ramp(*grid.shape)
    np.testing.assert_array_equal(found.apply(voxels), turn.apply(voxels))
    index = np.argwhere(np.ones(target.shape))
    source = (found.matrix(grid.shape) @ np.column_stack([index, np.ones(len(index))]).T)[:3].T
    np.testing.assert_allclose(grid.to_patient(source), target.to_patient(index), atol=1e-3)
    values = voxels[tuple(np.rint(source).astype(int).T)]
    np.testing.assert_array_equal(values, found.apply(voxels)[tuple(index.T)])


@given(grid=grids(), axis=st.integers(0, 2), shift=st.sampled_from([-0.5, 0.01, 1.0]))
def test_a_grid_that_lies_elsewhere_is_not_mapped(grid: Geometry, axis: int, shift: float) -> None:
    affine = grid.affine.copy()
    affine[axis, 3] += shift
    assert axis_map(grid, Geometry(grid.shape, affine)) is None
    assert not grid.same_grid(Geometry(grid.shape, affine))


@given(grid=grids())
def test_another_size_is_not_mapped(grid: Geometry) -> None:
    columns, rows, slices = grid.shape
    assert axis_map(grid, Geometry((columns, rows, slices + 1), grid.affine)) is None


CODES = ["".join(c) for axes in itertools.permutations(["RL", "AP", "IS"]) for c in itertools.product(*axes)]


@pytest.mark.parametrize("codes", CODES)
@pytest.mark.parametrize("angles", [(0, 0, 0), (10, -25, 40), (100, 20, -70)])
def test_turning_towards_directions_is_what_nibabel_does(codes: str, angles: Any) -> None:
    grid = Geometry((5, 4, 3), affine_of(rotation(*angles), (0.5, 0.75, 2.5), (-10.5, 20.25, 33.0)))
    turn, found = turn_towards(grid, codes)
    start = nib.Nifti1Image(ramp(5, 4, 3), LPS @ grid.affine)
    before, after = nib.orientations.io_orientation(start.affine), nib.orientations.axcodes2ornt(codes)
    theirs = start.as_reoriented(nib.orientations.ornt_transform(before, after))
    np.testing.assert_allclose(found.affine, LPS @ theirs.affine, atol=1e-5)
    np.testing.assert_array_equal(turn.apply(ramp(5, 4, 3)), np.asanyarray(theirs.dataobj))
    assert nib.aff2axcodes(LPS @ found.affine) == tuple(codes)


@given(grid=grids(), frames=st.integers(1, 9), space=st.sampled_from(["patient", "scaled", "pixel"]))
def test_as_json_and_back(grid: Geometry, frames: int, space: Any) -> None:
    whole = Geometry(grid.shape, grid.affine, frames, space)
    back = Geometry.from_json(whole.to_json())
    assert back == whole
    assert hash(back) == hash(whole)


def test_frames_of_a_flat_image_are_stored_as_slices() -> None:
    assert as_stored(Geometry((4, 3, 1), np.eye(4), 7, "pixel")) == Geometry((4, 3, 7), np.eye(4))
    assert as_stored(Geometry((4, 3, 2), np.eye(4), 7)) == Geometry((4, 3, 2), np.eye(4), 7)


def test_row_spacing_comes_first_in_dicom() -> None:
    affine = plane_affine([1, 2, 3], [0, 1, 0, 0, 0, -1], [0.75, 0.5], [2.5, 0, 0])
    assert affine.tolist() == [[0, 0, 2.5, 1], [0.5, 0, 0, 2], [0, -0.75, 0, 3], [0, 0, 0, 1]]
    assert normal([0, 1, 0, 0, 0, -1]).tolist() == [-1, 0, 0]


NAN = np.eye(4)
NAN[0, 3] = np.nan
FLAT = np.diag([1.0, 1.0, 0.0, 1.0])
SLANTED = np.eye(4)
SLANTED[3, 0] = 1


@pytest.mark.parametrize(
    ("shape", "affine", "frames", "message"),
    [
        ((4, 3, 0), np.eye(4), 1, "is not a grid"),
        ((4, 3), np.eye(4), 1, "is not a grid"),
        ((4, 3, -2), np.eye(4), 1, "is not a grid"),
        ((4, 3, 2), np.eye(4), 0, "is not a grid"),
        ((4, 3, 2), np.eye(3), 1, "not a finite 4 by 4 matrix"),
        ((4, 3, 2), NAN, 1, "not a finite 4 by 4 matrix"),
        ((4, 3, 2), SLANTED, 1, "whose last row is 0 0 0 1"),
        ((4, 3, 2), FLAT, 1, "has no inverse"),
    ],
)
def test_what_is_no_grid_is_refused(shape: Any, affine: Any, frames: int, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        Geometry(shape, affine, frames)


def test_a_grid_cannot_be_changed() -> None:
    affine = np.eye(4)
    grid = Geometry((4, 3, 2), affine)
    affine[0, 0] = 9
    assert grid.affine[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        grid.affine[0, 0] = 9
