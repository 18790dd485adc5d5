"""Files that have to be fetched, several at once: a series of hundreds is not waited for file by file."""

from __future__ import annotations

import io
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from caseferry.files.product import ProductOpener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from caseferry.files.ref import FileRef

T = TypeVar("T")

AT_ONCE = 8
"""Files of one image that are fetched at once."""

AHEAD = 4
"""Files that are fetched, and kept in memory, before it is their turn."""


def is_far(ref: FileRef) -> bool:
    """Whether a file has to be fetched: it is not on this machine, nor within its own address."""
    return ref.path is None and ref.scheme != "data" and not isinstance(ref.opener, ProductOpener)


def each(work: Callable[[FileRef], T], refs: Sequence[FileRef]) -> list[T]:
    """What `work` makes of each file, in order; what is far away is worked on side by side.

    Raises
    ------
    Exception
        What it raised for the first file that it failed for.
    """
    if len(refs) < 2 or not any(map(is_far, refs)):
        return [work(ref) for ref in refs]
    with _pool(AT_ONCE) as pool:
        return list(pool.map(work, refs))


def fetched_ahead(refs: Sequence[FileRef]) -> Iterator[FileRef]:
    """The same files in order, those that are far away with their bytes at hand; a few are fetched ahead."""
    if not any(map(is_far, refs)):
        yield from refs
        return
    coming: deque[Future[FileRef]] = deque()
    with _pool(AHEAD) as pool:
        for ref in refs:
            coming.append(pool.submit(_at_hand, ref))
            if len(coming) > AHEAD:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


@contextmanager
def _pool(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that begin nothing more once somebody has lost interest."""
    pool = ThreadPoolExecutor(count, thread_name_prefix="caseferry-fetch")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _at_hand(ref: FileRef) -> FileRef:
    if not is_far(ref):
        return ref
    content = ref.read()
    return replace(ref, opener=lambda: io.BytesIO(content))
