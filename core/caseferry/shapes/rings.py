"""What can be said of a ring, and done to it, without changing what it encloses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from caseferry.shapes.exact import side

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from caseferry.geometry import FloatArray


FARTHEST = 2.0**40
"""No position lies as far from the first pixel as this: a number beyond it is damaged."""


def as_ring(points: ArrayLike) -> FloatArray:
    """Points as an array of shape (n, 2).

    Raises
    ------
    ValueError
        They are not pairs, or not finite, or farther away than any image reaches.
    """
    ring = np.asarray(points, dtype=np.float64)
    if ring.size == 0:
        return np.empty((0, 2))
    if ring.ndim != 2 or ring.shape[1] != 2 or not (np.abs(ring) < FARTHEST).all():
        msg = f"an array of shape {ring.shape} is no ring: expected finite positions (column, row)"
        raise ValueError(msg)
    return ring


def ring_area(points: ArrayLike) -> float:
    """The area that a ring encloses, in pixels; negative where it runs as `trace` lets rings around holes run."""
    ring = as_ring(points)
    if not len(ring):
        return 0.0
    x, y = (ring - ring[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def straightened(points: ArrayLike) -> FloatArray:
    """A ring without the points that change nothing: repeated ones, and those on a straight way.

    Exact: a point goes only when it lies on the line between its neighbours, to the last bit. A ring that encloses
    nothing keeps at least its turning points.
    """
    ring = as_ring(points)
    while len(ring) > 2:
        ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)]
        before, after = np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0)
        onward = (np.sign(ring - before) * np.sign(after - ring) >= 0).all(axis=1)
        needless = onward & (side(before, after, ring) == 0)
        if not needless.any():
            break
        ring = ring[~needless]
    return ring
