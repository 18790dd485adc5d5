"""A reference to one file, wherever it lies."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import io
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias, cast
from urllib.parse import unquote

from caseferry.errors import CaseferryError, ConfigurationError
from caseferry.files.objects import open_url
from caseferry.files.product import ProductOpener
from caseferry.files.streams import CHUNK, Digesting
from caseferry.plain import only_fields
from caseferry.text import brief

if TYPE_CHECKING:
    from caseferry.plain import Json

IN_MEMORY = 32 << 20
"""Bytes of a remote file kept in memory, when a reader has to jump about in it, before they go to a temporary file."""

LONGEST_NAME = 255
"""Bytes in a file name that every common file system takes."""

STORE_SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "http", "https")

Opener: TypeAlias = Callable[[], BinaryIO]

PathLike: TypeAlias = "str | os.PathLike[str]"

_FIELDS = ("location", "name", "size", "media_type", "sha256")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?=/|[^/\\])")


class FileProblem(CaseferryError, ValueError):
    """A file cannot be used: it is missing, is not a file, or has a name that no target can take."""


def encodable(text: str) -> bool:
    """Whether a text can be written as UTF-8; what a file system gave as undecodable bytes cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_name(name: str) -> str | None:
    """What makes a file name unusable, or None when nothing does."""
    if not isinstance(name, str) or not name or name in {".", ".."}:
        return "is not a file name"
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        return "holds a control character"
    if not encodable(name):
        return "is not text that every system can write (its bytes are no UTF-8)"
    if "/" in name or "\\" in name:
        return "holds a path separator"
    if len(os.fsencode(name)) > LONGEST_NAME:
        return f"is longer than {LONGEST_NAME} bytes"
    return None


def file_name(text: str, ending: str = "") -> str:
    """Any text as a name that `check_name` takes: what a name may not hold becomes ``_``, what is too long is cut.

    Parameters
    ----------
    ending : kept whole: ``.nii.gz``
    """
    kept = "".join("_" if character in "/\\" or not character.isprintable() else character for character in text)
    stem = kept.encode(errors="replace")[: LONGEST_NAME - len(ending)].decode(errors="ignore")
    return f"{stem}{ending}" if check_name(f"{stem}{ending}") is None else f"file{ending}"


