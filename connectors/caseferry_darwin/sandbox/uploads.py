"""Uploads: signing, confirming, and the originals that come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from caseferry.sandbox.wire import answer, serve_blob, token
from caseferry_darwin.sandbox.errors import Invalid, Missing, NotImplementedHere, Unauthorized
from caseferry_darwin.sandbox.fields import Json, whole
from caseferry_darwin.sandbox.imagined import imagine
from caseferry_darwin.sandbox.processing import external_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate
    from caseferry_darwin.sandbox.processing import Processing


def store_key(upload_id: str) -> str:
    """Where the object store keeps what was uploaded."""
    return f"uploads/{upload_id}"


def export_token(upload_id: str) -> str:
    """What lets somebody without a key read an original: put into exports that ask for it."""
    return token("original", upload_id)


class Uploads:
    """Calls about the bytes of items."""

    def __init__(self, book: Book, processing: Processing) -> None:
        self._book = book
        self._processing = processing
        self._gate: Gate | None = None

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        self._gate = gate
        base = "/api/v2/teams/{team}"
        yield gate.route("GET", base + "/items/uploads/{id}/sign", self.sign)
        yield gate.route("POST", base + "/items/uploads/{id}/confirm", self.confirm)
        yield gate.route("GET", base + "/uploads/{id}", self.original, keyless=True)
        yield gate.route("GET", base + "/files/{id}/thumbnail", self.thumbnail)
        yield gate.route("GET", base + "/files/{id}/sections/{n}", self.section)
        yield gate.route("GET", base + "/files/{id}/frame_manifests/{n}", self.manifest)

    def sign(self, call: Call) -> web.Response:
        """A URL that takes the bytes of one upload, without any key."""
        _, file = self._book.file(call["id"])
        if file["processing_status"] != "uploading":
            # What the platform answers here is not public.
            raise Invalid("upload_id", "was confirmed already")
        return answer({"upload_url": self._book.host.store.sign("PUT", store_key(call["id"]))})

    def confirm(self, call: Call) -> web.Response:
        """The client says that the bytes are there. Saying so again changes nothing."""
        item, file = self._book.file(call["id"])
        if file["processing_status"] == "uploading":
            store = self._book.host.store
            key = store_key(call["id"])
            if key in store.objects:
                blob = store.get(key)
                file |= {"blob": blob.key, "size_bytes": blob.size}
            doomed = self._book.host.fails_later("POST", call.request.path) is not None
            self._processing.arrived(item, file, doomed=doomed)
        return answer({})

    def original(self, call: Call) -> web.StreamResponse:
        """The bytes as they were uploaded, or as they lie in the external storage."""
        allowed = call.request.query.get("token") == export_token(call["id"])
        if not (allowed or (self._gate is not None and self._gate.admits(call.request))):
            raise Unauthorized
        _, file = self._book.file(call["id"])
        blob = file["blob"] or self._external(file, file["storage_key"]) or self._imagined(file)
        if blob is None:
            raise Missing
        return serve_blob(call.request, self._book.host.blobs.get(blob))

    def thumbnail(self, call: Call) -> web.StreamResponse:
        """The small picture of a slot: the one that was registered, or the image itself."""
        _, file, _ = self._slot(call)
        declared = self._external(file, (file.get("declared") or {}).get("thumbnail"))
        blob = declared or (file["blob"] if file["type"] == "image" else None)
        return self._serve(call, blob, "thumbnails that it would have to draw")

    def section(self, call: Call) -> web.StreamResponse:
        """One frame of a slot, counted from 0: the one that was registered, or the image itself."""
        slot, file, _ = self._slot(call)
        place = whole(call["n"], "n", least=0)
        if place >= slot["total_sections"]:
            raise Missing
        sections = (file.get("declared") or {}).get("sections", [])
        declared = self._external(file, sections[place]["hq"]) if sections else None
        blob = declared or (file["blob"] if file["type"] == "image" else None)
        return self._serve(call, blob, "frames that it would have to draw")

    def manifest(self, call: Call) -> web.StreamResponse:
        """Which frames of a video are shown: lines of frame, segment, visible, seconds."""
        slot, _, _ = self._slot(call)
        manifests = slot["metadata"].get("frames_manifests")
        if not manifests or call["n"] != "1":
            raise Missing
        total, visible = manifests[0]["total_frames"], manifests[0]["visible_frames"]
        native = slot["metadata"]["native_fps"]
        shown = {n * total // visible for n in range(visible)}
        lines = (f"{n}:0:{int(n in shown)}:{n / native:.6f}\n" for n in range(total))
        return web.Response(text="".join(lines), content_type="text/plain")

    def _slot(self, call: Call) -> tuple[Json, Json, Json]:
        item = self._book.items.get(self._book.table("files").get(call["id"], ""))
        for slot in item["slots"] if item else ():
            if slot["id"] == call["id"]:
                _, file = self._book.file(slot["upload_id"])
                return slot, file, item or {}
        raise Missing

    def _external(self, file: Json, key: str | None) -> str | None:
        if file["storage"] is None or key is None:
            return None
        return self._book.host.store.objects.get(external_key(file["storage"], key))

    def _imagined(self, file: Json) -> str | None:
        """What lies under a key of a storage where every key holds something."""
        storage = self._book.table("storages").get(file["storage"])
        if storage is None or not storage["imagined"] or "declared" not in file or file["storage_key"] is None:
            return None
        content = imagine(file)
        return None if content is None else self._book.host.blobs.add(content).key

    def _serve(self, call: Call, blob: str | None, what: str) -> web.StreamResponse:
        if blob is None:
            raise NotImplementedHere(what)
        return serve_blob(call.request, self._book.host.blobs.get(blob))
