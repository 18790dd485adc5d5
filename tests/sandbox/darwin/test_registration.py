"""Who may ask, and what may be registered."""

from __future__ import annotations

import base64
import io
import json
import zlib
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from caseferry_darwin.sandbox import API_KEY, TEAM
from sandbox_darwin import Darwin, external_body, picture, sections, slotted, upload_body


def test_variables_are_what_the_client_reads(darwin: Darwin) -> None:
    variables = darwin.sandbox.variables
    assert variables.keys() == {"DARWIN_BASE_URL", "DARWIN_API_KEY", "DARWIN_TEAM"}
    prefix, dot, rest = variables["DARWIN_API_KEY"].partition(".")
    assert (len(prefix), dot, len(rest)) == (7, ".", 32)
    assert not variables["DARWIN_BASE_URL"].endswith("/")


@pytest.mark.parametrize("key", [None, "ApiKey wrong", f"Bearer {API_KEY}", API_KEY])
@pytest.mark.parametrize("path", ["/api/datasets", "/api/users/token_info", f"/api/v2/teams/{TEAM}/items"])
def test_without_the_key_nothing_is_told(darwin: Darwin, key: str | None, path: str) -> None:
    url = darwin.sandbox.variables["DARWIN_BASE_URL"] + path
    response = requests.get(url, headers={"Authorization": key} if key else {}, timeout=10)
    assert response.status_code == 401
    assert "errors" in response.json()


def test_door(darwin: Darwin) -> None:
    assert darwin.refused("GET", "/api/v2/teams/other-team/items", status=404)
    assert darwin.call("GET", "items/unheard-of/thing").json()["message"].startswith("not implemented")
    assert "latest-darwin-py" not in darwin.call("GET", "/api/datasets").headers
    assert darwin.refused("POST", "/api/datasets", ["no", "object"], status=400)
    broken = darwin.call("POST", "/api/datasets", data=b"{", headers={"Content-Type": "application/json"})
    assert broken.status_code == 400
    packed = zlib.compress(json.dumps({"name": "Packed"}).encode())
    headers = {"X-Darwin-Payload-Compression-Version": "1", "Content-Type": "application/json"}
    assert darwin.call("POST", "/api/datasets", data=packed, headers=headers).status_code == 201
    darwin.standin.switches["json_bytes"] = 1000
    large = {"name": "x" * 2000}
    assert darwin.refused("POST", "/api/datasets", large, status=413)
    squeezed = zlib.compress(json.dumps(large).encode())
    assert darwin.call("POST", "/api/datasets", data=squeezed, headers=headers).status_code == 201


def test_names_of_datasets(darwin: Darwin) -> None:
    made = darwin.good("POST", "/api/datasets", {"name": "Brain MR_2 (new)"})
    assert made["slug"] == "brain-mr_2-new"
    assert made["workflow_ids"]
    assert darwin.refused("POST", "/api/datasets", {"name": "Brain MR_2 (new)"}) == {"name": ["has already been taken"]}
    assert darwin.refused("POST", "/api/datasets", {"name": ""})
    assert darwin.refused("GET", "/api/datasets/999999", status=404)
    darwin.good("PUT", f"/api/datasets/{made['id']}/archive")
    assert made["slug"] not in [dataset["slug"] for dataset in darwin.good("GET", "/api/datasets")]
    assert darwin.good("POST", "/api/datasets", {"name": "Brain MR_2 (new)"})["id"] != made["id"]


