"""Finding resources: the list with its filters, the resources that wait for annotations, and the channels.

What the platform's documents leave open is decided thus: names, types and tags match exactly, and without an order
resources come oldest first, so that pages stay where they are while others upload.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import Names, listed, names, paged, truth
from caseferry_datamint.sandbox.clock import instant
from caseferry_datamint.sandbox.desk import CUSTOMER, Desk
from caseferry_datamint.sandbox.refusals import malformed
from caseferry_datamint.sandbox.resources import resource_answer
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiohttp import web

    from caseferry_datamint.sandbox.index import Ids, Record

calls = Calls()

ORDER_FIELDS = ("modality", "created_by", "published_by", "published_on", "filename", "created_at")


@calls.on("GET", "resources")
async def list_resources(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the resources that match every filter, one page of them."""
    query = call.request.query
    found = select(desk, query)
    page = paged(desk, found, query)
    if truth(query.get("ids")):
        return answer(_nested([record["id"] for record in page], len(found)))
    return answer(_nested([resource_answer(desk, record, in_list=True) for record in page], len(found)))


@calls.on("GET", "resources/not-annotated")
async def list_not_annotated(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the resources that match and have no annotation."""
    query = call.request.query
    found = [record for record in select(desk, query) if not desk.annotations_of(record["id"])]
    page = paged(desk, found, query)
    return answer(_nested([resource_answer(desk, record, in_list=True) for record in page], len(found)))


def _nested(page: list[Any], total: int) -> Record:
    return {"data": [{"resources": page}], "totalCount": total}


def select(desk: Desk, query: Mapping[str, str]) -> Sequence[Record]:
    """The resources that match every filter, in the order asked for."""
    tests = _tests(desk, query)
    found = [record for record in _candidates(desk, query) if all(test(record) for test in tests)]
    field = query.get("order_field") or "created_at"
    if field not in ORDER_FIELDS:
        raise malformed(f"order_field must be one of {', '.join(ORDER_FIELDS)}")
    ascending = truth(query.get("order_by_asc") or "true")
    found.sort(key=lambda record: (record[field] is None, record[field] or ""))
    if not ascending:
        found.reverse()
    return found


def _candidates(desk: Desk, query: Mapping[str, str]) -> Iterable[Record]:
    """The smallest set of resources that the index knows to hold all matches."""
    table, index = desk.table("resources"), desk.index
    narrow: list[Ids] = []
    if filename := query.get("filename"):
        narrow.append(index.by_filename.get(filename, {}))
    if channel := query.get("channel_name"):
        narrow.append(index.by_channel.get(channel, {}))
    tags = names(query.get("tags"), "tags")
    if tags is not None and (tags.every or len(tags.items) == 1):
        narrow.append(index.by_tag.get(tags.items[0], {}))
    if not narrow:
        return table.values()
    return [table[resource_id] for resource_id in min(narrow, key=len)]


def _tests(desk: Desk, query: Mapping[str, str]) -> list[Callable[[Record], bool]]:
    tests: list[Callable[[Record], bool]] = [_deleted_test(query.get("deleted") or "exclude")]
    for name, field in {
        "status": "status",
        "modality": "modality",
        "mimetype": "mimetype",
        "filename": "filename",
        "channel_name": "upload_channel",
    }.items():
        if wanted := query.get(name):
            tests.append(_equals(field, wanted))
    if since := query.get("from"):
        first = instant(since, "from")
        tests.append(lambda record: instant(record["created_at"], "created_at") >= first)
    if until := query.get("to"):
        last = instant(until, "to")
        tests.append(lambda record: instant(record["created_at"], "created_at") < last)
    tags = names(query.get("tags"), "tags")
    if tags is not None:
        tests.append(lambda record: tags.match(record["tags"]))
    projects = names(query.get("project"), "project")
    if projects is not None:
        tests.append(_project_test(desk, projects))
    tests.extend(_member_test(query[name]) for name in ("projectId", "project_id") if query.get(name))
    return tests


def _deleted_test(wanted: str) -> Callable[[Record], bool]:
    if wanted == "include":
        return lambda _: True
    if wanted == "only":
        return lambda record: record["deleted_at"] is not None
    if wanted == "exclude":
        return lambda record: record["deleted_at"] is None
    raise malformed("deleted must be exclude, include or only")


def _equals(field: str, wanted: str) -> Callable[[Record], bool]:
    return lambda record: record[field] == wanted


def _member_test(project_id: str) -> Callable[[Record], bool]:
    return lambda record: project_id in record["projects"]


def _project_test(desk: Desk, wanted: Names) -> Callable[[Record], bool]:
    projects = desk.table("projects")
    return lambda record: wanted.match({projects[project_id]["name"] for project_id in record["projects"]})


@calls.on("GET", "resources/channels")
async def list_channels(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the channels; here the platform counts in text."""
    query = call.request.query
    table = desk.table("resources")
    channels = []
    for name, ids in desk.index.by_channel.items():
        members = [table[resource_id] for resource_id in ids if table[resource_id]["deleted_at"] is None]
        if project := query.get("project_name"):
            test = _project_test(desk, Names((project,), every=True))
            members = [record for record in members if test(record)]
        if members:
            channels.append(_channel(name, members))
    envelope = listed(desk, channels, query)
    return answer(envelope | {"totalCount": str(envelope["totalCount"])})


def _channel(name: str, members: list[Record]) -> Record:
    return {
        "id": str(uuid.uuid5(uuid.UUID(CUSTOMER), name)),
        "channel_name": name,
        "resource_data": [
            {
                "created_by": record["created_by"],
                "customer_id": CUSTOMER,
                "resource_id": record["id"],
                "resource_file_name": record["filename"],
                "resource_mimetype": record["mimetype"],
            }
            for record in members
        ],
        "deleted": False,
        "created_at": members[0]["created_at"],
        "updated_at": members[-1]["created_at"],
        "resource_count": str(len(members)),
    }
