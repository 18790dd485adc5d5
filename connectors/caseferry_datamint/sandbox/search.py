"""Finding annotations, in the old way (GET) and the new (POST)."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.annotation_shapes import annotation_answer
from caseferry_datamint.sandbox.asking import object_body, paged, truth
from caseferry_datamint.sandbox.clock import instant
from caseferry_datamint.sandbox.refusals import malformed
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

PUBLISHED = ("published", "approved")
"""One state, for which the platform has two words."""


@calls.on("GET", "annotations")
async def list_annotations(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the annotations that match the query."""
    query = call.request.query
    found = _found(desk, query)
    page = [annotation_answer(desk, record) for record in paged(desk, found, query)]
    return answer({"data": page, "totalCount": len(found)})


@calls.on("POST", "annotations/search")
async def search_annotations(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the annotations that match the body; offset and limit come as text."""
    wish = await object_body(call)
    found = _found(desk, wish)
    page = [annotation_answer(desk, record) for record in paged(desk, found, wish)]
    if desk.search_envelope == "nested":
        return answer({"data": [{"annotations": page}], "totalCount": len(found)})
    return answer({"data": page} if desk.search_envelope == "data" else page)


@calls.on("GET", "annotationsets/*/resources/*/annotations")
async def list_on_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer what people annotated on one resource of a worklist, segmentations left out."""
    return answer([each for each in _on_worklist(desk, call) if each["annotation_type"] != "segmentation"])


@calls.on("GET", "annotationsets/*/resources/*/segmentations")
async def list_segmentations_on_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the segmentations that people made on one resource of a worklist."""
    return answer([each for each in _on_worklist(desk, call) if _is_segmentation(each, of_model=False)])


@calls.on("GET", "annotationsets/*/resources/*/ai_segmentations")
async def list_model_segmentations_on_worklist(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the segmentations that models made on one resource of a worklist."""
    return answer([each for each in _on_worklist(desk, call) if _is_segmentation(each, of_model=True)])


def _is_segmentation(annotation: Record, *, of_model: bool) -> bool:
    return annotation["annotation_type"] == "segmentation" and annotation["is_model"] is of_model


def _on_worklist(desk: Desk, call: Call) -> list[Record]:
    worklist, resource = desk.worklist(call.ids[0]), desk.resource(call.ids[1])
    records = desk.annotations_of(resource["id"])
    return [annotation_answer(desk, each) for each in records if each["annotation_worklist_id"] == worklist["id"]]


def _found(desk: Desk, wish: Mapping[str, Any]) -> list[Record]:
    deleted = wish.get("deleted") or "exclude"
    if deleted not in ("exclude", "include", "only"):
        raise malformed("deleted must be exclude, include or only")
    records = [record for record in _candidates(desk, wish) if _matches(record, wish)]
    if deleted == "include":
        return records
    return [record for record in records if desk.visible(record) is (deleted == "exclude")]


def _candidates(desk: Desk, wish: Mapping[str, Any]) -> Iterable[Record]:
    """The annotations of the resources that the search is about."""
    table, index = desk.table("annotations"), desk.index
    resource_ids = _named_resources(desk, wish)
    if wish.get("dataset_id"):
        members = _members(desk, str(wish["dataset_id"]))
        resource_ids = list(members) if resource_ids is None else [each for each in resource_ids if each in members]
    if resource_ids is None:
        return table.values()
    return [table[each] for resource_id in resource_ids for each in index.annotations.get(resource_id, ())]


def _named_resources(desk: Desk, wish: Mapping[str, Any]) -> list[str] | None:
    """The resources that the search names, directly or by their worklist; None when it names none."""
    if wish.get("resource_id"):
        return [str(wish["resource_id"])]
    if isinstance(wish.get("resource_ids"), list):
        return list(dict.fromkeys(map(str, wish["resource_ids"])))
    if wish.get("annotation_worklist_id") and not wish.get("deleted"):
        return list(desk.index.on_worklist.get(str(wish["annotation_worklist_id"]), ()))
    return None


def _members(desk: Desk, dataset_id: str) -> Mapping[str, Any]:
    dataset = desk.table("datasets").get(dataset_id)
    members: Mapping[str, Any] = desk.project(dataset["project_id"])["resources"] if dataset else {}
    return members


def _matches(record: Record, wish: Mapping[str, Any]) -> bool:
    for name, field in {
        "annotation_type": "annotation_type",
        "annotatorEmail": "created_by",
        "annotation_worklist_id": "annotation_worklist_id",
        "source": "source",
    }.items():
        if wish.get(name) and record[field] != wish[name]:
            return False
    status = wish.get("status")
    if status and record["status"] not in (PUBLISHED if status in PUBLISHED else (status,)):
        return False
    if record["model_id"] is not None and record["annotation_type"] == "segmentation":
        return truth(wish.get("load_ai_segmentations")) and _in_time(record, wish)
    return _in_time(record, wish)


def _in_time(record: Record, wish: Mapping[str, Any]) -> bool:
    """Whether the annotation was made on a day from the first to the last asked for, both included."""
    made = instant(record["created_at"], "created_at")
    if wish.get("from") and made < instant(wish["from"], "from"):
        return False
    return not wish.get("to") or made < instant(wish["to"], "to") + dt.timedelta(days=1)
