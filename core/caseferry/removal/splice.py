"""Files with some of their bytes replaced, without a copy."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.files.streams import Seeking

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes of a file that are replaced by others.

    Attributes
    ----------
    start, stop : the bytes; up to the end of the file when `stop` is None
    content : what stands there instead, of any length
    """

    start: int
    stop: int | None
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes of the edited file: new ones, or so many of the original.

    Attributes
    ----------
    place : where it begins in the edited file
    content : new bytes; None for bytes of the original
    source : where those begin there
    """

    place: int
    length: int
    content: bytes | None = None
    source: int = 0


class Spliced(Seeking):
    """A stream that can seek, with some of its bytes replaced.

    Parameters
    ----------
    stream : the original; closed with this one
    edits : in the order of the file, none of them in another

    Attributes
    ----------
    name : of the file; pydicom asks every buffered stream for it
    """

    def __init__(self, stream: BinaryIO, edits: Sequence[Edit], name: str = "") -> None:
        self.name = name
        self._stream = stream
        size = stream.seek(0, os.SEEK_END)
        self._pieces: list[_Piece] = []
        place = taken = 0
        for edit in [*edits, Edit(size, size)]:
            for piece in (_Piece(place, edit.start - taken, None, taken), _Piece(0, len(edit.content), edit.content)):
                if piece.length > 0:
                    self._pieces.append(_Piece(place, piece.length, piece.content, piece.source))
                    place += piece.length
            taken = size if edit.stop is None else edit.stop
        self.size = place

    def _length(self) -> int:
        """Of the edited file."""
        return self.size

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as any raw stream does."""
        for piece in self._pieces:
            inside = self._position - piece.place
            if 0 <= inside < piece.length:
                wanted = min(len(buffer), piece.length - inside)
                if piece.content is None:
                    self._stream.seek(piece.source + inside)
                    found = self._stream.read(wanted)
                else:
                    found = piece.content[inside : inside + wanted]
                buffer[: len(found)] = found
                self._position += len(found)
                return len(found)
        return 0

    def close(self) -> None:
        """Close the stream beneath."""
        self._stream.close()
        super().close()
