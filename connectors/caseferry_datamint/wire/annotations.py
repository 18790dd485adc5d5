"""Annotations in Datamint's words, and back, but for masks: see `caseferry_datamint.wire.masks`.

Source
------
Datamint's Python SDK 2.45: the objects that ``POST /annotations/{resource}/annotations`` takes, and the entities
that come back, whose field names differ from those that are sent. Numbers, texts and boxes (of four corners) are
written as that client reads them. Clients before it know no numbers and texts, and 2.16 reads boxes of two corners
only: one of these makes them refuse the whole list that it is in.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from caseferry.annotation import (
    Annotation,
    Box,
    Category,
    Ellipse,
    Label,
    Line,
    Numeric,
    Placed,
    Point,
    Polygon,
    Polyline,
    Position,
    Raw,
    Text,
    Track,
)
from caseferry.capability import Conversion
from caseferry.files import encodable
from caseferry.shapes import outlined, upright_axes
from caseferry.shapes.drawn import OUTLINE_WITHIN
from caseferry_datamint.wire.frames import (
    Place,
    are_pixels,
    from_points,
    in_patient,
    place_of,
    plane_of,
    to_points,
    view_vectors,
)

if TYPE_CHECKING:
    from caseferry.annotation import Shape
    from caseferry.case import Image
    from caseferry.mapping import Names

CONVERSIONS = {
    "ellipse": Conversion(
        "a region that follows it",
        "Datamint's clients do not say of which points an ellipse is made",
        f"what lies between its corners and the ellipse: below {OUTLINE_WITHIN} pixels",
    ),
    "track": Conversion(
        "an annotation in each frame",
        "Datamint's clients follow nothing from frame to frame",
        "exact; that of an ellipse where it is one",
    ),
}
"""Kinds of annotations that have no form of their own, and the one that they are given."""

LINK = "caseferry:"
"""``imported_from`` of an annotation that was put here is this and the annotation's own id."""

_REVISED = re.compile(r"caseferry@\d+:")
"""How it begins where the annotation has come with a revision of its case, which is told by its number."""

SEGMENTATION = "segmentation"


def native_form(annotation: Annotation, image: Image | None, names: Names) -> tuple[int, dict[str, Any]] | str:
    """What creates an annotation natively, or why there is no such thing.

    Parameters
    ----------
    image : the image that it lies in, or the case's first image for one of the whole case

    Returns
    -------
    The index of the resource among those of the image, and the object to send; or the reason in words.
    """
    if image is None:
        return "Datamint annotates images only"
    if isinstance(annotation, Placed | Polygon):
        return _placed_form(annotation, image, names)
    place = Place(0, 0) if annotation.frame is None else place_of(image, annotation.frame)
    if place is None:
        return "Datamint numbers the axial slices of a volume only"
    form = common_form(annotation, names)
    if annotation.frame is not None:
        form |= {"scope": "frame", "frame_index": place.frame}
    if isinstance(annotation, Label):
        return place.file, {"type": "label", **form}
    if isinstance(annotation, Category):
        return place.file, {"type": "category", **form, "value": annotation.value}
    if isinstance(annotation, Text):
        return place.file, {"type": "text", **form, "value": annotation.value}
    if isinstance(annotation, Numeric):
        if annotation.frame is not None:
            return "Datamint's numbers belong to whole images"
        kind = "integer" if isinstance(annotation.value, int) else "float"
        unit = {"units": annotation.unit} if annotation.unit else {}
        return place.file, {"type": kind, **form, "value": annotation.value, **unit}
    return f"Datamint has no {annotation.kind} annotation"


def common_form(annotation: Annotation, names: Names) -> dict[str, Any]:
    """What the object that creates an annotation says of any kind."""
    return {
        "identifier": names.label(annotation.label),
        "scope": "image",
        "imported_from": LINK + annotation.id,
        "source": "imported",
    }


def _placed_form(annotation: Placed | Polygon, image: Image, names: Names) -> tuple[int, dict[str, Any]] | str:
    plane = _plane(annotation, image)
    if isinstance(plane, str):
        return plane
    shaped = _shaped(annotation, plane)
    if isinstance(shaped, str):
        return shaped
    kind, points, extra = shaped
    place = Place(0, 0) if plane is None else place_of(image, plane)
    patient = in_patient(image)
    if place is None and not patient:
        return "Datamint numbers the axial slices of a volume only"
    geometry = {**(view_vectors(image) if patient else {}), "points": to_points(image, points, plane), **extra}
    form = common_form(annotation, names)
    if place is not None and plane is not None and not (patient and isinstance(annotation, Line)):
        form |= {"scope": "frame", "frame_index": place.frame}
    return (place.file if place is not None else 0), {"type": kind, **form, "geometry": geometry}


def _shaped(annotation: Placed | Polygon, plane: int | None) -> tuple[str, list[Position], dict[str, Any]] | str:
    """The type of an annotation, its points and what else is said of its geometry; or why it has no form."""
    points = list(annotation.points)
    if isinstance(annotation, Line):
        return "line", points, {}
    if isinstance(annotation, Point):
        return ("point", points, {}) if len(points) == 1 else "Datamint's points stand alone"
    if isinstance(annotation, Box):
        if annotation.dimensions == 3:
            return "Datamint's boxes are flat"
        (left, top), (right, bottom) = (point[:2] for point in points)
        return "square", [(left, top), (right, top), (left, bottom), (right, bottom)], {}
    if isinstance(annotation, Ellipse):
        if plane is None or upright_axes(points) is None:
            return "it lies in no slice" if plane is None else "its axes do not halve each other"
        return "region", list(outlined(annotation).points), {"closed": True}
    if isinstance(annotation, Polygon):
        one = len(annotation.rings) == 1
        return ("region", points, {"closed": True}) if one else "Datamint's regions have one outline, without holes"
    if isinstance(annotation, Polyline):
        return "region", points, {"closed": False}
    return f"Datamint's clients do not say of which points an {annotation.kind} is made"


def _plane(annotation: Placed | Polygon, image: Image) -> int | str | None:
    """The plane that an annotation lies in; None for a position in the whole volume; words when there is no form."""
    grid = image.geometry
    if grid is None:
        return "its image has no grid"
    if annotation.dimensions == 2:
        return annotation.frame if annotation.frame is not None else 0
    heights = [point[2] for point in annotation.points if len(point) == 3]
    plane = round(heights[0])
    if max(abs(height - plane) for height in heights) <= 1e-6 and 0 <= plane < grid.shape[2]:
        return plane
    if len(image.files) > 1:
        return "it runs through several slices, which are resources of their own here"
    return None if in_patient(image) else "it runs through several frames of an image without a place in the patient"


# -- reading -------------------------------------------------------------------------------------------------------


def link(name: str, revision: int) -> str:
    """``imported_from`` of an annotation.

    Parameters
    ----------
    name : its id
    revision : the number of the revision that it comes with; 0 for what is put with its case or added to it
    """
    return f"caseferry@{revision}:{name}" if revision else LINK + name


def link_of(row: Mapping[str, Any]) -> str | None:
    """By what a row is known that was put here by caseferry: the id of its annotation, or all of a revision's link."""
    source = row.get("imported_from")
    if not isinstance(source, str):
        return None
    if source.startswith(LINK):
        return source[len(LINK) :]
    return source if is_revised(source) else None


def is_revised(key: str) -> bool:
    """Whether rows of that link have come with a revision."""
    return _REVISED.match(key) is not None


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
