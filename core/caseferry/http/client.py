"""One platform's web interface: requests, answers, redirects, and what goes wrong on the line."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.exceptions import NameResolutionError, NewConnectionError

from caseferry.errors import PlatformError, TemporaryFailure, UnexpectedResponse
from caseferry.http.refusal import Explain, clean_text, is_page, plain_explanation, refusal, untrusted, words_of_page
from caseferry.http.repeating import ExpiredURL, Repeater, Retry
from caseferry.http.streaming import Body, Download, InBlocks, multipart, whole
from caseferry.plan import Call, Repeat, Reply

if TYPE_CHECKING:
    import threading

    from caseferry.plain import Json


Signed: TypeAlias = Callable[[bool], tuple[str, Mapping[str, str]]]
"""What gives a signed URL, and the headers that it is signed with; anew when it is told that the last was refused."""

LEADS_SECONDS = 30.0
"""Seconds for which a redirect is taken to lead where it led: a file is opened for its header, then for all of it. The
shortest that a platform's signed URLs are good for is ten times as long."""


WEB_PAGE = "the answer is a web page, not data: is the address right, and does a proxy ask for a login?"


class Http:
    """One platform's web interface.

    Parameters
    ----------
    platform : its name in messages
    base : the address that relative targets are appended to
    headers : sent to the platform and never to another host
    secrets : words that are struck out of every message
    verify : a file of trusted certificates; None for the usual ones; False to trust whatever answers
    connections : how many are kept open at most
    explain : what an error body says
    """

    def __init__(
        self,
        platform: str,
        base: str,
        *,
        headers: Mapping[str, str],
        secrets: Sequence[str] = (),
        verify: str | Literal[False] | None = None,
        connections: int = 32,
        timeout: tuple[float, float] = (15.0, 120.0),
        retry: Retry = Retry(),
        explain: Explain | None = None,
    ) -> None:
        self.platform = platform
        self.base = base.rstrip("/") + "/"
        self.repeater = Repeater(retry)
        self._headers = dict(headers)
        self._secrets = tuple(secret for secret in secrets if secret)
        self._timeout = timeout
        self._explain = explain or plain_explanation
        self._led: dict[str, tuple[float, str]] = {}
        self._session = requests.Session()
        self._session.trust_env = False  # the environment is read once, below, and never ~/.netrc
        self._session.headers.clear()
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=connections, pool_block=False, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        usual = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
        self._verify = False if verify is False else verify or usual
        self._proxies = {origin: get_environ_proxies(origin) for origin in (self._origin(self.base),)}

    def stop_with(self, cancelled: threading.Event) -> None:
        """Stop, pauses included, whenever an event is set: a dataset's own."""
        self.repeater.cancelled = cancelled

    def close(self) -> None:
        """Close every connection."""
        self._session.close()

    # -- what connectors call --------------------------------------------------------------------------------------

    def call(self, call: Call) -> Reply:
        """Send one call of a plan.

        Raises
        ------
        PlatformError
            The platform refused, or could not be reached often enough.
        """

        def body() -> tuple[Any, str | None]:
            if call.form or any(part.field for part in call.files):
                return multipart(call.form, call.files)
            if call.files:
                return whole(call.files[0]), None
            return None, None

        return self.request(
            call.method, call.target, query=call.query, json=call.body, body=body, repeat=call.repeat, what=call.purpose
        )

    def get(self, target: str, query: Iterable[tuple[str, str]] = (), what: str = "") -> Json:
        """Read something as JSON."""
        body: Json = self.request("GET", target, query=tuple(query), what=what).body
        return body

    def request(
        self,
        method: str,
        target: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        json: Any = None,
        body: Callable[[], tuple[Any, str | None]] | None = None,
        repeat: Repeat = Repeat.HARMLESS,
        what: str = "",
    ) -> Reply:
        """Make one request, repeated where that is right, and read its answer whole.

        Parameters
        ----------
        body : makes the streamed body and its content type, anew for each attempt
        """
        what = what or f"{method} {self._shown(target)}"

        def attempt() -> Reply:
            made, content_type = body() if body is not None else (None, None)
            opened = self._open(method, target, what=what, query=query, json=json, body=made, content_type=content_type)
            with opened as answer:
                content = self._content(answer, what)
                return self._reply(answer, content, what, sent=len(made) if isinstance(made, Body) else 0)

        return self.repeater.run(attempt, repeat)

    def download(self, target: str | Signed, what: str = "") -> Download:
        """A file as a stream that survives cut connections; a redirect to another host goes without credentials.

        Parameters
        ----------
        target : where it is; or what gives a signed URL of it
        """
        what = what or (f"GET {self._shown(target)}" if isinstance(target, str) else "download a file")

        def fetch(offset: int) -> requests.Response:
            extra = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={offset}-"} if offset else {})
            signed = 0

            def attempt() -> requests.Response:
                nonlocal signed
                if not signed and isinstance(target, str):
                    known = self._where_it_led(target, what, extra)
                    if known is not None:
                        return known
                place, more = (target, {}) if isinstance(target, str) else target(signed > 0)
                signed += 1
                for _ in range(5):
                    try:
                        answer = self._open("GET", place, what=what, extra={**more, **extra})
                    except ExpiredURL as error:
                        if place == target:
                            raise
                        raise self._failure(what, str(error.detail), None) from None  # the target names a new one
                    if answer.status_code not in {301, 302, 303, 307, 308}:
                        self._refuse_page(answer, what)
                        return answer
                    place, more = self._next_place(answer, what), {}
                    answer.close()
                    if isinstance(target, str):
                        self._remember(target, place)
                raise UnexpectedResponse(self.platform, what, "it redirects in a circle")

            return self.repeater.run(attempt, Repeat.HARMLESS)

        return Download(fetch, check=self.repeater.check)

    def _refuse_page(self, answer: requests.Response, what: str) -> None:
        """Refuse a web page of the platform's own host where a file was asked for: no file of a case is one."""
        if self._origin(answer.url) == self._origin(self.base) and "text/html" in answer.headers.get(
            "Content-Type", ""
        ):
            with answer:
                raise UnexpectedResponse(self.platform, what, WEB_PAGE, status=answer.status_code)

    def _where_it_led(self, target: str, what: str, extra: Mapping[str, str]) -> requests.Response | None:
        """The answer from where a target led a moment ago; None when that is not known, or leads nowhere any more."""
        made, place = self._led.get(target, (-math.inf, ""))
        if time.monotonic() - made > LEADS_SECONDS:
            return None
        try:
            answer = self._open("GET", place, what=what, extra=extra)
            self._refuse_page(answer, what)
        except PlatformError:
            self._led.pop(target, None)
            return None
        if answer.is_redirect:
            answer.close()
            return None
        return answer

    def _remember(self, target: str, place: str) -> None:
        """Note where a target leads, and forget what was noted long ago."""
        now = time.monotonic()
        self._led = {
            **{key: led for key, led in self._led.items() if now - led[0] <= LEADS_SECONDS},
            target: (now, place),
        }

    # -- one attempt -----------------------------------------------------------------------------------------------

    def _open(
        self,
        method: str,
        target: str,
        *,
        what: str,
        query: Sequence[tuple[str, str]] = (),
        json: Any = None,
        body: Any = None,
        content_type: str | None = None,
        extra: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send, and give the answer with an unread body; an error status is raised."""
        url = target if "://" in target else self.base + target.lstrip("/")
        home = self._origin(url) == self._origin(self.base)
        headers = {"Accept-Encoding": "gzip, deflate", **(self._headers if home else {}), **(extra or {})}
        if content_type is not None:
            headers["Content-Type"] = content_type
        prepared = self._session.prepare_request(
            requests.Request(
                method,
                url,
                headers=headers,
                params=list(query),
                json=json,
                data=_sendable(body),
            )
        )
        self.repeater.wait_for_leave()
        answer = self._sent(prepared, url, what, body)
        self.repeater.reached = True
        if answer.status_code >= 400:
            with answer:
                raise self._error(answer, what, home=home)
        return answer

    def _sent(self, prepared: requests.PreparedRequest, url: str, what: str, body: Any) -> requests.Response:
        """Send; what goes wrong on the line is raised in our words, with a cause that does not show the address."""
        try:
            return self._session.send(
                prepared,
                stream=True,
                timeout=self._timeout,
                verify=self._verify,
                proxies=self._proxies_for(url),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            failure, cause = self._line_failure(what, url, error), _root(error)
        finally:
            if isinstance(body, Body):
                body.close()
        raise failure from cause  # here, where requests' own error, which quotes the address, is no context of it

    def _next_place(self, answer: requests.Response, what: str) -> str:
        """The whole address that a redirect names."""
        place = urljoin(answer.url, answer.headers.get("Location", ""))
        if urlsplit(place).scheme not in {"http", "https"} or place == answer.url:
            with answer:
                raise UnexpectedResponse(self.platform, what, "it redirects in a circle, or to no web address")
        return place

    def _reply(self, answer: requests.Response, content: bytes, what: str, sent: int) -> Reply:
        body: Any = None
        if 300 <= answer.status_code < 400:
            where = self._shown(urljoin(answer.url, answer.headers.get("Location", "")))
            detail = f"it is redirected to {where}, and nothing was done: is the address right?"
            raise UnexpectedResponse(self.platform, what, detail, status=answer.status_code)
        if "json" in answer.headers.get("Content-Type", ""):
            try:
                body = answer.json() if content else None
            except (ValueError, RecursionError) as error:
                raise UnexpectedResponse(
                    self.platform, what, "the answer is not the JSON it says it is", status=answer.status_code
                ) from error
        elif is_page(content[:1000].decode(errors="replace")):
            raise UnexpectedResponse(self.platform, what, WEB_PAGE, status=answer.status_code)
        return Reply(answer.status_code, body, answer.headers, sent)

    def _error(self, answer: requests.Response, what: str, *, home: bool) -> PlatformError:
        status = answer.status_code
        try:
            text = answer.content[:20000].decode(errors="replace")
        except requests.RequestException:
            text = ""
        if not home and status in {401, 403}:
            return ExpiredURL(self.platform, what, "the signed URL is not accepted any more", status=status)
        try:
            body = answer.json() if "json" in answer.headers.get("Content-Type", "") else None
        except (ValueError, RecursionError):
            body = None
        explained = self._explain(status, body, words_of_page(text))
        return refusal(self.platform, what, status, explained, answer.headers, self._clean)

    def _content(self, answer: requests.Response, what: str) -> bytes:
        """The whole body of an answer."""
        try:
            return bytes(answer.content)
        except requests.RequestException as error:
            cause = _root(error)
        raise self._failure(what, "the answer was cut short", None) from cause

    # -- failures --------------------------------------------------------------------------------------------------

    def _line_failure(self, what: str, url: str, error: requests.RequestException) -> PlatformError:
        reason = getattr(error.args[0], "reason", error.args[0]) if error.args else error
        host = urlsplit(url).netloc.rpartition("@")[2]
        if isinstance(error, requests.exceptions.SSLError):
            if "CERTIFICATE_VERIFY_FAILED" not in str(error):  # the line broke while it was being secured, or later
                return self._failure(what, f"the secure connection to {host} was cut", applied=None)
            return PlatformError(self.platform, what, untrusted(host, str(error)))
        if isinstance(error, requests.Timeout) and not isinstance(error, requests.ConnectionError):
            return self._failure(what, f"no answer within {self._timeout[1]:g} s", None)
        if not isinstance(error, requests.ConnectionError):
            return PlatformError(self.platform, what, f"it cannot be sent to {host}: {type(error).__name__}")
        if isinstance(reason, NameResolutionError):
            return self._failure(what, f"the host {host} is not known; is the address right?", applied=False)
        if isinstance(reason, NewConnectionError) or isinstance(error, requests.ConnectTimeout):
            return self._failure(what, f"no connection to {host}", applied=False)
        return self._failure(what, f"the connection to {host} was cut", applied=None)

    def _failure(self, what: str, detail: str, applied: bool | None) -> TemporaryFailure:
        error = TemporaryFailure(self.platform, what, detail)
        error.applied = applied
        return error

    # -- addresses and words ---------------------------------------------------------------------------------------

    def _proxies_for(self, url: str) -> Any:
        origin = self._origin(url)
        if origin not in self._proxies:
            self._proxies[origin] = get_environ_proxies(origin)
        return self._proxies[origin]

    @staticmethod
    def _origin(url: str) -> str:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"

    def _shown(self, target: str) -> str:
        """A target for a message: without the query, which may hold a signature."""
        parts = urlsplit(target)
        return f"{parts.scheme}://{parts.netloc}{parts.path}" if parts.scheme else target.split("?", maxsplit=1)[0]

    def _clean(self, text: str) -> str:
        return clean_text(text, self._secrets)


def _sendable(body: Any) -> Any:
    """A body as requests takes it: an empty stream would go in chunks, which object stores refuse."""
    if isinstance(body, Body):
        return InBlocks(body) if len(body) else b""
    return body


def _root(error: BaseException) -> BaseException | None:
    """The error of the operating system or of Python's own libraries that lies beneath one of requests', if any."""
    seen: list[BaseException] = []
    waiting: list[Any] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or each in seen:
            continue
        if type(each).__module__.partition(".")[0] not in {"requests", "urllib3"}:
            return each
        seen.append(each)
        waiting += [each.__context__, each.__cause__, getattr(each, "reason", None), *each.args]
    return None
