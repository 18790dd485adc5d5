"""Objects in S3, Google Cloud Storage, Azure Blob Storage or behind a plain URL, read range by range.

Everything goes through one library, obstore. Credentials and addresses come from where the stores' own tools look for
them: ``AWS_…`` (``AWS_ENDPOINT_URL`` and ``AWS_ALLOW_HTTP`` for a private server), ``GOOGLE_…`` and ``AZURE_…``
variables, instance roles.
"""

from __future__ import annotations

import io
import os
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from caseferry.errors import CaseferryError, MissingDependency
from caseferry.files.streams import Seeking

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FIRST = 64 << 10
"""Bytes of the first range that is fetched of an object: the header of nearly every file is in it."""

MOST = 8 << 20
"""Bytes of one range, and so what reading an object holds in memory. Ranges double while an object is read on."""

REASONS = {
    "InvalidPathError": "a key begins or ends with a slash or has two in a row, and cannot be addressed: rename it",
    "PermissionDeniedError": "the credentials do not allow it",
    "UnauthenticatedError": "the credentials are missing or not accepted",
    "PreconditionError": "it was replaced meanwhile: begin again",
}
"""Errors of the library, and what they mean."""

METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")
"""Whom the library asks for the role of the machine when there are no credentials."""


class StorageError(CaseferryError):
    """An object store did not give what was asked of it."""


class Store:
    """A bucket of S3 or Google Cloud Storage, a container of Azure, or a web server, to read from.

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
        with self.named("", "reached"):
            self.library = library_store(self.address, frozenset(settings()))

    @classmethod
    def of(cls, url: str) -> tuple[Self, str]:
        """The bucket of a URL, and the key or the prefix within it."""
        address, key = _split(url)
        return cls(address), key

    def head(self, key: str) -> Mapping[str, Any] | None:
        """What the library says of one object; None when there is none.

        Raises
        ------
        StorageError
            The store does not say.
        """
        import obstore

        try:
            with self.named(key, "looked at"):
                said: Mapping[str, Any] = obstore.head(self.library, key)
                return said
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def neighbours(self, key: str) -> list[str]:
        """The keys of all objects in the folder of a key, not those of folders below it.

        Raises
        ------
        StorageError
            The store does not let itself be listed.
        """
        import obstore

        folder = key.rpartition("/")[0]
        with self.named(folder, "listed"):
            found = obstore.list_with_delimiter(self.library, folder or None)["objects"]
        return [each["path"] for each in found]

    def absent(self, key: str) -> StorageError:
        """The error that there is no such object; it names one whose key differs by case alone."""
        msg = f"{self.address}: the object {key!r} cannot be opened: there is none"
        with suppress(StorageError):
            if twin := next((each for each in self.neighbours(key) if each.lower() == key.lower()), ""):
                msg += f"; keys are case-sensitive, and there is {twin!r}"
        return StorageError(msg)

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
        with self.named(key, "opened" if start == 0 else "read on"):
            found = obstore.get(self.library, key, options=options)
            return bytes(found.bytes()), found.meta.get("e_tag") or ""

    @contextmanager
    def named(self, key: str, what: str) -> Iterator[None]:
        """Turn errors of the library into one that names the place; its own words may hold signed addresses."""
        try:
            yield
        except (CaseferryError, MemoryError):
            raise
        except Exception as error:  # obstore has an error class per store
            kind = "what is below" if what == "listed" else "the object"
            place = f"{kind} {key!r}" if key else "it"
            reason = REASONS.get(type(error).__name__, type(error).__name__)
            if any(host in str(error) for host in METADATA):
                reason = "there are no credentials for it on this machine"
            msg = f"{self.address}: {place} cannot be {what}: {reason}"
            raise StorageError(msg) from error


def open_url(url: str, size: int | None = None) -> BinaryIO:
    """Open one object as a stream that can seek; see `Store.open`."""
    bucket, key = Store.of(url)
    return bucket.open(key, size)


def _split(url: str) -> tuple[str, str]:
    """A URL as the store's own address and the key within it."""
    scheme, _, rest = url.partition("://")
    place, _, key = rest.partition("/")
    return f"{scheme}://{place}", key


def settings() -> Iterator[tuple[str, str]]:
    """The variables by which stores are found and opened."""
    for name, value in os.environ.items():
        if name.startswith(("AWS_", "AZURE_", "GOOGLE_", "AZURITE_")):
            yield name, value


@lru_cache(maxsize=16)
def library_store(address: str, settings: frozenset[tuple[str, str]]) -> Any:  # noqa: ARG001  a store belongs to its settings
    """The library's object for a store; it keeps the connections."""
    try:
        from obstore.store import from_url
    except ImportError as error:
        raise MissingDependency("storage", f"reading {address.partition('://')[0]}:// URLs") from error
    return from_url(address)


class _Ranges(Seeking):
    """An object as a raw stream: a small range first, larger ones while it is read on.

    Attributes
    ----------
    name : where it lies; pydicom asks every buffered stream for it
    """

    def __init__(self, bucket: Store, key: str, size: int | None) -> None:
        self.name = f"{bucket.address}/{key}"
        self._bucket = bucket
        self._key = key
        self._etag = ""
        if size is None:
            found = bucket.head(key)
            if found is None:
                raise bucket.absent(key)
            size = int(found["size"])
        self._size = size
        self._window = memoryview(b"")
        self._start = 0
        self._step = FIRST

    def _length(self) -> int:
        return self._size

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
