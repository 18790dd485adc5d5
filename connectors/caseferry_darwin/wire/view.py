"""How a slot shows an image: which voxel is seen in which frame, at which x and y.

Pictures and videos are shown as they are stored: x is the column, y the row, the frame the plane. Volumes are turned
so that their axes run to the patient's left, back and feet (LPI), and shown along one of them; there x and y of
vector shapes are voxel indices times the voxel size along their axes, while masks lie on the voxels.

Source
------
Exports that V7's end-to-end tests keep, and darwin-py 3.6.3's NIfTI importer and exporter: ``plane_map``, ``affine``,
``pixdims`` of a slot's ``metadata.medical`` with handler "MONAI".
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.geometry import RAS_TO_LPS, AxisMap, FloatArray, Geometry, axis_map, turn_towards
from caseferry.imaging.kinds import Kind
from caseferry.sidecar import KEY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry.annotation import Position
    from caseferry.case import Image

LPI = "LPI"

ALONG = {"AXIAL": 2, "CORONAL": 1, "SAGITTAL": 0}
"""The axis of the turned volume along which the frames of each plane follow each other."""

VIEWS = {2: 1, 1: 2, 0: 3}
"""What the names of slots of several views end in, by the axis along which their frames follow each other.

Exports of V7's tests call the axial view ``0.1``; the order of the others is a guess, so what the platform says of
its slots counts as soon as it says it.
"""

PREPARED = "prepared"
"""Where the metadata of a slot tell how its image was prepared for a read-only storage, within caseferry's own."""

VOLUMES = (Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME, Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD)

ON_FRAME = 1e-4
"""How far from a frame, in frames, a position may lie to count as lying in it."""

SAME_GRID = 0.02
"""By how much, in voxels, the platform's grid may differ from ours: its affine is written in few digits."""


