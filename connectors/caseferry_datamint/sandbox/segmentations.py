"""Volume segmentations: one label map comes, one annotation with a mask of its own is made for each value in it.

Nothing on the wire ties a label map to the resource's grid, so none is checked: the masks have the affine and the
shape of the file that came. A model's segmentations are shown only to those who ask for them.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.annotation_calls import keep
from caseferry_datamint.sandbox.annotation_shapes import Unacceptable, drafted
from caseferry_datamint.sandbox.asking import form_parts, text_of
from caseferry_datamint.sandbox.headers import UNREADABLE, is_zipped, nifti_image
from caseferry_datamint.sandbox.refusals import Refused, malformed
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry.sandbox.blobs import Blob
    from caseferry_datamint.sandbox.desk import Desk

calls = Calls()


@calls.on("POST", "annotations/*/segmentations/file")
async def upload_volume(desk: Desk, call: Call) -> web.StreamResponse:
    """Split a label map into masks and answer the ids of their annotations, by ascending value."""
    resource = desk.resource(call.ids[0])
    parts = await form_parts(call, desk)
    if "file" not in parts:
        raise malformed("The form has no part 'file'")
    named = _names(text_of(parts, "segmentation_map"))
    if (error := desk.soft_error()) is not None:
        return answer({"error": error})
    masks = await asyncio.to_thread(_masks, parts["file"].blob, set(named))
    filename = parts["file"].filename or "segmentation.nii"
    ids = []
    for value, mask in masks.items():
        name = named.get(value, generated_name(value))
        wish: dict[str, Any] = {
            field: text_of(parts, field) for field in ("annotation_worklist_id", "model_id", "source", "imported_from")
        }
        wish |= {"type": "segmentation", "scope": "image", "identifier": name, "class_map": {"1": name}}
        try:
            record = drafted(desk, resource["id"], wish, call.caller.email)
        except Unacceptable as refusal:
            raise Refused(400, str(refusal)) from refusal
        blob = desk.host.blobs.add(mask)
        ids.append(keep(desk, record | {"file": blob.key, "filename": filename}))
    return answer(ids, 201)


def generated_name(value: int) -> str:
    """The label of a value for which the uploader gave none."""
    return f"segmentation_{value}"


def _names(text: str | None) -> dict[int, str]:
    """The uploader's names by value; in JSON the values are text."""
    try:
        named = json.loads(text or "{}")
        return {int(value): str(name) for value, name in named.items()}
    except (ValueError, AttributeError) as error:
        raise malformed("segmentation_map must be a JSON object of values and names") from error


def _masks(blob: Blob, wanted: set[int]) -> dict[int, bytes]:
    """A NIfTI file of 0 and 1 for each value that occurs and is wanted; without wishes, for each that occurs."""
    with blob.open() as stream:
        zipped = is_zipped(stream)
        try:
            source = nifti_image(stream)
            voxels = np.asanyarray(source.dataobj)
        except UNREADABLE as error:
            raise malformed(f"The file cannot be read: {error}") from error
    values = [int(value) for value in np.unique(voxels) if value and (not wanted or int(value) in wanted)]
    return {value: _mask(source, voxels == value, zipped=zipped) for value in values}


def _mask(source: Any, where: Any, *, zipped: bool) -> bytes:
    header = source.header.copy()
    header.set_data_dtype(np.uint8)
    content: bytes = type(source)(where.astype(np.uint8), source.affine, header).to_bytes()
    return gzip.compress(content, compresslevel=1, mtime=0) if zipped else content
