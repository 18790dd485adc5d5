"""Commands that need no account: the demo, and the stand-ins of the platforms."""

from __future__ import annotations

import os
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.cli.telling import DONE, SOME_FAILED, say
from caseferry.errors import ConfigurationError
from caseferry.transfers.progress import usual

if TYPE_CHECKING:
    from caseferry.cli.arguments import Commands
    from caseferry.sandbox import Sandbox


def add_commands(commands: Commands) -> None:
    """Add ``demo`` and ``sandbox``."""
    trial = commands.add("demo", demo, "move real scans through all platforms, without account or internet")
    trial.add_argument("--folder", metavar="DIR", type=Path, help="where to put what is made (a new folder by default)")
    serving = commands.add("sandbox", sandbox, "serve stand-ins of the platforms on this machine until interrupted")
    serving.set_defaults(grace=None)
    serving.add_argument("--port", type=int, default=0, help="the first of the ports to serve on; 0 takes free ones")
    serving.add_argument("--seed-data", metavar="DIR", help="put the cases of a folder on every platform first")
    serving.add_argument("--latency", type=float, default=0, metavar="MS", help="milliseconds added to each answer")
    serving.add_argument("--processing", type=float, default=0, metavar="S", help="seconds that conversions take")
    serving.add_argument("--faults", default="", metavar="SPEC", help="faults, as in 'POST * 503 p0.1; PUT * 429=2 x3'")
    serving.add_argument("--state", metavar="DIR", type=Path, help="keep what is put there over restarts")


def demo(given: Any) -> int:
    """Move real scans through all platforms."""
    from caseferry.demo import run

    return DONE if run(given.folder) else SOME_FAILED


def sandbox(given: Any) -> int:
    """Serve stand-ins of the platforms until interrupted."""
    from caseferry.sandbox import Sandbox

    try:
        server = Sandbox(
            port=given.port,
            latency=given.latency / 1000,
            processing=given.processing,
            faults=given.faults,
            folder=given.state,
        )
        server.start()
    except (OSError, ValueError) as error:
        msg = f"the sandbox cannot start: {error}"
        raise ConfigurationError(msg) from error
    with closing(server):
        if given.seed_data is not None:
            _fill(server, given.seed_data)
        for name, value in server.variables.items():
            print(f"export {name}={value}", flush=True)
        say("the sandbox serves until it is interrupted")
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
    return DONE


def _fill(server: Sandbox, folder: str) -> None:
    """Put the cases of a folder on every platform. They do not leave this machine."""
    from caseferry.transfers import run

    os.environ.update(server.variables)
    for standin in server.standins.values():
        report = run.transfer(
            f"local:{folder}", standin.dataset, phi="keep", unmapped="accept", verify=False, progress=usual()
        )
        say(str(report))
