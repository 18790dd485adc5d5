"""How voxels of one grid lie on those of an image: in any order of axes, on a part of it; never resampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caseferry.geometry import FloatArray, Geometry, IntArray

OFF_GRID = 0.05
"""How far from the image's voxels, in voxels, those of the other grid may lie: positions are written rounded."""


def steps_on(grid: Geometry, affine: FloatArray, sizes: Sequence[int], name: str, what: str) -> IntArray:
    """The voxel of the image at which another grid begins, and the step that each of its axes takes there.

    Parameters
    ----------
    grid : the image's
    affine : shape (4, 4); voxel of the other grid to LPS, millimetres
    sizes : of the other grid along its first axes: two for a plane, three for a volume
    name, what : the file and the part of it, for messages

    Returns
    -------
    shape (3, n + 1); a column for each axis, then the beginning

    Raises
    ------
    GeometryError
        The voxels of the other grid are not voxels of the image.
    """
    used = [*range(len(sizes)), 3]
    exact = (np.linalg.inv(grid.affine) @ affine)[:3, used]
    whole = np.rint(exact)
    far = np.array([size - 1 for size in sizes] + [1])
    off = max(np.abs(exact[:, -1] - whole[:, -1]).max(), np.abs(exact @ far - whole @ far).max())
    long = whole[:, :-1][:, [size > 1 for size in sizes]]
    across = np.abs(long).sum(axis=0), np.abs(long).sum(axis=1)
    if off > OFF_GRID or (across[0] != 1).any() or (across[1] > 1).any():
        raise GeometryError(
            name,
            f"{what} does not lie on the voxels of the image, but up to {off:.2f} voxels beside them",
            "resample it, or give the image that was segmented",
        )
    return whole.astype(np.intp)


def put(volume: NDArray[Any], inside: NDArray[np.bool_], steps: IntArray, name: str) -> None:
    """Set the voxels of the image to 1 on which a mask of the other grid lies.

    Parameters
    ----------
    volume : [column, row, slice]; changed
    inside : [column, row], or [column, row, slice] of the other grid
    steps : from `steps_on`

    Raises
    ------
    GeometryError
        The mask reaches beyond the image.
    """
    voxels = np.argwhere(inside) @ steps[:, :-1].T + steps[:, -1]
    if ((voxels < 0) | (voxels >= volume.shape)).any():
        raise GeometryError(name, "has segments that reach beyond the image", "give the image that was segmented")
    volume[tuple(voxels.T)] = 1
