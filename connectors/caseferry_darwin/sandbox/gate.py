"""The door of the stand-in: the key, the team, the body's size, and errors as answers."""

from __future__ import annotations

import secrets
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from caseferry.sandbox.wire import read_json
from caseferry_darwin.sandbox.errors import Missing, Refusal, TooLarge, Unauthorized, Unreadable
from caseferry_darwin.sandbox.fields import Json, record

if TYPE_CHECKING:
    from caseferry_darwin.sandbox.book import Book


@dataclass(frozen=True, slots=True)
class Call:
    """One request that was let in.

    Attributes
    ----------
    body : what its JSON body says; None when it had none
    """

    request: web.Request
    body: Any

    def __getitem__(self, name: str) -> str:
        return self.request.match_info[name]

    @property
    def fields(self) -> Json:
        """The body, which must be an object."""
        return record(self.body)


Handler = Callable[[Call], web.StreamResponse]


class Gate:
    """Lets requests in.

    Parameters
    ----------
    book : where the limits are
    key : the one API key that is good
    """

    def __init__(self, book: Book, key: str) -> None:
        self._book = book
        self._key = key

    def route(self, method: str, path: str, handler: Handler, *, keyless: bool = False) -> web.RouteDef:
        """A route whose handler sees only requests that are in order. `keyless` handlers look at keys themselves."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                if not (keyless or self.admits(request)):
                    raise Unauthorized
                if request.match_info.get("team", self._book.team) != self._book.team:
                    raise Missing
                body = await self._read(request) if request.can_read_body else None
                return handler(Call(request, body))
            except Refusal as refusal:
                return refusal.response()

        return web.route(method, path, handle)

    def admits(self, request: web.Request) -> bool:
        """Whether the request carries the key."""
        given = request.headers.get("Authorization", "")
        return secrets.compare_digest(given.encode(), f"ApiKey {self._key}".encode())

    async def _read(self, request: web.Request) -> Any:
        # What counts is the size on the wire: the limit belongs to a proxy in front of the platform.
        if len(await request.read()) > self._book.switches["json_bytes"]:
            raise TooLarge
        try:
            return await read_json(request)
        except (ValueError, zlib.error):
            raise Unreadable("the body is not JSON") from None
