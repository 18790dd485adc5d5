"""Annotations of Darwin's own types that no kind of core fits: kept whole, and drawn again as what they were.

Their positions are those of an image as Darwin shows it. So what is kept says how it was shown, and where another
dataset shows it otherwise they stay in the sidecar.

Source
------
darwin-py 3.6.3's importer: the types that it sends, all of them as they stand in an export but for polygons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Raw
from caseferry_darwin.wire.place import PLATFORM

if TYPE_CHECKING:
    from caseferry_darwin.wire.view import View

TYPES = ("skeleton", "eye", "cuboid", "table", "simple_table", "string", "graph", "link")
"""Types that no kind fits."""

SHOWN = "shown"
"""The name under which a payload says how the image was shown."""

UNREADABLE = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
"""What is raised by reading what is not written as its type is."""

NEAR = 1e-3
"""How far a number may be from the one that was sent."""


def raw_form(row: Mapping[str, Any], label: str, role: str | None, view: View | None = None) -> Raw:
    """An annotation as the platform answers it, whole.

    Parameters
    ----------
    view : how its slot shows the image
    """
    whole = {**row, "class": label} | ({SHOWN: view.described()} if view is not None else {})
    return Raw(role, id=str(row.get("id") or ""), label=label, platform=PLATFORM, payload=kept_whole(whole))


def kept_whole(answered: Any) -> Any:
    """What the platform answers as plain data; numbers that no JSON should hold are kept as their words."""
    if isinstance(answered, Mapping):
        return {str(name): kept_whole(value) for name, value in answered.items()}
    if isinstance(answered, list | tuple):
        return [kept_whole(value) for value in answered]
    if isinstance(answered, float) and not math.isfinite(answered):
        return repr(answered)
    return answered if answered is None or isinstance(answered, str | bool | int | float) else str(answered)


def raw_content(raw: Raw, view: View) -> tuple[str, dict[str, Any], bool] | str:
    """The type and the data of what was kept, and whether it carries text; or why it cannot be drawn.

    Parameters
    ----------
    view : how the slot shows the image that it is to lie in
    """
    payload = raw.payload
    if raw.platform != PLATFORM or not isinstance(payload, dict):
        return f"it is in the form of {raw.platform}"
    data: Any = payload.get("data")
    contents = _contents(data)
    kind = next((each for each in TYPES if contents and all(each in content for content in contents)), None)
    if kind is None:
        return "it is an annotation of Darwin that cannot be drawn from what is known of it"
    if payload.get(SHOWN) != view.described():
        return "it was drawn on an image that was shown in another way"
    if any((content.get("attributes") or {"attributes": []}) != {"attributes": []} for content in contents):
        return "its attributes are numbers of the class that it had"
    return kind, data, any("text" in content for content in contents)


def _contents(data: Any) -> list[Mapping[str, Any]]:
    """What is in each frame, or on a still picture; nothing where it is not written like that."""
    if not isinstance(data, Mapping):
        return []
    frames = data.get("frames")
    contents = list(frames.values()) if isinstance(frames, Mapping) else [data]
    return contents if all(isinstance(content, Mapping) for content in contents) else []


def still_says(raw: Raw, row: Mapping[str, Any]) -> bool:
    """Whether an annotation on the platform is what was drawn there; the platform may have added to it."""
    return isinstance(raw.payload, dict) and _holds(raw.payload.get("data"), row.get("data"))


def _holds(sent: Any, there: Any) -> bool:
    if isinstance(sent, Mapping) and isinstance(there, Mapping):
        return all(name in there and _holds(value, there[name]) for name, value in sent.items())
    if isinstance(sent, list) and isinstance(there, list):
        return len(sent) == len(there) and all(map(_holds, sent, there))
    if isinstance(sent, int | float) and isinstance(there, int | float):
        return abs(sent - there) <= NEAR
    return bool(sent == there)
