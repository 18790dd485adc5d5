"""Removing identifying values from the headers of NIfTI, MetaImage and NRRD files.

Every value is replaced in its place by as many bytes, so that voxels stay where the header says they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.deidentify import identifying_line
from caseferry.imaging import metaimage, nifti, nrrd
from caseferry.removal.splice import Edit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

STAND_IN = b"removed"


def nifti_edits(name: str, stream: BinaryIO) -> list[Edit]:
    """What is replaced in a NIfTI file that is not gzipped: texts by zeros, extensions by empty ones."""
    header, extensions = nifti.read_raw(name, stream)
    flagged = set(nifti.identifying(header, extensions))
    found = []
    for field in nifti.FREE_TEXT:
        if field in flagged:
            kind, start = header.template_dtype.fields[field][:2]
            found.append(Edit(start, start + kind.itemsize, bytes(kind.itemsize)))
    for each in extensions:
        if nifti.identifying(header, [each], fields=()):
            size = 4 + len(each.content)  # its code, and what it says
            found.append(Edit(each.place, each.place + size, bytes(size)))
    return sorted(found, key=lambda edit: edit.start)


def metaimage_edits(_: str, stream: BinaryIO) -> list[Edit]:
    """What is replaced in the header of a MetaImage."""
    return list(_lines(stream, metaimage.LONGEST_HEADER, _of_metaimage))


def nrrd_edits(_: str, stream: BinaryIO) -> list[Edit]:
    """What is replaced in the header of an NRRD file."""
    return list(_lines(stream, nrrd.LONGEST_HEADER, _of_nrrd))


def _of_metaimage(line: bytes) -> bytes | None:
    """The key and the separator of a line; None behind the header."""
    key, found, _ = line.partition(b"=")
    return key + found if found or not line.strip() else None


def _of_nrrd(line: bytes) -> bytes | None:
    """The key and the separator of a line; None where an empty line ends the header."""
    if not line.strip():
        return None
    if line.startswith(nrrd.COMMENT.encode()):
        return line[:1]
    key, found, _ = line.partition(b":=" if b":=" in line else b":")
    return key + found


def _lines(stream: BinaryIO, longest: int, begin: Callable[[bytes], bytes | None]) -> Iterator[Edit]:
    """The values of the lines of a header that identify somebody.

    Parameters
    ----------
    begin : the key and the separator of a line, or None where the header has ended
    """
    stream.seek(0)
    place = 0
    while place < longest and (line := stream.readline(1 << 16)):
        key = begin(line)
        if key is None:
            return
        name = key.rstrip(b":=").decode("utf-8", errors="replace").strip()
        if name == metaimage.DATA_FILE:
            return
        text = line[len(key) :].rstrip(b"\r\n")
        if name not in nrrd.DATA_FILES and identifying_line(name, text.decode("utf-8", errors="replace").strip()):
            room = len(text.lstrip())
            start = place + len(key) + len(text) - room
            stand_in = STAND_IN if room >= len(STAND_IN) else b"x"
            yield Edit(start, start + room, stand_in.ljust(room))
        place += len(line)
