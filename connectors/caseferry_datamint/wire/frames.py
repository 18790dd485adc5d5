"""Where the planes of an image are found among Datamint's resources and frames, and its coordinates.

Source
------
Datamint's Python SDK 2.45 (``entities/annotations/geometry.py``) and medimgkit 0.18 (``nifti_utils.py``): frames of
a NIfTI file are its axial slices counted upwards; geometry with view vectors is in patient millimetres, LPS; without
them in pixels (column, row, frame). The view vectors of a NIfTI file are in its own world, RAS, and its normal points
against the slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from caseferry.annotation import Position
    from caseferry.case import Image
    from caseferry.geometry import Geometry

ON_SLICE = 1e-4
"""How far from the middle of a slice, in slices, a position may lie to count as lying on it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one plane lies.

    Attributes
    ----------
    file : index of the resource among those of the image
    frame : index of the frame within that resource
    """

    file: int
    frame: int


def place_of(image: Image, plane: int) -> Place | None:
    """Where a plane of an image lies; None when the platform has no number for it."""
    grid = image.geometry
    if grid is None:
        return None
    if image.kind in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}:
        return Place(*image.layout[plane])
    if image.kind in {Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD} and grid.planes > 1:
        return _axial_frame(grid, plane)
    return Place(0, plane)


def plane_of(image: Image, file: int, frame: int) -> int | None:
    """The plane that lies at a place: the inverse of `place_of`."""
    grid = image.geometry
    if grid is None:
        return None
    wanted = Place(file, frame)
    if image.kind in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}:
        return next((plane for plane, place in enumerate(image.layout) if Place(*place) == wanted), None)
    guesses = (frame, grid.planes - 1 - frame)
    return next((plane for plane in guesses if 0 <= plane < grid.planes and place_of(image, plane) == wanted), None)


def cut_of(image: Image, file: int, frame: int) -> tuple[int | slice, ...] | None:
    """Where in an array [column, row, plane] a frame lies; None when there is no such frame.

    A NIfTI file's frames are its axial slices along whichever axis they are stored: in one that is stored as coronal
    slices a frame runs through all planes. What is left of the array is [column, row] of the frame.
    """
    plane = plane_of(image, file, frame)
    if plane is not None:
        return (slice(None), slice(None), plane)
    grid = image.geometry
    if grid is None or grid.frames > 1 or file or image.kind not in {Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD}:
        return None
    axis = int(np.abs(grid.direction[2]).argmax())
    if axis == 2 or not 0 <= frame < grid.shape[axis]:
        return None
    index = frame if grid.affine[2, axis] > 0 else grid.shape[axis] - 1 - frame
    return tuple(index if each == axis else slice(None) for each in range(3))


def _axial_frame(grid: Geometry, plane: int) -> Place | None:
    """The frame of a NIfTI slice, when slices run along the head-foot axis; counted from the feet."""
    if grid.frames > 1 or int(np.abs(grid.direction[2]).argmax()) != 2:
        return None
    return Place(0, plane if grid.affine[2, 2] > 0 else grid.shape[2] - 1 - plane)


def in_patient(image: Image) -> bool:
    """Whether positions in an image are sent in patient millimetres: where its files say its place in the patient."""
    grid = image.geometry
    return grid is not None and grid.space == "patient" and grid.frames == 1


def view_vectors(image: Image) -> dict[str, list[float]]:
    """The vectors that mark geometry as being in patient space, as the platform's own client computes them."""
    grid = image.geometry
    assert grid is not None  # noqa: S101  only asked of images that lie in a patient
    across, down = grid.direction[:, 0], grid.direction[:, 1]
    normal = np.cross(across, down)
    if image.kind not in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME}:
        to_ras = np.array([-1.0, -1.0, 1.0])
        across, down = across * to_ras, down * to_ras
        normal = -np.cross(across, down)
    return {
        "viewPlaneNormal": (normal / np.linalg.norm(normal)).tolist(),
        "viewUp": (down / np.linalg.norm(down)).tolist(),
    }


