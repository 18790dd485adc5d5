"""Attributes are Darwin's properties and attributes of the same name, where its classes have them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import requests

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry_darwin.sandbox import API_KEY, TEAM

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene

PEOPLE = {"annotator": "ada@sandbox.test", "reviewer": "rhea@sandbox.test"}


def make_property(scene: Scene, name: str, kind: str, *words: str, **more: Any) -> dict[str, Any]:
    """A property as V7's end-to-end tests make them."""
    body = {"name": name, "type": kind, "required": False, **more}
    if words:
        body["property_values"] = [{"type": "string", "value": word, "color": "auto"} for word in words]
    answer = requests.post(
        f"{scene.sandbox.variables['DARWIN_BASE_URL']}/api/v2/teams/{TEAM}/properties",
        headers={"Authorization": f"ApiKey {API_KEY}"},
        json=body,
        timeout=30,
    )
    assert answer.ok, answer.text
    made: dict[str, Any] = answer.json()
    return made


def prepared(scene: Scene, kind: str = "bounding_box") -> dict[str, dict[str, Any]]:
    """A class with a property of each type, and with attributes."""
    datasets = [each["id"] for each in scene.standin.state["datasets"].values()]
    held = scene.standin.add_class("lesion", [kind, "text"], attributes=["calcified", "solid"], datasets=datasets)
    number = held["id"]
    return {
        "grade": make_property(scene, "grade", "single_select", "low", "high", annotation_class_id=number),
        "signs": make_property(scene, "signs", "multi_select", "a", "b", "c", annotation_class_id=number),
        "note": make_property(scene, "note", "text", annotation_class_id=number, granularity="annotation"),
        "size": make_property(scene, "size", "text", annotation_class_id=number),
    }


def box(role: str, frame: int | None = None, **attributes: Any) -> cf.Box:
    return cf.Box(role, [(1, 1), (3, 4)], label="lesion", frame=frame, attributes=attributes)


def alone(scene: Scene, item: cf.Item, dataset: Any) -> cf.Annotation:
    """The annotation of an item without its sidecar, as somebody else's is read."""
    row = scene.standin.state["items"][item.id]
    held = [slot["metadata"].pop("caseferry") for slot in row["slots"] if "caseferry" in slot["metadata"]]
    (found,) = dataset.get(item.id).case().annotations
    row["slots"][0]["metadata"]["caseferry"] = held[0]
    return found  # type: ignore[no-any-return]


SAID: dict[str, Any] = {
    "grade": "high",
    "signs": ["c", "a"],
    "note": "seen twice",
    "size": 12.5,
    "calcified": True,
    "text": {"text": "beside"},
}
BESIDE: dict[str, Any] = {"solid": False, "reader": {"level": 3}, "unheard": "of"}


def test_attributes_stand_under_their_names(scene: Scene, samples: Samples) -> None:
    known = prepared(scene)
    dataset = scene.open()
    put = replace(box("picture", **SAID, **BESIDE), author=PEOPLE["annotator"], reviewer=PEOPLE["reviewer"])
    sent = scene.put(samples.case("drawn", Kind.PICTURE, annotations=[put]), dataset)

    (row,) = scene.standin.annotations(sent.item.id)
    ids = {value["value"]: value["id"] for name in ("grade", "signs") for value in known[name]["property_values"]}
    assert row["properties"] == {
        "0": {
            known["grade"]["id"]: [ids["high"]],
            known["signs"]["id"]: [ids["c"], ids["a"]],
            known["size"]["id"]: [{"text": "12.5"}],
        },
        "global": {known["note"]["id"]: [{"text": "seen twice"}]},
    }
    (calcified,) = row["data"]["attributes"]["attributes"]
    held = next(each for each in scene.standin.state["classes"].values() if each["name"] == "lesion")
    assert {each["id"]: each["name"] for each in held["attributes"]}[calcified] == "calcified"
    assert row["actors"] == [{"email": email, "role": role} for role, email in PEOPLE.items()]
    (told,) = [each for each in sent.plan.losses if "box" in each.part]
    assert told.reason == "there is no place for it: attribute 'solid', attribute 'reader', attribute 'unheard'"
    (home,) = sent.item.case().annotations
    assert home == replace(put, id=home.id)
    others = alone(scene, sent.item, dataset)
    assert others.attributes == {**SAID, "size": "12.5"}
    assert (others.author, others.reviewer) == tuple(PEOPLE.values())


