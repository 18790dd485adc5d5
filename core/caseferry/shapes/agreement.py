"""How much two masks agree: what a conversion costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry.geometry import FloatArray

_PAIRS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Agreement:
    """What two masks have in common.

    Attributes
    ----------
    dice : twice what both hold over the sum of both; 1 where both are empty
    iou : what both hold over what either holds; 1 where both are empty
    furthest : the largest distance, in pixels and within a plane, from a corner of a pixel on the boundary of the one
        to the boundary of the other, whichever way it is larger; 0 where they are equal, infinite where a plane
        holds one of them only
    """

    dice: float
    iou: float
    furthest: float

    @property
    def exact(self) -> bool:
        """Whether nothing was lost."""
        return self.iou == 1


def agreement(one: NDArray[Any], other: NDArray[Any]) -> Agreement:
    """Compare two masks.

    Parameters
    ----------
    one, other : [column, row], then slice and frame; what is not 0 belongs to the mask

    Raises
    ------
    ValueError
        They differ in shape.
    """
    if one.shape != other.shape:
        msg = f"masks of shape {one.shape} and {other.shape} cannot be compared"
        raise ValueError(msg)
    columns, rows = one.shape[:2]
    sizes, both, furthest = 0, 0, 0.0
    for index in np.ndindex(one.shape[2:]):
        mine, theirs = one[(..., *index)] != 0, other[(..., *index)] != 0
        sizes += int(np.count_nonzero(mine)) + int(np.count_nonzero(theirs))
        both += int(np.count_nonzero(mine & theirs))
        if not np.array_equal(mine, theirs):
            furthest = max(furthest, _furthest(mine.reshape(columns, rows), theirs.reshape(columns, rows)))
    if not sizes:
        return Agreement(1.0, 1.0, 0.0)
    return Agreement(2 * both / sizes, both / (sizes - both), furthest)


def _furthest(mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    if not mine.any() or not theirs.any():
        return math.inf
    one, other = _boundary(mine), _boundary(theirs)
    return max(_reach(one & ~other, other), _reach(other & ~one, one))


def _boundary(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The corners of pixels, one more each way than there are pixels, around which not all are the same."""
    padded = np.pad(mask, 1).astype(np.uint8)
    around = padded[1:, 1:] + padded[1:, :-1] + padded[:-1, 1:] + padded[:-1, :-1]
    return np.asarray((around > 0) & (around < 4))


def _reach(points: NDArray[np.bool_], boundary: NDArray[np.bool_]) -> float:
    """The largest distance from one of `points` to the nearest of `boundary`."""
    those, near = (np.argwhere(each).astype(np.float64) for each in (points, boundary))
    if not len(those):
        return 0.0
    step = max(_PAIRS_AT_ONCE // len(near), 1)
    return max(_nearest(those[begin : begin + step], near) for begin in range(0, len(those), step))


def _nearest(points: FloatArray, near: FloatArray) -> float:
    across = points[:, None, 0] - near[None, :, 0]
    down = points[:, None, 1] - near[None, :, 1]
    return math.sqrt(float((across * across + down * down).min(axis=1).max()))
