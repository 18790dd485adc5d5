"""DICOM image sets: files that belong together, without what identifies anybody.

The platform runs a procedure of its own over every file, which keeps what is needed to show the image. This one keeps
less where nobody looks, and changes the same things where somebody does: names, numbers and dates are gone, UIDs are
others, and what a modality's list of attributes does not name is gone, too.
"""

from __future__ import annotations

import io
import uuid
from typing import TYPE_CHECKING

from caseferry_grand_challenge.sandbox.files import Content, store_content

if TYPE_CHECKING:
    from pydicom import Dataset

    from caseferry.sandbox.blobs import Blob, Blobs

ROOT = "1.2.826.0.1.3680043.10.1666."
"""How the UIDs begin that the platform gives."""

CT, MR, SLIDE = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.77.1.6"

PLANE = {
    *("SpecificCharacterSet", "ImageType", "SOPClassUID", "Modality", "Manufacturer", "InstanceNumber"),
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns", "PixelData"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"),
}
SLICE = {
    *PLANE,
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "PixelPaddingValue"),
}

KEPT = {
    CT: {*SLICE, "RescaleIntercept", "RescaleSlope", "RescaleType", "WindowCenter", "WindowWidth"},
    MR: {*SLICE, "EchoTime", "EchoNumbers", "RepetitionTime", "TriggerTime", "TemporalPositionIdentifier"},
    SLIDE: {*PLANE, "NumberOfFrames", "TotalPixelMatrixColumns", "TotalPixelMatrixRows"},
}
"""By SOP class, what stays as it is. Files of other classes are refused."""

RENAMED = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")


def read_image_set(blobs: Blobs, sources: list[tuple[str, Content]]) -> dict[str, Blob] | None:
    """The instances of one series by their new SOP instance UID, or None for files that are no such set."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    series: set[tuple[str, str, str]] = set()
    names: dict[str, str] = {}
    instances: dict[str, Blob] = {}
    for _, content in sources:
        stored, _ = store_content(blobs, content)
        try:
            with stored.open() as stream:
                dataset = pydicom.dcmread(stream)
            series.add((str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.get("PatientID"))))
            kept = KEPT[str(dataset.SOPClassUID)]
        except (InvalidDicomError, AttributeError, KeyError):
            return None
        _clean(dataset, kept, names)
        written = io.BytesIO()
        dataset.save_as(written, enforce_file_format=True)
        instances[str(dataset.SOPInstanceUID)] = blobs.add(written.getvalue())
    together = len(series) == 1 and len(instances) == len(sources)
    # In the order of the new UIDs, which is none.
    return {uid: instances[uid] for uid in sorted(instances)} if together else None


def _clean(dataset: Dataset, kept: set[str], names: dict[str, str]) -> None:
    for element in list(dataset):
        if element.keyword in RENAMED:
            element.value = names.setdefault(str(element.value), f"{ROOT}{uuid.uuid4().int}"[:64])
        elif element.keyword not in kept:
            del dataset[element.tag]
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "the sandbox's procedure"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
