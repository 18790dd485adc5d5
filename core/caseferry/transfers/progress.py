"""Showing how a transfer goes: a bar on a terminal, a line now and then elsewhere, nothing when nobody looks."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Protocol

from caseferry.text import duration, size

if TYPE_CHECKING:
    from caseferry.transfers.outcome import Report, Result

LINE_EVERY = 10.0
"""Seconds between two plain lines."""


class Progress(Protocol):
    """Is told how a transfer goes. Called from one thread at a time."""

    def begin(self, report: Report, total: int | None) -> None:
        """The run begins; the number of cases is given when it is known."""

    def advance(self, result: Result) -> None:
        """One case came to its end."""

    def end(self) -> None:
        """The run has ended."""


class Silent:
    """Shows nothing."""

    def begin(self, report: Report, total: int | None) -> None:
        """Do nothing."""

    def advance(self, result: Result) -> None:
        """Do nothing."""

    def end(self) -> None:
        """Do nothing."""


class Lines:
    """A line for each case that is not well, and one now and then for the others."""

    def __init__(self, stream: Any = None) -> None:
        self._stream = stream or sys.stderr
        self._report: Report | None = None
        self._total: int | None = None
        self._started = self._last = 0.0

    def begin(self, report: Report, total: int | None) -> None:
        """Remember what to count."""
        self._report, self._total = report, total
        self._started = self._last = time.monotonic()

    def advance(self, result: Result) -> None:
        """Write a line when there is reason to."""
        if not result.ok:
            self._write(f"{result.case_id}: {result.outcome}: {result.reason}")
        if time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            self._count()

    def end(self) -> None:
        """Nothing more: the report follows."""

    def _count(self) -> None:
        if self._report is not None:
            of = f" of {self._total}" if self._total is not None else ""
            spent = duration(time.monotonic() - self._started)
            self._write(f"{self._report.total}{of} cases, {size(self._report.bytes)}, {spent}")

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Bar:
    """A bar that moves, drawn by rich."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self._progress = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[size]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            transient=True,
            console=_console(),
        )
        self._task: Any = None
        self._report: Report | None = None

    def begin(self, report: Report, total: int | None) -> None:
        """Draw the bar."""
        self._report = report
        self._progress.start()
        self._task = self._progress.add_task("cases", total=total, size="")

    def advance(self, result: Result) -> None:
        """Move the bar, and write a line above it for a case that is not well."""
        if not result.ok:
            self._progress.console.print(f"{result.case_id}: {result.outcome}: {result.reason}", markup=False)
        shown = size(self._report.bytes) if self._report is not None else ""
        self._progress.update(self._task, advance=1, size=shown)

    def end(self) -> None:
        """Take the bar away."""
        self._progress.stop()


def _console() -> Any:
    from rich.console import Console

    return Console(stderr=True)


def usual() -> Progress:
    """A bar where standard error is a terminal and rich is installed, else lines."""
    if sys.stderr.isatty():
        try:
            return Bar()
        except ImportError:
            pass
    return Lines()
