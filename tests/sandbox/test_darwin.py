"""The Darwin stand-in, judged by darwin-py itself and, quirk by quirk, by plain requests."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import requests
import SimpleITK
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

from caseferry.sandbox import Sandbox
from caseferry_darwin.sandbox import API_KEY, TEAM, DarwinStandIn
from peers import DARWIN_PY

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPORTS = Path(__file__).parents[1] / "data" / "darwin-exports"
NOWHERE = "00000000-0000-4000-8000-000000000000"
PATIENCE = {
    "DARWIN_RETRY_INITIAL_WAIT": "1",
    "DARWIN_RETRY_MAX_WAIT": "1",
    "DARWIN_RETRY_MAX_ATTEMPTS": "2",
    "COLUMNS": "200",
}
READY = {"statuses": ["new", "annotate", "review", "complete"]}


@dataclass
class Darwin:
    """The stand-in, a plain client of it, and darwin-py."""

    sandbox: Sandbox
    standin: DarwinStandIn
    session: requests.Session
    home: Path

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """One call; a path without a slash in front lies below the team."""
        below = path if path.startswith("/") else f"/api/v2/teams/{TEAM}/{path}"
        url = self.sandbox.variables["DARWIN_BASE_URL"] + below
        return self.session.request(method, url, **({"json": body} if body is not None else {}), **more)

    def good(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        response = self.call(method, path, body, **more)
        assert response.ok, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: Any = None, status: int = 422) -> dict[str, Any]:
        response = self.call(method, path, body)
        assert response.status_code == status, response.text
        errors: dict[str, Any] = response.json()["errors"]
        return errors

    def peer(self, script: str, *arguments: str) -> Any:
        return DARWIN_PY.run(script, *arguments, variables={**self.sandbox.variables, **PATIENCE}, home=self.home)

    def cli(self, *arguments: str, answer: str = "n") -> str:
        done = self.peer("darwin_cli.py", answer, *arguments)
        assert done["code"] == 0, done
        return str(done["out"])

    def upload(self, content: bytes, name: str, path: str = "/", dataset: str = "sandbox", **slot: Any) -> Any:
        """Register, sign, put, confirm; the item as a listing shows it once it is settled."""
        item = self.register(name, path, dataset, **slot)
        self.send(item["slots"][0]["upload_id"], content)
        self.sandbox.settle()
        return self.good("GET", f"items/{item['id']}")

    def register(self, name: str, path: str = "/", dataset: str = "sandbox", **slot: Any) -> Any:
        sent = {"slot_name": "0", "file_name": name, **slot}
        body = {"dataset_slug": dataset, "items": [{"name": name, "path": path, "slots": [sent]}]}
        done = self.good("POST", "items/register_upload", body)
        assert not done["blocked_items"], done
        return done["items"][0]

    def send(self, upload_id: str, content: bytes) -> None:
        url = self.good("GET", f"items/uploads/{upload_id}/sign")["upload_url"]
        assert requests.put(url, data=content, timeout=10).status_code == 200
        assert self.good("POST", f"items/uploads/{upload_id}/confirm", {}) == {}

    def listed(self, **query: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.good("GET", "items", params=query)["items"]
        return items

    def export(self, dataset: str = "sandbox", **more: Any) -> zipfile.ZipFile:
        """Ask for an export and fetch it, without a key."""
        wish = {"name": "all", "format": "darwin_json_2", "filters": READY, **more}
        self.good("POST", f"datasets/{dataset}/exports", {k: v for k, v in wish.items() if v is not None})
        self.sandbox.settle()
        release = self.good("GET", f"datasets/{dataset}/exports")[0]
        assert release["status"] == "complete"
        return zipfile.ZipFile(io.BytesIO(requests.get(release["download_url"], timeout=10).content))


@pytest.fixture
def darwin(tmp_path: Path) -> Iterator[Darwin]:
    with Sandbox(platforms=("darwin",)) as running, requests.Session() as session:
        session.headers["Authorization"] = f"ApiKey {API_KEY}"
        standin = running.standins["darwin"]
        assert isinstance(standin, DarwinStandIn)
        home = tmp_path / "home"
        home.mkdir()
        yield Darwin(running, standin, session, home)


# ---- files ---------------------------------------------------------------------------------------------------


def picture(width: int = 10, height: int = 8, kind: str = "PNG", seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def nifti(voxels: np.ndarray, affine: np.ndarray) -> bytes:
    return bytes(nib.Nifti1Image(voxels, affine).to_bytes())


def dicom(number: int, position: tuple[float, float, float], **more: Any) -> bytes:
    """One CT slice of 6 columns and 5 rows; `more` overrides its elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = more.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    described: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"1.2.3.{number}",
        "SeriesInstanceUID": "1.2.3",
        "SeriesNumber": 1,
        "InstanceNumber": number,
        "Modality": "CT",
        "Rows": 5,
        "Columns": 6,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelSpacing": [0.7, 0.5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": list(position),
    }
    for name, value in (described | more).items():
        if value is not None:
            setattr(dataset, name, value)
    frames = int(more.get("NumberOfFrames", 1))
    dataset.PixelData = np.full((frames, 5, 6), number, np.uint16).tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def enhanced(orientation: list[float], spacing: list[float]) -> bytes:
    """Three frames whose position is the same for all, as in V7's sample files."""
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = orientation
    measures.PixelSpacing, measures.SliceThickness = spacing, 0.5
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
    frames = []
    for _ in range(3):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0.0, 0.0, 0.0]
        frame.PlanePositionSequence = Sequence([place])
        frames.append(frame)
    return dicom(
        1,
        (0, 0, 0),
        SOPClassUID=EnhancedCTImageStorage,
        NumberOfFrames=3,
        PixelSpacing=None,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )


