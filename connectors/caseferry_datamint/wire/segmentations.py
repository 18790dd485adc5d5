"""Masks from Datamint's segmentations.

Source
------
Datamint's Python SDK 2.45: ``ImageSegmentation`` (a picture of one frame, in which everything but 0 counts) and
``VolumeSegmentation`` (a NIfTI file; ``class_map`` names its values, of which several may have one name). Its readers
turn a volume so that slices go from the feet to the head, by the file's own affine, and wrap arrays that people give
it into NIfTI files whose affine is the identity.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caseferry.annotation import LARGEST_LABEL, Mask
from caseferry.files import FileRef, file_name, made
from caseferry.geometry import RAS_TO_LPS, SAME_GRID_MM, axis_map
from caseferry.imaging.convert import nifti_bytes
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.pixels import load_voxels
from caseferry.imaging.reading import read_header
from caseferry_datamint.wire.answers import first_of, readable, whole
from caseferry_datamint.wire.frames import cut_of
from caseferry_datamint.wire.masks import NIFTI, SEGMENTATION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.geometry import Geometry
    from caseferry.mapping import Names

NAMELESS = "segmentation"
"""The label of what people have segmented and given no name."""

SAME_VOXEL = 0.1
"""How far from the image's voxels, in voxels, those of a segmentation may lie to be taken for the same."""


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
        return readable(self.row.get("identifier") or self.row.get("name") or "")

    @property
    def frame(self) -> int | None:
        """The frame within the resource; None for a volume."""
        return whole(first_of(self.row, "frame_index", "index"))

    @property
    def classes(self) -> dict[int, str]:
        """The names of the values in its file; empty where everything but 0 is what it is called."""
        said = self.row.get("class_map")
        try:
            named = {int(value): readable(name or f"{NAMELESS} {value}") for value, name in said.items()}  # type: ignore[union-attr]
        except (AttributeError, TypeError, ValueError):
            return {}
        return {value: name for value, name in named.items() if 0 < value <= LARGEST_LABEL}

    @property
    def names(self) -> list[str]:
        """What is segmented in it."""
        return [*self.classes.values()] or [self.identifier or NAMELESS]


def is_segmentation(row: Mapping[str, Any]) -> bool:
    """Whether a row tells of voxels."""
    return str(row.get("annotation_type") or row.get("type")) == SEGMENTATION


def names_file(row: Mapping[str, Any]) -> bool:
    """Whether a row says that its file is there."""
    return bool(row.get("file") or row.get("associated_file"))


def grouped(pieces: Sequence[Piece], link: Callable[[Mapping[str, Any]], str | None]) -> dict[str, list[Piece]]:
    """Segmentations that make one mask: those put together, else those of one name, author, model and worklist.

    Of several in one frame, each belongs to another mask: they are several findings of that name.
    """
    groups: defaultdict[str, list[Piece]] = defaultdict(list)
    times: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for piece in pieces:
        if own := link(piece.row):
            groups[f"id {own}"].append(piece)
        elif piece.frame is None:
            groups[f"{piece.row.get('id')}"].append(piece)
        else:
            who = [piece.row.get(name) for name in ("created_by", "model_id", "annotation_worklist_id")]
            name = f"name {piece.identifier} by {who}"
            spot = (name, str(piece.row.get("resource_id")), piece.frame)
            groups[f"{name}, {times[spot]}"].append(piece)
            times[spot] += 1
    return dict(groups)


def mask_of(
    pieces: Sequence[Piece], image: Image, names: Names, wanted: Mapping[int, str] | None, common: dict[str, Any]
) -> Mask:
    """A mask from the segmentations that make it; their files are fetched when the mask is opened.

    Parameters
    ----------
    wanted : voxel value to label, when the mask is known; else one file that names its values keeps them, and several
        are given values from 1 in order of their names
    """
    labels: dict[int, str] = {}
    if wanted is None and len(pieces) == 1 and len(pieces[0].classes) > 1:
        labels = {value: names.label_back(name) for value, name in pieces[0].classes.items()}
    else:
        for label in sorted({names.label_back(name) for piece in pieces for name in piece.names}):
            value = next((v for v, text in (wanted or {}).items() if text == label), None)
            labels[value if value is not None else _free(labels, wanted)] = label

    def make(out: BinaryIO) -> None:
        grid = image.geometry
        if grid is None:
            raise ImageProblem(image.role, "has no grid for its mask")
        out.write(nifti_bytes(_composed(pieces, image, grid, names, labels), grid, labels=True))

    name = file_name(str(common.get("id") or "mask"), ".nii.gz")
    return Mask(file=made(make, name, media_type=NIFTI), labels=labels, **{**common, "label": ""})


def _free(taken: Mapping[int, str], wanted: Mapping[int, str] | None) -> int:
    value = 1
    while value in taken or value in (wanted or {}):
        value += 1
    return value


def _composed(
    pieces: Sequence[Piece], image: Image, grid: Geometry, names: Names, labels: Mapping[int, str]
) -> NDArray[Any]:
    """Label values on the image's grid; where segmentations overlap, the later one counts."""
    whole = np.zeros((*grid.shape[:2], grid.planes), np.min_scalar_type(max(labels, default=1)))
    for piece in pieces:
        part, cut = _placed(piece, image, grid)
        others = {value for each in pieces if each is not piece for value in each.classes} - set(piece.classes)
        for own, name, inside in _parts(piece, part, others):
            label = names.label_back(name)
            value = own if labels.get(own) == label else next(v for v, text in labels.items() if text == label)
            whole[cut][inside.reshape(whole[cut].shape, order="F")] = value
    shaped = whole.reshape(*grid.shape, grid.frames, order="F")
    return shaped if grid.frames > 1 else shaped[:, :, :, 0]


