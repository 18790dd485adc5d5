"""Worklists, which the platform's paths call annotation sets: what is to be annotated, by whom, with which labels.

The worklist that comes with a project follows the project's resources. Any other accepts only published resources
that are in its project already. An annotation counts towards a project only when it names one of its worklists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import listed, object_body
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.refusals import Refused, malformed, missing
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

STATUSES = ("new", "updating", "active", "completed")
SPECIFIED = ("type", "scope", "identifier")
"""What every entry of a worklist's ``annotations`` must say."""

READ_NAMES = {
    "viewable_ai_annotations": "viewable_ai_annotations",
    "editable_ai_annotations": "editable_ai_annotations",
    "viewable_ai_segmentations": "viewable_ai_segs",
    "editable_ai_segmentations": "editable_ai_segs",
}
"""Settings that are written under one name and read under another."""


def worklist_answer(record: Record) -> Record:
    """A worklist as the platform answers it."""
    body = {name: value for name, value in record.items() if name not in {"resources", "segmentation", "work"}}
    segmentation = record["segmentation"]
    group = {
        definition["identifier"]: {"color": _rgba(definition.get("color")), "index": definition.get("index")}
        for definition in segmentation["definitions"]
    }
    return body | {
        "resource_ids": list(record["resources"]),
        "segmentation_group": group,
        "segmentation_type": segmentation["segmentationValueType"],
    }


def _rgba(color: Any) -> list[int]:
    rgb = list(color) if isinstance(color, list) else [255, 0, 0]
    return [*rgb[:3], rgb[3] if len(rgb) > 3 else 255]


def summary(record: Record) -> Record:
    """A worklist as a project's list of worklists answers it."""
    return {
        "worklist_id": record["id"],
        "worklist_name": record["name"],
        "status": record["status"],
        "annotators": record["annotators"],
        "description": record["description"],
        "created_at": record["created_at"],
        "created_by": record["created_by"],
        "resource_count": len(record["resources"]),
    }


def new_worklist(desk: Desk, wish: Record, owner: str, project_id: str | None) -> Record:
    """Make a worklist without resources."""
    record = {
        "id": desk.uuid(),
        "name": wish["name"],
        "description": wish.get("description"),
        "status": "new",
        "project_id": project_id,
        "annotators": [_annotator(each) for each in wish.get("annotators") or []],
        "annotations": specifications(wish.get("annotations") or []),
        "frame_labels": wish.get("frame_labels") or [],
        "image_labels": wish.get("image_labels") or [],
        "return_url": wish.get("return_url"),
        "segmentation": _segmentation(wish.get("segmentation_data")),
        "created_at": now(),
        "created_by": owner,
        "resources": {},
        "work": {},
    }
    record |= {read: wish.get(written) for written, read in READ_NAMES.items()}
    desk.table("worklists")[record["id"]] = record
    return record


def specifications(entries: Any) -> list[Record]:
    """The labels that a worklist asks for, each told completely."""
    if not isinstance(entries, list):
        raise malformed("annotations must be an array")
    for entry in entries:
        lacking = [name for name in SPECIFIED if not (isinstance(entry, dict) and entry.get(name))]
        if lacking:
            raise malformed(f"annotations: {', '.join(lacking)} is required")
        if entry["type"] == "category" and not isinstance(entry.get("values"), list):
            raise malformed("annotations: values is required for a category")
    return [{"required": False, **entry} for entry in entries]


def _annotator(each: Any) -> Record:
    return {"status": "new", **(each if isinstance(each, dict) else {"email": str(each)})}


def _segmentation(wish: Any) -> Record:
    wish = wish if isinstance(wish, dict) else {}
    kind = wish.get("segmentationValueType") or "single_label"
    if kind not in {"single_label", "multi_label"}:
        raise malformed("segmentationValueType must be single_label or multi_label")
    return {"segmentationValueType": kind, "definitions": list(wish.get("definitions") or [])}