def test_what_people_change_counts(scene: Scene, samples: Samples) -> None:
    known = prepared(scene)
    dataset = scene.open()
    item = dataset.put(samples.case("drawn", Kind.PICTURE, annotations=[box("picture", **SAID, **BESIDE)]))
    ((number, row),) = scene.standin.state["annotations"][item.id].items()
    grade, signs = known["grade"], known["signs"]
    row["properties"]["0"][grade["id"]] = [grade["property_values"][0]["id"]]
    row["properties"]["0"][signs["id"]] = []
    row["data"].pop("attributes")

    (home,) = dataset.get(item.id).case().annotations
    expected = {name: value for name, value in SAID.items() if name not in {"signs", "calcified"}} | {"grade": "low"}
    assert home.attributes == expected | BESIDE

    row["data"]["bounding_box"]["w"] = 5.0
    (moved,) = dataset.get(item.id).case().annotations
    assert (moved.id, moved.attributes) == (home.id, home.attributes)
    assert number == row["id"]


def test_attributes_of_a_track_change_at_keyframes(scene: Scene, samples: Samples) -> None:
    known = prepared(scene)
    dataset = scene.open()
    keyframes = [
        box("video", 1, grade="low", signs=["a"], calcified=True, text={"text": "first"}),
        box("video", 3, grade="low", calcified=True, solid=True, text={"text": "first"}),
        box("video", 5, grade="high", text={"text": "last"}, reader="x"),
    ]
    track = cf.Track("video", keyframes, [(1, 6)], attributes={"note": "whole", "size": "9"})
    sent = scene.put(samples.case("clip", Kind.VIDEO, annotations=[track]), dataset)

    (row,) = scene.standin.annotations(sent.item.id)
    words = {v["id"]: v["value"] for name in ("grade", "signs") for v in known[name]["property_values"]}
    names = {each["id"]: name for name, each in known.items()}
    read = {
        frame: {
            names[key]: [words.get(v, v) if isinstance(v, str) else v["text"] for v in chosen]
            for key, chosen in t.items()
        }
        for frame, t in row["properties"].items()
    }
    assert read == {
        "1": {"grade": ["low"], "signs": ["a"], "size": ["9"]},
        "3": {"signs": []},
        "5": {"grade": ["high"]},
        "global": {"note": ["whole"]},
    }
    frames = row["data"]["frames"]
    assert {frame: each.get("text") for frame, each in frames.items()} == {
        "1": {"text": "first"},
        "3": None,
        "5": {"text": "last"},
    }
    assert [len(each["attributes"]["attributes"]) for each in frames.values()] == [1, 2, 0]
    (home,) = sent.item.case().annotations
    assert home == replace(track, id=home.id)
    others = alone(scene, sent.item, dataset)
    assert isinstance(others, cf.Track)
    for frame in range(1, 7):
        mine, theirs = track.at(frame), others.at(frame)
        assert mine is not None
        assert theirs is not None
        assert theirs.attributes == {n: v for n, v in mine.attributes.items() if n != "reader"}, frame


@pytest.mark.parametrize("interpolated", [False, True])
def test_they_change_where_frames_run_backwards(scene: Scene, tmp_path: Path, interpolated: bool) -> None:
    """Darwin shows this volume from its last slice to its first."""
    prepared(scene, "polygon")
    nib.save(nib.Nifti1Image(np.zeros((6, 5, 8), np.int16), np.diag([2.0, 1.5, 3, 1])), tmp_path / "ct.nii.gz")

    def polygon(frame: int, left: float, **attributes: Any) -> cf.Polygon:
        ring = [(left, 0), (left + 2, 0), (left + 2, 2)]
        return cf.Polygon("ct", ring, frame=frame, label="lesion", attributes=attributes)

    keyframes = [polygon(1, 0, grade="low"), polygon(4, 1, grade="high", solid=True), polygon(6, 2)]
    track = cf.Track("ct", keyframes, [(1, 2), (4, 7)], interpolated=interpolated)
    dataset = scene.open()
    case = cf.Case("ct", images=[cf.Image("ct", tmp_path / "ct.nii.gz")], annotations=[track])
    sent = scene.put(case, dataset)
    assert sent.item.case().annotations == (replace(track, id=sent.item.case().annotations[0].id),)
    others = alone(scene, sent.item, dataset)
    assert isinstance(others, cf.Track)
    for frame in range(8):
        mine, theirs = track.at(frame), others.at(frame)
        assert (mine is None) == (theirs is None)
        assert mine is None or theirs is None or mine.attributes == theirs.attributes


