"""How the mapping wants images to be shown: rates of videos, planes of volumes, slots side by side.

Two tables of a mapping say it. What is not said keeps the platform's own default::

    [darwin]
    ignore_dicom_layout = true        # slices in the case's own order, each file a slice, whatever their headers say
    force_tiling = true               # cut large pictures into tiles when they are uploaded
    merge = "channels"                # several images as channels of one picture; "slots", the default: side by side;
                                      # "items": each in an item of its own, which are read as one case
    direct_upload = true              # a case of one small file goes in one request, with others, instead of four
    make_properties = true            # texts of the names of attributes that their classes have no property for

    [darwin.roles.clip]               # for the image of that role; "*" for all others
    fps = 5                           # frames a second that are taken from a video, or "native"
    as_frames = true                  # a video or PDF as frames that do not belong together
    extract_views = true              # a volume as axial, coronal and sagittal view
    slices = true                     # a series is uploaded slice by slice: it is no volume then

    [darwin.layout]                   # of the slots; names of roles stand for the slots of their images
    version = 3
    slots_grid = [[["ct", "overlay"]], [["clip"]]]      # columns, their rows, the channels of each

In a storage that Darwin may only read, it makes nothing by itself. The mapping says where what it needs lies, with
``{folder}``, ``{stem}``, ``{name}`` and ``{key}`` of the file, and ``{section}`` for the number of a frame from 1::

    [darwin.roles."*"]
    thumbnail = "thumbnails/{stem}_thumbnail.png"
    hq = "{folder}/{stem}/frame_{section}_hq.png"
    lq = "{folder}/{stem}/frame_{section}_lq.png"
    sections = 2                      # frames, where that is not their number in the video
    compact = {…}                     # a video cut up by darwin-py: its fields as they are, instead of hq and lq

Where a dataset is opened with ``prepare=``, what is not named so is made. Then counts, too::

    [darwin.roles.ct]
    window = [40, 400]                # center and width of the values that are seen; else what the header says
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from caseferry.errors import ConfigurationError

if TYPE_CHECKING:
    from caseferry.mapping import Names

TABLES = ("roles", "layout")
"""The tables of a mapping that are read here."""

_SWITCHES = ("ignore_dicom_layout", "force_tiling", "direct_upload", "make_properties")
"""What a mapping may switch on for all images."""

SINGLE_SETTINGS = ("batch", "merge", *_SWITCHES)
"""The names of the single settings that Darwin takes in a mapping."""

EVERY_ROLE = "*"
NATIVE = "native"
SLOTS, CHANNELS, ITEMS = "slots", "channels", "items"
MOST_CHANNELS = 16
"""Slots in one cell, that is channels of one image."""

_PLACES = ("folder", "stem", "name", "key", "section")
_TEMPLATE = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class Display:
    """How one image is shown.

    Attributes
    ----------
    fps : frames a second of a video; None for the platform's default, which is the native rate
    as_frames : whether a video or PDF is taken as frames that do not belong together
    extract_views : whether a volume is shown along all three axes
    slices : whether each file of a series is uploaded by itself
    thumbnail, hq, lq : templates of the keys of what was prepared in a read-only storage
    sections : frames that were prepared; 0 for as many as the video has
    compact : what darwin-py makes of a video before it registers it, as it is sent
    window : center and width of the values that are seen in what is made for a read-only storage
    """

    fps: float | str | None = None
    as_frames: bool = False
    extract_views: bool = False
    slices: bool = False
    thumbnail: str = ""
    hq: str = ""
    lq: str = ""
    sections: int = 0
    compact: Mapping[str, Any] = field(default_factory=dict)
    window: tuple[float, float] | None = None

    @property
    def ready(self) -> bool:
        """Whether the mapping names what a read-only storage must hold."""
        return bool(self.thumbnail or self.hq or self.lq or self.compact)

    @property
    def sampled(self) -> bool:
        """Whether other frames are shown than the file holds."""
        return self.as_frames or self.fps not in {None, NATIVE}


@dataclass(frozen=True)
class Displays:
    """How all images of a case are shown.

    Attributes
    ----------
    roles : by role; ``*`` for all others
    layout : of the slots, with names of roles; empty for one that is made to fit
    ignore_dicom_layout : whether the case's own order of slices counts, not that of their headers
    batch : items in one registration; 0 for the usual number
    force_tiling : whether large pictures are cut into tiles when they are uploaded
    merge : whether several images stand side by side (``slots``) or are channels of one picture (``channels``),
        or each is an item of its own (``items``)
    direct_upload : whether small files go with their registration
    make_properties : whether classes get properties for attributes that have none
    window : of images whose role says none
    """

    roles: Mapping[str, Display] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    ignore_dicom_layout: bool = False
    batch: int = 0
    force_tiling: bool = False
    merge: str = SLOTS
    direct_upload: bool = False
    make_properties: bool = False
    window: tuple[float, float] | None = None

    def of(self, role: str) -> Display:
        """How the image of a role is shown."""
        said = self.roles.get(role) or self.roles.get(EVERY_ROLE) or Display()
        return said if said.window is not None else replace(said, window=self.window)

    def arranged(self, slots: Mapping[str, str]) -> dict[str, Any]:
        """The layout that the mapping asks for, with the slots' own names.

        Parameters
        ----------
        slots : role to slot
        """

        def named(value: Any) -> Any:
            return [named(each) for each in value] if isinstance(value, list) else slots.get(value, value)

        shown = {key: named(value) if key.startswith("slots") else value for key, value in self.layout.items()}
        if shown.get("version") in {1, 2}:
            shown.setdefault("slots", list(slots.values()))
        return shown

    def covered(self, roles: Sequence[str]) -> dict[str, str]:
        """Images that lie under another, by role: annotations are seen on the first channel of a cell alone.

        Parameters
        ----------
        roles : of all images, in order

        Source
        ------
        darwin-py 3.6.3, which refuses such annotations; its pull requests 895 and 896.
        """
        if self.merge == CHANNELS and len(roles) > 1:
            cells = [list(roles)]
        else:
            grid = self.layout.get("slots_grid") if self.layout.get("version") == 3 else None
            cells = [cell for column in grid or () for cell in column]
        return {role: cell[0] for cell in cells for role in cell[1:]}


def filled(template: str, key: str, section: int | None = None) -> str:
    """The key that a template makes of a file's key."""
    path = PurePosixPath(key)
    folder = "" if str(path.parent) == "." else str(path.parent)
    words = {"folder": folder, "stem": path.stem, "name": path.name, "key": key, "section": str(section)}
    made = _TEMPLATE.sub(lambda match: words[match[1]], template)
    return made if folder else made.lstrip("/")


