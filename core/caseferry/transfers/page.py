"""A transfer as a page for people: one HTML file, without scripts and without anything that is fetched.

It shows what the journal holds: names of cases, where they stand and what became of them; no values of patients.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from caseferry.held import COLUMNS, Tally
from caseferry.text import size
from caseferry.transfers.outcome import Report, names_removed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from caseferry.transfers.journal import Journal
    from caseferry.transfers.outcome import Result

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #1a7f37; --bad: #c62828; }
@media (prefers-color-scheme: dark) { :root { --good: #57c274; --bad: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2.5rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
.verdict { font-size: 1.1rem; font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
dl { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; }
dl div { background: var(--soft); border-radius: .5rem; padding: .5rem 1rem; min-width: 5rem; }
dt { font-size: .8rem; opacity: .75; } dd { margin: 0; font-size: 1.25rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
th { font-size: .8rem; opacity: .75; position: sticky; top: 0; background: Canvas; }
td { overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
td:first-child { min-width: 10rem; }
summary { cursor: pointer; } ul { margin: .25rem 0; padding-left: 1.1rem; }
footer { margin: 3rem 0 1rem; font-size: .8rem; opacity: .75; }
"""


def page(journal: Journal) -> Iterator[str]:
    """The page of a journal, piece by piece, so that any number of cases fits.

    Parameters
    ----------
    journal : of the transfer
    """
    report = Report(journal.about("source") or "", journal.about("target") or "")
    for result in journal.results():
        report.add(result)
    yield from _head(report)
    if report.problems:
        yield from _table("What did not arrive", ("Case", "Outcome", "Why"), map(_problem, report.problems))
    if report.held:
        yield from _table("What the target does not hold as it is", COLUMNS, map(_cells, report.held.lines()))
    if report.removed:
        counted = ([name, str(count)] for name, count in sorted(report.removed.items()))
        yield from _table("What was removed from files on their way", ("Element", "Cases"), map(_cells, counted))
    synced = [result for result in journal.syncs() if result.notes or not result.ok]
    if synced:
        yield from _table(
            "Annotations that were not brought", ("Case", "Outcome", "Which, and why"), map(_left, synced)
        )
    columns = ("Case", "Outcome", "Sent", "Held otherwise", "Removed")
    yield from _table("Every case", columns, map(_case, journal.results()))
    yield "<footer>Made by caseferry from the journal of the transfer.</footer>\n</body>\n</html>\n"


def _head(report: Report) -> Iterator[str]:
    route = f"{escape(report.source)} → {escape(report.target)}"
    missing = len(report.problems)
    verdict = f"{missing} of {report.total} cases did not arrive" if missing else f"All {report.total} cases arrived"
    yield f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{route}</title>\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{route}</h1>\n"
    yield f'<p class="verdict {"bad" if missing else "good"}">{verdict}.</p>\n<dl>\n'
    figures = [(str(outcome), str(count)) for outcome, count in sorted(report.counts.items())]
    for name, figure in [*figures, ("calls", str(report.calls)), ("bytes of files", size(report.bytes))]:
        yield f"<div><dt>{name}</dt><dd>{figure}</dd></div>\n"
    yield "</dl>\n"


def _table(title: str, columns: Sequence[str], rows: Iterable[str]) -> Iterator[str]:
    """A table under a heading.

    Parameters
    ----------
    rows : cells as `_cells` makes them
    """
    yield f"<h2>{title}</h2>\n<table>\n<thead><tr>"
    yield "".join(f"<th>{column}</th>" for column in columns)
    yield "</tr></thead>\n<tbody>\n"
    yield from (f"<tr>{row}</tr>\n" for row in rows)
    yield "</tbody>\n</table>\n"


def _cells(texts: Iterable[str]) -> str:
    return "".join(f"<td>{escape(text)}</td>" for text in texts)


def _problem(result: Result) -> str:
    return _name(result) + _outcome(result) + _cells([result.reason])


def _left(result: Result) -> str:
    return _name(result) + _outcome(result) + f"<td>{_list([result.reason, *map(str, result.notes)])}</td>"


def _case(result: Result) -> str:
    losses = _folded(str(Tally.of(result.losses)), map(str, result.losses))
    removed = _folded(f"{len(names_removed(result.removed))} elements", map(str, result.removed))
    return _name(result) + _outcome(result) + _cells([size(result.bytes)]) + f"<td>{losses}</td><td>{removed}</td>"


def _name(result: Result) -> str:
    """The cell of a case's name, which leads to where people look at it."""
    name = escape(result.case_id)
    if result.url.startswith(("https://", "http://")):
        name = f'<a href="{escape(result.url)}">{name}</a>'
    return f"<td>{name}</td>"


def _outcome(result: Result) -> str:
    return f'<td class="{"good" if result.ok else "bad"}">{result.outcome}</td>'


def _folded(summary: str, texts: Iterable[str]) -> str:
    """Texts that open on a click; nothing where there are none."""
    listed = _list(texts)
    return f"<details><summary>{escape(summary)}</summary>{listed}</details>" if listed else ""


def _list(texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts if text)
    return f"<ul>{items}</ul>" if items else ""
