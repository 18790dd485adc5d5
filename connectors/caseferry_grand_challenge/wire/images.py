"""The files that Grand Challenge's importer turns into the image that is meant, voxel for voxel.

The importer keeps MetaImage, NIfTI and NRRD files as ITK reads them. What it would change, or cannot read, is sent
as a MetaImage made here: DICOM (it swaps the spacing of pixels that are not square, orders slices by InstanceNumber,
averages uneven gaps, inverts MONOCHROME1, makes floats of rescaled values, and carries patients' names over),
NIfTI files that leave ITK a choice (see `_is_plain_nifti`), headers that lie apart from their voxels, and pictures
whose pixels it would not keep.

Source
------
Measured on a Grand Challenge server with panimg 0.15.2, and with panimg 0.18.2 alone.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from caseferry.capability import Conversion
from caseferry.case.placement import aligned
from caseferry.files import FileRef, file_name, made
from caseferry.geometry import as_stored
from caseferry.imaging.convert import metaimage_size, planes_of, write_metaimage, write_png
from caseferry.imaging.kinds import Format, Kind
from caseferry.imaging.metaimage import NAMES
from caseferry.imaging.reading import format_of
from caseferry_grand_challenge.wire.segments import table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.annotation import Mask
    from caseferry.case import Image
    from caseferry.held import Loss

CONVERSIONS = {
    **{
        kind: Conversion("MetaImage, with every voxel and the same affine", f"Grand Challenge keeps no {kind} file")
        for kind in Kind
    },
    **dict.fromkeys(
        (Kind.VIDEO, Kind.PDF, Kind.WSI),
        Conversion("the same file", "Grand Challenge keeps the file and forgets its name"),
    ),
    **dict.fromkeys(
        (Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME),
        Conversion(
            "MetaImage made by caseferry, with every voxel and the same affine",
            "Grand Challenge's DICOM importer does not keep every grid and value",
        ),
    ),
}
"""What becomes of an image of each kind."""

LONGEST_NAME = 128
"""Characters in the name of an uploaded file."""

ENDINGS = {Kind.NIFTI: (".nii", ".nii.gz"), Kind.NRRD: (".nrrd", ".nhdr"), Kind.METAIMAGE: (".mha", ".mhd")}

MOST_CHANNELS = 4
"""Values of a voxel that the importer takes."""

NIFTI_1 = 348
"""How long the header of a NIfTI-1 file says it is."""

MILLIMETRES = (0, 2)
"""Units in a NIfTI header that mean millimetres: none, and the code for them."""

KEPT_PICTURES = {("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint8", 4)}
"""Types and channels of PNG files that come through the importer as they are."""


def upload_name(name: str) -> str:
    """A file name that the platform takes: not too long, its ending kept."""
    if len(name) <= LONGEST_NAME:
        return name
    ending = "".join(PurePosixPath(name).suffixes[-2:])[-16:]
    return name[: LONGEST_NAME - len(ending)] + ending


def stored_files(image: Image) -> list[FileRef]:
    """The files that are uploaded for an image."""
    if image.kind in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}:
        return [_metaimage(image)]
    if image.kind is Kind.NIFTI and not _is_plain_nifti(image):
        return [_metaimage(image)]
    if image.kind in {Kind.METAIMAGE, Kind.NRRD} and len(image.files) > 1:
        return [_metaimage(image)]
    if image.kind is Kind.PICTURE and not _keeps_picture(image):
        return [_png(image) if _fits_png(image) else _metaimage(image)]
    endings = ENDINGS.get(image.kind, ())
    first = image.files[0]
    if endings and not first.name.lower().endswith(endings):
        return [_renamed(first, first.name + _ending(first, endings))]
    return list(image.files)


def _ending(ref: FileRef, endings: Sequence[str]) -> str:
    if ".nii.gz" not in endings:
        return endings[0]
    with ref.open() as stream:
        return ".nii.gz" if stream.read(2) == b"\x1f\x8b" else ".nii"


def _renamed(ref: FileRef, name: str) -> FileRef:
    from dataclasses import replace

    return replace(ref, name=name)


def import_problem(image: Image) -> str | None:
    """Why the platform's importer would refuse an image, or None."""
    if image.kind is Kind.WSI and not image.header.details.get("resolution"):
        return "has no XResolution and YResolution, without which Grand Challenge imports no TIFF"
    if image.kind not in {Kind.VIDEO, Kind.PDF, Kind.WSI}:
        header = image.header
        if header.channels > MOST_CHANNELS:
            return f"has {header.channels} channels; Grand Challenge imports up to {MOST_CHANNELS}"
        if header.dtype not in NAMES:
            return f"holds values of type {header.dtype}, which MetaImage cannot hold"
    return None


