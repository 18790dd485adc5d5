"""Who may call, how paths are written, and that nothing is shared with the connector."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import requests

from caseferry_datamint.sandbox import (
    ADMIN_KEY,
    MEMBER_KEY,
    POWERLESS_KEY,
)
from sandbox_datamint import NOWHERE, RAMP, Plain, png


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


def test_the_stand_in_shares_no_code_with_the_connector() -> None:
    folder = Path(__file__).parents[3] / "connectors" / "caseferry_datamint" / "sandbox"
    imported = {
        node.module
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("caseferry")
    }
    assert len(imported) > 10
    assert all(name.startswith(("caseferry.sandbox", "caseferry_datamint.sandbox")) for name in imported)
