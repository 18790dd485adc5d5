"""Reading DICOM: files are grouped into volumes, and voxels are changed as the platform changes them.

What differs from the DICOM standard is meant: the spacing of columns and rows is swapped, values become
rescaled float32, MONOCHROME1 is inverted, and irregular gaps between slices are averaged away.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.importing.found import Found, itk_image
from caseferry_grand_challenge.sandbox.importing.headers import DICOM_KEYS, check_identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from pydicom import Dataset

PREAMBLE = 132
MAGIC = b"DICM"


@dataclass(frozen=True, slots=True)
class Slice:
    """One file and its header, without its voxels."""

    path: Path
    header: Dataset


@dataclass(frozen=True, slots=True)
class Volume:
    """Files that become one image, in the order of their instance numbers.

    Attributes
    ----------
    times : how many points in time there are, or 0 when time is no dimension
    """

    name: str
    slices: list[Slice]
    times: int

    @property
    def reference(self) -> Dataset:
        """The header that speaks for all."""
        return self.slices[0].header


def read_series(files: list[Path]) -> Iterator[Found]:
    """Volumes in DICOM files. A volume that cannot be read is passed over."""
    for volume in _volumes(files):
        try:
            found = _found(volume)
        except Exception:  # noqa: BLE001, S112  whatever is wrong with a volume, its files are passed over
            continue
        yield found


def _volumes(files: list[Path]) -> Iterator[Volume]:
    """Groups of one study, one stack or series, and one kind of object."""
    groups: dict[tuple[str, str, str], list[Slice]] = {}
    for path in files:
        header = _header(path)
        if header is not None:
            series = str(getattr(header, "StackID", header.SeriesInstanceUID))
            key = (str(header.StudyInstanceUID), series, str(header.SOPClassUID))
            groups.setdefault(key, []).append(Slice(path, header))
    counts: dict[str, int] = {}
    for (study, _, _), slices in groups.items():
        name = f"{study}-{counts.setdefault(study, 0)}"
        counts[study] += 1
        if len(slices) > 1:
            if not all(getattr(one.header, "InstanceNumber", None) is not None for one in slices):
                continue
            slices.sort(key=lambda one: int(one.header.InstanceNumber))
        times = int(getattr(slices[-1].header, "TemporalPositionIndex", 0) or 0)
        if not times or len(slices) % times == 0:
            yield Volume(name, slices, times if times > 1 else 0)


def _header(path: Path) -> Dataset | None:
    import pydicom
    from pydicom.errors import InvalidDicomError

    with path.open("rb") as stream:
        if stream.read(PREAMBLE)[128:] != MAGIC:
            return None
    try:
        header = pydicom.dcmread(path, stop_before_pixels=True)
        named = (header.StudyInstanceUID, header.SeriesInstanceUID, header.SOPClassUID, header.Rows)
    except (InvalidDicomError, AttributeError, ValueError, OSError):
        return None
    return header if all(named) else None


def _found(volume: Volume) -> Found:
    import numpy as np
    import SimpleITK as sitk  # noqa: N813  its usual name

    reference = volume.reference
    direction = _direction(volume)
    origins = _origins(volume)
    order = _order(origins, direction)
    voxels = _voxels(volume, backwards=order < 0)
    inverted = str(getattr(reference, "PhotometricInterpretation", "")) == "MONOCHROME1"
    offset = (voxels.min(), voxels.max()) if inverted else None
    if offset is not None:
        voxels = _invert(voxels, offset)
    colors = int(getattr(reference, "SamplesPerPixel", 1)) > 1
    image = sitk.GetImageFromArray(voxels, isVector=colors)
    across, down = (float(step) for step in _anywhere(reference, "PixelSpacing") or (1.0, 1.0))
    spacing = [across, down, _gap(reference, origins)]
    origin = [0.0, 0.0, 0.0] if not origins else list(origins[-1 if order < 0 else 0])
    if volume.times:
        spacing.append(1.0)
        origin.append(0.0)
        grown = np.eye(4)
        grown[:3, :3] = direction
        direction = grown
    image.SetDirection(direction.flatten().tolist())
    image.SetSpacing([float(step) for step in spacing])
    image.SetOrigin([float(place) for place in origin])
    for key, value in _headers(volume, offset, backwards=order < 0).items():
        image.SetMetaData(key, value)
    return itk_image(image, volume.name, frozenset(one.path for one in volume.slices))


def _direction(volume: Volume) -> NDArray[np.float64]:
    """Columns are the directions of a row, of a column and of their cross product, in LPS."""
    import numpy as np

    cosines = _anywhere(volume.reference, "ImageOrientationPatient") or (1, 0, 0, 0, 1, 0)
    row, column = np.array(cosines[:3], dtype=float), np.array(cosines[3:], dtype=float)
    return np.stack([row, column, np.cross(row, column)], axis=1)


def _origins(volume: Volume) -> list[NDArray[np.float64]]:
    """The positions of the slices in order, each once, in LPS millimetres."""
    import numpy as np

    frames = getattr(volume.reference, "PerFrameFunctionalGroupsSequence", None)
    if frames is not None and len(frames) > 1:
        found = [_anywhere(frame, "ImagePositionPatient") for frame in frames]
    else:
        found = [getattr(one.header, "ImagePositionPatient", None) for one in volume.slices]
    origins: list[NDArray[np.float64]] = []
    for place in found:
        if place is not None:
            position = np.array(place, dtype=float)
            if not any(np.allclose(position, other) for other in origins):
                origins.append(position)
    return origins


def _step(origins: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean way from one slice to the next."""
    step: NDArray[np.float64] = (origins[-1] - origins[0]) / (len(origins) - 1)
    return step


