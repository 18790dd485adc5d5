"""Whether a file is as long as its header promises, found out before anything is sent and without reading it whole.

Only files at hand are looked at: a remote one shows what it lacks when its voxels are read.
"""

from __future__ import annotations

import gzip
import os
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from caseferry.files import FileRef

HIGHEST_RATIO = 1032
"""By how much deflate can shrink anything (zlib's technical details)."""

LONGEST_REST = 64 << 20
"""Bytes behind the voxels beyond which the end of a file is not looked for."""

PIECE = 1 << 16


def check_length(ref: FileRef, expected: int, start: int = 0) -> None:
    """Compare the bytes of a file after its first `start` with how many there must be.

    Raises
    ------
    ImageProblem
        The file is too short.
    """
    if ref.path is None:
        return
    found = max(0, ref.path.stat().st_size - start)
    if found < expected:
        raise _short(ref, found, expected)


def check_gzip(ref: FileRef, expected: int, start: int = 0) -> None:
    """The same for the bytes that are gzipped in a file, from its byte `start` on.

    A gzip file ends with the number of bytes inside, modulo 2**32; only when that is another than expected (the file
    is cut short, has several members, or holds more than it needs) is it unpacked, and thrown away, to count them.

    Source
    ------
    RFC 1952, 2.3.1 (ISIZE).
    """
    if ref.path is None:
        return
    size = ref.path.stat().st_size - start
    if expected > size * HIGHEST_RATIO:
        raise ImageProblem(
            ref.name, f"promises {expected} bytes, more than {size} bytes can unpack to", "fetch it again"
        )
    with ref.open() as stream:
        stream.seek(-4, os.SEEK_END)
        if int.from_bytes(stream.read(4), "little") == expected % (1 << 32):
            return
        stream.seek(start)
        found = 0
        try:
            with gzip.GzipFile(fileobj=stream) as inner:
                while found < expected and (piece := inner.read(min(PIECE, expected - found))):
                    found += len(piece)
                read_out(cast("BinaryIO", inner))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise _short(ref, found, expected) from error
    if found < expected:
        raise _short(ref, found, expected)


def skip(stream: BinaryIO, count: int) -> None:
    """Read past the next `count` bytes of a stream that need not be able to seek."""
    while count > 0 and (piece := stream.read(min(count, PIECE))):
        count -= len(piece)


def read_fully(stream: BinaryIO, count: int) -> bytes:
    """The next `count` bytes, in as many reads as it takes; fewer only where the stream ends."""
    content = stream.read(count)
    while 0 < len(content) < count and (piece := stream.read(count - len(content))):
        content += piece
    return content


def read_out(stream: BinaryIO) -> None:
    """Read a compressed stream to its end, which is where its checksum is compared; at most `LONGEST_REST` bytes."""
    skip(stream, LONGEST_REST)


def _short(ref: FileRef, found: int, expected: int) -> ImageProblem:
    what = f"ends early: it holds {found} bytes where its header promises {expected}"
    if found >= expected:
        what = "ends early: its checksum is missing or wrong"
    return ImageProblem(ref.name, what, "the file is cut short or damaged: fetch it again")
