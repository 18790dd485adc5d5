"""A transfer as a page: everything that the journal knows, nothing that a browser would run or fetch."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from caseferry import Outcome
from caseferry.cli import main
from caseferry.held import Loss
from caseferry.removal.removed import Removed
from caseferry.transfers.journal import Journal
from caseferry.transfers.outcome import Note, Result

if TYPE_CHECKING:
    from pathlib import Path

EMPTY = {"meta"}
"""Elements that have no end."""


class Page(HTMLParser):
    """Reads a page: its texts, its links, and whether every element ends where it should."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.texts: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [str(value) for name, value in attrs if name in {"href", "src"}]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_page_tells_what_the_journal_knows(tmp_path: Path) -> None:
    path, shown = tmp_path / "j.db", tmp_path / "page.html"
    loss = Loss("mask '<b>'", "no place & no name", "sidecar", "the item's metadata")
    removed = Removed("image 'ct'", ("PatientName", "PatientID"), 300)
    note = Note("n-1", "line", "diameter", "left", "changed at the target")
    web = "https://example.org/items/17?a=1&b=2"
    with Journal(path) as journal:
        journal.belong("local:from", "datamint:to")
        sent = Result("sent", Outcome.SENT, "17", web, held=(loss,), bytes=2_000, removed=(removed,))
        journal.record(sent, "1")
        journal.record(Result("<script>alert(1)</script>", Outcome.REFUSED, "", "javascript:x()", "names <you>"), "2")
        journal.record_sync(Result("sent", Outcome.SYNCED, "17", web, notes=(note,)))
    assert main(["report", str(path), "--html", str(shown)]) == 0
    page = Page(shown.read_text(encoding="utf-8"))
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert set(page.links) == {web}
    told = "\n".join(page.texts)
    for text in ("local:from → datamint:to", "1 of 2 cases did not arrive", "<script>alert(1)</script>", "names <you>"):
        assert text in told
    for text in (str(loss), str(removed), "PatientName", str(note), "2.0 kB"):
        assert text in told
    assert main(["report", str(tmp_path / "none.db"), "--html", str(shown)]) == 2
