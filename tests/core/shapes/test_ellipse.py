"""Ellipses whose axes stand at right angles in one space and not in another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.compare import same_meaning
from caseferry.shapes import ellipse_mask, same_ellipse, upright_axes

AXES = st.tuples(*[st.floats(-50, 50)] * 2).filter(lambda axis: np.hypot(*axis) > 0.5)


@given(st.tuples(*[st.floats(-100, 100)] * 2), AXES, AXES)
def test_upright_axes_are_those_of_the_same_ellipse(centre: tuple[float, float], one: object, other: object) -> None:
    c, a, b = (np.array(each, dtype=np.float64) for each in (centre, one, other))
    ends = [c - a, c + a, c - b, c + b]
    upright = upright_axes(ends)
    assert upright is not None
    first, second = upright[1] - upright[0], upright[3] - upright[2]
    assert np.hypot(*first) >= np.hypot(*second) * (1 - 1e-9)
    assert abs(first @ second) <= 1e-6 * np.hypot(*first) ** 2
    assert same_ellipse(ends, upright, 1e-6)
    # every point c + a cos t + b sin t of the one fulfils the equation of the other
    turns = np.linspace(0, 2 * np.pi, 17)[:, None]
    halves = np.array([first, second]) / 2
    if np.hypot(*second) > 0.1:
        along, across = ((a * np.cos(turns) + b * np.sin(turns)) @ axis / (axis @ axis) for axis in halves)
        np.testing.assert_allclose(along**2 + across**2, 1, rtol=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 2, 3), (2, 3, 0, 1), (3, 2, 1, 0)])
def test_upright_ends_stay_as_they_are(order: tuple[int, ...]) -> None:
    ends = np.array([(1, 5, 2), (9, 5, 2), (5, 3, 2), (5, 7, 2)], dtype=np.float64)
    upright = upright_axes(ends[list(order)])
    assert upright is not None
    assert sorted(map(tuple, upright)) == sorted(map(tuple, ends))
    assert upright[:2, 1].tolist() == [5, 5], "the longer axis comes first"
    assert same_ellipse(ends, ends[list(order)], 0)


def test_what_is_no_ellipse_has_no_axes() -> None:
    assert upright_axes([(0, 0), (4, 0), (3, -1), (3, 1)]) is None


@pytest.mark.parametrize("move", [(0.01, 0), (0, 0.01)])
def test_a_moved_or_larger_ellipse_is_another(move: tuple[float, float]) -> None:
    ends = np.array([(1, 5), (9, 5), (5, 3), (5, 7)], dtype=np.float64)
    assert not same_ellipse(ends, ends + move, 1e-3)
    larger = ends.copy()
    larger[0, 0], larger[1, 0] = 0.99, 9.01
    assert not same_ellipse(ends, larger, 1e-3)
    assert not same_ellipse(ends, np.c_[ends, np.zeros(4)], 1e-3)


def test_an_ellipse_says_the_same_by_whichever_axes() -> None:
    """Sheared by spacing: axes at right angles in millimetres lie askew in voxels, and paint the same pixels."""
    spacing, turned = np.array([0.5, 2.0]), np.array([[3, 4], [-4, 3]]) / 5
    centre, (one, other) = np.array([12, 11]), turned * [[8], [4]] / spacing
    mine = cf.Ellipse("x", [tuple(p) for p in (centre - one, centre + one, centre - other, centre + other)], label="a")
    upright = upright_axes(mine.points)
    assert upright is not None
    assert not np.allclose(upright, mine.points)
    theirs = cf.Ellipse("x", [tuple(p) for p in upright], label="a")
    assert same_meaning(mine, theirs, None)
    assert not same_meaning(mine, cf.Ellipse("x", [tuple(p) for p in upright + 0.1], label="a"), None)
    assert np.array_equal(ellipse_mask(mine.points, (40, 40)), ellipse_mask(theirs.points, (40, 40)))
