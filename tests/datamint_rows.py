"""A row of the tables of Datamint's old calls."""

from __future__ import annotations

import old_calls


class Row(old_calls.Row):
    """One call; a second line of `old` is another one for the same."""

    @property
    def names(self) -> set[str]:
        """The old calls' own names; one stands in a line."""
        return {line.removeprefix("api.").partition("(")[0] for line in self.old.splitlines()}
