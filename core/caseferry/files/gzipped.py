"""Writing gzip with all cores: a file is deflated in blocks side by side, and is one gzip member all the same.

Each block but the first begins with the end of the one before it as its dictionary, so that it loses next to nothing,
and ends at a whole byte. The bytes that come out depend on the bytes that go in alone, not on their pieces or on the
number of cores.

Source
------
RFC 1952 (gzip); the manual of zlib for `deflateSetDictionary` and `Z_SYNC_FLUSH`.
"""

from __future__ import annotations

import os
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Self

if TYPE_CHECKING:
    from types import TracebackType

BLOCK = 1 << 20
"""Bytes that are deflated together."""

WINDOW = 1 << 15
"""Bytes to which deflate looks back."""

HEAD = b"\x1f\x8b\x08\x00" + bytes(4)
"""No name and no time."""

WAYS = {1: b"\x04", 9: b"\x02"}
"""What a header says of the levels that are the fastest and the smallest."""

ANY_SYSTEM = b"\xff"

LAST = b"\x03\x00"
"""A last block of deflate, with nothing in it."""


class Gzipped:
    """Takes bytes and writes them gzipped; complete when it is closed.

    Parameters
    ----------
    out : where to
    level : 1 is fast, 9 is small
    """

    def __init__(self, out: BinaryIO, level: int = 1) -> None:
        self._out = out
        self._level = level
        self._held = bytearray()
        self._before = b""
        self._check = zlib.crc32(b"")
        self._count = 0
        self._workers: ThreadPoolExecutor | None = None
        self._cores = os.cpu_count() or 1
        self._under_way: deque[Future[bytes]] = deque()
        out.write(HEAD + WAYS.get(level, b"\x00") + ANY_SYSTEM)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        elif self._workers is not None:
            self._workers.shutdown(cancel_futures=True)

    def write(self, content: bytes | memoryview) -> None:
        """Take bytes in."""
        self._held += content
        while len(self._held) > BLOCK:
            block = bytes(memoryview(self._held)[:BLOCK])
            del self._held[:BLOCK]
            if self._workers is None:
                self._workers = ThreadPoolExecutor(self._cores, thread_name_prefix="caseferry-gzip")
            self._under_way.append(self._workers.submit(_deflated, block, self._noted(block), self._level))
            while len(self._under_way) > self._cores:
                self._out.write(self._under_way.popleft().result())

    def close(self) -> None:
        """Write what is left."""
        block = bytes(self._held)
        last = _deflated(block, self._noted(block), self._level) if block else b""
        while self._under_way:
            self._out.write(self._under_way.popleft().result())
        if self._workers is not None:
            self._workers.shutdown()
        self._out.write(last + LAST)
        self._out.write(self._check.to_bytes(4, "little") + (self._count % (1 << 32)).to_bytes(4, "little"))

    def _noted(self, block: bytes) -> bytes:
        """Count a block in; the end of the one before it."""
        self._check = zlib.crc32(block, self._check)
        self._count += len(block)
        before, self._before = self._before, block[-WINDOW:]
        return before


def _deflated(block: bytes, before: bytes, level: int) -> bytes:
    if before:
        work = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=before)
    else:
        work = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    return work.compress(block) + work.flush(zlib.Z_SYNC_FLUSH)
