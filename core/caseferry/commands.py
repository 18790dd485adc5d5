"""What each command of the command line does: opens datasets, calls one verb, prints what came of it."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections import Counter
from contextlib import ExitStack, closing, suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from caseferry.connector import Spare
from caseferry.errors import CaseferryError, ConfigurationError, NotFound
from caseferry.held import Tally, refuse_inexact
from caseferry.plan import Plan
from caseferry.text import size
from caseferry.transfers.outcome import Outcome, TransferIncomplete
from caseferry.transfers.progress import Silent, usual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from caseferry.case import Case, Image
    from caseferry.connector import Dataset, Item
    from caseferry.plain import Json
    from caseferry.sandbox import Sandbox
    from caseferry.transfers.outcome import Report, Result
    from caseferry.transfers.progress import Progress

DONE, SOME_FAILED, NOTHING_SENT = 0, 1, 2

LEFT_OUT_SHOWN = 20
"""Files that are no images, of which each is named."""


def say(text: str) -> None:
    """Tell the user something that is no result."""
    sys.stderr.write(f"caseferry: {text}\n")
    sys.stderr.flush()


def open_given(url: str, given: Any) -> Dataset:
    """A dataset, with the options that the command line gives."""
    from caseferry.registry import connect

    options = {name: getattr(given, name, None) for name in ("profile", "mapping", "phi")}
    return connect(url, **{name: value for name, value in options.items() if value is not None})


def found_item(dataset: Dataset, name: str) -> Item:
    """An item by the platform's name for it, or by the case's own.

    Raises
    ------
    NotFound
        There is none of either.
    """
    try:
        return dataset.get(name)
    except NotFound:
        found = dataset.find(name)
        if found is None:
            raise
        return found


def _selection(patterns: Sequence[str] | None) -> Callable[[Item], bool] | None:
    """Which items are wanted, by the names of their cases.

    Raises
    ------
    ConfigurationError
        A file of names cannot be read.
    """
    if not patterns:
        return None
    names: set[str] = set()
    shapes = []
    for pattern in patterns:
        if not pattern.startswith("@"):
            shapes.append(pattern)
            continue
        try:
            names.update(line.strip() for line in Path(pattern[1:]).read_text(encoding="utf-8").splitlines())
        except (OSError, UnicodeDecodeError) as error:
            msg = f"--select names the file {pattern[1:]!r}, which cannot be read: {error}"
            raise ConfigurationError(msg) from error
    return lambda item: item.case_id in names or any(fnmatchcase(item.case_id, shape) for shape in shapes)


def _print_array(elements: Iterable[Json]) -> None:
    """Print elements as one JSON array, each as soon as it is there."""
    separator = "["
    for element in elements:
        print(separator + json.dumps(element, ensure_ascii=False))
        separator = ","
    print("[]" if separator == "[" else "]")


def _print_json(document: Json) -> None:
    print(json.dumps(document, indent=1, ensure_ascii=False))


# -- looking -------------------------------------------------------------------------------------------------------


def ls(given: Any) -> int:
    """List the cases of a dataset, or the datasets of a platform."""
    from caseferry.registry import DatasetURL, list_datasets

    parsed = DatasetURL.parse(given.url)
    if not parsed.name:
        options = {"profile": given.profile} if given.profile else {}
        urls = list_datasets(parsed.scheme, **{**parsed.options, **options})
        if given.json:
            _print_array(urls)
        else:
            for url in urls:
                print(url)
        return DONE
    with open_given(given.url, given) as dataset:
        if given.json:
            _print_array(item.to_json() for item in dataset.items())
            return DONE
        for item in dataset.items():
            print(f"{item.case_id:<36}  {item.state:<10}  {item.id}  {item.reason}".rstrip())
    return DONE


def show(given: Any) -> int:
    """Show one case."""
    with open_given(given.url, given) as dataset:
        item = found_item(dataset, given.item)
        case = item.case()
        if given.json:
            _print_json({"item": item.to_json(), "case": case.to_json()})
        else:
            print(f"{case.id}  {item.state}  {item.url or item.id}")
            for line in _described(case):
                print(f"  {line}")
    return DONE


def _described(case: Case) -> Iterator[str]:
    """A case in lines."""
    for name in ("title", "folder"):
        if getattr(case, name):
            yield f"{name}: {getattr(case, name)}"
    if case.tags:
        yield f"tags: {', '.join(case.tags)}"
    for image in case.images:
        yield f"image {image.role}: {_described_image(image)}"
    for annotation in case.annotations:
        place = f" on {annotation.image}" if annotation.image else ""
        plane = f", frame {annotation.frame}" if annotation.frame is not None else ""
        by = f", by {annotation.author}" if annotation.author else ""
        yield f"{annotation.kind} {annotation.label!r}{place}{plane}{by}"
    for name, value in case.values.items():
        yield f"value {name}: {json.dumps(value, ensure_ascii=False)}"
    for attachment in case.attachments:
        yield f"attachment {attachment.name}: {attachment.file.name}"
    if case.metadata:
        yield f"metadata: {json.dumps(dict(case.metadata), ensure_ascii=False)}"


def _described_image(image: Image) -> str:
    files = f"{len(image.files)} files" if len(image.files) > 1 else image.files[0].name
    try:
        grid = image.geometry
        told = [str(image.kind), image.modality or "", files]
    except CaseferryError as error:
        return f"{files}: {error}"
    if grid is not None:
        told.append(" x ".join(map(str, grid.shape)) + (f" x {grid.frames} frames" if grid.frames > 1 else ""))
        if grid.physical:
            told.append(" x ".join(f"{each:g}" for each in grid.spacing_mm) + " mm")
    return ", ".join(each for each in told if each)


def doctor(given: Any) -> int:
    """Find out why a dataset cannot be used."""
    from caseferry.doctor import diagnose
    from caseferry.registry import DatasetURL, connector

    scheme = DatasetURL.parse(given.url).scheme
    remote = connector(scheme).describe().remote
    failed = False
    findings = []
    for finding in diagnose(scheme, lambda: open_given(given.url, given), remote=remote):
        failed |= finding.level == "error"
        findings.append(finding)
        if not given.json:
            print(finding, flush=True)
    if given.json:
        _print_array(finding.to_json() for finding in findings)
    return SOME_FAILED if failed else DONE


def own(given: Any) -> int:
    """Run a command that only one platform has."""
    from caseferry.registry import connector

    return connector(given.command).command(given.rest)


def connectors(given: Any) -> int:
    """List the platforms that are installed."""
    from caseferry.registry import connector, schemes
    from caseferry.text import table

    kinds = {scheme: connector(scheme) for scheme in schemes()}
    if given.json:
        _print_array(
            {"scheme": scheme, "summary": kind.summary, "capabilities": kind.describe().to_json()}
            for scheme, kind in kinds.items()
        )
    else:
        rows = [[f"{scheme}:", kind.summary, ", ".join(kind.settings)] for scheme, kind in kinds.items()]
        print(table(rows, ["SCHEME", "WHAT IT IS", "OPTIONS"]))
    return DONE


def status(given: Any) -> int:
    """Tell what a journal says of its transfer."""
    from caseferry.text import table
    from caseferry.transfers.journal import Journal

    with closing(Journal(given.journal, read_only=True)) as journal:
        source, target, counts = journal.about("source"), journal.about("target"), journal.states()
        bad = [result for result in journal.results() if not result.ok]
        synced = [result for result in journal.syncs() if result.notes or not result.ok]
    if given.json:
        problems: list[Json] = [result.to_json() for result in bad]
        syncs: list[Json] = [result.to_json() for result in synced]
        told: dict[str, Json] = {"source": source, "target": target, "cases": dict(counts), "problems": problems}
        _print_json({**told, "annotations": syncs})
    else:
        print(f"{source} -> {target}")
        print(", ".join(f"{count} {state}" for state, count in counts.items()) or "no cases yet")
        if bad:
            print(
                table([[each.case_id, str(each.outcome), each.reason] for each in bad], ["CASE", "OUTCOME", "REASON"])
            )
        for result in synced:
            print(
                f"annotations of {result.case_id}: {result.outcome}" + (f", {result.reason}" if result.reason else "")
            )
            for note in result.notes:
                print(f"  {note}")
    return SOME_FAILED if bad or any(not result.ok for result in synced) else DONE


# -- moving --------------------------------------------------------------------------------------------------------


class _Results(Silent):
    """Prints each case of a dry run as it is planned."""

    def advance(self, result: Result) -> None:
        """One line for a case."""
        told = f"{result.calls} calls, {size(result.bytes)}; {Tally.of(result.held)}"
        print(f"{result.case_id:<36}  {result.outcome:<10}  {told if result.ok else result.reason}")


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
        select=_selection(given.select),
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
    from caseferry.prefix import Prefix

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


def import_legacy(given: Any) -> int:
    """Print what an older script sent as cases, or send it again."""
    from caseferry.registry import connector, schemes

    try:
        document = json.loads(Path(given.file).read_text(encoding="utf-8"))
    except ValueError as error:
        msg = f"{given.file} is no JSON: {error}"
        raise ConfigurationError(msg) from error
    if given.target is None:
        found = (connector(scheme).legacy_cases(document, given.place) for scheme in schemes())
        cases = next((each for each in found if each is not None), None)
        if cases is None:
            msg = f"{given.file} is nothing that an older interface of an installed platform takes"
            raise ConfigurationError(msg)
        _print_array([case.to_json() for case in cases])  # all or nothing
        return DONE
    with open_given(given.target, given) as target:
        outcomes = list(target.replay(document, phi=given.phi))
    refused = [(name, reason) for name, reason in outcomes if reason]
    for name, reason in refused:
        print(f"{name}  {reason}")
    say(f"{len(outcomes) - len(refused)} of {len(outcomes)} are registered")
    return SOME_FAILED if refused else DONE


def mapping_init(given: Any) -> int:
    """Print a first mapping from the names in the cases of one dataset and what is there in another."""
    from caseferry.mapping.first import first_mapping, names_in
    from caseferry.registry import DatasetURL

    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        select = _selection(given.select)
        used = names_in(item.case() for item in source.items() if select is None or select(item))
        print(first_mapping(DatasetURL.parse(given.target).scheme, used, target.offered()))
    return DONE


def verify(given: Any) -> int:
    """Compare every case of two datasets."""
    from caseferry.transfers import verify

    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        select = _selection(given.select)
        report = verify.verify(source, target, workers=given.workers, select=select, progress=usual(), phi=given.phi)
    return _reported(report, given)


def _reported(report: Report, given: Any, more: dict[str, Json] | None = None) -> int:
    """Print a report, and find the exit code that says the same."""
    if given.json:
        _print_json(report.to_json() | (more or {}))
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
    with ExitStack() as opened:
        source = opened.enter_context(open_given(given.source, given))
        target = opened.enter_context(open_given(given.target, given))
        wanted = _selection(given.select)
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
            _print_array(
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


# -- trying --------------------------------------------------------------------------------------------------------


def demo(given: Any) -> int:
    """Move real scans through all platforms."""
    from caseferry.demo import run

    return DONE if run(given.folder) else SOME_FAILED


def sandbox(given: Any) -> int:
    """Serve stand-ins of the platforms until interrupted."""
    from caseferry.sandbox import Sandbox

    try:
        server = Sandbox(
            port=given.port,
            latency=given.latency / 1000,
            processing=given.processing,
            faults=given.faults,
            folder=given.state,
        )
        server.start()
    except (OSError, ValueError) as error:
        msg = f"the sandbox cannot start: {error}"
        raise ConfigurationError(msg) from error
    with closing(server):
        if given.seed_data is not None:
            _fill(server, given.seed_data)
        for name, value in server.variables.items():
            print(f"export {name}={value}", flush=True)
        say("the sandbox serves until it is interrupted")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return DONE


def _fill(server: Sandbox, folder: str) -> None:
    """Put the cases of a folder on every platform. They do not leave this machine."""
    from caseferry.transfers import run

    os.environ.update(server.variables)
    for standin in server.standins.values():
        report = run.transfer(
            f"local:{folder}", standin.dataset, phi="keep", unmapped="accept", verify=False, progress=usual()
        )
        say(str(report))
