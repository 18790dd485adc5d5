"""What a read-only registration declares: Darwin may not process the files, so it is told what they hold."""

from __future__ import annotations

from typing import Any

from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, number, records, text, whole

COMPACT = (
    "width",
    "height",
    "native_fps",
    "visible_frames",
    "total_frames",
    "hls_segments",
    "storage_sections_key_prefix",
    "storage_frames_manifest_key",
    "storage_thumbnail_key",
)
"""What a video holds that was cut up beforehand, as darwin-py's ``register_locally_processed`` sends it."""


def declared(slot: Json, kind: str, place: str) -> Json:
    """What the request says about one file, checked.

    The guide asks for width, height and thumbnail of every image, the client's own notes call them optional; the
    platform's answer without them is not public, so they may be left out here.
    """
    found: Json = {"thumbnail": _key(slot.get("storage_thumbnail_key"), f"{place}.storage_thumbnail_key")}
    for side in ("width", "height"):
        if slot.get(side) is not None:
            found[side] = whole(slot[side], f"{place}.{side}", least=1)
    if "hls_segments" in slot:
        return found | _compact(slot, place)
    if "sections" in slot:
        found["sections"] = _sections(slot["sections"], f"{place}.sections")
    elif kind in {"video", "dicom"}:
        raise Invalid(f"{place}.sections", "can't be blank")
    return found


def _compact(slot: Json, place: str) -> Json:
    missing = [name for name in COMPACT if slot.get(name) is None]
    if missing:
        raise Invalid(f"{place}.{missing[0]}", "can't be blank")
    for name in ("fps", "as_frames"):
        if name in slot:
            raise Invalid(f"{place}.{name}", "is not allowed beside hls_segments")
    return {
        "native_fps": number(slot["native_fps"], f"{place}.native_fps"),
        "visible_frames": whole(slot["visible_frames"], f"{place}.visible_frames", least=1),
        "total_frames": whole(slot["total_frames"], f"{place}.total_frames", least=1),
        "prefix": _key(slot["storage_sections_key_prefix"], f"{place}.storage_sections_key_prefix"),
        "extension": slot.get("storage_sections_key_extension", "png"),
    }


def _sections(value: Any, place: str) -> list[Json]:
    sections = records(value, place)
    if not sections:
        raise Invalid(place, "can't be blank")
    if [section.get("section_index") for section in sections] != list(range(1, len(sections) + 1)):
        raise Invalid(place, "section_index must run from 1 without holes")
    return [
        {
            "width": whole(section.get("width"), f"{place}[{n}].width", least=1),
            "height": whole(section.get("height"), f"{place}[{n}].height", least=1),
            "hq": text(
                _key(section.get("storage_hq_key"), f"{place}[{n}].storage_hq_key"), f"{place}[{n}].storage_hq_key"
            ),
            "lq": text(
                _key(section.get("storage_lq_key"), f"{place}[{n}].storage_lq_key"), f"{place}[{n}].storage_lq_key"
            ),
        }
        for n, section in enumerate(sections)
    ]


def _key(value: Any, place: str) -> str | None:
    if value is None:
        return None
    key = text(value, place)
    if key.startswith("/"):
        raise Invalid(place, "must not start with a slash")
    return key
