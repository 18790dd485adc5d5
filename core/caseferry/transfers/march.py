"""Walking the items of a source and doing something with each, several at once and never far ahead."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from caseferry.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from caseferry.connector import Dataset, Item
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
    work : None for an item of which there is nothing to say
    finished : is told each result, by the calling thread, in the order in which they come
    halted : whether no further item shall be begun
    abandon : is called when the walk fails or the user interrupts it, also while the last items are waited for: asks
        what is under way to stop

    Raises
    ------
    BaseException
        Whatever the walk, `work` or `finished` raised, once nothing is under way any more.
    """
    under_way: set[Future[Result | None]] = set()

    def settle(most: int) -> None:
        """Wait until at most so many are under way."""
        while len(under_way) > most:
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                under_way.remove(future)
                if (result := future.result()) is not None:
                    finished(result)

    with ThreadPoolExecutor(workers, thread_name_prefix="caseferry-case") as pool:
        try:
            for item in items:
                settle(workers * (1 + QUEUED_FOR_EACH) - 1)
                if halted():
                    break
                under_way.add(pool.submit(work, item))
            settle(0)
        except BaseException:
            abandon()
            under_way = {future for future in under_way if not future.cancel()}
            with suppress(Exception):  # what came first is raised
                settle(0)
            wait(under_way)
            raise


def check_workers(workers: int) -> None:
    """Make sure that a number of workers can be used.

    Raises
    ------
    ConfigurationError
        It cannot.
    """
    if workers < 1:
        msg = f"workers is {workers}, expected at least 1"
        raise ConfigurationError(msg)


@contextmanager
def resumed(*datasets: Dataset) -> Iterator[None]:
    """Datasets that may have been stopped, begun anew; and again at the end, so that they can go on to be used."""
    for dataset in datasets:
        dataset.resume()
    try:
        yield
    finally:
        for dataset in datasets:
            dataset.resume()