def movie(path: Path, frames: int = 25, rate: int = 10) -> bytes:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n * 9, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 300]>>endobj
4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 10 10]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


def runs(voxels: np.ndarray) -> list[int]:
    """Dense run lengths of an image indexed [row, column]."""
    flat = voxels.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    return [int(v) for pair in zip(flat[starts], lengths, strict=True) for v in pair]


def drawn(layer: dict[str, Any], width: int) -> np.ndarray:
    """An image indexed [row, column] from dense run lengths."""
    values, counts = layer["dense_rle"][0::2], layer["dense_rle"][1::2]
    return np.repeat(values, counts).reshape(-1, width)


# ---- darwin-py -----------------------------------------------------------------------------------------------


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


def make_property(darwin: Darwin, name: str, **more: Any) -> dict[str, Any]:
    kind = next(kind for kind in ("single_select", "multi_select", "text") if kind in name)
    values = [] if kind == "text" else [{"value": value, "color": "auto"} for value in ("1", "2")]
    made: dict[str, Any] = darwin.good(
        "POST", "properties", {"name": name, "type": kind, "property_values": values, **more}
    )
    return made


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


def stage_move(darwin: Darwin, kind: str, dataset: str = "sandbox") -> dict[str, Any]:
    held = next(d for d in darwin.good("GET", "/api/datasets") if d["slug"] == dataset)
    workflow = darwin.good("GET", f"workflows/{held['workflow_ids'][0]}")
    stage = next(stage["id"] for stage in workflow["stages"] if stage["type"] == kind)
    filters = {"dataset_ids": [held["id"]], "select_all": True}
    return {"filters": filters, "workflow_id": workflow["id"], "stage_id": stage}


