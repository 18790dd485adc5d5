"""Annotations that were made later come to cases that are there, and what people did there stays."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.cli import main
from caseferry.imaging.kinds import Kind
from caseferry.sandbox import Sandbox
from caseferry.testing import Samples
from caseferry.transfers.journal import Journal
from transfer_scene import fresh_dataset, spot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLATFORMS = ["local", "datamint", "darwin", "grand-challenge"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


@pytest.fixture(autouse=True)
def _variables(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)


class Pair:
    """A folder and a dataset to which its one case was transferred."""

    def __init__(self, sandbox: Sandbox, platform: str, folder: Path) -> None:
        samples = Samples(folder / "samples")
        image = samples.image(Kind.NIFTI)
        self.journal = folder / "journal.db"
        self.source = cf.connect(f"local:{folder / 'source'}")
        name = f"sync-{platform}-{folder.name}".lower().replace("_", "-")[-60:].strip("-")
        self.target = cf.connect(fresh_dataset(sandbox, platform, name, folder))
        self.here = self.source.put(
            cf.Case(
                "one",
                images=[image],
                annotations=[
                    cf.Point("nifti", (1, 1), frame=1, label="moves here", id="here"),
                    cf.Point("nifti", (2, 1), frame=1, label="moves there", id="there"),
                    cf.Point("nifti", (3, 1), frame=1, label="moves on both", id="both"),
                    cf.Point("nifti", (4, 1), frame=1, label="goes here", id="gone here"),
                    cf.Point("nifti", (5, 1), frame=1, label="goes there", id="gone there"),
                    cf.Label("nifti", "stays", id="stays", author="a@b.example"),
                    spot(image, 1),
                ],
            )
        )
        assert cf.transfer(self.source, self.target, journal=self.journal, unmapped="accept").ok

    def sync(self, **options: Any) -> cf.Report:
        return cf.transfer(
            self.source, self.target, journal=self.journal, annotations_only=True, **{"unmapped": "accept"} | options
        )

    def there(self) -> dict[str, cf.Annotation]:
        item = self.target.find("one")
        assert item is not None
        return {each.id: each for each in item.case().annotations}

    def changed(self) -> None:
        """Have both sides change something, each of its own and one in common."""
        case = self.here.case()
        known = {each.id: each for each in case.annotations}
        moved = [replace(known[name], points=[(1, 3)]) for name in ("here", "both")]  # type: ignore[call-arg]
        new = cf.Line("nifti", [(1, 1), (2, 3)], frame=2, label="new", id="new", attributes={"k": 1})
        mask = spot(case.images[0], 3)
        self.source.annotate(self.here, [*moved, new, mask], replace=True, remove=["gone here"])
        item = self.target.find("one")
        assert item is not None
        theirs = [replace(known[name], points=[(0, 2)]) for name in ("there", "both")]  # type: ignore[call-arg]
        own = cf.Point("nifti", (0, 0), frame=0, label="theirs", id="11111111-1111-4111-8111-111111111111")
        self.target.annotate(item, [*theirs, own], replace=True, remove=["gone there"])


@pytest.fixture
def pair(request: pytest.FixtureRequest, sandbox: Sandbox, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(sandbox, getattr(request, "param", "local"), tmp_path)
    with made.source, made.target:
        yield made


EACH = pytest.mark.parametrize("pair", PLATFORMS, indirect=True)


@EACH
def test_three_ways(pair: Pair) -> None:
    pair.changed()
    before = pair.there()
    planned = pair.sync(dry_run=True)
    assert {name: replace(each) for name, each in pair.there().items()}.keys() == before.keys()
    report = pair.sync()
    counts = {"added": 1, "replaced": 2, "left": 3, "conflict": 1, "unchanged": 1}
    assert dict(report.annotations) == dict(planned.annotations) == counts
    assert dict(report.counts) == {"conflict": 1}
    assert not report.ok
    found = pair.there()
    points = {name: tuple(each.points[0]) for name, each in found.items() if isinstance(each, cf.Point)}
    own = "11111111-1111-4111-8111-111111111111"
    assert points == {"here": (1, 3), "there": (0, 2), "both": (0, 2), "gone here": (4, 1), own: (0, 0)}
    assert found["new"].attributes == {"k": 1}
    assert found["stays"].author == "a@b.example"
    source = {each.id: each for each in pair.here.case().annotations}
    voxels = [each.voxels() for each in (found["mask"], source["mask"]) if isinstance(each, cf.Mask)]
    np.testing.assert_array_equal(np.sort(voxels[0].ravel()), np.sort(voxels[1].ravel()))
    (noted,) = report.noted
    assert Counter((note.annotation, note.step) for note in noted.notes) == Counter(
        [("there", "left"), ("gone here", "left"), ("gone there", "left"), ("both", "conflict")]
    )
    assert "points differs" in next(note.reason for note in noted.notes if note.annotation == "both")
    with Journal(pair.journal, read_only=True) as journal:
        assert [result.notes for result in journal.syncs()] == [noted.notes]
        assert journal.states() == {"done": 1}

    again = pair.sync()
    assert dict(again.annotations) == {"unchanged": 4, "left": 3, "conflict": 1}
    assert again.calls == 0

    over = pair.sync(overwrite=True)
    assert over.ok
    assert dict(over.annotations) == {"unchanged": 4, "replaced": 1, "removed": 1, "left": 2}
    found = pair.there()
    assert sorted(found) == sorted(["here", "there", "both", "stays", "mask", "new", own])
    assert found["both"].points == ((1, 3),)  # type: ignore[attr-defined]
    assert found["there"].points == ((0, 2),)  # type: ignore[attr-defined]
    assert pair.sync().calls == 0


def test_without_a_journal_what_differs_is_a_conflict(pair: Pair) -> None:
    pair.changed()
    report = cf.transfer(pair.source, pair.target, annotations_only=True)
    assert dict(report.annotations) == {"added": 2, "conflict": 4, "unchanged": 1}
    assert "gone here" in pair.there()


@EACH
def test_an_interrupted_sync_goes_on(pair: Pair) -> None:
    """At whichever call it ends: the next one brings the rest, and nothing twice."""
    send = pair.target._send
    known = {each.id: each for each in pair.here.case().annotations}
    for last in range(20):
        new = cf.Line("nifti", [(1, 1), (2, last / 8)], frame=2, label="new", id=f"new {last}", attributes={"n": last})
        moved = replace(known["here"], points=[(2, last / 8 + 0.5)])  # type: ignore[call-arg]
        pair.source.annotate(pair.here, [moved, new], replace=True)
        left = [last]

        def dying(call: cf.Call, left: list[int] = left) -> Any:
            reply = send(call)
            left[0] -= 1
            if left[0] < 0:
                raise cf.PermissionDenied(pair.target.platform, "send", "the process ends here")
            return reply

        pair.target._send = dying  # type: ignore[method-assign]
        first = pair.sync()
        pair.target._send = send  # type: ignore[method-assign]
        second = pair.sync()
        assert second.ok, str(second)
        found = pair.there()
        assert sorted(found) == sorted([*known, *(f"new {number}" for number in range(last + 1))])
        assert found[new.id].attributes == new.attributes
        assert found["here"].points == moved.points  # type: ignore[attr-defined]
        if first.ok:
            break
    assert last


@pytest.mark.parametrize("pair", ["darwin"], indirect=True)
def test_a_label_that_the_target_does_not_know_makes_nothing_unasked(pair: Pair) -> None:
    pair.source.annotate(pair.here, [cf.Point("nifti", (1, 1), frame=1, label="mispelt", id="new")])
    with pytest.raises(cf.UnmappedLabels, match="mispelt"):
        pair.sync(unmapped="stop")
    assert "new" not in pair.there()
    assert pair.sync(unmapped="create").ok
    assert "new" in pair.there()


def test_a_case_that_is_not_there_is_named(pair: Pair) -> None:
    pair.source.put(replace(pair.here.case(), id="two"))
    report = pair.sync()
    assert [(each.case_id, str(each.outcome)) for each in report.problems] == [("two", "refused")]
    assert "transfer it first" in str(report)
    with pytest.raises(cf.ConfigurationError, match="annotations_only"):
        cf.transfer(pair.source, pair.target, overwrite=True)


def test_on_the_command_line(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    pair.changed()
    common = ["transfer", pair.source.url, pair.target.url, "--journal", str(pair.journal), "--annotations-only"]
    assert main([*common, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["annotations"] == {"added": 1, "conflict": 1, "left": 3, "replaced": 2, "unchanged": 1}
    assert {note["case"] for note in told["notes"]} == {"one"}
    assert main(["status", str(pair.journal)]) == 1
    out = capsys.readouterr().out
    assert "conflict: annotation both (point 'moves on both'): changed at the source and at the target" in out
    assert main([*common, "--overwrite"]) == 0
    assert "annotations: 2 left, 1 removed, 1 replaced, 4 unchanged" in capsys.readouterr().out
