"""The only file that talks to Grand Challenge: to its API through gcapi, to its stores over plain HTTP."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast
from urllib.parse import urlsplit

from caseferry.errors import (
    ConfigurationError,
    MissingDependency,
    NotFound,
    PlatformError,
    TemporaryFailure,
    UnexpectedResponse,
)
from caseferry.http import Http, Repeater, Retry, clean_text, refusal, untrusted, words_of_page
from caseferry.plan import Call, Repeat, Reply
from caseferry_grand_challenge.errors import explain, of_sockets
from caseferry_grand_challenge.wire import answers
from caseferry_grand_challenge.wire.item_calls import filled_sockets
from caseferry_grand_challenge.wire.places import ITEMS, LISTS, NOUNS, TARGETS, Kind, Place
from caseferry_grand_challenge.wire.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caseferry.config import Secret

PLATFORM = "grand-challenge"
SESSIONS = "cases/upload-sessions/"
PAGE = 100
PASSES = 5
"""How often a listing without an order is walked before it is given up that it will ever give all."""

SIGNED_SECONDS, SIGNED_AGAIN = 200.0, 5.0
"""Seconds after which signed requests are asked for anew; and after which they are when one of them was refused, as
others may have been asked for anew by then."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

log = logging.getLogger("caseferry")


