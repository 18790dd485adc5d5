"""What annotations of the platform's mean, in core's words; masks are in `caseferry_datamint.wire.segmentations`.

Source
------
Datamint's Python SDK 2.45: the entities that are answered, whose fields have other names than those that are sent.
"""

from __future__ import annotations

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
from caseferry.plain import moment
from caseferry_datamint.wire.answers import first_of, readable
from caseferry_datamint.wire.frames import are_pixels, from_points, plane_of

if TYPE_CHECKING:
    from caseferry.annotation import Shape
    from caseferry.case import Image
    from caseferry.mapping import Names


NOT_UNDERSTOOD = (TypeError, ValueError, KeyError, IndexError, ArithmeticError)
"""What is raised by the reading of an answer that is not written as its kind is."""

STATES = {"approved": "approved", "published": "approved", "new": "new", "rejected": "rejected"}


def core_form(row: Mapping[str, Any], role: str, image: Image, file: int, names: Names) -> Annotation:
    """An annotation in core's words from what the platform answers; one that no kind fits is kept raw.

    Parameters
    ----------
    file : index of the row's resource among those of the image
    """
    common = common_back(row, role, names)
    try:
        frames = _frames_of(row, image)
        if not frames:
            return _of_one_frame(row, common, image, file)
        if len(frames) == 1:
            return _of_one_frame({**row, "frame_index": frames[0]}, common, image, file)
        return _over_frames(row, frames, common, image, file)
    except NOT_UNDERSTOOD:
        pass
    try:
        frame = _frame_back(row, image, file)
    except NOT_UNDERSTOOD:
        frame = None
    return Raw(**common, frame=frame, platform="datamint", payload=_plainly(row))


def _plainly(row: Mapping[str, Any]) -> Any:
    """A row as JSON that everybody reads: what is no number is written as text, half a character as ``?``."""
    written = json.dumps(row, ensure_ascii=False).encode(errors="replace")
    return json.loads(written, parse_constant=str)


def _frames_of(row: Mapping[str, Any], image: Image) -> list[int]:
    """The frames of a row that speaks of a range of them, or of several; none for one of a frame or of the image.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError
        It is no range, ends before it starts, or beyond the image.
    """
    spans = row.get("frame_ranges") or [row.get("frame_range")]
    if first_of(row, "frame_index", "index") is not None or not any(spans):
        return []
    frames: set[int] = set()
    planes = image.geometry.planes if image.geometry is not None else 0
    for span in spans:
        if isinstance(span, Mapping):  # as on the path of tracks: the end is not included
            first, end = int(span["start"]), int(span["end"])
        else:
            first, end = (int(each) + place for place, each in enumerate(span))  # as in an annotation: it is
        if not 0 <= first < end <= planes:
            msg = f"there are no frames from {first} to {end - 1}"
            raise ValueError(msg)
        frames.update(range(first, end))
    return sorted(frames)


def _of_one_frame(row: Mapping[str, Any], common: dict[str, Any], image: Image, file: int) -> Annotation:
    """An annotation of a frame, or of the whole image.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError
        It is of no kind, or is not written as its kind is.
    """
    kind = str(row.get("annotation_type") or row.get("type") or "")
    value = first_of(row, "text_value", "value")
    geometry = row.get("geometry")
    if geometry is not None and kind in {"line", "point", "square", "region"}:
        return _placed_back(kind, row, common, image, file)
    frame = _frame_back(row, image, file)
    if kind == "label":
        return Label(**{**common, "attributes": _said_beside(value)}, frame=frame)
    if kind == "category":
        answer = value if value is not None else first_of(row, "numeric_value")
        return Category(**common, frame=frame, value=str(answer if answer is not None else ""))
    if kind == "text":
        return Text(**common, frame=frame, value=str(value if value is not None else ""))
    if kind in {"integer", "float"}:
        number = _number(first_of(row, "numeric_value", "value", "text_value"), kind)
        return Numeric(**common, frame=frame, value=number, unit=str(row.get("units") or ""))
    msg = "it is of no kind"
    raise ValueError(msg)


