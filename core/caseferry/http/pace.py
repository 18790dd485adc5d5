"""Keeping to a number of requests a minute, so that a platform need not say that it is too much."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0
AT_ONCE = 0.8
"""The share of a minute's requests that may follow each other at once."""


class Pace:
    """At most so many requests in any minute.

    Most of them may follow each other at once. The rest is spread over the time until the first may be repeated, so
    that a long job never stands still for long, and whoever joins requests finds more to join.

    Parameters
    ----------
    per_minute : 0 for no limit
    pause : waits for some seconds, and may raise to stop waiting
    """

    def __init__(
        self,
        per_minute: int,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute = per_minute
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: list[float] = []

    def wait(self) -> None:
        """Wait until the next request may go."""
        while self._per_minute and (seconds := self._wanted()) > 0:
            self._pause(seconds)

    @property
    def used(self) -> float:
        """The share of a minute's requests that were made within the last minute; 0 where there is no limit."""
        with self._lock:
            now = self._clock()
            return sum(end > now for end in self._ends) / self._per_minute if self._per_minute else 0.0

    def _wanted(self) -> float:
        """Seconds until there is room; 0 when there is, which is taken by that."""
        with self._lock:
            now = self._clock()
            self._ends = [end for end in self._ends if end > now]
            room = self._per_minute - len(self._ends)
            due = now
            if self._ends and len(self._ends) >= AT_ONCE * self._per_minute:
                last = self._ends[-1] - MINUTE
                due = last + (self._ends[0] - last) / (room + 1)
            if due <= now:
                self._ends.append(now + MINUTE)
                return 0.0
            return due - now
