"""From a DICOM segmentation to masks, one for each segment.

Segments of one file may overlap, so each becomes a mask of its own; `caseferry.shapes.apart` and
`caseferry.shapes.flattened` make label maps of them.

Source
------
DICOM PS3.3 C.8.20.2 (Segmentation Image, Segment Description), A.51 and A.94 (label maps).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Annotation, Mask
from caseferry.exchange.dicom_object import (
    SEG_CLASSES,
    check_frame_of_reference,
    code_of,
    damaged,
    grid_of,
    read_object,
)
from caseferry.exchange.keeping import kept_in, with_kept
from caseferry.exchange.placing import put, steps_on
from caseferry.geometry import plane_affine
from caseferry.imaging.dicom_file import frame_count, functional_group
from caseferry.imaging.dicom_stack import Instance, frame_places
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import Geometry, IntArray

LONGEST_LABEL = 64


def read_segmentation(ref: FileRef, image: Image, *, threshold: float | None = None) -> Iterator[Annotation]:
    """The segments of a DICOM segmentation as masks on an image's grid.

    Holds one volume at a time.

    Parameters
    ----------
    ref : the file: binary, fractional or label map
    image : the image that was segmented; it may hold the same voxels in another order, or more of them
    threshold : for fractional ones the share, from 0 to 1, from which on a voxel belongs to a segment; None: refused

    Yields
    ------
    A mask with value 1 for each segment, in the order of their numbers, with its label; its codes: type, category
    and anatomic region; its source and model; or what `write_segmentation` has kept. Segments without voxels too.

    Raises
    ------
    ImageProblem
        The file is no segmentation, is damaged or in tiles, or holds shares where no threshold was given.
    GeometryError
        The image has no place in the patient, more than one frame, another frame of reference, or the segments
        do not lie on its voxels.
    """
    with damaged(ref, "segmentation"):
        yield from _masks(ref, image, threshold)


def _masks(ref: FileRef, image: Image, threshold: float | None) -> Iterator[Annotation]:
    grid = grid_of(image, ref)
    dataset = read_object(ref, SEG_CLASSES, "segmentation")
    check_frame_of_reference(dataset.get("FrameOfReferenceUID"), image, ref)
    if "TotalPixelMatrixColumns" in dataset or str(dataset.get("DimensionOrganizationType", "")).startswith("TILED"):
        what = "is made of tiles of a whole slide (TotalPixelMatrixColumns)"
        raise ImageProblem(ref.name, what, "write it as a label map of the slide, in one piece")
    kind = str(dataset.get("SegmentationType", "BINARY"))
    if kind == "FRACTIONAL" and threshold is None:
        raise ImageProblem(
            ref.name, "holds shares of voxels (FRACTIONAL), not a mask", "say from which share on a voxel belongs to it"
        )
    if (count := frame_count(dataset)) > 8 * len(dataset.PixelData):  # a frame has at least one bit
        raise ImageProblem(
            ref.name, f"has {len(dataset.PixelData)} bytes of pixels for {count} frames", "fetch it again"
        )
    places = _places(ref, dataset, grid)
    for segment in dataset.get("SegmentSequence") or []:
        number = int(segment.SegmentNumber)
        frames = [frame for frame in range(frame_count(dataset)) if _segment(dataset, frame) in {number, None}]
        volume = np.zeros(grid.shape, np.uint8)
        for frame, values in zip(frames, _pixels(ref, dataset, frames), strict=True):
            if kind == "LABELMAP":
                inside = values == number
            elif kind == "FRACTIONAL":
                inside = values >= (threshold or 0) * int(dataset.get("MaximumFractionalValue", 255))
                inside &= values > 0
            else:
                inside = values != 0
            put(volume, inside.T, places[frame], ref.name)
        mask = Mask.of_array(image.role, volume, {1: _label(segment)}, grid.affine, **_said(segment))
        yield with_kept(mask, kept_in(segment, ref.name), ref.name)


def _places(ref: FileRef, dataset: Any, grid: Geometry) -> list[IntArray]:
    """How each frame lies on the image."""
    found = frame_places(Instance(0, ref.name, dataset))
    if found is None:
        raise ImageProblem(ref.name, "has frames that do not say where they lie in the patient")
    sizes = (int(dataset.Columns), int(dataset.Rows))
    affines = [plane_affine(position, orientation, spacing, (0, 0, 0)) for position, orientation, spacing in found]
    return [steps_on(grid, affine, sizes, ref.name, f"frame {n}") for n, affine in enumerate(affines, 1)]


def _segment(dataset: Any, frame: int) -> int | None:
    """The number of the segment that a frame belongs to; None for one that holds all."""
    group = functional_group(dataset, frame, "SegmentIdentificationSequence")
    return int(group.ReferencedSegmentNumber) if group is not None else None


def _pixels(ref: FileRef, dataset: Any, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    from pydicom.pixels import iter_pixels

    if not frames:
        return
    try:
        if int(dataset.get("BitsAllocated") or 0) == 1 and not dataset.file_meta.TransferSyntaxUID.is_encapsulated:
            yield from _bits(dataset, frames)
            return
        with quiet():
            yield from iter_pixels(dataset, indices=frames) if frame_count(dataset) > 1 else iter_pixels(dataset)
    except (RuntimeError, NotImplementedError, AttributeError, ValueError, TypeError, IndexError, EOFError) as error:
        raise ImageProblem(ref.name, f"holds damaged pixels ({type(error).__name__})", "fetch it again") from error


def _bits(dataset: Any, frames: Sequence[int]) -> Iterator[NDArray[Any]]:
    """Frames of single bits, which begin anywhere within a byte: the first pixel is the lowest bit (PS3.5 8.1.1)."""
    content = np.frombuffer(dataset.PixelData, np.uint8)
    size = int(dataset.Rows) * int(dataset.Columns)
    if len(content) * 8 < size * frame_count(dataset):
        msg = f"{len(content)} bytes"
        raise ValueError(msg)
    for frame in frames:
        first = frame * size
        bits = np.unpackbits(content[first // 8 : (first + size + 7) // 8], bitorder="little")
        yield bits[first % 8 : first % 8 + size].reshape(int(dataset.Rows), int(dataset.Columns))


def _label(segment: Any) -> str:
    label = str(segment.get("SegmentLabel") or "").strip()
    described = str(segment.get("SegmentDescription") or "").strip()
    if len(label) == LONGEST_LABEL and described.startswith(label):
        return described  # a label that did not fit
    return label or f"segment {int(segment.SegmentNumber)}"


def _said(segment: Any) -> dict[str, Any]:
    sequences = (
        "SegmentedPropertyTypeCodeSequence",
        "SegmentedPropertyCategoryCodeSequence",
        "AnatomicRegionSequence",
    )
    codes = tuple(code_of(item) for name in sequences for item in list(segment.get(name) or [])[:1])
    algorithm = str(segment.get("SegmentAlgorithmType", ""))
    said: dict[str, Any] = {"codes": codes, "attributes": {}}
    if algorithm:
        said["source"] = "model" if algorithm == "AUTOMATIC" else "human"
        said["attributes"]["SegmentAlgorithmType"] = algorithm
    if name := str(segment.get("SegmentAlgorithmName") or ""):
        said["model"] = name
    for keyword in ("SegmentDescription", "TrackingID", "TrackingUID"):
        if value := segment.get(keyword):
            said["attributes"][keyword] = str(value)
    return said
