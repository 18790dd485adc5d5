"""Annotations: made, searched, in volumes, over frames."""

from __future__ import annotations

import json
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from caseferry_datamint.sandbox import (
    ADMIN,
    MEMBER,
    MEMBER_KEY,
)
from sandbox_datamint import AFFINE, LABELS, NOWHERE, RAMP, VOXELS, Plain, nifti, png, volume_of


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
