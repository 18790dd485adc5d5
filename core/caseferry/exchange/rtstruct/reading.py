"""From a DICOM RT structure set to polygons, polylines and points.

Contours are kept as they are, point for point, but for slits, which are taken out; nothing is drawn.
`caseferry.shapes.paint` makes masks of them.

Source
------
DICOM PS3.3 C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour), C.8.8.8 (RT ROI Observations).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Annotation, Line, Point, Polygon, Polyline, Position
from caseferry.exchange.dicom_object import (
    RTSTRUCT_CLASS,
    check_frame_of_reference,
    code_of,
    damaged,
    grid_of,
    read_object,
)
from caseferry.exchange.keeping import KEPT, kept_in, part_id, with_kept
from caseferry.exchange.rtstruct.keyholes import parted
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import FloatArray, Geometry


LONGEST_NAME = 64

NUMBER = "number"
"""Under which key contours keep which of them are one annotation."""

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
    A region of which nothing is drawn, as templates leave them, gives nothing.
    The label is the region's name; attributes keep its number, colour, kind and how it was made. What
    `write_structures` has kept of an annotation counts before that, and contours of one annotation are one.

    Raises
    ------
    ImageProblem
        The file is no structure set, is damaged, or a contour in it is.
    GeometryError
        The image has no place in the patient, more than one frame, or another frame of reference than the contours.
    """
    with damaged(ref, "RT structure set"):
        yield from _annotations(ref, image)


def _annotations(ref: FileRef, image: Image) -> Iterator[Annotation]:
    grid = grid_of(image, ref)
    dataset = read_object(ref, {RTSTRUCT_CLASS}, "RT structure set")
    contours = {_number(item, "ReferencedROINumber", ref): item for item in dataset.get("ROIContourSequence") or []}
    observed = {
        _number(item, "ReferencedROINumber", ref): item for item in dataset.get("RTROIObservationsSequence") or []
    }
    status = _STATUS.get(str(dataset.get("ApprovalStatus", "")))
    seen: Counter[str] = Counter()
    regions = {_number(item, "ROINumber", ref): item for item in dataset.get("StructureSetROISequence") or []}
    for number, region in sorted(regions.items()):
        said = _said(number, region, observed.get(number), contours.get(number)) | {"status": status}
        if number in contours:
            check_frame_of_reference(region.get("ReferencedFrameOfReferenceUID"), image, ref)
            for annotation in _region(ref, image.role, grid, contours[number], said):
                seen[annotation.id] += 1
                again = annotation.id and seen[annotation.id] > 1
                yield replace(annotation, id=part_id(annotation.id, seen[annotation.id])) if again else annotation


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
    if isinstance(colour, Sequence) and len(colour) == 3:
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


@dataclass
class _Drawn:
    """Contours that are one annotation.

    Attributes
    ----------
    plane : the slice that they lie in; None for what is three-dimensional
    parts : outlines, or positions
    kept : what was kept of it
    """

    kind: type[Point | Line | Polyline | Polygon]
    plane: int | None
    kept: Mapping[str, Any]
    parts: list[Any] = field(default_factory=list)

    def annotation(self, role: str, said: Mapping[str, Any], ref: FileRef) -> Annotation:
        """As an annotation."""
        made: Any = self.kind
        found: Annotation = made(role, self.parts, frame=self.plane, **said)
        found = with_kept(found, {name: value for name, value in self.kept.items() if name in KEPT}, ref.name)
        return _in_frame(found, self.kept.get("frame"))


def _in_frame(annotation: Annotation, frame: Any) -> Annotation:
    """What lies in the plane in which it was before it was written, as what has two dimensions."""
    if not isinstance(annotation, Point | Line | Polyline) or type(frame) is not int or frame < 0:
        return annotation
    if any(abs(position[2] - frame) > IN_SLICE for position in annotation.points if len(position) == 3):
        return annotation
    return replace(annotation, points=[position[:2] for position in annotation.points], frame=frame)


def _region(ref: FileRef, role: str, grid: Geometry, region: Any, said: dict[str, Any]) -> Iterator[Annotation]:
    found: dict[tuple[Any, int | None, int], _Drawn] = {}
    for index, contour in enumerate(region.get("ContourSequence") or []):
        geometric = str(contour.get("ContourGeometricType", ""))
        places = _places(ref, contour, f"contour {index + 1} of region {said['attributes']['ROINumber']}")
        loops = parted(places) if geometric.startswith("CLOSED") else []
        points = grid.to_voxel(places)
        kept = kept_in(contour, ref.name)
        own = number if type(number := kept.get(NUMBER)) is int and number > 0 else None
        kind: type[Point | Line | Polyline | Polygon] = Point  # also one point or two that are called an outline
        plane, parts, key = None, list[Any](_positions(points)), own or -index - 1
        if geometric.startswith("OPEN") and len(points) > 1:
            kind, key = (Line if len(points) == 2 else Polyline), -index - 1
        elif loops:
            kind, parts = Polygon, [_positions(grid.to_voxel(ring)) for ring in loops]
            middle = round(float(points[:, 2].mean()))
            if np.abs(points[:, 2] - middle).max() <= IN_SLICE and 0 <= middle < grid.shape[2]:
                plane, key = middle, own or 0
                parts = [[position[:2] for position in outline] for outline in parts]
        if parts:
            found.setdefault((kind, plane, key), _Drawn(kind, plane, kept)).parts += parts
    for drawn in sorted(found.values(), key=lambda each: (each.plane is None, each.plane or 0)):
        yield drawn.annotation(role, said, ref)


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
