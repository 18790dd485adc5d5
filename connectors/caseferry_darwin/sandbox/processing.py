"""Processing: from bytes that arrived to an item that can be annotated, or to an error.

The states are ``uploading`` until every file was confirmed, then ``processing``, then ``new`` or ``error``. A file
that cannot be read makes an error, and the item's upload says why in ``processing_error``.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from caseferry_darwin.sandbox import tags
from caseferry_darwin.sandbox.display import Failure, declared_slots, look, slots_of
from caseferry_darwin.sandbox.slots import Way, default_layout

if TYPE_CHECKING:
    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.fields import Json

INLINE = 1 << 20
"""Bytes up to which files are read at once; larger ones are read in a thread, so that requests go on."""


def external_key(storage: str, key: str) -> str:
    """Where the object store keeps an object of an external storage."""
    return f"external/{storage}/{key}"


class Processing:
    """Moves items through the states of processing."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def arrived(self, item: Json, file: Json, *, doomed: bool = False) -> None:
        """A file's bytes are there. The last of an item starts its processing."""
        file["processing_status"] = "processing"
        if doomed:
            file["doomed"] = True
        if all(other["processing_status"] != "uploading" for other in item["files"]):
            item["status"] = "processing"
            self._book.touch(item)
            self._begin(item)

    def resume(self) -> None:
        """Go on with what was under way when the sandbox was stopped."""
        for item in list(self._book.items.values()):
            if item["status"] == "processing":
                self._begin(item)

    def _begin(self, item: Json) -> None:
        if item["way"] != Way.READONLY.value:
            self._book.host.later(lambda: self._process(item["id"]))
        elif all(file["storage_key"] for file in item["files"]):
            # Nothing is processed, so nothing takes time. Without its key a file is waited for, for ever.
            self._finish(item, declared_slots(self._book, item))

    async def _process(self, item_id: str) -> None:
        item = self._book.items.get(item_id)
        if item is None or item["status"] != "processing":
            return
        self._fetch(item)
        try:
            self._refuse_lost(item)
            if sum(file["size_bytes"] or 0 for file in item["files"]) > INLINE:
                found = await asyncio.to_thread(look, item, self._book.host.blobs)
            else:
                found = look(item, self._book.host.blobs)
        except Failure as failure:
            self._fail(item, failure)
            return
        if item_id in self._book.items:
            self._finish(item, slots_of(self._book, item, found))

    def _fetch(self, item: Json) -> None:
        """Find the bytes of files in an external storage, if a test put them there."""
        store = self._book.host.store
        for file in item["files"]:
            if file["storage"] is not None and file["storage_key"] is not None:
                key = external_key(file["storage"], file["storage_key"])
                if key in store.objects:
                    blob = store.get(key)
                    file |= {"blob": blob.key, "size_bytes": blob.size}

    def _refuse_lost(self, item: Json) -> None:
        for file in item["files"]:
            if file.get("doomed"):
                raise Failure([file], "UNEXPECTED_ERROR: injected")
            if file["blob"] is None and file["storage"] is None:
                raise Failure([file], "FILE_UPLOAD_FAILED")

    def _fail(self, item: Json, failure: Failure) -> None:
        item["status"] = "error"
        for file in item["files"]:
            file["processing_status"] = "complete"
        for file in failure.files:
            file |= {"processing_status": "error", "processing_error": failure.reason}
        self._book.touch(item)

    def _finish(self, item: Json, slots: list[Json]) -> None:
        for file in item["files"]:
            file["processing_status"] = "complete"
        item["slots"] = slots
        names = [slot["slot_name"] for slot in slots]
        if item["layout"] is None or {file["slot_name"] for file in item["files"]} - set(names):
            item["layout"] = default_layout(names)
        item["status"] = "new"
        tags.attach(self._book, item, item["tags"], names[0])
        for file in item["files"]:
            shown = next(slot for slot in slots if slot["registered_as"] == file["slot_name"])
            tags.attach(self._book, item, file["tags"], shown["slot_name"])
        self._book.touch(item)
