"""Kill -9 a running transfer anywhere, run the same command again: every case is there once, complete.

A round brings eight small cases into a fresh target. The running command is killed at a random moment: after a random
time, or in the middle of a random request, whose answer nobody ever reads. It is begun again and killed again, until
it has ended by itself. Then the target holds what it holds after a transfer that nobody disturbed, thing for thing.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.cli.telling import INTERRUPTED
from caseferry.sandbox import Sandbox
from caseferry.sandbox.ledger import Entry, Ledger
from caseferry.testing import Samples
from caseferry.transfers.run import transfer
from caseferry.transfers.verify import verify
from processes import Stable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from processes import Command

PAIRS = (
    ("grand-challenge", "datamint"),
    ("datamint", "darwin"),
    ("darwin", "local"),
    ("local", "grand-challenge"),
)
PARTS = {"at once": (0.0, True), "soon, without a journal": (0.002, False), "later": (0.03, True)}
"""How long the target's own work (imports, conversions) takes, in seconds, and whether there is a journal."""

KILLS = 7
"""For each pair and part of the three ways between platforms and home: 63 in all."""

KILLS_ON_THE_WAY_OUT = 4
"""For each part of the way from a folder to Grand Challenge, which takes its time."""

MOST_IN_A_ROUND = 12

REACH = 0.35
"""How far into a run a kill may come, as a part of a whole undisturbed run: so each round sees several, everywhere."""

FOLDER = "local"


def eight_cases(folder: Path) -> Iterator[cf.Case]:
    """Everything a case can have, several images, masks, and cases of one picture."""
    for number in range(8):
        samples, name = Samples(folder / str(number)), f"case-{number:02}"
        if number % 4 == 0:
            yield samples.full_case(name)
        elif number % 4 == 1:
            yield samples.case(name, cf.Kind.PICTURE, values={"number": number}, tags=["train"])
        elif number % 4 == 2:
            image = samples.image(cf.Kind.NIFTI)
            yield cf.Case(name, images=[image], annotations=samples.annotations(image)[-3:-1])
        else:
            yield samples.case(name, cf.Kind.METAIMAGE, annotations=[cf.Label(None, "whole")])


class Tripwire(Ledger):
    """A ledger that does something when one more request comes in."""

    def __init__(self) -> None:
        super().__init__()
        self._at: int | None = None
        self._act: Callable[[], None] = lambda: None

    def trip(self, after: int, act: Callable[[], None]) -> None:
        """Act when so many more requests have come in, before the last of them is handled."""
        self._act, self._at = act, len(self) + after

    def append(self, entry: Entry) -> None:
        """As any ledger."""
        super().append(entry)
        if self._at is not None and len(self) >= self._at:
            self._at = None
            self._act()


@dataclass
class World:
    """A platform that is full, and how to make an empty one.

    Attributes
    ----------
    source : the stand-in that holds the cases; None for a folder
    requests, seconds : what an undisturbed transfer of them takes
    census : what the target holds after it
    """

    source: Sandbox | None
    source_url: str
    platform: str
    folder: Path
    stable: Stable
    requests: int = 0
    seconds: float = 0.0
    census: Counter[str] = field(default_factory=Counter)


