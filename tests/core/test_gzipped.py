"""Files that are gzipped in blocks side by side, against Python's own gzip."""

from __future__ import annotations

import gzip
import io
import threading
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from caseferry.files import gzipped
from caseferry.files.gzipped import BLOCK, Gzipped

SMALL = 1 << 16


def packed(content: bytes, step: int, level: int = 1) -> bytes:
    out = io.BytesIO()
    with Gzipped(out, level) as stream:
        for start in range(0, len(content), step):
            stream.write(content[start : start + step])
    return out.getvalue()


def words(count: int) -> bytes:
    """So many bytes that repeat themselves, though not at once."""
    return b"".join(b"%d and %d;" % (number, number * number % 977) for number in range(count // 8))[:count]


@given(
    count=st.sampled_from([0, 1, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL, 3 * SMALL + 17]),
    step=st.sampled_from([997, SMALL, 5 * SMALL]),
    level=st.sampled_from([1, 6, 9]),
    cores=st.integers(1, 4),
)
@settings(max_examples=40)
def test_what_is_packed_is_unpacked_and_depends_on_nothing_else(count: int, step: int, level: int, cores: int) -> None:
    content = words(count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gzipped, "BLOCK", SMALL)
        expected = packed(content, SMALL, level)
        patch.setattr("os.cpu_count", lambda: cores)
        found = packed(content, step, level)
    assert found == expected
    assert gzip.decompress(found) == content
    member = zlib.decompressobj(wbits=31)
    assert member.decompress(found) == content
    assert member.eof
    assert member.unused_data == b""


def test_blocks_lose_next_to_nothing() -> None:
    content = words(3 * BLOCK)
    assert len(packed(content, BLOCK)) < 1.001 * len(gzip.compress(content, 1))


def test_what_is_broken_off_is_not_complete() -> None:
    out, before = io.BytesIO(), threading.active_count()

    def interrupted() -> None:
        with Gzipped(out) as stream:
            stream.write(words(3 * BLOCK))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert threading.active_count() == before
    with pytest.raises(EOFError):
        gzip.decompress(out.getvalue())