def read_displays(names: Names) -> Displays:
    """What a mapping says.

    Raises
    ------
    ConfigurationError
        It says something that there is not, or in another form.
    """
    every = names.tables.get("roles", {}).get(EVERY_ROLE, {})
    roles = {role: _display(role, table, every) for role, table in names.tables.get("roles", {}).items()}
    return Displays(
        roles=roles,
        layout=_layout(names.tables.get("layout", {})),
        batch=_count(names.options.get("batch", "0"), "darwin.batch"),
        merge=_merge(names),
        **{name: _switch(names.options.get(name, "False"), f"darwin.{name}") for name in _SWITCHES},  # type: ignore[arg-type]
    )


def _merge(names: Names) -> str:
    merge = names.options.get("merge", SLOTS)
    if merge not in {SLOTS, CHANNELS, ITEMS}:
        msg = f"the mapping has darwin.merge = {merge!r}, expected {SLOTS!r}, {CHANNELS!r} or {ITEMS!r}"
        raise ConfigurationError(msg)
    if merge != SLOTS and names.tables.get("layout"):
        msg = "the mapping has darwin.merge and darwin.layout; leave one of them out"
        raise ConfigurationError(msg)
    return str(merge)


def _display(role: str, table: Any, every: Any) -> Display:
    where = f"darwin.roles.{role}"
    known = [each.name for each in fields(Display)]
    if not isinstance(table, Mapping) or (unknown := sorted(set(table) - set(known))):
        found = f"{where} = {table!r}" if not isinstance(table, Mapping) else f"{where}.{unknown[0]}"
        msg = f"the mapping has {found}; it may hold {', '.join(known)}"
        raise ConfigurationError(msg)
    said = {**(every if isinstance(every, Mapping) else {}), **table}
    return Display(**{name: _READERS[name](value, f"{where}.{name}") for name, value in said.items()})


