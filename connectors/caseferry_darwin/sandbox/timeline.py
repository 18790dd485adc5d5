"""Frames between keyframes: an export has every frame of an annotation, an import only some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry_darwin.sandbox.fields import Json

SUBS = ("text", "instance_id", "attributes", "directional_vector", "inference", "measures")
"""What stands beside the main shape of a frame."""


def within(frames: Iterable[int], segments: list[list[int]]) -> list[int]:
    """Those frames that lie in the half-open ranges."""
    return [frame for frame in frames if any(start <= frame < end for start, end in segments)]


def fill(keyframes: dict[int, Json], kind: str, segments: list[list[int]], *, interpolated: bool) -> dict[int, Json]:
    """Every frame of an annotation.

    Between two keyframes numbers change evenly when the annotation is interpolated and both have the same form;
    else the earlier one holds. What stands beside the shape holds until it changes.
    """
    known = sorted(keyframes)
    frames: dict[int, Json] = {}
    subs: Json = {}
    last = -1
    ends = [frame for start, end in segments for frame in range(max(start, known[0]), end)]
    for frame in sorted({*ends, *within(known, segments)}):
        while last + 1 < len(known) and known[last + 1] <= frame:
            last += 1
            subs |= {name: keyframes[known[last]][name] for name in SUBS if name in keyframes[known[last]]}
        before = known[last]
        shape = keyframes[before][kind]
        if interpolated and before != frame and last + 1 < len(known):
            after = known[last + 1]
            shape = blend(shape, keyframes[after][kind], (frame - before) / (after - before))
        frames[frame] = {kind: shape, **subs, "keyframe": before == frame and _is_keyframe(keyframes[before])}
    return frames


def blend(first: Any, second: Any, share: float) -> Any:
    """What lies between two shapes. The first one where their forms differ."""
    if isinstance(first, bool) or type(first) is not type(second):
        both = isinstance(first, int | float) and isinstance(second, int | float) and not isinstance(first, bool)
        return first + (second - first) * share if both else first
    if isinstance(first, int | float):
        return first + (second - first) * share
    if isinstance(first, dict) and first.keys() == second.keys():
        return {key: blend(value, second[key], share) for key, value in first.items()}
    if isinstance(first, list) and len(first) == len(second):
        return [blend(one, other, share) for one, other in zip(first, second, strict=True)]
    return first


def _is_keyframe(frame: Json) -> bool:
    return bool(frame.get("keyframe", True))
