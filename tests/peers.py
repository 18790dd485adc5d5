"""The platforms' official clients, each in an environment of its own, made once and cached.

A peer that cannot be made (no package index in reach) is a visible skip on a developer's machine and an error
where the variable ``CI`` is set.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "caseferry" / "peers"
SCRIPTS = Path(__file__).parent / "peer_scripts"

TORCH_FREE = (
    "torch",
    "torchvision",
    "lightning",
    "segmentation-models-pytorch",
    "albumentations",
    "podman",
    "mlflow",
    "mlflow-skinny",
)
"""What the Datamint SDK asks for and does not need to move data: switched off by an override that never holds."""


@dataclass(frozen=True)
class Peer:
    """An official client at one version."""

    name: str
    requirements: tuple[str, ...]
    without: tuple[str, ...] = ()
    warm: tuple[str, ...] = ()
    """Modules of the client: where there are any, what they need is imported once for all scripts."""

    @property
    def home(self) -> Path:
        digest = hashlib.sha256(repr((self.requirements, self.without, sys.version_info[:2])).encode())
        return CACHE / f"{self.name}-{digest.hexdigest()[:10]}"

    @property
    def python(self) -> Path:
        """The environment's interpreter; the environment is made when it is not there yet."""
        python = self.home / "bin" / "python"
        if not (self.home / "complete").exists():
            try:
                self._make()
            except (OSError, subprocess.CalledProcessError) as error:
                reason = f"the peer {self.name} cannot be made: {getattr(error, 'stderr', '') or error}"
                if os.environ.get("CI"):
                    pytest.fail(reason)
                pytest.skip(reason)
        return python

    def _make(self) -> None:
        uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
        scratch = self.home.with_name(f"{self.home.name}.{os.getpid()}")
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.parent.mkdir(parents=True, exist_ok=True)
        _run([uv, "venv", "-q", "--relocatable", "--python", sys.executable, str(scratch)])
        overrides = scratch / "overrides.txt"
        overrides.write_text("".join(f'{name} ; sys_platform == "never"\n' for name in self.without))
        command = [uv, "pip", "install", "-q", "--python", str(scratch / "bin" / "python")]
        _run([*command, "--overrides", str(overrides), *self.requirements])
        (scratch / "complete").touch()
        try:
            scratch.rename(self.home)
        except OSError:  # another test process was faster
            shutil.rmtree(scratch, ignore_errors=True)
            if not (self.home / "complete").exists():
                raise

    def run(self, script: str, *arguments: str, variables: dict[str, str], home: Path, timeout: float = 240) -> object:
        """Run a script of ``tests/peer_scripts`` in the peer's environment; the last line it prints is JSON."""
        environment = {
            "PATH": f"{self.home / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home),
            "PYTHONWARNINGS": "ignore",
            **variables,
        }
        command = [str(SCRIPTS / script), *arguments]
        if self.warm:
            code, out, err = _warm(self).run(command, environment, home, timeout)
        else:
            done = subprocess.run(
                [str(self.python), *command],
                env=environment,
                cwd=home,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        assert code == 0, f"{script} failed with {self.name} ({code}):\n{out[-4000:]}\n{err[-6000:]}"
        return json.loads(out.strip().splitlines()[-1])


class _Warm:
    """A process that has imported what a client needs, and runs each script in a copy of itself."""

    def __init__(self, peer: Peer) -> None:
        self._folder = TemporaryDirectory(prefix="caseferry-peer-")
        self._process = subprocess.Popen(
            [str(peer.python), str(SCRIPTS / "warm.py"), *peer.warm],
            env={"PATH": os.environ["PATH"], "HOME": self._folder.name, "PYTHONWARNINGS": "ignore"},
            cwd=self._folder.name,  # datamint leaves a log where it is imported
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._close)

    def run(self, command: list[str], environment: dict[str, str], home: Path, seconds: float) -> tuple[int, str, str]:
        """The exit code and what was printed; a script that takes longer ends by a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with TemporaryDirectory(dir=self._folder.name) as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            task = {"command": command, "environment": environment, "folder": str(home), "seconds": int(seconds)}
            self._process.stdin.write(json.dumps({**task, "out": str(out), "err": str(err)}) + "\n")
            self._process.stdin.flush()
            code = int(self._process.stdout.readline())
            return code, out.read_text(), err.read_text()

    def _close(self) -> None:
        self._process.communicate()
        self._folder.cleanup()


_warm = cache(_Warm)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


GCAPI = Peer("gcapi-0.16.1", ("gcapi==0.16.1",), warm=("gcapi",))
PANIMG = Peer("panimg-0.18.2", ("panimg==0.18.2",))
"""What Grand Challenge imports images with."""

DARWIN_PY = Peer(
    "darwin-py-3.6.3",
    ("darwin-py[medical]==3.6.3", "setuptools<81"),
    warm=("darwin.cli", "darwin.importer.formats.nifti"),
)
DATAMINT_OLD = Peer("datamint-2.5.0", ("datamint==2.5.0",), TORCH_FREE, ("datamint.api.client",))
DATAMINT = Peer("datamint-2.16.0", ("datamint==2.16.0",), TORCH_FREE, ("datamint.api.client",))
DATAMINT_NEWEST = Peer("datamint-2.45.0", ("datamint==2.45.0",), TORCH_FREE, ("hollow", "datamint.api.client"))
"""Imports what is switched off; its scripts import ``hollow`` first."""
