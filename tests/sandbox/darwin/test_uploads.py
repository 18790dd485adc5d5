"""Uploads, and what becomes of the files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK

from sandbox_darwin import (
    NOWHERE,
    ORIENTATIONS,
    PDF,
    Darwin,
    dicom,
    enhanced,
    external_body,
    movie,
    nifti,
    picture,
    slotted,
    upload_body,
    zipped,
    zlib_gzip,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_states_of_an_upload(darwin: Darwin) -> None:
    darwin.sandbox.settings.processing = 0.3
    body = upload_body(
        {"slots": [{"slot_name": name, "file_name": f"{name}.png"} for name in "lr"]},
        options={"handle_as_slices": False},
    )
    (made,) = darwin.good("POST", "items/register_upload", body)["items"]
    left, right = (slot["upload_id"] for slot in made["slots"])

    def state() -> tuple[str, str, list[str], int]:
        item = darwin.good("GET", f"items/{made['id']}")
        uploads = [upload["processing_status"] for upload in item["uploads"]]
        return item["status"], item["processing_status"], uploads, len(item["slots"])

    assert state() == ("uploading", "uploading", ["uploading", "uploading"], 0)
    assert "layout" not in darwin.good("GET", f"items/{made['id']}")
    darwin.send(left, picture())
    assert state() == ("uploading", "uploading", ["processing", "uploading"], 0)
    assert darwin.refused("POST", f"items/{made['id']}/import", {"annotations": [], "overwrite": "true"})
    darwin.send(right, picture())
    assert state() == ("processing", "processing", ["processing", "processing"], 0)
    assert darwin.refused("POST", f"items/{made['id']}/import", {"annotations": [], "overwrite": "true"})
    darwin.sandbox.settle()
    assert state() == ("new", "complete", ["complete", "complete"], 2)
    assert darwin.refused("GET", f"items/uploads/{left}/sign")
    assert darwin.good("POST", f"items/uploads/{left}/confirm", {}) == {}
    assert state() == ("new", "complete", ["complete", "complete"], 2)
    assert darwin.refused("GET", f"items/uploads/{NOWHERE}/sign", status=404)
    assert darwin.refused("POST", f"items/uploads/{NOWHERE}/confirm", {}, status=404)
    assert darwin.refused("GET", f"uploads/{NOWHERE}", status=404)


CUT_NIFTI = nifti(np.zeros((4, 5, 6), np.int16), np.eye(4))[:-10]


UNREADABLE = {
    "text.png": b"not a picture",
    "cut.png": picture(50, 50)[:-40],
    "text.nii.gz": b"no volume",
    "long text.nii": b"no volume" * 99,
    "negative.nii": nifti(np.zeros((4, 5, 6), np.int16), np.eye(4)).replace(b"\x03\x00\x04\x00", b"\x03\x00\xfc\xff"),
    "cut.nii": CUT_NIFTI,
    "cut.nii.gz": zlib_gzip(CUT_NIFTI),
    "text.dcm": b"no series",
    "cut.dcm": dicom(1, (0, 0, 0))[:-20],
    "empty.dcm": zipped({}),
    "text.mp4": b"no video",
    "text.pdf": b"no document",
    "nothing.png": b"",
}


def test_what_cannot_be_read_ends_in_error(darwin: Darwin) -> None:
    for name, content in UNREADABLE.items():
        item = darwin.upload(content, name)
        assert (item["status"], item["processing_status"], item["slots"]) == ("error", "error", []), name
        (upload,) = item["uploads"]
        assert upload["processing_status"] == "error"
        assert upload["processing_error"]
    lost = darwin.register("lost.png")
    darwin.good("POST", f"items/uploads/{lost['slots'][0]['upload_id']}/confirm", {})
    darwin.sandbox.settle()
    (upload,) = darwin.good("GET", f"items/{lost['id']}")["uploads"]
    assert upload["processing_error"] == "FILE_UPLOAD_FAILED"
    (blocked,) = darwin.good("POST", "items/register_upload", upload_body({"name": "lost.png"}))["blocked_items"]
    assert blocked["slots"][0]["reason"] == "FILE_UPLOAD_FAILED"


def test_faults_afterwards(darwin: Darwin) -> None:
    darwin.sandbox.faults.add("POST */confirm fail-later x1; POST */register_existing fail-later x1")
    assert darwin.upload(picture(), "a.png")["status"] == "error"
    assert darwin.upload(picture(), "b.png")["status"] == "new"
    darwin.good("POST", "items/register_existing", external_body({"name": "c.png"}))
    darwin.sandbox.settle()
    assert darwin.standin.item("sandbox", "/c.png")["status"] == "error"
    darwin.sandbox.faults.add("POST */exports fail-later x1")
    darwin.good("POST", "datasets/sandbox/exports", {"name": "doomed"})
    darwin.sandbox.settle()
    (release,) = darwin.good("GET", "datasets/sandbox/exports")
    assert (release["status"], release["download_url"], release["latest"]) == ("failed", None, False)


def test_metadata_of_the_client_and_of_the_file_are_merged(darwin: Darwin) -> None:
    sent = {"case": {"id": "LIDC-1"}, "width": 1, "medical": {"note": "mine", "shape": "wrong"}}
    affine = ORIENTATIONS["RAS"][0]
    item = darwin.upload(nifti(np.zeros((4, 5, 6), np.uint8), affine), "v.nii", metadata=sent)
    metadata = item["slots"][0]["metadata"]
    assert metadata["case"] == {"id": "LIDC-1"}
    assert metadata["width"] == 4
    assert metadata["medical"]["note"] == "mine"
    assert metadata["medical"]["shape"] == [1, 4, 5, 6]
    assert metadata["medical"]["pixdims"] == [2.0, 1.5, 3.0]


GOLDEN: dict[str, tuple[bytes, list[list[float]], list[list[float]], str]] = {
    # What the platform itself wrote of such files: original_affine, affine, plane (exports in darwin-py's
    # e2e_tests/data/import/nifti_multi_segment, commit d591e82e382b; frames and size are smaller here, so the
    # entries that depend on them were worked out by hand).
    "axial": (
        enhanced([-1, 0, 0, 0, -1, 0], [-1.0, 1.0]),
        [[1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 1, 0]],
        [[-1, 0, 0, 5], [0, -1, 0, 0], [0, 0, -1, 2]],
        "AXIAL",
    ),
    "coronal": (
        enhanced([-1, 0, 0, 0, 0, 1], [0.25, -0.1]),
        [[-0.1, 0, 0, 0], [0, 0, -1, 0], [0, 0.25, 0, 0]],
        [[-0.1, 0, 0, 0], [0, -1, 0, 0], [0, 0, -0.25, 1.0]],
        "CORONAL",
    ),
    "sagittal": (
        enhanced([0, -1, 0, 0, 0, 1], [-0.25, -0.1]),
        [[0, 0, 1, 0], [-0.1, 0, 0, 0], [0, -0.25, 0, 0]],
        [[-1, 0, 0, 2], [0, -0.1, 0, 0], [0, 0, -0.25, 0]],
        "SAGITTAL",
    ),
}


@pytest.mark.parametrize("case", GOLDEN)
def test_volumes_are_turned_as_the_platform_turns_them(darwin: Darwin, case: str) -> None:
    content, original, turned, plane = GOLDEN[case]
    slot = darwin.upload(content, "v.dcm")["slots"][0]
    medical = slot["metadata"]["medical"]
    np.testing.assert_allclose(medical["original_affine"], [*original, [0, 0, 0, 1]])
    np.testing.assert_allclose(medical["affine"], [*turned, [0, 0, 0, 1]])
    assert medical["plane_map"] == {"0": plane}
    assert slot["total_sections"] == 3
    assert (slot["metadata"]["width"], slot["metadata"]["height"]) == (6, 5)


def test_series_lies_where_itk_sees_it(darwin: Darwin, tmp_path: Path) -> None:
    orientation = [0.8, 0.6, 0.0, -0.36, 0.48, 0.8]
    normal = np.cross(orientation[:3], orientation[3:])
    files = {}
    for n in range(4):
        place = np.array([10.0, -20.0, 30.0]) + normal * 2.5 * n
        content = dicom(n + 1, tuple(place), ImageOrientationPatient=orientation)
        files[f"{n}.dcm"] = content
        (tmp_path / f"{n}.dcm").write_bytes(content)
    image = SimpleITK.ReadImage([str(tmp_path / name) for name in files])
    to_lps = np.eye(4)
    to_lps[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    to_lps[:3, 3] = image.GetOrigin()

    slot = darwin.upload(zipped(files), "head.dcm")["slots"][0]

    found = np.array(slot["metadata"]["medical"]["original_affine"])
    np.testing.assert_allclose(found, np.diag([-1, -1, 1, 1]) @ to_lps, atol=1e-6)


def test_slices_apart_and_together(darwin: Darwin) -> None:
    two = {f"{s}{n}.dcm": dicom(n + 1, (0, 0, 3.0 * n), SeriesInstanceUID=s) for s in ("1.5", "1.6") for n in range(2)}
    item = darwin.upload(zipped(two), "two.dcm")
    assert [(slot["slot_name"], slot["total_sections"]) for slot in item["slots"]] == [("0.1", 2), ("1.1", 2)]
    assert item["layout"]["slots"] == ["0.1", "1.1"]
    apart = json.loads(darwin.export().read("two.json"))["item"]["slots"]
    assert [[file["file_name"] for file in slot["source_files"]] for slot in apart] == [["two.dcm"], ["two.dcm"]]

    for name, n in (("s1.dcm", 2), ("s2.dcm", 1)):
        darwin.standin.put_object("sandbox-bucket", name, dicom(n, (0, 0, 3.0 * n)))
    slices = [{"file_name": name, "storage_key": name} for name in ("s1.dcm", "s2.dcm")]
    for options, first in (({}, 3.0), ({"ignore_dicom_layout": True}, 6.0)):
        body = slotted(*slices) | {"options": options}
        body["items"][0]["name"] = f"from {first}"
        darwin.good("POST", "items/register_existing", body)
        darwin.sandbox.settle()
        (slot,) = darwin.standin.item("sandbox", f"/from {first}")["slots"]
        medical = slot["metadata"]["medical"]
        # Registered as several files it is no volume: shown as stored.
        assert medical["handler"] is None
        assert medical["affine"] == medical["original_affine"]
        assert medical["affine"][2][3] == first
        assert slot["total_sections"] == 2
    original = darwin.export()
    document = json.loads(original.read("from 3.json"))
    assert [file["storage_key"] for file in document["item"]["slots"][0]["source_files"]] == ["s1.dcm", "s2.dcm"]


def test_cine_has_no_geometry(darwin: Darwin) -> None:
    loop = dicom(1, (0, 0, 0), NumberOfFrames=3, FrameTime=40, ImagePositionPatient=None, ImageOrientationPatient=None)
    slot = darwin.upload(loop, "cine.dcm")["slots"][0]
    assert (slot["total_sections"], slot["fps"], slot["metadata"]["native_fps"]) == (3, None, 25.0)
    assert "medical" not in slot["metadata"]


def test_rates_of_videos(darwin: Darwin, tmp_path: Path) -> None:
    """Frame counts are those that V7's own end-to-end test expects of such a video."""
    content = movie(tmp_path / "m.mp4")
    rates = ((5, 13, 5), ("5", 13, 5), ("native", 25, 10.0), (0, 25, 10.0), ("0", 25, 10.0), (60, 25, 10.0))
    for n, (fps, shown, rate) in enumerate(rates):
        slot = darwin.upload(content, f"{n}.mp4", fps=fps)["slots"][0]
        assert (slot["total_sections"], slot["fps"], slot["streamable"]) == (shown, rate, True)
        metadata = slot["metadata"]
        assert (metadata["width"], metadata["height"], metadata["native_fps"]) == (64, 48, 10.0)
        (manifest,) = metadata["frames_manifests"]
        assert (manifest["total_frames"], manifest["visible_frames"]) == (25, shown)
        lines = darwin.session.get(manifest["url"]).text.splitlines()
        assert [line.split(":")[2] for line in lines].count("1") == shown
    other = movie(tmp_path / "m.avi")
    assert darwin.upload(other, "m.avi")["slots"][0]["total_sections"] == 25
    assert darwin.upload(content, "frames.mp4", as_frames=True)["status"] == "error"


def test_pdf(darwin: Darwin) -> None:
    slot = darwin.upload(PDF, "report.pdf")["slots"][0]
    assert (slot["type"], slot["total_sections"]) == ("pdf", 2)
    assert slot["metadata"] == {"width": 200, "height": 300}
