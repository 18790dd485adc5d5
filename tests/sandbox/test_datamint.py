"""The Datamint stand-in, judged by the platform's own clients and, quirk by quirk, by plain requests."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import re
import zipfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from caseferry.sandbox import Sandbox
from caseferry_datamint.sandbox import (
    ADMIN,
    ADMIN_KEY,
    MEMBER,
    MEMBER_KEY,
    POWERLESS_KEY,
    DatamintStandIn,
)
from peers import DATAMINT, DATAMINT_OLD, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOWHERE = "00000000-0000-4000-8000-000000000000"
CAPTURES = Path(__file__).parents[1] / "data" / "datamint-captures"
AFFINE = np.array([[0, 2.0, 0, -10], [1.5, 0, 0, -20], [0, 0, -3, 30], [0, 0, 0, 1]])
"""Axes in the order A, R, I: a reader that turns or does not turn slices is told apart."""


# ---- files ---------------------------------------------------------------------------------------------------


def dicom(path: Path, pixels: np.ndarray, *, number: int = 1, series: str = "1.2.4", **more: Any) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    described = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"{series}.{number}",
        "SeriesInstanceUID": series,
        "StudyInstanceUID": "1.2.3",
        "FrameOfReferenceUID": "1.2.3.9",
        "PatientID": "P-1",
        "PatientName": "Doe^Jo",
        "Modality": "CT",
        "InstanceNumber": number,
        "SeriesDescription": "axial",
        "StudyDate": "20260102",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * pixels.itemsize,
        "BitsStored": 8 * pixels.itemsize,
        "HighBit": 8 * pixels.itemsize - 1,
        "PixelRepresentation": 0,
        "ImagePositionPatient": [-10, -20, 5.0 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.8],
        "SliceThickness": 5,
        "PixelData": pixels.tobytes(),
    }
    for name, value in (described | more).items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def nifti(voxels: np.ndarray, affine: np.ndarray = AFFINE) -> bytes:
    return gzip.compress(nib.Nifti1Image(voxels, affine).to_bytes(), mtime=0)


def volume_of(content: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


RAMP = np.arange(48, dtype=np.uint8).reshape(8, 6)
VOXELS = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
LABELS = np.zeros((5, 4, 3), np.int16)
LABELS[0, 0, 0], LABELS[1, 1, 1], LABELS[2, 2:4, 2] = 1, 2, 3


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("files")
    content = {"single.dcm": dicom(folder / "single.dcm", RAMP).read_bytes()}
    for number in range(3):
        path = dicom(folder / "slice.dcm", RAMP // 2 + 10 * number, number=number + 1, series="1.2.5")
        content[f"series/{number}.dcm"] = path.read_bytes()
    content |= {"volume.nii.gz": nifti(VOXELS), "labels.nii.gz": nifti(LABELS), "Ünï (95).png": png(RAMP)}
    return content


# ---- a plain client ------------------------------------------------------------------------------------------


@dataclass
class Plain:
    """Requests to a stand-in, as anyone may write them."""

    sandbox: Sandbox
    key: str = ADMIN_KEY
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def standin(self) -> DatamintStandIn:
        standin = self.sandbox.standins["datamint"]
        assert isinstance(standin, DatamintStandIn)
        return standin

    @property
    def project(self) -> dict[str, Any]:
        return self.get("/projects").json()["data"][0]

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"apikey": self.key, **options.pop("headers", {})}
        url = self.sandbox.variables["DATAMINT_API_URL"] + path
        return self.session.request(method, url, headers=headers, timeout=30, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.send("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.send("POST", path, json=body)

    def upload(self, content: bytes, name: str = "a.bin", kind: str = "application/octet-stream", **form: str) -> str:
        parts: dict[str, Any] = {"source": (None, "api"), "resource": (name, content, kind)}
        parts |= {key: (None, value) for key, value in form.items()}
        response = self.send("POST", "/resources", files=parts)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def resource(self, resource_id: str) -> dict[str, Any]:
        response = self.get(f"/resources/{resource_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def found(self, **query: Any) -> list[str]:
        return [each["id"] for each in self.get("/resources", **query).json()["data"][0]["resources"]]

    def annotate(self, resource_id: str, *wishes: dict[str, Any]) -> list[Any]:
        defaults = {"type": "label", "identifier": "lesion", "scope": "image"}
        response = self.post(f"/annotations/{resource_id}/annotations", [defaults | wish for wish in wishes])
        assert response.status_code == 201, response.text
        return list(response.json())

    def annotation(self, annotation_id: str) -> dict[str, Any]:
        return dict(self.get(f"/annotations/{annotation_id}").json())

    def search(self, **wish: Any) -> list[dict[str, Any]]:
        return list(self.post("/annotations/search", wish).json())

    def segment(self, resource_id: str, content: bytes, **form: str) -> requests.Response:
        parts: dict[str, Any] = {"file": ("labels.nii.gz", content, "application/nifti")}
        parts |= {key: (None, value) for key, value in form.items()}
        return self.send("POST", f"/annotations/{resource_id}/segmentations/file", files=parts)


@pytest.fixture
def dm() -> Iterator[Plain]:
    with Sandbox(platforms=("datamint",)) as sandbox:
        client = Plain(sandbox)
        yield client
        json.dumps(client.standin.state)
        client.session.close()


# ---- the official clients ------------------------------------------------------------------------------------


@dataclass
class Ran:
    """What a script with an official client returned, and the sandbox as it left it."""

    outcome: dict[str, Any]
    plain: Plain
    folder: Path
    files: dict[str, bytes]

    def __getitem__(self, step: str) -> Any:
        return self.outcome[step]

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def kept(self, annotation_id: str) -> dict[str, Any]:
        return dict(self.plain.standin.state["annotations"][annotation_id])

    def refusal(self, step: str) -> str:
        assert isinstance(self[step], dict), self[step]
        assert "raised" in self[step], self[step]
        return str(self[step]["raised"])


@contextmanager
def ran(peer: Peer, script: str, files: dict[str, bytes], folder: Path) -> Iterator[Ran]:
    for name, content in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with Sandbox(platforms=("datamint",)) as sandbox:
        outcome = peer.run(script, str(folder / "files"), variables=sandbox.variables, home=folder)
        assert isinstance(outcome, dict)
        with requests.Session() as session:
            yield Ran(outcome, Plain(sandbox, session=session), folder / "files", files)


HANDLER, OLD, NEW = "APIHandler 2.5.0", "Api 2.5.0", "Api 2.16.0"
SCRIPTS = {
    HANDLER: (DATAMINT_OLD, "datamint_handler.py"),
    OLD: (DATAMINT_OLD, "datamint_api.py"),
    NEW: (DATAMINT, "datamint_api.py"),
}


@pytest.fixture(scope="module")
def run(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    with ExitStack() as stack:

        @cache
        def once(name: str) -> Ran:
            return stack.enter_context(ran(*SCRIPTS[name], files, tmp_path_factory.mktemp("peer")))

        yield once


@pytest.fixture(params=[HANDLER, OLD, NEW])
def client(request: pytest.FixtureRequest, run: Callable[[str], Ran]) -> Ran:
    return run(request.param)


@pytest.fixture(params=[OLD, NEW])
def api(request: pytest.FixtureRequest, run: Callable[[str], Ran]) -> Ran:
    return run(request.param)


@pytest.fixture
def handler(run: Callable[[str], Ran]) -> Ran:
    return run(HANDLER)


@pytest.fixture
def newest(run: Callable[[str], Ran]) -> Ran:
    return run(NEW)


@pytest.mark.peer
class TestOfficialClients:
    """The same session with each client: what it gets back, and what the stand-in holds of it."""

    def test_uploads_give_ids_and_keep_bytes(self, client: Ran) -> None:
        for step, name in {"nifti": "volume.nii.gz", "picture": "Ünï (95).png"}.items():
            record = client.plain.standin.state["resources"][client[step]]
            assert record["filename"] == name
            assert client.plain.standin.blob(record["blob"]).read() == client.files[name]
            assert record["size"] == len(client.files[name])

    def test_downloads_are_byte_exact(self, client: Ran) -> None:
        assert bytes.fromhex(client["nifti_bytes"]) == client.files["volume.nii.gz"]
        assert bytes.fromhex(client["dicom_bytes"]) == client.files["single.dcm"]
        assert client["nifti_shape"] == [5, 4, 3]
        assert client["dicom_patient"] == "P-1"

    def test_several_downloads_at_once_are_byte_exact(self, handler: Ran) -> None:
        expected = [handler.files["single.dcm"], handler.files["volume.nii.gz"]]
        assert [bytes.fromhex(each) for each in handler["several"]] == expected

    def test_assembled_series_is_one_resource_and_unassembled_slices_are_three(self, client: Ran) -> None:
        assert len(set(client["series"])) == 1
        assert len(set(client["many"])) == 3
        assembled = client.plain.standin.state["resources"][client["series"][0]]
        assert assembled["metadata"] == {"frame_count": 3, "width": 6, "height": 8}

    def test_resource_is_read_with_what_was_uploaded(self, client: Ran) -> None:
        picture = client["resource"]
        assert picture["id"] == client["picture"]
        assert (picture["filename"], picture["modality"], picture["mimetype"]) == ("Ünï (95).png", "XR", "image/png")
        assert picture["status"] == {HANDLER: "inbox"}.get(client["client"], "published")
        if "metadata" in picture:  # datamint 2.5.0 drops it from its entity
            assert picture["metadata"] == {"width": "mine", "height": 8, "site": "A"}

    def test_resource_class_follows_storage_and_type(self, newest: Ran) -> None:
        assert newest["kinds"] == ["DICOMResource", "NiftiResource", "ImageResource"]

    def test_publishing_twice_is_swallowed_by_the_client(self, client: Ran) -> None:
        assert client["publish"] is None
        assert client["publish_again"] is None
        texts = [entry for entry in client.plain.sandbox.ledger if entry.path.endswith("/publish")]
        assert 400 in [entry.status for entry in texts]

    def test_what_is_not_there_is_not_found(self, client: Ran) -> None:
        for step in ("unknown_project", "publish_unknown", "no_frame", "deleted"):
            assert client.refusal(step) in {"ResourceNotFoundError", "ItemNotFoundError"}

    def test_filters(self, client: Ran) -> None:
        everything = client["all"]
        assert len(everything) == 7
        assert client["by_tag"] == client["many"]
        assert client["by_channel"] == [client["dicom"]]
        assert client["by_name"] == [client["picture"]]
        assert client["by_mimetype"] == [client["nifti"]]
        assert set(client["by_project"]) == set(client["of_project"]) > {client["picture"]}

    def test_handler_filters(self, handler: Ran) -> None:
        assert handler["ids_only"] == handler["all"]
        assert set(handler["all"]) - set(handler["inbox"]) == {handler["dicom"], handler["nifti"], handler["many"][0]}
        names = [handler.plain.standin.state["resources"][each]["filename"] for each in handler["descending"]]
        assert names == sorted(names, reverse=True)

    def test_api_filters(self, api: Ran) -> None:
        assert api["first_two"] == api["all"][:2]
        assert api["by_modality"] == [api["picture"]]
        assert api["from_future"] == []
        assert api["to_future"] == 7

    def test_channels(self, client: Ran) -> None:
        by_name = {each["channel_name"]: each for each in client["channels"]}
        assert [each["resource_id"] for each in by_name["ct"]["resource_data"]] == [client["dicom"]]
        assert by_name["ct"]["resource_count"] == "1"

    def test_frames(self, client: Ran) -> None:
        # the file's third axis runs downwards, so the lowest slice is the last one stored
        assert client["nifti_frame"] == VOXELS[:, :, 2].T.tolist()
        assert client["dicom_frame"] == RAMP.tolist()
        assert client["series_frame"] == (RAMP // 2 + 20).tolist()
        assert client["picture_frame"] == [6, 8]

    def test_nifti_frame_is_the_slice_the_client_itself_reads(self, api: Ran) -> None:
        assert api["nifti_frame"] == api["nifti_slice"]

    def test_tags_are_replaced(self, client: Ran) -> None:
        tags = client.plain.standin.state["resources"][client["picture"]]["tags"]
        assert set(tags) == ({"x", "y"} if client["client"] == HANDLER else {"x", "z"})
        if client["client"] != HANDLER:  # a text instead of a list makes the client send its characters as ids
            assert client.refusal("tags_of_characters") in {"HTTPStatusError", "ItemNotFoundError"}

    def test_tags_with_commas_are_split(self, handler: Ran) -> None:
        assert handler.plain.standin.state["resources"][handler["dicom"]]["tags"] == ["a b", "c", "d"]

    def test_handler_annotations(self, handler: Ran) -> None:
        label = handler["annotation"]
        assert (label["identifier"], label["annotation_type"], label["scope"]) == ("lesion", "label", "image")
        read = {each["id"]: each for each in handler["annotations"]}
        category = next(each for each in read.values() if each["identifier"] == "view")
        assert (category["text_value"], category["imported_from"]) == ("lateral", "old")
        assert category["annotation_worklist_id"] == handler["projects"][0]["worklist_id"]
        box = next(each for each in read.values() if each["annotation_type"] == "square")
        assert box["geometry"]["points"] == [[1, 2, 0], [7, 2, 0], [1, 9, 0], [7, 9, 0]]
        assert [handler.kept(each)["frame_index"] for each in handler["category_frames"]] == [0, 1, 2]
        assert handler["on_worklist"] == ["quality"] * 3 + ["view", "length"]
        assert handler.refusal("label_gone") == "ResourceNotFoundError"

    def test_api_annotations(self, api: Ran) -> None:
        read = {each["id"]: each for each in api["annotations"]}
        assert list(read) == [api["category"], *api["several"], *api["frame_masks"]]
        assert read[api["category"]]["text_value"] == "lateral"
        line = read[api["several"][2]]
        assert (line["annotation_type"], line["identifier"]) == ("line", "length")
        assert line["geometry"]["points"] == [[1, 2, 0], [3, 4, 0]]
        assert api["annotation"]["user_info"] == {"firstname": "Admin", "lastname": "Sandbox"}
        # the Api of 2.5.0 takes `project` for a line and drops it
        assert api["on_worklist"] == (["length"] if api["client"] == OLD else ["length", "diameter"])
        assert api["of_two"] == len(read) + 5
        assert api["patched"] == "renamed"
        assert api["left"] == ["view", "view", "length"]
        assert api.refusal("annotation_gone") in {"ResourceNotFoundError", "ItemNotFoundError"}
        assert api.refusal("refused") == "DatamintException"
        assert api["refused"]["text"] == "Invalid annotation type: nonsense"

    def test_patient_line_is_kept_as_sent(self, api: Ran) -> None:
        assert api.kept(api["line_patient"])["geometry"]["points"] == [[1.5, 2.5, 3.5], [4.0, 5.0, 6.0]]

    def test_pixel_line_on_nifti_is_placed_by_the_answered_metadata(self, newest: Ran) -> None:
        # by hand: slice 1 from below is k = 1, 27 mm; pixel (1, 1) is voxel (1, 1); RAS to LPS turns x and y
        points = newest.kept(newest["line_on_nifti"])["geometry"]["points"]
        assert np.allclose(points, [[10, 20, 27], [8, 18.5, 27]])

    def test_frame_masks(self, client: Ran) -> None:
        kept = [client.kept(each) for each in client["frame_masks"]]
        assert [(each["identifier"], each["frame_index"]) for each in kept] == [("one", 0), ("two", 1)]
        mask = np.asarray(Image.open(io.BytesIO(bytes.fromhex(client["mask_bytes"]))))
        assert np.argwhere(mask == 255).tolist() == [[1, 1]]
        assert set(np.unique(mask)) == {0, 255}

    def test_volume_segmentation_makes_one_mask_per_named_value(self, client: Ran) -> None:
        assert [client.kept(each)["identifier"] for each in client["volume"]] == ["liver", "tumor"]
        mask = volume_of(bytes.fromhex(client["liver_bytes"]))
        assert np.array_equal(np.asanyarray(mask.dataobj), LABELS == 1)
        assert np.array_equal(mask.affine, AFFINE)
        assert len(client["volume_unnamed"]) == 3
        assert len(client["volume_annotations"]) == 5

    def test_box_with_four_corners_is_read_by_2_5_and_not_by_2_16(self, api: Ran) -> None:
        if api["client"] == OLD:
            assert api["boxes"][0]["geometry"]["points"] == [[1, 2, 0], [7, 2, 0], [1, 9, 0], [7, 9, 0]]
        else:
            assert api.refusal("boxes") == "ValidationError"
            assert "exactly two points" in api["boxes"]["text"]

    def test_projects(self, client: Ran) -> None:
        made = client["create_project"]
        assert (made["name"], made["resource_count"], made["archived"]) == ("second", 1, False)
        assert client.refusal("duplicate_project") in {"HTTPError", "HTTPStatusError", "EntityAlreadyExistsError"}
        state = client.plain.standin.state
        assert state["projects"][made["id"]]["archived"] is True
        assert "closed" in next(iter(state["projects"].values()))["work"].values()

    def test_archived_projects_are_listed_on_demand(self, api: Ran) -> None:
        assert api["archived"] == [False, True]
        assert api["active"] == ["sandbox"]

    def test_handler_project_archive(self, handler: Ran) -> None:
        with zipfile.ZipFile(io.BytesIO(handler.file("project.zip"))) as archive:
            table = json.loads(archive.read("dataset.json"))
            described = {each["id"]: each for each in table["resources"]}
            assert set(described) == {handler["picture"]}
            assert archive.read(described[handler["picture"]]["file"]) == handler.files["Ünï (95).png"]
            (annotation,) = described[handler["picture"]]["annotations"]
            assert (annotation["name"], annotation["type"], annotation["value"]) == ("view", "category", "lateral")

    def test_worklists(self, handler: Ran) -> None:
        worklist = handler["projects"][0]["worklist_id"]
        assert [each["id"] for each in handler["worklists"]] == [worklist]
        assert handler["worklist"]["id"] == worklist
        assert handler.plain.standin.state["worklists"][worklist]["status"] == "active"
        assert handler.plain.standin.state["worklists"][worklist]["frame_labels"] == ["f"]

    def test_newest_worklists(self, newest: Ran) -> None:
        assert newest["group"]["segmentation_group"] == {"liver": {"color": [255, 0, 0, 255], "index": 1}}
        made = newest.plain.standin.state["worklists"][newest["create_worklist"]]
        assert (made["name"], made["status"], list(made["resources"])) == ("list", "active", [newest["nifti"]])

    def test_newest_review_and_splits(self, newest: Ran) -> None:
        assert newest["approved"] == [newest["several"][1]]
        assert newest.kept(newest["several"][1])["deleted"] is True
        assert (newest["split"], newest["no_split"], newest["all_splits"]) == ("train", None, [newest["nifti"]])
        assert newest["members_after"] == [ADMIN, MEMBER]
        assert newest["not_annotated"] == newest["many"]
        assert newest["exists_ok"] == newest["create_project"]["id"]

    def test_newest_exports(self, newest: Ran) -> None:
        rows = list(csv.DictReader(io.StringIO(newest.file("table.csv").decode())))
        assert {row["identifier"] for row in rows} == {"length", "diameter"}
        with zipfile.ZipFile(io.BytesIO(newest.file("set.zip"))) as archive:
            assert archive.read(f"{newest['nifti']}/volume.nii.gz") == newest.files["volume.nii.gz"]

    def test_users(self, client: Ran) -> None:
        emails = [each["email"] if isinstance(each, dict) else each for each in client["users"]]
        assert emails == [ADMIN, MEMBER, "guest@sandbox.example"]
        assert client.plain.standin.state["users"]["new@sandbox.example"]["roles"] == ["annotator"]

    def test_datasets(self, handler: Ran) -> None:
        assert [each["name"] for each in handler["datasets"]] == ["sandbox", "second"]
        assert set(handler["dataset"]["resource_ids"]) == set(handler["of_project"])
        assert handler["of_dataset"] > 0

    def test_deleting(self, client: Ran) -> None:
        assert client["delete"] is None
        assert client.refusal("delete_unknown") in {"ClientResponseError", "ResourceNotFoundError", "ItemNotFoundError"}
        state = client.plain.standin.state["resources"]
        assert state[client["dicom"]]["deleted_at"]
        assert state[client["many"][1]]["deleted_at"]
        assert not state[client["nifti"]]["deleted_at"]

    def test_every_call_was_known(self, client: Ran) -> None:
        unknown = [str(entry) for entry in client.plain.sandbox.ledger if entry.status in {0, 500}]
        assert unknown == []


# ---- who may call, and how paths are written -----------------------------------------------------------------


class TestCalling:
    def test_variables(self, dm: Plain) -> None:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", dm.sandbox.variables["DATAMINT_API_URL"])
        assert dm.sandbox.variables["DATAMINT_API_KEY"] == ADMIN_KEY

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 401),
            ({"apikey": "unknown"}, 401),
            ({"Authorization": f"Bearer {ADMIN_KEY}"}, 401),
            ({"apikey": POWERLESS_KEY}, 403),
            ({"apikey": MEMBER_KEY}, 200),
            ({"apikey": ADMIN_KEY}, 200),
            ({"apikey": ADMIN_KEY, "Authorization": f"Bearer {ADMIN_KEY}"}, 200),
        ],
    )
    def test_keys(self, dm: Plain, headers: dict[str, str], status: int) -> None:
        response = requests.get(dm.sandbox.variables["DATAMINT_API_URL"] + "/projects", headers=headers, timeout=30)
        assert response.status_code == status
        assert status == 200 or response.json()["message"]

    @pytest.mark.parametrize("path", ["/projects", "/projects/", "//projects", "//projects//"])
    def test_slashes_do_not_matter(self, dm: Plain, path: str) -> None:
        assert dm.get(path).json()["totalCount"] == 1

    def test_an_entity_is_found_with_and_without_a_slash_at_its_end(self, dm: Plain) -> None:
        resource = dm.upload(b"x")
        for path in (f"/resources/{resource}", f"/resources/{resource}/", f"//resources//{resource}//"):
            assert dm.get(path).json()["id"] == resource
        assert dm.send("DELETE", f"/resources/{resource}/").json()["deleted"] is True

    @pytest.mark.parametrize(
        "call",
        [
            "GET /resources/{}",
            "GET /resources/{}/file",
            "GET /resources/{}/frames/0",
            "POST /resources/{}/publish",
            "PUT /resources/{}/tags",
            "DELETE /resources/{}",
            "DELETE /resources?resource_ids={}",
            "POST /resources/{}/restore",
            "GET /projects/{}",
            "PATCH /projects/{}",
            "DELETE /projects/{}",
            "GET /projects/{}/resources",
            "POST /projects/{}/resources",
            "GET /projects/{}/worklists",
            "GET /projects/{}/annotated_dataset",
            "GET /annotations/{}",
            "PATCH /annotations/{}/approve",
            "DELETE /annotations/{}",
            "POST /annotations/{}/annotations",
            "GET /annotations/{}/frame-ranges",
            "GET /annotationsets/{}",
            "PATCH /annotationsets/{}",
            "GET /datasets/{}",
            "POST /datasets/{}/resources",
            "GET /datasets/download/{}",
            "GET /users/{}",
        ],
    )
    def test_what_is_not_there_is_404_with_the_words_that_clients_search(self, dm: Plain, call: str) -> None:
        method, path = call.format(NOWHERE).split()
        response = dm.send(method, path, json={"tags": []} if method in {"PUT", "PATCH"} else None)
        assert response.status_code == 404
        assert " not found" in response.json()["message"]

    def test_an_unknown_call_says_that_the_sandbox_lacks_it(self, dm: Plain) -> None:
        for method, path in (("GET", "/deploy"), ("PATCH", "/resources"), ("GET", "/projects/x/y/z")):
            response = dm.send(method, path)
            assert response.status_code == 404
            assert "not implemented by the sandbox" in response.json()["message"]

    @pytest.mark.parametrize("path", ["/annotations/search", "/projects", "/users", "/resources/restore"])
    @pytest.mark.parametrize("body", ["{", "[1]", '{"x": NaN}'])
    def test_malformed_bodies_are_400_with_a_message(self, dm: Plain, path: str, body: str) -> None:
        response = dm.send("POST", path, data=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 400
        assert response.json()["message"]

    def test_what_the_sandbox_itself_answers_stays_in_reach(self, dm: Plain) -> None:
        dm.get("/projects")
        (entry,) = dm.get("/_sandbox/ledger").json()
        assert (entry["path"], entry["credentials"]) == ("/projects", ["apikey"])

    def test_every_deleting_and_changing_call_answers_a_json_object(self, dm: Plain) -> None:
        resource, other = dm.upload(b"x"), dm.upload(b"y")
        (label, second) = dm.annotate(resource, {}, {})
        project, worklist = dm.project["id"], dm.project["worklist_id"]
        url = f"/annotations/{resource}/annotations/{label}/file"
        for response in (
            dm.send("POST", url, files={"file": ("mask", png(RAMP), "image/png")}),
            dm.send("PATCH", f"/annotations/{label}", json={"identifier": "b"}),
            dm.send("PATCH", f"/annotations/{label}/approve"),
            dm.send("DELETE", f"/annotations/{label}"),
            dm.post("/annotations/delete-batch", {"ids": [second]}),
            dm.send("PATCH", f"/annotationsets/{worklist}", json={"status": "active"}),
            dm.send("PATCH", f"/projects/{project}", json={"pinned_metrics": ["a"]}),
            dm.send("DELETE", f"/resources/{resource}"),
            dm.send("DELETE", f"/resources?resource_ids={other}"),
            dm.send("DELETE", f"/projects/{project}"),
        ):
            assert response.status_code == 200
            assert response.headers["Content-Type"] == "application/json"
            assert isinstance(response.json(), dict)
            assert "error" not in response.json()


# ---- uploading -----------------------------------------------------------------------------------------------


class TestUploading:
    def test_parts_may_come_in_any_order_and_most_may_be_missing(self, dm: Plain) -> None:
        parts = {
            "metadata": (None, '{"case": 7}', "application/json"),
            "bypass_inbox": (None, "TRUE"),
            "resource": ("a.bin", b"abc", "application/octet-stream"),
            "tags": (None, " one,two ,, three"),
            "source": (None, "api"),
        }
        first = dm.resource(dm.send("POST", "/resources", files=parts).json()["id"])
        assert first["tags"] == ["one", "two", "three"]
        assert (first["metadata"], first["status"], first["published"]) == ({"case": 7}, "published", True)
        assert first["published_on"] == first["created_at"]
        second = dm.resource(dm.send("POST", "/resources", files={"resource": ("a.bin", b"abc")}).json()["id"])
        assert (second["status"], second["published"], second["upload_channel"]) == ("inbox", False, "Unknown")
        assert (second["tags"], second["metadata"], second["source_filepath"]) == ([], {}, None)

    def test_answer_is_201_with_the_id(self, dm: Plain) -> None:
        response = dm.send("POST", "/resources", files={"resource": ("a.bin", b"abc")})
        assert response.status_code == 201
        assert list(response.json()) == ["id"]

    def test_nothing_that_clients_need_is_null(self, dm: Plain) -> None:
        record = dm.resource(dm.upload(b"abc"))
        for name in ("id", "resource_uri", "storage", "location", "upload_channel", "filename", "mimetype"):
            assert isinstance(record[name], str), name
        for name in ("customer_id", "status", "created_at", "created_by", "upload_mechanism"):
            assert isinstance(record[name], str), name
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["created_at"])
        assert record["size"] == 3
        assert record["user_info"] == {"firstname": "Admin", "lastname": "Sandbox"}

    def test_file_names_are_percent_decoded(self, dm: Plain) -> None:
        boundary = "b0"
        body = (
            f"--{boundary}\r\nContent-Type: image/png\r\n"
            'Content-Disposition: form-data; name="resource"; filename="%C3%9Cn%C3%AF%20%2895%29.png"\r\n\r\n'
        ).encode() + png(RAMP)
        body += f"\r\n--{boundary}--\r\n".encode()
        response = dm.send(
            "POST", "/resources", data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
        )
        assert dm.resource(response.json()["id"])["filename"] == "Ünï (95).png"

    def test_a_body_without_a_length_is_taken(self, dm: Plain) -> None:
        content = bytes(range(256)) * 8192  # more than the sandbox holds in memory
        prepared = requests.Request("POST", "http://x", files={"resource": ("big.bin", content)}).prepare()
        assert isinstance(prepared.body, bytes)
        pieces = (prepared.body[start : start + 65536] for start in range(0, len(prepared.body), 65536))
        response = dm.send(
            "POST", "/resources", data=pieces, headers={"Content-Type": prepared.headers["Content-Type"]}
        )
        (entry,) = dm.sandbox.ledger.select(method="POST")
        assert "content-length" not in entry.headers
        assert dm.get(f"/resources/{response.json()['id']}/file").content == content

    @pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
    def test_bytes_come_back_as_they_went(self, dm: Plain, size: int) -> None:
        content = np.random.default_rng(size).bytes(size) + b"\r\n--"
        response = dm.get(f"/resources/{dm.upload(content)}/file")
        assert response.content == content
        assert response.headers["Content-Type"] == "application/octet-stream"

    def test_zipped_nifti_is_never_labelled_as_encoded(self, dm: Plain) -> None:
        content = nifti(np.zeros((64, 64, 64), np.uint8))
        resource = dm.upload(content, "volume.nii.gz", "application/nifti")
        response = dm.send("GET", f"/resources/{resource}/file", headers={"Accept-Encoding": "gzip, deflate"})
        assert "Content-Encoding" not in response.headers
        assert response.content == content

    def test_no_digest_is_given_with_a_file(self, dm: Plain) -> None:
        assert "ETag" not in dm.get(f"/resources/{dm.upload(b'abc')}/file").headers

    @pytest.mark.parametrize("metadata", ["{", "[1]", "null", '{"a": NaN}'])
    def test_metadata_must_be_a_json_object(self, dm: Plain, metadata: str) -> None:
        parts = {"resource": ("a.bin", b"abc"), "metadata": (None, metadata)}
        response = dm.send("POST", "/resources", files=parts)
        assert response.status_code == 400
        assert "metadata" in response.json()["message"]
        assert dm.found() == []

    def test_a_form_without_its_file_is_refused(self, dm: Plain) -> None:
        for options in (
            {"files": {"other": ("a", b"b")}},
            {"json": {"resource": "x"}},
            {"files": {"resource": (None, "x")}},
        ):
            response = dm.send("POST", "/resources", **options)
            assert response.status_code == 400
            assert response.json()["message"]


class TestHeaders:
    def test_dicom_identity_and_frames(self, dm: Plain, files: dict[str, bytes]) -> None:
        record = dm.resource(dm.upload(files["single.dcm"], "a.dcm", "application/dicom"))
        identity = {"instance_uid": "1.2.4.1", "series_uid": "1.2.4", "study_uid": "1.2.3", "patient_id": "P-1"}
        assert identity.items() <= record.items()
        assert (record["modality"], record["storage"]) == ("CT", "DicomResource")
        assert record["metadata"] == {"frame_count": 1, "width": 6, "height": 8}

    def test_dicom_without_pixels_has_an_identity_and_no_frames(self, dm: Plain, tmp_path: Path) -> None:
        report = dcmread(dicom(tmp_path / "a.dcm", RAMP, Modality="SR"))
        del report.Rows, report.Columns, report.PixelData
        report.save_as(tmp_path / "a.dcm")
        resource = dm.upload((tmp_path / "a.dcm").read_bytes(), "a.dcm", "application/dicom")
        record = dm.resource(resource)
        assert (record["modality"], record["instance_uid"], record["metadata"]) == ("SR", "1.2.4.1", {})
        assert dm.get(f"/resources/{resource}/frames/0").status_code == 422

    def test_the_callers_modality_wins(self, dm: Plain, files: dict[str, bytes]) -> None:
        record = dm.resource(dm.upload(files["single.dcm"], "a.dcm", "application/dicom", modality="MR"))
        assert record["modality"] == "MR"

    def test_dicom_without_preamble_is_read_when_declared(self, dm: Plain, files: dict[str, bytes]) -> None:
        bare = files["single.dcm"][132:]
        assert dm.resource(dm.upload(bare, "a", "application/dicom"))["patient_id"] == "P-1"
        assert dm.resource(dm.upload(bare, "a"))["patient_id"] is None

    def test_the_declared_type_is_believed_and_the_header_read_all_the_same(
        self, dm: Plain, files: dict[str, bytes]
    ) -> None:
        record = dm.resource(dm.upload(files["single.dcm"], "noext"))
        assert record["mimetype"] == "application/octet-stream"
        assert (record["storage"], record["patient_id"]) == ("DicomResource", "P-1")

    @pytest.mark.parametrize(
        ("declared", "answered"),
        [
            ("image/dicom", "application/dicom"),
            ("application/x-nifti", "application/nifti"),
            ("image/png; charset=x", "image/png"),
        ],
    )
    def test_synonyms_of_types_are_answered_under_one_name(self, dm: Plain, declared: str, answered: str) -> None:
        assert dm.resource(dm.upload(b"x", "a", "text/plain", mimetype=declared))["mimetype"] == answered

    @pytest.mark.parametrize("zipped", [True, False])
    def test_nifti_metadata_is_the_header(self, dm: Plain, *, zipped: bool) -> None:
        image = nib.Nifti1Image(np.zeros((5, 4, 3, 2), np.float32), AFFINE)
        image.header["descrip"] = b"by hand"
        image.set_qform(AFFINE, 1)
        content = gzip.compress(image.to_bytes()) if zipped else image.to_bytes()
        record = dm.resource(dm.upload(content, "v.nii.gz" if zipped else "v.nii", "application/nifti"))
        metadata = record["metadata"]
        assert record["storage"] == "NiftiResource"
        assert metadata["dims"] == [4, 5, 4, 3, 2, 1, 1, 1]
        assert metadata["pixDims"][1:4] == [1.5, 2.0, 3.0]
        assert metadata["affine"] == AFFINE.tolist()
        assert (metadata["qformCode"], metadata["sformCode"], metadata["datatype"]) == (1, 2, 16)
        assert (metadata["voxOffset"], metadata["description"]) == (352.0, "by hand")
        assert (metadata["frame_count"], metadata["width"], metadata["height"]) == (3, 5, 4)

    def test_nifti_slices_run_from_feet_to_head_whatever_the_axis(self, dm: Plain) -> None:
        affine = np.array([[0, 0, 2.0, 0], [0, 3.0, 0, 0], [1.5, 0, 0, 0], [0, 0, 0, 1]])  # axes S, A, R
        resource = dm.upload(nifti(VOXELS, affine), "v.nii.gz", "application/nifti")
        metadata = dm.resource(resource)["metadata"]
        assert (metadata["frame_count"], metadata["width"], metadata["height"]) == (5, 4, 3)
        frame = np.asarray(Image.open(io.BytesIO(dm.get(f"/resources/{resource}/frames/4").content)))
        stretched = (VOXELS[4].T - VOXELS[4].min()) * (255 / np.ptp(VOXELS[4]))
        assert frame.tolist() == VOXELS[4].T.tolist() != stretched.tolist()

    def test_nifti_of_the_second_kind(self, dm: Plain) -> None:
        content = nib.Nifti2Image(VOXELS, AFFINE).to_bytes()
        assert dm.resource(dm.upload(content, "v.nii", "application/nifti"))["metadata"]["dims"][:4] == [3, 5, 4, 3]

    def test_picture_sizes_and_the_callers_metadata(self, dm: Plain) -> None:
        record = dm.resource(dm.upload(png(RAMP), "a.png", "image/png", metadata='{"width": "mine", "site": "A"}'))
        assert record["metadata"] == {"width": "mine", "height": 8, "site": "A"}
        assert record["storage"] == "ImageResource"

    def test_video_streams(self, dm: Plain, tmp_path: Path) -> None:
        av = pytest.importorskip("av")
        with av.open(str(tmp_path / "v.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
            for number in range(5):
                picture = np.full((16, 32, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        resource = dm.upload((tmp_path / "v.mp4").read_bytes(), "v.mp4", "video/mp4")
        record = dm.resource(resource)
        assert record["storage"] == "VideoResource"
        assert record["metadata"]["frame_count"] == 5
        assert record["metadata"]["streams"] == [{"codec_type": "video", "nb_frames": 5, "width": 32, "height": 16}]
        undeclared = dm.resource(dm.upload((tmp_path / "v.mp4").read_bytes(), "v"))
        assert (undeclared["storage"], undeclared["metadata"]) == (record["storage"], record["metadata"])
        frame = np.asarray(Image.open(io.BytesIO(dm.get(f"/resources/{resource}/frames/3").content)))
        assert frame.shape == (16, 32, 3)
        assert abs(int(frame.mean()) - 120) < 6
        assert dm.get(f"/resources/{resource}/frames/5").status_code == 404

    def test_a_broken_header_is_no_reason_to_refuse(self, dm: Plain, files: dict[str, bytes]) -> None:
        for content, mimetype in (
            (files["volume.nii.gz"][:60], "application/nifti"),
            (png(RAMP)[:20], "image/png"),
            (b"\0" * 200, "application/dicom"),
            (b"", "application/dicom"),
        ):
            record = dm.resource(dm.upload(content, "a", mimetype))
            assert (record["metadata"], record["mimetype"]) == ({}, mimetype)


class TestFrames:
    def frame(self, dm: Plain, resource: str, index: int = 0) -> np.ndarray:
        response = dm.get(f"/resources/{resource}/frames/{index}")
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "image/png"
        assert response.content[:8] == b"\x89PNG\r\n\x1a\n"
        return np.asarray(Image.open(io.BytesIO(response.content)))

    def test_a_window_is_applied(self, dm: Plain, tmp_path: Path) -> None:
        pixels = np.arange(48, dtype=np.uint16).reshape(8, 6) * 100
        path = dicom(tmp_path / "a.dcm", pixels, WindowCenter=2000, WindowWidth=1000)
        shown = self.frame(dm, dm.upload(path.read_bytes(), "a.dcm", "application/dicom"))
        assert (shown.min(), shown.max()) == (0, 255)
        assert np.all(shown[pixels <= 1500] == 0)
        assert np.all(shown[pixels >= 2500] == 255)
        assert np.all(np.diff(shown.ravel()[16:25].astype(int)) > 0)

    def test_monochrome1_is_inverted(self, dm: Plain, tmp_path: Path) -> None:
        path = dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
        shown = self.frame(dm, dm.upload(path.read_bytes(), "a.dcm", "application/dicom"))
        assert shown.tolist() == (255 - RAMP).tolist()

    def test_each_frame_of_a_multiframe_file(self, dm: Plain, tmp_path: Path) -> None:
        path = dicom(tmp_path / "a.dcm", RAMP, NumberOfFrames=2, PixelData=RAMP.tobytes() + RAMP[::-1].tobytes())
        resource = dm.upload(path.read_bytes(), "a.dcm", "application/dicom")
        assert self.frame(dm, resource, 1).tolist() == RAMP[::-1].tolist()
        assert dm.get(f"/resources/{resource}/frames/2").status_code == 404

    def test_a_picture_has_one_frame(self, dm: Plain) -> None:
        resource = dm.upload(png(RAMP), "a.png", "image/png")
        assert self.frame(dm, resource).tolist() == RAMP.tolist()
        assert " not found" in dm.get(f"/resources/{resource}/frames/1").json()["message"]

    def test_what_cannot_be_shown_says_so(self, dm: Plain, files: dict[str, bytes]) -> None:
        assert dm.get(f"/resources/{dm.upload(b'text')}/frames/0").status_code == 422
        short = files["single.dcm"][:-20]
        assert dm.get(f"/resources/{dm.upload(short, 'a', 'application/dicom')}/frames/0").status_code == 422
        assert dm.get(f"/resources/{dm.upload(b'text')}/frames/first").status_code == 400


# ---- finding resources ---------------------------------------------------------------------------------------


class TestListing:
    @pytest.fixture
    def four(self, dm: Plain) -> list[str]:
        dm.standin.add_project("P")
        dm.standin.add_project("Q")
        ids = [
            dm.upload(b"1", "c.bin", channel="x", tags="red,round", modality="CT", bypass_inbox="true"),
            dm.upload(png(RAMP), "b.png", "image/png", channel="y", tags="red", modality="MR"),
            dm.upload(b"3", "a.bin", channel="x", tags="blue", modality="CT"),
            dm.upload(b"4", "a.bin", bypass_inbox="true"),
        ]
        projects = {each["name"]: each["id"] for each in dm.get("/projects").json()["data"]}
        dm.post(f"/projects/{projects['P']}/resources", {"resource_ids_to_add": ids[:3], "all_files_selected": False})
        dm.post(f"/projects/{projects['Q']}/resources", {"resource_ids_to_add": ids[2:], "all_files_selected": False})
        return ids

    @staticmethod
    def names(kind: str, *items: str) -> str:
        return json.dumps({"items": list(items), "filterType": kind})

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"status": ""}, "0123"),
            ({"status": "inbox"}, "12"),
            ({"status": "published"}, "03"),
            ({"status": "archived"}, ""),
            ({"modality": "CT"}, "02"),
            ({"mimetype": "image/png"}, "1"),
            ({"filename": "a.bin"}, "23"),
            ({"filename": "a"}, ""),
            ({"channel_name": "x"}, "02"),
            ({"channel_name": "x", "filename": "a.bin"}, "2"),
            ({"tags": names("union", "red", "blue")}, "012"),
            ({"tags": names("intersection", "red", "round")}, "0"),
            ({"tags": names("union", "red")}, "01"),
            ({"tags": names("union", "RED")}, ""),
            ({"project": names("union", "P", "Q")}, "0123"),
            ({"project": names("intersection", "P", "Q")}, "2"),
            ({"project": names("union", "Q")}, "23"),
            ({"from": "2000-01-01", "to": "2999-01-01"}, "0123"),
            ({"from": "2999-01-01"}, ""),
            ({"to": "2000-01-01"}, ""),
            ({"deleted": "only"}, ""),
            ({"deleted": "include"}, "0123"),
            ({"order_by_asc": "False"}, "3210"),
            ({"order_by_asc": "true"}, "0123"),
            ({"order_field": "filename", "order_by_asc": "TRUE"}, "2310"),
            ({"order_field": "filename", "order_by_asc": "false"}, "0132"),
            ({"order_field": "modality"}, "0213"),
            ({"order_field": "published_on"}, "0312"),
            ({"offset": "1", "limit": "2"}, "12"),
            ({"offset": "9"}, ""),
        ],
    )
    def test_filters(self, dm: Plain, four: list[str], query: dict[str, str], expected: str) -> None:
        assert dm.found(**query) == [four[int(place)] for place in expected]

    def test_by_project_id(self, dm: Plain, four: list[str]) -> None:
        projects = {each["name"]: each["id"] for each in dm.get("/projects").json()["data"]}
        assert dm.found(projectId=projects["P"]) == four[:3]

    def test_envelope_and_ids_only(self, dm: Plain, four: list[str]) -> None:
        body = dm.get("/resources", status="", offset=0, limit=2).json()
        assert list(body) == ["data", "totalCount"]
        assert len(body["data"]) == 1
        assert (len(body["data"][0]["resources"]), body["totalCount"]) == (2, 4)
        ids = dm.get("/resources", ids="True").json()["data"][0]["resources"]
        assert ids == four

    @pytest.mark.parametrize(
        "query",
        [
            {"limit": "x"},
            {"offset": "-1"},
            {"order_field": "size"},
            {"tags": "red"},
            {"deleted": "yes"},
            {"from": "soon"},
        ],
    )
    def test_bad_filters_are_400(self, dm: Plain, query: dict[str, str]) -> None:
        dm.upload(b"1")
        response = dm.get("/resources", **query)
        assert response.status_code == 400
        assert response.json()["message"]

    def test_a_page_holds_5000_and_no_more_and_less_with_a_cap(self, dm: Plain) -> None:
        first = dm.standin.state["resources"][dm.upload(b"1")]
        copies = {f"copy-{number}": first | {"id": f"copy-{number}"} for number in range(5099)}
        dm.standin.state["resources"].update(copies)
        for limit, size in (("5000", 5000), ("6000", 5000), ("100", 100)):
            body = dm.get("/resources", limit=limit, ids="True").json()
            assert (len(body["data"][0]["resources"]), body["totalCount"]) == (size, 5100)
        assert len(dm.found(limit="5000", offset="5000")) == 100
        dm.standin.page_cap = 30
        assert len(dm.found(limit="5000")) == 30
        assert len(dm.found(offset="30", limit="20")) == 20

    def test_metadata_can_be_left_out_of_lists(self, dm: Plain) -> None:
        resource = dm.upload(b"1", metadata='{"a": 1}')
        assert dm.get("/resources").json()["data"][0]["resources"][0]["metadata"] == {"a": 1}
        dm.standin.list_without_metadata = True
        for path in ("/resources", "/resources/not-annotated"):
            assert dm.get(path).json()["data"][0]["resources"][0]["metadata"] == {}
        assert dm.resource(resource)["metadata"] == {"a": 1}

    def test_channels_count_in_text(self, dm: Plain, four: list[str]) -> None:
        body = dm.get("/resources/channels", offset=0, limit=5000).json()
        assert body["totalCount"] == "3"
        sizes = {each["channel_name"]: (each["resource_count"], len(each["resource_data"])) for each in body["data"]}
        assert sizes == {"x": ("2", 2), "y": ("1", 1), "Unknown": ("1", 1)}
        (channel,) = dm.get("/resources/channels", project_name="Q", limit=1).json()["data"]
        assert [each["resource_id"] for each in channel["resource_data"]] == [four[2]]

    def test_not_annotated(self, dm: Plain, four: list[str]) -> None:
        (label,) = dm.annotate(four[1], {})
        body = dm.get("/resources/not-annotated", status="inbox").json()
        assert [each["id"] for each in body["data"][0]["resources"]] == [four[2]]
        dm.send("DELETE", f"/annotations/{label}")
        assert dm.get("/resources/not-annotated").json()["totalCount"] == 4


# ---- the life of a resource ----------------------------------------------------------------------------------


class TestLifecycle:
    def test_publishing_twice_is_refused_in_the_words_that_clients_search(self, dm: Plain) -> None:
        resource = dm.upload(b"1")
        assert dm.post(f"/resources/{resource}/publish").status_code == 200
        record = dm.resource(resource)
        assert (record["status"], record["published"], record["published_by"]) == ("published", True, ADMIN)
        response = dm.post(f"/resources/{resource}/publish")
        assert response.status_code == 400
        assert "Resource must be in inbox status to be approved" in response.json()["message"]

    def test_bulk_publish_counts_what_it_published(self, dm: Plain) -> None:
        ids = [dm.upload(b"1"), dm.upload(b"2", bypass_inbox="true"), dm.upload(b"3")]
        assert dm.post("/resources/bulk-publish", {"resource_ids": ids}).json() == {"published": 2}
        assert dm.post("/resources/bulk-publish", {"resource_ids": [NOWHERE]}).status_code == 404

    def test_tags(self, dm: Plain) -> None:
        ids = [dm.upload(b"1", tags="a"), dm.upload(b"2")]
        dm.send("PUT", f"/resources/{ids[0]}/tags", json={"tags": ["b", "c,d"]})
        assert dm.resource(ids[0])["tags"] == ["b", "c,d"]
        dm.send("PUT", "/resources/tags", json={"resource_ids": ids, "tags": ["e"]})
        assert dm.found(tags=TestListing.names("union", "e")) == ids
        assert dm.found(tags=TestListing.names("union", "a", "b")) == []
        assert dm.send("PUT", "/resources/tags", json={"resource_ids": list(ids[0]), "tags": ["e"]}).status_code == 404

    def test_deleting_hides_and_leaves_projects_and_worklists(self, dm: Plain) -> None:
        resource, project = dm.upload(b"1", bypass_inbox="true"), dm.project
        dm.post(f"/projects/{project['id']}/resources", {"resource_ids_to_add": [resource]})
        loose = dm.post("/annotationsets", {"name": "loose", "resource_ids": [resource]}).json()["id"]
        (label,) = dm.annotate(resource, {"annotation_worklist_id": project["worklist_id"]})
        assert dm.project["annotated_resource_count"] == 1
        assert dm.send("DELETE", f"/resources/{resource}").status_code == 200
        assert dm.found() == []
        assert dm.found(deleted="only") == [resource]
        assert dm.get("/resources", deleted="only").json()["data"][0]["resources"][0]["status"] == "deleted"
        for path in (f"/resources/{resource}", f"/resources/{resource}/file", f"/annotations/{label}"):
            assert dm.get(path).status_code == 404
        assert dm.search() == dm.get("/annotations").json()["data"] == []
        assert (dm.project["resource_count"], dm.project["annotated_resource_count"]) == (0, 0)
        assert dm.get(f"/annotationsets/{loose}").json()["resource_ids"] == []
        assert dm.send("DELETE", f"/resources/{resource}").status_code == 404

    def test_restoring_brings_back_the_resource_but_not_into_projects(self, dm: Plain) -> None:
        resource, project = dm.upload(b"1", bypass_inbox="true", tags="t"), dm.project["id"]
        dm.post(f"/projects/{project}/resources", {"resource_ids_to_add": [resource]})
        (label,) = dm.annotate(resource, {})
        dm.send("DELETE", f"/resources/{resource}")
        body = dm.post("/resources/restore", {"ids": [resource, NOWHERE, dm.upload(b"2")]}).json()
        assert body["restored"] == [resource]
        assert [each["reason"] for each in body["skipped"]] == ["not_found", "not_deleted"]
        record = dm.resource(resource)
        assert (record["status"], record["deleted"], record["projects"]) == ("published", False, [])
        assert dm.found(tags=TestListing.names("union", "t")) == [resource]
        assert dm.annotation(label)["id"] == label
        assert dm.post(f"/resources/{resource}/restore").status_code == 400
        dm.send("DELETE", f"/resources/{resource}")
        assert dm.post(f"/resources/{resource}/restore").json()["id"] == resource

    def test_deleting_several_is_all_or_nothing(self, dm: Plain) -> None:
        ids = [dm.upload(b"1"), dm.upload(b"2"), dm.upload(b"3")]
        assert dm.send("DELETE", f"/resources?resource_ids={ids[0]},{NOWHERE}").status_code == 404
        assert dm.found() == ids
        assert dm.send("DELETE", f"/resources?resource_ids={ids[0]},{ids[2]}").json() == {"deleted": 2}
        assert dm.found() == [ids[1]]
        assert dm.send("DELETE", "/resources").status_code == 400

    def test_deleted_things_can_stay_readable(self, dm: Plain) -> None:
        resource = dm.upload(b"1")
        (label,) = dm.annotate(resource, {})
        dm.send("DELETE", f"/annotations/{label}")
        dm.send("DELETE", f"/resources/{resource}")
        dm.standin.show_deleted = True
        record = dm.resource(resource)
        assert (record["deleted"], record["status"], record["deleted_by"]) == (True, "deleted", ADMIN)
        assert dm.annotation(label)["deleted"] is True


# ---- projects ------------------------------------------------------------------------------------------------


class TestProjects:
    def test_a_project_has_all_that_any_client_asks_for(self, dm: Plain) -> None:
        project = dm.project
        assert (project["name"], project["resource_count"]) == ("sandbox", 0)
        for name in ("id", "dataset_id", "worklist_id", "created_at", "created_by", "description"):
            assert isinstance(project[name], str), name
        assert project["annotators"] == []
        assert {"viewable_ai_segs", "editable_ai_segs", "annotated_resource_count"} <= set(project)
        assert dm.get(f"/projects/{project['id']}").json() == project

    def test_the_current_server_answers_four_fields_less(self, dm: Plain) -> None:
        dm.standin.current_server = True
        project = dm.project
        assert not {"worklist_id", "annotated_resource_count", "viewable_ai_segs", "editable_ai_segs"} & set(project)
        assert {"id", "name", "dataset_id", "archived", "resource_count", "description", "can_annotate"} <= set(project)
        assert len(dm.get(f"/projects/{project['id']}/worklists").json()) == 1

    def test_clients_before_2_45_cannot_use_the_current_server(self, dm: Plain, tmp_path: Path) -> None:
        dm.standin.current_server = True
        with pytest.raises(AssertionError, match="Error connecting to the Datamint API"):
            DATAMINT.run("datamint_api.py", str(tmp_path), variables=dm.sandbox.variables, home=tmp_path)

    def test_creating(self, dm: Plain) -> None:
        resource = dm.upload(b"1", bypass_inbox="true")
        specs = [{"type": "category", "identifier": "x", "scope": "image", "values": ["1"]}]
        wish = {
            "name": "new",
            "description": "d",
            "is_active_learning": True,
            "resource_ids": [resource],
            "annotation_set": {"resource_ids": [resource], "annotations": specs, "annotators": ["a@b.example"]},
            "segmentationData": {"segmentationValueType": "multi_label", "definitions": []},
        }
        response = dm.post("/projects", wish)
        assert response.status_code == 201
        made = response.json()
        assert (made["name"], made["description"], made["resource_count"]) == ("new", "d", 1)
        assert made["is_active_learning"] is True
        worklist = dm.get(f"/annotationsets/{made['worklist_id']}").json()
        assert worklist["annotations"] == [{"required": False, **specs[0]}]
        assert (worklist["segmentation_type"], worklist["resource_ids"]) == ("multi_label", [resource])
        assert made["annotators"] == [{"email": "a@b.example", "worklist_ids": [made["worklist_id"]]}]

    def test_a_name_is_taken_once_even_by_an_archived_project(self, dm: Plain) -> None:
        made = dm.post("/projects", {"name": "new"}).json()
        dm.send("DELETE", f"/projects/{made['id']}")
        response = dm.post("/projects", {"name": "new"})
        assert response.status_code == 409
        assert response.json()["id"] == made["id"]
        assert response.json()["message"]
        for wish in ({"description": "no name"}, {"name": ""}, {"name": 7}):
            assert dm.post("/projects", wish).status_code == 400

    def test_archiving_and_restoring(self, dm: Plain) -> None:
        made = dm.standin.add_project("other")
        dm.send("DELETE", f"/projects/{made['id']}")
        assert dm.get("/projects").json()["totalCount"] == 1
        for text in ("true", "True", "TRUE"):
            assert dm.get("/projects", includeArchived=text).json()["totalCount"] == 2
        assert dm.get(f"/projects/{made['id']}").json()["archived"] is True
        assert dm.post(f"/projects/{made['id']}/restore").json()["archived"] is False
        assert dm.get("/projects").json()["totalCount"] == 2

    def test_patch(self, dm: Plain) -> None:
        path = f"/projects/{dm.project['id']}"
        assert dm.send("PATCH", path, json={"pinned_metrics": ["dice"], "id": "x"}).json()["pinned_metrics"] == ["dice"]
        assert dm.get(path).json()["pinned_metrics"] == ["dice"]

    @pytest.mark.parametrize("route", ["/projects/{id}/resources", "/datasets/{dataset_id}/resources"])
    def test_adding_and_removing_by_both_routes(self, dm: Plain, route: str) -> None:
        ids, path = [dm.upload(b"1"), dm.upload(b"2"), dm.upload(b"3")], route.format(**dm.project)
        response = dm.post(path, {"resource_ids_to_add": ids[:2], "all_files_selected": False})
        assert (response.status_code, response.json()) == (200, {"updated": True})
        assert dm.post(path, {"resource_ids_to_add": [ids[2], NOWHERE]}).status_code == 404
        dm.post(path, {"resource_ids_to_add": [ids[2], ids[0]], "resource_ids_to_delete": [ids[1]]})
        bare = dm.get(f"/projects/{dm.project['id']}/resources").json()
        assert [each["id"] for each in bare] == [ids[0], ids[2]]
        assert dm.resource(ids[0])["projects"] == [{"id": dm.project["id"], "name": "sandbox"}]
        assert dm.get(f"/datasets/{dm.project['dataset_id']}").json()["resource_ids"] == [ids[0], ids[2]]

    def test_an_annotation_counts_only_through_a_worklist_of_the_project(self, dm: Plain) -> None:
        ids, project = [dm.upload(b"1"), dm.upload(b"2")], dm.project
        dm.post(f"/projects/{project['id']}/resources", {"resource_ids_to_add": ids})
        dm.annotate(ids[0], {})
        assert dm.project["annotated_resource_count"] == 0
        (label, _) = dm.annotate(ids[1], {"annotation_worklist_id": project["worklist_id"]}, {})
        assert dm.project["annotated_resource_count"] == 1
        dm.send("DELETE", f"/annotations/{label}")
        assert dm.project["annotated_resource_count"] == 0
        (late,) = dm.annotate(ids[0], {})
        dm.send("PATCH", f"/annotations/{late}", json={"project_id": project["id"]})
        assert dm.project["annotated_resource_count"] == 1
        assert dm.annotation(late)["annotation_worklist_id"] == project["worklist_id"]

    def test_work_status_and_splits(self, dm: Plain) -> None:
        ids, path = [dm.upload(b"1"), dm.upload(b"2")], f"/projects/{dm.project['id']}"
        dm.post(f"{path}/resources", {"resource_ids_to_add": ids[:1]})
        for status in ("opened", "annotated", "closed"):
            assert dm.post(f"{path}/resources/{ids[0]}/status", {"status": status}).json()["status"] == status
        assert dm.project["closed_resources_count"] == 1
        assert dm.post(f"{path}/resources/{ids[0]}/status", {"status": "lost"}).status_code == 400
        assert dm.post(f"{path}/resources/{ids[1]}/status", {"status": "closed"}).status_code == 404
        dm.post(f"{path}/splits", {"resource_ids": ids[:1], "split_name": "train"})
        dm.post(f"{path}/splits", {"resource_ids": ids[:1], "split_name": "test"})
        assert [each["split_name"] for each in dm.get(f"{path}/splits").json()] == ["test"]
        assert dm.get(f"{path}/splits", split_name="train").json() == []
        assert dm.get(f"{path}/resources/{ids[0]}/split").json()["split_name"] == "test"
        assert dm.get(f"{path}/resources/{ids[1]}/split").status_code == 404
        assert dm.get(f"{path}/splits", as_of_timestamp="2000-01-01").json() == []

    def test_statistics_have_their_outer_form(self, dm: Plain) -> None:
        resource, path = dm.upload(b"1"), f"/projects/{dm.project['id']}"
        dm.post(f"{path}/resources", {"resource_ids_to_add": [resource]})
        dm.annotate(resource, {"annotation_worklist_id": dm.project["worklist_id"]})
        assert dm.get(f"{path}/annotation-statuses").json() == [{"resource_id": resource, "status": "new"}]
        assert dm.get(f"{path}/annotators-statistic").json() == [{"email": ADMIN, "count": 1}]
        assert dm.get(f"{path}/annotations-statistic").json() == {"label": 1}
        assert dm.get(f"{path}/files-matrix-statistic").json() == {resource: {ADMIN: 1}}
        assert dm.get(f"{path}/experiments").json() == dm.get(f"{path}/reviewmessages").json() == []

    def test_archive_holds_files_masks_and_the_short_form(self, dm: Plain) -> None:
        ids, project = [dm.upload(b"1", "a/b.bin"), dm.upload(b"2"), dm.upload(nifti(VOXELS), "v.nii.gz")], dm.project
        dm.post(f"/projects/{project['id']}/resources", {"resource_ids_to_add": ids})
        dm.annotate(ids[0], {})
        response = dm.segment(ids[2], nifti(LABELS), annotation_worklist_id=project["worklist_id"])
        assert len(response.json()) == 3
        dm.annotate(
            ids[2],
            {"type": "float", "value": 1.5, "scope": "frame", "frame_index": 2}
            | {"annotation_worklist_id": project["worklist_id"]},
        )
        path = f"/projects/{project['id']}/annotated_dataset"
        sizes = {}
        for query in ({"all_annotations": "False"}, {"all_annotations": "True"}, {"include_unannotated": "True"}):
            response = dm.get(path, **query)
            assert response.headers["Content-Type"] == "application/zip"
            with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
                table = json.loads(archive.read("dataset.json"))
                for described in table["resources"]:
                    content = archive.read(described["file"])
                    assert content == dm.get(f"/resources/{described['id']}/file").content
                    for annotation in described["annotations"]:
                        if annotation["type"] == "segmentation":
                            url = f"/annotations/{described['id']}/annotations/{annotation['id']}/file"
                            assert archive.read(annotation["file"]) == dm.get(url).content
                sizes[json.dumps(query)] = {each["id"]: len(each["annotations"]) for each in table["resources"]}
        only, every, bare = sizes.values()
        assert only == {ids[2]: 4}
        assert every == {ids[0]: 1, ids[2]: 4}
        assert bare == {ids[0]: 0, ids[1]: 0, ids[2]: 4}
        (number,) = [each for each in described["annotations"] if each["type"] == "float"]
        assert (number["name"], number["value"], number["index"], number["added_by"]) == ("lesion", 1.5, 2, ADMIN)


class TestWorklists:
    @pytest.fixture
    def published(self, dm: Plain) -> str:
        resource = dm.upload(b"1", bypass_inbox="true")
        dm.post(f"/projects/{dm.project['id']}/resources", {"resource_ids_to_add": [resource]})
        return resource

    def test_a_worklist_of_a_project_accepts_only_its_published_resources(self, dm: Plain, published: str) -> None:
        project = dm.project["id"]
        inbox, outside = dm.upload(b"2"), dm.upload(b"3", bypass_inbox="true")
        dm.post(f"/projects/{project}/resources", {"resource_ids_to_add": [inbox]})
        wish = {"name": "w", "project_id": project}
        for resource, text in ((inbox, "not published"), (outside, "not in the project")):
            response = dm.post("/annotationsets", wish | {"resource_ids": [resource]})
            assert response.status_code == 400
            assert text in response.json()["message"]
        response = dm.post("/annotationsets", wish | {"resource_ids": [published]})
        assert response.status_code == 201
        made = response.json()["id"]
        path = f"/annotationsets/{made}/resources"
        assert dm.post(path, {"resource_ids_to_add": [inbox]}).status_code == 400
        dm.post(f"/resources/{inbox}/publish")
        assert dm.post(path, {"resource_ids_to_add": [inbox]}).json()["added"] == 1
        dm.post(path, {"resource_ids_to_delete": [published]})
        assert dm.get(f"/annotationsets/{made}").json()["resource_ids"] == [inbox]
        names = {each["worklist_name"]: each for each in dm.get(f"/projects/{project}/worklists").json()}
        assert set(names) == {"sandbox", "w"}
        assert (names["w"]["worklist_id"], names["w"]["annotators"], names["w"]["status"]) == (made, [], "new")

    def test_settings_are_read_under_other_names_than_written(self, dm: Plain) -> None:
        wish = {
            "name": "w",
            "resource_ids": [],
            "viewable_ai_segmentations": ["a"],
            "editable_ai_segmentations": ["b"],
            "annotators": ["x@y.example"],
            "segmentation_data": {
                "segmentationValueType": "multi_label",
                "definitions": [{"identifier": "liver", "color": [255, 0, 0], "index": 1}],
            },
        }
        made = dm.get(f"/annotationsets/{dm.post('/annotationsets', wish).json()['id']}").json()
        assert (made["viewable_ai_segs"], made["editable_ai_segs"]) == (["a"], ["b"])
        assert made["segmentation_group"] == {"liver": {"color": [255, 0, 0, 255], "index": 1}}
        assert made["segmentation_type"] == "multi_label"
        assert made["annotators"] == [{"email": "x@y.example", "status": "new"}]

    def test_patch_and_list_by_status(self, dm: Plain) -> None:
        path = f"/annotationsets/{dm.project['worklist_id']}"
        specs = [{"type": "category", "identifier": "x", "scope": "image", "required": False, "values": ["1"]}]
        changes = {"status": "active", "name": "n", "annotations": specs, "frame_labels": ["f"], "image_labels": ["i"]}
        body = dm.send("PATCH", path, json=changes | {"annotators": [MEMBER]}).json()
        assert changes.items() <= body.items()
        assert body["annotators"] == [{"email": MEMBER, "status": "new"}]
        assert dm.get("/annotationsets", status="active").json()["totalCount"] == 1
        assert dm.get("/annotationsets", status="new").json() == {"data": [], "totalCount": 0}
        assert dm.send("PATCH", path, json={"status": "lost"}).status_code == 400
        for spec in ({"type": "category", "identifier": "x", "scope": "image"}, {"type": "label"}):
            assert dm.send("PATCH", path, json={"annotations": [spec]}).status_code == 400

    def test_segmentation_group(self, dm: Plain) -> None:
        path = f"/annotationsets/{dm.project['worklist_id']}/segmentation-group"
        definitions = [{"identifier": name, "color": [0, 1, 2], "index": i} for i, name in enumerate("ab", 1)]
        dm.send(
            "PUT", path, json={"segmentationData": {"segmentationValueType": "multi_label", "definitions": definitions}}
        )
        assert list(dm.get(path).json()["segmentation_group"]) == ["a", "b"]
        assert dm.send("DELETE", f"{path}/a").status_code == 200
        assert dm.get(path).json()["segmentation_group"] == {"b": {"color": [0, 1, 2, 255], "index": 2}}
        assert dm.send("DELETE", f"{path}/a").status_code == 404

    def test_people_progress_and_findings(self, dm: Plain, published: str) -> None:
        worklist = dm.project["worklist_id"]
        path = f"/annotationsets/{worklist}"
        for _ in range(2):
            assert dm.post(f"{path}/annotators/{MEMBER}").status_code == 200
        assert dm.get(path).json()["annotators"] == [{"email": MEMBER, "status": "new"}]
        assert dm.send("DELETE", f"{path}/annotators/{MEMBER}").json()["annotators"] == []
        assert dm.post(f"{path}/resources/{published}/status", {"status": "closed"}).json()["status"] == "closed"
        on_it = {"annotation_worklist_id": worklist}
        segmentation = on_it | {"type": "segmentation", "scope": "image"}
        label, human, model, _ = dm.annotate(published, on_it, segmentation, segmentation | {"model_id": "m"}, {})
        for name, expected in {"annotations": label, "segmentations": human, "ai_segmentations": model}.items():
            assert [each["id"] for each in dm.get(f"{path}/resources/{published}/{name}").json()] == [expected]
        rows = list(csv.DictReader(io.StringIO(dm.get(f"{path}/download-annotations").text)))
        assert [row["annotation_type"] for row in rows] == ["label", "segmentation", "segmentation"]
        assert [row["resource_id"] for row in rows] == [published] * 3


# ---- annotations ---------------------------------------------------------------------------------------------


class TestAnnotations:
    @pytest.fixture
    def resource(self, dm: Plain) -> str:
        return dm.upload(b"1", "a.bin", modality="CT")

    def test_ids_come_in_order_and_errors_in_their_place(self, dm: Plain, resource: str) -> None:
        answers = dm.annotate(
            resource,
            {"identifier": "first"},
            {"type": "nonsense"},
            {"identifier": "second"},
            {"identifier": ""},
            {"scope": "case"},
            {"scope": "frame", "frame_index": -1},
            {"scope": "frame", "frame_range": [1]},
            {"annotation_worklist_id": NOWHERE},
            {"type": None},
        )
        assert [isinstance(each, str) for each in answers] == [True, False, True] + [False] * 6
        assert all(isinstance(each["error"], str) for each in answers if isinstance(each, dict))
        assert [dm.annotation(answers[place])["identifier"] for place in (0, 2)] == ["first", "second"]
        assert len(dm.search()) == 2

    def test_the_body_is_an_array(self, dm: Plain, resource: str) -> None:
        response = dm.post(f"/annotations/{resource}/annotations", {"type": "label"})
        assert response.status_code == 400
        assert dm.annotate(resource) == []
        assert [each["error"] for each in dm.post(f"/annotations/{resource}/annotations", ["x"]).json()]

    def test_write_names_become_read_names(self, dm: Plain, resource: str) -> None:
        text, number, model = dm.annotate(
            resource,
            {"type": "category", "value": "yes", "source": "imported", "imported_from": "legacy"},
            {"type": "float", "value": 12.5, "units": "mm", "scope": "image"},
            {"type": "category", "value": "x", "model_id": "m1", "is_model": True, "scope": "frame", "frame_index": 3},
        )
        read = dm.annotation(text)
        assert (read["annotation_type"], read["text_value"], read["numeric_value"]) == ("category", "yes", None)
        assert (read["source"], read["imported_from"], read["status"]) == ("imported", "legacy", "new")
        assert (read["resource_id"], read["resource_filename"], read["resource_modality"]) == (resource, "a.bin", "CT")
        assert "type" not in read
        assert "value" not in read
        read = dm.annotation(number)
        assert (read["text_value"], read["numeric_value"], read["units"]) == (None, 12.5, "mm")
        read = dm.annotation(model)
        assert (read["created_by_model"], read["is_model"], read["frame_index"]) == ("m1", True, 3)

    def test_explicit_nulls_are_as_good_as_absence(self, dm: Plain, resource: str) -> None:
        names = (
            "value",
            "frame_index",
            "imported_from",
            "import_author",
            "annotation_worklist_id",
            "units",
            "geometry",
        )
        bare, nulls = dm.annotate(resource, {}, dict.fromkeys(names))
        changing = {"id", "created_at"}
        first, second = dm.annotation(bare), dm.annotation(nulls)
        assert {k: v for k, v in first.items() if k not in changing} == {
            k: v for k, v in second.items() if k not in changing
        }

    def test_only_an_administrator_imports_for_others(self, dm: Plain, resource: str) -> None:
        (label,) = dm.annotate(resource, {"import_author": "doc@example.org"})
        read = dm.annotation(label)
        assert (read["import_author"], read["created_by"]) == ("doc@example.org", "doc@example.org")
        member = Plain(dm.sandbox, MEMBER_KEY, dm.session)
        (own,) = member.annotate(resource, {"import_author": MEMBER})
        assert member.annotation(own)["created_by"] == MEMBER
        wish = {"type": "label", "identifier": "x", "scope": "image", "import_author": ADMIN}
        response = member.post(f"/annotations/{resource}/annotations", [wish])
        assert response.status_code == 403
        assert response.json()["message"]
        assert [each["id"] for each in dm.search(annotatorEmail="doc@example.org")] == [label]

    @pytest.mark.parametrize(
        ("sent", "read"),
        [
            ([[10, 10, 0], [50, 40, 0]], [[10, 10, 0], [50, 10, 0], [10, 40, 0], [50, 40, 0]]),
            ([[1, 2, None], [4, 5, None]], [[1, 2, None], [4, 2, None], [1, 5, None], [4, 5, None]]),
            ([[1, 2], [4, 5]], [[1, 2], [4, 2], [1, 5], [4, 5]]),
            ([[1, 1, 0], [2, 1, 0], [1, 2, 0], [2, 2, 0]], [[1, 1, 0], [2, 1, 0], [1, 2, 0], [2, 2, 0]]),
        ],
    )
    def test_a_box_is_answered_with_four_corners(
        self, dm: Plain, resource: str, sent: list[Any], read: list[Any]
    ) -> None:
        (box,) = dm.annotate(resource, {"type": "square", "geometry": {"points": sent, "viewUp": [0, 1, 0]}})
        assert dm.annotation(box)["geometry"] == {"points": read, "viewUp": [0, 1, 0]}
        assert dm.search()[0]["geometry"]["points"] == read
        dm.standin.boxes_as_sent = True
        assert dm.annotation(box)["geometry"]["points"] == sent

    def test_other_geometry_is_kept_as_sent(self, dm: Plain, resource: str) -> None:
        geometry = {"points": [[1.25, -2.5, 3], [4, 5, 6]], "closed": True, "viewPlaneNormal": [0, 0, 1]}
        ids = dm.annotate(resource, {"type": "line", "geometry": geometry}, {"type": "region", "geometry": geometry})
        assert [dm.annotation(each)["geometry"] for each in ids] == [geometry, geometry]

    def test_patch_approve_delete(self, dm: Plain, resource: str) -> None:
        label, other = dm.annotate(resource, {}, {})
        dm.send("PATCH", f"/annotations/{label}", json={"identifier": "renamed"})
        assert dm.send("PATCH", f"/annotations/{label}/approve").json() == {"status": "approved"}
        for wrong in ("", None):
            assert dm.send("PATCH", f"/annotations/{label}", json={"identifier": wrong}).status_code == 400
        read = dm.annotation(label)
        assert (read["identifier"], read["status"], read["approved_by"]) == ("renamed", "approved", ADMIN)
        assert [each["id"] for each in dm.search(status="published")] == [label]
        assert [each["id"] for each in dm.search(status="new")] == [other]
        assert dm.post("/annotations/delete-batch", {"ids": [label, label, NOWHERE]}).json() == {"deleted": 1}
        assert dm.send("DELETE", f"/annotations/{label}").status_code == 404
        assert dm.send("DELETE", f"/annotations/{other}").status_code == 200
        assert dm.search() == []
        assert len(dm.search(deleted="only")) == len(dm.search(deleted="include")) == 2

    def test_a_file_is_attached_and_comes_back(self, dm: Plain, resource: str) -> None:
        (mask,) = dm.annotate(resource, {"type": "segmentation", "scope": "frame", "frame_index": 0})
        url = f"/annotations/{resource}/annotations/{mask}/file"
        response = dm.get(url)
        assert response.status_code == 404
        assert " not found" in response.json()["message"]
        assert dm.annotation(mask)["file"] is None
        answer = dm.send("POST", url, files={"file": ("liver", png(RAMP), "image/png")}).json()
        assert "error" not in answer
        assert dm.get(url).content == png(RAMP)
        assert dm.annotation(mask)["file"].endswith("/liver")
        assert dm.get(url.replace(resource, dm.upload(b"2"))).status_code == 404
        assert dm.send("POST", url, files={"other": ("liver", b"x")}).status_code == 400


SEARCHES: list[tuple[dict[str, Any], str]] = [
    ({}, "lcso"),
    ({"load_ai_segmentations": True}, "lcsmo"),
    ({"load_ai_segmentations": "True"}, "lcsmo"),
    ({"load_ai_segmentations": False}, "lcso"),
    ({"resource_id": "second"}, "o"),
    ({"resource_ids": ["second", "first"]}, "olcs"),
    ({"resource_ids": []}, ""),
    ({"annotation_type": "segmentation"}, "s"),
    ({"annotatorEmail": "doc@example.org"}, "c"),
    ({"source": "manual"}, "c"),
    ({"status": "new", "resource_id": "first"}, "lcs"),
    ({"status": "published"}, ""),
    ({"from": "2000-01-01", "to": "2999-01-01"}, "lcso"),
    ({"from": "2999-01-01"}, ""),
    ({"to": "2000-01-01"}, ""),
    ({"offset": "1", "limit": "2"}, "cs"),
    ({"annotation_worklist_id": "worklist_id"}, "l"),
    ({"annotation_worklist_id": "worklist_id", "resource_id": "second"}, ""),
    ({"dataset_id": "dataset_id"}, "lcs"),
    ({"dataset_id": "dataset_id", "resource_ids": ["second"]}, ""),
    ({"dataset_id": NOWHERE}, ""),
]
"""Searches and the annotations they find, by their letters in `TestSearching.found`."""


class TestSearching:
    @pytest.fixture
    def found(self, dm: Plain) -> dict[str, str]:
        first, second = dm.upload(b"1"), dm.upload(b"2")
        project = dm.project
        dm.post(f"/projects/{project['id']}/resources", {"resource_ids_to_add": [first]})
        label, category, mask, model = dm.annotate(
            first,
            {"annotation_worklist_id": project["worklist_id"]},
            {"type": "category", "value": "v", "source": "manual", "import_author": "doc@example.org"},
            {"type": "segmentation"},
            {"type": "segmentation", "model_id": "m"},
        )
        (other,) = dm.annotate(second, {})
        return {"first": first, "second": second, "l": label, "c": category, "s": mask, "m": model, "o": other}

    @pytest.mark.parametrize(("wish", "expected"), SEARCHES)
    def test_new_search(self, dm: Plain, found: dict[str, str], wish: dict[str, Any], expected: str) -> None:
        wish = {"offset": "0", "limit": "5000"} | self.with_ids(wish, found | dm.project)
        assert [each["id"] for each in dm.search(**wish)] == [found[letter] for letter in expected]

    @pytest.mark.parametrize(("wish", "expected"), [each for each in SEARCHES if "resource_ids" not in each[0]])
    def test_old_search(self, dm: Plain, found: dict[str, str], wish: dict[str, Any], expected: str) -> None:
        answered = dm.get("/annotations", **self.with_ids(wish, found | dm.project)).json()["data"]
        assert [each["id"] for each in answered] == [found[letter] for letter in expected]

    @staticmethod
    def with_ids(wish: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
        return {
            name: [known[each] for each in value] if isinstance(value, list) else known.get(str(value), value)
            for name, value in wish.items()
        }

    def test_days_are_included_for_annotations_and_the_last_excluded_for_resources(
        self, dm: Plain, found: dict[str, str]
    ) -> None:
        made = dm.annotation(found["o"])["created_at"]
        day = made[:10]
        assert len(dm.search(**{"from": day, "to": day})) == 4
        dm.standin.state["annotations"][found["o"]]["created_at"] = "2001-02-03T23:59:59.999Z"
        dm.standin.state["resources"][found["second"]]["created_at"] = "2001-02-03T00:00:00.000Z"
        for last, size in (("2001-02-02", 0), ("2001-02-03", 1)):
            assert len(dm.search(to=last)) == size
        for last, ids in (("2001-02-03", []), ("2001-02-04", [found["second"]])):
            assert dm.found(to=last) == ids
        assert dm.found(**{"from": "2001-02-03", "to": "2001-02-04"}) == [found["second"]]

    def test_deleted_annotations_of_a_worklist(self, dm: Plain, found: dict[str, str]) -> None:
        dm.send("DELETE", f"/annotations/{found['l']}")
        worklist = dm.project["worklist_id"]
        assert dm.search(annotation_worklist_id=worklist) == []
        (deleted,) = dm.search(annotation_worklist_id=worklist, deleted="only")
        assert (deleted["id"], deleted["deleted"], deleted["deleted_by"]) == (found["l"], True, ADMIN)

    def test_envelopes(self, dm: Plain, found: dict[str, str]) -> None:
        bare = dm.search()
        assert isinstance(bare, list)
        old = dm.get("/annotations", limit="1").json()
        assert (old["data"], old["totalCount"]) == (bare[:1], 4)
        dm.standin.search_envelope = "data"
        assert dm.post("/annotations/search", {}).json() == {"data": bare}
        dm.standin.search_envelope = "nested"
        assert dm.post("/annotations/search", {}).json() == {"data": [{"annotations": bare}], "totalCount": 4}

    def test_pages_are_capped_here_too(self, dm: Plain, found: dict[str, str]) -> None:
        dm.standin.page_cap = 3
        assert len(dm.search(limit="5000")) == 3
        assert len(dm.search(offset="3", limit="5000")) == 1


class TestVolumes:
    @pytest.fixture
    def resource(self, dm: Plain) -> str:
        return dm.upload(nifti(VOXELS), "v.nii.gz", "application/nifti")

    def mask(self, dm: Plain, resource: str, annotation: str) -> nib.Nifti1Image:
        return volume_of(dm.get(f"/annotations/{resource}/annotations/{annotation}/file").content)

    def test_one_mask_for_each_named_value_that_occurs(self, dm: Plain, resource: str) -> None:
        names = json.dumps({"3": "tumor", "1": "liver", "7": "absent"})
        worklist = dm.project["worklist_id"]
        response = dm.segment(
            resource, nifti(LABELS), segmentation_map=names, annotation_worklist_id=worklist, imported_from="x"
        )
        assert response.status_code == 201
        ids = response.json()
        read = [dm.annotation(each) for each in ids]
        assert [each["identifier"] for each in read] == ["liver", "tumor"]
        for each, value in zip(read, (1, 3), strict=True):
            assert (each["annotation_type"], each["scope"], each["frame_index"]) == ("segmentation", "image", None)
            assert (each["annotation_worklist_id"], each["imported_from"]) == (worklist, "x")
            assert each["class_map"] == {"1": each["identifier"]}
            assert each["file"].endswith("/labels.nii.gz")
            mask = self.mask(dm, resource, each["id"])
            assert mask.get_data_dtype() == np.uint8
            assert np.array_equal(np.asanyarray(mask.dataobj), np.where(value == LABELS, 1, 0))
            assert np.array_equal(mask.affine, AFFINE)
            assert mask.header["qform_code"] == 0
            assert mask.header["sform_code"] == 2

    @pytest.mark.parametrize("form", [{}, {"segmentation_map": "{}"}])
    def test_without_names_each_value_gets_one(self, dm: Plain, resource: str, form: dict[str, str]) -> None:
        ids = dm.segment(resource, nifti(LABELS), **form).json()
        assert [dm.annotation(each)["identifier"] for each in ids] == [f"segmentation_{n}" for n in (1, 2, 3)]

    def test_an_unzipped_file_with_slope_gives_unzipped_masks(self, dm: Plain, resource: str) -> None:
        image = nib.Nifti1Image(LABELS, AFFINE)
        image.header.set_slope_inter(2, 0)
        (first, *_) = dm.segment(resource, image.to_bytes(), segmentation_map='{"2": "doubled"}').json()
        content = dm.get(f"/annotations/{resource}/annotations/{first}/file").content
        assert content[:2] != b"\x1f\x8b"
        values = np.asanyarray(nib.Nifti1Image.from_bytes(image.to_bytes()).dataobj)
        assert np.array_equal(np.asanyarray(volume_of(content).dataobj), values == 2)

    def test_an_empty_volume_makes_nothing(self, dm: Plain, resource: str) -> None:
        assert dm.segment(resource, nifti(np.zeros((2, 2, 2), np.uint8))).json() == []

    def test_a_models_masks_are_shown_on_demand(self, dm: Plain, resource: str) -> None:
        ids = dm.segment(resource, nifti(LABELS), model_id="m1").json()
        assert dm.search(resource_id=resource) == []
        assert [each["id"] for each in dm.search(resource_id=resource, load_ai_segmentations=True)] == ids

    @pytest.mark.parametrize(
        ("content", "form"),
        [
            (b"no volume", {}),
            (nifti(LABELS)[:80], {}),
            (nifti(LABELS), {"segmentation_map": '{"a": "b"}'}),
            (nifti(LABELS), {"segmentation_map": "[1]"}),
            (nifti(LABELS), {"annotation_worklist_id": NOWHERE}),
        ],
    )
    def test_what_makes_no_sense_is_400(self, dm: Plain, resource: str, content: bytes, form: dict[str, str]) -> None:
        response = dm.segment(resource, content, **form)
        assert response.status_code == 400
        assert response.json()["message"]
        assert dm.search() == []


class TestTracks:
    def test_a_track_is_replaced_as_a_whole(self, dm: Plain) -> None:
        resource = dm.upload(b"1")
        path = f"/annotations/{resource}/frame-ranges"
        values = [
            {"value": "D", "frame_ranges": [{"start": 0, "end": 10}, {"start": 20, "end": 31}]},
            {"value": "N", "frame_ranges": [{"start": 10, "end": 20}]},
        ]
        track = {"identifier": "pos", "type": "category", "values": values}
        created = dm.send("PUT", path, json=track).json()
        assert (len(created["created"]), created["deleted"]) == (3, [])
        first = dm.annotation(created["created"][0])
        assert (first["frame_range"], first["text_value"], first["scope"]) == ([0, 9], "D", "frame")
        dm.send("PUT", path, json=track | {"identifier": "other", "values": values[1:]})
        told = [(row["identifier"], row["type"], row["value"], row["frame_ranges"]) for row in dm.get(path).json()]
        spans = [each["frame_ranges"] for each in values]
        assert told == [
            ("pos", "category", "D", spans[0]),
            ("pos", "category", "N", spans[1]),
            ("other", "category", "N", spans[1]),
        ]
        again = dm.send("PUT", path, json=track | {"values": values[1:]}).json()
        assert sorted(again["deleted"]) == sorted(created["created"])
        left = [row for row in dm.get(path).json() if row["identifier"] == "pos"]
        assert [(row["value"], row["frame_ranges"]) for row in left] == [("N", spans[1])]
        mine = {"created_by": left[0]["created_by"]}
        assert dm.get(path, **mine).json() == dm.get(path).json()
        assert dm.get(path, created_by="somebody.else@example.org").json() == []

    def test_annotations_of_single_frames_belong_to_it(self, dm: Plain) -> None:
        resource = dm.upload(b"1")
        frames = [{"scope": "frame", "frame_index": number} for number in (4, 6)]
        dm.annotate(resource, *frames, {"scope": "frame", "frame_range": [8, 9]}, {"scope": "image"})
        (track,) = dm.get(f"/annotations/{resource}/frame-ranges").json()
        spans = [{"start": 4, "end": 5}, {"start": 6, "end": 7}, {"start": 8, "end": 10}]
        assert (track["value"], track["frame_ranges"]) == (None, spans)

    @pytest.mark.parametrize(
        "wish",
        [
            {"type": "line", "values": []},
            {"values": 3},
            {"values": [{"frame_ranges": [{"start": 3, "end": 3}]}]},
            {"identifier": None, "values": [{"frame_ranges": [{"start": 3, "end": 4}]}]},
        ],
    )
    def test_what_makes_no_sense_is_400(self, dm: Plain, wish: dict[str, Any]) -> None:
        track = {"identifier": "pos", "type": "label", **wish}
        response = dm.send("PUT", f"/annotations/{dm.upload(b'1')}/frame-ranges", json=track)
        assert response.status_code == 400
        assert response.json()["message"]


class TestAccounts:
    def test_users(self, dm: Plain) -> None:
        made = dm.post("/users", {"email": "a@b.example", "password": "x", "roles": ["annotator"]})
        assert made.status_code == 201
        assert made.json()["id"] == "a@b.example"
        assert "password" not in made.json()
        assert dm.post("/users", {"email": "a@b.example"}).status_code == 409
        assert dm.post("/users", {"email": "nobody"}).status_code == 400
        changes = {"firstname": "A", "lastname": "B", "roles": ["reviewer"]}
        assert changes.items() <= dm.send("PATCH", "/users/a@b.example", json=changes).json().items()
        assert dm.get("/users/a%40b.example").json()["firstname"] == "A"
        assert len(dm.get("/users", offset=0, limit=5000).json()) == 4
        assert dm.send("DELETE", "/users/a@b.example").status_code == 200
        assert dm.get("/users/a@b.example").status_code == 404

    def test_only_an_administrator_manages_users(self, dm: Plain) -> None:
        member = Plain(dm.sandbox, MEMBER_KEY, dm.session)
        assert member.get("/users").status_code == 200
        assert member.post("/users", {"email": "a@b.example"}).status_code == 403
        assert member.send("DELETE", f"/users/{ADMIN}").status_code == 403

    def test_invitations(self, dm: Plain) -> None:
        assert dm.post("/users/invite", {"email": "a@b.example", "project_id": "p"}).status_code == 201
        assert [each["email"] for each in dm.get("/users/invitations").json()] == ["a@b.example"]
        assert [len(dm.get("/users/invitations", project_id=each).json()) for each in "pq"] == [1, 0]
        assert dm.send("DELETE", "/users/invitations/a@b.example/revoke").status_code == 200
        assert dm.get("/users/invitations").json() == []

    def test_models(self, dm: Plain) -> None:
        assert dm.post("/ai-models", {"name": "net"}).status_code == 201
        assert dm.post("/ai-models", {"name": "net"}).status_code == 409
        assert [each["name"] for each in dm.get("/ai-models").json()] == ["net"]


# ---- bad days ------------------------------------------------------------------------------------------------


class TestBadDays:
    def test_errors_inside_a_success_come_only_when_asked_for(self, dm: Plain) -> None:
        resource = dm.upload(b"1")
        (mask,) = dm.annotate(resource, {"type": "segmentation"})
        dm.standin.soft_errors += ["disk full"] * 5
        form = {"resource": ("a", b"b")}
        assert dm.send("POST", "/resources", files=form).json() == {"error": "disk full"}
        answers = dm.post(
            f"/annotations/{resource}/annotations", [{"type": "label", "identifier": "x", "scope": "image"}]
        ).json()
        assert answers == [{"error": "disk full"}]
        url = f"/annotations/{resource}/annotations/{mask}/file"
        response = dm.send("POST", url, files={"file": ("a", b"b")})
        assert (response.status_code, response.json()) == (200, {"error": "disk full"})
        assert dm.segment(resource, nifti(LABELS)).json() == {"error": "disk full"}
        assert dm.post("/projects", {"name": "new"}).json() == {"error": "disk full"}
        assert dm.found() == [resource]
        assert len(dm.search()) == 1
        assert dm.get("/projects").json()["totalCount"] == 1
        assert dm.send("POST", "/resources", files=form).status_code == 201

    def test_a_lost_answer_leaves_a_resource_behind(self, dm: Plain) -> None:
        dm.sandbox.faults.add("POST /resources reset-after x1")
        with pytest.raises(requests.ConnectionError):
            dm.upload(b"1", "orphan.bin")
        assert len(dm.found(filename="orphan.bin")) == 1

    def test_a_refused_upload_leaves_nothing(self, dm: Plain) -> None:
        dm.sandbox.faults.add("POST /resources 429=1 x1")
        response = dm.send("POST", "/resources", files={"resource": ("a", b"b")})
        assert (response.status_code, response.headers["Retry-After"]) == (429, "1")
        assert response.json()["message"]
        assert dm.found() == []

    def test_nothing_is_asynchronous_so_nothing_fails_later(self, dm: Plain) -> None:
        dm.sandbox.faults.add("* * fail-later")
        resource = dm.upload(png(RAMP), "a.png", "image/png")
        assert dm.resource(resource)["metadata"] == {"width": 6, "height": 8}
        assert dm.get(f"/resources/{resource}/frames/0").status_code == 200

    def test_a_sandbox_with_a_folder_is_found_again_as_it_was(self, tmp_path: Path) -> None:
        with Sandbox(platforms=("datamint",), folder=tmp_path) as sandbox, requests.Session() as session:
            dm = Plain(sandbox, session=session)
            resource = dm.upload(nifti(VOXELS), "v.nii.gz", "application/nifti", tags="t", channel="c")
            dm.post(f"/projects/{dm.project['id']}/resources", {"resource_ids_to_add": [resource]})
            ids = dm.segment(resource, nifti(LABELS), annotation_worklist_id=dm.project["worklist_id"]).json()
            before = [dm.resource(resource), dm.search(), dm.get("/projects").json()]
        with Sandbox(platforms=("datamint",), folder=tmp_path) as sandbox, requests.Session() as session:
            dm = Plain(sandbox, session=session)
            assert [dm.resource(resource), dm.search(), dm.get("/projects").json()] == before
            assert dm.found(tags=TestListing.names("union", "t")) == dm.found(channel_name="c") == [resource]
            assert dm.get(f"/resources/{resource}/file").content == nifti(VOXELS)
            mask = volume_of(dm.get(f"/annotations/{resource}/annotations/{ids[0]}/file").content)
            assert np.array_equal(np.asanyarray(mask.dataobj), LABELS == 1)
            assert dm.send("DELETE", f"/annotations/{ids[0]}").status_code == 200


# ---- requests of clients that cannot run here ----------------------------------------------------------------


@dataclass
class Replay:
    """Sends captured requests, with living ids and files where the captured ones were."""

    captured: list[dict[str, Any]]
    dm: Plain
    contents: dict[str, bytes]
    living: dict[str, str] = field(default_factory=dict)

    def resource(self, *, inbox: bool = False) -> str:
        made = self.dm.upload(nifti(VOXELS), "v.nii.gz", "application/nifti", bypass_inbox="false" if inbox else "true")
        self.dm.post(f"/projects/{self.dm.project['id']}/resources", {"resource_ids_to_add": [made]})
        return made

    def live(self, captured: str, path: str) -> str:
        """What stands for a captured id: the same for the same id, except where a call needs a fresh one."""
        kind = captured[:4]
        if kind == "1111" and path.endswith("publish"):
            return self.resource(inbox=True)
        if kind == "1111" and captured not in self.living:
            self.living[captured] = self.resource()
        if kind == "cccc":
            on = re.match(r"/annotations/(1111[^/]*)/", path)
            resource = self.live(on[1], path) if on else self.resource()
            (made,) = self.dm.annotate(resource, {"type": "segmentation"})
            url = f"/annotations/{resource}/annotations/{made}/file"
            self.dm.send("POST", url, files={"file": ("mask", png(RAMP))})
            return str(made)
        known = {"aaaa": "id", "bbbb": "worklist_id", "dddd": "dataset_id"}
        return self.dm.project[known[kind]] if kind in known else self.living[captured]

    def with_living_ids(self, text: str, path: str) -> str:
        pattern = r"(?:1111|aaaa|bbbb|cccc|dddd)[0-9a-f]{4}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
        return re.sub(pattern, lambda match: self.live(match[0], path), text)

    def send(self, captured: dict[str, Any]) -> requests.Response:
        text = json.dumps({name: captured.get(name) for name in ("path", "query", "json")})
        wish = json.loads(self.with_living_ids(text, captured["path"]))
        headers = dict(captured["headers"])
        if "authorization" in headers:
            headers["authorization"] += f" {ADMIN_KEY}"
        options: dict[str, Any] = {"params": wish["query"], "json": wish["json"]}
        if "form" in captured:
            headers["Content-Type"] = "multipart/form-data; boundary=captured"
            options["data"] = (
                b"".join(self.part(part, captured["path"]) for part in captured["form"]) + b"--captured--\r\n"
            )
        return self.dm.send(captured["method"], wish["path"], headers=headers, **options)

    def part(self, part: dict[str, Any], path: str) -> bytes:
        if "value" in part:
            content = self.with_living_ids(part["value"], path).encode()
        else:
            content = self.content("\n".join(part["headers"]))
        return ("--captured\r\n" + "\r\n".join(part["headers"]) + "\r\n\r\n").encode() + content + b"\r\n"

    def content(self, headers: str) -> bytes:
        if 'name="file"' in headers and ".nii" in headers:
            return self.contents["labels.nii.gz"]
        kinds = {".dcm": "single.dcm", ".nii": "volume.nii.gz"}
        return next((self.contents[name] for end, name in kinds.items() if end in headers), png(RAMP))


def captured_requests(version: str) -> list[Any]:
    requests_ = json.loads((CAPTURES / f"{version}.json").read_text())["requests"]
    return [
        pytest.param(version, place, id=f"{version}-{place}-{each['step']}") for place, each in enumerate(requests_)
    ]


REFUSED = {"worklist_by_id_404": 404, "set_tags_str_id": 404}
"""Captured requests that a server must refuse, and how."""


@pytest.fixture(scope="module")
def replay(request: pytest.FixtureRequest, files: dict[str, bytes]) -> Iterator[Replay]:
    captured = json.loads((CAPTURES / f"{request.param}.json").read_text())["requests"]
    with Sandbox(platforms=("datamint",)) as sandbox, requests.Session() as session:
        yield Replay(captured, Plain(sandbox, session=session), files)


def expect_resources(body: Any) -> None:
    assert isinstance(body["data"][0]["resources"], list)
    assert isinstance(body["totalCount"], int)


def expect_ids(body: Any) -> None:
    assert body
    assert all(isinstance(each, str) for each in body)


FORMS: dict[str, Callable[[Any], object]] = {
    r"POST /resources": lambda body: body["id"],
    r"GET /resources(/not-annotated)?": expect_resources,
    r"GET /resources/channels": lambda body: [each["channel_name"] for each in body["data"]],
    r"GET /resources/[^/]+": lambda body: body["metadata"],
    r"GET /(projects|annotations|annotationsets|datasets)": lambda body: body["data"][:0],
    r"GET /projects/[^/]+": lambda body: body["dataset_id"],
    r"GET /projects/[^/]+/(resources|worklists|splits|experiments)": lambda body: iter(body[:0]),
    r"POST /projects": lambda body: body["worklist_id"],
    r"POST /annotations/[^/]+/(annotations|segmentations/file)": expect_ids,
    r"POST /annotations/search": lambda body: [each["id"] for each in body],
    r"GET /annotations/[^/]+": lambda body: body["annotation_type"],
    r"GET /annotationsets/[^/]+": lambda body: body["segmentation_group"],
    r"POST /annotationsets": lambda body: body["id"],
    r"GET /users": lambda body: [each["email"] for each in body],
    r"POST /resources/restore": lambda body: (body["restored"], body["skipped"]),
}
"""What clients take from the answers."""


@pytest.mark.parametrize(
    ("replay", "place"), [*captured_requests("1.3.0"), *captured_requests("2.45.0")], indirect=["replay"]
)
def test_captured_request(replay: Replay, place: int) -> None:
    captured = replay.captured[place]
    response = replay.send(captured)
    if captured["step"] in REFUSED:
        assert response.status_code == REFUSED[captured["step"]]
        assert " not found" in response.json()["message"]
        return
    assert response.status_code in {200, 201}, response.text
    call = f"{captured['method']} {captured['path']}"
    for form, take in FORMS.items():
        if re.fullmatch(form, call):
            take(response.json())
            return
    if not call.endswith(("/file", "/0", "annotated_dataset")) or captured["method"] == "POST":
        assert isinstance(response.json(), dict | list)


# ---- independence --------------------------------------------------------------------------------------------


def test_the_stand_in_shares_no_code_with_the_connector() -> None:
    folder = Path(__file__).parents[2] / "connectors" / "caseferry_datamint" / "sandbox"
    imported = {
        node.module
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("caseferry")
    }
    assert len(imported) > 10
    assert all(name.startswith(("caseferry.sandbox", "caseferry_datamint.sandbox")) for name in imported)
