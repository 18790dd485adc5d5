"""What the streams that can seek have in common, whatever lies beneath them."""

from __future__ import annotations

import io
import os


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
