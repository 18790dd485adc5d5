"""DICOM: one file with one or many frames, or slices packed in a zip that is named ``.dcm``."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
import pydicom

from caseferry_darwin.sandbox.reading.picture import Picture, UnreadableFile
from caseferry_darwin.sandbox.reading.volume import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import Dataset

LARGEST_ZIP = 8 << 30
"""Bytes that a zip may hold once unpacked."""

TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts towards Left and Posterior, affines count towards Right and Anterior."""


@dataclass(frozen=True, slots=True)
class Slice:
    """The header of one file."""

    name: str
    dataset: Dataset

    @property
    def frames(self) -> int:
        """How many frames the file has."""
        return int(self.dataset.get("NumberOfFrames") or 1)

    @property
    def order(self) -> tuple[Any, ...]:
        """What the platform sorts slices by: series, instance, location, position, file name."""
        position = _numbers(self.dataset.get("ImagePositionPatient"))
        return (
            _known(self.dataset.get("SeriesNumber")),
            _known(self.dataset.get("InstanceNumber")),
            _known(self.dataset.get("SliceLocation")),
            (position is None, position or ()),
            self.name,
        )

    @property
    def geometry(self) -> tuple[Any, ...]:
        """What slices of one series have in common."""
        orientation = _orientation(self.dataset)
        return (
            str(self.dataset.get("SeriesInstanceUID", "")),
            self.dataset.Rows,
            self.dataset.Columns,
            orientation and tuple(round(value, 3) for value in orientation),
            self.name if self.frames > 1 else "",
        )


def read_series(
    files: Iterable[tuple[str, BinaryIO]], *, volume: bool = True, as_sent: bool = False
) -> list[Volume | Picture]:
    """What the files of one slot show: one volume, or one for each series when they differ.

    Parameters
    ----------
    files : names and bytes, in the order of the request
    volume : whether slices become a volume turned to the platform's axes
    as_sent : keep the order of the request and take everything for one series (``ignore_dicom_layout``)

    Raises
    ------
    UnreadableFile
        A file is not DICOM, has no pixels, or its pixels end early.
    """
    slices = [entry for name, stream in files for entry in _unpack(name, stream)]
    if not slices:
        raise UnreadableFile("the zip holds no DICOM image")
    groups: dict[tuple[Any, ...], list[Slice]] = {}
    for entry in slices if as_sent else sorted(slices, key=lambda entry: entry.order):
        groups.setdefault(() if as_sent else entry.geometry, []).append(entry)
    return [_assemble(group, volume=volume) for group in groups.values()]


def _unpack(name: str, stream: BinaryIO) -> Iterator[Slice]:
    magic = stream.read(4)
    stream.seek(0)
    if magic != b"PK\x03\x04":
        yield Slice(name, _parse(stream))
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > LARGEST_ZIP:
                raise UnreadableFile("the zip is too large")
            for entry in archive.infolist():
                if not entry.is_dir():
                    with archive.open(entry) as member:
                        yield Slice(entry.filename, _parse(cast("BinaryIO", member)))
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise UnreadableFile(f"not a readable zip: {error}") from error


