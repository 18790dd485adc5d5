"""Rules for each file of an item."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from caseferry_darwin.wire.display import NATIVE
from caseferry_darwin.wire.place import OBJECT_STORES
from caseferry_darwin.wire.rules.known import TYPES, Finding, Knowledge, Rule, Slot, Way, is_on, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry_darwin.wire.place import Storage

URL_MARK = "://"


def _key(slot: Slot, known: Knowledge) -> Iterator[Finding]:
    yield from _one_key(slot, "storage_key", slot.key, known)
    if slot.way is Way.READONLY and (thumbnail := slot.fields.get("storage_thumbnail_key")) is not None:
        yield from _one_key(slot, "storage_thumbnail_key", thumbnail, known)


def _one_key(slot: Slot, name: str, key: Any, known: Knowledge) -> Iterator[Finding]:
    if not isinstance(key, str) or not key.strip():
        yield slot.finding(12, f"has no {name}", "give the object's key in the bucket")
        return
    if any(ord(character) < 32 for character in key):
        yield slot.finding(12, f"has a {name} with a control character", "rename the object")
    if URL_MARK in key:
        yield slot.finding(13, f"gives a URL as {name}", f"give the key: {_derived(key, known.storage)!r}")
    elif key.startswith("/"):
        yield slot.finding(12, f"has a {name} that starts with a slash", f"drop it: {key.lstrip('/')!r}")
    elif known.storage is not None:
        first = key.partition("/")[0]
        if known.storage.provider == "azure":
            if known.storage.with_container and first != known.storage.bucket:
                what = f"has a {name} that begins with {first!r}, not with the container {known.storage.bucket!r}"
                yield slot.finding(15, what, f"put it in front: {f'{known.storage.bucket}/{key}'!r}")
        elif first == known.storage.bucket and "/" in key:
            what = f"has a {name} that begins with the name of the bucket, {first!r}"
            yield slot.finding(14, what, f"drop it, unless a folder is called so: {key.partition('/')[2]!r}", "warning")
    if key not in known.keys and (twin := known.by_lower.get(key.lower())) is not None:
        yield slot.finding(30, f"has the {name} {key!r} where the bucket has {twin!r}", "write it alike", "warning")


def _derived(url: str, storage: Storage | None) -> str:
    """The key that a URL means."""
    scheme, _, rest = url.partition(URL_MARK)
    host, _, path = rest.partition("?")[0].partition("/")
    azure = OBJECT_STORES.get(scheme) == "azure" or ".blob.core." in host or (storage and storage.provider == "azure")
    if scheme in {"http", "https"}:
        inside = bool(storage and storage.provider != "azure" and path.startswith(f"{storage.bucket}/"))
        return path.partition("/")[2] if inside else path
    return f"{host.partition('@')[0]}/{path}" if azure else path


def _type(slot: Slot, known: Knowledge) -> Iterator[Finding]:  # noqa: ARG001  one signature for all rules
    declared, told = slot.fields.get("type"), type_of(slot.file_name)
    if declared is None:
        if told is None:
            what = f"has no type, and the ending of {slot.file_name!r} tells none"
            yield slot.finding(18, what, f"set type: {', '.join(TYPES)}")
    elif declared not in TYPES:
        yield slot.finding(19, f"is of type {declared!r}", f"use one of {', '.join(TYPES)}")
    elif slot.way is Way.READWRITE:
        ending = type_of(str(slot.key))
        if ending is not None and ending != declared:
            yield slot.finding(20, f"is of type {declared!r}, and its key ends like {ending}", "", "warning")


def _file_name(slot: Slot, known: Knowledge) -> Iterator[Finding]:
    if slot.simple or not isinstance(slot.key, str) or not slot.key:
        return
    last = PurePosixPath(slot.key).name
    if slot.file_name != last:
        what = f"has file_name {slot.file_name!r}, and its key ends with {last!r}"
        yield slot.finding(16, what, "let both be the same", "error" if known.strict else "warning")


def _fps(slot: Slot, known: Knowledge) -> Iterator[Finding]:  # noqa: ARG001  one signature for all rules
    fps = slot.fields.get("fps")
    if fps is None:
        return
    if slot.type == "dicom":
        yield slot.finding(21, "has fps, which DICOM may not have", "leave fps out")
    elif fps != NATIVE and (isinstance(fps, bool) or not isinstance(fps, int | float) or not fps > 0):
        yield slot.finding(22, f"has fps {fps!r}", f'give frames a second, or "{NATIVE}"')
    elif slot.type != "video":
        yield slot.finding(22, f"has fps, which means nothing for {slot.type or 'it'}", "leave fps out", "warning")


def _views(slot: Slot, known: Knowledge) -> Iterator[Finding]:  # noqa: ARG001  one signature for all rules
    if not is_on(slot.fields.get("extract_views")):
        return
    if slot.name != "0":
        what = f'asks for the views of a volume, which needs the slot_name "0"; this is {slot.name!r}'
        yield slot.finding(23, what, 'call the slot "0"')
    if slot.type != "dicom":
        what = f"asks for the views of a volume, and is {slot.type or 'of no known type'}"
        yield slot.finding(23, what, "leave extract_views out")


FILE_RULES: tuple[Rule, ...] = (_key, _type, _file_name, _fps, _views)

UPLOAD_RULES: frozenset[Rule] = frozenset({_fps, _views})
"""Those that hold for files that are uploaded, too."""
