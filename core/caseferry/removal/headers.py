"""Removing identifying values from the headers of NIfTI, MetaImage and NRRD files.

Every value is replaced in its place by as many bytes, so that voxels stay where the header says they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.deidentify import names_someone
from caseferry.imaging import metaimage, nifti, nrrd
from caseferry.removal.splice import Edit

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    return list(_lines(stream, b"=", b"=", metaimage.LONGEST_HEADER))


def nrrd_edits(_: str, stream: BinaryIO) -> list[Edit]:
    """What is replaced in the header of an NRRD file."""
    return list(_lines(stream, b":=", b"", nrrd.LONGEST_HEADER))


def _lines(stream: BinaryIO, separator: bytes, always: bytes, longest: int) -> Iterator[Edit]:
    """The values of identifying keys, in lines of key, separator and value.

    Parameters
    ----------
    always : what every line of the header but comments and the last has; empty where an empty line ends it
    """
    stream.seek(0)
    place = 0
    while place < longest and (line := stream.readline(1 << 16)):
        key, found, value = line.partition(separator)
        if (always and not found and line.strip()) or (not always and not line.strip()):
            return
        text = value.rstrip(b"\r\n")
        name = key.decode("utf-8", errors="replace").strip()
        if found and name in metaimage.IDENTIFYING and names_someone(text.decode("utf-8", errors="replace").strip()):
            start = place + len(key) + len(separator)
            lead = len(text) - len(text.lstrip())
            room = len(text) - lead
            stand_in = STAND_IN if room >= len(STAND_IN) else b"x"
            yield Edit(start + lead, start + len(text), stand_in.ljust(room))
        if always and name == "ElementDataFile":
            return
        place += len(line)
