"""Rules for each file in a storage that Darwin may only read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_darwin.wire.rules.known import Finding, Knowledge, Rule, Slot, Way, type_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMPACT = (
    "width",
    "height",
    "native_fps",
    "visible_frames",
    "total_frames",
    "hls_segments",
    "storage_sections_key_prefix",
    "storage_frames_manifest_key",
)
"""What a video that darwin-py has cut up is registered with, besides key and thumbnail."""


def _readonly_type(slot: Slot, known: Knowledge) -> Iterator[Finding]:
    named = type_of(slot.file_name) == "dicom" or type_of(str(slot.key)) == "dicom"
    if slot.way is Way.READONLY and not known.dicom_readonly and (slot.type == "dicom" or named):
        what = "is DICOM or NIfTI, which Darwin cannot take from a storage that it may not write to"
        remedy = (
            "export slices as images, or a series as a video with its frames; let caseferry do that with "
            "prepare=s3://BUCKET/PREFIX; or use a read-write storage"
        )
        yield slot.finding(5, what, remedy)


def _readonly_thumbnail(slot: Slot, known: Knowledge) -> Iterator[Finding]:  # noqa: ARG001  one signature for all
    if slot.way is not Way.READONLY:
        return
    thumbnail = slot.fields.get("storage_thumbnail_key")
    if thumbnail is None:
        remedy = (
            "store a JPEG that fits 356x200, and name its key (in a mapping: darwin.roles.*.thumbnail), "
            "or have it made with prepare=s3://BUCKET/PREFIX"
        )
        yield slot.finding(3, "has no storage_thumbnail_key; a read-only item needs a thumbnail", remedy)
    elif thumbnail == slot.key:
        what = "has the original as its thumbnail, which browsers refuse to show (CORS)"
        yield slot.finding(4, what, "store a smaller copy, and name its key")


def _readonly_size(slot: Slot, known: Knowledge) -> Iterator[Finding]:
    if slot.way is not Way.READONLY or slot.type != "image":
        return
    size = slot.fields.get("width"), slot.fields.get("height")
    if not all(_is_count(side) for side in size):
        what = f"has width {size[0]!r} and height {size[1]!r}; Darwin cannot measure a file that it may not process"
        yield slot.finding(1, what, "give both in pixels of the original")
        return
    real = known.sizes.get(str(slot.key))
    if real is not None and size != real:
        what = f"says {size[0]}x{size[1]} pixels, and the file has {real[0]}x{real[1]}"
        yield slot.finding(2, what, "give the size of the original: annotations would land in the wrong place")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _readonly_video(slot: Slot, known: Knowledge) -> Iterator[Finding]:  # noqa: ARG001  one signature for all
    if slot.way is not Way.READONLY or slot.type != "video":
        return
    if "hls_segments" in slot.fields:
        if missing := [name for name in COMPACT if slot.fields.get(name) is None]:
            yield slot.finding(6, f"is a video cut up beforehand that lacks {', '.join(missing)}", "give all of it")
        for name in {"fps", "as_frames"} & set(slot.fields):
            yield slot.finding(6, f"has {name} beside hls_segments", f"leave {name} out")
        return
    sections = slot.fields.get("sections")
    if not sections:
        remedy = (
            "extract the frames, and name one hq and one lq key for each (in a mapping: darwin.roles.*.hq and .lq), "
            "or have them made with prepare=s3://BUCKET/PREFIX"
        )
        yield slot.finding(6, "is a read-only video without sections, its frames", remedy)
        return
    counted = [section.get("section_index") for section in sections]
    if sorted(counted, key=str) != sorted(range(1, len(sections) + 1), key=str):
        lost = next(number for number in range(1, len(sections) + 2) if number not in counted)
        what = f"has sections that do not count from 1 to {len(sections)}: {lost} is missing"
        yield slot.finding(7, what, "number them from 1, each once")
    for number, section in enumerate(sections, start=1):
        yield from _section(slot, section, number)


def _section(slot: Slot, section: Mapping[str, Any], number: int) -> Iterator[Finding]:
    wanted = ("width", "height", "storage_hq_key", "storage_lq_key")
    lacking = [name for name in wanted[:2] if not _is_count(section.get(name))]
    lacking += [name for name in wanted[2:] if not section.get(name)]
    if lacking:
        yield slot.finding(8, f"has a section {number} without {', '.join(lacking)}", "give them for each frame")
    for name in wanted[2:]:
        if str(section.get(name) or "").startswith("/"):
            yield slot.finding(8, f"has a section {number} whose {name} starts with a slash", "drop it")
    if section.get("storage_hq_key") and section.get("storage_hq_key") == section.get("storage_lq_key"):
        what = f"has a section {number} that is the same object paused and playing"
        yield slot.finding(9, what, "store a smaller copy for playing", "warning")


READONLY_RULES: tuple[Rule, ...] = (_readonly_type, _readonly_thumbnail, _readonly_size, _readonly_video)