VIDEO = {"name": "v.mp4", "type": "video", "storage_key": "v.mp4", "storage_thumbnail_key": "t.jpg"}


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown dataset": ("upload", upload_body({}, dataset_slug="nothing"), "dataset_slug"),
    "no items": ("upload", upload_body(), "items"),
    "slash in a name": ("upload", upload_body({"name": "a/b.png"}), "items[0].name"),
    "no slots": ("upload", {**upload_body({}), "items": [{"name": "a.png"}]}, "items[0].slots"),
    "unknown kind of file": (
        "upload",
        upload_body({"slots": [{"slot_name": "0", "file_name": "a.xyz"}]}),
        "items[0].slots[0].type",
    ),
    "two files in a slot": (
        "upload",
        upload_body({"slots": [{"slot_name": "0", "file_name": "a.png"}, {"slot_name": "0", "file_name": "b.png"}]}),
        "items[0].slots",
    ),
    "bad boolean": (
        "upload",
        upload_body({"slots": [{"slot_name": "0", "file_name": "a.png", "as_frames": "yes"}]}),
        "items[0].slots[0].as_frames",
    ),
    "layout of other slots": (
        "upload",
        upload_body({"layout": {"version": 3, "slots_grid": [[["9"]]]}}),
        "items[0].layout",
    ),
    "unknown storage": ("existing", external_body({}, storage="nowhere"), "storage_slug"),
    "writing to read-only": ("existing", external_body({}, storage="sandbox-readonly"), "storage_slug"),
    "slash before a key": ("existing", external_body({"storage_key": "/f/a.png"}), "items[0].storage_key"),
    "no key": ("existing", external_body({"storage_key": ""}), "items[0].storage_key"),
    "fps on dicom": (
        "existing",
        external_body({"name": "a.dcm", "storage_key": "a.dcm", "fps": 5}),
        "items[0].fps",
    ),
    "views outside slot 0": (
        "existing",
        slotted({"slot_name": "1", "file_name": "a.dcm", "extract_views": "true"}),
        "items[0].slots[0].slot_name",
    ),
    "images in one slot": ("existing", slotted({}, {"file_name": "b.png"}), "items[0].slots"),
    "slots and a key": (
        "existing",
        external_body({"slots": [{"slot_name": "0", "file_name": "a.png", "storage_key": "a.png"}]}),
        "items[0]",
    ),
    "too many": ("existing", external_body(*({"name": f"{n}.png"} for n in range(101))), "items"),
    "video without frames": ("readonly", external_body(VIDEO), "items[0].sections"),
    "frames with a hole": ("readonly", external_body(VIDEO | {"sections": sections(1, 3)}), "items[0].sections"),
    "frames from 0": ("readonly", external_body(VIDEO | {"sections": sections(0, 1)}), "items[0].sections"),
    "series read-only": (
        "readonly",
        slotted({"file_name": "a.dcm", "sections": sections(1)}, {"file_name": "b.dcm", "sections": sections(1)}),
        "items[0].slots",
    ),
    "size of nothing": ("readonly", external_body({"width": 0, "height": 5}), "items[0].width"),
    "compact with fps": (
        "readonly",
        external_body(
            VIDEO
            | {
                "width": 4,
                "height": 5,
                "native_fps": 10,
                "visible_frames": 3,
                "total_frames": 3,
                "hls_segments": {},
                "storage_sections_key_prefix": "s",
                "storage_frames_manifest_key": "m",
                "fps": 5,
            }
        ),
        "items[0].fps",
    ),
}


CALLS = {
    "upload": "items/register_upload",
    "existing": "items/register_existing",
    "readonly": "items/register_existing_readonly",
    "direct": "items/direct_upload",
}


@pytest.mark.parametrize("case", REFUSED)
def test_registration_refused_as_a_whole(darwin: Darwin, case: str) -> None:
    way, body, field = REFUSED[case]
    assert field in darwin.refused("POST", CALLS[way], body)
    assert darwin.listed() == []


