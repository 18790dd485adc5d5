"""The stand-in judged by Datamint's own clients."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from caseferry_datamint.sandbox import (
    ADMIN,
    MEMBER,
)
from sandbox_datamint import AFFINE, HANDLER, LABELS, NEW, OLD, RAMP, VOXELS, Ran, volume_of

if TYPE_CHECKING:
    from collections.abc import Callable


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
