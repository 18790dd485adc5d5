"""What the platform's own importer makes of files: of those that the connector sends, and of all that it does not."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.testing import data_path
from pydicom.data import get_testdata_file

import caseferry as cf
from caseferry.geometry import as_stored
from caseferry.imaging.kinds import Kind
from caseferry.sandbox.blobs import Blobs
from caseferry.testing import Samples
from caseferry.testing.samples import oblique
from caseferry_grand_challenge.sandbox import importing
from caseferry_grand_challenge.sandbox.files import Content
from caseferry_grand_challenge.wire.images import import_problem, stored_files
from grand_challenge_scene import OBLIQUE, series, volume
from peers import PANIMG

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.peer

AFFINE = np.diag([-1, -1, 1, 1]) @ oblique()
VOXELS = np.arange(7 * 5 * 4, dtype=np.int16).reshape(7, 5, 4)


def niftis(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """NIfTI files that nibabel and ITK understand alike, and such that they do not."""

    def plain(voxels: Any = VOXELS, affine: Any = AFFINE) -> nibabel.Nifti1Image:
        return nibabel.Nifti1Image(voxels, affine)

    images = {
        "plain": plain(),
        "one slice": plain(VOXELS[:, :, :1]),
        "flat": plain(VOXELS[:, :, 0]),
        "one point in time": plain(VOXELS[..., None]),
        "five dimensions": plain(VOXELS[..., None, None]),
        "flat frames": plain(VOXELS[:, :, None, :]),
        "second version": nibabel.Nifti2Image(VOXELS, AFFINE),
        "big endian": nibabel.Nifti1Image(VOXELS.astype(">i2"), AFFINE, header=nibabel.Nifti1Header(endianness=">")),
        "left-handed": plain(affine=AFFINE * [1, 1, -1, 1]),
        "long": nibabel.Nifti1Image(VOXELS.astype("i8"), AFFINE, dtype="i8"),
    }
    colours = np.zeros((7, 5, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colours["R"], colours["B"] = VOXELS, 255 - VOXELS
    images["colours"] = plain(colours)
    for unit in ("meter", "micron"):
        images[unit] = plain()
        images[unit].header.set_xyzt_units(unit)
    images["no transform"] = plain()
    images["no transform"].set_sform(None, 0)
    images["voxel sizes of another grid"] = plain()
    images["voxel sizes of another grid"].header["pixdim"][1:4] = (1, 2, 3)
    images["sheared"] = plain(affine=AFFINE @ np.array([[1, 0.3, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]))
    images["two transforms"] = plain()
    images["two transforms"].set_qform(AFFINE * np.array([1.0009, 1.0009, 1.0009, 1]), 1)
    images["scaled"] = plain()
    images["scaled"].header.set_slope_inter(0.1, -3)
    for name, image in images.items():
        path = folder / f"{name}.nii.gz"
        nibabel.save(image, path)
        yield name, [path]


def others(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    image = sitk.GetImageFromArray(VOXELS.T.copy())
    image.SetSpacing([0.75, 0.5, 2.5])
    image.SetOrigin([-31.5, 12.25, 108.0])
    for name, compress in (("v.mha", True), ("v.nrrd", True), ("v.mhd", False), ("z.mhd", True), ("v.nhdr", False)):
        (folder / "itk").mkdir(exist_ok=True)
        sitk.WriteImage(image, str(folder / "itk" / name), compress)
    for name in ("v.mha", "v.nrrd"):
        yield name, [folder / "itk" / name]
    for name, data in (("v.mhd", "v.raw"), ("z.mhd", "z.zraw"), ("v.nhdr", "v.raw")):
        yield f"{name} with its voxels", [folder / "itk" / name, folder / "itk" / data]
    samples = Samples(folder / "samples")
    for kind in (Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME, Kind.NRRD, Kind.METAIMAGE, Kind.PICTURE):
        yield f"sample {kind}", [ref.path for ref in samples.image(kind).files if ref.path]
    for name in ("CT_small.dcm", "MR_small.dcm", "examples_ybr_color.dcm", "examples_palette.dcm", "JPEG2000.dcm"):
        yield name, [Path(get_testdata_file(name))]
    for name in ("anatomical.nii", "example4d.nii.gz", "functional.nii", "example_nifti2.nii.gz", "standard.nii.gz"):
        yield name, [Path(data_path) / name]
    yield "oblique", series(folder / "oblique", volume().astype("u2"), orientation=OBLIQUE, numbers=(8, 6, 4, 2))


def test_what_is_sent_becomes_the_image_that_was_put(tmp_path: Path) -> None:
    """Voxel for voxel, and each at its place."""
    images = {name: cf.Image("image", paths) for name, paths in (*niftis(tmp_path), *others(tmp_path))}
    for name, image in images.items():
        assert import_problem(image) is None
        (tmp_path / "sent" / name).mkdir(parents=True)
        for ref in stored_files(image):
            (tmp_path / "sent" / name / ref.name).write_bytes(ref.read())
    found: Any = PANIMG.run("panimg_convert.py", "sent", "made", variables={}, home=tmp_path)
    for name, image in images.items():
        assert len(found[name]) == 1, name
        there = sitk.ReadImage(found[name][0]["file"])
        assert image.geometry is not None
        grid, voxels = as_stored(image.geometry), image.voxels()
        array = sitk.GetArrayFromImage(there)
        space = voxels.ndim - (image.header.channels > 1)
        turned = voxels.transpose(*reversed(range(space)), *range(space, voxels.ndim))
        np.testing.assert_array_equal(turned.reshape(array.shape), array, err_msg=name)
        if image.geometry.space == "pixel":
            continue
        last = np.array(grid.shape) - 1
        for corner in ([0, 0, 0], last, last * [1, 0, 0], last * [0, 1, 0]):
            index = [int(n) for n in corner][: there.GetDimension()] + [0] * (there.GetDimension() - 3)
            place = there.TransformIndexToPhysicalPoint(index)
            count = min(3, len(place))
            np.testing.assert_allclose(place[:count], grid.to_patient([corner])[0][:count], atol=1e-3, err_msg=name)


def ways(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """Series in ways that the connector never sends, but others do."""
    unsigned = volume().astype("u2")
    yield "not square", series(folder / "1", unsigned, spacing=(0.5, 0.75))
    yield "rescaled", series(folder / "2", unsigned, intercept=-1024)
    yield "inverted", series(folder / "3", unsigned, photometric="MONOCHROME1", slope=None)
    yield "numbered backwards", series(folder / "4", unsigned, numbers=(4, 3, 2, 1))
    yield "one slice", series(folder / "5", unsigned[:1])
    yield "oblique", series(folder / "6", unsigned, orientation=OBLIQUE, step=-2)
    for name, paths in others(folder):
        if name != "examples_ybr_color.dcm":  # JPEG, of which each decoder has its own rounding
            yield name, paths


def differences(theirs: dict[str, Any], ours: importing.Made, scratch: Path) -> Iterator[str]:
    """What is not the same of two imports of one image."""
    scratch.write_bytes(ours.blob.read())
    one, other = sitk.ReadImage(theirs["file"]), sitk.ReadImage(str(scratch))
    for what in ("GetPixelIDTypeAsString", "GetSize"):
        if getattr(one, what)() != getattr(other, what)():
            yield f"{what} {getattr(one, what)()} not {getattr(other, what)()}"
            return
    if not np.array_equal(sitk.GetArrayFromImage(one), sitk.GetArrayFromImage(other)):
        yield "voxels"
    for what in ("GetSpacing", "GetOrigin", "GetDirection"):
        if not np.allclose(getattr(one, what)(), getattr(other, what)(), atol=1e-6):
            yield f"{what} {getattr(one, what)()} not {getattr(other, what)()}"
    told = [ours.shown[f"voxel_{axis}_mm"] for axis in ("width", "height", "depth")]
    if [each is None for each in told] != [each is None for each in theirs["voxel"]] or not np.allclose(
        [each or 0 for each in told], [each or 0 for each in theirs["voxel"]], atol=1e-6
    ):
        yield f"voxels of {theirs['voxel']} not {told}"
    if theirs["segments"] != ours.shown["segments"] and len(theirs["segments"] or ()) <= 64:  # the server shows no more
        yield f"segments {theirs['segments']} not {ours.shown['segments']}"


def imported(blobs: Blobs, paths: list[Path]) -> list[importing.Made]:
    """What the stand-in makes of files; a broken import is no image."""
    uploads = []
    for path in paths:
        writer = blobs.writer()
        writer.write(path.read_bytes())
        uploads.append((path.name, Content([writer.close()])))
    try:
        return importing.import_uploads(blobs, uploads).images
    except Exception:  # noqa: BLE001  whatever broke it
        return []


def test_the_stand_in_imports_as_the_platform_does(tmp_path: Path) -> None:
    """Also where that is wrong: users meet the platform as it is."""
    wrong = []
    cases = dict((*niftis(tmp_path), *ways(tmp_path)))
    for name, paths in cases.items():
        (tmp_path / "raw" / name).mkdir(parents=True)
        for path in paths:
            (tmp_path / "raw" / name / path.name).write_bytes(path.read_bytes())
    found: Any = PANIMG.run("panimg_convert.py", "raw", "made", variables={}, home=tmp_path)
    with closing(Blobs(None)) as blobs:
        for name, paths in cases.items():
            ours = imported(blobs, paths)
            if len(ours) != len(found[name]):
                wrong.append(f"{name}: {len(found[name])} images, not {len(ours)}")
            for theirs, mine in zip(found[name], ours, strict=False):
                wrong += [f"{name}: {what}" for what in differences(theirs, mine, tmp_path / "ours.mha")]
    assert not wrong, "\n".join(wrong)
