"""An item as Darwin is told of it: its slots, the calls that register it and those that bring its files."""

from __future__ import annotations

import logging
import math
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from caseferry.errors import AlreadyExists, Inexpressible, ItemsBlocked, Problem, UnexpectedResponse
from caseferry.imaging.kinds import Kind
from caseferry.plan import Call, Part, Repeat, Reply
from caseferry.sidecar import KEY
from caseferry_darwin.wire import rules
from caseferry_darwin.wire.display import SLOTS, filled
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.placed import Placed
from caseferry_darwin.wire.preparing import UNPREPARED, prepare, writing_calls
from caseferry_darwin.wire.slotfile import CONVERSIONS, TYPES, slot_file
from caseferry_darwin.wire.uploading import (
    CONTENT,
    channels,
    direct_item,
    direct_options,
    goes_directly,
    goes_in_slices,
    options_of,
    told_of,
    upload_calls,
    upload_names,
    uploaded_files,
)
from caseferry_darwin.wire.view import PREPARED, stored_planes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case, Image
    from caseferry.mapping import Names
    from caseferry_darwin.wire.display import Displays
    from caseferry_darwin.wire.place import Place

log = logging.getLogger("caseferry.darwin")

REASONS = {
    "ALREADY_EXISTS": "an item of that name is in that folder",
    "UNKNOWN_TAGS": "a tag is no class of the team: make it, or leave create=true",
    "UNKNOWN_TAG": "a tag is no class of the team: make it, or leave create=true",
    "MISSING_TEXT_FOR_TAG": "a tag has a text, and its class takes none",
    "ITEM_COUNT_LIMIT_EXCEEDED": "the team's plan holds no more items",
    "FILE_UPLOAD_TIMEOUT": "it was registered before and its file never came: delete the item, then put it again",
    "FILE_UPLOAD_FAILED": "an earlier upload failed: delete the item, then put it again",
    "UNEXPECTED_ERROR": "Darwin failed: put it again later",
}
"""What each known reason for blocking an item means, and what to do."""


def item_name(case_id: str, folder: str = "") -> str:
    """The name of the item that holds a case, without the folder where that begins it. Names hold no slash."""
    inside = case_id.removeprefix(f"{folder}/") if folder else case_id
    return (inside or case_id).replace("%", "%25").replace("/", "%2F")


def item_names(case_id: str) -> list[str]:
    """The names that the item of a case may have, in whichever folder it lies."""
    parts = case_id.split("/")
    return list(dict.fromkeys(item_name(case_id, "/".join(parts[:depth])) for depth in range(len(parts))))


def case_id_of(name: str) -> str:
    """The case that an item of that name holds: the inverse of `item_name`."""
    return unquote(name)


def item_path(folder: str) -> str:
    """Where in the dataset an item lies."""
    return f"/{folder}"


def slot_name(image: Image, index: int, names: Names) -> str:
    """The slot of an image: ``0`` for the first, which multi-planar view demands, and counting on."""
    return names.images.get(image.role, str(index))


def placed_images(case: Case, place: Place) -> list[Placed]:
    """Where the files of all images of a case go.

    Raises
    ------
    Inexpressible
        Some images lie in the storage and others do not, or one would have to be converted there, or prepared and
        cannot be.
    """
    found = [placed_image(image, index, place) for index, image in enumerate(case.images)]
    name = place.storage.name if place.storage is not None else ""
    problems = []
    if place.prepare:
        problems = [
            Problem(f"image {p.image.role!r}", f"is {p.image.kind}, of which no pictures are made", "upload it instead")
            for p in found
            if not p.keys and p.image.kind in UNPREPARED
        ]
    if any(each.keys for each in found) and not problems:
        what = f"does not lie in the storage {name!r}, as others of the case do"
        problems = [Problem(f"image {p.image.role!r}", what, "copy it there") for p in found if not p.keys]
        problems += [
            Problem(f"image {p.image.role!r}", f"is {p.image.kind}, which Darwin does not read", "convert it")
            for p in found
            if p.keys and not p.made and p.image.kind in CONVERSIONS
        ]
    if problems:
        raise Inexpressible(case.id, problems)
    return found


def placed_image(image: Image, index: int, place: Place) -> Placed:
    """Where the files of one image go, by its place in the case."""
    slot, display = slot_name(image, index, place.names), place.displays.of(image.role)
    if place.storage is not None and place.prepare and not display.ready and image.kind not in UNPREPARED:
        ready = prepare(image, slot, display, place.storage, place.prepare)
        return Placed(image, slot, display, (ready.key,), (0,), made=ready)
    keys = [place.storage.key(ref) for ref in image.files] if place.storage is not None else [None]
    inside = [key for key in keys if key is not None]
    external = len(inside) == len(keys)
    slices = not external and goes_in_slices(image, display, place.displays)
    order = file_order(image, place.displays) if external or slices else ()
    return Placed(image, slot, display, tuple(inside[n] for n in order) if external else (), order, slices)


