"""Annotations are brought to a case on which people draw with Datamint's own client, before and in that moment."""

from __future__ import annotations

import json
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from peers import DATAMINT_NEWEST

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from caseferry_datamint.dataset import DatamintDataset
    from datamint_scene import Scene

SHAPE = (7, 5, 4)
NAMES = ("moves here", "renamed there", "gone there", "approved there", "changed by both")
DRAWN = {"drawn line": "line", "drawn label": "label", "drawn phase": "category", "drawn mask": "mask"}


def place(image: cf.Image) -> Any:
    assert image.geometry is not None
    assert image.geometry.shape == SHAPE
    return image.geometry.affine


class Both:
    """A folder with a case, a project to which it was transferred, and a person who draws there."""

    def __init__(self, scene: Scene, samples: Samples) -> None:
        self.scene = scene
        self.journal = scene.folder / "journal.db"
        self.source = scene.opened.enter_context(cf.connect(f"local:{scene.folder / 'source'}"))
        self.target: DatamintDataset = scene.open()
        image = samples.image(Kind.NIFTI, "ct")
        points = [cf.Point("ct", (n, 1), frame=1, label=name, id=name) for n, name in enumerate(NAMES)]
        track = cf.Track("ct", [cf.Label("ct", "contrast", frame=1)], ranges=[(1, 3)], id="track")
        made = [*points, self.mask(1, place(image)), track]
        self.here = self.source.put(cf.Case("one", images=[image], annotations=made))
        assert self.transfer(phi="keep").ok

    @staticmethod
    def mask(value: int, affine: Any) -> cf.Mask:
        voxels = np.zeros(SHAPE, np.uint8)
        voxels[value : value + 2, 1:3, 2:4] = 1
        return cf.Mask.of_array("ct", voxels, {1: "spot"}, affine, id="mask")

    def transfer(self, **options: Any) -> cf.Report:
        return cf.transfer(self.source, self.target, journal=self.journal, **{"phi": "keep"} | options)

    def sync(self) -> cf.Report:
        return self.transfer(annotations_only=True)

    def change(self) -> None:
        """What is made at the source meanwhile."""
        known = {each.id: each for each in self.here.case().annotations}
        moved = [replace(known[name], points=[(2, 3)]) for name in ("moves here", "changed by both")]  # type: ignore[call-arg]
        new = cf.Line("ct", [(1, 1), (2, 3)], frame=2, label="new", id="new")
        self.source.annotate(self.here, [*moved, new, self.mask(3, place(self.here.case().images[0]))], replace=True)

    def rows(self) -> dict[str, dict[str, Any]]:
        """What stands there, by id."""
        rows: dict[str, dict[str, Any]] = self.scene.standin.state["annotations"]
        return {name: row for name, row in rows.items() if not row["deleted"]}

    def row(self, label: str) -> str:
        (found,) = [name for name, row in self.rows().items() if row["identifier"] == label]
        return found

    def person(self, **deeds: Any) -> list[str]:
        """Have a person draw, and do what else is said."""
        (resource,) = self.scene.standin.state["resources"]
        plan = {"resource": resource, "frame": 1, "size": SHAPE[:2], "line": [[2, 1], [5, 3]], "spot": [4, 2], **deeds}
        path = self.scene.folder / "deeds.json"
        path.write_text(json.dumps(plan))
        drawn: list[str] = self.scene.peer(DATAMINT_NEWEST, "datamint_meanwhile.py", str(path))
        return drawn

    def there(self) -> dict[str, cf.Annotation]:
        item = self.target.find("one")
        assert item is not None
        return {each.id: each for each in item.case().annotations}

    def check_drawn(self, drawn: list[str], before: dict[str, dict[str, Any]]) -> None:
        """What the person has drawn is there as it was, and once."""
        assert {name: row for name, row in self.rows().items() if name in drawn} == before
        found = [each for each in self.there().values() if each.id not in self.known()]
        named = {each.label or next(iter(getattr(each, "labels", {}).values())): each.kind for each in found}
        assert (named, len(found)) == (DRAWN, len(DRAWN))

    def known(self) -> set[str]:
        return {each.id for each in self.here.case().annotations}


@pytest.fixture
def both(scene: Scene, samples: Samples) -> Both:
    return Both(scene, samples)


@pytest.mark.peer
def test_between_two_syncs(both: Both) -> None:
    drawn = both.person(
        approve=[both.row("approved there")],
        delete=[both.row("gone there")],
        rename={both.row("renamed there"): "another", both.row("changed by both"): "theirs"},
    )
    before = {name: dict(row) for name, row in both.rows().items() if name in drawn}
    both.change()

    report = both.sync()

    assert dict(report.annotations) == {"added": 1, "replaced": 2, "left": 3, "conflict": 1, "unchanged": 1}
    (noted,) = report.noted
    assert {note.annotation: note.step for note in noted.notes} == {
        "renamed there": "left",
        "gone there": "left",
        "approved there": "left",
        "changed by both": "conflict",
    }
    both.check_drawn(drawn, before)
    found = both.there()
    assert "gone there" not in found
    assert (found["changed by both"].label, found["renamed there"].label) == ("theirs", "another")
    assert found["changed by both"].points == ((4, 1),)  # type: ignore[attr-defined]
    assert found["approved there"].status == "approved"
    assert found["moves here"].points == ((2, 3),)  # type: ignore[attr-defined]
    again = both.sync()
    assert (again.calls, dict(again.annotations)) == (0, {"unchanged": 4, "left": 3, "conflict": 1})
    both.check_drawn(drawn, before)


@pytest.mark.peer
def test_while_a_sync_is_under_way(both: Both) -> None:
    """After the first of its calls, when it has looked at what is there."""
    both.change()
    send, drawn = both.target._send, list[str]()
    before: dict[str, dict[str, Any]] = {}
    alone = Lock()

    def sending(call: cf.Call) -> Any:
        reply = send(call)
        with alone:
            if not drawn:
                drawn.extend(both.person())
                before.update({name: dict(row) for name, row in both.rows().items() if name in drawn})
        return reply

    both.target._send = sending  # type: ignore[method-assign]
    report = both.sync()
    both.target._send = send  # type: ignore[method-assign]
    assert report.ok, str(report)
    assert dict(report.annotations) == {"added": 1, "replaced": 3, "unchanged": 4}
    both.check_drawn(drawn, before)
    assert both.sync().calls == 0
    both.check_drawn(drawn, before)


def test_what_somebody_changes_before_it_is_written_over_stays(both: Both) -> None:
    """The sync has read the case, and not yet begun to change it: it stops, and the next one tells of a conflict."""
    both.change()
    row, revise = both.row("moves here"), both.target.revise

    def revising(*arguments: Any, **options: Any) -> Any:
        both.scene.ask("PATCH", f"/annotations/{row}", json={"identifier": "theirs"})
        return revise(*arguments, **options)

    both.target.revise = revising  # type: ignore[method-assign]
    report = both.sync()
    both.target.revise = revise  # type: ignore[method-assign]
    assert not report.ok
    assert "somebody changed annotation 'moves here' in this moment" in str(report)
    assert both.rows()[row]["identifier"] == "theirs"

    again = both.sync()
    assert dict(again.annotations) == {"added": 1, "replaced": 2, "conflict": 1, "unchanged": 4}
    assert both.there()["moves here"].label == "theirs"
