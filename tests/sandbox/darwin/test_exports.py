"""Exports, and what they hold."""

from __future__ import annotations

import io
import json
import time
import zipfile
from typing import Any

import numpy as np
import requests

from caseferry_darwin.sandbox import API_KEY
from sandbox_darwin import MASK, ORIENTATIONS, READY, RING, Darwin, bring, nifti, note, picture, stage_move


def test_frames_between_keyframes(darwin: Darwin) -> None:
    """Six frames; keyframes on 1 and 4, the range ends before 6."""
    item = darwin.upload(nifti(np.zeros((4, 5, 6), np.uint8), np.diag([1.0, 1, 1, 1])), "v.nii")
    box, mask = darwin.standin.add_class("box", ["bounding_box"]), darwin.standin.add_class("organ", ["mask"])
    frames = {
        "1": {"bounding_box": {"x": 0, "y": 0, "w": 1, "h": 1}, "text": {"text": "a"}, "keyframe": True},
        "4": {"bounding_box": {"x": 3, "y": 0.3, "w": 1, "h": 4}, "keyframe": True},
    }
    drawn_on = {"segments": [[0, 6]], "hidden_areas": [[2, 3]]}
    held = note(mask, {"frames": {"2": {"mask": {}}, "5": {"mask": {}}}, "segments": [[2, 5]]}, id=MASK)
    bring(
        darwin,
        item,
        note(box, {"frames": frames, "interpolated": True, **drawn_on}),
        note(box, {"frames": frames, "interpolated": False, **drawn_on}),
        held,
    )
    moving, still, organ = json.loads(darwin.export().read("v.json"))["annotations"]
    assert list(moving["frames"]) == ["1", "2", "3", "4", "5"]
    assert [moving["frames"][key]["bounding_box"]["x"] for key in moving["frames"]] == [0, 1, 2, 3, 3]
    assert moving["frames"]["2"]["bounding_box"] == {"x": 1, "y": 0.1, "w": 1, "h": 2}
    assert [frame["keyframe"] for frame in moving["frames"].values()] == [True, False, False, True, False]
    assert all(frame["text"] == {"text": "a"} for frame in moving["frames"].values())
    assert moving["hidden_areas"] == [[2, 3]]
    assert (moving["ranges"], moving["interpolated"], moving["interpolate_algorithm"]) == ([[0, 6]], True, "linear-1.1")
    assert [frame["bounding_box"]["x"] for frame in still["frames"].values()] == [0, 0, 0, 3, 3]
    # Of masks only keyframes are exported, and none outside the half-open range.
    assert organ["frames"] == {"2": {"mask": {}, "keyframe": True}}
    assert organ["only_keyframes"] is True


def test_export_says_where_the_volume_lies(darwin: Darwin) -> None:
    affine = ORIENTATIONS["ASR"][0]
    item = darwin.upload(nifti(np.zeros((4, 5, 6), np.uint8), affine), "v.nii")
    document = json.loads(darwin.export().read("v.json"))
    slot = document["item"]["slots"][0]
    listed = item["slots"][0]["metadata"]
    assert slot["metadata"]["affine"] == str(listed["medical"]["affine"])
    assert slot["metadata"]["original_affine"][0] == ["0.0", "0.0", "3.0", "-3.0"]
    assert slot["metadata"]["pixdim"] == "(3.0, 2.0, 1.5)"
    assert slot["metadata"]["primary_plane"] == "SAGITTAL"
    assert (slot["width"], slot["height"], slot["frame_count"], slot["fps"]) == (4, 5, 6, None)
    assert document["item"]["source_info"]["item_id"] == item["id"]
    assert document["item"]["source_info"]["dataset"]["slug"] == "sandbox"


