"""From masks to a DICOM segmentation.

Source
------
DICOM PS3.3 C.8.20.2 (Segmentation Image, Segment Description).
"""

from __future__ import annotations

import hashlib
import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Code, Mask
from caseferry.errors import GeometryError, InvalidCase, MissingDependency, Problem
from caseferry.exchange.dicom_object import content_time, source_datasets
from caseferry.exchange.dicom_seg.reading import LONGEST_LABEL
from caseferry.exchange.keeping import keep_in, kept
from caseferry.imaging.kinds import Kind
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.geometry import Geometry

UNSAID = Code("85756007", "SCT", "Tissue")
"""What a segment is when nothing more is known: each must have a category and a type."""


UNSAID_FAMILY = Code("123110", "DCM", "Artificial Intelligence")
"""The family of algorithms that a model is of, which has to be said."""


def write_segmentation(masks: Iterable[tuple[Mask, NDArray[Any]]], image: Image, *, description: str = "") -> bytes:
    """A binary DICOM segmentation of masks, as a file's bytes.

    It belongs to the patient and the study of the image, and says so: it identifies whom the image identifies.
    The same masks of the same image give the same bytes. What a segmentation has no place for is kept in private
    elements of its segments.

    Parameters
    ----------
    masks : masks and their voxels on the image's grid [column, row, slice]; each label becomes a segment; they may
        overlap. Codes: the first says what each segment is, the second its category
    image : a DICOM series or a DICOM multi-frame image with a place in the patient
    description : of the series

    Raises
    ------
    MissingDependency
        highdicom is not installed.
    GeometryError
        The image is not DICOM, lacks what a segmentation refers to, or a mask has another shape.
    """
    try:
        from highdicom.seg import Segmentation, SegmentationTypeValues
    except ImportError as error:
        raise MissingDependency("dicom-seg", "writing DICOM segmentations") from error
    from pydicom.uid import ExplicitVRLittleEndian

    grid = image.geometry
    if grid is None or grid.frames > 1 or image.kind not in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}:
        raise GeometryError(
            f"image {image.role}", f"is {image.kind}: a DICOM segmentation needs a DICOM image with one frame"
        )
    masks = list(masks)
    layers, descriptions = _segments(masks, image, grid)
    sources = _completed(source_datasets(image), image, grid)
    slices = {place: index for index, place in enumerate(image.layout)}
    order = [slices[place] for place in sorted(slices)]
    stacked = np.stack([layer.transpose(2, 1, 0)[order] for layer in layers], axis=-1)
    series, instance, organization = _uids(stacked, descriptions, sources[0])
    with quiet(), _told(image):
        segmentation = Segmentation(
            source_images=sources,
            pixel_array=stacked,
            segmentation_type=SegmentationTypeValues.BINARY,
            segment_descriptions=descriptions,
            series_instance_uid=series,
            series_number=1,
            sop_instance_uid=instance,
            instance_number=1,
            manufacturer="caseferry",
            manufacturer_model_name="caseferry",
            software_versions="1",
            device_serial_number="0",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            omit_empty_frames=bool(stacked.any()),
            series_description=description or None,
            specific_character_set="ISO_IR 192",
        )
        _settle(segmentation, organization)
        _date(segmentation, [mask for mask, _ in masks], sources[0])
    out = io.BytesIO()
    segmentation.save_as(out)
    return out.getvalue()


