"""Object stores, against servers that speak their protocols."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import requests

import caseferry as cf
from caseferry.errors import CaseferryError
from caseferry.files import FileProblem
from caseferry.files.objects import FIRST
from caseferry.files.preflight import shows_in_browser, web_address
from caseferry.storage import Bucket, StorageError

if TYPE_CHECKING:
    from stores import Stores

CONTENT = bytes(range(256)) * 8192
KEYS = ("site a/ct.nii.gz", "site a/50%25 ü?#+&.dcm", "site a/B.png", "site ab/x.png")


@pytest.fixture(params=["s3", "gs", "az"])
def bucket(request: pytest.FixtureRequest, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return Bucket(stores.bucket(request.param, monkeypatch))


def test_what_is_written_is_listed_found_and_read(bucket: Bucket) -> None:
    for number, key in enumerate(KEYS):
        written = bucket.write(key, cf.FileRef.of_bytes(CONTENT[:number], "any.png", "image/png"))
        assert (written.location, written.size) == (f"{bucket.address}/{key}", number)
        assert written.sha256 == hashlib.sha256(CONTENT[:number]).hexdigest()
    listed = {each.key: each for each in bucket.list()}
    assert {key: each.size for key, each in listed.items()} == {key: n for n, key in enumerate(KEYS)}
    assert [each.key for each in bucket.list("site a/")] == sorted(KEYS[:3])
    assert [each.key for each in bucket.list("site a")] == sorted(KEYS[:3])
    assert list(bucket.list("site")) == []
    for key, each in listed.items():
        assert bucket.find(key) == each
        assert each.etag
        assert each.ref.name == key.rpartition("/")[2]
        assert each.ref.read() == CONTENT[: each.size]
    assert bucket.find("SITE A/ct.nii.gz") is None
    before = listed[KEYS[2]].etag
    bucket.write(KEYS[2], cf.FileRef.of_bytes(b"another", "any.png"))
    after = bucket.find(KEYS[2])
    assert after is not None
    assert after.etag != before


def test_an_object_is_read_whole_and_in_parts(bucket: Bucket) -> None:
    bucket.write("site a/ct.nii.gz", cf.FileRef.of_bytes(CONTENT, "ct.nii.gz"))
    ref = cf.FileRef.of(f"{bucket.address}/site a/ct.nii.gz")
    assert ref.name == "ct.nii.gz"
    assert ref.bucket_and_key == (bucket.address.partition("://")[2], "site a/ct.nii.gz")
    assert ref.read() == CONTENT
    assert ref.length() == len(CONTENT)
    assert ref.measured().sha256 == hashlib.sha256(CONTENT).hexdigest()
    with ref.open() as stream:
        assert stream.seekable()
        stream.seek(1_000_000)
        assert stream.tell() == 1_000_000
        assert stream.read(500) == CONTENT[1_000_000:1_000_500]
        stream.seek(-10, 2)
        assert stream.read() == CONTENT[-10:]
        stream.seek(10, 2)
        assert stream.read() == b""
    with pytest.raises(StorageError, match=r"the object 'missing.dcm' cannot be opened: there is none"):
        cf.FileRef.of(f"{bucket.address}/missing.dcm").read()
    with pytest.raises(StorageError, match=r"the object 'missing.dcm' cannot be opened: FileNotFoundError"):
        cf.FileRef(f"{bucket.address}/missing.dcm", size=5).read()


def test_a_key_that_differs_by_case_alone_is_named(bucket: Bucket) -> None:
    for key in ("Site A/Ct.nii.gz", "site a/CT.nii.gz", "site a/deeper/ct.nii.gz"):
        bucket.write(key, cf.FileRef.of_bytes(b"x", "ct.nii.gz"))
    assert bucket.neighbours("site a/any") == ["site a/CT.nii.gz"]
    assert bucket.neighbours("any") == []
    with pytest.raises(StorageError, match=r"there is none; keys are case-sensitive, and there is 'site a/CT.nii.gz'$"):
        bucket.open("site a/ct.nii.gz")
    with pytest.raises(StorageError, match=r"there is none$"):
        bucket.open("site a/ct.nii")


def test_a_large_object_is_sent_in_parts_and_a_wrong_one_is_not_there(bucket: Bucket) -> None:
    large = CONTENT * 9
    written = bucket.write("large.bin", cf.FileRef.of_bytes(large, "large.bin"))
    assert written.measured().read() == large
    for wrong in (cf.FileRef("data:,abc", "x", size=4), cf.FileRef("data:,abc", "x", size=3, sha256="0" * 64)):
        with pytest.raises(FileProblem, match="'x' does not hold what it should: 3 bytes of it were read"):
            bucket.write("wrong.bin", wrong)
    assert bucket.find("wrong.bin") is None


def test_the_header_of_a_large_object_costs_a_small_range(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(stores.bucket("s3", monkeypatch))
    bucket.write("large.bin", cf.FileRef.of_bytes(CONTENT, "large.bin"))
    calls = stores.calls("s3")
    calls.clear()
    with bucket.open("large.bin", len(CONTENT)) as stream:
        assert stream.read(132) == CONTENT[:132]
    assert [(method, size) for method, _, size in calls] == [("GET", FIRST)]
    calls.clear()
    assert bucket.open("large.bin", len(CONTENT)).read() == CONTENT
    assert len(calls) <= 6
    assert sum(size for _, _, size in calls) == len(CONTENT)


def test_reading_an_object_that_was_replaced_meanwhile_stops(bucket: Bucket) -> None:
    bucket.write("a.bin", cf.FileRef.of_bytes(CONTENT, "a.bin"))
    with bucket.open("a.bin", len(CONTENT)) as stream:
        assert stream.read(10) == CONTENT[:10]
        bucket.write("a.bin", cf.FileRef.of_bytes(CONTENT[::-1], "a.bin"))
        stream.seek(1_000_000)
        with pytest.raises(StorageError, match="cannot be read on: it was replaced meanwhile: begin again"):
            stream.read(10)


def test_listing_is_lazy(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(stores.bucket("s3", monkeypatch))
    stores.fill(bucket.address, {"many/": b"", **{f"many/{number:04}.dcm": b"x" for number in range(1100)}})
    calls = stores.calls("s3")
    objects = bucket.list("many")
    assert next(objects).key == "many/0000.dcm"  # and not the folder's own mark
    assert len(calls) == 1
    assert sum(1 for _ in objects) == 1099
    assert len(calls) == 2


def test_what_is_wrong_with_a_store_is_said(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = Bucket(stores.bucket("s3", monkeypatch))
    with pytest.raises(StorageError, match=r"^foo://bucket: it cannot be reached: GenericError$"):
        Bucket("foo://bucket")
    stores.fill(bucket.address, {"a//b.dcm": b"x"})
    with pytest.raises(StorageError, match=r"below 'a' cannot be listed: a key .* has two in a row"):
        list(bucket.list("a"))
    with pytest.raises(StorageError, match=r"^s3://no-such-bucket: it cannot be listed"):
        list(Bucket("s3://no-such-bucket").list())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(CaseferryError) as caught:
        Bucket(bucket.address).open("missing.dcm")
    assert "another" not in f"{caught.value!r} {caught.value.__cause__}"


def test_a_container_is_found_by_every_address_that_azure_has(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    name = stores.bucket("az", monkeypatch).partition("://")[2]
    Bucket(f"az://{name}").write("site a/x.png", cf.FileRef.of_bytes(CONTENT[:9], "x.png"))
    account = f"{name}@devstoreaccount1.dfs.core.windows.net"
    for address in (f"abfs://{account}", f"abfss://{account}", f"abfss://{name}", f"azure://{name}"):
        ref = cf.FileRef(f"{address}/site a/x.png")
        assert ref.bucket_and_key == (name, "site a/x.png")
        assert ref.read() == CONTENT[:9]
        assert [each.url for each in Bucket(address).list()] == [ref.location]


def test_no_page_may_read_a_bucket_that_says_nothing(bucket: Bucket) -> None:
    assert not shows_in_browser(bucket.address, "https://pages.example")


@pytest.mark.parametrize(
    ("rule", "shown"), [("https://pages.example", True), ("*", True), ("https://a.example", False)]
)
def test_pages_that_a_bucket_names_may_read_it(
    rule: str, shown: bool, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = stores.bucket("s3", monkeypatch)
    stores.show_to(rule, address)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")  # it needs none
    assert shows_in_browser(address, "https://pages.example") is shown
    assert not shows_in_browser(address, "https://pages.example", "PUT")


@pytest.mark.parametrize(
    ("address", "variables", "expected"),
    [
        ("s3://scans", {}, "https://scans.s3.amazonaws.com/k"),
        ("s3://scans", {"AWS_ENDPOINT_URL": "http://store:9000/"}, "http://store:9000/scans/k"),
        ("gs://scans", {}, "https://storage.googleapis.com/scans/k"),
        ("gs://scans", {"GOOGLE_SERVICE_ACCOUNT_KEY": '{"gcs_base_url": "http://g"}'}, "http://g/scans/k"),
        ("gs://scans", {"GOOGLE_SERVICE_ACCOUNT_KEY": "no JSON"}, "https://storage.googleapis.com/scans/k"),
        ("az://scans", {"AZURE_STORAGE_ACCOUNT_NAME": "ours"}, "https://ours.blob.core.windows.net/scans/k"),
        ("az://scans", {"AZURE_STORAGE_ENDPOINT": "http://blobs"}, "http://blobs/scans/k"),
        ("abfss://scans@ours.dfs.core.windows.net", {}, "https://ours.blob.core.windows.net/scans/k"),
        ("az://scans", {}, None),
    ],
)
def test_where_browsers_find_an_object(
    address: str, variables: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if expected is None:
        with pytest.raises(StorageError, match="AZURE_STORAGE_ACCOUNT_NAME"):
            web_address(address, "k")
    else:
        assert web_address(address, "k") == expected


def test_bodies_in_chunks_are_refused_as_s3_does(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    name = stores.bucket("s3", monkeypatch)
    answer = requests.put(web_address(name, "x.png"), data=iter([b"a piece"]), timeout=10)
    assert (answer.status_code, "<Code>NotImplemented</Code>" in answer.text) == (501, True)
    assert Bucket(name).find("x.png") is None
