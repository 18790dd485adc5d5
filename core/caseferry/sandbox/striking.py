"""Doing to a request what a fault says."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Mapping
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from caseferry.sandbox.wire import answer, page

if TYPE_CHECKING:
    from caseferry.sandbox.faults import Fault


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def strike(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do to one request what the fault says."""
    kind = fault.kind
    if kind == "stall":
        await asyncio.sleep(float(fault.argument or 30))
        return await handler(request)
    if kind == "reset-before":
        return _cut(request)
    if kind == "expired":
        return web.Response(
            status=403, text="<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"
        )
    if kind == "html":
        return page("Please log in", 200)
    if fault.status is not None and not fault.after:
        await request.read()
        return answer({"detail": "injected", "message": "injected"}, fault.status, _retry_after(fault))
    response = await handler(request)
    if kind == "reset-after":
        return _cut(request)
    if fault.status is not None:
        return answer({"detail": "injected", "message": "injected"}, fault.status, _retry_after(fault))
    if kind == "no-etag":
        response.headers.pop("ETag", None)
        return response
    return await _spoil(fault, request, response)


async def _spoil(fault: Fault, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send an answer's body cut short, slowly, or with one byte changed."""
    body = _body(response)
    if fault.kind == "corrupt":
        middle = len(body) // 2
        body = body[:middle] + bytes([body[middle] ^ 0xFF]) + body[middle + 1 :] if body else body
    spoilt = web.StreamResponse(status=response.status, headers=_own_headers(response.headers))
    spoilt.content_length = len(body)
    await spoilt.prepare(request)
    if fault.kind == "truncate":
        await spoilt.write(body[: len(body) // 2])
        return _cut(request)
    pace = int(fault.argument or 1024) if fault.kind == "trickle" else max(1, len(body))
    for start in range(0, len(body), max(1, pace // 10)):
        await spoilt.write(body[start : start + max(1, pace // 10)])
        if fault.kind == "trickle":
            await asyncio.sleep(0.1)
    await spoilt.write_eof()
    return spoilt


def _body(response: web.StreamResponse) -> bytes:
    if isinstance(response, web.FileResponse):
        return Path(response._path).read_bytes()  # noqa: SLF001  aiohttp names the file nowhere else
    body = getattr(response, "body", b"") or b""
    return bytes(body)


def _own_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in {"content-length", "date", "server"}}


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.argument is None:
        return {}
    if fault.argument == "date":
        when = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=2)
        return {"Retry-After": format_datetime(when, usegmt=True)}
    return {"Retry-After": fault.argument}
