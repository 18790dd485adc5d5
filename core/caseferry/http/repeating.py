"""Making attempts again: by what a call does, and by what the platform asks."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from caseferry.errors import Cancelled, RateLimited, TemporaryFailure
from caseferry.plan import Repeat

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


FIRST_CONTACT_ATTEMPTS = 2
"""How often a host is tried that has never answered: its address is more likely wrong than its line broken."""


class ExpiredURL(TemporaryFailure):
    """A signed URL is no longer accepted; asking for a new one helps."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How passing failures are met.

    Attributes
    ----------
    attempts : how often a call is made at most
    first, longest : seconds before the second attempt, and at most between two; the time doubles with each attempt
        and is spread at random, so that many workers do not return at once
    """

    attempts: int = 6
    first: float = 0.4
    longest: float = 30.0

    def delay(self, failures: int) -> float:
        """Seconds to wait after so many failures."""
        spread = 0.5 + random.random()  # noqa: S311  not a secret
        return float(min(self.longest, self.first * 2.0 ** min(failures - 1, 60)) * spread)


class Repeater:
    """Makes attempts again where that is right, and holds everybody back while a platform asks for a pause.

    Parameters
    ----------
    retry : how passing failures are met

    Attributes
    ----------
    cancelled : set by whoever wants everything to stop
    reached : whether the platform has ever answered
    """

    def __init__(self, retry: Retry) -> None:
        self.retry = retry
        self.cancelled = threading.Event()
        self.reached = False
        self._not_before = 0.0

    def run(self, attempt: Callable[[], T], repeat: Repeat) -> T:
        """Make attempts until one succeeds, or the last one may not be followed by another.

        Parameters
        ----------
        attempt : raises `RateLimited` or `TemporaryFailure` when it failed in passing
        repeat : whether it may be made again when nobody knows if it had an effect
        """
        failures = 0
        while True:
            try:
                return attempt()
            except ExpiredURL:
                raise
            except (RateLimited, TemporaryFailure) as error:
                failures += 1
                safe = repeat is Repeat.HARMLESS or isinstance(error, RateLimited) or error.applied is False
                if not safe or failures >= (self.retry.attempts if self.reached else FIRST_CONTACT_ATTEMPTS):
                    raise
                wait = error.retry_after if error.retry_after is not None else self.retry.delay(failures)
                if isinstance(error, RateLimited):
                    self._not_before = max(self._not_before, time.monotonic() + wait)
                self.pause(wait)

    def wait_for_leave(self) -> None:
        """Hold back while the platform has asked for a pause.

        Raises
        ------
        Cancelled
            The user has asked to stop.
        """
        wait = self._not_before - time.monotonic()
        if wait > 0:
            self.pause(wait)
        else:
            self.check()

    def check(self) -> None:
        """Go on unless the user has asked to stop.

        Raises
        ------
        Cancelled
            The user has.
        """
        if self.cancelled.is_set():
            raise Cancelled("stopped on request")

    def pause(self, seconds: float) -> None:
        """Wait some seconds.

        Raises
        ------
        Cancelled
            The user has asked to stop.
        """
        if self.cancelled.wait(seconds):
            raise Cancelled("stopped on request")
