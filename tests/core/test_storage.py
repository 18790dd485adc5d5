"""Object stores, against moto's server."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

import caseferry as cf
from caseferry.storage import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENT = bytes(range(256)) * 8192


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a bucket with one object."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "s3same",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for path, content in (("scans", b""), ("scans/site a/ct.nii.gz", CONTENT)):
        address = f"http://{host}:{port}/{path.replace(' ', '%20')}"
        urlopen(Request(address, data=content, method="PUT", headers={"Content-Type": "application/gzip"})).close()
    yield "s3://scans"
    server.stop()


def test_an_object_is_read_whole_and_in_parts(bucket: str) -> None:
    ref = cf.FileRef.of(f"{bucket}/site a/ct.nii.gz")
    assert ref.name == "ct.nii.gz"
    assert ref.bucket_and_key == ("scans", "site a/ct.nii.gz")
    assert ref.read() == CONTENT
    assert ref.length() == len(CONTENT)
    with ref.open() as stream:
        assert stream.seekable()
        stream.seek(1_000_000)
        assert stream.tell() == 1_000_000
        assert stream.read(500) == CONTENT[1_000_000:1_000_500]
        stream.seek(-10, 2)
        assert stream.read() == CONTENT[-10:]
    with pytest.raises(StorageError) as caught:
        cf.FileRef.of(f"{bucket}/missing.dcm").read()
    assert str(caught.value) == "s3://scans: the object 'missing.dcm' cannot be opened: FileNotFoundError"
    assert "s3same" not in f"{caught.value!r} {caught.value.__cause__}"
