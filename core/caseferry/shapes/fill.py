"""From outlines to masks: a pixel belongs to what encloses its centre; see the package for the convention."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.shapes.exact import side
from caseferry.shapes.rings import as_ring

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from caseferry.geometry import FloatArray, IntArray


def fill(rings: Iterable[ArrayLike], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of what an odd number of rings encloses.

    Parameters
    ----------
    rings : each of shape (n, 2); column, row; anywhere, also outside of the plane; in either direction
    shape : columns, rows

    Returns
    -------
    [column, row]. Exact: rounding decides about no pixel. Rings of fewer than three points enclose nothing.

    Raises
    ------
    ValueError
        A ring is not made of finite pairs.
    """
    mask = np.zeros((shape[1], shape[0]), np.bool_).T
    fill_into(mask, rings, value=True)
    return mask


def fill_into(plane: NDArray[Any], rings: Iterable[ArrayLike], value: int) -> None:
    """Give a value to the pixels of a plane that an odd number of rings encloses, and leave the others.

    Parameters
    ----------
    plane : [column, row]; changed
    """
    columns, rows = plane.shape
    row, column = _crossings(*_edges(rings), columns, rows)
    if not row.size:
        return
    top, left = int(row.min()), int(column.min())
    height, width = int(row.max()) - top + 1, int(column.max()) - left
    if not width:
        return
    # Every row is crossed an even number of times, so the crossings, row after row, are where runs begin and end.
    ends = np.sort((row - top) * width + (column - left))
    lengths = np.diff(ends, prepend=0, append=width * height)
    inside = np.zeros(lengths.size, np.bool_)
    inside[1::2] = True
    window = plane[left : left + width, top : top + height]
    np.copyto(window, plane.dtype.type(value), where=np.repeat(inside, lengths).reshape(height, width).T)


def _edges(rings: Iterable[ArrayLike]) -> tuple[FloatArray, FloatArray]:
    """Where each edge of some rings starts and ends, in the direction of rising rows."""
    solid = [ring for ring in map(np.asarray, rings) if len(ring) > 2]
    if not solid:
        return np.empty((0, 2)), np.empty((0, 2))
    points = as_ring(np.concatenate(solid))
    ends = np.cumsum([len(ring) for ring in solid])
    follower = np.arange(1, len(points) + 1)
    follower[ends - 1] = np.concatenate(([0], ends[:-1]))
    following = points[follower]
    # an edge that two outlines share is the same edge for both
    upward = (points[:, 1] > following[:, 1])[:, None]
    return np.where(upward, following, points), np.where(upward, points, following)


def _crossings(start: FloatArray, end: FloatArray, columns: int, rows: int) -> tuple[IntArray, IntArray]:
    """Where edges cross the lines through the centres of a plane's rows.

    Returns
    -------
    The row of each crossing, and the first column whose centre is not before it: from 0 to `columns`.
    """
    # An edge crosses the rows from its upper end on, and not that of its lower end: so a corner counts once.
    first = np.clip(np.ceil(start[:, 1]), 0, rows).astype(np.intp)
    count = np.clip(np.ceil(end[:, 1]), 0, rows).astype(np.intp) - first
    crossing = count > 0
    start, end, first, count = start[crossing], end[crossing], first[crossing], count[crossing]
    upright = start[:, 0] == end[:, 0]
    column = np.repeat(np.ceil(np.clip(start[:, 0], 0, columns)), count)
    row = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(int(count.sum()))
    slanted = np.repeat(~upright, count)
    if slanted.any():
        edge = np.repeat(np.arange(count.size), count)[slanted]
        column[slanted] = _slanted(start[edge], end[edge], row[slanted], columns)
    return row, column.astype(np.intp)


