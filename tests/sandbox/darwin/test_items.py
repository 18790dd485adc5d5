"""Items: listing them, and the verbs that change them."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox_darwin import NOWHERE, Darwin, picture, several, stage_move, upload_body


def test_listing_filters(darwin: Darwin) -> None:
    items = several(darwin)
    a, b, deep, other = (items[key]["id"] for key in list(items)[:4])
    waiting = items["waiting"]["id"]
    dataset, elsewhere = items["sandbox/:a.png"]["dataset_id"], items["other/:b.png"]["dataset_id"]
    darwin.good("POST", "items/archive", {"filters": {"item_ids": [b], "dataset_ids": [dataset]}})
    cases: list[tuple[list[tuple[str, Any]], list[str]]] = [
        ([], [a, b, deep, other, waiting]),
        ([("dataset_ids", elsewhere)], [other]),
        ([("dataset_ids[]", dataset), ("dataset_ids[]", elsewhere)], [a, b, deep, other, waiting]),
        ([("item_names[]", "a.png"), ("dataset_ids[]", dataset)], [a, deep]),
        ([("item_names[]", "a.png"), ("item_paths[]", "x/y"), ("dataset_ids[]", dataset)], [deep]),
        ([("item_ids[]", deep), ("item_ids[]", other), ("item_ids[]", NOWHERE)], [deep, other]),
        ([("statuses[]", "archived")], [b]),
        ([("statuses", "uploading,archived")], [b, waiting]),
        ([("not_statuses[]", "new")], [b, waiting]),
        ([("archived", "false"), ("slot_types[]", "image")], [a, deep, other]),
        ([("item_path_prefix", "/x")], [b, deep]),
        ([("item_name_contains", "A.P")], [a, deep]),
        ([("item_name_prefix", "w")], [waiting]),
        ([("has_comments", "true")], []),
    ]
    for query, wanted in cases:
        assert [item["id"] for item in darwin.listed(**group(query))] == wanted, query
    for query in ("page[size]=0", "dataset_ids[]=x", "item_nmaes[]=a.png", "page[from]=nonsense", "sort[nothing]=asc"):
        assert darwin.refused("GET", f"items?{query}"), query


def group(query: list[tuple[str, Any]]) -> dict[str, list[Any]]:
    grouped: dict[str, list[Any]] = {}
    for name, value in query:
        grouped.setdefault(name, []).append(value)
    return grouped


def test_listing_pages(darwin: Darwin) -> None:
    made = darwin.good("POST", "items/register_upload", upload_body(*({"name": f"{n}.png"} for n in range(7))))
    ids = [item["id"] for item in made["items"]]
    for sort, wanted in (({}, ids), ({"sort[name]": "desc"}, ids[::-1])):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        for _ in range(5):
            page = darwin.good("GET", "items", params={"page[size]": 3, **sort, **cursor})
            seen += [item["id"] for item in page["items"]]
            if not page["page"]["next"]:
                break
            cursor = {"page[from]": page["page"]["next"]}
        assert seen == wanted
        assert page["page"]["count"] == 7
    assert darwin.good("GET", "items", params={"page[size]": 7})["page"]["next"] is None
    assert [i["id"] for i in darwin.listed(**{"page[offset]": 5})] == ids[5:]
    darwin.good("DELETE", "items", {"filters": {"item_ids": ids[2:3]}})
    after = darwin.listed(**{"page[from]": ids[2]})
    assert [item["id"] for item in after] == ids[3:], "a cursor holds when its item is gone"
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    "filters", [None, {}, {"dataset_ids": [1]}, {"item_ids": []}, {"item_ids": ["x"], "surplus": [1]}]
)
def test_nothing_is_changed_by_filters_that_mean_everything(darwin: Darwin, filters: Any) -> None:
    darwin.upload(picture(), "a.png")
    for method, path in (("DELETE", "items"), ("POST", "items/archive"), ("POST", "items/restore")):
        assert darwin.refused(method, path, {"filters": filters} if filters is not None else {})
    assert darwin.standin.item("sandbox", "/a.png")["archived"] is False


def test_verbs(darwin: Darwin) -> None:
    items = several(darwin)
    a, b = items["sandbox/:a.png"]["id"], items["sandbox/x:b.png"]["id"]
    waiting = items["waiting"]["id"]
    meant = {"filters": {"item_ids": [a]}}
    assert darwin.good("POST", "items/path", meant | {"path": "z"}) == {"affected_item_count": 1}
    assert darwin.standin.item("sandbox", "/z/a.png")["id"] == a
    assert darwin.register("a.png"), "the place that it left is free"
    assert darwin.refused("POST", "items/path", {"filters": {"item_ids": [a]}, "path": "/x/y"})
    darwin.good("POST", "items/priority", meant | {"priority": 7})
    layout = {"version": 1, "type": "simple", "slots": ["0"]}
    darwin.good("POST", "items/layout", meant | {"layout": layout})
    assert darwin.refused("POST", "items/layout", meant | {"layout": layout | {"slots": ["9"]}})
    member = darwin.good("GET", "/api/memberships")[0]["user_id"]
    move = stage_move(darwin, "review")
    darwin.good("POST", "items/assign", meant | {"assignee_id": member, "workflow_id": move["workflow_id"]})
    moved = darwin.good("POST", "items/stage", move | {"filters": {"item_ids": [a, waiting]}})
    assert moved == {"created_commands": 1}, "an item that is not processed stays where it is"
    item = darwin.good("GET", f"items/{a}")
    assert (item["status"], item["priority"], item["layout"]) == ("review", 7, layout)
    assert item["workflow_data"]["workflow_id"] == move["workflow_id"]
    assert "workflow_data" not in darwin.good("GET", f"items/{b}")
    tag = next(c for c in darwin.standin.state["classes"].values() if c["name"] == "tag")
    darwin.good("POST", "items/slots/tags", meant | {"annotation_class_id": tag["id"]})
    assert [i["id"] for i in darwin.listed(**{"annotation_class_ids[]": tag["id"]})] == [a]
    assert [i["id"] for i in darwin.listed(**{"assignees[]": member})] == [a]
    darwin.good("DELETE", "items/slots/tags", meant | {"annotation_class_id": tag["id"]})
    assert darwin.standin.annotations(a) == []
    assert darwin.good("GET", "items/list_ids", params={"item_ids[]": a}) == {"item_ids": [a]}
    folders = darwin.good("GET", "items/folders", params={"dataset_ids": item["dataset_id"]})["folders"]
    assert [folder["path"] for folder in folders] == ["/", "/w", "/x", "/x/y", "/z"]
    counts = darwin.good("GET", "items/status_counts", params={"dataset_ids": item["dataset_id"]})["simple_counts"]
    assert {"status": "review", "item_count": 1} in counts


def test_workflows_can_be_taken_from_their_datasets(darwin: Darwin) -> None:
    (workflow,) = darwin.good("GET", "workflows", params={"worker": "false"})
    assert workflow["dataset"]["name"] == "Sandbox"
    for stage in workflow["stages"]:
        if stage["type"] == "dataset":
            stage["config"]["dataset_id"] = None
    path = f"workflows/{workflow['id']}"
    changed = darwin.good("PUT", path, {"name": "Loose", "stages": workflow["stages"]})
    assert (changed["name"], changed["dataset"]) == ("Loose", None)
    assert darwin.good("GET", "/api/datasets")[0]["workflow_ids"] == []
    assert darwin.call("DELETE", path).status_code == 204
    assert darwin.refused("GET", path, status=404)
