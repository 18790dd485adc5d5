"""Processes that are killed, and transfers that are run again."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from caseferry.annotation import Label, Point
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry.registry import connect
from caseferry.testing.contract.watching import Killed, kill
from caseferry.transfers.run import transfer

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.connector import Dataset
    from caseferry.testing.samples import Samples


class Enduring:
    """Whatever is interrupted is completed, once."""

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_case_that_was_interrupted_is_completed(self, dataset: Dataset, samples: Samples, moment: str) -> None:
        """Whichever call was the last one, and whether its answer arrived or not: once there, and whole."""
        case = samples.case(annotations=[Label("nifti", "seen"), Point("nifti", (1, 1), frame=1, label="there")])
        for last in count():
            name = f"stopped {moment} {last}"
            with connect(dataset.url) as first:
                kill(first, last, moment)
                try:
                    first.put(replace(case, id=name))
                except Killed:
                    pass
                else:
                    break  # it takes no more calls than that
            with connect(dataset.url) as second:
                second.put(replace(case, id=name))
                found = [item for item in second.items() if item.case_id == name]
                assert len(found) == 1, f"stopped {moment} call {last}"
                there = found[0].case()
                assert differences(second.sealed(replace(case, id=name)), there) == [], f"stopped {moment} call {last}"
        assert last

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_revision_that_was_interrupted_is_completed(
        self, dataset: Dataset, samples: Samples, moment: str
    ) -> None:
        """Whichever call was the last one: what is there afterwards is what was asked for, once."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        kept = [Label("nifti", "stays"), Point("nifti", (1, 1), frame=1, label="goes"), Label("nifti", "old", id="l")]
        case = samples.case(annotations=[*kept, Point("nifti", (2, 2), frame=1, label="moves", id="p")])
        goes = dataset.sealed(case).annotations[1].id
        new = [
            Point("nifti", (3, 3), frame=2, label="moves", id="p", attributes={"seen": 2}),
            Label("nifti", "old", id="l", status="approved"),
            Point("nifti", (4, 4), frame=0, label="comes", id="n"),
        ]
        for last in count():
            name = f"stopped {moment} {last}"
            item = dataset.put(replace(case, id=name))
            with connect(dataset.url) as first:
                kill(first, last, moment)
                try:
                    first.annotate(first.get(item.id), new, replace=True, remove=[goes])
                except Killed:
                    pass
                else:
                    break  # it takes no more calls than that
            with connect(dataset.url) as second:
                there = {each.id for each in second.get(item.id).case().annotations}
                second.annotate(second.get(item.id), new, replace=True, remove={goes} & there)
                expected = replace(case, id=name, annotations=[case.annotations[0], *new])
                found = differences(second.sealed(expected), second.get(item.id).case())
                assert found == [], f"stopped {moment} call {last}"
        assert last

    def test_is_a_source_and_a_target_of_transfers(self, dataset: Dataset, samples: Samples, tmp_path: Path) -> None:
        """From a folder, verified, and back into one; a second run finds everything done."""
        with connect(f"local:{tmp_path / 'start'}") as start, connect(f"local:{tmp_path / 'home'}") as home:
            sent = {}
            for number in range(3):
                case = samples.full_case(f"travelling {number}", kinds=[Kind.NIFTI])
                start.put(case)
                sent[case.id] = start.sealed(case)
            for step, (source, target) in enumerate(((start, dataset), (dataset, home))):
                report = transfer(source, target, journal=tmp_path / "journal" / f"{step}.db", unmapped="accept")
                assert report.ok, report
                assert report.arrived == 3
                again = transfer(source, target, journal=tmp_path / "journal" / f"{step}.db")
                assert dict(again.counts) == {"unchanged": 3}
            for name, case in sent.items():
                item = home.find(name)
                assert item is not None
                assert differences(case, item.case()) == []
