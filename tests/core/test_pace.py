"""Keeping to a number of requests a minute, and joining them."""

from __future__ import annotations

import pytest

from caseferry.batching import Batcher
from caseferry.errors import PermissionDenied, PlatformError
from caseferry.pace import Pace


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
    assert starts[9] < 1.0  # the first ten follow each other at once
    assert starts[-1] < 9.2 * 60  # and no time is lost


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
