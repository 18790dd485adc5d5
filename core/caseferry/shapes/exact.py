"""On which side of a line a point lies, without rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry.geometry import FloatArray

_ROUNDING = 1e-15
"""Relative to the products: more than the arithmetic of doubles can be wrong by (Shewchuk 1997: 3.4e-16)."""

_SMALLEST = 1e-290
"""Below this, products of doubles lose digits beyond the relative bound."""


def side(start: FloatArray, end: FloatArray, point: FloatArray) -> NDArray[np.int8]:
    """On which side of the line from `start` to `end` each point lies.

    Parameters
    ----------
    start, end, point : shape (n, 2); column, row

    Returns
    -------
    shape (n,); 1 where (point - start) turns away from (end - start) as rows from columns, that is to the right hand
    of who walks it on a screen; -1 on the other side; 0 on the line, exactly.

    Source
    ------
    J. R. Shewchuk, Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates, 1997; what
    doubles cannot tell is told by whole numbers here.
    """
    one = (end[:, 0] - start[:, 0]) * (point[:, 1] - start[:, 1])
    two = (end[:, 1] - start[:, 1]) * (point[:, 0] - start[:, 0])
    found = np.sign(one - two).astype(np.int8)
    unsure = np.flatnonzero(np.abs(one - two) <= _ROUNDING * (np.abs(one) + np.abs(two)) + _SMALLEST)
    if unsure.size:
        a, b, c = np.split(_whole(np.concatenate((start[unsure], end[unsure], point[unsure]))), 3)
        turn = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
        found[unsure] = (turn > 0).astype(np.int8) - (turn < 0).astype(np.int8)
    return found


def _whole(values: FloatArray) -> NDArray[Any]:
    """Finite doubles as whole numbers of unlimited size, all multiplied by the same power of two."""
    mantissa, exponent = np.frexp(values)
    shift = np.where(mantissa == 0, 0, exponent - exponent[mantissa != 0].min(initial=exponent.max(initial=0)))
    return np.asarray(np.left_shift((mantissa * 2.0**53).astype(np.int64).astype(object), shift.astype(object)))
