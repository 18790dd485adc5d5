"""PNG, JPEG and TIFF pictures, and tiled TIFF files of whole slides.

A picture has no place in a patient: its affine is the identity, in pixels. Pixels are taken as they are stored; an
EXIF orientation is not applied.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.deidentify import about_someone
from caseferry.geometry import Geometry
from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef

LARGEST_PIXELS = 200_000_000
"""Pixels in a picture beyond which it is taken for a decompression bomb."""

MODES = {
    "L": ("uint8", 1, "L"),
    "1": ("uint8", 1, "L"),
    "I;16": ("uint16", 1, "I;16"),
    "I;16B": ("uint16", 1, "I;16"),
    "I": ("int32", 1, "I"),
    "F": ("float32", 1, "F"),
    "RGB": ("uint8", 3, "RGB"),
    "YCbCr": ("uint8", 3, "RGB"),
    "P": ("uint8", 3, "RGB"),
    "CMYK": ("uint8", 3, "RGB"),
    "RGBA": ("uint8", 4, "RGBA"),
    "LA": ("uint8", 4, "RGBA"),
    "PA": ("uint8", 4, "RGBA"),
}
"""Pillow's modes: type, channels, and the mode in which values are read."""

TILE_WIDTH = 322
RESOLUTION = (282, 283)
"""The tags XResolution and YResolution of TIFF."""
EXIF_TEXT = {
    270: "ImageDescription",
    315: "Artist",
    33432: "Copyright",
    37510: "UserComment",
    40091: "XPTitle",
    40092: "XPComment",
    40093: "XPAuthor",
    40094: "XPKeywords",
    40095: "XPSubject",
    42016: "ImageUniqueID",
    42032: "CameraOwnerName",
}
EXIF_IFD = 34665
EXIF_GPS = 34853
EXIF_TURN = 274
"""Orientation: how a viewer shall turn the picture. Browsers do."""
ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"\0\0\0\0IEND\xae\x42\x60\x82"}
"""The last bytes of whole files: the marker EOI of JPEG, the chunk IEND of PNG."""
HARMLESS_COMMENT = re.compile(
    r"creator: gd-jpeg|lavc\d|created with|file written by|intel\(r\)|lead tech|compressed by|optimi[sz]ed by",
    re.IGNORECASE,
)
"""How comments begin that programs leave in a JPEG file."""
IPTC_RESOURCE = 0x0404
"""Where Photoshop keeps what people wrote, among what it keeps in a JPEG file."""
IPTC_TEXT = re.compile(rb"\x1c\x02[\x05\x19\x28\x50\x55\x69\x6e\x73\x74\x78\x7a]")
"""The datasets of IPTC in which people write: title, keywords, by-line, headline, caption and others."""
HARMLESS_TEXT = frozenset({"software", "xml:com.adobe.xmp", "date:create", "date:modify", "date:timestamp"})


@contextmanager
def _opened(ref: FileRef) -> Iterator[Any]:
    from PIL import Image, UnidentifiedImageError

    with ref.seekable() as stream:
        try:
            with quiet():  # Pillow warns of sizes from which `LARGEST_PIXELS` protects
                opened = Image.open(stream)
            with opened as picture:
                yield picture
        except UnidentifiedImageError as error:
            raise ImageProblem(ref.name, "is damaged: its header cannot be read as a picture") from error
        except Image.DecompressionBombError as error:
            raise ImageProblem(ref.name, "claims so many pixels that it is taken for a decompression bomb") from error
        except (OSError, SyntaxError, ValueError) as error:
            if isinstance(error, ImageProblem):
                raise
            raise ImageProblem(ref.name, f"is a damaged picture ({error})", "fetch it again") from error


