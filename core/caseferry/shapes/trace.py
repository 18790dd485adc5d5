"""From label maps to outlines along the edges of pixels.

Only corners are looked for: an outline along pixel edges goes by turns across and down, so its corners, taken row by
row, are the ends of its horizontal edges two by two, and taken column by column the ends of its vertical ones. All
labels of a plane are traced at once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from caseferry.geometry import FloatArray, IntArray

PLANES_AT_ONCE = 16
"""How many planes are brought into the order of the memory together, where an array has them in another."""


_STEPS = 31
"""The binary digits for a number of steps along a ring; as many are left for the number of an edge."""


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
    corners = _corners(plane.view(np.uint8) if plane.dtype == np.bool_ else plane, labels)
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
    frames = volume.reshape(*volume.shape, 1) if volume.ndim == 3 else volume
    slices = frames.shape[2]
    for frame in range(frames.shape[3]):
        for first in range(0, slices, PLANES_AT_ONCE):
            block = np.ascontiguousarray(frames[:, :, first : first + PLANES_AT_ONCE, frame].T)
            for index, plane in enumerate(block, frame * slices + first):
                if outlines := trace(plane.T, labels):
                    yield index, outlines


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


def _quarters() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What the pixels around a place do, in the quarters NW, SW, NE, SE, by which of them are alike.

    Returns
    -------
    Shape (64, 4), both: whether a label turns around that pixel, since it is alone there or the middle one of three;
    and whether it is another than the one beside it. The bits of the index: the upper two are alike, the lower two,
    the left two, the right two, NW and SE, NE and SW.
    """
    bits = (np.arange(64)[:, None] >> np.arange(6) & 1).astype(np.bool_)
    beside, above, opposite = bits[:, [0, 1, 0, 1]], bits[:, [2, 2, 3, 3]], bits[:, [4, 5, 5, 4]]
    return (beside == above) & ~(beside & opposite), ~beside


_TURNS, _ALONE = _quarters()


def _corners(plane: NDArray[Any], labels: Collection[int] | None) -> _Corners:
    columns, rows = plane.shape
    width = columns + 2  # with a border of background, so that rows may be looked at as one line
    padded = np.zeros((rows + 2, width), plane.dtype)
    padded[1:-1, 1:-1] = plane.T
    line = padded.ravel()
    places = _ends(line, width)
    a, b, c, d = (line[places + step] for step in (0, 1, width, width + 1))
    row = places // width
    column = places - row * width
    # the pixels around a place, those to the west first, as the corners of one row must come
    values = np.empty((places.size, 4), plane.dtype)
    values[:, 0], values[:, 1], values[:, 2], values[:, 3] = a, c, b, d
    alike = (a == b) | (c == d) * np.uint8(2) | (a == c) * np.uint8(4) | (b == d) * np.uint8(8)
    alike |= (a == d) * np.uint8(16) | (b == c) * np.uint8(32)
    turns = _TURNS[alike] & (values != 0)
    if labels is not None:
        limits = np.iinfo(plane.dtype)
        turns &= np.isin(values, np.array([n for n in labels if limits.min <= n <= limits.max], plane.dtype))
    turning = np.flatnonzero(turns)
    which, quarter = turning >> 2, turning & 3
    value = values.ravel()[turning]
    alone = _ALONE[alike[which], quarter]
    diagonal = (quarter == 0) | (quarter == 3)
    found = _Corners(value, column[which], row[which], diagonal == alone, (quarter & 1) == 0)
    if value.size and (value != value[0]).any():
        order = np.argsort(value, kind="stable")
        return found.taken(order)
    return found


def _ends(line: NDArray[Any], width: int) -> IntArray:
    """Where not all edges between pixels go straight on: the pixel to the upper left of each such place.

    Parameters
    ----------
    line : the rows of a plane, one after the other, with a border of background
    width : of a row
    """
    # in one piece of memory, since the system takes long to give what numpy lets go in pieces of this size
    upright, level, found, more = np.empty((4, line.size), np.bool_)
    np.not_equal(line[1:], line[:-1], out=upright[:-1])
    np.not_equal(line[width:], line[:-width], out=level[:-width])
    count = line.size - width - 1
    north, south, west, east = upright[:count], upright[width:-1], level[:count], level[1 : count + 1]
    found, more = found[:count], more[:count]
    np.bitwise_xor(north, south, out=found)
    found |= np.bitwise_xor(west, east, out=more)
    found |= np.bitwise_and(north, west, out=more)
    return np.flatnonzero(found)


def _across(corners: _Corners) -> IntArray:
    """For each corner, the one at the other end of its vertical edge; along the row it is the neighbour in order."""
    fresh = np.flatnonzero(corners.value[1:] != corners.value[:-1]) + 1
    label = np.zeros(corners.value.size, np.int64)
    label[fresh] = 1
    label = np.cumsum(label)
    width, height = int(corners.column.max()) + 1, int(corners.row.max()) + 1
    order = np.argsort(((label * width + corners.column) * height + corners.row) * 2 + ~corners.north, kind="stable")
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
    ring = cycles.ring()
    first = first[ring[first >> 1] == ring[(first + 1) >> 1]]
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
    order : the edges, ring after ring, each from its first edge on; the rings in the order of their first edges
    lengths : the number of edges of each ring
    """

    order: IntArray
    lengths: IntArray

    def ring(self) -> IntArray:
        """For each edge the number of its ring."""
        ring = np.empty(self.order.size, np.intp)
        ring[self.order] = np.repeat(np.arange(self.lengths.size), self.lengths)
        return ring


def _cycles(following: IntArray) -> _Cycles:
    """Take a permutation apart into its cycles, in about as many steps as the longest has binary digits.

    Every edge learns the least edge among the next 1, 2, 4, … on its ring, and how many steps ahead that is. Both are
    in one number, the edge above and the steps below, so that the lesser of two numbers is the one to keep.
    """
    edges = np.arange(following.size, dtype=np.int64)
    found, ahead, stride = edges << _STEPS, following, 1
    while True:
        for _ in range(2):
            np.minimum(found, found[ahead] + stride, out=found)
            ahead, stride = ahead[ahead], stride * 2
        least = found >> _STEPS
        if np.array_equal(least, least[following]):
            break
    steps = found & ((1 << _STEPS) - 1)
    lengths = np.bincount(least, minlength=edges.size)
    begins = np.cumsum(lengths) - lengths
    order = np.empty(edges.size, np.intp)
    order[begins[least] + np.where(steps == 0, 0, lengths[least] - steps)] = edges
    return _Cycles(order, lengths[lengths > 0])


def _rings(corners: _Corners, cycles: _Cycles) -> dict[int, list[FloatArray]]:
    start = _starts(corners)[cycles.order]
    points = np.empty((start.size, 2, 2))
    for end, corner in enumerate((start, start ^ 1)):
        points[:, end, 0] = corners.column[corner]
        points[:, end, 1] = corners.row[corner]
    points = points.reshape(-1, 2) - 0.5
    ends = 2 * np.cumsum(cycles.lengths)
    begins = ends - 2 * cycles.lengths
    rings = [points[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]
    # rings come in the order of their first corners, and those by label
    values = corners.value[start[begins >> 1]]
    fresh = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(rings)]
    return {int(values[first]): rings[first:last] for first, last in pairwise(fresh)}
