"""The formats of this package. Their modules are loaded when they are needed: most need packages that take time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Mask
from caseferry.errors import InvalidCase, Problem
from caseferry.exchange.dicom_object import RTSTRUCT_CLASS, SEG_CLASSES
from caseferry.exchange.format import FileFormat, Glimpse
from caseferry.exchange.written import Written, unsaid
from caseferry.imaging.kinds import Format

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.exchange.coco import Picture
    from caseferry.files import FileRef


def _read_seg(ref: FileRef, image: Image, threshold: float | None = None) -> Iterator[Annotation]:
    from caseferry.exchange.dicom_seg import read_segmentation

    return read_segmentation(ref, image, threshold=threshold)


def _write_seg(annotations: Sequence[Annotation], image: Image, description: str = "") -> Written:
    from caseferry.exchange.dicom_seg import write_segmentation

    masks, written = _masks(annotations, image, "a DICOM segmentation holds masks only", whole=True)
    written.content = write_segmentation(masks, image, description=description)
    return written


def _read_structures(ref: FileRef, image: Image) -> Iterator[Annotation]:
    from caseferry.exchange.rtstruct import read_structures

    return read_structures(ref, image)


def _write_structures(annotations: Sequence[Annotation], image: Image, description: str = "") -> Written:
    from caseferry.exchange.rtstruct import write_structures

    return write_structures(annotations, image, description=description)


def _read_report(ref: FileRef, image: Image) -> Iterator[Annotation]:
    from caseferry.exchange.dicom_sr import read_report

    return read_report(ref, image)


def _read_coco(ref: FileRef, image: Image) -> list[Annotation]:
    from caseferry.exchange.coco import read_coco

    def choose(pictures: Mapping[str, Picture]) -> str:
        name = image.files[0].name
        name = name if name in pictures or len(pictures) != 1 else next(iter(pictures))
        if name not in pictures:
            what = f"describes {len(pictures)} pictures, none of them {name}"
            raise InvalidCase(None, [Problem(ref.name, what, "give the image whose file_name it has")])
        size, grid = pictures[name][:2], image.geometry
        if grid is not None and size != grid.shape[:2]:
            what = f"describes a picture of {size[0]} x {size[1]}; image {image.role!r} has {grid.shape[:2]}"
            raise InvalidCase(None, [Problem(ref.name, what, "give the image that was annotated")])
        return name

    (picture,) = read_coco(Glimpse(ref).document, image.role, choose).values()
    return list(picture.annotations)


def _write_coco(annotations: Sequence[Annotation], image: Image) -> Written:
    from caseferry.exchange.coco import Picture, write_coco

    grid = image.geometry
    if grid is None or grid.planes > 1:
        what = "has slices or frames, or no grid; COCO has pictures only"
        raise InvalidCase(None, [Problem(f"image {image.role!r}", what, "choose another format")])
    return write_coco({image.files[0].name: Picture(*grid.shape[:2], annotations)})


def _read_slicer(ref: FileRef, image: Image) -> Iterator[Annotation]:
    from caseferry.exchange.slicer_seg import read_slicer_segmentation

    return read_slicer_segmentation(ref, image)


def _write_slicer(annotations: Sequence[Annotation], image: Image) -> Written:
    from caseferry.exchange.slicer_seg import write_slicer_segmentation

    masks, written = _masks(annotations, image, "a 3D Slicer segmentation holds masks only", whole=True)
    written.content = write_slicer_segmentation(masks, image)
    return written


def _read_label_map(ref: FileRef, image: Image, labels: Mapping[int, str] | None = None) -> Sequence[Annotation]:
    from caseferry.exchange.label_map import read_label_map

    return read_label_map(ref, image, labels)


def _write_label_map(
    annotations: Sequence[Annotation], image: Image, overlap: str = "apart", name: str = ""
) -> Written:
    from caseferry.exchange.label_map import write_label_map

    masks, written = _masks(annotations, image, "a label map holds masks only")
    made = write_label_map(list(masks), image, name=name, overlap=overlap)
    return replace(made, left_out=written.left_out, changed=[*written.changed, *made.changed])


def _masks(
    annotations: Sequence[Annotation], image: Image, otherwise: str, *, whole: bool = False
) -> tuple[Iterator[tuple[Mask, NDArray[np.generic]]], Written]:
    """The masks among annotations with their voxels on the image's grid, and what is lost of the rest.

    Parameters
    ----------
    whole : whether everything that is said of a mask is kept in the file, with each of its structures
    """
    from caseferry.case.placement import aligned

    written = Written()
    masks = []
    for each in annotations:
        if not isinstance(each, Mask):
            written.left_out.append((each, otherwise))
            continue
        masks.append(each)
        if whole and len(each.labels) > 1:
            written.changed.append((each, "becomes a mask of each of its structures"))
        elif not whole and (lost := unsaid(each, set(), set())):
            written.changed.append((each, lost))
    return ((mask, aligned(mask, image)) for mask in masks), written


def _is_label_map(glimpse: Glimpse) -> bool:
    return glimpse.image_format in {Format.NIFTI, Format.METAIMAGE, Format.NRRD, Format.PNG}


_SR = "1.2.840.10008.5.1.4.1.1.88."

OWN = (
    FileFormat(
        "dicom-seg",
        "DICOM segmentations",
        lambda file: file.sop_class in SEG_CLASSES,
        _read_seg,
        _write_seg,
        (".seg.dcm",),
    ),
    FileFormat(
        "rtstruct",
        "DICOM RT structure sets",
        lambda file: file.sop_class == RTSTRUCT_CLASS,
        _read_structures,
        _write_structures,
        (".rtstruct.dcm",),
    ),
    FileFormat(
        "dicom-sr", "DICOM measurement reports", lambda file: file.sop_class.startswith(_SR), _read_report, None
    ),
    FileFormat(
        "coco",
        "COCO files",
        lambda file: {"images", "annotations", "categories"} <= set(file.document),
        _read_coco,
        _write_coco,
        (".coco.json",),
    ),
    FileFormat(
        "slicer",
        "segmentations of 3D Slicer",
        lambda file: file.start.startswith(b"NRRD") and b"\nSegment0_" in file.start,
        _read_slicer,
        _write_slicer,
        (".seg.nrrd", ".nrrd"),
    ),
    FileFormat(
        "label-map",
        "NIfTI, MetaImage, NRRD or PNG with a number for each structure",
        _is_label_map,
        _read_label_map,
        _write_label_map,
        (".nii.gz", ".mha", ".png"),
    ),
)
