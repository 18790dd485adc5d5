"""The ledger: what every client asked of the sandbox, in order."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT_HEADERS = ("accept", "content-type", "content-length", "range", "user-agent", "retry-after")
"""Headers whose value the ledger keeps. Of credentials it keeps the name only."""

CREDENTIAL_HEADERS = ("authorization", "apikey", "cookie")


@dataclass(slots=True)
class Entry:
    """One request and its answer.

    Attributes
    ----------
    platform : the stand-in that was asked
    origin : ``api`` for the platform itself, ``store`` for its object store
    body : ``None``; ``{"json": …}``; ``{"form": [part, …]}``; or ``{"bytes": count, "sha256": digest}``
    status : the HTTP status sent, or 0 when the connection was cut instead
    fault : the kind of fault that was injected, if any
    """

    platform: str
    origin: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    credentials: tuple[str, ...]
    body: dict[str, Any] | None = None
    status: int = 0
    fault: str | None = None
    sequence: int = 0
    started: float = field(default_factory=time.time)
    ended: float | None = None

    @property
    def json(self) -> Any:
        """The JSON body, or None when the body was something else."""
        return (self.body or {}).get("json")

    @property
    def form(self) -> list[dict[str, Any]]:
        """The parts of a multipart body, in order: name, filename, content_type, size, sha256, value."""
        return list((self.body or {}).get("form", ()))

    def __str__(self) -> str:
        query = "?" + "&".join(f"{name}={value}" for name, value in self.query) if self.query else ""
        return f"{self.method} {self.path}{query} -> {self.status}"


class Ledger:
    """Every request that the sandbox received, oldest first. Safe to read from any thread."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def append(self, entry: Entry) -> None:
        """Add a request; its sequence number is its place in the ledger."""
        with self._lock:
            entry.sequence = len(self._entries)
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget everything so far."""
        with self._lock:
            self._entries.clear()

    def select(
        self,
        platform: str | None = None,
        method: str | None = None,
        path: str | None = None,
        origin: str | None = None,
    ) -> list[Entry]:
        """The requests of one platform, method, origin, or whose path contains `path`."""
        return [
            entry
            for entry in self
            if (platform is None or entry.platform == platform)
            and (method is None or entry.method == method)
            and (origin is None or entry.origin == origin)
            and (path is None or path in entry.path)
        ]

    def dump(self) -> str:
        """The whole ledger as JSON."""
        return json.dumps([asdict(entry) for entry in self])
