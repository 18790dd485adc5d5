"""Rings with holes as single contours, and back.

A contour that goes the same way there and back encloses nothing along it: so rings may be joined by such slits, and a
contour may be parted wherever it comes to a position for the second time, and an odd number of rings still encloses
what it did.

Source
------
DICOM PS3.3 C.8.8.6.3: the keyhole technique, for which contours stay CLOSED_PLANAR; programs written before
CLOSEDPLANAR_XOR came into the standard leave contours of that type out.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from caseferry.shapes import ring_area

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Sequence
    from typing import TypeVar

    from caseferry.geometry import FloatArray

    P = TypeVar("P", bound=Hashable)

ASKED = 7
"""How many edges of a ring are asked whether they lie within another; rings that share edges have some on it."""

NEAR = 256
"""How many positions to each side are looked at for one near a hole: what is cut does not depend on where."""


def joined(rings: Sequence[FloatArray], axes: tuple[int, int] = (0, 1), *, traced: bool = False) -> list[FloatArray]:
    """Rings as contours, each hole joined to the ring that encloses it.

    Parameters
    ----------
    rings : shape (n, 2) or (n, 3) each
    axes : the two coordinates in which the rings are plane
    traced : they are what `caseferry.shapes.trace` gives, so that their direction says which are holes

    Returns
    -------
    A contour for each outer ring; outer rings have a positive `ring_area` and holes a negative one, so that counting
    windings gives the same as counting crossings.
    """
    if len(rings) == 1:
        return list(rings)
    flat = [ring[:, list(axes)] for ring in rings]
    areas = np.array([ring_area(ring) for ring in flat])
    around = _enclosing(flat, areas, traced=traced)
    outer: dict[int, FloatArray] = {}
    holes: defaultdict[int, list[FloatArray]] = defaultdict(list)
    for index, ring in enumerate(rings):
        hole = bool(areas[index] < 0) if traced else len(around[index]) % 2 == 1
        turned = ring if (areas[index] < 0) == hole else np.concatenate((ring[:1], ring[:0:-1]))
        if hole:
            holes[min(around[index], key=lambda other: abs(areas[other]))].append(turned)
        else:
            outer[index] = turned
    first = next(iter(outer))
    for parent in [each for each in holes if each not in outer]:
        holes[first] += holes.pop(parent)  # rings that cross each other: any order of joining encloses the same
    return [_cut_open(ring, holes[index]) for index, ring in outer.items()]


def _enclosing(flat: Sequence[FloatArray], areas: FloatArray, *, traced: bool) -> list[list[int]]:
    """For each ring the rings that enclose it; of traced ones only for holes, and only outer rings."""
    low = np.array([ring.min(axis=0) for ring in flat])
    high = np.array([ring.max(axis=0) for ring in flat])
    found: list[list[int]] = []
    for index, ring in enumerate(flat):
        if traced and areas[index] > 0:
            found.append([])
            continue
        larger = (areas if traced else np.abs(areas)) > abs(areas[index])
        larger &= (low <= low[index]).all(axis=1) & (high >= high[index]).all(axis=1)
        middles = (ring + np.roll(ring, -1, axis=0)) / 2
        asked = middles[:: -(-len(middles) // ASKED)]
        found.append([other for other in np.flatnonzero(larger).tolist() if _within(asked, flat[other])])
    return found


def _within(points: FloatArray, ring: FloatArray) -> bool:
    """Whether most of some points lie within a ring."""
    start, end = ring, np.roll(ring, -1, axis=0)
    x, y = points[:, 0, None], points[:, 1, None]
    crosses = (start[:, 1] <= y) != (end[:, 1] <= y)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = start[:, 0] + (y - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
    inside = (crosses & (at > x)).sum(axis=1) % 2 == 1
    return bool(inside.mean() > 0.5)


def _cut_open(contour: FloatArray, holes: Sequence[FloatArray]) -> FloatArray:
    """A contour that goes around holes too, to each from a position of its own that is near.

    A hole that touches it is begun where they touch, so that `parted` finds both again; where they touch more than
    once, the same area may come back as other rings.
    """
    if not holes:
        return contour
    passed = set(map(tuple, contour.tolist()))
    holes = [_begun_at(hole, passed) for hole in holes]
    order = np.argsort(contour[:, 0], kind="stable")
    across = contour[order, 0]
    begun: defaultdict[int, list[FloatArray]] = defaultdict(list)
    for hole in holes:
        middle = int(np.searchsorted(across, hole[0, 0]))
        near = order[max(middle - NEAR, 0) : middle + NEAR]
        begun[int(near[np.linalg.norm(contour[near] - hole[0], axis=1).argmin()])].append(hole)
    parts: list[FloatArray] = []
    start = 0
    for place in sorted(begun):
        parts.append(contour[start : place + 1])
        for hole in begun[place]:
            parts += [hole, hole[:1], contour[place : place + 1]]
        start = place + 1
    return np.concatenate([*parts, contour[start:]])


def _begun_at(ring: FloatArray, positions: Collection[tuple[float, ...]]) -> FloatArray:
    """A ring that begins with the first of its positions that is among others; as it is when none is."""
    first = next((place for place, each in enumerate(map(tuple, ring.tolist())) if each in positions), 0)
    return np.roll(ring, -first, axis=0)


def parted(contour: Sequence[P]) -> list[list[P]]:
    """A contour as rings, none of which comes to a position twice; slits go.

    Returns
    -------
    The ring that the contour begins with comes first; rings of one or two positions enclose nothing and are left out.
    """
    path: list[P] = []
    places: dict[P, int] = {}
    rings: list[list[P]] = []
    for position in contour:
        if position in places:
            start = places[position]
            loop = path[start:]
            for passed in loop[1:]:
                del places[passed]
            del path[start + 1 :]
            rings.append(loop)
        else:
            places[position] = len(path)
            path.append(position)
    return [ring for ring in [path, *rings] if len(ring) > 2]
