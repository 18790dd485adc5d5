"""Tokens, lists and downloads."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
import requests

from caseferry_grand_challenge.sandbox import (
    UPLOADER_TOKEN,
)
from sandbox_grand_challenge import MIB, NOBODY, Site, from_itk, value

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox


class TestTransport:
    def test_versions_are_told_to_anybody(self, anonymous: Site) -> None:
        assert anonymous.get("gcapi/").json() == {"latest_version": "0.16.1", "lowest_supported_version": "0.13.0"}

    @pytest.mark.parametrize("path", ["gcapi/", "archives/", "components/interfaces/", "cases/images/"])
    def test_a_bad_token_is_refused_everywhere(self, running: Sandbox, path: str) -> None:
        answer = Site(running, "wrong").get(path)
        assert (answer.status_code, answer.json()) == (401, {"detail": "Invalid token."})
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        ("header", "status"),
        [
            (f"bearer {UPLOADER_TOKEN}", 200),
            (f"Token {UPLOADER_TOKEN}", 401),
            ("Bearer", 401),
            (f"Bearer {UPLOADER_TOKEN} more", 401),
        ],
    )
    def test_keyword_of_the_token(self, anonymous: Site, header: str, status: int) -> None:
        answer = anonymous.call("GET", "components/interfaces/", headers={"Authorization": header})
        assert answer.status_code == status

    def test_another_keyword_counts_as_no_token(self, anonymous: Site) -> None:
        answer = anonymous.call("GET", "archives/", headers={"Authorization": f"Token {UPLOADER_TOKEN}"})
        assert (answer.status_code, answer.json()["count"]) == (200, 0)

    def test_somebody_without_a_token(self, site: Site, anonymous: Site) -> None:
        item = site.item()
        for path in ("archives/", "archives/items/", "cases/images/", "uploads/", "cases/upload-sessions/"):
            assert anonymous.get(path).json()["count"] == 0
        assert anonymous.get(f"archives/items/{item}/").status_code == 404
        refused = {"detail": "Authentication credentials were not provided."}
        for method, path in (
            ("GET", "components/interfaces/"),
            ("POST", "archives/items/"),
            ("PATCH", f"archives/items/{item}/"),
            ("DELETE", f"archives/items/{item}/"),
            ("POST", "uploads/"),
        ):
            answer = anonymous.call(method, path, {})
            assert (answer.status_code, answer.json()) == (401, refused)

    def test_a_missing_slash_is_redirected(self, site: Site) -> None:
        answer = site.get("archives", slug="sandbox")
        assert answer.status_code == 301
        assert answer.headers["Location"] == "/api/v1/archives/?slug=sandbox"

    @pytest.mark.parametrize(
        ("accept", "status"), [("*/*", 200), ("application/json; indent=4", 200), ("text/html", 406), ("text/csv", 404)]
    )
    def test_only_json_is_answered(self, site: Site, accept: str, status: int) -> None:
        assert site.call("GET", "archives/", headers={"Accept": accept}).status_code == status

    def test_only_json_is_read(self, site: Site) -> None:
        answer = site.call("POST", "uploads/", headers={"Content-Type": "text/plain"}, data=b"filename")
        assert answer.status_code == 415
        assert answer.json() == {"detail": 'Unsupported media type "text/plain" in request.'}

    @pytest.mark.parametrize(
        ("raw", "words"),
        [
            (b"{", "JSON parse error - Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
            (b'{"a": NaN}', "JSON parse error - Out of range float values are not JSON compliant: 'NaN'"),
        ],
    )
    def test_broken_json(self, site: Site, raw: bytes, words: str) -> None:
        answer = site.call("POST", "uploads/", headers={"Content-Type": "application/json"}, data=raw)
        assert (answer.status_code, answer.json()) == (400, {"detail": words})

    def test_json_that_is_no_object(self, site: Site) -> None:
        answer = site.post("uploads/", [1])
        assert answer.json() == {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}

    def test_a_body_too_large_for_the_proxy(self, site: Site) -> None:
        answer = site.change(site.item(), value("report-text", "x" * (17 * MIB)))
        assert answer.status_code == 413
        assert answer.headers["Content-Type"].startswith("text/html")

    def test_options(self, site: Site) -> None:
        answer = site.call("OPTIONS", "archives/items/")
        assert answer.status_code == 200
        assert {"name", "renders", "parses"} <= answer.json().keys()

    def test_nothing_can_be_deleted(self, site: Site) -> None:
        item, upload = site.item(), site.upload("a.pdf", b"%PDF-")
        refused = [f"archives/items/{item}/", f"archives/{site.archive()['pk']}/", "cases/images/", upload]
        for path in refused:
            assert site.call("DELETE", path, {}).status_code == 403
        assert site.call("DELETE", "reader-studies/display-sets/", {}).status_code == 405
        assert site.get(f"archives/items/{item}/").status_code == 200

    def test_an_unknown_address_says_so(self, site: Site) -> None:
        answer = site.get("algorithms/jobs/")
        assert answer.status_code == 404
        assert "not implemented by the sandbox" in answer.json()["detail"]

    def test_archives_are_read_only(self, site: Site) -> None:
        assert site.post("archives/", {}).status_code == 405


class TestLists:
    def test_envelope(self, site: Site) -> None:
        for number in range(3):
            site.item(f"case {number}")
        first = site.get("archives/items/", limit=2, offset=0).json()
        assert (first["count"], len(first["results"]), first["previous"]) == (3, 2, None)
        assert first["next"] == f"{site.base}archives/items/?limit=2&offset=2"
        second = site.get(first["next"]).json()
        assert (len(second["results"]), second["next"]) == (1, None)
        assert second["previous"] == f"{site.base}archives/items/?limit=2"

    @pytest.mark.parametrize(("limit", "count"), [("0", 100), ("-3", 100), ("junk", 100), ("5000", 120), ("7", 7)])
    def test_limit(self, site: Site, limit: str, count: int) -> None:
        archive = site.standin.table("archives")[site.archive()["pk"]]
        for _ in range(120):
            site.standin.new_item(archive)
        assert len(site.get("archives/items/", limit=limit).json()["results"]) == count

    def test_no_page_is_longer_than_a_thousand(self, site: Site) -> None:
        archive = site.standin.table("archives")[site.archive()["pk"]]
        for _ in range(1001):
            site.standin.new_item(archive)
        page = site.get("archives/items/", limit=5000).json()
        assert (page["count"], len(page["results"])) == (1001, 1000)
        assert page["next"].endswith("?limit=1000&offset=1000")

    def test_past_the_end(self, site: Site) -> None:
        answer = site.get("archives/", offset=50)
        assert (answer.status_code, answer.json()["results"], answer.json()["count"]) == (200, [], 1)

    def test_unknown_filters_are_ignored(self, site: Site) -> None:
        site.standin.add_archive("other", "Other")
        assert site.get("archives/", title="Other").json()["count"] == 2
        assert site.get("archives/", slug="other").json()["count"] == 1

    @pytest.mark.parametrize("path", ["archives/items/", "cases/images/"])
    def test_bad_values_of_known_filters(self, site: Site, path: str) -> None:
        assert "is not a valid UUID" in site.get(path, archive="sandbox").json()["archive"][0]
        unknown = site.get(path, archive=NOBODY)
        assert unknown.status_code == 400
        assert unknown.json()["archive"][0].startswith("Select a valid choice.")

    def test_items_of_one_archive(self, site: Site, outsider: Site) -> None:
        other = site.standin.add_archive("other", "Other")
        site.item("here")
        there = site.item("there", "other")
        page = site.get("archives/items/", archive=other).json()
        assert [row["pk"] for row in page["results"]] == [there]
        assert outsider.get("archives/items/", archive=other).json()["count"] == 0

    def test_a_changed_item_moves_so_paging_can_skip(self, site: Site) -> None:
        first, second, third = (site.item(name) for name in "abc")
        assert [row["pk"] for row in site.get("archives/items/", limit=1).json()["results"]] == [first]
        site.set(first, value("lung-volume", 1))
        assert [row["pk"] for row in site.get("archives/items/").json()["results"]] == [second, third, first]


class TestDownloads:
    def test_the_file_lies_elsewhere(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        url = image["files"][0]["file"]
        redirect = site.get(url)
        assert (redirect.status_code, redirect.content) == (302, b"")
        target = redirect.headers["Location"]
        assert site.call("GET", target).status_code == 400
        answer = requests.get(target, headers={"Range": "bytes=0-9"}, timeout=30)
        assert (answer.status_code, answer.content) == (206, b"ObjectType")
        whole = requests.get(target, timeout=30)
        assert whole.headers["ETag"] == f'"{hashlib.md5(whole.content).hexdigest()}"'
        assert whole.headers["Content-Type"] == "application/octet-stream"

    def test_who_may_not(self, site: Site, viewer: Site, outsider: Site, anonymous: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        item = site.item()
        site.set(item, {"interface": "report", "user_upload": site.upload("a.pdf", b"%PDF-")})
        image_file, value_file = image["files"][0]["file"], site.values(item)["report"]["file"]
        for who in (outsider, anonymous, Site(site.sandbox, "wrong")):
            for url, status in ((image_file, 403), (value_file, 404)):
                answer = who.get(url)
                assert answer.status_code == status
                assert answer.headers["Content-Type"].startswith("text/html")
        assert [viewer.get(url).status_code for url in (image_file, value_file)] == [302, 302]
        assert site.get(image_file.replace(".mha", ".tif")).status_code == 404
