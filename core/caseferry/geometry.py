"""Where voxels lie in the patient.

One space for everything: positions are continuous voxel indices (column, row, slice), 0-based, with integers at
voxel centres; an affine of 4 by 4 takes them to patient coordinates in LPS millimetres (x grows to the patient's
left, y to the back, z to the head; DICOM PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from caseferry.errors import GeometryError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.plain import Json

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]

RAS_TO_LPS: FloatArray = np.diag([-1.0, -1.0, 1.0, 1.0])
"""NIfTI's world grows to the right, the front and the head; DICOM's to the left, the back and the head."""

Space = Literal["patient", "scaled", "pixel"]

SAME_GRID_MM = 1e-3
"""How far apart corresponding voxel centres of one grid, written by different programs, may lie."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """The grid of an image.

    Parameters
    ----------
    shape : columns, rows, slices
    affine : shape (4, 4); voxel index (column, row, slice) to LPS millimetres
    frames : how many times the grid is repeated: points in time, or frames of a cine
    space : ``patient`` when the files say where the voxels lie; ``scaled`` when they say only how large they are (a
        radiograph): the origin and the directions then mean nothing; ``pixel`` when they say neither (a photograph):
        the affine is then the identity

    Raises
    ------
    GeometryError
        `shape` is not three positive integers, or `affine` is not finite, not invertible, or its last row is
        not 0 0 0 1.
    """

    shape: tuple[int, int, int]
    affine: FloatArray = field(repr=False)
    frames: int = 1
    space: Space = "patient"

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        affine: FloatArray = np.array(self.affine, dtype=np.float64)
        if len(shape) != 3 or min(shape, default=0) < 1 or self.frames < 1:
            raise GeometryError("geometry", f"the shape {shape} of {self.frames} frames is not a grid")
        if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], (0, 0, 0, 1)):
            raise GeometryError("geometry", "the affine is not a finite 4 by 4 matrix whose last row is 0 0 0 1")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise GeometryError("geometry", "the affine has no inverse: a spacing of zero or parallel axes")
        affine.setflags(write=False)
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "frames", int(self.frames))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Any, ...]:
        return (self.shape, self.frames, self.space, tuple(self.affine.ravel().tolist()))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """The distance between voxel centres along columns' index, rows' index and slices' index."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0).tolist()
        return x, y, z

    @property
    def direction(self) -> FloatArray:
        """Shape (3, 3); each column is the unit vector, in LPS, of one voxel axis."""
        return np.asarray(self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0))

    @property
    def origin_lps(self) -> tuple[float, float, float]:
        """The centre of the first voxel, in LPS millimetres."""
        x, y, z = self.affine[:3, 3].tolist()
        return x, y, z

    @property
    def physical(self) -> bool:
        """Whether sizes are known, so that lengths in millimetres mean something."""
        return self.space != "pixel"

    @property
    def planes(self) -> int:
        """How many two-dimensional planes the image has: slices times frames."""
        return self.shape[2] * self.frames

    def to_patient(self, voxels: ArrayLike) -> FloatArray:
        """Map voxel positions to patient space; see `to_patient`."""
        return to_patient(voxels, self.affine)

    def to_voxel(self, points_lps: ArrayLike) -> FloatArray:
        """Map patient positions to voxel space; see `to_voxel`."""
        return to_voxel(points_lps, self.affine)

    def same_grid(self, other: Geometry, tolerance_mm: float = SAME_GRID_MM) -> bool:
        """Whether both grids have their voxels in the same places and in the same order."""
        return self.shape == other.shape and _furthest_mm(self, other.affine) <= tolerance_mm

    def to_json(self) -> dict[str, Json]:
        """Plain data; `from_json` gives an equal geometry."""
        return {
            "shape": list(self.shape),
            "affine": self.affine.tolist(),
            "frames": self.frames,
            "space": self.space,
        }

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Geometry:
        """Read what `to_json` wrote."""
        return cls(
            shape=tuple(document["shape"]),
            affine=np.array(document["affine"], dtype=np.float64),
            frames=document.get("frames", 1),
            space=document.get("space", "patient"),
        )


def as_stored(grid: Geometry) -> Geometry:
    """The grid of a MetaImage or NIfTI file that an image of this grid is converted to.

    Such files always claim a place in the patient, and frames of a flat image follow each other as slices.
    """
    if grid.frames > 1 and grid.shape[2] == 1:
        return Geometry((*grid.shape[:2], grid.frames), grid.affine)
    return Geometry(grid.shape, grid.affine, grid.frames)


def _furthest_mm(grid: Geometry, affine: FloatArray) -> float:
    """The largest distance between a corner of `grid` and where another affine puts it."""
    far = np.array(grid.shape, dtype=np.float64) - 1
    corners = np.array([[i, j, k] for i in (0, far[0]) for j in (0, far[1]) for k in (0, far[2])])
    return float(np.linalg.norm(to_patient(corners, grid.affine) - to_patient(corners, affine), axis=1).max())


