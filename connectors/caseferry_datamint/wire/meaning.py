"""What annotations of the platform's mean, in core's words; masks are in `caseferry_datamint.wire.segmentations`.

Source
------
Datamint's Python SDK 2.45: the entities that are answered, whose fields have other names than those that are sent.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from caseferry.annotation import (
    Annotation,
    Box,
    Category,
    Label,
    Line,
    Numeric,
    Point,
    Polygon,
    Polyline,
    Raw,
    Text,
    Track,
)
from caseferry.files import encodable
from caseferry_datamint.wire.frames import are_pixels, from_points, plane_of

if TYPE_CHECKING:
    from caseferry.annotation import Shape
    from caseferry.case import Image
    from caseferry.mapping import Names


def core_form(row: Mapping[str, Any], role: str, image: Image, file: int, names: Names) -> Annotation:
    """An annotation in core's words from what the platform answers; one that no kind fits is kept raw.

    Parameters
    ----------
    file : index of the row's resource among those of the image
    """
    common = common_back(row, role, names)
    try:
        if row.get("frame_index") is not None or not row.get("frame_range"):
            return _of_one_frame(row, common, image, file)
        first, last = map(int, row["frame_range"])  # both included
        if first == last:
            return _of_one_frame({**row, "frame_index": first}, common, image, file)
        return _over_frames(row, range(first, last + 1), common, image, file)
    except (TypeError, ValueError, KeyError, IndexError):
        pass
    try:
        frame = _frame_back(row, image, file)
    except (TypeError, ValueError):
        frame = None
    return Raw(**common, frame=frame, platform="datamint", payload=json.loads(json.dumps(row)))


def _of_one_frame(row: Mapping[str, Any], common: dict[str, Any], image: Image, file: int) -> Annotation:
    """An annotation of a frame, or of the whole image.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError
        It is of no kind, or is not written as its kind is.
    """
    kind = str(row.get("annotation_type") or row.get("type") or "")
    value = row.get("text_value", row.get("value"))
    geometry = row.get("geometry")
    if geometry is not None and kind in {"line", "point", "square", "region"}:
        return _placed_back(kind, row, common, image, file)
    frame = _frame_back(row, image, file)
    if kind == "label":
        return Label(**common, frame=frame)
    if kind == "category":
        return Category(**common, frame=frame, value=str(value if value is not None else ""))
    if kind == "text":
        return Text(**common, frame=frame, value=str(value or ""))
    if kind in {"integer", "float"}:
        number = row.get("numeric_value", row.get("value"))
        unit = str(row.get("units") or "")
        return Numeric(**common, value=int(number) if kind == "integer" else float(number), unit=unit)
    msg = "it is of no kind"
    raise ValueError(msg)


def _over_frames(row: Mapping[str, Any], frames: range, common: dict[str, Any], image: Image, file: int) -> Track:
    """An annotation that speaks of a range of frames: the same in each.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError
        See `_of_one_frame`; or the range is empty, or its frames are no planes of the image.
    """
    named = {name: common[name] for name in ("image", "label")}
    each = [_of_one_frame({**row, "frame_index": frame}, named, image, file) for frame in frames]
    planes = sorted(shape.frame for shape in each if shape.frame is not None)
    if len(planes) < len(frames):
        msg = f"frames {frames.start} to {frames.stop - 1} are no planes of the image"
        raise ValueError(msg)
    first = replace(each[0], frame=planes[0])
    return Track(**common, keyframes=[cast("Shape", first)], ranges=[(plane, plane) for plane in planes])


def common_back(row: Mapping[str, Any], role: str, names: Names) -> dict[str, Any]:
    """What a row says whatever its kind."""
    model = bool(row.get("is_model") or row.get("created_by_model") or row.get("model_id"))
    status = {"approved": "approved", "published": "approved", "new": "new"}.get(str(row.get("status")))
    return {
        "image": role,
        "label": names.label_back(str(row.get("identifier") or row.get("name") or "")),
        "id": str(row.get("id") or ""),
        "author": _text(row.get("import_author")) or _text(row.get("created_by")) or _text(row.get("added_by")),
        "reviewer": _text(row.get("approved_by")),
        "created": _moment(row.get("created_at")),
        "status": status,
        "source": "model" if model else None,
        "model": str(row.get("model_id") or row.get("created_by_model")) if model else None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and encodable(value) else None


def _moment(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _frame_back(row: Mapping[str, Any], image: Image, file: int) -> int | None:
    """The plane of which a row speaks; None for the whole image.

    Raises
    ------
    ValueError
        It speaks of a frame that is no plane of the image.
    """
    index = row.get("frame_index", row.get("index"))
    if index is None:
        return plane_of(image, file, 0) if len(image.files) > 1 else None
    plane = plane_of(image, file, int(index))
    if plane is None and image.geometry is not None:
        msg = f"there is no frame {index}"
        raise ValueError(msg)
    return plane


def _placed_back(kind: str, row: Mapping[str, Any], common: dict[str, Any], image: Image, file: int) -> Annotation:
    geometry = row["geometry"]
    loose = geometry if isinstance(geometry, Mapping) else {"points": geometry}
    index = row.get("frame_index", row.get("index"))
    raw = [[float(v if v is not None else index or 0) for v in point] for point in loose["points"]]
    patient = bool(loose.get("viewPlaneNormal")) or not are_pixels(image, raw, index)
    solid = [[*point, float(index or 0)][:3] for point in raw]
    points, plane = from_points(image, _opposite(solid) if kind == "square" else solid, patient=patient, file=file)
    common = {**common, "attributes": _said_beside(row.get("text_value", row.get("value")))}
    if kind == "line":
        return Line(**common, frame=plane, points=points)
    if kind == "point":
        return Point(**common, frame=plane, points=points)
    if kind == "square":
        return Box(**common, frame=plane, points=points)
    if loose.get("closed", True):
        return Polygon(**common, frame=plane, rings=[points])
    return Polyline(**common, frame=plane, points=points)


def _said_beside(value: object) -> dict[str, Any]:
    """What a shape says beside its place: JSON text of an object, as the platform's client writes it."""
    try:
        said = json.loads(str(value)) if value else {}
    except ValueError:
        said = value
    return said if isinstance(said, dict) else {"value": said}


def _opposite(corners: list[list[float]]) -> list[list[float]]:
    """Two opposite corners of a box from two or four.

    Datamint's client gives the first, then the two that lie between it and the last, which it makes by exchanging
    the first two numbers: on a tilted plane these two are off it, and only the first and the last can be believed.
    Corners that go round, as others write them, have the third opposite the first.
    """
    if len(corners) != 4:
        return corners
    first, second, third, last = corners
    sums = [(a + d - b - c, a + c - b - d) for a, b, c, d in zip(first, second, third, last, strict=True)]
    across, around = (max(abs(each) for each in gaps) for gaps in zip(*sums, strict=True))
    return [corners[0], corners[3] if across <= around else corners[2]]