ORIENTATIONS = {
    "RAS": (np.array([[2.0, 0, 0, -3], [0, 1.5, 0, 4], [0, 0, 3, 5], [0, 0, 0, 1]]), "AXIAL"),
    "ASR": (np.array([[0, 0, 3.0, -3], [2, 0, 0, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]), "SAGITTAL"),
    "LSP": (np.array([[-2.0, 0, 0, -3], [0, 0, -3, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]), "CORONAL"),
}


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


def zlib_gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


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


# ---- the door ------------------------------------------------------------------------------------------------


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


# ---- registration --------------------------------------------------------------------------------------------


def upload_body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    sent = [{"name": "a.png", "path": "/", "slots": [{"slot_name": "0", "file_name": "a.png"}], **i} for i in items]
    return {"dataset_slug": "sandbox", "items": sent, **more}


def external_body(*items: dict[str, Any], storage: str = "sandbox-bucket", **more: Any) -> dict[str, Any]:
    sent = [{"name": "a.png", "path": "/", "storage_key": "f/a.png", **item} for item in items]
    return {"dataset_slug": "sandbox", "storage_slug": storage, "items": sent, **more}


def slotted(*slots: dict[str, Any]) -> dict[str, Any]:
    named = [{"slot_name": "0", "file_name": "a.png", "storage_key": "f/a.png", **slot} for slot in slots]
    return {"dataset_slug": "sandbox", "storage_slug": "sandbox-bucket", "items": [{"name": "x", "slots": named}]}


def sections(*indexes: int) -> list[dict[str, Any]]:
    keys = {"storage_hq_key": "h.png", "storage_lq_key": "l.png"}
    return [{"section_index": n, "width": 4, "height": 5, **keys} for n in indexes]


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


# ---- uploads and processing ----------------------------------------------------------------------------------


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


# ---- items ---------------------------------------------------------------------------------------------------


def several(darwin: Darwin) -> dict[str, dict[str, Any]]:
    other = darwin.standin.add_dataset("Other")["slug"]
    places = [
        ("a.png", "/", "sandbox"),
        ("b.png", "/x", "sandbox"),
        ("a.png", "/x/y", "sandbox"),
        ("b.png", "/", other),
    ]
    items = {f"{slug}{path}:{name}": darwin.upload(picture(), name, path, slug) for name, path, slug in places}
    items["waiting"] = darwin.register("w.dcm", "/w")
    return items


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


# ---- classes and properties ----------------------------------------------------------------------------------


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


# ---- annotations ---------------------------------------------------------------------------------------------

RING = [{"x": 1, "y": 1}, {"x": 6, "y": 1}, {"x": 6, "y": 5}]
MASK = "11111111-1111-4111-8111-111111111111"
LAYER = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"


def note(entry: dict[str, Any], data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "annotation_class_id": entry["id"],
        "data": data,
        "context_keys": {"slot_names": ["0"]},
        **more,
    }


def bring(darwin: Darwin, item: dict[str, Any], *notes: dict[str, Any], overwrite: Any = "true", **more: Any) -> None:
    body = {"annotations": list(notes), "overwrite": overwrite, **more}
    darwin.good("POST", f"items/{item['id']}/import", body)


@pytest.fixture
def scene(darwin: Darwin) -> dict[str, Any]:
    """An image of 10 by 8 pixels, and classes."""
    classes = {kind: darwin.standin.add_class(kind, [kind]) for kind in ("polygon", "bounding_box", "mask", "keypoint")}
    raster = next(c for c in darwin.standin.state["classes"].values() if c["name"] == "__raster_layer__")
    return {"item": darwin.upload(picture(10, 8), "a.png"), "raster_layer": raster, **classes}


def layer(values: list[int] | None = None, total: int = 80, **mapping: int) -> dict[str, Any]:
    return {
        "raster_layer": {
            "dense_rle": values or [0, 11, 1, 3, 0, 66],
            "mask_annotation_ids_mapping": mapping or {MASK: 1},
            "total_pixels": total,
        }
    }


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


# ---- exports -------------------------------------------------------------------------------------------------


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


# ---- over time -----------------------------------------------------------------------------------------------


def test_a_folder_keeps_everything(tmp_path: Path) -> None:
    with Sandbox(platforms=("darwin",), folder=tmp_path / "kept") as running, requests.Session() as session:
        session.headers["Authorization"] = f"ApiKey {API_KEY}"
        standin = running.standins["darwin"]
        assert isinstance(standin, DarwinStandIn)
        before = Darwin(running, standin, session, tmp_path)
        done = before.upload(picture(), "done.png", "/x")
        running.settings.processing = 60
        slow = before.register("slow.png")
        before.send(slow["slots"][0]["upload_id"], picture(3, 4))
        open_upload = before.register("open.png")["slots"][0]["upload_id"]
        before.good("POST", "datasets/sandbox/exports", {"name": "slow", "filters": READY})
        assert standin.item("sandbox", "/slow.png")["status"] == "processing"
    with Sandbox(platforms=("darwin",), folder=tmp_path / "kept") as running, requests.Session() as session:
        session.headers["Authorization"] = f"ApiKey {API_KEY}"
        standin = running.standins["darwin"]
        assert isinstance(standin, DarwinStandIn)
        after = Darwin(running, standin, session, tmp_path)
        running.settle()
        assert standin.item("sandbox", "/x/done.png")["id"] == done["id"]
        assert standin.item("sandbox", "/slow.png")["slots"][0]["metadata"] == {"width": 3, "height": 4}
        assert after.good("GET", "datasets/sandbox/exports")[0]["status"] == "complete"
        (blocked,) = after.good("POST", "items/register_upload", upload_body({"name": "done.png", "path": "x"}))[
            "blocked_items"
        ]
        assert blocked["slots"][0]["reason"] == "ALREADY_EXISTS"
        after.send(open_upload, picture())
        running.settle()
        assert standin.item("sandbox", "/open.png")["status"] == "new"
        assert after.call("GET", f"uploads/{done['slots'][0]['upload_id']}").content == picture()


class Unwalked(dict[str, Any]):
    """A table that may be looked up in, not walked over."""

    def __iter__(self) -> Iterator[str]:
        pytest.fail("walked over all items")

    items = values = keys = __iter__  # type: ignore[assignment]


def test_work_for_one_item_does_not_grow_with_their_number(darwin: Darwin) -> None:
    first = darwin.upload(picture(), "first.png")
    state = darwin.standin.state
    for table in ("items", "uploads", "files", "annotations"):
        state[table] = Unwalked(state.get(table, {}))
    second = darwin.upload(picture(), "second.png")
    assert darwin.good("POST", "items/register_upload", upload_body({"name": "first.png"}))["blocked_items"]
    for query in ({"item_ids[]": first["id"]}, {"item_names[]": "first.png", "dataset_ids[]": first["dataset_id"]}):
        assert [item["id"] for item in darwin.listed(**query)] == [first["id"]]
    assert len(darwin.listed(**{"dataset_ids[]": second["dataset_id"]})) == 2
    bring(darwin, second)
    with pytest.raises(pytest.fail.Exception, match="walked"):
        list(state["items"].values())
