"""A file as an object of the library that people read its format with."""

from __future__ import annotations

import contextlib
import gzip
import io
from typing import TYPE_CHECKING, Any

from caseferry.errors import UnexpectedResponse, UnsupportedOperation
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Format
from caseferry.imaging.reading import format_of
from caseferry_datamint.errors import PLATFORM

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image as Picture

ENDINGS = {
    Format.DICOM: ".dcm",
    Format.NIFTI: ".nii",
    Format.METAIMAGE: ".mha",
    Format.NRRD: ".nrrd",
    Format.PNG: ".png",
    Format.JPEG: ".jpg",
    Format.TIFF: ".tiff",
    Format.MP4: ".mp4",
    Format.PDF: ".pdf",
}
"""How names of files of each format end."""


def loaded(ref: FileRef) -> Any:
    """A pydicom dataset, a nibabel image or a Pillow image, by what the file is.

    Raises
    ------
    UnsupportedOperation
        It is of none of these kinds.
    """
    try:
        kind = format_of(ref)
    except ImageProblem:
        kind = None
    if kind is Format.DICOM:
        import pydicom

        return pydicom.dcmread(io.BytesIO(ref.read()))
    if kind is Format.NIFTI:
        return _nifti(ref.read())
    if kind in {None, Format.PNG, Format.JPEG, Format.TIFF}:
        with contextlib.suppress(UnexpectedResponse):
            return picture(ref.read(), f"load {ref.name!r}")
    raise UnsupportedOperation(PLATFORM, f"load {ref.name!r} as an image", "read its bytes with file(id).open()")


def picture(content: bytes, what: str) -> Picture:
    """A picture of any format that Pillow reads.

    Raises
    ------
    UnexpectedResponse
        It is none.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(io.BytesIO(content))
    except UnidentifiedImageError:
        pass
    raise UnexpectedResponse(PLATFORM, what, "what came is no picture")


def ending_of(path: Path) -> str:
    """How the name of a file should end, by what is in it; empty for a format that is not known."""
    ref = FileRef(str(path))
    try:
        kind = format_of(ref)
    except ImageProblem:
        return ""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return ENDINGS[kind] + (".gz" if packed else "")


def _nifti(content: bytes) -> Any:
    import nibabel as nib

    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    newer = 540 in {int.from_bytes(plain[:4], "little"), int.from_bytes(plain[:4], "big")}
    return (nib.Nifti2Image if newer else nib.Nifti1Image).from_bytes(plain)