@dataclass(frozen=True)
class View:
    """How one slot shows an image.

    Attributes
    ----------
    slot : its name
    shape : of the image: columns, rows, slices
    frames : how many frames are shown; 0 for a still picture, whose annotations name no frame
    turn : how the volume is turned; None for what is shown as it is stored
    along : the axis of the turned volume along which frames follow each other
    steps : voxel sizes along the turned volume's axes
    planes : for what is shown as it is stored, the plane that each frame shows; empty where they follow in order
    """

    slot: str
    shape: tuple[int, int, int]
    frames: int
    turn: AxisMap | None = None
    along: int = 2
    steps: tuple[float, float, float] = (1.0, 1.0, 1.0)
    planes: tuple[int, ...] = ()

    @property
    def _across(self) -> tuple[int, int]:
        """The axes of the turned volume that are seen as x and y."""
        x, y = (axis for axis in range(3) if axis != self.along)
        return x, y

    def same(self, other: View) -> bool:
        """Whether both show every voxel in the same place."""
        return (
            (self.slot, self.frames, self.turn, self.along) == (other.slot, other.frames, other.turn, other.along)
            and (self.shape, self.planes) == (other.shape, other.planes)
            and bool(np.allclose(self.steps, other.steps, rtol=1e-3))
        )

    def described(self) -> dict[str, Any]:
        """All by which positions in two views are the same ones, as plain data; the slot's name is not among it."""
        turn = [list(self.turn.axes), list(self.turn.flips)] if self.turn is not None else None
        return {
            "shape": list(self.shape),
            "frames": self.frames,
            "turn": turn,
            "along": self.along,
            "steps": [float(f"{step:.3g}") for step in self.steps],
            "planes": list(self.planes),
        }

    def to_shown(self, points: Sequence[Position], plane: int | None) -> tuple[int, list[tuple[float, float]]] | None:
        """The frame and the positions (x, y) at which voxel positions are seen; None when no frame holds them all.

        Parameters
        ----------
        points : (column, row) in a plane, or (column, row, slice)
        """
        if self.turn is None:
            thirds = {round(point[2]) if len(point) == 3 else (plane or 0) for point in points}
            off = any(abs(point[2] - round(point[2])) > ON_FRAME for point in points if len(point) == 3)
            if len(thirds) > 1 or off or (frame := self.frame_of(thirds.pop())) is None:
                return None
            return frame, [(point[0], point[1]) for point in points]
        slices = self.shape[2]
        solid = np.array([[*point, float((plane or 0) % slices)] if len(point) == 2 else point for point in points])
        turned = _moved(np.asarray(np.linalg.inv(self.turn.matrix(self.shape))), solid)
        frame = round(float(turned[0, self.along]))
        if np.abs(turned[:, self.along] - frame).max() > ON_FRAME or not 0 <= frame < max(self.frames, 1):
            return None
        x, y = self._across
        return frame, [(float(p[x] * self.steps[x]), float(p[y] * self.steps[y])) for p in turned]

    def to_voxels(self, frame: int, shown: Sequence[tuple[float, float]]) -> tuple[list[Position], int | None]:
        """Voxel positions of what is seen at (x, y): (column, row) and the plane, or (column, row, slice)."""
        if self.turn is None:
            return [(x, y) for x, y in shown], (self.plane_of(frame) if self.frames else None)
        across = self._across
        turned = np.zeros((len(shown), 3))
        turned[:, self.along] = frame
        for axis, values in zip(across, np.array(shown, dtype=np.float64).T, strict=True):
            turned[:, axis] = values / self.steps[axis]
        solid = _moved(self.turn.matrix(self.shape), turned)
        plane = round(float(solid[0, 2]))
        if np.abs(solid[:, 2] - plane).max() <= ON_FRAME:
            return [(float(p[0]), float(p[1])) for p in solid], (plane if self.shape[2] > 1 else None)
        return [(float(p[0]), float(p[1]), float(p[2])) for p in solid], None

    def plane_of(self, frame: int) -> int | None:
        """The plane of the image that a frame shows; None when frames run along another axis."""
        if self.turn is None:
            if not self.planes:
                return frame
            return self.planes[frame] if 0 <= frame < len(self.planes) else None
        if self.turn.axes[self.along] != 2 or not 0 <= frame < self.shape[2]:
            return None
        return self.shape[2] - 1 - frame if self.turn.flips[self.along] else frame

    def frame_of(self, plane: int) -> int | None:
        """The frame that shows a plane of the image: the inverse of `plane_of`."""
        if self.turn is None and self.planes:
            return self.planes.index(plane) if plane in self.planes else None
        return self.plane_of(plane)  # either the same or counted from the other end, so its own inverse

    def of_pixels(self, points: FloatArray) -> list[tuple[float, float]]:
        """Where positions in a frame of `rasters` are seen: (x, y).

        Parameters
        ----------
        points : shape (n, 2); x, y; 0-based, integers at the centres of pixels
        """
        x, y = self._across if self.turn is not None else (0, 1)
        steps = (self.steps[x], self.steps[y]) if self.turn is not None else (1.0, 1.0)
        return [(float(point[0] * steps[0]), float(point[1] * steps[1])) for point in points]

    def rasters(self, voxels: NDArray[Any]) -> list[NDArray[Any]]:
        """Voxels of a mask as they are seen: for each frame [y, x].

        Parameters
        ----------
        voxels : [column, row, slice], or [column, row, slice, frame]
        """
        if self.turn is None:
            stack = voxels.reshape(voxels.shape[0], voxels.shape[1], -1, order="F")
            return [stack[:, :, number].T for number in self.planes or range(stack.shape[2])]
        turned = np.moveaxis(self.turn.apply(voxels), self.along, 0)
        return [turned[number].T for number in range(turned.shape[0])]

    def from_rasters(self, rasters: Mapping[int, NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
        """A mask's voxels [column, row, slice] from what is seen in some frames; the inverse of `rasters`.

        For what is shown as it is stored, the third axis holds all planes.
        """
        if self.turn is None:
            whole = np.zeros((*self.shape[:2], max(self.frames, 1)), dtype)
            for frame, raster in rasters.items():
                whole[:, :, self.planes[frame] if self.planes else frame] = raster.T
            return whole
        turned = np.zeros(self.turn.shape(self.shape), dtype)
        view = np.moveaxis(turned, self.along, 0)
        for frame, raster in rasters.items():
            view[frame] = raster.T
        flipped = turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.turn.flips)]
        return np.ascontiguousarray(flipped.transpose(np.argsort(self.turn.axes)))

    def raster_size(self) -> tuple[int, int]:
        """Width and height of a frame in pixels."""
        if self.turn is None:
            return self.shape[0], self.shape[1]
        shape = self.turn.shape(self.shape)
        x, y = self._across
        return shape[x], shape[y]


