"""A DICOM series as the one file that Darwin takes it as: its slices in a zip whose name ends in ``.dcm``.

Source
------
darwin-py 3.6.3, item merge mode "series". Several files in one slot would be taken for several slots of no volume.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from caseferry.files import CHUNK, FileProblem, FileRef, made

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

LONGEST_PLAIN = 0xFFFF_0000
"""Bytes up to which a zip needs no 64-bit records, so that its size is plain to compute."""

LARGEST_RATIO = 200
"""How much larger a file of a downloaded zip may be than what holds it."""


def member_name(index: int) -> str:
    """The name of a slice within the zip: its place among the files of the image, and nothing of its own name."""
    return f"{index:05d}.dcm"


def packed(refs: Sequence[FileRef], name: str) -> FileRef:
    """The zip of some files, written while it is sent; nothing is compressed and nothing lands on the disk."""
    sizes = [ref.size for ref in refs]
    if any(size is None for size in sizes) or sum(size or 0 for size in sizes) > LONGEST_PLAIN:

        def make(out: BinaryIO) -> None:
            out.writelines(_chunks(refs))

        return made(make, name, media_type="application/dicom")
    # local header, data, data descriptor; entry of the directory; end of the directory
    total = sum(30 + 9 + (size or 0) + 16 + 46 + 9 for size in sizes) + 22
    return FileRef(
        f"packed:{name}", name, total, "application/dicom", opener=lambda: cast("BinaryIO", _Stream(_chunks(refs)))
    )


class _Stream(io.RawIOBase):
    """Chunks as a stream."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._kept = b""

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Read on, as any stream does."""
        while not self._kept or size < 0:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            self._kept += chunk
        size = len(self._kept) if size < 0 else size
        found, self._kept = self._kept[:size], self._kept[size:]
        return found


class _Sink(io.RawIOBase):
    """Takes what a zip writer writes, and gives it on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Keep a piece."""
        self._parts.append(bytes(data))
        return len(data)

    def drain(self) -> bytes:
        """What came since the last time."""
        found = b"".join(self._parts)
        self._parts.clear()
        return found


def _chunks(refs: Sequence[FileRef]) -> Iterator[bytes]:
    sink = _Sink()
    with zipfile.ZipFile(cast("BinaryIO", sink), "w", zipfile.ZIP_STORED) as archive:
        for index, ref in enumerate(refs):
            info = zipfile.ZipInfo(member_name(index), (1980, 1, 1, 0, 0, 0))
            with ref.open() as stream, archive.open(info, "w") as entry:
                while chunk := stream.read(CHUNK):
                    entry.write(chunk)
                    if part := sink.drain():
                        yield part
            if part := sink.drain():
                yield part
    yield sink.drain()


def members(archive: FileRef, expected: Sequence[FileRef] = ()) -> list[FileRef]:
    """The files in a downloaded zip, which is fetched once, when the first of them is opened.

    Parameters
    ----------
    expected : the files that were put, in order; without them the zip is fetched to learn what it holds
    """
    local = made(lambda out: _copy(archive, out), archive.name)
    if not expected:
        with local.seekable() as stream, zipfile.ZipFile(stream) as opened:
            infos = [info for info in opened.infolist() if not info.is_dir()]
        names = [info.filename for info in infos]
        sizes: list[int | None] = [info.file_size for info in infos]
        plain = [FileRef("-", f"{index:05d}.dcm") for index in range(len(names))]
    else:
        names = [member_name(index) for index in range(len(expected))]
        sizes, plain = [ref.size for ref in expected], list(expected)
    return [
        FileRef(
            f"{archive.location}#{name}",
            ref.name,
            size,
            "application/dicom",
            ref.sha256,
            opener=_Member(local, name),
        )
        for name, size, ref in zip(names, sizes, plain, strict=True)
    ]


def _copy(archive: FileRef, out: BinaryIO) -> None:
    with archive.open() as stream:
        while chunk := stream.read(CHUNK):
            out.write(chunk)


class _Member:
    """Opens one file of a zip."""

    def __init__(self, archive: FileRef, name: str) -> None:
        self._archive = archive
        self._name = name

    def __call__(self) -> BinaryIO:
        opened: AbstractContextManager[BinaryIO] = self._archive.seekable()
        try:
            with opened as stream, zipfile.ZipFile(stream) as archive:
                info = archive.getinfo(self._name)
                if info.file_size > LARGEST_RATIO * max(info.compress_size, 1024):
                    msg = f"{self._name!r} in {self._archive.name!r} unpacks to far more than it is: not opened"
                    raise FileProblem(msg)
                return io.BytesIO(archive.read(info))
        except (zipfile.BadZipFile, KeyError) as error:
            msg = f"{self._archive.name!r} is damaged or holds no {self._name!r}"
            raise FileProblem(msg) from error