def _parse(stream: BinaryIO) -> Dataset:
    try:
        dataset = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
        rows, columns = int(dataset.Rows), int(dataset.Columns)
    except Exception as error:  # what pydicom raises on broken input is not one kind of error
        raise UnreadableFile(f"not a readable DICOM image: {error}") from error
    syntax = getattr(dataset.file_meta, "TransferSyntaxUID", None) if hasattr(dataset, "file_meta") else None
    if syntax is not None and syntax.is_deflated:
        return dataset
    start = stream.tell()
    remaining = stream.seek(0, 2) - start
    packed = syntax is not None and syntax.is_compressed
    bits = rows * columns * int(dataset.get("SamplesPerPixel", 1)) * int(dataset.get("BitsAllocated", 8))
    if remaining <= 0 or (not packed and remaining < bits // 8 * int(dataset.get("NumberOfFrames") or 1)):
        raise UnreadableFile("the pixels of the DICOM file are missing or end early")
    return dataset


def _assemble(group: list[Slice], *, volume: bool) -> Volume | Picture:
    first = group[0].dataset
    frames = sum(entry.frames for entry in group)
    uid = str(first.get("SeriesInstanceUID", ""))
    grey = int(first.get("SamplesPerPixel", 1)) == 1
    affine = _affine(group)
    shape = (int(first.Columns), int(first.Rows), frames)
    if affine is None:
        metadata: dict[str, Any] = {"SeriesInstanceUID": uid}
        # Sections of grey images carry 16 bits in the red and green channel.
        if grey:
            metadata["colorspace"] = "RG16"
        return Picture(shape[0], shape[1], frames, _cine_rate(first), metadata)
    return Volume.turned(shape, affine, uid) if volume else Volume.stored(shape, affine, uid)


def _affine(group: list[Slice]) -> NDArray[np.float64] | None:
    """Voxel to RAS+, or None when the files do not say where they lie."""
    first = group[0].dataset
    orientation = _orientation(first)
    spacing = _numbers(_shared(first, "PixelMeasuresSequence", "PixelSpacing"))
    positions = [place for entry in group for place in _positions(entry.dataset)]
    if orientation is None or spacing is None or len(spacing) != 2 or not positions:
        return None
    along, down = np.array(orientation[:3]), np.array(orientation[3:])
    affine = np.eye(4)
    affine[:3, 0] = along * spacing[1]
    affine[:3, 1] = down * spacing[0]
    affine[:3, 2] = _step(first, positions, np.cross(along, down))
    affine[:3, 3] = positions[0]
    return TO_RAS @ affine


def _step(first: Dataset, positions: list[NDArray[np.float64]], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(positions) > 1 and not np.allclose(positions[0], positions[-1]):
        return (positions[-1] - positions[0]) / (len(positions) - 1)
    # One millimetre where positions tell nothing: in V7's own samples the slice thickness does not count.
    between = _shared(first, "PixelMeasuresSequence", "SpacingBetweenSlices")
    return normal * abs(float(between or 1.0))


def _positions(dataset: Dataset) -> list[NDArray[np.float64]]:
    frames = dataset.get("PerFrameFunctionalGroupsSequence")
    if frames:
        found = [_numbers(_inside(frame, "PlanePositionSequence", "ImagePositionPatient")) for frame in frames]
        return [np.array(place) for place in found if place is not None]
    place = _numbers(dataset.get("ImagePositionPatient"))
    # One position for many frames is that of the first: it says nothing about the distance of the others.
    return [] if place is None else [np.array(place)]


def _orientation(dataset: Dataset) -> list[float] | None:
    found = _numbers(_shared(dataset, "PlaneOrientationSequence", "ImageOrientationPatient"))
    return found if found is not None and len(found) == 6 else None


def _shared(dataset: Dataset, sequence: str, name: str) -> Any:
    """A value of all frames: shared by them, or the first one's, or the file's own."""
    for groups in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in (dataset.get(groups) or [])[:1]:
            value = _inside(group, sequence, name)
            if value is not None:
                return value
    return dataset.get(name)


def _inside(group: Dataset, sequence: str, name: str) -> Any:
    held = group.get(sequence)
    return held[0].get(name) if held else None


def _numbers(value: Any) -> list[float] | None:
    if value is None or value == "":
        return None
    try:
        found = [float(entry) for entry in value]
    except (TypeError, ValueError):
        return None
    return found if all(math.isfinite(entry) for entry in found) else None


def _known(value: Any) -> tuple[bool, float]:
    try:
        return (False, float(value))
    except (TypeError, ValueError):
        return (True, 0.0)


def _cine_rate(dataset: Dataset) -> float | None:
    time = dataset.get("FrameTime")
    try:
        return round(1000 / float(time), 3) if time else None
    except (TypeError, ValueError, ZeroDivisionError):
        return None
