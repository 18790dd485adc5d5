"""Reading the fields of a request."""

from __future__ import annotations

import math
import re
import uuid
from typing import Any

from caseferry_darwin.sandbox.errors import Invalid, Unreadable

Json = dict[str, Any]


def record(value: Any, field: str | None = None) -> Json:
    """An object; the whole body when no field is named."""
    if isinstance(value, dict):
        return value
    if field is None:
        raise Unreadable("the body must be a JSON object")
    raise Invalid(field, "must be an object")


def records(value: Any, field: str) -> list[Json]:
    """A list of objects."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise Invalid(field, "must be a list of objects")
    return value


def text(value: Any, field: str) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value:
        raise Invalid(field, "can't be blank")
    return value


def flag(value: Any, field: str) -> bool:
    """A truth value; Darwin's guides write it as JSON's own and as the texts ``"true"`` and ``"false"``."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise Invalid(field, "is not a boolean")


def whole(value: Any, field: str, least: int | None = None) -> int:
    """An integer, also one that a query wrote as text."""
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or (least is not None and value < least):
        raise Invalid(field, "is not a valid number")
    return value


def number(value: Any, field: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Invalid(field, "is not a number")
    return value


def identifier(value: Any, field: str) -> str:
    """A UUID, in the spelling that Darwin uses itself."""
    try:
        return str(uuid.UUID(value))
    except (TypeError, ValueError, AttributeError):
        raise Invalid(field, "is not a valid UUID") from None


def rate(value: Any, field: str) -> float | str | None:
    """Frames a second: a number, ``"native"``, or nothing. darwin-py writes 0 for nothing.

    darwin-py's command line sends its ``--fps`` as the text that was typed.
    """
    if value is None or value == "native":
        return value  # type: ignore[no-any-return]
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        value = float(value)
    wanted = number(value, field)
    if wanted < 0:
        raise Invalid(field, "must be greater than 0")
    return wanted or None


def folder(value: Any, field: str) -> str:
    """A folder of a dataset, with a slash in front and none behind."""
    if value is None:
        return "/"
    if not isinstance(value, str):
        raise Invalid(field, "is not a path")
    return "/" + "/".join(part for part in value.split("/") if part)


def slug(name: str) -> str:
    """A dataset's name as it stands in addresses. Underscores stay, as V7's own tests rely on."""
    return re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")
