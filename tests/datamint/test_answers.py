"""Answers that are not what the platform promises: each is told in one message, and none is read as an empty one."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
import requests
from PIL import Image
from urllib3 import HTTPResponse

import caseferry as cf
from caseferry.http import Retry
from caseferry.imaging.kinds import Kind
from caseferry_datamint import Datamint
from caseferry_datamint.connector import DatamintConnector
from caseferry_datamint.wire.answers import made_ids
from datamint_asking import READS, WRITES, Ids

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry.testing import Samples
    from datamint_scene import Scene

KEY = "the-secret-key"
JSON = "application/json"
PROJECTS = {"data": [{"id": "pid", "name": "sandbox", "worklist_id": "w"}], "totalCount": 1}


def said(body: Any) -> tuple[int, str, bytes]:
    return 200, JSON, json.dumps(body).encode()


EMPTY: dict[str, tuple[int, str, bytes]] = {
    "nothing": (200, JSON, b""),
    "nothing of no type": (200, "", b""),
    "204": (204, "", b""),
    "null": said(None),
    "a number": said(7),
    "a text": said("hello"),
    "numbers": said([1, 2, 3]),
    "an object": said({}),
    "data null": said({"data": None}),
    "data an object": said({"data": {"x": 1}}),
    "a page of a proxy": (200, "text/html", b"<!doctype html><html>Log in</html>"),
    "a page that says it is JSON": (200, JSON, b"<html>"),
    "plain text": (200, "text/plain", b"OK"),
    "half of it": (200, JSON, b'{"data":[{'),
    "bytes": (200, "application/octet-stream", bytes(range(256))),
    "lists in lists": (200, JSON, b"[" * 100_000),
    "rows without names": said({"data": [{"name": "x"}], "totalCount": 1}),
    "names that are null": said({"data": [{"id": None, "name": None, "email": None}], "totalCount": 1}),
    "an id that is null": said({"id": None}),
    "400 of another form": (400, JSON, b'["x"]'),
    "500 of nothing": (500, "", b""),
    "502 of a proxy": (502, "text/html", b"<html>Bad gateway</html>"),
}
"""Answers out of which nothing can be read."""

FIELDS = {
    "name": ["a"],
    "size": 10**400,
    "filename": {"a": 1},
    "created_at": [1],
    "frame_index": "abc",
    "numeric_value": {},
    "projects": 5,
    "status": 8,
    "email": "a@example.org",
}
STRANGE: dict[str, tuple[int, str, bytes]] = {
    "an id with a slash": said({"id": "../projects", "data": [{"id": "a/b", "email": "a/b", "resource_id": "a"}]}),
    "an id that is an object": said({"id": {"a": 1}, "data": [{"id": {"a": 1}}]}),
    "an id that is a number": said({"id": 12, "data": [{"id": 12, "resource_id": 13, **FIELDS}]}),
    "tags that are none": said({"id": "x", "tags": 7, "data": [{"id": "x", "tags": 7}]}),
    "metadata that is none": said({"id": "x", "metadata": [1], "data": [{"id": "x", "metadata": "a"}]}),
    "fields of other types": said({"id": "x", **FIELDS, "data": [{"id": "x", "resource_id": "x", **FIELDS}]}),
    "a total beyond all bounds": said({"data": [], "totalCount": 10**4000}),
    "a total below nothing": said({"data": [], "totalCount": -1}),
    "a total in other digits": said({"data": [], "totalCount": "²"}),
}
"""Answers some of which can be read."""

TELLS_NOTHING = {"publish", "add", "work", "approve", "delete annotation", "delete resource", "delete project"}
"""Changes whose answer tells nothing: that it is none of an error is enough."""

NAMELESS = {"channels"}
"""Lists whose rows may be without a name."""


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Have everything answered the same, and the list of projects as it should be where that is wanted."""
    monkeypatch.setattr(Retry, "delay", lambda *_: 0.0)
    Image.new("L", (4, 4)).save(tmp_path / "picture.png")

    def begin(answered: tuple[int, str, bytes], *, projects: bool) -> None:
        def send(adapter: Any, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            known = projects and request.method == "GET" and "/projects?" in str(request.url)
            status, kind, body = said(PROJECTS) if known else answered
            found = requests.Response()
            found.status_code, found.url, found.request = status, str(request.url), request
            found.headers.update({"Content-Type": kind} if kind else {})
            found.raw = HTTPResponse(io.BytesIO(body), status=status, preload_content=False)
            return found

        monkeypatch.setattr("requests.adapters.HTTPAdapter.send", send)

    return begin


def told(ask: Callable[[Datamint, Ids], Any], folder: Path) -> str:
    """The message of the error that something raises; empty when it raises none."""
    message = ""
    with Datamint("https://datamint.example.org", KEY) as account:
        try:
            ask(account, Ids(folder))
        except cf.CaseferryError as error:
            message = f"{error}"
    assert KEY not in message
    return message


def silent(folder: Path) -> set[str]:
    """The questions that raise no error."""
    return {name for name, ask in (READS | WRITES).items() if not told(ask, folder)}


@pytest.mark.parametrize("body", EMPTY)
def test_an_answer_that_holds_nothing_is_told(answer: Callable[..., None], tmp_path: Path, body: str) -> None:
    answer(EMPTY[body], projects=False)
    assert silent(tmp_path) <= TELLS_NOTHING | NAMELESS
    answer(EMPTY[body], projects=True)
    assert silent(tmp_path) - TELLS_NOTHING - NAMELESS == {"projects", "project"}
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


@pytest.mark.parametrize("body", STRANGE)
def test_an_answer_with_strange_fields_is_read_or_told(answer: Callable[..., None], tmp_path: Path, body: str) -> None:
    for projects in (False, True):
        answer(STRANGE[body], projects=projects)
        silent(tmp_path)


def test_what_is_wrong_is_named(answer: Callable[..., None], tmp_path: Path) -> None:
    promised = "the answer is not what the platform promises: the field"
    answer(STRANGE["an id with a slash"], projects=True)
    assert told(READS["resource"], tmp_path) == f"datamint: get resource x: {promised} id is a text that is no id"
    answer(STRANGE["tags that are none"], projects=True)
    assert (
        told(READS["resources"], tmp_path) == f"datamint: list resources: {promised} tags is a number, expected a list"
    )


MESSAGE = b'{"message": "Resource not found"}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "told"),
    [
        (400, b'{"message": "name is required"}', cf.PlatformError, "answered 400: name is required"),
        (400, MESSAGE, cf.NotFound, "answered 400: Resource not found"),
        (401, b'{"message": "Unauthorized"}', cf.AuthenticationFailed, "answered 401"),
        (403, b'{"message": "Forbidden"}', cf.PermissionDenied, "answered 403"),
        (404, MESSAGE, cf.NotFound, "answered 404: Resource not found"),
        (404, b"", cf.NotFound, "answered 404"),
        (404, b'{"detail": "x"}', cf.NotFound, "answered 404"),
        (409, b'{"message": "it is there"}', cf.AlreadyExists, "answered 409: it is there"),
        (413, b"", cf.PlatformError, "answered 413"),
        (422, b'{"message": "odd"}', cf.PlatformError, "answered 422: odd"),
        (429, b"", cf.RateLimited, "answered 429"),
        (503, b"", cf.TemporaryFailure, "answered 503"),
        (200, b'{"error": "quota is used up"}', cf.PlatformError, "quota is used up"),
    ],
)
def test_every_error_has_its_class(
    answer: Callable[..., None], status: int, body: bytes, kind: type[Exception], told: str
) -> None:
    """The statuses and bodies that the platform's own clients know."""
    answer((status, JSON, body), projects=False)
    with Datamint("https://datamint.example.org", KEY) as account, pytest.raises(kind, match=told) as failed:
        account.approve_annotations("x")
    assert type(failed.value) is kind


