"""Grand Challenge's errors in caseferry's words.

Source
------
Measured on a Grand Challenge server: 400 as ``{field: [text]}``, ``{"non_field_errors": [text]}``, a list aligned
with ``values``, or a bare list; everything else as ``{"detail": text}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caseferry.errors import AlreadyExists, NotFound, PermissionDenied, PlatformError

NOT_UNIQUE = "must make a unique set"
TOO_MANY = "created too many uploads"


def explain(status: int, body: Any, text: str) -> str | tuple[type[PlatformError], str]:
    """What an error body says; see `caseferry.http.Explain`."""
    detail = flat(body) if body is not None else " ".join(text.split())
    if status == 400 and NOT_UNIQUE in detail:
        return AlreadyExists, "an item of that title is in the archive"
    if status == 400 and "archive" in detail and "Object does not exist" in detail:
        return PermissionDenied, "the archive does not exist, or the token may not add items to it"
    if status == 400 and TOO_MANY in detail:
        return PermissionDenied, f"{detail} (uploads that were never used are removed after a day)"
    if status in {403, 404} and body is None:
        return (NotFound if status == 404 else PermissionDenied), "the file may not be read, or is not there"
    return detail


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
