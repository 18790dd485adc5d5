"""Archives and tables: a project with its annotations as zip, its annotations as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import zipfile
from typing import TYPE_CHECKING, Any

from aiohttp import web

from caseferry_datamint.sandbox.annotation_shapes import short_form
from caseferry_datamint.sandbox.asking import truth
from caseferry_datamint.sandbox.project_work import project_annotations
from caseferry_datamint.sandbox.refusals import Refused
from caseferry_datamint.sandbox.resources import whole_file
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry.sandbox.blobs import Blob
    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

ZIP = "application/zip"
VALUES = ("text_value", "numeric_value", "units")
COLUMNS = ("resource_id", "identifier", "annotation_type", "scope", "frame_index", *VALUES)


class _Sink(io.RawIOBase):
    """A blob writer as the zip writer wants it: something that cannot be turned back."""

    def __init__(self, desk: Desk) -> None:
        self._writer = desk.host.blobs.writer()

    def writable(self) -> bool:
        return True

    def write(self, chunk: Any, /) -> int:
        self._writer.write(bytes(chunk))
        return len(chunk)

    def blob(self) -> Blob:
        return self._writer.close()


def zipped(desk: Desk, table: bytes | None, files: Iterable[tuple[str, str]]) -> Blob:
    """An archive of ``dataset.json`` and of stored files, each given with its name and its SHA-256."""
    sink = _Sink(desk)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        if table is not None:
            archive.writestr("dataset.json", table)
        for name, key in files:
            with archive.open(name, "w", force_zip64=True) as entry, desk.blob(key).open() as stream:
                shutil.copyfileobj(stream, entry)
    return sink.blob()


@calls.on("GET", "projects/*/annotated_dataset")
async def export_project(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer a project as zip: ``dataset.json``, the resources' files and the annotations' files.

    Without ``all_annotations`` only annotations that count towards the project are in it, without
    ``include_unannotated`` only resources that have one.
    """
    project, query = desk.project(call.ids[0]), call.request.query
    every, bare = truth(query.get("all_annotations")), truth(query.get("include_unannotated"))
    of_project = {record["id"] for record in project_annotations(desk, project)}
    files: list[tuple[str, str]] = []
    described = []
    for resource_id in project["resources"]:
        resource = desk.table("resources")[resource_id]
        chosen = [each for each in desk.annotations_of(resource_id) if every or each["id"] in of_project]
        if chosen or bare:
            files.append((f"images/{resource_id}/{leaf(resource['filename'])}", resource["blob"]))
            described.append(_described(resource, files[-1][0], chosen, files))
    table = {"updated_at": project["updated_at"], "all_annotations": every, "resources": described}
    blob = await asyncio.to_thread(zipped, desk, json.dumps(table).encode(), files)
    return whole_file(desk, call, blob.key, ZIP)


def _described(resource: Record, file: str, annotations: list[Record], files: list[tuple[str, str]]) -> Record:
    shorts = []
    for annotation in annotations:
        name = None
        if annotation["file"]:
            name = f"masks/{resource['id']}/{annotation['id']}/{leaf(annotation['filename'])}"
            files.append((name, annotation["file"]))
        shorts.append(short_form(annotation, name))
    kept = ("id", "filename", "mimetype", "modality", "metadata", "tags", "created_at", "created_by")
    return {name: resource[name] for name in kept} | {"file": file, "annotations": shorts}


def leaf(filename: str) -> str:
    """A file name without the folders that it may carry."""
    return filename.replace("\\", "/").rsplit("/", 1)[-1] or "file"


@calls.on("GET", "projects/*/download-annotations")
async def export_project_table(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the annotations of a project as CSV."""
    return _table(project_annotations(desk, desk.project(call.ids[0])), call)


@calls.on("GET", "annotationsets/*/download-annotations")
async def export_worklist_table(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer the annotations of a worklist as CSV."""
    worklist = desk.worklist(call.ids[0])
    records = [
        record
        for resource_id in desk.index.on_worklist.get(worklist["id"], {})
        for record in desk.annotations_of(resource_id)
        if record["annotation_worklist_id"] == worklist["id"]
    ]
    return _table(records, call)


def _table(records: list[Record], call: Call) -> web.Response:
    query = call.request.query
    if query.get("format", "csv") != "csv":
        raise Refused(400, "The sandbox exports no other format than csv")
    annotators, identifiers = query.getall("annotators[]", []), query.getall("annotations[]", [])
    text = io.StringIO()
    writer = csv.DictWriter(text, (*COLUMNS, "created_by", "created_at", "status"), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(
        record
        for record in records
        if (not annotators or record["created_by"] in annotators)
        and (not identifiers or record["identifier"] in identifiers)
    )
    return web.Response(text=text.getvalue(), content_type="text/csv")
