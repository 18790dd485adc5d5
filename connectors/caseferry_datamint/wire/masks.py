"""Masks as Datamint's segmentations, and back.

A volume that is one NIfTI resource takes a mask as one NIfTI file on the same grid; the platform makes an annotation
of each value. Everything else takes one PNG for each plane and label.

Source
------
Datamint's Python SDK 2.45: ``upload_segmentations`` (PNG frames of 0 and 255) and ``upload_volume_segmentation``.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caseferry.annotation import Mask
from caseferry.case.seal import aligned, is_empty
from caseferry.files import FileRef, file_name, made
from caseferry.imaging.convert import nifti_bytes
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.pixels import load_voxels
from caseferry.imaging.reading import read_header
from caseferry_datamint.wire.frames import cut_of, place_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.geometry import Geometry
    from caseferry.mapping import Names

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


# -- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Piece:
    """One segmentation annotation of the platform.

    Attributes
    ----------
    file : index of its resource among those of the image
    row : what the platform says of it
    open : opens its file
    """

    file: int
    row: Mapping[str, Any]
    open: Callable[[], BinaryIO]

    @property
    def identifier(self) -> str:
        """The platform's name of what is segmented."""
        return str(self.row.get("identifier") or self.row.get("name") or "")

    @property
    def frame(self) -> int | None:
        """The frame within the resource; None for a volume."""
        index = self.row.get("frame_index", self.row.get("index"))
        return None if index is None or self.row.get("scope") == "image" else int(index)


def grouped(pieces: Sequence[Piece], link: Callable[[Mapping[str, Any]], str | None]) -> dict[str, list[Piece]]:
    """Segmentations that make one mask: those put together, else those of one name, author and model."""
    groups: defaultdict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        own = link(piece.row)
        author = f"{piece.row.get('created_by', '')} with {piece.row.get('model_id') or ''}"
        alone = piece.frame is None
        key = f"id {own}" if own else f"{piece.row.get('id')}" if alone else f"name {piece.identifier} by {author}"
        groups[key].append(piece)
    return dict(groups)


def mask_of(
    pieces: Sequence[Piece], image: Image, names: Names, wanted: Mapping[int, str] | None, common: dict[str, Any]
) -> Mask:
    """A mask from the segmentations that make it; their files are fetched when the mask is opened.

    Parameters
    ----------
    wanted : voxel value to label, when the mask is known; else values are given from 1 in order of the names
    """
    labels: dict[int, str] = {}
    for label in sorted({names.label_back(name) for piece in pieces for name in _named(piece)}):
        value = next((v for v, text in (wanted or {}).items() if text == label), None)
        labels[value if value is not None else _free(labels, wanted)] = label

    def make(out: BinaryIO) -> None:
        grid = image.geometry
        if grid is None:
            raise ImageProblem(image.role, "has no grid for its mask")
        out.write(nifti_bytes(_composed(pieces, image, grid, names, labels), grid, labels=True))

    name = file_name(str(common.get("id") or "mask"), ".nii.gz")
    return Mask(file=made(make, name, media_type=NIFTI), labels=labels, **{**common, "label": ""})


def _named(piece: Piece) -> list[str]:
    classes = piece.row.get("class_map")
    return [str(name) for name in classes.values()] if isinstance(classes, Mapping) and classes else [piece.identifier]


def _free(taken: Mapping[int, str], wanted: Mapping[int, str] | None) -> int:
    value = 1
    while value in taken or value in (wanted or {}):
        value += 1
    return value


def _composed(
    pieces: Sequence[Piece], image: Image, grid: Geometry, names: Names, labels: Mapping[int, str]
) -> NDArray[Any]:
    """Label values on the image's grid; where segmentations overlap, the later one counts."""
    values = {label: value for value, label in labels.items()}
    whole = np.zeros((*grid.shape[:2], grid.planes), np.min_scalar_type(max(labels, default=1)))
    for piece in pieces:
        array = _pixels(piece)
        classes = piece.row.get("class_map")
        if isinstance(classes, Mapping) and classes:
            selected = [(array == int(value), values[names.label_back(str(name))]) for value, name in classes.items()]
        else:
            selected = [(array != 0, values[names.label_back(piece.identifier)])]
        for inside, value in selected:
            if piece.frame is not None:
                cut = cut_of(image, piece.file, piece.frame)
                if cut is None:
                    raise ImageProblem(image.role, f"has no frame {piece.frame} for its segmentation")
                whole[cut][inside[:, :, 0]] = value
            else:
                whole[inside.reshape(whole.shape, order="F")] = value
    shaped = whole.reshape(*grid.shape, grid.frames, order="F")
    return shaped if grid.frames > 1 else shaped[:, :, :, 0]


def _pixels(piece: Piece) -> NDArray[Any]:
    """[column, row, slice] of a segmentation's file; colours count where any is set."""
    name = f"segmentation {piece.row.get('id')}"
    with piece.open() as stream:
        ref = FileRef.of_bytes(stream.read(), name)
    header = read_header([ref])
    array = load_voxels([ref], header)
    return array.max(axis=-1) if header.channels > 1 else array
