"""From a DICOM RT structure set to polygons, polylines and points.

Contours are kept as they are, point for point, but for slits, which are taken out; nothing is drawn.
`caseferry.shapes.paint` makes masks of them.

Source
------
DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour), C.8.8.8 (RT ROI Observations).
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Annotation, Line, Point, Polygon, Polyline, Position
from caseferry.exchange.dicom_object import RTSTRUCT_CLASS, check_frame_of_reference, code_of, grid_of, read_object
from caseferry.exchange.rtstruct.keyholes import parted
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import FloatArray, Geometry


LONGEST_NAME = 64

IN_SLICE = 0.02
"""How far from a slice, in slices, a contour may lie to count as drawn on it: positions are written rounded."""

_STATUS = {"APPROVED": "approved", "REJECTED": "rejected"}


def read_structures(ref: FileRef, image: Image) -> Iterator[Annotation]:
    """The regions of a structure set in voxels of the image that they were drawn on.

    Parameters
    ----------
    ref : the file
    image : the image, with a place in the patient and one frame

    Yields
    ------
    Region by region, by number: for each slice on which it was drawn one polygon of all its closed contours there
    (a hole is a ring within a ring), with the slice as `frame`; closed contours that lie in no slice of the image as
    polygons with three-dimensional points; open contours as lines and polylines, points as points, three-dimensional.
    The label is the region's name; attributes keep its number, colour, kind and how it was made.

    Raises
    ------
    ImageProblem
        The file is no structure set, is damaged, or a contour in it is.
    GeometryError
        The image has no place in the patient, more than one frame, or another frame of reference than the contours.
    """
    grid = grid_of(image, ref)
    dataset = read_object(ref, {RTSTRUCT_CLASS}, "RT structure set")
    contours = {_number(item, "ReferencedROINumber", ref): item for item in dataset.get("ROIContourSequence") or []}
    observed = {
        _number(item, "ReferencedROINumber", ref): item for item in dataset.get("RTROIObservationsSequence") or []
    }
    status = _STATUS.get(str(dataset.get("ApprovalStatus", "")))
    regions = {_number(item, "ROINumber", ref): item for item in dataset.get("StructureSetROISequence") or []}
    for number, region in sorted(regions.items()):
        said = _said(number, region, observed.get(number), contours.get(number)) | {"status": status}
        if number in contours:
            check_frame_of_reference(region.get("ReferencedFrameOfReferenceUID"), image, ref)
            yield from _region(ref, image.role, grid, contours[number], said)


def _number(item: Any, keyword: str, ref: FileRef) -> int:
    try:
        return int(item[keyword].value)
    except (KeyError, TypeError, ValueError):
        raise ImageProblem(ref.name, f"has a region without {keyword}") from None


def _said(number: int, region: Any, observation: Any, drawn: Any) -> dict[str, Any]:
    attributes: dict[str, Any] = {"ROINumber": number}
    name, described = (str(region.get(keyword) or "").strip() for keyword in ("ROIName", "ROIDescription"))
    cut = len(name) == LONGEST_NAME and described.startswith(name)  # a name that did not fit
    if described and not cut:
        attributes["ROIDescription"] = described
    if value := str(region.get("ROIGenerationAlgorithm") or ""):
        attributes["ROIGenerationAlgorithm"] = value
    colour = drawn.get("ROIDisplayColor") if drawn is not None else None
    if colour is not None and len(colour) == 3:
        attributes["ROIDisplayColor"] = [int(part) for part in colour]
    said: dict[str, Any] = {"label": (described if cut else name) or f"region {number}", "attributes": attributes}
    if observation is not None:
        for keyword in ("RTROIInterpretedType", "ROIObservationLabel", "ROIObservationDescription"):
            if value := str(observation.get(keyword) or ""):
                attributes[keyword] = value
        said["author"] = str(observation.get("ROIInterpreter") or "") or None
        said["codes"] = tuple(code_of(c) for c in observation.get("RTROIIdentificationCodeSequence") or [])
    said["source"] = {"AUTOMATIC": "model", "SEMIAUTOMATIC": "human", "MANUAL": "human"}.get(
        str(region.get("ROIGenerationAlgorithm", ""))
    )
    if said["source"] == "model":
        said["model"] = str(region.get("ROIGenerationDescription") or "") or None
    return said


def _region(ref: FileRef, role: str, grid: Geometry, region: Any, said: dict[str, Any]) -> Iterator[Annotation]:
    drawn: dict[int, list[list[Position]]] = defaultdict(list)
    others: list[Annotation] = []
    for index, contour in enumerate(region.get("ContourSequence") or []):
        kind = str(contour.get("ContourGeometricType", ""))
        places = _places(ref, contour, f"contour {index + 1} of region {said['attributes']['ROINumber']}")
        loops = parted(places) if kind.startswith("CLOSED") else []
        points = grid.to_voxel(places)
        if kind == "POINT":
            others.append(Point(role, _positions(points), **said))
        elif kind.startswith("OPEN") and len(points) > 1:
            others.append((Line if len(points) == 2 else Polyline)(role, _positions(points), **said))
        elif loops:
            plane = round(float(points[:, 2].mean()))
            outlines = [_positions(grid.to_voxel(ring)) for ring in loops]
            if np.abs(points[:, 2] - plane).max() <= IN_SLICE and 0 <= plane < grid.shape[2]:
                drawn[plane] += [[(position[0], position[1]) for position in outline] for outline in outlines]
            else:
                others.append(Polygon(role, outlines, **said))
        elif len(points):  # one point or two that are called an outline: kept as what they are
            others.append(Point(role, _positions(points), **said))
    for plane, rings in sorted(drawn.items()):
        yield Polygon(role, rings, frame=plane, **said)
    yield from others


def _places(ref: FileRef, contour: Any, where: str) -> list[tuple[float, ...]]:
    """Positions in millimetres; a last one that repeats the first is left out."""
    try:
        values = np.array([float(value) for value in contour.get("ContourData") or []])
        points = values.reshape(-1, 3)
    except (TypeError, ValueError):
        raise ImageProblem(ref.name, f"has damaged positions in {where}", "fetch it again") from None
    promised = contour.get("NumberOfContourPoints")
    if not np.isfinite(points).all() or (promised is not None and int(promised) != len(points)):
        raise ImageProblem(ref.name, f"has {len(points)} positions in {where} where {promised} are promised")
    if len(points) > 1 and np.array_equal(points[0], points[-1]):
        points = points[:-1]
    return [tuple(point) for point in points.tolist()]


def _positions(points: FloatArray) -> list[Position]:
    return [(column, row, plane) for column, row, plane in points.tolist()]
