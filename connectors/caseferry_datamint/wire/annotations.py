"""Annotations in Datamint's words; masks are in `caseferry_datamint.wire.masks`, the way back in `meaning`.

Source
------
Datamint's Python SDK 2.45: the objects that ``POST /annotations/{resource}/annotations`` takes. Numbers, texts and
boxes (of four corners) are written as that client reads them. Clients before it know no numbers and texts, and 2.16
reads boxes of two corners only: one of these makes them refuse the whole list that it is in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    Text,
)
from caseferry.capability import Conversion
from caseferry.shapes import outlined, upright_axes
from caseferry.shapes.drawn import OUTLINE_WITHIN
from caseferry_datamint.wire.frames import (
    Place,
    in_patient,
    place_of,
    to_points,
    view_vectors,
)
from caseferry_datamint.wire.links import link

if TYPE_CHECKING:
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
        "imported_from": link(annotation.id, 0),
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
