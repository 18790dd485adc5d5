"""Bodies of known length and downloads, without a network."""

from __future__ import annotations

import io
import json
from email import message_from_bytes
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.files import FileProblem
from caseferry.http.streaming import Body, Download, Piece, multipart, whole
from caseferry.plan import Part


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=6), st.integers(1, 20))
def test_a_body_gives_its_pieces_in_order_and_says_its_length(pieces: list[tuple[bytes, bool]], step: int) -> None:
    content = b"".join(piece for piece, _ in pieces)
    body = Body(
        [Piece(lambda p=p: io.BytesIO(p + b"more"), len(p), "x") if of_file else p for p, of_file in pieces]  # type: ignore[misc]
    )
    assert len(body) == len(content)
    assert body.tell() == 0
    found = b""
    while chunk := body.read(step):
        found += chunk
        assert body.tell() == len(found)
    assert found == content


def test_streams_are_closed_whatever_happens() -> None:
    opened: list[io.BytesIO] = []

    def open_short() -> io.BytesIO:
        opened.append(io.BytesIO(b"123"))
        return opened[-1]

    body = Body([Piece(open_short, 3, "a"), Piece(open_short, 5, "b.dcm")])
    assert body.read(3) == b"123"
    assert body.read(3) == b"123"
    with pytest.raises(FileProblem, match=r"the file 'b\.dcm' ended 2 bytes before its length; did it change"):
        body.read(3)
    assert all(stream.closed for stream in opened)


def test_a_form_is_what_mail_parsers_read() -> None:
    ref = cf.FileRef.of_bytes(b"\x00\r\n--x", 'größe "1".dcm')
    body, kind = multipart([("a", "ü"), ("b", {"c": [1]})], [Part(ref, field="file", media_type="application/dicom")])
    content = b"".join(body)
    assert len(content) == len(body)
    parsed = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + content)
    first, second, third = parsed.get_payload()  # type: ignore[misc]
    assert first.get_payload(decode=True).decode() == "ü"  # type: ignore[union-attr]
    assert json.loads(second.get_payload(decode=True)) == {"c": [1]}  # type: ignore[union-attr,arg-type]
    assert third.get_payload(decode=True) == b"\x00\r\n--x"  # type: ignore[union-attr]
    assert third.get_filename() == "gr%C3%B6%C3%9Fe%20%221%22.dcm"  # type: ignore[union-attr]


def test_a_file_is_not_opened_before_it_is_read() -> None:
    def explode() -> Any:
        raise AssertionError

    body = whole(Part(cf.FileRef("x:", "x", 5, opener=explode)))
    assert len(body) == 5
    body.close()


class Canned:
    """An answer of bytes that breaks off at times."""

    def __init__(self, content: bytes, start: int, *, stop: int, ranged: bool, tag: str | None) -> None:
        self.status_code = 206 if ranged else 200
        total = len(content)
        self.headers = {"ETag": tag} if tag else {}
        self.headers |= {"Content-Range": f"bytes {start}-{total - 1}/{total}"} if ranged else {"Content-Length": total}
        self.raw = io.BytesIO(content[start if ranged else 0 : stop])
        self.closed = False

    def close(self) -> None:
        self.closed = True


@settings(max_examples=60, deadline=None)
@given(
    st.binary(min_size=1, max_size=300), st.lists(st.integers(1, 300), max_size=3), st.booleans(), st.integers(1, 80)
)
def test_a_download_is_whole_however_it_is_cut(content: bytes, cuts: list[int], ranges: bool, step: int) -> None:
    answers: list[Canned] = []
    stops = [*sorted(cuts), len(content)]

    def fetch(offset: int) -> Any:
        stop = stops.pop(0) if len(stops) > 1 else stops[0]
        answers.append(Canned(content, offset, stop=stop, ranged=ranges and offset > 0, tag='"a"'))
        return answers[-1]

    stream = Download(fetch)
    found = b""
    while chunk := stream.read(step):
        found += chunk
    assert found == content
    assert stream.tell() == len(content)
    stream.close()
    assert all(answer.closed for answer in answers)
