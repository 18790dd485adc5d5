"""Projects, worklists and accounts."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from typing import TYPE_CHECKING

import pytest

from caseferry_datamint.sandbox import (
    ADMIN,
    MEMBER,
    MEMBER_KEY,
)
from peers import DATAMINT
from sandbox_datamint import LABELS, NOWHERE, VOXELS, Plain, nifti

if TYPE_CHECKING:
    from pathlib import Path


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