def _number(value: Any, kind: str) -> float:
    """A number, whole when its kind is and it is; the platform writes it as a number or as text."""
    if kind == "integer" and (isinstance(value, int) or (isinstance(value, str) and value.strip("+-").isdigit())):
        return int(value)
    number = float(value)
    return int(number) if kind == "integer" and number.is_integer() else number


def _over_frames(row: Mapping[str, Any], frames: list[int], common: dict[str, Any], image: Image, file: int) -> Track:
    """An annotation that speaks of several frames: the same in each.

    Raises
    ------
    TypeError, ValueError, KeyError, IndexError
        See `_of_one_frame`; or its frames are no planes of the image.
    """
    named = {name: common[name] for name in ("image", "label")}
    each = [_of_one_frame({**row, "frame_index": frame}, named, image, file) for frame in frames]
    planes = sorted(shape.frame for shape in each if shape.frame is not None)
    if len(planes) < len(frames):
        msg = f"some of the frames {frames[0]} to {frames[-1]} are no planes of the image"
        raise ValueError(msg)
    first = replace(each[0], frame=planes[0])
    return Track(**common, keyframes=[cast("Shape", first)], ranges=[(plane, plane) for plane in planes])


def common_back(row: Mapping[str, Any], role: str, names: Names) -> dict[str, Any]:
    """What a row says whatever its kind."""
    named = row.get("model_id") or row.get("created_by_model")
    model = bool(row.get("is_model") or named)
    return {
        "image": role,
        "label": names.label_back(readable(row.get("identifier") or row.get("name") or "")),
        "id": str(row.get("id") or ""),
        "author": _text(row.get("import_author")) or _text(row.get("created_by")) or _text(row.get("added_by")),
        "reviewer": _text(row.get("approved_by")),
        "created": moment(row.get("created_at")),
        "status": STATES.get(str(row.get("status"))),
        "source": "model" if model else None,
        "model": readable(named) if named else None,
    }


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and encodable(value) else None


def _frame_back(row: Mapping[str, Any], image: Image, file: int) -> int | None:
    """The plane of which a row speaks; None for the whole image.

    Raises
    ------
    ValueError
        It speaks of a frame that is no plane of the image, or does not say of which of several.
    """
    index = first_of(row, "frame_index", "index")
    if index is None and len(image.files) > 1:
        return plane_of(image, file, 0)
    if index is None:
        if row.get("scope") == "frame" and image.geometry is not None and image.geometry.planes > 1:
            msg = "it does not say of which frame it is"
            raise ValueError(msg)
        return None
    plane = plane_of(image, file, int(index))
    if plane is None and image.geometry is not None:
        msg = f"there is no frame {index}"
        raise ValueError(msg)
    return plane


def _placed_back(kind: str, row: Mapping[str, Any], common: dict[str, Any], image: Image, file: int) -> Annotation:
    geometry = row["geometry"]
    loose = geometry if isinstance(geometry, Mapping) else {"points": geometry}
    index = first_of(row, "frame_index", "index")
    raw = [[float(v if v is not None else index or 0) for v in point] for point in loose["points"]]
    patient = bool(loose.get("viewPlaneNormal")) or not are_pixels(image, raw, index)
    solid = [[*point, float(index or 0)][:3] for point in raw]
    points, plane = from_points(image, _opposite(solid) if kind == "square" else solid, patient=patient, file=file)
    common = {**common, "attributes": _said_beside(first_of(row, "text_value", "value"))}
    if kind == "line":
        return Line(**common, frame=plane, points=points)
    if kind == "point":
        return Point(**common, frame=plane, points=points)
    if kind == "square":
        return Box(**common, frame=plane, points=points)
    if loose.get("closed"):  # what is not said is open for the platform's client
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
