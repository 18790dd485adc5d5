"""What caseferry puts, darwin-py reads as it was meant; what darwin-py puts, caseferry reads in the right voxel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from darwin_scene import assert_flat_on_darwin, flat

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene

pytestmark = pytest.mark.peer

TURNS = {
    "RAS": np.array([[2.0, 0, 0, -3], [0, 1.5, 0, 4], [0, 0, 3, 5], [0, 0, 0, 1]]),
    "LPS": np.array([[-2.0, 0, 0, -3], [0, -1.5, 0, 4], [0, 0, 3, 5], [0, 0, 0, 1]]),
    "LPI": np.array([[-2.0, 0, 0, -3], [0, -1.5, 0, 4], [0, 0, -3, 5], [0, 0, 0, 1]]),
    "ASR": np.array([[0, 0, 3.0, -3], [2, 0, 0, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]),
    "LSP": np.array([[-2.0, 0, 0, -3], [0, 0, -3, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]),
}
"""Voxel to RAS, anisotropic and nowhere 1, with frames along each axis of the patient."""


def nifti(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return path


def labels() -> np.ndarray:
    """Structures without any symmetry, the last frame of each direction left empty."""
    return np.pad(np.random.default_rng(7).integers(0, 3, (4, 5, 6)), ((1, 1), (1, 1), (1, 1))).astype(np.uint8)


@pytest.mark.parametrize("codes", TURNS)
def test_masks_on_volumes_come_out_of_the_clients_exporter(scene: Scene, tmp_path: Path, codes: str) -> None:
    voxels, affine = labels(), TURNS[codes]
    image = cf.Image("ct", nifti(tmp_path / "ct.nii.gz", np.zeros(voxels.shape, np.int16), affine))
    mask = cf.Mask("ct", nifti(tmp_path / "label.nii.gz", voxels, affine), {1: "liver", 2: "lesion"})
    scene.put(cf.Case("ct", images=[image], annotations=[mask]))

    scene.peer("darwin_read.py", "sandbox", "first")

    for value, name in mask.labels.items():
        (found,) = (tmp_path / "home" / "nifti").rglob(f"*{name}_m.nii.gz")
        written = nib.load(found)
        np.testing.assert_array_equal(np.asarray(written.dataobj) > 0, voxels == value)
        np.testing.assert_allclose(written.affine, affine)


@pytest.mark.parametrize("codes", TURNS)
def test_polygons_on_volumes_cover_the_same_voxels(scene: Scene, tmp_path: Path, codes: str) -> None:
    """The client divides by the size of voxels, and fills up to and with the voxels that the outline runs through."""
    affine = TURNS[codes]
    image = cf.Image("ct", nifti(tmp_path / "ct.nii.gz", np.zeros((8, 9, 7), np.int16), affine))
    ring = [(2, 2), (5, 2), (5, 3), (3, 3), (3, 6), (2, 6)]
    expected = np.zeros((8, 9, 7), bool)
    expected[2:6, 2:4, 2] = True
    expected[2:4, 4:7, 2] = True
    scene.put(cf.Case("ct", images=[image], annotations=[cf.Polygon("ct", ring, frame=2, label="a")]))

    scene.peer("darwin_read.py", "sandbox", "first")

    (found,) = (tmp_path / "home" / "nifti").rglob("*_a.nii.gz")
    np.testing.assert_array_equal(np.asarray(nib.load(found).dataobj) > 0, expected)


@pytest.mark.parametrize("codes", TURNS)
def test_masks_from_the_clients_importer_lie_in_the_right_voxel(scene: Scene, tmp_path: Path, codes: str) -> None:
    voxels, affine = labels(), TURNS[codes]
    image = cf.Image("ct", nifti(tmp_path / "ct.nii.gz", np.zeros(voxels.shape, np.int16), affine))
    dataset = scene.open()
    item = dataset.put(cf.Case("ct.nii.gz", images=[image]))
    entry = {
        "image": "/ct.nii.gz",
        "label": str(nifti(tmp_path / "label.nii.gz", voxels, affine)),
        "class_map": {"1": "liver", "2": "lesion"},
        "mode": "mask",
        "slot_names": ["0"],
    }
    (tmp_path / "plan.json").write_text(json.dumps({"data": [entry]}))

    done = scene.peer("darwin_import.py", "sandbox", "nifti", "{}", str(tmp_path / "plan.json"))

    assert done["raised"] is None, done
    found = {next(iter(m.labels.values())): m for m in scene.open().get(item.id).case().annotations}
    assert sorted(found) == ["lesion", "liver"]
    for value, name in ((1, "liver"), (2, "lesion")):
        mask = found[name]
        assert isinstance(mask, cf.Mask)
        np.testing.assert_array_equal(mask.voxels() > 0, voxels == value)


def test_polygons_from_the_clients_importer_lie_in_the_right_voxel(scene: Scene, tmp_path: Path) -> None:
    affine = TURNS["RAS"]
    image = cf.Image("ct", nifti(tmp_path / "ct.nii.gz", np.zeros((8, 9, 7), np.int16), affine))
    item = scene.open().put(cf.Case("ct.nii.gz", images=[image]))
    voxels = np.zeros((8, 9, 7), np.uint8)
    voxels[2:6, 3:8, 4] = 1
    entry = {
        "image": "/ct.nii.gz",
        "label": str(nifti(tmp_path / "label.nii.gz", voxels, affine)),
        "class_map": {"1": "liver"},
        "mode": "video",
        "slot_names": ["0"],
    }
    (tmp_path / "plan.json").write_text(json.dumps({"data": [entry]}))

    assert scene.peer("darwin_import.py", "sandbox", "nifti", "{}", str(tmp_path / "plan.json"))["raised"] is None

    (found,) = scene.open().get(item.id).case().annotations
    assert isinstance(found, cf.Polygon)
    # Its outline runs through the centres of the outermost voxels.
    points = np.array(found.rings[0])
    assert found.frame == 4
    np.testing.assert_allclose(points.min(axis=0), [2, 3], atol=1e-3)
    np.testing.assert_allclose(points.max(axis=0), [5, 7], atol=1e-3)


def test_a_picture_is_read_as_it_was_drawn(scene: Scene, samples: Samples) -> None:
    case = samples.case("drawn", Kind.PICTURE, annotations=flat())
    scene.put(case)

    (rows,) = scene.peer("darwin_read.py", "sandbox", "first").values()

    found = {row["class"]: row for row in rows}
    assert_flat_on_darwin(found)
    texts = {
        name: [sub["data"] for sub in row["subs"] if sub["annotation_type"] == "text"] for name, row in found.items()
    }
    assert (texts["quality"], texts["length"], texts["comment"]) == (["good"], ["2.5 mm"], ["ünïcode 日本"])
    assert found["diameter"]["data"] == {"path": [{"x": 1, "y": 1}, {"x": 5.5, "y": 3.25}]}
    ellipse = found["round"]["data"]
    assert (ellipse["center"], ellipse["radius"]) == ({"x": 4, "y": 4}, {"x": 3, "y": 2}), "the longer axis first"
    assert ellipse["angle"] == pytest.approx(np.pi / 2, abs=1e-4)
    layer = found["__raster_layer__"]["data"]
    pixels = np.repeat(layer["dense_rle"][::2], layer["dense_rle"][1::2]).reshape(9, 11)
    (number,) = layer["mask_annotation_ids_mapping"].values()
    mask = case.annotations[-1]
    assert isinstance(mask, cf.Mask)
    np.testing.assert_array_equal(pixels == number, mask.voxels()[:, :, 0].T > 0)


def points(*pairs: tuple[float, float]) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in pairs]


def test_frames_of_a_video_are_read_as_they_were_drawn(scene: Scene, samples: Samples) -> None:
    drawn: list[Any] = [
        cf.Box("video", [(1, 2), (5, 4)], frame=3, label="region"),
        cf.Polygon("video", [(1, 1), (5, 1), (5, 3.5)], frame=7, label="outline"),
        cf.Label("video", "whole"),
        cf.Label("video", "moment", frame=2),
    ]
    scene.put(samples.case("clip", Kind.VIDEO, annotations=drawn))

    (rows,) = scene.peer("darwin_read.py", "sandbox", "first").values()

    found = {row["class"]: row for row in rows}
    assert {name: row["segments"] for name, row in found.items()} == {
        "region": [[3, 4]],
        "outline": [[7, 8]],
        "whole": [[0, 8]],
        "moment": [[2, 3]],
    }
    assert found["region"]["frames"] == {"3": {"x": 1, "y": 2, "w": 4, "h": 2}}
    assert found["outline"]["frames"]["7"]["paths"] == [points((1, 1), (5, 1), (5, 3.5))]
