"""Sockets, which the API calls component interfaces: read only, and the same for everybody with an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_grand_challenge.sandbox import shapes
from caseferry_grand_challenge.sandbox.pages import page
from caseferry_grand_challenge.sandbox.refusals import not_found

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call


async def sockets(call: Call) -> web.Response:
    """All sockets, by number."""
    call.someone()
    slug = call.request.query.get("slug")
    if slug:
        found = call.world.socket(slug)
        rows = [found] if found is not None else []
    else:
        rows = sorted(call.world.table("sockets").values(), key=lambda row: int(row["pk"]))
    return page(call, rows, lambda row: shapes.socket(call.world, row))


async def socket(call: Call) -> web.Response:
    """One socket."""
    call.someone()
    for row in call.world.table("sockets").values():
        if str(row["pk"]) == call.word("pk"):
            return answer(shapes.socket(call.world, row))
    raise not_found("ComponentInterface")
