"""Keeping to a number of requests a minute, and joining them."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from caseferry.batching import Batcher
from caseferry.errors import Cancelled, PermissionDenied, PlatformError
from caseferry.http.pace import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence


class Clock:
    """Time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_minute_holds_more_than_it_may() -> None:
    clock = Clock()
    pace = Pace(10, clock.sleep, clock)
    starts = []
    for _ in range(95):
        pace.wait()
        starts.append(clock.now)
        clock.now += 0.1
    assert all(later - earlier > 59.999 for earlier, later in zip(starts, starts[10:], strict=False))
    assert starts[7] < 1.0  # the first eight follow each other at once
    assert max(later - earlier for earlier, later in itertools.pairwise(starts)) < 30  # and nobody stands
    assert starts[-1] < 9.2 * 60  # and no time is lost


def test_how_much_of_a_minute_is_used() -> None:
    clock = Clock()
    pace = Pace(10, clock.sleep, clock)
    assert pace.used == 0
    for _ in range(4):
        pace.wait()
    assert pace.used == 0.4
    clock.now = 61
    assert pace.used == 0
    assert Pace(0).used == 0


def test_without_a_limit_nobody_waits() -> None:
    clock = Clock()
    pace = Pace(0, clock.sleep, clock)
    for _ in range(1000):
        pace.wait()
    assert clock.now == 0


@pytest.mark.parametrize("bad", [{5}, {0, 63}, set()])
def test_a_refused_request_is_halved_until_the_bad_part_stands_alone(bad: set[int]) -> None:
    asked = []

    def send(parts: list[int]) -> list[int]:
        asked.append(len(parts))
        if bad & set(parts):
            raise PlatformError("x", "y", "bad", status=422)
        return [part * 2 for part in parts]

    batcher: Batcher[int, int] = Batcher(send, 64)
    answers = batcher._answers(range(64))
    assert [n for n, answer in enumerate(answers) if isinstance(answer, PlatformError)] == sorted(bad)
    assert all(answer == 2 * n for n, answer in enumerate(answers) if n not in bad)
    assert len(asked) <= 1 + 12 * len(bad)


def test_what_no_splitting_helps_is_not_split() -> None:
    asked = []

    def send(parts: list[int]) -> list[int]:
        asked.append(len(parts))
        raise PermissionDenied("x", "y", "no", status=403)

    answers = Batcher(send, 8)._answers(range(8))
    assert {type(answer) for answer in answers} == {PermissionDenied}
    assert asked == [8]


def test_what_is_asked_while_there_is_no_leave_goes_together() -> None:
    open_ = threading.Event()
    sizes = []

    def send(parts: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(parts))
        return list(parts)

    batcher: Batcher[int, int] = Batcher(send, 64, leave=lambda: open_.wait(10) and None)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(batcher.ask, n) for n in range(8)]
        while len(batcher._waiting) < 8:
            time.sleep(0.001)
        open_.set()
        assert [each.result() for each in asked] == list(range(8))
    assert sizes == [8]


def test_each_half_of_a_refused_request_waits_for_leave() -> None:
    left = []

    def send(parts: Sequence[int]) -> list[int | Exception]:
        if len(parts) > 1:
            raise PlatformError("x", "y", "too many", status=422)
        return list(parts)

    batcher: Batcher[int, int] = Batcher(send, 64, leave=lambda: left.append(None))
    assert batcher._answers(range(4)) == [0, 1, 2, 3]
    assert len(left) == 6  # two halves, and two halves of each


def test_without_leave_everybody_is_told() -> None:
    def leave() -> None:
        raise Cancelled("stopped on request")

    batcher: Batcher[int, int] = Batcher(list, 64, leave=leave)
    for n in range(2):
        with pytest.raises(Cancelled):
            batcher.ask(n)


def test_company_is_waited_for_where_there_was_company() -> None:
    sizes = []

    def send(parts: Sequence[int]) -> list[int | Exception]:
        sizes.append(len(parts))
        return list(parts)

    batcher: Batcher[int, int] = Batcher(send, 64, linger=lambda: 0.2)
    started = time.perf_counter()
    batcher.ask(0)
    assert time.perf_counter() - started < 0.15  # alone
    batcher._company = True
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(batcher.ask, 1)
        time.sleep(0.05)
        second = pool.submit(batcher.ask, 2)
        assert (first.result(), second.result()) == (1, 2)
    assert sizes == [1, 2]