def _parts(piece: Piece, part: NDArray[Any], others: set[int]) -> Iterator[tuple[int, str, NDArray[np.bool_]]]:
    """What is segmented in the file of a piece: its value there, its name, and where it is.

    Parameters
    ----------
    others : values that are named by the pieces that were put together with it, whose files may be the same

    Raises
    ------
    ImageProblem
        It has values that its class map does not name.
    """
    classes = piece.classes
    if len(classes) < 2:  # everything but 0, such as 255 where the class map says 1
        own, present = next(iter(classes), 0), _values_in(part) if others else set()
        inside = (part != 0) & ~np.isin(part, [*others]) if own in present and present & others else part != 0
        yield own, piece.names[0], inside
        return
    if unnamed := sorted(_values_in(part) - {0} - set(classes)):
        shown = ", ".join(f"{value:g}" for value in unnamed[:10])
        what = f"holds voxels of value {shown}, which its class map does not name"
        raise ImageProblem(_called(piece), what, "name them at Datamint, or delete the segmentation there")
    for own, name in classes.items():
        yield own, name, part == own


def _values_in(part: NDArray[Any]) -> set[float]:
    return {value for plane in np.moveaxis(part, -1, 0) for value in np.unique(plane).tolist()}


def _placed(piece: Piece, image: Image, grid: Geometry) -> tuple[NDArray[Any], Any]:
    """The values of a piece, and where in the image, [column, row, plane], they lie.

    Raises
    ------
    ImageProblem
        It does not lie on the image voxel for voxel, or on a frame that there is not.
    """
    name = _called(piece)
    with piece.open() as stream:
        ref = FileRef.of_bytes(stream.read(), name)
    header = read_header([ref])
    own, values = header.geometry, _shades(load_voxels([ref], header), header.channels)
    frame = 0 if piece.frame is None and len(image.files) > 1 else piece.frame
    if own is not None and own.planes == 1 and (grid.planes > 1 or frame is not None):
        if frame is None:
            raise ImageProblem(name, f"is one plane, and does not say of which of the {grid.planes} of the image")
        cut = cut_of(image, piece.file, frame)
        if cut is None:
            raise ImageProblem(name, f"is of frame {frame}, which image {image.role!r} does not have")
        wanted = tuple(size for size, at in zip((*grid.shape[:2], grid.planes), cut, strict=True) if at == slice(None))
        if own.shape[:2] != wanted:
            raise _misplaced(name, own.shape[:2], wanted, image)
        return values[:, :, 0], cut
    if own is None:
        raise ImageProblem(name, "has no grid")
    if own.frames == grid.frames == 1:
        values = _on_grid(values, own, grid, name, image)
    elif (*own.shape[:2], own.planes) != (*grid.shape[:2], grid.planes):
        raise _misplaced(name, own.shape, grid.shape, image)
    return values, (slice(None), slice(None), slice(None))


def _on_grid(values: NDArray[Any], own: Geometry, grid: Geometry, name: str, image: Image) -> NDArray[Any]:
    """A volume on the grid of its image, by where both files say that their voxels lie.

    One whose file says nothing has the order of the image's file; but where slices go towards the feet the platform's
    client writes and reads arrays in different orders, and nothing tells which it is.
    """
    says_nothing = own.space != "patient" or np.allclose(own.affine, RAS_TO_LPS)
    if own.space == grid.space == "patient":
        near = max(SAME_GRID_MM, SAME_VOXEL * min(grid.spacing_mm))
        if (turn := axis_map(own, grid, near)) is not None:
            return turn.apply(values)
    if own.shape != grid.shape or not (says_nothing or grid.space != "patient"):
        raise _misplaced(name, own.shape, grid.shape, image)
    axial = int(np.abs(grid.direction[2]).argmax())
    if own.planes > 1 and grid.space == "patient" and grid.affine[2, axial] < 0:
        what = f"does not say where its voxels lie, and the slices of image {image.role!r} go towards the feet"
        raise ImageProblem(name, what, "upload it with the affine of the image")
    return values


def _misplaced(name: str, own: Sequence[int], wanted: Sequence[int], image: Image) -> ImageProblem:
    mine, theirs = (" x ".join(map(str, each)) for each in (own, wanted))
    told = f"it has {mine} voxels, the image {theirs}" if mine != theirs else "its affine puts its voxels elsewhere"
    what = f"does not lie on image {image.role!r} voxel for voxel: {told}"
    return ImageProblem(name, what, "upload it on the grid of the image, with the same affine")


def _shades(values: NDArray[Any], channels: int) -> NDArray[Any]:
    """What is set: the brightest of several colours; where all is black and some transparent, what is not."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values)
    if channels == 1:
        return values
    bright: NDArray[Any] = values[..., :3].max(axis=-1)
    if channels < 4:
        return bright
    opaque: NDArray[Any] = values[..., 3]
    return opaque if not bright.any() and opaque.min() < opaque.max() else np.where(opaque > 0, bright, 0)


def _called(piece: Piece) -> str:
    return f"segmentation {piece.row.get('id')}"