def test_registration_tells_of_each_item(darwin: Darwin) -> None:
    darwin.standin.add_class("side", ["tag", "text"])
    darwin.standin.block("/odd/*", "UNEXPECTED_ERROR")
    body = upload_body(
        {"name": "a.png", "path": "dir1//deep/"},
        {"name": "a.png", "path": "/dir1/deep"},
        {"name": "b.png", "tags": ["nobody knows"]},
        {"name": "c.png", "tags": {"tag": "left"}},
        {"name": "d.png", "tags": {"side": "left"}},
        {"name": "e.png", "path": "odd"},
    )
    body["items"][0]["slots"][0] |= {"as_frames": "false", "extract_views": "False", "metadata": {"site": {"a": 1}}}
    done = darwin.good("POST", "items/register_upload", body)
    assert [(item["path"], item["name"]) for item in done["items"]] == [("/dir1/deep", "a.png"), ("/", "d.png")]
    assert [(item["name"], item["slots"][0]["reason"]) for item in done["blocked_items"]] == [
        ("a.png", "ALREADY_EXISTS"),
        ("b.png", "UNKNOWN_TAGS"),
        ("c.png", "MISSING_TEXT_FOR_TAG"),
        ("e.png", "UNEXPECTED_ERROR"),
    ]
    slot = done["items"][0]["slots"][0]
    assert slot == {
        "slot_name": "0",
        "file_name": "a.png",
        "type": "image",
        "as_frames": False,
        "extract_views": False,
        "fps": None,
        "metadata": {"site": {"a": 1}},
        "size_bytes": None,
        "upload_id": slot["upload_id"],
    }
    assert "reason" not in slot
    assert done["blocked_items"][0]["slots"][0].keys() == slot.keys() | {"reason"}

    darwin.standin.switches["items"] = 2
    (full,) = darwin.good("POST", "items/register_upload", upload_body({"name": "z.png"}))["blocked_items"]
    assert full["slots"][0]["reason"] == "ITEM_COUNT_LIMIT_EXCEEDED"
    darwin.standin.switches["storage_full"] = True
    errors = darwin.refused("POST", "items/register_upload", upload_body({"name": "z.png"}), status=429)
    assert errors["code"] == "INSUFFICIENT_REMAINING_STORAGE"
    darwin.standin.switches["storage_full"] = False
    darwin.standin.switches["upload_timeout"] = 0
    (late,) = darwin.good("POST", "items/register_upload", upload_body({"name": "d.png"}))["blocked_items"]
    assert late["slots"][0]["reason"] == "FILE_UPLOAD_TIMEOUT"


def test_tags_become_annotations(darwin: Darwin) -> None:
    side = darwin.standin.add_class("side", ["tag", "text"])
    content = base64.b64encode(picture()).decode()
    item = {"name": "some item", "path": "/", "type": "image", "tags": {"side": "left"}, "file_content": content}
    body = {"dataset_slug": "sandbox", "items": [item], "options": {"force_tiling": False}}
    (made,) = darwin.good("POST", "items/direct_upload", body)["items"]
    assert made["slots"][0]["file_name"] == "some item"
    darwin.sandbox.settle()
    (annotation,) = darwin.good("GET", f"items/{made['id']}/annotations")
    assert annotation["annotation_class_id"] == side["id"]
    assert annotation["data"] == {"tag": {}, "text": {"text": "left"}}
    for extra in ({"storage_key": "x"}, {"file_content": "§"}, {"file_url": "http://127.0.0.1/x.png"}):
        assert darwin.refused("POST", "items/direct_upload", {**body, "items": [item | {"name": "x"} | extra]})
    assert darwin.refused("POST", "items/direct_upload", {**body, "surplus": 1})


def test_read_only_items_are_what_the_request_says(darwin: Darwin) -> None:
    darwin.standin.put_object("sandbox-readonly", "f/a.png", picture(10, 8))
    darwin.standin.put_object("sandbox-readonly", "t.jpg", b"small")
    darwin.standin.put_object("sandbox-readonly", "h.png", b"frame")
    medical = {"handler": "MONAI", "shape": [1, 4, 5, 2], "pixdims": [1, 1, 1], "plane_map": {"0": "AXIAL"}}
    volume = {
        "name": "v",
        "slots": [
            {
                "slot_name": "0",
                "file_name": "v.dcm",
                "type": "dicom",
                "storage_key": "v.dcm",
                "sections": sections(1, 2),
                "metadata": {"medical": medical},
            }
        ],
    }
    compact = VIDEO | {
        "name": "c.mp4",
        "width": 64,
        "height": 48,
        "native_fps": 10.0,
        "visible_frames": 13,
        "total_frames": 25,
        "hls_segments": {"high_quality": {"index": "#EXTM3U", "bitrate": 1}},
        "storage_sections_key_prefix": "s",
        "storage_frames_manifest_key": "m",
    }
    body = external_body(
        {"width": 99, "height": 77, "storage_thumbnail_key": "t.jpg"},
        VIDEO | {"sections": sections(1, 2, 3), "fps": 2},
        compact,
        {"name": "waiting.png", "storage_key": None, "width": 1, "height": 1},
        storage="sandbox-readonly",
    )
    body["items"].append(volume)
    done = darwin.good("POST", "items/register_existing_readonly", body)
    assert len(done["items"]) == 5

    image = darwin.standin.item("sandbox", "/a.png")
    assert (image["status"], image["slots"][0]["metadata"]) == ("new", {"width": 99, "height": 77})
    assert darwin.call("GET", f"uploads/{image['slots'][0]['upload_id']}").content == picture(10, 8)
    assert darwin.call("GET", f"files/{image['slots'][0]['id']}/thumbnail").content == b"small"
    video = darwin.standin.item("sandbox", "/v.mp4")["slots"][0]
    assert (video["fps"], video["total_sections"], video["metadata"]["width"]) == (2, 3, 4)
    assert darwin.call("GET", f"files/{video['id']}/sections/2").content == b"frame"
    assert darwin.call("GET", f"files/{video['id']}/sections/3").status_code == 404
    cut = darwin.standin.item("sandbox", "/c.mp4")["slots"][0]
    assert (cut["fps"], cut["total_sections"], cut["metadata"]["native_fps"]) == (10.0, 13, 10.0)
    assert darwin.standin.item("sandbox", "/v")["slots"][0]["metadata"]["medical"] == medical
    darwin.sandbox.settle()
    assert darwin.standin.item("sandbox", "/waiting.png")["status"] == "processing"
    assert darwin.call("GET", f"uploads/{video['upload_id']}").status_code == 404


