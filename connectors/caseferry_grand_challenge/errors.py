"""Grand Challenge's errors in caseferry's words.

Source
------
Measured on a Grand Challenge server: 400 as ``{field: [text]}``, ``{"non_field_errors": [text]}``, a list aligned
with ``values``, or a bare list; everything else as ``{"detail": text}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from caseferry.errors import AlreadyExists, NotFound, PermissionDenied, PlatformError

NOT_ALLOWED = re.compile(r"Socket '([\w-]+)' is not allowed for this archive")
FILE_GONE = "the file may not be read, or is not there any more, as when another has taken its place"
NOT_UNIQUE = "must make a unique set"
TOO_MANY = "created too many uploads"


def explain(status: int, body: Any, text: str) -> str | tuple[type[PlatformError], str]:
    """What an error body says; see `caseferry.http.Explain`."""
    detail = flat(body) if body is not None else " ".join(text.split())
    if status == 400 and NOT_UNIQUE in detail:
        return AlreadyExists, "an item of that title is in the archive"
    if status == 400 and "archive" in detail and "Object does not exist" in detail:
        return PermissionDenied, "the archive does not exist, or the token may not add items to it"
    if status == 400 and detail.startswith("reader_study: ") and "does not exist" in detail:
        return PermissionDenied, "the reader study does not exist, or the token may not add display sets to it"
    if status == 400 and TOO_MANY in detail:
        return PermissionDenied, f"{detail} (uploads that were never used are removed after a day)"
    if status in {403, 404} and body is None:
        return (NotFound if status == 404 else PermissionDenied), FILE_GONE
    return detail


def of_sockets(body: Any, sent: Any) -> Any:
    """An error body in which what is wrong with each of the values that were sent is said of its socket.

    The platform repeats the value itself, which is nobody's business: it is left out.
    """
    told, entries = (each.get("values") if isinstance(each, Mapping) else None for each in (body, sent))
    if not isinstance(told, list) or not isinstance(entries, list) or len(told) != len(entries):
        return body
    named = {
        f"socket {entry['interface']!r}": flat(problem).replace(repr(entry.get("value")), "the value")
        for problem, entry in zip(told, entries, strict=True)
        if problem
    }
    return {**body, "values": named}


def not_allowed(error: PlatformError) -> str | None:
    """The socket that an archive of a challenge does not take, when that is what went wrong."""
    found = NOT_ALLOWED.search(error.detail) if error.status == 400 else None
    return found[1] if found else None


def flat(body: Any) -> str:
    """The texts in an error body, with the names of the fields that they are about."""
    if isinstance(body, Mapping):
        if set(body) == {"detail"}:
            return str(body["detail"])
        parts = {key: flat(value) for key, value in body.items()}
        return "; ".join(
            value if key in {"non_field_errors", "__all__"} else f"{key}: {value}"
            for key, value in parts.items()
            if value
        )
    if isinstance(body, list):
        return ", ".join(part for part in map(flat, body) if part)
    return str(body)
