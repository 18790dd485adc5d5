"""Sending a plan: every call as soon as what it takes is there, several at once where none waits for another."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.errors import TemporaryFailure
from caseferry.http import Cancelled, ExpiredURL

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.plan import Call, Plan, Reply

RENEWALS = 3
"""How often a signed URL that has expired is asked for anew, for one call."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a platform's asynchronous work.

    Attributes
    ----------
    first, longest : seconds between two looks, at first and at most
    total : seconds after which it is given up
    """

    first: float = 0.05
    longest: float = 10.0
    total: float = 3600.0


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

    def run(self) -> None:
        """Send everything.

        Raises
        ------
        PlatformError
            A call failed. Calls under way are waited for; no further one is begun.
        """
        missing: dict[str, int] = {}
        waiting: defaultdict[str, list[Call]] = defaultdict(list)
        ready: deque[Call] = deque()
        for call in self._calls.values():
            needs = {f"call {name}" for name in call.after} | {f"call {self._givers[n].name}" for n in self._open(call)}
            missing[call.name] = len(needs)
            for need in needs:
                waiting[need].append(call)
            if not needs:
                ready.append(call)
        running: dict[Future[None], Call] = {}
        failure: BaseException | None = None
        while ready or running:
            while ready and failure is None:
                if self._workers is None or (len(ready) == 1 and not running):
                    call = ready.popleft()
                    self._make(call)
                    self._release(call, missing, waiting, ready)
                else:
                    call = ready.popleft()
                    running[self._workers.submit(self._make, call)] = call
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                call = running.pop(future)
                error = future.exception()
                failure = failure or error
                if error is None:
                    self._release(call, missing, waiting, ready)
        if failure is not None:
            raise failure

    def _open(self, call: Call) -> list[str]:
        """What a call takes that another call of the plan must give."""
        return [name for name in call.takes if name not in self.bindings]

    @staticmethod
    def _release(call: Call, missing: dict[str, int], waiting: dict[str, list[Call]], ready: deque[Call]) -> None:
        for following in waiting.get(f"call {call.name}", ()):
            missing[following.name] -= 1
            if not missing[following.name]:
                ready.append(following)

    def _make(self, call: Call) -> None:
        """One call, with signed URLs renewed and repetition until it is done."""
        for renewal in range(RENEWALS + 1):
            if self._cancelled():
                raise Cancelled("stopped on request")
            try:
                self._once_or_until_done(call)
            except ExpiredURL:
                givers = {self._givers[name].name: self._givers[name] for name in call.takes if name in self._givers}
                if renewal == RENEWALS or not givers:
                    raise
                for giver in givers.values():
                    self._once_or_until_done(giver)
            else:
                return

    def _once_or_until_done(self, call: Call) -> None:
        started, pause = time.monotonic(), self._patience.first
        while True:
            for watched in call.watch:
                seen = self._send(watched.filled(self.bindings))
                if watched.until is not None:
                    watched.until(seen)
            reply = self._send(call.filled(self.bindings))
            if call.until is None or call.until(reply):
                break
            if time.monotonic() - started > self._patience.total:
                raise TemporaryFailure("caseferry", call.purpose, f"not done after {self._patience.total:.0f} s")
            self._pause(pause)
            pause = min(self._patience.longest, pause * 1.6)
        with self._lock:
            self.bytes += reply.sent
        if call.read is not None:
            self.bindings.update(call.read(reply))

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._cancelled():
                raise Cancelled("stopped on request")
            time.sleep(min(left, 0.2))
