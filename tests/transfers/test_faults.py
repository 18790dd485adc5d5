"""Bad days: whatever the line and the platform do, each case ends at the target once and equal, or failed by name."""

from __future__ import annotations

import errno
import itertools
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.http import Retry
from caseferry.transfers.outcome import Outcome
from transfer_scene import fresh_dataset, put_all, small_cases, unlike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caseferry.sandbox import Sandbox

PAIRS = (("grand-challenge", "datamint"), ("datamint", "darwin"), ("darwin", "grand-challenge"))
"""Each platform once as the source and once as the target."""

CASES = 4
"""One of each kind that `small_cases` makes."""

# Each strikes once for certain, and then by chance.
FAULTS = {
    "429 with Retry-After": "* * 429=0.05 x1; * * 429=0.05 p0.15",
    "429 without Retry-After": "* * 429 x1; * * 429 p0.15",
    "500": "* * 500 x1; * * 500 p0.1",
    "502 after the commit": "POST * 502-after x1; * * 502-after p0.05",
    "503": "* * 503=0.05 x1; * * 503=0.05 p0.15",
    "cut before the request": "* * reset-before x1; * * reset-before p0.1",
    "cut after the commit": "POST * reset-after x1; * * reset-after p0.05",
    "half an answer": "GET * truncate x1; * * truncate p0.05",
    "a slow line": "GET * trickle=200000 x1; GET * trickle=200000 p0.1",
    "everything": "* * 503=0 x1; "
    "* * 429=0 p0.03; * * 503 p0.03; * * reset-after p0.03; * * truncate p0.03; * * reset-before p0.03",
}

MEETINGS = [
    pytest.param(pair, FAULTS[name], id=f"{name}-{pair[0]} to {pair[1]}")
    for turn, name in enumerate(FAULTS)
    for number, pair in enumerate(PAIRS)
    if name == "everything" or number != turn % len(PAIRS)
]
"""Two pairs for each fault, in which every platform meets it; and everything for all of them."""

EXPIRED = [
    pytest.param(pair, f"{request} expired x2", id=f"expired-{pair[0]} to {pair[1]}")
    for pair, request in (
        (("local", "grand-challenge"), "PUT /grand-challenge-uploads/*"),
        (("local", "darwin"), "PUT /uploads/*"),
        (("grand-challenge", "local"), "GET /grand-challenge-protected/*"),
    )
]
"""Signed addresses in the object stores that are asked for anew; Datamint and Darwin's downloads have none."""

LATER = {"grand-challenge": "POST * fail-later x1", "darwin": "POST */confirm fail-later x1"}
"""What a platform accepts and fails to process afterwards. Datamint processes nothing."""


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between attempts are milliseconds; their number is what users get."""
    monkeypatch.setattr(Retry, "delay", lambda _retry, failures: 0.002 * failures)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[cf.Case]:
    return small_cases(tmp_path_factory.mktemp("samples"), CASES)


@pytest.fixture(scope="module")
def sources(world: Sandbox, cases: list[cf.Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A dataset with the cases on each platform."""
    folder = tmp_path_factory.mktemp("sources")
    urls = {name: fresh_dataset(world, name, "source", folder) for name in ("local", *world.standins)}
    for url in urls.values():
        put_all(url, cases)
    return urls


@pytest.fixture
def target(world: Sandbox, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes an empty dataset; afterwards no fault is on."""
    yield lambda platform: fresh_dataset(world, platform, f"target-{next(FRESH)}", tmp_path)
    world.faults.clear()


FRESH = itertools.count(1)


def transferred(source: str, target: str, world: Sandbox, faults: str, **options: Any) -> cf.Report:
    """Transfer while the faults are on, which must strike."""
    with cf.connect(source) as here, cf.connect(target) as there:
        world.faults.add(faults)
        begun = len(world.ledger)
        report = cf.transfer(here, there, **options, unmapped="accept")
        world.faults.clear()
        struck = [entry for entry in list(world.ledger)[begun:] if entry.fault]
        assert struck, "the fault has never struck"
    return report


@pytest.mark.parametrize(("pair", "faults"), [*MEETINGS, *EXPIRED])
def test_every_case_arrives_once_and_equal(
    pair: tuple[str, str],
    faults: str,
    world: Sandbox,
    sources: dict[str, str],
    target: Callable[[str], str],
    cases: list[cf.Case],
) -> None:
    url = target(pair[1])
    report = transferred(sources[pair[0]], url, world, faults)
    assert report.ok, str(report)
    assert unlike(cases, url) == []


@pytest.mark.parametrize("platform", LATER)
def test_what_fails_afterwards_fails_by_name_and_stops_no_other(
    platform: str, world: Sandbox, sources: dict[str, str], target: Callable[[str], str]
) -> None:
    world.faults.add(LATER[platform])
    report = cf.transfer(sources["local"], target(platform), workers=2, unmapped="accept")
    (failed,) = report.problems
    assert failed.outcome is Outcome.FAILED
    assert failed.case_id in failed.reason or "import" in failed.reason
    assert report.arrived == CASES - 1
    assert report.total == CASES


@pytest.mark.parametrize("platform", ["datamint", "darwin"])
def test_bytes_that_come_back_changed_are_noticed(
    platform: str, world: Sandbox, sources: dict[str, str], target: Callable[[str], str]
) -> None:
    """Both keep files as they are, so that a digest tells."""
    url = target(platform)
    assert cf.transfer(sources["local"], url, unmapped="accept").ok
    with cf.connect(sources["local"]) as here, cf.connect(url) as there:
        begun = len(world.ledger)
        assert cf.verify(here, there, workers=1).ok
        read = [entry.path for entry in list(world.ledger)[begun:] if re.search(r"/(file|uploads/[^/]+)$", entry.path)]
        world.faults.add(f"GET {read[0]} corrupt")
        (failed,) = cf.verify(here, there).problems
        assert failed.outcome is Outcome.FAILED
        world.faults.clear()
        assert cf.verify(here, there).ok


# -- a full disk ---------------------------------------------------------------------------------------------------


def full(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_fails_the_case_by_name_and_leaves_no_half_of_it(
    tmp_path: Path, cases: list[cf.Case], sources: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, journal = f"local:{tmp_path / 'home'}", tmp_path / "j.db"
    with monkeypatch.context() as disk:
        sync, written = os.fsync, []
        disk.setattr(os, "fsync", lambda handle: (written.append(handle), sync(handle)))
        put_all(f"local:{tmp_path / 'measured'}", cases)
        room = iter([sync] * (len(written) // 2))

        def filling(handle: int) -> None:
            next(room, full)(handle)

        disk.setattr(os, "fsync", filling)
        report = cf.transfer(sources["local"], url, journal=journal, workers=1, unmapped="accept")
    assert 0 < report.arrived < CASES, str(report)
    assert report.problems
    assert all("No space left on device" in each.reason for each in report.problems)
    with cf.connect(url) as home:
        assert len(list(home.items())) == report.arrived
    assert cf.transfer(sources["local"], url, journal=journal, unmapped="accept").ok
    assert unlike(cases, url) == []
    assert not [path for path in (tmp_path / "home").iterdir() if path.name.startswith(".")]
