"""What was taken out of files, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.plain import Json


@dataclass(frozen=True, slots=True)
class Removed:
    """What is taken out of the files of one part of a case on their way, by name; never a value.

    Attributes
    ----------
    part : the part of the case: ``image 'ct'``
    names : of attributes and other elements
    files : how many files they are taken out of
    """

    part: str
    names: tuple[str, ...]
    files: int = 1

    def __str__(self) -> str:
        return f"{self.part}: {', '.join(self.names)}" + (f" ({self.files} files)" if self.files > 1 else "")

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {"part": self.part, "names": list(self.names), "files": self.files}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Removed:
        """Read what `to_json` wrote."""
        return cls(document["part"], tuple(document["names"]), document["files"])
