"""NIfTI files, by their headers."""

from __future__ import annotations

import gzip
import uuid
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError

from caseferry_darwin.sandbox.reading.picture import UnreadableFile
from caseferry_darwin.sandbox.reading.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Callable

CHUNK = 1 << 20


def is_nifti(file_name: str) -> bool:
    """Whether a file's name says that it is NIfTI."""
    return file_name.lower().endswith((".nii", ".nii.gz"))


def read_nifti(stream: BinaryIO) -> Volume:
    """The volume of a NIfTI file, compressed or not. Of more than three axes the first three count.

    Raises
    ------
    UnreadableFile
        It is not NIfTI, or its voxels end early.
    """
    magic = stream.read(2)
    stream.seek(0)
    plain = cast("BinaryIO", gzip.GzipFile(fileobj=stream)) if magic == b"\x1f\x8b" else stream
    try:
        start = plain.read(4)
        plain.seek(0)
        large = int.from_bytes(start, "little") == 540 or int.from_bytes(start, "big") == 540
        parse: Callable[..., nib.Nifti1Header] = (
            nib.Nifti2Header.from_fileobj if large else nib.Nifti1Header.from_fileobj
        )
        header = parse(plain)
        shape = header.get_data_shape()
        if len(shape) < 2 or min(shape) < 1:
            raise UnreadableFile("the NIfTI file holds no volume")
        needed = int(header["vox_offset"]) + int(np.prod(shape, dtype=np.int64)) * header.get_data_dtype().itemsize
        plain.seek(0)
        whole = _holds(plain, needed)
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (OSError, EOFError, ValueError, zlib.error, HeaderDataError, WrapStructError) as error:
        raise UnreadableFile(f"not a readable NIfTI file: {error}") from error
    if not whole:
        raise UnreadableFile("the voxels of the NIfTI file end early")
    sizes = (*shape, 1)[:3]
    # The platform gives every volume a series identifier, NIfTI files too; a UID has at most 64 characters.
    series = f"1.2.826.0.1.3680043.8.498.{uuid.uuid4().int % 10**38}"
    return Volume.turned((int(sizes[0]), int(sizes[1]), int(sizes[2])), affine, series)


def _holds(stream: BinaryIO, count: int) -> bool:
    while count > 0:
        chunk = stream.read(min(count, CHUNK))
        if not chunk:
            return False
        count -= len(chunk)
    return True