def _order(origins: list[NDArray[np.float64]], direction: NDArray[np.float64]) -> float:
    """Below zero when the slices lie against the axes."""
    if len(origins) < 2:
        return 0.0
    return float(_step(origins) @ direction.sum(axis=1))


def _gap(reference: Dataset, origins: list[NDArray[np.float64]]) -> float:
    import numpy as np

    if len(origins) < 2:
        return float(getattr(reference, "SpacingBetweenSlices", 1.0))
    return float(np.linalg.norm(_step(origins)))


def _voxels(volume: Volume, *, backwards: bool) -> NDArray[Any]:
    """All values, indexed by (time,) slice, row, column (, colour)."""
    import numpy as np

    rescale = any(
        not isclose(float(getattr(one.header, "RescaleSlope", 1.0)), 1.0)
        or not isclose(float(getattr(one.header, "RescaleIntercept", 0.0)), 0.0)
        for one in volume.slices
    )
    colors = int(getattr(volume.reference, "SamplesPerPixel", 1)) > 1
    planes = [_values(one.path, rescale=rescale) for one in volume.slices]
    flat = np.concatenate([plane if plane.ndim - colors == 3 else plane[np.newaxis] for plane in planes])
    if not volume.times:
        return np.ascontiguousarray(flat[::-1]) if backwards else flat
    shaped = flat.reshape(volume.times, -1, *flat.shape[1:])
    return np.ascontiguousarray(shaped[:, ::-1]) if backwards else shaped


def _values(path: Path, *, rescale: bool) -> NDArray[Any]:
    import numpy as np
    import pydicom

    dataset = pydicom.dcmread(path)
    values: NDArray[Any] = dataset.pixel_array
    if not rescale:
        return values
    slope, intercept = (
        float(getattr(dataset, "RescaleSlope", 1)),
        float(getattr(dataset, "RescaleIntercept", 0)),
    )
    return np.asarray(slope * values.astype(np.float32) + intercept, dtype=np.float32)


def _invert(values: NDArray[Any], limits: tuple[Any, Any]) -> NDArray[Any]:
    """Values mirrored between the smallest and the largest of the volume."""
    import numpy as np

    low, high = limits
    wide = np.int64 if np.issubdtype(values.dtype, np.integer) else np.float64
    mirrored = wide(low) + wide(high) - values.astype(wide)
    return np.asarray(mirrored, dtype=values.dtype)


def _headers(volume: Volume, inverted: tuple[Any, Any] | None, *, backwards: bool) -> dict[str, str]:
    kept: dict[str, str] = {}
    for key in DICOM_KEYS:
        value = getattr(volume.reference, key, "")
        text = "" if value is None else str(value)
        if not text:
            continue
        check_identity(key, text)
        if key == "WindowCenter" and inverted is not None:
            text = _mirrored(value, float(inverted[0]) + float(inverted[1]))
        kept[key] = text
    if volume.times:
        each = len(volume.slices) // volume.times
        firsts = [one.header for one in volume.slices[::each]]
        for key, keyword in (("ContentTimes", "ContentTime"), ("Exposures", "Exposure")):
            texts = [str(getattr(header, keyword)) for header in firsts]
            kept[key] = " ".join(texts[::-1] if backwards else texts)
    return kept


def _mirrored(value: Any, total: float) -> str:
    centers = [f"{total - float(one):g}" for one in (value if hasattr(value, "__iter__") else [value])]
    return centers[0] if len(centers) == 1 else f"[{', '.join(centers)}]"


def _anywhere(dataset: Dataset, keyword: str) -> Any:
    """The first value of a keyword, however deep it lies in the dataset's sequences; None for none."""
    for element in dataset.iterall():
        if element.keyword == keyword:
            return element.value
    return None
