"""Volumes: how the platform turns voxels to its own axes, and which planes it then shows.

Voxels are turned so that their index grows towards Left, Posterior and Inferior (nibabel's axis codes ``LPI``),
which makes the affine of axis-aligned data diagonal with negative entries. Source: real exports of V7's own
end-to-end tests, where ``original_affine`` and ``affine`` stand side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PLANES = ("AXIAL", "CORONAL", "SAGITTAL")
"""In the order in which the views of one volume are numbered: slots 0.1, 0.2, 0.3."""

FRAME_AXIS = {"SAGITTAL": 0, "CORONAL": 1, "AXIAL": 2}
"""The axis, of those turned to LPI, that a plane's frames run along."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume as the platform describes it.

    Attributes
    ----------
    shape : voxels along the three axes as they are shown
    affine : shape (4, 4); voxel as shown to RAS+, millimetres
    original_affine : shape (4, 4); voxel as stored in the file to RAS+, millimetres
    plane : the plane in which the file was acquired: the one across its third axis
    series : the SeriesInstanceUID, or a name of that form
    handler : ``MONAI`` when the voxels were turned to LPI; None when they are shown as stored
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    original_affine: NDArray[np.float64]
    plane: str
    series: str
    handler: str | None = "MONAI"

    @classmethod
    def turned(cls, shape: tuple[int, int, int], affine: NDArray[np.float64], series: str) -> Volume:
        """A volume turned to LPI.

        Parameters
        ----------
        shape : voxels along the axes of the file
        affine : shape (4, 4); voxel of the file to RAS+, millimetres
        """
        there = nib.orientations.io_orientation(affine)
        wanted = nib.orientations.axcodes2ornt(("L", "P", "I"))
        turn = nib.orientations.ornt_transform(there, wanted)
        turned = affine @ nib.orientations.inv_ornt_aff(turn, shape)
        sizes = [0, 0, 0]
        for source, (target, _) in enumerate(turn):
            sizes[int(target)] = shape[source]
        plane = next(name for name, axis in FRAME_AXIS.items() if axis == int(turn[2][0]))
        return cls((sizes[0], sizes[1], sizes[2]), turned, affine, plane, series)

    @classmethod
    def stored(cls, shape: tuple[int, int, int], affine: NDArray[np.float64], series: str) -> Volume:
        """A stack of slices shown as they are stored; the platform calls whatever it shows axial then."""
        return cls(shape, affine, affine, "AXIAL", series, handler=None)

    @property
    def pixdims(self) -> list[float]:
        """Millimetres from voxel to voxel along the axes as they are shown."""
        return [float(step) for step in np.linalg.norm(self.affine[:3, :3], axis=0).round(7)]

    def view(self, plane: str) -> tuple[int, int, int]:
        """Width, height and number of frames in one plane."""
        frames = FRAME_AXIS[plane]
        width, height = (size for axis, size in enumerate(self.shape) if axis != frames)
        return width, height, self.shape[frames]

    def medical(self, plane_map: dict[str, str]) -> dict[str, Any]:
        """What the listing of an item says about the volume."""
        return {
            "handler": self.handler,
            "shape": [1, *self.shape],
            "affine": _rows(self.affine),
            "original_affine": _rows(self.original_affine),
            "pixdims": self.pixdims,
            "plane_map": plane_map,
        }


def _rows(affine: NDArray[np.float64]) -> list[list[float]]:
    # Adding zero turns -0.0 into 0.0.
    return [[float(value) + 0.0 for value in row] for row in affine]
