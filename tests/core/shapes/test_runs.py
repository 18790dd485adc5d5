"""Run lengths."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from caseferry.shapes import run_lengths, runs_to_plane

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLANES = st.sampled_from(["u1", "i2", "u4", "i8", "u8"]).flatmap(
    lambda dtype: arrays(dtype, array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=9))
)


def test_runs_go_along_the_rows_and_over_their_ends() -> None:
    """The example of a 10 by 8 image that darwin-py 3.6.3 writes: a row of three, and two below each other."""
    plane = np.zeros((10, 8), np.uint8)
    plane[1:4, 1] = 1
    plane[1:3, 2] = 2
    assert run_lengths(plane) == [0, 11, 1, 3, 0, 7, 2, 2, 0, 57]


@given(PLANES)
def test_a_plane_comes_back(plane: NDArray[Any]) -> None:
    runs = run_lengths(plane)
    back = runs_to_plane(json.loads(json.dumps(runs)), plane.shape, plane.dtype.type)
    assert back.dtype == plane.dtype
    assert np.array_equal(back, plane)
    assert all(one != other for one, other in zip(runs[0::2], runs[2::2], strict=False))
    assert sum(runs[1::2]) == plane.size


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([1, 3], "cover 3 pixels where 2 x 2"),
        ([1, 5], "cover 5 pixels where 2 x 2"),
        ([1, 5, 0, -1], "cover 4 pixels"),
        ([1, 4, 0], "expected pairs"),
        ([300, 4], "no whole number of type uint8"),
        ([-1, 4], "no whole number of type uint8"),
        ([1.5, 4], "no whole number of type uint8"),
        ([1, 3.5, 0, 0.5], "no whole number of type int64"),
        ([None, 4], "no whole number of type uint8"),
    ],
)
def test_damaged_runs_are_refused(runs: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        runs_to_plane(runs, (2, 2), np.uint8)


def test_runs_without_length_are_read() -> None:
    assert runs_to_plane([5, 0, 1, 2, 7, 0, 1, 2], (2, 2), np.uint8).tolist() == [[1, 1], [1, 1]]
