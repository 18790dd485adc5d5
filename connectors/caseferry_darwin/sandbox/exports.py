"""Exports, which darwin-py calls releases: a zip of one file for each item, made some time after it was asked for."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.book import second
from caseferry_darwin.sandbox.darwin_json import Document, Wish, manifest
from caseferry_darwin.sandbox.errors import Invalid, Missing
from caseferry_darwin.sandbox.fields import Json, flag, record, text, whole
from caseferry_darwin.sandbox.filters import Filters
from caseferry_darwin.sandbox.foreign import coco, pascal_voc
from caseferry_darwin.sandbox.verbs import UNREADY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

DARWIN = "darwin_json_2"
FOREIGN = {"coco": coco, "pascalvoc": pascal_voc, "pascal_voc": pascal_voc}
SIGNED_FOR = 7 * 24 * 3600.0
"""Seconds that a download URL is good."""


class Exports:
    """Calls about exports."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/datasets/{slug}/exports"
        yield gate.route("GET", base, self.listing)
        yield gate.route("POST", base, self.create)
        yield gate.route("DELETE", base + "/{name}", self.delete)

    def listing(self, call: Call) -> web.Response:
        """All exports of a dataset, the newest first."""
        kept = self._kept(self._dataset(call))
        return answer([self._view(export) for export in reversed(kept)])

    def create(self, call: Call) -> web.Response:
        """Ask for an export."""
        dataset = self._dataset(call)
        fields = call.fields
        # Without a format the team's default is made, which here is the newest.
        kind = fields.get("format") or DARWIN
        if kind != DARWIN and kind not in FOREIGN:
            raise Invalid("format", f"not implemented by the sandbox: {kind}")
        if fields.get("filters") is not None:
            Filters.of_export(self._book, dataset["id"], record(fields["filters"], "filters"))
        kept = self._kept(dataset)
        export: Json = {
            "id": self._book.uuid(),
            "name": text(fields.get("name"), "name"),
            "version": len(kept) + 1,
            "status": "pending",
            "format": kind,
            "filters": fields.get("filters"),
            "include_authorship": flag(fields.get("include_authorship", False), "include_authorship"),
            "include_export_token": flag(fields.get("include_export_token", False), "include_export_token"),
            "classes": self._classes(fields),
            "inserted_at": second(),
            "latest": False,
            "metadata": {},
            "dataset_id": dataset["id"],
            "doomed": self._book.host.fails_later("POST", call.request.path) is not None,
        }
        kept.append(export)
        self._begin(export)
        return answer(self._view(export))

    def delete(self, call: Call) -> web.Response:
        """Delete an export."""
        kept = self._kept(self._dataset(call))
        for export in kept:
            if export["name"] == call["name"]:
                kept.remove(export)
                self._book.host.store.remove(_key(export))
                return answer(self._view(export))
        raise Missing

    def resume(self) -> None:
        """Go on with what was under way when the sandbox was stopped."""
        for kept in self._book.table("exports").values():
            for export in kept:
                if export["status"] == "pending":
                    self._begin(export)

    def _begin(self, export: Json) -> None:
        async def work() -> None:
            self._make(export)

        self._book.host.later(work)

    def _make(self, export: Json) -> None:
        if export["doomed"]:
            export["status"] = "failed"
            return
        dataset = self._book.row("datasets", export["dataset_id"])
        wish = Wish(
            export["include_authorship"],
            export["include_export_token"],
            None if export["classes"] is None else frozenset(export["classes"]),
        )
        items = list(self._items(export))
        writer = Document(self._book, wish)
        documents = [writer.write(item, dataset) for item in items]
        if export["format"] == DARWIN:
            files = dict(_darwin(documents)) | {".v7/metadata.json": json.dumps(manifest(self._book, dataset))}
        else:
            files = dict(_apart(FOREIGN[export["format"]](documents)))
        blob = self._book.host.blobs.add(_zip(files))
        self._book.host.store.put(_key(export), blob, "application/zip")
        for other in self._kept(dataset):
            other["latest"] = False
        used = {a["annotation_class_id"] for item in items for a in self._book.annotations(item["id"]).values()}
        held = [entry for entry in self._book.table("classes").values() if entry["id"] in used]
        export |= {"status": "complete", "latest": True}
        export["metadata"] = {
            "num_images": len(items),
            "annotation_classes": [{"id": entry["id"], "name": entry["name"]} for entry in held],
            "annotation_types": sorted({entry["annotation_types"][0] for entry in held}),
        }

    def _items(self, export: Json) -> Iterator[Json]:
        """Complete items when no filters were sent; else those that the filters mean."""
        sent = export["filters"]
        if sent is None:
            sent = {"statuses": ["complete"]}
        for item in Filters.of_export(self._book, export["dataset_id"], sent).items():
            if item["status"] not in UNREADY and not item["archived"]:
                yield item

    def _classes(self, fields: Json) -> list[int] | None:
        wanted = record(fields.get("annotation_filters") or {}, "annotation_filters").get("annotation_class_ids")
        return None if wanted is None else [whole(number, "annotation_filters") for number in wanted]

    def _dataset(self, call: Call) -> Json:
        dataset = self._book.dataset(call["slug"])
        if dataset is None:
            raise Missing
        return dataset

    def _kept(self, dataset: Json) -> list[Json]:
        kept: list[Json] = self._book.table("exports").setdefault(str(dataset["id"]), [])
        return kept

    def _view(self, export: Json) -> Json:
        shown = ("id", "name", "version", "status", "format", "inserted_at", "latest", "metadata", "dataset_id")
        complete = export["status"] == "complete"
        url = self._book.host.store.sign("GET", _key(export), SIGNED_FOR) if complete else None
        return {name: export[name] for name in shown} | {"download_url": url}


def _key(export: Json) -> str:
    return f"exports/{export['id']}.zip"


def _darwin(documents: list[Json]) -> Iterator[tuple[str, str]]:
    """Documents by file name: the item's name without its ending."""
    stems = ((PurePosixPath(document["item"]["name"]).stem, document) for document in documents)
    return _apart((f"{stem}.json", json.dumps(document)) for stem, document in stems)


def _apart(files: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Files under names that differ, also where items of one name lie in several folders."""
    taken: set[str] = set()
    for name, content in files:
        path = PurePosixPath(re.sub(r"[\\/:\0]", "_", name))
        free, n = path.name, 1
        while free.lower() in taken:
            n += 1
            free = f"{path.stem}-{n}{path.suffix}"
        taken.add(free.lower())
        yield free, content


def _zip(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()
