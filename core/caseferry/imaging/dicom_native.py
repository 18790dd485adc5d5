"""Uncompressed DICOM pixels, read from where they lie in their file without parsing it a second time.

Only what leaves no choice is read so: one value to a pixel, in shades of grey, little endian, in whole bytes, in a
file on this machine that is the same as when its header was read. All else is left to pydicom; the values are its
values, bit for bit.

Source
------
DICOM PS3.5 8.1 (pixel encoding; bits that are not stored mean nothing) and A.4 (native format).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry.files import FileRef
    from caseferry.imaging.dicom_view import View

LITTLE_ENDIAN = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
"""Transfer syntaxes whose pixels stand as they are: Implicit and Explicit VR Little Endian."""

GREY = ("MONOCHROME1", "MONOCHROME2")

WHOLE_BYTES = (8, 16, 32)
"""Bits of a pixel."""

Stamp: TypeAlias = tuple[int, int, int, int]


def stamp(status: os.stat_result) -> Stamp:
    """What changes when a file is written again, or another one comes into its place."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file its uncompressed pixels stand.

    Attributes
    ----------
    start, length : in bytes
    stamp : of the file when it was looked at
    """

    start: int
    length: int
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Native:
    """The uncompressed pixels of a file.

    Attributes
    ----------
    dtype : of the stored values, with the order of their bytes
    stored : bits of each value that mean something; those above are not looked at
    shape : rows and columns of a frame
    """

    place: Place
    dtype: str
    stored: int
    shape: tuple[int, int]

    def frame(self, ref: FileRef, number: int) -> NDArray[Any] | None:
        """The stored values of a frame, [row, column]; None when the file is another one by now, or too short."""
        values = np.empty(self.shape, self.dtype)
        start = number * values.nbytes
        if ref.path is None or start + values.nbytes > self.place.length:
            return None
        try:
            file = ref.path.open("rb", buffering=0)
        except OSError:
            return None  # pydicom's way tells what is wrong with it
        with file as stream:
            if stamp(os.fstat(stream.fileno())) != self.place.stamp:
                return None
            stream.seek(self.place.start + start)
            left = values.reshape(-1).view(np.uint8).data
            while left and (count := stream.readinto(left)):
                left = left[count:]
        if left:
            return None
        if unused := values.itemsize * 8 - self.stored:
            np.left_shift(values, unused, out=values)
            np.right_shift(values, unused, out=values)
        return values


def native(view: View, syntax: str, place: Place | None) -> Native | None:
    """How the pixels of a file can be read from where they lie; None where that is left to pydicom.

    Parameters
    ----------
    syntax : UID of the transfer syntax
    place : of an element Pixel Data of known length
    """
    if place is None or syntax not in LITTLE_ENDIAN:
        return None
    names = ("BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel", "Rows", "Columns")
    allocated, stored, sign, samples, rows, columns = (view.get(name) for name in names)
    if (
        samples != 1
        or allocated not in WHOLE_BYTES
        or sign not in {0, 1}
        or not isinstance(stored, int)
        or not 1 <= stored <= allocated
        or view.get("PhotometricInterpretation") not in GREY
    ):
        return None
    return Native(place, f"<{'ui'[sign]}{allocated // 8}", stored, (int(rows), int(columns)))