def to_patient(voxels: ArrayLike, affine: ArrayLike) -> FloatArray:
    """Map voxel positions to patient space.

    Parameters
    ----------
    voxels : shape (n, 3); column, row, slice; 0-based, integers at voxel centres
    affine : shape (4, 4); voxel to LPS, millimetres

    Returns
    -------
    shape (n, 3); x, y, z in LPS, millimetres

    Source
    ------
    DICOM PS3.3 C.7.6.2.1.1
    """
    matrix = np.asarray(affine, dtype=np.float64)
    points = np.asarray(voxels, dtype=np.float64).reshape(-1, 3)
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def to_voxel(points_lps: ArrayLike, affine: ArrayLike) -> FloatArray:
    """Map patient positions to continuous voxel positions: the inverse of `to_patient`.

    Parameters
    ----------
    points_lps : shape (n, 3); x, y, z in LPS, millimetres
    affine : shape (4, 4); voxel to LPS, millimetres

    Returns
    -------
    shape (n, 3); column, row, slice; 0-based, integers at voxel centres
    """
    matrix = np.asarray(affine, dtype=np.float64)
    points = np.asarray(points_lps, dtype=np.float64).reshape(-1, 3)
    return np.asarray(np.linalg.solve(matrix[:3, :3], (points - matrix[:3, 3]).T).T)


def plane_affine(
    position_lps: ArrayLike, orientation: ArrayLike, pixel_spacing: Sequence[float], step_lps: ArrayLike
) -> FloatArray:
    """The affine of slices from what DICOM says of the first one.

    Parameters
    ----------
    position_lps : ImagePositionPatient: the centre of the first voxel, in LPS millimetres
    orientation : ImageOrientationPatient: the direction in which the column index grows, then that of the row
        index, three cosines each
    pixel_spacing : PixelSpacing: the distance between rows first, then between columns, in millimetres
    step_lps : from one slice to the next, in LPS millimetres

    Source
    ------
    DICOM PS3.3 C.7.6.2.1.1 and 10.7.1.3
    """
    cosines = np.asarray(orientation, dtype=np.float64)
    affine = np.eye(4)
    affine[:3, 0] = cosines[:3] * pixel_spacing[1]
    affine[:3, 1] = cosines[3:] * pixel_spacing[0]
    affine[:3, 2] = np.asarray(step_lps, dtype=np.float64)
    affine[:3, 3] = np.asarray(position_lps, dtype=np.float64)
    return affine


def normal(orientation: ArrayLike) -> FloatArray:
    """The unit vector across the slices: row direction times column direction, in LPS.

    Parameters
    ----------
    orientation : ImageOrientationPatient, six cosines
    """
    cosines = np.asarray(orientation, dtype=np.float64)
    across = np.cross(cosines[:3], cosines[3:])
    return np.asarray(across / np.linalg.norm(across))


@dataclass(frozen=True, slots=True)
class AxisMap:
    """How one grid's voxels are found in another that differs only in the order and direction of its axes.

    Attributes
    ----------
    axes : for each axis of the target, the axis of the source that runs along it
    flips : for each axis of the target, whether the source runs against it
    """

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @property
    def identity(self) -> bool:
        """Whether nothing changes."""
        return self.axes == (0, 1, 2) and not any(self.flips)

    def apply(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn an array of the source grid, [column, row, slice, …], into one of the target grid."""
        turned = array.transpose(*self.axes, *range(3, array.ndim))
        return turned[tuple(slice(None, None, -1) if flip else slice(None) for flip in self.flips)]

    def shape(self, source: tuple[int, int, int]) -> tuple[int, int, int]:
        """The target's shape."""
        a, b, c = (source[axis] for axis in self.axes)
        return a, b, c

    def matrix(self, source: tuple[int, int, int]) -> FloatArray:
        """Shape (4, 4); takes target voxel positions to source voxel positions.

        Parameters
        ----------
        source : the source grid's shape
        """
        matrix = np.zeros((4, 4))
        matrix[3, 3] = 1
        for target_axis, (source_axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            matrix[source_axis, target_axis] = -1 if flip else 1
            matrix[source_axis, 3] = source[source_axis] - 1 if flip else 0
        return matrix


def axis_map(source: Geometry, target: Geometry, tolerance_mm: float = SAME_GRID_MM) -> AxisMap | None:
    """How `source` lies on `target`, or None when their voxels are not in the same places.

    Exact: nothing is resampled. Found by comparing directions, then proved on the corners of the grid.
    """
    cosines = target.direction.T @ source.direction
    axes = tuple(int(a) for a in np.abs(cosines).argmax(axis=1))
    if sorted(axes) != [0, 1, 2]:
        return None
    flips = tuple(bool(cosines[target_axis, source_axis] < 0) for target_axis, source_axis in enumerate(axes))
    found = AxisMap((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    if found.shape(source.shape) != target.shape:
        return None
    turned = source.affine @ found.matrix(source.shape)
    return found if _furthest_mm(target, turned) <= tolerance_mm else None


def turn_towards(geometry: Geometry, codes: str) -> tuple[AxisMap, Geometry]:
    """Reorder and flip a grid's axes so that they run towards the patient directions `codes` as nearly as may be.

    Parameters
    ----------
    codes : three letters, such as ``LPI``: the directions in which the target's axes shall grow

    Returns
    -------
    How the grid is turned, and the turned grid.

    Source
    ------
    nibabel.orientations.io_orientation decides which axis is nearest to which direction.
    """
    from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

    start = io_orientation(RAS_TO_LPS @ geometry.affine)
    change = ornt_transform(start, axcodes2ornt(tuple(codes)))
    order = np.argsort(change[:, 0])
    axes = tuple(int(a) for a in order)
    flips = tuple(bool(change[a, 1] < 0) for a in order)
    turn = AxisMap((axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))
    affine = geometry.affine @ turn.matrix(geometry.shape)
    return turn, Geometry(turn.shape(geometry.shape), affine, geometry.frames, geometry.space)