def test_people_change_a_property_between_keyframes(scene: Scene, samples: Samples) -> None:
    known = prepared(scene)
    dataset = scene.open()
    track = cf.Track(
        "video", [box("video", 1), box("video", 5)], interpolated=True, attributes={"grade": "low", "k": 1}
    )
    item = dataset.put(samples.case("clip", Kind.VIDEO, annotations=[track]))
    (row,) = scene.standin.annotations(item.id)
    grade = known["grade"]
    scene.standin.state["annotations"][item.id][row["id"]]["properties"]["3"] = {
        grade["id"]: [grade["property_values"][1]["id"]]
    }
    (home,) = dataset.get(item.id).case().annotations
    assert isinstance(home, cf.Track)
    found = [each.attributes for each in home.shapes()]
    assert found == [{"grade": word, "k": 1} for word in ("low", "low", "high", "high", "high")]


def test_masks_have_them_too(scene: Scene, samples: Samples) -> None:
    prepared(scene, "mask")
    dataset = scene.open()
    labels = np.zeros((11, 9, 1), np.uint8)
    labels[2:5, 1:3] = 1
    mask = cf.Mask.of_array("picture", labels, {1: "lesion"}, np.eye(4))
    put = replace(mask, attributes={"grade": "high", "own": 1}, author=PEOPLE["annotator"])
    item = scene.put(samples.case("drawn", Kind.PICTURE, annotations=[put]), dataset).item
    (home,) = item.case().annotations
    assert (home.attributes, home.author) == (put.attributes, put.author)
    others = alone(scene, item, dataset)
    assert (others.attributes, others.author) == ({"grade": "high"}, put.author)


@pytest.mark.parametrize(
    "odd",
    [{"grade": "middle"}, {"signs": ["a", "z"]}, {"signs": [["a"]]}, {"grade": ["low", "high"]}, {"note": ""}],
    ids=str,
)
def test_a_value_that_a_property_cannot_have_stays_beside(scene: Scene, samples: Samples, odd: dict[str, Any]) -> None:
    prepared(scene)
    dataset = scene.open()
    sent = scene.put(samples.case("drawn", Kind.PICTURE, annotations=[box("picture", **odd)]), dataset)
    (row,) = scene.standin.annotations(sent.item.id)
    assert row["properties"] == {}
    assert [each.reason for each in sent.plan.losses] == [f"there is no place for it: attribute {next(iter(odd))!r}"]
    assert [each.attributes for each in sent.item.case().annotations] == [odd]


def test_who_is_not_in_the_team_is_kept_beside(scene: Scene, samples: Samples) -> None:
    put = replace(box("picture"), author="stranger@example.org", reviewer=PEOPLE["reviewer"])
    sent = scene.put(samples.case("drawn", Kind.PICTURE, annotations=[put]))
    (row,) = scene.standin.annotations(sent.item.id)
    assert row["actors"] == [{"email": PEOPLE["reviewer"], "role": "reviewer"}]
    assert "there is no place for it: author" in {each.reason for each in sent.plan.losses}
    assert [each.author for each in sent.item.case().annotations] == ["stranger@example.org"]