_LAYOUTS = {1: ("type", "slots"), 2: ("type", "layout_shape", "slots"), 3: ("slots_grid",)}
"""What the layouts of each version hold besides; ``slots`` may be left out where it means all."""


def _layout(table: Mapping[str, Any]) -> Mapping[str, Any]:
    if not table:
        return {}
    version = table.get("version")
    if version not in _LAYOUTS:
        msg = f"the mapping has darwin.layout.version = {version!r}, expected 1, 2 or 3"
        raise ConfigurationError(msg)
    keys = _LAYOUTS[int(version)]
    unknown = sorted(set(table) - {"version", *keys})
    missing = sorted(set(keys) - {"slots"} - set(table))
    if unknown or missing:
        what = f"has {unknown[0]!r}" if unknown else f"lacks {missing[0]!r}"
        msg = f"the mapping's darwin.layout {what}; version {version} holds {', '.join(keys)}"
        raise ConfigurationError(msg)
    return table


def _switch(value: Any, where: str) -> bool:
    if str(value).lower() not in {"true", "false"}:
        msg = f"the mapping has {where} = {value!r}, expected true or false"
        raise ConfigurationError(msg)
    return str(value).lower() == "true"


def _count(value: Any, where: str) -> int:
    if isinstance(value, bool) or not str(value).isdigit():
        msg = f"the mapping has {where} = {value!r}, expected a whole number"
        raise ConfigurationError(msg)
    return int(value)


def _rate(value: Any, where: str) -> float | str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != NATIVE and not (number and value > 0):
        msg = f'the mapping has {where} = {value!r}, expected frames a second, or "native"'
        raise ConfigurationError(msg)
    rate: float | str = value
    return rate


def _template(value: Any, where: str) -> str:
    unknown = sorted(set(_TEMPLATE.findall(value)) - set(_PLACES)) if isinstance(value, str) else ["no text"]
    if unknown:
        msg = f"the mapping has {where} = {value!r}; it may hold {', '.join(f'{{{each}}}' for each in _PLACES)}"
        raise ConfigurationError(msg)
    return str(value)


def _table(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        msg = f"the mapping has {where} = {value!r}, expected a table"
        raise ConfigurationError(msg)
    return value


def read_window(value: Any, where: str) -> tuple[float, float]:
    """Center and width: two numbers, or a text of them with a comma between.

    Raises
    ------
    ConfigurationError
        It is something else, or the width is not positive.
    """
    parts = value.split(",") if isinstance(value, str) else value
    try:
        center, width = (float(part) for part in parts)
    except (TypeError, ValueError):
        center, width = math.nan, math.nan
    if not (math.isfinite(center) and math.isfinite(width) and width > 0):
        msg = f"{where} is {value!r}, expected center and width, such as 40,400"
        raise ConfigurationError(msg)
    return center, width


_READERS: dict[str, Callable[[Any, str], Any]] = {
    "fps": _rate,
    "as_frames": _switch,
    "extract_views": _switch,
    "slices": _switch,
    "thumbnail": _template,
    "hq": _template,
    "lq": _template,
    "sections": _count,
    "compact": _table,
    "window": lambda value, where: read_window(value, f"the mapping's {where}"),
}
