"""Registration: how items come into a dataset.

Answers are 200 even when every item is refused: what came in is in ``items``, what did not in ``blocked_items``,
and the reason stands on each slot.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox import tags
from caseferry_darwin.sandbox.book import now
from caseferry_darwin.sandbox.errors import Invalid, StorageFull
from caseferry_darwin.sandbox.fields import Json, flag, folder, record, records, text
from caseferry_darwin.sandbox.slots import MOST, Way, files_of, layout_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate
    from caseferry_darwin.sandbox.processing import Processing

OPTIONS = {
    Way.UPLOAD: ("handle_as_slices", "force_tiling", "ignore_dicom_layout"),
    Way.DIRECT: ("force_tiling", "ignore_dicom_layout"),
    Way.EXISTING: ("force_tiling", "ignore_dicom_layout", "handle_as_slices"),
    Way.READONLY: ("force_tiling", "ignore_dicom_layout", "handle_as_slices"),
}

SHOWN = ("slot_name", "file_name", "type", "as_frames", "extract_views", "fps", "metadata", "size_bytes", "upload_id")


@dataclass(slots=True)
class Candidate:
    """An item that a request would register."""

    name: str
    path: str
    files: list[Json]
    layout: Json | None
    tags: Any
    place: str


class Registration:
    """Calls that register items."""

    def __init__(self, book: Book, processing: Processing) -> None:
        self._book = book
        self._processing = processing

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/items"
        yield gate.route("POST", base + "/register_upload", lambda call: self._register(call, Way.UPLOAD))
        yield gate.route("POST", base + "/direct_upload", lambda call: self._register(call, Way.DIRECT))
        yield gate.route("POST", base + "/register_existing", lambda call: self._register(call, Way.EXISTING))
        yield gate.route("POST", base + "/register_existing_readonly", lambda call: self._register(call, Way.READONLY))

    def _register(self, call: Call, way: Way) -> web.Response:
        if self._book.switches["storage_full"]:
            raise StorageFull
        fields = call.fields
        dataset = self._dataset(fields)
        storage = self._storage(fields, way) if way.external else None
        options = self._options(fields, way)
        sent = records(fields.get("items"), "items")
        if not sent or len(sent) > MOST[way]:
            raise Invalid("items", f"must hold 1 to {MOST[way]} items")
        # The whole request is checked before anything is kept: a refused one leaves nothing behind.
        candidates = [self._candidate(item, way, storage, f"items[{n}]") for n, item in enumerate(sent)]
        accepted: list[Json] = []
        blocked: list[Json] = []
        for candidate in candidates:
            reason = self._obstacle(candidate, dataset)
            if reason is None:
                item = self._keep(candidate, dataset, options, way)
                accepted.append(_view(candidate, item["id"]))
                self._start(item, call, way)
            else:
                blocked.append(_view(candidate, None, reason))
        return answer({"items": accepted, "blocked_items": blocked})

    def _dataset(self, fields: Json) -> Json:
        dataset = self._book.dataset(text(fields.get("dataset_slug"), "dataset_slug"))
        if dataset is None:
            raise Invalid("dataset_slug", "does not exist")
        return dataset

    def _storage(self, fields: Json, way: Way) -> Json:
        storage: Json | None = self._book.table("storages").get(text(fields.get("storage_slug"), "storage_slug"))
        if storage is None:
            raise Invalid("storage_slug", "does not exist")
        if storage["readonly"] and way is Way.EXISTING:
            raise Invalid("storage_slug", "is read-only")
        return storage

    def _options(self, fields: Json, way: Way) -> dict[str, bool]:
        options = record(fields.get("options") or {}, "options")
        unknown = options.keys() - set(OPTIONS[way])
        if unknown and way is Way.DIRECT:
            raise Invalid("options", f"unexpected field {min(unknown)}")
        if way is Way.DIRECT and not fields.keys() <= {"dataset_slug", "items", "options"}:
            raise Invalid("body", "has an unexpected field")
        return {name: flag(options[name] or False, f"options.{name}") for name in OPTIONS[way] if name in options}

    def _candidate(self, item: Json, way: Way, storage: Json | None, place: str) -> Candidate:
        name = text(item.get("name"), f"{place}.name")
        if "/" in name:
            raise Invalid(f"{place}.name", "must not hold a slash")
        files = files_of(self._book, item, way, storage, place)
        if way is Way.DIRECT:
            self._fill(item, files[0], place)
        path = folder(item.get("path"), f"{place}.path")
        return Candidate(name, path, files, layout_of(item, files, place), item.get("tags"), place)

    def _fill(self, item: Json, file: Json, place: str) -> None:
        if "file_url" in item:
            raise Invalid(f"{place}.file_url", "not implemented by the sandbox: it fetches nothing")
        try:
            content = base64.b64decode(text(item.get("file_content"), f"{place}.file_content"), validate=True)
        except ValueError:
            raise Invalid(f"{place}.file_content", "is not base64") from None
        blob = self._book.host.blobs.add(content)
        file |= {"blob": blob.key, "size_bytes": blob.size}

    def _obstacle(self, candidate: Candidate, dataset: Json) -> str | None:
        full_path = f"{candidate.path.rstrip('/')}/{candidate.name}"
        for pattern, reason in self._book.switches["blocked"]:
            if fnmatchcase(full_path, pattern):
                return str(reason)
        there = self._book.at(dataset["id"], candidate.path, candidate.name)
        if there is not None:
            return self._taken(there)
        limit = self._book.switches["items"]
        if limit is not None and len(self._book.items) >= limit:
            return "ITEM_COUNT_LIMIT_EXCEEDED"
        for sent in (candidate.tags, *(file["tags"] for file in candidate.files)):
            reason = tags.obstacle(self._book, sent, candidate.place)
            if reason is not None:
                return reason
        return None

    def _taken(self, there: Json) -> str:
        errors = {file["processing_error"] for file in there["files"]}
        if "FILE_UPLOAD_FAILED" in errors:
            return "FILE_UPLOAD_FAILED"
        waiting = there["status"] == "uploading"
        if waiting and time.time() - there["registered"] > self._book.switches["upload_timeout"]:
            return "FILE_UPLOAD_TIMEOUT"
        return "ALREADY_EXISTS"

    def _keep(self, candidate: Candidate, dataset: Json, options: dict[str, bool], way: Way) -> Json:
        identifier = self._book.item_uuid()
        stamp = now()
        item: Json = {
            "id": identifier,
            "dataset_id": dataset["id"],
            "name": candidate.name,
            "path": candidate.path,
            "layout": candidate.layout,
            "tags": candidate.tags or [],
            "way": way.value,
            "options": options,
            "status": "uploading",
            "archived": False,
            "priority": 0,
            "assignees": [],
            "stage": None,
            "properties": {},
            "files": candidate.files,
            "slots": [],
            "registered": time.time(),
            "inserted_at": stamp,
            "updated_at": stamp,
        }
        self._book.keep(item)
        return item

    def _start(self, item: Json, call: Call, way: Way) -> None:
        if way is Way.UPLOAD:
            return
        doomed = self._book.host.fails_later("POST", call.request.path) is not None
        for file in item["files"]:
            self._processing.arrived(item, file, doomed=doomed)


def _view(candidate: Candidate, item_id: str | None, reason: str | None = None) -> Json:
    slots = [{name: file[name] for name in SHOWN} for file in candidate.files]
    if reason is not None:
        slots = [slot | {"upload_id": None, "reason": reason} for slot in slots]
    return {"id": item_id, "name": candidate.name, "path": candidate.path, "slots": slots}
