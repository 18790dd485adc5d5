"""What a registration must keep to, checked before anything is sent.

The platform answers 200 and leaves an item processing for ever, or shows annotations in the wrong place, where a
registration breaks these rules. They hold for any payload, made here or written by hand; all that is wrong with a
batch is found at once.

Source
------
V7's guides "Registering Items From External Storage" and "Connect into an external storage on S3". Where samples of
the guides themselves break a rule, it is a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from caseferry.errors import Problem
from caseferry_darwin.wire.display import MOST_CHANNELS, NATIVE
from caseferry_darwin.wire.place import OBJECT_STORES

if TYPE_CHECKING:
    from caseferry_darwin.wire.place import Storage

Level = Literal["error", "warning"]

TYPES = ("image", "video", "pdf", "dicom")

ENDINGS = {
    "image": (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".qtiff", ".svs", ".webp"),
    "video": (".mp4", ".mov", ".avi", ".bpm", ".hevc", ".mkv"),
    "pdf": (".pdf",),
    "dicom": (".dcm", ".nii", ".nii.gz", ".rvg"),
}
"""Endings by which the platform tells a file's type."""

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

URL_MARK = "://"


class Way(Enum):
    """How an item's bytes come to the platform."""

    UPLOAD = "upload"
    READWRITE = "read-write"
    READONLY = "read-only"


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that is broken.

    Attributes
    ----------
    rule : its number
    """

    rule: int
    level: Level
    where: str
    what: str
    remedy: str = ""

    @property
    def problem(self) -> Problem:
        """The same for an error that lists several."""
        return Problem(self.where, self.what, self.remedy)

    def __str__(self) -> str:
        return str(self.problem)


@dataclass(frozen=True)
class Knowledge:
    """What is known besides the payload; what is not known is not checked.

    Attributes
    ----------
    storage : that the request names; None when the team has none of that name and `storages` says so
    storages : names of the team's storages
    tags : names of the team's tag classes, and whether each takes a text
    sizes : width and height of files in pixels, by key
    keys : of what lies in the bucket, those in the folders of the items' own keys at least
    strict : whether the names of files must be those of their keys
    dicom_readonly : whether DICOM may be registered read-only all the same
    """

    storage: Storage | None = None
    storages: Collection[str] | None = None
    tags: Mapping[str, bool] | None = None
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    keys: Collection[str] = frozenset()
    strict: bool = False
    dicom_readonly: bool = False

    @cached_property
    def by_lower(self) -> Mapping[str, str]:
        """The keys in the bucket by themselves in small letters."""
        return {key.lower(): key for key in self.keys}


@dataclass(frozen=True)
class Slot:
    """One file of an item, whether it stands in a slot or in the item itself.

    Attributes
    ----------
    where : for messages
    """

    fields: Mapping[str, Any]
    where: str
    way: Way
    simple: bool = False

    @property
    def key(self) -> Any:
        """The key of its object."""
        return self.fields.get("storage_key")

    @property
    def file_name(self) -> str:
        """Its name, by which the platform tells its type."""
        return str(self.fields.get("name" if self.simple else "file_name") or "")

    @property
    def type(self) -> str | None:
        """What it counts as: the declared type, or that of its ending."""
        declared = self.fields.get("type")
        return str(declared) if declared is not None else type_of(self.file_name)

    @property
    def name(self) -> str:
        """The name of its slot."""
        return "0" if self.simple else str(self.fields.get("slot_name"))

    def finding(self, rule: int, what: str, remedy: str = "", level: Level = "error") -> Finding:
        """A broken rule of this file."""
        return Finding(rule, level, self.where, what, remedy)


def type_of(name: str) -> str | None:
    """The type that the platform tells from a name."""
    return next((kind for kind, endings in ENDINGS.items() if name.lower().endswith(endings)), None)


def chunks(items: Sequence[Mapping[str, Any]], most: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Items in requests of bearable size (rule 28)."""
    for start in range(0, len(items), most):
        yield items[start : start + most]


def check(items: Iterable[Mapping[str, Any]], way: Way, known: Knowledge = Knowledge()) -> list[Finding]:
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


# -- files of one item together ------------------------------------------------------------------------------------


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
    if len(slots) > 1 and any(_is_on(slot.fields.get("extract_views")) for slot in slots):
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


# -- one file ------------------------------------------------------------------------------------------------------


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
    if not _is_on(slot.fields.get("extract_views")):
        return
    if slot.name != "0":
        what = f'asks for the views of a volume, which needs the slot_name "0"; this is {slot.name!r}'
        yield slot.finding(23, what, 'call the slot "0"')
    if slot.type != "dicom":
        what = f"asks for the views of a volume, and is {slot.type or 'of no known type'}"
        yield slot.finding(23, what, "leave extract_views out")


def _is_on(value: Any) -> bool:
    """Whether a switch is on: the guides write it as a truth value in one place and as a text in another."""
    return value is True or str(value).lower() == "true"


# -- one file that Darwin may only read ----------------------------------------------------------------------------


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


Rule = Callable[[Slot, Knowledge], Iterator[Finding]]

SLOT_RULES: tuple[Rule, ...] = (
    _key,
    _type,
    _file_name,
    _fps,
    _views,
    _readonly_type,
    _readonly_thumbnail,
    _readonly_size,
    _readonly_video,
)

UPLOAD_RULES: frozenset[Rule] = frozenset({_fps, _views})
"""Those that hold for files that are uploaded, too."""
