"""Commands of caseferry in processes of their own.

`Stable` begins them in a few milliseconds: one process that has imported everything is copied for each command.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from transfer_scene import caseferry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

LONGEST = 60.0
"""Seconds after which a command that does not end fails its test."""


@dataclass
class Command:
    """A command that runs, or has ended.

    Attributes
    ----------
    said : the file that its standard output and standard error go to
    """

    stable: Stable
    pid: int
    said: Path

    def kill(self) -> None:
        """End it as the kernel does when memory runs out: at once, without a word."""
        os.kill(self.pid, signal.SIGKILL)

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.kill(self.pid, signal.SIGINT)

    def wait(self) -> int:
        """Its exit code, minus the signal's number when a signal ended it."""
        return int(self.stable.ask({"wait": self.pid}))

    def text(self) -> str:
        """What it has written so far."""
        return self.said.read_text(errors="replace")


class Stable:
    """Starts commands.

    Parameters
    ----------
    folder : where what they write is kept
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._count = 0
        self._process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()

    def start(self, *arguments: str, variables: Mapping[str, str]) -> Command:
        """Begin a command."""
        self._count += 1
        said = self.folder / f"said-{self._count}.txt"
        pid = self.ask({"start": arguments, "variables": dict(variables), "said": str(said)})
        return Command(self, int(pid), said)

    def ask(self, request: Any) -> Any:
        """One request to the process that is copied."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def begun(*arguments: str, variables: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """One command as people begin it; killed at the end if it still runs."""
    with caseferry(*arguments, variables=variables) as process:
        try:
            yield process
        finally:
            process.kill()


def _serve() -> None:
    """Copy this process for each command that is asked for."""
    import gcapi  # noqa: F401
    import httpx  # noqa: F401
    import nibabel  # noqa: F401
    import pydicom  # noqa: F401
    import rich.progress  # noqa: F401

    from caseferry import cli
    from caseferry.imaging import reading  # noqa: F401
    from caseferry.registry import connector, schemes

    for scheme in schemes():
        connector(scheme)
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            answer = _waited(request["wait"])
        else:
            answer = os.fork()
            if not answer:
                _become(cli, request)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _waited(pid: int) -> int:
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return 124


def _become(cli: Any, request: Any) -> None:
    """Go on as the command; never returns."""
    code = 70
    try:
        os.environ.update(request["variables"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        said = os.open(request["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        code = cli.main(request["start"])
    except KeyboardInterrupt:
        code = 130
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  a test reads it
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
