"""The stand-in judged by darwin-py itself."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from caseferry_darwin.sandbox import TEAM
from sandbox_darwin import (
    EXPORTS,
    ORIENTATIONS,
    Darwin,
    dicom,
    drawn,
    make_property,
    nifti,
    picture,
    stage_move,
    zlib_gzip,
)


@pytest.mark.peer
def test_push_keeps_folders_and_blocks_what_is_there(darwin: Darwin) -> None:
    source = darwin.home / "source"
    files = {"a.png": picture(10, 8), "site one/b.jpg": picture(7, 9, "JPEG"), "site one/deep/c.png": picture(3, 4)}
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)

    done = darwin.peer("darwin_push.py", "sandbox", '{"preserve_folders": true}', str(source))

    assert done == {"pending": [f"/{name}" for name in sorted(files)], "blocked": {}, "errors": []}
    for name, content in files.items():
        item = darwin.standin.item("sandbox", f"/{name}")
        with Image.open(io.BytesIO(content)) as image:
            assert item["slots"][0]["metadata"] == {"width": image.width, "height": image.height}
        original = darwin.call("GET", f"uploads/{item['slots'][0]['upload_id']}")
        assert original.content == content
    puts = darwin.sandbox.ledger.select(method="PUT", origin="store")
    assert len(puts) == 3
    assert not any(entry.credentials for entry in puts)

    (source / "d.png").write_bytes(picture())
    again = darwin.peer("darwin_push.py", "sandbox", '{"preserve_folders": true}', str(source))
    assert again["pending"] == ["/d.png"]
    assert again["blocked"] == {f"/{name}": ["ALREADY_EXISTS"] for name in files}


@pytest.mark.peer
def test_push_merges_folders_into_items(darwin: Darwin) -> None:
    pair, series = darwin.home / "pair", darwin.home / "head"
    for folder, files in (
        (pair, {"l.png": picture(seed=1), "r.png": picture(seed=2)}),
        # Instance numbers run against file names and positions against both.
        (series, {f"{n}.dcm": dicom(9 - n, (1.0, 2.0, 30.0 + 2.5 * n)) for n in range(4)}),
    ):
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)

    for mode, slug in (("slots", "sandbox"), ("channels", darwin.standin.add_dataset("Channels")["slug"])):
        done = darwin.peer("darwin_push.py", slug, json.dumps({"item_merge_mode": mode}), str(pair))
        assert done["errors"] == []
        assert done["blocked"] == {}
    done = darwin.peer("darwin_push.py", "sandbox", '{"item_merge_mode": "series"}', str(series))
    assert done == {"pending": ["/head"], "blocked": {}, "errors": []}

    slots = darwin.standin.item("sandbox", "/pair")
    assert slots["layout"] == {"version": 3, "slots_grid": [[["0"]], [["1"]]]}
    assert [(s["slot_name"], s["file_name"]) for s in slots["slots"]] == [("0", "l.png"), ("1", "r.png")]
    channels = darwin.standin.item("channels", "/pair")
    assert channels["layout"] == {"version": 3, "slots_grid": [[["l.png", "r.png"]]]}
    assert channels["slot_types"] == ["image", "image"]
    head = darwin.standin.item("sandbox", "/head")
    assert head["layout"] == {"slots": ["0"], "type": "simple", "version": 1}
    (slot,) = head["slots"]
    assert (slot["file_name"], slot["type"], slot["total_sections"]) == ("head.dcm", "dicom", 4)
    assert slot["metadata"]["medical"]["shape"] == [1, 6, 5, 4]
    assert slot["metadata"]["medical"]["handler"] == "MONAI"
    # Sorted by InstanceNumber the stack begins with 3.dcm, the highest position, and goes down.
    original = np.array(slot["metadata"]["medical"]["original_affine"])
    np.testing.assert_allclose(original, [[-0.5, 0, 0, -1], [0, -0.7, 0, -2], [0, 0, -2.5, 37.5], [0, 0, 0, 1]])


@pytest.mark.peer
def test_command_line_from_create_to_pull(darwin: Darwin) -> None:
    """What the client pulls equals, field for field, an export of the real platform that it imported before."""
    expected = json.loads((EXPORTS / "image_1.json").read_text())
    source = darwin.home / "source"
    source.mkdir()
    (source / "image_1.jpg").write_bytes(picture(1920, 1080, "JPEG"))

    assert "has been created" in darwin.cli("dataset", "create", "line")
    assert "1 files have been successfully uploaded" in darwin.cli("dataset", "push", "line", str(source))
    assert "line" in darwin.cli("dataset", "remote")
    listed = darwin.cli("dataset", "files", "line")
    assert "image_1.jpg" in listed
    assert "new" in listed

    prepare_classes(darwin, expected)
    command = ("dataset", "import", "line", "darwin", str(EXPORTS / "image_1.json"))
    assert "Errors importing" not in darwin.cli(*command, "--yes")
    refused = darwin.peer("darwin_cli.py", "n", *command)
    assert "annotations that will be overwritten" in refused["out"]
    assert "item-level properties that will be overwritten" in refused["out"]

    classes = darwin.good("GET", f"/api/teams/{TEAM}/annotation_classes", params={"include_tags": "true"})
    numbers = [str(entry["id"]) for entry in classes["annotation_classes"]]
    assert "successfully exported" in darwin.cli("dataset", "export", "line", "first", "--class-ids", *numbers)
    assert "line:first" in darwin.cli("dataset", "releases", "line")
    darwin.cli("dataset", "pull", "line:first")

    pulled = darwin.home / ".darwin" / "datasets" / TEAM / "line"
    assert (pulled / "images" / "image_1.jpg").read_bytes() == (source / "image_1.jpg").read_bytes()
    found = json.loads((pulled / "releases" / "first" / "annotations" / "image_1.json").read_text())
    assert tidy(found["annotations"]) == tidy(expected["annotations"])
    assert sorted(found["properties"], key=str) == sorted(expected["properties"], key=str)
    slot, wanted = found["item"]["slots"][0], expected["item"]["slots"][0]
    assert {n: slot[n] for n in ("type", "slot_name", "width", "height")} == {
        n: wanted[n] for n in ("type", "slot_name", "width", "height")
    }
    assert slot.keys() == wanted.keys()
    darwin.cli("dataset", "remove", "line", answer="y")
    gone = darwin.peer("darwin_cli.py", "n", "dataset", "files", "line")
    assert gone["code"] == 1
    assert "No dataset with" in gone["out"]


def prepare_classes(darwin: Darwin, document: dict[str, Any]) -> None:
    """Make the classes and properties that an exported document speaks of."""
    dataset = darwin.standin.add_dataset("Elsewhere")
    for annotation in document["annotations"]:
        frame = next(iter(annotation["frames"].values())) if "frames" in annotation else annotation
        kinds = ["polygon", "bounding_box", "ellipse", "keypoint", "line", "skeleton", "tag", "mask"]
        kind = next((kind for kind in kinds if kind in frame), None)
        if kind is None:
            continue
        subs = ["text", "instance_id", "directional_vector"]
        entry = darwin.standin.add_class(annotation["name"], [kind, *subs])
        for name in sorted({value["name"] for value in annotation["properties"]}):
            make_property(darwin, name, annotation_class_id=entry["id"], granularity="section")
    for name in sorted({value["name"] for value in document["properties"]}):
        make_property(darwin, name, granularity="item", dataset_ids=[dataset["id"]])


def tidy(annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Annotations in one order, and their properties too: the client keeps values in a set."""
    return sorted(
        ({**a, "properties": sorted(a["properties"], key=str)} for a in annotations), key=lambda a: str(a["id"])
    )


