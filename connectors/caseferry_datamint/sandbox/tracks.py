"""Frame ranges: labels and categories over runs of frames, written and read a whole track at a time.

On this path a range is half-open, ``{"start", "end"}``; an annotation keeps it as ``frame_range``, first and last
frame included. A track is what one person says of one label in one worklist. What is answered has one record for each
label, value and author, as the platform's client (2.45, ``get_frame_ranges``) reads it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_datamint.sandbox.annotation_calls import keep, remove
from caseferry_datamint.sandbox.annotation_shapes import Unacceptable, drafted
from caseferry_datamint.sandbox.asking import object_body
from caseferry_datamint.sandbox.refusals import Refused, malformed
from caseferry_datamint.sandbox.routing import Call, Calls

if TYPE_CHECKING:
    from aiohttp import web

    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

calls = Calls()

TRACKED = frozenset({"label", "category", "text", "integer", "float"})
OF_A_TRACK = ("identifier", "type", "annotation_worklist_id", "source", "model_id")


@calls.on("PUT", "annotations/*/frame-ranges")
async def put_track(desk: Desk, call: Call) -> web.StreamResponse:
    """Replace the track of one label."""
    resource, wish = desk.resource(call.ids[0]), await object_body(call)
    drafts = _drafts(desk, resource["id"], wish, call.caller.email)
    replaced = [
        record
        for record in _tracked(desk, resource["id"])
        if record["created_by"] == call.caller.email
        and _key(record)[:3] == (wish["identifier"], wish["type"], wish.get("annotation_worklist_id"))
    ]
    for record in replaced:
        remove(desk, record, call.caller)
    created = [keep(desk, record) for record in drafts]
    return answer({"created": created, "deleted": [record["id"] for record in replaced]})


def _drafts(desk: Desk, resource_id: str, wish: Record, owner: str) -> list[Record]:
    if wish.get("type") not in TRACKED:
        raise malformed("type must be one of a track: " + ", ".join(sorted(TRACKED)))
    common = {name: wish.get(name) for name in OF_A_TRACK} | {"scope": "frame"}
    try:
        return [
            drafted(desk, resource_id, common | {"value": value, "frame_range": frames}, owner)
            for value, frames in _ranges(wish.get("values"))
        ]
    except Unacceptable as refusal:
        raise Refused(400, str(refusal)) from refusal


def _ranges(values: Any) -> list[tuple[Any, list[int]]]:
    """Each value with the first and the last frame of each of its ranges."""
    try:
        ranges = [
            (each.get("value"), [int(span["start"]), int(span["end"]) - 1])
            for each in values
            for span in each["frame_ranges"]
        ]
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise malformed("values must be an array of {value, frame_ranges: [{start, end}]}") from error
    if any(first > last for _, (first, last) in ranges):
        raise malformed("A frame range must end after it starts")
    return ranges


@calls.on("GET", "annotations/*/frame-ranges")
async def get_tracks(desk: Desk, call: Call) -> web.StreamResponse:
    """Answer all tracks of a resource, or those of a worklist or an author."""
    tracks: dict[tuple[Any, ...], Record] = {}
    for record in _tracked(desk, desk.resource(call.ids[0])["id"]):
        value = record["text_value"] if record["numeric_value"] is None else record["numeric_value"]
        said = dict(zip(OF_A_TRACK, _key(record), strict=True)) | {"value": value, "created_by": record["created_by"]}
        asked = call.request.query
        if any(asked[name] != said[name] for name in ("annotation_worklist_id", "created_by") if asked.get(name)):
            continue
        first, last = record["frame_range"] or [record["frame_index"]] * 2
        track = tracks.setdefault(tuple(said.values()), said | {"frame_ranges": []})
        track["frame_ranges"].append({"start": first, "end": last + 1})
    return answer(list(tracks.values()))


def _tracked(desk: Desk, resource_id: str) -> list[Record]:
    return [
        record
        for record in desk.annotations_of(resource_id)
        if record["annotation_type"] in TRACKED
        and record["scope"] == "frame"
        and (record["frame_range"] or record["frame_index"] is not None)
    ]


def _key(record: Record) -> tuple[Any, ...]:
    return tuple(record["annotation_type" if name == "type" else name] for name in OF_A_TRACK)
