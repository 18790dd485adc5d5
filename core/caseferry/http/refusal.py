"""What an answer of 400 or more means, in our errors and with no secret in them."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

from caseferry.errors import (
    AlreadyExists,
    AuthenticationFailed,
    NotFound,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TemporaryFailure,
)

LONGEST_DETAIL = 400


LONGEST_WAIT = 600.0
"""Seconds beyond which a Retry-After is cut."""


REQUEST_ID_HEADERS = ("X-Request-Id", "X-Amzn-Trace-Id", "X-Amz-Request-Id", "CF-Ray")


Explain: TypeAlias = Callable[[int, Any, str], "str | tuple[type[PlatformError], str]"]
"""What an error body says: (status, parsed body or None, text) to the detail, or to the class of error and the
detail where the status alone does not tell."""


def refusal(
    platform: str,
    what: str,
    status: int,
    explained: str | tuple[type[PlatformError], str],
    headers: Mapping[str, str],
    clean: Callable[[str], str],
) -> PlatformError:
    """The error that an answer of 400 or more means.

    Parameters
    ----------
    explained : what the body says, as `Explain` gives it
    clean : strikes secrets out of a text
    """
    kind, detail = explained if isinstance(explained, tuple) else (_kind(status), explained)
    request_id = next((headers[name] for name in REQUEST_ID_HEADERS if name in headers), None)
    error = kind(platform, what, clean(detail), status=status, request_id=request_id)
    if isinstance(error, RateLimited | TemporaryFailure):
        error.retry_after = retry_after(headers.get("Retry-After"))
    return error


def untrusted(host: str, said: str) -> str:
    """Why the certificate of a host is not accepted, and what to do.

    Parameters
    ----------
    said : the words of OpenSSL
    """
    if "expired" in said:
        return f"the certificate of {host} has expired; is this machine's clock right? Else its owner must renew it"
    if "not yet valid" in said:
        return f"the certificate of {host} is not valid yet; is this machine's clock right?"
    if "mismatch" in said:
        return f"the certificate of {host} is that of another host; is the address right?"
    return f"the certificate of {host} is not trusted; set CASEFERRY_CA"


def words_of_page(text: str) -> str:
    """A text as it is, or what a web page is called that came in its place."""
    if not is_page(text):
        return text
    title = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
    words = title[1] if title else re.sub(r"(?is)<(script|style).*?</\1>|<[^>]+>", " ", text)
    return " ".join(words.split())


def is_page(text: str) -> bool:
    """Whether a text is a web page."""
    return text.lstrip()[:15].lower().startswith(("<!doctype html", "<html"))


def clean_text(text: str, secrets: Sequence[str]) -> str:
    """A text without secrets and without the queries of URLs, cut to a bearable length."""
    for secret in secrets:
        text = text.replace(secret, "***")
    text = re.sub(r"(https?://[^\s?\"']+)\?[^\s\"']+", r"\1?…", text)
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "…"


def retry_after(text: str | None) -> float | None:
    """Seconds to wait by a Retry-After header in either form; None when there is none that makes sense.

    Source
    ------
    RFC 9110, 10.2.3
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            when = parsedate_to_datetime(text)
        except ValueError:
            return None
        when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
        seconds = (when - dt.datetime.now(dt.UTC)).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _kind(status: int) -> type[PlatformError]:
    known: dict[int, type[PlatformError]] = {
        401: AuthenticationFailed,
        403: PermissionDenied,
        404: NotFound,
        408: TemporaryFailure,
        409: AlreadyExists,
        423: TemporaryFailure,
        425: TemporaryFailure,
        429: RateLimited,
    }
    return TemporaryFailure if status >= 500 else known.get(status, PlatformError)


def plain_explanation(status: int, body: Any, text: str) -> str:  # noqa: ARG001  one signature for all
    """What an error body says on most platforms: its detail by one of the usual names, else its text."""
    for key in ("detail", "message", "error", "errors"):
        if isinstance(body, dict) and body.get(key):
            return str(body[key])
    return re.sub(r"<[^>]+>", " ", text).strip()
