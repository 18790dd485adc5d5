"""Reading back what was sent, and saying whether it means the same."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caseferry.compare import differences
from caseferry.connector import Dataset, State
from caseferry.errors import CaseferryError, IntegrityMismatch, NotFound
from caseferry.transfers.outcome import Outcome, Report, Result

if TYPE_CHECKING:
    from caseferry.case import Case
    from caseferry.connector import Item


def check(case: Case, item: Item) -> None:
    """Compare a case with an item that should hold it: bytes by digest, converted images by voxels and place.

    Raises
    ------
    IntegrityMismatch
        They do not mean the same.
    """
    found = differences(case, item.case())
    if found:
        raise IntegrityMismatch(case.id, found)


def verify(source: Dataset | str, target: Dataset | str) -> Report:
    """Compare every case of a source with what the target holds of it.

    Parameters
    ----------
    source, target : datasets or their URLs

    Returns
    -------
    A report with the outcome ``equal`` or ``failed`` for each case; the reason says what differs.
    """
    from caseferry.registry import connect

    here = source if isinstance(source, Dataset) else connect(source)
    there = target if isinstance(target, Dataset) else connect(target)
    started = time.monotonic()
    report = Report(here.url, there.url)
    index = {item.case_id: item for item in there.items()}
    for item in here.items():
        report.add(_verified(item, index.get(item.case_id), there))
    report.seconds = time.monotonic() - started
    return report


def _verified(item: Item, twin: Item | None, there: Dataset) -> Result:
    result = _Timed(item.case_id, time.monotonic())
    try:
        if twin is None:
            raise NotFound(there.platform, f"find case {item.case_id!r}", f"it is not in {there.url}")
        if twin.state is not State.READY:
            twin = there.wait(twin)
        check(item.case(), twin)
    except CaseferryError as error:
        return result.ended(Outcome.FAILED, str(error))
    return replace(result.ended(Outcome.EQUAL), item_id=twin.id, url=twin.url)


@dataclass(frozen=True, slots=True)
class _Timed:
    case_id: str
    started: float

    def ended(self, outcome: Outcome, reason: str = "") -> Result:
        return Result(self.case_id, outcome, reason=reason, seconds=time.monotonic() - self.started)
