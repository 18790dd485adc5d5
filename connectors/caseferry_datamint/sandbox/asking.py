"""Reading what a request asks: bodies, pages, switches, lists of names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import Part, read_form, read_json
from caseferry_datamint.sandbox.refusals import malformed

if TYPE_CHECKING:
    from collections.abc import Container, Mapping, Sequence

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.routing import Call

PAGE_LIMIT = 5000
"""The most that one page holds, and what a request without a limit gets."""


async def json_body(call: Call) -> Any:
    """The JSON body; None when it is empty."""
    try:
        return await read_json(call.request)
    except ValueError as error:
        raise malformed(f"Unexpected token in JSON: {error}") from error


async def object_body(call: Call) -> dict[str, Any]:
    """The JSON body, which must be an object; empty when there is no body."""
    body = await json_body(call)
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise malformed("The body must be a JSON object")
    return body


async def form_parts(call: Call, desk: Desk) -> dict[str, Part]:
    """The parts of a multipart body by name, in whatever order they came."""
    if not call.request.content_type.startswith("multipart/"):
        raise malformed("The body must be multipart/form-data")
    try:
        parts = await read_form(call.request, desk.host.blobs)
    except ValueError as error:
        raise malformed(f"Malformed multipart body: {error}") from error
    return {part.name: part for part in parts}


def text_of(parts: Mapping[str, Part], name: str) -> str | None:
    """A text part, or None when it is absent or empty."""
    return parts[name].text or None if name in parts else None


def truth(value: object) -> bool:
    """A boolean, which comes as JSON or as text in any case."""
    return value is True or str(value).strip().lower() in {"true", "1", "yes"}


def whole_number(value: object, name: str) -> int:
    """A count, which comes as a number or as text."""
    try:
        number = int(str(value))
    except ValueError as error:
        raise malformed(f"{name} must be a number") from error
    if number < 0:
        raise malformed(f"{name} must not be negative")
    return number


def paged(desk: Desk, items: Sequence[Any], query: Mapping[str, Any]) -> Sequence[Any]:
    """The page that ``offset`` and ``limit`` ask for."""
    offset = whole_number(query.get("offset") or 0, "offset")
    limit = whole_number(query.get("limit") or PAGE_LIMIT, "limit")
    return items[offset : offset + min(limit, desk.page_cap or PAGE_LIMIT, PAGE_LIMIT)]


def listed(desk: Desk, items: Sequence[Any], query: Mapping[str, Any]) -> dict[str, Any]:
    """The usual envelope of a list."""
    return {"data": list(paged(desk, items, query)), "totalCount": len(items)}


@dataclass(frozen=True, slots=True)
class Names:
    """A filter by names, of which one (union) or all (intersection) must be there."""

    items: tuple[str, ...]
    every: bool

    def match(self, there: Container[str]) -> bool:
        """Whether `there` satisfies the filter."""
        return (all if self.every else any)(item in there for item in self.items)


def names(text: str | None, name: str) -> Names | None:
    """A filter written ``{"items": […], "filterType": "union" | "intersection"}``."""
    if not text:
        return None
    try:
        wish = json.loads(text)
        items = tuple(str(item) for item in wish["items"])
    except (ValueError, TypeError, KeyError) as error:
        raise malformed(f"{name} must be JSON with items and filterType") from error
    return Names(items, wish.get("filterType") == "intersection") if items else None
