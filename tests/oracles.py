"""What independent programs make of images: SimpleITK, nibabel and pydicom, in this library's order and space.

Arrays are [column, row, slice] and then frame or channel; affines take voxels to LPS millimetres.
"""

from __future__ import annotations

import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813  as its own documentation does
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

import caseferry as cf

if TYPE_CHECKING:
    from collections.abc import Iterator

sitk.ProcessObject.SetGlobalWarningDisplay(False)

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class Seen(NamedTuple):
    """What a program read."""

    affine: np.ndarray
    voxels: np.ndarray


def from_itk(image: Any) -> Seen:
    """What SimpleITK holds."""
    dimensions = image.GetDimension()
    space = min(dimensions, 3)
    affine = np.eye(4)
    direction = np.array(image.GetDirection()).reshape(dimensions, dimensions)[:space, :space]
    affine[:space, :space] = direction * np.array(image.GetSpacing()[:space])
    affine[:space, 3] = image.GetOrigin()[:space]
    array = sitk.GetArrayFromImage(image)
    axes = [*range(dimensions)][::-1]
    voxels = array.transpose(*axes, *range(dimensions, array.ndim))
    return Seen(affine, voxels[:, :, np.newaxis] if dimensions == 2 else voxels)


def to_itk(voxels: np.ndarray, affine: np.ndarray) -> Any:
    """An image of SimpleITK, whose axes must be at right angles."""
    image = sitk.GetImageFromArray(voxels.transpose(2, 1, 0))
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    return image


def itk(path: Path) -> Seen:
    """One file as SimpleITK reads it."""
    return from_itk(sitk.ReadImage(str(path)))


def equal_to_itk(paths: Any) -> cf.Image:
    """An image of one file, or of a header and its data, proved to be what SimpleITK reads."""
    files = paths if isinstance(paths, list) else [paths]
    image, seen = cf.Image("x", files), itk(files[0])
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, seen.affine, atol=1e-4)
    voxels = image.voxels()
    assert voxels.dtype == image.dtype == seen.voxels.dtype
    np.testing.assert_array_equal(voxels, seen.voxels)
    return image


def itk_series(folder: Path) -> Seen:
    """The one DICOM series of a folder as SimpleITK reads it."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    return from_itk(reader.Execute())


def nibabel(path: Path) -> Seen:
    """One file as nibabel reads it."""
    image = nib.load(path)
    voxels = np.asanyarray(image.dataobj)
    if voxels.dtype.names:
        voxels = np.stack([voxels[name] for name in voxels.dtype.names], axis=-1)
    return Seen(LPS @ image.affine, voxels)


def rotation(x: float = 0.0, y: float = 0.0, z: float = 0.0) -> np.ndarray:
    """Shape (3, 3); turns about the axes, in degrees, one after the other."""
    a, b, c = np.radians([x, y, z])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def affine_of(direction: np.ndarray, spacing: Any, origin: Any) -> np.ndarray:
    """An affine from three unit vectors as columns, spacings and the first voxel's centre."""
    affine = np.eye(4)
    affine[:3, :3] = direction * np.array(spacing)
    affine[:3, 3] = origin
    return affine


def write_slice(path: Path, plane: np.ndarray, affine: np.ndarray, **attributes: Any) -> Path:
    """A CT slice [column, row] whose first voxel lies at the affine's origin.

    Parameters
    ----------
    attributes : DICOM keywords; None leaves one out
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    row, column = (affine[:3, axis] / spacing[axis] for axis in (0, 1))
    dataset = pydicom.Dataset()
    values = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyInstanceUID": "1.2.3",
        "SeriesInstanceUID": "1.2.3.4",
        "FrameOfReferenceUID": "1.2.3.5",
        "Modality": "CT",
        "Rows": plane.shape[1],
        "Columns": plane.shape[0],
        "PixelSpacing": [spacing[1], spacing[0]],
        "SliceThickness": spacing[2],
        "ImageOrientationPatient": [*row, *column],
        "ImagePositionPatient": [*affine[:3, 3]],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": plane.dtype.itemsize * 8,
        "BitsStored": plane.dtype.itemsize * 8,
        "HighBit": plane.dtype.itemsize * 8 - 1,
        "PixelRepresentation": int(plane.dtype.kind == "i"),
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
    } | attributes
    for keyword, value in values.items():
        if value is not None:
            decimal = keyword in {"PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient"}
            setattr(dataset, keyword, [f"{v:.12g}"[:16] for v in value] if decimal else value)
    dataset.PixelData = plane.T.tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, voxels: np.ndarray, affine: np.ndarray, **attributes: Any) -> list[Path]:
    """A CT series, one file a slice, named so that the names' order is not that of the slices."""
    paths = []
    for index in range(voxels.shape[2]):
        moved = affine.copy()
        moved[:3, 3] += index * affine[:3, 2]
        name = f"{(index * 7 + 3) % 100:02d}.dcm"
        paths.append(write_slice(folder / name, voxels[:, :, index], moved, **attributes))
    return paths


def ramp(*shape: int, dtype: Any = np.int16) -> np.ndarray:
    """Values that all differ, so that every flip and exchange of axes shows."""
    return np.arange(np.prod(shape)).reshape(shape).astype(dtype)


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Prove that a block allocates less than so many bytes at any time."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"
NIBABEL = Path(nib.__file__).parent / "tests" / "data"
