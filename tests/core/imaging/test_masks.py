"""Masks on their images: in whichever order of axes, on planes, in frames; never flipped, never shifted."""

from __future__ import annotations

import io
import itertools
import re
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  as its own documentation does
from PIL import Image as Picture

import caseferry as cf
from caseferry.case.placement import aligned
from caseferry.case.seal import seal
from caseferry.geometry import Geometry
from caseferry.imaging.convert import nifti_bytes
from oracles import LPS, affine_of, from_itk, ramp, rotation, to_itk, write_series

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (5, 4, 3)
OBLIQUE = affine_of(rotation(10, -25, 40), (0.5, 0.75, 2.5), (-10.5, 20.25, 33.0))
CODES = ["".join(c) for axes in itertools.permutations(["RL", "AP", "IS"]) for c in itertools.product(*axes)]
NAMES = {n: f"part {n}" for n in range(1, 256)}


def image(affine: Any = OBLIQUE, shape: Any = SHAPE, space: Any = "patient") -> cf.Image:
    grid = Geometry(shape[:3], affine, shape[3] if len(shape) > 3 else 1)
    ref = cf.FileRef.of_bytes(nifti_bytes(ramp(*shape), grid), "ct.nii.gz")
    declared = None if space == "patient" else Geometry(grid.shape, affine, grid.frames, space)
    return cf.Image("ct", ref, geometry=declared)


def nifti(voxels: np.ndarray, affine: Any = OBLIQUE, **common: Any) -> cf.Mask:
    frames = voxels.shape[3] if voxels.ndim > 3 else 1
    content = nifti_bytes(voxels, Geometry(voxels.shape[:3], affine, frames), labels=True)
    return cf.Mask("ct", cf.FileRef.of_bytes(content, "m.nii.gz"), NAMES, **common)


def png(plane: np.ndarray, **common: Any) -> cf.Mask:
    out = io.BytesIO()
    Picture.fromarray(plane.swapaxes(0, 1)).save(out, "PNG")
    return cf.Mask("ct", cf.FileRef.of_bytes(out.getvalue(), "m.png"), NAMES, **common)


def refusal(mask: cf.Mask, on: cf.Image) -> str:
    """What sealing a case says of its only, wrong mask: one problem."""
    with pytest.raises(cf.InvalidCase) as caught:
        seal(cf.Case("a", images=[on], annotations=[mask]))
    assert len(caught.value.problems) == 1
    return str(caught.value)


def sealed(mask: cf.Mask, on: cf.Image) -> np.ndarray:
    """A mask's voxels on its image, after the whole case was found to be sound."""
    case = seal(cf.Case("a", images=[on], annotations=[mask]))
    return aligned(case.annotations[0], case.images[0])  # type: ignore[arg-type]


LABELS = ramp(*SHAPE, dtype=np.uint8)


@pytest.mark.parametrize("codes", CODES)
def test_a_mask_in_any_order_of_axes_lies_where_nibabel_and_simpleitk_put_it(tmp_path: Path, codes: str) -> None:
    start = nib.Nifti1Image(LABELS, LPS @ OBLIQUE)
    before, after = nib.orientations.io_orientation(start.affine), nib.orientations.axcodes2ornt(codes)
    nib.save(start.as_reoriented(nib.orientations.ornt_transform(before, after)), tmp_path / "m.nii.gz")
    found = sealed(cf.Mask("ct", tmp_path / "m.nii.gz", NAMES), image())
    np.testing.assert_array_equal(found, LABELS)
    reference, theirs = to_itk(ramp(*SHAPE), OBLIQUE), sitk.ReadImage(str(tmp_path / "m.nii.gz"))
    theirs = sitk.Resample(theirs, reference, sitk.Transform(), sitk.sitkNearestNeighbor)
    np.testing.assert_array_equal(found, from_itk(theirs).voxels)


def test_a_mask_lies_on_a_dicom_series_whichever_way_its_slices_run(tmp_path: Path) -> None:
    reversed_slices = OBLIQUE.copy()
    reversed_slices[:3, 2] *= -1
    on = cf.Image("ct", write_series(tmp_path, ramp(*SHAPE), reversed_slices))
    np.testing.assert_array_equal(sealed(nifti(LABELS, reversed_slices), on), LABELS[:, :, ::-1])


@pytest.mark.parametrize("extension", ["mha", "nrrd"])
def test_other_formats(tmp_path: Path, extension: str) -> None:
    sitk.WriteImage(to_itk(LABELS, OBLIQUE), str(tmp_path / f"m.{extension}"))
    np.testing.assert_array_equal(sealed(cf.Mask("ct", tmp_path / f"m.{extension}", NAMES), image()), LABELS)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "int8"])
def test_whole_numbers_of_any_type(dtype: str) -> None:
    array = (LABELS % 3).astype(dtype)
    found = sealed(nifti(array), image())
    assert found.dtype.kind in "iu"
    np.testing.assert_array_equal(found, LABELS % 3)