def _moved(matrix: FloatArray, points: FloatArray) -> FloatArray:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def is_volume(image: Image, *, alone: bool) -> bool:
    """Whether the platform treats an image as a volume. DICOM is one only when nothing else is in the item.

    Source
    ------
    V7's darwin-py, pull request 974: several files in one registered item mark it as no volume.
    """
    grid = image.geometry
    kinds = {Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD}
    if alone:
        kinds |= {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}
    return grid is not None and image.kind in kinds and grid.space == "patient" and grid.frames == 1


def stored_planes(image: Image, names: Sequence[str] = ()) -> tuple[int, ...]:
    """The plane that each frame shows when DICOM is shown as it is stored; empty where they follow in order.

    Parameters
    ----------
    names : under which the files lie there, in the image's order; none when their places are their names

    Source
    ------
    V7's guide to external storage: slices go by SeriesNumber, InstanceNumber, SliceLocation, ImagePositionPatient and
    file name.
    """
    if image.kind not in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}:
        return ()
    header = image.header
    planes = {place: plane for plane, place in enumerate(header.layout)}
    numbering = header.details.get("numbering") or [(None, None, ())] * len(image.files)
    last = float("inf")

    def order(file: int) -> tuple[float, float, tuple[float, ...], str]:
        instance, location, position = numbering[file]
        name = names[file] if names else f"{file:05d}"
        return last if instance is None else instance, last if location is None else location, position, name

    places = sorted(header.layout, key=lambda place: (order(place[0]), place[1]))
    shown = tuple(planes[place] for place in places)
    return () if shown == tuple(range(len(shown))) else shown


def expected_view(
    image: Image, slot: str, *, alone: bool, planes: tuple[int, ...] = (), views: bool = False
) -> View | None:
    """How the platform will show an image that it has not seen yet; None for what has no grid.

    Parameters
    ----------
    alone : whether its file is the only one of its item
    planes : what each frame shows where the image is shown as it is stored; see `stored_planes`
    views : whether a volume is shown along all axes: then the slot meant is that of the image's own planes
    """
    grid = image.geometry
    if grid is None:
        return None
    if not is_volume(image, alone=alone):
        frames = grid.planes if grid.planes > 1 or image.kind is Kind.VIDEO else 0
        return View(slot, grid.shape, frames, planes=planes)
    turn, turned = turn_towards(grid, LPI)
    along = turn.axes.index(2)
    name = f"{slot}.{VIEWS[along]}" if views else slot
    return View(name, grid.shape, turned.shape[along], turn, along, turned.spacing_mm)