def file_order(image: Image, displays: Displays) -> tuple[int, ...]:
    """The order in which the files of an image are registered: that of its planes where the platform shall keep it."""
    files = tuple(dict.fromkeys(file for file, _ in image.layout))
    if displays.ignore_dicom_layout and image.kind is Kind.DICOM_SERIES and len(files) == len(image.files):
        return files
    return tuple(range(len(image.files)))


def shown_planes(placed: Placed, displays: Displays) -> tuple[int, ...]:
    """The plane that each frame of an image shows when it is shown as it is stored; see `stored_planes`."""
    if placed.made is not None:
        return ()
    if (placed.keys or placed.slices) and displays.ignore_dicom_layout and placed.image.kind is Kind.DICOM_SERIES:
        return ()
    return stored_planes(placed.image, [PurePosixPath(key).name for key in placed.keys])


# -- slots ---------------------------------------------------------------------------------------------------------


def registration(
    case: Case,
    placed: Sequence[Placed],
    place: Place,
    tags: Sequence[str],
    sidecar: Mapping[str, Any],
    told: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The item as it is registered.

    Parameters
    ----------
    told : what the metadata of its first slot tell besides

    Raises
    ------
    Inexpressible
        It breaks a rule of registration; every broken one is listed.
    """
    slots: list[dict[str, Any]] = []
    for index, each in enumerate(placed):
        own: dict[str, Any] = {"case": case.id, "role": each.image.role}
        if planes := shown_planes(each, place.displays):
            own["planes"] = list(planes)
        if each.made is not None:
            own[PREPARED] = dict(each.made.told)
        if each.order != tuple(range(len(each.order))):
            own["order"] = list(each.order)
        if index == 0:
            own |= {**told, "sidecar": sidecar}
        slots += _external_slots(each, place, {KEY: own}) if each.keys else _uploaded_slots(each, {KEY: own})
    item: dict[str, Any] = {"name": item_name(case.id, case.folder), "path": item_path(case.folder), "slots": slots}
    if place.displays.layout:
        item["layout"] = place.displays.arranged({each.image.role: each.slot for each in placed})
    elif len(placed) > 1:
        names = [each.slot for each in placed]
        item["layout"] = layout(names) if place.displays.merge == SLOTS else channels(names)
    if tags:
        item["tags"] = list(tags)
    _refuse(case, item, placed, place)
    return item


def _refuse(case: Case, item: Mapping[str, Any], placed: Sequence[Placed], place: Place) -> None:
    way = rules.Way.UPLOAD
    if any(each.keys for each in placed):
        way = rules.Way.READONLY if place.storage is not None and place.storage.readonly else rules.Way.READWRITE
    findings = rules.check([item], way, rules.Knowledge(storage=place.storage))
    for finding in findings:
        if finding.level == "warning":
            log.warning("%s: %s", case.id, finding)
    if problems := [finding.problem for finding in findings if finding.level == "error"]:
        raise Inexpressible(case.id, problems)


def _uploaded_slots(placed: Placed, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The slots of one image: one, or one for each slice that is uploaded by itself."""
    shown = _shown(placed, views=True)
    slots = [{"slot_name": placed.slot, "file_name": ref.name, **shown} for ref in uploaded_files(placed)]
    slots[0]["metadata"] = dict(metadata)
    return slots


def _shown(placed: Placed, *, views: bool | str) -> dict[str, Any]:
    """What the mapping says of how an image is shown, where it says something."""
    said: dict[str, Any] = {}
    if placed.display.fps is not None and placed.image.kind is Kind.VIDEO:
        said["fps"] = placed.display.fps
    if placed.display.as_frames and placed.image.kind in {Kind.VIDEO, Kind.PDF}:
        said["as_frames"] = True
    if placed.display.extract_views and placed.image.geometry is not None:
        said["extract_views"] = views
    return said


def _external_slots(placed: Placed, place: Place, metadata: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The slots of one image: one, or one for each slice of a series that is registered where it lies."""
    readonly = place.storage is not None and place.storage.readonly
    slots = []
    for index, key in enumerate(placed.keys):
        slot: dict[str, Any] = {"slot_name": placed.slot, "file_name": PurePosixPath(key).name, "storage_key": key}
        if (kind := TYPES.get(placed.image.kind)) is not None:
            slot["type"] = kind
        if not (readonly and placed.display.compact):
            slot |= _shown(placed, views="true")  # a text, as the guide sends it
        if placed.made is not None:
            slot |= placed.made.fields
        elif readonly:
            slot |= named(placed, key)
        if index == 0:
            slot["metadata"] = dict(metadata)
        slots.append(slot)
    return slots


def named(placed: Placed, key: str) -> dict[str, Any]:
    """What a read-only registration must tell of one file, as the mapping names it: Darwin may not look into it.

    Source
    ------
    V7's guide to external storage, "Read-Only Registration"; darwin-py 3.6.3, ``register_locally_processed``.
    """
    display, grid = placed.display, placed.image.geometry
    found: dict[str, Any] = {}
    if display.thumbnail:
        found["storage_thumbnail_key"] = filled(display.thumbnail, key)
    size = {"height": grid.shape[1], "width": grid.shape[0]} if grid is not None else {}
    if placed.image.kind is not Kind.VIDEO:
        return found | size
    if display.compact:
        return found | size | dict(display.compact)
    count = display.sections or (grid.planes if grid is not None else 0)
    if display.hq and display.lq:
        found["sections"] = [
            {
                "section_index": section,
                **size,
                "storage_hq_key": filled(display.hq, key, section),
                "storage_lq_key": filled(display.lq, key, section),
            }
            for section in range(1, count + 1)
        ]
    return found


def layout(slots: Sequence[str]) -> dict[str, Any]:
    """The arrangement of several slots: side by side, in as many rows as make it square.

    Source
    ------
    darwin-py 3.6.3, ``slots_grid``: columns, each a list of rows, each a list of channels.
    """
    columns = len(slots) if len(slots) <= 3 else math.ceil(math.sqrt(len(slots)))
    return {"version": 3, "slots_grid": [[[name] for name in slots[start::columns]] for start in range(columns)]}


# -- calls ---------------------------------------------------------------------------------------------------------


def registration_calls(
    case: Case, item: Mapping[str, Any], placed: Sequence[Placed], place: Place, after: tuple[str, ...]
) -> list[Call]:
    """The calls that make the item and bring its files."""
    external = any(each.keys for each in placed)
    body: dict[str, Any] = {"items": [dict(item)], "dataset_slug": place.dataset}
    direct = not external and goes_directly(placed, item, place.displays)
    if external and place.storage is not None:
        verb = "register_existing_readonly" if place.storage.readonly else "register_existing"
        body["storage_slug"] = place.storage.name
        if place.displays.ignore_dicom_layout:
            body["options"] = {"ignore_dicom_layout": True}
    elif direct:
        verb = "direct_upload"
        body["items"] = [direct_item(item, placed[0].image)]
        body["options"] = direct_options(place.displays)
    else:
        verb = "register_upload"
        body["options"] = options_of(placed, place.displays)
    uploads = {} if external or direct else upload_names(placed)
    writes = writing_calls([each.made for each in placed if each.made is not None])
    register = Call(
        name="register",
        method="POST",
        target=f"v2/teams/{quote(place.team)}/items/{verb}",
        body=body,
        files=(Part(slot_file(placed[0].image), name=CONTENT),) if direct else (),
        gives=("item", *uploads.values()),
        read=lambda reply: registered(reply, case.id, uploads),
        after=(*after, *(call.name for call in writes)),
        repeat=Repeat.DETECTABLE,
        purpose="register the item",
    )
    if external or direct:
        return [*writes, register]
    return [register, *upload_calls(placed, place.team)]


def registered(reply: Reply, case_id: str, uploads: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """What a registration gave.

    Parameters
    ----------
    uploads : slot and file to the name under which the plan knows the upload

    Raises
    ------
    AlreadyExists
        An item of that name is in that folder.
    ItemsBlocked
        The platform refuses the item for another reason, although it answers 200.
    """
    if blocked := reply.body.get("blocked_items") or []:
        reasons = {
            str(s.get("slot_name")): str(s.get("reason") or "no reason given") for s in blocked[0].get("slots") or ()
        }
        if any(reason.upper() == "ALREADY_EXISTS" for reason in reasons.values()):
            raise AlreadyExists(PLATFORM, f"register {case_id!r}", REASONS["ALREADY_EXISTS"])
        raise ItemsBlocked(PLATFORM, "register the item", [], {case_id: explained(reasons)})
    if not reply.body.get("items"):
        raise UnexpectedResponse(PLATFORM, f"register {case_id!r}", "the answer says nothing of the item")
    item = reply.body["items"][0]
    given = {"item": item["id"]}
    for (slot, file), name in uploads.items():
        told = told_of(item.get("slots") or (), slot, file)
        if told is None:
            raise UnexpectedResponse(PLATFORM, f"register {case_id!r}", f"the answer says nothing of slot {slot!r}")
        given[name] = told["upload_id"]
    return given


def explained(reasons: Mapping[str, str]) -> str:
    """Why slots were blocked, with what to do where that is known."""
    known = {slot: REASONS.get(reason.upper(), "") for slot, reason in reasons.items()}
    return ", ".join(
        f"slot {slot!r} {reason}" + (f" ({known[slot]})" if known[slot] else "") for slot, reason in reasons.items()
    )
