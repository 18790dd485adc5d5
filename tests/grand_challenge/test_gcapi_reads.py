"""What the connector has put, downloaded by the official client and read by SimpleITK."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from nibabel.testing import data_path
from PIL import Image as Picture
from pydicom.data import get_testdata_file

import caseferry as cf
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from grand_challenge_scene import OBLIQUE, series, volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry.testing import Samples
    from grand_challenge_scene import Scene

pytestmark = pytest.mark.peer

FEET_FIRST = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)

SERIES: dict[str, dict[str, Any]] = {
    "pixels that are not square": {"spacing": (0.5, 0.75)},
    "oblique": {"orientation": OBLIQUE, "spacing": (0.9, 0.4), "step": 3.1},
    "feet first": {"orientation": FEET_FIRST, "step": -2.0},
    "sagittal": {"orientation": SAGITTAL, "spacing": (1.25, 0.625)},
    "numbered against its order": {"numbers": (4, 3, 2, 1)},
    "rescaled to whole numbers": {"slope": 1, "intercept": -1024},
    "rescaled to fractions": {"slope": 0.25, "intercept": -0.5},
    "magnetic resonance without rescaling": {"slope": None, "modality": "MR"},
    "against its normal": {"step": -1.5},
}


def by_itk(paths: list[Path]) -> sitk.Image:
    """A series as ITK reads it, its files in the order that GDCM gives them."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(paths[0].parent)))
    return reader.Execute()


def assert_same_image(image: sitk.Image, expected: sitk.Image) -> None:
    """Same voxels at the same places, whichever way the slices are stored."""
    assert image.GetSize() == expected.GetSize()
    corners = [(0, 0, 0), (image.GetWidth() - 1, 0, 0), (0, image.GetHeight() - 1, image.GetDepth() - 1)]
    for corner in corners:
        place = image.TransformIndexToPhysicalPoint(corner)
        there = expected.TransformPhysicalPointToContinuousIndex(place)
        np.testing.assert_allclose(there, np.round(there), atol=2e-3)
        assert image[corner] == expected[tuple(round(each) for each in there)]
    flipped = expected.TransformPhysicalPointToContinuousIndex(image.GetOrigin())[2] > 0.5
    voxels = sitk.GetArrayFromImage(expected)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels[::-1] if flipped else voxels)


def put(scene: Scene, **cases: cf.Image | list[Any]) -> dict[str, dict[str, Any]]:
    """Put cases of one image each, and give what gcapi downloads."""
    dataset = scene.open(socket="generic-medical-image")
    for name, image in cases.items():
        dataset.put(cf.Case(id=name, images=[image]), phi="keep")
    return scene.downloaded()


def only(told: dict[str, Any]) -> str:
    """The one file of an image."""
    (path,) = told["generic-medical-image"]["files"]
    return path


def test_series(scene: Scene) -> None:
    """Every way in which the importer would change a series is gone round."""
    cases, expected = {}, {}
    for name, how in SERIES.items():
        paths = series(scene.folder / name, volume().astype("i2" if how.get("slope") == 0.25 else "u2"), **how)
        cases[name], expected[name] = cf.Image("volume", paths), by_itk(paths)
    found = put(scene, **cases)
    for name, image in expected.items():
        there = sitk.ReadImage(only(found[name]))
        assert there.GetNumberOfComponentsPerPixel() == 1
        assert_same_image(there, image)
    assert sitk.ReadImage(only(found["rescaled to fractions"])).GetPixelID() in {sitk.sitkFloat32, sitk.sitkFloat64}
    whole = sitk.ReadImage(only(found["rescaled to whole numbers"]))
    assert whole.GetPixelID() in {sitk.sitkInt16, sitk.sitkInt32}, "numbers stay whole"


def test_one_slice_keeps_its_stored_values(scene: Scene) -> None:
    """MONOCHROME1 says how to show numbers, and changes none."""
    paths = series(scene.folder / "x", volume(slices=1).astype("u2"), photometric="MONOCHROME1")
    found = put(scene, white=cf.Image("x", paths))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(only(found["white"]))), volume(slices=1))


