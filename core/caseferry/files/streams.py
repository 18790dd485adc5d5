"""Streams that do more than give bytes: seek, count and digest, go back to a beginning."""

from __future__ import annotations

import hashlib
import io
import os
from typing import Any, BinaryIO

CHUNK = 1 << 20
"""Bytes read at a time when a file is streamed."""


class Seeking(io.RawIOBase):
    """A stream to be read, with a position that only it keeps. A kind of it says how long it is, and reads."""

    _position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """The place in the stream."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place, from the end as far as it is known."""
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._length()
        self._position = max(0, offset)
        return self._position

    def _length(self) -> int:
        """How many bytes there are."""
        raise NotImplementedError


class Over(io.RawIOBase):
    """A stream over another one, which is closed together with it. A kind of it says how it reads."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does."""
        raise NotImplementedError

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as any raw stream does."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the stream beneath."""
        self._stream.close()
        super().close()


class Replayed(Over):
    """A stream from its beginning, some of which was read from it before.

    Parameters
    ----------
    start : what was read
    stream : the rest
    """

    def __init__(self, start: bytes, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._start = start

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does."""
        if not self._start:
            return self._stream.read(size)
        if size is None or size < 0:
            found, self._start = self._start, b""
            return found + self._stream.read()
        found, self._start = self._start[:size], self._start[size:]
        return found


class Digesting(Over):
    """A stream that counts and digests what is read through it.

    Attributes
    ----------
    count : bytes read so far
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._digest = hashlib.sha256()
        self.count = 0

    @property
    def sha256(self) -> str:
        """Of what was read so far."""
        return self._digest.hexdigest()

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does."""
        chunk = self._stream.read(size)
        self._digest.update(chunk)
        self.count += len(chunk)
        return chunk


class Rewindable(Over, Seeking):
    """Makes the beginning of a stream seekable, so that a header can be read without fetching the whole file.

    What was read is kept; seeking forward reads on. Meant for headers: everything read stays in memory.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._kept = bytearray()
        self._ended = False

    def _length(self) -> int:
        """Known once everything is read."""
        self._fetch(None)
        return len(self._kept)

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does."""
        stop = None if size is None or size < 0 else self._position + size
        self._fetch(stop)
        found = bytes(self._kept[self._position : stop])
        self._position += len(found)
        return found

    def _fetch(self, stop: int | None) -> None:
        while not self._ended and (stop is None or len(self._kept) < stop):
            chunk = self._stream.read(max(64 << 10, 0 if stop is None else stop - len(self._kept)))
            self._ended = not chunk
            self._kept += chunk
