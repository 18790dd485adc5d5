"""PDF: how many pages, and how large the first one is."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, BinaryIO

from caseferry_darwin.sandbox.reading.picture import Picture, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Iterator

A4 = (595, 842)
"""The size, in points, of a page that does not say."""


def read_pdf(stream: BinaryIO) -> Picture:
    """Pages and the size of the first, in points.

    Raises
    ------
    UnreadableFile
        It is not a PDF, or has no page.
    """
    content = stream.read()
    if b"%PDF-" not in content[:1024] or b"%%EOF" not in content[-2048:]:
        raise UnreadableFile("not a readable PDF")
    parts = [content, *_unpacked(content)]
    pages = sum(len(re.findall(rb"/Type\s*/Page(?![A-Za-z])", part)) for part in parts)
    if not pages:
        raise UnreadableFile("the PDF has no page")
    width, height = next((box for part in parts if (box := _box(part))), A4)
    return Picture(width, height, pages)


def _unpacked(content: bytes) -> Iterator[bytes]:
    """The streams that hold other objects, where newer files keep their pages."""
    for match in re.finditer(rb"/ObjStm.*?stream\r?\n(.*?)endstream", content, re.DOTALL):
        try:
            yield zlib.decompress(match[1])
        except zlib.error:
            continue


def _box(part: bytes) -> tuple[int, int] | None:
    found = re.search(rb"/MediaBox\s*\[\s*([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)\s+([-\d.]+)", part)
    if found is None:
        return None
    left, bottom, right, top = (float(value) for value in found.groups())
    return round(abs(right - left)), round(abs(top - bottom))
