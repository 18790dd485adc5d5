"""What happens to resources after their upload: publishing, tagging, deleting, restoring.

Deleting is soft. A deleted resource leaves its projects and worklists, and its annotations go out of sight with
it; restoring brings resource and annotations back, but not into the projects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import object_body
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.refusals import Refused, malformed, missing
from caseferry_datamint.sandbox.resources import resource_answer
from caseferry_datamint.sandbox.routing import Call, Caller, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

NOT_IN_INBOX = "Resource must be in inbox status to be approved"
"""The words by which clients recognise that a resource was published before."""


@calls.on("POST", "resources/*/publish")
async def publish(desk: Desk, call: Call) -> web.StreamResponse:
    """Publish a resource that is in the inbox."""
    record = desk.resource(call.ids[0])
    if record["status"] != "inbox":
        raise Refused(400, NOT_IN_INBOX)
    _publish(record, call.caller)
    return answer(resource_answer(desk, record))


@calls.on("POST", "resources/bulk-publish")
async def bulk_publish(desk: Desk, call: Call) -> web.StreamResponse:
    """Publish those of the named resources that are in the inbox."""
    records = desk.resources(await _listed_ids(call, "resource_ids"))
    waiting = [record for record in records if record["status"] == "inbox"]
    for record in waiting:
        _publish(record, call.caller)
    return answer({"published": len(waiting)})


def _publish(record: Record, caller: Caller) -> None:
    record |= {"status": "published", "published_on": now(), "published_by": caller.email}


@calls.on("PUT", "resources/*/tags")
async def set_tags(desk: Desk, call: Call) -> web.StreamResponse:
    """Replace the tags of one resource."""
    record = desk.resource(call.ids[0])
    desk.index.retag(record, _tags((await object_body(call)).get("tags")))
    return answer({"tags": record["tags"]})


@calls.on("PUT", "resources/tags")
async def set_tags_of_many(desk: Desk, call: Call) -> web.StreamResponse:
    """Replace the tags of several resources."""
    body = await object_body(call)
    records = desk.resources(body.get("resource_ids") or [])
    for record in records:
        desk.index.retag(record, _tags(body.get("tags")))
    return answer({"updated": len(records)})


def _tags(wished: object) -> list[str]:
    if not isinstance(wished, list) or not all(isinstance(tag, str) for tag in wished):
        raise malformed("tags must be an array of strings")
    return list(wished)


@calls.on("DELETE", "resources/*")
async def delete(desk: Desk, call: Call) -> web.StreamResponse:
    """Delete one resource; some clients need JSON in return."""
    record = desk.resource(call.ids[0])
    if record["deleted_at"]:
        raise missing("Resource")
    _delete(desk, record, call.caller)
    return answer({"id": record["id"], "deleted": True})


@calls.on("DELETE", "resources")
async def delete_many(desk: Desk, call: Call) -> web.StreamResponse:
    """Delete the resources in a list with commas: all of them, or none when one is not there."""
    named = [name for name in call.request.query.get("resource_ids", "").split(",") if name]
    if not named:
        raise malformed("resource_ids is required")
    records = desk.resources(named)
    for record in records:
        _delete(desk, record, call.caller)
    return answer({"deleted": len(records)})


def _delete(desk: Desk, record: Record, caller: Caller) -> None:
    for project_id in list(record["projects"]):
        desk.detach(desk.project(project_id), [record])
    for worklist in desk.table("worklists").values():
        worklist["resources"].pop(record["id"], None)
    record |= {"deleted_at": now(), "deleted_by": caller.email}


@calls.on("POST", "resources/*/restore")
async def restore(desk: Desk, call: Call) -> web.StreamResponse:
    """Bring one deleted resource back."""
    reason = _restore(desk, call.ids[0])
    if reason == "not_found":
        raise missing("Resource")
    if reason is not None:
        raise Refused(400, f"Resource cannot be restored: {reason}")
    return answer(resource_answer(desk, desk.resource(call.ids[0])))


@calls.on("POST", "resources/restore")
async def restore_many(desk: Desk, call: Call) -> web.StreamResponse:
    """Bring several deleted resources back, and say why some are not."""
    reasons = {name: _restore(desk, name) for name in await _listed_ids(call, "ids")}
    return answer(
        {
            "restored": [name for name, reason in reasons.items() if reason is None],
            "skipped": [{"id": name, "reason": reason} for name, reason in reasons.items() if reason is not None],
        }
    )


def _restore(desk: Desk, resource_id: str) -> str | None:
    """Bring a resource back; the reason when that cannot be."""
    record = desk.table("resources").get(resource_id)
    if record is None:
        return "not_found"
    if record["deleted_at"] is None:
        return "not_deleted"
    record |= {"deleted_at": None, "deleted_by": None}
    return None


async def _listed_ids(call: Call, name: str) -> list[str]:
    ids = (await object_body(call)).get(name)
    if not isinstance(ids, list):
        raise malformed(f"{name} must be an array")
    return [str(each) for each in ids]
