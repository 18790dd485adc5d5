"""Numbers and tables for people to read."""

from __future__ import annotations

import reprlib
import shutil
import textwrap
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

UNITS = ("B", "kB", "MB", "GB", "TB")

NARROWEST = 24
"""Characters that the last column of a table has at least."""


def size(count: int) -> str:
    """A number of bytes: ``12 B``, ``3.4 MB``."""
    value, unit = float(count), 0
    while value >= 1000 and unit < len(UNITS) - 1:
        value, unit = value / 1000, unit + 1
    return f"{count} B" if unit == 0 else f"{value:.1f} {UNITS[unit]}"


def duration(seconds: float) -> str:
    """A length of time: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def columns() -> int:
    """How many characters a line of the terminal has; 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def table(rows: Sequence[Sequence[str]], header: Sequence[str], width: int | None = None) -> str:
    """Rows in columns, numbers to the right.

    Parameters
    ----------
    width : how many characters a line may have: the last column goes on below itself where it has more
    """
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    if width is not None:
        room = max(width - sum(widths[:-1]) - 2 * len(widths[:-1]), NARROWEST)
        rows = [line for row in rows for line in _folded(row, room)]
        widths[-1] = min(widths[-1], room)
    numeric = [
        bool(rows) and all(row[column][:1].isdigit() or row[column] in {"", "-"} for row in rows)
        for column in range(len(header))
    ]

    def line(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(cells).rstrip()

    return "\n".join([line(header), "  ".join("-" * width for width in widths), *map(line, rows)])


def _folded(row: Sequence[str], room: int) -> list[list[str]]:
    """A row as several, whose last cells hold what the last cell of the row is too narrow for."""
    first, *more = textwrap.wrap(row[-1], room) or [""]
    return [[*row[:-1], first], *([*[""] * (len(row) - 1), line] for line in more)]


class _Short(reprlib.Repr):
    """Representations that fit on a screen."""

    def __init__(self) -> None:
        super().__init__()
        self.maxtuple = self.maxlist = self.maxdict = 6
        self.maxstring, self.maxother = 80, 400


_short = _Short().repr


def brief(described: Any) -> str:
    """A dataclass as it is shown: without what is as usual, and with long parts cut, such as the bytes of a mask."""
    shown = []
    for each in fields(described):
        value = getattr(described, each.name)
        usual = each.default if each.default_factory is MISSING else each.default_factory()
        if each.repr and (usual is MISSING or (value is not usual and value != usual)):
            shown.append(f"{each.name}={_short(value)}")
    return f"{type(described).__qualname__}({', '.join(shown)})"
