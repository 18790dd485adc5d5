"""What rules are asked of, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from caseferry.errors import Problem

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


NOTHING = Knowledge()
"""Nothing is known but the payload."""


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


Rule = Callable[[Slot, Knowledge], Iterator[Finding]]


def type_of(name: str) -> str | None:
    """The type that the platform tells from a name."""
    return next((kind for kind, endings in ENDINGS.items() if name.lower().endswith(endings)), None)


def is_on(value: Any) -> bool:
    """Whether a switch is on: the guides write it as a truth value in one place and as a text in another."""
    return value is True or str(value).lower() == "true"
