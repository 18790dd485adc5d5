"""NIfTI: affines and values as nibabel and SimpleITK see them, both ways, and sizes that are not believed."""

from __future__ import annotations

import gzip
import io
import itertools
import os
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name
from hypothesis import given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.geometry import Geometry
from caseferry.imaging.convert import planes_of, write_nifti
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from oracles import LPS, NIBABEL, affine_of, itk, memory_below, nibabel, ramp, rotation

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (5, 4, 3)
SPACING = (0.5, 0.75, 2.5)
OBLIQUE = affine_of(rotation(10, -25, 40), SPACING, (-10.5, 20.25, 33.0))
TYPES = ["uint8", "int8", "int16", "uint16", "int32", "uint32", "float32", "float64"]
CODES = ["".join(c) for axes in itertools.permutations(["RL", "AP", "IS"]) for c in itertools.product(*axes)]


def equal(path: Path, atol: float = 1e-4) -> cf.Image:
    """An image, proved to be what nibabel reads."""
    image, seen = cf.Image("x", path), nibabel(path)
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, seen.affine, atol=atol)
    voxels = image.voxels()
    assert voxels.dtype == image.dtype
    np.testing.assert_array_equal(voxels, seen.voxels.reshape(voxels.shape))
    return image


@pytest.mark.parametrize(
    "name",
    [
        "anatomical.nii",
        "functional.nii",
        "example4d.nii.gz",
        "example_nifti2.nii.gz",
        "standard.nii.gz",
        "reoriented_anat_moved.nii",
    ],
)
def test_files_of_nibabel(name: str) -> None:
    assert equal(NIBABEL / name).kind is Kind.NIFTI


@pytest.mark.parametrize("codes", CODES)
def test_every_order_of_axes(tmp_path: Path, codes: str) -> None:
    start = nib.Nifti1Image(ramp(*SHAPE), LPS @ OBLIQUE)
    before, after = nib.orientations.io_orientation(start.affine), nib.orientations.axcodes2ornt(codes)
    nib.save(start.as_reoriented(nib.orientations.ornt_transform(before, after)), tmp_path / "a.nii.gz")
    image = equal(tmp_path / "a.nii.gz")
    assert image.geometry is not None
    np.testing.assert_allclose(image.geometry.affine, itk(tmp_path / "a.nii.gz").affine, atol=1e-4)


def coded(sform: int, qform: int) -> nib.Nifti1Image:
    image = nib.Nifti1Image(ramp(*SHAPE), None)
    image.header.set_zooms(SPACING)
    image.set_qform(LPS @ OBLIQUE, code=qform)
    shifted = OBLIQUE.copy()
    shifted[0, 3] += 7
    image.set_sform(LPS @ shifted, code=sform)
    return image


@pytest.mark.parametrize(("sform", "qform"), [(0, 0), (0, 1), (1, 0), (2, 1)])
def test_sform_then_qform_then_spacing_alone(tmp_path: Path, sform: int, qform: int) -> None:
    nib.save(coded(sform, qform), tmp_path / "a.nii")
    assert equal(tmp_path / "a.nii").header.details["two_grids"] is bool(sform and qform)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", [*TYPES, "int64"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_type_in_both_byte_orders(tmp_path: Path, kind: Any, dtype: str, order: str) -> None:
    header = kind.header_class(endianness=order)
    header.set_data_dtype(dtype)
    nib.save(kind(ramp(*SHAPE, dtype=dtype), LPS @ OBLIQUE, header), tmp_path / "a.nii")
    assert equal(tmp_path / "a.nii").dtype == dtype


@pytest.mark.parametrize(("slope", "inter"), [(2.5, -3), (0.001, 0), (1, -1024)])
def test_scaled_values(tmp_path: Path, slope: float, inter: float) -> None:
    image = nib.Nifti1Image(ramp(*SHAPE), LPS @ OBLIQUE)
    image.header.set_slope_inter(slope, inter)
    nib.save(image, tmp_path / "a.nii")
    assert equal(tmp_path / "a.nii").dtype == np.float64


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_a_slope_that_means_nothing_scales_nothing(tmp_path: Path, slope: float) -> None:
    raw = bytearray(nib.Nifti1Image(ramp(*SHAPE), LPS @ OBLIQUE).to_bytes())
    raw[112:120] = np.array([slope, 5], "<f4").tobytes()
    (tmp_path / "a.nii").write_bytes(raw)
    np.testing.assert_array_equal(cf.Image("x", tmp_path / "a.nii").voxels(), ramp(*SHAPE))


