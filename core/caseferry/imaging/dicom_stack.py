"""Slices in order: the grid that the images of one DICOM series make.

Slices are ordered by their position along the normal of the planes. Several images at each position (points in
time, b-values, echoes) become frames, told apart by the first attribute that does so at every position.

Source
------
DICOM PS3.3 C.7.6.2.1.1 (position and orientation), C.7.6.16.2 (the same for each frame of a multi-frame image).
"""

from __future__ import annotations

from collections.abc import MutableSequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from caseferry.errors import GeometryError
from caseferry.geometry import FloatArray, Geometry, normal, plane_affine
from caseferry.imaging.dicom_file import frame_count, functional_group, number
from caseferry.imaging.dicom_view import View
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.imaging.dicom_native import Native

SAME_POSITION_MM = 1e-3
"""Slices nearer to each other than this lie at one position."""

EVEN_SPACING = 0.02
"""The part of the slice distance by which single distances may differ from it; positions are written rounded."""

ROUNDED_MM = 0.01
"""By how much a distance may be off further where positions are written with two decimals."""

SAME_DIRECTION = 1e-3
"""By how much the direction cosines of one series may differ between files."""

RIGHT_ANGLE = 0.02
"""By how much the squares and the product of two directions may differ from 1 and 0; they are written rounded."""

FRAME_ATTRIBUTES = (
    "TemporalPositionIndex",
    "TemporalPositionIdentifier",
    "DiffusionBValue",
    "EchoNumbers",
    "EchoTime",
    "TriggerTime",
    "AcquisitionNumber",
    "ContentTime",
    "AcquisitionTime",
    "InstanceNumber",
)
"""What may tell apart the images at one position, in the order in which it is tried."""

VARYING_ATTRIBUTES = ("TriggerTime", "ContentTime", "AcquisitionTime", "InstanceNumber")
"""Those of `FRAME_ATTRIBUTES` whose values differ from slice to slice, so that only their order counts."""


@dataclass(slots=True)
class Instance:
    """One file of a series, or one frame of a file, as far as its header says."""

    index: int
    name: str
    view: View
    position: FloatArray | None = None
    along: float = 0.0
    identifying: tuple[str, ...] = ()
    native: Native | None = None


def has_place(dataset: Any) -> bool:
    """Whether a dataset says where its plane lies in the patient."""
    return bool(dataset.get("ImagePositionPatient")) and bool(dataset.get("ImageOrientationPatient"))


def flat(dataset: Any) -> Geometry:
    """The grid of an image that says no position: a radiograph, a photograph."""
    spacing = (
        dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing") or dataset.get("NominalScannedPixelSpacing")
    )
    shape = (int(dataset.get("Columns")), int(dataset.get("Rows")), 1)
    sizes = [number(value) or 0.0 for value in spacing] if isinstance(spacing, MutableSequence) else []
    if len(sizes) != 2 or min(sizes) <= 0 or not np.isfinite(sizes).all():
        return Geometry(shape, np.eye(4), frame_count(dataset), "pixel")
    return Geometry(shape, np.diag([sizes[1], sizes[0], 1.0, 1.0]), frame_count(dataset), "scaled")


def stack(instances: list[Instance]) -> tuple[Geometry, list[int]]:
    """The grid of the slices and the order of their files."""
    homeless = [i.name for i in instances if not has_place(i.view)]
    if homeless:
        raise ImageProblem(
            homeless[0],
            "does not say its position or orientation",
            "slices without a place make no volume: give them apart",
        )
    first = instances[0].view
    orientation = _orientation(instances[0])
    for instance in instances[1:]:
        if np.abs(_orientation(instance) - orientation).max() > SAME_DIRECTION:
            raise ImageProblem(
                "the series",
                f"mixes orientations ({instances[0].name}, {instance.name})",
                "give each orientation apart",
            )
    spacing = _pixel_spacing(instances)
    across = normal(orientation)
    for instance in instances:
        instance.position = _floats(instance, "ImagePositionPatient", 3)
        instance.along = float(instance.position @ across)
    groups = _positions(instances)
    ordered = _by_frame(groups)
    step = _step([group[0] for group in groups], across, first)
    origin = groups[0][0].position
    shape = (int(first.get("Columns")), int(first.get("Rows")), len(groups))
    try:
        geometry = Geometry(shape, plane_affine(cast("Any", origin), orientation, spacing, step), len(groups[0]))
    except GeometryError as error:
        raise ImageProblem("the series", error.problems[0].what) from error
    return geometry, [instance.index for instance in ordered]


