"""DICOM measurement reports (TID 1500): numbers, answers and regions of every measurement group.

Source
------
DICOM PS3.16 TID 1500, 1501, 1410, 1411 (groups), PS3.3 C.17.3 (content), C.18.6 (regions in a picture, measured from
the outer corner of the first pixel: its centre is 0.5, 0.5) and C.18.9 (regions in the patient).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Annotation, Category, Ellipse, Label, Numeric, Point, Polygon, Polyline, Raw, Text
from caseferry.exchange.dicom_object import check_frame_of_reference, code_of, damaged, read_object
from caseferry.imaging.dicom_file import read_dataset
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.annotation import Code
    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import FloatArray

SR_CLASSES = tuple(f"1.2.840.10008.5.1.4.1.1.88.{number}" for number in (22, 33, 34))

GROUP, FINDING, CATEGORY, TRACKING, DERIVATION = "125007", "121071", "276214006", "112039", "121401"


def read_report(ref: FileRef, image: Image | None = None) -> Iterator[Annotation]:
    """The measurements of a report, group by group.

    Parameters
    ----------
    ref : the file
    image : the image that was measured, when it is at hand; without it regions are kept raw

    Yields
    ------
    Numbers as `Numeric`, with their unit and, where one concept was derived in several ways, the derivation in the
    label; answers as `Category`; regions as points, polylines, polygons and ellipses. The attributes of each say
    what the group says: tracking identifiers, finding, site, method. A group that only names a finding is a `Label`.
    What refers to other images stays raw.

    Raises
    ------
    ImageProblem
        The file is no structured report, is damaged, or has no measurement groups.
    GeometryError
        A region is measured from another origin than the image.
    """
    with damaged(ref, "structured report"):
        yield from _annotations(ref, image)


def _annotations(ref: FileRef, image: Image | None) -> Iterator[Annotation]:
    dataset = read_object(ref, SR_CLASSES, "structured report of measurements")
    groups = list(_groups(dataset))
    if not groups:
        raise ImageProblem(ref.name, "is a report without measurement groups", "give it as an attachment")
    planes = _Planes(image, ref)
    for group in groups:
        yield from _group(group, planes)


def _content(item: Any) -> list[Any]:
    return [child for child in item.get("ContentSequence") or [] if child.get("ValueType")]


def _concept(item: Any) -> Code | None:
    names = item.get("ConceptNameCodeSequence")
    return code_of(names[0]) if names else None


def _is(item: Any, value: str) -> bool:
    concept = _concept(item)
    return concept is not None and concept.value == value


def _groups(item: Any) -> Iterator[Any]:
    for child in _content(item):
        if _is(child, GROUP):
            yield child
        else:
            yield from _groups(child)


def _plain(item: Any) -> str | None:
    """What an item says in words; None for one that says something else, or names a person."""
    if item.ValueType == "CODE" and item.get("ConceptCodeSequence"):
        return code_of(item.ConceptCodeSequence[0]).meaning
    return {"TEXT": item.get("TextValue"), "UIDREF": item.get("UID")}.get(item.ValueType)


def _context(item: Any) -> dict[str, Any]:
    """What is said of an item beside its value, by the names of the concepts."""
    said = {}
    for child in _content(item):
        concept, words = _concept(child), _plain(child)
        described = str(child.get("RelationshipType", "")).startswith("HAS") or _is(child, FINDING)
        if (described or _is(child, CATEGORY)) and concept is not None and words:
            said[concept.meaning] = str(words)
    return said


def _group(group: Any, planes: _Planes) -> Iterator[Annotation]:
    attributes = _context(group)
    finding = next((child for child in _content(group) if _is(child, FINDING)), None)
    tracking = next((child for child in _content(group) if _is(child, TRACKING)), None)
    name = next((words for item in (finding, tracking) if item is not None and (words := _plain(item))), "measurement")
    found = tuple(code_of(code) for code in finding.get("ConceptCodeSequence") or []) if finding is not None else ()
    members = [each for child in _content(group) for each in _member(child, str(name), found, attributes, planes)]
    yield from members
    if finding is not None and not members:
        yield Label(planes.role, label=str(name), codes=found, attributes=attributes)


def _member(
    item: Any, name: str, found: tuple[Code, ...], attributes: dict[str, Any], planes: _Planes
) -> Iterator[Annotation]:
    concept = _concept(item)
    said: dict[str, Any] = {"attributes": attributes | _context(item)}
    if item.ValueType == "NUM" and concept is not None:
        yield _number(item, concept, planes.role, said)
    elif item.ValueType == "CODE" and item.get("RelationshipType") == "CONTAINS" and concept is not None:
        answer = code_of(item.ConceptCodeSequence[0])
        if concept.value not in {FINDING, CATEGORY}:
            yield Category(planes.role, concept.meaning, answer.meaning, codes=(concept, answer), **said)
    elif item.ValueType == "TEXT" and item.get("RelationshipType") == "CONTAINS" and concept is not None:
        yield Text(planes.role, concept.meaning, str(item.get("TextValue") or ""), codes=(concept,), **said)
    elif item.ValueType in {"SCOORD", "SCOORD3D"}:
        yield planes.region(item, {"label": name, "codes": found, **said})


def _number(item: Any, concept: Code, role: str | None, said: dict[str, Any]) -> Annotation:
    derived = next((_plain(child) for child in _content(item) if _is(child, DERIVATION)), None)
    label = f"{concept.meaning} ({derived})" if derived else concept.meaning
    if not (measured := item.get("MeasuredValueSequence")):
        why = item.get("NumericValueQualifierCodeSequence")
        return Text(role, label, code_of(why[0]).meaning if why else "not measured", codes=(concept,), **said)
    exact = measured[0].get("FloatingPointValue")
    value = float(measured[0].NumericValue if exact is None else exact)
    units = measured[0].get("MeasurementUnitsCodeSequence")
    return Numeric(role, label, value, code_of(units[0]).value if units else "", codes=(concept,), **said)


class _Planes:
    """Where the planes of an image are found by the identifiers of its files."""

    def __init__(self, image: Image | None, ref: FileRef) -> None:
        self.image = image
        self.ref = ref
        self.role = image.role if image is not None else None
        self._planes: dict[tuple[str, int], int] | None = None

    def region(self, item: Any, said: dict[str, Any]) -> Annotation:
        """An annotation of a region; raw where it lies in no plane of the image."""
        width = 2 if item.ValueType == "SCOORD" else 3
        values = [float(value) for value in item.get("GraphicData") or []]
        points = np.array(values[: len(values) // width * width]).reshape(-1, width)
        kind = str(item.get("GraphicType", ""))
        place = self._flat(item, points) if width == 2 else self._deep(item, points)
        made = None if place is None else _shape(kind, *place, role=str(self.role), said=said)
        if made is None:
            payload: Any = {"GraphicType": kind, "GraphicData": values, "ReferencedSOPInstanceUID": _source(item)[0]}
            return Raw(self.role, platform="dicom-sr", payload=payload, **said)
        return made

    def _flat(self, item: Any, points: FloatArray) -> tuple[FloatArray, int | None] | None:
        uid, frame = _source(item)
        plane = self._by_file().get((uid, frame))
        return None if plane is None else (points - 0.5, plane)

    def _deep(self, item: Any, points: FloatArray) -> tuple[FloatArray, int | None] | None:
        grid = self.image.geometry if self.image is not None else None
        if self.image is None or grid is None or grid.space != "patient":
            return None
        check_frame_of_reference(item.get("ReferencedFrameOfReferenceUID"), self.image, self.ref)
        return grid.to_voxel(points), None

    def _by_file(self) -> dict[tuple[str, int], int]:
        if self._planes is None:
            self._planes = {}
            if self.image is not None and self.image.kind.value.startswith("dicom"):
                uids = [str(read_dataset(file).get("SOPInstanceUID", "")) for file in self.image.files]
                self._planes = {(uids[file], frame): plane for plane, (file, frame) in enumerate(self.image.layout)}
        return self._planes


def _source(item: Any) -> tuple[str, int]:
    """The identifier of the file in which a region was drawn, and the frame, 0-based."""
    for child in _content(item):
        for reference in child.get("ReferencedSOPSequence") or []:
            frames = reference.get("ReferencedFrameNumber")
            first = frames[0] if isinstance(frames, list | tuple) or hasattr(frames, "__getitem__") else frames
            return str(reference.get("ReferencedSOPInstanceUID", "")), int(first or 1) - 1
    return "", 0


def _shape(kind: str, points: FloatArray, plane: int | None, *, role: str, said: dict[str, Any]) -> Annotation | None:
    said = said if plane is None else said | {"frame": plane}
    closed = len(points) > 3 and np.array_equal(points[0], points[-1])
    if kind in {"POINT", "MULTIPOINT"} and len(points):
        return Point(role, points.tolist(), **said)
    if (kind == "POLYGON" or (kind == "POLYLINE" and closed)) and len(points) > 2:
        return Polygon(role, [points.tolist()], **said)
    if kind == "POLYLINE" and len(points) > 1:
        return Polyline(role, points.tolist(), **said)
    if kind == "ELLIPSE" and len(points) == 4:
        return Ellipse(role, points.tolist(), **said)
    if kind == "CIRCLE" and points.shape == (2, 2):
        centre, radius = points[0], float(np.linalg.norm(points[1] - points[0]))
        steps = np.array([(-radius, 0), (radius, 0), (0, -radius), (0, radius)])
        return Ellipse(role, (centre + steps).tolist(), **said)
    return None
