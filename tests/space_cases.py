"""Cases that lie in space in every way: each order and direction of axes, each spacing, each kind of shape.

Their places in the patient are made here from signed permutations of axes and written by nibabel and pydicom; nothing
of the library's own geometry takes part.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import nibabel as nib
import numpy as np

import caseferry as cf
from caseferry.files import FileRef
from grand_challenge_scene import series

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

SHAPE = (7, 6, 5)
STRUCTURES = ("small", "ragged", "thin", "bordering", "holed")
STRUCTURE_LABELS = dict(enumerate(STRUCTURES, 1))


def turn(x: float, y: float, z: float) -> NDArray[np.float64]:
    turned = np.eye(3)
    for (a, b), angle in zip(((1, 2), (2, 0), (0, 1)), (x, y, z), strict=True):
        each = np.eye(3)
        each[a, a], each[a, b], each[b, a], each[b, b] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
        turned = each @ turned
    return turned


Shape: TypeAlias = "tuple[int, int, int]"
Lattice: TypeAlias = "tuple[tuple[float, float, float], NDArray[np.float64]]"

LATTICES: dict[str, Lattice] = {
    "unit": ((1.0, 1.0, 1.0), np.eye(3)),
    "anisotropic": ((0.5, 0.8, 3.0), np.eye(3)),
    "oblique": ((0.7, 1.1, 2.5), turn(0.3, -0.2, 0.25)),
}
"""Spacing along the columns', rows' and slices' index, and how the whole is turned in the patient."""

ORIENTATIONS = [(axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)]
"""Along which axis of the patient each index runs, and in which direction: all 48."""


class Placed(NamedTuple):
    """An image and its affine, voxel to LPS millimetres, as another program has it."""

    image: cf.Image
    affine: NDArray[np.float64]


def nifti(
    role: str, orientation: tuple[Sequence[int], Sequence[int]], lattice: str | Lattice, shape: Shape = SHAPE
) -> Placed:
    """A NIfTI volume whose index axes run along given axes of the patient; written and read by nibabel."""
    spacing, turned = LATTICES[lattice] if isinstance(lattice, str) else lattice
    axes, signs = orientation
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.eye(3)[:, list(axes)] * np.array(signs) * spacing
    affine[:3, 3] = (-21.5, 12.25, 48.0)
    voxels = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    written = nib.Nifti1Image(voxels, affine)
    written.header.set_xyzt_units("mm")
    content = written.to_bytes()
    read = nib.Nifti1Image.from_bytes(content).affine
    return Placed(cf.Image(role, FileRef.of_bytes(content, f"{role}.nii")), np.diag([-1.0, -1.0, 1.0, 1.0]) @ read)


DICOM_WAYS = [
    (columns, rows, step)
    for columns, rows in permutations([(axis, sign) for axis in range(3) for sign in (1, -1)], 2)
    if columns[0] != rows[0]
    for step in (1, -1)
]
"""Directions in which columns' and rows' index grow, and whether files follow the normal or go against it."""


def dicom(role: str, way: tuple[Any, Any, int], lattice: str | Lattice, folder: Path, shape: Shape = SHAPE) -> Placed:
    """A DICOM series; its affine by PS3.3 C.7.6.2.1.1, with slices in the direction of the normal."""
    columns, rows, step = way
    spacing, turned = LATTICES[lattice] if isinstance(lattice, str) else lattice
    across, down = (turned @ (np.eye(3)[axis] * sign) for axis, sign in (columns, rows))
    voxels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape[::-1])
    paths = series(
        folder / role,
        voxels,
        orientation=[*across, *down],
        spacing=(spacing[1], spacing[0]),
        step=step * spacing[2],
    )
    normal = np.cross(across, down)
    first = np.array([-12.5, 30.25, 108.0]) + (normal * spacing[2] * (1 - shape[2]) if step < 0 else 0)
    affine = np.eye(4)
    affine[:3] = np.c_[across * spacing[0], down * spacing[1], normal * spacing[2], first]
    return Placed(cf.Image(role, paths), affine)


def structures(shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """A label map that looks different from every side: see `STRUCTURES`."""
    labels = np.zeros(shape, np.uint8)
    rng = np.random.default_rng(7)
    labels[rng.random(shape) < 0.15] = 2
    labels[1:4, 1:4, 1] = 5
    labels[2, 2, 1] = 0
    labels[0, :, 0] = 4
    labels[:, -1, -1] = 4
    labels[1 : shape[0] - 1, 3, 2] = 3
    labels[4, 1, 3] = 1
    return labels


def shapes(placed: Placed) -> list[cf.Annotation]:
    """A label map, one shape of each kind in planes of their own, and a line through several slices."""
    role = placed.image.role
    mask = cf.Mask.of_array(role, structures(), STRUCTURE_LABELS, placed.affine)
    return [
        mask,
        cf.Point(role, (4.25, 1.5), frame=3, label="point"),
        cf.Line(role, [(0.5, 1), (6, 4.75)], frame=1, label="line"),
        cf.Polyline(role, [(0, 0), (3, 1.25), (6, 5)], frame=0, label="polyline"),
        cf.Box(role, [(1.5, 0.25), (5, 4)], frame=4, label="box"),
        cf.Polygon(role, [(1, 1), (5, 1.5), (5, 3.5), (2, 4)], frame=3, label="polygon"),
        cf.Ellipse(role, [(1, 3), (5, 3), (3, 2), (3, 4)], frame=2, label="ellipse"),
        cf.Angle(role, [(0, 0), (3, 0.5), (3, 4)], frame=2, label="angle"),
        cf.Line(role, [(1, 1.5, 0.25), (5.5, 3, 3.5)], label="through"),
    ]


def flat_shapes(image: cf.Image) -> list[cf.Annotation]:
    """The same on an image that has no slices: in its frames, or in the only plane that there is."""
    grid = image.geometry
    assert grid is not None
    placed = Placed(image, grid.affine)
    drawn = [each for each in shapes(placed) if not isinstance(each, cf.Mask) and each.label != "through"]
    labels = structures((*grid.shape[:2], max(grid.frames, 5)))
    if grid.frames == 1:
        labels = labels.max(axis=2, keepdims=True)
        drawn = [replace(each, frame=None) for each in drawn]
    voxels = labels.reshape(*grid.shape, grid.frames, order="F") if grid.frames > 1 else labels
    return [cf.Mask.of_array(image.role, voxels, STRUCTURE_LABELS, grid.affine), *drawn]
