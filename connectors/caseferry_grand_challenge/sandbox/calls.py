"""One request: who asks, what was sent, and the answer when it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from caseferry.sandbox.wire import answer, read_json
from caseferry_grand_challenge.sandbox.accounts import User, authenticate
from caseferry_grand_challenge.sandbox.forms import API, normal_uuid
from caseferry_grand_challenge.sandbox.refusals import (
    RefusedError,
    denied,
    detail,
    no_method,
    not_found,
    unauthenticated,
)

if TYPE_CHECKING:
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

LARGEST_JSON = 16 << 20
"""The largest body that the front proxy lets through."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Call:
    """A request that has been authenticated.

    Attributes
    ----------
    user : None for somebody without a token
    """

    world: World
    request: web.Request
    user: User | None

    def someone(self) -> User:
        """Who asks, where an account is needed.

        Raises
        ------
        RefusedError
            Nobody: 401.
        """
        if self.user is None:
            raise unauthenticated()
        return self.user

    def word(self, name: str) -> str:
        """One variable part of the path."""
        return self.request.match_info[name]

    def found(self, model: str, find: Callable[[str], Record | None]) -> Record:
        """The object that the path names.

        Raises
        ------
        RefusedError
            `find` knows no such object that who asks may see: 404.
        """
        pk = normal_uuid(self.word("pk"))
        if pk is None:
            raise detail(404, "Not found.")
        record = find(pk)
        if record is None:
            raise not_found(model)
        return record

    def found_in(self, table: str, model: str, may: Callable[[User | None, Record], bool]) -> Record:
        """The row of a table that the path names.

        Parameters
        ----------
        may : whether somebody may see a row

        Raises
        ------
        RefusedError
            There is none that who asks may see: 404.
        """

        def find(pk: str) -> Record | None:
            row: Record | None = self.world.table(table).get(pk)
            return row if row is not None and may(self.user, row) else None

        return self.found(model, find)

    def viewable(self, table: str) -> list[Record]:
        """The rows of a table that who asks may view, those of a slug when the query names one."""
        slug = self.request.query.get("slug")
        rows = self.world.table(table).values()
        return [row for row in rows if self.world.may_view(self.user, row) and slug in {None, "", row["slug"]}]

    async def body(self) -> Record:
        """The JSON object that was sent; empty when nothing was.

        Raises
        ------
        RefusedError
            Too large for the front proxy: 413; not JSON by its type: 415; not a JSON object: 400.
        """
        length = self.request.content_length
        if length is not None and length > LARGEST_JSON:
            raise RefusedError(413, "413 Request Entity Too Large", html=True)
        raw = await self.request.read()
        if not raw:
            return {}
        if self.request.content_type != "application/json":
            raise detail(415, f'Unsupported media type "{self.request.content_type}" in request.')
        try:
            body = await read_json(self.request)
        except ValueError as error:
            raise detail(400, f"JSON parse error - {error}") from error
        if body is None:
            raise RefusedError(400, {"non_field_errors": ["No data provided"]})
        if not isinstance(body, dict):
            words = f"Invalid data. Expected a dictionary, but got {type(body).__name__}."
            raise RefusedError(400, {"non_field_errors": [words]})
        return body


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one address answers.

    Attributes
    ----------
    path : below the API's base
    methods : handlers by method
    delete : the status of the DELETE that nobody may do: 403, or 405
    table : whether the server could answer with CSV as well
    """

    path: str
    methods: dict[str, Handler] = field(default_factory=dict)
    delete: int = 403
    table: bool = False

    def routes(self, world: World) -> list[web.RouteDef]:
        """The route itself, and the one that only lacks the slash at its end."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._answer(world, request)
            except RefusedError as error:
                return error.response()

        full = f"{API}{self.path}"
        return [web.route("*", full, handle), web.route("*", full.rstrip("/"), _add_slash)]

    async def _answer(self, world: World, request: web.Request) -> web.StreamResponse:
        self._negotiate(request.headers.get("Accept", ""))
        call = Call(world, request, authenticate(request.headers.get("Authorization")))
        method = "GET" if request.method == "HEAD" else request.method
        if method == "OPTIONS":
            return self._describe()
        if method not in SAFE and call.user is None:
            raise unauthenticated()
        handler = self.methods.get(method)
        if handler is not None:
            return await handler(call)
        raise denied() if method == "DELETE" and self.delete == 403 else no_method(method)

    def _negotiate(self, accept: str) -> None:
        """Refuse a client that takes no JSON."""
        if not accept:
            return
        wanted = {part.split(";")[0].strip() for part in accept.split(",")}
        if wanted & {"*/*", "application/*", "application/json"}:
            return
        if self.table and wanted & {"text/csv", "text/*"}:
            raise detail(404, "not implemented by the sandbox: answers in text/csv")
        raise detail(406, "Could not satisfy the request Accept header.")

    def _describe(self) -> web.Response:
        renders = ["application/json", "text/csv"] if self.table else ["application/json"]
        body: dict[str, Any] = {
            "name": self.path.split("/")[0].replace("-", " ").title(),
            "description": "",
            "renders": renders,
            "parses": ["application/json"],
        }
        return answer(body, headers={"Allow": ", ".join([*self.methods, "HEAD", "OPTIONS"])})


async def _add_slash(request: web.Request) -> web.Response:
    query = f"?{request.query_string}" if request.query_string else ""
    return web.Response(status=301, headers={"Location": f"{request.rel_url.raw_path}/{query}"})