def test_scaled_whole_numbers(tmp_path: Path) -> None:
    start = nib.Nifti1Image(LABELS, LPS @ OBLIQUE)
    start.header.set_slope_inter(2, 0)
    nib.save(start, tmp_path / "m.nii")
    np.testing.assert_array_equal(sealed(cf.Mask("ct", tmp_path / "m.nii", NAMES), image()), LABELS * 2)


SHORT = "resample the mask onto the image's grid, with the same affine"


def moved(millimetres: float) -> Any:
    affine = OBLIQUE.copy()
    affine[0, 3] += millimetres
    return affine


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (nifti(LABELS[:, :, :-1]), rf"m\.nii\.gz does not lie on image 'ct': its grid is \(5, 4, 2\) .*{SHORT}"),
        (nifti(LABELS, moved(0.2)), rf"does not lie on image 'ct': its grid is \(5, 4, 3\) from \(-10\.30, .*{SHORT}"),
        (nifti(LABELS, np.eye(4)), SHORT),
        (nifti(np.stack([LABELS, LABELS], axis=3)), SHORT),
        (nifti(LABELS * 0.5), r"m\.nii\.gz holds values that are not whole numbers"),
        (nifti(LABELS * np.nan), r"m\.nii\.gz holds values that are not whole numbers"),
        (nifti(-LABELS.astype(np.int16)), r"m\.nii\.gz holds values from -\d+ to 0; a label map has 0 to 65535"),
        (nifti(LABELS.astype(np.int32) * 70000), r"holds values from 0 to 3990000; a label map has 0 to 65535"),
        (nifti(LABELS.astype(np.uint16) + 230), r"holds voxels of value 256, 257, .*…, which labels does not name"),
        (nifti(LABELS[:, :, :1]), r"m\.nii\.gz is one plane, and image 'ct' has 3; say which with frame="),
        (png(LABELS[:, :, 0]), r"m\.png is one plane, and image 'ct' has 3; say which with frame="),
        (nifti(LABELS, frame=1), r"m\.nii\.gz does not lie on one plane of image 'ct'"),
        (nifti(LABELS[:4, :, :1], frame=1), r"m\.nii\.gz does not lie on one plane of image 'ct'"),
        (nifti(LABELS[:, :, :1], moved(0.2), frame=1), r"m\.nii\.gz does not lie on one plane of image 'ct'"),
        (png(LABELS[:3, :, 0], frame=1), r"m\.png does not lie on one plane of image 'ct': its grid is \(3, 4, 1\)"),
        (png(LABELS[:, :, 0], frame=3), r"frame: is 3; image 'ct' has 3 planes"),
        (png(np.zeros((5, 4, 3), np.uint8), frame=0), r"m\.png has 3 channels; a mask has one value in each voxel"),
        (cf.Mask("ct", cf.FileRef.of_bytes(b"<html>", "m.nii.gz"), NAMES), r"m\.nii\.gz is a web page"),
        (cf.Mask("ct", "nowhere/m.nii.gz", NAMES), r"the file 'nowhere/m\.nii\.gz' cannot be opened: No such file"),
    ],
)  # fmt: skip
def test_what_does_not_lie_on_its_image_is_refused(mask: cf.Mask, message: str) -> None:
    text = refusal(mask, image())
    assert re.search(message, text.replace("\n", " ")), text


def plane_of(number: int) -> Any:
    """The affine of one plane of the image."""
    affine = OBLIQUE.copy()
    affine[:3, 3] += OBLIQUE[:3, 2] * number
    return affine


def only(plane: int, values: np.ndarray) -> np.ndarray:
    whole = np.zeros(SHAPE, values.dtype)
    whole[:, :, plane] = values
    return whole


@pytest.mark.parametrize("number", [0, 2])
def test_one_plane(number: int) -> None:
    plane = LABELS[:, :, number]
    np.testing.assert_array_equal(sealed(png(plane, frame=number), image()), only(number, plane))
    cut_out = nifti(LABELS[:, :, number : number + 1], plane_of(number), frame=number)
    np.testing.assert_array_equal(sealed(cut_out, image()), only(number, plane))
    at_the_first = nifti(LABELS[:, :, number : number + 1], frame=number)
    np.testing.assert_array_equal(sealed(at_the_first, image()), only(number, plane))


@pytest.mark.parametrize("codes", ["RAS", "LAS", "RPS", "PLI"])
def test_one_plane_in_another_order_of_axes_is_turned(codes: str) -> None:
    axial = affine_of(np.eye(3), (0.5, 0.75, 2.5), (1, 2, 3))
    start = nib.Nifti1Image(LABELS[:, :, 1:2], LPS @ axial)
    before, after = nib.orientations.io_orientation(start.affine), nib.orientations.axcodes2ornt(codes)
    content = start.as_reoriented(nib.orientations.ornt_transform(before, after)).to_bytes()
    mask = cf.Mask("ct", cf.FileRef.of_bytes(content, "m.nii"), NAMES, frame=1)
    np.testing.assert_array_equal(sealed(mask, image(axial)), only(1, LABELS[:, :, 1]))


