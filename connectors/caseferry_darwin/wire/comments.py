"""Comments on items: threads at a place of a slot, which a case keeps as raw annotations.

A thread comes with a case as it is. Brought to Darwin it is opened anew: its box and its texts are the same, while
the platform says that whoever brings it wrote it, and now. Who wrote it, and when, stays in the sidecar.

Source
------
darwin-py 3.6.3, ``post_comment``: a thread is opened with its box, all its texts and the slot.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.annotation import Raw
from caseferry.held import Loss, part_of
from caseferry.plan import Call, Repeat
from caseferry.sidecar import Found
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.raws import kept_whole
from caseferry_darwin.wire.view import registered_slot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Case
    from caseferry.sidecar import Kept
    from caseferry_darwin.wire.place import Place
    from caseferry_darwin.wire.placed import Placed
    from caseferry_darwin.wire.view import View

THREAD = "comment_thread"
"""The name under which a raw annotation holds a thread."""

VIEW = "view"
"""Beside it: which of several views of a volume it lies on, as the name of its slot ends."""

SIDES = ("x", "y", "w", "h")

LABEL = "comment"


@dataclass(frozen=True)
class Thread:
    """A thread as it is opened.

    Attributes
    ----------
    key : by which it is found again: the same for the same words at the same place of an item
    annotation : of the case, that it is
    """

    key: str
    annotation: str
    body: Mapping[str, Any]


def opened(slot: str, box: Sequence[float], texts: Iterable[str]) -> dict[str, Any]:
    """The body that opens a thread.

    Parameters
    ----------
    box : x and y of its upper left corner, width and height, as the slot shows it
    """
    return {
        "bounding_box": dict(zip(SIDES, box, strict=True)),
        "comments": [{"body": text} for text in texts],
        "slot_name": slot,
    }


def open_call(body: Mapping[str, Any], number: int, place: Place, item_id: str | None, after: tuple[str, ...]) -> Call:
    """The call that opens a thread."""
    item: Any = item_id if item_id is not None else "{item}"
    return Call(
        name=f"comment {number}",
        method="POST",
        target=f"v2/teams/{quote(place.team)}/items/{item}/comment_threads",
        body=dict(body),
        after=after,
        repeat=Repeat.DETECTABLE,
        purpose="comment on the item",
    )


def threads_of(case: Case, placed: Sequence[Placed], views: Mapping[str, View | None]) -> list[Thread]:
    """The comments of a case that can be opened on its item, in the case's order."""
    slots = {each.image.role: each for each in placed}
    seen: Counter[str] = Counter()
    threads = []
    for annotation in case.annotations:
        thread = _thread(annotation)
        where = slots.get(annotation.image or case.images[0].role)
        if thread is None or where is None:
            continue
        view = views.get(where.image.role)
        turned = str(annotation.payload.get(VIEW) or "")  # type: ignore[attr-defined]
        if turned and not where.display.extract_views:
            continue  # the view that it lies on will not be there
        slot = f"{where.slot}.{turned}" if turned else (view.slot if view is not None else where.slot)
        body = opened(slot, [thread["bounding_box"][side] for side in SIDES], _texts(thread))
        threads.append(Thread(_key(body, seen), annotation.id, body))
    return threads


def is_comment(annotation: Annotation) -> bool:
    """Whether an annotation is a comment that can be opened."""
    return _thread(annotation) is not None


def losses_of(threads: Iterable[Thread], case: Case) -> Iterator[Loss]:
    """What becomes of comments that are opened anew."""
    parts = {annotation.id: part_of(annotation) for annotation in case.annotations}
    for thread in threads:
        reason = "Darwin says that who brings it wrote it, and now"
        where = "a comment; its author and time in the first slot's metadata"
        yield Loss(parts[thread.annotation], reason, "sidecar", where)


def keys_of(threads: Sequence[Mapping[str, Any]]) -> list[str | None]:
    """Of each thread that the platform tells of the key by which it is found again; None for one of unknown form."""
    seen: Counter[str] = Counter()
    found: list[str | None] = []
    for thread in threads:
        if _usable(thread):
            box = [thread["bounding_box"][side] for side in SIDES]
            found.append(_key(opened(str(thread.get("slot_name")), box, _texts(thread)), seen))
        else:
            found.append(None)
    return found


def comments_of(
    threads: Sequence[Mapping[str, Any]],
    slots: Sequence[Mapping[str, Any]],
    roles: Mapping[str, str],
    kept: Kept | None,
) -> list[Found]:
    """The comments of an item as annotations.

    Parameters
    ----------
    roles : the role of the image in each slot
    kept : the item's sidecar: a thread that was brought, and to which nobody added, comes back as it was brought
    """
    put = {a.id: a for a in kept.case.annotations} if kept is not None else {}
    known = {key: put[name] for name, key in kept.native.annotations.items() if name in put} if kept is not None else {}
    found = []
    for thread, key in zip(threads, keys_of(threads), strict=True):
        brought = known.get(key or "")
        said = _thread(brought) if brought is not None else None
        if brought is not None and said is not None and _texts(said) == _texts(thread):
            found.append(Found(brought, key))
        else:
            found.append(Found(_raw(thread, slots, roles), key))
    return found


def _raw(thread: Mapping[str, Any], slots: Sequence[Mapping[str, Any]], roles: Mapping[str, str]) -> Raw:
    slot = str(thread.get("slot_name"))
    base = registered_slot(slot, slots)
    payload: dict[str, Any] = {THREAD: kept_whole(thread)}
    if base != slot:
        payload[VIEW] = slot.removeprefix(f"{base}.")
    return Raw(roles.get(slot), id=str(thread.get("id") or ""), label=LABEL, platform=PLATFORM, payload=payload)


def _thread(annotation: Annotation) -> Mapping[str, Any] | None:
    """The thread that an annotation is; None when it is none, or of a form that cannot be opened."""
    if not isinstance(annotation, Raw) or annotation.platform != PLATFORM or not isinstance(annotation.payload, dict):
        return None
    thread = annotation.payload.get(THREAD)
    return thread if isinstance(thread, dict) and _usable(thread) else None


def _usable(thread: Mapping[str, Any]) -> bool:
    box, said = thread.get("bounding_box"), thread.get("comments")
    return (
        isinstance(box, dict)
        and all(isinstance(box.get(side), int | float) for side in SIDES)
        and isinstance(said, list)
        and bool(said)
        and all(isinstance(each, dict) and each.get("body") for each in said)
    )


def _texts(thread: Mapping[str, Any]) -> list[str]:
    return [str(each["body"]) for each in thread["comments"]]


def _key(body: Mapping[str, Any], seen: Counter[str]) -> str:
    """The key of a thread: by its place and its first words, so that it is the same when others answer.

    Parameters
    ----------
    seen : how many of the same were met before
    """
    box = [round(float(body["bounding_box"][side]), 3) for side in SIDES]
    words = json.dumps([body["slot_name"], box, body["comments"][0]["body"]])
    seen[words] += 1
    return hashlib.sha256(f"{words} {seen[words]}".encode()).hexdigest()[:32]
