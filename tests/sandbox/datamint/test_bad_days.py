"""Faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from caseferry.sandbox import Sandbox
from sandbox_datamint import LABELS, RAMP, VOXELS, Plain, names, nifti, png, volume_of

if TYPE_CHECKING:
    from pathlib import Path


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
            assert dm.found(tags=names("union", "t")) == dm.found(channel_name="c") == [resource]
            assert dm.get(f"/resources/{resource}/file").content == nifti(VOXELS)
            mask = volume_of(dm.get(f"/annotations/{resource}/annotations/{ids[0]}/file").content)
            assert np.array_equal(np.asanyarray(mask.dataobj), LABELS == 1)
            assert dm.send("DELETE", f"/annotations/{ids[0]}").status_code == 200
