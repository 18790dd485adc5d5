"""Resources: one uploaded file each, with what is known of it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from aiohttp import web

from caseferry.sandbox.wire import answer, serve_blob
from caseferry_datamint.sandbox.asking import form_parts, text_of, truth, whole_number
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.desk import CUSTOMER, Desk
from caseferry_datamint.sandbox.frames import render
from caseferry_datamint.sandbox.headers import SYNONYMS, UNKNOWN, Facts, learn
from caseferry_datamint.sandbox.refusals import malformed
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.sandbox.wire import Part
    from caseferry_datamint.sandbox.index import Record

calls = Calls()


def resource_answer(desk: Desk, record: Record, *, in_list: bool = False) -> Record:
    """A resource as the platform answers it."""
    deleted = record["deleted_at"] is not None
    resource_id, filename = record["id"], record["filename"]
    projects = desk.table("projects")
    return {
        "id": resource_id,
        "resource_uri": f"/resources/{resource_id}/file",
        "storage": record["storage"],
        "location": f"{CUSTOMER}/{resource_id}/{filename}",
        "upload_channel": record["upload_channel"],
        "filename": filename,
        "modality": record["modality"],
        "mimetype": record["mimetype"],
        "size": record["size"],
        "upload_mechanism": record["upload_mechanism"],
        "customer_id": CUSTOMER,
        "status": "deleted" if deleted else record["status"],
        "created_at": record["created_at"],
        "created_by": record["created_by"],
        "published": record["published_on"] is not None,
        "published_on": record["published_on"],
        "published_by": record["published_by"],
        "publish_transforms": None,
        "deleted": deleted,
        "deleted_at": record["deleted_at"],
        "deleted_by": record["deleted_by"],
        "metadata": {} if in_list and desk.list_without_metadata else record["metadata"],
        "source_filepath": record["source_filepath"],
        "tags": record["tags"],
        "instance_uid": record.get("instance_uid"),
        "series_uid": record.get("series_uid"),
        "study_uid": record.get("study_uid"),
        "patient_id": record.get("patient_id"),
        "segmentations": None,
        "measurements": None,
        "categories": None,
        "labels": [],
        "user_info": desk.user_names(record["created_by"]),
        "projects": [{"id": project_id, "name": projects[project_id]["name"]} for project_id in record["projects"]],
    }


@calls.on("POST", "resources")
async def upload(desk: Desk, call: Call) -> web.StreamResponse:
    """Keep an uploaded file, read its header, answer its id."""
    parts = await form_parts(call, desk)
    if "resource" not in parts or parts["resource"].filename is None:
        raise malformed("The form has no file in its part 'resource'")
    wished = _metadata(text_of(parts, "metadata"))
    declared = _declared(parts)
    facts = await learn(parts["resource"].blob, declared)
    if (error := desk.soft_error()) is not None:
        return answer({"error": error})
    record = _record(parts, declared, facts, call.caller.email) | {"id": desk.uuid()}
    record["metadata"] = facts.metadata | wished
    desk.table("resources")[record["id"]] = record
    desk.index.add_resource(record)
    return answer({"id": record["id"]}, 201)


def _record(parts: Mapping[str, Part], declared: str, facts: Facts, owner: str) -> Record:
    file, moment = parts["resource"], now()
    published = truth(text_of(parts, "bypass_inbox"))
    return {
        "filename": file.filename,
        "mimetype": declared or facts.mimetype,
        "storage": facts.storage,
        "size": file.blob.size,
        "blob": file.blob.key,
        "upload_mechanism": text_of(parts, "source") or "api",
        "upload_channel": text_of(parts, "channel") or "Unknown",
        "source_filepath": text_of(parts, "source_filepath"),
        "modality": text_of(parts, "modality") or facts.modality,
        "tags": [tag.strip() for tag in (text_of(parts, "tags") or "").split(",") if tag.strip()],
        "status": "published" if published else "inbox",
        "created_at": moment,
        "created_by": owner,
        "published_on": moment if published else None,
        "published_by": owner if published else None,
        "deleted_at": None,
        "deleted_by": None,
        "projects": {},
        **facts.identity,
    }


def _declared(parts: Mapping[str, Part]) -> str:
    """The media type that came with the file. It is believed, even where the content says otherwise."""
    said = text_of(parts, "mimetype") or parts["resource"].content_type or ""
    mimetype = said.split(";")[0].strip().lower()
    return SYNONYMS.get(mimetype, mimetype)


def _metadata(text: str | None) -> Record:
    if text is None:
        return {}
    try:
        wished: Any = json.loads(text, parse_constant=_refuse_constant)
    except ValueError as error:
        raise malformed(f"metadata must be JSON: {error}") from error
    if not isinstance(wished, dict):
        raise malformed("metadata must be a JSON object")
    return wished


def _refuse_constant(name: str) -> None:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


@calls.on("GET", "resources/*")
async def get(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one resource."""
    return answer(resource_answer(desk, desk.resource(call.ids[0])))


@calls.on("GET", "resources/*/file")
async def download(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the file's bytes as they came."""
    return whole_file(desk, call, desk.resource(call.ids[0])["blob"])


def whole_file(desk: Desk, call: Call, blob_key: str, content_type: str = UNKNOWN) -> web.StreamResponse:
    """Stored bytes, without the digest that object stores give: this platform gives none."""
    response = serve_blob(call.request, desk.blob(blob_key), {"Content-Type": content_type})
    response.headers.pop("ETag", None)
    return response


@calls.on("GET", "resources/*/frames/*")
async def frame(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer one frame as PNG; frames are counted from 0."""
    record, index = desk.resource(call.ids[0]), whole_number(call.ids[1], "frame")
    png = await asyncio.to_thread(render, desk.blob(record["blob"]), record["storage"], index)
    return web.Response(body=png, headers={"Content-Type": "image/png"})
