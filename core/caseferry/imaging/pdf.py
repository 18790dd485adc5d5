"""PDF documents shown as images. They have no grid and no pixels here; they are moved as they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.files import FileRef


def read_header(files: Sequence[FileRef]) -> Header:
    """A PDF; see `caseferry.imaging.header.Reader`."""
    if len(files) != 1:
        raise ImageProblem("a PDF", f"is one file, not {len(files)}")
    return Header(Kind.PDF, None, "uint8", identifying=_identifying(files[0]))


LARGEST_SEARCHED = 64 << 20
"""Bytes of a PDF that are searched for what it says of itself."""

FIELDS = ("Title", "Subject", "Author", "Keywords")
_FIELD = re.compile(rb"/(Title|Subject|Author|Keywords)\s*(\((?:\\.|[^\\)]){0,500}|<(?!<)[0-9A-Fa-f\s]{0,2000}>)")


def _identifying(ref: FileRef) -> tuple[str, ...]:
    """Fields of the document information dictionary that seem to name a patient; ISO 32000-1, 14.3.3."""
    from caseferry.deidentify import suspicious_text

    with ref.open() as stream:
        content = stream.read(LARGEST_SEARCHED)
    found = {name.decode() for name, value in _FIELD.findall(content) if suspicious_text(_text(value))}
    return tuple(f"PDF {name}" for name in FIELDS if name in found)


def identifying_spans(stream: BinaryIO) -> Iterator[tuple[int, int, bool]]:
    """Where the values of those fields begin and end, brackets and all, and whether they are hexadecimal."""
    from caseferry.deidentify import suspicious_text

    stream.seek(0)
    for match in _FIELD.finditer(stream.read(LARGEST_SEARCHED)):
        if suspicious_text(_text(match[2])):
            yield *match.span(2), match[2].startswith(b"<")


def _text(value: bytes) -> str:
    """A PDF string, literal or hexadecimal; ISO 32000-1, 7.3.4."""
    raw = value[1:]
    if value[:1] == b"<":
        digits = re.sub(rb"[^0-9A-Fa-f]", b"", raw)
        raw = bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
    return raw.decode("utf-16", errors="replace") if raw[:2] in {b"\xfe\xff", b"\xff\xfe"} else raw.decode("latin-1")


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:  # noqa: ARG001  as all readers
    """Never: a PDF has no pixels.

    Raises
    ------
    ImageProblem
        Always.
    """
    raise ImageProblem(files[0].name, "is a PDF, which has no voxels")


def one_page(text: str) -> bytes:
    """A PDF file of one page with one line of text.

    Source
    ------
    ISO 32000-1, 7.5: header, objects, cross-reference table, trailer.
    """
    page = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode()
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
            b"/Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(page), page),
    ]
    document, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table_at = len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    document += b"".join(b"%010d 00000 n \n" % place for place in places)
    return document + b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table_at)
