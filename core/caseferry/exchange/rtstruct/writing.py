"""From annotations to a DICOM RT structure set.

Source
------
DICOM PS3.3 A.19.3 (modules), C.8.8.5 (Structure Set), C.8.8.6 (ROI Contour), C.8.8.8 (RT ROI Observations), C.8.8.16
(Approval).
"""

from __future__ import annotations

import hashlib
import io
from itertools import count
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Mask
from caseferry.errors import GeometryError, InvalidCase, Problem
from caseferry.exchange.dicom_object import RTSTRUCT_CLASS, belonging, coded, content_time, source_datasets
from caseferry.exchange.keeping import keep_in, kept
from caseferry.exchange.rtstruct.reading import LONGEST_NAME, NUMBER
from caseferry.exchange.rtstruct.regions import regions
from caseferry.exchange.written import Written, unsaid
from caseferry.imaging.kinds import Kind
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.exchange.rtstruct.regions import Contour, Region
    from caseferry.geometry import Geometry
    from caseferry.plain import Json

STUDY_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"
"""The class by which structure sets refer to studies: retired, and asked for all the same."""

COLOURS = (
    (230, 60, 60),
    (60, 160, 230),
    (70, 190, 90),
    (240, 180, 40),
    (170, 90, 220),
    (40, 200, 200),
    (250, 120, 180),
    (150, 150, 60),
)
"""Colours of regions of which none is said, in turn."""

ATTRIBUTES = {
    "ROINumber",
    "ROIDescription",
    "ROIGenerationAlgorithm",
    "ROIDisplayColor",
    "RTROIInterpretedType",
    "ROIObservationLabel",
    "ROIObservationDescription",
}
"""Attributes of annotations that have a place in a structure set."""

_HELD = {"author", "source", "model", "codes"}
"""What a structure set holds of a mask, of whose outlines each is an annotation of its own."""

_STATUS = {"approved": "APPROVED", "rejected": "REJECTED"}


def write_structures(
    annotations: Iterable[Annotation], image: Image, *, label: str = "caseferry", description: str = ""
) -> Written:
    """A structure set of annotations, as a file's bytes.

    It belongs to the patient and the study of the image, and says so: it identifies whom the image identifies.
    The same annotations of the same image give the same bytes.

    Masks become outlines along the edges of their pixels, from which the same voxels are filled. Holes are cut open;
    see the package. What a structure set has no place for is kept in private elements of the contours.

    Parameters
    ----------
    annotations : of this image; see `caseferry.exchange.rtstruct.regions` for which of them make one region
    image : a DICOM series or a DICOM multi-frame image with a place in the patient
    label : the name of the structure set, at most 16 characters
    description : of the series

    Raises
    ------
    GeometryError
        The image is not DICOM, has no frame of reference, or a mask does not lie on it.
    InvalidCase
        A label has signs that DICOM does not allow, or nothing that was given has a form as contours.
    """
    grid = image.geometry
    if (
        grid is None
        or grid.frames > 1
        or grid.space != "patient"
        or image.kind not in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}
    ):
        raise GeometryError(
            f"image {image.role}", f"is {image.kind}: a structure set needs a DICOM image with one frame and a place"
        )
    given = list(annotations)
    written = Written()
    found = regions(given, image, grid, written)
    if not found:
        raise InvalidCase(None, [Problem("annotations", "hold nothing that has a form as contours")])
    for annotation in given:
        if isinstance(annotation, Mask) and (lost := unsaid(annotation, _HELD, ATTRIBUTES)):
            written.changed.append((annotation, lost))
    with quiet():
        written.content = _bytes(found, image, grid, label, description)
    return written


def _bytes(found: Sequence[Region], image: Image, grid: Geometry, label: str, description: str) -> bytes:
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    sources = source_datasets(image)
    frame = sources[0].get("FrameOfReferenceUID")
    if not frame:
        raise GeometryError(f"image {image.role}", "has no FrameOfReferenceUID, which contours refer to")
    planes = [_reference(sources[file], index) for file, index in image.layout]
    dataset = belonging(sources[0])
    dataset.SOPClassUID = RTSTRUCT_CLASS
    dataset.Modality = "RTSTRUCT"
    dataset.SeriesNumber = "1"
    dataset.OperatorsName = ""
    if description:
        dataset.SeriesDescription = description
    dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = (
        frame,
        sources[0].get("PositionReferenceIndicator"),
    )
    dataset.StructureSetLabel = label[:16]
    said = [region.said for region in found]
    dataset.StructureSetDate, dataset.StructureSetTime, zone = content_time(said, sources[0])
    if zone:
        dataset.TimezoneOffsetFromUTC = zone
    _approve(dataset, said)
    dataset.ReferencedFrameOfReferenceSequence = [_referenced(sources[0], frame, planes)]
    _put_regions(dataset, found, grid, frame, planes)
    seed = [str(sources[0].SeriesInstanceUID), hashlib.sha256(_told(dataset)).hexdigest()]
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = (
        generate_uid(entropy_srcs=[*seed, each]) for each in ("series", "instance")
    )
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _told(dataset: Any) -> bytes:
    """A dataset's own bytes."""
    out = io.BytesIO()
    dataset.save_as(out, implicit_vr=False, little_endian=True)
    return out.getvalue()


def _item(**values: Any) -> Any:
    from pydicom.dataset import Dataset

    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def _reference(source: Any, frame: int) -> Any:
    """A reference to one plane."""
    reference = _item(ReferencedSOPClassUID=source.SOPClassUID, ReferencedSOPInstanceUID=source.SOPInstanceUID)
    if int(source.get("NumberOfFrames", 1) or 1) > 1:
        reference.ReferencedFrameNumber = frame + 1
    return reference


