"""Sending a plan: in order, together where nothing waits for another, and patient without occupying anybody."""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.connector.execute import RENEWALS, Execution, Patience
from caseferry.errors import Cancelled
from caseferry.http import ExpiredURL
from caseferry.plan import Given, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

QUICK = Patience(first=0.005, longest=0.02, total=5.0)


@pytest.fixture(params=[None, 1, 4], ids=["alone", "one worker", "four workers"])
def workers(request: pytest.FixtureRequest) -> Iterator[ThreadPoolExecutor | None]:
    if request.param is None:
        yield None
        return
    with ThreadPoolExecutor(request.param) as pool:
        yield pool


def plan(*calls: cf.Call) -> cf.Plan:
    return cf.Plan(dataset="memory:x", case_id="c", calls=calls)


def call(name: str, **parts: Any) -> cf.Call:
    return cf.Call(name=name, method="POST", target=name, **parts)


def poll(name: str, times: int, **parts: Any) -> cf.Call:
    """A call that is done when it is made for the so manyth time."""
    left = iter(range(times - 1, -1, -1))
    return call(name, until=lambda _reply: next(left) == 0, **parts)


class Line:
    """Sends nothing, and remembers what it was asked to send."""

    def __init__(self, act: Callable[[cf.Call], None] = lambda _call: None) -> None:
        self.sent: list[str] = []
        self._act = act

    def __call__(self, one: cf.Call) -> Reply:
        self.sent.append(one.target)
        self._act(one)
        return Reply(200, {"id": f"id of {one.name}"}, sent=1)


def test_a_call_waits_for_what_it_takes_and_for_those_it_follows(workers: ThreadPoolExecutor | None) -> None:
    line = Line()
    calls = (
        call("first", gives=("first id",), read=lambda reply: {"first id": reply.body["id"]}),
        call("middle", body={"it": Given("first id")}),
        call("last", after=("middle",)),
    )
    running = Execution(plan(*calls), line, workers=workers)
    running.run()
    assert line.sent == ["first", "middle", "last"]
    assert running.bindings["first id"] == "id of first"
    assert running.bytes == 3


def test_a_call_is_repeated_until_it_is_done_and_then_those_that_wait_go_on(workers: ThreadPoolExecutor | None) -> None:
    line = Line()
    Execution(plan(poll("import", 4), call("item", after=("import",))), line, workers=workers, patience=QUICK).run()
    assert line.sent == ["import"] * 4 + ["item"]


def test_waiting_for_a_platform_occupies_no_worker() -> None:
    """Conversions take minutes; the files of other cases go on meanwhile."""
    done, asked = threading.Event(), threading.Event()

    def ask(_reply: Reply) -> bool:
        asked.set()
        return done.is_set()

    with ThreadPoolExecutor(1) as shared, ThreadPoolExecutor(3) as cases:
        converting = [
            cases.submit(
                Execution(plan(call("a", until=ask), call("b", until=ask)), Line(), workers=shared, patience=QUICK).run
            )
            for _ in range(3)
        ]
        assert asked.wait(5)
        line = Line()
        Execution(plan(*(call(f"upload {n}") for n in range(20))), line, workers=shared).run()
        assert len(line.sent) == 20
        assert not any(each.done() for each in converting)
        done.set()
        for each in converting:
            each.result(5)


def test_patience_ends(workers: ThreadPoolExecutor | None) -> None:
    patience = Patience(first=0.001, longest=0.002, total=0.02)
    endless = call("import", until=lambda _reply: False, purpose="wait for the import")
    with pytest.raises(cf.TemporaryFailure, match="wait for the import: not done after 0 s"):
        Execution(plan(endless, call("other")), Line(), workers=workers, patience=patience).run()


def test_pauses_grow_to_the_longest() -> None:
    times: list[float] = []
    line = Line(lambda _call: times.append(time.monotonic()))
    patience = Patience(first=0.01, longest=0.03, share=0.5)
    Execution(plan(poll("import", 7)), line, patience=patience).run()
    for before, after in itertools.pairwise(times):
        assert after - before >= 0.9 * min(0.03, max(0.01, 0.5 * (before - times[0])))


def test_a_call_is_not_made_before_what_it_watches_is_done() -> None:
    looks: list[str] = []
    line = Line(lambda call: looks.append(call.name))
    watched = call("session", until=lambda _reply: looks.count("session") > 2)
    Execution(plan(call("item", until=lambda _reply: True, watch=(watched,))), line, patience=QUICK).run()
    assert looks == ["session", "session", "session", "item"]


@pytest.mark.parametrize("what", ["polling", "sending"])
def test_a_request_to_stop_is_heard_soon(what: str, workers: ThreadPoolExecutor | None) -> None:
    stop = threading.Event()
    first = call("first", until=lambda _reply: what == "sending")
    line = Line(lambda _call: stop.set())
    started = time.monotonic()
    with pytest.raises(Cancelled):
        Execution(
            plan(first, call("second", after=("first",))),
            line,
            workers=workers,
            patience=Patience(first=30.0),
            cancelled=stop.is_set,
        ).run()
    assert line.sent == ["first"]
    assert time.monotonic() - started < 2


def test_a_failure_lets_what_is_under_way_end_and_begins_nothing_more(workers: ThreadPoolExecutor | None) -> None:
    def act(one: cf.Call) -> None:
        if one.name == "bad":
            raise cf.PermissionDenied("memory", "POST bad")
        time.sleep(0.05)
        ended.append(one.name)

    ended: list[str] = []
    line = Line(act)
    calls = [call("bad"), *(call(f"good {n}") for n in range(3)), call("following", after=("good 0",))]
    with pytest.raises(cf.PermissionDenied):
        Execution(plan(*calls, call("poll", until=lambda _reply: False)), line, workers=workers).run()
    assert "following" not in line.sent
    assert set(ended) == {name for name in line.sent if name.startswith(("good", "poll"))}


def test_a_watched_call_may_end_the_wait(workers: ThreadPoolExecutor | None) -> None:
    def failed(_reply: Reply) -> bool:
        raise cf.ProcessingFailed("memory", "import", "two series in one")

    watching = call("item", until=lambda _reply: False, watch=(call("session", until=failed),))
    with pytest.raises(cf.ProcessingFailed, match="two series"):
        Execution(plan(watching), Line(), workers=workers, patience=QUICK).run()


@pytest.mark.parametrize("expired", [1, RENEWALS, RENEWALS + 1])
def test_an_expired_url_is_asked_for_anew(expired: int, workers: ThreadPoolExecutor | None) -> None:
    left = iter(range(expired, -1, -1))

    def act(one: cf.Call) -> None:
        if one.name == "put" and next(left):
            raise ExpiredURL("memory", "PUT")

    line = Line(act)
    calls = (
        call("sign", gives=("url",), read=lambda reply: {"url": reply.body["id"]}),
        call("put", body={"to": Given("url")}),
    )
    running = Execution(plan(*calls), line, workers=workers)
    if expired > RENEWALS:
        with pytest.raises(ExpiredURL):
            running.run()
    else:
        running.run()
        assert line.sent == ["sign", "put"] * (expired + 1)
