"""The stand-in itself: who may call, what is answered, and what a new sandbox holds.

Nothing on this platform is asynchronous: a file is read, and its annotations are there, before the answer goes
out. So ``fail-later`` faults never strike here, and a processing delay changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox import (
    accounts,
    annotation_calls,
    datasets,
    exports,
    lifecycle,
    listing,
    project_work,
    projects,
    resources,
    search,
    segmentations,
    tracks,
    worklists,
)
from caseferry_datamint.sandbox.accounts import new_user
from caseferry_datamint.sandbox.desk import TABLES, Desk
from caseferry_datamint.sandbox.refusals import Refused
from caseferry_datamint.sandbox.routing import Call, Caller, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caseferry_datamint.sandbox.index import Record

ADMIN_KEY = "sandbox-datamint-admin-key"
"""The key in the variables; its owner may do everything."""

MEMBER_KEY = "sandbox-datamint-member-key"
"""The key of one who works with data but may not import annotations of others or manage users."""

POWERLESS_KEY = "sandbox-datamint-powerless-key"
"""A key that is known and may do nothing: every call is answered with 403."""

ADMIN, MEMBER, GUEST = "admin@sandbox.example", "member@sandbox.example", "guest@sandbox.example"
"""The owners of the keys."""

PROJECT = "sandbox"
"""The project of a new sandbox."""

GROUPS = (
    resources,
    listing,
    lifecycle,
    projects,
    project_work,
    exports,
    datasets,
    annotation_calls,
    search,
    segmentations,
    tracks,
    worklists,
    accounts,
)


class DatamintStandIn(Desk):
    """A stand-in of Datamint, as its clients from 1.3 to 2.45 know it."""

    dataset: ClassVar[str] = f"datamint:{PROJECT}"

    _table = Table(group.calls for group in GROUPS)

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """One route for everything, since paths are compared without regard to extra slashes."""
        return [web.route("*", "/{path:(?!_sandbox/).*}", self.handle)]

    def variables(self, ca_file: str) -> Mapping[str, str]:
        """What the official clients read: the origin without a slash at its end, and the administrator's key."""
        return {"DATAMINT_API_URL": self.host.origin, "DATAMINT_API_KEY": ADMIN_KEY}

    def seed(self) -> None:
        """The three keys, their owners, and one project."""
        self.state.update({name: {} for name in TABLES})
        for key, email, power in (
            (ADMIN_KEY, ADMIN, "admin"),
            (MEMBER_KEY, MEMBER, "member"),
            (POWERLESS_KEY, GUEST, ""),
        ):
            self.state["keys"][key] = {"email": email, "power": power}
            name = email.split("@")[0].capitalize()
            new_user(
                self, {"email": email, "firstname": name, "lastname": "Sandbox", "roles": [power] if power else []}
            )
        self.add_project(PROJECT)

    def add_project(self, name: str, description: str = "") -> Record:
        """Make an empty project of the administrator's, and give it as the platform answers it."""
        wish = {"name": name, "description": description}
        return projects.project_answer(self, projects.new_project(self, wish, ADMIN))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        found = self._table.find(request.method, request.path)
        if found is None:
            return answer(
                {"message": f"Route not found, not implemented by the sandbox: {request.method} {request.path}"}, 404
            )
        handler, ids = found
        try:
            return await handler(self, Call(request, ids, self._caller(request)))
        except Refused as refusal:
            return answer(refusal.body, refusal.status)

    def _caller(self, request: web.Request) -> Caller:
        """Whose key stands in ``apikey``; a bearer beside it is not looked at."""
        owner = self.table("keys").get(request.headers.get("apikey", ""))
        if owner is None:
            raise Refused(401, "Unauthorized")
        if not owner["power"]:
            raise Refused(403, "Forbidden")
        return Caller(owner["email"], owner["power"] == "admin")
