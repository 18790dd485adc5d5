"""Classes and properties."""

from __future__ import annotations

import json

from caseferry_darwin.sandbox import TEAM
from sandbox_darwin import NOWHERE, RING, Darwin, bring, make_property, note, picture


def test_classes(darwin: Darwin) -> None:
    classes = f"/api/teams/{TEAM}/annotation_classes"
    seeded = darwin.good("GET", classes, params={"include_tags": "true"})["annotation_classes"]
    assert [entry["name"] for entry in seeded] == ["__raster_layer__", "tag", "mask1", "mask2"]
    untagged = [entry["name"] for entry in darwin.good("GET", classes)["annotation_classes"]]
    assert untagged == ["__raster_layer__", "mask1", "mask2"]
    types = {entry["name"]: entry["id"] for entry in darwin.good("GET", "/api/annotation_types")}
    known = {"tag": 1, "bounding_box": 2, "polygon": 3, "line": 11, "skeleton": 12, "ellipse": 60}
    assert known.items() <= types.items()
    body = {"name": "lesion", "annotation_types": ["mask"], "metadata": {"_color": "auto"}}
    made = darwin.call("POST", classes, body)
    assert made.status_code == 201
    assert made.json()["metadata"]["_color"].startswith("rgba(")
    twin = darwin.call("POST", classes, body)
    assert twin.status_code == 422
    assert "already exists" in twin.text
    darwin.good("POST", classes, body | {"annotation_types": ["polygon"]})
    assert darwin.refused("POST", classes, body | {"name": "x", "annotation_types": ["blob"]})
    assert darwin.refused("POST", classes, body | {"name": "x", "annotation_types": ["skeleton"]})
    assert darwin.refused("PUT", "/api/annotation_classes/999999", {"datasets": []}, status=404)
    number = made.json()["id"]
    assert darwin.call("DELETE", f"/api/annotation_classes/{number}").status_code == 204
    assert darwin.refused("DELETE", f"/api/annotation_classes/{number}", status=404)


def test_attributes_belong_to_classes_of_a_dataset(darwin: Darwin) -> None:
    dataset = darwin.good("GET", "/api/datasets")[0]
    entry = darwin.standin.add_class("cell", ["polygon", "attributes"], datasets=[dataset["id"]], attributes=["round"])
    darwin.standin.add_class("other", ["polygon", "attributes"], attributes=["square"])
    (attribute,) = darwin.good("GET", f"/api/datasets/{dataset['id']}/attributes")
    assert (attribute["class_id"], attribute["name"]) == (entry["id"], "round")
    item = darwin.upload(picture(30, 30), "a.png")
    shape = {"polygon": {"path": RING}, "attributes": {"attributes": [attribute["id"]]}}
    bring(darwin, item, note(entry, shape), note(entry, {"polygon": {"path": RING}, "attributes": {"attributes": []}}))
    one, other = json.loads(darwin.export().read("a.json"))["annotations"]
    assert one["attributes"] == ["round"]
    assert "attributes" not in other


def test_rules_of_properties(darwin: Darwin) -> None:
    entry = darwin.standin.add_class("cell", ["polygon"])
    made = make_property(darwin, "single_select", annotation_class_id=entry["id"])
    assert made["granularity"] == "section"
    value = made["property_values"][0]["id"]
    base = {"name": "child", "type": "text", "annotation_class_id": entry["id"]}
    nested = base | {"parent_property_id": made["id"]}
    good = nested | {"trigger_condition": {"type": "value_match", "property_value_ids": [value]}}
    for bad in (
        base | {"type": "nothing"},
        base | {"annotation_class_id": 999999},
        base | {"property_values": [{"value": "x"}]},
        base | {"granularity": "item"},
        base | {"name": "single_select"},
        good | {"granularity": "annotation"},
        nested | {"trigger_condition": {"type": "value_match", "property_value_ids": [NOWHERE]}},
    ):
        assert darwin.refused("POST", "properties", bad), bad
    child = darwin.good("POST", "properties", good)
    assert darwin.refused("PUT", f"properties/{made['id']}", {"property_values": [{"value": "1"}]})
    grown = darwin.good("PUT", f"properties/{made['id']}", {"property_values": [{"value": "3"}]})
    assert [entry["value"] for entry in grown["property_values"]] == ["1", "2", "3"]
    assert darwin.call("DELETE", f"properties/{made['id']}").status_code == 204
    assert darwin.refused("GET", f"properties/{child['id']}", status=404)


def test_nested_properties_of_items_are_exported_with_their_parents(darwin: Darwin) -> None:
    """Datasets are assigned to the parent alone."""
    (dataset,) = darwin.good("GET", "/api/datasets")
    trigger = {"trigger_condition": {"type": "any_value"}}
    parent = make_property(darwin, "text", granularity="item", dataset_ids=[dataset["id"]])
    nested = {"granularity": "item", "parent_property_id": parent["id"], **trigger}
    make_property(darwin, "single_select", **nested)
    make_property(darwin, "text elsewhere", granularity="item")
    darwin.upload(picture(), "a.png")
    metadata = json.loads(darwin.export().read(".v7/metadata.json"))
    shown = {entry["name"]: entry for entry in metadata["properties"]}
    assert shown.keys() == {"text", "single_select"}
    assert shown["single_select"] | {"parent_name": "text", **trigger} == shown["single_select"]
