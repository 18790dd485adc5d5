"""Items: listing and showing them."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, identifier, whole
from caseferry_darwin.sandbox.filters import Filters, shown_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

PAGE = 500
"""Items on a page when the request does not say."""

SORTS: dict[str, Callable[[Json], Any]] = {
    "inserted_at": lambda item: item["inserted_at"],
    "updated_at": lambda item: item["updated_at"],
    "name": lambda item: item["name"],
    "filename": lambda item: item["name"],
    "path": lambda item: item["path"],
    "priority": lambda item: item["priority"],
    "status": shown_status,
    "file_size": lambda item: sum(file["size_bytes"] or 0 for file in item["files"]),
    "id": lambda item: item["id"],
}

PROCESSING = {"uploading": "uploading", "processing": "processing", "error": "error"}

UPLOAD_FIELDS = (
    "upload_id",
    "slot_name",
    "file_name",
    "type",
    "fps",
    "as_frames",
    "extract_views",
    "processing_status",
    "processing_error",
)


def view(item: Json, *, workflow: bool = False) -> Json:
    """An item as the platform shows it. One that is still processed has no slots, and its layout may be missing."""
    status = shown_status(item)
    shown: Json = {
        "id": item["id"],
        "name": item["name"],
        "path": item["path"],
        "dataset_id": item["dataset_id"],
        "status": status,
        "workflow_status": status,
        "processing_status": PROCESSING.get(item["status"], "complete"),
        "archived": item["archived"],
        "priority": item["priority"],
        "tags": item["tags"],
        "slots": [{name: value for name, value in slot.items() if name != "registered_as"} for slot in item["slots"]],
        "slot_types": [slot["type"] for slot in item["slots"]],
        "uploads": [{name: file[name] for name in UPLOAD_FIELDS} for file in item["files"]],
        "cursor": item["id"],
        "inserted_at": item["inserted_at"],
        "updated_at": item["updated_at"],
    }
    if item["layout"] is not None:
        shown["layout"] = item["layout"]
    # An object or nothing at all: darwin-py fails on null.
    if workflow and item["stage"] is not None:
        shown["workflow_data"] = {"workflow_id": item["workflow"], "current_stage_id": item["stage"]}
    return shown


class Items:
    """Calls that show items."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/items"
        yield gate.route("GET", base, self.listing)
        yield gate.route("GET", base + "/list_ids", self.ids)
        yield gate.route("GET", base + "/ids", self.ids)
        yield gate.route("GET", base + "/folders", self.folders)
        yield gate.route("GET", base + "/general_counts", self.general_counts)
        yield gate.route("GET", base + "/status_counts", self.status_counts)
        yield gate.route("GET", base + "/{id}", self.show)

    def listing(self, call: Call) -> web.Response:
        """One page of items. ``page.next`` is what the next request sends as ``page[from]``."""
        query = call.request.query
        filters = Filters.of_query(self._book, call.request, ("page", "sort", "include_workflow_data"))
        items = self._sorted(list(filters.items()), query)
        size = whole(query.get("page[size]", PAGE), "page[size]", least=1)
        start = whole(query.get("page[offset]", 0), "page[offset]", least=0)
        if "page[from]" in query:
            start = _after(items, query["page[from]"], in_order=not any(key.startswith("sort[") for key in query))
        page = items[start : start + size]
        more = start + size < len(items)
        workflow = query.get("include_workflow_data") == "true"
        return answer(
            {
                "items": [view(item, workflow=workflow) for item in page],
                "page": {
                    "count": len(items),
                    "next": page[-1]["id"] if more and page else None,
                    "previous": items[start - size - 1]["id"] if start > size else None,
                },
            }
        )

    def show(self, call: Call) -> web.Response:
        """One item."""
        return answer(view(self._book.row("items", call["id"]), workflow=True))

    def ids(self, call: Call) -> web.Response:
        """The identifiers of the items that the filters mean."""
        return answer({"item_ids": [item["id"] for item in self._filtered(call)]})

    def folders(self, call: Call) -> web.Response:
        """Folders and how many items they hold."""
        counts: dict[tuple[int, str], int] = {}
        for item in self._filtered(call):
            place = item["dataset_id"], item["path"]
            counts[place] = counts.get(place, 0) + 1
        return answer(
            {
                "folders": [
                    {
                        "dataset_id": dataset,
                        "path": path,
                        "filtered_item_count": count,
                        "unfiltered_item_count": sum(i["path"] == path for i in self._book.held(dataset)),
                    }
                    for (dataset, path), count in sorted(counts.items())
                ]
            }
        )

    def general_counts(self, call: Call) -> web.Response:
        """How many items each dataset holds."""
        counts: dict[int, int] = {}
        for item in self._filtered(call):
            counts[item["dataset_id"]] = counts.get(item["dataset_id"], 0) + 1
        simple = [{"dataset_id": dataset, "item_count": count} for dataset, count in counts.items()]
        return answer({"simple_counts": simple})

    def status_counts(self, call: Call) -> web.Response:
        """How many items have each status."""
        counts: dict[str, int] = {}
        for item in self._filtered(call):
            counts[shown_status(item)] = counts.get(shown_status(item), 0) + 1
        simple = [{"status": status, "item_count": count} for status, count in counts.items()]
        return answer({"simple_counts": simple})

    def _filtered(self, call: Call) -> Iterator[Json]:
        return Filters.of_query(self._book, call.request).items()

    def _sorted(self, items: list[Json], query: Any) -> list[Json]:
        for key, direction in query.items():
            if not key.startswith("sort["):
                continue
            field = key[5:].rstrip("]")
            if field not in SORTS or direction not in {"asc", "desc"}:
                raise Invalid("sort", f"{field} {direction} is invalid")
            items.sort(key=SORTS[field], reverse=direction == "desc")
        return items


def _after(items: list[Json], cursor: str, *, in_order: bool) -> int:
    """Where the page after a cursor begins. In the order of age that holds even when the item was deleted."""
    if in_order:
        return bisect_right(items, identifier(cursor, "page[from]"), key=lambda item: str(item["id"]))
    for place, item in enumerate(items):
        if item["id"] == cursor:
            return place + 1
    raise Invalid("page[from]", "is not a cursor of this listing")
