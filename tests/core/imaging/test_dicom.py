"""DICOM series and single files: places, order and values, against SimpleITK, pydicom and the standard."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caseferry as cf
import oracles
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.reading import find_images
from oracles import PYDICOM, affine_of, ramp, rotation, write_series, write_slice

SPACING = (0.5, 0.75, 2.5)
ORIGIN = (-10.5, 20.25, 33.0)

ORIENTATIONS = {
    "axial": np.eye(3),
    "feet first": np.array([[-1, 0, 0], [0, 1, 0], [0, 0, -1]], dtype=float),
    "prone": np.diag([-1.0, -1.0, 1.0]),
    "sagittal": np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], dtype=float),
    "coronal": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=float),
    "oblique": rotation(10, -25, 40),
    "nearly flat": rotation(0.01, 0, 0.02),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_series_lies_where_simpleitk_sees_it(tmp_path: Path, orientation: str) -> None:
    voxels = ramp(5, 4, 3)
    write_series(tmp_path, voxels, affine_of(ORIENTATIONS[orientation], SPACING, ORIGIN))
    image = cf.Image("ct", sorted(tmp_path.iterdir()))
    seen = oracles.itk_series(tmp_path)
    assert image.kind is Kind.DICOM_SERIES
    assert image.modality == "CT"
    assert image.geometry is not None
    assert image.geometry.shape == (5, 4, 3)
    assert image.geometry.spacing_mm == pytest.approx(SPACING, abs=1e-6)
    np.testing.assert_allclose(image.geometry.affine, seen.affine, atol=1e-4)
    np.testing.assert_array_equal(image.voxels(), seen.voxels)


def test_slices_that_decrease_are_turned_round_and_no_voxel_moves(tmp_path: Path) -> None:
    voxels, affine = ramp(5, 4, 3), affine_of(np.diag([1.0, 1.0, -1.0]), SPACING, ORIGIN)
    image = cf.Image("ct", write_series(tmp_path, voxels, affine))
    assert image.geometry is not None
    np.testing.assert_allclose(
        image.geometry.to_patient([[0, 0, 2], [4, 3, 0]]), (affine @ [[0, 4], [0, 3], [0, 2], [1, 1]])[:3].T
    )
    np.testing.assert_array_equal(image.voxels(), voxels[:, :, ::-1])


def test_a_tilted_gantry_keeps_its_shear(tmp_path: Path) -> None:
    affine = affine_of(np.eye(3), SPACING, ORIGIN)
    affine[1, 2] = 0.9  # each slice is shifted along its rows, as DICOM PS3.3 C.7.6.2.1.1 lets it be
    image = cf.Image("ct", write_series(tmp_path, ramp(5, 4, 3), affine))
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, affine, atol=1e-9)


def test_a_single_slice_lies_where_simpleitk_sees_it(tmp_path: Path) -> None:
    affine = affine_of(rotation(10, -25, 40), SPACING, ORIGIN)
    image = cf.Image("ct", write_series(tmp_path, ramp(5, 4, 1), affine))
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, affine, atol=1e-9)
    np.testing.assert_allclose(
        image.geometry.affine[:3, [0, 1, 3]], oracles.itk_series(tmp_path).affine[:3, [0, 1, 3]], atol=1e-4
    )


def test_rounded_positions_still_make_a_straight_stack(tmp_path: Path) -> None:
    affine = affine_of(rotation(3, 4, 5), (0.7, 0.7, 0.333), ORIGIN)
    paths = write_series(tmp_path, ramp(4, 4, 30), affine)
    for path in paths:
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [f"{float(v):.2f}" for v in dataset.ImagePositionPatient]
        dataset.save_as(path)
    image = cf.Image("ct", paths)
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, affine, atol=0.01)


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_series(tmp_path_factory.mktemp("series"), ramp(3, 2, 6), affine_of(rotation(5, 6, 7), SPACING, ORIGIN))


@given(order=st.permutations(range(6)), names=st.permutations(range(6)))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_neither_the_order_of_files_nor_their_names_matter(
    series: list[Path], order: list[int], names: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        renamed = [
            Path(shutil.copy(path, Path(folder) / f"{name}.dcm")) for path, name in zip(series, names, strict=True)
        ]
        image = cf.Image("ct", [renamed[index] for index in order])
        expected = cf.Image("ct", series)
        assert image.geometry == expected.geometry
        np.testing.assert_array_equal(image.voxels(), ramp(3, 2, 6))
        assert [order[file] for file, _ in image.layout] == list(range(6))


TIMES: dict[str, list[dict[str, Any]]] = {
    "temporal position": [{"TemporalPositionIdentifier": n, "AcquisitionNumber": 9} for n in (1, 2, 10)],
    "b-value": [{"DiffusionBValue": b} for b in (0.0, 50.0, 1000.0)],
    "echo": [{"EchoTime": f"{t}"} for t in (4.6, 9.2, 13.8)],
    "acquisition time": [{"AcquisitionTime": t} for t in ("101500", "101501.5", "101600")],
}


@pytest.mark.parametrize("what", TIMES)
def test_images_at_one_position_become_frames(tmp_path: Path, what: str) -> None:
    affine = affine_of(np.eye(3), SPACING, ORIGIN)
    paths, volumes = [], []
    for frame, attributes in enumerate(TIMES[what]):
        volumes.append(ramp(4, 3, 2) + 100 * frame)
        folder = tmp_path / f"{9 - frame}"
        folder.mkdir()
        paths += write_series(folder, volumes[-1], affine, **attributes)
    image = cf.Image("ct", paths[::-1])
    assert image.geometry is not None
    assert (image.geometry.shape, image.geometry.frames) == ((4, 3, 2), 3)
    np.testing.assert_allclose(image.geometry.affine, affine)
    np.testing.assert_array_equal(image.voxels(), np.stack(volumes, axis=-1))


SAME = [
    "MR_small.dcm",
    "MR_small_RLE.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_expb.dcm",
    "MR_small_implicit.dcm",
    "MR_small_jp2klossless.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_padded.dcm",
]


@pytest.mark.parametrize("name", SAME)
def test_one_image_in_each_transfer_syntax(name: str) -> None:
    image, seen = cf.Image("mr", PYDICOM / name), oracles.itk(PYDICOM / "MR_small.dcm")
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine[:3, [0, 1, 3]], seen.affine[:3, [0, 1, 3]], atol=1e-4)
    assert image.voxels().dtype == np.int16
    np.testing.assert_array_equal(image.voxels(), seen.voxels)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("CT_small.dcm", "int32"),  # 16 stored bits less 1024
        ("693_J2KI.dcm", "int16"),
        ("JPEG2000.dcm", "int16"),
        ("JPEGLSNearLossless_16.dcm", "uint16"),
        ("image_dfl.dcm", "uint8"),
        ("rtdose.dcm", "uint32"),
        ("GDCMJ2K_TextGBR.dcm", "uint8"),
        ("SC_rgb_small_odd_big_endian.dcm", "uint8"),
        ("SC_rgb_rle.dcm", "uint8"),
        ("SC_ybr_full_422_uncompressed.dcm", "uint8"),
        ("examples_palette.dcm", "uint8"),
        ("examples_rgb_color.dcm", "uint8"),
    ],
)
def test_values_and_colours_are_those_simpleitk_sees(name: str, dtype: str) -> None:
    image, seen = cf.Image("x", PYDICOM / name), oracles.itk(PYDICOM / name)
    voxels = image.voxels()
    assert voxels.dtype == image.dtype == dtype
    np.testing.assert_array_equal(voxels, seen.voxels.reshape(voxels.shape))


@pytest.mark.parametrize("stored", ["MONOCHROME1", "MONOCHROME2"])
def test_dark_and_bright_are_not_exchanged(tmp_path: Path, stored: str) -> None:
    path = write_slice(tmp_path / "a.dcm", ramp(5, 4), np.eye(4), PhotometricInterpretation=stored)
    np.testing.assert_array_equal(cf.Image("x", path).voxels()[:, :, 0], ramp(5, 4))


@pytest.mark.parametrize(
    ("dtype", "attributes", "expected"),
    [
        ("int16", {"RescaleIntercept": -1024}, "int32"),
        ("uint16", {"BitsStored": 12, "HighBit": 11, "RescaleIntercept": -1024}, "int16"),
        ("uint8", {"RescaleSlope": 2}, "uint16"),
        ("int16", {"RescaleSlope": "0.25"}, "float32"),
        ("uint32", {}, "uint32"),
        ("uint32", {"RescaleIntercept": -1}, "float64"),
        ("uint32", {"RescaleSlope": "0.5"}, "float64"),
        ("int16", {"RescaleSlope": None, "RescaleIntercept": None}, "int16"),
    ],
)
def test_the_type_holds_every_value(tmp_path: Path, dtype: str, attributes: dict[str, Any], expected: str) -> None:
    info = np.iinfo(dtype)
    bits = attributes.get("BitsStored", info.bits)
    low, high = (info.min, info.max) if dtype.startswith("i") else (0, (1 << bits) - 1)
    stored = np.array([[low, high], [low + 1, high - 1]], dtype)
    path = write_slice(tmp_path / "a.dcm", stored, np.eye(4), **attributes)
    voxels = cf.Image("x", path).voxels()
    slope, intercept = (float(attributes.get(k) or d) for k, d in (("RescaleSlope", 1), ("RescaleIntercept", 0)))
    assert voxels.dtype == expected
    np.testing.assert_array_equal(voxels[:, :, 0].astype(np.float64), stored.astype(np.float64) * slope + intercept)


def test_each_slice_has_its_own_rescale(tmp_path: Path) -> None:
    affine = affine_of(np.eye(3), SPACING, ORIGIN)
    for index, slope in enumerate((0.5, 0.25)):
        moved = affine.copy()
        moved[2, 3] += 2.5 * index
        write_slice(tmp_path / f"{index}.dcm", ramp(4, 3), moved, RescaleSlope=slope)
    image = cf.Image("pt", sorted(tmp_path.iterdir()))
    np.testing.assert_array_equal(image.voxels(), np.stack([ramp(4, 3) * 0.5, ramp(4, 3) * 0.25], axis=-1))


@pytest.mark.parametrize("dtype", ["int16", "uint16"])
def test_bits_beyond_those_that_count_are_cleared_as_simpleitk_clears_them(tmp_path: Path, dtype: str) -> None:
    plane = np.array([[0, 40000, 63536, 4095]]).astype(dtype)
    write_slice(tmp_path / "a.dcm", plane, np.eye(4), BitsStored=12, HighBit=11, RescaleIntercept=-1)
    voxels = cf.Image("x", tmp_path / "a.dcm").voxels()
    assert voxels.dtype == np.int16
    np.testing.assert_array_equal(voxels, oracles.itk(tmp_path / "a.dcm").voxels)


def test_a_radiograph_has_sizes_and_no_place(tmp_path: Path) -> None:
    path = write_slice(
        tmp_path / "a.dcm",
        ramp(5, 4),
        np.eye(4),
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
        ImagerPixelSpacing=[0.2, 0.1],
        Modality="DX",
    )
    geometry = cf.Image("dx", path).geometry
    assert geometry is not None
    assert (geometry.space, geometry.spacing_mm) == ("scaled", (0.1, 0.2, 1.0))


@pytest.mark.parametrize("spacing", [None, [0.0, 0.2], [-1.0, 0.2]])
def test_a_picture_without_sizes_is_in_pixels(tmp_path: Path, spacing: Any) -> None:
    path = write_slice(
        tmp_path / "a.dcm",
        ramp(5, 4),
        np.eye(4),
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=spacing,
    )
    geometry = cf.Image("sc", path).geometry
    assert geometry is not None
    assert geometry.space == "pixel"


AFFINE = affine_of(np.eye(3), SPACING, ORIGIN)


def test_series_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    for number, shift in ((1, 0), (2, 50)):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        for path in write_series(folder, ramp(4, 3, 3) + shift, AFFINE, SeriesInstanceUID=f"1.2.{number}"):
            path.rename(tmp_path / f"{path.stem}-{number}.dcm")
        folder.rmdir()
    shutil.copy(PYDICOM / "rtdose.dcm", tmp_path / "00.dcm")
    for name in ("liver_1frame.dcm", "test-SR.dcm", "rtplan.dcm"):
        shutil.copy(PYDICOM / name, tmp_path)
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / ".hidden.dcm").write_bytes((PYDICOM / "CT_small.dcm").read_bytes())
    images, others = find_images(tmp_path)
    assert sorted(len(files) for files in images) == [1, 3, 3]
    assert [ref.name for ref in others] == ["liver_1frame.dcm", "notes.txt", "rtplan.dcm", "test-SR.dcm"]
    volumes = [cf.Image("ct", files).voxels() for files in images if len(files) == 3]
    assert sorted(int(volume.min()) for volume in volumes) == [0, 50]


def test_slices_that_name_no_series_are_one_image_for_each_size(tmp_path: Path) -> None:
    write_series(tmp_path, ramp(4, 3, 3), AFFINE, SeriesInstanceUID=None)
    write_slice(tmp_path / "scout.dcm", ramp(8, 8), AFFINE, SeriesInstanceUID=None)
    images, _ = find_images(tmp_path)
    assert sorted(len(files) for files in images) == [1, 3]


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    write_series(outside, ramp(4, 3, 2), AFFINE)
    (inside / "link").symlink_to(outside)
    (inside / "a.dcm").symlink_to(outside / "03.dcm")
    assert find_images(inside) == ([], [])


def spoilt(paths: list[Path], index: int, **attributes: Any) -> list[Path]:
    """A series of which one file has other attributes."""
    dataset = pydicom.dcmread(paths[index])
    for keyword, value in attributes.items():
        if value is None:
            del dataset[keyword]
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(paths[index])
    return paths


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: p[:2] + p[3:], r"2\.500 mm apart, but 5\.000 mm between 10\.dcm and 24\.dcm; 1 slice\(s\) seem"),
        (lambda p: spoilt(p, 1, ImagePositionPatient=[-10.5, 20.25, 33]), r"two slices at one position \(.*03\.dcm"),
        (lambda p: [*p, p[0]], r"03\.dcm is the same instance as 03\.dcm; leave one of them out"),
        (lambda p: spoilt(p, 1, ImageOrientationPatient=[0, 1, 0, 0, 0, -1]), r"mixes orientations \(03\.dcm, 10"),
        (lambda p: spoilt(p, 1, SeriesInstanceUID="1.2.9"), r"mixes 2 series \(.*10\.dcm.*\); give each series as an"),
        (lambda p: spoilt(p, 1, PixelSpacing=[1.5, 0.5]), r"mixes values of PixelSpacing"),
        (lambda p: spoilt(p, 1, ImagePositionPatient=None), r"10\.dcm does not say its position or orientation"),
        (lambda p: spoilt(p, 1, ImagePositionPatient=[1.0, 2.0]), r"10\.dcm has no usable ImagePositionPatient"),
        (lambda p: spoilt(p, 0, PixelSpacing=[0.0, 0.5]), r"PixelSpacing that is not positive"),
        (lambda p: spoilt(p, 0, ImageOrientationPatient=[0] * 6), r"03\.dcm has no usable ImageOrientationPatient"),
        (lambda p: spoilt(p, 2, ImagePositionPatient=[-5.5, 20.25, 38.0]), r"shifted sideways"),
        (lambda p: [*p, PYDICOM / "rtdose.dcm"], r"rtdose\.dcm is a multi-frame file among 5"),
        (lambda p: [*p, PYDICOM / "liver_1frame.dcm"], r"liver_1frame\.dcm is a DICOM segmentation, not an image"),
        (lambda p: [*p, PYDICOM / "rtplan.dcm"], r"rtplan\.dcm is DICOM without an image \(RT Plan Storage\)"),
        (lambda p: [*p, Path(__file__)], r"test_dicom\.py is not a DICOM file"),
        (lambda p: [Path(__file__), *p], r"test_dicom\.py is of no kind that can be read"),
        (lambda p: spoilt(p, 0, Rows=7), r"mixes 2 sizes|bytes of pixels where its header promises"),
    ],
)  # fmt: skip
def test_files_that_make_no_image_are_refused_by_name(tmp_path: Path, spoil: Any, message: str) -> None:
    paths = write_series(tmp_path, ramp(4, 3, 4), AFFINE)
    with pytest.raises(ImageProblem, match=message):
        cf.Image("ct", spoil(paths)).header  # noqa: B018  reading is the test


def test_a_slice_given_twice_under_two_identities_is_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, ramp(4, 3, 2), AFFINE)
    (tmp_path / "again").mkdir()
    paths += write_series(tmp_path / "again", ramp(4, 3, 2), AFFINE)
    with pytest.raises(ImageProblem, match="2 images at each position that nothing tells apart"):
        cf.Image("ct", paths).header  # noqa: B018  reading is the test
