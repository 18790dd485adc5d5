"""What a conversion costs, measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from caseferry.shapes import Agreement, agreement, fill

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIRS = st.tuples(arrays(np.bool_, (7, 6)), arrays(np.bool_, (7, 6)))


def boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The corners of pixels on the boundary, by scipy's filters."""
    grown = np.pad(mask, 1)
    most = ndimage.maximum_filter(grown, size=2, origin=-1, mode="constant")
    least = ndimage.minimum_filter(grown, size=2, origin=-1, mode="constant")
    return (most & ~least)[:-1, :-1]


@given(PAIRS)
def test_the_measures_are_what_scipy_and_the_definitions_say(pair: tuple[NDArray[np.bool_], ...]) -> None:
    one, other = pair
    found = agreement(one, other)
    both, either = np.count_nonzero(one & other), np.count_nonzero(one | other)
    assert found.iou == pytest.approx(both / either if either else 1)
    assert found.dice == pytest.approx(2 * both / (both + either) if either else 1)
    if one.any() and other.any():
        mine, theirs = boundary(one), boundary(other)
        reach = [ndimage.distance_transform_edt(~b)[a].max() for a, b in ((mine, theirs), (theirs, mine))]
        assert found.furthest == pytest.approx(max(reach))
    else:
        assert found.furthest == (math.inf if either else 0)
    assert agreement(other, one) == found
    assert found.exact == np.array_equal(one, other)


def test_a_volume_is_as_bad_as_its_worst_plane() -> None:
    one = np.zeros((9, 9, 3), np.uint8)
    one[2:6, 2:6] = 1
    other = one.copy()
    other[6:8, 3, 1] = 9
    assert agreement(one, one) == Agreement(1.0, 1.0, 0.0)
    assert agreement(one, other) == Agreement(96 / 98, 48 / 50, 2.0)
    other[:, :, 2] = 0
    assert agreement(one, other).furthest == math.inf


def test_outlines_through_the_centres_of_pixels_cost_what_is_measured() -> None:
    """A square traced through its pixels' centres loses its last column and row."""
    one = np.zeros((12, 12), np.bool_)
    one[2:8, 2:8] = True
    found = agreement(one, fill([[(2, 2), (7, 2), (7, 7), (2, 7)]], (12, 12)))
    assert found == Agreement(50 / 61, 25 / 36, math.sqrt(2))


def test_masks_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        agreement(np.zeros((2, 3)), np.zeros((3, 2)))
