"""Ellipses by the ends of two axes, in whatever grid or space the ends are written.

What two axes at right angles are in millimetres, they seldom are in voxels. Any two that halve each other make one
ellipse, so an ellipse stays itself when its ends are taken from one space to another; and each has, in each space,
axes that stand at right angles there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from caseferry.geometry import FloatArray

ON_ARC = 17
"""At how many points an arc of an ellipse is looked at."""

NEAR = 1e-9
"""By how much of its own size an ellipse may differ from itself: what numbers lose on the way between spaces."""


def upright_axes(ends: ArrayLike) -> FloatArray | None:
    """The ends of the axes of an ellipse that stand at right angles, the longer axis first.

    Parameters
    ----------
    ends : shape (4, n); the two ends of the one axis, then the two of the other; in n dimensions

    Returns
    -------
    Shape (4, n); the same ends where they are at right angles already. None when the axes do not halve each other:
    then they are those of no ellipse.
    """
    points = np.asarray(ends, dtype=np.float64)
    centre, axes, gap = _parts(points)
    size = float(np.linalg.norm(axes))
    slack = NEAR * max(size, float(np.abs(points).max()))
    if gap > slack:
        return None
    if abs(float(axes[0] @ axes[1])) <= slack * size:
        longer = 0 if np.linalg.norm(axes[0]) >= np.linalg.norm(axes[1]) else 2
        return np.roll(points, -longer, axis=0)
    _, lengths, turned = np.linalg.svd(axes, full_matrices=False)
    one, other = lengths[:, None] * turned
    return np.array([centre - one, centre + one, centre - other, centre + other])


def outline_error(ends: ArrayLike, corners: int) -> float:
    """How far an ellipse is at most from the outline that joins points on it; see `caseferry.shapes.ellipse_ring`.

    Parameters
    ----------
    ends : shape (4, n); see `upright_axes`; in millimetres for an answer in millimetres
    corners : how many points there are, at equal angles of the circle that the ellipse is the image of
    """
    _, axes, _ = _parts(np.asarray(ends, dtype=np.float64))
    step = 2 * np.pi / corners
    angles = np.arange(corners)[:, None] * step + np.linspace(0, step, ON_ARC)  # the middle of an arc among them
    arcs = np.cos(angles)[..., None] * axes[0] + np.sin(angles)[..., None] * axes[1]
    starts, sides = arcs[:, :1], arcs[:, -1:] - arcs[:, :1]
    lengths = np.maximum((sides**2).sum(axis=2), np.finfo(np.float64).tiny)
    along = np.clip(((arcs - starts) * sides).sum(axis=2) / lengths, 0, 1)
    return float(np.linalg.norm(arcs - starts - along[..., None] * sides, axis=2).max())


def same_ellipse(mine: ArrayLike, theirs: ArrayLike, tolerance: float) -> bool:
    """Whether two ellipses are the same, whichever of their axes are given and in whichever order.

    Parameters
    ----------
    mine, theirs : shape (4, n); see `upright_axes`
    tolerance : how far one may lie from the other
    """
    (here, ours, _), (there, others, _) = (_parts(np.asarray(each, dtype=np.float64)) for each in (mine, theirs))
    if here.shape != there.shape or np.abs(here - there).max() > tolerance:
        return False
    size = max(np.linalg.norm(ours), np.linalg.norm(others))
    return bool(np.abs(ours.T @ ours - others.T @ others).max() <= 2 * tolerance * size)


def _parts(points: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """The centre, half of each axis, and how far the middles of the axes lie apart."""
    middles = np.array([points[:2].mean(axis=0), points[2:].mean(axis=0)])
    halves = np.array([points[1] - points[0], points[3] - points[2]]) / 2
    return middles.mean(axis=0), halves, float(np.abs(middles[0] - middles[1]).max())