def _slanted(start: FloatArray, end: FloatArray, row: IntArray, columns: int) -> FloatArray:
    """The first column whose centre is not before where each edge crosses a row; exactly."""
    share = (row - start[:, 1]) / (end[:, 1] - start[:, 1])
    guess = np.clip(np.ceil(start[:, 0] + share * (end[:, 0] - start[:, 0])), -1, columns + 1)
    # Rounding may have put the guess beside the right column.
    while True:
        # who walks down an edge has lower columns to the right hand
        before = side(start, end, np.stack((guess, row), axis=1)) > 0
        previous = side(start, end, np.stack((guess - 1, row), axis=1)) > 0
        step = before.astype(np.float64) - ~previous
        step[(guess < 0) & (step < 0) | (guess > columns) & (step > 0)] = 0
        if not step.any():
            return np.asarray(np.clip(guess, 0, columns))
        guess += step


def box_mask(points: Sequence[Sequence[float]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The mask of an upright box or cuboid.

    Parameters
    ----------
    points : two opposite corners; column, row, and slice where there are three
    shape : the size along each of these

    Returns
    -------
    Indexed as `shape`; what lies exactly on the lower side of the box belongs to it, what on the upper does not.
    """
    mask = np.zeros(shape[::-1], np.bool_).T
    ends = [sorted(axis) for axis in zip(*points, strict=True)]
    if len(ends) != mask.ndim:
        msg = f"a box of {len(ends)} dimensions does not lie in a grid of {mask.ndim}"
        raise ValueError(msg)
    spans = zip(ends, shape, strict=True)
    mask[tuple(slice(*(min(max(math.ceil(end), 0), size) for end in span)) for span, size in spans)] = True
    return mask


def ellipse_mask(points: Sequence[Sequence[float]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of an ellipse.

    Parameters
    ----------
    points : the two ends of the one axis, then the two ends of the other; column, row
    shape : columns, rows

    Returns
    -------
    [column, row]; a centre on the ellipse itself belongs to it.
    """
    mask = np.zeros(shape[::-1], np.bool_).T
    centre, axes = _axes(points)
    if abs(np.linalg.det(axes)) < np.finfo(np.float64).tiny:
        return mask
    reach = np.linalg.norm(axes, axis=1)
    first = np.clip(np.ceil(centre - reach), 0, shape).astype(int)
    last = np.clip(np.floor(centre + reach) + 1, first, shape).astype(int)
    window = tuple(slice(*ends) for ends in zip(first.tolist(), last.tolist(), strict=True))
    column = np.arange(first[0], last[0])[:, None] - centre[0]
    row = np.arange(first[1], last[1])[None, :] - centre[1]
    (a, b), (c, d) = np.linalg.inv(axes)
    mask[window] = (a * column + b * row) ** 2 + (c * column + d * row) ** 2 <= 1 + 1e-12
    return mask


def ellipse_ring(points: Sequence[Sequence[float]], within: float = 0.01) -> FloatArray:
    """A ring that follows an ellipse.

    Parameters
    ----------
    points : the two ends of the one axis, then the two ends of the other; column, row
    within : how far the ring may lie from the ellipse, in pixels

    Returns
    -------
    shape (n, 2); all points lie on the ellipse, and its four ends are among them
    """
    centre, axes = _axes(points)
    longest = float(np.linalg.norm(axes, 2))
    step = 2 * math.acos(max(1 - within / longest, 0)) if longest > within else math.pi / 2
    quarter = max(math.ceil(math.pi / 2 / step), 1)
    angle = np.arange(4 * quarter) * (math.pi / 2 / quarter)
    return np.asarray(centre + np.stack((np.cos(angle), np.sin(angle)), axis=1) @ axes.T)


def _axes(points: Sequence[Sequence[float]]) -> tuple[FloatArray, FloatArray]:
    """The centre of an ellipse, and shape (2, 2) whose columns lead from there to the ends of its axes."""
    ends = np.asarray(points, dtype=np.float64)
    if ends.shape != (4, 2) or not np.isfinite(ends).all():
        msg = f"an array of shape {ends.shape} is no ellipse: expected the ends of two axes as (column, row)"
        raise ValueError(msg)
    return ends.mean(axis=0), np.stack(((ends[1] - ends[0]) / 2, (ends[3] - ends[2]) / 2), axis=1)
