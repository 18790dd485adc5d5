"""Commands that move cases, plan to, or compare what was moved."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from caseferry.cli.arguments import (
    add_overlap,
    add_running,
    add_select,
    add_workers,
    as_json,
    choosing,
    opening,
    sending,
)
from caseferry.cli.given import open_given, selection
from caseferry.cli.telling import DONE, NOTHING_SENT, SOME_FAILED, print_array, print_json, say
from caseferry.deidentify import Phi
from caseferry.errors import CaseferryError, ConfigurationError
from caseferry.held import Tally, refuse_inexact
from caseferry.text import size
from caseferry.transfers.outcome import Outcome, TransferIncomplete, names_removed
from caseferry.transfers.progress import Silent, usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caseferry.cli.arguments import Commands
    from caseferry.connector import Dataset, Item
    from caseferry.plain import Json
    from caseferry.plan import Plan
    from caseferry.transfers.outcome import Report, Result
    from caseferry.transfers.progress import Progress

LEFT_OUT_SHOWN = 20
"""Files that are no images, of which each is named."""


def add_commands(commands: Commands) -> None:
    """Add ``plan``, ``transfer``, ``register`` and ``verify``."""
    commands.add(
        "plan", plan, "show what a transfer would do, case by case", choosing(), sending(), opening(), as_json()
    )
    moving = commands.add(
        "transfer", transfer, "bring every case to the target, once", choosing(), sending(), opening(), as_json()
    )
    add_running(moving, workers=8, verify=True, verify_help="read every case back and compare")
    moving.add_argument(
        "--annotations-only",
        action="store_true",
        help="bring annotations that were made or changed later to cases that are there already",
    )
    moving.add_argument(
        "--overwrite",
        action="store_true",
        help="with --annotations-only: the source counts where both sides changed one, and its deletions are brought",
    )
    registering = commands.add(
        "register",
        register,
        "register what lies below a prefix of an object store where it lies, each series or image as a case",
        sending(),
        opening(),
        as_json(),
    )
    registering.add_argument("prefix", metavar="PREFIX", help="s3://BUCKET/PREFIX/, gs://… or az://…")
    registering.add_argument("target", metavar="DST", help="the dataset, with its storage on that bucket")
    add_select(registering)
    add_running(
        registering,
        workers=32,
        verify=False,
        verify_help="read every case back, bytes and all, and compare (off: the bytes stay where they are)",
    )
    comparing = commands.add(
        "verify",
        verify,
        "compare every case of two datasets",
        choosing("the dataset to compare it with"),
        opening(),
        as_json(),
    )
    comparing.add_argument(
        "--phi", choices=get_args(Phi), help="as the transfer had it: after remove, files have changed"
    )
    add_overlap(comparing)
    add_workers(comparing, 8)


class _Results(Silent):
    """Prints each case of a dry run as it is planned; why one is refused stands in the report that follows."""

    def advance(self, result: Result) -> None:
        """One line for a case."""
        told = f"{result.calls} calls, {size(result.bytes)}; {Tally.of(result.held)}" if result.ok else ""
        told += f"; {len(names_removed(result.removed))} elements removed" if result.removed else ""
        print(f"{result.case_id:<36}  {result.outcome:<10}  {told}".rstrip())


class _Plans:
    """Keeps what a dry run finds out of each case, for scripts, and shows how it goes."""

    def __init__(self) -> None:
        self.cases: list[Json] = []
        self._shown = usual()
        self.begin, self.end = self._shown.begin, self._shown.end

    def advance(self, result: Result) -> None:
        """One case more."""
        self._shown.advance(result)
        self.cases.append({**result.to_json(), "held": Tally.of(result.held).to_json()})


def transfer(given: Any) -> int:
    """Bring every case to the target, once."""
    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        plans = _Plans() if given.dry_run and given.json else None
        try:
            report = _run(source, target, given, plans)
        except TransferIncomplete as stopped:
            report = stopped.report
    return _reported(report, given, {"plans": plans.cases} if plans is not None else {})


def _run(source: Dataset, target: Dataset, given: Any, shown: Progress | None = None) -> Report:
    """The transfer that the arguments ask for."""
    from caseferry.transfers import run

    return run.transfer(
        source,
        target,
        journal=given.journal,
        workers=given.workers,
        verify=given.verify,
        phi=given.phi,
        strict=given.strict,
        unmapped=given.unmapped,
        dry_run=given.dry_run,
        select=selection(given.select),
        progress=shown or (_Results() if given.dry_run and not given.json else usual()),
        annotations_only=getattr(given, "annotations_only", False),
        overwrite=getattr(given, "overwrite", False),
    )


def register(given: Any) -> int:
    """Register what lies below a prefix of an object store, where it lies.

    Only keys are sent, and yet the platform reads the files then: so their headers are looked into for what identifies
    a patient, as they are where the files themselves are sent.
    """
    from caseferry.files import FileRef
    from caseferry.storage.prefix import Prefix

    with ExitStack() as opened:
        source = opened.enter_context(Prefix(given.prefix))
        target = opened.enter_context(open_given(given.target, given))
        if not target.reads(FileRef(f"{source.url}any")):
            msg = f"{given.target} does not read {source.url} itself: name a storage on that bucket (?storage=NAME)"
            raise ConfigurationError(msg)
        report = _run(source, target, given)
        for path in source.left_out[:LEFT_OUT_SHOWN]:
            say(f"left out, for it is no image that can be read: {path}")
        if (more := len(source.left_out) - LEFT_OUT_SHOWN) > 0:
            say(f"and {more} others")
    return _reported(report, given)


def verify(given: Any) -> int:
    """Compare every case of two datasets."""
    from caseferry.transfers import verify

    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        select = selection(given.select)
        report = verify.verify(source, target, workers=given.workers, select=select, progress=usual(), phi=given.phi)
    return _reported(report, given)


def _reported(report: Report, given: Any, more: dict[str, Json] | None = None) -> int:
    """Print a report, and find the exit code that says the same."""
    if given.json:
        print_json(report.to_json() | (more or {}))
    else:
        print(report)
    if not report.total and not report.stopped:
        _refuse_empty(report.source, given)
    if report.ok:
        return DONE
    return NOTHING_SENT if set(report.counts) == {Outcome.REFUSED} and not report.stopped else SOME_FAILED


def _refuse_empty(source: str, given: Any) -> NoReturn:
    msg = f"{source} holds no cases" + (" that --select asks for" if given.select else "")
    raise ConfigurationError(msg)


def plan(given: Any) -> int:
    """Show what a transfer would do, case by case."""
    from caseferry.plan import Plan

    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        wanted = selection(given.select)
        items = (item for item in source.items() if wanted is None or wanted(item))
        plans = _plans(items, target, given)
        counts: Counter[bool] = Counter()
        total = Tally()

        def counted() -> Iterator[tuple[str, Plan | CaseferryError]]:
            for case_id, planned in plans:
                counts[isinstance(planned, Plan)] += 1
                total.add(planned.held if isinstance(planned, Plan) else ())
                yield case_id, planned

        if given.json:
            print_array(
                each.to_json() if isinstance(each, Plan) else {"case": case_id, "error": str(each)}
                for case_id, each in counted()
            )
        else:
            for _, planned in counted():
                print(planned)
            if counts.total() > 1 and total:
                print(f"\n{counts[True]} cases in all: {total}\n{total.table()}")
    if not counts:
        _refuse_empty(source.url, given)
    return SOME_FAILED if counts[False] else DONE


def _plans(items: Iterable[Item], target: Dataset, given: Any) -> Iterator[tuple[str, Plan | CaseferryError]]:
    """The plan for each item, or why there is none."""
    from caseferry.connector import Spare

    spare = None if given.strict else Spare.imagined()
    unmapped = given.unmapped or target.unmapped or "stop"
    for item in items:
        try:
            planned = target.plan(item.case(), phi=given.phi, spare=spare, unmapped=unmapped)
            if given.strict:
                refuse_inexact(item.case_id, planned.held)
            yield item.case_id, planned
        except CaseferryError as error:
            if error.action == "stop":
                raise
            yield item.case_id, error
