"""MP4 and MOV video: sizes and frame counts from the boxes of the file, pixels through PyAV.

Source
------
ISO/IEC 14496-12 (the ISO base media file format): ``moov/trak/mdia`` holds ``hdlr`` (the kind of track), ``mdhd``
(its timescale), ``minf/stbl/stsz`` (the samples, one a frame); ``tkhd`` holds the displayed size; ``udta`` and ``meta``
hold tags. Apple's QuickTime File Format Specification, "User Data Atoms" and "Metadata"; 3GPP TS 26.244, 8.
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


HOLDERS = frozenset({"trak", "mdia", "udta"})
"""Boxes in which tags may be."""

TAGS = {
    "\xa9nam": "title",
    "\xa9ART": "artist",
    "\xa9aut": "author",
    "\xa9cmt": "comment",
    "\xa9cpy": "copyright",
    "\xa9des": "description",
    "\xa9dir": "director",
    "\xa9inf": "information",
    "\xa9key": "keywords",
    "\xa9prd": "producer",
    "\xa9wrt": "composer",
    "\xa9xyz": "location",
    "aART": "artist",
    "auth": "author",
    "cprt": "copyright",
    "desc": "description",
    "dscp": "description",
    "kywd": "keywords",
    "ldes": "description",
    "loci": "location",
    "perf": "performer",
    "titl": "title",
}
"""Boxes in which people write, of MP4, QuickTime and 3GPP, and what each is called."""

TAG_KEYS = frozenset({*TAGS.values(), "displayname", "location.ISO6709", "album_artist", "synopsis"})
"""Names of the same in boxes whose names are listed in one of their own."""


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
    return ((name, content[start:stop]) for name, _, start, stop in _spans(content))


def _spans(content: bytes) -> Iterator[tuple[str, int, int, int]]:
    """The boxes: what each is called, and where it, what is in it, and its end are."""
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
        yield name.decode("latin-1"), place, start, place + size
        place += size


@dataclass(frozen=True, slots=True)
class Tag:
    """A box in which people write.

    Attributes
    ----------
    name : what it is called; not what it says
    place, start, stop : where it, what is in it, and its end are
    """

    name: str
    place: int
    start: int
    stop: int


def tags(content: bytes, base: int = 0) -> Iterator[Tag]:
    """The tags of a video in which people write.

    Parameters
    ----------
    content : of a ``moov`` box, or of one in it
    base : where it begins
    """
    for name, place, start, stop in _spans(content):
        if name == "meta":
            skipped = 0 if content[start + 4 : start + 8] == b"hdlr" else 4  # MP4's begins with its version
            yield from _listed(content[start + skipped : stop], base + start + skipped)
        elif name in HOLDERS:
            yield from tags(content[start:stop], base + start)
        elif name in TAGS and content[start:stop].strip(b"\0"):
            yield Tag(TAGS[name], base + place, base + start, base + stop)


def _listed(content: bytes, base: int) -> Iterator[Tag]:
    """The tags in a ``meta`` box; all of them as one where they are numbered, and one of their names tells."""
    keys = {key for name, box in _boxes(content) if name == "keys" for key in _keys(box)}
    for name, place, start, stop in _spans(content):
        if name == "ilst" and keys & TAG_KEYS:
            yield Tag(", ".join(sorted(keys & TAG_KEYS)), base + place, base + start, base + stop)
        elif name == "ilst":
            yield from tags(content[start:stop], base + start)


def _keys(content: bytes) -> Iterator[str]:
    """The names in a ``keys`` box, without the domain they begin with."""
    return (box.decode("utf-8", errors="replace").rpartition("quicktime.")[2] for _, box in _boxes(content[8:]))


def index_at(file_name: str, stream: BinaryIO) -> tuple[int, bytes]:
    """Where what is in the ``moov`` box begins, and what that is."""
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
            return stream.tell() - len(content), content
        if size == 0 or size < taken:
            break
        stream.seek(size - taken, 1)
    raise ImageProblem(file_name, "has no complete index (moov box)", "the video is cut short or damaged")


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
            _, index = index_at(ref.name, stream)
        tracks = [_track(box) for name, box in _boxes(index) if name == "trak"]
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
        identifying=tuple(dict.fromkeys(f"the video's tag {tag.name}" for tag in tags(index))),
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
