"""DICOM: a series of single-frame files, or one multi-frame file.

Voxel values are the stored ones with RescaleSlope and RescaleIntercept applied; a modality LUT sequence is not.
Palette colours and YBR become RGB.

Source
------
DICOM PS3.3 C.7.6.3 (pixels), C.11.1 (rescaling).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.deidentify import identifying_attributes
from caseferry.errors import MissingDependency
from caseferry.files.fetching import each, fetched_ahead
from caseferry.imaging.dicom_file import frame_count, functional_group, number, read_view, transfer_syntax
from caseferry.imaging.dicom_native import Native, native
from caseferry.imaging.dicom_stack import Instance, flat, frame_places, frame_stack, has_place, stack
from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.quiet import quiet, quietly

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef


FLOAT32_BITS = 16
"""Stored bits up to which float32 keeps rescaled values apart; beyond, they become float64."""


DIRECTORY = "1.2.840.10008.1.3.10"
"""The class of a DICOMDIR, which lists the files of a disc."""


def read_header(files: Sequence[FileRef]) -> Header:
    """Read the headers of a series or of a multi-frame file; see `caseferry.imaging.header.Reader`."""
    instances = each(_instance, files)
    for index, instance in enumerate(instances):
        instance.index = index
    with quiet():
        multi = [i for i in instances if "PerFrameFunctionalGroupsSequence" in i.view or frame_count(i.view) > 1]
        if multi and len(instances) > 1:
            raise ImageProblem(
                multi[0].name, f"is a multi-frame file among {len(instances)}", "give it as an own image"
            )
        return _multiframe(instances[0]) if multi else _series(instances)


def _instance(ref: FileRef) -> Instance:
    view, place = read_view(ref)
    instance = Instance(0, ref.name, view)
    try:
        with quiet():
            _check_image(instance)
            instance.identifying = identifying_attributes(view.dataset)
            instance.native = native(view, transfer_syntax(view.dataset), place)
    except ImageProblem:
        raise
    except Exception as error:  # values are decoded when they are asked for, and may be anything
        raise ImageProblem(ref.name, f"is a damaged DICOM file ({type(error).__name__})", "fetch it again") from error
    return instance


def _check_image(instance: Instance) -> None:
    view = instance.view
    if str(view.get("Modality", "")) == "SEG":
        raise ImageProblem(
            instance.name, "is a DICOM segmentation, not an image", "give it as an annotation or attachment"
        )
    missing = [name for name in ("Rows", "Columns", "BitsAllocated") if not isinstance(view.get(name), int)]
    if missing:
        uid = view.get("SOPClassUID") or view.dataset.file_meta.get("MediaStorageSOPClassUID")
        raise ImageProblem(
            instance.name,
            f"is DICOM without an image ({getattr(uid, 'name', '') or 'no SOP class'}): {', '.join(missing)} missing",
            "give the files that it lists" if uid == DIRECTORY else "give it as an attachment",
        )
    rows, columns = view.get("Rows"), view.get("Columns")
    if min(rows, columns) < 1:
        raise ImageProblem(instance.name, f"has no pixels: {rows} rows of {columns} columns")
    try:
        int(view.get("NumberOfFrames", 1) or 1)
    except (TypeError, ValueError):
        raise ImageProblem(instance.name, "has a NumberOfFrames that is not a number", "correct it") from None
    if not transfer_syntax(view.dataset):
        raise ImageProblem(instance.name, "does not say its transfer syntax", "write it again with pydicom")


def _series(instances: list[Instance]) -> Header:
    first = instances[0].view
    _same(instances, "SeriesInstanceUID", "series", "give each series as an image of its own")
    _same(instances, "Rows", "sizes", "give images of each size apart")
    _same(instances, "Columns", "sizes", "give images of each size apart")
    seen: dict[str, str] = {}
    for instance in instances:
        uid = str(instance.view.get("SOPInstanceUID", "") or f"none {instance.index}")
        if uid in seen:
            raise ImageProblem(instance.name, f"is the same instance as {seen[uid]}", "leave one of them out")
        seen[uid] = instance.name
    if len(instances) == 1 and not has_place(first):
        geometry, order = flat(first), [0]
    else:
        geometry, order = stack(instances)
    dtype, channels = _value_type([instance.view for instance in instances])
    return Header(
        kind=Kind.DICOM_SERIES,
        geometry=geometry,
        dtype=dtype,
        channels=channels,
        layout=tuple((index, 0) for index in order),
        details={
            "photometric": str(first.get("PhotometricInterpretation", "")),
            "first": first.dataset,
            "numbering": [_numbering(instance) for instance in instances],
            "native": [instance.native for instance in instances],
            "rescales": {(i.index, 0): _frame_rescale(i.view, 0) for i in instances},
        },
        **_identity(instances),
    )


def _numbering(instance: Instance) -> tuple[float | None, float | None, tuple[float, ...]]:
    """By what many viewers order the files of a series: InstanceNumber, SliceLocation, ImagePositionPatient."""
    view = instance.view
    place = tuple(number(value) or 0.0 for value in view.get("ImagePositionPatient") or ())
    return number(view.get("InstanceNumber")), number(view.get("SliceLocation")), place


def _multiframe(instance: Instance) -> Header:
    view = instance.view
    places = frame_places(instance)
    if places is None:
        geometry, planes_order = flat(view), list(range(frame_count(view)))
    else:
        geometry, planes_order = frame_stack(instance, places)
    dtype, channels = _value_type([view, *_frame_rescales(view)])
    return Header(
        kind=Kind.DICOM_MULTIFRAME,
        geometry=geometry,
        dtype=dtype,
        channels=channels,
        layout=tuple((0, frame) for frame in planes_order),
        details={
            "photometric": str(view.get("PhotometricInterpretation", "")),
            "first": view.dataset,
            "native": [instance.native],
            "rescales": {(0, frame): _frame_rescale(view, frame) for frame in range(frame_count(view))},
        },
        **_identity([instance]),
    )


def _identity(instances: Sequence[Instance]) -> dict[str, Any]:
    first = instances[0].view
    return {
        "modality": str(first.get("Modality", "") or "") or None,
        "identifying": tuple(dict.fromkeys(name for i in instances for name in i.identifying)),
    }


def _same(instances: Sequence[Instance], keyword: str, what: str, remedy: str) -> None:
    values = {str(i.view.get(keyword, "")): i.name for i in instances}
    if len(values) > 1:
        raise ImageProblem("the series", f"mixes {len(values)} {what} ({', '.join(list(values.values())[:2])})", remedy)


def _frame_rescales(dataset: Any) -> list[Any]:
    found = (
        [functional_group(dataset, frame, "PixelValueTransformationSequence") for frame in range(frame_count(dataset))]
        if "PerFrameFunctionalGroupsSequence" in dataset
        else []
    )
    return [item for item in found if item is not None]


def _rescale(dataset: Any) -> tuple[float, float]:
    slope, intercept = number(dataset.get("RescaleSlope")), number(dataset.get("RescaleIntercept"))
    return (1.0 if slope is None else slope), (0.0 if intercept is None else intercept)


def _frame_rescale(dataset: Any, frame: int) -> tuple[float, float]:
    """Slope and intercept of a frame: its own, else those of the file."""
    group = functional_group(dataset, frame, "PixelValueTransformationSequence")
    return _rescale(dataset if group is None else group)


def _value_type(datasets: Sequence[Any]) -> tuple[str, int]:
    """The smallest type that holds every rescaled value exactly, or a float where a slope is not a whole number."""
    first = datasets[0]
    samples = int(first.get("SamplesPerPixel", 1) or 1)
    if samples > 1 or first.get("PhotometricInterpretation") == "PALETTE COLOR":
        return f"uint{8 if samples == 1 else int(first.get('BitsAllocated'))}", 3
    if int(first.get("BitsAllocated")) == 64:
        return "float64", 1  # Double Float Pixel Data
    if "PixelRepresentation" not in first and int(first.get("BitsAllocated")) == 32:
        return "float32", 1  # Float Pixel Data
    bits = int(first.get("BitsStored") or first.get("BitsAllocated"))
    signed = int(first.get("PixelRepresentation", 0) or 0) == 1
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    scales = {_rescale(dataset) for dataset in datasets}
    fraction = "float32" if bits <= FLOAT32_BITS else "float64"
    if any(slope != int(slope) or intercept != int(intercept) for slope, intercept in scales):
        return fraction, 1
    ends = [int(slope) * end + int(intercept) for slope, intercept in scales for end in (low, high)]
    candidates = (np.int8, np.int16, np.int32) if min(ends) < 0 else (np.uint8, np.uint16, np.int32, np.uint32)
    for candidate in candidates:
        if np.iinfo(candidate).min <= min(ends) and max(ends) <= np.iinfo(candidate).max:
            return np.dtype(candidate).name, 1
    return "float64", 1


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes; see `caseferry.imaging.header.Reader`."""
    if header.kind is Kind.DICOM_MULTIFRAME:
        yield from _frames(files[0], header, 0, [frame for _, frame in header.layout])
        return
    order = [index for index, _ in header.layout]
    for index, ref in zip(order, fetched_ahead([files[index] for index in order]), strict=True):
        yield from _frames(ref, header, index, [0])


