"""DICOM image sets: files kept as they are, if they belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry_grand_challenge.sandbox.files import Content, store_content

if TYPE_CHECKING:
    from caseferry.sandbox.blobs import Blob, Blobs


def read_image_set(blobs: Blobs, sources: list[tuple[str, Content]]) -> dict[str, Blob] | None:
    """The instances of one series by their SOP instance UID, or None for files that are no such set."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    series: set[tuple[str, str, str]] = set()
    instances: dict[str, Blob] = {}
    for _, content in sources:
        blob, _ = store_content(blobs, content)
        try:
            with blob.open() as stream:
                header = pydicom.dcmread(stream, stop_before_pixels=True)
            instances[str(header.SOPInstanceUID)] = blob
            series.add((str(header.StudyInstanceUID), str(header.SeriesInstanceUID), str(header.PatientID)))
        except (InvalidDicomError, AttributeError):
            return None
    return instances if len(series) == 1 and len(instances) == len(sources) else None
