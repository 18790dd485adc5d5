"""MP4 and MOV video: sizes and frame counts from the boxes of the file, pixels through PyAV.

Source
------
ISO/IEC 14496-12 (the ISO base media file format): ``moov/trak/mdia`` holds ``hdlr`` (the kind of track), ``mdhd``
(its timescale), ``minf/stbl/stsz`` (the samples, one a frame); ``tkhd`` holds the displayed size.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from caseferry.errors import MissingDependency
from caseferry.geometry import Geometry
from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef

LARGEST_INDEX = 256 << 20
"""Bytes of index (``moov``) beyond which a file is not believed."""


@dataclass(slots=True)
class Track:
    """One track of a video file."""

    handler: str = ""
    width: int = 0
    height: int = 0
    timescale: int = 0
    duration: int = 0
    samples: int = 0


def _boxes(content: bytes) -> Iterator[tuple[str, bytes]]:
    place = 0
    while place + 8 <= len(content):
        size, name = struct.unpack_from(">I4s", content, place)
        start = place + 8
        if size == 1 and place + 16 <= len(content):
            size = struct.unpack_from(">Q", content, start)[0]
            start += 8
        elif size == 0:
            size = len(content) - place
        if size < start - place or place + size > len(content):
            return
        yield name.decode("latin-1"), content[start : place + size]
        place += size


def _index(ref: FileRef, stream: BinaryIO) -> bytes:
    """The ``moov`` box."""
    while len(head := stream.read(8)) == 8:
        size, name = struct.unpack(">I4s", head)
        taken = 8
        if size == 1:
            size, taken = struct.unpack(">Q", stream.read(8))[0], 16
        if name == b"moov":
            if size - taken > LARGEST_INDEX:
                break
            content = stream.read(size - taken) if size else stream.read()
            if len(content) < size - taken:
                break
            return content
        if size == 0 or size < taken:
            break
        stream.seek(size - taken, 1)
    raise ImageProblem(ref.name, "has no complete index (moov box)", "the video is cut short or damaged")


def _check_length(ref: FileRef) -> None:
    """Compare the lengths of the boxes of a file at hand with its own."""
    if ref.path is None:
        return
    place, end = 0, ref.path.stat().st_size
    with ref.open() as stream:
        while place < end:
            stream.seek(place)
            head = stream.read(16)
            size = int.from_bytes(head[:4], "big")
            if size == 1:
                size = int.from_bytes(head[8:16], "big")
            if size < 8:
                return  # the last box, as long as the file; or no box at all
            place += size
            if place > end:
                raise ImageProblem(ref.name, "ends inside its frames", "the video is cut short: fetch it again")


def _track(content: bytes) -> Track:
    track = Track()
    for name, box in _boxes(content):
        if name == "tkhd":
            track.width, track.height = (value >> 16 for value in struct.unpack(">II", box[-8:]))
        elif name == "mdia":
            _media(box, track)
    return track


def _media(content: bytes, track: Track) -> None:
    for name, box in _boxes(content):
        if name == "mdhd":
            wide = box[0] == 1
            track.timescale, track.duration = struct.unpack_from(">IQ" if wide else ">II", box, 20 if wide else 12)
        elif name == "hdlr" and not track.handler:  # QuickTime has another, of the data, within minf
            track.handler = box[8:12].decode("latin-1")
        elif name in {"minf", "stbl"}:
            _media(box, track)
        elif name == "stsz":
            track.samples = struct.unpack_from(">I", box, 8)[0]


def read_header(files: Sequence[FileRef]) -> Header:
    """Read a video's index; see `caseferry.imaging.header.Reader`."""
    if len(files) != 1:
        raise ImageProblem("a video", f"is one file, not {len(files)}")
    ref = files[0]
    try:
        with ref.seekable() as stream:
            tracks = [_track(box) for name, box in _boxes(_index(ref, stream)) if name == "trak"]
    except (struct.error, IndexError) as error:
        raise ImageProblem(ref.name, "has a damaged index (moov box)") from error
    _check_length(ref)
    videos = [track for track in tracks if track.handler == "vide" and track.samples and track.width and track.height]
    if not videos:
        raise ImageProblem(ref.name, "holds no video track with frames")
    video = videos[0]
    seconds = video.duration / video.timescale if video.timescale else 0.0
    return Header(
        kind=Kind.VIDEO,
        geometry=Geometry((video.width, video.height, 1), np.eye(4), video.samples, "pixel"),
        dtype="uint8",
        channels=3,
        details={
            "fps": video.samples / seconds if seconds else None,
            "audio": any(t.handler == "soun" for t in tracks),
        },
    )


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:  # noqa: ARG001  as all readers
    """The frames as RGB; see `caseferry.imaging.header.Reader`.

    Raises
    ------
    MissingDependency
        The extra ``video`` is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependency("video", "decoding video frames") from error
    ref = files[0]
    with ref.seekable() as stream:
        try:
            with av.open(stream, mode="r") as container:
                for frame in container.decode(video=0):
                    yield frame.to_ndarray(format="rgb24")
        except av.FFmpegError as error:
            raise ImageProblem(ref.name, f"holds video that cannot be decoded ({error})") from error
