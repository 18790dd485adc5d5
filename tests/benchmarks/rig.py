"""What every benchmark needs: a sandbox in a process of its own, jobs in theirs, and the table of what they took.

All peers run in the same run as caseferry, one after another and in turn (A B A B), against the same sandbox; the best
of each is shown, since whatever else a machine does only ever adds time.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parents[1]))

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from peers import Peer

JOBS = Path(__file__).parent / "jobs"


@dataclass(frozen=True)
class Taken:
    """What one job took.

    Attributes
    ----------
    seconds, cpu : by the clock, and of the job's own processor time
    memory : megabytes at its peak beyond those it had after its imports
    calls : requests that the sandbox got
    sending : seconds from the first byte of a file that it got to the last
    served : seconds of processor time that the sandbox spent on it
    said : everything that the job printed
    """

    seconds: float
    cpu: float
    memory: float
    calls: int
    sending: float
    served: float
    said: dict[str, Any]


class Course:
    """A sandbox to run jobs against.

    Attributes
    ----------
    variables : the environment variables by which clients find it
    """

    def __init__(self, process: subprocess.Popen[str], variables: dict[str, str], home: Path) -> None:
        self.variables = variables
        self._process = process
        self._home = home

    def ours(self, script: str, *arguments: object) -> Taken:
        """Run a job with caseferry in this environment."""
        return self._run(Path(sys.executable), script, arguments)

    def theirs(self, peer: Peer, script: str, *arguments: object) -> Taken:
        """Run a job with an official client in its own environment."""
        return self._run(peer.python, script, arguments)

    def _run(self, python: Path, script: str, arguments: Sequence[object]) -> Taken:
        self._ask("ledger", "DELETE")
        before = self._cpu()
        environment = {
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self._home),
            "PYTHONWARNINGS": "ignore",
            **self.variables,
        }
        done = subprocess.run(
            [str(python), str(JOBS / script), *map(str, arguments)],
            env=environment,
            cwd=self._home,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        if done.returncode:
            raise SystemExit(f"{script} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        said = json.loads(done.stdout.strip().splitlines()[-1])
        ledger = json.loads(self._ask("ledger", "GET"))
        served = self._cpu() - before
        return Taken(said["seconds"], said["cpu"], said["memory"], len(ledger), _sending(ledger), served, said)

    def dataset(self, name: str) -> str:
        """Make a Darwin dataset; its slug."""
        headers = {"Authorization": f"ApiKey {self.variables['DARWIN_API_KEY']}", "Content-Type": "application/json"}
        url = f"{self.variables['DARWIN_BASE_URL']}/api/datasets"
        request = urllib.request.Request(url, json.dumps({"name": name}).encode(), headers, method="POST")
        with urllib.request.urlopen(request) as answer:
            return str(json.load(answer)["slug"])

    def settings(self, **values: float) -> None:
        """Change the sandbox's settings, such as ``latency`` in seconds."""
        self._ask("settings", "POST", json.dumps(values).encode())

    def _ask(self, verb: str, method: str, body: bytes | None = None) -> bytes:
        url = f"{self.variables['DARWIN_BASE_URL']}/_sandbox/{verb}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request) as answer:
            return bytes(answer.read())

    def _cpu(self) -> float:
        """Seconds of processor time that the sandbox has used; 0 where the system does not say."""
        try:
            words = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _sending(ledger: Sequence[dict[str, Any]]) -> float:
    puts = [entry for entry in ledger if entry["method"] in {"PUT", "POST"} and (entry["body"] or {}).get("bytes")]
    puts = puts or [entry for entry in ledger if (entry["body"] or {}).get("form")]
    return max((entry["ended"] for entry in puts), default=0.0) - min((entry["started"] for entry in puts), default=0.0)


