"""Annotations that are imported."""

from __future__ import annotations

import json
from typing import Any

from sandbox_darwin import MASK, NOWHERE, RING, Darwin, bring, layer, make_property, note

LAYER = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


def test_append_overwrite_and_the_same_again(darwin: Darwin, scene: dict[str, Any]) -> None:
    item, polygon = scene["item"], scene["polygon"]
    first = note(polygon, {"polygon": {"path": RING}}, id=MASK, actors=[{"email": "a@b.c", "role": "annotator"}])
    bring(darwin, item, first, note(polygon, {"polygon": {"path": RING}}), overwrite=False)
    one, other = darwin.good("GET", f"items/{item['id']}/annotations")
    assert one == {
        "id": MASK,
        "annotation_class_id": polygon["id"],
        "data": {"polygon": {"path": RING}},
        "context_keys": {"slot_names": ["0"]},
        "actors": [{"email": "a@b.c", "role": "annotator"}],
        "properties": {},
        "inserted_at": one["inserted_at"],
        "updated_at": one["updated_at"],
    }
    assert other["id"]
    moved = [{"x": point["x"] + 1, "y": point["y"]} for point in RING]
    bring(darwin, item, first | {"data": {"polygon": {"path": moved}}}, overwrite="false")
    again, _ = darwin.good("GET", f"items/{item['id']}/annotations")
    assert again["data"]["polygon"]["path"] == moved
    assert again["inserted_at"] == one["inserted_at"]
    bring(darwin, item, note(polygon, {"polygon": {"path": RING}}, context_keys={}))
    (left,) = darwin.good("GET", f"items/{item['id']}/annotations")
    assert left["context_keys"] == {"slot_names": ["0"]}
    bring(darwin, item)
    assert darwin.good("GET", f"items/{item['id']}/annotations") == []


def test_imports_that_are_refused(darwin: Darwin, scene: dict[str, Any]) -> None:
    polygon, box, mask, raster = (scene[kind] for kind in ("polygon", "bounding_box", "mask", "raster_layer"))
    video = {"0": {"polygon": {"path": RING}, "keyframe": True}}
    masked = note(mask, {"mask": {}}, id=MASK)
    cases: dict[str, list[dict[str, Any]]] = {
        "unknown class": [note({"id": 999999}, {"tag": {}})],
        "another type": [note(box, {"polygon": {"path": RING}})],
        "the shape of an export": [note(polygon, {"polygon": {"paths": [RING]}})],
        "two points": [note(polygon, {"polygon": {"path": RING[:2]}})],
        "not a number": [note(box, {"bounding_box": {"x": 1, "y": 1, "w": "3", "h": 1}})],
        "half a box": [note(box, {"bounding_box": {"x": 1, "y": 1, "w": 3}})],
        "unknown slot": [note(polygon, {"polygon": {"path": RING}}, context_keys={"slot_names": ["1"]})],
        "no uuid": [note(polygon, {"polygon": {"path": RING}}, id="mine")],
        "unknown role": [note(polygon, {"polygon": {"path": RING}}, actors=[{"email": "a@b.c", "role": "boss"}])],
        "frames without segments": [note(polygon, {"frames": video})],
        "empty segment": [note(polygon, {"frames": video, "segments": [[1, 1]]})],
        "frames that are not there": [note(polygon, {"frames": video, "segments": [[0, 5]]})],
        "odd runs": [masked, note(raster, layer([0, 11, 1]))],
        "runs of another sum": [masked, note(raster, layer([0, 79]))],
        "runs of another size": [masked, note(raster, layer([0, 20], total=20))],
        "value without a mask": [masked, note(raster, layer([0, 11, 2, 3, 0, 66]))],
        "mask that is not sent": [note(raster, layer())],
        "mapping to a polygon": [note(polygon, {"polygon": {"path": RING}}, id=MASK), note(raster, layer())],
        "two layers": [masked, note(raster, layer()), note(raster, layer())],
        "unknown property": [note(polygon, {"polygon": {"path": RING}}, annotation_properties={"0": {NOWHERE: []}})],
    }
    path = f"items/{scene['item']['id']}/import"
    kept = note(polygon, {"polygon": {"path": RING}}, id=LAYER)
    bring(darwin, scene["item"], kept)
    for name, notes in cases.items():
        assert darwin.refused("POST", path, {"annotations": notes, "overwrite": "true"}), name
    assert [a["id"] for a in darwin.standin.annotations(scene["item"]["id"])] == [LAYER], "nothing was half done"
    assert darwin.refused("POST", f"items/{NOWHERE}/import", {"annotations": []}, status=404)
    assert darwin.refused("POST", path, {"annotations": [], "overwrite": "maybe"})


def test_masks_may_come_in_several_pieces(darwin: Darwin, scene: dict[str, Any]) -> None:
    item = scene["item"]
    bring(darwin, item, note(scene["mask"], {"mask": {}}, id=MASK))
    bring(darwin, item, note(scene["raster_layer"], layer(), id=LAYER), overwrite=False)
    assert len(darwin.standin.annotations(item["id"])) == 2
    darwin.standin.switches["strict_frames"] = False
    bring(darwin, item, note(scene["raster_layer"], layer([0, 20], total=20), id=LAYER), overwrite=False)
    document = json.loads(darwin.export().read("a.json"))
    assert document["annotations"][1]["raster_layer"]["total_pixels"] == 20


def test_values_of_properties(darwin: Darwin, scene: dict[str, Any]) -> None:
    dataset = scene["item"]["dataset_id"]
    polygon = {"annotation_class_id": scene["polygon"]["id"]}
    select = make_property(darwin, "multi_select", **polygon)
    whole = make_property(darwin, "text", granularity="annotation", **polygon)
    site = make_property(darwin, "single_select", granularity="item")
    first, second = (value["id"] for value in select["property_values"])
    shape = {"polygon": {"path": RING}}
    path = f"items/{scene['item']['id']}/import"
    for wrong in (
        {"0": {select["id"]: [NOWHERE]}},
        {"global": {select["id"]: [first]}},
        {"None": {select["id"]: [first]}},
        {"global": {whole["id"]: ["x"]}},
    ):
        body = {"annotations": [note(scene["polygon"], shape, annotation_properties=wrong)]}
        assert darwin.refused("POST", path, body), wrong
    value = {"id": site["property_values"][1]["id"]}
    entry = {"property_id": site["id"], "value": value, "actors": []}
    assert darwin.refused("POST", path, {"properties": [entry]}), "the property is not of the dataset"
    darwin.good("PUT", f"properties/{site['id']}", {"dataset_ids": [dataset]})
    several, text = {select["id"]: [first, second]}, {whole["id"]: [{"text": "round"}]}
    for chosen in ({"0": several | text}, {"0": several, "None": text}, {"0": several, "global": text}):
        sent = note(scene["polygon"], shape, annotation_properties=chosen)
        bring(darwin, scene["item"], sent, properties=[entry])
        document = json.loads(darwin.export().read("a.json"))
        assert document["annotations"][0]["properties"] == [
            {"frame_index": 0, "name": "multi_select", "value": "1"},
            {"frame_index": 0, "name": "multi_select", "value": "2"},
            {"frame_index": "global", "name": "text", "value": "round"},
        ]
    state = darwin.good("GET", f"items/{scene['item']['id']}/properties")["properties"]
    assert [(held["name"], held["values"]) for held in state] == [("single_select", [value["id"]])]
    assert document["properties"] == [{"name": "single_select", "value": "2"}]
