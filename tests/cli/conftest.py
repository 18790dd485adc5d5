"""The command line, run in this process; and cases that are small."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.cli import main
from caseferry.testing import Samples

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry.sandbox import Sandbox


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


@pytest.fixture
def caseferry(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Runs a command."""

    def run(*arguments: str) -> Ended:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as error:  # argparse
            code = int(error.code or 0)
        return Ended(code, *capsys.readouterr())

    return run


@pytest.fixture
def online(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The stand-ins, found by every client in this process."""
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    return sandbox


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The URL of a folder of three cases."""
    samples = Samples(tmp_path / "samples")
    with cf.connect(f"local:{tmp_path / 'start'}") as start:
        for number in range(3):
            start.put(samples.case(f"case-{number}", cf.Kind.PICTURE, values={"number": number}, tags=["train"]))
    return f"local:{tmp_path / 'start'}"
