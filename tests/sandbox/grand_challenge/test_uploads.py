"""Uploads and their sessions."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import requests

from caseferry_grand_challenge.sandbox import (
    importing,
    work,
)
from sandbox_grand_challenge import MIB, NOBODY, Site, from_itk, value

if TYPE_CHECKING:
    from pathlib import Path


class TestUploads:
    def start(self, site: Site, name: str = "a.bin") -> tuple[dict[str, Any], str]:
        row = site.post("uploads/", {"filename": name}).json()
        return row, f"uploads/{row['pk']}/{row['s3_upload_id']}"

    def put(self, site: Site, path: str, *parts: bytes) -> list[dict[str, Any]]:
        numbers = [number for number, _ in enumerate(parts, start=1)]
        answer = site.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": numbers}).json()
        done = []
        for number, part in zip(numbers, parts, strict=True):
            etag = requests.put(answer["presigned_urls"][str(number)], data=part, timeout=30).headers["ETag"]
            assert etag == f'"{hashlib.md5(part).hexdigest()}"'
            done.append({"ETag": etag, "PartNumber": number})
        return done

    def test_a_body_in_chunks_is_refused_as_s3_does(self, site: Site) -> None:
        _, path = self.start(site)
        url = site.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": [1]}).json()["presigned_urls"][
            "1"
        ]
        assert requests.put(url, data=iter([b"a piece"]), timeout=30).status_code == 501
        assert requests.put(url, data=b"a piece", timeout=30).status_code == 200

    def test_life_of_an_upload(self, site: Site) -> None:
        row, path = self.start(site, "a b.pdf")
        assert (row["status"], row["filename"], row["key"]) == ("Initialized", "a b.pdf", f"uploads/8/{row['pk']}")
        urls = site.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": [2, 1, 10000]}).json()
        assert set(urls["presigned_urls"]) == {"1", "2", "10000"}
        parts = self.put(site, path, b"hello")
        listed = site.get(f"{path}/list-parts/").json()["parts"]
        assert [(part["ETag"], part["PartNumber"], part["Size"]) for part in listed] == [(parts[0]["ETag"], 1, 5)]
        done = site.call("PATCH", f"{path}/complete-multipart-upload/", {"parts": parts})
        assert (done.status_code, done.json()["status"]) == (200, "Completed")
        again = site.call("PATCH", f"{path}/complete-multipart-upload/", {"parts": parts})
        assert again.status_code == 500
        late = site.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": [1]})
        assert (late.status_code, late.json()) == (403, {"detail": "Upload limit reached"})

    def test_several_parts_become_one_file(self, site: Site) -> None:
        first, second = bytes(range(256)) * (5 * MIB // 256), b"end"
        item = site.item()
        site.set(item, {"interface": "bundle", "user_upload": site.upload("b.zip", first, second)})
        assert site.fetch(site.values(item)["bundle"]["file"]) == first + second

    @pytest.mark.parametrize("spoil", ["etag", "none", "order", "missing", "small"])
    def test_a_bad_complete_breaks_the_server(self, site: Site, spoil: str) -> None:
        _, path = self.start(site)
        first, second = b"a" * (5 * MIB - (spoil == "small")), b"b" * (5 * MIB)
        parts = self.put(site, path, first, second)
        wrong: dict[str, list[dict[str, Any]]] = {
            "etag": [{**parts[0], "ETag": '"0"'}, parts[1]],
            "none": [],
            "order": parts[::-1],
            "missing": [*parts, {"ETag": '"0"', "PartNumber": 3}],
            "small": parts,
        }
        answer = site.call("PATCH", f"{path}/complete-multipart-upload/", {"parts": wrong[spoil]})
        assert answer.status_code == 500
        assert not answer.headers["Content-Type"].startswith("application/json")
        if spoil != "small":
            assert site.call("PATCH", f"{path}/complete-multipart-upload/", {"parts": parts}).status_code == 200

    @pytest.mark.parametrize(
        ("verb", "body", "words"),
        [
            ("generate-presigned-urls", {}, "The `part_numbers` field is required"),
            ("generate-presigned-urls", {"part_numbers": [1, 0]}, "greater than or equal to 1"),
            ("generate-presigned-urls", {"part_numbers": [10001]}, "less than or equal to 10000"),
            ("complete-multipart-upload", {}, "The `parts` field is required"),
            ("complete-multipart-upload", {"parts": [{"PartNumber": 1}]}, "This field is required."),
        ],
    )
    def test_wrong_bodies(self, site: Site, verb: str, body: dict[str, Any], words: str) -> None:
        _, path = self.start(site)
        answer = site.call("PATCH", f"{path}/{verb}/", body)
        assert answer.status_code == 400
        assert words in answer.text

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("files/a.pdf", "files/a.pdf is not a valid filename"),
            ("x" * 129, "Ensure this field has no more than 128 characters."),
            ("  ", "This field may not be blank."),
        ],
    )
    def test_file_names(self, site: Site, name: str, words: str) -> None:
        answer = site.post("uploads/", {"filename": name})
        assert (answer.status_code, answer.json()) == (400, {"filename": [words]})

    def test_giving_up(self, site: Site) -> None:
        _, path = self.start(site)
        done = site.call("PATCH", f"{path}/abort-multipart-upload/")
        assert (done.json()["status"], done.json()["s3_upload_id"]) == ("Aborted", "")
        assert site.call("PATCH", f"{path}/abort-multipart-upload/").status_code == 404
        row, _ = self.start(site)
        assert site.call("PATCH", f"uploads/{row['pk']}/wrong/list-parts/").status_code == 405
        assert site.get(f"uploads/{row['pk']}/wrong/list-parts/").status_code == 404

    def test_uploads_are_private(self, site: Site, viewer: Site) -> None:
        url = site.upload("a.pdf", b"%PDF-")
        assert site.get(url).status_code == 200
        assert viewer.get(url).json() == {"detail": "No UserUpload matches the given query."}
        assert (site.get("uploads/").json()["count"], viewer.get("uploads/").json()["count"]) == (1, 0)

    def test_an_upload_is_used_once(self, site: Site) -> None:
        item, url = site.item(), site.upload("a.pdf", b"%PDF-")
        site.set(item, {"interface": "report", "user_upload": url})
        assert site.get(url).status_code == 404
        again = site.change(item, {"interface": "report", "user_upload": url})
        assert again.json() == {"values": [{"user_upload": ["Invalid hyperlink - Object does not exist."]}]}

    def test_number_of_uploads(self, site: Site) -> None:
        assert site.standin.upload_rows == 2001
        site.standin.upload_rows = 2
        site.upload("a.pdf", b"%PDF-")
        url = site.upload("b.pdf", b"%PDF-")
        words = "You have created too many uploads. Please try again later."
        answer = site.post("uploads/", {"filename": "c.pdf"})
        assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [words]})
        site.set(site.item(), {"interface": "report", "user_upload": url})
        assert site.post("uploads/", {"filename": "c.pdf"}).status_code == 201

    def test_bytes_of_uploads(self, site: Site) -> None:
        site.standin.upload_bytes = 3
        site.upload("a.pdf", b"%PDF-")
        _, path = self.start(site)
        answer = site.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": [1]})
        assert (answer.status_code, answer.json()) == (403, {"detail": "Upload limit reached"})

    def test_the_store_takes_no_token(self, site: Site) -> None:
        _, path = self.start(site)
        urls = site.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": [1]}).json()["presigned_urls"]
        assert site.call("PUT", urls["1"], data=b"x").status_code == 400


class TestSessions:
    def mha(self, folder: Path, content: int = 0) -> tuple[str, bytes]:
        return f"{content}.mha", from_itk(np.full((2, 3, 4), content, np.int16), folder)

    def test_each_image_becomes_an_item_of_an_archive(self, site: Site, tmp_path: Path) -> None:
        uploads = [site.upload(*self.mha(tmp_path, content)) for content in (1, 2)]
        session = site.session(*uploads, archive="sandbox", interface="mr-image")
        assert (session["status"], session["error_message"], session["uploads"]) == ("Succeeded", "", [])
        assert [site.get(upload).status_code for upload in uploads] == [404, 404]
        items = site.get("archives/items/").json()["results"]
        assert [value["socket"]["slug"] for item in items for value in item["values"]] == ["mr-image"] * 2
        assert sorted(session["image_set"]) == sorted(item["values"][0]["image"] for item in items)
        found = site.get("cases/images/", origin=session["pk"]).json()
        assert [image["name"] for image in found["results"]] == ["1.mha", "2.mha"]

    def test_without_a_socket_it_is_the_generic_one(self, site: Site, tmp_path: Path) -> None:
        site.session(site.upload(*self.mha(tmp_path)), archive="sandbox")
        (item,) = site.get("archives/items/").json()["results"]
        assert item["values"][0]["socket"]["slug"] == "generic-medical-image"

    def test_states_on_the_way(self, site: Site, tmp_path: Path) -> None:
        site.sandbox.settings.processing = 0.2
        item, upload = site.item(), site.upload(*self.mha(tmp_path))
        body = {"uploads": [upload], "archive_item": item, "interface": "ct-image"}
        made = site.post("cases/upload-sessions/", body).json()
        assert (made["status"], made["uploads"], made["creator"]) == ("Queued", [upload], 8)
        assert site.get(made["api_url"]).json()["status"] == "Re-Queued"
        assert site.values(item) == {}
        site.sandbox.settle()
        assert site.get(made["api_url"]).json()["status"] == "Succeeded"
        assert site.values(item)["ct-image"]["image"] in site.get(made["api_url"]).json()["image_set"]

    def test_a_session_without_a_target_waits_for_one(self, site: Site, tmp_path: Path) -> None:
        session = site.session(site.upload(*self.mha(tmp_path)))
        assert session["status"] == "Queued"
        item = site.item()
        site.set(item, {"interface": "ct-image", "upload_session": session["api_url"]})
        assert site.get(session["api_url"]).json()["status"] == "Succeeded"
        assert "ct-image" in site.values(item)
        again = site.change(item, {"interface": "ct-image", "upload_session": session["api_url"]})
        assert again.json() == {"values": [{"upload_session": ["Invalid hyperlink - Object does not exist."]}]}

    def test_two_images_do_not_fit_one_socket(self, site: Site, tmp_path: Path) -> None:
        item = site.item()
        uploads = [site.upload(*self.mha(tmp_path, content)) for content in (1, 2)]
        session = site.session(*uploads, archive_item=item, interface="ct-image")
        assert session["status"] == "Failed"
        assert session["error_message"] == (
            "Image validation for socket CT Image failed with error: Image imports should result in a single image."
        )
        assert (session["uploads"], len(session["image_set"])) == ([], 2)
        assert site.values(item) == {}
        assert all(site.get(image).status_code == 404 for image in session["image_set"])

    def test_unreadable_files(self, site: Site) -> None:
        upload = site.upload("a.nii", b"no image")
        failed = site.session(upload, archive_item=site.item(), interface="ct-image")
        assert failed["error_message"] == (
            "Image validation for socket CT Image failed with error: 1 file could not be imported."
        )
        assert (failed["status"], failed["uploads"], failed["image_set"]) == ("Failed", [upload], [])
        two = [site.upload(name, b"no image") for name in ("a.png", "b.png")]
        assert site.session(*two, archive="sandbox")["error_message"] == "2 files could not be imported"

    def test_good_files_among_junk(self, site: Site, tmp_path: Path) -> None:
        uploads = [site.upload(*self.mha(tmp_path)), site.upload("notes.txt", b"junk")]
        session = site.session(*uploads, archive_item=site.item(), interface="ct-image")
        assert (session["status"], session["error_message"]) == ("Succeeded", "1 file could not be imported")
        assert session["uploads"] == []

    def test_equal_names(self, site: Site, tmp_path: Path) -> None:
        item = site.item()
        uploads = [site.upload(*self.mha(tmp_path)) for _ in range(2)]
        refused = site.post("cases/upload-sessions/", {"uploads": uploads, "archive": "sandbox"})
        assert refused.json() == {"non_field_errors": ["Filenames must be unique"]}
        site.set(item, {"interface": "ct-image", "user_uploads": uploads})
        (session,) = site.get("cases/upload-sessions/").json()["results"]
        assert session["status"] == "Failed"
        assert "Duplicate files uploaded" in session["error_message"]

    def test_an_upload_that_was_never_completed(self, site: Site) -> None:
        item = site.item()
        upload = site.post("uploads/", {"filename": "a.mha"}).json()["api_url"]
        refused = site.post("cases/upload-sessions/", {"uploads": [upload], "archive": "sandbox"})
        assert refused.json() == {"uploads": ["Invalid hyperlink - Object does not exist."]}
        site.set(
            item, {"interface": "ct-image", "user_uploads": [upload]}, {"interface": "report", "user_upload": upload}
        )
        (session,) = site.get("cases/upload-sessions/").json()["results"]
        assert (session["status"], site.values(item)) == ("Failed", {})
        assert "An unexpected error occurred" in session["error_message"]

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({}, {"uploads": ["This field is required."]}),
            ({"uploads": [], "archive": "none"}, {"archive": ["Object with slug=none does not exist."]}),
            (
                {"uploads": [], "archive": "sandbox", "interface": "none"},
                {"interface": ["Object with slug=none does not exist."]},
            ),
            (
                {"uploads": [], "archive_item": NOBODY, "interface": "ct-image"},
                {"archive_item": [f'Invalid pk "{NOBODY}" - object does not exist.']},
            ),
            (
                {"uploads": [], "archive": "sandbox", "archive_item": "{item}", "interface": "ct-image"},
                {"non_field_errors": ["Only one of archive, archive item, answer or reader study can be set"]},
            ),
            (
                {"uploads": [], "archive_item": "{item}"},
                {"non_field_errors": ["An interface needs to be defined to upload to an archive item."]},
            ),
            (
                {"uploads": [], "interface": "ct-image"},
                {
                    "non_field_errors": [
                        "An interface can only be defined for archive, archive item or display set uploads."
                    ]
                },
            ),
        ],
    )
    def test_wrong_bodies(self, site: Site, body: dict[str, Any], problem: dict[str, Any]) -> None:
        sent = json.loads(json.dumps(body).replace("{item}", site.item()))
        answer = site.post("cases/upload-sessions/", sent)
        assert (answer.status_code, answer.json()) == (400, problem)

    def test_at_most_a_hundred_files(self, site: Site) -> None:
        words = "Too many files uploaded. A maximum of 100 files may be uploaded per session."
        uploads = [site.upload(f"{number}.dcm", b"x") for number in range(101)]
        answer = site.post("cases/upload-sessions/", {"uploads": uploads, "archive": "sandbox"})
        assert (answer.status_code, answer.json()) == (400, {"non_field_errors": [words]})
        patched = site.change(site.item(), {"interface": "ct-image", "user_uploads": uploads})
        assert patched.json() == {"values": [{"non_field_errors": [words]}]}

    def test_sessions_are_private(self, site: Site, viewer: Site, tmp_path: Path) -> None:
        session = site.session(site.upload(*self.mha(tmp_path)), archive="sandbox")
        assert viewer.get(session["api_url"]).status_code == 404
        assert viewer.get("cases/upload-sessions/").json()["count"] == 0

    def test_a_viewer_starts_none(self, site: Site, viewer: Site, tmp_path: Path) -> None:
        upload = viewer.upload(*self.mha(tmp_path))
        refused = viewer.post("cases/upload-sessions/", {"uploads": [upload], "archive": "sandbox"})
        assert refused.json() == {"archive": ["Object with slug=sandbox does not exist."]}
        body = {"uploads": [upload], "archive_item": site.item(), "interface": "ct-image"}
        assert viewer.post("cases/upload-sessions/", body).status_code == 400

    def test_a_session_that_fails_later(self, site: Site, tmp_path: Path) -> None:
        site.sandbox.faults.add("PATCH */archives/items/* fail-later x1")
        item, upload = site.item(), site.upload(*self.mha(tmp_path))
        site.set(item, {"interface": "ct-image", "user_uploads": [upload]})
        (session,) = site.get("cases/upload-sessions/").json()["results"]
        assert (session["status"], session["uploads"], site.values(item)) == ("Failed", [upload], {})
        site.set(item, {"interface": "ct-image", "user_uploads": [upload]})
        assert "ct-image" in site.values(item)

    def test_a_success_that_turns_into_a_failure(self, site: Site, tmp_path: Path) -> None:
        site.sandbox.faults.add("POST */upload-sessions/ fail-later=attach x1")
        site.sandbox.settings.processing = 0.2
        item = site.item()
        body = {"uploads": [site.upload(*self.mha(tmp_path))], "archive_item": item, "interface": "ct-image"}
        url = site.post("cases/upload-sessions/", body).json()["api_url"]
        seen = []
        deadline = time.monotonic() + 20
        while not seen or (seen[-1] != "Failed" and time.monotonic() < deadline):
            status = site.get(url).json()["status"]
            seen += [status] if [status] != seen[-1:] else []
            time.sleep(0.01)
        assert seen == ["Re-Queued", "Succeeded", "Failed"]
        assert site.values(item) == {}

    def test_a_file_that_fails_later_does_so_silently(self, site: Site) -> None:
        site.sandbox.faults.add("PATCH */archives/items/* fail-later x1")
        item, upload = site.item(), site.upload("a.pdf", b"%PDF-")
        site.set(item, {"interface": "report", "user_upload": upload})
        assert site.values(item) == {}
        assert site.get(upload).status_code == 200

    def test_other_requests_go_on_during_a_conversion(
        self, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun, go_on = threading.Event(), threading.Event()

        def slowly(*arguments: Any) -> Any:
            begun.set()
            assert go_on.wait(20)
            return importing.import_uploads(*arguments)

        monkeypatch.setattr(work, "import_uploads", slowly)
        item = site.item()
        site.change(item, {"interface": "ct-image", "user_uploads": [site.upload(*self.mha(tmp_path))]})
        assert begun.wait(20)
        site.change(item, value("lung-volume", 1))
        assert set(site.values(item)) == {"lung-volume"}
        go_on.set()
        site.sandbox.settle()
        assert set(site.values(item)) == {"lung-volume", "ct-image"}