@dataclass(frozen=True, repr=False)
class FileRef:
    """One file, wherever it lies.

    Parameters
    ----------
    location : a path, an object-store URL (``s3://bucket/key``), a ``data:`` URL, or a platform's own address
    name : the file's own name, without a folder; taken from the location when not given
    size : in bytes, when known
    media_type : such as ``application/dicom``, when known
    sha256 : of the bytes, in hexadecimal, when known
    opener : how to open a location that only a connector can read; not part of the description

    Raises
    ------
    FileProblem
        The name is empty, ``.`` or ``..``, holds a separator or a control character, or is too long; the size is no
        count of bytes, or the digest no SHA-256.
    """

    location: str
    name: str = ""
    size: int | None = None
    media_type: str | None = None
    sha256: str | None = None
    opener: Opener | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        return brief(self)

    def __post_init__(self) -> None:
        if not isinstance(self.location, str) or not self.location:
            msg = f"the location is {self.location!r}, expected a path or a URL"
            raise FileProblem(msg)
        if not self.name:
            object.__setattr__(self, "name", _last_part(self.location))
        if problem := check_name(self.name):
            msg = f"the file name {self.name!r} {problem}"
            raise FileProblem(msg)
        if self.size is not None and (isinstance(self.size, bool) or not isinstance(self.size, int) or self.size < 0):
            msg = f"the size of {self.name!r} is {self.size!r}, expected a number of bytes"
            raise FileProblem(msg)
        if self.sha256 is not None and not _SHA256.fullmatch(str(self.sha256)):
            msg = f"the sha256 of {self.name!r} is {self.sha256!r}, expected 64 hexadecimal digits in lower case"
            raise FileProblem(msg)

    @classmethod
    def of(cls, source: FileRef | PathLike) -> FileRef:
        """A reference from a path or a URL; a reference is given back as it is."""
        return source if isinstance(source, FileRef) else cls(os.fspath(source))

    @classmethod
    def of_bytes(cls, content: bytes, name: str, media_type: str | None = None) -> FileRef:
        """A reference that carries its bytes itself, as a ``data:`` URL."""
        location = f"data:{media_type or 'application/octet-stream'};base64,{base64.b64encode(content).decode()}"
        return cls(location, name, len(content), media_type, hashlib.sha256(content).hexdigest())

    @property
    def scheme(self) -> str:
        """``file`` for a path, else the scheme of the URL."""
        match = _SCHEME.match(self.location)
        return match[1].lower() if match else "file"

    @property
    def path(self) -> Path | None:
        """The path of a file on this machine, else None."""
        return Path(self.location) if self.opener is None and self.scheme == "file" else None

    @property
    def bucket_and_key(self) -> tuple[str, str] | None:
        """Bucket and key of an object-store URL, else None.

        Of ``abfss://container@account.dfs.core.windows.net/key`` the bucket is the container.
        """
        if self.scheme not in STORE_SCHEMES or self.scheme.startswith("http"):
            return None
        bucket, _, key = self.location.partition("://")[2].partition("/")
        return bucket.partition("@")[0], key

    def open(self) -> BinaryIO:
        """The bytes as a binary stream, which need not be able to seek.

        Raises
        ------
        FileProblem
            There is no such file, or it is not a file.
        ConfigurationError
            Only a connector can open the location, and the reference did not come from one.
        """
        if self.opener is not None:
            return self.opener()
        if self.scheme == "data":
            return io.BytesIO(self._decoded())
        if self.scheme in STORE_SCHEMES:
            return open_url(self.location, self.size)
        if self.scheme != "file":
            msg = f"{self.location!r} can only be opened through the dataset it came from; connect to it first"
            raise ConfigurationError(msg)
        try:
            return Path(self.location).open("rb")
        except IsADirectoryError as error:
            msg = f"the file {self.location!r} cannot be opened: it is a folder; give the files that are in it"
            raise FileProblem(msg) from error
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            msg = f"the file {self.location!r} cannot be opened: {getattr(error, 'strerror', error)}"
            raise FileProblem(msg) from error

    def read(self) -> bytes:
        """All bytes at once."""
        with self.open() as stream:
            return stream.read()

    @contextlib.contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """The bytes as a stream that can seek; a remote file is fetched whole, a large one to a temporary file."""
        with self.open() as stream:
            if stream.seekable():
                yield stream
                return
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
                while chunk := stream.read(CHUNK):
                    spool.write(chunk)
                spool.seek(0)
                yield cast("BinaryIO", spool)

    def length(self) -> int:
        """The size in bytes, found out when it is not known: a local file is asked, another one is read."""
        if self.size is not None:
            return self.size
        if isinstance(self.opener, ProductOpener):
            return self.opener.length()
        path = self.path
        if path is not None:
            try:
                return path.stat().st_size
            except OSError as error:
                msg = f"the file {self.location!r} cannot be read: {error.strerror}"
                raise FileProblem(msg) from error
        return self.measured().size or 0

    def measured(self) -> FileRef:
        """The same reference with size and SHA-256 filled in, by reading the file when one is missing."""
        if self.size is not None and self.sha256 is not None:
            return self
        with Digesting(self.open()) as stream:
            while stream.read(CHUNK):
                pass
            return replace(self, size=stream.count, sha256=stream.sha256)

    def to_json(self) -> dict[str, Json]:
        """Plain data, without what is not known."""
        document: dict[str, Json] = {"location": self.location, "name": self.name}
        for key in ("size", "media_type", "sha256"):
            if (value := getattr(self, key)) is not None:
                document[key] = value
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> FileRef:
        """Read what `to_json` wrote.

        Raises
        ------
        FileProblem
            A field is missing, unknown or out of range.
        """
        try:
            only_fields(document, _FIELDS)
        except ValueError as error:
            raise FileProblem(str(error)) from error
        return cls(**{key: document.get(key) for key in _FIELDS})  # type: ignore[arg-type]

    def _decoded(self) -> bytes:
        head, _, payload = self.location.partition(",")
        try:
            return base64.b64decode(payload, validate=True) if head.endswith(";base64") else unquote(payload).encode()
        except (binascii.Error, ValueError) as error:
            msg = f"the data URL of {self.name!r} is damaged"
            raise FileProblem(msg) from error


def _last_part(location: str) -> str:
    return re.split(r"[/\\]", location.split("?", maxsplit=1)[0].rstrip("/\\"))[-1]