class GrandChallengeClient:
    """Grand Challenge's API and files.

    Parameters
    ----------
    url : the base of the API, ``https://HOST/api/v1/``
    token : the personal API token
    ca : a file of trusted certificates, for a private server; False to trust whatever answers
    """

    def __init__(self, url: str, token: Secret, ca: str | Literal[False] | None, connections: int) -> None:
        self.base = url.rstrip("/") + "/"
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(self.base))
        self.repeater = Repeater(Retry())
        self._secrets = (token.reveal(),)
        self._api = self.repeater.run(lambda: _open(self.base, token.reveal(), ca), Repeat.HARMLESS)
        self.http = Http(
            PLATFORM,
            self.base,
            headers={"Authorization": f"BEARER {token.reveal().rsplit(' ', 1)[-1]}"},
            secrets=self._secrets,
            verify=ca,
            connections=connections,
            explain=explain,
        )
        self._sockets: dict[str, Socket | None] = {}
        self._socket_locks: dict[str, threading.Lock] = {}
        self._instances: dict[str, tuple[float, Mapping[str, tuple[str, Mapping[str, str]]]]] = {}
        self._instances_lock = threading.Lock()

    def stop_with(self, cancelled: threading.Event) -> None:
        """Stop whenever an event is set; see `Http.stop_with`."""
        self.repeater.cancelled = cancelled
        self.http.stop_with(cancelled)

    def close(self) -> None:
        """Close every connection."""
        self._api.close()
        self.http.close()

    def send(self, call: Call) -> Reply:
        """Make one call of a plan."""
        if "://" in call.target:
            return self.http.call(call)
        try:
            return self.request(call.method, call.target, json=call.body, repeat=call.repeat, what=call.purpose)
        except TemporaryFailure as failure:
            if call.name.startswith("complete "):
                return self._completed(call)
            if call.target == SESSIONS and failure.applied is not False:
                return self._session(call, failure)
            raise

    def _completed(self, call: Call) -> Reply:
        """The upload whose completion was not answered, if it was completed: a second time would be refused."""
        pk = call.target.split("/")[1]
        body = answers.said(self.get(f"uploads/{pk}/", what=call.purpose), call.purpose)
        if body.get("status") == "Completed":
            return Reply(200, body)
        return self.request(call.method, call.target, json=call.body, repeat=Repeat.HARMLESS, what=call.purpose)

    def _session(self, call: Call, failure: TemporaryFailure) -> Reply:
        """The import whose beginning was not answered, if it was begun: a second one would replace its image later.

        An import lists its uploads until it has made an image of them; then they are gone, and it lists the image.
        """
        uploads = set(call.body["uploads"])
        rows = list(self._pages(SESSIONS, {}, call.purpose))
        for row in rows:
            if uploads & set(row.get("uploads") or ()):
                return Reply(200, row)
        try:
            for address in uploads:
                self.get(address, what=call.purpose)
        except NotFound:
            image = self._image_in(call)
            for row in rows:
                if image is not None and image in (row.get("image_set") or ()):
                    return Reply(200, row)
            raise failure from None
        return self.request(call.method, call.target, json=call.body, repeat=call.repeat, what=call.purpose)

    def _image_in(self, call: Call) -> str | None:
        """The image that is in the socket that an import is for."""
        kind = next(kind for kind, name in TARGETS.items() if name in call.body)
        item = answers.item(self.get(f"{ITEMS[kind]}{call.body[TARGETS[kind]]}/", what=call.purpose), call.purpose)
        return cast("str | None", filled_sockets(item).get(call.body["interface"], {}).get("image"))

    def get(self, target: str, params: Mapping[str, Any] | None = None, what: str = "") -> Any:
        """Read something as JSON."""
        return self.request("GET", target, params=params, what=what or f"GET {target}").body

    def request(
        self,
        method: str,
        target: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        repeat: Repeat = Repeat.HARMLESS,
        what: str,
    ) -> Reply:
        """Make one request through gcapi, repeated where that is right."""

        def attempt() -> Reply:
            self.repeater.wait_for_leave()
            return self._once(method, target, dict(params or {}), json, what)

        return self.repeater.run(attempt, repeat)

    def _once(self, method: str, target: str, params: dict[str, Any], body: Any, what: str) -> Reply:
        import httpx

        place = {"url": target} if "://" in target else {"path": target}
        try:
            answer = self._api(method=method, params=params, json=body, **place)
        except httpx.HTTPStatusError as error:
            raise self._refusal(error.response, what, body) from None
        except httpx.TransportError as error:
            raise _unreached(error, what, self.base) from error
        except RuntimeError as error:
            if self._api.is_closed:
                msg = f"grand-challenge: {what}: the client was closed; connect again"
                raise ConfigurationError(msg) from error
            if "://" not in target:
                raise
            detail = f"an address is not one of {self.origin}"  # to which alone gcapi sends its token
            raise UnexpectedResponse(PLATFORM, what, detail) from error
        except ValueError as error:
            raise UnexpectedResponse(PLATFORM, what, "the answer is not the JSON that it says it is") from error
        self.repeater.reached = True
        if isinstance(answer, httpx.Response):
            if answer.status_code == 204:
                return Reply(204)
            kind = answer.headers.get("Content-Type", "nothing")
            raise UnexpectedResponse(PLATFORM, what, f"the answer is {kind}, not JSON", status=answer.status_code)
        return Reply(200, answer)

    def _refusal(self, answer: Any, what: str, sent: Any) -> PlatformError:
        self.repeater.reached = True
        try:
            body = answer.json() if answer.headers.get("Content-Type") == "application/json" else None
        except ValueError:
            body = None
        explained = explain(answer.status_code, of_sockets(body, sent), words_of_page(answer.text[:20000]))
        return refusal(
            PLATFORM, what, answer.status_code, explained, answer.headers, lambda text: clean_text(text, self._secrets)
        )

    # -- what there is ---------------------------------------------------------------------------------------------

    def places(self, kind: Kind, **filters: str) -> Iterator[Place]:
        """All archives, or reader studies, that the token may view."""
        what = f"list {LISTS[kind].strip('/')}"
        return (
            Place.read(kind, answers.said(row, what, answers.PLACE)) for row in self._pages(LISTS[kind], filters, what)
        )

    def place(self, kind: Kind, name: str) -> Place:
        """An archive or a reader study by its slug, its identifier or its title.

        Raises
        ------
        NotFound
            There is none, or the token may not view it.
        ConfigurationError
            There are several of that title.
        """
        what = f"open {NOUNS[kind]} {name!r}"
        for place in self.places(kind, slug=name):
            if place.slug == name:  # a server that does not know the filter gives all
                return place
        if _UUID.fullmatch(name):
            with contextlib.suppress(NotFound):
                return Place.read(kind, answers.said(self.get(f"{LISTS[kind]}{name}/", what=what), what, answers.PLACE))
        titled = [place for place in self.places(kind) if place.title == name]
        if len(titled) > 1:
            slugs = ", ".join(place.slug for place in titled)
            msg = (
                f"{len(titled)} of Grand Challenge's {LISTS[kind].strip('/')} are called {name!r}; open one of {slugs}"
            )
            raise ConfigurationError(msg)
        if titled:
            return titled[0]
        raise NotFound(PLATFORM, what, f"there is no such {NOUNS[kind]}, or the token may not view it")

    def socket(self, slug: str) -> Socket | None:
        """A socket by its slug, or None; asked once, whoever asks meanwhile."""
        with self._socket_locks.setdefault(slug, threading.Lock()):
            if slug not in self._sockets:
                rows = self._pages("components/interfaces/", {"slug": slug}, "look up a socket")
                self._sockets[slug] = next((Socket.read(row) for row in rows if row.get("slug") == slug), None)
            return self._sockets[slug]

    def sockets(self) -> Iterator[Socket]:
        """All sockets of the platform."""
        return map(Socket.read, self._pages("components/interfaces/", {}, "list the sockets"))

    def items(self, place: Place, **filters: str) -> Iterator[Mapping[str, Any]]:
        """All items of an archive or a reader study.

        The platform lists them in no order, and one that changes may move to another page; so the listing is walked
        again until it has given as many as it says there are.

        Raises
        ------
        TemporaryFailure
            It never did.
        """
        seen: set[str] = set()
        total = 0
        for _ in range(PASSES):
            for row, count in self._rows(place.items, {**place.filter, **filters}, "list items"):
                total = count
                answers.item(row, "list items")
                if row["pk"] not in seen:
                    seen.add(row["pk"])
                    yield row
            if len(seen) >= total:
                return
        detail = f"{len(seen)} of {total} items were seen in {PASSES} passes: others keep changing them"
        raise TemporaryFailure(PLATFORM, "list items", detail)

    def item(self, place: Place, pk: str) -> Mapping[str, Any]:
        """One item.

        Raises
        ------
        NotFound
            There is none, or the token may not view it.
        """
        what = f"get item {pk}"
        return answers.item(self.get(place.item(pk), what=what), what)

    def image(self, address: str) -> Mapping[str, Any]:
        """What the platform tells of an image."""
        return answers.image(self.get(address, what="get an image"), "get an image")

    def viewable_image(self, pk: str) -> str | None:
        """The address of an image; None when there is none, or when the token may not view it."""
        try:
            what = "get an image"
            return str(answers.said(self.get(f"cases/images/{pk}/", what=what), what, ["api_url"])["api_url"])
        except NotFound:
            return None

    def open_file(self, address: str) -> BinaryIO:
        """A file of an image or of a value as a stream."""
        return cast("BinaryIO", self.http.download(address, what="download a file"))

    def instances(self, address: str) -> tuple[str, ...]:
        """The names of the files of a DICOM image set: the UIDs of its instances."""
        return tuple(self._signed_instances(address, anew=False))

    def viewable_instances(self, address: str) -> tuple[str, ...]:
        """Likewise; none where the token may not view the image set."""
        try:
            return self.instances(address)
        except NotFound:
            return ()

    def open_instance(self, address: str, uid: str) -> BinaryIO:
        """A file of a DICOM image set as a stream; it lies in a store that is asked by signed requests."""

        def signed(anew: bool) -> tuple[str, Mapping[str, str]]:
            found = self._signed_instances(address, anew=anew).get(uid)
            if found is None:
                raise NotFound(PLATFORM, "download a DICOM file", f"the image set has no instance {uid}")
            return found

        return cast("BinaryIO", self.http.download(signed, what="download a DICOM file"))

    def _signed_instances(self, address: str, *, anew: bool) -> Mapping[str, tuple[str, Mapping[str, str]]]:
        """The signed requests for the files of a DICOM image set, by UID; kept while they are good."""
        what = "list the files of a DICOM image set"
        with self._instances_lock:
            made, found = self._instances.get(address, (0.0, {}))
            age = time.monotonic() - made
            if not found or age > SIGNED_SECONDS or (anew and age > SIGNED_AGAIN):
                found = _instances(self.get(f"{address.rstrip('/')}/dicom/instances/", what=what), what)
                now = time.monotonic()
                good = {key: kept for key, kept in self._instances.items() if now - kept[0] <= SIGNED_SECONDS}
                self._instances = {**good, address: (now, found)}
            return found

    def content(self, address: str) -> Any:
        """The content of a JSON file."""
        with self.open_file(address) as stream:
            try:
                return json.loads(stream.read())
            except ValueError as error:
                raise UnexpectedResponse(PLATFORM, "read a value", "the file is not JSON") from error

    def _pages(self, target: str, params: Mapping[str, Any], what: str) -> Iterator[Mapping[str, Any]]:
        return (row for row, _ in self._rows(target, params, what))

    def _rows(self, target: str, params: Mapping[str, Any], what: str) -> Iterator[tuple[Mapping[str, Any], int]]:
        """The rows of a listing, a page at a time, each with the number of all."""
        offset = 0
        while True:
            rows, count = answers.page(self.get(target, {**params, "offset": offset, "limit": PAGE}, what), what)
            for row in rows:
                yield row, count
            offset += len(rows)
            if not rows or offset >= count:
                return


