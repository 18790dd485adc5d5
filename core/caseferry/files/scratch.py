"""Where temporary files lie: a folder for each process, removed when it ends, or by the next one if it was killed.

What is made for a transfer can be large and shows patients, so nothing of it may stay behind.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import IO

LOCKS = os.name != "nt"
"""Whether the system has locks that end with their process. Without, what a killed process left stays there."""

PREFIX = "caseferry-scratch-"
IN_USE = "in-use"
"""The file that a process holds locked as long as it lives."""

_lock = threading.Lock()
_folders: dict[int, tuple[Path, IO[str] | None]] = {}
"""By process, so that a copy of this one makes its own."""


def folder() -> Path:
    """The folder of this process, made when it is first asked for."""
    with _lock:
        known = _folders.get(os.getpid())
        if known is None or not known[0].is_dir():
            _sweep(Path(tempfile.gettempdir()))
            known = _folders[os.getpid()] = _made()
            atexit.register(_remove, known[0], os.getpid())
        return known[0]


def _made() -> tuple[Path, IO[str] | None]:
    while True:
        made = Path(tempfile.mkdtemp(prefix=PREFIX))
        held = _hold(made)
        if held is not None or not LOCKS:
            return made, held


def _sweep(place: Path) -> None:
    """Remove the folders that nobody holds any more."""
    for left in place.glob(f"{PREFIX}*") if LOCKS else ():
        if (left / IN_USE).is_file() and (held := _hold(left)) is not None:
            with held:
                shutil.rmtree(left, ignore_errors=True)


def _hold(made: Path) -> IO[str] | None:
    """Hold a folder for as long as the file that is given back is open; None when another process does."""
    if not LOCKS:
        return None
    import fcntl

    try:
        held = (made / IN_USE).open("a", encoding="utf-8")
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (made / IN_USE).stat()  # another process may have removed the folder before it was held
    except OSError:
        held.close()
        return None
    return held


def _remove(made: Path, process: int) -> None:
    """Remove the folder at the end of the process that made it, and of no copy of that."""
    if os.getpid() == process:
        shutil.rmtree(made, ignore_errors=True)
        held = _folders.pop(process, (made, None))[1]
        if held is not None:
            held.close()
