"""The journal: one SQLite file that makes a transfer resumable and exactly-once, and knows who is who afterwards.

Before anything is sent for a case its intent is written; after it was sent, and read back, that it is done. A case
with an intent and no end was interrupted: its target is looked at before anything is sent again. The journal holds
no credentials, no signed URLs and no values of patients.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from caseferry.closing import Closing
from caseferry.errors import ConfigurationError
from caseferry.files import CHUNK, PathLike
from caseferry.held import Loss
from caseferry.removal.removed import Removed
from caseferry.transfers.journal_file import JournalFile, Unwritable
from caseferry.transfers.merge import Base
from caseferry.transfers.outcome import Note, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from caseferry.files import FileRef

INTENT, DONE, FAILED, REFUSED = "intent", "done", "failed", "refused"


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


class Journal(Closing):
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
        self.file = JournalFile(path, read_only=read_only)

    @property
    def path(self) -> Path | None:
        """The file; None for a journal that is gone at the end."""
        return self.file.path

    def close(self) -> None:
        """Close the file and let others use it. What was written can still be read."""
        self.file.close()

    def about(self, name: str) -> str | None:
        """A fact about the transfer: ``source``, ``target``, ``version``."""
        return self.file.about(name)

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
                self.file.write("INSERT INTO about VALUES (?, ?)", (name, url))
            elif known != url:
                msg = f"{str(self.path)!r} is the journal of a transfer whose {name} is {known}, not {url}"
                raise ConfigurationError(msg)

    def entry(self, case_id: str) -> Entry | None:
        """What is known of a case, or None."""
        rows = self.file.read(
            "SELECT case_id, state, attempts, source_item, target_item, url FROM cases WHERE case_id = ?", (case_id,)
        )
        return Entry(*rows[0]) if rows else None

    def intend(self, case_id: str, source_item: str) -> None:
        """Write, before anything is sent, that it will be."""
        self.file.write(
            "INSERT INTO cases (case_id, source_item, state, attempts, updated) VALUES (?, ?, ?, 1, ?) "
            "ON CONFLICT (case_id) DO UPDATE SET state = excluded.state, attempts = attempts + 1, "
            "source_item = excluded.source_item, updated = excluded.updated",
            (case_id, source_item, INTENT, time.time()),
        )

    def record(self, result: Result, source_item: str) -> None:
        """Write what became of a case."""
        state = DONE if result.ok else REFUSED if result.outcome is Outcome.REFUSED else FAILED
        losses, removed = (json.dumps([each.to_json() for each in told]) for told in (result.losses, result.removed))
        self.file.write(
            "INSERT INTO cases (case_id, source_item, state, attempts, outcome, target_item, url, reason, losses, "
            "removed, bytes, calls, seconds, updated) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (case_id) DO UPDATE SET state = excluded.state, outcome = excluded.outcome, "
            "target_item = excluded.target_item, url = excluded.url, reason = excluded.reason, "
            "losses = excluded.losses, removed = excluded.removed, bytes = excluded.bytes, calls = excluded.calls, "
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
                removed,
                result.bytes,
                result.calls,
                result.seconds,
                time.time(),
            ),
        )

    def bases(self, case_id: str) -> dict[str, Base]:
        """What was last brought of the annotations of a case, by their ids; empty when that is not known."""
        rows = self.file.read("SELECT annotations FROM brought WHERE case_id = ?", (case_id,))
        return {name: Base(*told) for name, told in json.loads(rows[0][0]).items()} if rows else {}

    def keep_bases(self, case_id: str, bases: Mapping[str, Base]) -> None:
        """Write what was brought of the annotations of a case."""
        told = json.dumps({name: [base.source, base.target] for name, base in bases.items()})
        self.file.write("INSERT OR REPLACE INTO brought VALUES (?, ?)", (case_id, told))

    def record_sync(self, result: Result) -> None:
        """Write what became of the annotations of a case; what became of the case itself stays written."""
        self.file.write(
            "INSERT OR REPLACE INTO syncs VALUES (?, ?, ?)",
            (result.case_id, json.dumps(result.to_json()), time.time()),
        )

    def syncs(self) -> Iterator[Result]:
        """What became of the annotations of every case when they were last brought, in the order of the names."""
        if self.file.closed:
            with Journal(self.path, read_only=True) as again:
                yield from again.syncs()
            return
        known = self.file.read("SELECT 1 FROM sqlite_master WHERE name = 'syncs'")
        rows = self.file.read("SELECT result FROM syncs ORDER BY case_id") if known else []
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
                tuple(map(Removed.from_json, told["removed"])),
            )

    def states(self) -> dict[str, int]:
        """How many cases are in each state."""
        return dict(self.file.read("SELECT state, count(*) FROM cases GROUP BY state ORDER BY state"))

    def results(self) -> Iterator[Result]:
        """What became of every case, in the order of their names; those that were interrupted count as failed."""
        if self.file.closed:
            with Journal(self.path, read_only=True) as again:
                yield from again.results()
            return
        columns = "case_id, state, outcome, target_item, url, reason, losses, bytes, calls, seconds, removed"
        last = ""
        while True:
            rows = self.file.read(
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
                    bytes=row[7],
                    calls=row[8],
                    seconds=row[9],
                    removed=tuple(map(Removed.from_json, json.loads(row[10]))),
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
