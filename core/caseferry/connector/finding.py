"""What is found when one looks why a dataset cannot be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from caseferry.plain import Json

Level = Literal["ok", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    level : ``ok``; ``warning``: it works, and may not do what is wanted; ``error``: it does not work
    what : was looked at
    found : what was found
    remedy : what to do
    """

    level: Level
    what: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.level:<7}  {self.what}: {self.found}" + (f"; {self.remedy}" if self.remedy else "")

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {"level": self.level, "what": self.what, "found": self.found, "remedy": self.remedy}
