"""Conversions between kinds of image that keep every voxel and the place of each in the patient.

Planes are passed on one at a time, so that a conversion holds one plane in memory, whatever the image's size.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from caseferry.files.gzipped import Gzipped
from caseferry.geometry import RAS_TO_LPS, Geometry
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.metaimage import NAMES, header_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

NIFTI_ERROR = "exact; voxels lie where 32-bit numbers put them"
"""How far an image in NIfTI is from another one with more digits, in words; see `nifti_error`."""

RGB24, RGBA32 = 128, 2304


def metaimage_size(geometry: Geometry, dtype: str, channels: int = 1, extra: dict[str, str] | None = None) -> int:
    """The size in bytes of what `write_metaimage` writes."""
    columns, rows, _ = geometry.shape
    voxels = columns * rows * geometry.planes * channels * np.dtype(dtype).itemsize
    return len(header_text(geometry, dtype, channels, extra)) + voxels


def write_metaimage(
    out: BinaryIO,
    planes: Iterable[NDArray[np.generic]],
    geometry: Geometry,
    dtype: str,
    *,
    channels: int = 1,
    extra: dict[str, str] | None = None,
) -> None:
    """Write an uncompressed ``.mha``.

    Parameters
    ----------
    planes : slice by slice and frame after frame, each [row, column] or [row, column, channel]
    extra : more ``key = value`` lines for the header
    """
    if dtype not in NAMES:
        raise ImageProblem("the image", f"holds values of type {dtype}, which MetaImage cannot hold")
    out.write(header_text(geometry, dtype, channels, extra))
    stored = np.dtype(dtype).newbyteorder("<")
    out.writelines(np.ascontiguousarray(plane, dtype=stored).data for plane in planes)


def write_nifti(
    out: BinaryIO,
    planes: Iterable[NDArray[np.generic]],
    geometry: Geometry,
    dtype: str,
    *,
    channels: int = 1,
    labels: bool = False,
) -> None:
    """Write a ``.nii.gz`` with the same affine, in the same order of voxels.

    The bytes depend on the image alone, not on the time or the place of writing.

    Parameters
    ----------
    planes : slice by slice and frame after frame, each [row, column] or [row, column, channel]
    labels : whether the values name structures, which the header can say
    """
    from nibabel.nifti1 import Nifti1Header

    header = Nifti1Header(endianness="<")
    columns, rows, slices = geometry.shape
    if channels == 1:
        header.set_data_dtype(np.dtype(dtype))
    elif channels in {3, 4} and dtype == "uint8":
        header["datatype"], header["bitpix"] = (RGB24, 24) if channels == 3 else (RGBA32, 32)
    else:
        raise ImageProblem("the image", f"has {channels} channels of type {dtype}, which NIfTI cannot hold")
    if max(geometry.shape) > np.iinfo(np.int16).max:
        raise ImageProblem("the image", f"is {geometry.shape} voxels; NIfTI-1 holds at most 32767 along an axis")
    shape = (columns, rows, slices, geometry.frames) if geometry.frames > 1 else (columns, rows, slices)
    header.set_data_shape(shape)
    world = RAS_TO_LPS @ geometry.affine
    header.set_sform(world, code=1)
    header.set_qform(world, code=1, strip_shears=True)
    steps = Geometry((max(columns, 2), max(rows, 2), max(slices, 2)), geometry.affine)  # a single voxel has axes too
    if not Geometry(steps.shape, RAS_TO_LPS @ header.get_qform()).same_grid(steps):
        header.set_qform(None, code=0)  # its 32-bit quaternion, or its lack of shears, would put voxels elsewhere
    header.set_xyzt_units("mm", "sec")
    header["vox_offset"] = 352
    header["scl_slope"], header["scl_inter"] = np.nan, np.nan
    if labels:
        header.set_intent("label")
    stored = np.dtype(dtype).newbyteorder("<")
    with Gzipped(out) as packed:
        packed.write(header.binaryblock + b"\0\0\0\0")
        for plane in planes:
            packed.write(np.ascontiguousarray(plane, dtype=stored).data)


def nifti_error(geometry: Geometry) -> float:
    """How far, in mm, `write_nifti` puts a voxel from where it is: the affine has numbers of 32 bits there."""
    off = RAS_TO_LPS @ (RAS_TO_LPS @ geometry.affine).astype(np.float32).astype(np.float64) - geometry.affine
    last = np.array(geometry.shape) - 1
    corners = np.array([[*(last * corner), 1] for corner in np.ndindex(2, 2, 2)])
    return float(np.linalg.norm(corners @ off.T, axis=1).max())


def write_png(out: BinaryIO, planes: Iterable[NDArray[np.generic]], dtype: str, channels: int = 1) -> None:
    """Write the first plane as a PNG.

    Parameters
    ----------
    dtype : ``uint8``, or ``uint16`` for a single channel
    """
    from PIL import Image

    plane = next(iter(planes))
    mode = {("uint8", 1): "L", ("uint16", 1): "I;16", ("uint8", 3): "RGB", ("uint8", 4): "RGBA"}.get((dtype, channels))
    if mode is None:
        raise ImageProblem("the image", f"has {channels} channels of type {dtype}, which PNG cannot hold")
    array = np.ascontiguousarray(plane, dtype=dtype)
    buffer = io.BytesIO()
    Image.frombytes(mode, (array.shape[1], array.shape[0]), array.tobytes()).save(buffer, "PNG")
    out.write(buffer.getvalue())


def nifti_bytes(array: NDArray[np.generic], geometry: Geometry, *, labels: bool = False) -> bytes:
    """A ``.nii.gz`` of an array that is at hand.

    Parameters
    ----------
    array : [column, row, slice], or [column, row, slice, frame]
    """
    out = io.BytesIO()
    write_nifti(out, planes_of(array), geometry, array.dtype.name, labels=labels)
    return out.getvalue()


def planes_of(array: NDArray[np.generic]) -> Iterable[NDArray[np.generic]]:
    """The planes [row, column] of an array [column, row, slice] or [column, row, slice, frame], in order."""
    stack = array.reshape(array.shape[0], array.shape[1], -1, order="F")
    return (stack[:, :, number].T for number in range(stack.shape[2]))