@pytest.mark.peer
def test_frames_of_a_video_come_back_as_the_platform_exports_them(darwin: Darwin) -> None:
    expected = json.loads((EXPORTS / "small_video.json").read_text())
    darwin.standin.put_object("sandbox-readonly", "videos/small_video.mp4", b"not looked at")
    sections = [
        {
            "section_index": n,
            "width": 1920,
            "height": 1080,
            "storage_hq_key": f"hq/{n}.jpg",
            "storage_lq_key": f"lq/{n}.jpg",
        }
        for n in range(1, 11)
    ]
    item = {
        "path": "/",
        "name": "small_video.mp4",
        "type": "video",
        "storage_key": "videos/small_video.mp4",
        "storage_thumbnail_key": "videos/small_thumbnail.jpg",
        "sections": sections,
    }
    body = {"items": [item], "dataset_slug": "sandbox", "storage_slug": "sandbox-readonly"}
    darwin.good("POST", "items/register_existing_readonly", body)
    prepare_classes(darwin, expected)

    options = json.dumps({"import_annotators": True})
    done = darwin.peer("darwin_import.py", "sandbox", "darwin", options, str(EXPORTS / "small_video.json"))
    assert done["raised"] is None
    assert "Errors importing" not in done["said"]
    darwin.good("POST", "items/stage", stage_move(darwin, "complete"))
    release = darwin.peer("darwin_release.py", "sandbox", "first", "{}")

    assert {name: release[name] for name in ("status", "latest", "format", "items")} == {
        "status": "complete",
        "latest": True,
        "format": "darwin_json_2",
        "items": 1,
    }
    assert release["files"]["images/small_video.mp4"] == hashlib.sha256(b"not looked at").hexdigest()
    pulled = darwin.home / "pulled" / TEAM / "sandbox" / "releases" / "first" / "annotations" / "small_video.json"
    found = json.loads(pulled.read_text())
    for one, other in zip(tidy(found["annotations"]), tidy(expected["annotations"]), strict=True):
        # darwin-py rounds boxes to three decimals when it reads them.
        assert rounded(one) == rounded(other), one["name"]
    slot, wanted = found["item"]["slots"][0], expected["item"]["slots"][0]
    assert slot.keys() == wanted.keys()
    assert (slot["fps"], slot["frame_count"], len(slot["frame_urls"])) == (1, 10, 10)


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 2)
    if isinstance(value, dict):
        return {name: rounded(entry) for name, entry in value.items() if name != "global_sub_types"}
    return [rounded(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.peer
@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_voxels_land_where_the_client_puts_them_and_come_home(darwin: Darwin, codes: str) -> None:
    """A label volume goes in through the client's NIfTI importer and out through its exporter."""
    affine, plane = ORIENTATIONS[codes]
    labels = np.random.default_rng(3).integers(0, 3, (4, 5, 6)).astype(np.uint8)
    turned = nib.Nifti1Image(labels, affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(("L", "P", "I"))
        )
    )
    shown = np.asarray(turned.dataobj)
    frame_axis = {"SAGITTAL": 0, "CORONAL": 1, "AXIAL": 2}[plane]
    # The client leaves the last frame out of the range that it sends, so nothing may be on it.
    last = [slice(None)] * 3
    last[frame_axis] = slice(-1, None)
    shown[tuple(last)] = 0
    # The importer reads masks in slices of its first two axes, frames along the plane's axis.
    back = nib.Nifti1Image(shown, turned.affine).as_reoriented(
        nib.orientations.ornt_transform(
            nib.orientations.axcodes2ornt(("L", "P", "I")), nib.orientations.io_orientation(affine)
        )
    )
    label = darwin.home / "label.nii.gz"
    nib.save(back, label)
    darwin.upload(nifti(np.zeros((4, 5, 6), np.int16), affine), "ct.nii")
    plan = darwin.home / "plan.json"
    entry = {"image": "/ct.nii", "label": str(label), "class_map": {"1": "liver", "2": "lesion"}, "mode": "mask"}
    plan.write_text(json.dumps({"data": [entry | {"slot_names": ["0"]}]}))

    done = darwin.peer("darwin_import.py", "sandbox", "nifti", "{}", str(plan))

    assert done["raised"] is None, done
    assert "Errors importing" not in done["said"], done
    item = darwin.standin.item("sandbox", "/ct.nii")
    metadata = item["slots"][0]["metadata"]
    np.testing.assert_allclose(metadata["medical"]["affine"], turned.affine)
    np.testing.assert_allclose(metadata["medical"]["original_affine"], affine)
    assert metadata["medical"]["plane_map"] == {"0": plane}
    assert metadata["medical"]["shape"] == [1, *shown.shape]
    raster = next(a for a in darwin.standin.annotations(item["id"]) if "raster_layer" in str(a["data"]))
    for key, frame in raster["data"]["frames"].items():
        expected = np.take(shown, int(key), axis=frame_axis).T
        np.testing.assert_array_equal(drawn(frame["raster_layer"], metadata["width"]), expected)

    darwin.good("POST", "items/stage", stage_move(darwin, "complete"))
    darwin.peer("darwin_release.py", "sandbox", "first", "{}")
    exported = darwin.home / "pulled" / TEAM / "sandbox" / "releases" / "first" / "annotations" / "ct.json"
    out = darwin.home / "out"
    darwin.cli("convert", "nifti", str(exported), str(out))
    for value, name in ((1, "liver"), (2, "lesion")):
        (found,) = out.rglob(f"*{name}_m.nii.gz")
        image = nib.load(found)
        np.testing.assert_array_equal(np.asarray(image.dataobj) > 0, np.asarray(back.dataobj) == value)
        np.testing.assert_allclose(image.affine, affine)


@pytest.mark.peer
def test_views_of_a_volume_take_polygons_in_millimetres(darwin: Darwin) -> None:
    affine = ORIENTATIONS["RAS"][0]
    labels = np.zeros((4, 5, 6), np.uint8)
    labels[1:3, 1:4, 2:5] = 1
    label = darwin.home / "label.nii.gz"
    nib.save(nib.Nifti1Image(labels, affine), label)
    source = darwin.home / "source"
    source.mkdir()
    (source / "ct.nii.gz").write_bytes(zlib_gzip(nifti(np.zeros((4, 5, 6), np.int16), affine)))
    done = darwin.peer("darwin_push.py", "sandbox", '{"extract_views": true}', str(source))
    assert not done["errors"]

    item = darwin.standin.item("sandbox", "/ct.nii.gz")
    shown = [
        (s["slot_name"], s["metadata"]["width"], s["metadata"]["height"], s["total_sections"]) for s in item["slots"]
    ]
    assert shown == [("0.1", 4, 5, 6), ("0.2", 4, 6, 5), ("0.3", 5, 6, 4)]
    planes = {"0.1": "AXIAL", "0.2": "CORONAL", "0.3": "SAGITTAL"}
    assert all(slot["metadata"]["medical"]["plane_map"] == planes for slot in item["slots"])
    assert len({slot["upload_id"] for slot in item["slots"]}) == 1
    assert item["layout"]["slots"] == ["0.1", "0.2", "0.3"]

    plan = darwin.home / "plan.json"
    entry = {"image": "/ct.nii.gz", "label": str(label), "class_map": {"1": "liver"}, "mode": "video"}
    # One entry for each view: with `is_mpr`, which would make all three, darwin-py 3.6.3 fails on its own lookup.
    plan.write_text(json.dumps({"data": [entry | {"slot_names": [name]} for name in planes]}))
    done = darwin.peer("darwin_import.py", "sandbox", "nifti", '{"append": true}', str(plan))
    assert done["raised"] is None, done
    assert "Errors importing" not in done["said"], done
    found = {a["context_keys"]["slot_names"][0]: a["data"] for a in darwin.standin.annotations(item["id"])}
    assert found.keys() == planes.keys()
    # Voxels 1 to 2 of 4 along x in steps of 2 mm, 1 to 3 of 5 along y in steps of 1.5 mm, both counted from the
    # other end; frames 1 to 3 of 6.
    axial = found["0.1"]
    assert sorted(axial["frames"]) == ["1", "2", "3"]
    assert axial["segments"] == [[1, 4]]
    path = axial["frames"]["1"]["polygon"]["path"]
    assert {point["x"] for point in path} == {2.0, 4.0}
    assert {point["y"] for point in path} == {1.5, 3.0, 4.5}


@pytest.mark.peer
def test_register_from_external_storage(darwin: Darwin) -> None:
    darwin.standin.put_object("sandbox-bucket", "scans/p1/i.png", picture(11, 7))
    keys = ["scans/p1/i.png", "scans/p1/cine.mp4", "scans/p1/s.dcm", "scans/p1/v.nii.gz"]
    options = {"fps": 5, "multi_planar_view": True, "preserve_folders": True}
    done = darwin.peer("darwin_register.py", "sandbox", "sandbox-bucket", json.dumps(keys), json.dumps(options))
    assert done["storage"] == ["aws", "darwin", False, "sandbox-bucket"]
    assert len(done["registered"]) == 4
    assert not done["blocked"]
    image = darwin.standin.item("sandbox", "/scans/p1/i.png")
    assert (image["status"], image["slots"][0]["is_external"]) == ("new", True)
    assert (image["slots"][0]["metadata"], image["slots"][0]["size_bytes"]) == (
        {"width": 11, "height": 7},
        len(picture(11, 7)),
    )
    # Nothing is known of the others, for nobody put them there.
    types = {name: darwin.standin.item("sandbox", f"/scans/p1/{name}")["slot_types"] for name in ("s.dcm", "v.nii.gz")}
    assert types == {"s.dcm": ["dicom"], "v.nii.gz": ["dicom"]}

    again = darwin.peer("darwin_register.py", "sandbox", "sandbox-bucket", json.dumps(keys[:1]), json.dumps(options))
    assert again["blocked"] == ["Item i.png was blocked for the reason: ALREADY_EXISTS"]

    pair = json.dumps({"case1": ["scans/p2/l.png", "scans/p2/r.png"]})
    darwin.peer("darwin_register.py", "sandbox", "sandbox-azure", pair, '{"multi_slotted": true}')
    item = darwin.standin.item("sandbox", "/case1")
    assert [slot["slot_name"] for slot in item["slots"]] == ["l.png", "r.png"]
    assert item["layout"] == {"slots": ["l.png", "r.png"], "type": "grid", "version": 1}

    refused = darwin.peer("darwin_register.py", "sandbox", "sandbox-readonly", '["scans/p3/i.png"]', "{}")
    assert refused["raised"] == "ValidationError"
    assert "read-only" in refused["said"]


@pytest.mark.peer
def test_life_of_a_dataset(darwin: Darwin) -> None:
    for name in ("a.png", "b.png"):
        darwin.upload(picture(), name)
    first = darwin.standin.item("sandbox", "/a.png")

    found = darwin.peer("darwin_life.py", "sandbox")

    new = {"a.png": "new", "b.png": "new"}
    assert found["steps"] == {
        "start": new,
        "complete": new | {"a.png": "complete"},
        "move_to_new": new,
        "archive": new | {"a.png": "archived"},
        "restore_archived": new,
        "delete": {"a.png": "new"},
    }
    assert found["named"] == ["b.png"]
    assert found["url"].endswith(f"item={first['id']}")
    assert found["made"] == ["lesion", ["polygon", "text", "instance_id"]]
    assert found["classes"] == {
        "sandbox": ["__raster_layer__", "lesion"],
        "another-one": ["__raster_layer__", "lesion"],
    }
    assert found["storages"] == ["sandbox-bucket", "sandbox-readonly", "sandbox-azure", "darwin-e2e-data"]
    assert found["features"] == [["STATIC_INSTANCE_ID", True]]
    (thread,) = darwin.good("GET", f"items/{first['id']}/comment_threads")
    assert thread["bounding_box"] == {"x": 1, "y": 2, "w": 3, "h": 4}
    assert [comment["body"] for comment in thread["comments"]] == ["look here"]
    darwin.good("POST", f"items/{first['id']}/comment_threads/{thread['id']}/comments", {"body": "and there"})
    said = darwin.good("GET", f"items/{first['id']}/comment_threads/{thread['id']}/comments")
    assert [comment["body"] for comment in said] == ["look here", "and there"]


@pytest.mark.peer
def test_refusals_have_the_names_that_the_client_gives_them(darwin: Darwin) -> None:
    assert darwin.peer("darwin_errors.py") == {
        "key": "InvalidLogin",
        "name": "NameTaken",
        "missing": "NotFound",
        "item": "NotFound",
        "invalid": "ValidationError",
        "storage": "ValueError",
        "compressed": "made-of-compressed-words",
    }
    source = darwin.home / "source"
    source.mkdir()
    (source / "a.png").write_bytes(picture())
    darwin.standin.switches["storage_full"] = True
    full = darwin.peer("darwin_cli.py", "n", "dataset", "push", "sandbox", str(source))
    assert "InsufficientStorage" in full["out"] + full["err"]
    assert len(darwin.sandbox.ledger.select(path="register_upload")) == 1, "the client must not try again"


@pytest.mark.peer
def test_properties_with_the_newer_client(darwin: Darwin) -> None:
    entry = darwin.standin.add_class("lesion", ["polygon"])
    assert darwin.peer("darwin_properties.py", str(entry["id"])) == {
        "same": True,
        "bare": None,
        "grown": ["low", "high"],
        "changed": True,
        "team": TEAM,
        "members": 2,
        "workflows": [["dataset", "annotate", "review", "complete"]],
    }


@pytest.mark.peer
def test_import_makes_classes_and_properties_from_metadata(darwin: Darwin) -> None:
    darwin.upload(picture(30, 20), "a.png")
    folder = darwin.home / "annotations"
    (folder / ".v7").mkdir(parents=True)
    grade = {
        "name": "grade",
        "type": "single_select",
        "description": "",
        "required": False,
        "granularity": "annotation",
        "property_values": [{"value": "low", "color": "auto"}, {"value": "high", "color": "auto"}],
    }
    nested = grade | {
        "name": "why",
        "property_values": [{"value": "size", "color": "auto"}],
        "parent_name": "grade",
        "trigger_condition": {"type": "value_match", "values": ["high"]},
    }
    site = grade | {"name": "site", "type": "text", "granularity": "item", "property_values": []}
    classes = [{"name": "lesion", "type": "polygon", "properties": [grade, nested]}]
    (folder / ".v7" / "metadata.json").write_text(json.dumps({"classes": classes, "properties": [site]}))
    ring = [{"x": 1.00004, "y": 1}, {"x": 9.5, "y": 1}, {"x": 9.5, "y": 7.25}]
    annotation = {
        "id": "5e0c3f0e-6a8f-4b7b-9f0c-0d7f3c1b2a11",
        "name": "lesion",
        "polygon": {"paths": [ring, [{"x": 2, "y": 2}, {"x": 3, "y": 2}, {"x": 3, "y": 3}]]},
        "bounding_box": {"x": 1, "y": 1, "w": 8.5, "h": 6.25},
        "slot_names": ["0"],
        "annotators": [{"full_name": "Ada Annotator", "email": "ada@sandbox.test"}],
        "reviewers": [{"full_name": "Somebody Else", "email": "else@sandbox.test"}],
        "properties": [
            {"frame_index": None, "name": "grade", "value": "high"},
            {"frame_index": None, "name": "why", "value": "size"},
        ],
    }
    document = {
        "version": "2.0",
        "item": {"name": "a.png", "path": "/", "slots": []},
        "annotations": [annotation],
        "properties": [{"name": "site", "value": "Lyon"}],
    }
    (folder / "a.json").write_text(json.dumps(document))

    options = json.dumps({"import_annotators": True, "import_reviewers": True})
    done = darwin.peer("darwin_import.py", "sandbox", "darwin", options, str(folder / "a.json"))

    assert done["raised"] is None, done
    assert "Errors importing" not in done["said"], done
    archive = darwin.export(include_authorship=True)
    found = json.loads(archive.read("a.json"))
    assert found["properties"] == [{"name": "site", "value": "Lyon", "annotators": [], "reviewers": []}]
    (shown,) = found["annotations"]
    assert sorted(shown["properties"], key=str) == [
        {"frame_index": "global", "name": "grade", "value": "high"},
        {"frame_index": "global", "name": "why", "value": "size"},
    ]
    assert shown["annotators"] == [{"full_name": "Ada Annotator", "email": "ada@sandbox.test"}]
    assert shown["reviewers"] == [{"full_name": "else@sandbox.test", "email": "else@sandbox.test"}]
    assert shown["polygon"]["paths"][0][0] == {"x": 1.0, "y": 1}
    assert len(shown["polygon"]["paths"]) == 2
    assert shown["bounding_box"] == {"x": 1.0, "y": 1, "w": 8.5, "h": 6.25}
    manifest = json.loads(archive.read(".v7/metadata.json"))
    (entry,) = manifest["classes"]
    assert (entry["name"], entry["type"], entry["color"][:5]) == ("lesion", "polygon", "rgba(")
    by_name = {held["name"]: held for held in entry["properties"]}
    assert {value["value"] for value in by_name["grade"]["property_values"]} == {"low", "high"}
    assert by_name["why"]["parent_name"] == "grade"
    assert by_name["why"]["trigger_condition"] == {"type": "value_match", "values": ["high"]}
    assert [held["name"] for held in manifest["properties"]] == ["site"]
