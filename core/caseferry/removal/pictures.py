"""Removing identifying values from pictures and PDF documents.

From a JPEG or PNG picture go all of EXIF but the orientation, XMP, IPTC and comments, or those of them that the format
has; a PDF keeps its bytes but for the texts of its information dictionary, which become spaces.

Source
------
ITU-T T.81 B.1.1 (JPEG's segments), JEITA CP-3451 (EXIF in APP1), W3C PNG 5.3 (chunks), ISO 32000-1 14.3.3.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from caseferry.imaging import pdf
from caseferry.imaging.picture import HARMLESS_TEXT
from caseferry.imaging.quiet import quiet
from caseferry.removal.splice import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

ORIENTATION = 0x0112
SEGMENTS = {b"\xff\xe1", b"\xff\xed", b"\xff\xfe"}
"""JPEG's APP1 (EXIF and XMP), APP13 (IPTC) and COM."""
WITHOUT_LENGTH = {b"\xff" + bytes([code]) for code in (0x01, *range(0xD0, 0xD9))}
START_OF_SCAN = b"\xff\xda"


def jpeg_edits(_: str, stream: BinaryIO) -> list[Edit]:
    """What is taken out of a JPEG file."""
    stream.seek(0)
    keep = _orientation_only(stream)
    found: list[Edit] = []
    place = 2
    while True:
        stream.seek(place)
        marker = stream.read(2)
        if marker == b"\xff\xff":  # a byte that only fills
            place += 1
            continue
        if len(marker) < 2 or marker[:1] != b"\xff" or marker == START_OF_SCAN:
            return found
        length = 0 if marker in WITHOUT_LENGTH else int.from_bytes(stream.read(2), "big")
        if marker in SEGMENTS:
            segment = b""
            if keep and stream.read(6) == b"Exif\0\0":
                segment, keep = b"\xff\xe1" + (len(keep) + 2).to_bytes(2, "big") + keep, b""
            found.append(Edit(place, place + 2 + length, segment))
        place += 2 + length


def png_edits(_: str, stream: BinaryIO) -> list[Edit]:
    """What is taken out of a PNG file."""
    stream.seek(0)
    keep = _orientation_only(stream).removeprefix(b"Exif\0\0")
    found = []
    for place, name, content, size in _chunks(stream):
        key = content.partition(b"\0")[0].decode("latin-1").lower()
        if name == b"eXIf":
            chunk = name + keep
            whole = len(keep).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
            found.append(Edit(place, place + size, whole if keep else b""))
        elif name in {b"tEXt", b"zTXt", b"iTXt"} and key not in HARMLESS_TEXT - {"xml:com.adobe.xmp"}:
            found.append(Edit(place, place + size))
    return found


def _chunks(stream: BinaryIO) -> Iterator[tuple[int, bytes, bytes, int]]:
    """The chunks of a PNG file: place, name, the beginning of the content, and the length of it all."""
    place = 8
    while True:
        stream.seek(place)
        head = stream.read(8)
        if len(head) < 8:
            return
        size = 12 + int.from_bytes(head[:4], "big")
        yield place, head[4:], stream.read(min(size - 12, 80)), size
        place += size


def _orientation_only(stream: BinaryIO) -> bytes:
    """EXIF that says which side is up and nothing else; empty where the picture does not say it."""
    from PIL import Image

    with quiet(), Image.open(io.BytesIO(stream.read())) as picture:
        side = picture.getexif().get(ORIENTATION)
    if side is None:
        return b""
    exif = Image.Exif()
    exif[ORIENTATION] = side
    written: bytes = exif.tobytes()
    return written


def pdf_edits(_: str, stream: BinaryIO) -> list[Edit]:
    """What is blanked in a PDF file."""
    return [
        Edit(start + 1, stop - 1, (b"20" * (stop - start))[: stop - start - 2] if packed else b" " * (stop - start - 2))
        for start, stop, packed in pdf.identifying_spans(stream)
    ]
