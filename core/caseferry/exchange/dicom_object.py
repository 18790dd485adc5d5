"""What all DICOM objects that annotate an image have in common."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Code
from caseferry.errors import CaseferryError, GeometryError
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import Geometry

SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"

LONGEST_CODE, LONGEST_MEANING = 16, 64

LONGEST_REASON = 200
"""Characters of what is said of damage."""


def read_object(ref: FileRef, classes: Collection[str], what: str) -> Any:
    """A whole DICOM dataset, all of which can be read.

    Parameters
    ----------
    classes : the SOP classes that are expected
    what : their name, for messages

    Raises
    ------
    ImageProblem
        The file is not DICOM, of another class, or damaged.
    """
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    try:
        with quiet(), ref.seekable() as stream:
            dataset = dcmread(stream)
            dataset.walk(lambda _, element: element.value)  # damage inside shows here
    except InvalidDicomError as error:
        raise ImageProblem(ref.name, "is not a DICOM file: the 'DICM' prefix is missing") from error
    except Exception as error:  # pydicom lets many kinds of error escape from damaged files
        raise ImageProblem(ref.name, f"is a damaged DICOM file ({type(error).__name__})", "fetch it again") from error
    if dataset.get("SOPClassUID") not in classes:
        found = getattr(dataset.get("SOPClassUID"), "name", "no SOP class")
        raise ImageProblem(ref.name, f"is not a DICOM {what} ({found[:LONGEST_MEANING]})")
    return dataset


@contextmanager
def damaged(ref: FileRef, what: str) -> Iterator[None]:
    """Say of an object that it is damaged, whatever of it is not where it should be.

    Parameters
    ----------
    what : its name, for messages

    Raises
    ------
    ImageProblem
        Something is missing, or of another type.
    """
    try:
        yield
    except CaseferryError:
        raise
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        missing = error.name if isinstance(error, AttributeError) else None
        told = f"without {missing}" if missing else f"{type(error).__name__}: {error}"
        why = f"is a damaged DICOM {what} ({told})"[:LONGEST_REASON]
        raise ImageProblem(ref.name, why, "export it again") from error


def grid_of(image: Image, ref: FileRef) -> Geometry:
    """The grid of an image that a DICOM object can point into.

    Raises
    ------
    GeometryError
        The image has no place in the patient, or more than one frame.
    """
    grid = image.geometry
    if grid is None or grid.space != "patient" or grid.frames > 1:
        raise GeometryError(
            f"image {image.role}",
            f"cannot be annotated by {ref.name}: an image with one frame and a place in the patient is expected",
        )
    return grid


def check_frame_of_reference(uid: Any, image: Image, ref: FileRef) -> None:
    """Refuse positions that are measured from another origin than those of the image, where both say from which.

    Raises
    ------
    GeometryError
        The frames of reference differ.
    """
    if image.kind not in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME} or "first" not in image.header.details:
        return
    own = image.header.details["first"].get("FrameOfReferenceUID")
    if uid and own and str(uid) != str(own):
        raise GeometryError(
            ref.name,
            f"has positions in another frame of reference than image {image.role}",
            "give the image that was annotated, or register the two",
        )


def code_of(item: Any) -> Code:
    """A coded entry (PS3.3 8.8)."""
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue") or ""
    return Code(str(value), str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", "")))


def coded(code: Code) -> Any:
    """A coded entry to be written: the inverse of `code_of`."""
    from pydicom.dataset import Dataset

    item = Dataset()
    setattr(item, "CodeValue" if len(code.value) <= LONGEST_CODE else "LongCodeValue", code.value)
    item.CodingSchemeDesignator = code.scheme
    item.CodeMeaning = (code.meaning or code.value)[:LONGEST_MEANING]
    return item


def source_datasets(image: Image) -> list[Any]:
    """The datasets of an image's files, up to their pixels.

    What a de-identifier has taken out that must be there, if empty, is empty.
    """
    from pydicom import dcmread

    datasets = []
    with quiet():
        for ref in image.files:
            with ref.seekable() as stream:
                dataset = dcmread(stream, stop_before_pixels=True)
            for keyword in (*_PATIENT, *_STUDY):
                if keyword not in dataset:
                    setattr(dataset, keyword, "")
            datasets.append(dataset)
    return datasets


_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex")
_STUDY = ("StudyDate", "StudyTime", "ReferringPhysicianName", "StudyID", "AccessionNumber")
_WHERE_THERE = (
    "StudyInstanceUID",
    "StudyDescription",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)


def belonging(source: Any) -> Any:
    """A dataset that belongs to the patient and the study of another, and was made here.

    Source
    ------
    DICOM PS3.3 C.7.1.1, C.7.2.1, C.7.5.1, C.12.1
    """
    from pydicom.dataset import Dataset

    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword in (*_PATIENT, *_STUDY):
        setattr(dataset, keyword, source.get(keyword, ""))
    for keyword in _WHERE_THERE:
        if source.get(keyword):
            setattr(dataset, keyword, source[keyword].value)
    dataset.Manufacturer = dataset.ManufacturerModelName = "caseferry"
    dataset.SoftwareVersions = "1"
    return dataset


def content_time(annotations: Sequence[Annotation], source: Any) -> tuple[str, str, str]:
    """When annotations were made, or, where nobody knows, when the image was; never when they were written.

    Returns
    -------
    Date and time as DICOM writes them, and the zone, empty when it is not known.
    """
    times = [when for each in annotations for when in (each.modified, each.created) if when is not None]
    if times:
        when = max(times)
        return when.strftime("%Y%m%d"), when.strftime("%H%M%S.%f"), when.strftime("%z")[:5]
    for event in ("Content", "Series", "Study"):
        if date := source.get(f"{event}Date"):
            return date, source.get(f"{event}Time") or "000000", ""
    return "19000101", "000000", ""
