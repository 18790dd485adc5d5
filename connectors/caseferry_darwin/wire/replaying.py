"""What older scripts registered by Darwin's first interface, registered again by today's."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.errors import InvalidCase, Problem
from caseferry.plan import Call, Repeat
from caseferry_darwin.wire import legacy, rules
from caseferry_darwin.wire.registering import registered

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from caseferry_darwin.wire.place import Place

log = logging.getLogger("caseferry.darwin")


def replayed(document: Any, place: Place) -> list[dict[str, Any]]:
    """The items of a registration for Darwin's first interface, as they are registered today.

    Raises
    ------
    InvalidCase
        It is none, or names another storage.
    """
    if not legacy.is_legacy(document):
        raise InvalidCase(None, [Problem("items", "is no list of items with a filename", "give such a registration")])
    items = legacy.modern(document)
    name, storage = document.get("storage_name"), place.storage
    if storage is None or name not in {None, storage.name}:
        what = f"is {name!r}, and the dataset is open with {storage.name if storage else None!r}"
        raise InvalidCase(None, [Problem("storage_name", what, "name the storage: darwin:TEAM/DATASET?storage=NAME")])
    return items


def keys_of(items: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys of all files and thumbnails that items name."""
    named = (item.get(name) for item in items for name in ("storage_key", "storage_thumbnail_key"))
    return [key for key in named if isinstance(key, str) and key]


def check(items: Sequence[Mapping[str, Any]], place: Place, keys: Collection[str]) -> None:
    """Make sure that items keep to the rules of registration.

    Parameters
    ----------
    keys : that are in the storage, as far as it tells

    Raises
    ------
    InvalidCase
        They do not; every problem is listed.
    """
    storage = place.storage
    way = rules.Way.READONLY if storage is not None and storage.readonly else rules.Way.READWRITE
    known = rules.Knowledge(storage=storage, tags=place.classes.tags(), keys=keys)
    findings = rules.check(items, way, known)
    for finding in findings:
        if finding.level == "warning":
            log.warning("%s", finding)
    if problems := [finding.problem for finding in findings if finding.level == "error"]:
        raise InvalidCase(None, problems)


def replay_call(item: Mapping[str, Any], place: Place) -> Call:
    """The call that registers an item as it is, in the storage of the place."""
    if place.storage is None:
        raise AssertionError
    verb = "register_existing_readonly" if place.storage.readonly else "register_existing"
    body = {"items": [dict(item)], "dataset_slug": place.dataset, "storage_slug": place.storage.name}
    return Call(
        name="register",
        method="POST",
        target=f"v2/teams/{quote(place.team)}/items/{verb}",
        body=body,
        gives=("item",),
        read=lambda reply: registered(reply, str(item["name"]), {}),
        repeat=Repeat.DETECTABLE,
        purpose="register the item",
    )
