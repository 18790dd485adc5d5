"""The stand-in judged by gcapi itself."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813

from caseferry_grand_challenge.sandbox import (
    OUTSIDER_TOKEN,
    VIEWER_TOKEN,
)
from peers import GCAPI
from sandbox_grand_challenge import CAPTURES, TOKENS, Site, dicom, from_itk, value


def captured() -> list[dict[str, Any]]:
    requests_: list[dict[str, Any]] = json.loads(CAPTURES.read_text())["requests"]
    return requests_


SET_BY_THE_STAGE = {"title", "title_safe", "filename"}
"""How an object is called is not compared where the captured request did not say it."""


class Stage:
    """Fills the words in braces of a captured request with objects that are there."""

    def __init__(self, site: Site, folder: Path) -> None:
        self.site = site
        self.folder = folder
        self.words = {"{api}": site.base, "{host}": site.base.removesuffix("/api/v1/")}

    def prepare(self, wanted: str | None) -> None:
        if wanted in {"values", "values and image"}:
            content = [
                value("lung-volume", 1.9),
                value("report-text", "hello"),
                value("case-metadata", {"a": [1, None]}),
            ]
            self.site.set(self.word("{item}"), *content)
        if wanted in {"image", "values and image", "display set", "detached image"}:
            self.prepare_image()
        if wanted == "detached image":
            self.site.call("PUT", f"archives/items/{self.word('{item}')}/", {"values": []})
        if wanted == "display set":
            entries = [value("lung-volume", 1.0), {"interface": "ct-image", "image": self.image}]
            self.site.call("PATCH", f"reader-studies/display-sets/{self.word('{set}')}/", {"values": entries})
        if wanted == "session":
            self.site.sandbox.settings.processing = 1
            body = {"uploads": [self.site.upload("a.mha", b"x")], "archive": "sandbox", "interface": "mr-image"}
            self.words["{session}"] = self.site.post("cases/upload-sessions/", body).json()["pk"]
        if wanted == "part":
            path = f"uploads/{self.word('{upload}')}/{self.word('{upload_id}')}/generate-presigned-urls/"
            urls = self.site.call("PATCH", path, {"part_numbers": [1]}).json()["presigned_urls"]
            etag = requests.put(urls["1"], data=b"part", timeout=30).headers["ETag"]
            self.words["{etag}"] = etag.strip('"')

    def prepare_image(self) -> None:
        path = self.folder / "anatomical.nii"
        nibabel.save(nibabel.Nifti1Image(np.zeros((33, 41, 25), np.int16), np.diag([2.0, 2, 2, 1])), path)
        upload = self.site.upload(path.name, path.read_bytes())
        self.site.set(self.word("{item}"), {"interface": "ct-image", "user_uploads": [upload]})
        self.image = self.site.values(self.word("{item}"))["ct-image"]["image"]
        self.words["{image}"] = self.image.rstrip("/").rsplit("/", 1)[-1]

    def word(self, name: str) -> str:
        if name not in self.words:
            self.words[name] = self.make(name)
        return self.words[name]

    def make(self, name: str) -> str:
        if name == "{archive}":
            return str(self.site.archive()["pk"])
        if name == "{item}":
            return self.site.item()
        if name in {"{upload}", "{upload2}", "{upload_id}"}:
            row = self.site.post("uploads/", {"filename": "anatomical.nii"}).json()
            self.words["{upload}"], self.words["{upload_id}"] = row["pk"], row["s3_upload_id"]
            return str(self.words[name])
        if name == "{set}":
            body = {"reader_study": "sandbox-study", "title": "ds-1795223882"}
            return str(self.site.post("reader-studies/display-sets/", body).json()["pk"])
        raise KeyError(name)

    def fill(self, text: str | None, *, completed: bool = False) -> str | None:
        if text is None:
            return None
        if completed and "{upload}" in text:
            self.words["{upload}"] = self.site.upload("a.mha", b"x").rstrip("/").rsplit("/", 1)[-1]
        return re.sub(r"\{[a-z_0-9]+\}", lambda found: self.word(found[0]), text)

    def general(self, content: Any, key: str = "") -> Any:
        """An answer with everything that differs from server to server taken out, as in the captures."""
        if isinstance(content, dict):
            plain = "super_kind" in content
            return dict(content) if plain else {name: self.general(part, name) for name, part in content.items()}
        if isinstance(content, list):
            return [self.general(part, key) for part in content]
        if key == "pk" and isinstance(content, int):
            return 0
        if not isinstance(content, str):
            return content
        text = content.replace(self.site.base, "{api}").replace(self.words["{host}"], "{host}")
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "{uuid}", text)
        if key in {"created", "s3_upload_id", "logo", "description"} and text:
            return f"{{{key}}}"
        if key in {"1", "2", "3", "4", "5"}:
            return "{url}"
        if key == "file":
            text = re.sub(r"images/../../", "images/{hh}/{hh}/", text)
        if key in {"title", "title_safe"}:
            text = re.sub(r"(case |ds-)[\d.]+", r"\1{n}", text)
        return text


@pytest.mark.parametrize("capture", captured(), ids=lambda capture: capture["name"])
def test_captured_requests(site: Site, tmp_path: Path, capture: dict[str, Any]) -> None:
    """What gcapi sent to a running server is answered here as it was there."""
    stage = Stage(site, tmp_path)
    stage.prepare(capture.get("prepare"))
    path = stage.fill(capture["path"])
    body = stage.fill(capture["body"], completed="upload-sessions" in capture["path"])
    assert path is not None
    headers = {"Content-Type": "application/json", "Accept": "application/json"} if body else {}
    answer = Site(site.sandbox, TOKENS[capture["as"]]).call(capture["method"], path, data=body, headers=headers)
    assert answer.status_code == capture["status"], answer.text
    if "reply" in capture:
        reply = stage.general(answer.json())
        for name in SET_BY_THE_STAGE & reply.keys():
            if f'"{name}"' not in (capture["body"] or ""):
                reply[name] = capture["reply"][name]
        assert reply == capture["reply"]
        assert list(reply) == list(capture["reply"])


@pytest.mark.peer
class TestGcapi:
    def files(self, folder: Path) -> None:
        array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([-2, -2, 3, 1.0])), folder / "ct.nii.gz")
        (folder / "other.mha").write_bytes(from_itk(np.ones((2, 3, 4), np.float32), folder))
        (folder / "report.pdf").write_bytes(b"%PDF-1.4 report")
        (folder / "series").mkdir()
        for number in (1, 2, 3):
            uids = {
                "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.1",
                "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.2",
            }
            content = dicom(number, (0, 0, 2.5 * number), **uids)
            (folder / "series" / f"{number}.dcm").write_bytes(content)

    def test_cases(self, site: Site, tmp_path: Path) -> None:
        self.files(tmp_path)
        result = GCAPI.run("gcapi_cases.py", str(tmp_path), variables=site.sandbox.variables, home=tmp_path)
        assert isinstance(result, dict)
        files = [Path(path) for path in result.pop("files")]
        assert result == {
            "posted": ["lung-volume", "case-metadata"],
            "value": 1.9,
            "changed": 2,
            "title": "case 1, again",
            "updated_still_showed": True,
            "shared": True,
            "same_image": True,
            "copied_file": True,
            "image": {"name": "1.2.826.0.1.3680043.8.498.1-0", "shape": [3, 4, 6], "type": "MHD"},
            "names": ["1.2.826.0.1.3680043.8.498.1-0", "ct.nii.gz", "other.mha"],
            "items": 2,
            "statuses": ["Succeeded"] * 3,
            "uploads": 0,
            "sockets": len(site.standin.table("sockets")),
        }
        mha, report, metadata = files
        assert sitk.ReadImage(str(mha)).GetSize() == (6, 4, 3)
        assert report.read_bytes() == b"%PDF-1.4 report"
        assert json.loads(metadata.read_text()) == {"rows": [1, 2, 3]}

    def test_refusals(self, site: Site, tmp_path: Path) -> None:
        arguments = (str(tmp_path), VIEWER_TOKEN, OUTSIDER_TOKEN)
        result = GCAPI.run("gcapi_refusals.py", *arguments, variables=site.sandbox.variables, home=tmp_path)
        words = "Out of range float values are not JSON compliant: 'NaN'"
        required = {"non_field_errors": ["value is required for interface kind FLT"]}
        type_ = {"__all__": ["JSON does not fulfill schema: instance 'x' is not of type 'integer'"]}
        assert result == {
            "bad token": [401, {"detail": "Invalid token."}],
            "not a number": [400, {"detail": f"JSON parse error - {words}"}],
            "null": [400, {"values": [required]}],
            "wrong type": [400, {"values": [type_]}],
            "viewer": [403, {"detail": "You do not have permission to perform this action."}],
            "outsider": "ObjectNotFound",
            "no archive": "ObjectNotFound",
            "ambiguous": "MultipleObjectsReturned",
            "outsider creates": [400, {"archive": ["Invalid hyperlink - Object does not exist."]}],
            "unique": [400, {"non_field_errors": ["The fields title, archive must make a unique set."]}],
            "delete": [403, {"detail": "You do not have permission to perform this action."}],
            "empty file": [500, "text/html"],
            "unknown socket": "SocketNotFound",
            "foreign url": "RuntimeError",
            "outsider sees": [0, 0],
        }

    def test_studies_and_image_sets(self, site: Site, tmp_path: Path) -> None:
        self.files(tmp_path)
        result = GCAPI.run("gcapi_studies.py", str(tmp_path), variables=site.sandbox.variables, home=tmp_path)
        assert isinstance(result, dict)
        assert len(set(result.pop("pixels"))) == 3
        assert result == {
            "set": {"name": "the set", "files": [], "instances": 3},
            "study": "Sandbox Study",
            "order": [10, 20],
            "sets": [["", 5, 0, 1], ["shown", 10, 1, 2]],
            "main": {"main": ["ct-image"]},
        }

    def test_a_client_that_is_too_old(self, site: Site, tmp_path: Path) -> None:
        site.standin.require_client("0.17.0")
        with pytest.raises(AssertionError, match="UnsupportedVersionError"):
            GCAPI.run("gcapi_cases.py", str(tmp_path), variables=site.sandbox.variables, home=tmp_path)

    def test_a_busy_server_is_asked_again(self, site: Site, tmp_path: Path) -> None:
        site.sandbox.faults.add("POST */archives/items/ 502-after x1; GET */archives/ 429=0 x2")
        self.files(tmp_path)
        with pytest.raises(AssertionError, match="must make a unique set"):
            GCAPI.run("gcapi_cases.py", str(tmp_path), variables=site.sandbox.variables, home=tmp_path)
        assert [row["title"] for row in site.get("archives/items/").json()["results"]] == ["case 1"]
