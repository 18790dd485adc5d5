"""Moving many cases: walk the source, bring each case to the target once, read it back, write it down.

A case that fails never stops the others. What was interrupted is found and completed by running the same transfer
again.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, NoReturn

from caseferry.connector import Dataset, Spare, State
from caseferry.deidentify import Phi, check_phi
from caseferry.errors import (
    AuthenticationFailed,
    Cancelled,
    CaseferryError,
    ConfigurationError,
    InvalidCase,
    NotFound,
    Problem,
    UnmappedLabels,
    UnsupportedOperation,
)
from caseferry.held import refuse_inexact
from caseferry.mapping.unmapped import check_unmapped
from caseferry.registry import opened_here
from caseferry.transfers.journal import DONE, Entry, Journal
from caseferry.transfers.march import check_workers, march, resumed
from caseferry.transfers.outcome import Outcome, Report, Result, TransferIncomplete
from caseferry.transfers.progress import Progress, Silent
from caseferry.transfers.sync import Sync, bases_of
from caseferry.transfers.verify import check, whole_case

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caseferry.case import Case
    from caseferry.connector import Item
    from caseferry.connector.item import Brought
    from caseferry.files import PathLike
    from caseferry.mapping.unmapped import Unmapped

log = logging.getLogger("caseferry")


def transfer(
    source: Dataset | str,
    target: Dataset | str,
    *,
    journal: Journal | PathLike | None = None,
    workers: int = 8,
    verify: bool = True,
    phi: Phi | None = None,
    strict: bool = False,
    unmapped: Unmapped | None = None,
    dry_run: bool = False,
    select: Callable[[Item], bool] | None = None,
    progress: Progress | None = None,
    annotations_only: bool = False,
    overwrite: bool = False,
) -> Report:
    """Bring every case of a source to a target, each exactly once and complete.

    The target is listed once, at the beginning: what others put there meanwhile under the same names is not seen.

    Parameters
    ----------
    source, target : datasets or their URLs
    journal : a SQLite file that makes the transfer resumable; run the same transfer with it again after any
        interruption. Without one, the target itself is looked at for what is there already
    workers : cases under way at the same time
    verify : whether each case is read back and compared before it counts as done
    phi : what is done with a case that identifies a patient: ``refuse`` it, ``keep`` what it holds, or ``remove`` it
        from its files on their way; ``refuse`` unless the target was opened otherwise
    strict : refuse cases of which the target itself would not hold everything exactly: what is native, or converted
        without an error, is taken
    unmapped : what is done with labels that the target does not know, see `caseferry.mapping.unmapped`: ``stop`` ends
        the run at the first case that has one, unless the target was opened otherwise
    dry_run : plan every case and send nothing; unmapped labels are listed, and end nothing
    select : which items of the source; all when None
    progress : is told how it goes
    annotations_only : bring annotations that were made or changed later to cases that are at the target already; what
        people at the target made or changed is left, and what both sides changed is reported
    overwrite : for annotations alone: the source counts where both sides have changed one, and what was deleted there
        and not changed at the target is deleted

    Returns
    -------
    What became of each case. `Report.ok` says whether all is well.

    Raises
    ------
    ConfigurationError
        A setting cannot be used; nothing was sent.
    UnmappedLabels
        The target does not know labels of a case; nothing was sent.
    AuthenticationFailed
        The credentials are not accepted; nothing was sent.
    TransferIncomplete
        Something that no case can do without has failed, or a label is unmapped, after cases were sent; its
        ``report`` says how far it came.
    KeyboardInterrupt
        The user stopped it. What is under way is in the journal, and the same call goes on from there.
    """
    check_workers(workers)
    if phi is not None:
        check_phi(phi)
    if unmapped is not None:
        check_unmapped(unmapped)
    if overwrite and not annotations_only:
        msg = "overwrite is for annotations alone: say annotations_only too (--annotations-only)"
        raise ConfigurationError(msg)
    with ExitStack() as opened:
        here = opened_here(source, opened)
        there = opened_here(target, opened)
        if there.lies_in(here):
            what = "is the source and the target" if here.url == there.url else f"holds the target {there.url}"
            msg = f"{here.url} {what}: what arrives would be sent again; name two datasets apart from each other"
            raise ConfigurationError(msg)
        book = journal if isinstance(journal, Journal) else opened.enter_context(Journal(journal))
        book.belong(here.url, there.url)
        run = Run(here, there, book, verify=verify, phi=phi, strict=strict, unmapped=unmapped, dry_run=dry_run)
        if annotations_only:
            run.sync_annotations(overwrite=overwrite)
        with resumed(here, there):
            return run.go(workers, select, progress or Silent())


class Run:
    """One run of a transfer; see `transfer`."""

    def __init__(
        self,
        source: Dataset,
        target: Dataset,
        journal: Journal,
        *,
        verify: bool,
        phi: Phi | None,
        strict: bool,
        unmapped: Unmapped | None,
        dry_run: bool,
    ) -> None:
        self.source = source
        self.target = target
        self.journal = journal
        self._results = Journal() if dry_run else journal
        self.report = Report(source.url, target.url, self._results.results)
        self._verify = verify
        self._phi = phi
        self._strict = strict
        self._unmapped: Unmapped = unmapped or target.unmapped or "stop"
        self._dry_run = dry_run
        self._spare = Spare(journal.keep) if journal.path is not None and not strict else None
        self._sync: Sync | None = None
        self._standing: dict[str, str] = {}
        self._items: set[str] = set()
        self._broken: set[str] = set()
        self._claimed: dict[str, str] = {}
        self._begun = False
        self._stop: CaseferryError | None = None
        self._lock = threading.Lock()

    def sync_annotations(self, *, overwrite: bool) -> None:
        """Bring annotations alone, to cases that are there."""
        self._sync = Sync(
            self.target,
            self.journal,
            verify=self._verify,
            phi=self._phi,
            strict=self._strict,
            unmapped=self._unmapped,
            overwrite=overwrite,
            dry_run=self._dry_run,
        )
        self.report.recorded = self._results.syncs

    def go(self, workers: int, select: Callable[[Item], bool] | None, progress: Progress) -> Report:
        """Do it; see `transfer`."""
        started = time.monotonic()
        verb = "put" if self._sync is None else "annotate"
        if not self._dry_run and verb not in self.target.capabilities.verbs:
            raise UnsupportedOperation(self.target.platform, verb)
        self._look_at_target()
        progress.begin(self.report, None)

        def finished(result: Result) -> None:
            self.report.add(result)
            progress.advance(result)

        try:
            march(
                self._selected(select),
                self._safely,
                finished,
                workers=workers,
                halted=lambda: self._stop is not None,
                abandon=self._abandon,
            )
        except CaseferryError as error:  # of the walk: what stopped the others, unless another error stopped the walk
            if self._stop is None or isinstance(self._stop, Cancelled):
                self._stop = error
        finally:
            progress.end()
            self.report.seconds = time.monotonic() - started
        if self._stop is not None:
            self._end_early(self._stop)
        return self.report

    def _end_early(self, error: CaseferryError) -> NoReturn:
        """Raise what stopped the run: as it is where nothing was sent, else with what became of the cases."""
        if not self._begun or (isinstance(error, AuthenticationFailed) and not self.report.arrived):
            raise error
        if isinstance(error, UnmappedLabels) and set(self.report.counts) == {Outcome.REFUSED}:
            raise error
        self.report.stopped = str(error)
        raise TransferIncomplete(self.report) from error

    def _look_at_target(self) -> None:
        """Learn the names of all cases that stand at the target, and of those that it could not process."""
        with suppress(NotFound):  # a folder that is yet to be made
            for item in self.target.items():
                self._standing.setdefault(item.case_id, item.id)
                if item.state is State.FAILED:
                    self._broken.add(item.case_id)
                else:
                    self._items.add(item.id)

    def _selected(self, select: Callable[[Item], bool] | None) -> Iterator[Item]:
        for item in self.source.items():
            if select is None or select(item):
                self._claimed.setdefault(item.case_id, item.id)  # here, where the order is the source's
                yield item

    def _safely(self, item: Item) -> Result | None:
        """One case; whatever goes wrong with it is a result, unless it means that no case can go on."""
        started = time.monotonic()
        if self._stop is not None:
            return None
        try:
            return self._case(item, started)
        except CaseferryError as error:
            if error.action == "stop":
                self._stop_all(error)
                return None
            if isinstance(error, UnmappedLabels) and not self._dry_run:
                self._halt(error)  # what is under way comes to its end
            refused = isinstance(error, InvalidCase | UnsupportedOperation)
            outcome = Outcome.REFUSED if refused else Outcome.FAILED
            result = Result(item.case_id, outcome, reason=str(error), seconds=time.monotonic() - started)
        except OSError as error:
            reason = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
            result = Result(item.case_id, Outcome.FAILED, reason=reason, seconds=time.monotonic() - started)
        except Exception as error:
            log.exception("case %r failed in a way that caseferry does not know", item.case_id)
            reason = f"unexpected {type(error).__name__}: {error}"
            result = Result(item.case_id, Outcome.FAILED, reason=reason, seconds=time.monotonic() - started)
        return self._written(result, item)

    def _written(self, result: Result, item: Item) -> Result | None:
        """What became of a case that did not arrive, written down; None when that fails, which stops the run."""
        if self._claimed.get(item.case_id) != item.id:
            return result
        try:
            if self._sync is not None:
                self._results.record_sync(result)
            else:
                self._results.record(result, item.id)
        except CaseferryError as error:
            self._stop_all(error)
            return None
        return result

    def _halt(self, error: CaseferryError) -> None:
        with self._lock:
            self._stop = self._stop or error

    def _stop_all(self, error: CaseferryError) -> None:
        self._halt(error)
        self._abandon()

    def _abandon(self) -> None:
        self.target.cancel()
        self.source.cancel()

    def _claim(self, item: Item) -> None:
        """Refuse a second item of the same name: both would arrive as one case."""
        first = self._claimed[item.case_id]
        if first != item.id:
            what = f"is also the name of item {first} of {self.source.url}, which comes first"
            raise InvalidCase(item.case_id, [Problem(f"item {item.id}", what, "rename one of the two")])

    def _case(self, item: Item, started: float) -> Result:
        self._claim(item)
        if self._sync is not None:
            self._begun = not self._dry_run
            result = self._sync.bring(item, self._standing.get(item.case_id), started)
            self._results.record_sync(result)
            return result
        known = self.journal.entry(item.case_id)
        if known is not None and known.state == DONE and self._stands(item, known):
            return Result(item.case_id, Outcome.UNCHANGED, known.target_item, known.url)
        case = whole_case(item)
        if self._dry_run:
            return self._planned(case, item)
        if self._strict:
            self._refuse_inexact(case)
        self.journal.intend(item.case_id, item.id)
        self._begun = True
        absent = known is None and not {item.case_id, case.id} & self._standing.keys()
        absent = absent and self.target.capabilities.shows_unfinished  # an earlier run may have had another journal
        brought = self.target.bring(
            case, phi=self._phi, spare=self._spare, unmapped=self._unmapped, known_absent=absent
        )
        found = self._check(brought)
        plan = brought.plan
        outcome = Outcome.SENT
        if plan.adopts is not None:
            outcome = Outcome.COMPLETED if plan.calls else Outcome.UNCHANGED
        result = Result(
            item.case_id,
            outcome,
            brought.item.id,
            brought.item.url,
            held=plan.held,
            removed=plan.removed,
            bytes=brought.bytes,
            calls=len(plan.calls),
            seconds=time.monotonic() - started,
        )
        if self.journal.path is not None:
            self.journal.keep_bases(item.case_id, bases_of(brought.sealed, found))
        self.journal.record(result, item.id)
        return result

    def _stands(self, item: Item, known: Entry) -> bool:
        """Whether the target holds something of that name, or the same item under another that it was given since."""
        there = item.case_id in self._standing and item.case_id not in self._broken
        return there or known.target_item in self._items

    def _planned(self, case: Case, item: Item) -> Result:
        spare = Spare.imagined() if self._spare else None
        plan = self.target.plan(case, phi=self._phi, spare=spare, unmapped=self._unmapped)
        if self._strict:
            refuse_inexact(case.id, plan.held)
        outcome = Outcome.UNCHANGED if plan.adopts and not plan.calls else Outcome.PLANNED
        result = Result(case.id, outcome, held=plan.held, removed=plan.removed, bytes=plan.bytes, calls=len(plan.calls))
        self._results.record(result, item.id)
        return result

    def _refuse_inexact(self, case: Case) -> None:
        plan = self.target.plan(case, phi=self._phi, unmapped=self._unmapped)
        plan.release()
        refuse_inexact(case.id, plan.held)

    def _check(self, brought: Brought) -> Case | None:
        """The case at the target, which was compared; None when that is not asked for."""
        if not self._verify:
            return None
        item = brought.item
        if "wait" in self.target.capabilities.verbs:
            item = self.target.wait(item)
        return check(brought.sealed, item)
