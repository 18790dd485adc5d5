"""Faults on demand: what a network, a proxy or a platform does on a bad day.

A fault is written ``[PLATFORM:]METHOD PATH KIND[=ARGUMENT] [xTIMES] [pPROBABILITY] [afterSKIPPED]``, several
joined with ``;``. METHOD and PATH take ``*``:

``POST */items/ 429=2 x3``          three answers of 429 with ``Retry-After: 2``
``datamint:POST /resources reset-after x1``   the resource is stored, the answer never arrives
``PUT * 503 p0.1``                  one PUT in ten fails

Kinds
-----
``STATUS``          any status from 400: answered instead of handling the request; 429 and 503 send
                    ``Retry-After`` when an argument is given (seconds, or ``date`` for an HTTP date)
``STATUS-after``    the request is handled, then this status is answered all the same
``reset-before``    the connection is cut before the request is handled
``reset-after``     the request is handled, then the connection is cut
``truncate``        the answer's body stops half way and the connection is cut
``trickle``         the answer's body comes at ARGUMENT bytes a second (default 1024)
``corrupt``         one byte in the middle of the answer's body is changed
``stall``           the answer is held back for ARGUMENT seconds (default 30)
``html``            status 200 with an HTML page instead of the answer
``expired``         a signed URL counts as expired (object stores only)
``no-etag``         the answer has no ETag (object stores only)
``fail-later``      the request is accepted, and what it started fails afterwards; each stand-in says how
"""

from __future__ import annotations

import random
import re
import threading
from dataclasses import dataclass
from fnmatch import fnmatchcase

KINDS = (
    "reset-before",
    "reset-after",
    "truncate",
    "trickle",
    "corrupt",
    "stall",
    "html",
    "expired",
    "no-etag",
    "fail-later",
)


@dataclass(slots=True)
class Fault:
    """One fault and when it strikes.

    Parameters
    ----------
    kind : see the module's list
    method, path : which requests; ``*`` matches any run of characters
    platform : None strikes every platform
    argument : what the kind needs: seconds, bytes a second
    times : how often it may strike; None for always
    probability : the chance that a matching request is struck
    skip : how many matching requests pass first
    """

    kind: str
    method: str = "*"
    path: str = "*"
    platform: str | None = None
    argument: str | None = None
    times: int | None = None
    probability: float = 1.0
    skip: int = 0

    def __post_init__(self) -> None:
        status = re.fullmatch(r"([45]\d\d)(-after)?", self.kind)
        if status is None and self.kind not in KINDS:
            msg = f"unknown kind of fault {self.kind!r}: expected a status as 503 or 502-after, or one of {KINDS}"
            raise ValueError(msg)

    @property
    def status(self) -> int | None:
        """The status that the fault answers, or None when it does something else."""
        return int(self.kind[:3]) if self.kind[:3].isdigit() else None

    @property
    def after(self) -> bool:
        """Whether the request is handled before the fault strikes."""
        return self.kind.endswith("-after") or self.kind in {"truncate", "trickle", "corrupt", "no-etag"}

    def matches(self, platform: str, method: str, path: str) -> bool:
        """Whether the fault is meant for such a request."""
        return self.platform in {None, platform} and fnmatchcase(method, self.method) and fnmatchcase(path, self.path)

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read one fault from its written form.

        Raises
        ------
        ValueError
            The text is not a fault.
        """
        words = text.split()
        if len(words) < 3:
            msg = f"not a fault: {text!r}; expected METHOD PATH KIND, for example 'POST /resources 503 x2'"
            raise ValueError(msg)
        method, path, kind = words[:3]
        platform = None
        if ":" in method:
            platform, method = method.split(":", 1)
        kind, _, argument = kind.partition("=")
        fault = cls(kind=kind, method=method, path=path, platform=platform, argument=argument or None)
        for word in words[3:]:
            if match := re.fullmatch(r"x(\d+)", word):
                fault.times = int(match[1])
            elif match := re.fullmatch(r"p([\d.]+)", word):
                fault.probability = float(match[1])
            elif match := re.fullmatch(r"after(\d+)", word):
                fault.skip = int(match[1])
            else:
                msg = f"not a fault: {text!r}; {word!r} is neither xTIMES, pPROBABILITY nor afterSKIPPED"
                raise ValueError(msg)
        return fault


class Faults:
    """The faults that are switched on. The first that matches a request strikes it."""

    def __init__(self, spec: str = "", seed: int = 0) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._random = random.Random(seed)  # noqa: S311  faults must be repeatable, not secret
        self.add(spec)

    def add(self, fault: Fault | str) -> None:
        """Switch a fault on, or several written with ``;`` between them."""
        faults = [fault] if isinstance(fault, Fault) else [Fault.parse(t) for t in fault.split(";") if t.strip()]
        with self._lock:
            self._faults.extend(faults)

    def clear(self) -> None:
        """Switch all faults off."""
        with self._lock:
            self._faults.clear()

    def take(self, platform: str, method: str, path: str, *, later: bool = False) -> Fault | None:
        """The fault that strikes this request, counted as used.

        With `later`, only a fault that lets the request through and makes its work fail afterwards.
        """
        if not self._faults:
            return None
        with self._lock:
            for fault in self._faults:
                if (fault.kind == "fail-later") is not later:
                    continue
                if fault.times == 0 or not fault.matches(platform, method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if self._random.random() >= fault.probability:
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
