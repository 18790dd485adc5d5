"""Outlines of masks: exact both ways, and what the rings are like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from caseferry.shapes import fill, fill_into, ring_area, straightened, trace, trace_planes

if TYPE_CHECKING:
    from numpy.typing import NDArray

DTYPES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", ">i2", ">u4"]


@st.composite
def label_maps(draw: st.DrawFn, most: int = 12) -> NDArray[Any]:
    """A few labels, crowded enough to touch each other, the border and themselves in corners."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = draw(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=most))
    if dtype.kind == "b":
        return draw(arrays(dtype, shape))
    limits = np.iinfo(dtype)
    values = st.sampled_from([0, 0, 1, 2, int(limits.max), int(limits.min)])
    return draw(arrays(dtype, shape, elements=values))


def filled(plane: NDArray[Any]) -> NDArray[Any]:
    """What becomes of a plane that is traced and filled."""
    back = np.zeros_like(plane)
    for value, rings in trace(plane).items():
        fill_into(back, rings, value)
    return back


def drawn(*rows: str) -> NDArray[np.uint8]:
    """A plane from rows of digits, a dot for 0."""
    return np.array([[0 if sign == "." else int(sign) for sign in row] for row in rows], np.uint8).T


NAMED = {
    "one pixel": drawn("1"),
    "one pixel amid": drawn("...", ".1.", "..."),
    "all": drawn("111", "111"),
    "line": drawn(".....", ".111.", "....."),
    "thin and ragged": drawn("1.1.1", "11111", "..1..", "11.11"),
    "hole": drawn("111", "1.1", "111"),
    "island in a hole": drawn("11111", "1...1", "1.1.1", "1...1", "11111"),
    "another label in a hole": drawn("111", "121", "111"),
    "diagonal": drawn("1..", ".1.", "..1"),
    "other diagonal": drawn("..1", ".1.", "1.."),
    "holes that touch in a corner": drawn("1111", "1.11", "11.1", "1111"),
    "holes that touch in the other corner": drawn("1111", "11.1", "1.11", "1111"),
    "a ring open in a corner": drawn(".111", "1.11", "1..1", "1111"),
    "checkerboard": (np.indices((9, 8)).sum(axis=0) % 2).astype(np.uint8),
    "four labels in one place": drawn("12", "34"),
    "two labels crosswise": drawn("12", "21"),
    "three labels in one place": drawn("11", "23"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_shape_comes_back(name: str) -> None:
    assert np.array_equal(filled(NAMED[name]), NAMED[name])


@given(label_maps())
def test_any_label_map_comes_back_bit_for_bit(plane: NDArray[Any]) -> None:
    outlines = trace(plane)
    assert list(outlines) == [value for value in np.unique(plane).tolist() if value]
    for value, rings in outlines.items():
        assert np.array_equal(fill(rings, plane.shape), plane == value)
    assert np.array_equal(filled(plane), plane)


@given(label_maps())
def test_rings_are_simple_and_have_no_needless_points(plane: NDArray[Any]) -> None:
    for rings in trace(plane).values():
        for ring in rings:
            assert len(np.unique(ring, axis=0)) == len(ring)
            assert np.array_equal(straightened(ring), ring)
            assert (np.abs(ring % 1) == 0.5).all()
            steps = np.roll(ring, -1, axis=0) - ring
            assert ((steps == 0).sum(axis=1) == 1).all()


@given(label_maps())
def test_every_part_has_one_outer_ring_and_one_for_each_hole(plane: NDArray[Any]) -> None:
    """Parts and holes as scipy counts them, with pixels that share an edge."""
    for value, rings in trace(plane).items():
        parts, count = ndimage.label(plane == value)
        holes = sum(
            ndimage.label(np.pad(parts != part, 1, constant_values=True))[1] - 1 for part in range(1, count + 1)
        )
        outer = [ring for ring in rings if ring_area(ring) > 0]
        assert (len(outer), len(rings) - len(outer)) == (count, holes)
        assert sum(map(ring_area, rings)) == np.count_nonzero(plane == value)


def test_coordinates_run_along_the_edges_of_pixels() -> None:
    plane = np.zeros((7, 5), np.uint8)
    plane[3:5, 1] = 4
    assert trace(plane).keys() == {4}
    assert trace(plane)[4][0].tolist() == [[2.5, 0.5], [4.5, 0.5], [4.5, 1.5], [2.5, 1.5]]


def test_only_the_labels_asked_for_are_traced() -> None:
    plane = drawn("1213", "1213")
    assert trace(plane, {3, 1, 77, 1 << 40}).keys() == {1, 3}
    assert [ring.tolist() for ring in trace(plane, [3])[3]] == [ring.tolist() for ring in trace(plane)[3]]
    assert trace(plane, []) == {}


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_plane_has_no_outlines(shape: tuple[int, int]) -> None:
    assert trace(np.zeros(shape, np.int16)) == {}


@pytest.mark.parametrize("wrong", [np.zeros((2, 2), np.float32), np.zeros((2, 2, 2), np.uint8)])
def test_what_is_no_plane_of_labels_is_refused(wrong: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"expected \[column, row\] integers"):
        trace(wrong)


@given(st.data(), st.sampled_from("CF"))
def test_a_volume_is_traced_plane_by_plane(data: st.DataObject, order: Any) -> None:
    volume = data.draw(arrays(np.int16, (3, 4, 18), elements=st.sampled_from([0, 0, 0, 0, 1, -2])))
    volume[:, :, 5] = 0
    back = np.zeros_like(volume)
    for index, outlines in trace_planes(np.asarray(volume, order=order)):
        assert index != 5
        for value, rings in outlines.items():
            fill_into(back[:, :, index], rings, value)
    assert np.array_equal(back, volume)


def test_slices_run_faster_than_frames() -> None:
    volume = np.zeros((2, 2, 3, 4), np.uint8)
    volume[0, 0, 1, 2] = 1
    assert [index for index, _ in trace_planes(volume)] == [2 * 3 + 1]


def test_a_plane_that_is_a_view_is_read_right() -> None:
    whole = np.random.default_rng(3).integers(0, 3, (30, 40)).astype(np.uint8)
    for view in (whole[::-1], whole[:, ::-2], whole.T, whole[3:17, 5:6]):
        assert np.array_equal(filled(view), view)


def test_noise_comes_back_in_full_size() -> None:
    random = np.random.default_rng(5)
    plane = (random.random((512, 512)) < 0.5).astype(np.uint8)
    assert np.array_equal(filled(plane), plane)
