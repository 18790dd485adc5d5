"""What lies over an image: heat maps, displacement fields, masks of any size, overlays on a grid of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.errors import InvalidCase
from grand_challenge_scene import volume

if TYPE_CHECKING:
    from pathlib import Path

    from grand_challenge_scene import Scene


def written(folder: Path, name: str, voxels: Any, spacing: tuple[float, ...] = (0.5, 0.75, 2.5)) -> Path:
    """A MetaImage by SimpleITK, which does not lie along the axes."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(spacing)
    image.SetOrigin((-12.5, 30.25, 108.0))
    image.SetDirection((0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1))
    sitk.WriteImage(image, str(folder / name))
    return folder / name


def ct(scene: Scene) -> cf.Image:
    return cf.Image("ct", written(scene.folder, "ct.mha", volume()))


def mapped(scene: Scene, **tables: dict[str, str]) -> Any:
    return scene.open(mapping={"grand-challenge": tables})


def test_a_heat_map_on_a_grid_of_its_own(scene: Scene) -> None:
    """Its values are no whole numbers, and some are none: every bit of them is kept."""
    heat = np.linspace(-1.5, 2.25, 24, dtype=np.float32).reshape(2, 3, 4)
    heat[0, 0, :2] = np.nan, -np.inf
    path = written(scene.folder, "heat.mha", heat, (1.0, 1.5, 5.0))
    archive = mapped(scene, images={"heat": "heat-map", "ct": "ct-image"})
    scene.put(cf.Case(id="one", images=[ct(scene), cf.Image("heat", path)]), archive)
    there = sitk.ReadImage(scene.downloaded()["one"]["heat-map"]["files"][0])
    np.testing.assert_array_equal(sitk.GetArrayFromImage(there), heat)
    assert there.GetPixelID() == sitk.sitkFloat32
    np.testing.assert_allclose(there.GetSpacing(), (1.0, 1.5, 5.0))
    np.testing.assert_allclose(there.GetDirection(), (0.8, -0.6, 0, 0.6, 0.8, 0, 0, 0, 1), atol=1e-9)
    back = next(archive.items()).case()
    np.testing.assert_array_equal(back.image("heat").voxels(), heat.T)
    assert back.image("ct").geometry.shape == (7, 5, 4)


class TestDisplacementFields:
    def field(self, scene: Scene) -> tuple[Path, Any]:
        parts = [(volume() * scale).astype(np.float32) for scale in (0.5, -1.25, 2.0)]
        joined = sitk.JoinSeries([sitk.GetImageFromArray(part) for part in parts])
        sitk.WriteImage(joined, str(scene.folder / "field.mha"))
        return scene.folder / "field.mha", np.stack(parts)

    def test_are_put_and_filled(self, scene: Scene) -> None:
        path, voxels = self.field(scene)
        archive = mapped(scene, images={"field": "displacement-field"})
        item = archive.put(cf.Case(id="one", images=[cf.Image("field", path)]))
        there = sitk.ReadImage(scene.downloaded()["one"]["displacement-field"]["files"][0])
        np.testing.assert_array_equal(sitk.GetArrayFromImage(there), voxels)
        np.testing.assert_array_equal(item.case().image("field").voxels(), voxels.T)
        plan = archive.plan_fill(item, {"displacement-field": cf.Image("field", path)})
        assert any("'displacement-field'" in text for text in plan.irreversible)
        plan.release()

    def test_what_is_none_is_refused_beforehand(self, scene: Scene) -> None:
        """The platform would only find out when the item is there for ever."""
        archive = mapped(scene, images={"ct": "displacement-field"})
        scene.sandbox.ledger.clear()
        with pytest.raises(InvalidCase, match="takes a volume of 3 frames, one for each direction"):
            archive.put(cf.Case(id="one", images=[ct(scene)]))
        assert not [entry for entry in scene.sandbox.ledger if entry.method != "GET"]


class TestMasks:
    @pytest.mark.parametrize("socket", ["heat-map", "mr-image", "generic-overlay"])
    @pytest.mark.parametrize("value", [7, 300])
    def test_in_sockets_that_take_any_values(self, scene: Scene, socket: str, value: int) -> None:
        labels = np.zeros((4, 5, 7), np.uint16)
        labels[1, 2, 3:5] = value
        mask = cf.Mask("ct", written(scene.folder, "mask.nrrd", labels), {value: "lesion"})
        archive = mapped(scene, labels={"lesion": socket}, images={"ct": "ct-image"})
        item = archive.put(cf.Case(id="one", images=[ct(scene)], annotations=[mask]))
        (back,) = item.case().annotations
        assert isinstance(back, cf.Mask)
        assert back.labels == {value: "lesion"}
        np.testing.assert_array_equal(back.voxels(), labels.T)
        assert socket in {each["socket"]["slug"] for each in item.native["values"]}

    def test_with_values_that_a_segmentation_cannot_hold_go_beside(self, scene: Scene) -> None:
        labels = np.zeros((4, 5, 7), np.uint16)
        labels[1, 2, 3:5] = 300
        mask = cf.Mask("ct", written(scene.folder, "mask.nrrd", labels), {300: "scar"})
        archive = mapped(scene, labels={"scar": "lesion-segmentation"}, images={"ct": "ct-image"})
        case = cf.Case(id="one", images=[ct(scene)], annotations=[mask])
        (loss,) = [loss for loss in archive.plan(case).losses if loss.part.startswith("mask")]
        assert (loss.kept, "takes the voxel values [1]" in loss.reason) == ("sidecar", True)
        (back,) = archive.put(case).case().annotations
        assert isinstance(back, cf.Mask)
        np.testing.assert_array_equal(back.voxels(), labels.T)

    def test_of_others_that_lie_on_no_image_are_images(self, scene: Scene) -> None:
        """A segmentation on another grid is no mask of the image, and is not lost."""
        archive = mapped(scene, images={"ct": "ct-image"})
        item = archive.put(cf.Case(id="one", images=[ct(scene)]))
        other = np.ones((2, 3, 4), np.uint8)
        path = written(scene.folder, "other.mha", other, (1.0, 1.5, 5.0))
        case = archive.fill(item, {"lung-segmentation": cf.Image("m", path)}).case()
        assert case.annotations == ()
        np.testing.assert_array_equal(case.image("lung-segmentation").voxels(), other.T)
