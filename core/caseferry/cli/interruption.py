"""Ctrl-C and SIGTERM: a command ends where it can be gone on with, and soon."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import Any, NoReturn

from caseferry.cli.telling import INTERRUPTED


class Interruptible:
    """Makes SIGTERM end a command as Ctrl-C does, a second signal end it at once, and a stuck line hold up neither.

    Parameters
    ----------
    grace : seconds that the command has to come to its end after a signal; None for as long as it takes
    words : said when it had to be ended before it came to its end
    whole_process : whether the process ends when the command does
    """

    def __init__(self, grace: float | None, words: str, *, whole_process: bool) -> None:
        self._grace = grace
        self._words = words
        self._whole_process = whole_process
        self._before: dict[int, Any] = {}
        self._timer: threading.Timer | None = None

    def __enter__(self) -> None:
        with suppress(ValueError):  # not in the main thread: whoever runs us there has handlers of its own
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._first)

    def _first(self, number: int, frame: object) -> NoReturn:
        for each in self._before:
            signal.signal(each, self._second)
        if self._grace is not None:
            self._timer = threading.Timer(self._grace, self._leave)
            self._timer.daemon = True
            self._timer.start()
        raise KeyboardInterrupt

    def _second(self, number: int, frame: object) -> NoReturn:
        self._leave()

    def _leave(self) -> NoReturn:
        """End the process at once, whatever is under way."""
        shown = "\x1b[?25h\n" if os.isatty(2) else ""  # a bar has hidden the cursor
        os.write(2, f"{shown}caseferry: {self._words}\n".encode())
        os._exit(INTERRUPTED)

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._timer is not None and not self._whole_process:
            self._timer.cancel()
