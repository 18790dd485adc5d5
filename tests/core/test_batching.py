"""Joining what many threads ask into one request."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Sequence


def test_one_that_asks_alone_is_not_delayed() -> None:
    sent: list[list[int]] = []

    def send(parts: Sequence[int]) -> list[int | Exception]:
        sent.append(list(parts))
        return [part * 2 for part in parts]

    assert Batcher(send, 10).ask(4) == 8
    assert sent == [[4]]


@pytest.mark.parametrize("most", [1, 3, 1000])
def test_everybody_gets_an_own_answer_and_requests_grow(most: int) -> None:
    sizes: list[int] = []
    under_way = threading.Semaphore(1)

    def send(parts: Sequence[int]) -> list[int | Exception]:
        assert under_way.acquire(blocking=False), "two requests at once"
        sizes.append(len(parts))
        time.sleep(0.002)
        under_way.release()
        return [part * 2 for part in parts]

    batcher = Batcher(send, most)
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(batcher.ask, range(100))) == [2 * n for n in range(100)]
    assert sum(sizes) == 100
    assert max(sizes) <= most
    assert most == 1 or len(sizes) < 100


def test_one_bad_part_spoils_no_other() -> None:
    gate = threading.Event()

    def send(parts: Sequence[int]) -> list[int | Exception]:
        gate.wait(2)
        if 3 in parts:
            raise cf.PlatformError("x", "put", "3 is bad")
        return [ValueError("four") if part == 4 else part for part in parts]

    batcher = Batcher(send, 10)

    def ask(part: int) -> object:
        try:
            return batcher.ask(part)
        except (cf.PlatformError, ValueError) as error:
            return str(error)

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(ask, part) for part in range(6)]
        time.sleep(0.05)
        gate.set()
        assert [future.result() for future in futures] == [0, 1, 2, "x: put: 3 is bad", "four", 5]


@pytest.mark.parametrize("error", [cf.TemporaryFailure("x", "y"), cf.RateLimited("x", "y"), RuntimeError("bug")])
def test_a_failure_of_the_request_reaches_everybody_once(error: Exception) -> None:
    calls: list[int] = []
    gate = threading.Event()

    def send(parts: Sequence[int]) -> list[int | Exception]:
        gate.wait(2)
        calls.append(len(parts))
        raise error

    batcher = Batcher(send, 10)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(batcher.ask, part) for part in range(4)]
        time.sleep(0.05)
        gate.set()
        assert [type(future.exception()) for future in futures] == [type(error)] * 4
    assert sum(calls) == 4
    with pytest.raises(type(error)):
        batcher.ask(9)


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), None], ids=["Ctrl-C", "too few answers"])
def test_nobody_is_left_waiting(ending: BaseException | None) -> None:
    gate = threading.Event()

    def send(parts: Sequence[int]) -> list[int | Exception]:
        gate.wait(2)
        if ending is not None:
            raise ending
        return []

    batcher = Batcher(send, 10)
    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(batcher.ask, part) for part in range(4)]
        time.sleep(0.05)
        gate.set()
        assert all(future.exception(timeout=5) is not None for future in futures)
