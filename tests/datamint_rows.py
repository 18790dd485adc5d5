"""A row of the tables of Datamint's old calls."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One call.

    Attributes
    ----------
    old : the call of the old client; a second line is another one for the same
    new : what is written instead; lines of Python, the last of which is the result
    holds : what is true then
    note : what is different, in words
    """

    old: str
    new: str
    holds: str
    note: str = ""

    @property
    def names(self) -> set[str]:
        """The old calls' own names; one stands in a line."""
        return {line.removeprefix("api.").partition("(")[0] for line in self.old.splitlines()}
