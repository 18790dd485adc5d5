"""Who works on a project and how far they are: members, worklists, work status, splits, statistics.

Of the statistics only the outer form (list or object) is known; what they hold here is counted honestly, its names
are a guess.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import object_body
from caseferry_datamint.sandbox.clock import instant, now
from caseferry_datamint.sandbox.refusals import malformed, missing
from caseferry_datamint.sandbox.routing import Call, Calls
from caseferry_datamint.sandbox.worklists import summary, worklist_answer

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

WORK = ("opened", "annotated", "closed")


@calls.on("GET", "projects/*/worklists")
async def list_worklists(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer a project's worklists as a bare list."""
    return answer([summary(desk.worklist(each)) for each in desk.project(call.ids[0])["worklists"]])


@calls.on("GET", "projects/*/worklist")
async def get_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the worklist that came with the project."""
    return answer(worklist_answer(desk.worklist(desk.project(call.ids[0])["worklists"][0])))


@calls.on("GET", "projects/*/experiments")
@calls.on("GET", "projects/*/models")
@calls.on("GET", "projects/*/reviewmessages")
async def list_nothing(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the empty list of what the sandbox never has."""
    desk.project(call.ids[0])
    return answer([])


@calls.on("GET", "projects/*/members")
async def list_members(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the members of a project with their roles."""
    project = desk.project(call.ids[0])
    return answer(
        [
            {"project_id": project["id"], "user_id": email, "roles": member["roles"], "status": "active"}
            | {"expertise_level": None, **desk.user_names(email)}
            for email, member in project["members"].items()
        ]
    )


@calls.on("POST", "projects/*/members/*")
async def set_member(desk: Desk, call: Call) -> web.StreamResponse:
    """Make a user a member, or give a member other roles."""
    project, email = desk.project(call.ids[0]), call.ids[1]
    if email not in desk.table("users"):
        raise missing("User")
    project["members"][email] = {"roles": (await object_body(call)).get("roles") or [], "since": now()}
    return answer({"project_id": project["id"], "user_id": email, "roles": project["members"][email]["roles"]})


@calls.on("DELETE", "projects/*/members/*")
async def remove_member(desk: Desk, call: Call) -> web.StreamResponse:
    """Take a user out of a project."""
    if desk.project(call.ids[0])["members"].pop(call.ids[1], None) is None:
        raise missing("Member")
    return answer({"deleted": True})


@calls.on("POST", "projects/*/resources/*/status")
async def set_work_status(desk: Desk, call: Call) -> web.StreamResponse:
    """Set how far the work on one resource is."""
    project, resource = desk.project(call.ids[0]), _member(desk, call)
    status = (await object_body(call)).get("status")
    if status not in WORK:
        raise malformed(f"status must be one of {', '.join(WORK)}")
    project["work"][resource["id"]] = status
    return answer({"resource_id": resource["id"], "status": status})


@calls.on("DELETE", "projects/*/resources/*/annotator/*/status-reset")
async def reset_work_status(desk: Desk, call: Call) -> web.StreamResponse:
    """Forget how far the work on one resource is."""
    desk.project(call.ids[0])["work"].pop(_member(desk, call)["id"], None)
    return answer({"reset": True})


def _member(desk: Desk, call: Call) -> Record:
    """The resource that the path names, which must be in the project that it names."""
    resource = desk.resource(call.ids[1])
    if resource["id"] not in desk.project(call.ids[0])["resources"]:
        raise missing("Resource in project")
    return resource


@calls.on("GET", "projects/*/splits")
async def list_splits(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer which resource is in which split, now or at an earlier time."""
    project, query = desk.project(call.ids[0]), call.request.query
    if when := query.get("as_of_timestamp"):
        moment = instant(when, "as_of_timestamp")
        there = [split for split in project["splits"] if _stood(split, moment)]
    else:
        there = [split for split in project["splits"] if split["deleted_at"] is None]
    return answer([split for split in there if query.get("split_name") in {None, split["split_name"]}])


def _stood(split: Record, moment: object) -> bool:
    made, gone = instant(split["created_at"], "created_at"), split["deleted_at"]
    return made <= moment and (gone is None or instant(gone, "deleted_at") > moment)  # type: ignore[operator]


@calls.on("POST", "projects/*/splits")
async def assign_splits(desk: Desk, call: Call) -> web.StreamResponse:
    """Put resources of the project into a split, each leaving the one it was in."""
    project, wish = desk.project(call.ids[0]), await object_body(call)
    name, resources = wish.get("split_name"), desk.resources(wish.get("resource_ids") or [])
    if not isinstance(name, str) or not name:
        raise malformed("split_name is required")
    if any(resource["id"] not in project["resources"] for resource in resources):
        raise missing("Resource in project")
    moment, ids = now(), list(dict.fromkeys(resource["id"] for resource in resources))
    for split in project["splits"]:
        if split["deleted_at"] is None and split["resource_id"] in ids:
            split |= {"deleted_at": moment, "deleted_by": call.caller.email}
    common = {"split_name": name, "project_id": project["id"], "created_at": moment, "created_by": call.caller.email}
    common |= {"deleted_at": None, "deleted_by": None}
    added = [common | {"id": desk.uuid(), "resource_id": resource_id} for resource_id in ids]
    project["splits"].extend(added)
    return answer(added, 201)


@calls.on("GET", "projects/*/resources/*/split")
async def get_split(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the split that a resource is in."""
    for split in desk.project(call.ids[0])["splits"]:
        if split["resource_id"] == call.ids[1] and split["deleted_at"] is None:
            return answer(split)
    raise missing("Split")


@calls.on("GET", "projects/*/annotation-statuses")
async def list_statuses(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer how far the work on each resource is."""
    project, query = desk.project(call.ids[0]), call.request.query
    statuses = [
        {"resource_id": resource_id, "status": project["work"].get(resource_id, "new")}
        for resource_id in project["resources"]
    ]
    return answer(
        [each for each in statuses if all(query.get(name) in {None, each[name]} for name in ("status", "resource_id"))]
    )


@calls.on("GET", "projects/*/annotators-statistic")
async def count_by_annotator(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer how many annotations of the project each person has made."""
    counts = Counter(record["created_by"] for record in project_annotations(desk, desk.project(call.ids[0])))
    wanted = call.request.query.get("email")
    return answer([{"email": email, "count": count} for email, count in counts.items() if wanted in {None, email}])


@calls.on("GET", "projects/*/annotations-statistic")
async def count_by_type(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer how many annotations of each type the project has."""
    records = project_annotations(desk, desk.project(call.ids[0]))
    return answer(dict(Counter(record["annotation_type"] for record in records)))


@calls.on("GET", "projects/*/files-matrix-statistic")
async def count_by_resource(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer who has made how many annotations on each resource."""
    project = desk.project(call.ids[0])
    counts: dict[str, Counter[str]] = {resource_id: Counter() for resource_id in project["resources"]}
    for record in project_annotations(desk, project):
        counts[record["resource_id"]][record["created_by"]] += 1
    return answer(counts)


def project_annotations(desk: Desk, project: Record) -> list[Record]:
    """The annotations that count towards a project: those on its worklists, on resources that are in it."""
    worklists = set(project["worklists"])
    return [
        record
        for resource_id in project["resources"]
        for record in desk.annotations_of(resource_id)
        if record["annotation_worklist_id"] in worklists
    ]
