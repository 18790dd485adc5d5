"""The file of a journal: one SQLite database, of one transfer, written by one process at a time."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from caseferry.batching import Batcher
from caseferry.closing import Closing
from caseferry.errors import ConfigurationError, TransferError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.files import PathLike

VERSION = 2

PATIENCE = 30.0
"""Seconds that another program may keep the file locked, such as one that looks into databases."""

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
    removed TEXT NOT NULL DEFAULT '[]',
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


class Unwritable(TransferError):
    """The journal cannot be written, or not even read, so that nothing more may be sent."""

    action = "stop"


class JournalFile(Closing):
    """The database of one journal.

    Parameters
    ----------
    path : made when it is not there; None for a temporary database, which is gone at the end
    read_only : whether it is only looked at, which others may do while one process writes

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
        self.closed = False
        self._writing: Batcher[Statement, bool] = Batcher(self._commit, STATEMENTS)
        if self.path is not None and read_only and not self.path.is_file():
            msg = f"there is no journal {str(self.path)!r}"
            raise ConfigurationError(msg)
        if self.path is not None and not read_only:
            self._held = _hold(self.path)
        try:
            place = self._place(read_only)
            self.database = sqlite3.connect(
                place, timeout=PATIENCE, uri=True, check_same_thread=False, isolation_level=None
            )
            weakref.finalize(self, self.database.close)
            self._check_whole()
            self._check_owner()
            if not read_only:
                self.database.execute("PRAGMA journal_mode=WAL")
                self.database.execute("PRAGMA synchronous=FULL")
                self.database.executescript(SCHEMA)
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

    def close(self) -> None:
        """Let others use the file."""
        if self.path is not None:
            with self._lock:
                self.database.close()
            self.closed = True
        self._release()

    def _release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _check_whole(self) -> None:
        """Refuse a file that was damaged, before anything is sent by what it says."""
        try:
            (found,) = self.database.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", None) != sqlite3.SQLITE_CORRUPT:
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
        tables = {name for (name,) in self.database.execute("SELECT name FROM sqlite_master")}
        if tables and "about" not in tables:
            msg = f"{str(self.path)!r} is a database of something else, not a journal; name another file"
            raise ConfigurationError(msg)

    def _check_version(self) -> None:
        known = self.about("version")
        if known is None:
            self.database.execute("INSERT INTO about VALUES ('version', ?)", (str(VERSION),))
        elif known != str(VERSION):
            msg = f"{str(self.path)!r} is a journal of version {known}; this caseferry writes version {VERSION}"
            raise ConfigurationError(msg)

    def about(self, name: str) -> str | None:
        """A fact about the transfer: ``source``, ``target``, ``version``."""
        row = self.database.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def read(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """The rows that a query finds.

        Raises
        ------
        Unwritable
            The file cannot be read any more.
        """
        with self._lock:
            try:
                return self.database.execute(sql, values).fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as error:
                msg = f"the journal {str(self.path)!r} cannot be read: {error}"
                raise Unwritable(msg) from error

    def write(self, sql: str, values: tuple[object, ...]) -> None:
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
                self.database.execute("BEGIN IMMEDIATE")
                for sql, values in statements:
                    self.database.execute(sql, values)
                self.database.execute("COMMIT")
            except sqlite3.Error as error:
                with contextlib.suppress(sqlite3.Error):
                    self.database.execute("ROLLBACK")
                locked = getattr(error, "sqlite_errorcode", None) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
                remedy = "close the other program that has it open" if locked else "make room"
                msg = f"the journal {str(self.path)!r} cannot be written: {error}; {remedy}, then run the same again"
                raise Unwritable(msg) from error
        return [True] * len(statements)


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