@contextmanager
def _told(image: Image) -> Iterator[None]:
    """Say of an image that highdicom cannot write segments of it, whatever it lacks."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"has headers of which highdicom makes no segmentation ({type(error).__name__}: {error})"
        raise GeometryError(f"image {image.role}", what, "write another format") from error


def _completed(sources: list[Any], image: Image, grid: Geometry) -> list[Any]:
    """Datasets with what highdicom asks for and a file may leave out.

    Raises
    ------
    GeometryError
        They do not say in which frame of reference they lie.
    """
    if not sources[0].get("FrameOfReferenceUID"):
        raise GeometryError(f"image {image.role}", "has no FrameOfReferenceUID, in which segments lie")
    from pydicom.valuerep import format_number_as_ds

    if image.kind is Kind.DICOM_SERIES:
        for source in sources:
            if not source.get("SliceThickness"):
                source.SliceThickness = format_number_as_ds(float(grid.spacing_mm[2]))
    return sources


def _settle(segmentation: Any, organization: str) -> None:
    """Take out what is random, and the time of writing."""

    def visit(dataset: Any, element: Any) -> None:
        if element.keyword == "DimensionOrganizationUID":
            element.value = organization
        elif element.keyword == "ContributionDateTime":
            del dataset[element.tag]

    segmentation.walk(visit)
    del segmentation.InstanceCreationDate, segmentation.InstanceCreationTime


def _date(segmentation: Any, masks: Sequence[Mask], source: Any) -> None:
    segmentation.ContentDate, segmentation.ContentTime, zone = content_time(masks, source)
    if zone:
        segmentation.TimezoneOffsetFromUTC = zone


def _segments(
    masks: Iterable[tuple[Mask, NDArray[Any]]], image: Image, grid: Geometry
) -> tuple[list[NDArray[np.uint8]], list[Any]]:
    layers: list[NDArray[np.uint8]] = []
    descriptions = []
    for mask, voxels in masks:
        if voxels.shape != grid.shape:
            raise GeometryError(
                f"mask {mask.id or ', '.join(mask.labels.values())}",
                f"has {voxels.shape} voxels where image {image.role} has {grid.shape}",
            )
        for part, (value, label) in enumerate(mask.labels.items(), 1):
            layers.append((voxels == value).astype(np.uint8))
            descriptions.append(_description(len(layers), label, mask))
            keep_in(descriptions[-1], kept(mask, part if len(mask.labels) > 1 else None))
    if not layers:
        raise GeometryError(f"image {image.role}", "has no masks to write: at least one is expected")
    return layers, descriptions


def _description(number: int, label: str, mask: Mask) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.coding import Code as DicomCode

    def coded(code: Code) -> DicomCode:
        return DicomCode(code.value, code.scheme, code.meaning or code.value)

    if "\\" in label or not label.isprintable():
        raise InvalidCase(
            None, [Problem(f"label {label!r}", "has signs that DICOM does not allow in a segment's label")]
        )
    meant, category = [*mask.codes, UNSAID, UNSAID][:2]
    made_by = mask.attributes.get("SegmentAlgorithmType") or ("AUTOMATIC" if mask.source == "model" else "MANUAL")
    algorithm = None
    if made_by != "MANUAL":
        algorithm = AlgorithmIdentificationSequence(mask.model or "unknown", coded(UNSAID_FAMILY), version="unknown")
    tracking = [mask.attributes.get(keyword) for keyword in ("TrackingUID", "TrackingID")]
    uid, name = map(str, tracking) if all(tracking) else (None, None)
    described = SegmentDescription(
        segment_number=number,
        segment_label=label[:LONGEST_LABEL],
        segmented_property_category=coded(category),
        segmented_property_type=coded(meant),
        algorithm_type=str(made_by),
        algorithm_identification=algorithm,
        anatomic_regions=[coded(code) for code in mask.codes[2:3]] or None,
        tracking_uid=uid,
        tracking_id=name,
    )
    description = label if len(label) > LONGEST_LABEL else mask.attributes.get("SegmentDescription")
    if description:
        described.SegmentDescription = str(description)
    return described


def _uids(stacked: NDArray[np.uint8], descriptions: Sequence[Any], source: Any) -> list[str]:
    """The unique identifiers of the series, the instance and its dimensions, from what they hold."""
    from pydicom.uid import generate_uid

    content = hashlib.sha256(stacked.tobytes())
    content.update("\n".join(str(each) for each in descriptions).encode())
    seed = [str(source.SeriesInstanceUID), content.hexdigest()]
    return [str(generate_uid(entropy_srcs=[*seed, each])) for each in ("series", "instance", "dimensions")]