def test_which_items_an_export_holds(darwin: Darwin, scene: dict[str, Any]) -> None:
    done = darwin.upload(picture(), "a.png", "/x")
    darwin.upload(picture(), "b.png")
    darwin.upload(b"", "broken.png")
    darwin.register("waiting.png")
    move = stage_move(darwin, "complete")
    darwin.good("POST", "items/stage", move | {"filters": {"item_ids": [done["id"]]}})
    bring(
        darwin,
        scene["item"],
        note(scene["polygon"], {"polygon": {"path": RING}}),
        note(scene["keypoint"], {"keypoint": {"x": 1, "y": 2}}),
    )

    def names(archive: zipfile.ZipFile) -> list[str]:
        return sorted(name for name in archive.namelist() if not name.startswith("."))

    assert names(darwin.export(filters=None)) == ["a.json"], "without filters complete items alone"
    assert names(darwin.export(filters={})) == ["a-2.json", "a.json", "b.json"]
    assert names(darwin.export(filters={"annotation_class_ids": [scene["polygon"]["id"]]})) == ["a.json"]
    some = darwin.export(annotation_filters={"annotation_class_ids": [scene["keypoint"]["id"]]})
    both = [json.loads(some.read(name)) for name in ("a.json", "a-2.json")]
    assert {document["item"]["path"] for document in both} == {"/", "/x"}
    assert [a["name"] for document in both for a in document["annotations"]] == ["keypoint"]
    darwin.good("POST", "items/archive", {"filters": {"item_ids": [done["id"]]}})
    assert names(darwin.export()) == ["a.json", "b.json"]
    releases = darwin.good("GET", "datasets/sandbox/exports")
    assert [release["version"] for release in releases] == [5, 4, 3, 2, 1]
    assert [release["latest"] for release in releases] == [True, False, False, False, False]
    assert releases[0]["metadata"]["num_images"] == 2
    time.strptime(releases[0]["inserted_at"], "%Y-%m-%dT%H:%M:%SZ")
    assert darwin.refused("POST", "datasets/sandbox/exports", {"name": "x", "format": "cvat"})
    assert darwin.refused("POST", "datasets/sandbox/exports", {"name": "x", "filters": {"surplus": [1]}})
    assert darwin.refused("GET", "datasets/nothing/exports", status=404)


def test_exports_take_time_and_their_links_need_no_key(darwin: Darwin) -> None:
    item = darwin.upload(picture(), "a.png")
    darwin.sandbox.settings.processing = 0.3
    darwin.good("POST", "datasets/sandbox/exports", {"name": "slow", "filters": READY, "include_export_token": True})
    (release,) = darwin.good("GET", "datasets/sandbox/exports")
    assert (release["status"], release["download_url"]) == ("pending", None)
    darwin.sandbox.settle()
    (release,) = darwin.good("GET", "datasets/sandbox/exports")
    assert release["status"] == "complete"
    keyed = requests.get(release["download_url"], headers={"Authorization": f"ApiKey {API_KEY}"}, timeout=10)
    assert keyed.status_code == 400, "object stores refuse a key beside a signature"
    archive = zipfile.ZipFile(io.BytesIO(requests.get(release["download_url"], timeout=10).content))
    url = json.loads(archive.read("a.json"))["item"]["slots"][0]["source_files"][0]["url"]
    assert requests.get(url, timeout=10).content == picture()
    bare = url.partition("?")[0]
    assert requests.get(bare, timeout=10).status_code == 401
    assert darwin.session.get(bare).content == picture()
    part = darwin.session.get(bare, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, picture()[1:4])
    assert item["slots"][0]["upload_id"] in bare


def test_foreign_formats(darwin: Darwin, scene: dict[str, Any]) -> None:
    shapes = [
        note(scene["polygon"], {"polygon": {"path": RING}}),
        note(scene["bounding_box"], {"bounding_box": {"x": 1, "y": 2, "w": 3, "h": 4}}),
    ]
    bring(darwin, scene["item"], *shapes)
    coco = json.loads(darwin.export(format="coco").read("output.json"))
    assert [entry["segmentation"] for entry in coco["annotations"]] == [
        [[1, 1, 6, 1, 6, 5]],
        [[1, 2, 4, 2, 4, 6, 1, 6]],
    ]
    assert [(entry["area"], entry["bbox"]) for entry in coco["annotations"]] == [
        (10.0, [1, 1, 5, 4]),
        (12.0, [1, 2, 3, 4]),
    ]
    assert coco["images"][0]["file_name"] == "a.png"
    assert {entry["id"] for entry in coco["categories"]} == {entry["category_id"] for entry in coco["annotations"]}
    # Known from a real export: the number of a category is the checksum of its name.
    darwin.standin.add_class("test_polygon_basic", ["polygon"])
    bring(darwin, scene["item"], note(list(darwin.standin.state["classes"].values())[-1], {"polygon": {"path": RING}}))
    coco = json.loads(darwin.export(format="coco").read("output.json"))
    assert coco["categories"] == [{"id": 3638723632, "name": "test_polygon_basic", "supercategory": "root"}]
    voc = darwin.export(format="pascalvoc").read("a.xml").decode()
    assert "<filename>a.png</filename>" in voc
    assert "<xmin>1</xmin><ymin>1</ymin><xmax>6</xmax><ymax>5</ymax>" in voc
