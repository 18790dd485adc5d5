"""Annotations of an item change, and what people drew beside them stays as it is, pixel for pixel."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry.shapes import run_lengths, runs_to_plane
from darwin_scene import LOOKUPS, flat
from ledger_check import Lookup, compare

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene

SIZE = (11, 9)
"""Columns and rows of the picture."""

PEOPLES = "22222222-2222-4222-8222-222222222222"

READING = (
    Lookup("GET", "/api/v2/teams/[^/]+/(uploads|items)/.*", (), "what the case holds already"),
    Lookup("GET", "/api/(teams/[^/]+/annotation_classes|annotation_types)", (), "classes that people have made since"),
    Lookup("GET", "/api/(v2/teams/[^/]+/properties|datasets/[^/]+/attributes)", (), "and what may be said of them"),
)


def spot(name: str, columns: slice, rows: slice) -> cf.Mask:
    labels = np.zeros((*SIZE, 1), np.uint8)
    labels[columns, rows] = 1
    return cf.Mask.of_array("picture", labels, {1: "spot"}, np.eye(4), id=name)


def layer(scene: Scene, item: cf.Item) -> tuple[Any, np.ndarray[Any, Any]]:
    """The layer of the item's pixels as the platform keeps it."""
    rows = scene.standin.state["annotations"][item.id].values()
    content = next(row["data"]["raster_layer"] for row in rows if "raster_layer" in row["data"])
    return content, runs_to_plane(content["dense_rle"], SIZE)


def draw(scene: Scene, item: cf.Item) -> None:
    """Draw in the same layer as people do in the editor."""
    rows = scene.standin.state["annotations"][item.id]
    (mask,) = (row for row in rows.values() if "mask" in row["data"])
    content, plane = layer(scene, item)
    plane[9:11, 7:9] = 77
    content["dense_rle"] = run_lengths(plane)
    content["mask_annotation_ids_mapping"][PEOPLES] = 77
    actors = [{"email": "reader@hospital.example", "role": "annotator"}]
    rows[PEOPLES] = {**mask, "id": PEOPLES, "actors": actors}


def test_masks_change_beside_what_people_drew(scene: Scene, samples: Samples, tmp_path: Path) -> None:
    dataset = scene.open()
    first = spot("first", slice(0, 2), slice(0, 2))
    others = [each for each in flat() if not isinstance(each, cf.Mask)]
    item = dataset.put(samples.case("drawn", Kind.PICTURE, annotations=[first, *others]))
    draw(scene, item)
    name = next(row["name"] for row in scene.standin.state["items"].values())
    shape = {"name": "region by hand", "polygon": {"paths": [[{"x": 1, "y": 2}, {"x": 5, "y": 2}, {"x": 3, "y": 6}]]}}
    document = {"version": "2.0", "item": {"name": name, "path": "/"}, "annotations": [{**shape, "slot_names": ["0"]}]}
    (tmp_path / "by-hand.json").write_text(json.dumps(document))
    before = dict(scene.standin.state["annotations"][item.id])
    options = json.dumps({"append": True, "overwrite": False})
    scene.peer("darwin_import.py", "sandbox", "darwin", options, str(tmp_path / "by-hand.json"))
    (polygon,) = scene.standin.state["annotations"][item.id].keys() - before.keys()
    theirs = {key: dict(scene.standin.state["annotations"][item.id][key]) for key in (polygon, PEOPLES)}
    changed = spot("first", slice(4, 6), slice(0, 3))
    beside, over = spot("second", slice(0, 2), slice(6, 8)), spot("third", slice(8, 11), slice(7, 9))
    start, send = len(scene.sandbox.ledger), dataset.execute

    def execute(plan: cf.Plan) -> Any:
        done = send(plan)
        compare(plan, done.bindings, list(scene.sandbox.ledger)[start:], [*LOOKUPS, *READING], "/api/")
        assert plan.irreversible
        assert [loss.part for loss in plan.losses] == ["mask 'spot'"]
        return done

    dataset.execute = execute  # type: ignore[method-assign]
    dataset.annotate(item, [changed, beside, over], replace=True)

    rows = scene.standin.state["annotations"][item.id]
    for key, row in theirs.items():
        told = {name: row[name] for name in ("data", "annotation_class_id", "context_keys", "actors", "properties")}
        assert {name: rows[key][name] for name in told} == told
    content, plane = layer(scene, item)
    drawn = np.argwhere(plane == content["mask_annotation_ids_mapping"][PEOPLES])
    assert drawn.tolist() == [[9, 7], [9, 8], [10, 7], [10, 8]]
    found = {each.id: each for each in dataset.get(item.id).case().annotations}
    for mask in (changed, beside, over):
        there = found[mask.id]
        assert isinstance(there, cf.Mask)
        np.testing.assert_array_equal(there.voxels(), mask.voxels())
    assert len(found) == 3 + len(others) + 2

    dataset.execute = send  # type: ignore[method-assign]
    dataset.annotate(dataset.get(item.id), remove=["first", "second"])
    content, plane = layer(scene, item)
    assert set(content["mask_annotation_ids_mapping"]) == {PEOPLES}
    assert np.argwhere(plane).tolist() == [[9, 7], [9, 8], [10, 7], [10, 8]]


def test_what_somebody_draws_in_the_same_moment_is_not_overwritten(scene: Scene, samples: Samples) -> None:
    """Everything is looked at once more right before it is sent anew."""
    dataset = scene.open()
    line = cf.Line("picture", [(1, 1), (2, 3)], label="line", id="line")
    item = dataset.put(samples.case("drawn", Kind.PICTURE, annotations=[line, spot("first", slice(0, 2), slice(0, 2))]))
    send, late = dataset._send, [True]

    def sending(call: cf.Call) -> Any:
        if call.name == "look again" and late:
            late.clear()
            draw(scene, item)
        return send(call)

    dataset._send = sending  # type: ignore[method-assign]
    dataset.annotate(item, [replace(line, points=[(1, 1), (5, 5)])], replace=True)
    found = {each.id: each for each in dataset.get(item.id).case().annotations}
    assert found["line"].points == ((1, 1), (5, 5))  # type: ignore[attr-defined]
    assert PEOPLES in found


def test_what_somebody_changes_in_the_same_moment_is_not_replaced(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    line = cf.Line("picture", [(1, 1), (2, 3)], label="line", id="line")
    item = dataset.put(samples.case("drawn", Kind.PICTURE, annotations=[line]))
    (row,) = scene.standin.state["annotations"][item.id].values()
    send = dataset._send

    def sending(call: cf.Call) -> Any:
        if call.name == "look again":
            row["data"] = {"line": {"path": [{"x": 3.0, "y": 3.0}, {"x": 4.0, "y": 4.0}]}}
        return send(call)

    dataset._send = sending  # type: ignore[method-assign]
    with pytest.raises(cf.PlatformError, match="somebody changed an annotation"):
        dataset.annotate(item, [replace(line, points=[(1, 1), (5, 5)])], replace=True)
    (there,) = dataset.get(item.id).case().annotations
    assert there.points == ((3, 3), (4, 4))  # type: ignore[attr-defined]
