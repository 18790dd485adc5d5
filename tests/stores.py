"""Servers that speak the protocols of the object stores, on loopback, started when a test first needs them.

S3 is moto's server. Google Cloud Storage is the same server, reached through the Google client: the XML interface
that it uses is S3's (https://cloud.google.com/storage/docs/xml-api/overview); only in place of the bearer token, of
which moto knows nothing, it is given a signature, which it does not check. Azure Blob Storage is Microsoft's own
emulator, Azurite, from npm.

What moto does otherwise than S3 is put right: it answers every preflight as if the bucket allowed all, and it takes
bodies that come in chunks, which S3 refuses.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

AZURITE = "azurite@3.35.0"
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "caseferry" / "stores"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The key of that account, which every Azurite has and its documentation names."""

CORS = """<CORSConfiguration><CORSRule>
<AllowedOrigin>{}</AllowedOrigin><AllowedMethod>{}</AllowedMethod><AllowedHeader>*</AllowedHeader>
</CORSRule></CORSConfiguration>"""
CHUNKED = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented</Message>
<Header>Transfer-Encoding</Header></Error>"""

SIGNED = "AWS4-HMAC-SHA256 Credential=key/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@dataclass
class Served:
    """A store on loopback.

    Attributes
    ----------
    scheme : of its URLs
    variables : by which clients find it
    make : makes a bucket
    calls : method, path and bytes given back of each request, where the server runs in this process
    """

    scheme: str
    variables: dict[str, str]
    make: Callable[[str], None]
    calls: list[tuple[str, str, int]] = field(default_factory=list)


@contextmanager
def moto(scheme: str) -> Iterator[Served]:
    """S3, or Google Cloud Storage by way of its XML interface."""
    from moto.moto_server import werkzeug_app
    from werkzeug.serving import make_server

    werkzeug_app.DISABLE_GLOBAL_CORS = True
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = werkzeug_app.DomainDispatcherApplication(werkzeug_app.create_backend_app)
    calls: list[tuple[str, str, int]] = []

    def counted(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        if scheme == "gs":
            environ["HTTP_AUTHORIZATION"] = SIGNED
        if scheme == "s3" and environ["REQUEST_METHOD"] == "PUT" and "HTTP_TRANSFER_ENCODING" in environ:
            start("501 Not Implemented", [("Content-Type", "application/xml"), ("Connection", "close")])
            body = CHUNKED
        else:
            body = b"".join(application(environ, start))
        calls.append((environ["REQUEST_METHOD"], environ["PATH_INFO"], len(body)))
        yield body

    server = make_server("127.0.0.1", 0, counted, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    variables = {
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "s3same",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    if scheme == "gs":
        account = {"gcs_base_url": address, "disable_oauth": True, "client_email": "", "private_key": ""}
        variables = {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps({**account, "private_key_id": ""})}

    def make(name: str) -> None:
        urlopen(Request(f"{address}/{name}", data=b"", method="PUT"), timeout=10).close()

    try:
        yield Served(scheme, variables, make, calls)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def azurite() -> Iterator[Served]:
    """Azure Blob Storage."""
    program = _azurite()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
    how = ["--silent", "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([str(program), *where, *how], cwd=CACHE, **quiet) as process:  # type: ignore[call-overload]
        try:
            _wait_for(port)
            address = f"http://127.0.0.1:{port}"
            variables = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": address}
            yield Served("az", variables, lambda name: _make_container(address, name))
        finally:
            process.kill()


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    pytest.fail("Azurite did not start")


def _azurite() -> Path:
    """The program, installed when it is not there yet; a visible skip where that cannot be, an error in CI."""
    program = CACHE / AZURITE / "node_modules" / ".bin" / "azurite-blob"
    if program.exists():
        return program
    try:
        (CACHE / AZURITE).mkdir(parents=True, exist_ok=True)
        npm = shutil.which("npm") or "npm"
        command = [npm, "install", "--no-audit", "--no-fund", "--silent", "--prefix", str(CACHE / AZURITE), AZURITE]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"Azurite cannot be had from npm: {getattr(error, 'stderr', '') or error}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return program


def _make_container(address: str, name: str) -> None:
    """Make a container, signed as Azure's "Authorize with Shared Key" says."""
    said = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    named = "".join(f"{key}:{value}\n" for key, value in said.items())
    text = "PUT" + "\n" * 12 + f"{named}/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signed = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    headers = {**said, "Authorization": f"SharedKey {ACCOUNT}:{signed}", "Content-Length": "0"}
    url = f"{address}/{ACCOUNT}/{name}?restype=container"
    urlopen(Request(url, method="PUT", headers=headers), timeout=10).close()


class Stores:
    """All stores of a test session, each started once."""

    def __init__(self) -> None:
        self._running = ExitStack()
        self._served: dict[str, Served] = {}
        self._count = 0

    def bucket(self, scheme: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """The URL of a new bucket, with the variables set by which it is found."""
        if scheme not in self._served:
            self._served[scheme] = self._running.enter_context(azurite() if scheme == "az" else moto(scheme))
        served = self._served[scheme]
        for name, value in served.variables.items():
            monkeypatch.setenv(name, value)
        self._count += 1
        name = f"scans{self._count}"
        served.make(name)
        served.calls.clear()
        return f"{scheme}://{name}"

    def make(self, scheme: str, name: str) -> None:
        """Make a bucket of a certain name; one that is there is emptied, but not on Azure."""
        from moto.backends import get_backend

        if scheme != "az":
            backend: Any = get_backend("s3")["123456789012"]["aws"]
            backend.reset()
        self._served[scheme].make(name)

    def show_to(self, origin: str, bucket: str, method: str = "GET") -> None:
        """Let the pages of an origin read a bucket of S3, by its CORS rules."""
        address = f"{self._served['s3'].variables['AWS_ENDPOINT_URL']}/{bucket.partition('://')[2]}?cors"
        body, kind = CORS.format(origin, method).encode(), {"Content-Type": "application/xml"}
        urlopen(Request(address, body, kind, method="PUT"), timeout=10).close()

    def calls(self, scheme: str) -> list[tuple[str, str, int]]:
        """What the store was asked since the bucket was made."""
        return self._served[scheme].calls

    @staticmethod
    def fill(bucket: str, objects: Mapping[str, bytes]) -> None:
        """Put many objects into a bucket of S3 without a call for each."""
        from moto.backends import get_backend

        backend: Any = get_backend("s3")["123456789012"]["aws"]
        for key, content in objects.items():
            backend.put_object(bucket.partition("://")[2], key, content)

    def close(self) -> None:
        """End them."""
        self._running.close()