def conversion(image: Image) -> Loss:
    """What becomes of an image's files."""
    return CONVERSIONS[image.kind].loss(f"image {image.role!r}")


def _is_plain_nifti(image: Image) -> bool:
    """Whether ITK reads the same voxels at the same places as nibabel does, whichever transform it goes by.

    It reads no NIfTI-2 and no sheared grids; makes float32 of scaled values; takes units for what they say; keeps no
    place for flat files; goes by the voxel size alone where there is no transform; and has its own order where two
    transforms, or a transform and the voxel sizes, disagree.
    """
    raw, grid = image.header.details["header"], image.geometry
    assert grid is not None  # noqa: S101  every NIfTI image has a grid
    stored = "uint8" if image.header.channels > 1 else raw.get_data_dtype().newbyteorder("=").name
    forms = [
        np.asarray(form, dtype=np.float64)
        for form, code in ((raw.get_sform(), raw["sform_code"]), (raw.get_qform(), raw["qform_code"]))
        if int(code)
    ]
    corners = np.array([[0, 0, 0, 1], *np.c_[np.diag(np.array(grid.shape) - 1), np.ones(3)]], dtype=np.float64)
    places = [corners @ form.T for form in forms]
    return (
        int(raw["sizeof_hdr"]) == NIFTI_1
        and int(raw["dim"][0]) in {3, 4}
        and int(raw["xyzt_units"]) & 7 in MILLIMETRES
        and stored == image.header.dtype
        and bool(forms)
        and all(np.allclose(each, places[0], atol=1e-4) for each in places)
        and np.allclose(grid.direction.T @ grid.direction, np.eye(3), atol=1e-5)
        and np.allclose(raw["pixdim"][1:4], grid.spacing_mm, rtol=1e-5)
    )


def _keeps_picture(image: Image) -> bool:
    """Whether the importer keeps a picture's pixels: PNG without a palette."""
    header = image.header
    if (header.dtype, header.channels) not in KEPT_PICTURES or image.geometry is None or image.geometry.planes > 1:
        return False
    return format_of(image.files[0]) is Format.PNG and header.details.get("mode") in {"L", "I;16", "RGB", "RGBA"}


def _fits_png(image: Image) -> bool:
    header = image.header
    one = image.geometry is not None and image.geometry.planes == 1
    return one and (header.dtype, header.channels) in KEPT_PICTURES


def _png(image: Image) -> FileRef:
    header = image.header

    def draw(out: BinaryIO) -> None:
        write_png(out, image.planes(), header.dtype, header.channels)

    return made(draw, f"{PurePosixPath(image.files[0].name).stem}.png", media_type="image/png")


def _metaimage(image: Image) -> FileRef:
    grid, header = image.geometry, image.header
    assert grid is not None  # noqa: S101  every kind that is converted has a grid
    stored, extra = as_stored(grid), _header_lines(image)

    def make(out: BinaryIO) -> None:
        write_metaimage(out, image.planes(), stored, header.dtype, channels=header.channels, extra=extra)

    size = metaimage_size(stored, header.dtype, header.channels, extra)
    alone = len(image.files) == 1
    stem = PurePosixPath(image.files[0].name).stem.removesuffix(".nii") if alone else _plain(image.role)
    return made(make, file_name(stem, ".mha"), size=size)


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text)


def _header_lines(image: Image) -> dict[str, str]:
    """Keys that the importer takes over from a MetaImage's header, none of which names anybody."""
    first = image.header.details.get("first")
    lines: dict[str, str] = {}
    for key in ("WindowCenter", "WindowWidth"):
        value = first.get(key) if first is not None else None
        if value is not None and type(value).__name__ != "MultiValue" and np.isfinite(float(value)):
            lines[key] = repr(float(value))
    return lines


def mask_file(mask: Mask, image: Image, numbers: Mapping[int, int]) -> FileRef:
    """A mask as an 8-bit MetaImage on the grid of its image as the platform keeps it.

    Parameters
    ----------
    numbers : what each of its voxel values becomes
    """
    grid = image.geometry
    assert grid is not None  # noqa: S101  sealing has refused masks of images without a grid
    stored = as_stored(grid)
    dtype, becomes = "uint8" if max(numbers.values()) <= 255 else "uint16", table(numbers)

    def make(out: BinaryIO) -> None:
        there = aligned(mask, image)
        voxels: NDArray[np.generic] = (there if becomes is None else becomes[there]).astype(dtype)
        write_metaimage(out, planes_of(voxels), stored, dtype)

    name = f"{PurePosixPath(mask.file.name).name.split('.')[0]}.mha"
    return made(make, name, size=metaimage_size(stored, dtype))
