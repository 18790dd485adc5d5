"""How the voxels of a mask lie on the image that it is of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.annotation import LARGEST_LABEL, Mask
from caseferry.imaging.header import Header, ImageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.case.image import Image
    from caseferry.geometry import AxisMap, Geometry


def unnamed_values(mask: Mask, header: Header) -> list[int]:
    """The values in a mask's file that its labels do not name; plane by plane.

    Parameters
    ----------
    header : of the mask's file

    Raises
    ------
    ImageProblem
        It holds values that no label map has.
    """
    found = set[int]()
    for plane in _label_planes(mask, header):
        found |= _values(plane, mask.file.name)
    return sorted(found - {0} - set(mask.labels))


def is_empty(mask: Mask) -> bool:
    """Whether no voxel of a mask has a value; its planes are looked at up to the first that has one."""
    from caseferry.imaging.reading import read_header

    return not any(bool(plane.any()) for plane in _label_planes(mask, read_header([mask.file])))


def placement(mask: Mask, header: Header, image: Image) -> AxisMap | None:
    """How a mask's grid lies on its image's grid; None when it lies there plane by plane in the order of its file.

    Where both files say where their voxels lie, these must be the same places, in whichever order of axes; else only
    the size counts. A mask of one volume lies on every frame of an image that has several.

    Parameters
    ----------
    header : of the mask's file

    Returns
    -------
    For a mask of a single plane, how it lies on that plane.

    Raises
    ------
    ImageProblem
        The mask does not lie on the image voxel for voxel, or is one plane of several and does not say which.
    """
    from caseferry.geometry import axis_map

    grid, own = image.geometry, header.geometry
    name = mask.file.name
    if grid is None or own is None:
        raise ImageProblem(name, f"cannot lie on image {image.role!r}: one of them has no grid")
    if header.channels > 1:
        what = f"has {header.channels} channels; a mask has one value in each voxel"
        raise ImageProblem(name, what, "write it in shades of grey, each the number of a label")
    if mask.frame is None and own.planes == 1 < grid.planes:
        what = f"is one plane, and image {image.role!r} has {grid.planes}"
        raise ImageProblem(name, what, "say which with frame=, or give a mask of all planes")
    wanted = 1 if mask.frame is not None else grid.planes
    same_size = own.shape[:2] == grid.shape[:2] and own.planes == wanted
    placed = own.space == grid.space == "patient"
    found = None
    if placed and mask.frame is not None:
        found = _on_plane(own, grid) if own.planes == 1 else None
    elif placed and own.frames in {1, grid.frames}:
        found = axis_map(own, grid)
    if found is None and not (same_size and (not placed or _frames_as_slices(own, grid))):
        where = f"image {image.role!r}" if mask.frame is None else f"one plane of image {image.role!r}"
        raise ImageProblem(
            name,
            f"does not lie on {where}: its grid is {_sizes(own)} from {_rounded(own)}, the image's "
            f"{_sizes(grid)} from {_rounded(grid)}",
            "resample the mask onto the image's grid, with the same affine",
        )
    return found


def _frames_as_slices(own: Geometry, grid: Geometry) -> bool:
    """Whether a mask may hold as slices what its image has as frames: its planes lie on the image's planes as they are.

    The distance between such slices means nothing.
    """
    found = _on_plane(own, grid)
    return own.frames == 1 < grid.frames and found is not None and found.identity


def _on_plane(own: Geometry, grid: Geometry) -> AxisMap | None:
    """How the first plane of `own` lies on the planes of `grid`, however far it is from them across."""
    from caseferry.errors import GeometryError
    from caseferry.geometry import Geometry, axis_map

    affine = own.affine.copy()
    affine[:3, 2] = grid.affine[:3, 2]
    column, row, _ = grid.to_voxel(own.origin_lps)[0]
    affine[:3, 3] = grid.to_patient([column, row, 0.0])[0]
    try:
        plane = Geometry((*own.shape[:2], 1), affine)
    except GeometryError:
        return None
    return axis_map(plane, Geometry((*grid.shape[:2], 1), grid.affine))


def _sizes(grid: Geometry) -> str:
    return f"{grid.shape}" + (f" of {grid.frames} frames" if grid.frames > 1 else "")


def _rounded(grid: Geometry) -> str:
    numbers = ", ".join(f"{value:.2f}" for value in grid.origin_lps)
    spacing = " x ".join(f"{value:.3f}" for value in grid.spacing_mm)
    return f"({numbers}) at {spacing} mm"


def _label_planes(mask: Mask, header: Header) -> Iterator[NDArray[np.generic]]:
    from caseferry.imaging.reading import planes

    return planes([mask.file], header)


def _values(plane: NDArray[Any], name: str) -> set[int]:
    """The values in one plane of a mask."""
    import numpy as np

    whole = plane
    if plane.dtype.kind == "f":
        whole = np.rint(plane)
        if not np.array_equal(whole, plane):
            raise ImageProblem(
                name, "holds values that are not whole numbers: it is no label map", "threshold it first"
            )
    low, high = int(whole.min()), int(whole.max())
    if low < 0 or high > LARGEST_LABEL:
        raise ImageProblem(name, f"holds values from {low} to {high}; a label map has 0 to {LARGEST_LABEL}")
    return set(np.flatnonzero(np.bincount(whole.astype(np.intp).ravel(), minlength=1)).tolist())


def aligned(mask: Mask, image: Image) -> NDArray[Any]:
    """A mask's voxels on its image's grid.

    Returns
    -------
    Whole numbers [column, row, slice], then frame where the image has more than one. For a mask of a single plane
    every other plane is 0; one of a single volume is repeated in every frame, as a view that cannot be written to.
    """
    import numpy as np

    from caseferry.imaging.pixels import load_voxels
    from caseferry.imaging.reading import read_header

    header = read_header([mask.file])
    turn = placement(mask, header, image)
    grid = image.geometry
    assert grid is not None  # noqa: S101  placement has refused an image without a grid
    own = load_voxels([mask.file], header, grid if turn is None and mask.frame is None else None)
    if own.dtype.kind == "f":
        _values(own, mask.file.name)
        own = own.astype(np.uint16)
    if turn is not None:
        own = turn.apply(own)
    if mask.frame is not None:
        whole = np.zeros((*grid.shape[:2], grid.planes), own.dtype)
        whole[:, :, mask.frame] = own[:, :, 0]
        own = whole.reshape(*grid.shape[:2], grid.frames, grid.shape[2]).transpose(0, 1, 3, 2)
        return own if grid.frames > 1 else own[:, :, :, 0]
    if own.ndim == 3 and grid.frames > 1:
        return np.broadcast_to(own[..., np.newaxis], (*own.shape, grid.frames))
    return own