def test_what_is_gone_is_not_listed_even_where_the_server_shows_it(answer: Callable[..., None]) -> None:
    when = "2026-01-02T03:04:05Z"
    rows = [{"id": "a", "deleted": True}, {"id": "b", "deleted_at": when}, {"id": "c", "deleted": False}]
    answer(said({"data": [{"resources": rows}], "totalCount": 3}), projects=False)
    with Datamint("https://datamint.example.org", KEY) as account:
        assert [each.id for each in account.resources()] == ["c"]
    answer(said(rows), projects=False)
    with Datamint("https://datamint.example.org", KEY) as account:
        assert [each.id for each in account.annotations()] == ["c"]


def test_ids_of_what_was_made_are_read_in_either_form() -> None:
    assert made_ids(["a", {"id": "b"}], 2, "annotate") == ["a", "b"]
    for body in (["a"], ["a", "b", "c"], ["a", {"error": "no"}], ["a", "b/c"], ["a", None], {"id": "a"}, "ab"):
        with pytest.raises(cf.UnexpectedResponse, match="annotate"):
            made_ids(body, 2, "annotate")


# -- lists that change ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [2, 3, None])
def test_what_is_deleted_while_it_is_listed_hides_nothing(scene: Scene, cap: int | None) -> None:
    ids = [scene.upload(b"bytes", f"{number}.bin") for number in range(9)]
    scene.standin.page_cap = cap
    with Datamint() as account:
        seen = []
        for each in account.resources():
            seen.append(each.id)
            account.delete_resources(each.id)
        assert seen == ids
        assert list(account.resources()) == []


def test_a_case_whose_first_resource_was_deleted_is_listed_and_not_read(scene: Scene, samples: Samples) -> None:
    """What has no place on the platform lies with the first resource: reading the rest would be a silent loss."""
    dataset = scene.open()
    case = cf.Case("half", images=[samples.image(Kind.NIFTI), samples.image(Kind.PICTURE)], values={"a": 1})
    dataset.put(samples.case("before", Kind.PICTURE))
    first, _ = dataset.resources(dataset.put(case))
    dataset.put(samples.case("after", Kind.PICTURE))
    dataset.account.delete_resources(first.id)
    listed = {item.case_id: item for item in dataset.items()}
    assert set(listed) == {"before", "half", "after"}
    with pytest.raises(cf.NotFound, match="its first resource is gone"):
        listed["half"].case()
    assert dataset.put(case).case().values == {"a": 1}
    assert [item.case_id for item in dataset.items()] == ["before", "after", "half"]


# -- projects ------------------------------------------------------------------------------------------------------


def test_a_name_that_two_projects_have_opens_neither(scene: Scene) -> None:
    scene.standin.add_project("second")
    for project in scene.standin.state["projects"].values():
        project["name"] = "twin"
    with pytest.raises(cf.ConfigurationError, match="2 projects have the name 'twin'"):
        scene.open("twin")
    with Datamint() as account:
        assert {account.project(each.id).id for each in account.projects()} == set(scene.standin.state["projects"])


def test_a_project_without_a_name_is_listed_by_its_id(answer: Callable[..., None], monkeypatch: Any) -> None:
    monkeypatch.setenv("DATAMINT_API_URL", "https://datamint.example.org")
    monkeypatch.setenv("DATAMINT_API_KEY", KEY)
    answer(said({"data": [{"id": "pid", "name": None}]}), projects=False)
    assert list(DatamintConnector().datasets()) == ["datamint:pid"]
    with pytest.raises(cf.UnexpectedResponse, match="it has no name"):
        cf.connect("datamint:pid")
