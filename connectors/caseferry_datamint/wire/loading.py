"""A file as an object of the library that people read its format with."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

from caseferry.errors import UnsupportedOperation
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Format
from caseferry.imaging.reading import format_of

if TYPE_CHECKING:
    from caseferry.files import FileRef

PICTURES = (Format.PNG, Format.JPEG, Format.TIFF)


def loaded(ref: FileRef) -> Any:
    """A pydicom dataset, a nibabel image or a Pillow image, by what the file is.

    Raises
    ------
    UnsupportedOperation
        It is of none of these kinds.
    """
    try:
        kind = format_of(ref)
    except ImageProblem as error:
        raise _unsupported(ref) from error
    if kind is Format.DICOM:
        import pydicom

        return pydicom.dcmread(io.BytesIO(ref.read()))
    if kind is Format.NIFTI:
        return _nifti(ref.read())
    if kind in PICTURES:
        from PIL import Image

        return Image.open(io.BytesIO(ref.read()))
    raise _unsupported(ref)


def _nifti(content: bytes) -> Any:
    import nibabel as nib

    plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    newer = 540 in {int.from_bytes(plain[:4], "little"), int.from_bytes(plain[:4], "big")}
    return (nib.Nifti2Image if newer else nib.Nifti1Image).from_bytes(plain)


def _unsupported(ref: FileRef) -> UnsupportedOperation:
    return UnsupportedOperation("datamint", f"load {ref.name!r} as an image", "read its bytes with file(id).open()")