def read_header(files: Sequence[FileRef]) -> Header:
    """Read a picture's header; see `caseferry.imaging.header.Reader`."""
    if len(files) != 1:
        raise ImageProblem("a picture", f"is one file, not {len(files)}", "give each picture as an image of its own")
    ref = files[0]
    with _opened(ref) as picture:
        width, height = picture.size
        if picture.format == "TIFF" and TILE_WIDTH in picture.tag_v2:
            details = {"resolution": all(tag in picture.tag_v2 for tag in RESOLUTION)}
            return Header(Kind.WSI, Geometry((width, height, 1), np.eye(4), space="pixel"), "uint8", 3, details=details)
        if picture.mode not in MODES:
            raise ImageProblem(ref.name, f"is a picture of mode {picture.mode}, which cannot be moved")
        if width * height > LARGEST_PIXELS:
            raise ImageProblem(ref.name, f"has {width} x {height} pixels; at most {LARGEST_PIXELS:,} are opened")
        dtype, channels, _ = MODES[picture.mode]
        with quiet():  # Pillow's log quotes what tags say
            frames, identifying = int(getattr(picture, "n_frames", 1)), _identifying(picture)
        geometry = Geometry((width, height, 1), np.eye(4), frames, "pixel")
        details = {"mode": picture.mode, "format": picture.format, "turned": picture.getexif().get(EXIF_TURN, 1) != 1}
        if _cut_short(ref, str(picture.format)):
            picture.load()
        return Header(Kind.PICTURE, geometry, dtype, channels, identifying=identifying, details=details)


def _cut_short(ref: FileRef, picture_format: str) -> bool:
    """Whether a file at hand does not end as its format ends, so that only decoding can tell whether all is there."""
    ending = ENDINGS.get(picture_format)
    if ending is None or ref.path is None:
        return False
    with ref.open() as stream:
        stream.seek(-len(ending), os.SEEK_END)
        return stream.read() != ending


def _identifying(picture: Any) -> tuple[str, ...]:
    exif = picture.getexif()
    said = {**exif.get_ifd(EXIF_IFD), **exif}
    found = [f"EXIF {name}" for tag, name in EXIF_TEXT.items() if str(said.get(tag, "")).strip()]
    if EXIF_GPS in exif:
        found.append("EXIF GPSInfo")
    if picture.format == "PNG":
        texts = getattr(picture, "text", {})
        found += [f"PNG text {key!r}" for key in texts if key.lower() not in HARMLESS_TEXT and texts[key].strip()]
    comment = _text(picture.info.get("comment"))
    if comment.strip("\0 ") and not HARMLESS_COMMENT.match(comment):
        found.append("JPEG comment")
    if about_someone(_text(picture.info.get("xmp")) or getattr(picture, "text", {}).get("XML:com.adobe.xmp", "")):
        found.append("XMP")
    if IPTC_TEXT.search((picture.info.get("photoshop") or {}).get(IPTC_RESOURCE) or b""):
        found.append("IPTC")
    return tuple(found)


def _text(value: Any) -> str:
    return value.decode("utf-8", errors="replace") if isinstance(value, bytes) else str(value or "")


NUMBERED = {"P", "PA", "1"}
"""Modes of pictures that hold a number for each pixel, and show another value for it."""


def numbers_of(ref: FileRef, header: Header) -> FileRef:
    """A label map that its format shows in colours, as one in grey: the values are the numbers that it holds.

    Parameters
    ----------
    header : of the file; any other label map is given back as it is

    Raises
    ------
    ImageProblem
        It is a JPEG, which holds other values than those that were drawn, or the file is damaged.
    """
    from io import BytesIO

    from PIL import Image

    from caseferry.files import FileRef

    if header.details.get("format") == "JPEG":
        raise ImageProblem(ref.name, "is a JPEG, which does not hold the values that were drawn", "write it as PNG")
    if header.kind is not Kind.PICTURE or header.details.get("mode") not in NUMBERED:
        return ref
    with _opened(ref) as picture, quiet():
        if picture.mode == "PA":
            picture = picture.getchannel(0)  # noqa: PLW2901  its numbers without what can be seen through
        numbers = np.asarray(picture).astype(np.uint8)
    out = BytesIO()
    Image.fromarray(numbers).save(out, "PNG")
    return FileRef.of_bytes(out.getvalue(), ref.name, "image/png")


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes; see `caseferry.imaging.header.Reader`."""
    ref = files[0]
    if header.kind is Kind.WSI:
        raise ImageProblem(ref.name, "is a whole slide, whose pixels are not read", "it is moved as it is")
    with _opened(ref) as picture:
        for frame in range(header.geometry.frames if header.geometry else 0):
            with quiet():
                picture.seek(frame)
                mode = MODES[picture.mode][2]
                plane = np.asarray(picture if picture.mode == mode else picture.convert(mode)).astype(header.dtype)
            yield plane
