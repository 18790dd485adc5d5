"""Keeping the warnings of the libraries that read images from the user: they quote values of patients."""

from __future__ import annotations

import logging
import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

TALKATIVE = ("pydicom", "PIL.Image", "PIL.PngImagePlugin", "PIL.TiffImagePlugin")
"""Logs that quote what files say."""


class _Quiet:
    """Sets the filters of warnings aside, and keeps the logs of libraries from what this thread reads.

    The filters belong to the whole process, and many threads read headers at the same time: the first to come sets
    them aside, and the last to go brings them back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._aside: warnings.catch_warnings[None] | None = None
        self._here = threading.local()
        for name in TALKATIVE:
            logging.getLogger(name).addFilter(lambda _: not getattr(self._here, "depth", 0))

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Be quiet within the block, which must not yield to code of others."""
        self._enter()
        try:
            yield
        finally:
            self._leave()

    def _enter(self) -> None:
        with self._lock:
            if not self._inside:
                self._aside = warnings.catch_warnings()
                self._aside.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1
        self._here.depth = getattr(self._here, "depth", 0) + 1

    def _leave(self) -> None:
        self._here.depth -= 1
        with self._lock:
            self._inside -= 1
            if not self._inside and self._aside is not None:
                self._aside.__exit__(None, None, None)
                self._aside = None


quiet = _Quiet()


def quietly(items: Iterable[T]) -> Iterator[T]:
    """The same items, each made quietly."""
    iterator = iter(items)
    while True:
        with quiet():
            try:
                item = next(iterator)
            except StopIteration:
                return
        yield item
