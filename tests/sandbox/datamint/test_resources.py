"""Finding resources, and their life."""

from __future__ import annotations

import pytest

from caseferry_datamint.sandbox import (
    ADMIN,
)
from sandbox_datamint import NOWHERE, RAMP, Plain, names, png


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
        assert dm.found(tags=names("union", "e")) == ids
        assert dm.found(tags=names("union", "a", "b")) == []
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
        assert dm.found(tags=names("union", "t")) == [resource]
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
