"""From label maps to outlines along the edges of pixels.

Only corners are looked for: an outline along pixel edges goes by turns across and down, so its corners, taken row by
row, are the ends of its horizontal edges two by two, and taken column by column the ends of its vertical ones. All
labels of a plane are traced at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from caseferry.geometry import FloatArray, IntArray

PLANES_AT_ONCE = 16
"""How many planes are brought into the order of the memory together, where an array has them in another."""


def trace(plane: NDArray[Any], labels: Collection[int] | None = None) -> dict[int, list[FloatArray]]:
    """The outlines of every label of a plane.

    Parameters
    ----------
    plane : [column, row]; whole numbers or booleans; 0 is background
    labels : the values to trace; None: every value but 0

    Returns
    -------
    For each value that occurs, in rising order, its rings. A ring that bounds a part from outside has a positive
    `ring_area`, one around a hole a negative one. Pixels that touch in a corner only are parts of their own. No
    ring visits a point twice, and none has a point on a straight edge; rings of one label may touch in a point.

    Raises
    ------
    ValueError
        The array has not two dimensions, or holds fractions.
    """
    if plane.ndim != 2 or plane.dtype.kind not in "bui":
        msg = f"an array of shape {plane.shape} of {plane.dtype} is no plane of labels: expected [column, row] integers"
        raise ValueError(msg)
    corners = _corners(plane, labels)
    if not corners.value.size:
        return {}
    below = _across(corners)
    cycles = _cycles(_next_edge(corners, below))
    if _separate(corners, below, cycles):
        cycles = _cycles(_next_edge(corners, below))
    return _rings(corners, cycles)


def trace_planes(
    volume: NDArray[Any], labels: Collection[int] | None = None
) -> Iterator[tuple[int, dict[int, list[FloatArray]]]]:
    """Trace a label map plane by plane; see `trace`.

    Parameters
    ----------
    volume : [column, row, slice], then frame where there is more than one

    Yields
    ------
    The index of the plane (slices run fastest) and its outlines; planes without any are left out.
    """
    planes = volume.reshape(*volume.shape[:2], -1, order="F") if volume.ndim != 3 else volume
    for first in range(0, planes.shape[2], PLANES_AT_ONCE):
        block = np.ascontiguousarray(planes[:, :, first : first + PLANES_AT_ONCE].T)
        for offset, plane in enumerate(block):
            if outlines := trace(plane.T, labels):
                yield first + offset, outlines


class _Corners(NamedTuple):
    """The corners of all outlines, by label, then row, then column.

    Attributes
    ----------
    value : the label that turns there
    column, row : where, counted in pixel edges: 0 is at -0.5
    leaves_across : whether the outline, which has its label to the right, leaves along the row
    north : of two corners of one label in one place, the one whose edge goes to lower rows
    """

    value: NDArray[Any]
    column: IntArray
    row: IntArray
    leaves_across: NDArray[np.bool_]
    north: NDArray[np.bool_]

    def taken(self, order: IntArray) -> _Corners:
        """The corners at some indices."""
        value, column, row, leaves_across, north = self
        return _Corners(value[order], column[order], row[order], leaves_across[order], north[order])


def _corners(plane: NDArray[Any], labels: Collection[int] | None) -> _Corners:
    columns, rows = plane.shape
    padded = np.zeros((rows + 2, columns + 2), plane.dtype)
    padded[1:-1, 1:-1] = plane.T
    upright = padded[:, 1:] != padded[:, :-1]
    level = padded[1:] != padded[:-1]
    north, south, west, east = upright[:-1], upright[1:], level[:, :-1], level[:, 1:]
    # where nothing ends: no edge at all, or one that goes straight on
    places = np.flatnonzero((north ^ south) | (west ^ east) | (north & west))
    row, column = np.divmod(places, columns + 1)
    flat, first = padded.ravel(), places + row
    a, b = flat[first], flat[first + 1]
    c, d = flat[first + columns + 2], flat[first + columns + 3]
    # The pixels around a place, those to the west first, as the corners of one row must come.
    values = np.stack((a, c, b, d), axis=1)
    ab, cd, ac, bd, ad, bc = a == b, c == d, a == c, b == d, a == d, b == c
    beside = np.stack((ab, cd, ab, cd), axis=1)
    above = np.stack((ac, ac, bd, bd), axis=1)
    opposite = np.stack((ad, bc, bc, ad), axis=1)
    # A label turns around a pixel that is alone in its quarter, and at the middle one of three.
    turns = (beside == above) & ~(beside & opposite) & (values != 0)
    if labels is not None:
        turns &= np.isin(values, np.array(sorted(labels)))
    which, quarter = np.nonzero(turns)
    value = values[which, quarter]
    alone = ~beside[which, quarter]
    found = _Corners(value, column[which], row[which], ((quarter % 3) == 0) == alone, (quarter & 1) == 0)
    if value.size and (value != value[0]).any():
        order = np.argsort(value, kind="stable")
        return found.taken(order)
    return found


def _across(corners: _Corners) -> IntArray:
    """For each corner, the one at the other end of its vertical edge; along the row it is the neighbour in order."""
    fresh = np.flatnonzero(corners.value[1:] != corners.value[:-1]) + 1
    label = np.zeros(corners.value.size, np.int64)
    label[fresh] = 1
    label = np.cumsum(label)
    width, height = int(corners.column.max()) + 1, int(corners.row.max()) + 1
    order = np.argsort(((label * width + corners.column) * height + corners.row) * 2 + ~corners.north)
    other = np.empty(order.size, np.intp)
    other[order[0::2]] = order[1::2]
    other[order[1::2]] = order[0::2]
    return other


def _starts(corners: _Corners) -> IntArray:
    """The corner at which each horizontal edge begins."""
    return np.arange(0, corners.value.size, 2) + ~corners.leaves_across[0::2]


def _next_edge(corners: _Corners, below: IntArray) -> IntArray:
    """For each horizontal edge, the one that follows on its ring."""
    return np.asarray(below[_starts(corners) ^ 1] >> 1)


def _separate(corners: _Corners, below: IntArray, cycles: _Cycles) -> bool:
    """Part each ring where it touches itself, so that no ring visits a point twice.

    A label that fills two opposite quarters of a place has two corners there. Where one ring passes both, they
    exchange their ways on. All at once: the places lie on one side of the ring, so they nest like brackets.
    """
    value, column, row = corners.value, corners.column, corners.row
    first = np.flatnonzero((column[1:] == column[:-1]) & (row[1:] == row[:-1]) & (value[1:] == value[:-1]))
    first = first[cycles.ring[first >> 1] == cycles.ring[(first + 1) >> 1]]
    if not first.size:
        return False
    exchanged = np.arange(below.size)
    exchanged[first], exchanged[first + 1] = first + 1, first
    below[:] = exchanged[below[exchanged]]
    return True


class _Cycles(NamedTuple):
    """The rings that horizontal edges form.

    Attributes
    ----------
    ring : for each edge the number of its ring, in the order of their first edges
    place : for each edge its place among all, ring after ring
    lengths : the number of edges of each ring
    """

    ring: IntArray
    place: IntArray
    lengths: IntArray


def _cycles(following: IntArray) -> _Cycles:
    """Take a permutation apart into its cycles, in as many steps as the longest has binary digits."""
    least = np.arange(following.size)
    jump = following
    while True:
        lower = np.minimum(least, least[jump])
        jump = jump[jump]
        if np.array_equal(lower, lower[following]):
            least = lower
            break
        least = lower
    # how many edges follow on the ring before it comes round to its first
    last = following == least
    jump = np.where(last, np.arange(following.size), following)
    left = (~last).astype(np.intp)
    while (more := left[jump]).any():
        left += more
        jump = jump[jump]
    firsts = np.flatnonzero(least == np.arange(following.size))
    ring = np.empty(following.size, np.intp)
    ring[firsts] = np.arange(firsts.size)
    ring = ring[least]
    lengths = left[firsts] + 1
    ends = np.cumsum(lengths)
    return _Cycles(ring, ends[ring] - 1 - left, lengths)


def _rings(corners: _Corners, cycles: _Cycles) -> dict[int, list[FloatArray]]:
    start = _starts(corners)
    edges = np.empty((start.size, 2, 2))
    for end, corner in enumerate((start, start ^ 1)):
        edges[cycles.place, end, 0] = corners.column[corner]
        edges[cycles.place, end, 1] = corners.row[corner]
    points = edges.reshape(-1, 2) - 0.5
    ends = (2 * np.cumsum(cycles.lengths)).tolist()
    # a ring's first edge is the lowest in order, so rings are ordered by label as the corners are
    firsts = np.empty(start.size, np.intp)
    firsts[cycles.place] = start
    begins = [0, *ends[:-1]]
    values = corners.value[firsts[[begin >> 1 for begin in begins]]].tolist()
    outlines: dict[int, list[FloatArray]] = {}
    for value, begin, end in zip(values, begins, ends, strict=True):
        outlines.setdefault(int(value), []).append(points[begin:end])
    return outlines
