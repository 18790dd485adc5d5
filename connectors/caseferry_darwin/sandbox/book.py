"""What the stand-in knows: tables of plain JSON, and quick ways to find an item."""

from __future__ import annotations

import datetime as dt
import secrets
import time
import uuid
from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.sandbox import Host, StandIn
    from caseferry_darwin.sandbox.fields import Json


def now() -> str:
    """The time as items carry it."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def second() -> str:
    """The time as exports and comments carry it; darwin-py reads no fractions there."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Index:
    """Where the items are, so that no call looks at all of them. Made anew when a state is loaded."""

    def __init__(self, items: dict[str, Json]) -> None:
        self.places: dict[tuple[int, str, str], str] = {}
        self.named: dict[tuple[int, str], dict[str, None]] = {}
        self.held: dict[int, dict[str, None]] = {}
        for item in items.values():
            self.add(item)

    def add(self, item: Json) -> None:
        """Remember where an item is."""
        dataset, path, name = item["dataset_id"], item["path"], item["name"]
        self.places[dataset, path, name] = item["id"]
        self.named.setdefault((dataset, name), {})[item["id"]] = None
        self.held.setdefault(dataset, {})[item["id"]] = None

    def drop(self, item: Json) -> None:
        """Forget where an item was."""
        dataset, path, name = item["dataset_id"], item["path"], item["name"]
        self.places.pop((dataset, path, name), None)
        self.named.get((dataset, name), {}).pop(item["id"], None)
        self.held.get(dataset, {}).pop(item["id"], None)


class Book:
    """The tables of one team.

    Parameters
    ----------
    standin : whose state the tables are
    team : the team's slug
    """

    def __init__(self, standin: StandIn, team: str) -> None:
        self._standin = standin
        self._index: Index | None = None
        self._tick = 0
        self.team = team

    @property
    def host(self) -> Host:
        """What the sandbox gives to work with."""
        return self._standin.host

    @property
    def api(self) -> str:
        """The address below which the team's calls lie."""
        return f"{self.host.origin}/api/v2/teams/{self.team}"

    def table(self, name: str) -> dict[str, Any]:
        """One table, by the identifiers of what it holds."""
        table: dict[str, Any] = self._standin.state.setdefault(name, {})
        return table

    def row(self, name: str, key: object) -> Json:
        """One row of a table.

        Raises
        ------
        Missing
            There is no such row.
        """
        row = self.table(name).get(str(key))
        if row is None:
            raise Missing
        return row  # type: ignore[no-any-return]

    @property
    def switches(self) -> Json:
        """Limits and troubles that a test may switch on."""
        return self.table("switches")

    @property
    def items(self) -> dict[str, Json]:
        """All items."""
        return self.table("items")

    def annotations(self, item_id: str) -> dict[str, Json]:
        """The annotations of one item, by their identifiers."""
        kept: dict[str, Json] = self.table("annotations").setdefault(item_id, {})
        return kept

    def uuid(self) -> str:
        """A new identifier."""
        return self._standin.uuid()

    def number(self) -> int:
        """A new identifier of the kind that datasets and classes have."""
        return self._standin.number()

    def item_uuid(self) -> str:
        """A new item's identifier: like Darwin's, its first half is the time, so that items sort by age."""
        self._tick = max(self._tick + 1, time.time_ns() // 1_000_000 << 16)
        return str(uuid.UUID(int=self._tick << 64 | secrets.randbits(64)))

    @property
    def index(self) -> Index:
        """Where the items are."""
        if self._index is None:
            self._index = Index(self.items)
        return self._index

    def at(self, dataset_id: int, path: str, name: str) -> Json | None:
        """The item at one place, if there is one."""
        found = self.index.places.get((dataset_id, path, name))
        return self.items[found] if found else None

    def held(self, dataset_id: int) -> Iterator[Json]:
        """The items of one dataset, oldest first."""
        items = self.items
        return (items[key] for key in list(self.index.held.get(dataset_id, ())))

    def named(self, dataset_id: int, name: str) -> Iterator[Json]:
        """The items of one dataset that have this name, in whatever folder."""
        items = self.items
        return (items[key] for key in list(self.index.named.get((dataset_id, name), ())))

    def keep(self, item: Json) -> None:
        """Add an item."""
        index = self.index
        self.items[item["id"]] = item
        index.add(item)
        for place, file in enumerate(item["files"]):
            self.table("uploads")[file["upload_id"]] = [item["id"], place]

    def move(self, item: Json, path: str) -> None:
        """Put an item into another folder."""
        self.index.drop(item)
        item["path"] = path
        self.index.add(item)
        self.touch(item)

    def remove(self, item: Json) -> None:
        """Forget an item and all that belongs to it."""
        self.index.drop(item)
        del self.items[item["id"]]
        for file in item["files"]:
            self.table("uploads").pop(file["upload_id"], None)
        for slot in item["slots"]:
            self.table("files").pop(slot["id"], None)
        for table in ("annotations", "threads"):
            self.table(table).pop(item["id"], None)

    def touch(self, item: Json) -> None:
        """Note that an item changed."""
        item["updated_at"] = now()

    def file(self, upload_id: str) -> tuple[Json, Json]:
        """The item that an upload belongs to, and the upload's file.

        Raises
        ------
        Missing
            There is no such upload.
        """
        found = self.table("uploads").get(upload_id)
        if found is None:
            raise Missing
        item = self.items[found[0]]
        return item, item["files"][found[1]]

    def dataset(self, slug: str) -> Json | None:
        """The dataset of that slug, unless it was archived."""
        for dataset in self.table("datasets").values():
            if dataset["slug"] == slug and not dataset["archived"]:
                return dataset  # type: ignore[no-any-return]
        return None

    def annotation_class(self, name: str, kind: str) -> Json | None:
        """The class of that name and main type."""
        for entry in self.table("classes").values():
            if entry["name"] == name and entry["annotation_types"][0] == kind:
                return entry  # type: ignore[no-any-return]
        return None
