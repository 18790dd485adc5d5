"""Which kind of file it is, told from its first bytes and never from its name alone."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from enum import StrEnum

PEEK = 4096
"""First bytes that are enough to tell any kind."""


class Kind(StrEnum):
    """The kinds of image that a case can hold."""

    DICOM_SERIES = "dicom-series"
    DICOM_MULTIFRAME = "dicom-multiframe"
    NIFTI = "nifti"
    METAIMAGE = "metaimage"
    NRRD = "nrrd"
    PICTURE = "picture"
    VIDEO = "video"
    PDF = "pdf"
    WSI = "wsi"


class Format(StrEnum):
    """The formats of single files."""

    DICOM = "dicom"
    NIFTI = "nifti"
    METAIMAGE = "metaimage"
    NRRD = "nrrd"
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    MP4 = "mp4"
    PDF = "pdf"


MEDIA_TYPES = {
    Format.DICOM: "application/dicom",
    Format.NIFTI: "application/nifti",
    Format.METAIMAGE: "application/x-metaimage",
    Format.NRRD: "application/x-nrrd",
    Format.PNG: "image/png",
    Format.JPEG: "image/jpeg",
    Format.TIFF: "image/tiff",
    Format.MP4: "video/mp4",
    Format.PDF: "application/pdf",
}


class UnknownFormat(ValueError):
    """The first bytes are of no kind that can be read; the message says what they are instead."""


def sniff(start: bytes) -> Format:
    """The format of a file from its first bytes.

    Parameters
    ----------
    start : at least the first 352 bytes, or the whole of a shorter file; `PEEK` is plenty

    Raises
    ------
    UnknownFormat
        The bytes are of no readable kind.
    """
    if start[:2] == b"\x1f\x8b":
        inner = _inflated(start)
        if _is_nifti(inner):
            return Format.NIFTI
        msg = "is gzipped, and what is inside is not NIfTI; unpack it first"
        raise UnknownFormat(msg)
    found = _by_magic(start)
    if found is None:
        raise UnknownFormat(what_else(start))
    return found


def _by_magic(start: bytes) -> Format | None:
    if start[128:132] == b"DICM":
        return Format.DICOM
    if _is_nifti(start):
        return Format.NIFTI
    if re.match(rb"NRRD000[1-5]\s", start):
        return Format.NRRD
    if start[:8] == b"\x89PNG\r\n\x1a\n":
        return Format.PNG
    if start[:3] == b"\xff\xd8\xff":
        return Format.JPEG
    if start[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}:
        return Format.TIFF
    if start[4:8] == b"ftyp":
        return Format.MP4
    if start[:5] == b"%PDF-":
        return Format.PDF
    if re.match(rb"\s*(ObjectType|NDims|Comment)\s*=", start[:200]):
        return Format.METAIMAGE
    return None


def _is_nifti(start: bytes) -> bool:
    """Whether a NIfTI-1 or NIfTI-2 header begins here, in either byte order."""
    if len(start) < 348:
        return False
    sizes = {struct.unpack(order + "i", start[:4])[0] for order in "<>"}
    if 348 in sizes:
        return start[344:348] in {b"n+1\0", b"ni1\0"}
    return 540 in sizes and start[4:7] in {b"n+2", b"ni2"}


def _inflated(start: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(start, 1024)
    except (zlib.error, gzip.BadGzipFile):
        return b""


UNKNOWN = "is of no kind that can be read"


def what_else(start: bytes) -> str:
    """What a file that cannot be used seems to be, in words that help to find out how it came about."""
    if not start:
        return "is empty"
    text = start[:300].lstrip().lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return "is a web page, perhaps a login page saved by an expired link"
    if text.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the data; run 'git lfs pull'"
    if text.startswith(b"<?xml"):
        return "is an XML document, perhaps an object store's error message saved as a file"
    if start[:4] == b"PK\x03\x04":
        return "is a zip archive; unpack it first"
    if start[:4] == b"NRRD":
        return "is NRRD of an unknown version; write it as NRRD0005 or older"
    if start[:2] == b"\x08\x00" or start[:4] in {b"\x02\x00\x00\x00", b"\x02\x00\x02\x00"}:
        return "looks like DICOM without the 'DICM' prefix; write it again with pydicom's dcmwrite"
    return UNKNOWN
