"""A platform that is away for a while in the middle of a transfer: nobody has to do anything."""

from __future__ import annotations

import gc
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Self

import pytest

from caseferry.sandbox import Sandbox
from caseferry.transfers.outcome import Outcome
from caseferry.transfers.run import transfer
from transfer_scene import put_all, small_cases, unlike

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from caseferry.transfers.outcome import Report

pytestmark = pytest.mark.filterwarnings(
    # a server that goes away in the middle leaves its connections to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)

AWAY = 1.0
"""Seconds; the pauses between attempts add up to more than ten."""


@pytest.fixture(params=["grand-challenge", "datamint", "darwin"])
def platform(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A platform that can go away and come back at the same address with all that it knew."""
    with Platform(request.param, tmp_path / "state") as running:
        for name, value in running.sandbox.variables.items():
            monkeypatch.setenv(name, value)
        yield running


class Platform:
    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.port = name, folder, _two_free_ports()
        self.sandbox = Sandbox(platforms=(name,), folder=folder, port=self.port)
        self.url = ""

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.url = self.sandbox.standins[self.name].dataset
        return self

    def __exit__(self, *error: object) -> None:
        self.sandbox.stop()

    def go_away_for(self, seconds: float) -> None:
        self.sandbox.stop()
        time.sleep(seconds)
        self.sandbox = Sandbox(platforms=(self.name,), folder=self.folder, port=self.port)
        self.sandbox.start()


def _two_free_ports() -> int:
    """Ports that stay free while the platform is away: another range for each worker, below those that systems give."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    for first in range(10000 + 500 * worker, 32000, 2):
        try:
            with socket.create_server(("127.0.0.1", first)), socket.create_server(("127.0.0.1", first + 1)):
                return first
        except OSError:
            continue
    raise AssertionError


def _transfer_with_an_outage(platform: Platform, source: str, target: str, after: int) -> Report:
    """Transfer while the platform is away from when it has had so many more requests."""
    done: list[Report] = []
    wanted = len(platform.sandbox.ledger) + after
    worker = threading.Thread(target=lambda: done.append(transfer(source, target, workers=3, unmapped="accept")))
    worker.start()
    while len(platform.sandbox.ledger) < wanted and worker.is_alive():
        time.sleep(0.001)
    platform.go_away_for(AWAY)
    worker.join(60)
    gc.collect()  # connections that the server has dropped in the middle, while their warnings are expected
    return done[0]


@pytest.mark.parametrize("after", [40])
def test_a_target_that_is_away_for_a_while(platform: Platform, after: int, tmp_path: Path) -> None:
    cases = small_cases(tmp_path / "samples", 8)
    put_all(f"local:{tmp_path / 'start'}", cases)
    report = _transfer_with_an_outage(platform, f"local:{tmp_path / 'start'}", platform.url, after)
    assert report.ok, str(report)
    assert report.arrived == 8
    assert unlike(cases, platform.url) == []


def test_a_source_that_is_away_for_a_while(platform: Platform, tmp_path: Path) -> None:
    cases = small_cases(tmp_path / "samples", 8)
    put_all(platform.url, cases)
    report = _transfer_with_an_outage(platform, platform.url, f"local:{tmp_path / 'home'}", 14)
    assert report.counts == {Outcome.SENT: 8}, str(report)
    assert unlike(cases, f"local:{tmp_path / 'home'}") == []
