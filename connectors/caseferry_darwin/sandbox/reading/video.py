"""Videos: MP4 and MOV by their boxes, anything else by PyAV where it is installed."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from caseferry_darwin.sandbox.reading.picture import Picture, UnreadableFile

if TYPE_CHECKING:
    from collections.abc import Iterator

PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
"""Boxes that hold boxes, of those on the way to a track's table of samples."""

FIRST = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"}
"""Boxes that a file of boxes begins with."""

LARGEST_HEADER = 64 << 20


def read_video(stream: BinaryIO) -> Picture:
    """Size, frame count and rate of a video.

    Raises
    ------
    UnreadableFile
        It holds no video that can be read.
    """
    try:
        movie = _find_movie(stream)
        for track in _tracks(movie):
            return track
    except (struct.error, ValueError, IndexError) as error:
        raise UnreadableFile(f"not a readable video: {error}") from error
    stream.seek(0)
    return _by_av(stream)


def _find_movie(stream: BinaryIO) -> bytes:
    """The box that describes the tracks. Empty when the file has none."""
    end = stream.seek(0, 2)
    stream.seek(4)
    if stream.read(4) not in FIRST:
        return b""
    place = 0
    while place + 8 <= end:
        stream.seek(place)
        size, kind = struct.unpack(">I4s", stream.read(8))
        head = 8
        if size == 1:
            size, head = struct.unpack(">Q", stream.read(8))[0], 16
        size = size or end - place
        if size < head:
            return b""
        if place + size > end:
            raise UnreadableFile("the video ends early")
        if kind == b"moov":
            return stream.read(min(size - head, LARGEST_HEADER))
        place += size
    return b""


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 0
    while place + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, place)
        if size < 8:
            return
        yield kind, content[place + 8 : place + size]
        place += size


def _leaves(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, body in _boxes(content):
        if kind in PARENTS:
            yield from _leaves(body)
        else:
            yield kind, body


def _tracks(movie: bytes) -> Iterator[Picture]:
    for kind, body in _boxes(movie):
        if kind != b"trak":
            continue
        leaves = dict(_leaves(body))
        if leaves.get(b"hdlr", b"")[8:12] != b"vide" or b"stts" not in leaves:
            continue
        # Width and height end the track's header, as 16.16 fixed point.
        width, height = (value >> 16 for value in struct.unpack(">II", leaves[b"tkhd"][-8:]))
        scale = struct.unpack_from(">I", leaves[b"mdhd"], 20 if leaves[b"mdhd"][0] == 1 else 12)[0]
        count, duration = _samples(leaves[b"stts"])
        if count and duration and width and height:
            yield Picture(width, height, count, round(count * scale / duration, 3))


def _samples(table: bytes) -> tuple[int, int]:
    """How many samples a track has, and how long they last together."""
    entries = struct.unpack_from(">I", table, 4)[0]
    pairs = [struct.unpack_from(">II", table, 8 + 8 * n) for n in range(entries)]
    return sum(count for count, _ in pairs), sum(count * length for count, length in pairs)


def _by_av(stream: BinaryIO) -> Picture:
    try:
        import av
    except ImportError:
        raise UnreadableFile("not a video that can be read without PyAV") from None
    try:
        with av.open(stream) as container:
            track = container.streams.video[0]
            frames = track.frames or sum(1 for _ in container.decode(track))
            return Picture(track.width, track.height, frames, round(float(track.average_rate or 0), 3) or None)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise UnreadableFile(f"not a readable video: {error}") from error