def test_colours_and_points_in_time(tmp_path: Path) -> None:
    rgb = np.zeros((4, 3, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["G"], rgb["B"] = ramp(4, 3, 2), 255 - ramp(4, 3, 2)
    nib.save(nib.Nifti1Image(rgb, LPS), tmp_path / "rgb.nii")
    assert equal(tmp_path / "rgb.nii").voxels().shape == (4, 3, 2, 3)
    nib.save(nib.Nifti1Image(ramp(4, 3, 2, 5), LPS), tmp_path / "time.nii")
    assert equal(tmp_path / "time.nii").voxels().shape == (4, 3, 2, 5)
    nib.save(nib.Nifti1Image(ramp(4, 3), LPS), tmp_path / "flat.nii")
    assert equal(tmp_path / "flat.nii").voxels().shape == (4, 3, 1)


ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)
GRIDS = st.builds(
    lambda angles, spacing, origin, flip, shape, frames: Geometry(
        shape, affine_of(rotation(*angles) * np.array([1, 1, flip]), spacing, origin), frames
    ),
    ANGLES,
    st.tuples(*[st.floats(0.05, 20)] * 3),
    st.tuples(*[st.floats(-500, 500)] * 3),
    st.sampled_from([1, -1]),
    st.tuples(*[st.integers(1, 6)] * 3),
    st.integers(1, 3),
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("nifti")


@given(grid=GRIDS, dtype=st.sampled_from(TYPES))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_by_others(scratch: Path, grid: Geometry, dtype: str) -> None:
    path = scratch / "a.nii.gz"
    shape = (*grid.shape, grid.frames) if grid.frames > 1 else grid.shape
    voxels = ramp(*shape, dtype=dtype)
    with path.open("wb") as out:
        write_nifti(out, planes_of(voxels), grid, dtype)
    seen, header = nibabel(path), nib.load(path).header
    np.testing.assert_allclose(seen.affine, grid.affine, atol=1e-4)
    if header["qform_code"]:
        np.testing.assert_allclose(LPS @ header.get_qform(), grid.affine, atol=1e-3)
    np.testing.assert_allclose(itk(path).affine, grid.affine, atol=1e-3)
    assert seen.voxels.dtype == dtype
    np.testing.assert_array_equal(seen.voxels, voxels)
    back = cf.Image("x", path)
    assert back.geometry is not None
    assert back.geometry.same_grid(grid)
    np.testing.assert_array_equal(back.voxels(), voxels)


def raw(**fields: Any) -> bytes:
    """A NIfTI-1 file of 5 x 4 x 3 values, with other header fields."""
    header = nib.Nifti1Image(ramp(*SHAPE), LPS @ OBLIQUE).header.copy()
    content = bytearray(nib.Nifti1Image(ramp(*SHAPE), LPS @ OBLIQUE).to_bytes())
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    content[108:112] = np.array([fields.get("vox_offset", 352)], "<f4").tobytes()
    content[344:348] = fields.get("magic", b"n+1\0")
    return bytes(content)


BAD = [
    (raw(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1]), r"claims the impossible shape \(32767, 32767, 32767\)"),
    (raw(dim=[3, 1024, 1024, 1024, 1, 1, 1, 1]), r"it holds 472 bytes where its header promises 2147484000"),
    (raw(dim=[3, -5, 4, 3, 1, 1, 1, 1]), r"claims the impossible shape \(-5, 4, 3\)"),
    (raw(dim=[0, 5, 4, 3, 1, 1, 1, 1]), r"claims the impossible shape|damaged NIfTI header"),
    (raw(dim=[5, 5, 4, 3, 1, 2, 1, 1]), r"has 5 dimensions"),
    (raw(srow_x=[np.nan, 0, 0, 0]), r"the affine is not a finite 4 by 4 matrix"),
    (raw(srow_x=[0, 0, 0, 0]), r"the affine has no inverse"),
    (raw(sform_code=0, qform_code=1, quatern_b=9, quatern_c=9), r"damaged NIfTI header"),
    (raw(datatype=32, bitpix=64), r"holds values of type complex64"),
    (raw(datatype=999), r"damaged NIfTI header"),
    (raw(magic=b"ni1\0"), r"is the header of a NIfTI pair \(\.hdr/\.img\); write it as one \.nii file"),
    (raw()[:-2], r"ends early: it holds 470 bytes where its header promises 472; the file is cut short"),
    (raw()[:348], r"ends early"),
    (gzip.compress(raw())[:-30], r"ends early"),
    (gzip.compress(raw()[:-2]), r"ends early: it holds 470 bytes where its header promises 472"),
    (gzip.compress(raw(dim=[3, 1024, 1024, 1024, 1, 1, 1, 1])), r"promises 2147484000 bytes, more than \d+ bytes can"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BAD)
def test_what_cannot_be_right_is_refused_without_a_try(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    with memory_below(4 << 20), pytest.raises(ImageProblem, match=rf"^a\.nii\.gz .*({message})"):
        cf.Image("x", path).header  # noqa: B018  reading is the test


def test_gzip_in_several_members_and_with_more_behind(tmp_path: Path) -> None:
    content = raw()
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]))
    np.testing.assert_array_equal(cf.Image("x", tmp_path / "a.nii.gz").voxels(), ramp(*SHAPE))
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content + b"more"))
    np.testing.assert_array_equal(cf.Image("x", tmp_path / "b.nii.gz").voxels(), ramp(*SHAPE))


