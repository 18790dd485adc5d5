"""Projects: named sets of resources, each with a dataset behind it and worklists through which it is annotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import object_body, paged, truth
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.refusals import Refused, malformed
from caseferry_datamint.sandbox.resources import resource_answer
from caseferry_datamint.sandbox.routing import Call, Calls
from caseferry_datamint.sandbox.worklists import new_worklist

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

GONE_SINCE_2026 = ("worklist_id", "annotated_resource_count", "viewable_ai_segs", "editable_ai_segs")
"""What the present server no longer answers, and clients before 2.45 insist on."""

CHANGEABLE = (
    "name",
    "description",
    "pinned_metrics",
    "is_active_learning",
    "two_up_display",
    "require_review",
    "ai_model_id",
)


def project_answer(desk: Desk, record: Record) -> Record:
    """A project as the platform answers it."""
    worklists = [desk.worklist(worklist_id) for worklist_id in record["worklists"]]
    annotated = _annotated(desk, record)
    work = list(record["work"].values())
    body = {
        name: record[name]
        for name in ("id", "created_at", "created_by", "dataset_id", "archived", "archived_on", "archived_by")
    }
    body |= {name: record[name] for name in CHANGEABLE}
    body |= {
        "worklist_id": record["worklists"][0],
        "resource_count": len(record["resources"]),
        "annotated_resource_count": annotated,
        "closed_resources_count": work.count("closed"),
        "resources_to_annotate_count": len(record["resources"]) - annotated,
        "viewable_ai_segs": worklists[0]["viewable_ai_segs"],
        "editable_ai_segs": worklists[0]["editable_ai_segs"],
        "registered_model": None,
        "most_recent_experiment": None,
        "annotators": _annotators(worklists),
    }
    if desk.current_server:
        for name in GONE_SINCE_2026:
            del body[name]
        body |= {
            "is_annotation_only": False,
            "is_validation_reader_only": False,
            "reader_study_count": 0,
            "can_annotate": True,
            "can_review": True,
            "can_validate": True,
            "is_contributor_only": False,
        }
    return body


def _annotated(desk: Desk, record: Record) -> int:
    """How many resources have an annotation that counts towards the project: one on any of its worklists."""
    with_annotations = [desk.index.on_worklist.get(worklist_id, {}) for worklist_id in record["worklists"]]
    return len(
        {resource_id for counts in with_annotations for resource_id in counts if resource_id in record["resources"]}
    )


def _annotators(worklists: list[Record]) -> list[Record]:
    by_email: dict[str, list[str]] = {}
    for worklist in worklists:
        for annotator in worklist["annotators"]:
            by_email.setdefault(annotator["email"], []).append(worklist["id"])
    return [{"email": email, "worklist_ids": ids} for email, ids in by_email.items()]


def new_project(desk: Desk, wish: Record, owner: str) -> Record:
    """Make a project with its dataset and its own worklist, and put resources into it."""
    project_id, dataset_id, moment = desk.uuid(), desk.uuid(), now()
    of_worklist = wish.get("annotation_set") or {}
    resources = desk.resources([*(wish.get("resource_ids") or []), *(of_worklist.get("resource_ids") or [])])
    record = {
        "id": project_id,
        "name": wish["name"],
        "description": wish.get("description"),
        "created_at": moment,
        "created_by": owner,
        "updated_at": moment,
        "dataset_id": dataset_id,
        "archived": False,
        "archived_on": None,
        "archived_by": None,
        "is_active_learning": truth(wish.get("is_active_learning")),
        "two_up_display": truth(wish.get("two_up_display")),
        "require_review": truth(wish.get("require_review")),
        "ai_model_id": wish.get("ai_model_id"),
        "pinned_metrics": None,
        "resources": {},
        "worklists": [],
        "members": {owner: {"roles": ["PROJECT_OWNER"], "since": moment}},
        "splits": [],
        "work": {},
    }
    drafted = {key: value for key, value in of_worklist.items() if key != "resource_ids"}
    drafted |= {"name": wish["name"], "segmentation_data": wish.get("segmentationData")}
    own = new_worklist(desk, drafted, owner, project_id)
    record["worklists"].append(own["id"])
    desk.table("projects")[project_id] = record
    desk.table("datasets")[dataset_id] = {"id": dataset_id, "project_id": project_id}
    desk.attach(record, resources)
    return record


@calls.on("GET", "projects")
async def list_projects(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the projects, archived ones only when asked for."""
    query = call.request.query
    archived = truth(query.get("includeArchived"))
    found = [record for record in desk.table("projects").values() if archived or not record["archived"]]
    page = [project_answer(desk, record) for record in paged(desk, found, query)]
    return answer({"data": page, "totalCount": len(found)})


@calls.on("POST", "projects")
async def create_project(desk: Desk, call: Call) -> web.StreamResponse:
    """Make a project; a name that is taken, even by an archived one, is refused with the project that has it."""
    wish = await object_body(call)
    name = wish.get("name")
    if not isinstance(name, str) or not name:
        raise malformed("name is required")
    for record in desk.table("projects").values():
        if record["name"] == name:
            raise Refused(409, f"Project {name} already exists", project_answer(desk, record))
    if (error := desk.soft_error()) is not None:
        return answer({"error": error})
    return answer(project_answer(desk, new_project(desk, wish, call.caller.email)), 201)


@calls.on("GET", "projects/*")
async def get_project(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one project."""
    return answer(project_answer(desk, desk.project(call.ids[0])))


@calls.on("PATCH", "projects/*")
async def patch_project(desk: Desk, call: Call) -> web.StreamResponse:
    """Change what may be changed of a project."""
    record, wish = desk.project(call.ids[0]), await object_body(call)
    record |= {name: wish[name] for name in CHANGEABLE if name in wish}
    return answer(project_answer(desk, record))


@calls.on("DELETE", "projects/*")
async def archive_project(desk: Desk, call: Call) -> web.StreamResponse:
    """Archive a project: to delete one means no more than that."""
    record = desk.project(call.ids[0])
    record |= {"archived": True, "archived_on": now(), "archived_by": call.caller.email}
    return answer({"id": record["id"], "archived": True})


@calls.on("POST", "projects/*/restore")
async def restore_project(desk: Desk, call: Call) -> web.StreamResponse:
    """Take a project out of the archive."""
    record = desk.project(call.ids[0])
    record |= {"archived": False, "archived_on": None, "archived_by": None}
    return answer(project_answer(desk, record))


@calls.on("GET", "projects/*/resources")
async def list_project_resources(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer a project's resources as a bare list."""
    return answer(members_page(desk, call, desk.project(call.ids[0])))


@calls.on("POST", "projects/*/resources")
async def change_project_resources(desk: Desk, call: Call) -> web.StreamResponse:
    """Add resources to a project, or remove them."""
    desk.change_members(desk.project(call.ids[0]), await object_body(call))
    return answer({"updated": True})


def members_page(desk: Desk, call: Call, record: Record) -> list[Record]:
    """The resources of a project, all of them unless a page is asked for."""
    query: dict[str, Any] = dict(call.request.query)
    query.setdefault("limit", len(record["resources"]) or 1)
    table = desk.table("resources")
    page = paged(desk, list(record["resources"]), query)
    return [resource_answer(desk, table[resource_id], in_list=True) for resource_id in page]
