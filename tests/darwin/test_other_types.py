"""Types that core has no kind for, drawn by people on Darwin: kept whole wherever the case goes; and ellipses."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

import caseferry as cf
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene

BOX = {"x": 1, "y": 2, "w": 3, "h": 4}
NODE = {"name": "1", "x": 2.5, "y": 3, "occluded": True}
TYPES: dict[str, dict[str, Any]] = {
    "skeleton": {"nodes": [NODE, {**NODE, "name": "2", "x": 4}]},
    "eye": {"nodes": [NODE]},
    "cuboid": {"front": BOX, "back": {**BOX, "x": 2}},
    "table": {"bounding_box": BOX, "cells": [{"row": 0, "col": 1, "bounding_box": BOX}]},
    "simple_table": {"bounding_box": BOX, "col_offsets": [0.5], "row_offsets": [0.25, 0.5]},
    "string": {"sources": [{"id": "a", "ranges": None}]},
    "graph": {"nodes": [{"id": "a", "name": "one"}], "edges": []},
    "link": {"from": "a", "to": "b"},
}


def rows(scene: Scene, item: cf.Item) -> dict[str, Any]:
    """What stands on the platform itself, by class."""
    names = {row["id"]: row["name"] for row in scene.standin.state["classes"].values()}
    table = scene.standin.state["annotations"].get(item.id, {})
    return {names[row["annotation_class_id"]]: row["data"] for row in table.values()}


def test_types_without_a_kind_are_kept_whole_and_drawn_again(scene: Scene, samples: Samples, tmp_path: Path) -> None:
    dataset = scene.open()
    item = dataset.put(samples.case("drawn on", Kind.PICTURE))
    scene.draw(item, {kind: {kind: data, "text": {"text": "said"}} for kind, data in TYPES.items()})
    with cf.connect(f"local:{tmp_path / 'taken'}") as taken:
        assert cf.transfer(dataset, taken, unmapped="accept").ok
        scene.standin.add_dataset("back")
        with scene.open("back") as back:
            assert cf.transfer(taken, back, unmapped="accept").ok
            for place in (dataset, taken, back):
                (there,) = place.items()
                found = {each.label: each for each in there.case().annotations}
                assert found.keys() == {f"a {kind}" for kind in TYPES}
                for kind, data in TYPES.items():
                    raw = found[f"a {kind}"]
                    assert isinstance(raw, cf.Raw)
                    assert (raw.image, raw.platform) == ("picture", "darwin")
                    assert isinstance(raw.payload, dict)
                    assert raw.payload["data"] == {kind: data, "text": {"text": "said"}}
            (copied,) = back.items()
            assert rows(scene, copied) == rows(scene, item)


@pytest.mark.parametrize("steps", [(0.5, 0.5, 2.0), (0.5, 2.0, 3.0)])
def test_an_ellipse_on_a_volume_is_one_in_millimetres(scene: Scene, steps: tuple[float, float, float]) -> None:
    """Its half axes of 3 mm and 1.5 mm lie askew in voxels that are not square; all of it stays within the ellipse."""
    content = nib.Nifti1Image(np.zeros((16, 14, 5), np.int16), np.diag([*steps, 1.0])).to_bytes()
    dataset = scene.open()
    item = dataset.put(cf.Case("ct", images=[cf.Image("ct", FileRef.of_bytes(content, "ct.nii"))]))
    ellipse = {"angle": 0.6, "center": {"x": 3.5, "y": 5}, "radius": {"x": 3, "y": 1.5}}
    frame = {"ellipse": ellipse, "keyframe": True}
    scene.draw(item, {"ellipse": {"frames": {"1": frame}, "segments": [[1, 2]], "interpolated": False}})

    (found,) = dataset.get(item.id).case().annotations

    assert isinstance(found, cf.Ellipse)
    # The volume grows to the right, front and head: LPI has each axis turned round.
    assert found.frame == 5 - 1 - 1
    shown = (np.array([15, 13]) - np.array(found.points)) * steps[:2]
    along = np.array([np.cos(0.6), np.sin(0.6)])
    across = np.array([-along[1], along[0]])
    expected = [(3.5, 5) - 3 * along, (3.5, 5) + 3 * along, (3.5, 5) - 1.5 * across, (3.5, 5) + 1.5 * across]
    np.testing.assert_allclose(shown, expected, atol=1e-6)


def skeleton(scene: Scene, dataset: Any, image: cf.Image) -> cf.Raw:
    """A skeleton that somebody drew on a volume."""
    item = dataset.put(cf.Case("first", images=[image]))
    frames = {"1": {"skeleton": TYPES["skeleton"], "keyframe": True, "attributes": {"attributes": []}}}
    scene.draw(item, {"skeleton": {"frames": frames, "segments": [[1, 3]], "interpolated": True, "hidden_areas": []}})
    (raw,) = dataset.get(item.id).case().annotations
    assert isinstance(raw, cf.Raw)
    return raw


def volume(*diagonal: float) -> cf.Image:
    content = nib.Nifti1Image(np.zeros((16, 14, 5), np.int16), np.diag([*diagonal, 1.0])).to_bytes()
    return cf.Image("image", FileRef.of_bytes(content, "ct.nii"))


def test_what_lies_on_a_volume_is_drawn_again_where_it_is_shown_alike(scene: Scene) -> None:
    dataset = scene.open()
    raw = skeleton(scene, dataset, volume(0.5, 2, 3))

    put = dataset.sealed(cf.Case("second", images=[volume(0.5, 2, 3)], annotations=[raw]))
    item = scene.put(put, dataset).item

    assert rows(scene, item) == {"a skeleton": raw.payload["data"]}  # type: ignore[index,call-overload]
    assert item.case().annotations == put.annotations
    other = cf.Case("third", images=[volume(-0.5, 2, 3)], annotations=[raw])
    (loss,) = dataset.plan(other).losses
    assert (loss.part, loss.reason) == ("raw 'a skeleton'", "it was drawn on an image that was shown in another way")
    assert dataset.put(other).case().annotations == (raw,)


def test_what_somebody_changed_there_counts(scene: Scene) -> None:
    dataset = scene.open()
    raw = skeleton(scene, dataset, volume(0.5, 2, 3))
    item = dataset.put(cf.Case("second", images=[volume(0.5, 2, 3)], annotations=[raw]))
    (row,) = scene.standin.state["annotations"][item.id].values()
    row["data"]["frames"]["1"]["skeleton"]["nodes"][0]["x"] = 3.5

    (found,) = dataset.get(item.id).case().annotations

    assert isinstance(found, cf.Raw)
    assert found.id == raw.id
    assert found.payload["data"] == row["data"]  # type: ignore[index,call-overload]


def test_classes_that_people_must_draw_are_not_made(scene: Scene, samples: Samples) -> None:
    dataset = scene.open(mapping={"darwin": {"labels": {"a skeleton": "bones", "a cuboid": "crate"}}})
    item = dataset.put(samples.case("drawn on", Kind.PICTURE))
    scene.draw(item, {kind: {kind: TYPES[kind]} for kind in ("skeleton", "cuboid")})
    drawn = dataset.get(item.id).case().annotations

    plan = dataset.plan(samples.case("again", Kind.PICTURE, annotations=drawn))

    (loss,) = plan.losses
    assert loss.reason == "the team has no class 'bones' of type skeleton, which people must draw there"
    assert [call.purpose for call in plan.calls if call.target == "annotation_classes"] == [
        "make class 'crate' of type cuboid"
    ]


def test_what_is_of_another_platform_or_broken_stays_in_the_sidecar(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    item = dataset.put(samples.case("drawn on", Kind.PICTURE))
    scene.draw(item, {"table": {"table": TYPES["table"]}})
    (raw,) = dataset.get(item.id).case().annotations
    assert isinstance(raw, cf.Raw)
    assert isinstance(raw.payload, dict)
    numbered = {"table": TYPES["table"], "attributes": {"attributes": ["c6a3"]}}
    reasons = {
        "it is in the form of datamint": replace(raw, platform="datamint"),
        "it is an annotation of Darwin that cannot be drawn from what is known of it": replace(
            raw, payload={**raw.payload, "data": {"frames": [1]}}
        ),
        "its attributes are numbers of the class that it had": replace(raw, payload={**raw.payload, "data": numbered}),
        "it was drawn on an image that was shown in another way": replace(
            raw, payload={name: value for name, value in raw.payload.items() if name != "shown"}
        ),
    }
    for reason, changed in reasons.items():
        case = samples.case(reason, Kind.PICTURE, annotations=[changed])
        assert [loss.reason for loss in dataset.plan(case).losses] == [reason]
        assert dataset.put(case).case().annotations == (changed,)
