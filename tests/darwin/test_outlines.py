"""Masks as polygons: where a team has no masks, or the mapping wants polygons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import caseferry as cf
from caseferry.case.placement import aligned
from caseferry.errors import ConfigurationError
from caseferry.imaging.kinds import Kind
from caseferry.transfers.verify import check
from caseferry_darwin.wire.annotations import Ids, core_form
from caseferry_darwin.wire.classes import Classes
from caseferry_darwin.wire.display import Displays
from caseferry_darwin.wire.outlines import outline_forms, paint_outlines
from caseferry_darwin.wire.place import Place
from caseferry_darwin.wire.properties import Properties
from caseferry_darwin.wire.view import expected_view

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene

ASKED = {"darwin": {"labels": {"vessel": {"masks": "polygon"}, "lesion": {"masks": "polygon"}}}}
AFFINE = np.array([[0, 0, 3.0, -3], [2, 0.25, 0, 4], [0.25, 1.5, 0, 5], [0, 0, 0, 1]])


def without_masks(scene: Scene) -> None:
    """A team that has no raster layers."""
    classes = scene.standin.state["classes"]
    for number in [n for n, each in classes.items() if each["annotation_types"][0] in {"mask", "raster_layer"}]:
        del classes[number]


def solid() -> np.ndarray[Any, Any]:
    """Structures with holes, parts that touch in a corner, and one that fills its plane to the border."""
    voxels = np.random.default_rng(5).integers(0, 3, (7, 6, 5)).astype(np.uint8)
    voxels[1:6, 1:5, 2] = 1
    voxels[3, 2, 2] = 0
    voxels[:, :, 3] = 0
    voxels[:, :, 4] = 2
    return voxels


def volume(tmp_path: Path) -> cf.Image:
    nib.save(nib.Nifti1Image(np.zeros((7, 6, 5), np.int16), AFFINE), tmp_path / "ct.nii.gz")
    return cf.Image("ct", tmp_path / "ct.nii.gz")


def test_a_team_without_masks_gets_polygons_that_are_the_same_voxels(scene: Scene, tmp_path: Path) -> None:
    without_masks(scene)
    image = volume(tmp_path)
    grid = image.geometry
    assert grid is not None
    over = np.zeros((7, 6, 5), np.uint8)
    over[2:5, 2:5, 1:4] = 1
    masks = [
        cf.Mask.of_array("ct", solid(), {1: "vessel", 2: "lesion"}, grid.affine),
        cf.Mask.of_array("ct", over, {1: "vessel"}, grid.affine),  # over the other: polygons may
    ]
    dataset = scene.open()
    case = cf.Case("ct", images=[image], annotations=masks)
    sent = scene.put(case, dataset)

    rows = scene.standin.annotations(sent.item.id)
    assert [set(next(iter(row["data"]["frames"].values()))) - {"keyframe", "attributes"} for row in rows] == [
        {"polygon"}
    ] * 3
    held = [each for each in sent.plan.held if each.part.startswith("mask")]
    assert [(each.kept, each.error.exact) for each in held] == [("converted", True)] * 2
    check(dataset.sealed(case), dataset.get(sent.item.id))
    home = sent.item.case().annotations
    assert all(isinstance(each, cf.Mask) for each in home)
    assert dataset.plan(case).calls == ()


def test_a_mapping_asks_for_polygons_of_some_labels(scene: Scene, tmp_path: Path) -> None:
    image = volume(tmp_path)
    grid = image.geometry
    assert grid is not None
    mask = cf.Mask.of_array("ct", solid(), {1: "vessel", 2: "other"}, grid.affine)
    dataset = scene.open(mapping=ASKED)
    case = cf.Case("ct", images=[image], annotations=[mask])
    sent = scene.put(case, dataset)
    kinds = sorted(
        next(
            each["annotation_types"][0]
            for each in scene.standin.state["classes"].values()
            if each["id"] == row["annotation_class_id"]
        )
        for row in scene.standin.annotations(sent.item.id)
    )
    assert kinds == ["mask", "polygon", "raster_layer"]
    check(dataset.sealed(case), dataset.get(sent.item.id))
    with pytest.raises(ConfigurationError, match="expected mask or polygon"):
        scene.open(mapping={"darwin": {"labels": {"vessel": {"masks": "circle"}}}})


def test_a_polygon_class_serves_where_no_class_of_masks_may_be_made(scene: Scene, samples: Samples) -> None:
    scene.standin.add_class("vessel", ["polygon"])
    labels = np.zeros((11, 9, 1), np.uint8)
    labels[2:5, 1:3] = 1
    mask = cf.Mask.of_array("picture", labels, {1: "vessel"}, np.eye(4))
    dataset = scene.open(unmapped="stop")
    sent = scene.put(samples.case("drawn", Kind.PICTURE, annotations=[mask]), dataset)
    (row,) = scene.standin.annotations(sent.item.id)
    corners = {(point["x"], point["y"]) for point in row["data"]["polygon"]["path"]}
    assert corners == {(1.5, 0.5), (4.5, 0.5), (4.5, 2.5), (1.5, 2.5)}
    row["data"]["polygon"]["path"][0]["y"] = 0.5

    moved = [{"x": point["x"] + 1, "y": point["y"]} for point in row["data"]["polygon"]["path"]]
    scene.standin.state["annotations"][sent.item.id][row["id"]]["data"]["polygon"]["path"] = moved
    (home,) = dataset.get(sent.item.id).case().annotations
    assert isinstance(home, cf.Mask)
    np.testing.assert_array_equal(home.voxels()[:, :, 0], np.roll(labels[:, :, 0], 1, axis=0))


def test_a_mask_that_is_polygons_is_changed_later(scene: Scene, samples: Samples) -> None:
    without_masks(scene)
    labels = np.zeros((11, 9, 1), np.uint8)
    labels[2:5, 1:3] = 1
    dataset = scene.open()
    item = dataset.put(
        samples.case("drawn", Kind.PICTURE, annotations=[cf.Mask.of_array("picture", labels, {1: "a"}, np.eye(4))])
    )
    (before,) = item.case().annotations
    other = np.roll(labels, 3, axis=0)
    changed = cf.Mask.of_array("picture", other, {1: "a"}, np.eye(4), id=before.id)
    new = cf.Mask.of_array("picture", labels, {1: "b"}, np.eye(4))
    after = dataset.annotate(item, [changed, new], replace=True).case()
    found = {next(iter(each.labels.values())): each for each in after.annotations if isinstance(each, cf.Mask)}
    np.testing.assert_array_equal(aligned(found["a"], after.images[0]) > 0, other > 0)
    np.testing.assert_array_equal(aligned(found["b"], after.images[0]) > 0, labels > 0)


@settings(deadline=None, max_examples=40)
@given(
    arrays.arrays(np.uint8, (5, 4, 3), elements=st.integers(0, 2)),
    st.permutations([0, 1, 2]),
    st.tuples(*[st.sampled_from([1.0, -1.0])] * 3),
)
def test_what_a_plan_says_is_lost_is_what_is_lost(
    tmp_path_factory: pytest.TempPathFactory, voxels: np.ndarray[Any, Any], axes: list[int], signs: tuple[float, ...]
) -> None:
    """Nothing: written to four decimals, as exports have positions, polygons on any volume enclose the same voxels."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.array([0.7, 1.3, 2.9]) * signs)[:, axes]
    path = tmp_path_factory.getbasetemp() / "shape.nii"
    nib.save(nib.Nifti1Image(np.zeros(voxels.shape, np.int16), affine), path)
    image = cf.Image("ct", path)
    grid = image.geometry
    assert grid is not None
    mask = cf.Mask.of_array("ct", voxels, {1: "a", 2: "b"}, grid.affine, id="m")
    view = expected_view(image, "0", alone=True)
    assert view is not None
    place = Place("t", "d", 1, Classes(), cf.mapping.Names(), Displays())
    painted = np.zeros_like(voxels)
    drawn = []
    for form in outline_forms(mask, voxels, view, place, Ids(1, "c")):
        row = {"id": form.id, "data": rounded(form.data)}
        one = core_form(row, form.wanted.name, "ct", view, None, Properties())
        drawn.append((one, 1 if form.wanted.name == "a" else 2))
    paint_outlines(painted, drawn)
    np.testing.assert_array_equal(painted, voxels)


def rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


@pytest.mark.peer
def test_the_client_finds_the_same_voxels_and_those_beside(scene: Scene, tmp_path: Path) -> None:
    """darwin-py's own exporter makes a NIfTI of the polygons; it fills pixels that an outline only touches, too."""
    without_masks(scene)
    voxels = np.zeros((7, 6, 5), np.uint8)
    voxels[1:6, 1:5, 2] = 1
    voxels[2:4, 0:3, 1] = 1
    affine = np.diag([2.0, 1.5, 3, 1])
    nib.save(nib.Nifti1Image(np.zeros(voxels.shape, np.int16), affine), tmp_path / "ct.nii.gz")
    image = cf.Image("ct", tmp_path / "ct.nii.gz")
    assert image.geometry is not None
    mask = cf.Mask.of_array("ct", voxels, {1: "vessel"}, image.geometry.affine)
    scene.put(cf.Case("ct", images=[image], annotations=[mask]))
    scene.peer("darwin_read.py", "sandbox", "first")
    (found,) = (tmp_path / "home" / "nifti").rglob("*_vessel.nii.gz")
    theirs = np.asarray(nib.load(found).dataobj) > 0
    assert theirs[voxels > 0].all()
    beside = [np.roll(voxels > 0, step, axis) for axis in (0, 1) for step in (-1, 1)]
    corners = [np.roll(each, step, 1) for each in beside[:2] for step in (-1, 1)]
    assert not (theirs & ~np.logical_or.reduce([voxels > 0, *beside, *corners])).any()