def _referenced(source: Any, frame: str, planes: Sequence[Any]) -> Any:
    """The series that the contours were drawn on, and its frame of reference."""
    instances = {str(plane.ReferencedSOPInstanceUID): plane for plane in planes}
    images = [
        _item(ReferencedSOPClassUID=plane.ReferencedSOPClassUID, ReferencedSOPInstanceUID=uid)
        for uid, plane in instances.items()
    ]
    series = _item(SeriesInstanceUID=source.SeriesInstanceUID, ContourImageSequence=images)
    study = _item(
        ReferencedSOPClassUID=STUDY_MANAGEMENT,
        ReferencedSOPInstanceUID=source.StudyInstanceUID,
        RTReferencedSeriesSequence=[series],
    )
    return _item(FrameOfReferenceUID=frame, RTReferencedStudySequence=[study])


def _approve(dataset: Any, said: Sequence[Annotation]) -> None:
    """One status holds for a whole structure set, so only one that all annotations have is said."""
    statuses = {annotation.status for annotation in said}
    status = _STATUS.get(str(next(iter(statuses)))) if len(statuses) == 1 else None
    dataset.ApprovalStatus = status or "UNAPPROVED"
    if status:
        dataset.ReviewDate = dataset.ReviewTime = dataset.ReviewerName = ""


def _put_regions(dataset: Any, found: Sequence[Region], grid: Geometry, frame: str, planes: Sequence[Any]) -> None:
    described, drawn, observed = [], [], []
    known: dict[int, int] = {}
    for number, (index, region) in zip(_numbers(found), enumerate(found), strict=True):
        said = region.said.attributes
        described.append(_description(number, region, frame))
        colour = said.get("ROIDisplayColor") or COLOURS[index % len(COLOURS)]
        contours = sorted(region.contours, key=lambda each: -1 if each.plane is None else each.plane)
        drawn.append(
            _item(
                ReferencedROINumber=number,
                ROIDisplayColor=[int(part) for part in _listed(colour)],
                ContourSequence=[_contour(n, each, grid, planes, known) for n, each in enumerate(contours, 1)],
            )
        )
        observed.append(_observation(index + 1, number, region.said))
    dataset.StructureSetROISequence = described
    dataset.ROIContourSequence = drawn
    dataset.RTROIObservationsSequence = observed


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else str(value).split("\\")


def _numbers(found: Sequence[Region]) -> list[int]:
    """A number for each region: its own where it has one that no region before has."""
    own = [region.said.attributes.get("ROINumber") for region in found]
    wanted = {number for number in own if isinstance(number, int)}
    free = (number for number in count(1) if number not in wanted)
    given: list[int] = []
    for number in own:
        given.append(number if isinstance(number, int) and number > 0 and number not in given else next(free))
    return given


def _description(number: int, region: Region, frame: str) -> Any:
    label, said = region.label, region.said
    if "\\" in label or not label.isprintable():
        raise InvalidCase(None, [Problem(f"label {label!r}", "has signs that DICOM does not allow in a region's name")])
    made_by = said.attributes.get("ROIGenerationAlgorithm")
    made_by = made_by or {"model": "AUTOMATIC", "human": "MANUAL"}.get(str(said.source), "")
    item = _item(
        ROINumber=number,
        ReferencedFrameOfReferenceUID=frame,
        ROIName=label[:LONGEST_NAME],
        ROIGenerationAlgorithm=str(made_by),
    )
    described = label if len(label) > LONGEST_NAME else said.attributes.get("ROIDescription")
    if described:
        item.ROIDescription = str(described)
    if said.model:
        item.ROIGenerationDescription = said.model[:LONGEST_NAME]
    return item


def _observation(number: int, region: int, said: Annotation) -> Any:
    attributes: Mapping[str, Any] = said.attributes
    item = _item(
        ObservationNumber=number,
        ReferencedROINumber=region,
        RTROIInterpretedType=str(attributes.get("RTROIInterpretedType") or ""),
        ROIInterpreter=said.author or "",
    )
    for keyword in ("ROIObservationLabel", "ROIObservationDescription"):
        if attributes.get(keyword):
            setattr(item, keyword, str(attributes[keyword]))
    if said.codes:
        item.RTROIIdentificationCodeSequence = [coded(code) for code in said.codes]
    return item


def _contour(number: int, contour: Contour, grid: Geometry, planes: Sequence[Any], known: dict[int, int]) -> Any:
    places = grid.to_patient(contour.points)
    digits = "%.9f" if abs(places).max() < 1e5 else "%.10g"  # as many as fit into the 16 signs of a number
    item = _item(
        ContourNumber=number,
        ContourGeometricType=contour.kind,
        NumberOfContourPoints=len(places),
        ContourData=list(map(digits.__mod__, places.ravel().tolist())),
    )
    if contour.plane is not None:
        item.ContourImageSequence = [planes[contour.plane]]
    keep_in(item, _kept(contour.of, known) if contour.of is not None else {})
    return item


def _kept(annotation: Annotation, known: dict[int, int]) -> dict[str, Json]:
    """What is kept of an annotation in one of its contours: its number in all of them, the rest in the first.

    Parameters
    ----------
    known : the numbers of those that were met before; one is added for a new one
    """
    if (number := known.get(id(annotation))) is not None:
        return {NUMBER: number}
    known[id(annotation)] = number = len(known) + 1
    frame: dict[str, Json] = {} if annotation.frame is None else {"frame": annotation.frame}
    return {**kept(annotation), **frame, NUMBER: number}
