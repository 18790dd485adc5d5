"""Reading requests and writing answers, with the ledger told what came."""

from __future__ import annotations

import asyncio
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import BodyPartReader, web

from caseferry.sandbox.ledger import Entry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from caseferry.sandbox.blobs import Blob, Blobs

CHUNK = 1 << 18
PIECE = 1 << 20
"""Bytes of a large body that are digested and written together, in a thread beside the one that answers: a store has
more than one core, and what it does with one body keeps no other waiting."""

ENTRY: web.RequestKey[Entry] = web.RequestKey("entry", Entry)


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON answer whose content type is exactly ``application/json``, as some clients insist."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        headers={"Content-Type": "application/json", **(headers or {})},
    )


def page(text: str, status: int) -> web.Response:
    """An HTML page, as front proxies and error handlers answer."""
    return web.Response(
        text=f"<!doctype html><title>{text}</title><h1>{text}</h1>", status=status, content_type="text/html"
    )


async def read_json(request: web.Request) -> Any:
    """The JSON body of a request, inflated when it came deflated; None for an empty body.

    Raises
    ------
    ValueError
        The body is not JSON; not-a-number and infinity count as not JSON.
    """
    raw = await request.read()
    if request.headers.get("X-Darwin-Payload-Compression-Version") == "1":
        raw = zlib.decompress(raw)
    if not raw:
        return None
    body = json.loads(raw, parse_constant=_refuse_constant)
    request[ENTRY].body = {"json": body}
    return body


def _refuse_constant(name: str) -> None:
    msg = f"Out of range float values are not JSON compliant: {name!r}"
    raise ValueError(msg)


async def read_blob(request: web.Request, blobs: Blobs) -> Blob:
    """The raw body of a request, streamed into the store.

    A body that ends early is thrown away: the connection's error is raised.
    """
    blob = await _stored(request.content.iter_chunked(CHUNK), blobs)
    request[ENTRY].body = {"bytes": blob.size, "sha256": blob.key}
    return blob


async def _stored(chunks: AsyncIterator[bytes], blobs: Blobs) -> Blob:
    """A body as a blob; what came of one that ends early is thrown away."""
    writer, loop = blobs.writer(), asyncio.get_running_loop()
    held: list[bytes] = []
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in chunks:
            held.append(chunk)
            if sum(map(len, held)) >= PIECE:
                if writing is not None:
                    await writing
                writing = loop.run_in_executor(None, writer.write, b"".join(held))
                held.clear()
        if writing is not None:
            await writing
        writer.write(b"".join(held))
    except BaseException:
        if writing is not None:
            await asyncio.wait({writing})
        writer.abort()
        raise
    return writer.close()


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK):
        yield chunk


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a multipart form. Parts with a file name are files; the others hold text."""

    name: str
    filename: str | None
    content_type: str | None
    blob: Blob

    @property
    def text(self) -> str:
        """The part as text."""
        return self.blob.read().decode()


async def read_form(request: web.Request, blobs: Blobs) -> list[Part]:
    """The parts of a multipart body in order, files streamed into the store."""
    parts: list[Part] = []
    described: list[dict[str, Any]] = []
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        blob = await _stored(_chunks(part), blobs)
        filename = unquote(part.filename) if part.filename is not None else None
        content_type = part.headers.get("Content-Type")
        parts.append(Part(part.name or "", filename, content_type, blob))
        described.append(
            {"name": part.name, "filename": filename, "content_type": content_type, "size": blob.size}
            | ({"sha256": blob.key} if filename is not None else {"value": blob.read().decode(errors="replace")})
        )
    request[ENTRY].body = {"form": described}
    return parts


def serve_blob(request: web.Request, blob: Blob, headers: Mapping[str, str] | None = None) -> web.StreamResponse:
    """Stored bytes as an answer: whole, or the single range asked for."""
    kept = {
        "ETag": f'"{blob.md5}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream",
        **(headers or {}),
    }
    wanted = request.http_range
    if wanted.start is None and wanted.stop is None:
        if blob.path is not None and request.method == "GET":
            return web.FileResponse(blob.path, headers=kept, chunk_size=CHUNK)
        return web.Response(body=blob.read(), headers=kept)
    start = wanted.start if wanted.start is not None else 0
    if start < 0:
        start = max(0, blob.size + start)
    stop = min(blob.size, wanted.stop if wanted.stop is not None else blob.size)
    if start >= stop:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{blob.size}"})
    with blob.open() as stream:
        stream.seek(start)
        content = stream.read(stop - start)
    return web.Response(
        status=206, body=content, headers={**kept, "Content-Range": f"bytes {start}-{stop - 1}/{blob.size}"}
    )


def token(*parts: object) -> str:
    """A short digest of some words, for signatures that only the sandbox checks."""
    return hashlib.sha256("\n".join(str(part) for part in parts).encode()).hexdigest()[:32]
