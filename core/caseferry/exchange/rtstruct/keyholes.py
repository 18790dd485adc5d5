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

from typing import TYPE_CHECKING

import numpy as np

from caseferry.shapes import ring_area

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from typing import TypeVar

    from caseferry.geometry import FloatArray

    P = TypeVar("P", bound=Hashable)

ASKED = 7
"""How many edges of a ring are asked whether they lie within another; rings that share edges have some on it."""


def joined(rings: Sequence[FloatArray], axes: tuple[int, int] = (0, 1)) -> list[FloatArray]:
    """Rings as contours, each hole joined to the ring that encloses it.

    Parameters
    ----------
    rings : shape (n, 2) or (n, 3) each
    axes : the two coordinates in which the rings are plane

    Returns
    -------
    A contour for each outer ring; outer rings have a positive `ring_area` and holes a negative one, so that counting
    windings gives the same as counting crossings.
    """
    if len(rings) == 1:
        return list(rings)
    flat = [ring[:, list(axes)] for ring in rings]
    areas = np.array([ring_area(ring) for ring in flat])
    around = _enclosing(flat, areas)
    contours: dict[int, FloatArray] = {}
    holes = []
    for index, ring in enumerate(rings):
        hole = len(around[index]) % 2 == 1
        turned = ring if (areas[index] < 0) == hole else np.concatenate((ring[:1], ring[:0:-1]))
        if hole:
            holes.append((min(around[index], key=lambda other: abs(areas[other])), turned))
        else:
            contours[index] = turned
    for parent, hole_ring in holes:
        if parent not in contours:  # rings that cross each other: any order of joining encloses the same
            parent = next(iter(contours))  # noqa: PLW2901
        contours[parent] = _cut_open(contours[parent], hole_ring)
    return list(contours.values())


def _enclosing(flat: Sequence[FloatArray], areas: FloatArray) -> list[list[int]]:
    """For each ring the rings that enclose it."""
    low = np.array([ring.min(axis=0) for ring in flat])
    high = np.array([ring.max(axis=0) for ring in flat])
    found: list[list[int]] = []
    for index, ring in enumerate(flat):
        larger = (
            (np.abs(areas) > abs(areas[index])) & (low <= low[index]).all(axis=1) & (high >= high[index]).all(axis=1)
        )
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


def _cut_open(contour: FloatArray, hole: FloatArray) -> FloatArray:
    """A contour that goes around a hole too, from the nearest of its own positions."""
    place = int(np.linalg.norm(contour - hole[0], axis=1).argmin())
    return np.concatenate((contour[: place + 1], hole, hole[:1], contour[place:]))


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
