"""Removing identifying values from MP4 and MOV videos: a tag becomes empty space, and every frame stays where it is.

Source
------
ISO/IEC 14496-12 8.1.2 (the box ``free``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.imaging import video
from caseferry.removal.splice import Edit

if TYPE_CHECKING:
    from typing import BinaryIO


def mp4_edits(name: str, stream: BinaryIO) -> list[Edit]:
    """What is blanked in a video file."""
    stream.seek(0)
    place, index = video.index_at(name, stream)
    found = []
    for tag in video.tags(index, base=place):
        found += [Edit(tag.place + 4, tag.place + 8, b"free"), Edit(tag.start, tag.stop, bytes(tag.stop - tag.start))]
    return found
