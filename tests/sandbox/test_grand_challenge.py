"""The stand-in of Grand Challenge: over plain HTTP, by what a running server was seen to answer, and with gcapi."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import re
import threading
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import nibabel
import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

import caseferry_grand_challenge.sandbox as package
from caseferry.sandbox import Sandbox
from caseferry_grand_challenge.sandbox import (
    OUTSIDER_TOKEN,
    UPLOADER_TOKEN,
    VIEWER_TOKEN,
    GrandChallengeStandIn,
    importing,
    work,
)
from caseferry_grand_challenge.sandbox.checking import complaint
from caseferry_grand_challenge.sandbox.importing import zips
from caseferry_grand_challenge.sandbox.kinds import KINDS, Family
from caseferry_grand_challenge.sandbox.schemas import SCHEMAS
from peers import GCAPI

if TYPE_CHECKING:
    from collections.abc import Iterator

CAPTURES = Path(__file__).parent.parent / "data" / "grand-challenge-captures" / "requests.json"
TOKENS = {"uploader": UPLOADER_TOKEN, "viewer": VIEWER_TOKEN, "outsider": OUTSIDER_TOKEN, "bad": "wrong"}
MIB = 1 << 20
NOBODY = "00000000-0000-4000-8000-000000000000"


class Site:
    """The stand-in as one account sees it, through plain HTTP."""

    def __init__(self, sandbox: Sandbox, token: str | None = UPLOADER_TOKEN) -> None:
        self.sandbox = sandbox
        self.base = sandbox.variables["GRAND_CHALLENGE_URL"]
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = sandbox.variables["CASEFERRY_CA"]
        if token is not None:
            self.http.headers["Authorization"] = f"BEARER {token}"

    @property
    def standin(self) -> GrandChallengeStandIn:
        standin = self.sandbox.standins["grand-challenge"]
        assert isinstance(standin, GrandChallengeStandIn)
        return standin

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.base}{path}"
        return self.http.request(method, url, json=body, allow_redirects=False, timeout=30, **more)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.call("POST", path, body)

    def archive(self, slug: str = "sandbox") -> dict[str, Any]:
        return self.get("archives/", slug=slug).json()["results"][0]

    def item(self, title: str = "", archive: str = "sandbox") -> str:
        body = {"archive": self.archive(archive)["api_url"], "title": title}
        done = self.post("archives/items/", body)
        assert done.status_code == 201, done.text
        return done.json()["pk"]

    def change(self, item: str, *values: dict[str, Any], method: str = "PATCH", **more: Any) -> requests.Response:
        return self.call(method, f"archives/items/{item}/", {"values": list(values), **more})

    def set(self, item: str, *values: dict[str, Any]) -> None:
        done = self.change(item, *values)
        assert done.status_code == 200, done.text
        self.sandbox.settle()

    def values(self, item: str) -> dict[str, dict[str, Any]]:
        return {value["interface"]["slug"]: value for value in self.get(f"archives/items/{item}/").json()["values"]}

    def upload(self, name: str, *parts: bytes) -> str:
        """Upload a file whose parts are given; returns the upload's address."""
        row = self.post("uploads/", {"filename": name}).json()
        path = f"uploads/{row['pk']}/{row['s3_upload_id']}"
        numbers = list(range(1, len(parts) + 1))
        signed = self.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": numbers}).json()
        done = []
        for number, part in zip(numbers, parts, strict=True):
            answer = requests.put(signed["presigned_urls"][str(number)], data=part, timeout=30)
            done.append({"ETag": answer.headers["ETag"], "PartNumber": number})
        assert self.call("PATCH", f"{path}/complete-multipart-upload/", {"parts": done}).status_code == 200
        return row["api_url"]

    def session(self, *uploads: str, **target: Any) -> dict[str, Any]:
        """Make an upload session and give it back as it is when its work is done."""
        made = self.post("cases/upload-sessions/", {"uploads": list(uploads), **target})
        assert made.status_code == 201, made.text
        self.sandbox.settle()
        return self.get(f"cases/upload-sessions/{made.json()['pk']}/").json()

    def imported(self, *files: tuple[str, bytes], socket: str = "generic-medical-image") -> dict[str, Any]:
        """Import files as one image of a new item; returns the image."""
        item = self.item()
        self.set(item, {"interface": socket, "user_uploads": [self.upload(*file) for file in files]})
        sessions = self.standin.table("sessions").values()
        assert socket in self.values(item), [session["error_message"] for session in sessions]
        return self.get(self.values(item)[socket]["image"]).json()

    def failure(self, *files: tuple[str, bytes], socket: str = "generic-medical-image") -> str:
        """Import files that cannot be imported; returns the session's error."""
        session = self.session(*(self.upload(*file) for file in files), archive_item=self.item(), interface=socket)
        assert session["status"] == "Failed"
        return session["error_message"]

    def fetch(self, url: str) -> bytes:
        """Download a file of the site."""
        redirect = self.get(url)
        assert redirect.status_code == 302, redirect.text
        answer = requests.get(redirect.headers["Location"], timeout=30)
        assert answer.status_code == 200
        return answer.content

    def voxels(self, image: dict[str, Any], folder: Path) -> sitk.Image:
        """The image that was made, read by SimpleITK."""
        path = folder / f"{image['pk']}.mha"
        path.write_bytes(self.fetch(image["files"][0]["file"]))
        return sitk.ReadImage(str(path))


@pytest.fixture
def running() -> Iterator[Sandbox]:
    with Sandbox(platforms=("grand-challenge",)) as sandbox:
        yield sandbox


@pytest.fixture
def site(running: Sandbox) -> Site:
    return Site(running)


@pytest.fixture
def viewer(running: Sandbox) -> Site:
    return Site(running, VIEWER_TOKEN)


@pytest.fixture
def outsider(running: Sandbox) -> Site:
    return Site(running, OUTSIDER_TOKEN)


@pytest.fixture
def anonymous(running: Sandbox) -> Site:
    return Site(running, None)


def value(slug: str, content: Any) -> dict[str, Any]:
    return {"interface": slug, "value": content}


def from_itk(array: Any, folder: Path, suffix: str = ".mha", spacing: tuple[float, ...] = (), **headers: str) -> bytes:
    image = sitk.GetImageFromArray(array, isVector=headers.pop("vector", "") == "yes")
    if spacing:
        image.SetSpacing(spacing)
    for key, text in headers.items():
        image.SetMetaData(key, text)
    path = folder / f"made{suffix}"
    sitk.WriteImage(image, str(path))
    return path.read_bytes()


def picture(mode: str, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (5, 4)).save(stream, form)
    return stream.getvalue()


