"""Segmentations of 3D Slicer, against slicerio, the Slicer community's own reader and writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name
import slicerio

from caseferry import Image, Mask
from caseferry.annotation import Code
from caseferry.errors import GeometryError
from caseferry.exchange.slicer_seg import read_slicer_segmentation, write_slicer_segmentation
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

LIVER = (Code("10200004", "SCT", "Liver"), Code("123037004", "SCT", "Anatomical Structure"))

ANGLE = np.deg2rad(20)
DIRECTION = [np.cos(ANGLE), -np.sin(ANGLE), 0, np.sin(ANGLE), np.cos(ANGLE), 0, 0, 0, -1]


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """An oblique image of 9 by 8 by 7 voxels, written by SimpleITK."""
    volume = sitk.GetImageFromArray(np.zeros((7, 8, 9), np.int16))
    volume.SetSpacing((0.7, 1.1, 2.5))
    volume.SetOrigin((-10, 20, 30.5))
    volume.SetDirection(DIRECTION)
    sitk.WriteImage(volume, tmp_path / "ct.mha")
    return Image("ct", tmp_path / "ct.mha")


def slicer_file(path: Path, image: Image, voxels: NDArray[Any], segments: list[dict[str, Any]], start: Any) -> FileRef:
    """What slicerio writes of a part of the image that begins at `start`."""
    assert image.geometry is not None
    affine = image.geometry.affine.copy()
    affine[:3, 3] = image.geometry.to_patient([start])[0]
    content = {
        "voxels": voxels,
        "ijkToLPS": affine,
        "encoding": "gzip",
        "containedRepresentationNames": ["Binary labelmap", "Closed surface"],
        "segments": segments,
    }
    slicerio.write_segmentation(str(path), content)
    return FileRef.of(path)


def test_segments_are_put_where_they_were_cut_out(tmp_path: Path, image: Image) -> None:
    voxels = np.random.default_rng(2).integers(0, 3, (4, 3, 2)).astype(np.uint8)
    terminology = {
        "contextName": "Segmentation category and type - 3D Slicer General Anatomy list",
        "category": ["SCT", "123037004", "Anatomical Structure"],
        "type": ["SCT", "10200004", "Liver"],
    }
    segments = [
        {"id": "S1", "name": "liver", "labelValue": 2, "color": [1.0, 0.5, 0.0], "terminology": terminology},
        {"id": "S2", "name": "left kidney", "labelValue": 1},
    ]
    one, other = read_slicer_segmentation(
        slicer_file(tmp_path / "a.seg.nrrd", image, voxels, segments, (3, 4, 5)), image
    )
    expected = np.zeros((9, 8, 7), np.uint8)
    expected[3:7, 4:7, 5:7] = voxels
    assert (one.labels, other.labels) == ({1: "liver"}, {1: "left kidney"})
    assert np.array_equal(one.voxels() == 1, expected == 2)
    assert np.array_equal(other.voxels() == 1, expected == 1)
    assert (one.codes, other.codes) == (LIVER, ())
    assert one.attributes["ID"] == "S1"


def masks_of(image: Image, *arrays: NDArray[Any]) -> list[tuple[Mask, NDArray[Any]]]:
    assert image.geometry is not None
    affine = image.geometry.affine
    return [
        (Mask.of_array("ct", each, {1: f"part {n}", 2: f"rest {n}"}, affine, codes=LIVER), each)
        for n, each in enumerate(arrays)
    ]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_written_is_what_slicerio_and_we_read(tmp_path: Path, image: Image, count: int) -> None:
    random = np.random.default_rng(count)
    masks = masks_of(image, *(random.integers(0, 3, (9, 8, 7)).astype(np.uint8) for _ in range(count)))
    content = write_slicer_segmentation(masks, image)
    assert content == write_slicer_segmentation(masks, image)
    (tmp_path / "b.seg.nrrd").write_bytes(content)
    theirs = slicerio.read_segmentation(tmp_path / "b.seg.nrrd")
    assert image.geometry is not None
    assert np.allclose(theirs["ijkToLPS"], image.geometry.affine)
    ours = list(read_slicer_segmentation(FileRef.of(tmp_path / "b.seg.nrrd"), image))
    expected = [(name, voxels == value) for mask, voxels in masks for value, name in mask.labels.items()]
    assert len(theirs["segments"]) == len(ours) == len(expected) == 2 * count
    for segment, mask, (name, inside) in zip(theirs["segments"], ours, expected, strict=True):
        layer = theirs["voxels"][segment["layer"]] if count > 1 else theirs["voxels"]
        assert np.array_equal(layer == segment["labelValue"], inside)
        assert segment["name"] == name
        assert segment["terminology"]["type"] == ["SCT", "10200004", "Liver"]
        assert mask.labels == {1: name}
        assert mask.codes == LIVER
        assert np.array_equal(mask.voxels() == 1, inside)


def test_segments_that_do_not_lie_on_the_image_are_refused(tmp_path: Path, image: Image) -> None:
    voxels = np.ones((4, 3, 2), np.uint8)
    segments = [{"id": "a", "name": "a", "labelValue": 1}]
    with pytest.raises(GeometryError, match="does not lie on the voxels of the image"):
        list(
            read_slicer_segmentation(slicer_file(tmp_path / "a.seg.nrrd", image, voxels, segments, (1.4, 0, 0)), image)
        )
    with pytest.raises(GeometryError, match="reach beyond the image"):
        list(read_slicer_segmentation(slicer_file(tmp_path / "b.seg.nrrd", image, voxels, segments, (-1, 0, 0)), image))
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((7, 8, 9), np.uint8)), tmp_path / "plain.nrrd")
    with pytest.raises(ImageProblem, match=r"plain\.nrrd names no segments"):
        list(read_slicer_segmentation(FileRef.of(tmp_path / "plain.nrrd"), image))
    with pytest.raises(GeometryError, match="needs at least one mask"):
        write_slicer_segmentation([], image)


def test_a_segmentation_without_voxels_has_empty_segments(tmp_path: Path, image: Image) -> None:
    segments = [{"id": "a", "name": "a", "labelValue": 1}]
    ref = slicer_file(tmp_path / "a.seg.nrrd", image, np.zeros((1, 1, 1), np.uint8), segments, (0.5, 70, 0))
    (mask,) = read_slicer_segmentation(ref, image)
    assert not mask.voxels().any()
