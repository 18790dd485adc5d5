"""What a job took, printed as one line of JSON: seconds, processor time and memory beyond what it began with."""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path


def _status(key: str) -> float | None:
    """Megabytes of an entry of ``/proc/self/status``; None where there is none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{key}:")), None)


def _peak() -> float:
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def load_all() -> None:
    """Import what caseferry imports when it is first needed: the clock starts after that, as it does for the peers."""
    for name in (
        "caseferry.transfers.run",
        "caseferry.imaging.dicom",
        "caseferry.imaging.convert",
        "caseferry_local.dataset",
        "caseferry_grand_challenge.dataset",
        "caseferry_datamint.dataset",
        "caseferry_darwin.dataset",
        "gcapi",
        "nibabel",
        "PIL.Image",
    ):
        importlib.import_module(name)


class Stopwatch:
    """Measures from its making, which comes after the imports, to `stop`."""

    def __init__(self) -> None:
        self._memory = _status("VmRSS") or _peak()
        self._started, self._cpu = time.perf_counter(), os.times()

    def stop(self, **more: object) -> None:
        """Print what was measured, and more."""
        seconds, now = time.perf_counter() - self._started, os.times()
        cpu = now.user + now.system - self._cpu.user - self._cpu.system
        print(json.dumps({"seconds": seconds, "cpu": cpu, "memory": _peak() - self._memory, **more}))