def dicom(number: int | None = 1, position: tuple[float, ...] = (0, 0, 0), **attributes: Any) -> bytes:
    """One CT slice of 4 rows and 6 columns whose values count up from `number` hundreds."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_ = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    slice_.PatientID, slice_.PatientName, slice_.Modality = "P1", "Doe^Jane", "CT"
    if number is not None:
        slice_.InstanceNumber = number
    slice_.ImagePositionPatient, slice_.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    slice_.PixelSpacing = [0.5, 0.75]
    slice_.Rows, slice_.Columns, slice_.SamplesPerPixel = 4, 6, 1
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 12, 11, 0
    slice_.PhotometricInterpretation = "MONOCHROME2"
    slice_.PixelData = (np.arange(24, dtype=np.uint16) + 100 * (number or 0)).tobytes()
    for name, content in attributes.items():
        setattr(slice_, name, content)
    meta.MediaStorageSOPClassUID = slice_.SOPClassUID
    stream = io.BytesIO()
    slice_.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return stream.getvalue()


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


class TestItems:
    def test_values_only_come_by_update(self, site: Site) -> None:
        body = {"archive": site.archive()["api_url"], "values": [value("lung-volume", 1)]}
        answer = site.post("archives/items/", body)
        assert (answer.status_code, answer.json()) == (400, ["Values can only be added via update"])
        assert site.get("archives/items/").json()["count"] == 0

    @pytest.mark.parametrize(
        ("archive", "words"),
        [
            ("sandbox", "Invalid hyperlink - No URL match."),
            ("{base}cases/images/x/", "Invalid hyperlink - Incorrect URL match."),
            ("{base}archives/" + NOBODY + "/", "Invalid hyperlink - Object does not exist."),
            (None, "This field may not be null."),
            (7, "Incorrect type. Expected URL string, received int."),
        ],
    )
    def test_an_archive_is_named_by_its_address(self, site: Site, archive: Any, words: str) -> None:
        named = archive.replace("{base}", site.base) if isinstance(archive, str) else archive
        answer = site.post("archives/items/", {"archive": named})
        assert (answer.status_code, answer.json()) == (400, {"archive": [words]})

    def test_an_archive_is_needed(self, site: Site) -> None:
        assert site.post("archives/items/", {}).json() == {"archive": ["This field is required."]}

    def test_titles(self, site: Site) -> None:
        site.item("one")
        site.item("")
        site.item("")
        archive = site.archive()["api_url"]
        same = site.post("archives/items/", {"archive": archive, "title": "one"})
        words = "The fields title, archive must make a unique set."
        assert (same.status_code, same.json()) == (400, {"non_field_errors": [words]})
        null = site.post("archives/items/", {"archive": archive, "title": None})
        assert null.json() == {"title": ["This field may not be null."]}
        long = site.post("archives/items/", {"archive": archive, "title": "x" * 256})
        assert long.json() == {"title": ["Ensure this field has no more than 255 characters."]}
        site.standin.add_archive("other", "Other")
        site.item("one", "other")

    def test_a_title_is_free_again_once_changed(self, site: Site) -> None:
        first, second = site.item("one"), site.item("two")
        refused = site.call("PATCH", f"archives/items/{second}/", {"title": "one"})
        assert refused.status_code == 400
        assert site.call("PATCH", f"archives/items/{second}/", {"title": "two"}).status_code == 200
        assert site.call("PATCH", f"archives/items/{first}/", {"title": "three"}).json()["title"] == "three"
        assert site.call("PATCH", f"archives/items/{second}/", {"title": "one"}).status_code == 200

    def test_both_shapes(self, site: Site) -> None:
        item = site.item("shown")
        posted = site.change(item, value("report-text", "fine"), value("lung-volume", 1.9)).json()
        assert [list(entry) for entry in posted["values"]] == [
            ["interface", "value", "file", "image", "pk", "image_name"]
        ] * 2
        assert [entry["interface"] for entry in posted["values"]] == ["report-text", "lung-volume"]
        read = site.get(f"archives/items/{item}/").json()
        assert [entry["socket"]["slug"] for entry in read["values"]] == ["lung-volume", "report-text"]
        assert all(entry["socket"] == entry["interface"] for entry in read["values"])
        assert read["values"][0]["value"] == 1.9
        assert list(read) == list(posted)

    def test_values_are_read_by_what_they_are(self, site: Site, tmp_path: Path) -> None:
        item = site.item()
        image = ("a.mha", from_itk(np.zeros((2, 2, 2), np.int16), tmp_path))
        chart = {"data": {"values": []}, "mark": "bar"}
        site.set(
            item,
            {"interface": "ct-image", "user_uploads": [site.upload(*image)]},
            {"interface": "report", "user_upload": site.upload("r.pdf", b"%PDF-")},
            {"interface": "thumbnail-png", "user_upload": site.upload("t.png", picture("RGB"))},
            {"interface": "big-metadata", "user_upload": site.upload("m.json", b"{}")},
            value("volume-chart", chart),
            value("slice-count", 3),
        )
        slugs = [entry["socket"]["slug"] for entry in site.get(f"archives/items/{item}/").json()["values"]]
        assert slugs == ["big-metadata", "slice-count", "thumbnail-png", "volume-chart", "report", "ct-image"]

    def test_patch_merges_and_put_replaces(self, site: Site) -> None:
        item = site.item("case")
        site.set(item, value("lung-volume", 1), value("slice-count", 2), value("report-text", "x"))
        site.set(item, value("lung-volume", 5))
        assert {slug: entry["value"] for slug, entry in site.values(item).items()} == {
            "lung-volume": 5,
            "slice-count": 2,
            "report-text": "x",
        }
        put = site.change(item, value("slice-count", 2), method="PUT")
        assert [entry["interface"] for entry in put.json()["values"]] == ["slice-count"]
        assert put.json()["title"] == "case"
        assert site.call("PUT", f"archives/items/{item}/", {}).json()["values"] == []

    def test_one_wrong_value_and_nothing_is_applied(self, site: Site) -> None:
        item = site.item("case")
        answer = site.change(item, value("lung-volume", 1), value("slice-count", "bad"), title="new")
        words = "JSON does not fulfill schema: instance 'bad' is not of type 'integer'"
        assert (answer.status_code, answer.json()) == (400, {"values": [{}, {"__all__": [words]}]})
        read = site.get(f"archives/items/{item}/").json()
        assert (read["values"], read["title"]) == ([], "case")

    def test_of_one_socket_twice_the_last_wins(self, site: Site) -> None:
        item = site.item()
        site.set(item, value("lung-volume", 1), value("lung-volume", 2))
        assert site.values(item)["lung-volume"]["value"] == 2

    @pytest.mark.parametrize(
        ("entry", "problem"),
        [
            (value("lung-volume", None), {"non_field_errors": ["value is required for interface kind FLT"]}),
            (
                {"interface": "lung-volume", "image": None},
                {"non_field_errors": ["value is required for interface kind FLT"]},
            ),
            (value("report", "text"), {"non_field_errors": ["user_upload or file is required for interface kind PDF"]}),
            ({"socket": "lung-volume", "value": 1}, {"non_field_errors": ["An interface must be specified"]}),
            (value("no-such", 1), {"interface": ["Object with slug=no-such does not exist."]}),
            (value("Lung-Volume", 1), {"interface": ["Object with slug=Lung-Volume does not exist."]}),
            (
                {"interface": "ct-image", "image": "{base}cases/images/" + NOBODY + "/"},
                {"image": ["Invalid hyperlink - Object does not exist."]},
            ),
            (
                {"interface": "report", "user_upload": "{base}uploads/" + NOBODY + "/"},
                {"user_upload": ["Invalid hyperlink - Object does not exist."]},
            ),
            (
                {"interface": "dicom-image-set", "image_name": "x"},
                {
                    "non_field_errors": [
                        "either user_uploads with image_name, or image are required for interface kind DCMIS"
                    ]
                },
            ),
            ("text", {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}),
        ],
    )
    def test_entries_that_cannot_be_taken(self, site: Site, entry: Any, problem: dict[str, Any]) -> None:
        sent = json.loads(json.dumps(entry).replace("{base}", site.base))
        answer = site.change(site.item(), sent)
        assert (answer.status_code, answer.json()) == (400, {"values": [problem]})

    def test_only_one_source_an_entry(self, site: Site) -> None:
        entry = {**value("lung-volume", 1), "user_upload": site.upload("a.json", b"1")}
        assert "only provide one of" in site.change(site.item(), entry).json()["values"][0]["non_field_errors"][0]

    def test_unknown_keys_are_ignored(self, site: Site) -> None:
        item = site.item()
        site.set(item, {**value("lung-volume", 1), "colour": "red"})
        assert site.values(item)["lung-volume"]["value"] == 1

    @pytest.mark.parametrize(
        ("slug", "content"), [("report-text", ""), ("case-metadata", {}), ("case-metadata", []), ("is-normal", False)]
    )
    def test_empty_values_are_values(self, site: Site, slug: str, content: Any) -> None:
        item = site.item()
        site.set(item, value(slug, content))
        assert site.values(item)[slug]["value"] == content

    def test_equal_values_are_one(self, site: Site) -> None:
        site.standin.add_archive("other", "Other")
        first, second = site.item("a"), site.item("b", "other")
        site.set(first, value("lung-volume", 2), value("case-metadata", {"b": [1, None], "a": True}))
        site.set(second, value("lung-volume", 2.0), value("case-metadata", {"a": True, "b": [1.0, None]}))
        one, two = site.values(first), site.values(second)
        assert one["lung-volume"]["pk"] == two["lung-volume"]["pk"]
        assert one["case-metadata"]["pk"] == two["case-metadata"]["pk"]
        site.set(second, value("case-metadata", {"a": 1, "b": [1, None]}))
        assert one["case-metadata"]["pk"] != site.values(second)["case-metadata"]["pk"]

    @pytest.mark.parametrize("raw", [b"1e400", b'"\\u0000"', b'{"a\\u0000": 1}'])
    def test_values_that_break_the_database(self, site: Site, raw: bytes) -> None:
        item = site.item("before")
        first, second = (
            b'{"interface": "lung-volume", "value": 1}',
            b'{"interface": "case-metadata", "value": ' + raw + b"}",
        )
        body = b'{"title": "after", "values": [' + first + b"," + second + b"]}"
        answer = site.call("PATCH", f"archives/items/{item}/", headers={"Content-Type": "application/json"}, data=body)
        assert answer.status_code == 500
        assert site.get(f"archives/items/{item}/").json()["title"] == "before"
        assert site.values(item) == {}

    def test_archives_that_take_some_sockets_only(self, site: Site) -> None:
        site.standin.add_archive("phase", "Phase", sockets=("lung-volume",))
        item = site.item("x", "phase")
        answer = site.change(item, value("lung-volume", 1), value("slice-count", 1))
        assert (answer.status_code, answer.json()) == (400, ["Socket 'slice-count' is not allowed for this archive."])
        assert site.values(item) == {}
        site.set(item, value("lung-volume", 1))

    def test_json_comes_back_as_the_database_keeps_it(self, site: Site) -> None:
        item = site.item()
        site.set(item, value("case-metadata", {"long": {"zz": None, "b": 1}, "é": "\u00fc", "b": 12345678901234567890}))
        content = site.values(item)["case-metadata"]["value"]
        assert json.dumps(content) == json.dumps(
            {"b": 12345678901234567890, "é": "\u00fc", "long": {"b": 1, "zz": None}}
        )

    def test_rights(self, site: Site, viewer: Site, outsider: Site) -> None:
        item = site.item("seen")
        assert viewer.get(f"archives/items/{item}/").status_code == 200
        assert viewer.change(item, value("lung-volume", 1)).status_code == 403
        assert outsider.change(item, value("lung-volume", 1)).status_code == 404
        missing = outsider.get(f"archives/items/{item}/")
        assert (missing.status_code, missing.json()) == (404, {"detail": "No ArchiveItem matches the given query."})
        assert site.get("archives/items/nonsense/").json() == {"detail": "Not found."}

    def test_a_moved_item_keeps_the_rights_of_its_first_archive(self, site: Site, viewer: Site) -> None:
        private = site.standin.add_archive("private", "Private", roles={"8": "uploader"})
        item = site.item("moved")
        done = site.call("PATCH", f"archives/items/{item}/", {"archive": f"{site.base}archives/{private}/"})
        assert done.json()["archive"].endswith(f"{private}/")
        assert viewer.get("archives/", slug="private").json()["count"] == 0
        assert viewer.get(f"archives/items/{item}/").status_code == 200

    def test_public_archives_are_seen_by_all(self, site: Site, anonymous: Site) -> None:
        site.standin.add_archive("open", "Open", public=True)
        item = site.item("x", "open")
        assert anonymous.get(f"archives/items/{item}/").status_code == 200


SAMPLES: dict[str, Any] = {
    "String": "text",
    "Integer": 3,
    "Float": 2.5,
    "Bool": True,
    "Anything": {"a": [None]},
    "Chart": {"data": {"values": []}, "mark": "bar"},
    "Choice": "mild",
    "Multiple choice": ["effusion"],
    "Affine transform registration": {"3d_affine_transform": np.eye(4).tolist()},
    "2D bounding box": {"type": "2D bounding box", "corners": [[0, 0, 0.5]] * 4},
    "Distance measurement": {"type": "Distance measurement", "start": [0, 0, 0.5], "end": [1, 2, 0.5]},
    "Point": {"type": "Point", "name": "P1", "point": [1, 2.5, 3], "probability": 0.5},
    "Polygon": {
        "type": "Polygon",
        "seed_point": [0, 0, 0],
        "path_points": [[0, 0, 0]],
        "sub_type": "brush",
        "groups": ["a"],
    },
    "Line": {"type": "Line", "seed_points": [[0, 0, 0]], "path_point_lists": [[[0, 0, 0], [1, 1, 1]]]},
    "Angle": {"type": "Angle", "lines": [[[0, 0, 0], [1, 0, 0]], [[0, 0, 0], [0, 1, 0]]]},
    "Ellipse": {"type": "Ellipse", "major_axis": [[0, 0, 0], [4, 0, 0]], "minor_axis": [[2, 1, 0], [2, -1, 0]]},
    "Three-point angle": {"type": "Three-point angle", "angle": [[0, 0, 0], [1, 0, 0], [1, 1, 0]]},
}
for single, several, member in (
    ("2D bounding box", "Multiple 2D bounding boxes", "boxes"),
    ("Distance measurement", "Multiple distance measurements", "lines"),
    ("Point", "Multiple points", "points"),
    ("Polygon", "Multiple polygons", "polygons"),
    ("Line", "Multiple lines", "lines"),
    ("Angle", "Multiple angles", "angles"),
    ("Ellipse", "Multiple ellipses", "ellipses"),
    ("Three-point angle", "Multiple three-point angles", "angles"),
):
    bare = {key: content for key, content in SAMPLES[single].items() if key != "type"}
    SAMPLES[several] = {"type": several, member: [bare], "version": {"major": 1, "minor": 0}}
    SAMPLES[single]["version"] = {"major": 1, "minor": 0}


def spoilt(content: Any) -> Iterator[Any]:
    """Variants of a value, most of them wrong: each part left out, doubled, or of another type."""
    yield from (None, "x", 3, 2.5, True, [], {})
    if isinstance(content, dict):
        yield content | {"stranger": 1}
        for key, part in content.items():
            yield {name: other for name, other in content.items() if name != key}
            yield from (content | {key: wrong} for wrong in spoilt(part))
    elif isinstance(content, list):
        yield content * 2
        for index, part in enumerate(content):
            yield content[:index] + content[index + 1 :]
            yield from ([*content[:index], wrong, *content[index + 1 :]] for wrong in spoilt(part))


class TestSockets:
    def test_there_is_one_of_every_kind(self, site: Site) -> None:
        sockets = site.get("components/interfaces/", limit=1000).json()["results"]
        assert {socket["kind"] for socket in sockets} == set(KINDS)
        assert [socket["pk"] for socket in sockets] == sorted({socket["pk"] for socket in sockets})

    def test_super_kinds(self, site: Site) -> None:
        sockets = {s["slug"]: s for s in site.get("components/interfaces/", limit=1000).json()["results"]}
        assert sockets["case-metadata"]["super_kind"] == "Value"
        assert sockets["big-metadata"]["super_kind"] == "File"
        assert sockets["multiple-points"]["super_kind"] == "File"
        assert sockets["point"]["super_kind"] == "Value"
        assert sockets["heat-map"]["super_kind"] == "Image"
        assert sockets["generic-medical-image"]["relative_path"] == ""
        assert sockets["generic-overlay"]["relative_path"] == "images"
        assert sockets["lung-segmentation"]["overlay_segments"][1]["voxel_value"] == 2

    def test_one_socket(self, site: Site) -> None:
        assert site.get("components/interfaces/14/").json()["slug"] == "ct-image"
        assert site.get("components/interfaces/9999/").status_code == 404
        assert site.get("components/interfaces/", slug="CT-Image").json()["count"] == 0

    @pytest.mark.parametrize("kind", [k.name for k in KINDS.values() if k.family is Family.JSON])
    def test_values_of_each_kind(self, site: Site, kind: str) -> None:
        socket = site.standin.add_socket("tried", kind, in_database=True)
        assert socket["kind"] == kind
        item = site.item()
        site.set(item, value("tried", SAMPLES[kind]))
        assert site.values(item)["tried"]["value"] == SAMPLES[kind]
        wrong = [content for content in spoilt(SAMPLES[kind]) if complaint(content, SCHEMAS[kind])]
        if kind != "Anything":
            assert site.change(item, value("tried", wrong[-1])).status_code == 400

    @pytest.mark.parametrize("kind", sorted(SCHEMAS))
    def test_values_are_judged_as_jsonschema_judges_them(self, kind: str) -> None:
        judge = jsonschema.Draft7Validator(SCHEMAS[kind])
        for content in (SAMPLES[kind], *spoilt(SAMPLES[kind])):
            assert (complaint(content, SCHEMAS[kind]) is None) == judge.is_valid(content), content

    @pytest.mark.parametrize("content", ["x", 3.5, True, [1], {"a": 1}, None])
    def test_the_words_are_those_of_jsonschema(self, content: Any) -> None:
        try:
            jsonschema.validate(content, {"type": "integer"})
        except jsonschema.ValidationError as error:
            words = f"JSON does not fulfill schema: instance {error.message.replace(f'{content} ', '')}"
            assert complaint(content, {"type": "integer"}) == words
        else:
            pytest.fail("an integer after all")

    @pytest.mark.parametrize(
        ("slug", "content", "fits"),
        [
            ("severity", "mild", True),
            ("severity", "grave", False),
            ("findings", ["effusion", "nodule"], True),
            ("findings", ["effusion", "other"], False),
            ("lung-volume", "2.5", False),
            ("lung-volume", True, False),
            ("lung-volume", 2, True),
            ("slice-count", 3.5, False),
        ],
    )
    def test_choices_and_numbers(self, site: Site, slug: str, content: Any, fits: bool) -> None:
        assert site.change(site.item(), value(slug, content)).status_code == (200 if fits else 400)

    def test_a_socket_may_have_a_schema_of_its_own(self, site: Site) -> None:
        site.standin.add_socket("score", "Integer", schema={"minimum": 1, "maximum": 5})
        assert site.change(site.item(), value("score", 5)).status_code == 200
        words = site.change(site.item(), value("score", 6)).json()["values"][0]["__all__"][0]
        assert words == "JSON does not fulfill schema: instance is greater than the maximum of 5"

    def test_no_socket_of_an_unknown_kind(self, site: Site) -> None:
        with pytest.raises(ValueError, match="no kind of socket is called 'HeatMap'"):
            site.standin.add_socket("x", "HeatMap")


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


class TestFiles:
    def test_a_file_lands_later_and_an_old_one_stays_till_then(self, site: Site) -> None:
        item = site.item()
        site.set(item, {"interface": "report", "user_upload": site.upload("a.pdf", b"%PDF-1")})
        old = site.values(item)["report"]
        assert re.search(rf"/media/components/componentinterfacevalue/../../{old['pk']}/a\.pdf$", old["file"])
        site.sandbox.settings.processing = 0.2
        answer = site.change(item, {"interface": "report", "user_upload": site.upload("b.pdf", b"%PDF-2")})
        assert answer.json()["values"][0]["file"] == old["file"]
        site.sandbox.settle()
        new = site.values(item)["report"]
        assert site.fetch(new["file"]) == b"%PDF-2"
        assert site.get(old["file"]).status_code == 404

    def test_files_are_not_shared(self, site: Site) -> None:
        first, second = site.item(), site.item()
        for item in (first, second):
            site.set(item, {"interface": "report", "user_upload": site.upload("a.pdf", b"%PDF-")})
        assert site.values(first)["report"]["pk"] != site.values(second)["report"]["pk"]

    @pytest.mark.parametrize(
        ("slug", "name", "content", "media_type"),
        [
            ("report", "a.pdf", b"%PDF-1.4", "application/pdf"),
            ("report", "text.pdf", b"plain words", "text/plain"),
            ("table", "a.csv", b"a,b\n1,2\n", "text/plain"),
            ("bundle", "a.zip", b"PK\x03\x04", "application/zip"),
            ("big-metadata", "a.json", b' {"a": 1}', "application/json"),
            ("multiple-points", "p.json", json.dumps(SAMPLES["Multiple points"]).encode(), "application/json"),
            ("thumbnail-png", "a.png", picture("L"), "image/png"),
            ("thumbnail-jpg", "a.jpeg", picture("L", "JPEG"), "image/jpeg"),
            ("cine", "a.mp4", b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
            ("surface-mesh", "a.obj", b"v 0 0 0\n", "text/plain"),
            ("slide-registration", "a.sqreg", b"\x00\x01\x02", "application/octet-stream"),
            ("phylogeny", "a.newick", b"(A,B,(C,D));", "text/plain"),
            ("microbiome", "a.biom", b"\x89HDF\r\n\x1a\n\x00", "application/octet-stream"),
        ],
    )
    def test_files_of_each_kind(self, site: Site, slug: str, name: str, content: bytes, media_type: str) -> None:
        item = site.item()
        site.set(item, {"interface": slug, "user_upload": site.upload(name, content)})
        location = site.get(site.values(item)[slug]["file"]).headers["Location"]
        answer = requests.get(location, timeout=30)
        assert (answer.content, answer.headers["Content-Type"]) == (content, media_type)

    @pytest.mark.parametrize(
        ("slug", "content"),
        [
            ("big-metadata", b"{"),
            ("multiple-points", b"{}"),
            ("phylogeny", b"(A,B"),
            ("microbiome", b"text"),
        ],
    )
    def test_wrong_files_vanish_silently(self, site: Site, slug: str, content: bytes) -> None:
        item, upload = site.item(), site.upload("a.bin", content)
        assert site.change(item, {"interface": slug, "user_upload": upload}).status_code == 200
        site.sandbox.settle()
        assert site.values(item) == {}
        assert site.get("cases/upload-sessions/").json()["count"] == 0

    def test_file_names_are_cleaned(self, site: Site) -> None:
        item = site.item()
        site.set(item, {"interface": "report", "user_upload": site.upload("my (1) report.pdf", b"%PDF-")})
        assert site.values(item)["report"]["file"].endswith("/my_1_report.pdf")


class TestImages:
    def test_a_metaimage(self, site: Site, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        content = from_itk(array, tmp_path, spacing=(0.5, 0.7, 2.5), PatientID="P7", Stranger="x", Laterality="L")
        image = site.imported(("scan.mha", content), socket="ct-image")
        assert (image["name"], image["width"], image["height"], image["depth"]) == ("scan.mha", 4, 3, 2)
        assert (image["shape"], image["shape_without_color"], image["color_space"]) == ([2, 3, 4], [2, 3, 4], "GRAY")
        assert [image[f"voxel_{side}_mm"] for side in ("width", "height", "depth")] == [0.5, 0.7, 2.5]
        assert (image["patient_id"], image["segments"], image["modality"]) == ("P7", None, None)
        (file,) = image["files"]
        assert file["image_type"] == "MHD"
        assert file["file"].endswith(
            f"/{image['pk'][:2]}/{image['pk'][2:4]}/{image['pk']}/{file['pk']}/{image['pk']}.mha"
        )
        made = site.voxels(image, tmp_path)
        assert np.array_equal(sitk.GetArrayFromImage(made), array)
        assert made.GetSpacing() == (0.5, 0.7, 2.5)
        assert (made.GetMetaData("PatientID"), made.GetMetaData("Laterality")) == ("P7", "L")
        assert not made.HasMetaDataKey("Stranger")
        assert (made.GetMetaData("SmallestImagePixelValue"), made.GetMetaData("LargestImagePixelValue")) == ("0", "23")
        assert b"CompressedData = True" in site.fetch(file["file"])[:2000]

    def test_a_header_and_its_voxels(self, site: Site, tmp_path: Path) -> None:
        image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.float32))
        sitk.WriteImage(image, str(tmp_path / "m.mhd"))
        files = [(name, (tmp_path / name).read_bytes()) for name in ("m.mhd", "m.raw")]
        assert site.imported(*files)["name"] == "m.mhd"

    def test_a_header_that_points_elsewhere(self, site: Site, tmp_path: Path) -> None:
        secret = tmp_path / "secret.raw"
        secret.write_bytes(b"\0" * 24)
        header = (
            f"ObjectType = Image\nNDims = 3\nDimSize = 2 3 4\nElementType = MET_UCHAR\nElementDataFile = {secret}\n"
        )
        assert "1 file could not be imported" in site.failure(("m.mhd", header.encode()))

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_nifti(self, site: Site, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"x{suffix}"
        array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.7, -0.7, 2.5, 1.0])), path)
        image = site.imported((path.name, path.read_bytes()))
        assert (image["name"], image["shape"]) == (path.name, [5, 4, 3])
        assert image["voxel_width_mm"] == 0.699999988079071
        assert image["segments"] == list(range(60))
        made = site.voxels(image, tmp_path)
        assert made.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        assert np.array_equal(sitk.GetArrayFromImage(made), array.T)

    def test_nrrd(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 3, 4), np.uint16), tmp_path, ".nrrd", (1, 2, 3))
        assert site.imported(("x.nrrd", content))["voxel_depth_mm"] == 3.0

    def test_two_dimensions(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((3, 4), np.uint16), tmp_path)))
        assert (image["depth"], image["voxel_depth_mm"], image["shape"]) == (None, None, [3, 4])

    def test_colour(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 3, 4, 3), np.uint8), tmp_path, vector="yes")))
        assert (image["color_space"], image["shape"], image["shape_without_color"]) == ("RGB", [2, 3, 4, 3], [2, 3, 4])
        assert image["segments"] is None

    def test_too_many_channels(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 3, 4, 5), np.uint8), tmp_path, vector="yes")
        assert "1 file could not be imported" in site.failure(("x.mha", content))

    def test_time(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((5, 2, 3, 4), np.int16), tmp_path)))
        assert (image["shape"], image["segments"]) == ([5, 2, 3, 4], None)
        masks = site.imported(("x.mha", from_itk(np.ones((5, 2, 3, 4), np.uint8), tmp_path)))
        assert (masks["shape"], masks["segments"]) == ([2, 3, 4], [1, 2, 3, 4, 5])

    def test_many_values_are_no_segments(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.arange(65, dtype=np.uint8).reshape(1, 5, 13), tmp_path)
        assert site.imported(("x.mha", content))["segments"] is None

    def test_a_header_that_does_not_look_as_it_must(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 3, 4), np.int16), tmp_path, PatientAge="nine")
        assert "1 file could not be imported" in site.failure(("x.mha", content))

    @pytest.mark.parametrize(
        ("mode", "form", "color_space", "shape"),
        [
            ("L", "PNG", "GRAY", [4, 5]),
            ("RGB", "PNG", "RGB", [4, 5, 3]),
            ("RGBA", "PNG", "RGBA", [4, 5, 4]),
            ("RGB", "JPEG", "RGB", [4, 5, 3]),
            ("I;16", "PNG", "GRAY", [4, 5]),
            ("P", "PNG", "GRAY", [4, 5]),
        ],
    )
    def test_pictures(self, site: Site, mode: str, form: str, color_space: str, shape: list[int]) -> None:
        image = site.imported(("p.png", picture(mode, form)))
        assert (image["color_space"], image["shape"], image["voxel_width_mm"]) == (color_space, shape, None)

    @pytest.mark.parametrize("mode", ["LA", "1"])
    def test_pictures_that_break_the_importer(self, site: Site, mode: str) -> None:
        assert "An unexpected error occurred" in site.failure(("p.png", picture(mode)))

    def test_tiff(self, site: Site) -> None:
        stream = io.BytesIO()
        Image.new("RGB", (6, 5)).save(stream, "TIFF", dpi=(254, 127))
        image = site.imported(("slide.tif", stream.getvalue()))
        assert [file["image_type"] for file in image["files"]] == ["TIFF", "DZI"]
        assert (image["depth"], image["voxel_depth_mm"], image["shape"]) == (1, None, [1, 5, 6, 3])
        assert [image["voxel_width_mm"], image["voxel_height_mm"]] == pytest.approx([0.1, 0.2])
        assert site.fetch(image["files"][0]["file"]) == stream.getvalue()
        assert b'Width="6"' in site.fetch(image["files"][1]["file"])

    def test_tiff_without_a_resolution(self, site: Site) -> None:
        stream = io.BytesIO()
        Image.new("L", (6, 5)).save(stream, "TIFF")
        assert "1 file could not be imported" in site.failure(("plain.tif", stream.getvalue()))

    def test_post_processing_has_a_limit(self, site: Site) -> None:
        for number in range(16):
            site.standin.table("queue")[f"x{number}"] = {"work": "tiles", "creator": 8, "image": ""}
        answer = site.post("cases/upload-sessions/", {"uploads": [], "archive": "sandbox"})
        assert "16 active image post processing tasks" in answer.json()["non_field_errors"][0]

    def test_zips_are_unpacked_however_deep(self, site: Site, tmp_path: Path) -> None:
        inner = zipped(deep__scan_dot_mha=from_itk(np.ones((2, 2, 2), np.int16), tmp_path), note_dot_txt=b"junk")
        image = site.imported(("outer.zip", zipped(folder__inner_dot_zip=inner)))
        assert image["name"] == "scan.mha"

    def test_a_zip_that_leaves_its_folder(self, site: Site) -> None:
        assert "An unexpected error occurred" in site.failure(("evil.zip", zipped(**{"..__evil_dot_txt": b"x"})))

    def test_a_zip_that_fills_the_disk(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(zips, "MOST_BYTES", 1000)
        assert "An unexpected error occurred" in site.failure(("bomb.zip", zipped(big=b"\0" * 1001)))

    def test_identity_is_that_of_the_uploader(self, site: Site, viewer: Site, outsider: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        assert viewer.get(image["api_url"]).status_code == 200
        missing = outsider.get(image["api_url"])
        assert (missing.status_code, missing.json()) == (404, {"detail": "No Image matches the given query."})
        assert outsider.get("cases/images/").json()["count"] == 0

    def test_filters(self, site: Site, tmp_path: Path) -> None:
        other = site.standin.add_archive("other", "Other")
        first = site.imported(("b.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path, PatientID="P1")))
        second = site.imported(("a.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path, StudyDate="20200131")))
        moved = site.item("x", "other")
        site.set(moved, {"interface": "ct-image", "image": second["api_url"]})

        def names(**query: Any) -> list[str]:
            return [image["name"] for image in site.get("cases/images/", **query).json()["results"]]

        assert names() == ["a.mha", "b.mha"]
        assert names(archive=other) == ["a.mha"]
        assert names(archive=[other, site.archive()["pk"]]) == ["a.mha", "b.mha"]
        assert names(patient_id="P1") == names(patient_id__isempty="false") == ["b.mha"]
        assert names(patient_id__isempty="true") == names(study_date="2020-01-31") == ["a.mha"]
        assert names(name="b.mha") == ["b.mha"]
        assert names(origin=NOBODY) == []
        assert first["name"] == "b.mha"
        assert site.get(f"archives/{site.archive()['pk']}/patients/").json() == ["P1"]

    def test_a_detached_image_is_seen_by_nobody(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 2, 2), np.int16), tmp_path)
        kept, lost = site.imported(("kept.mha", content)), site.imported(("lost.mha", content))
        (first, second) = (row["pk"] for row in site.get("archives/items/").json()["results"])
        third = site.item("third")
        site.set(third, {"interface": "mr-image", "image": kept["api_url"]})
        assert site.call("PUT", f"archives/items/{first}/", {"values": []}).status_code == 200
        assert site.change(second, {"interface": "generic-medical-image", "image": kept["api_url"]}).status_code == 200
        assert site.get(kept["api_url"]).status_code == 200
        assert site.get(lost["api_url"]).status_code == 404
        assert site.get(lost["files"][0]["file"]).status_code == 403
        refused = site.change(second, {"interface": "ct-image", "image": lost["api_url"]})
        assert refused.json() == {"values": [{"image": ["Invalid hyperlink - Object does not exist."]}]}

    def test_attaching_to_another_socket_does_not_move(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)), socket="ct-image")
        (item,) = (row["pk"] for row in site.get("archives/items/").json()["results"])
        site.set(item, {"interface": "mr-image", "image": image["api_url"]})
        assert set(site.values(item)) == {"ct-image", "mr-image"}
        site.change(item, {"interface": "mr-image", "image": image["api_url"]}, method="PUT")
        assert set(site.values(item)) == {"mr-image"}
        assert site.get(image["api_url"]).status_code == 200

    def test_an_image_of_a_socket_is_one_value(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)), socket="ct-image")
        (first,) = (row["pk"] for row in site.get("archives/items/").json()["results"])
        second = site.item()
        site.set(second, {"interface": "ct-image", "image": image["api_url"]})
        assert site.values(first)["ct-image"]["pk"] == site.values(second)["ct-image"]["pk"]

    def test_segmentations(self, site: Site, tmp_path: Path) -> None:
        item = site.item()
        good = np.array([[[0, 1], [2, 1]]], np.uint8)
        mask = site.imported(("m.mha", from_itk(good, tmp_path)), socket="lung-segmentation")
        assert mask["segments"] == [0, 1, 2]
        wrong = site.imported(("w.mha", from_itk(good + 1, tmp_path)))
        answer = site.change(item, {"interface": "lung-segmentation", "image": wrong["api_url"]})
        words = (
            "The valid voxel values for this segmentation are: {0, 1, 2}. "
            "This segmentation is invalid as it contains the voxel values: {3}."
        )
        assert (answer.status_code, answer.json()) == (400, {"values": [{"__all__": [words]}]})
        wide = site.imported(("f.mha", from_itk(good.astype(np.int16), tmp_path)))
        refused = site.change(item, {"interface": "lung-segmentation", "image": wide["api_url"]})
        assert "segments could not be determined" in refused.text

    def test_a_wrong_segmentation_fails_after_its_import(self, site: Site, tmp_path: Path) -> None:
        upload = site.upload("m.mha", from_itk(np.full((1, 2, 2), 7, np.uint8), tmp_path))
        session = site.session(upload, archive_item=site.item(), interface="lung-segmentation")
        assert (session["status"], session["uploads"], len(session["image_set"])) == ("Failed", [], 1)
        assert session["error_message"].startswith(
            "Image validation for socket Lung Segmentation failed with error: The valid voxel values"
        )

    def test_displacement_fields(self, site: Site, tmp_path: Path) -> None:
        good = from_itk(np.zeros((3, 2, 3, 4), np.float32), tmp_path)
        assert site.imported(("d.mha", good), socket="displacement-field")["shape"] == [3, 2, 3, 4]
        flat = site.imported(("f.mha", from_itk(np.zeros((2, 3, 4), np.float32), tmp_path)))
        answer = site.change(site.item(), {"interface": "displacement-field", "image": flat["api_url"]})
        assert answer.json() == {"values": [{"__all__": ["Deformation and displacement must be 4D images."]}]}

    def test_an_image_does_not_fit_a_socket_for_values(self, site: Site, tmp_path: Path) -> None:
        upload = site.upload("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path))
        session = site.session(upload, archive="sandbox", interface="lung-volume")
        assert (session["status"], site.get("archives/items/").json()["count"]) == ("Failed", 0)

    def test_an_image_that_is_no_dicom_set(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        answer = site.get(f"cases/images/{image['pk']}/dicom/instances/")
        assert answer.status_code == 404
        assert answer.json() == {"detail": "This image does not have a DICOM Image Set."}
        refused = site.change(site.item(), {"interface": "dicom-image-set", "image": image["api_url"]})
        assert refused.json() == {"values": [{"__all__": ["Image must be DICOM"]}]}


class TestDicom:
    def test_a_series(self, site: Site, tmp_path: Path) -> None:
        files = [(f"{9 - n}.dcm", dicom(n, (1, 2, 10 + 2.5 * n))) for n in (1, 2, 3)]
        image = site.imported(*files)
        assert (image["name"], image["shape"]) == ("1.2.3-0", [3, 4, 6])
        assert [image["voxel_width_mm"], image["voxel_height_mm"], image["voxel_depth_mm"]] == [0.5, 0.75, 2.5]
        made = site.voxels(image, tmp_path)
        array = sitk.GetArrayFromImage(made)
        assert array.dtype == np.uint16
        assert array[:, 0, 0].tolist() == [100, 200, 300]
        assert made.GetOrigin() == (1, 2, 12.5)

    def test_rows_and_columns_are_swapped_against_itk(self, site: Site, tmp_path: Path) -> None:
        content = dicom()
        (tmp_path / "one.dcm").write_bytes(content)
        assert sitk.ReadImage(str(tmp_path / "one.dcm")).GetSpacing()[:2] == (0.75, 0.5)
        assert site.voxels(site.imported(("one.dcm", content)), tmp_path).GetSpacing()[:2] == (0.5, 0.75)

    def test_slices_against_the_axis(self, site: Site, tmp_path: Path) -> None:
        files = [(f"{n}.dcm", dicom(n, (0, 0, -3.0 * n))) for n in (1, 2, 3)]
        made = site.voxels(site.imported(*files), tmp_path)
        assert sitk.GetArrayFromImage(made)[:, 0, 0].tolist() == [300, 200, 100]
        assert made.GetOrigin() == (0, 0, -9)

    def test_irregular_gaps_are_averaged(self, site: Site) -> None:
        files = [(f"{n}.dcm", dicom(n, (0, 0, place))) for n, place in ((1, 0.0), (2, 1.0), (3, 6.0))]
        assert site.imported(*files)["voxel_depth_mm"] == 3.0

    def test_rescaled_values(self, site: Site, tmp_path: Path) -> None:
        content = dicom(2, RescaleSlope=2, RescaleIntercept=-1024)
        array = sitk.GetArrayFromImage(site.voxels(site.imported(("a.dcm", content)), tmp_path))
        assert array.dtype == np.float32
        assert array.ravel()[:3].tolist() == [-624, -622, -620]

    def test_inverted_values(self, site: Site, tmp_path: Path) -> None:
        content = dicom(0, PhotometricInterpretation="MONOCHROME1", WindowCenter=5, WindowWidth=10)
        image = site.imported(("a.dcm", content))
        array = sitk.GetArrayFromImage(site.voxels(image, tmp_path))
        assert array.ravel().tolist() == list(range(23, -1, -1))
        assert (image["window_center"], image["window_width"]) == (18, 10)

    @pytest.mark.parametrize(
        ("attributes", "depth"), [({"SliceThickness": 5}, 1.0), ({"SpacingBetweenSlices": 4}, 4.0)]
    )
    def test_a_single_slice(self, site: Site, attributes: dict[str, Any], depth: float) -> None:
        image = site.imported(("a.dcm", dicom(**attributes)))
        assert (image["depth"], image["voxel_depth_mm"]) == (1, depth)

    def test_identity_is_kept(self, site: Site, tmp_path: Path) -> None:
        content = dicom(PatientBirthDate="19700229"[:6] + "28", PatientSex="F", StudyDescription="Thorax")
        image = site.imported(("a.dcm", content))
        shown = {key: image[key] for key in ("patient_id", "patient_name", "patient_birth_date", "study_description")}
        assert shown == {
            "patient_id": "P1",
            "patient_name": "Doe^Jane",
            "patient_birth_date": "1970-02-28",
            "study_description": "Thorax",
        }
        assert (image["study_instance_uid"], image["series_instance_uid"]) == ("1.2.3", "1.2.3.4")
        assert site.voxels(image, tmp_path).GetMetaData("PatientName") == "Doe^Jane"

    def test_identity_that_its_representation_forbids(self, site: Site) -> None:
        assert "1 file could not be imported" in site.failure(("a.dcm", dicom(PatientSex="X")))

    def test_a_dicom_file_that_is_a_tiff_as_well(self, site: Site) -> None:
        content = Path(get_testdata_file("MR_small.dcm")).read_bytes()
        assert content.startswith(b"II*\0")
        assert site.imported(("MR_small.dcm", content))["files"][0]["image_type"] == "MHD"
        assert "1 file could not be imported" in site.failure(("MR_small.dcm", content.replace(b"DICM", b"CORR")))

    def test_two_series_are_two_images(self, site: Site) -> None:
        uploads = [site.upload("a.dcm", dicom()), site.upload("b.dcm", dicom(SeriesInstanceUID="1.2.3.5"))]
        site.session(*uploads, archive="sandbox")
        assert [image["name"] for image in site.get("cases/images/").json()["results"]] == ["1.2.3-0", "1.2.3-1"]

    def test_several_files_need_instance_numbers(self, site: Site) -> None:
        assert site.imported(("a.dcm", dicom(None)))["depth"] == 1
        assert "2 files could not be imported" in site.failure(("a.dcm", dicom(None)), ("b.dcm", dicom(2)))

    def test_time(self, site: Site, tmp_path: Path) -> None:
        files = [
            (f"{n}.dcm", dicom(n, (0, 0, z), TemporalPositionIndex=t, ContentTime=f"10000{t}", Exposure=t))
            for n, (t, z) in enumerate([(1, 0), (1, 2), (1, 4), (2, 0), (2, 2), (2, 4)], start=1)
        ]
        image = site.imported(*files)
        assert (image["shape"], image["voxel_depth_mm"]) == ([2, 3, 4, 6], 2.0)
        made = site.voxels(image, tmp_path)
        assert sitk.GetArrayFromImage(made)[:, :, 0, 0].tolist() == [[100, 200, 300], [400, 500, 600]]
        assert (made.GetMetaData("ContentTimes"), made.GetMetaData("Exposures")) == ("100001 100002", "1 2")

    def test_in_a_zip_with_folders(self, site: Site) -> None:
        content = zipped(a__1_dot_dcm=dicom(1), a__2_dot_dcm=dicom(2, (0, 0, 1)), readme=b"junk")
        assert site.imported(("series.zip", content))["depth"] == 2

    def test_a_file_of_the_wild(self, site: Site) -> None:
        """What the platform itself answered for this file of pydicom's."""
        image = site.imported(("CT_small.dcm", Path(get_testdata_file("CT_small.dcm")).read_bytes()))
        expected = {
            "name": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322-0",
            "width": 128,
            "height": 128,
            "depth": 1,
            "color_space": "GRAY",
            "shape": [1, 128, 128],
            "voxel_width_mm": 0.661468,
            "voxel_height_mm": 0.661468,
            "voxel_depth_mm": 5.0,
            "patient_id": "1CT1",
            "patient_name": "CompressedSamples^CT1",
            "patient_birth_date": None,
            "patient_age": "000Y",
            "patient_sex": "O",
            "study_date": "2004-01-19",
            "study_instance_uid": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
            "series_instance_uid": "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322",
            "study_description": "e+1",
            "series_description": "",
            "window_center": None,
            "segments": None,
        }
        assert {key: image[key] for key in expected} == expected

    def test_image_sets(self, site: Site) -> None:
        files = [(f"dicom_image_{n}.dcm", dicom(n)) for n in (1, 2)]
        item = site.item()
        uploads = [site.upload(*file) for file in files]
        site.set(item, {"interface": "dicom-image-set", "user_uploads": uploads, "image_name": "the set"})
        image = site.get(site.values(item)["dicom-image-set"]["image"]).json()
        assert (image["name"], image["files"]) == ("the set", [])
        listed = site.get(f"cases/images/{image['pk']}/dicom/instances/").json()
        assert listed["image_set_id"] == image["dicom_image_set"]["image_set_id"]
        found = [requests.request(**one["get_instance"], timeout=30).content for one in listed["instances"]]
        fetched = [dcmread(io.BytesIO(content)) for content in found]
        assert [ds.SOPInstanceUID for ds in fetched] == [one["sop_instance_uid"] for one in listed["instances"]]
        sent = [dcmread(io.BytesIO(content)) for _, content in files]
        assert {ds.PixelData for ds in fetched} == {ds.PixelData for ds in sent}
        assert not {ds.SOPInstanceUID for ds in fetched} & {ds.SOPInstanceUID for ds in sent}
        assert {ds.get("PatientID") for ds in fetched} == {None}
        refused = site.change(item, {"interface": "ct-image", "image": image["api_url"]})
        assert refused.json() == {"values": [{"__all__": ["Image may not be DICOM"]}]}

    @pytest.mark.parametrize(
        "second",
        [
            dicom(SeriesInstanceUID="1.9"),
            dicom(PatientID="P2"),
            b"no DICOM",
            dicom(SOPClassUID=EnhancedCTImageStorage),
        ],
    )
    def test_files_that_are_no_set_vanish_silently(self, site: Site, second: bytes) -> None:
        item = site.item()
        uploads = [site.upload("a.dcm", dicom()), site.upload("b.dcm", second)]
        site.set(item, {"interface": "dicom-image-set", "user_uploads": uploads, "image_name": "x"})
        assert site.values(item) == {}


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
