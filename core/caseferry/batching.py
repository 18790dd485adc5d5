"""Joining what many threads ask for at the same time into one request."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from caseferry.errors import (
    AuthenticationFailed,
    Cancelled,
    NotFound,
    PermissionDenied,
    PlatformError,
    RateLimited,
    TemporaryFailure,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")
R = TypeVar("R")


class _Entry(Generic[T, R]):
    """One part that somebody waits for."""

    __slots__ = ("answer", "part", "woken")

    def __init__(self, part: T) -> None:
        self.part = part
        self.answer: R | Exception | None = None
        self.woken = threading.Event()


class Batcher(Generic[T, R]):
    """Joins parts into requests.

    While a request is under way, whatever is asked meanwhile waits and goes out together with the next one. So
    nothing is delayed when only one thread asks, and requests grow by themselves when many do.

    Parameters
    ----------
    send : makes one request of several parts, and gives each part's answer: a value, or the error to raise
    most : parts in one request
    leave : waits until the next request may go; what is asked meanwhile goes with it
    linger : gives the seconds that a request waits for company when several were asked together just before
    """

    def __init__(
        self,
        send: Callable[[Sequence[T]], Sequence[R | Exception]],
        most: int,
        *,
        leave: Callable[[], None] = lambda: None,
        linger: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._send = send
        self._most = most
        self._leave = leave
        self._linger = linger
        self._company = False
        self._lock = threading.Lock()
        self._waiting: list[_Entry[T, R]] = []
        self._busy = False

    def ask(self, part: T) -> R:
        """Ask for one part and wait for its answer."""
        entry: _Entry[T, R] = _Entry(part)
        with self._lock:
            self._waiting.append(entry)
            follows = self._busy
            self._busy = True
        if follows:
            entry.woken.wait()
        if entry.answer is None:
            self._lead(entry)
        answer = entry.answer
        if isinstance(answer, Exception):
            raise answer
        assert answer is not None  # noqa: S101  an entry is only left with its answer
        return answer

    def _lead(self, own: _Entry[T, R]) -> None:
        """Send the parts that wait, then wake those who asked, and whoever goes on with the rest."""
        batch: list[_Entry[T, R]] = []
        answers: Sequence[R | Exception] = ()
        try:
            refused = self._gather()
            batch = self._taken()
            answers = [refused] * len(batch) if refused else self._answers([entry.part for entry in batch])
        finally:  # whatever ends this thread, Ctrl-C too, nobody is left waiting
            batch = batch or self._taken()
            answers = answers or [Cancelled("stopped on request")] * len(batch)
            for entry, answer in zip(batch, answers, strict=True):
                entry.answer = answer
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._busy = following is not None
            for entry in batch:
                if entry is not own:
                    entry.woken.set()
            if following is not None:
                following.woken.set()

    def _gather(self) -> Exception | None:
        """Wait for leave, and for others who are likely to ask; the error when there is no leave."""
        try:
            self._leave()
        except Exception as error:  # noqa: BLE001  whoever asked raises it
            return error
        with self._lock:
            lonely = not self._company and len(self._waiting) == 1
        if not lonely and (seconds := self._linger()) > 0:
            time.sleep(seconds)
        return None

    def _taken(self) -> list[_Entry[T, R]]:
        with self._lock:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            self._company = len(batch) > 1
        return batch

    def _answers(self, parts: Sequence[T]) -> Sequence[R | Exception]:
        try:
            answers = self._send(parts)
        except (RateLimited, TemporaryFailure) as error:
            return [error] * len(parts)
        except (AuthenticationFailed, PermissionDenied, NotFound) as error:
            return [error] * len(parts)
        except PlatformError as error:
            if len(parts) == 1:
                return [error]
            half = len(parts) // 2  # too much at once, or a bad part, which spoils no other
            first = self._after_leave(parts[:half])
            return [*first, *self._after_leave(parts[half:])]
        except Exception as error:  # noqa: BLE001  whoever asked raises it
            return [error] * len(parts)
        if len(answers) != len(parts):
            return [RuntimeError(f"{len(answers)} answers came to {len(parts)} parts")] * len(parts)
        return answers

    def _after_leave(self, parts: Sequence[T]) -> Sequence[R | Exception]:
        self._leave()
        return self._answers(parts)