def to_points(image: Image, points: list[Position], plane: int | None) -> list[list[float]]:
    """Positions of an annotation in Datamint's coordinates.

    Parameters
    ----------
    points : (column, row) in a plane, or (column, row, slice)
    """
    solid = _solid(image, points, plane)
    grid = image.geometry
    if in_patient(image) and grid is not None:
        return [[float(v) for v in point] for point in grid.to_patient(solid).tolist()]
    frame = 0
    if plane is not None and (place := place_of(image, plane)) is not None:
        frame = place.frame
    return [[float(point[0]), float(point[1]), float(frame if plane is not None else point[2])] for point in solid]


def _solid(image: Image, points: list[Position], plane: int | None) -> np.ndarray[Any, Any]:
    slices = image.geometry.shape[2] if image.geometry is not None else 1
    third = 0.0 if plane is None else float(plane % slices)
    return np.array([[*point, third] if len(point) == 2 else list(point) for point in points], dtype=np.float64)


def from_points(
    image: Image, points: list[list[float]], *, patient: bool, file: int = 0
) -> tuple[list[Position], int | None]:
    """Positions of a Datamint annotation in voxels.

    They are (column, row) and a plane where all lie on one, else (column, row, slice).

    Parameters
    ----------
    points : three numbers each
    patient : whether they are patient millimetres, and not column, row and frame
    file : the resource that the annotation belongs to, among those of the image
    """
    grid = image.geometry
    if not patient or grid is None:
        return _in_frame(image, points, file)
    voxels = grid.to_voxel(points)
    plane = round(float(voxels[0][2]))
    if np.abs(voxels[:, 2] - plane).max() <= ON_SLICE and 0 <= plane < grid.shape[2]:
        return [(float(v[0]), float(v[1])) for v in voxels], plane
    return [(float(v[0]), float(v[1]), float(v[2])) for v in voxels], None


def _in_frame(image: Image, pixels: list[list[float]], file: int) -> tuple[list[Position], int | None]:
    """Pixels (column, row, frame) of a resource in voxels of the image.

    Raises
    ------
    ValueError
        The image has no such frame, or they lie between frames, or in several that do not follow each other in space.
    """
    grid = image.geometry
    if grid is None or grid.planes == 1:
        return [(point[0], point[1]) for point in pixels], None if grid is None else 0
    if any(abs(point[2] - round(point[2])) > ON_SLICE for point in pixels):
        msg = "it lies between frames"
        raise ValueError(msg)
    solid, axes = [], set()
    for column, row, height in pixels:
        cut = cut_of(image, file, round(height))
        if cut is None:
            msg = f"there is no frame {round(height)}"
            raise ValueError(msg)
        axis, index = next((axis, index) for axis, index in enumerate(cut) if isinstance(index, int))
        axes.add(axis)
        solid.append((*(column, row)[:axis], float(index), *(column, row)[axis:]))
    planes = {point[2] for point in solid}
    if axes == {2} and len(planes) == 1:
        return [(point[0], point[1]) for point in solid], int(planes.pop())
    if grid.frames > 1:
        msg = "it runs through several frames"
        raise ValueError(msg)
    return [(a, b, c) for a, b, c in solid], None


def are_pixels(image: Image, points: list[list[float]], frame: int | None) -> bool:
    """Whether points that come without view vectors are pixels, and not patient millimetres.

    The platform does not say. Clients before 2.45 send both so; in pixels, the third number is the frame that the
    annotation names, or 0. Points for which that holds and which fit either way are pixels when they are whole
    numbers.
    """
    grid = image.geometry
    if grid is None or not in_patient(image) or any(len(point) < 3 for point in points):
        return True
    named = all(point[2] == (frame or 0) for point in points)
    fits_as_pixels = all(-0.5 <= v <= n - 0.5 for p in points for v, n in zip(p[:2], grid.shape[:2], strict=True))
    fits_in_patient = all(
        -0.5 <= v <= n - 0.5 for p in grid.to_voxel(points) for v, n in zip(p, grid.shape, strict=True)
    )
    if fits_as_pixels and fits_in_patient:
        return named and all(v == round(v) for point in points for v in point)
    return fits_as_pixels if fits_as_pixels != fits_in_patient else named
