"""From the items of a registration to files: one for each slot, with the rules that a request must keep.

The guides give most of the rules; what the platform answers to a request that breaks one is not public. Here it
is 422, the field named by its place in the request.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, flag, rate, record, records, text, whole
from caseferry_darwin.sandbox.kinds import TYPES, is_slice, type_of
from caseferry_darwin.sandbox.readonly import declared

if TYPE_CHECKING:
    from caseferry_darwin.sandbox.book import Book


class Way(Enum):
    """How an item's bytes come to the platform."""

    UPLOAD = "upload"
    DIRECT = "direct"
    EXISTING = "existing"
    READONLY = "readonly"

    @property
    def external(self) -> bool:
        """Whether the bytes stay in a storage of the team's own."""
        return self in {Way.EXISTING, Way.READONLY}


MOST = {Way.UPLOAD: 500, Way.DIRECT: 100, Way.EXISTING: 100, Way.READONLY: 100}
"""Items in one request: 100 says the reference; darwin-py sends up to 500 uploads."""

DIRECT_KEYS = frozenset(
    {
        "name",
        "path",
        "type",
        "as_frames",
        "extract_views",
        "fps",
        "metadata",
        "tags",
        "file_content",
        "file_url",
    }
)
"""What an item of a direct upload may hold: the reference closes this body and no other."""

MOST_CHANNELS = 16


def files_of(book: Book, item: Json, way: Way, storage: Json | None, place: str) -> list[Json]:
    """The files of one item, as the stand-in keeps them.

    Parameters
    ----------
    storage : where the bytes of an external item lie
    place : where the item stands in the request, for error messages
    """
    if way is Way.DIRECT and not item.keys() <= DIRECT_KEYS:
        raise Invalid(place, f"unexpected field {min(item.keys() - DIRECT_KEYS)}")
    if way is Way.UPLOAD and "slots" not in item:
        raise Invalid(f"{place}.slots", "can't be blank")
    if "slots" in item:
        if "storage_key" in item:
            raise Invalid(place, "has slots and a storage_key of its own")
        slots = records(item["slots"], f"{place}.slots")
        if not slots:
            raise Invalid(f"{place}.slots", "can't be blank")
        files = [_file(book, slot, way, storage, f"{place}.slots[{n}]") for n, slot in enumerate(slots)]
    else:
        simple = {"file_name": item.get("name"), **item, "slot_name": "0", "tags": None}
        files = [_file(book, simple, way, storage, place)]
    _check_together(files, way, f"{place}.slots")
    return files


def layout_of(item: Json, files: list[Json], place: str) -> Json | None:
    """The layout that an item was sent with; None when the platform shall choose one."""
    layout = item.get("layout")
    if not layout:
        return None
    names = {file["slot_name"] for file in files}
    shown = record(layout, f"{place}.layout")
    if shown.get("version") == 3:
        cells = [cell for column in shown.get("slots_grid", []) for cell in column]
        if any(len(cell) > MOST_CHANNELS for cell in cells):
            raise Invalid(f"{place}.layout", f"has more than {MOST_CHANNELS} channels in a cell")
        laid = {name for cell in cells for name in cell}
    elif shown.get("version") in {1, 2}:
        laid = set(shown.get("slots", []))
    else:
        raise Invalid(f"{place}.layout", "version is invalid")
    if not laid or not laid <= names:
        raise Invalid(f"{place}.layout", "names slots that the item does not have")
    return shown


def default_layout(names: list[str]) -> Json:
    """The layout of an item that was sent without one."""
    if len(names) == 1:
        return {"slots": names, "type": "simple", "version": 1}
    return {"slots": names, "type": "grid", "version": 1}


def _file(book: Book, slot: Json, way: Way, storage: Json | None, place: str) -> Json:
    file_name = text(slot.get("file_name"), f"{place}.file_name")
    kind = _type(slot.get("type"), file_name, f"{place}.type")
    size = slot.get("size_bytes")
    file: Json = {
        "upload_id": book.uuid(),
        "slot_name": text(slot.get("slot_name"), f"{place}.slot_name"),
        "file_name": file_name,
        "type": kind,
        "fps": rate(slot.get("fps"), f"{place}.fps"),
        "as_frames": flag(slot.get("as_frames") or False, f"{place}.as_frames"),
        "extract_views": flag(slot.get("extract_views") or False, f"{place}.extract_views"),
        "metadata": record(slot.get("metadata") or {}, f"{place}.metadata"),
        "tags": slot.get("tags"),
        "size_bytes": None if size is None else whole(size, f"{place}.size_bytes", least=0),
        "storage": storage and storage["name"],
        "storage_key": None,
        "blob": None,
        "processing_status": "uploading",
        "processing_error": None,
    }
    if way.external:
        if kind == "dicom" and slot.get("type") != "video" and slot.get("fps") is not None:
            raise Invalid(f"{place}.fps", "is not allowed for dicom")
        file["storage_key"] = _key(slot.get("storage_key"), f"{place}.storage_key", way)
    if way is Way.READONLY:
        file["declared"] = declared(slot, kind, place)
    if file["extract_views"] and way is not Way.UPLOAD and file["slot_name"] != "0":
        raise Invalid(f"{place}.slot_name", 'must be "0" to extract views')
    return file


def _type(value: Any, file_name: str, place: str) -> str:
    if value is None:
        value = type_of(file_name)
        if value is None:
            raise Invalid(place, f"can't be told from the name {file_name}")
    if value not in TYPES:
        raise Invalid(place, "is invalid")
    # darwin-py registers NIfTI files as videos; they are processed as what they are.
    return "dicom" if value == "video" and type_of(file_name) == "dicom" else str(value)


def _key(value: Any, place: str, way: Way) -> str | None:
    if value is None and way is Way.READONLY:
        return None
    key = text(value, place)
    if key.startswith("/"):
        raise Invalid(place, "must not start with a slash")
    return key


def _check_together(files: list[Json], way: Way, place: str) -> None:
    seen: dict[str, Json] = {}
    for file in files:
        twin = seen.setdefault(file["slot_name"], file)
        if twin is file:
            continue
        slices = is_slice(file["file_name"]) and is_slice(twin["file_name"])
        if way is Way.READONLY or not slices:
            raise Invalid(place, f"slot_name {file['slot_name']} is used more than once")