def preparation(slot: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the metadata of a slot tell of how its image was prepared; None when it was not."""
    own = (slot.get("metadata") or {}).get(KEY)
    told = own.get(PREPARED) if isinstance(own, Mapping) else None
    if not isinstance(told, Mapping):
        return None
    return told if isinstance(told.get("below"), str) and isinstance(told.get("originals"), list) else None


def prepared_view(image: Image, slot: str, *, told: Mapping[str, Any] | None = None) -> View | None:
    """How a slot shows a prepared image; None for what has no grid.

    Parameters
    ----------
    told : by the metadata of a slot that is there; it counts, however images are turned nowadays
    """
    grid = image.geometry
    if grid is None:
        return None
    if told is not None:
        turn = _read_turn(told)
    elif image.kind in VOLUMES and grid.space == "patient" and grid.frames == 1:
        turn = turn_towards(grid, LPI)[0]
    else:
        turn = None
    frames = grid.planes if grid.planes > 1 or image.kind is Kind.VIDEO else 0
    return View(slot, grid.shape, frames, turn, turn.axes.index(2) if turn is not None else 2)


def _read_turn(told: Mapping[str, Any]) -> AxisMap | None:
    turn = told.get("turn")
    if turn is None:
        return None
    (a, b, c), (x, y, z) = turn["axes"], turn["flips"]
    return AxisMap((int(a), int(b), int(c)), (bool(x), bool(y), bool(z)))


def native_slot(image: Image, slots: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    """The slot that shows an image along its own planes, of those that the platform made of one; None for none.

    Parameters
    ----------
    name : of the slot that was registered; the platform makes ``0.1``, ``0.2``, ``0.3`` of one with several views
    """
    own = [slot for slot in slots if registered_slot(str(slot.get("slot_name")), slots) == name]
    for slot in own:
        view = shown_view(image, slot) if len(own) > 1 else None
        if view is not None and view.turn is not None and view.turn.axes[view.along] == 2:
            return slot
    return own[0] if own else None


def registered_slot(name: str, slots: Sequence[Mapping[str, Any]]) -> str:
    """The slot under which the file of a view was registered: ``0`` for ``0.2``, else the name itself."""
    base, dot, _ = name.rpartition(".")
    here = next((slot for slot in slots if slot.get("slot_name") == name), {})
    medical = (here.get("metadata") or {}).get("medical")
    shared = [slot for slot in slots if slot.get("upload_id") == here.get("upload_id")]
    planes = medical.get("plane_map") if isinstance(medical, Mapping) else None
    return base if dot and len(shared) > 1 and isinstance(planes, Mapping) and len(planes) > 1 else name


def shown_view(image: Image, slot: Mapping[str, Any]) -> View | None:
    """How the platform does show an image, by what it says of the slot; None when it does not say enough.

    Parameters
    ----------
    slot : a slot of an item in a listing, after processing
    """
    grid = image.geometry
    name = str(slot.get("slot_name"))
    if grid is None:
        return None
    if (told := preparation(slot)) is not None:
        return prepared_view(image, name, told=told)
    medical = (slot.get("metadata") or {}).get("medical")
    if not isinstance(medical, Mapping) or medical.get("handler") != "MONAI":
        if isinstance(medical, Mapping) and image.kind is Kind.NIFTI:
            return None  # shown as older versions did, which turned volumes in a way of their own
        frames = int(slot.get("total_sections") or 0)
        if frames > 1 and frames != grid.planes:
            return None  # a sampled video: which frames are shown is not told here
        own = (slot.get("metadata") or {}).get(KEY)
        if isinstance(own, Mapping):
            planes = tuple(own.get("planes") or ())
        else:
            planes = stored_planes(image, [ref.name for ref in image.files])
        return View(name, grid.shape, grid.planes if grid.planes > 1 or frames > 1 else 0, planes=planes)
    try:
        return _turned_view(grid, name, medical)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        return None  # it does not say how the volume is turned


def _turned_view(grid: Geometry, name: str, medical: Mapping[str, Any]) -> View | None:
    """How a volume is shown along one of its axes, by what the platform says of it."""
    affine = RAS_TO_LPS @ np.array(parsed(medical["affine"]), dtype=np.float64)
    shape = [int(n) for n in parsed(medical["shape"])][-3:]
    turned = Geometry((shape[0], shape[1], shape[2]), affine)
    turn = axis_map(grid, turned, SAME_GRID * max(grid.spacing_mm) + 1e-3)
    named = medical.get("plane_map") or {}
    plane = str(named.get(name) or next(iter(named.values()), "AXIAL"))
    if turn is None or plane not in ALONG:
        return None
    raw = parsed(medical.get("pixdims") or medical.get("pixdim") or turned.spacing_mm)
    steps = tuple(float(v) for v in raw)[-3:]
    along = ALONG[plane]
    return View(name, grid.shape, turned.shape[along], turn, along, (steps[0], steps[1], steps[2]))


def parsed(value: Any) -> Any:
    """A value that the platform writes as numbers in one place and as text in another."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            pass
        try:
            return ast.literal_eval(value)
        except (SyntaxError, MemoryError, RecursionError) as error:
            msg = f"{value[:40]!r} holds no numbers"
            raise ValueError(msg) from error
    return [parsed(item) for item in value] if isinstance(value, list | tuple) else float(value)