def _frames(ref: FileRef, header: Header, index: int, frames: Sequence[int]) -> Iterator[NDArray[np.generic]]:
    """Frames of the file of that index, in the order that is asked for."""
    lying: Native | None = header.details["native"][index]
    for count, frame in enumerate(frames):
        stored = lying.frame(ref, frame) if lying is not None else None
        if lying is None or stored is None:
            yield from quietly(_decoded(ref, header, frames[count:]))
            return
        yield _modality_values(ref, stored, header.details["rescales"][index, frame], lying.stored, header)


def _decoded(ref: FileRef, header: Header, frames: Sequence[int]) -> Iterator[NDArray[np.generic]]:
    """The same as pydicom decodes them."""
    from pydicom import dcmread
    from pydicom.pixels import apply_color_lut, iter_pixels, pixel_array

    with ref.seekable() as stream:
        dataset = dcmread(stream)
    try:
        # a single frame through pixel_array: iter_pixels fails on signed JPEG-LS in pydicom 3.0
        arrays = [pixel_array(dataset, index=frames[0])] if len(frames) == 1 else iter_pixels(dataset, indices=frames)
        for frame, values in zip(frames, arrays, strict=True):
            if dataset.get("PhotometricInterpretation") == "PALETTE COLOR":
                coloured = apply_color_lut(values, dataset)
                yield (coloured >> 8 if coloured.dtype == np.uint16 else coloured).astype(header.dtype)
            else:
                yield _modality_values(ref, values, _frame_rescale(dataset, frame), dataset.get("BitsStored"), header)
    except ImageProblem:
        raise
    except (RuntimeError, NotImplementedError) as error:
        if _needs_codec(dataset):
            syntax = dataset.file_meta.TransferSyntaxUID.name
            raise MissingDependency("codecs", f"decoding {ref.name} ({syntax})") from error
        syntax = dataset.file_meta.TransferSyntaxUID.name
        raise ImageProblem(
            ref.name,
            f"holds pixels ({syntax}) that no installed decoder can read",
            "they are damaged, or of a rare variant: decompress the file with another program",
        ) from error
    except (AttributeError, ValueError, TypeError, IndexError, EOFError) as error:
        raise ImageProblem(ref.name, f"holds damaged pixels ({type(error).__name__})", "fetch it again") from error


def _needs_codec(dataset: Any) -> bool:
    from pydicom.pixels import get_decoder

    try:
        return not get_decoder(dataset.file_meta.TransferSyntaxUID).is_available
    except NotImplementedError:
        return False


def _modality_values(
    ref: FileRef, values: NDArray[Any], rescale: tuple[float, float], bits: Any, header: Header
) -> NDArray[np.generic]:
    """What stored values mean.

    Parameters
    ----------
    rescale : slope and intercept
    bits : that are stored of each value
    """
    if header.channels > 1:
        return values.astype(header.dtype, copy=False)
    slope, intercept = rescale
    kind = np.dtype(header.dtype)
    whole = kind.kind != "f"
    if (slope, intercept) != (1.0, 0.0):
        wide = values.astype(np.int64 if whole else np.float64)
        values = wide * int(slope) + int(intercept) if whole else wide * slope + intercept
    if whole and not np.can_cast(values.dtype, kind):
        ends = np.iinfo(kind)
        if not ends.min <= values.min() <= values.max() <= ends.max:
            raise ImageProblem(
                ref.name,
                f"holds values beyond the {bits} bits that its header declares",
                "correct BitsStored, HighBit and PixelRepresentation",
            )
    return values.astype(kind, copy=False)