def _floats(instance: Instance, keyword: str, count: int) -> FloatArray:
    try:
        values = np.array([float(v) for v in instance.view.get(keyword)], dtype=np.float64)
    except (TypeError, ValueError):
        values = np.array([])
    if len(values) != count or not np.isfinite(values).all():
        raise ImageProblem(instance.name, f"has no usable {keyword}: {count} numbers are expected")
    return values


def _orientation(instance: Instance) -> FloatArray:
    cosines = _floats(instance, "ImageOrientationPatient", 6)
    row, column = cosines[:3], cosines[3:]
    if np.abs([row @ row - 1, column @ column - 1, row @ column]).max() > RIGHT_ANGLE:
        raise ImageProblem(
            instance.name, "has no usable ImageOrientationPatient: two directions at right angles are expected"
        )
    return cosines


def _pixel_spacing(instances: Sequence[Instance]) -> Sequence[float]:
    values = [_floats(i, "PixelSpacing", 2) for i in instances]
    if min(v.min() for v in values) <= 0:
        raise ImageProblem(instances[0].name, "has a PixelSpacing that is not positive")
    if max(np.abs(v - values[0]).max() for v in values) > 1e-4 * values[0].max():
        raise ImageProblem("the series", "mixes values of PixelSpacing", "give images of each spacing apart")
    return cast("Sequence[float]", values[0].tolist())


def _positions(instances: Sequence[Instance]) -> list[list[Instance]]:
    """The instances grouped by position, positions along the normal, each group in the order of the files."""
    groups: list[list[Instance]] = []
    for instance in sorted(instances, key=lambda i: (i.along, i.index)):
        if groups and instance.along - groups[-1][0].along < SAME_POSITION_MM:
            groups[-1].append(instance)
        else:
            groups.append([instance])
    counts = {len(group) for group in groups}
    if len(counts) > 1:
        most = max(groups, key=len)
        if min(counts) == 1 and sum(len(g) > 1 for g in groups) * 2 < len(groups):
            names = " and ".join(i.name for i in most[:2])
            raise ImageProblem("the series", f"has two slices at one position ({names})", "leave one of them out")
        raise ImageProblem(
            "the series",
            f"has {min(counts)} images at some positions and {max(counts)} at others",
            "a slice is missing, or several acquisitions are mixed: complete or separate them",
        )
    return groups


def _by_frame(groups: list[list[Instance]]) -> list[Instance]:
    """All instances, slice by slice and frame after frame."""
    if len(groups[0]) == 1:
        return [group[0] for group in groups]
    for keyword in FRAME_ATTRIBUTES:
        keys = [[number(i.view.get(keyword)) for i in group] for group in groups]
        if any(None in row or len(set(row)) < len(row) for row in keys):
            continue
        shared = len({tuple(sorted(cast("list[float]", row))) for row in keys}) == 1
        if not shared and keyword not in VARYING_ATTRIBUTES:
            continue
        for group, row in zip(groups, keys, strict=True):
            order = sorted(range(len(group)), key=lambda n: cast("float", row[n]))
            group[:] = [group[n] for n in order]
        return [group[frame] for frame in range(len(groups[0])) for group in groups]
    names = " and ".join(i.name for i in groups[0][:2])
    raise ImageProblem(
        "the series",
        f"has {len(groups[0])} images at each position that nothing tells apart ({names})",
        "leave duplicates out, or give each acquisition as an image of its own",
    )


