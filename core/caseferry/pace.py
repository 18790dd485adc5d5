"""Keeping to a number of requests a minute, so that a platform need not say that it is too much."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60.0


class Pace:
    """At most so many requests in any minute; that many may follow each other at once.

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
        self._starts: list[float] = []

    def wait(self) -> None:
        """Wait until the next request may go."""
        while self._per_minute and (seconds := self._wanted()) > 0:
            self._pause(seconds)

    def _wanted(self) -> float:
        """Seconds until there is room; 0 when there is, which is taken by that."""
        with self._lock:
            now = self._clock()
            self._starts = [start for start in self._starts if now - start < MINUTE]
            if len(self._starts) < self._per_minute:
                self._starts.append(now)
                return 0.0
            return self._starts[0] + MINUTE - now
