"""Bytes that the stand-ins hold: small ones in memory, large ones in a folder, all by their SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

IN_MEMORY = 256 * 1024
"""Bytes up to which a blob stays in memory when the sandbox has no folder of its own."""

HELD = 64 * 1024 * 1024
"""Bytes up to which blobs stay in memory together; later ones go to the folder whatever their size."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes.

    Attributes
    ----------
    key : the SHA-256 in hexadecimal, by which the bytes are found again
    md5 : in hexadecimal, as object stores give in their ETag
    """

    key: str
    size: int
    md5: str
    content: bytes | None
    path: Path | None

    def open(self) -> BinaryIO:
        """The bytes as a stream."""
        return io.BytesIO(self.content) if self.path is None else self.path.open("rb")  # type: ignore[arg-type]

    def read(self) -> bytes:
        """All bytes at once."""
        with self.open() as stream:
            return stream.read()


class Writer:
    """Takes bytes as they arrive; `close` gives the blob."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._buffer = io.BytesIO()
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Add a piece."""
        self._sha256.update(chunk)
        self._md5.update(chunk)
        self.size += len(chunk)
        if self._file is None and (self._blobs.persistent or self.size > IN_MEMORY or self._blobs.held > HELD):
            handle, name = tempfile.mkstemp(dir=self._blobs.folder)
            self._file, self._path = os.fdopen(handle, "wb"), Path(name)
            self._file.write(self._buffer.getvalue())
            self._buffer = io.BytesIO()
        (self._file or self._buffer).write(chunk)

    def close(self) -> Blob:
        """Finish and store."""
        key, path = self._sha256.hexdigest(), None
        if self._file is not None and self._path is not None:
            self._file.close()
            path = self._blobs.folder / key
            self._path.replace(path)
        blob = Blob(key, self.size, self._md5.hexdigest(), None if path else self._buffer.getvalue(), path)
        return self._blobs.keep(blob)

    def abort(self) -> None:
        """Throw away what came so far."""
        if self._file is not None and self._path is not None:
            self._file.close()
            self._path.unlink()


class Blobs:
    """All stored bytes of one sandbox.

    Parameters
    ----------
    folder : where bytes lie; with none given, a temporary folder that goes with the sandbox

    Attributes
    ----------
    held : how many bytes are in memory
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.persistent = folder is not None
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix="caseferry-sandbox-")
        self.folder = folder or Path(self._temporary.name if self._temporary else ".")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._blobs: dict[str, Blob] = {}
        self.held = 0

    def writer(self) -> Writer:
        """A writer for a new blob."""
        return Writer(self)

    def add(self, content: bytes) -> Blob:
        """Store bytes that are at hand."""
        writer = self.writer()
        writer.write(content)
        return writer.close()

    def keep(self, blob: Blob) -> Blob:
        """Remember a blob; equal bytes are kept once."""
        if blob.key not in self._blobs and blob.content is not None:
            self.held += blob.size
        return self._blobs.setdefault(blob.key, blob)

    def get(self, key: str) -> Blob:
        """The blob of that SHA-256.

        Raises
        ------
        KeyError
            No such bytes were stored.
        """
        if key not in self._blobs:
            path = self.folder / key
            if not (self.persistent and path.is_file()):
                raise KeyError(key)
            digest = hashlib.md5(usedforsecurity=False)
            with path.open("rb") as stream:
                while chunk := stream.read(1 << 20):
                    digest.update(chunk)
            self._blobs[key] = Blob(key, path.stat().st_size, digest.hexdigest(), None, path)
        return self._blobs[key]

    def close(self) -> None:
        """Remove a temporary folder."""
        if self._temporary is not None:
            self._temporary.cleanup()
