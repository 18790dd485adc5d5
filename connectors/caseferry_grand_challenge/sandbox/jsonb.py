"""JSON as the platform's database keeps it, in columns of the type jsonb.

Source
------
PostgreSQL documentation, 8.14 JSON Types: keys lose their order, equal numbers are equal however written, and
text with a null character is refused.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from caseferry_grand_challenge.sandbox.refusals import server_error


def digest(value: Any) -> str:
    """A name for JSON values that the database takes as equal: the order of keys and 1 or 1.0 do not count.

    Raises
    ------
    RefusedError
        The database takes no such value, as one with an endless number or a null character: 500.
    """
    try:
        text = json.dumps(_comparable(value), sort_keys=True, allow_nan=False)
    except ValueError as error:
        raise server_error() from error
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {_comparable(key): _comparable(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_comparable(part) for part in value]
    if isinstance(value, str) and "\x00" in value:
        msg = "the database keeps no text with a null character"
        raise ValueError(msg)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_stored(value: Any) -> Any:
    """A value with its keys in the order in which the database keeps them: shorter ones first."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: (len(key.encode("utf-8", "surrogatepass")), key))
        return {key: as_stored(value[key]) for key in keys}
    if isinstance(value, list):
        return [as_stored(part) for part in value]
    return value
