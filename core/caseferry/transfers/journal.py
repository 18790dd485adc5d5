"""The journal: one SQLite file that makes a transfer resumable and exactly-once, and knows who is who afterwards.

Before anything is sent for a case its intent is written; after it was sent, and read back, that it is done. A case
with an intent and no end was interrupted: its target is looked at before anything is sent again. The journal holds
no credentials, no signed URLs and no values of patients.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias

from caseferry.batching import Batcher
from caseferry.errors import ConfigurationError, TransferError
from caseferry.files import CHUNK, PathLike
from caseferry.held import Loss
from caseferry.transfers.merge import Base
from caseferry.transfers.outcome import Note, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from caseferry.files import FileRef

VERSION = 1

STATEMENTS = 500
"""How many things are written together at most."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cases (
    case_id TEXT PRIMARY KEY,
    source_item TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    target_item TEXT NOT NULL DEFAULT '',
    url TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    losses TEXT NOT NULL DEFAULT '[]',
    bytes INTEGER NOT NULL DEFAULT 0,
    calls INTEGER NOT NULL DEFAULT 0,
    seconds REAL NOT NULL DEFAULT 0,
    updated REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS brought (case_id TEXT PRIMARY KEY, annotations TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS syncs (case_id TEXT PRIMARY KEY, result TEXT NOT NULL, updated REAL NOT NULL);
CREATE INDEX IF NOT EXISTS cases_by_state ON cases (state);
"""

Statement: TypeAlias = tuple[str, tuple[object, ...]]

INTENT, DONE, FAILED, REFUSED = "intent", "done", "failed", "refused"


class Unwritable(TransferError):
    """The journal cannot be written, or not even read, so that nothing more may be sent."""

    action = "stop"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal knows of a case.

    Attributes
    ----------
    state : ``intent``: something may have been sent; ``done``; ``failed``; ``refused``: nothing was sent
    """

    case_id: str
    state: str
    attempts: int
    source_item: str
    target_item: str
    url: str


class Journal:
    """The journal of one transfer, from one source to one target.

    Parameters
    ----------
    path : the SQLite file, made when it is not there; None for a transfer that need not be resumed: what it knows is
        gone at the end, and lies in a temporary file when it becomes much

    Raises
    ------
    ConfigurationError
        The file is no journal or a damaged one, or another process is using it.
    """

    def __init__(self, path: PathLike | None = None, *, read_only: bool = False) -> None:
        self.path = Path(path) if path is not None else None
        if self.path is not None and not self.path.name:
            msg = f"the journal is to be a file, and {str(path)!r} names none"
            raise ConfigurationError(msg)
        self._lock = threading.Lock()
        self._held: IO[str] | None = None
        self._closed = False
        self._writing: Batcher[Statement, bool] = Batcher(self._commit, STATEMENTS)
        if self.path is not None and read_only and not self.path.is_file():
            msg = f"there is no journal {str(self.path)!r}"
            raise ConfigurationError(msg)
        if self.path is not None and not read_only:
            self._held = _hold(self.path)
        try:
            place = self._place(read_only)
            self._database = sqlite3.connect(place, uri=True, check_same_thread=False, isolation_level=None)
            weakref.finalize(self, self._database.close)
            self._check_whole()
            self._check_owner()
            if not read_only:
                self._database.execute("PRAGMA journal_mode=WAL")
                self._database.execute("PRAGMA synchronous=FULL")
                self._database.executescript(SCHEMA)
            self._check_version()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            self._release()
            msg = f"{str(self.path)!r} cannot be used as a journal: {error}"
            raise ConfigurationError(msg) from error
        except ConfigurationError:
            self.close()
            raise

    def _place(self, read_only: bool) -> str:
        if self.path is None:
            return ""  # SQLite's own temporary database
        return self.path.absolute().as_uri() + ("?mode=ro" if read_only else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let others use it. What was written can still be read."""
        if self.path is not None:
            with self._lock:
                self._database.close()
            self._closed = True
        self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _check_whole(self) -> None:
        """Refuse a file that was damaged, before anything is sent by what it says."""
        try:
            (found,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT:
                raise
            found = str(error)
        if found != "ok":
            msg = (
                f"the journal {str(self.path)!r} is damaged ({' '.join(found.split())}); put it aside and run the "
                "same again with a new one: what has arrived is found at the target"
            )
            raise ConfigurationError(msg)

    def _check_owner(self) -> None:
        """Refuse a database that is somebody else's."""
        tables = {name for (name,) in self._database.execute("SELECT name FROM sqlite_master")}
        if tables and "about" not in tables:
            msg = f"{str(self.path)!r} is a database of something else, not a journal; name another file"
            raise ConfigurationError(msg)

    def _check_version(self) -> None:
        known = self.about("version")
        if known is None:
            self._database.execute("INSERT INTO about VALUES ('version', ?)", (str(VERSION),))
        elif known != str(VERSION):
            msg = f"{str(self.path)!r} is a journal of version {known}; this caseferry writes version {VERSION}"
            raise ConfigurationError(msg)

    def about(self, name: str) -> str | None:
        """A fact about the transfer: ``source``, ``target``, ``version``."""
        row = self._database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def belong(self, source: str, target: str) -> None:
        """Bind the journal to a source and a target, the first time; afterwards make sure that they are the same.

        Raises
        ------
        ConfigurationError
            The journal is of another transfer.
        """
        for name, url in (("source", source), ("target", target)):
            known = self.about(name)
            if known is None:
                self._write("INSERT INTO about VALUES (?, ?)", (name, url))
            elif known != url:
                msg = f"{str(self.path)!r} is the journal of a transfer whose {name} is {known}, not {url}"
                raise ConfigurationError(msg)

    def entry(self, case_id: str) -> Entry | None:
        """What is known of a case, or None."""
        rows = self._read(
            "SELECT case_id, state, attempts, source_item, target_item, url FROM cases WHERE case_id = ?", (case_id,)
        )
        return Entry(*rows[0]) if rows else None

    def intend(self, case_id: str, source_item: str) -> None:
        """Write, before anything is sent, that it will be."""
        self._write(
            "INSERT INTO cases (case_id, source_item, state, attempts, updated) VALUES (?, ?, ?, 1, ?) "
            "ON CONFLICT (case_id) DO UPDATE SET state = excluded.state, attempts = attempts + 1, "
            "source_item = excluded.source_item, updated = excluded.updated",
            (case_id, source_item, INTENT, time.time()),
        )

    def record(self, result: Result, source_item: str) -> None:
        """Write what became of a case."""
        state = DONE if result.ok else REFUSED if result.outcome is Outcome.REFUSED else FAILED
        losses = json.dumps([loss.to_json() for loss in result.losses])
        self._write(
            "INSERT INTO cases (case_id, source_item, state, attempts, outcome, target_item, url, reason, losses, "
            "bytes, calls, seconds, updated) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (case_id) DO UPDATE SET state = excluded.state, outcome = excluded.outcome, "
            "target_item = excluded.target_item, url = excluded.url, reason = excluded.reason, "
            "losses = excluded.losses, bytes = excluded.bytes, calls = excluded.calls, "
            "seconds = excluded.seconds, updated = excluded.updated",
            (
                result.case_id,
                source_item,
                state,
                str(result.outcome),
                result.item_id,
                result.url,
                result.reason,
                losses,
                result.bytes,
                result.calls,
                result.seconds,
                time.time(),
            ),
        )

    def bases(self, case_id: str) -> dict[str, Base]:
        """What was last brought of the annotations of a case, by their ids; empty when that is not known."""
        rows = self._read("SELECT annotations FROM brought WHERE case_id = ?", (case_id,))
        return {name: Base(*told) for name, told in json.loads(rows[0][0]).items()} if rows else {}

    def keep_bases(self, case_id: str, bases: Mapping[str, Base]) -> None:
        """Write what was brought of the annotations of a case."""
        told = json.dumps({name: [base.source, base.target] for name, base in bases.items()})
        self._write("INSERT OR REPLACE INTO brought VALUES (?, ?)", (case_id, told))

    def record_sync(self, result: Result) -> None:
        """Write what became of the annotations of a case; what became of the case itself stays written."""
        self._write(
            "INSERT OR REPLACE INTO syncs VALUES (?, ?, ?)",
            (result.case_id, json.dumps(result.to_json()), time.time()),
        )

    def syncs(self) -> Iterator[Result]:
        """What became of the annotations of every case when they were last brought, in the order of the names."""
        if self._closed:
            with Journal(self.path, read_only=True) as again:
                yield from again.syncs()
            return
        known = self._read("SELECT 1 FROM sqlite_master WHERE name = 'syncs'")
        rows = self._read("SELECT result FROM syncs ORDER BY case_id") if known else []
        for (text,) in rows:
            told = json.loads(text)
            yield Result(
                told["case"],
                Outcome(told["outcome"]),
                told["item"],
                told["url"],
                told["reason"],
                tuple(map(Loss.from_json, told["losses"])),
                told["bytes"],
                told["calls"],
                told["seconds"],
                told["annotations"],
                tuple(Note(**note) for note in told["notes"]),
            )

    def _read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """The rows that a query finds.

        Raises
        ------
        Unwritable
            The file cannot be read any more.
        """
        with self._lock:
            try:
                return self._database.execute(sql, values).fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                msg = f"the journal {str(self.path)!r} cannot be read: {error}"
                raise Unwritable(msg) from error

    def _write(self, sql: str, values: tuple[object, ...]) -> None:
        """Write one thing and have it on the disk; what several cases write at the same time goes there together.

        Raises
        ------
        Unwritable
            The disk does not take it.
        """
        self._writing.ask((sql, values))

    def _commit(self, statements: Sequence[Statement]) -> Sequence[bool]:
        with self._lock:
            try:
                self._database.execute("BEGIN IMMEDIATE")
                for sql, values in statements:
                    self._database.execute(sql, values)
                self._database.execute("COMMIT")
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("ROLLBACK")
                msg = f"the journal {str(self.path)!r} cannot be written: {error}; make room, then run the same again"
                raise Unwritable(msg) from error
        return [True] * len(statements)

    def states(self) -> dict[str, int]:
        """How many cases are in each state."""
        return dict(self._read("SELECT state, count(*) FROM cases GROUP BY state ORDER BY state"))

    def results(self) -> Iterator[Result]:
        """What became of every case, in the order of their names; those that were interrupted count as failed."""
        if self._closed:
            with Journal(self.path, read_only=True) as again:
                yield from again.results()
            return
        columns = "case_id, state, outcome, target_item, url, reason, losses, bytes, calls, seconds"
        last = ""
        while True:
            rows = self._read(
                f"SELECT {columns} FROM cases WHERE case_id > ? ORDER BY case_id LIMIT 500",  # noqa: S608  no input
                (last,),
            )
            if not rows:
                return
            for row in rows:
                interrupted = row[1] == INTENT
                yield Result(
                    row[0],
                    Outcome.FAILED if interrupted else Outcome(row[2]),
                    row[3],
                    row[4],
                    "interrupted: run the transfer again" if interrupted else row[5],
                    tuple(map(Loss.from_json, json.loads(row[6]))),
                    *row[7:],
                )
            last = rows[-1][0]

    def keep(self, case_id: str, files: Sequence[FileRef]) -> None:
        """Keep files for which the target has no place, in a folder beside the journal.

        Raises
        ------
        ConfigurationError
            The journal is a temporary one.
        Unwritable
            The disk does not take them.
        """
        if self.path is None:
            msg = "the journal is a temporary one and keeps no files; name a journal file"
            raise ConfigurationError(msg)
        from caseferry.plain import fingerprint

        folder = self.path.with_name(self.path.name + ".kept") / fingerprint(case_id)[:16]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "case.txt").write_text(case_id, encoding="utf-8")
            for ref in files:
                _keep_file(ref, folder)
        except OSError as error:
            msg = f"the files beside the journal {str(self.path)!r} cannot be written: {error.strerror or error}"
            raise Unwritable(msg) from error


def _keep_file(ref: FileRef, folder: Path) -> None:
    """Write a file into a folder, under its digest, and have it on the disk."""
    target = folder / f"{ref.measured().sha256}"
    scratch = target.with_suffix(".part")
    with ref.open() as stream, scratch.open("wb") as out:
        while chunk := stream.read(CHUNK):
            out.write(chunk)
        out.flush()
        os.fsync(out.fileno())
    scratch.replace(target)


def _hold(path: Path) -> IO[str]:
    """Keep other processes from using the journal while this one does."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = path.with_name(path.name + ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        msg = f"the journal {str(path)!r} cannot be written: {error.strerror or error}"
        raise ConfigurationError(msg) from error
    try:
        if os.name == "nt":  # pragma: no cover
            import msvcrt

            msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        with contextlib.suppress(OSError):
            held.close()
        msg = f"another process is using the journal {str(path)!r}"
        raise ConfigurationError(msg) from error
    return held
