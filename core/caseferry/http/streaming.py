"""Bytes on their way: pieces of files, multipart bodies of known length, downloads that survive a cut connection."""

from __future__ import annotations

import io
import json
import re
import secrets
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast
from urllib.parse import quote

from caseferry.errors import TemporaryFailure, UnexpectedResponse
from caseferry.files import CHUNK, FileProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from caseferry.plan import Part

BLOCK = 1 << 17
"""Bytes of a body that are read and sent together."""


@dataclass(frozen=True, slots=True)
class Piece:
    """So many bytes of a file.

    Attributes
    ----------
    open : opens the file where the piece begins
    length : in bytes
    name : of the file, for messages
    """

    open: Callable[[], BinaryIO]
    length: int
    name: str


class Body(io.RawIOBase):
    """Streams and bytes one after the other, with a length known beforehand, as the body of one request.

    Parameters
    ----------
    pieces : bytes, or pieces of files
    """

    def __init__(self, pieces: Sequence[bytes | Piece]) -> None:
        self._pieces = list(pieces)
        self._length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
        self._position = 0
        self._index = 0
        self._stream: BinaryIO | None = None
        self._left = 0
        self._name = ""

    def __len__(self) -> int:
        return self._length

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does; a stream that ends early is an error.

        Raises
        ------
        FileProblem
            A file gave fewer bytes than were announced.
        """
        size = CHUNK if size is None or size < 0 else size
        while True:
            if self._stream is None and not self._next():
                return b""
            assert self._stream is not None  # noqa: S101  _next has opened it
            chunk = self._stream.read(min(size, self._left))
            self._left -= len(chunk)
            if not chunk and self._left:
                self.close()
                msg = f"the file {self._name!r} ended {self._left} bytes before its length; did it change meanwhile?"
                raise FileProblem(msg)
            if not self._left:
                self._stream.close()
                self._stream = None
            if chunk:
                self._position += len(chunk)
                return chunk

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def close(self) -> None:
        """Close the stream that is open."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        super().close()

    def _next(self) -> bool:
        if self._index == len(self._pieces):
            return False
        piece = self._pieces[self._index]
        self._index += 1
        if isinstance(piece, bytes):
            self._stream, self._left = io.BytesIO(piece), len(piece)
        else:
            self._stream, self._left, self._name = piece.open(), piece.length, piece.name
        return True


class InBlocks:
    """A body as it is given to requests, which would read it 16 KiB at a time, and sends whole what it iterates over.

    Parameters
    ----------
    body : read once, from its beginning
    """

    def __init__(self, body: Body) -> None:
        self._body = body

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes]:
        while block := self._body.read(BLOCK):
            yield block


def piece_of(part: Part) -> Piece:
    """The piece of a file that is sent."""
    length = part.length if part.length is not None else part.ref.length() - part.offset

    def open_piece() -> BinaryIO:
        stream = part.ref.open()
        if part.offset:
            if stream.seekable():
                stream.seek(part.offset)
            else:
                left = part.offset
                while left and (chunk := stream.read(min(CHUNK, left))):
                    left -= len(chunk)
        return stream

    return Piece(open_piece, length, part.ref.name)


def whole(part: Part) -> Body:
    """A file, or a piece of one, as a body."""
    return Body([piece_of(part)])


def multipart(form: Sequence[tuple[str, Any]], files: Sequence[Part]) -> tuple[Body, str]:
    """A multipart form as a body, and its content type.

    Text parts come first, in order; a value that is not text is sent as JSON. File names are percent-encoded, as
    browsers and aiohttp do.
    """
    boundary = secrets.token_hex(16)
    pieces: list[bytes | Piece] = []
    for name, value in form:
        kind = "text/plain; charset=utf-8" if isinstance(value, str) else "application/json"
        text = value if isinstance(value, str) else json.dumps(value)
        head = f'--{boundary}\r\nContent-Type: {kind}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        pieces.append(head.encode() + text.encode() + b"\r\n")
    for part in files:
        name = quote(part.name or part.ref.name, safe="")
        head = (
            f"--{boundary}\r\nContent-Type: {part.media_type}\r\n"
            f'Content-Disposition: form-data; name="{part.field}"; filename="{name}"\r\n\r\n'
        )
        pieces += [head.encode(), piece_of(part), b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return Body(pieces), f"multipart/form-data; boundary={boundary}"


class Answer(Protocol):
    """What `Download` needs of an HTTP answer whose body is not read yet."""

    status_code: int
    headers: Any
    raw: Any

    def close(self) -> None:
        """Give the connection back."""


class Download(io.RawIOBase):
    """A remote file as a stream. A connection that is cut is opened again where it stopped.

    Parameters
    ----------
    fetch : asks for the file from an offset and gives the answer with an unread body: status 206 when the server
        began there, 200 when it began at the start. Raises what the platform's errors are.
    attempts : how often in a row it is opened again without a single byte having come
    check : is called before each read; raises when nothing more shall be read
    """

    def __init__(
        self, fetch: Callable[[int], Answer], attempts: int = 5, check: Callable[[], None] = lambda: None
    ) -> None:
        self._fetch = fetch
        self._attempts = attempts
        self._check = check
        self._position = 0
        self._answer: Answer | None = None
        self._total: int | None = None
        self._tag: str | None = None
        self._begun = False

    def readable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Bytes read so far."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as any raw stream does."""
        chunk = self.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does; with no size, everything.

        Raises
        ------
        TemporaryFailure
            The connection was cut again and again.
        UnexpectedResponse
            The file changed between two attempts.
        """
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        failures = 0
        while True:
            error: Exception | None = None
            self._check()
            try:
                answer = self._answer or self._open()
                chunk = cast("bytes", answer.raw.read(size))
            except (OSError, _protocol_error()) as caught:
                chunk, error = b"", caught
            if chunk:
                self._position += len(chunk)
                return chunk
            if error is None and (self._total is None or self._position >= self._total):
                return b""
            self._drop()
            failures += 1
            if failures >= self._attempts:
                where = f"at byte {self._position} of {self._total if self._total is not None else 'an unknown number'}"
                raise TemporaryFailure("download", "read", f"the connection ended {where}") from error

    def close(self) -> None:
        """Give the connection back."""
        self._drop()
        super().close()

    def _drop(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def _open(self) -> Answer:
        answer = self._fetch(self._position)
        tag, total = answer.headers.get("ETag"), _total(answer)
        if self._begun and not self._goes_on(tag, total, answer):
            with closing(answer):
                if answer.headers.get("Content-Type", "").startswith("text/html"):
                    raise ConnectionAbortedError("a web page came in place of the rest")
                raise UnexpectedResponse("download", "read", "the file changed while it was read")
        if not self._begun:
            self._begun, self._tag, self._total = True, tag, total
        self._answer = answer
        left = self._position if answer.status_code != 206 else 0
        while left:
            skipped = answer.raw.read(min(CHUNK, left))
            if not skipped:
                break
            left -= len(skipped)
        return answer

    def _goes_on(self, tag: str | None, total: int | None, answer: Answer) -> bool:
        """Whether an answer is of the same file as the first: by its ETag, or where one has none, by its length."""
        if tag is not None and self._tag is not None:
            return tag == self._tag
        return total == self._total or (total is None and answer.status_code == 206)


def _total(answer: Answer) -> int | None:
    """The length of the whole file, as far as an answer tells it."""
    if answer.status_code != 206:
        length = answer.headers.get("Content-Length")
        return int(length) if length is not None else None
    match = re.search(r"/(\d+)$", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None


def _protocol_error() -> type[Exception]:
    from urllib3.exceptions import HTTPError

    return HTTPError
