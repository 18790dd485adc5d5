"""Outlines that nobody traced, boxes and ellipses."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import draw

from caseferry.shapes import box_mask, ellipse_mask, ellipse_ring, fill, ring_area, straightened

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ring = list[tuple[float, float]]

SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 8))


def rings_of(numbers: st.SearchStrategy[float], most: int = 7) -> st.SearchStrategy[list[Ring]]:
    """Up to three rings of any form, crossing themselves and each other."""
    return st.lists(st.lists(st.tuples(numbers, numbers), min_size=3, max_size=most), min_size=1, max_size=3)


WHOLE = st.integers(-3, 11).map(float)
HALVES = st.integers(-6, 22).map(lambda n: n / 2)
TENTHS = st.integers(-30, 110).map(lambda n: n / 10)
ANY = st.floats(-1e6, 1e6)
TINY = st.one_of(st.floats(-1e-6, 1e-6), st.just(1.0), st.just(3.0), st.sampled_from([5e-324, 1e-200, 2.0**39]))
NUMBERS = st.one_of(*(rings_of(numbers) for numbers in (WHOLE, HALVES, TENTHS, st.floats(-2, 10), ANY, TINY)))


def reckoned(rings: list[Ring], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The same mask by the definition, in fractions: how many edges lie to the left of a centre, or on it."""
    mask = np.zeros(shape, np.bool_)
    exact = [[(Fraction(x), Fraction(y)) for x, y in ring] for ring in rings]
    edges = [edge for ring in exact for edge in zip(ring, [*ring[1:], ring[0]], strict=True)]
    for column, row in np.ndindex(shape):
        crossed = 0
        for (x0, y0), (x1, y1) in edges:
            if (y0 <= row) != (y1 <= row):
                crossed += x0 + (row - y0) * (x1 - x0) / (y1 - y0) <= column
        mask[column, row] = crossed % 2
    return mask


@settings(max_examples=300)
@given(NUMBERS, SHAPES)
def test_rounding_decides_about_no_pixel(rings: list[Ring], shape: tuple[int, int]) -> None:
    assert np.array_equal(fill(rings, shape), reckoned(rings, shape))


def test_an_edge_through_centres_that_doubles_cannot_tell_is_told_exactly() -> None:
    """A third of the way down an edge from 0.1 to 0.7 no double is 0.3, but the column that follows is 1."""
    slope = [(0.1, 0.0), (0.7, 6.0), (9.0, 6.0), (9.0, 0.0)]
    exact = [(float(2**30), 0.0), (float(2**30) + 3, 3.0), (2.0**31, 3.0), (2.0**31, 0.0)]
    near = [(-(2.0**38) + 1 / 3, -(2.0**38)), (2.0**38 + 1 / 3, 2.0**38), (2.0**38 + 9, -(2.0**38))]
    for ring in (slope, near):
        assert np.array_equal(fill([ring], (8, 8)), reckoned([ring], (8, 8)))
    assert not fill([exact], (8, 8)).any()


@given(st.lists(st.tuples(st.floats(-2, 22), st.floats(-2, 22)), min_size=3, max_size=9))
def test_it_is_what_scikit_image_fills(ring: Ring) -> None:
    """Where no centre lies near an edge, since scikit-image has another rule there."""
    points = np.array(ring)
    ahead = np.roll(points, -1, axis=0)
    centres = np.stack(np.meshgrid(np.arange(20), np.arange(20), indexing="ij"), axis=-1).reshape(-1, 1, 2)
    along = ahead - points
    length = np.maximum((along**2).sum(axis=1), 1e-30)
    share = np.clip(((centres - points) * along).sum(axis=2) / length, 0, 1)[..., None]
    clear = (np.linalg.norm(centres - points - share * along, axis=2) > 1e-6).all(axis=1).reshape(20, 20)
    expected = draw.polygon2mask((20, 20), points)
    assert np.array_equal(fill([ring], (20, 20))[clear], expected[clear])


@given(st.lists(st.tuples(TENTHS, TENTHS), min_size=3, max_size=6), st.integers(1, 5))
def test_outlines_that_share_an_edge_share_no_pixel_and_leave_none(ring: Ring, cut: int) -> None:
    cut = min(cut, len(ring) - 2)
    one, other = [*ring[: cut + 2]], [*ring[cut + 1 :], ring[0]]
    assert np.array_equal(fill([one], (9, 9)) ^ fill([other], (9, 9)), fill([ring], (9, 9)))


def test_a_centre_on_an_edge_belongs_to_what_begins_there() -> None:
    square = [(1, 1), (3, 1), (3, 3), (1, 3)]
    assert np.argwhere(fill([square], (5, 5))).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


@given(rings_of(TENTHS), st.randoms(use_true_random=False))
def test_direction_start_and_order_do_not_matter(rings: list[Ring], random: object) -> None:
    turned = [ring[1:] + ring[:1] for ring in rings]
    backward = [ring[::-1] for ring in rings[::-1]]
    assert np.array_equal(fill(turned, (9, 9)), fill(rings, (9, 9)))
    assert np.array_equal(fill(backward, (9, 9)), fill(rings, (9, 9)))


