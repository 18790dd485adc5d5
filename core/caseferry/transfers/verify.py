"""Reading back what was sent, and saying whether it means the same."""

from __future__ import annotations

import logging
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from caseferry.case.compare import differences
from caseferry.connector import Dataset, State
from caseferry.deidentify import Phi, check_phi
from caseferry.errors import CaseferryError, IntegrityMismatch, ProcessingFailed
from caseferry.registry import opened_here
from caseferry.transfers.march import check_workers, march, resumed
from caseferry.transfers.outcome import Outcome, Report, Result
from caseferry.transfers.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.case import Case
    from caseferry.connector import Item
    from caseferry.transfers.progress import Progress

log = logging.getLogger("caseferry")


PROCESSING = 60.0
"""Seconds that an item of the source is waited for which its platform still processes."""


def complete(item: Item, most: float | None = None) -> Item:
    """An item that is complete on its platform: what is not there yet would count as nothing.

    Parameters
    ----------
    most : seconds that the platform's work is waited for; None for the dataset's patience

    Raises
    ------
    ProcessingFailed
        It was not uploaded to its end, for which nobody would wait in vain, or the platform could not process it.
    TemporaryFailure
        The platform is still not done with it.
    """
    dataset = item.dataset
    if item.state is State.UPLOADING:
        detail = "it was not uploaded to its end; complete it or delete it there, then run the same again"
        raise ProcessingFailed(dataset.platform, f"read {item.case_id!r}", detail, state=str(item.state))
    if item.state is not State.READY and "wait" in dataset.capabilities.verbs:
        return dataset.wait(item, most=most)
    return item


def whole_case(item: Item) -> Case:
    """The case of an item of a source, once that is complete; see `complete`."""
    return complete(item, PROCESSING).case()


def undigested(case: Case) -> Case:
    """The same case, of which every file must be read: the digests of its description say what was, not what is."""
    return case.with_files(lambda ref: replace(ref, sha256=None))


def check(case: Case, item: Item) -> Case:
    """Compare a case with an item that should hold it: bytes by digest, converted images by voxels and place.

    Returns
    -------
    The case of the item.

    Every file of the item is read: the digests that its description holds say what was sent, not what is there.

    Raises
    ------
    IntegrityMismatch
        They do not mean the same.
    """
    there = undigested(item.case())
    if found := differences(case, there):
        raise IntegrityMismatch(case.id, found)
    return there


def verify(
    source: Dataset | str,
    target: Dataset | str,
    *,
    workers: int = 8,
    select: Callable[[Item], bool] | None = None,
    progress: Progress | None = None,
    phi: Phi | None = None,
) -> Report:
    """Compare every case of a source with what the target holds of it.

    Parameters
    ----------
    source, target : datasets or their URLs
    workers : cases that are compared at the same time
    select : which items of the source; all when None
    progress : is told how it goes
    phi : as the transfer had it; after ``remove``, the cases of the source are compared without what was removed

    Returns
    -------
    A report with the outcome ``equal`` or ``failed`` for each case; the reason says what differs.

    Raises
    ------
    ConfigurationError
        A setting cannot be used.
    AuthenticationFailed
        The credentials are not accepted, or no more.
    KeyboardInterrupt
        The user stopped it.
    """
    check_workers(workers)
    if phi is not None:
        check_phi(phi)
    started = time.monotonic()
    with ExitStack() as opened:
        here = opened_here(source, opened)
        there = opened_here(target, opened)
        opened.enter_context(resumed(here, there))
        report, shown = Report(here.url, there.url), progress or Silent()
        index = {item.case_id: item.id for item in there.items()}

        def finished(result: Result) -> None:
            report.add(result)
            shown.advance(result)

        def abandon() -> None:
            there.cancel()
            here.cancel()

        shown.begin(report, None)
        try:
            march(
                (item for item in here.items() if select is None or select(item)),
                lambda item: _verified(item, index.get(item.case_id), there, phi or there.phi),
                finished,
                workers=workers,
                abandon=abandon,
            )
        finally:
            shown.end()
    report.seconds = time.monotonic() - started
    return report


def _verified(item: Item, twin_id: str | None, there: Dataset, phi: Phi) -> Result:
    started = time.monotonic()

    def ended(outcome: Outcome, twin: Item | None = None, reason: str = "") -> Result:
        spent = time.monotonic() - started
        place = (twin.id, twin.url) if twin is not None else ("", "")
        return Result(item.case_id, outcome, *place, reason=reason, seconds=spent)

    if twin_id is None:
        return ended(Outcome.FAILED, reason=f"it is not in {there.url}")
    try:
        twin = complete(there.get(twin_id))
        case = undigested(whole_case(item))
        check(there.sealed(case, phi) if phi == "remove" else there.arranged(case), twin)
    except CaseferryError as error:
        if error.action == "stop":
            raise
        return ended(Outcome.FAILED, reason=str(error))
    except Exception as error:
        log.exception("case %r cannot be compared for a reason that caseferry does not know", item.case_id)
        return ended(Outcome.FAILED, reason=f"unexpected {type(error).__name__}: {error}")
    return ended(Outcome.EQUAL, twin)
