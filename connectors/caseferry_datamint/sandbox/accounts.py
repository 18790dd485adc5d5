"""Users, invitations, and the old registry of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import object_body, paged
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.desk import CUSTOMER, Desk
from caseferry_datamint.sandbox.refusals import Refused, malformed, missing
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.index import Record

calls = Calls()


def new_user(desk: Desk, wish: Record) -> Record:
    """Make a user; the e-mail address is the id."""
    record = {
        "id": wish["email"],
        "email": wish["email"],
        "firstname": wish.get("firstname"),
        "lastname": wish.get("lastname"),
        "roles": wish.get("roles") or [],
        "customer_id": CUSTOMER,
        "created_at": now(),
    }
    desk.table("users")[record["email"]] = record
    return record


def _user(desk: Desk, email: str) -> Record:
    record = desk.table("users").get(email)
    if record is None:
        raise missing("User")
    return record


def _only_admin(call: Call) -> None:
    if not call.caller.admin:
        raise Refused(403, "Forbidden: administrators only")


async def _with_email(call: Call) -> Record:
    wish = await object_body(call)
    if not isinstance(wish.get("email"), str) or "@" not in wish["email"]:
        raise malformed("email is required")
    return wish


@calls.on("GET", "users")
async def list_users(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer all users as a bare list."""
    return answer(list(paged(desk, list(desk.table("users").values()), call.request.query)))


@calls.on("POST", "users")
async def create_user(desk: Desk, call: Call) -> web.StreamResponse:
    """Make a user."""
    _only_admin(call)
    wish = await _with_email(call)
    if wish["email"] in desk.table("users"):
        raise Refused(409, "User already exists", _user(desk, wish["email"]))
    return answer(new_user(desk, wish), 201)


@calls.on("GET", "users/*")
async def get_user(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one user."""
    return answer(_user(desk, call.ids[0]))


@calls.on("PATCH", "users/*")
async def patch_user(desk: Desk, call: Call) -> web.StreamResponse:
    """Change a user's names or roles."""
    _only_admin(call)
    record, wish = _user(desk, call.ids[0]), await object_body(call)
    record |= {name: wish[name] for name in ("firstname", "lastname", "roles") if name in wish}
    return answer(record)


@calls.on("DELETE", "users/*")
async def delete_user(desk: Desk, call: Call) -> web.StreamResponse:
    """Remove a user."""
    _only_admin(call)
    del desk.table("users")[_user(desk, call.ids[0])["email"]]
    return answer({"deleted": True})


@calls.on("POST", "users/invite")
async def invite(desk: Desk, call: Call) -> web.StreamResponse:
    """Invite someone, who is no user before accepting."""
    _only_admin(call)
    wish = await _with_email(call)
    record = wish | {"status": "pending", "created_at": now(), "created_by": call.caller.email}
    desk.table("invitations")[wish["email"]] = record
    return answer(record, 201)


@calls.on("GET", "users/invitations")
async def list_invitations(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the invitations that wait, all or those to one project."""
    project_id = call.request.query.get("project_id")
    found = desk.table("invitations").values()
    return answer([each for each in found if project_id in {None, each.get("project_id")}])


@calls.on("DELETE", "users/invitations/*/revoke")
async def revoke_invitation(desk: Desk, call: Call) -> web.StreamResponse:
    """Take an invitation back."""
    _only_admin(call)
    if desk.table("invitations").pop(call.ids[0], None) is None:
        raise missing("Invitation")
    return answer({"revoked": True})


@calls.on("GET", "ai-models")
async def list_models(desk: Desk, call: Call) -> web.StreamResponse:  # noqa: ARG001  every call has these
    """Answer the registered models as a bare list."""
    return answer(list(desk.table("models").values()))


@calls.on("POST", "ai-models")
async def create_model(desk: Desk, call: Call) -> web.StreamResponse:
    """Register a model by its name."""
    name = (await object_body(call)).get("name")
    if not isinstance(name, str) or not name:
        raise malformed("name is required")
    if name in desk.table("models"):
        raise Refused(409, "Model already exists", desk.table("models")[name])
    record = {"id": desk.uuid(), "name": name, "created_at": now(), "created_by": call.caller.email}
    desk.table("models")[name] = record
    return answer(record, 201)
