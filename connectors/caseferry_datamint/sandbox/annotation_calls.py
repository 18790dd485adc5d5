"""Annotations one by one: writing, reading, renaming, approving, deleting, and the file that some have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.annotation_shapes import Unacceptable, annotation_answer, drafted
from caseferry_datamint.sandbox.asking import form_parts, json_body, object_body
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.refusals import Refused, malformed, missing
from caseferry_datamint.sandbox.resources import whole_file
from caseferry_datamint.sandbox.routing import Call, Caller, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()


def keep(desk: Desk, record: Record) -> str:
    """Keep a new annotation and give its id."""
    desk.table("annotations")[record["id"]] = record
    desk.index.add_annotation(record)
    return str(record["id"])


def remove(desk: Desk, record: Record, caller: Caller) -> None:
    """Delete an annotation softly."""
    record |= {"deleted": True, "deleted_at": now(), "deleted_by": caller.email}
    desk.index.drop_annotation(record)


def may_write_as(author: object, caller: Caller) -> None:
    """Refuse, with 403, that one who is no administrator names another as the author."""
    if author and author != caller.email and not caller.admin:
        raise Refused(403, "Only an administrator may import annotations of another author")


@calls.on("POST", "annotations/*/annotations")
async def create(desk: Desk, call: Call) -> web.StreamResponse:
    """Write annotations: an array comes, and an array of ids goes back in its order.

    An element that cannot be taken is answered with its error in its place; the others are kept.
    """
    resource, wishes = desk.resource(call.ids[0]), await json_body(call)
    if not isinstance(wishes, list):
        raise malformed("The body must be an array of annotations")
    for wish in wishes:
        may_write_as(wish.get("import_author") if isinstance(wish, dict) else None, call.caller)
    return answer([_created(desk, resource["id"], wish, call.caller) for wish in wishes], 201)


def _created(desk: Desk, resource_id: str, wish: Any, caller: Caller) -> str | Record:
    if (error := desk.soft_error()) is not None:
        return {"error": error}
    try:
        return keep(desk, drafted(desk, resource_id, wish, caller.email))
    except Unacceptable as refusal:
        return {"error": str(refusal)}


@calls.on("GET", "annotations/*")
async def get(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one annotation."""
    return answer(annotation_answer(desk, desk.annotation(call.ids[0])))


@calls.on("PATCH", "annotations/*")
async def patch(desk: Desk, call: Call) -> web.StreamResponse:
    """Rename an annotation, or let it count towards another project."""
    record, wish = desk.annotation(call.ids[0]), await object_body(call)
    if "project_id" in wish:
        desk.index.move_annotation(record, desk.project(str(wish["project_id"]))["worklists"][0])
    if "identifier" in wish:
        if not isinstance(wish["identifier"], str) or not wish["identifier"]:
            raise malformed("identifier must be a text")
        record["identifier"] = wish["identifier"]
    return answer(annotation_answer(desk, record))


@calls.on("PATCH", "annotations/*/approve")
async def approve(desk: Desk, call: Call) -> web.StreamResponse:
    """Approve an annotation."""
    record = desk.annotation(call.ids[0])
    record |= {"status": "approved", "approved_at": now(), "approved_by": call.caller.email}
    return answer({"status": "approved"})


@calls.on("DELETE", "annotations/*")
async def delete(desk: Desk, call: Call) -> web.StreamResponse:
    """Delete one annotation; some clients need JSON in return."""
    record = desk.annotation(call.ids[0])
    if record["deleted"]:
        raise missing("Annotation")
    remove(desk, record, call.caller)
    return answer({"id": record["id"], "deleted": True})


@calls.on("POST", "annotations/delete-batch")
async def delete_batch(desk: Desk, call: Call) -> web.StreamResponse:
    """Delete those of the named annotations that are there."""
    ids = (await object_body(call)).get("ids")
    if not isinstance(ids, list):
        raise malformed("ids must be an array")
    table = desk.table("annotations")
    records = [table[each] for each in dict.fromkeys(ids) if each in table and desk.visible(table[each])]
    for record in records:
        remove(desk, record, call.caller)
    return answer({"deleted": len(records)})


@calls.on("POST", "annotations/*/annotations/*/file")
async def attach_file(desk: Desk, call: Call) -> web.StreamResponse:
    """Keep the file that belongs to an annotation, a frame's mask for example."""
    record = desk.annotation(call.ids[1], desk.resource(call.ids[0])["id"])
    parts = await form_parts(call, desk)
    if "file" not in parts:
        raise malformed("The form has no part 'file'")
    if (error := desk.soft_error()) is not None:
        return answer({"error": error})
    record |= {"file": parts["file"].blob.key, "filename": parts["file"].filename or "file"}
    return answer({"id": record["id"], "file": annotation_answer(desk, record)["file"]})


@calls.on("GET", "annotations/*/annotations/*/file")
async def download_file(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer an annotation's file as it came."""
    record = desk.annotation(call.ids[1], desk.resource(call.ids[0])["id"])
    if record["file"] is None:
        raise missing("Annotation file")
    return whole_file(desk, call, record["file"])
