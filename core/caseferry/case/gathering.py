"""Making cases of files that nobody has described: a DICOM series is one, any other image is one.

What cannot be told from a name is read from the file's header: on an object store by a small range of it. Which file
belongs to which case is kept in a temporary file, so that millions of files are gathered in the memory of a few.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from caseferry.case.case import Case
from caseferry.case.image import Image
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Format
from caseferry.imaging.reading import Membership, format_of, membership

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

READ_AT_ONCE = 32
"""Headers that are read at the same time."""

PLAIN = {
    "video": (".mp4", ".m4v", ".mov", ".avi", ".mkv"),
    "document": (".pdf",),
    "image": (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".nii", ".nii.gz", ".mha", ".nrrd", ".svs", ".bmp", ".webp"),
}
"""Endings that tell an image of one file, and the role that it gets. Any other file is looked into."""

ROLES = {Format.PDF: "document", Format.MP4: "video"}


@dataclass(frozen=True, slots=True)
class Gathered:
    """Files that make one case.

    Attributes
    ----------
    id : the path of the file; of a series the folder that holds it, and its UID. It stays the same when files are
        added, so that gathering again gives the same cases
    files : by their paths
    """

    id: str
    role: str
    files: tuple[FileRef, ...]

    @property
    def folder(self) -> str:
        """Where it lies."""
        return self.id.rpartition("/")[0]

    def case(self) -> Case:
        """The case."""
        return Case(id=self.id, images=[Image(self.role, self.files)], folder=self.folder)


def gather(files: Iterable[tuple[str, FileRef]], left_out: list[str]) -> Iterator[Gathered]:
    """Make cases of files, in the order of their paths.

    Parameters
    ----------
    files : each with its path, folders divided by slashes; they may come lazily. What is kept of a reference is its
        location, name and size
    left_out : takes the paths of files that are no image that can be read
    """
    with tempfile.TemporaryDirectory(prefix="caseferry-") as folder, closing(_book(Path(folder) / "files")) as book:
        for path, ref, found in _looked_into(files):
            if found is None:
                left_out.append(path)
                continue
            row = (path, ref.location, ref.name, ref.size, found.series, found.role)
            book.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?, ?)", row)
        book.execute("CREATE INDEX by_series ON file (series)")
        book.execute("INSERT INTO begun SELECT series, MIN(path) FROM file GROUP BY series")
        rows = book.execute("SELECT file.* FROM begun CROSS JOIN file USING (series) ORDER BY begun.first, file.path")
        for series, group in groupby(rows, key=lambda row: row[4]):
            yield from _cases(series, list(group))


def _book(path: Path) -> sqlite3.Connection:
    book = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    book.execute("PRAGMA journal_mode = OFF")
    book.execute("PRAGMA synchronous = OFF")
    book.execute("CREATE TABLE begun (series TEXT PRIMARY KEY, first TEXT) WITHOUT ROWID")
    book.execute("CREATE TABLE file (path TEXT, location TEXT, name TEXT, size INTEGER, series TEXT, role TEXT)")
    return book


Row = tuple[str, str, str, int | None, str, str]


def _cases(series: str, rows: list[Row]) -> Iterator[Gathered]:
    """The case of a series; one for each folder where the same names stand in several: a series and copies of it."""
    if series == rows[0][0]:
        yield _gathered(rows[0][0], rows)
        return
    names = [PurePosixPath(path).name for path, *_ in rows]
    if len(set(names)) < len(names):
        for folder, copies in groupby(rows, key=lambda row: row[0].rpartition("/")[0]):
            yield _gathered(f"{folder}/{series}".lstrip("/"), list(copies))
        return
    folder = _common_folder([path for path, *_ in rows])
    yield _gathered(f"{folder}/{series}".lstrip("/"), rows)


def _gathered(name: str, rows: list[Row]) -> Gathered:
    files = tuple(FileRef(location, name, size) for _, location, name, size, _, _ in rows)
    return Gathered(name, rows[0][5], files)


def _common_folder(paths: list[str]) -> str:
    """The deepest folder that holds all files."""
    first, *others = [path.split("/")[:-1] for path in (min(paths), max(paths))]
    shared = [a for n, a in enumerate(first) if all(o[: n + 1] == first[: n + 1] for o in others)]
    return "/".join(shared)


def _looked_into(files: Iterable[tuple[str, FileRef]]) -> Iterator[tuple[str, FileRef, Membership | None]]:
    """Each file and what it belongs to, several at once and never far ahead."""
    waiting: deque[tuple[str, FileRef, Future[Membership | None]]] = deque()
    with ThreadPoolExecutor(READ_AT_ONCE, thread_name_prefix="caseferry-gather") as pool:
        try:
            for path, ref in files:
                waiting.append((path, ref, pool.submit(_belongs, path, ref)))
                if len(waiting) >= 2 * READ_AT_ONCE:
                    first, its, future = waiting.popleft()
                    yield first, its, future.result()
            while waiting:
                first, its, future = waiting.popleft()
                yield first, its, future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _belongs(path: str, ref: FileRef) -> Membership | None:
    """What a file belongs to; None for what is no image."""
    if ref.size == 0:
        return None
    lowered = path.lower()
    for role, endings in PLAIN.items():
        if lowered.endswith(endings):
            return Membership(path, role)
    try:
        kind = format_of(ref)
        found = membership(ref) if kind is Format.DICOM else Membership(path, ROLES.get(kind, "image"))
    except ImageProblem:
        return None
    if found is None or found.uid:
        return found
    return Membership(path, found.role)
