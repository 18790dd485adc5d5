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


@pytest.fixture(scope="module")
def world_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Likewise, for all tests of a module."""
    with Sandbox(platforms=("grand-challenge",)) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        standin = running.standins["grand-challenge"]
        assert isinstance(standin, GrandChallengeStandIn)
        made = Scene(running, standin, tmp_path_factory.mktemp("world"))
        with made.opened:
            yield made


@pytest.fixture
def shared(world_scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A scene whose stand-in is the module's, with an archive of the test's own, which it opens."""
    slug = f"archive-{tmp_path.name.lower().replace('_', '-')}"
    world_scene.standin.add_archive(slug, slug)
    scene = Scene(world_scene.sandbox, world_scene.standin, tmp_path, archive=slug)
    with scene.opened:
        yield scene
    world_scene.sandbox.faults.clear()
    world_scene.sandbox.ledger.clear()


@pytest.fixture
def anew(world_scene: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A scene whose stand-in is the module's, with nothing in it but what a new one has."""
    world_scene.sandbox.settle()
    world_scene.standin.seed()
    scene = Scene(world_scene.sandbox, world_scene.standin, tmp_path)
    with scene.opened:
        yield scene


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path / "samples")