def _step(slices: Sequence[Instance], across: FloatArray, dataset: Any) -> FloatArray:
    """From one slice to the next, in LPS millimetres; slices must be evenly spaced."""
    if len(slices) == 1:
        thickness = number(dataset.get("SpacingBetweenSlices")) or number(dataset.get("SliceThickness"))
        return across * (thickness if thickness and thickness > 0 else 1.0)
    places = np.array([cast("FloatArray", s.position) for s in slices])
    step: FloatArray = (places[-1] - places[0]) / (len(slices) - 1)
    gaps = np.diff([s.along for s in slices])
    usual = float(np.sort(gaps)[(len(gaps) - 1) // 2])  # of two middle ones the smaller: a gap is what is missing
    worst = int(np.abs(gaps - usual).argmax())
    if abs(gaps[worst] - usual) > EVEN_SPACING * usual + ROUNDED_MM:
        what = f"has slices {usual:.3f} mm apart, but {gaps[worst]:.3f} mm between {slices[worst].name} and "
        what += slices[worst + 1].name
        missing = round(float(gaps[worst]) / usual) - 1
        remedy = f"{missing} slice(s) seem to be missing there" if missing > 0 else "the spacing is uneven"
        raise ImageProblem("the series", what, f"{remedy}: complete it, or resample it before it is moved")
    drift = np.abs(places - (places[0] + np.arange(len(slices))[:, None] * step)).max()
    if drift > EVEN_SPACING * usual + ROUNDED_MM:
        raise ImageProblem(
            "the series", f"has slices shifted sideways by up to {drift:.3f} mm against a straight stack"
        )
    return step


def frame_places(instance: Instance) -> list[tuple[FloatArray, FloatArray, Sequence[float]]] | None:
    """Position, orientation and pixel spacing of each frame, or None when the file says none."""
    view = instance.view
    if view.get("GridFrameOffsetVector") and has_place(view):
        return _dose_places(instance)
    found = []
    for frame in range(frame_count(view)):
        position = functional_group(view, frame, "PlanePositionSequence")
        orientation = functional_group(view, frame, "PlaneOrientationSequence")
        measures = functional_group(view, frame, "PixelMeasuresSequence")
        if position is None or orientation is None or measures is None or not measures.get("PixelSpacing"):
            return None
        found.append(
            (
                _floats(Instance(0, instance.name, View(position)), "ImagePositionPatient", 3),
                _orientation(Instance(0, instance.name, View(orientation))),
                cast("Sequence[float]", [float(v) for v in measures.PixelSpacing]),
            )
        )
    return found


def _dose_places(instance: Instance) -> list[tuple[FloatArray, FloatArray, Sequence[float]]]:
    """The same for an RT dose, whose frames say only how far they lie from the first (PS3.3 C.8.8.3.2)."""
    orientation = _orientation(instance)
    position = _floats(instance, "ImagePositionPatient", 3)
    spacing = cast("Sequence[float]", _floats(instance, "PixelSpacing", 2).tolist())
    offsets = _floats(instance, "GridFrameOffsetVector", frame_count(instance.view))
    return [(position + normal(orientation) * (o - offsets[0]), orientation, spacing) for o in offsets]


def frame_stack(
    instance: Instance, places: list[tuple[FloatArray, FloatArray, Sequence[float]]]
) -> tuple[Geometry, list[int]]:
    """The grid of a multi-frame file whose frames say their places, and the order of its frames."""
    view = instance.view
    _, orientation, spacing = places[0]
    if min(min(sizes) for _, _, sizes in places) <= 0:
        raise ImageProblem(instance.name, "has a PixelSpacing that is not positive", "correct it")
    for frame, (_, other, sizes) in enumerate(places):
        if np.abs(other - orientation).max() > SAME_DIRECTION:
            raise ImageProblem(instance.name, f"mixes orientations (frames 1 and {frame + 1})", "split it")
        if not np.allclose(sizes, spacing, rtol=1e-4):
            raise ImageProblem(instance.name, f"mixes values of PixelSpacing (frames 1 and {frame + 1})", "split it")
    across = normal(orientation)
    frames = [
        Instance(frame, f"frame {frame + 1}", view, position, float(position @ across))
        for frame, (position, _, _) in enumerate(places)
    ]
    groups = _positions(frames)
    _by_dimension(groups)
    measures = functional_group(view, 0, "PixelMeasuresSequence")
    step = _step([group[0] for group in groups], across, measures)
    shape = (int(view.get("Columns")), int(view.get("Rows")), len(groups))
    affine = plane_affine(cast("Any", groups[0][0].position), orientation, spacing, step)
    order = [group[repeat].index for repeat in range(len(groups[0])) for group in groups]
    try:
        return Geometry(shape, affine, len(groups[0])), order
    except GeometryError as error:
        raise ImageProblem(instance.name, error.problems[0].what) from error


def _by_dimension(groups: list[list[Instance]]) -> None:
    """Order the frames at each position by their dimension indices, which differ there by time, b-value and the like.

    Source
    ------
    DICOM PS3.3 C.7.6.17 (Multi-frame Dimension); without one the order of the file stays.
    """
    view = groups[0][0].view
    for group in groups:
        contents = [functional_group(view, frame.index, "FrameContentSequence") for frame in group]
        keys = [content.get("DimensionIndexValues") if content is not None else None for content in contents]
        if all(isinstance(key, MutableSequence) for key in keys):
            order = sorted(range(len(group)), key=lambda n: [int(value) for value in cast("Any", keys[n])])
            group[:] = [group[n] for n in order]
