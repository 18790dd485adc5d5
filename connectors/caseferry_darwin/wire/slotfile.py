"""The one file that a slot holds of an image, and what Darwin calls its type."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from caseferry.capability import Conversion
from caseferry.files import FileRef, file_name, made
from caseferry.geometry import as_stored
from caseferry.held import Deviation
from caseferry.imaging.convert import NIFTI_ERROR, nifti_error, write_nifti, write_png
from caseferry.imaging.kinds import Kind
from caseferry_darwin.wire.series import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.case import Image
    from caseferry.held import Loss

ENDINGS = {
    Kind.DICOM_SERIES: (".dcm",),
    Kind.DICOM_MULTIFRAME: (".dcm",),
    Kind.NIFTI: (".nii", ".nii.gz"),
    Kind.VIDEO: (".mp4", ".mov"),
    Kind.PDF: (".pdf",),
    Kind.WSI: (".svs", ".tif", ".tiff"),
}
"""Endings by which the platform tells what a file is; the first is given to a file that has none of them."""

CONVERSIONS = {
    kind: Conversion("NIfTI, with every voxel and the same affine", f"Darwin does not show {kind}", NIFTI_ERROR)
    for kind in (Kind.METAIMAGE, Kind.NRRD)
}
"""Kinds that the platform does not read, and what becomes of them."""

TYPES = {
    Kind.DICOM_SERIES: "dicom",
    Kind.DICOM_MULTIFRAME: "dicom",
    Kind.PICTURE: "image",
    Kind.WSI: "image",
    Kind.VIDEO: "video",
    Kind.PDF: "pdf",
}
"""The types of registered files, where the guide names one; NIfTI goes by its ending."""


def slot_file(image: Image) -> FileRef:
    """The one file that a slot holds of an image."""
    if image.kind is Kind.DICOM_SERIES and len(image.files) > 1:
        return packed(image.files, file_name(_plain(image.role), ".dcm"))
    ref = image.files[0]
    if image.kind in CONVERSIONS:
        return _converted(image, ref)
    endings = ENDINGS.get(image.kind, ())
    if endings and not ref.name.lower().endswith(endings):
        return replace(ref, name=f"{ref.name}{_ending(ref, endings)}")
    return ref


def conversion(image: Image) -> Loss | None:
    """What of an image is there in another form."""
    found, grid = CONVERSIONS.get(image.kind), image.geometry
    if found is None or grid is None:
        return None
    part = f"image {image.role!r}"
    if _as_picture(image):
        return replace(found, into="PNG, with every pixel").loss(part)
    return found.loss(part, Deviation(mm=nifti_error(as_stored(grid))))


def _ending(ref: FileRef, endings: Sequence[str]) -> str:
    if ".nii.gz" in endings:
        with ref.open() as stream:
            return ".nii.gz" if stream.read(2) == b"\x1f\x8b" else ".nii"
    return endings[0]


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text)


def _as_picture(image: Image) -> bool:
    grid, header = image.geometry, image.header
    depths = {("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint8", 4)}
    return grid is not None and grid.space == "pixel" and grid.planes == 1 and (header.dtype, header.channels) in depths


def _converted(image: Image, ref: FileRef) -> FileRef:
    grid, header = image.geometry, image.header
    assert grid is not None  # noqa: S101  MetaImage and NRRD always have one
    stem = PurePosixPath(ref.name).stem
    if _as_picture(image):

        def draw(out: BinaryIO) -> None:
            write_png(out, image.planes(), header.dtype, header.channels)

        return made(draw, file_name(stem, ".png"), media_type="image/png")

    def make(out: BinaryIO) -> None:
        write_nifti(out, image.planes(), as_stored(grid), header.dtype, channels=header.channels)

    return made(make, file_name(stem, ".nii.gz"), media_type="application/nifti")