def test_imagined_storages_hold_what_was_declared(darwin: Darwin) -> None:
    """V7's own tests register such items in a bucket that only V7 has, pull them, and push what they pulled."""
    original = [[-0.1, 0, 0, 3], [0, 0, -1, 4], [0, 0.25, 0, 5], [0, 0, 0, 1]]
    volume = {
        "file_name": "v.dcm",
        "type": "dicom",
        "sections": [{**section, "width": 6, "height": 5} for section in sections(*range(1, 5))],
        "metadata": {
            "handler": "MONAI",
            "shape": [1, 6, 4, 5],
            "original_affine": [[str(float(value)) for value in row] for row in original],
            "SeriesInstanceUID": "1.2.3",
        },
    }
    flat = {"file_name": "f.dcm", "type": "dicom", "sections": sections(1, 2), "metadata": {"shape": ["?"]}}
    pictures = [{"file_name": name, "type": "image", "width": 40, "height": 30} for name in ("a.jpg", "b.png", "c.psd")]
    items = [
        {"name": file["file_name"], "slots": [{"slot_name": "0", "storage_key": f"k/{file['file_name']}", **file}]}
        for file in (volume, flat, *pictures)
    ]
    items.append(VIDEO | {"sections": sections(1)})
    items.append({"name": "huge.png", "type": "image", "storage_key": "h.png", "width": 1 << 20, "height": 1 << 20})
    body = {"dataset_slug": "sandbox", "storage_slug": "darwin-e2e-data", "items": items}
    done = darwin.good("POST", "items/register_existing_readonly", body)["items"]
    uploads = {item["name"]: item["slots"][0]["upload_id"] for item in done}
    got = {name: darwin.call("GET", f"uploads/{upload}") for name, upload in uploads.items()}

    for name, kind in (("a.jpg", "JPEG"), ("b.png", "PNG"), ("c.psd", "PNG")):
        image = Image.open(io.BytesIO(got[name].content))
        assert (image.size, image.format) == ((40, 30), kind)
    assert got["b.png"].content != got["c.psd"].content
    assert got["a.jpg"].content == darwin.call("GET", f"uploads/{uploads['a.jpg']}").content
    assert got["v.mp4"].status_code == got["huge.png"].status_code == 404

    slot = darwin.upload(got["v.dcm"].content, "pushed.dcm")["slots"][0]
    medical = slot["metadata"]["medical"]
    np.testing.assert_allclose(medical["original_affine"], original, atol=1e-12)
    assert (medical["shape"], medical["plane_map"]) == ([1, 6, 4, 5], {"0": "CORONAL"})
    assert (slot["metadata"]["SeriesInstanceUID"], slot["total_sections"]) == ("1.2.3", 4)
    slot = darwin.upload(got["f.dcm"].content, "flat.dcm")["slots"][0]
    assert "medical" not in slot["metadata"]
    assert (slot["metadata"]["width"], slot["metadata"]["height"], slot["total_sections"]) == (4, 5, 2)

    shown = next(s for s in darwin.good("GET", f"/api/teams/{TEAM}/storage") if s["name"] == "darwin-e2e-data")
    assert shown.keys() == {"name", "provider", "bucket", "prefix", "readonly", "default", "region"}
