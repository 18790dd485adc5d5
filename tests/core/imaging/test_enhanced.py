"""Multi-frame DICOM: places from the functional groups, against highdicom; cine; dose."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.legacy import LegacyConvertedEnhancedCTImage

import caseferry as cf
from caseferry.geometry import axis_map
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from oracles import PYDICOM, affine_of, itk, ramp, rotation, write_series

if TYPE_CHECKING:
    from pathlib import Path

AFFINE = affine_of(rotation(10, -25, 40), (0.5, 0.75, 2.5), (-10.5, 20.25, 33.0))

LEGACY = {
    "PatientName": "", "PatientID": "", "PatientBirthDate": "", "PatientSex": "", "StudyID": "", "StudyDate": "",
    "StudyTime": "", "AccessionNumber": "", "ReferringPhysicianName": "", "Manufacturer": "", "SeriesNumber": 1,
    "PositionReferenceIndicator": "", "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"], "KVP": 120,
    "AcquisitionNumber": 1, "RescaleType": "HU",
}  # fmt: skip
"""What highdicom wants of a CT slice beyond what a reader needs."""


def enhanced(folder: Path, voxels: np.ndarray, affine: np.ndarray, order: Any = None, **attributes: Any) -> Any:
    """A series made into one multi-frame file by highdicom."""
    source = folder / "slices"
    source.mkdir(exist_ok=True)
    slices = [pydicom.dcmread(path) for path in write_series(source, voxels, affine, **LEGACY, **attributes)]
    for number, each in enumerate(slices):
        each.InstanceNumber = number + 1
    chosen = [slices[index] for index in order] if order is not None else slices
    return LegacyConvertedEnhancedCTImage(chosen, "1.2.9", 2, "1.2.9.1", 1)


def saved(dataset: Any, path: Path) -> cf.Image:
    dataset.save_as(path, enforce_file_format=True)
    return cf.Image("ct", path)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]])
def test_frames_lie_where_highdicom_sees_them(tmp_path: Path, order: list[int]) -> None:
    voxels = ramp(5, 4, 4)
    image = saved(enhanced(tmp_path, voxels, AFFINE, order, RescaleIntercept=-1024), tmp_path / "e.dcm")
    assert (image.kind, image.modality) == (Kind.DICOM_MULTIFRAME, "CT")
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, AFFINE, atol=1e-6)
    np.testing.assert_array_equal(image.voxels(), voxels.astype(np.int32) - 1024)

    volume = highdicom.imread(tmp_path / "e.dcm").get_volume(apply_voi_transform=False, apply_presentation_lut=False)
    theirs = volume.affine[:, [2, 1, 0, 3]]  # their axes are slice, row, column
    theirs_grid = cf.Geometry(volume.spatial_shape[::-1], theirs)
    turn = axis_map(theirs_grid, image.geometry)
    assert turn is not None
    np.testing.assert_array_equal(turn.apply(volume.array.transpose(2, 1, 0)), image.voxels())


def repeated(folder: Path, indices: list[list[int]]) -> cf.Image:
    """Two slices at two times in a file whose frames are in the order of `indices`: (time, slice), 1-based."""
    dataset = enhanced(folder, ramp(5, 4, 2), AFFINE)
    places = sorted(
        dataset.PerFrameFunctionalGroupsSequence,
        key=lambda group: np.dot(group.PlanePositionSequence[0].ImagePositionPatient, AFFINE[:3, 2]),
    )
    groups, planes = [], []
    for time, position in indices:
        group = copy.deepcopy(places[position - 1])
        content = pydicom.Dataset()
        content.DimensionIndexValues = [1, time, position]
        group.FrameContentSequence = [content]
        groups.append(group)
        planes.append(ramp(5, 4, 2)[:, :, position - 1].T + 1000 * time)
    dataset.PerFrameFunctionalGroupsSequence = groups
    dataset.NumberOfFrames = len(indices)
    dataset.PixelData = np.stack(planes).astype(np.int16).tobytes()
    return saved(dataset, folder / "e.dcm")


@pytest.mark.parametrize("indices", [[[1, 1], [1, 2], [2, 1], [2, 2]], [[2, 2], [1, 1], [1, 2], [2, 1]]])
def test_frames_at_one_position_follow_the_files_dimensions(tmp_path: Path, indices: list[list[int]]) -> None:
    image = repeated(tmp_path, indices)
    assert image.geometry is not None
    assert (image.geometry.shape, image.geometry.frames) == ((5, 4, 2), 2)
    np.testing.assert_array_equal(image.voxels(), np.stack([ramp(5, 4, 2) + 1000, ramp(5, 4, 2) + 2000], axis=-1))


def spoil_spacing(dataset: Any, value: list[float]) -> None:
    for groups in (dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence):
        for group in groups:
            if "PixelMeasuresSequence" in group:
                group.PixelMeasuresSequence[0].PixelSpacing = value


def test_a_spacing_that_is_not_positive_is_refused(tmp_path: Path) -> None:
    dataset = enhanced(tmp_path, ramp(5, 4, 3), AFFINE)
    spoil_spacing(dataset, [0.25, -0.1])
    with pytest.raises(ImageProblem, match=r"e\.dcm has a PixelSpacing that is not positive"):
        saved(dataset, tmp_path / "e.dcm").header  # noqa: B018  reading is the test


def test_a_missing_frame_is_refused(tmp_path: Path) -> None:
    dataset = enhanced(tmp_path, ramp(5, 4, 5), AFFINE, [0, 1, 3, 4])
    with pytest.raises(ImageProblem, match=r"1 slice\(s\) seem to be missing"):
        saved(dataset, tmp_path / "e.dcm").header  # noqa: B018  reading is the test


def test_a_dose_lies_where_simpleitk_sees_it() -> None:
    image, seen = cf.Image("dose", PYDICOM / "rtdose.dcm"), itk(PYDICOM / "rtdose.dcm")
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, seen.affine, atol=1e-4)
    np.testing.assert_array_equal(image.voxels(), seen.voxels)


def test_a_cine_is_frames_without_a_place() -> None:
    image, seen = cf.Image("us", PYDICOM / "examples_ybr_color.dcm"), itk(PYDICOM / "examples_ybr_color.dcm")
    assert image.geometry is not None
    assert (image.geometry.shape, image.geometry.frames, image.geometry.space) == ((320, 240, 1), 30, "pixel")
    voxels = image.voxels()
    assert voxels.shape == (320, 240, 1, 30, 3)
    np.testing.assert_array_equal(voxels[:, :, 0], seen.voxels)


def test_planes_come_one_at_a_time() -> None:
    planes = cf.Image("us", PYDICOM / "examples_ybr_color.dcm").planes()
    assert next(iter(planes)).shape == (240, 320, 3)
