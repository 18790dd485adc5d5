"""Object stores: what lies in S3, Google Cloud Storage, Azure Blob Storage or behind a plain URL.

Everything goes through one library, obstore. Credentials and addresses come from where the stores' own tools look for
them: ``AWS_…`` (``AWS_ENDPOINT_URL`` and ``AWS_ALLOW_HTTP`` for a private server), ``GOOGLE_…`` and ``AZURE_…``
variables, instance roles.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from caseferry.errors import CaseferryError, MissingDependency
from caseferry.files import CHUNK, Digesting, FileProblem, FileRef

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Bucket", "StorageError", "Stored", "open_url"]

FIRST = 64 << 10
"""Bytes of the first range that is fetched of an object: the header of nearly every file is in it."""

MOST = 8 << 20
"""Bytes of one range, and so what reading an object holds in memory. Ranges double while an object is read on."""

LISTED_AT_ONCE = 1000

REASONS = {
    "InvalidPathError": "a key begins or ends with a slash or has two in a row, and cannot be addressed: rename it",
    "PermissionDeniedError": "the credentials do not allow it",
    "UnauthenticatedError": "the credentials are missing or not accepted",
    "PreconditionError": "it was replaced meanwhile: begin again",
}
"""Errors of the library, and what they mean."""


class StorageError(CaseferryError):
    """An object store did not give what was asked of it."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object as its store describes it.

    Attributes
    ----------
    url : where it lies
    key : its key in the bucket, case-sensitive and without a slash in front
    size : in bytes
    etag : changes with the content; no digest that can be computed beforehand. Empty where the store has none
    """

    url: str
    key: str
    size: int
    etag: str = ""

    @property
    def ref(self) -> FileRef:
        """A reference to it.

        Raises
        ------
        FileProblem
            The last part of its key is no name of a file.
        """
        return FileRef(self.url, self.key.rpartition("/")[2], self.size)


class Bucket:
    """A bucket of S3 or Google Cloud Storage, a container of Azure, or a web server.

    Parameters
    ----------
    address : ``s3://bucket``, ``gs://bucket``, ``az://container``, ``https://host``

    Raises
    ------
    MissingDependency
        The extra ``storage`` is not installed.
    StorageError
        The address names no store, or settings that the store cannot do without are missing.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        with self._named("", "reached"):
            self._store = _store(self.address, frozenset(_settings()))

    @classmethod
    def of(cls, url: str) -> tuple[Bucket, str]:
        """The bucket of a URL, and the key or the prefix within it."""
        address, key = _split(url)
        return cls(address), key

    def list(self, prefix: str = "") -> Iterator[Stored]:
        """Objects below a prefix, in the order of the store, fetched a page at a time as they are asked for.

        Parameters
        ----------
        prefix : whole folders: ``site-a`` is the folder ``site-a/``, and not also ``site-ab/``

        Raises
        ------
        StorageError
            The store does not let itself be listed, or there is no such bucket.
        """
        import obstore

        with self._named(prefix, "listed"):
            pages = iter(obstore.list(self._store, prefix.strip("/") or None, chunk_size=LISTED_AT_ONCE))
        while True:
            with self._named(prefix, "listed"):
                page = next(pages, None)
            if page is None:
                return
            yield from (self._stored(each) for each in page if each["path"] != prefix.strip("/") or each["size"])

    def find(self, key: str) -> Stored | None:
        """What the store says of one object; None when there is none.

        Raises
        ------
        StorageError
            The store does not say.
        """
        import obstore

        try:
            with self._named(key, "looked at"):
                return self._stored(obstore.head(self._store, key))
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def open(self, key: str, size: int | None = None) -> BinaryIO:
        """One object as a stream that can seek; ranges are fetched as they are read.

        Parameters
        ----------
        size : in bytes; asked for when it is not known

        Raises
        ------
        StorageError
            There is no such object, or it may not be read. Reading raises it, too: also when the object was replaced
            since reading began, so that nothing is made of two halves.
        """
        return cast("BinaryIO", io.BufferedReader(_Ranges(self, key, size), buffer_size=16 << 10))

    def write(self, key: str, source: FileRef) -> FileRef:
        """Write a file, in parts when it is large; an object of that key is replaced, and only when all has come.

        Returns
        -------
        A reference to the object, with the size and the SHA-256 of what was sent.

        Raises
        ------
        StorageError
            It may not be written, or the store holds another number of bytes afterwards.
        FileProblem
            The source cannot be read, or does not hold what its reference says; nothing is there then.
        """
        import obstore

        with Digesting(source.open()) as stream:
            attributes = {"Content-Type": source.media_type} if source.media_type else None
            with self._named(key, "written"):
                pieces: Any = _checked(stream, source)
                if source.size is not None and source.size <= MOST:
                    pieces = b"".join(pieces)  # one call in place of three
                obstore.put(self._store, key, pieces, attributes=attributes, chunk_size=MOST)
            count, sha256 = stream.count, stream.sha256
        found = self.find(key)
        if found is None or found.size != count:
            msg = f"{self.address}: the object {key!r} does not hold the {count} bytes that were written"
            raise StorageError(msg)
        return FileRef(found.url, source.name, count, source.media_type, sha256)

    def _stored(self, said: Any) -> Stored:
        etag = (said.get("e_tag") or "").strip('"')  # Azure quotes it in one answer and not in the other
        return Stored(f"{self.address}/{said['path']}", said["path"], said["size"], etag)

    @contextmanager
    def _named(self, key: str, what: str) -> Iterator[None]:
        """Turn errors of the library into one that names the place; its own words may hold signed addresses."""
        try:
            yield
        except (CaseferryError, MemoryError):
            raise
        except Exception as error:  # obstore has an error class per store
            kind = "what is below" if what == "listed" else "the object"
            place = f"{kind} {key!r}" if key else "it"
            reason = REASONS.get(type(error).__name__, type(error).__name__)
            msg = f"{self.address}: {place} cannot be {what}: {reason}"
            raise StorageError(msg) from error

    def range(self, key: str, start: int, stop: int, etag: str = "") -> tuple[bytes, str]:
        """Some bytes of an object, and its etag.

        Parameters
        ----------
        etag : that the object must have, when one is given
        """
        import obstore

        options: dict[str, Any] = {"range": (start, stop)}
        if etag:
            options["if_match"] = etag
        with self._named(key, "opened" if start == 0 else "read on"):
            found = obstore.get(self._store, key, options=options)
            return bytes(found.bytes()), found.meta.get("e_tag") or ""


