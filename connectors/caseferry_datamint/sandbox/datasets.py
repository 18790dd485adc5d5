"""Datasets: what stands behind each project, and the old way to its resources.

Files in a downloaded archive are the stored ones: the sandbox converts nothing, whatever format is asked for.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.asking import listed, object_body
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.desk import CUSTOMER, Desk
from caseferry_datamint.sandbox.exports import ZIP, leaf, zipped
from caseferry_datamint.sandbox.projects import members_page
from caseferry_datamint.sandbox.refusals import Refused, missing
from caseferry_datamint.sandbox.resources import whole_file
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.index import Record

calls = Calls()

FORMATS = ("jpg", "png", "tiff", "dicom", "npy", "nifti")


def dataset_answer(desk: Desk, dataset_id: str) -> Record:
    """A dataset, which is what stands behind a project."""
    project = _project_of(desk, dataset_id)
    return {
        "id": dataset_id,
        "name": project["name"],
        "description": project["description"] or "",
        "created_at": project["created_at"],
        "created_by": project["created_by"],
        "customer_id": CUSTOMER,
        "updated_at": project["updated_at"],
        "total_resource": len(project["resources"]),
        "resource_ids": list(project["resources"]),
    }


def _project_of(desk: Desk, dataset_id: str) -> Record:
    dataset = desk.table("datasets").get(dataset_id)
    if dataset is None:
        raise missing("Dataset")
    return desk.project(dataset["project_id"])


@calls.on("GET", "datasets")
async def list_datasets(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer all datasets."""
    found = [dataset_answer(desk, dataset_id) for dataset_id in desk.table("datasets")]
    return answer(listed(desk, found, call.request.query))


@calls.on("GET", "datasets/*")
async def get_dataset(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one dataset."""
    return answer(dataset_answer(desk, call.ids[0]))


@calls.on("GET", "datasets/*/resources")
async def list_dataset_resources(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer a dataset's resources as a bare list."""
    return answer(members_page(desk, call, _project_of(desk, call.ids[0])))


@calls.on("POST", "datasets/*/resources")
async def change_dataset_resources(desk: Desk, call: Call) -> web.StreamResponse:
    """Add resources to the project behind which the dataset stands, or remove them."""
    desk.change_members(_project_of(desk, call.ids[0]), await object_body(call))
    return answer({"updated": True})


@calls.on("GET", "datasets/*/download/*")
async def order_download(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer a token with which the dataset's files can be fetched."""
    if call.ids[1] not in FORMATS:
        raise Refused(400, f"format must be one of {', '.join(FORMATS)}")
    token = desk.uuid()
    desk.table("downloads")[token] = {"project_id": _project_of(desk, call.ids[0])["id"], "ordered_at": now()}
    return answer(token)


@calls.on("GET", "datasets/download/*")
async def fetch_download(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the archive that a token stands for."""
    order = desk.table("downloads").get(call.ids[0])
    if order is None:
        raise missing("Download")
    table = desk.table("resources")
    members = [table[resource_id] for resource_id in desk.project(order["project_id"])["resources"]]
    files = [(f"{each['id']}/{leaf(each['filename'])}", each["blob"]) for each in members]
    return whole_file(desk, call, (await asyncio.to_thread(zipped, desk, None, files)).key, ZIP)
