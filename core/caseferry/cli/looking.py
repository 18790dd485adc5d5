"""Commands that only look: at datasets, at a case, at a journal."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.cli.arguments import as_json, opening
from caseferry.cli.given import found_item, open_given
from caseferry.cli.telling import DONE, SOME_FAILED, print_array, print_json
from caseferry.errors import CaseferryError
from caseferry.transfers.outcome import names_removed, told_removed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.case import Case, Image
    from caseferry.cli.arguments import Commands
    from caseferry.plain import Json


def add_commands(commands: Commands) -> None:
    """Add ``ls``, ``show``, ``status`` and ``report``."""
    listing = commands.add(
        "ls", ls, "list the cases of a dataset, or the datasets of a platform (SCHEME:)", opening(), as_json()
    )
    listing.add_argument("url", metavar="URL")
    showing = commands.add("show", show, "show one case", opening(), as_json())
    showing.add_argument("url", metavar="URL")
    showing.add_argument("item", metavar="ITEM", help="the platform's name for it, or the case's own")
    telling = commands.add("status", status, "what a journal says of its transfer", as_json())
    telling.add_argument("journal", metavar="JOURNAL")
    writing = commands.add("report", report, "write what a journal says of its transfer as a page for people")
    writing.add_argument("journal", metavar="JOURNAL")
    writing.add_argument(
        "--html", metavar="FILE", type=Path, required=True, help="the page; one that is there is replaced"
    )


def ls(given: Any) -> int:
    """List the cases of a dataset, or the datasets of a platform."""
    from caseferry.registry import DatasetURL, list_datasets

    parsed = DatasetURL.parse(given.url)
    if not parsed.name:
        options = {"profile": given.profile} if given.profile else {}
        urls = list_datasets(parsed.scheme, **{**parsed.options, **options})
        if given.json:
            print_array(urls)
        else:
            for url in urls:
                print(url)
        return DONE
    with open_given(given.url, given) as dataset:
        if given.json:
            print_array(item.to_json() for item in dataset.items())
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
            print_json({"item": item.to_json(), "case": case.to_json()})
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


def status(given: Any) -> int:
    """Tell what a journal says of its transfer."""
    from caseferry.text import columns, table
    from caseferry.transfers.journal import Journal

    removed: Counter[str] = Counter()
    bad = []
    with Journal(given.journal, read_only=True) as journal:
        source, target, counts = journal.about("source"), journal.about("target"), journal.states()
        for result in journal.results():
            removed.update(names_removed(result.removed))
            if not result.ok:
                bad.append(result)
        synced = [result for result in journal.syncs() if result.notes or not result.ok]
    if given.json:
        problems: list[Json] = [result.to_json() for result in bad]
        syncs: list[Json] = [result.to_json() for result in synced]
        told: dict[str, Json] = {"source": source, "target": target, "cases": dict(counts), "problems": problems}
        print_json({**told, "removed": dict(sorted(removed.items())), "annotations": syncs})
    else:
        print(f"{source} -> {target}")
        print(", ".join(f"{count} {state}" for state, count in counts.items()) or "no cases yet")
        if removed:
            print(told_removed(removed))
        if bad:
            rows = [[each.case_id, str(each.outcome), each.reason] for each in bad]
            print(table(rows, ["CASE", "OUTCOME", "REASON"], columns()))
        for result in synced:
            print(
                f"annotations of {result.case_id}: {result.outcome}" + (f", {result.reason}" if result.reason else "")
            )
            for note in result.notes:
                print(f"  {note}")
    return SOME_FAILED if bad or any(not result.ok for result in synced) else DONE


def report(given: Any) -> int:
    """Write what a journal says of its transfer as a page."""
    from caseferry.transfers.journal import Journal
    from caseferry.transfers.page import page

    with Journal(given.journal, read_only=True) as journal, given.html.open("w", encoding="utf-8") as out:
        out.writelines(page(journal))
    return DONE
