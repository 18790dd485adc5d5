"""Datamint's errors in caseferry's words.

Source
------
Datamint's Python SDK 2.45: bodies are ``{"message": …}``; a body with ``error`` in a 2xx answer is an error too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caseferry.errors import NotFound, PlatformError

if TYPE_CHECKING:
    from caseferry.plan import Reply

PLATFORM = "datamint"
ALREADY_PUBLISHED = "Resource must be in inbox status to be approved"


def explain(status: int, body: Any, text: str) -> str | tuple[type[PlatformError], str]:
    """What an error body says; see `caseferry.http.Explain`."""
    detail = text.strip()
    if isinstance(body, Mapping):
        detail = str(body.get("message") or body.get("error") or detail)
    if status == 400 and " not found" in detail:
        return NotFound, detail
    return detail


def refuse_error_in_answer(reply: Reply, what: str) -> None:
    """Raise what an answer of 2xx says is wrong.

    Raises
    ------
    PlatformError
        The body, or an element of it, holds an error.
    """
    elements = reply.body if isinstance(reply.body, list) else [reply.body]
    for element in elements:
        if isinstance(element, Mapping) and element.get("error"):
            raise PlatformError(PLATFORM, what, str(element["error"]), status=reply.status)
