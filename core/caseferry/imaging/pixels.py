"""Voxels as an array."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.reading import planes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef
    from caseferry.geometry import Geometry


def load_voxels(files: Sequence[FileRef], header: Header, geometry: Geometry | None = None) -> NDArray[Any]:
    """All values of an image.

    Parameters
    ----------
    geometry : how the planes are to be understood when that is known better than the files say it; it must have as
        many planes as the files

    Returns
    -------
    [column, row, slice], then frame where there is more than one, then channel where there is more than one.

    Raises
    ------
    ImageProblem
        The pixels are damaged, or their number is not what the header says.
    """
    grid = geometry or header.geometry
    if grid is None:
        raise ImageProblem(files[0].name, f"is a {header.kind} without voxels")
    columns, rows, slices = grid.shape
    colours = (header.channels,) if header.channels > 1 else ()
    array = np.empty((grid.planes, rows, columns, *colours), header.dtype)
    count = 0
    for plane in planes(files, header):
        if count == grid.planes or plane.shape != array.shape[1:]:
            raise ImageProblem(
                files[0].name, f"holds other planes than the {grid.planes} of {array.shape[1:]} expected"
            )
        array[count] = plane
        count += 1
    if count < grid.planes:
        raise ImageProblem(files[0].name, f"holds {count} planes where {grid.planes} are expected")
    stacked = array.reshape(grid.frames, slices, rows, columns, *colours)
    turned = stacked.transpose(3, 2, 1, 0, *range(4, stacked.ndim))
    return turned if grid.frames > 1 else turned[:, :, :, 0]
