"""A case as it stands on a platform, and what bringing it there has done."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from caseferry.capability import Capabilities
    from caseferry.case import Case
    from caseferry.files import FileRef
    from caseferry.plain import Json
    from caseferry.plan import Plan


class State(StrEnum):
    """Where a platform is with an item."""

    UPLOADING = "uploading"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"


class Place(Protocol):
    """The dataset that an item lies in, as far as an item leads to it."""

    platform: ClassVar[str]
    url: str
    capabilities: Capabilities

    def read(self, item: Item) -> Case:
        """The case of an item."""

    def wait(self, item: Item, *, most: float | None = None) -> Item:
        """Wait until the platform is done with an item."""


@dataclass(frozen=True)
class Item:
    """A case as it stands on a platform.

    Attributes
    ----------
    dataset : where it lies
    id : the platform's name for it
    case_id : the case's own name, as far as the platform knows it
    url : where people look at it
    state, reason : where the platform is with it, and why it failed
    native : what the platform said of it, for its own connector
    """

    dataset: Place = field(repr=False, compare=False)
    id: str
    case_id: str
    url: str = ""
    state: State = State.READY
    reason: str = ""
    native: Any = field(default=None, repr=False, compare=False)

    def case(self) -> Case:
        """The description of the case; its files are opened on demand."""
        return self.dataset.read(self)

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {"id": self.id, "case": self.case_id, "url": self.url, "state": str(self.state), "reason": self.reason}


@dataclass(frozen=True)
class Spare:
    """Where files go for which a platform has no place: the journal's folder of a transfer.

    Attributes
    ----------
    keep : takes the files of a case
    """

    keep: Callable[[str, Sequence[FileRef]], None]

    @classmethod
    def imagined(cls) -> Spare:
        """A place that keeps nothing, for plans that are only looked at."""
        return cls(_keep_nothing)


def _keep_nothing(case_id: str, files: Sequence[FileRef]) -> None:
    """Keep no files."""


@dataclass(frozen=True)
class Brought:
    """What bringing a case to a platform has done.

    Attributes
    ----------
    item : the case there
    plan : the last plan that was sent
    bytes : of files that it sent
    sealed : the case as it was looked into
    """

    item: Item
    plan: Plan
    bytes: int
    sealed: Case
