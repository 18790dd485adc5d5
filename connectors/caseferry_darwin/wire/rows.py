"""What one of the platform's annotations is, as a listing has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def slot_of(row: Mapping[str, Any]) -> str:
    """The slot that it lies in; empty where it names none."""
    keys = row.get("context_keys")
    names = keys.get("slot_names") if isinstance(keys, Mapping) else None
    return str(names[0]) if isinstance(names, list) and names else ""


def contents_of(row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What is in each frame, or on a still picture, and what is said of all frames."""
    data = row.get("data")
    if not isinstance(data, Mapping):
        return []
    frames = data.get("frames")
    several = frames.values() if isinstance(frames, Mapping) else ()
    return [data, *(each for each in several if isinstance(each, Mapping))]
