"""Walking the items of a source and doing something with each, several at once and never far ahead."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from caseferry.connector import Item
    from caseferry.transfers.outcome import Result

QUEUED_FOR_EACH = 2
"""Items that wait for each worker, so that the source is not walked further ahead than need be."""


def march(
    items: Iterable[Item],
    work: Callable[[Item], Result | None],
    finished: Callable[[Result], None],
    *,
    workers: int,
    halted: Callable[[], bool] = lambda: False,
    abandon: Callable[[], None] = lambda: None,
) -> None:
    """Do `work` with every item.

    Parameters
    ----------
    work : never raises; None for an item of which there is nothing to say
    finished : is told each result, by one thread at a time, in the order in which they come
    halted : whether no further item shall be begun
    abandon : is called when the walk itself fails or the user interrupts it: asks what is under way to stop

    Raises
    ------
    BaseException
        Whatever the walk raised, once nothing is under way any more.
    """
    room = threading.Semaphore(workers * (1 + QUEUED_FOR_EACH))
    turn = threading.Lock()

    def ended(done: Future[Result | None]) -> None:
        room.release()
        result = None if done.cancelled() else done.result()
        if result is not None:
            with turn:
                finished(result)

    with ThreadPoolExecutor(workers, thread_name_prefix="caseferry-case") as pool:
        try:
            for item in items:
                room.acquire()
                if halted():
                    break
                pool.submit(work, item).add_done_callback(ended)
        except BaseException:
            abandon()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
