"""Thousands of cases between datasets in memory: how fast the engine is by itself, and how much it keeps."""

from __future__ import annotations

import gc
import itertools
import os
import time
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.plan import Reply
from caseferry.transfers.journal import Journal
from caseferry.transfers.outcome import Outcome, Result
from transfer_scene import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 6_000
A_SECOND = 1_000
"""Cases that pass in a second at least. Twice as many do on an idle machine; a busy one is no failure."""

KEPT_FOR_EACH = 700
"""Bytes that may be kept for each case: its name, in the sets that keep a case from arriving twice."""


class Spring(Memory):
    """Makes its cases when they are asked for."""

    def __init__(self, count: int) -> None:
        super().__init__("memory:spring")
        self._count = count

    def items(self, **filters: Any) -> Iterator[cf.Item]:
        return (cf.Item(self, f"c-{number:06}", f"c-{number:06}") for number in range(self._count))

    def read(self, item: cf.Item) -> cf.Case:
        return cf.Case(item.id, annotations=[cf.Label(None, "normal")], tags=["train"])


class Sink(Memory):
    """Takes cases and keeps nothing but how many came."""

    def __init__(self) -> None:
        super().__init__("memory:sink")
        self.taken = 0

    def _send(self, call: cf.Call) -> Reply:
        self.taken += 1
        return Reply(201)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """What earlier tests left does not count."""
    gc.collect()
    yield
    tracemalloc.stop()


def test_the_engine_is_no_bottleneck(tmp_path: Path) -> None:
    source, target = Spring(MANY), Sink()
    started = time.perf_counter()
    report = cf.transfer(source, target, journal=tmp_path / "j.db", workers=32, verify=False, unmapped="accept")
    seconds = time.perf_counter() - started
    print(f"{MANY / seconds:.0f} cases a second")
    assert report.ok
    assert report.arrived == target.taken == MANY
    with Journal(tmp_path / "j.db", read_only=True) as journal:
        assert journal.states() == {"done": MANY}
    assert MANY / seconds > A_SECOND


def test_memory_does_not_grow_with_what_the_cases_hold(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        assert cf.transfer(
            Spring(count), Sink(), journal=tmp_path / f"{count}.db", workers=4, verify=False, unmapped="accept"
        ).ok
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few = peak(200)
    many = peak(1_200)
    print(f"{(many - few) / 1_000:.0f} bytes for each case")
    assert (many - few) / 1_000 < KEPT_FOR_EACH


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not say what a process holds")
def test_a_journal_without_a_file_does_not_fill_memory() -> None:
    def held() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with Journal() as journal:
        before = held()
        for number in range(1000):
            journal.record(Result(f"c-{number}", Outcome.FAILED, reason="long " * 10_000), "")
        assert held() - before < 25_000_000  # of 50 that are written
        assert sum(1 for _ in itertools.islice(journal.results(), 100)) == 100
