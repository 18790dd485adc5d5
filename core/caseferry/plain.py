"""Plain data: what JSON can hold, checked, copied and written in one canonical form."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def plain(value: Any, where: str = "value") -> Json:
    """A copy of `value` made of JSON's own types.

    Raises
    ------
    ValueError
        Something in it is not JSON: another type, a key that is not text, a number that is not finite, half a
        character.
    """
    if isinstance(value, str):
        return _text(value, where)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            msg = f"{where} is {value}, which is not a number that JSON can hold"
            raise ValueError(msg)
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                msg = f"{where} has the key {key!r}, which is not text"
                raise ValueError(msg)
            _text(key, f"a key of {where}")
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return plain(value.item(), where)
    msg = f"{where} is of type {type(value).__name__}, which JSON cannot hold"
    raise ValueError(msg)


def only_fields(document: Any, known: Iterable[str]) -> None:
    """Refuse a document that is no object, or that has a field beside the known ones: reading on would lose it.

    Raises
    ------
    ValueError
        It is, or it has.
    """
    if not isinstance(document, Mapping):
        msg = f"is of type {type(document).__name__}, expected an object"
        raise ValueError(msg)
    if unknown := sorted(set(map(str, document)) - set(known)):
        msg = f"has no field {', '.join(unknown)}"
        raise ValueError(msg)


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        msg = f"{where} holds half a character (a lone surrogate), which JSON cannot hold"
        raise ValueError(msg) from error
    return str(value)


NULL = "\x00"
"""A character that JSON can hold and databases cannot."""

_MARK = "\x1b"
_SPELT = {_MARK: f"{_MARK}e", NULL: f"{_MARK}0"}


def holds_null(value: Json) -> bool:
    """Whether there is a null character somewhere in some plain data."""
    if isinstance(value, str):
        return NULL in value
    if isinstance(value, dict):
        return any(NULL in key or holds_null(item) for key, item in value.items())
    return isinstance(value, list) and any(map(holds_null, value))


def without_null(value: Json) -> Json:
    """Plain data without null characters; `with_null` gives the same data back."""
    return _spelt(value, lambda text: re.sub(f"[{_MARK}{NULL}]", lambda found: _SPELT[found[0]], text))


def with_null(value: Json) -> Json:
    """What `without_null` was given."""
    back = {spelt: character for character, spelt in _SPELT.items()}
    return _spelt(value, lambda text: re.sub(f"{_MARK}[e0]", lambda found: back[found[0]], text))


def _spelt(value: Json, spell: Callable[[str], str]) -> Json:
    if isinstance(value, str):
        return spell(value)
    if isinstance(value, dict):
        return {spell(key): _spelt(item, spell) for key, item in value.items()}
    return [_spelt(item, spell) for item in value] if isinstance(value, list) else value


def canonical(value: Json) -> str:
    """The one spelling of some plain data: sorted keys, no spaces, no characters outside ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Json) -> str:
    """The SHA-256 of the canonical spelling, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def moment(said: object) -> dt.datetime | None:
    """A point in time with its zone, UTC where none is named; None for what is none."""
    try:
        found = dt.datetime.fromisoformat(str(said))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
