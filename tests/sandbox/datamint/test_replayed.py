"""Requests of clients that cannot run here, sent again."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests

from caseferry.sandbox import Sandbox
from caseferry_datamint.sandbox import (
    ADMIN_KEY,
)
from sandbox_datamint import CAPTURES, RAMP, VOXELS, Plain, nifti, png

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
