"""What every stand-in is, and what the sandbox gives it to work with."""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Mapping

    from aiohttp import web

    from caseferry.sandbox.blobs import Blobs
    from caseferry.sandbox.faults import Fault, Faults
    from caseferry.sandbox.store import ObjectStore


@dataclass(slots=True)
class Settings:
    """How the sandbox behaves; may be changed while it runs.

    Attributes
    ----------
    latency : seconds added to every request
    processing : seconds until asynchronous work (conversions, imports, exports) is done
    """

    latency: float = 0.0
    processing: float = 0.0


@dataclass(slots=True)
class Host:
    """What the sandbox gives to one stand-in.

    Attributes
    ----------
    origin : the stand-in's own scheme, host and port
    store : its object store, on an origin of its own
    """

    origin: str
    store: ObjectStore
    blobs: Blobs
    faults: Faults
    settings: Settings
    platform: str
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def later(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do asynchronous work after the processing delay. Must be called while a request is handled."""

        async def run() -> None:
            await asyncio.sleep(self.settings.processing)
            await work()

        task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        """Wait until no asynchronous work is under way."""
        while self._tasks:
            await asyncio.gather(*list(self._tasks), return_exceptions=True)

    async def cancel(self) -> None:
        """Give up all asynchronous work that is under way."""
        for task in list(self._tasks):
            task.cancel()
        await self.settle()

    def fails_later(self, method: str, path: str) -> Fault | None:
        """Whether work started by this request shall fail afterwards (a ``fail-later`` fault)."""
        return self.faults.take(self.platform, method, path, later=True)


class StandIn(ABC):
    """A stand-in of one platform: its routes and its state.

    `state` holds everything the stand-in knows as plain JSON, so that a sandbox with a folder finds it again;
    bytes lie in `host.blobs` and are named there by their SHA-256.
    """

    platform: ClassVar[str]
    dataset: ClassVar[str]
    """The URL of the dataset that every new stand-in has."""
    tls: ClassVar[bool] = False

    def __init__(self, host: Host) -> None:
        self.host = host
        self.state: dict[str, Any] = {}

    def uuid(self) -> str:
        """A new identifier."""
        return str(uuid.uuid4())

    def number(self) -> int:
        """A new integer identifier."""
        self.state["last_number"] = self.state.get("last_number", 1000) + 1
        return int(self.state["last_number"])

    @abstractmethod
    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """The routes of the platform. Anything else is answered with 404 "not implemented"."""

    @abstractmethod
    def variables(self, ca_file: str) -> Mapping[str, str]:
        """The environment variables with which the platform's own client finds this stand-in."""

    @abstractmethod
    def seed(self) -> None:
        """Fill an empty state with what every new sandbox has."""

    def resume(self) -> None:  # noqa: B027  a stand-in without asynchronous work has nothing to do
        """Go on with asynchronous work that was under way when the state was kept. Called instead of `seed`."""
