"""What became of each case: one named outcome, the same in logs, reports and tests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from caseferry.errors import TransferError
from caseferry.held import Loss, Tally
from caseferry.text import duration, size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from caseferry.held import Held
    from caseferry.plain import Json
    from caseferry.removal.removed import Removed


class Outcome(StrEnum):
    """What became of a case."""

    SENT = "sent"
    """It is at the target now and was not before."""
    SYNCED = "synced"
    """It was at the target, and annotations of it were brought there."""
    CONFLICT = "conflict"
    """Annotations of it were changed on both sides; these were not touched, all others were brought."""
    COMPLETED = "completed"
    """A part of it was at the target from an earlier attempt; now all of it is."""
    UNCHANGED = "unchanged"
    """It was at the target already."""
    PLANNED = "planned"
    """It would be sent; nothing was."""
    EQUAL = "equal"
    """Source and target were compared and mean the same."""
    REFUSED = "refused"
    """It cannot be sent as it is; nothing of it was."""
    FAILED = "failed"
    """Something went wrong; another run goes on where this one stopped."""


GOOD = frozenset(
    {Outcome.SENT, Outcome.SYNCED, Outcome.COMPLETED, Outcome.UNCHANGED, Outcome.PLANNED, Outcome.EQUAL},
)


def names_removed(removed: Iterable[Removed]) -> set[str]:
    """The names of all elements that were taken out of the files of a case."""
    return {name for each in removed for name in each.names}


def told_removed(removed: Mapping[str, int]) -> str:
    """In one line, of how many cases which elements were taken out of files."""
    told = ", ".join(f"{name} ({count})" for name, count in sorted(removed.items()))
    return f"removed from files, and of how many cases: {told}"


@dataclass(frozen=True, slots=True)
class Note:
    """An annotation that was not brought, and why.

    Attributes
    ----------
    annotation : its id
    kind, label : what it is
    step : ``left`` or ``conflict``
    reason : who has changed it, and what differs now; never what it says
    """

    annotation: str
    kind: str
    label: str
    step: str
    reason: str

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {name: getattr(self, name) for name in ("annotation", "kind", "label", "step", "reason")}

    def __str__(self) -> str:
        return f"{self.step}: annotation {self.annotation} ({self.kind} {self.label!r}): {self.reason}"


@dataclass(frozen=True)
class Result:
    """What became of one case.

    Attributes
    ----------
    item_id, url : at the target
    reason : why it was refused or failed
    held : what becomes of each of its parts; as a journal tells it, only of those that are not native
    bytes, calls, seconds : what sending it took
    annotations : how many were added, replaced, removed, left, unchanged or in conflict, when only they were brought
    notes : those that were left or are in conflict
    removed : what was taken out of its files on their way, by name
    """

    case_id: str
    outcome: Outcome
    item_id: str = ""
    url: str = ""
    reason: str = ""
    held: tuple[Held, ...] = ()
    bytes: int = 0
    calls: int = 0
    seconds: float = 0.0
    annotations: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    removed: tuple[Removed, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the case is where it should be."""
        return self.outcome in GOOD

    @property
    def losses(self) -> tuple[Loss, ...]:
        """What the target cannot hold as it is."""
        return tuple(each for each in self.held if isinstance(each, Loss))

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {
            "case": self.case_id,
            "outcome": str(self.outcome),
            "item": self.item_id,
            "url": self.url,
            "reason": self.reason,
            "losses": [loss.to_json() for loss in self.losses],
            "removed": [each.to_json() for each in self.removed],
            "bytes": self.bytes,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "annotations": dict(self.annotations),
            "notes": [note.to_json() for note in self.notes],
        }


@dataclass
class Report:
    """What became of all cases of a run.

    Attributes
    ----------
    source, target : their URLs
    recorded : gives every case's result, where they are kept; else only those that are not well are known
    counts : by outcome
    held : what became of the parts of the cases
    removed : of how many cases which elements were taken out of files on their way, by name
    bytes, calls, seconds : in all
    annotations : by what was done with them, when only they were brought
    noted : the cases of which some were left
    stopped : why the run ended before its end, if it did
    """

    source: str
    target: str
    recorded: Callable[[], Iterator[Result]] | None = field(default=None, repr=False)
    counts: Counter[Outcome] = field(default_factory=Counter)
    held: Tally = field(default_factory=Tally)
    removed: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    calls: int = 0
    seconds: float = 0.0
    stopped: str = ""
    problems: list[Result] = field(default_factory=list)
    annotations: Counter[str] = field(default_factory=Counter)
    noted: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a result; those that are not well are kept whole."""
        self.counts[result.outcome] += 1
        self.held.add(result.held)
        self.removed.update(names_removed(result.removed))
        self.bytes += result.bytes
        self.calls += result.calls
        self.annotations.update(result.annotations)
        if result.notes:
            self.noted.append(result)
        if not result.ok:
            self.problems.append(result)

    @property
    def losses(self) -> Counter[str]:
        """How many parts are not native, by what became of them: converted, sidecar, journal."""
        return Counter({str(kept): count for kept, count in self.held.counts.items() if kept != "native"})

    @property
    def ok(self) -> bool:
        """Whether every case is where it should be."""
        return not self.problems and not self.stopped

    @property
    def arrived(self) -> int:
        """How many cases are at the target."""
        return sum(self.counts[each] for each in (Outcome.SENT, Outcome.SYNCED, Outcome.COMPLETED, Outcome.UNCHANGED))

    def require_ok(self) -> Report:
        """The report itself, when every case is where it should be.

        Raises
        ------
        TransferIncomplete
            Some are not.
        """
        if not self.ok:
            raise TransferIncomplete(self)
        return self

    @property
    def total(self) -> int:
        """How many cases were looked at."""
        return sum(self.counts.values())

    def results(self) -> Iterator[Result]:
        """Every case's result in the order of their names; of a comparison only those that are not well."""
        return self.recorded() if self.recorded is not None else iter(self.problems)

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {
            "source": self.source,
            "target": self.target,
            "ok": self.ok,
            "cases": {str(outcome): count for outcome, count in sorted(self.counts.items())},
            "losses": {kept: count for kept, count in sorted(self.losses.items()) if count},
            "held": self.held.to_json(),
            "removed": dict(sorted(self.removed.items())),
            "bytes": self.bytes,
            "calls": self.calls,
            "seconds": round(self.seconds, 3),
            "annotations": dict(sorted(self.annotations.items())),
            "notes": [{"case": result.case_id, **note.to_json()} for result in self.noted for note in result.notes],
            "stopped": self.stopped,
            "problems": [result.to_json() for result in self.problems],
        }

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.counts.items())) or "no cases"
        lines = [f"{self.source} -> {self.target}"]
        lines.append(f"{counts}; {self.calls} calls, {size(self.bytes)} in {duration(self.seconds)}")
        if self.held:
            lines += [f"parts of cases: {self.held}", self.held.table()]
        if self.removed:
            lines.append(told_removed(self.removed))
        if self.annotations:
            told = ", ".join(f"{count} {step}" for step, count in sorted(self.annotations.items()))
            lines.append(f"annotations: {told}")
        if self.stopped:
            lines.append(f"stopped: {self.stopped}")
        lines += [f"{result.outcome} {result.case_id}: {result.reason}" for result in self.problems]
        lines += [f"{result.case_id}: {note}" for result in self.noted for note in result.notes]
        return "\n".join(lines)


class TransferIncomplete(TransferError):
    """Some cases of a transfer are not where they should be.

    Parameters
    ----------
    report : what became of each
    """

    def __init__(self, report: Report) -> None:
        super().__init__(str(report))
        self.report = report