TIMES = (5, 4, 3, 2)


def test_a_mask_in_time_follows_its_places_and_its_frames() -> None:
    labels = ramp(*TIMES, dtype=np.uint8)
    np.testing.assert_array_equal(sealed(nifti(labels), image(shape=TIMES)), labels)
    upside_down = OBLIQUE @ np.array([[1, 0, 0, 0], [0, -1, 0, 3], [0, 0, -1, 2], [0, 0, 0, 1]])
    np.testing.assert_array_equal(sealed(nifti(labels[:, ::-1, ::-1], upside_down), image(shape=TIMES)), labels)


def test_a_mask_of_one_volume_lies_on_every_frame() -> None:
    found = sealed(nifti(LABELS), image(shape=TIMES))
    np.testing.assert_array_equal(found, np.stack([LABELS, LABELS], axis=-1))


@pytest.mark.parametrize("space", ["patient", "pixel"])
def test_frames_may_be_stored_as_slices(space: str) -> None:
    labels = ramp(5, 4, 1, 6, dtype=np.uint8)
    on = image(np.diag([0.5, 0.75, 1, 1]), labels.shape, space)
    found = sealed(nifti(labels[:, :, 0, :], np.diag([0.5, 0.75, 9, 1])), on)
    np.testing.assert_array_equal(found, labels)
    np.testing.assert_array_equal(sealed(nifti(labels, on.geometry.affine), on), labels)  # type: ignore[union-attr]


def test_frames_as_slices_that_run_another_way_in_the_plane_are_refused() -> None:
    on = image(np.diag([0.5, 0.75, 1, 1]), (5, 4, 1, 6))
    assert SHORT in refusal(nifti(np.zeros((5, 4, 6), np.uint8), np.diag([-0.5, 0.75, 1, 1])), on)


def test_a_plane_of_a_cine() -> None:
    on = image(np.eye(4), (5, 4, 1, 6), "pixel")
    found = sealed(png(LABELS[:, :, 0], frame=4), on)
    assert found.shape == (5, 4, 1, 6)
    np.testing.assert_array_equal(found[:, :, 0, 4], LABELS[:, :, 0])
    assert not found[:, :, :, :4].any()
    assert "is one plane, and image 'ct' has 6" in refusal(png(LABELS[:, :, 0]), on)


def test_a_plane_of_a_volume_in_time_counts_slices_first() -> None:
    found = sealed(png(LABELS[:, :, 0], frame=4), image(shape=TIMES))
    np.testing.assert_array_equal(found[:, :, 1, 1], LABELS[:, :, 0])
    assert np.count_nonzero(found) == np.count_nonzero(LABELS[:, :, 0])


def test_a_picture_and_its_mask_need_only_one_size() -> None:
    out = io.BytesIO()
    Picture.fromarray(LABELS[:, :, 0].T).save(out, "PNG")
    on = cf.Image("ct", cf.FileRef.of_bytes(out.getvalue(), "x.png"))
    np.testing.assert_array_equal(sealed(png(LABELS[:, :, 1]), on), LABELS[:, :, 1:2])


@pytest.mark.parametrize("mode", ["P", "PA", "1"])
def test_numbers_of_a_picture_that_shows_them_in_colours(mode: str) -> None:
    """As masks of public challenges are stored: an index for each pixel, and a palette that nobody means."""
    numbers = np.arange(20, dtype=np.uint8).reshape(5, 4) % (2 if mode == "1" else 4)
    shown = Picture.fromarray(numbers.T.astype(bool) if mode == "1" else numbers.T)
    if mode != "1":
        shown.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0])
        shown = shown.convert(mode)
    out = io.BytesIO()
    shown.save(out, "TIFF" if mode == "PA" else "PNG")
    mask = cf.Mask("ct", cf.FileRef.of_bytes(out.getvalue(), "m.png"), {n: f"part {n}" for n in range(1, 4)}, frame=1)
    np.testing.assert_array_equal(mask.voxels()[:, :, 0], numbers)
    case = seal(cf.Case("a", images=[image()], annotations=[mask]))
    sealed = case.annotations[0]
    assert isinstance(sealed, cf.Mask)
    np.testing.assert_array_equal(aligned(sealed, case.images[0])[:, :, 1], numbers)


def test_a_jpeg_is_no_label_map() -> None:
    out = io.BytesIO()
    Picture.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save(out, "JPEG")
    mask = cf.Mask("ct", cf.FileRef.of_bytes(out.getvalue(), "m.jpg"), NAMES, frame=1)
    assert "m.jpg is a JPEG, which does not hold the values that were drawn; write it as PNG" in refusal(mask, image())
