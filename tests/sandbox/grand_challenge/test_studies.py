"""Reader studies, and restarts."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import numpy as np

import caseferry_grand_challenge.sandbox as package
from caseferry.sandbox import Sandbox
from sandbox_grand_challenge import Site, dicom, from_itk, value


class TestStudies:
    def test_display_sets(self, site: Site, viewer: Site, outsider: Site) -> None:
        study = site.get("reader-studies/", slug="sandbox-study").json()["results"][0]
        first = site.post("reader-studies/display-sets/", {"reader_study": "sandbox-study", "title": "a"}).json()
        assert (first["order"], first["reader_study"], first["index"]) == (10, "sandbox-study", 0)
        early = site.post("reader-studies/display-sets/", {"reader_study": "sandbox-study", "order": 3}).json()
        assert (early["order"], early["index"]) == (3, 0)
        path = f"reader-studies/display-sets/{first['pk']}/"
        changed = site.call("PATCH", path, {"values": [value("lung-volume", 1)], "order": 0}).json()
        assert (changed["order"], changed["values"][0]["interface"]) == (20, "lung-volume")
        listed = site.get("reader-studies/display-sets/", reader_study=study["pk"]).json()["results"]
        assert [row["pk"] for row in listed] == [early["pk"], first["pk"]]
        assert listed[1]["reader_study"] == study["api_url"]
        assert listed[1]["values"][0]["socket"]["slug"] == "lung-volume"
        assert viewer.get(path).status_code == 200
        assert viewer.call("PATCH", path, {"values": []}).status_code == 403
        assert outsider.get(path).status_code == 404
        refused = viewer.post("reader-studies/display-sets/", {"reader_study": "sandbox-study"})
        assert refused.json() == {"reader_study": ["Object with slug=sandbox-study does not exist."]}

    def test_a_display_set_with_answers_cannot_change(self, site: Site) -> None:
        row = site.post("reader-studies/display-sets/", {"reader_study": "sandbox-study"}).json()
        site.standin.mark_answered(row["pk"])
        answer = site.call("PUT", f"reader-studies/display-sets/{row['pk']}/", {"values": []})
        words = "This display set cannot be changed, as answers for it already exist."
        assert (answer.status_code, answer.json()) == (400, [words])

    def test_an_image_held_by_a_display_set_alone(self, site: Site, viewer: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        row = site.post("reader-studies/display-sets/", {"reader_study": "sandbox-study"}).json()
        entry = {"interface": "ct-image", "image": image["api_url"]}
        site.call("PATCH", f"reader-studies/display-sets/{row['pk']}/", {"values": [entry]})
        (item,) = (one["pk"] for one in site.get("archives/items/").json()["results"])
        site.call("PUT", f"archives/items/{item}/", {"values": []})
        assert viewer.get(image["api_url"]).status_code == 200
        study = site.get("reader-studies/", slug="sandbox-study").json()["results"][0]
        assert site.get("cases/images/", reader_study=study["pk"]).json()["count"] == 1
        assert site.get("cases/images/", archive=site.archive()["pk"]).json()["count"] == 0

    def test_an_import_for_a_display_set(self, site: Site, tmp_path: Path) -> None:
        row = site.post("reader-studies/display-sets/", {"reader_study": "sandbox-study"}).json()
        upload = site.upload("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path))
        site.session(upload, display_set=row["pk"], interface="ct-image")
        assert site.get(row["api_url"]).json()["values"][0]["image"] is not None


class TestRestart:
    def test_everything_is_found_again(self, tmp_path: Path) -> None:
        folder = tmp_path / "kept"
        with Sandbox(platforms=("grand-challenge",), folder=folder) as sandbox:
            site = Site(sandbox)
            image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)), socket="ct-image")
            item = site.item("case")
            site.set(
                item, value("lung-volume", 1.9), {"interface": "report", "user_upload": site.upload("a.pdf", b"%PDF-")}
            )
            content = site.fetch(image["files"][0]["file"])
        with Sandbox(platforms=("grand-challenge",), folder=folder) as sandbox:
            site = Site(sandbox)
            again = site.get(f"cases/images/{image['pk']}/").json()
            assert again["api_url"].startswith(site.base)
            assert site.fetch(again["files"][0]["file"]) == content
            assert site.values(item)["lung-volume"]["value"] == 1.9
            assert site.fetch(site.values(item)["report"]["file"]) == b"%PDF-"
            archive = site.archive()["api_url"]
            assert site.post("archives/items/", {"archive": archive, "title": "case"}).status_code == 400
            other = site.item("other")
            site.set(other, value("lung-volume", 1.9))
            assert site.values(other)["lung-volume"]["pk"] == site.values(item)["lung-volume"]["pk"]

    def test_work_under_way_goes_on(self, tmp_path: Path) -> None:
        folder = tmp_path / "kept"
        with Sandbox(platforms=("grand-challenge",), folder=folder, processing=60) as sandbox:
            site = Site(sandbox)
            item = site.item("case")
            uploads = [site.upload("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path))]
            site.change(item, {"interface": "ct-image", "user_uploads": uploads})
            assert site.values(item) == {}
        with Sandbox(platforms=("grand-challenge",), folder=folder) as sandbox:
            sandbox.settle()
            assert "ct-image" in Site(sandbox).values(item)

    def test_the_state_is_plain_json(self, site: Site, tmp_path: Path) -> None:
        site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.uint8), tmp_path)))
        site.imported(("a.dcm", dicom()))
        assert json.loads(json.dumps(site.standin.state)) == site.standin.state


def test_the_stand_in_shares_no_code_with_the_connector() -> None:
    allowed = ("caseferry.sandbox", "caseferry_grand_challenge.sandbox")
    modules = sorted(Path(package.__file__).parent.rglob("*.py"))
    assert len(modules) > 20
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            ours = [name for name in names if name.startswith("caseferry")]
            assert all(name.startswith(allowed) for name in ours), (path.name, ours)
