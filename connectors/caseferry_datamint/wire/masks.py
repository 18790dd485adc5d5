"""Masks as Datamint's segmentations; `caseferry_datamint.wire.segmentations` reads them.

A volume that is one NIfTI resource takes a mask as one NIfTI file on the same grid; the platform makes an annotation
of each value. Everything else takes one PNG for each plane and label.

Source
------
Datamint's Python SDK 2.45: ``upload_segmentations`` (PNG frames of 0 and 255) and ``upload_volume_segmentation``.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caseferry.case.placement import aligned, is_empty
from caseferry.files import FileRef, file_name, made
from caseferry.imaging.convert import nifti_bytes
from caseferry.imaging.kinds import Kind
from caseferry_datamint.wire.frames import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caseferry.annotation import Mask
    from caseferry.case import Image
    from caseferry.mapping import Names

SEGMENTATION = "segmentation"
"""The type of annotations that have voxels."""

NIFTI = "application/nifti"
PNG = "image/png"


def as_volume(image: Image) -> bool:
    """Whether an image takes masks as volumes: when its resource is a NIfTI file of several slices."""
    grid = image.geometry
    volume = image.kind in {Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD}
    return volume and grid is not None and grid.shape[2] > 1 and grid.frames == 1


def why_not(mask: Mask, image: Image, names: Names) -> str | None:
    """Why a mask has no native form, or None when it has one."""
    grid = image.geometry
    if grid is None:
        return "its image has no grid"
    labels = [names.label(name) for name in mask.labels.values()]
    if len(set(labels)) < len(labels):
        return "several of its values have one name, which Datamint would merge"
    if is_empty(mask):
        return "it has no pixels, of which Datamint makes segmentations"
    if not as_volume(image) and any(place_of(image, plane) is None for plane in range(grid.planes)):
        return "Datamint numbers the axial slices of a volume only"
    return None


def volume_file(mask: Mask, image: Image) -> FileRef:
    """A mask as a NIfTI file on the grid of its image's resource."""
    grid = image.geometry
    assert grid is not None  # noqa: S101  why_not has refused others

    def make(out: BinaryIO) -> None:
        out.write(nifti_bytes(_small(aligned(mask, image)), grid, labels=True))

    return made(make, file_name(mask.id, ".nii.gz"), media_type=NIFTI)


def _small(array: NDArray[Any]) -> NDArray[Any]:
    """Label values in the smallest unsigned type."""
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))


@dataclass(frozen=True, slots=True)
class Frame:
    """One label in one plane.

    Attributes
    ----------
    file, frame : where the plane lies
    label : in the case's words
    png : grey, 255 where the label is
    """

    file: int
    frame: int
    label: str
    png: bytes


def frames_of(mask: Mask, image: Image) -> Iterator[Frame]:
    """A mask as one PNG for each label in each plane where it is, planes in order."""
    grid = image.geometry
    assert grid is not None  # noqa: S101  why_not has refused others
    voxels = aligned(mask, image).reshape(*grid.shape[:2], grid.planes, order="F")
    for plane in range(grid.planes):
        place = place_of(image, plane)
        for value in np.unique(voxels[:, :, plane]):
            if value and place is not None:
                yield Frame(place.file, place.frame, mask.labels[int(value)], _png(voxels[:, :, plane] == value))


def _png(inside: NDArray[np.bool_]) -> bytes:
    from PIL import Image as Picture

    out = io.BytesIO()
    Picture.fromarray(np.ascontiguousarray(inside.T, dtype=np.uint8) * 255).save(out, "PNG")
    return out.getvalue()
