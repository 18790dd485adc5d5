"""Sending a plan: every call as soon as what it takes is there, several at once where none waits for another."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict, deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.errors import Cancelled, TemporaryFailure
from caseferry.http import ExpiredURL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caseferry.plan import Call, Plan, Reply

RENEWALS = 3
"""How often a signed URL that has expired is asked for anew, for one call."""

NOTICES = 0.2
"""Seconds after which a wish to stop is noticed at the latest while nothing is under way."""


class NotDone(TemporaryFailure):
    """A platform's work took longer than the dataset's patience. Beginning again would not make it faster."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a platform's asynchronous work.

    Attributes
    ----------
    first, longest : seconds between two looks, at least and at most
    total : seconds after which it is given up
    share : of the time that was waited so far, which passes until the next look: what is done is seen at most so much
        of its own time later
    """

    first: float = 0.05
    longest: float = 10.0
    total: float = 3600.0
    share: float = 0.25

    def pause(self, waited: float) -> float:
        """Seconds until the next look, after so many."""
        return min(self.longest, max(self.first, waited * self.share))


class Execution:
    """The sending of one plan.

    Parameters
    ----------
    send : makes one call whose places are filled
    workers : where calls run that need not wait for each other; None sends one at a time
    patience : for calls that are repeated until something is done
    cancelled : whether the user has asked to stop

    Attributes
    ----------
    bindings : everything that calls have given so far, by name
    bytes : of files that were sent
    """

    def __init__(
        self,
        plan: Plan,
        send: Callable[[Call], Reply],
        *,
        workers: Executor | None = None,
        patience: Patience = Patience(),
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.bindings: dict[str, Any] = dict(plan.bindings)
        self.bytes = 0
        self._lock = threading.Lock()
        self._calls = {call.name: call for call in plan.calls}
        self._givers = {name: call for call in plan.calls for name in call.gives}
        self._send = send
        self._workers = workers
        self._patience = patience
        self._cancelled = cancelled
        self._over = False

    def run(self) -> None:
        """Send everything.

        A call that is repeated until something is done takes a worker for each look only, not while it waits between
        two: a platform may convert for minutes, and others want to send meanwhile.

        Raises
        ------
        PlatformError
            A call failed. Calls under way are waited for; no further one is begun.
        Cancelled
            The user asked to stop.
        """
        missing, waiting, ready = self._order()
        running: dict[Future[bool], _Step] = {}
        resting: list[_Step] = []
        failure: BaseException | None = None

        def ended(step: _Step, done: bool) -> None:
            if not done:
                step.rest(self._patience)
                resting.append(step)
                return
            for following in waiting[step.call.name]:
                missing[following.name] -= 1
                if not missing[following.name]:
                    ready.append(_Step(following))

        try:
            while running or (failure is None and (ready or resting)):
                now = time.monotonic()
                ready.extend(step for step in resting if step.due <= now)
                resting = [step for step in resting if step.due > now]
                while ready and failure is None:
                    step = ready.popleft()
                    if self._workers is None or not (ready or running or resting):
                        ended(step, self._make(step.call))
                    else:
                        running[self._workers.submit(self._make, step.call)] = step
                for future in self._finished(running, resting):
                    step, error = running.pop(future), future.exception()
                    failure = failure or error
                    if error is None:
                        ended(step, future.result())
        finally:
            self._over = True  # for calls that still wait for a worker when an interruption comes
        if failure is not None:
            raise failure

    def _order(self) -> tuple[dict[str, int], defaultdict[str, list[Call]], deque[_Step]]:
        """How many calls each one waits for, which ones wait for each, and those that wait for none."""
        missing: dict[str, int] = {}
        waiting: defaultdict[str, list[Call]] = defaultdict(list)
        ready: deque[_Step] = deque()
        for call in self._calls.values():
            needs = {*call.after} | {self._givers[name].name for name in call.takes if name not in self.bindings}
            missing[call.name] = len(needs)
            for need in needs:
                waiting[need].append(call)
            if not needs:
                ready.append(_Step(call))
        return missing, waiting, ready

    def _finished(self, running: Mapping[Future[bool], _Step], resting: Sequence[_Step]) -> set[Future[bool]]:
        """Wait until a call under way has ended or one that rests is due; those that have ended.

        Raises
        ------
        Cancelled
            The user asked to stop, and nothing is under way.
        """
        pause = min((step.due for step in resting), default=math.inf) - time.monotonic()
        if running:
            return wait(running, None if pause == math.inf else max(0.0, pause), FIRST_COMPLETED).done
        if self._cancelled():
            raise Cancelled("stopped on request")
        if 0 < pause < math.inf:
            time.sleep(min(pause, NOTICES))
        return set()

    def _make(self, call: Call) -> bool:
        """Send a call, with signed URLs renewed; whether it is done, or must be repeated."""
        for renewal in range(RENEWALS + 1):
            if self._over or self._cancelled():
                raise Cancelled("stopped on request")
            try:
                return self._once(call)
            except ExpiredURL:
                givers = {self._givers[name].name: self._givers[name] for name in call.takes if name in self._givers}
                if renewal == RENEWALS or not givers:
                    raise
                for giver in givers.values():
                    self._once(giver)
        raise AssertionError  # the last turn of the loop returns or raises

    def _once(self, call: Call) -> bool:
        for watched in call.watch:
            seen = self._send(watched.filled(self.bindings))
            if watched.until is not None and not watched.until(seen):
                return False
        reply = self._send(call.filled(self.bindings))
        with self._lock:
            self.bytes += reply.sent
        if call.until is not None and not call.until(reply):
            return False
        if call.read is not None:
            self.bindings.update(call.read(reply))
        return True


class _Step:
    """A call on its way.

    Attributes
    ----------
    due : when it is repeated, by the monotonic clock
    """

    __slots__ = ("_began", "call", "due")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.due = 0.0
        self._began = time.monotonic()

    def rest(self, patience: Patience) -> None:
        """Wait for the next look, longer each time.

        Raises
        ------
        NotDone
            It has been waited for long enough.
        """
        now = time.monotonic()
        waited = now - self._began
        if waited > patience.total:
            raise NotDone("caseferry", self.call.purpose, f"not done after {patience.total:.0f} s")
        self.due = now + patience.pause(waited)
