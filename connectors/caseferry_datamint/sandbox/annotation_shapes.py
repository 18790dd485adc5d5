"""An annotation as it is written and as it is read: the platform uses other names in each direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_datamint.sandbox.clock import now

if TYPE_CHECKING:
    from caseferry_datamint.sandbox.desk import Desk
    from caseferry_datamint.sandbox.index import Record

SHAPES = ("segmentation", "area", "distance", "angle", "point", "line", "region", "square", "circle", "spline")
TYPES = (*SHAPES, "category", "label", "text", "integer", "float")
NUMERIC = ("integer", "float")
SCOPES = ("image", "frame")


class Unacceptable(Exception):
    """One annotation of several that cannot be taken; the text is answered in its place."""


def drafted(desk: Desk, resource_id: str, wish: Any, owner: str) -> Record:
    """What is kept of an annotation that a client writes.

    Raises
    ------
    Unacceptable
        It lacks its type, label or scope, or names a frame or worklist that cannot be.
    """
    _check(desk, wish)
    value, kind = wish.get("value"), wish["type"]
    numeric = kind in NUMERIC or (isinstance(value, int | float) and not isinstance(value, bool))
    return {
        "id": desk.uuid(),
        "resource_id": resource_id,
        "identifier": wish["identifier"],
        "scope": wish["scope"],
        "frame_index": wish.get("frame_index"),
        "frame_range": wish.get("frame_range"),
        "annotation_type": kind,
        "text_value": None if numeric or value is None else str(value),
        "numeric_value": value if numeric else None,
        "units": wish.get("units"),
        "geometry": wish.get("geometry"),
        "created_at": now(),
        "created_by": wish.get("import_author") or owner,
        "annotation_worklist_id": wish.get("annotation_worklist_id"),
        "status": "new",
        "approved_at": None,
        "approved_by": None,
        "deleted": False,
        "deleted_at": None,
        "deleted_by": None,
        "model_id": wish.get("model_id"),
        "imported_from": wish.get("imported_from"),
        "import_author": wish.get("import_author"),
        "source": wish.get("source"),
        "class_map": wish.get("class_map"),
        "file": None,
        "filename": None,
    }


def _check(desk: Desk, wish: Any) -> None:
    if not isinstance(wish, dict):
        raise Unacceptable("An annotation must be an object")
    if wish.get("type") not in TYPES:
        raise Unacceptable(f"Invalid annotation type: {wish.get('type')}")
    if not isinstance(wish.get("identifier"), str) or not wish["identifier"]:
        raise Unacceptable("identifier is required")
    if wish.get("scope") not in SCOPES:
        raise Unacceptable("scope must be image or frame")
    frames = wish.get("frame_range")
    if frames is not None and not (isinstance(frames, list) and len(frames) == 2):
        raise Unacceptable("frame_range must be the first and the last frame")
    if any(
        frame is not None and (type(frame) is not int or frame < 0)
        for frame in [wish.get("frame_index"), *(frames or [])]
    ):
        raise Unacceptable("A frame must be a number from 0")
    worklist_id = wish.get("annotation_worklist_id")
    if worklist_id is not None and str(worklist_id) not in desk.table("worklists"):
        raise Unacceptable("Annotation worklist not found")


def annotation_answer(desk: Desk, record: Record) -> Record:
    """An annotation as the platform answers it."""
    resource = desk.table("resources")[record["resource_id"]]
    worklist = desk.table("worklists").get(record["annotation_worklist_id"] or "")
    place = f"annotations/{record['id']}/{record['filename']}" if record["file"] else None
    kept = {name: value for name, value in record.items() if name != "filename"}
    return kept | {
        "geometry": _geometry(desk, record),
        "created_by_model": record["model_id"],
        "is_model": record["model_id"] is not None,
        "associated_file": place,
        "file": place,
        "old_geometry": None,
        "set_name": None,
        "resource_filename": resource["filename"],
        "resource_modality": resource["modality"],
        "annotation_worklist_name": worklist["name"] if worklist else None,
        "user_info": desk.user_names(record["created_by"]),
        "values": None,
    }


def _geometry(desk: Desk, record: Record) -> Any:
    """The geometry as it was sent, but a box with two corners gets all four: that is what is read today."""
    geometry = record["geometry"]
    if record["annotation_type"] != "square" or not isinstance(geometry, dict) or desk.boxes_as_sent:
        return geometry
    points = geometry.get("points")
    return geometry | {"points": four_corners(*points)} if isinstance(points, list) and len(points) == 2 else geometry


def four_corners(first: list[Any], last: list[Any]) -> list[list[Any]]:
    """The corners of a box in the order in which the platform's clients write them.

    The first two numbers of a point are those along the box's sides; a third stays with the corner it came with.
    """
    return [first, [last[0], *first[1:]], [first[0], *last[1:]], last]


def short_form(record: Record, file: str | None) -> Record:
    """An annotation as it stands in an exported archive."""
    value = record["text_value"] if record["numeric_value"] is None else record["numeric_value"]
    return {
        "id": record["id"],
        "resource_id": record["resource_id"],
        "name": record["identifier"],
        "type": record["annotation_type"],
        "added_by": record["created_by"],
        "index": record["frame_index"],
        "value": value,
        "file": file,
        "geometry": record["geometry"],
        "status": record["status"],
    }