@pytest.mark.parametrize("rings", [[], [[]], [[(1, 1)]], [[(1, 1), (5, 5)]], [[(0, 0), (9, 9), (4, 4)]]])
def test_what_encloses_nothing_fills_nothing(rings: list[Ring]) -> None:
    assert not fill(rings, (9, 9)).any()


@pytest.mark.parametrize("ring", [[(0, 0), (1, np.nan), (2, 2)], [(0, 0, 0)] * 3, [(0, np.inf)] * 3, [(0, 1e20)] * 3])
def test_damaged_rings_are_refused(ring: list[tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match="expected finite positions"):
        fill([ring], (4, 4))


@settings(max_examples=200)
@given(st.one_of(rings_of(WHOLE, 12), rings_of(TENTHS, 12)))
def test_straightening_changes_no_pixel_and_no_area(rings: list[Ring]) -> None:
    for ring in rings:
        kept = straightened(ring)
        assert np.array_equal(fill([kept], (9, 9)), fill([ring], (9, 9)))
        assert ring_area(kept) == pytest.approx(ring_area(ring), abs=1e-9)
        assert np.array_equal(straightened(kept), kept)


def test_straightening_drops_what_lies_on_a_straight_way_only() -> None:
    ring = [(0, 0), (1, 1), (1, 1), (2, 2), (3, 3), (3, 0), (2, 0), (2, 0)]
    assert straightened(ring).tolist() == [[0, 0], [3, 3], [3, 0]]
    almost = [(0.0, 0.0), (1.0, np.nextafter(1.0, 2)), (2.0, 2.0), (2.0, 0.0)]
    assert straightened(almost).tolist() == [list(point) for point in almost]


@given(st.tuples(TENTHS, TENTHS), st.tuples(TENTHS, TENTHS), SHAPES)
def test_a_box_is_the_polygon_of_its_corners(
    one: tuple[float, float], other: tuple[float, float], shape: tuple[int, int]
) -> None:
    (a, b), (c, d) = one, other
    expected = fill([[(a, b), (c, b), (c, d), (a, d)]], shape)
    assert np.array_equal(box_mask([one, other], shape), expected)


def test_a_cuboid_has_three_dimensions() -> None:
    mask = box_mask([(0.5, 3.0, -4), (2.5, -0.5, 0.5)], (4, 4, 2))
    assert np.argwhere(mask).tolist() == [[c, r, 0] for c in (1, 2) for r in (0, 1, 2)]
    with pytest.raises(ValueError, match="does not lie in a grid of 3"):
        box_mask([(0, 0), (1, 1)], (4, 4, 2))


@given(st.floats(5, 15), st.floats(5, 15), st.floats(1, 12), st.floats(1, 12), st.floats(-3, 3))
def test_an_ellipse_is_what_scikit_image_draws(x: float, y: float, a: float, b: float, angle: float) -> None:
    """Up to centres on the ellipse itself: those lie in the one or the other of two nearly equal ellipses."""
    u, v = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    centre = np.array([x, y])
    mask = ellipse_mask([centre - a * u, centre + a * u, centre - b * v, centre + b * v], (20, 20))
    drawn = []
    for grown in (1 - 1e-6, 1 + 1e-6):
        each = np.zeros((20, 20), np.bool_)
        each[draw.ellipse(x, y, a * grown, b * grown, (20, 20), rotation=angle)] = True
        drawn.append(each)
    assert (drawn[0] <= mask).all()
    assert (mask <= drawn[1]).all()


@pytest.mark.parametrize("points", [[(3, 3)] * 4, [(0, 0), (5, 5), (1, 1), (4, 4)]])
def test_an_ellipse_without_area_has_no_pixels(points: Ring) -> None:
    assert not ellipse_mask(points, (9, 9)).any()


@pytest.mark.parametrize("within", [1.0, 0.1, 0.001])
def test_a_ring_follows_its_ellipse(within: float) -> None:
    points = [(x + 0.123, y + 0.456) for x, y in ((10, 20), (90, 60), (60, 20), (40, 60))]
    ring = ellipse_ring(points, within)
    for end in points:
        assert np.linalg.norm(ring - end, axis=1).min() < 1e-9
    # the axes lead (40, 20) and (-10, 20) from the centre
    middles = (ring + np.roll(ring, -1, axis=0)) / 2 - (50.123, 40.456)
    along, across = middles @ (40, 20) / 2000, middles @ (-10, 20) / 500
    assert math.sqrt(2000) * (1 - np.hypot(along, across).min()) <= within * 1.0001
    differ = fill([ring], (100, 100)) ^ ellipse_mask(points, (100, 100))
    assert differ.sum() <= max(8, 400 * within)


def test_a_damaged_ellipse_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the ends of two axes"):
        ellipse_mask([(0, 0), (1, 1)], (4, 4))
