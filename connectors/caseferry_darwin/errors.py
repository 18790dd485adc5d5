"""Darwin's errors in caseferry's words.

Source
------
darwin-py 3.6.3 and V7's API reference: bodies are ``{"errors": {field: [text, …]}}``; 429 with the code
INSUFFICIENT_REMAINING_STORAGE is no rate limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caseferry.errors import AlreadyExists, PermissionDenied, PlatformError

STORAGE_FULL = "INSUFFICIENT_REMAINING_STORAGE"


def explain(status: int, body: Any, text: str) -> str | tuple[type[PlatformError], str]:
    """What an error body says; see `caseferry.http.Explain`."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    detail = _flat(errors) if errors else text.strip()
    if status == 429 and isinstance(errors, Mapping) and errors.get("code") == STORAGE_FULL:
        return PermissionDenied, "the team's storage is full"
    if status == 422 and ("already been taken" in detail or "already exists" in detail):
        return AlreadyExists, detail
    return detail


def _flat(errors: Any) -> str:
    """``{"name": ["is taken"]}`` as ``name: is taken``."""
    if isinstance(errors, Mapping):
        return "; ".join(f"{field}: {_flat(value)}" for field, value in errors.items())
    if isinstance(errors, list):
        return ", ".join(_flat(value) for value in errors)
    return str(errors)
