"""Walking a source: everything once, never far ahead, and stopped and begun anew without anybody left behind."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.transfers.march import QUEUED_FOR_EACH, march
from caseferry.transfers.outcome import Outcome, Result
from transfer_scene import Memory, spoken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 10.0


def items(count: int) -> list[cf.Item]:
    dataset = Memory(held={f"c-{n}": spoken(f"c-{n}") for n in range(count)})
    return list(dataset.items())


def done(item: cf.Item) -> Result:
    return Result(item.case_id, Outcome.SENT)


def interrupt_once(ready: threading.Event) -> threading.Thread:
    """Press Ctrl-C in the main thread when something has happened."""

    def press() -> None:
        assert ready.wait(PATIENCE)
        time.sleep(0.05)  # until the walk is over and the main thread waits
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


@pytest.mark.parametrize("workers", [1, 3, 50])
def test_every_item_is_worked_on_once(workers: int) -> None:
    seen: list[str] = []
    march(items(40), done, lambda result: seen.append(result.case_id), workers=workers)
    assert sorted(seen) == sorted(f"c-{n}" for n in range(40))


def test_results_are_told_by_the_calling_thread() -> None:
    tellers = set()
    march(items(20), done, lambda _: tellers.add(threading.current_thread()), workers=4)
    assert tellers == {threading.current_thread()}


def test_the_source_is_not_walked_far_ahead() -> None:
    begun, ended, most = 0, 0, 0

    def walk() -> Iterator[cf.Item]:
        nonlocal begun, most
        for item in items(60):
            begun += 1
            most = max(most, begun - ended)
            yield item

    def slow(item: cf.Item) -> Result:
        nonlocal ended
        time.sleep(0.002)
        ended += 1
        return done(item)

    march(walk(), slow, lambda _: None, workers=2)
    assert most <= 2 * (1 + QUEUED_FOR_EACH) + 1


def test_nothing_is_begun_after_it_is_halted() -> None:
    seen: list[str] = []
    march(items(100), done, lambda r: seen.append(r.case_id), workers=2, halted=lambda: len(seen) >= 5)
    assert 5 <= len(seen) <= 5 + 2 * (1 + QUEUED_FOR_EACH)


@pytest.mark.parametrize("where", ["walk", "work", "finished"])
def test_what_goes_wrong_is_raised_once_nothing_is_under_way(where: str) -> None:
    stop, under_way = threading.Event(), []

    def walk() -> Iterator[cf.Item]:
        yield from items(4)
        if where == "walk":
            raise BrokenPipeError

    def work(item: cf.Item) -> Result:
        if item.id == "c-0":
            if where == "work":
                raise BrokenPipeError
            return done(item)
        under_way.append(item.id)
        assert stop.wait(PATIENCE)
        under_way.remove(item.id)
        return done(item)

    def finished(_: Result) -> None:
        if where == "finished":
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        march(walk(), work, finished, workers=4, abandon=stop.set)
    assert not under_way
    assert stop.is_set()


@pytest.mark.parametrize("count", [1, 3, 30])
def test_an_interruption_abandons_what_is_under_way_also_after_the_last_item(count: int) -> None:
    ready, stop, ended = threading.Event(), threading.Event(), []

    def work(item: cf.Item) -> Result | None:
        ready.set()
        assert stop.wait(PATIENCE), "nobody asked to stop"
        time.sleep(0.05)
        ended.append(item.id)
        return None

    pressing = interrupt_once(ready)
    with pytest.raises(KeyboardInterrupt):
        march(items(count), work, lambda _: None, workers=3, abandon=stop.set)
    assert len(ended) == min(count, 3), "what is under way is waited for, and no more is begun"
    pressing.join()


@pytest.mark.parametrize("verb", [cf.transfer, cf.verify])
def test_the_same_datasets_can_be_used_again_after_an_interruption(verb: Callable[..., Any]) -> None:
    """As in a notebook: Ctrl-C, a look around, and the same line again."""
    cases = {f"c-{n}": spoken(f"c-{n}") for n in range(5)}
    source, target = Memory("memory:a", cases), Memory("memory:b", cases if verb is cf.verify else None)
    ready = threading.Event()

    def held_up(_: str) -> None:
        ready.set()
        assert source.cancelled.wait(PATIENCE), "nobody asked the source to stop"
        raise cf.TemporaryFailure("memory", "read", "cut")

    source.before_read = held_up
    pressing = interrupt_once(ready)
    with pytest.raises(KeyboardInterrupt):
        verb(source, target)
    pressing.join()
    assert not source.cancelled.is_set()
    assert not target.cancelled.is_set()
    source.before_read = lambda _: None
    report = verb(source, target)
    assert report.ok
    assert report.total == 5


@pytest.mark.parametrize("verb", [cf.transfer, cf.verify])
def test_datasets_that_were_stopped_before_begin_anew(verb: Callable[..., Any]) -> None:
    cases = {"c": spoken("c")}
    source, target = Memory("memory:a", cases), Memory("memory:b", cases)
    source.cancel()
    target.cancel()
    assert verb(source, target).ok


def test_a_transfer_that_is_cancelled_by_another_thread_does_not_say_that_all_is_well() -> None:
    cases = {f"c-{n}": spoken(f"c-{n}") for n in range(20)}
    source, target = Memory("memory:a", cases), Memory("memory:b")
    target.before_send = lambda name: target.cancel() if name == "c-7" else None
    with pytest.raises(cf.TransferIncomplete, match="stopped on request") as caught:
        cf.transfer(source, target, workers=1, unmapped="accept")
    assert not caught.value.report.ok
    assert cf.transfer(source, target, unmapped="accept").ok
    assert target.held.keys() == cases.keys()


def test_a_listing_that_breaks_off_says_how_far_it_came() -> None:
    class Broken(Memory):
        def items(self, **filters: Any) -> Iterator[cf.Item]:
            yield from list(super().items())[:3]
            while len(target.held) < 2:
                time.sleep(0.001)
            raise cf.TemporaryFailure("memory", "list", "cut")

    source, target = Broken("memory:a", {f"c-{n}": spoken(f"c-{n}") for n in range(9)}), Memory("memory:b")
    with pytest.raises(cf.TransferIncomplete, match="stopped: memory: list: cut") as caught:
        cf.transfer(source, target, unmapped="accept")
    assert caught.value.report.arrived == len(target.held) >= 2


@pytest.mark.parametrize("verb", [cf.transfer, cf.verify])
def test_no_worker_is_no_use(verb: Callable[..., Any]) -> None:
    with pytest.raises(cf.ConfigurationError, match="workers is 0"):
        verb(Memory(), Memory("memory:b"), workers=0)
