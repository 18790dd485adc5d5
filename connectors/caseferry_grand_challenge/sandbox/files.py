"""The bytes of uploads: read, checked, stored, without holding a large one in memory."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.kinds import BIOM, KINDS, NEWICK, Family

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry.sandbox.blobs import Blob, Blobs

CHUNK = 1 << 20
HDF5 = b"\x89HDF\r\n\x1a\n"

MAGIC = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"PK\x03\x04", "application/zip"),
    (b"SQLite format 3\x00", "application/x-sqlite3"),
)


@dataclass(frozen=True, slots=True)
class Content:
    """What was uploaded, in the parts in which it came."""

    parts: list[Blob]

    def head(self, count: int) -> bytes:
        """The first bytes."""
        if not self.parts:
            return b""
        with self.parts[0].open() as stream:
            return stream.read(count)

    def read(self) -> bytes:
        """All bytes at once."""
        return b"".join(part.read() for part in self.parts)

    def copy_to(self, path: Path) -> None:
        """Make a file of the bytes; a single part that lies in a file is only given a second name."""
        if len(self.parts) == 1 and self.parts[0].path is not None:
            try:
                os.link(self.parts[0].path, path)
            except OSError:  # another file system, or one without links
                shutil.copyfile(self.parts[0].path, path)
            return
        with path.open("wb") as target:
            for part in self.parts:
                with part.open() as source:
                    shutil.copyfileobj(source, target, CHUNK)


def store_content(blobs: Blobs, content: Content) -> tuple[Blob, str]:
    """The bytes as one blob, and the media type that they look like."""
    if len(content.parts) == 1:
        return content.parts[0], media_type(content)
    return store_file(blobs, content), media_type(content)


def store_file(blobs: Blobs, content: Content) -> Blob:
    """The parts as one blob."""
    writer = blobs.writer()
    for part in content.parts:
        with part.open() as source:
            while chunk := source.read(CHUNK):
                writer.write(chunk)
    return writer.close()


def media_type(content: Content) -> str:
    """The media type that bytes look like, as the server tells it from their beginning."""
    head = content.head(2048)
    for magic, name in MAGIC:
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        return "video/mp4"
    if head.lstrip()[:1] in {b"{", b"["} and _json(content) is not None:
        return "application/json"
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.reason != "unexpected end of data":
            return "application/octet-stream"
    return "application/octet-stream" if b"\x00" in head or not head else "text/plain"


def check_content(kind: str, content: Content, complaint: Callable[[Any], str | None]) -> bool:
    """Whether a file may stand in a socket of a kind. Most kinds take any bytes.

    Parameters
    ----------
    complaint : what is wrong with a JSON value, or None
    """
    if KINDS[kind].family is Family.JSON:
        try:
            value = json.loads(content.read())
        except ValueError:
            return False
        return complaint(value) is None
    if kind == NEWICK:
        return _is_newick(content.read())
    if kind == BIOM:
        return content.head(len(HDF5)) == HDF5
    return True


def _json(content: Content) -> Any:
    try:
        return json.loads(content.read())
    except ValueError:
        return None


def _is_newick(raw: bytes) -> bool:
    """Whether bytes could be a tree: balanced brackets and a semicolon at the end."""
    try:
        text = raw.decode().strip()
    except UnicodeDecodeError:
        return False
    depth = 0
    for character in text:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            return False
    return depth == 0 and text.endswith(";")
