"""Object stores: reading what lies in S3, Google Cloud Storage, Azure Blob Storage or behind a plain URL."""

from __future__ import annotations

import io
from typing import Any, BinaryIO, cast

from caseferry.errors import CaseferryError, MissingDependency

__all__ = ["StorageError", "open_url"]


class StorageError(CaseferryError):
    """An object store did not give what was asked of it."""


def open_url(url: str) -> BinaryIO:
    """Open one object as a stream that can seek; ranges are fetched as they are read.

    Credentials come from where the store's own tools look for them (``AWS_…``, ``GOOGLE_…`` and ``AZURE_…``
    variables, instance roles).

    Raises
    ------
    MissingDependency
        The extra ``storage`` is not installed.
    StorageError
        There is no such object, or it may not be read.
    """
    try:
        import obstore
        from obstore.store import from_url
    except ImportError as error:
        raise MissingDependency("storage", f"reading {url.partition('://')[0]}:// URLs") from error
    base, key = _split(url)
    try:
        reader = obstore.open_reader(from_url(base), key)
    except Exception as error:  # obstore has an error class per store
        msg = f"{base}: the object {key!r} cannot be opened: {type(error).__name__}"
        raise StorageError(msg) from error
    return cast("BinaryIO", io.BufferedReader(_Reader(reader), buffer_size=1 << 20))


def _split(url: str) -> tuple[str, str]:
    """A URL as the store's own address and the key within it."""
    scheme, _, rest = url.partition("://")
    place, _, key = rest.partition("/")
    return f"{scheme}://{place}", key


class _Reader(io.RawIOBase):
    """An obstore reader as one of Python's raw streams."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def readinto(self, buffer: Any) -> int:
        found = bytes(self._reader.read(len(buffer)))
        buffer[: len(found)] = found
        return len(found)