@dataclass
class Target:
    """An empty target, and what is counted in it.

    Attributes
    ----------
    watched : the ledger in which a kill is set off
    """

    url: str
    variables: dict[str, str]
    watched: Tripwire
    sandbox: Sandbox | None
    folder: Path

    def census(self) -> Counter[str]:
        """Everything that lies there, by what it is, whether a case owns it or not."""
        if self.sandbox is None:
            return Counter(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        self.sandbox.settle()
        platform = self.url.partition(":")[0]
        return CENSUS[platform](self.sandbox.standins[platform].state)


def _darwin_census(state: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for key, item in state["items"].items():
        name = f"{item['path']}/{item['name']}"
        found[f"item {name}"] += 1
        found[f"slot of {name} {item['status']}"] += len(item["slots"])
        found[f"file of {name}"] += len(item["files"])
        found[f"annotation of {name}"] += len(state["annotations"].get(key, {}))
    found["upload"] = len(state["uploads"])
    found["class"] = len(state["classes"])
    return found


def _datamint_census(state: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    standing = {key: row for key, row in state["resources"].items() if not row["deleted_at"]}
    for row in standing.values():
        found[f"resource {row['filename']} {sorted(row['tags'])}"] += 1
    for row in state["annotations"].values():
        if not row["deleted"] and row["resource_id"] in standing:
            found[f"annotation of {standing[row['resource_id']]['filename']}"] += 1
    for project in state["projects"].values():
        found[f"in project {project['name']}"] = sum(key in standing for key in project["resources"])
    return found


def _grand_challenge_census(state: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    for item in state["items"].values():
        found[f"item {item['title']}"] += 1
        for slug in item["values"]:
            found[f"{slug} of {item['title']}"] += 1
    return found


CENSUS = {"datamint": _datamint_census, "darwin": _darwin_census, "grand-challenge": _grand_challenge_census}


@pytest.fixture(scope="module")
def stable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stable]:
    with Stable(tmp_path_factory.mktemp("said")) as running:
        yield running


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory, stable: Stable) -> Iterator[Callable[[str, str], World]]:
    """Makes each full source when it is first asked for."""
    made: dict[str, World] = {}

    def world(source: str, platform: str) -> World:
        if source not in made:
            folder = tmp_path_factory.mktemp(source)
            with cf.connect(f"local:{folder / 'start'}") as start:
                for case in eight_cases(folder / "samples"):
                    start.put(case)
            sandbox = None if source == FOLDER else _full_sandbox(source, start.url)
            url = start.url if sandbox is None else sandbox.standins[source].dataset
            made[source] = World(sandbox, url, platform, folder, stable)
            _measure(made[source])
        return made[source]

    yield world
    for each in made.values():
        if each.source is not None:
            each.source.stop()


def _full_sandbox(platform: str, start: str) -> Sandbox:
    """A stand-in that holds all cases of a folder."""
    sandbox = Sandbox(platforms=(platform,))
    sandbox.ledger = Tripwire()
    sandbox.start()
    with pytest.MonkeyPatch.context() as patched:
        for name, value in sandbox.variables.items():
            patched.setenv(name, value)
        assert transfer(start, sandbox.standins[platform].dataset, unmapped="accept").ok
    return sandbox


def _measure(world: World) -> None:
    """Transfer once without disturbance."""
    with _empty_target(world, "undisturbed", 0.0) as target:
        before, started = len(target.watched), time.monotonic()
        command = _begin(world, target, "undisturbed")
        assert command.wait() == 0, command.text()
        world.requests, world.seconds = len(target.watched) - before, time.monotonic() - started
        world.census = target.census()


@contextmanager
def _empty_target(world: World, name: str, processing: float) -> Iterator[Target]:
    folder = world.folder / f"target-{name}"
    variables = world.source.variables if world.source is not None else {}
    if world.platform == FOLDER:
        watched = world.source.ledger if world.source is not None else None
        assert isinstance(watched, Tripwire)
        yield Target(f"local:{folder}", dict(variables), watched, None, folder)
        return
    sandbox = Sandbox(platforms=(world.platform,), processing=processing)
    sandbox.ledger = watched = Tripwire()
    with sandbox:
        url = sandbox.standins[world.platform].dataset
        yield Target(url, variables | sandbox.variables, watched, sandbox, folder)


def _begin(world: World, target: Target, journal: str | None) -> Command:
    kept = ("--journal", str(world.folder / f"{journal}.db")) if journal is not None else ()
    arguments = ("transfer", world.source_url, target.url, "--unmapped", "accept", "--workers", "4", *kept)
    return world.stable.start(*arguments, variables=target.variables)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("source", "platform"), PAIRS)
def test_every_case_arrives_once_however_often_the_process_is_killed(
    source: str, platform: str, part: str, worlds: Callable[[str, str], World]
) -> None:
    seed = int(os.environ.get("CASEFERRY_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)
    print(f"CASEFERRY_KILL_SEED={seed} kills the same way again")
    chance = random.Random(f"{seed} {source} {part}")
    world, kills, number = worlds(source, platform), 0, 0
    while kills < (KILLS if source != FOLDER else KILLS_ON_THE_WAY_OUT):
        number += 1
        name = f"{part}-{number}"
        processing, journalled = PARTS[part]
        with _empty_target(world, name, processing) as target:
            kills += _killed_until_done(world, target, name if journalled else None, chance)
            assert target.census() == world.census
            _all_equal(world, target)


def _killed_until_done(world: World, target: Target, journal: str | None, chance: random.Random) -> int:
    """Run the command, and kill it or now and then interrupt it, until it ends by itself; how often it was killed."""
    kills = 0
    for turn in range(MOST_IN_A_ROUND + 1):
        command = _begin(world, target, journal)
        if turn < MOST_IN_A_ROUND:
            stop = command.kill if chance.random() < 0.9 else command.interrupt
            if chance.random() < 0.7:
                target.watched.trip(1 + int(chance.random() * world.requests * REACH), stop)
            else:
                time.sleep(chance.random() * world.seconds * REACH)
                stop()
        code = command.wait()
        target.watched.trip(1 << 40, lambda: None)
        if code not in {-signal.SIGKILL, INTERRUPTED}:
            assert code == 0, command.text()
            return kills
        kills += code == -signal.SIGKILL
    raise AssertionError


def _all_equal(world: World, target: Target) -> None:
    """Read every case on both sides and compare."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in target.variables.items():
            patched.setenv(name, value)
        report = verify(world.source_url, target.url)
    assert report.ok, str(report)
    assert report.total == 8
