"""A connector for one more platform: cases in a SQLite file, ``sqlite:PATH``.

All that caseferry asks of a platform is in this file. What every connector must do is tested in
``test_caseferry_sqlite.py`` beside it.
"""

from __future__ import annotations

import io
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import caseferry as cf
from caseferry.annotation import KINDS
from caseferry.held import all_native
from caseferry.plan import Part, Reply
from caseferry.sidecar import case_fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = """
CREATE TABLE IF NOT EXISTS cases (id TEXT PRIMARY KEY, document TEXT NOT NULL, fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS files (case_id TEXT, number INTEGER, content BLOB, PRIMARY KEY (case_id, number));
"""


class SqliteConnector(cf.Connector):
    """Opens files of cases."""

    scheme: ClassVar[str] = "sqlite"
    summary: ClassVar[str] = "a SQLite file that holds whole cases"

    def open(self, name: str) -> SqliteDataset:
        """Open a file, which is made when it is not there."""
        return SqliteDataset(Path(name), names=self.names, phi=self.phi, unmapped=self.unmapped)

    @classmethod
    def describe(cls) -> cf.Capabilities:
        """Everything is held as it is; nothing can be changed afterwards."""
        return cf.Capabilities(
            verbs=frozenset({"items", "get", "find", "plan", "put", "delete", "wait"}),
            images=dict.fromkeys(cf.Kind, "native"),
            annotations=dict.fromkeys(KINDS, "native"),
            values="native",
            attachments="native",
            tags="native",
            folders="native",
            metadata="native",
            remote=False,
        )


class SqliteDataset(cf.Dataset):
    """The cases in one file."""

    platform: ClassVar[str] = "sqlite"

    def __init__(self, path: Path, **common: Any) -> None:
        super().__init__(f"sqlite:{path}", **common)
        self.capabilities = SqliteConnector.describe()
        self.limits = cf.Limits(in_flight=1)
        self.path = path
        self._query(SCHEMA, script=True)

    def _query(self, text: str, *values: Any, script: bool = False) -> list[Any]:
        with closing(sqlite3.connect(self.path, timeout=60)) as database, database:
            return database.executescript(text).fetchall() if script else database.execute(text, values).fetchall()

    # -- listing and reading ---------------------------------------------------------------------------------------

    def items(self, **filters: Any) -> Iterator[cf.Item]:
        """All cases by name."""
        if filters:
            msg = f"sqlite has no filters, and {', '.join(filters)} is asked for"
            raise cf.ConfigurationError(msg)
        return (cf.Item(self, name, name) for (name,) in self._query("SELECT id FROM cases ORDER BY id"))

    def get(self, item_id: str) -> cf.Item:
        """One case by its name."""
        if not self._query("SELECT 1 FROM cases WHERE id = ?", item_id):
            raise cf.NotFound("sqlite", f"get {item_id!r}", f"there is no such case in {self.path}")
        return cf.Item(self, item_id, item_id)

    def read(self, item: cf.Item) -> cf.Case:
        """The case, its files to be opened on demand."""
        rows = self._query("SELECT document FROM cases WHERE id = ?", item.id)
        if not rows:
            raise cf.NotFound("sqlite", f"read {item.id!r}", f"there is no such case in {self.path}")
        numbers = iter(range(1 << 30))

        def place(ref: cf.FileRef) -> cf.FileRef:
            number = next(numbers)
            return replace(ref, location=f"sqlite:{item.id}/{number}", opener=lambda: self._content(item.id, number))

        return cf.Case.from_json(json.loads(rows[0][0])).with_files(place)

    def _content(self, case_id: str, number: int) -> io.BytesIO:
        [(content,)] = self._query("SELECT content FROM files WHERE case_id = ? AND number = ?", case_id, number)
        return io.BytesIO(content)

    # -- putting ---------------------------------------------------------------------------------------------------

    def _look(self, case: cf.Case) -> str | None:
        rows = self._query("SELECT fingerprint FROM cases WHERE id = ?", case.id)
        return rows[0][0] if rows else None

    def _plan(
        self, case: cf.Case, standing: Any, *, allow_spare: bool, create: bool
    ) -> tuple[cf.Plan, list[cf.FileRef]]:
        mark, held = case_fingerprint(case), all_native(case, "a row of the file")
        if standing is not None:
            if standing != mark:
                raise cf.AlreadyExists("sqlite", f"put {case.id!r}", f"another case of that name is in {self.path}")
            return cf.Plan(dataset=self.url, case_id=case.id, held=held, adopts=case.id), []
        calls = [
            cf.Call(
                name=f"file {number}",
                method="WRITE",
                target=str(number),
                query=(("case", case.id),),
                files=(Part(ref),),
            )
            for number, ref in enumerate(case.files())
        ]
        document = case.with_files(lambda ref: replace(ref, location="-", opener=None)).to_json()
        body = {"id": case.id, "document": document, "fingerprint": mark}
        calls.append(
            cf.Call(name="commit", method="COMMIT", target="cases", body=body, after=tuple(c.name for c in calls))
        )
        return cf.Plan(dataset=self.url, case_id=case.id, calls=tuple(calls), held=held), []

    def _send(self, call: cf.Call) -> Reply:
        if call.method == "WRITE":
            content = call.files[0].ref.read()
            case_id = dict(call.query)["case"]
            self._query("INSERT OR REPLACE INTO files VALUES (?, ?, ?)", case_id, int(call.target), content)
            return Reply(201, sent=len(content))
        values = (call.body["id"], json.dumps(call.body["document"]), call.body["fingerprint"])
        self._query("INSERT OR IGNORE INTO cases VALUES (?, ?, ?)", *values)
        return Reply(201)

    def _put_item(self, case: cf.Case, plan: cf.Plan, given: dict[str, Any]) -> cf.Item:
        return self.get(case.id)

    def _delete(self, item: cf.Item) -> None:
        self.get(item.id)
        self._query("DELETE FROM cases WHERE id = ?", item.id)
        self._query("DELETE FROM files WHERE case_id = ?", item.id)
