"""Plain data: what JSON can hold, checked, copied and written in one canonical form."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


def plain(value: Any, where: str = "value") -> Json:
    """A copy of `value` made of JSON's own types.

    Raises
    ------
    ValueError
        Something in it is not JSON: another type, a key that is not text, a number that is not finite.
    """
    if value is None or isinstance(value, bool | str):
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
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [plain(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return plain(value.item(), where)
    msg = f"{where} is of type {type(value).__name__}, which JSON cannot hold"
    raise ValueError(msg)


def canonical(value: Json) -> str:
    """The one spelling of some plain data: sorted keys, no spaces, no characters outside ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def fingerprint(value: Json) -> str:
    """The SHA-256 of the canonical spelling, in hexadecimal."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()