def test_nifti(scene: Scene) -> None:
    """Geometry by nibabel: its world is right, front, head."""
    names = ("anatomical.nii", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii", "standard.nii.gz")
    found = put(scene, **{name: cf.Image("volume", [data_path / name]) for name in names})
    for name in names:
        there, image = sitk.ReadImage(only(found[name])), nibabel.load(data_path / name)
        np.testing.assert_array_equal(sitk.GetArrayFromImage(there).T, np.asanyarray(image.dataobj))
        corner = np.array(image.shape[:3]) - 1
        last = (0,) * (there.GetDimension() - 3)
        expected = np.diag([-1, -1, 1]) @ nibabel.affines.apply_affine(image.affine, corner)
        place = there.TransformIndexToPhysicalPoint([*map(int, corner), *last])
        np.testing.assert_allclose(place[:3], expected, atol=1e-3)


def test_enhanced_multiframe_and_single_files_of_scanners(scene: Scene) -> None:
    names = ("CT_small.dcm", "MR_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm")
    found = put(scene, **{name: cf.Image("image", [get_testdata_file(name)]) for name in names})
    for name in names:
        there = sitk.GetArrayFromImage(sitk.ReadImage(only(found[name])))
        ds = pydicom.dcmread(get_testdata_file(name))
        pixels = ds.pixel_array * float(ds.get("RescaleSlope", 1)) + float(ds.get("RescaleIntercept", 0))
        np.testing.assert_array_equal(there.reshape(pixels.shape), pixels)


def test_colours(scene: Scene) -> None:
    """Frames of a cine follow each other as slices; YBR is turned into RGB."""
    from pydicom.pixels import pixel_array

    names = ("SC_rgb_rle_2frame.dcm", "examples_ybr_color.dcm", "examples_rgb_color.dcm")
    found = put(scene, **{name: cf.Image("us", [get_testdata_file(name)]) for name in names})
    for name in names:
        pixels = pixel_array(get_testdata_file(name))
        there = sitk.GetArrayFromImage(sitk.ReadImage(only(found[name])))
        np.testing.assert_array_equal(there.reshape(pixels.shape), pixels)
        assert found[name]["generic-medical-image"]["image"]["colour"] == "RGB"


def picture(mode: str, form: str) -> bytes:
    count = {"L": 1, "RGB": 3, "RGBA": 4, "I;16": 2, "LA": 2}[mode]
    drawn = Picture.frombytes(mode, (11, 9), bytes(np.arange(9 * 11 * count, dtype=np.uint16).astype(np.uint8) % 251))
    out = io.BytesIO()
    drawn.save(out, form)
    return out.getvalue()


def test_pictures(scene: Scene) -> None:
    kinds = [("L", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("RGB", "JPEG")]
    palette = Picture.fromarray((np.arange(9 * 11 * 3) * 5 % 256).astype(np.uint8).reshape(9, 11, 3)).quantize(16)
    out = io.BytesIO()
    palette.save(out, "PNG")
    contents = {f"{mode} {form}": picture(mode, form) for mode, form in kinds} | {"palette PNG": out.getvalue()}
    images = {
        name: cf.Image("photo", [FileRef.of_bytes(content, f"p.{name.rpartition(' ')[2].lower()}")])
        for name, content in contents.items()
    }
    found = put(scene, **images)
    for name, content in contents.items():
        expected = Picture.open(io.BytesIO(content))
        if name == "palette PNG":
            expected = expected.convert("RGB")
        there = sitk.GetArrayFromImage(sitk.ReadImage(only(found[name])))
        np.testing.assert_array_equal(there, np.asarray(expected), err_msg=name)


def test_masks_are_eight_bits_of_allowed_values(scene: Scene) -> None:
    """A mask lies voxel for voxel on its image, whatever type and grid it was written with."""
    paths = series(scene.folder / "ct", volume().astype("u2"), orientation=OBLIQUE, numbers=(9, 7, 5, 3))
    image = cf.Image("ct", paths)
    itk = by_itk(paths)
    labels = np.zeros((4, 5, 7), np.int32)
    labels[1, 2, 3:5], labels[3, 4, 0] = 1, 2
    mask = sitk.GetImageFromArray(labels)
    mask.CopyInformation(itk)
    mask = sitk.Flip(mask, [True, False, True])  # the same voxels at the same places, stored the other way round
    sitk.WriteImage(mask, str(scene.folder / "mask.nii.gz"))
    case = cf.Case(
        id="masked",
        images=[image],
        annotations=[cf.Mask("ct", scene.folder / "mask.nii.gz", {1: "left lung", 2: "right lung"})],
    )
    lungs = dict.fromkeys(("left lung", "right lung"), "lung-segmentation")
    scene.open(mapping={"grand-challenge": {"labels": lungs}}).put(case, phi="keep")
    sockets = scene.downloaded()["masked"]
    told = sockets["lung-segmentation"]
    there = sitk.ReadImage(told["files"][0])
    assert (there.GetPixelID(), told["image"]["segments"]) == (sitk.sitkUInt8, [0, 1, 2])
    scan = sitk.ReadImage(sockets["ct-image"]["files"][0])
    np.testing.assert_allclose(there.GetOrigin(), scan.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(there.GetDirection(), scan.GetDirection(), atol=1e-6)
    unmasked, values = sitk.GetArrayFromImage(by_itk(paths)), sitk.GetArrayFromImage(scan)
    for value in (1, 2):
        np.testing.assert_array_equal(
            np.sort(values[sitk.GetArrayFromImage(there) == value]), np.sort(unmasked[labels == value])
        )


MARKS: dict[str, Callable[..., cf.Annotation]] = {
    "point": lambda **more: cf.Point("ct", (2.5, 1.25), frame=2, **more),
    "distance-measurement": lambda **more: cf.Line("ct", [(1, 1), (5.5, 3.25)], frame=1, **more),
    "polygon": lambda **more: cf.Polygon("ct", [(1, 1), (5, 1), (5, 3.5)], frame=3, **more),
    "2d-bounding-box": lambda **more: cf.Box("ct", [(1, 0), (5, 4)], frame=0, **more),
    "line": lambda **more: cf.Polyline("ct", [(0, 0), (3, 1), (6, 4)], frame=0, **more),
    "ellipse": lambda **more: cf.Ellipse("ct", [(3, 0), (3, 4), (1, 2), (5, 2)], frame=1, **more),
    "angle": lambda **more: cf.Angle("ct", [(0, 0), (3, 1), (6, 4), (2, 2)], frame=2, **more),
    "three-point-angle": lambda **more: cf.Angle("ct", [(0, 0), (3, 1), (6, 4)], frame=3, **more),
}


def test_positions_are_world_millimetres(scene: Scene) -> None:
    """By ITK's own transform of the downloaded image."""
    paths = series(scene.folder / "ct", volume().astype("u2"), orientation=OBLIQUE)
    marks = [make(label=slug) for slug, make in MARKS.items()]
    scene.open().put(cf.Case(id="marked", images=[cf.Image("ct", paths)], annotations=marks), phi="keep")
    sockets = scene.downloaded()["marked"]
    image = sitk.ReadImage(sockets["ct-image"]["files"][0])

    def voxels(*points: list[float]) -> list[list[float]]:
        return [np.round(image.TransformPhysicalPointToContinuousIndex(p), 3).tolist() for p in points]

    assert voxels(sockets["point"]["value"]["point"]) == [[2.5, 1.25, 2]]
    line = sockets["distance-measurement"]["value"]
    assert voxels(line["start"], line["end"]) == [[1, 1, 1], [5.5, 3.25, 1]]
    assert voxels(*sockets["polygon"]["value"]["path_points"]) == [[1, 1, 3], [5, 1, 3], [5, 3.5, 3]]
    corners = voxels(*sockets["2d-bounding-box"]["value"]["corners"])
    assert sorted(corners) == [[1, 0, 0], [1, 4, 0], [5, 0, 0], [5, 4, 0]]
    assert voxels(*sockets["line"]["value"]["path_point_lists"][0]) == [[0, 0, 0], [3, 1, 0], [6, 4, 0]]
    ellipse = sockets["ellipse"]["value"]
    assert voxels(*ellipse["major_axis"]) == [[1, 2, 1], [5, 2, 1]], "3 mm, the other 2 mm"
    assert voxels(*ellipse["minor_axis"]) == [[3, 0, 1], [3, 4, 1]]
    assert [voxels(*line) for line in sockets["angle"]["value"]["lines"]] == [
        [[0, 0, 2], [3, 1, 2]],
        [[6, 4, 2], [2, 2, 2]],
    ]
    assert voxels(*sockets["three-point-angle"]["value"]["angle"]) == [[0, 0, 3], [3, 1, 3], [6, 4, 3]]


def test_positions_on_a_picture_have_a_third_coordinate(scene: Scene, samples: Samples) -> None:
    image = samples.image(Kind.PICTURE, "photo")
    case = cf.Case(id="flat", images=[image], annotations=[cf.Point("photo", (3, 4), label="point")])
    scene.open().put(case, phi="keep")
    assert scene.downloaded()["flat"]["point"]["value"]["point"] == [3, 4, 0.5]
