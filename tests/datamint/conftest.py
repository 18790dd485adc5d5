"""A Datamint project on the stand-in, opened by the connector."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from caseferry.sandbox import Sandbox
from caseferry.testing import Samples
from caseferry_datamint.sandbox import DatamintStandIn
from datamint_scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with Sandbox(platforms=("datamint",)) as running, ExitStack() as opened:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        standin = running.standins["datamint"]
        assert isinstance(standin, DatamintStandIn)
        yield Scene(running, standin, tmp_path, opened)


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path / "samples")
