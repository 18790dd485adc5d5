"""Filters: which items a call is about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, flag, folder, record, whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book


def shown_status(item: Json) -> str:
    """The status of an item; an archived one has no other."""
    return "archived" if item["archived"] else str(item["status"])


def _classes(book: Book, item: Json) -> set[int]:
    return {a["annotation_class_id"] for a in book.annotations(item["id"]).values()}


LISTS: dict[str, Callable[[Book, Json, set[Any]], bool]] = {
    "dataset_ids": lambda _, item, wanted: item["dataset_id"] in wanted,
    "item_ids": lambda _, item, wanted: item["id"] in wanted,
    "item_names": lambda _, item, wanted: item["name"] in wanted,
    "item_paths": lambda _, item, wanted: item["path"] in wanted,
    "statuses": lambda _, item, wanted: shown_status(item) in wanted,
    "slot_types": lambda _, item, wanted: any(slot["type"] in wanted for slot in item["slots"]),
    "workflow_stage_ids": lambda _, item, wanted: item["stage"] in wanted,
    "annotation_class_ids": lambda book, item, wanted: bool(_classes(book, item) & wanted),
    "assignees": lambda _, item, wanted: bool(set(item["assignees"]) & wanted),
}
"""Filters that hold several values, any of which will do. Each may be turned round with ``not_`` in front."""

SINGLES: dict[str, Callable[[Book, Json, Any], bool]] = {
    "item_name_contains": lambda _, item, wanted: wanted.lower() in item["name"].lower(),
    "item_name_prefix": lambda _, item, wanted: item["name"].startswith(wanted),
    "item_path_prefix": lambda _, item, wanted: item["path"].startswith(wanted),
    "has_comments": lambda book, item, wanted: bool(book.table("threads").get(item["id"])) is wanted,
    "archived": lambda _, item, wanted: item["archived"] is wanted,
}

NUMBERS = {"dataset_ids", "annotation_class_ids", "assignees"}
TRUTHS = {"has_comments", "archived"}
FREE = {"item_names", "item_paths", *SINGLES}
"""Filters whose values may hold commas."""

ALL = "select_all"


class Filters:
    """Which items are meant.

    Parameters
    ----------
    wanted : filters by name; of those that hold several values, a set of them
    """

    def __init__(self, book: Book, wanted: dict[str, Any]) -> None:
        self._book = book
        self._wanted = wanted

    @classmethod
    def of_query(cls, book: Book, request: web.Request, others: Iterable[str] = ()) -> Filters:
        """Read the filters of a query. Names come with and without brackets, and repeatedly.

        A name that is neither a filter nor among `others` is refused: what the platform does with a misspelt one
        is not public, and to ignore it would hide the mistake.
        """
        wanted: dict[str, Any] = {}
        allowed = set(others)
        for key in request.query:
            name = key.removesuffix("[]")
            if name.split("[")[0] in allowed:
                continue
            values = request.query.getall(key)
            # The command line of darwin-py joins several values with commas and leaves the brackets out.
            if key == name and name.removeprefix("not_") not in FREE:
                values = [part for value in values for part in value.split(",")]
            wanted[name] = _value(name, [*values, *(wanted.get(name) or ())])
        return cls(book, wanted)

    @classmethod
    def of_body(cls, book: Book, body: Json) -> Filters:
        """Read the filters of a call that changes items.

        A filter that would mean every item of a dataset, as an empty list may on the platform, is refused here
        unless the call says ``select_all``: a mistake must not look like a success.
        """
        sent = record(body.get("filters"), "filters")
        everything = flag(sent.get(ALL, False), ALL)
        wanted = {name: _value(name, value) for name, value in sent.items() if name != ALL}
        if not everything and not any(name != "dataset_ids" for name in wanted):
            raise Invalid("filters", "select nothing in particular")
        return cls(book, wanted)

    @classmethod
    def of_export(cls, book: Book, dataset_id: int, sent: Json) -> Filters:
        """Read the filters of an export, which is about one dataset."""
        wanted = {name: _value(name, value) for name, value in sent.items() if name != ALL}
        return cls(book, wanted | {"dataset_ids": {dataset_id}})

    def items(self) -> Iterator[Json]:
        """The items that are meant, oldest first."""
        return (item for item in self._candidates() if self._fits(item))

    def _fits(self, item: Json) -> bool:
        for name, wanted in self._wanted.items():
            turned = name.startswith("not_")
            test = SINGLES.get(name) or LISTS[name.removeprefix("not_")]
            if test(self._book, item, wanted) is turned:
                return False
        return True

    def _candidates(self) -> Iterator[Json]:
        book, wanted = self._book, self._wanted
        if "item_ids" in wanted:
            yield from (book.items[key] for key in sorted(wanted["item_ids"]) if key in book.items)
        elif "dataset_ids" in wanted and "item_names" in wanted:
            found = (book.named(d, n) for d in wanted["dataset_ids"] for n in wanted["item_names"])
            yield from sorted((item for items in found for item in items), key=lambda item: item["id"])
        elif len(wanted.get("dataset_ids", ())) == 1:
            yield from book.held(next(iter(wanted["dataset_ids"])))
        else:
            yield from list(book.items.values())


def _value(name: str, value: Any) -> Any:
    plain = name.removeprefix("not_")
    if name in SINGLES:
        single = value[-1] if isinstance(value, list) and value else value
        return flag(single, name) if name in TRUTHS else str(single)
    if plain not in LISTS:
        raise Invalid(name, "is not a filter")
    values = value if isinstance(value, list) else [value]
    if not values:
        raise Invalid(name, "can't be blank")
    if plain in NUMBERS:
        return {whole(entry, name) for entry in values}
    if plain == "item_paths":
        return {folder(entry, name) for entry in values}
    if not all(isinstance(entry, str) for entry in values):
        raise Invalid(name, "is invalid")
    return set(values)