@contextmanager
def course(latency: float = 0.0) -> Iterator[Course]:
    """A sandbox in a process of its own, with milliseconds of latency on every call."""
    command = [sys.executable, "-m", "caseferry", "sandbox", "--latency", str(latency)]
    with (
        tempfile.TemporaryDirectory(prefix="caseferry-benchmark-") as home,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process,
    ):
        try:
            variables: dict[str, str] = {}
            assert process.stdout is not None
            while "DATAMINT_API_KEY" not in variables or len(variables) < 8:
                line = process.stdout.readline()
                if not line:
                    raise SystemExit("the sandbox did not start: pip install caseferry[test]")
                if found := re.fullmatch(r"export (\w+)=(.*)\n", line):
                    variables[found[1]] = found[2]
            yield Course(process, variables, Path(home))
        finally:
            process.terminate()


@dataclass
class Table:
    """What several clients took for the same, in turn.

    Parameters
    ----------
    what : the work, in one line
    amount, unit : how much of it there is, for the rate
    compared : whether the rows do the same, so that ratios to the first mean something
    """

    what: str
    amount: float
    unit: str
    compared: bool = True
    rows: dict[str, list[Taken]] = field(default_factory=dict)

    def run(self, repetitions: int, jobs: dict[str, Callable[[int], Taken]]) -> None:
        """Run every job so many times, in turn; each is given the number of the repetition."""
        for number in range(repetitions):
            for name, job in jobs.items():
                taken = job(number)
                self.rows.setdefault(name, []).append(taken)
                print(
                    f"  {name} #{number + 1}: {taken.seconds:.2f} s, {taken.calls} calls", file=sys.stderr, flush=True
                )

    def show(self, bound: float, because: str, platforms: Mapping[str, float] | None = None) -> None:
        """Print the table in Markdown, the ratios to the first client, and how near the bound is.

        Parameters
        ----------
        bound : seconds below which nothing that does the same can be
        because : what the bound is made of
        platforms : of clients, by name, the seconds in which the platform works and they can but wait
        """
        best = {name: min(rows, key=lambda taken: taken.seconds) for name, rows in self.rows.items()}
        first = next(iter(best.values()))
        print(f"\n**{self.what}**\n")
        print(f"| client | seconds (all runs) | {self.unit}/s | against the first | of the bound | calls |", end="")
        print(" sending files | CPU, its own / sandbox's | memory |")
        print("|---|---|---|---|---|---|---|---|---|")
        for name, taken in best.items():
            ratio = f"{first.seconds / taken.seconds:.1f}x" if self.compared else "-"
            runs = ", ".join(f"{each.seconds:.2f}" for each in self.rows[name])
            print(
                f"| {name} | **{taken.seconds:.2f}** ({runs}) | {self.amount / taken.seconds:.0f} "
                f"| {ratio} | {bound / taken.seconds:.0%} | {taken.calls} "
                f"| {taken.sending:.2f} s | {taken.cpu:.1f} s / {taken.served:.1f} s | +{taken.memory:.0f} MB |"
            )
        print(f"\nBound: {bound:.2f} s ({because}).\n")
        if self.compared and first.sending:
            told = ", ".join(f"{name} {first.sending / taken.sending:.1f}x" for name, taken in best.items())
            print(f"Sending files alone, against the first: {told}.\n")
        if platforms is not None:
            own = {name: taken.seconds - platforms.get(name, 0.0) for name, taken in best.items()}
            ratio = next(iter(own.values()))
            told = ", ".join(f"{name} {seconds:.2f} s ({ratio / seconds:.1f}x)" for name, seconds in own.items())
            print(f"Without the platform's own work: {told}.\n")


def loopback(total: int = 512 << 20) -> float:
    """Bytes a second that plain sockets move on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            connection, _ = listener.accept()
            buffer = bytearray(1 << 20)
            with connection:
                while connection.recv_into(buffer):
                    pass

        taker = threading.Thread(target=take)
        taker.start()
        piece = bytes(1 << 20)
        started = time.perf_counter()
        with socket.create_connection(listener.getsockname()) as sender:
            for _ in range(total // len(piece)):
                sender.sendall(piece)
        taker.join()
        return total / (time.perf_counter() - started)
