"""Lists: one page of them at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from caseferry.sandbox.wire import answer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from caseferry_grand_challenge.sandbox.calls import Call
    from caseferry_grand_challenge.sandbox.forms import Record

USUAL_PAGE = 100
LARGEST_PAGE = 1000


def page(call: Call, rows: Sequence[Record], show: Callable[[Record], Any]) -> web.Response:
    """The page of `rows` that the query asks for, in the envelope that every list has."""
    limit = min(_count(call.request.query.get("limit"), 1, USUAL_PAGE), LARGEST_PAGE)
    offset = _count(call.request.query.get("offset"), 0, 0)
    return answer(
        {
            "count": len(rows),
            "next": _address(call, limit, offset + limit) if offset + limit < len(rows) else None,
            "previous": _address(call, limit, offset - limit) if offset > 0 else None,
            "results": [show(row) for row in rows[offset : offset + limit]],
        }
    )


def _count(text: str | None, least: int, otherwise: int) -> int:
    try:
        number = int(text or "")
    except ValueError:
        return otherwise
    return number if number >= least else otherwise


def _address(call: Call, limit: int, offset: int) -> str:
    query = parse_qs(call.request.query_string, keep_blank_values=True)
    query["limit"], query["offset"] = [str(limit)], [str(offset)]
    if offset <= 0:
        del query["offset"]
    return f"{call.world.host.origin}{call.request.path}?{urlencode(sorted(query.items()), doseq=True)}"