def test_a_damaged_middle_shows_when_the_voxels_are_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 9, (20, 20, 20)).astype(np.int16)
    packed = bytearray(gzip.compress(nib.Nifti1Image(noise, LPS).to_bytes(), mtime=0))
    packed[len(packed) // 2] ^= 0xFF
    (tmp_path / "a.nii.gz").write_bytes(packed)
    with pytest.raises(ImageProblem, match=r"a\.nii\.gz (is damaged or ends early|ends early)"):
        cf.Image("x", tmp_path / "a.nii.gz").voxels()


def test_several_volumes_are_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(raw())
    (tmp_path / "b.nii").write_bytes(raw())
    with pytest.raises(ImageProblem, match="a NIfTI image is one file, not 2; give each volume as an own image"):
        cf.Image("x", [tmp_path / "a.nii", tmp_path / "b.nii"]).header  # noqa: B018  reading is the test


def sparse(path: Path, slices: int) -> Path:
    """A volume of 512 x 512 16-bit values that takes no room on the disk."""
    header = nib.Nifti1Image(np.zeros((1, 1, 1), np.int16), np.eye(4)).header.copy()
    header["dim"][1:4] = 512, 512, slices
    header["vox_offset"] = 352
    header["magic"] = b"n+1"
    path.write_bytes(header.binaryblock + b"\0\0\0\0")
    os.truncate(path, 352 + 512 * 512 * 2 * slices)
    return path


def test_a_header_is_read_without_the_voxels_and_planes_one_by_one(tmp_path: Path) -> None:
    image = cf.Image("x", sparse(tmp_path / "a.nii", 1000))  # 524 MB
    with memory_below(2 << 20):
        assert image.geometry is not None
        assert image.geometry.shape == (512, 512, 1000)
    with memory_below(6 << 20):
        for plane in itertools.islice(image.planes(), 20):
            assert not plane.any()


def test_written_bytes_depend_on_the_image_alone() -> None:
    grid = Geometry(SHAPE, OBLIQUE)
    twice = []
    for _ in range(2):
        out = io.BytesIO()
        write_nifti(out, planes_of(ramp(*SHAPE)), grid, "int16")
        twice.append(out.getvalue())
    assert twice[0] == twice[1]


@pytest.mark.parametrize(("unit", "millimetres"), [("meter", 1000.0), ("mm", 1.0), ("micron", 0.001), ("unknown", 1.0)])
@pytest.mark.parametrize("form", ["sform", "qform"])
def test_units_of_space(tmp_path: Path, unit: str, millimetres: float, form: str) -> None:
    """ITK takes them to millimetres, nibabel leaves them to its callers."""
    affine = np.diag([0.5, 0.75, 2.0, 1.0])
    affine[:3, 3] = 10.0, -20.0, 30.0
    affine[:3] /= millimetres
    image = nib.Nifti1Image(np.arange(24, dtype=np.int16).reshape(2, 3, 4), affine)
    image.header.set_xyzt_units(unit)
    image.set_sform(affine, int(form == "sform"))
    image.set_qform(affine, int(form == "qform"))
    nib.save(image, tmp_path / "a.nii")
    found, other = cf.Image("ct", tmp_path / "a.nii").geometry, sitk.ReadImage(str(tmp_path / "a.nii"))
    assert found is not None
    assert found.spacing_mm == pytest.approx(other.GetSpacing(), rel=1e-6)
    assert found.origin_lps == pytest.approx(other.GetOrigin(), rel=1e-6)
    assert found.spacing_mm == pytest.approx((0.5, 0.75, 2.0), rel=1e-6)
