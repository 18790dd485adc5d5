"""Talking HTTP: when a call is made again, when it is not, and that nothing secret is ever said."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import socket
import ssl
import threading
import time
from contextlib import closing, suppress
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import requests
import trustme

import caseferry as cf
from caseferry.errors import Cancelled
from caseferry.http import ExpiredURL, Http, Retry, clean_text, retry_after
from caseferry.plan import Call, Part, Repeat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOKEN = "tok-3b1f7c"
QUICK = Retry(attempts=4, first=0.01, longest=0.02)

Answer = "Callable[[Request], None]"


class Request(BaseHTTPRequestHandler):
    """One request that the server has read; answers are written with its methods."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *words: Any) -> None:
        """Say nothing."""

    def serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.content = self.rfile.read(length) if self.server.reads_bodies else b""
        with self.server.lock:
            self.server.seen.append(self)
            script = self.server.script
            answer = script.pop(0) if len(script) > 1 else script[0]
        answer(self)

    do_GET = do_POST = do_PUT = do_DELETE = serve  # noqa: N815  the names that http.server looks for

    def reply(self, status: int, body: bytes = b"{}", kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Close the connection without a word."""
        self.close_connection = True
        self.connection.close()


class Server(ThreadingHTTPServer):
    """A server on loopback that answers by a script; its last answer is repeated."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.script: list[Callable[[Request], None]] = [lambda request: request.reply(200)]
        self.seen: list[Request] = []
        self.lock = threading.Lock()
        self.reads_bodies = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/api/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error here."""


@pytest.fixture
def make_server() -> Iterator[Callable[[], Server]]:
    made: list[Server] = []

    def make() -> Server:
        server = Server()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        made.append(server)
        return server

    yield make
    for server in made:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(make_server: Callable[[], Server]) -> Server:
    return make_server()


@pytest.fixture
def http(server: Server) -> Iterator[Http]:
    talking = make_http(server)
    yield talking
    talking.close()


def make_http(server: Server, **changes: Any) -> Http:
    settings: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {TOKEN}"},
        "secrets": [TOKEN],
        "retry": QUICK,
        "timeout": (2.0, 2.0),
    }
    return Http("test", server.url, **(settings | changes))


def status(code: int, body: bytes = b"{}", kind: str = "application/json", **headers: str) -> Callable[[Request], None]:
    return lambda request: request.reply(code, body, kind, **headers)


def short(request: Request) -> None:
    """An answer that ends before its length."""
    request.send_response(200)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", "100")
    request.end_headers()
    request.wfile.write(b'{"a": ')
    request.cut()


def told(error: BaseException) -> str:
    """Everything that a log could say of an error: message, repr, chain."""
    chain: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and each not in chain:
            chain.append(each)
            waiting += [each.__cause__, each.__context__]
    return " ".join(f"{each} {each!r} {vars(each)}" for each in chain)


# -- repetition by what a call does --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [408, 423, 425, 429, 500, 502, 503, 504])
@pytest.mark.parametrize("repeat", list(Repeat))
def test_passing_failures_are_met_by_what_a_call_does(server: Server, http: Http, code: int, repeat: Repeat) -> None:
    server.script = [status(code), status(200, b'{"done": true}')]
    again = repeat is Repeat.HARMLESS or code == 429  # a limit is met before anything is done
    if again:
        assert http.request("POST", "things", json={"a": 1}, repeat=repeat).body == {"done": True}
    else:
        with pytest.raises(cf.TemporaryFailure) as caught:
            http.request("POST", "things", json={"a": 1}, repeat=repeat)
        assert caught.value.status == code
        assert caught.value.applied is None
    assert len(server.seen) == (2 if again else 1)
    assert {request.content for request in server.seen} == {b'{"a": 1}'}


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, cf.PlatformError),
        (401, cf.AuthenticationFailed),
        (403, cf.PermissionDenied),
        (404, cf.NotFound),
        (409, cf.AlreadyExists),
        (422, cf.PlatformError),
    ],
)
def test_refusals_are_not_repeated(server: Server, http: Http, code: int, kind: type[cf.PlatformError]) -> None:
    server.script = [status(code, b'{"detail": "because"}', X_Request_Id="r-1")]
    with pytest.raises(kind) as caught:
        http.get("things", what="list things")
    assert type(caught.value) is kind
    assert str(caught.value) == f"test: list things answered {code}: because (request r-1)"
    assert len(server.seen) == 1


@pytest.mark.parametrize("repeat", list(Repeat))
@pytest.mark.parametrize("answer", [Request.cut, short], ids=["reset", "cut short"])
def test_an_answer_that_was_lost(server: Server, http: Http, repeat: Repeat, answer: Any) -> None:
    """The server may have done what it was asked: only what is harmless is asked again."""
    http.get("first contact")
    server.seen.clear()
    server.script = [answer, status(200)]
    if repeat is Repeat.HARMLESS:
        http.request("PUT", "things", json={}, repeat=repeat)
        assert len(server.seen) == 2
    else:
        with pytest.raises(cf.TemporaryFailure) as caught:
            http.request("POST", "things", json={}, repeat=repeat)
        assert caught.value.applied is None
        assert len(server.seen) == 1


def test_it_gives_up_after_so_many_attempts(server: Server, http: Http) -> None:
    server.script = [status(503)]
    with pytest.raises(cf.TemporaryFailure, match="test: GET things answered 503"):
        http.get("things")
    assert len(server.seen) == QUICK.attempts


def test_a_host_that_was_never_reached_is_given_up_early(make_server: Callable[[], Server]) -> None:
    server = make_server()
    http = make_http(server)
    server.shutdown()
    server.server_close()
    with pytest.raises(cf.TemporaryFailure, match=r"no connection to 127\.0\.0\.1") as caught:
        http.request("POST", "things", repeat=Repeat.DETECTABLE)
    assert caught.value.applied is False


def test_a_host_that_does_not_exist() -> None:
    http = Http("test", "http://nowhere.invalid/", headers={}, retry=QUICK)
    with pytest.raises(cf.TemporaryFailure, match=r"the host nowhere\.invalid is not known; is the address right"):
        http.get("things")


def test_a_slow_answer_ends_at_the_timeout(server: Server) -> None:
    http = make_http(server, timeout=(1.0, 0.1), retry=Retry(attempts=2, first=0.01))
    server.script = [lambda _: time.sleep(0.4)]
    with pytest.raises(cf.TemporaryFailure, match=r"no answer within 0\.1 s"):
        http.get("things")
    assert len(server.seen) == 2


def test_a_slow_trickle_arrives(server: Server, http: Http) -> None:
    def trickle(request: Request) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "20")
        request.end_headers()
        for _ in range(20):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.01)

    server.script = [trickle]
    assert http.download("file").read() == b"x" * 20


# -- Retry-After ---------------------------------------------------------------------------------------------------


def test_retry_after_in_seconds_is_kept_to(server: Server, http: Http) -> None:
    server.script = [status(429, Retry_After="0.3"), status(200)]
    started = time.monotonic()
    http.get("things")
    assert 0.3 <= time.monotonic() - started < 2


def test_retry_after_holds_every_other_call_back(server: Server, http: Http) -> None:
    server.script = [status(429, Retry_After="0.4"), status(200)]
    first = threading.Thread(target=http.get, args=("one",))
    started = time.monotonic()
    first.start()
    while not server.seen or not http.repeater._not_before:
        time.sleep(0.005)
    http.get("two")
    assert time.monotonic() - started >= 0.4
    first.join()


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        ("-5", 0, 0),
        ("1e9", 600, 600),
        ("99999999999999999999", 600, 600),
        (format_datetime(dt.datetime(1999, 1, 1, tzinfo=dt.UTC), usegmt=True), 0, 0),
        (format_datetime(dt.datetime(2999, 1, 1, tzinfo=dt.UTC), usegmt=True), 600, 600),
        ("Fri, 31 Dec 1999 23:59:59 -0000", 0, 0),
    ],
)
def test_retry_after_in_either_form(text: str, least: float, most: float) -> None:
    found = retry_after(text)
    assert found is not None
    assert least <= found <= most


def test_retry_after_as_a_date_counts_from_now() -> None:
    when = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=50)
    found = retry_after(format_datetime(when, usegmt=True))
    assert found is not None
    assert 40 <= found <= 50


@pytest.mark.parametrize("text", [None, "", "soon", "nan", "Fri, 99 Foo 2024", "1999-01-01T00:00:00Z"])
def test_retry_after_that_makes_no_sense_is_none(text: str | None) -> None:
    assert retry_after(text) is None


def test_delays_double_spread_and_end() -> None:
    retry = Retry(first=1.0, longest=8.0)
    for failures, middle in ((1, 1.0), (2, 2.0), (4, 8.0), (40, 8.0), (4000, 8.0)):
        for _ in range(20):
            assert middle * 0.5 <= retry.delay(failures) <= middle * 1.5


# -- stopping ------------------------------------------------------------------------------------------------------


def test_cancelling_ends_a_pause_at_once(server: Server) -> None:
    http = make_http(server)
    event = threading.Event()
    http.stop_with(event)
    server.script = [status(429, Retry_After="600")]
    threading.Timer(0.1, event.set).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        http.get("things")
    assert time.monotonic() - started < 2
    with pytest.raises(Cancelled):
        http.get("other things")
    assert len(server.seen) == 1


# -- answers that are not what they should be ----------------------------------------------------------------------


def test_a_login_page_is_not_taken_for_an_answer(server: Server, http: Http) -> None:
    server.script = [status(200, b"\n<!DOCTYPE html><html><body>Please log in</body></html>", "text/html")]
    with pytest.raises(cf.UnexpectedResponse, match="a web page, not data: is the address right, and does a proxy"):
        http.get("things")
    assert len(server.seen) == 1


def test_json_that_is_none(server: Server, http: Http) -> None:
    server.script = [status(200, b'{"a": ')]
    with pytest.raises(cf.UnexpectedResponse, match="is not the JSON it says it is"):
        http.get("things")


def test_an_empty_answer_is_no_body(server: Server, http: Http) -> None:
    server.script = [status(200, b"")]
    assert http.get("things") is None


def test_an_error_page_is_told_without_its_tags(server: Server, http: Http) -> None:
    server.script = [status(404, b"<html><h1>Not here</h1></html>", "text/html")]
    with pytest.raises(cf.NotFound, match=r"answered 404: Not here$"):
        http.get("things")
    page = b"<!DOCTYPE html><html><head><title>Bad\n Gateway</title><style>b{}</style></head><p>ray 5, and more</html>"
    server.script = [status(400, page, "text/html")]
    with pytest.raises(cf.PlatformError, match=r"answered 400: Bad Gateway$"):
        http.get("things")


# -- secrets -------------------------------------------------------------------------------------------------------


def test_signed_addresses_and_tokens_are_in_no_message(server: Server, http: Http) -> None:
    signed = server.url + "file?X-Amz-Signature=5ec2e7&X-Amz-Credential=abc"
    body = f'{{"detail": "token {TOKEN} for {signed} is bad"}}'.encode()
    for answer in (status(500, body), status(400, body), status(403, body), Request.cut, short):
        server.script = [answer]
        with pytest.raises(cf.PlatformError) as caught:
            http.request("PUT", signed, json={"key": "value"}, repeat=Repeat.DETECTABLE)
        assert TOKEN not in told(caught.value)
        assert "5ec2e7" not in told(caught.value)
        assert "X-Amz-Credential" not in told(caught.value)


def test_an_unreachable_signed_address_is_not_shown(http: Http) -> None:
    with pytest.raises(cf.TemporaryFailure) as caught:
        http.request("PUT", "http://127.0.0.1:9/file?X-Amz-Signature=5ec2e7", repeat=Repeat.DETECTABLE)
    assert "5ec2e7" not in told(caught.value)
    assert TOKEN not in told(caught.value)


def test_nothing_of_the_talker_shows_its_token(http: Http) -> None:
    assert TOKEN not in repr(http)
    assert TOKEN not in repr(http.repeater)


def test_texts_are_cleaned_and_cut() -> None:
    assert clean_text("a SECRET b https://h/p?q=1&r=2 c", ["SECRET"]) == "a *** b https://h/p?… c"
    assert len(clean_text("x" * 5000, [])) == 401


def test_credentials_do_not_follow_a_redirect_to_another_host(make_server: Callable[[], Server]) -> None:
    home, store = make_server(), make_server()
    store.script = [status(200, b"content", "application/octet-stream")]
    home.script = [status(302, b"", Location=store.url + "object?signature=1")]
    http = make_http(home)
    assert http.download("file").read() == b"content"
    assert home.seen[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in store.seen[0].headers
    assert store.seen[0].path == "/api/object?signature=1"


def redirecting(make_server: Callable[[], Server]) -> tuple[Server, Server, Http]:
    home, store = make_server(), make_server()
    store.script = [status(200, b"content", "application/octet-stream")]
    home.script = [status(302, b"", Location=store.url + "object?signature=1")]
    return home, store, make_http(home)


def test_a_file_that_is_opened_again_at_once_is_asked_for_where_it_was(make_server: Callable[[], Server]) -> None:
    home, store, http = redirecting(make_server)
    for _ in range(3):
        assert http.download("file").read() == b"content"
    assert http.download("other").read() == b"content"
    assert len(home.seen) == 2
    assert len(store.seen) == 4
    assert not any("Authorization" in seen.headers for seen in store.seen)


@pytest.mark.parametrize("code", [302, 403, 404, 500])
def test_a_file_that_is_not_there_any_more_is_looked_for_anew(make_server: Callable[[], Server], code: int) -> None:
    home, store, http = redirecting(make_server)
    assert http.download("file").read() == b"content"
    store.script = [status(code, b"", Location=store.url), status(200, b"content", "application/octet-stream")]
    started = time.monotonic()
    assert http.download("file").read() == b"content"
    assert time.monotonic() - started < 0.4
    assert len(home.seen) == 2


def test_where_a_file_was_is_soon_forgotten(make_server: Callable[[], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    home, _store, http = redirecting(make_server)
    monkeypatch.setattr("caseferry.http.client.LEADS_SECONDS", 0.0)
    for _ in range(2):
        assert http.download("file").read() == b"content"
    assert len(home.seen) == 2


def test_a_redirect_within_the_host_is_followed_with_credentials(server: Server, http: Http) -> None:
    server.script = [status(302, b"", Location="/api/other"), status(200, b"content", "text/plain")]
    assert http.download("file").read() == b"content"
    assert server.seen[1].path == "/api/other"
    assert server.seen[1].headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_redirected_call_is_not_taken_for_done(server: Server, http: Http, method: str) -> None:
    server.script = [status(301, b"", Location="https://elsewhere.invalid/login?token=5ec2e7")]
    with pytest.raises(
        cf.UnexpectedResponse, match=r"redirected to https://elsewhere\.invalid/login, and nothing was"
    ) as caught:
        http.request(method, "things")
    assert "5ec2e7" not in told(caught.value)


@pytest.mark.parametrize("place", ["file:///etc/passwd", "ftp://host/x", ""])
def test_a_redirect_to_no_web_address(server: Server, http: Http, place: str) -> None:
    server.script = [status(302, b"", Location=place)]
    with pytest.raises(cf.UnexpectedResponse, match="redirects in a circle, or to no web address"):
        http.download("file").read()


def test_a_circle_of_redirects_ends(server: Server, http: Http) -> None:
    server.script = [status(302, b"", Location=server.url + f"file{n}") for n in range(8)]
    with pytest.raises(cf.UnexpectedResponse, match="it redirects in a circle"):
        http.download("file").read()


def test_a_signed_address_gets_no_credentials_and_its_refusal_means_expired(make_server: Callable[[], Server]) -> None:
    home, store = make_server(), make_server()
    store.script = [status(403, b"<Error>ExpiredToken</Error>", "application/xml")]
    http = make_http(home)
    with pytest.raises(ExpiredURL) as caught:
        http.request("PUT", store.url + "object?signature=5ec2e7")
    assert "Authorization" not in store.seen[0].headers
    assert len(store.seen) == 1
    assert "5ec2e7" not in told(caught.value)


def test_netrc_and_proxies_of_the_environment(
    server: Server, make_server: Callable[[], Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password sesame\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    make_http(server, headers={}).get("things")
    assert "Authorization" not in server.seen[0].headers
    proxy = make_server()
    monkeypatch.setenv("http_proxy", proxy.url)
    http = Http("test", "http://host.invalid/api/", headers={"Authorization": TOKEN}, retry=QUICK)
    http.get("things")
    assert proxy.seen[0].path == "http://host.invalid/api/things"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    make_http(server).get("things")
    assert len(proxy.seen) == 1


# -- uploads -------------------------------------------------------------------------------------------------------


def upload(ref: cf.FileRef, **changes: Any) -> Call:
    return Call(name="u", method="PUT", target="file", files=(Part(ref, **changes),))


def test_an_upload_is_sent_anew_from_its_beginning(server: Server, http: Http, tmp_path: Path) -> None:
    """A body that was read once must not be sent empty the second time."""
    content = bytes(range(256)) * 5000
    path = tmp_path / "a.bin"
    path.write_bytes(content)
    server.script = [status(503), status(429), status(200)]
    reply = http.call(upload(cf.FileRef.of(path)))
    assert [request.content == content for request in server.seen] == [True] * 3
    assert [request.headers["Content-Length"] for request in server.seen] == [str(len(content))] * 3
    assert all("Transfer-Encoding" not in request.headers for request in server.seen)
    assert reply.sent == len(content)


def test_a_form_is_sent_anew_from_its_beginning(server: Server, http: Http, tmp_path: Path) -> None:
    path = tmp_path / "größe.dcm"
    path.write_bytes(b"12345")
    call = Call(
        name="u", method="POST", target="f", form=(("a", "b"),), files=(Part(cf.FileRef.of(path), field="file"),)
    )
    server.script = [status(503), status(200)]
    http.call(call)
    for request in server.seen:
        assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")
        assert b'name="file"; filename="gr%C3%B6%C3%9Fe.dcm"' in request.content
        assert b"\r\n\r\n12345\r\n" in request.content
        assert len(request.content) == int(request.headers["Content-Length"])


def test_a_piece_of_a_file(server: Server, http: Http) -> None:
    ref = cf.FileRef("x:", "a.bin", 10, opener=lambda: io.BytesIO(b"0123456789"))
    http.call(upload(ref, offset=3, length=4))
    assert server.seen[0].content == b"3456"


class Unseekable(io.RawIOBase):
    """A stream that only reads on."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._inner.read(size)


def test_a_piece_of_a_stream_that_cannot_seek(server: Server, http: Http) -> None:
    ref = cf.FileRef("x:", "a.bin", 10, opener=lambda: Unseekable(b"0123456789"))  # type: ignore[arg-type,return-value]
    http.call(upload(ref, offset=3, length=4))
    assert server.seen[0].content == b"3456"


def test_a_file_that_ends_early_is_named_and_not_sent_again(server: Server, http: Http) -> None:
    server.reads_bodies = False
    ref = cf.FileRef("x:", "a.bin", 10, opener=lambda: io.BytesIO(b"01234"))
    with pytest.raises(cf.CaseferryError, match=r"the file 'a.bin' ended 5 bytes before its length"):
        http.call(upload(ref))


def test_a_file_that_grows_is_sent_as_long_as_was_announced(server: Server, http: Http, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"01234")
    ref = cf.FileRef.of(path).measured()
    path.write_bytes(b"0123456789")
    http.call(upload(ref))
    assert server.seen[0].content == b"01234"


def test_an_empty_file(server: Server, http: Http, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    http.call(upload(cf.FileRef.of(path)))
    assert server.seen[0].content == b""
    assert server.seen[0].headers["Content-Length"] == "0"


# -- downloads -----------------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 400


def ranged(cut_after: int | None = None, tag: str = '"one"', ranges: bool = True) -> Callable[[Request], None]:
    """The content, from where it is asked for; cut after so many bytes."""

    def answer(request: Request) -> None:
        asked = request.headers.get("Range")
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and ranges else 0
        request.send_response(206 if asked and ranges else 200)
        request.send_header("ETag", tag)
        request.send_header("Content-Length", str(len(CONTENT) - start))
        if asked and ranges:
            request.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        request.end_headers()
        stop = len(CONTENT) if cut_after is None else start + cut_after
        request.wfile.write(CONTENT[start:stop])
        if stop < len(CONTENT):
            request.cut()

    return answer


def test_a_download_goes_on_where_it_was_cut(server: Server, http: Http) -> None:
    server.script = [ranged(1000), ranged(50_000), ranged()]
    assert http.download("file").read() == CONTENT
    assert [request.headers.get("Range") for request in server.seen] == [None, "bytes=1000-", "bytes=51000-"]


def test_a_server_that_ignores_ranges(server: Server, http: Http) -> None:
    server.script = [ranged(1000, ranges=False), ranged(70_000, ranges=False), ranged(ranges=False)]
    assert http.download("file").read() == CONTENT


def test_a_file_that_changed_meanwhile_is_refused(server: Server, http: Http) -> None:
    server.script = [ranged(1000), ranged(tag='"two"')]
    with pytest.raises(cf.UnexpectedResponse, match="the file changed while it was read"):
        http.download("file").read()


def test_a_web_page_in_place_of_the_rest_is_no_part_of_a_file(make_server: Callable[[], Server], http: Http) -> None:
    """Of a proxy before an object store that asks for a login meanwhile: neither the end of the file nor part of it."""
    server = make_server()
    file = f"{server.url}file"
    for page in (b"<html>Please log in</html>", b"<html>" + b"x" * 2 * len(CONTENT)):
        server.script = [ranged(1000), status(200, page, "text/html"), ranged()]
        assert http.download(file).read() == CONTENT
    server.script = [ranged(1000), status(200, CONTENT[:-1], "application/octet-stream")]
    with pytest.raises(cf.UnexpectedResponse, match="the file changed while it was read"):
        http.download(file).read()


def test_a_download_that_gives_nothing_ends(server: Server, http: Http) -> None:
    server.script = [ranged(1000), ranged(0)]
    with pytest.raises(cf.TemporaryFailure, match=f"the connection ended at byte 1000 of {len(CONTENT)}"):
        http.download("file").read()


def test_an_error_in_the_middle_is_met_like_any_other(server: Server, http: Http) -> None:
    server.script = [ranged(1000), status(503), status(429), ranged()]
    assert http.download("file").read() == CONTENT


def test_stored_gzip_is_given_as_it_is_stored(server: Server, http: Http) -> None:
    """A .nii.gz must arrive byte for byte, even where a store says Content-Encoding: gzip of it."""
    packed = gzip.compress(CONTENT)
    server.script = [status(200, packed, "application/gzip", Content_Encoding="gzip")]
    assert http.download("a.nii.gz").read() == packed
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_an_answer_in_gzip_is_unpacked(server: Server, http: Http) -> None:
    server.script = [status(200, gzip.compress(b'{"a": 1}'), Content_Encoding="gzip")]
    assert http.get("things") == {"a": 1}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate", cf.PlatformError),
        ("[SSL: UNEXPECTED_EOF_WHILE_READING] EOF occurred in violation of protocol", cf.TemporaryFailure),
    ],
)
def test_only_a_bad_certificate_is_final(http: Http, said: str, kind: type[cf.PlatformError]) -> None:
    error = http._line_failure("look", "https://host/x", requests.exceptions.SSLError(said))
    assert type(error) is kind


@pytest.mark.parametrize(
    ("days", "address", "said"),
    [
        ((-2, -1), "127.0.0.1", "has expired"),
        ((1, 2), "127.0.0.1", "not valid yet"),
        ((-1, 1), "192.0.2.1", "is that of another host"),
    ],
)
def test_a_certificate_says_what_is_wrong_with_it(
    days: tuple[int, int], address: str, said: str, tmp_path: Path
) -> None:
    """Trusting it would not help, so that CASEFERRY_CA is not spoken of."""
    path, authority = tmp_path / "ca.pem", trustme.CA()
    authority.cert_pem.write_to_path(str(path))
    begin, end = (dt.datetime.now(dt.UTC) + dt.timedelta(each) for each in days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(address, not_before=begin, not_after=end).configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with listening.accept()[0] as line, suppress(OSError):
                context.wrap_socket(line, server_side=True)

        threading.Thread(target=serve, daemon=True).start()
        talker = Http("test", f"https://127.0.0.1:{listening.getsockname()[1]}/", headers={}, verify=str(path))
        with closing(talker), pytest.raises(cf.PlatformError, match=f"the certificate of 127.* {said}") as caught:
            talker.get("things")
    assert "CASEFERRY_CA" not in str(caught.value)