@calls.on("GET", "annotationsets")
async def list_worklists(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer all worklists, or those of one status. The server of today has no such list."""
    if desk.current_server:
        raise missing("Route")
    status = call.request.query.get("status")
    found = [record for record in desk.table("worklists").values() if status in {None, "", record["status"]}]
    return answer(listed(desk, [worklist_answer(record) for record in found], call.request.query))


@calls.on("POST", "annotationsets")
async def create_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Make a worklist and answer its id."""
    wish = await object_body(call)
    if not wish.get("name"):
        raise malformed("name is required")
    project = desk.project(wish["project_id"]) if wish.get("project_id") else None
    resources = _accepted(desk, wish.get("resource_ids") or [], project)
    record = new_worklist(desk, wish, call.caller.email, project["id"] if project else None)
    record["resources"] = {resource["id"]: record["created_at"] for resource in resources}
    if project is not None:
        project["worklists"].append(record["id"])
    return answer({"id": record["id"]}, 201)


def _accepted(desk: Desk, resource_ids: list[Any], project: Record | None) -> list[Record]:
    resources = desk.resources(resource_ids)
    for resource in resources:
        if project is not None and resource["id"] not in project["resources"]:
            raise Refused(400, f"Resource {resource['id']} is not in the project")
        if project is not None and resource["status"] != "published":
            raise Refused(400, f"Resource {resource['id']} is not published")
    return resources


@calls.on("GET", "annotationsets/*")
async def get_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one worklist with its labels."""
    return answer(worklist_answer(desk.worklist(call.ids[0])))


@calls.on("PATCH", "annotationsets/*")
async def patch_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Change a worklist's name, status, people or labels."""
    record, wish = desk.worklist(call.ids[0]), await object_body(call)
    if wish.get("status", "new") not in STATUSES:
        raise malformed(f"status must be one of {', '.join(STATUSES)}")
    changes: Record = {
        name: wish[name]
        for name in ("name", "description", "status", "frame_labels", "image_labels", "return_url")
        if name in wish
    }
    if "annotations" in wish:
        changes["annotations"] = specifications(wish["annotations"])
    if "annotators" in wish:
        changes["annotators"] = [_annotator(each) for each in wish["annotators"]]
    changes |= {read: wish[written] for written, read in READ_NAMES.items() if written in wish}
    record |= changes
    return answer(worklist_answer(record))


@calls.on("POST", "annotationsets/*/resources")
async def change_worklist_resources(desk: Desk, call: Call) -> web.StreamResponse:
    """Put resources on a worklist, or take them off."""
    record, wish = desk.worklist(call.ids[0]), await object_body(call)
    project = desk.project(record["project_id"]) if record["project_id"] else None
    added = _accepted(desk, wish.get("resource_ids_to_add") or [], project)
    removed = desk.resources(wish.get("resource_ids_to_delete") or [])
    for resource in added:
        record["resources"].setdefault(resource["id"], now())
    for resource in removed:
        record["resources"].pop(resource["id"], None)
    return answer({"added": len(added), "deleted": len(removed)})


@calls.on("GET", "annotationsets/*/segmentation-group")
async def get_segmentation_group(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the segment labels of a worklist with their colours."""
    record = worklist_answer(desk.worklist(call.ids[0]))
    return answer({name: record[name] for name in ("segmentation_group", "segmentation_type")})


@calls.on("PUT", "annotationsets/*/segmentation-group")
async def put_segmentation_group(desk: Desk, call: Call) -> web.StreamResponse:
    """Replace the segment labels of a worklist."""
    record, wish = desk.worklist(call.ids[0]), await object_body(call)
    record["segmentation"] = _segmentation(wish.get("segmentationData"))
    return answer({"updated": True})


@calls.on("DELETE", "annotationsets/*/segmentation-group/*")
async def delete_segment(desk: Desk, call: Call) -> web.StreamResponse:
    """Remove one segment label."""
    segmentation = desk.worklist(call.ids[0])["segmentation"]
    kept = [each for each in segmentation["definitions"] if each["identifier"] != call.ids[1]]
    if len(kept) == len(segmentation["definitions"]):
        raise missing("Segmentation label")
    segmentation["definitions"] = kept
    return answer({"deleted": call.ids[1]})


@calls.on("POST", "annotationsets/*/annotators/*")
async def add_annotator(desk: Desk, call: Call) -> web.StreamResponse:
    """Give a worklist to one more person."""
    record = desk.worklist(call.ids[0])
    if all(each["email"] != call.ids[1] for each in record["annotators"]):
        record["annotators"].append(_annotator(call.ids[1]))
    return answer(summary(record))


@calls.on("DELETE", "annotationsets/*/annotators/*")
async def remove_annotator(desk: Desk, call: Call) -> web.StreamResponse:
    """Take a worklist from a person."""
    record = desk.worklist(call.ids[0])
    record["annotators"] = [each for each in record["annotators"] if each["email"] != call.ids[1]]
    return answer(summary(record))


@calls.on("POST", "annotationsets/*/resources/*/status")
async def set_status(desk: Desk, call: Call) -> web.StreamResponse:
    """Set how far the work on one resource of a worklist is."""
    record, resource = desk.worklist(call.ids[0]), desk.resource(call.ids[1])
    record["work"][resource["id"]] = (await object_body(call)).get("status")
    return answer({"resource_id": resource["id"], "status": record["work"][resource["id"]]})
