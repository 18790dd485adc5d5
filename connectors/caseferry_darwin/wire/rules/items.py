"""Rules for the items of a registration, each and all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from caseferry_darwin.wire.display import MOST_CHANNELS
from caseferry_darwin.wire.rules.files import FILE_RULES, UPLOAD_RULES
from caseferry_darwin.wire.rules.known import NOTHING, Finding, Knowledge, Slot, Way, is_on
from caseferry_darwin.wire.rules.readonly import READONLY_RULES

SLOT_RULES = (*FILE_RULES, *READONLY_RULES)


def chunks(items: Sequence[Mapping[str, Any]], most: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Items in requests of bearable size (rule 28)."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def check(items: Iterable[Mapping[str, Any]], way: Way, known: Knowledge = NOTHING) -> list[Finding]:
    """Everything that is wrong with the items of a registration.

    Parameters
    ----------
    items : as they stand in the request, all of a batch: two of one name are found
    """
    findings = list(_storage(way, known))
    seen: Counter[tuple[str, str]] = Counter()
    for number, item in enumerate(items):
        findings += _item(item, number, way, known, seen)
    return findings


def _storage(way: Way, known: Knowledge) -> Iterator[Finding]:
    storage = known.storage
    if way is Way.UPLOAD:
        return
    if storage is None:
        if known.storages is not None:
            names = ", ".join(sorted(known.storages)) or "none"
            yield Finding(27, "error", "storage_slug", "names no storage of the team", f"use one of its: {names}")
        return
    where = f"storage {storage.name!r}"
    if storage.readonly and way is Way.READWRITE:
        yield Finding(27, "error", where, "is read-only for Darwin", "use read-only registration")
    if not storage.readonly and way is Way.READONLY:
        yield Finding(27, "error", where, "is not read-only", "use read-write registration: Darwin prepares the files")
    if storage.provider == "aws" and "." in storage.bucket:
        what = f"lies in the bucket {storage.bucket!r}, whose dots no https address of a bucket can have"
        yield Finding(17, "error", where, what, "copy the objects to a bucket without dots in its name")


def _item(
    item: Mapping[str, Any], number: int, way: Way, known: Knowledge, seen: Counter[tuple[str, str]]
) -> Iterator[Finding]:
    name = item.get("name")
    path = f"/{str(item.get('path') or '').strip('/')}"
    full_path = f"{path.rstrip('/')}/{name}"
    where = f"item {full_path!r}" if name else f"items[{number}]"
    if not isinstance(name, str) or not name.strip():
        yield Finding(24, "error", where, "has no name", "give it one")
    elif "/" in name:
        yield Finding(24, "error", where, f"has a slash in its name {name!r}", "put folders into path")
    seen[path, str(name)] += 1
    if name and seen[path, str(name)] == 2:
        yield Finding(24, "error", where, "is in the request more than once", "give each item a name of its own")
    simple = "slots" not in item
    if not simple and (item.get("storage_key") is not None or not item["slots"]):
        what = "has slots and a file of its own" if item["slots"] else "has an empty list of slots"
        yield Finding(25, "error", where, what, "give either slots, or storage_key and type")
    if simple and item.get("storage_key") is None and way is not Way.READONLY:
        yield Finding(25, "error", where, "has neither slots nor a file of its own", "give slots, or storage_key")
        return
    rows: Sequence[Mapping[str, Any]] = [item] if simple else item["slots"]
    slots = [Slot(row, _slot_place(where, row, n, simple), way, simple) for n, row in enumerate(rows)]
    yield from _together(slots, where, way)
    yield from _layout(item, slots, where)
    for sent, place in [(item.get("tags"), where), *((slot.fields.get("tags"), slot.where) for slot in slots)]:
        if sent and not (simple and place != where):
            yield from _tags(sent, place, known)
    for slot in slots:
        for rule in SLOT_RULES:
            if way is not Way.UPLOAD or rule in UPLOAD_RULES:
                yield from rule(slot, known)


def _slot_place(where: str, row: Mapping[str, Any], number: int, simple: bool) -> str:
    if simple:
        return where
    name = row.get("slot_name")
    return f"{where}, slot {name!r}" if name is not None else f"{where}, slots[{number}]"


def _together(slots: Sequence[Slot], where: str, way: Way) -> Iterator[Finding]:
    groups: dict[str, list[Slot]] = {}
    for slot in slots:
        groups.setdefault(slot.name, []).append(slot)
    for name, group in groups.items():
        if len(group) == 1:
            continue
        if way is Way.READONLY:
            what = f"uses slot {name!r} {len(group)} times; read-only takes one file in a slot"
            yield Finding(10, "error", where, what, "give each file a slot of its own")
        elif others := [s for s in group if not str(s.key or s.file_name).lower().endswith(".dcm")]:
            what = f"puts {others[0].file_name!r} into slot {name!r} with other files; only DICOM slices share one"
            yield Finding(11, "error", where, what, "give each other file a slot of its own")
    if len(slots) > 1 and any(is_on(slot.fields.get("extract_views")) for slot in slots):
        what = "asks for the views of a volume beside other files, with which Darwin takes it for no volume"
        yield Finding(23, "warning", where, what, "register the volume alone, as one file")


def _layout(item: Mapping[str, Any], slots: Sequence[Slot], where: str) -> Iterator[Finding]:
    shown = item.get("layout")
    if not isinstance(shown, Mapping):
        return
    if shown.get("version") == 3:
        cells = [cell for column in shown.get("slots_grid") or () for cell in column]
        laid = [name for cell in cells for name in cell]
        if any(len(cell) > MOST_CHANNELS for cell in cells):
            yield Finding(29, "error", where, f"has more than {MOST_CHANNELS} channels in a cell of its layout")
    else:
        laid = list(shown.get("slots") or ())
    names = {slot.name for slot in slots}
    if unknown := [name for name in laid if name not in names]:
        what = f"has a layout that names {', '.join(map(repr, unknown))}, which is no slot of it"
        yield Finding(29, "error", where, what, f"its slots are {', '.join(map(repr, sorted(names)))}")
    if hidden := sorted(names - set(laid)):
        what = f"has a layout without slot {', '.join(map(repr, hidden))}"
        yield Finding(29, "error", where, what, "name every slot in it")


def _tags(sent: Any, where: str, known: Knowledge) -> Iterator[Finding]:
    wanted: dict[str, str | None] = {}
    for each in [sent] if isinstance(sent, Mapping) else sent:
        wanted |= dict(each) if isinstance(each, Mapping) else {str(each): None}
    for name, text in wanted.items() if known.tags is not None else ():
        takes = (known.tags or {}).get(name)
        if takes is None:
            what = f"has the tag {name!r}, which is no class of the team and would be refused as UNKNOWN_TAGS"
            yield Finding(26, "error", where, what, "make a class of that name and type tag")
        elif text is not None and not takes:
            what = f"gives the tag {name!r} a text, and its class takes none"
            yield Finding(26, "error", where, what, "leave the text out, or let the class have text")
