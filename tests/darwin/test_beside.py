"""What people wrote beside a shape on Darwin goes there again with it, where its class takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from darwin_scene import Scene

SAID: dict[str, Any] = {
    "text": {"text": "seen twice"},
    "instance_id": {"value": 7},
    "directional_vector": {"angle": 0.5, "length": 3.0},
}
OWN = {"reader": "first", "inference": {"confidence": 0.5}, "attributes": {"attributes": ["c6a3"]}}


def box(role: str, label: str, frame: int | None = None, **more: Any) -> cf.Box:
    return cf.Box(role, [(1, 1), (3, 4)], label=label, frame=frame, **more)


def held(scene: Scene, item: cf.Item) -> list[dict[str, Any]]:
    return [row["data"] for row in scene.standin.state["annotations"][item.id].values()]


def test_a_class_that_is_made_takes_all_that_its_annotations_say(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    new = [box("picture", "a", attributes=SAID | OWN), box("picture", "a", attributes={})]
    item = scene.put(samples.case("drawn", Kind.PICTURE, annotations=new), dataset).item

    assert held(scene, item) == [
        {"bounding_box": {"x": 1, "y": 1, "w": 2, "h": 3}, **SAID},
        {"bounding_box": {"x": 1, "y": 1, "w": 2, "h": 3}},
    ]
    (made,) = [each for each in scene.standin.state["classes"].values() if each["name"] == "a"]
    assert made["annotation_types"] == ["bounding_box", "text", "directional_vector", "instance_id"]
    assert [each.attributes for each in item.case().annotations] == [SAID | OWN, {}]


def test_a_track_says_it_with_its_first_keyframe(scene: Scene, samples: Samples) -> None:
    track = cf.Track("video", [box("video", "a", f) for f in (2, 5)], interpolated=True, attributes=SAID)
    dataset = scene.open()
    item = dataset.put(samples.case("clip", Kind.VIDEO, annotations=[track]))

    (row,) = held(scene, item)
    assert {name: row["frames"]["2"][name] for name in SAID} == SAID
    assert not SAID.keys() & row["frames"]["5"].keys()
    for slot in scene.standin.state["items"][item.id]["slots"]:
        slot["metadata"].pop("caseferry")
    (found,) = dataset.get(item.id).case().annotations
    assert isinstance(found, cf.Track)
    assert found.attributes == SAID
    assert [each.attributes for each in found.keyframes] == [{}, {}]


@pytest.mark.parametrize("takes", [[], ["text"], ["instance_id"]])
def test_what_a_class_does_not_take_stays_in_the_sidecar(scene: Scene, samples: Samples, takes: list[str]) -> None:
    scene.standin.add_class("a", ["bounding_box", *takes])
    dataset = scene.open()
    put = dataset.sealed(samples.case("drawn", Kind.PICTURE, annotations=[box("picture", "a", attributes=SAID)]))

    item = dataset.put(put)

    (row,) = held(scene, item)
    assert {name: value for name, value in row.items() if name != "bounding_box"} == {n: SAID[n] for n in takes}
    assert item.case().annotations == put.annotations


def test_what_is_written_otherwise_is_not_sent(scene: Scene, samples: Samples) -> None:
    odd = {"text": "plain", "instance_id": {"value": 1, "more": 2}, "directional_vector": [1, 2]}
    dataset = scene.open()
    item = dataset.put(samples.case("drawn", Kind.PICTURE, annotations=[box("picture", "a", attributes=odd)]))
    assert [set(row) for row in held(scene, item)] == [{"bounding_box"}]
    assert [each.attributes for each in item.case().annotations] == [odd]