def test_what_a_model_said_is_read(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    item = dataset.put(samples.case("drawn", Kind.PICTURE))
    inference = {"confidence": 0.75, "model": {"id": "m1", "name": "segmenter 2", "type": "instance_segmentation"}}
    held = scene.standin.add_class("lesion", ["bounding_box", "inference"])
    shape = {"bounding_box": {"x": 1, "y": 1, "w": 2, "h": 3}, "inference": inference}
    row = {"id": "11111111-1111-4111-8111-111111111111", "annotation_class_id": held["id"], "data": shape}
    scene.bring(item, {"annotations": [{**row, "context_keys": {"slot_names": ["0"]}}], "overwrite": "false"})

    (found,) = dataset.get(item.id).case().annotations
    assert (found.source, found.model, found.confidence) == ("model", "segmenter 2", 0.75)

    copy = dataset.put(samples.case("again", Kind.PICTURE, annotations=[replace(found, image="picture")]))
    (sent,) = scene.standin.annotations(copy.id)
    assert sent["data"]["inference"] == inference
    other = dataset.put(
        samples.case("other", Kind.PICTURE, annotations=[replace(found, image="picture", confidence=0.5)])
    )
    (sent,) = scene.standin.annotations(other.id)
    assert "inference" not in sent["data"]


@pytest.mark.peer
def test_the_client_reads_them_and_its_own_are_read(scene: Scene, samples: Samples, tmp_path: Path) -> None:
    """What is put is what darwin-py reads of a release, and what it imports comes back by name."""
    prepared(scene)
    item_properties(scene)
    dataset = scene.open()
    put = box("picture", grade="high", signs=["a"], note="n", calcified=True)
    values: dict[str, Any] = {"signs": ["b"], "site": "left"}
    dataset.put(samples.case("drawn", Kind.PICTURE, annotations=[put], values=values))
    own = samples.case("theirs", Kind.PICTURE)
    item = dataset.put(own)
    name = scene.standin.state["items"][item.id]["name"]
    rows = [("grade", "low", 0), ("signs", "b", 0), ("signs", "a", 0), ("note", "by hand", "global")]
    drawn = {
        "id": "11111111-1111-4111-8111-111111111111",
        "name": "lesion",
        "bounding_box": {"x": 1, "y": 1, "w": 2, "h": 3},
        "attributes": ["solid"],
        "slot_names": ["0"],
        "properties": [{"name": n, "value": value, "frame_index": frame} for n, value, frame in rows],
        "annotators": [{"email": PEOPLE["annotator"], "full_name": "Ada"}],
    }
    document = {"version": "2.0", "item": {"name": name, "path": "/"}, "annotations": [drawn]}
    (tmp_path / "theirs.json").write_text(json.dumps(document))
    options = json.dumps({"import_annotators": True})
    done = scene.peer("darwin_import.py", "sandbox", "darwin", options, str(tmp_path / "theirs.json"))
    assert done["raised"] is None, done
    (found,) = dataset.get(item.id).case().annotations
    assert {**found.attributes, "signs": sorted(found.attributes["signs"])} == {  # type: ignore[arg-type]
        "grade": "low",
        "signs": ["a", "b"],
        "note": "by hand",
        "solid": True,
    }
    assert found.author == PEOPLE["annotator"]

    read = {row["id"]: row for rows in scene.peer("darwin_read.py", "sandbox", "first").values() for row in rows}
    (mine,) = (row for number, row in read.items() if number != drawn["id"])
    assert [sub["data"] for sub in mine["subs"]] == [["calcified"]]
    assert sorted(mine["properties"], key=str) == [
        ["global", "note", "n"],
        [0, "grade", "high"],
        [0, "signs", "a"],
    ]
    released = {case.id: case for case in dataset.release("first")}
    assert released["drawn"].values == values
    assert [each.attributes for each in released["drawn"].annotations] == [put.attributes]


def item_properties(scene: Scene) -> dict[str, dict[str, Any]]:
    number = next(each["id"] for each in scene.standin.state["datasets"].values())
    more: dict[str, Any] = {"granularity": "item", "dataset_ids": [number]}
    return {
        "site": make_property(scene, "site", "single_select", "left", "right", **more),
        "signs": make_property(scene, "signs", "multi_select", "a", "b", **more),
        "volume": make_property(scene, "volume", "text", **more),
        "elsewhere": make_property(scene, "elsewhere", "text", granularity="item"),
    }


def test_values_of_a_case_are_properties_of_its_item(scene: Scene, samples: Samples) -> None:
    known = item_properties(scene)
    dataset = scene.open()
    given: dict[str, Any] = {
        "site": "left",
        "signs": ["b", "a"],
        "volume": 12.5,
        "elsewhere": "x",
        "unheard": {"of": 1},
    }
    sent = scene.put(samples.case("valued", Kind.PICTURE, values=given), dataset)

    held = scene.standin.state["items"][sent.item.id]["properties"]
    words = {v["id"]: v["value"] for each in known.values() for v in each["property_values"]}
    names = {each["id"]: name for name, each in known.items()}
    told = {names[n]: [words.get(str(e["value"])) or e["value"] for e in entries] for n, entries in held.items()}
    assert told == {"site": ["left"], "signs": ["b", "a"], "volume": [{"text": "12.5"}]}
    kept = {each.part: each.kept for each in sent.plan.held if each.part.startswith("value")}
    assert kept == {f"value {n!r}": "native" if n in told else "sidecar" for n in given}
    assert sent.item.case().values == given
    assert dataset.plan(samples.case("valued", Kind.PICTURE, values=given)).calls == ()

    _, right = (v["id"] for v in known["site"]["property_values"])
    held[known["site"]["id"]][0]["value"] = right
    del held[known["signs"]["id"]]
    home = dataset.get(sent.item.id).case().values
    assert home == {**{n: v for n, v in given.items() if n != "signs"}, "site": "right"}
    for slot in scene.standin.state["items"][sent.item.id]["slots"]:
        slot["metadata"].pop("caseferry")
    assert dataset.get(sent.item.id).case().values == {"site": "right", "volume": "12.5"}


def test_annotations_that_come_later_say_it_too(scene: Scene, samples: Samples) -> None:
    """Without a sidecar what the platform holds exactly may be added; with one, a change of an attribute is sent."""
    known = prepared(scene)
    dataset = scene.open()
    item = dataset.put(samples.case("drawn", Kind.PICTURE))
    sidecars = [slot["metadata"].pop("caseferry") for slot in scene.standin.state["items"][item.id]["slots"]]
    (image,) = dataset.get(item.id).case().images
    exact = replace(box(image.role, grade="low", signs=["a", "b"], calcified=True), author=PEOPLE["annotator"])
    after = dataset.annotate(dataset.get(item.id), [exact]).case().annotations
    assert [(each.attributes, each.author) for each in after] == [(exact.attributes, exact.author)]
    for inexact, named in (({"size": 3}, "size"), ({"unheard": "of"}, "unheard")):
        with pytest.raises(cf.Inexpressible, match=f"attribute '{named}' would be lost"):
            dataset.annotate(dataset.get(item.id), [box(image.role, **inexact)])

    scene.standin.state["items"][item.id]["slots"][0]["metadata"]["caseferry"] = sidecars[0]
    (there,) = dataset.get(item.id).case().annotations
    changed = replace(there, attributes={"grade": "high", "own": 1})
    (home,) = dataset.annotate(dataset.get(item.id), [changed], replace=True).case().annotations
    assert (home.attributes, home.author) == (changed.attributes, exact.author)
    row = next(each for each in scene.standin.annotations(item.id) if "bounding_box" in each["data"])
    high = next(v["id"] for v in known["grade"]["property_values"] if v["value"] == "high")
    assert row["properties"] == {"0": {known["grade"]["id"]: [high]}}


def test_a_mapping_asks_for_properties_to_be_made(scene: Scene, samples: Samples) -> None:
    """A text for each name, with the class or of one that is there, once for all cases; the plan says all of it."""
    held = scene.standin.add_class("lesion", ["bounding_box"])
    dataset = scene.open(mapping={"darwin": {"make_properties": True}})
    line = cf.Line("picture", [(1, 1), (2, 3)], label="new", attributes={"grade": "low"})
    first = [box("picture", grade="low", size=3, odd={"a": 1}), box("picture", grade="high"), line]
    sent = scene.put(samples.case("one", Kind.PICTURE, annotations=first), dataset)
    again = scene.put(samples.case("two", Kind.PICTURE, annotations=[box("picture", grade="x")]), dataset)

    made = scene.standin.state["properties"]
    told = sorted((each["name"], each["type"], each["annotation_class_id"] == held["id"]) for each in made.values())
    assert told == [("grade", "text", False), ("grade", "text", True), ("size", "text", True)]
    assert not [call for call in again.plan.calls if call.target.endswith("/properties")]
    rows = scene.standin.annotations(sent.item.id)
    assert [[each[0]["text"] for each in row["properties"]["0"].values()] for row in rows] == [
        ["low", "3"],
        ["high"],
        ["low"],
    ]
    assert {each.attributes["grade"] for each in sent.item.case().annotations} == {"low", "high"}
    assert "there is no place for it: attribute 'odd'" in {each.reason for each in sent.plan.losses}
    quiet = scene.open(mapping={"darwin": {"make_properties": True}}, unmapped="sidecar")
    plan = quiet.plan(samples.case("q", Kind.PICTURE, annotations=[box("picture", other="x")]))
    assert not [call for call in plan.calls if call.target.endswith("/properties")]