def open_url(url: str, size: int | None = None) -> BinaryIO:
    """Open one object as a stream that can seek; see `Bucket.open`."""
    bucket, key = Bucket.of(url)
    return bucket.open(key, size)


def _checked(stream: Digesting, source: FileRef) -> Iterator[bytes]:
    """The pieces of a file, with an error in place of its end when it is not what its reference says."""
    while piece := stream.read(CHUNK):
        yield piece
    if (source.size is not None and source.size != stream.count) or source.sha256 not in {None, stream.sha256}:
        msg = f"the file {source.name!r} does not hold what it should: {stream.count} bytes of it were read"
        raise FileProblem(msg)


def _split(url: str) -> tuple[str, str]:
    """A URL as the store's own address and the key within it."""
    scheme, _, rest = url.partition("://")
    place, _, key = rest.partition("/")
    return f"{scheme}://{place}", key


def _settings() -> Iterator[tuple[str, str]]:
    """The variables by which stores are found and opened."""
    for name, value in os.environ.items():
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "AZURITE_")):
            yield name, value


@lru_cache(maxsize=16)
def _store(address: str, settings: frozenset[tuple[str, str]]) -> Any:  # noqa: ARG001  a store belongs to its settings
    """The library's object for a store; it keeps the connections."""
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise MissingDependency("storage", f"reading {address.partition('://')[0]}:// URLs") from error
    return from_url(address)


class _Ranges(io.RawIOBase):
    """An object as a raw stream: a small range first, larger ones while it is read on.

    Attributes
    ----------
    name : where it lies; pydicom asks every buffered stream for it
    """

    def __init__(self, bucket: Bucket, key: str, size: int | None) -> None:
        self.name = f"{bucket.address}/{key}"
        self._bucket = bucket
        self._key = key
        self._etag = ""
        if size is None:
            found = bucket.find(key)
            if found is None:
                msg = f"{bucket.address}: the object {key!r} cannot be opened: there is none"
                raise StorageError(msg)
            size = found.size
        self._size = size
        self._position = 0
        self._window = memoryview(b"")
        self._start = 0
        self._step = FIRST

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            offset += self._position
        elif whence == os.SEEK_END:
            offset += self._size
        self._position = max(0, offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        if self._position >= self._size or not len(buffer):
            return 0
        if not self._start <= self._position < self._start + len(self._window):
            self._fetch(len(buffer))
        inside = self._position - self._start
        piece = self._window[inside : inside + len(buffer)]
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)

    def _fetch(self, wanted: int) -> None:
        """Fetch the range that begins at the position."""
        read_on = bool(self._window) and self._position == self._start + len(self._window)
        self._step = min(MOST, self._step * 2) if read_on else FIRST
        stop = min(self._size, self._position + min(MOST, max(wanted, self._step)))
        content, etag = self._bucket.range(self._key, self._position, stop, self._etag)
        if not content:
            msg = f"{self._bucket.address}: the object {self._key!r} ends before its {self._size} bytes"
            raise StorageError(msg)
        self._etag = self._etag or etag
        self._window, self._start = memoryview(content), self._position
