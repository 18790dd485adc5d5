"""What a plan says, and that it is what happens."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from caseferry.annotation import Label, Point
from caseferry.errors import UnmappedLabels
from caseferry.held import SAID, parts_of
from caseferry.registry import connect
from caseferry.testing.contract.watching import recorded
from caseferry.transfers.run import transfer

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.connector import Dataset
    from caseferry.imaging.kinds import Kind
    from caseferry.testing.samples import Samples


class Planning:
    """A plan tells the truth, and changes nothing."""

    def test_a_plan_changes_nothing(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """It can be printed, is plain data, and leaves no trace."""
        plan = dataset.plan(samples.full_case(kinds=kinds[:2]))
        assert plan.calls
        assert plan.case_id in str(plan)
        assert json.dumps(plan.to_json())
        assert list(dataset.items()) == []

    def test_what_is_sent_is_what_was_planned(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """Call for call."""
        case = samples.full_case(kinds=kinds[:2])
        plan = dataset.plan(case)
        with recorded(dataset) as sent:
            dataset.put(case)
        watched = {watch.name for call in plan.calls for watch in call.watch}
        names = [call.name for call in sent if call.name not in watched]
        assert set(names) == {call.name for call in plan.calls}
        repeated = {call.name for call in plan.calls if call.until is not None}
        assert [name for name, times in Counter(names).items() if times > 1 and name not in repeated] == []
        methods = {call.name: call.method for call in plan.calls}
        assert all(methods[call.name] == call.method for call in sent if call.name in methods)

    def test_losses_are_those_that_are_declared(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """What a platform declares that it cannot hold is a loss of the plan, each part by name."""
        case = samples.full_case(kinds=kinds[:1])
        plan = dataset.plan(case)
        parts = [each.part for each in plan.held if not each.part.startswith(SAID)]
        assert Counter(parts) == Counter(parts_of(dataset.sealed(case)))
        assert {each.part for each in plan.held if each.kept != "native"} == {loss.part for loss in plan.losses}
        lost = {loss.part.split(" ", 1)[0] for loss in plan.losses}
        offered = dataset.capabilities
        for kind, support in offered.annotations.items():
            assert support == "native" or kind in lost, f"{kind} is declared as {support} and is no loss of the plan"
        named = ("value", offered.values), ("attachment", offered.attachments), ("tag", offered.tags)
        for part, support in (*named, ("folder", offered.folders), ("metadata", offered.metadata)):
            assert support == "native" or part in lost
        converted = {loss.part.split(" ", 1)[0] for loss in plan.losses if loss.kept == "converted"} - {"image"}
        assert converted <= set(offered.conversions)
        for declared in (offered.images, offered.annotations):
            assert {str(kind) for kind, support in declared.items() if support == "converted"} <= set(
                offered.conversions
            )

    def test_unmapped_labels_stop_a_transfer(self, dataset: Dataset, samples: Samples, tmp_path: Path) -> None:
        """Where the platform has a list of names, nothing is sent of a case that has others, unless that is asked."""
        kinds = Label("nifti", "a label of nobody"), Point("nifti", (1, 1), frame=1, label="another of nobody")
        with connect(f"local:{tmp_path / 'start'}") as start:
            start.put(samples.case(annotations=kinds))
            missing = dataset.plan(start.get("sample").case()).missing
            if missing:
                with pytest.raises(UnmappedLabels, match="a label of nobody") as refused:
                    transfer(start, dataset)
                for words in ("another of nobody", "mapping init", "--unmapped sidecar"):
                    assert words in str(refused.value)
                assert list(dataset.items()) == []
            report = transfer(start, dataset, unmapped="accept" if missing else None)
        assert report.ok, str(report)
        assert transfer(dataset, f"local:{tmp_path / 'home'}").arrived == 1
