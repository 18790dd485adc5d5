"""Unpacking of zip files, however deep they lie in each other, without leaving the folder or filling the disk."""

from __future__ import annotations

import shutil
import stat
import zipfile
from pathlib import Path, PurePosixPath

CHUNK = 1 << 20
MOST_BYTES = 8 << 30
MOST_FILES = 20_000
DEEPEST = 8


class UnpackError(Exception):
    """A zip file that would leave its folder or fill the disk: the whole import fails."""


class Allowance:
    """What may still be unpacked in one import."""

    def __init__(self) -> None:
        self.bytes = MOST_BYTES
        self.files = MOST_FILES

    def take(self, count: int, files: int = 0) -> None:
        """Use some of it up.

        Raises
        ------
        UnpackError
            There is not so much left.
        """
        self.bytes -= count
        self.files -= files
        if self.bytes < 0 or self.files < 0:
            msg = "zip files that unpack to too much"
            raise UnpackError(msg)


def unpack_zips(folder: Path) -> None:
    """Turn each zip file below a folder into a folder of the same name.

    Raises
    ------
    UnpackError
        A zip file has an entry that lies outside of it, or unpacks to too much.
    """
    allowance = Allowance()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        _unpack(path, allowance, 1)


def _unpack(path: Path, allowance: Allowance, depth: int) -> None:
    if not zipfile.is_zipfile(path):
        return
    if depth > DEEPEST:
        msg = "zip files too deep in each other"
        raise UnpackError(msg)
    target = path.with_name(f"{path.name}_extracted")
    target.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _extract(archive, entry, target, allowance)
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError):
        shutil.rmtree(target)
        return
    path.unlink()
    target.rename(path)
    for inner in [inner for inner in path.rglob("*") if inner.is_file()]:
        _unpack(inner, allowance, depth + 1)


def _extract(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, allowance: Allowance) -> None:
    if stat.S_ISLNK(entry.external_attr >> 16):
        return
    name = PurePosixPath(entry.filename.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts:
        msg = "a zip file with an entry outside of it"
        raise UnpackError(msg)
    place = target.joinpath(*name.parts)
    if entry.is_dir():
        place.mkdir(parents=True, exist_ok=True)
        return
    allowance.take(0, files=1)
    place.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, place.open("wb") as copy:
        while chunk := source.read(CHUNK):
            allowance.take(len(chunk))
            copy.write(chunk)