def _open(url: str, token: str, ca: str | Literal[False] | None) -> Any:
    """A gcapi client that never repeats a request by itself: it would repeat those that create things, too."""
    try:
        import httpx
        from gcapi import Client
        from gcapi.check_version import UnsupportedVersionError
        from gcapi.retries import BaseRetryStrategy
    except ImportError as error:
        raise MissingDependency("grand-challenge", "Grand Challenge") from error

    class Never(BaseRetryStrategy):  # type: ignore[misc,unused-ignore]
        def get_delay(self, latest_response: Any) -> None:
            return None

    for name in ("gcapi.client", "gcapi.transports"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # caseferry reports what goes wrong itself
    try:
        with warnings.catch_warnings(record=True) as notes:
            warnings.simplefilter("always")
            client = Client(
                token=token, base_url=url, verify=True if ca is None else ca, timeout=60.0, retry_strategy=Never
            )
    except UnsupportedVersionError as error:
        msg = f"the server asks for a newer gcapi: {error}"
        raise ConfigurationError(msg) from error
    except RuntimeError as error:
        msg = f"Grand Challenge cannot be opened at {url!r}: {error} (GRAND_CHALLENGE_URL)"
        raise ConfigurationError(msg) from error
    except httpx.HTTPStatusError as error:
        raise _no_version(error.response, url, token) from error
    except httpx.TransportError as error:
        raise _unreached(error, "look up the version", url) from error
    except (ValueError, KeyError, TypeError) as error:
        detail = f"the answer tells no version: is {url} its API's base?"
        raise UnexpectedResponse(PLATFORM, "look up the version", detail) from error
    for note in notes:
        log.info("gcapi: %s", note.message)
    return client


def _instances(answer: Any, what: str) -> dict[str, tuple[str, Mapping[str, str]]]:
    """The signed requests for the files of a DICOM image set, by UID."""
    rows = answers.said(answer, what).get("instances")
    if not isinstance(rows, list):
        raise UnexpectedResponse(PLATFORM, what, "the answer lacks 'instances'")
    told = [answers.said(row, what, answers.SIGNED) for row in rows]
    return {
        row["sop_instance_uid"]: _signed(answers.said(row.get("get_instance"), what, ["url"]), what) for row in told
    }


def _no_version(answer: Any, url: str, token: str) -> PlatformError:
    """The error of an answer that is not the version: of a bad day, which passes, or of another address."""
    what, status = "look up the version", answer.status_code
    if status < 500 and status != 429:
        return PlatformError(PLATFORM, what, f"is {url} its API's base?", status=status)
    said = words_of_page(answer.text[:20000])
    return refusal(PLATFORM, what, status, said, answer.headers, lambda text: clean_text(text, (token,)))


def _signed(request: Mapping[str, Any], what: str) -> tuple[str, Mapping[str, str]]:
    """The address and the headers of a signed request, as the platform has it made."""
    if str(request.get("method", "GET")).upper() != "GET":
        raise UnexpectedResponse(PLATFORM, what, "a file is to be asked for in a way that caseferry does not know")
    return str(request["url"]), {str(name): str(value) for name, value in (request.get("headers") or {}).items()}


def _unreached(error: Exception, what: str, url: str) -> PlatformError:
    """The error that a failed connection means; a certificate that is not trusted will not be trusted next time."""
    import httpx

    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return PlatformError(PLATFORM, what, untrusted(url, str(error)))
    failure = TemporaryFailure(PLATFORM, what, f"{type(error).__name__}: no answer from {url}")
    failure.applied = (
        False if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout) else None
    )
    return failure
