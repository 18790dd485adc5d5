"""Looking at the calls that a dataset sends, and ending it at one of them."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.connector import Dataset
    from caseferry.plan import Call, Reply


class Killed(BaseException):
    """Stands for the end of the process at some call."""


@contextmanager
def recorded(dataset: Dataset) -> Iterator[list[Call]]:
    """The calls that a dataset sends, in a list that grows."""
    calls: list[Call] = []
    send = dataset._send  # noqa: SLF001  the one place through which everything goes

    def recording(call: Call) -> Reply:
        calls.append(call)
        return send(call)

    dataset._send = recording  # type: ignore[method-assign]  # noqa: SLF001
    try:
        yield calls
    finally:
        del dataset._send  # noqa: SLF001  the method is there again


def kill(dataset: Dataset, last: int, moment: str) -> None:
    """Have a dataset end at one of its calls, as a process does that is killed."""
    send = dataset._send  # noqa: SLF001  the one place through which everything goes
    left = count()

    def dying(call: Call) -> Reply:
        number = next(left)
        if number > last or (number == last and moment == "before"):
            raise Killed
        reply = send(call)
        if number == last:
            raise Killed
        return reply

    dataset._send = dying  # type: ignore[method-assign]  # noqa: SLF001
