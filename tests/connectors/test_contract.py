"""Every installed connector against the contract."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from caseferry.registry import schemes
from caseferry.sandbox import Sandbox
from caseferry.testing import ConnectorContract

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FRESH = count(1)


@pytest.fixture(scope="module")
def platforms() -> Iterator[Sandbox]:
    """One sandbox for all tests here: each test has a dataset of its own in it."""
    with Sandbox() as running:
        yield running


class OnTheSandbox(ConnectorContract):
    """What the connectors of remote platforms have in common here."""

    @pytest.fixture
    def traffic(self, platforms: Sandbox) -> Callable[[], int]:
        return lambda: len(platforms.ledger)

    @pytest.fixture
    def surroundings(self, platforms: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
        for name, value in platforms.variables.items():
            monkeypatch.setenv(name, value)
        return platforms


class TestLocal(ConnectorContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        folder = tmp_path / "cases"
        folder.mkdir()
        return f"local:{folder}"


class TestGrandChallenge(OnTheSandbox):
    @pytest.fixture
    def url(self, surroundings: Sandbox) -> str:
        standin = surroundings.standins["grand-challenge"]
        slug = f"archive-{next(FRESH)}"
        standin.add_archive(slug, slug)
        if "video" not in standin.table("sockets"):
            standin.add_socket("video", "MP4 file")
            standin.add_socket("pdf", "PDF file")
        return f"grand-challenge:{slug}"


class TestDatamint(OnTheSandbox):
    @pytest.fixture
    def url(self, surroundings: Sandbox) -> str:
        name = f"project {next(FRESH)}"
        surroundings.standins["datamint"].add_project(name)
        return f"datamint:{name}"


class TestDarwin(OnTheSandbox):
    @pytest.fixture
    def url(self, surroundings: Sandbox) -> str:
        name = f"dataset-{next(FRESH)}"
        surroundings.standins["darwin"].add_dataset(name)
        return f"darwin:sandbox-team/{name}"


def test_every_connector_is_under_contract() -> None:
    """A connector without a class above fails here."""
    tested = {"local": TestLocal, "grand-challenge": TestGrandChallenge, "datamint": TestDatamint, "darwin": TestDarwin}
    assert sorted(tested) == schemes()
