"""A Grand Challenge archive on the stand-in, opened by the connector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from caseferry.sandbox import Sandbox
from caseferry.testing import Samples
from caseferry_grand_challenge.sandbox import GrandChallengeStandIn
from grand_challenge_scene import Scene

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with Sandbox(platforms=("grand-challenge",)) as running:
        for name, value in running.variables.items():
            monkeypatch.setenv(name, value)
        standin = running.standins["grand-challenge"]
        assert isinstance(standin, GrandChallengeStandIn)
        made = Scene(running, standin, tmp_path)
        with made.opened:
            yield made


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path / "samples")
