"""The server that hosts the stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import socket
import threading
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from caseferry.closing import Closing
from caseferry.sandbox.blobs import Blobs
from caseferry.sandbox.faults import Faults
from caseferry.sandbox.ledger import CREDENTIAL_HEADERS, KEPT_HEADERS, Entry, Ledger
from caseferry.sandbox.standin import Host, Settings, StandIn
from caseferry.sandbox.store import ObjectStore
from caseferry.sandbox.striking import Handler, strike
from caseferry.sandbox.tls import Authority
from caseferry.sandbox.wire import ENTRY, answer

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

GROUP = "caseferry.sandboxes"
"""The entry point group in which connectors offer their stand-ins."""

LOOPBACK = "127.0.0.1"
LARGEST_BODY = 256 << 20
STATE_FILE = "state.json"
SAVE_EVERY = 1.0


class Sandbox(Closing):
    """Stand-ins of the platforms on loopback, in a thread of their own.

    Parameters
    ----------
    port : the first of the ports to listen on; 0 takes free ones
    latency : seconds added to every request
    processing : seconds that asynchronous work takes
    faults : faults to begin with, as `Faults` writes them
    folder : where state and bytes are kept over restarts; None keeps nothing
    platforms : which stand-ins to serve; None serves all that are installed

    Attributes
    ----------
    ledger, faults, settings : may be read and changed at any time
    variables : the environment variables with which every client finds the sandbox
    standins : by platform name
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        processing: float = 0.0,
        faults: str = "",
        folder: Path | None = None,
        platforms: tuple[str, ...] | None = None,
    ) -> None:
        self.ledger = Ledger()
        self.faults = Faults(faults)
        self.settings = Settings(latency, processing)
        self.standins: dict[str, StandIn] = {}
        self.variables: dict[str, str] = {}
        self._port = port
        self._folder = folder
        self._wanted = platforms
        self._blobs = Blobs(folder / "blobs" if folder else None)
        self._authority = Authority(folder)
        self._loop = asyncio.new_event_loop()
        self._thread: threading.Thread | None = None
        self._runners: list[web.AppRunner] = []
        self._saver: asyncio.Task[None] | None = None
        self._saved = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self) -> None:
        """Begin to serve; returns when every port is open."""
        self._thread = threading.Thread(target=self._loop.run_forever, name="caseferry-sandbox", daemon=True)
        self._thread.start()
        self.run(self._start())

    def stop(self) -> None:
        """End, keeping the state when there is a folder for it."""
        if self._thread is None:
            return
        self.run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._thread = None
        self._blobs.close()
        self._authority.close()

    close = stop

    def run(self, work: Any) -> Any:
        """Run a coroutine in the sandbox's own thread and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def settle(self) -> None:
        """Wait until no stand-in has asynchronous work under way."""
        for standin in self.standins.values():
            self.run(standin.host.settle())

    async def _start(self) -> None:
        state = self._load()
        for entry_point in _offered():
            if self._wanted is not None and entry_point.name not in self._wanted:
                continue
            kind: type[StandIn] = entry_point.load()
            listener, storage = self._listen(), self._listen()
            store = ObjectStore(self._blobs)
            store.origin = f"http://{LOOPBACK}:{storage.getsockname()[1]}"
            origin = f"{'https' if kind.tls else 'http'}://{LOOPBACK}:{listener.getsockname()[1]}"
            host = Host(origin, store, self._blobs, self.faults, self.settings, kind.platform)
            standin = kind(host)
            kept = state.get(kind.platform)
            if kept is None:
                standin.seed()
            else:
                standin.state = kept["state"]
                store.objects, store.types = kept["objects"], kept["types"]
                standin.resume()
            self.standins[kind.platform] = standin
            self.variables |= standin.variables(str(self._authority.ca_file))
            await self._serve(listener, self._api(standin), self._authority.server() if kind.tls else None)
            await self._serve(storage, self._storage(standin), None)
        self._saver = self._loop.create_task(self._save_regularly())

    async def _stop(self) -> None:
        if self._saver is not None:
            self._saver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._saver
        for runner in self._runners:
            await runner.cleanup()
        await self._drop_connections()
        for standin in self.standins.values():
            await standin.host.cancel()
        self._save()
        await self._loop.shutdown_asyncgens()
        await self._loop.shutdown_default_executor()

    async def _drop_connections(self) -> None:
        """End every connection at once, and whatever is being answered. Over TLS a client would else have to agree."""
        for transport in list(getattr(self._loop, "_transports", {}).values()):
            transport.abort()
        await asyncio.sleep(0)
        answering = asyncio.all_tasks() - {asyncio.current_task()}
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)

    def _listen(self) -> socket.socket:
        listener = socket.create_server((LOOPBACK, self._port), backlog=1024)
        if self._port:
            self._port += 1
        return listener

    async def _serve(self, listener: socket.socket, app: web.Application, context: ssl.SSLContext | None) -> None:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=context).start()
        self._runners.append(runner)

    def _api(self, standin: StandIn) -> web.Application:
        app = web.Application(middlewares=[self._middleware(standin.platform, "api")], client_max_size=LARGEST_BODY)
        app.add_routes(standin.routes())
        app.router.add_route("*", "/_sandbox/{verb}", self._control)
        app.router.add_route("*", "/{path:.*}", _not_implemented)
        return app

    def _storage(self, standin: StandIn) -> web.Application:
        app = web.Application(middlewares=[self._middleware(standin.platform, "store")], client_max_size=LARGEST_BODY)
        app.router.add_route("*", "/{key:.+}", standin.host.store.handle)
        return app

    def _middleware(self, platform: str, origin: str) -> Any:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith("/_sandbox/"):
                return await handler(request)
            entry = _entry(platform, origin, request)
            request[ENTRY] = entry
            self.ledger.append(entry)
            if self.settings.latency:
                await asyncio.sleep(self.settings.latency)
            try:
                fault = self.faults.take(platform, request.method, request.path)
                if fault is not None:
                    entry.fault = fault.kind
                    response = await strike(fault, request, handler)
                else:
                    response = await handler(request)
                entry.status = response.status if _connected(request) else 0
            except web.HTTPException as error:
                entry.status = error.status
                raise
            except ConnectionResetError:  # whoever asked has hung up, which is no error of the stand-in
                return web.Response(status=499)
            finally:
                entry.ended = dt.datetime.now(dt.UTC).timestamp()
            return response

        return middleware

    async def _control(self, request: web.Request) -> web.StreamResponse:
        """What a test in another process may ask: the ledger, faults, settings."""
        verb = request.match_info["verb"]
        if verb == "ledger":
            if request.method == "DELETE":
                self.ledger.clear()
            return web.Response(text=self.ledger.dump(), content_type="application/json")
        body = await request.json() if request.can_read_body else {}
        if verb == "faults":
            if request.method == "DELETE":
                self.faults.clear()
            else:
                self.faults.add(body["spec"])
            return answer({})
        if verb == "settings":
            for name, value in body.items():
                setattr(self.settings, name, float(value))
            return answer({"latency": self.settings.latency, "processing": self.settings.processing})
        return await _not_implemented(request)

    def _load(self) -> dict[str, Any]:
        if self._folder is None or not (self._folder / STATE_FILE).is_file():
            return {}
        state: dict[str, Any] = json.loads((self._folder / STATE_FILE).read_text())
        return state

    def _save(self) -> None:
        if self._folder is None:
            return
        state = {
            name: {"state": s.state, "objects": s.host.store.objects, "types": s.host.store.types}
            for name, s in self.standins.items()
        }
        text = json.dumps(state)
        if text != self._saved:
            scratch = self._folder / f"{STATE_FILE}.new"
            scratch.write_text(text)
            scratch.replace(self._folder / STATE_FILE)
            self._saved = text

    async def _save_regularly(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            self._save()


@cache
def _offered() -> tuple[EntryPoint, ...]:
    """The stand-ins that are installed, by name."""
    return tuple(sorted(entry_points(group=GROUP), key=lambda each: each.name))


def _entry(platform: str, origin: str, request: web.Request) -> Entry:
    headers = {name: request.headers[name] for name in KEPT_HEADERS if name in request.headers}
    credentials = tuple(name for name in CREDENTIAL_HEADERS if name in request.headers)
    query = tuple((name, value) for name, value in request.query.items())
    return Entry(platform, origin, request.method, request.path, query, headers, credentials)


async def _not_implemented(request: web.Request) -> web.StreamResponse:
    message = f"not implemented by the sandbox: {request.method} {request.path}"
    return answer({"detail": message, "message": message}, status=404)


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()
