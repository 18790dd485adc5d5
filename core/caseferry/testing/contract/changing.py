"""Changing the annotations of what is there, and deleting it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from caseferry.annotation import Annotation, Category, Label, Mask, Numeric, Placed, Point, Polygon, Raw, Text
from caseferry.case.compare import differences
from caseferry.errors import InvalidCase, NotFound
from caseferry.imaging.kinds import Kind
from caseferry.imaging.reading import read_header
from caseferry.testing.contract.watching import recorded

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.connector import Dataset
    from caseferry.testing.samples import Samples


class Changing:
    """Only what is meant is changed."""

    def test_adds_annotations(self, dataset: Dataset, samples: Samples) -> None:
        """To what is there, which stays."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        case = samples.full_case(kinds=[Kind.NIFTI])
        item = dataset.put(case)
        own = "0b0f9a52-8a7e-4d1e-9a52-6f2f0f0a6b10"
        new = [Point("nifti", (1, 2), frame=3, label="later"), Label("nifti", "seen", id=own)]
        after = dataset.annotate(item, new)
        assert after.id == item.id
        kept = dataset.sealed(case).annotations
        found = {annotation.id: annotation for annotation in dataset.get(item.id).case().annotations}
        assert {annotation.id for annotation in kept} <= set(found)
        added = [annotation for name, annotation in found.items() if name not in {each.id for each in kept}]
        assert sorted((each.kind, each.label) for each in added) == [("label", "seen"), ("point", "later")]
        assert own in found

    def test_replaces_and_removes_annotations(self, dataset: Dataset, samples: Samples) -> None:
        """Of every kind, with all that they say; what is not named stays, and doing it again changes nothing."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        case = samples.full_case(kinds=[Kind.NIFTI])
        item = dataset.put(case)
        stand = dataset.sealed(case).annotations
        changed = [_altered(each) for each in stand[::2]]
        plan = dataset.plan_annotate(item, changed, replace=True)
        plan.release()
        with recorded(dataset) as sent:
            assert dataset.annotate(item, changed, replace=True).id == item.id
        watched = {watch.name for call in plan.calls for watch in call.watch}
        assert {call.name for call in sent} - watched == {call.name for call in plan.calls}
        merged = {each.id: each for each in [*stand, *changed]}
        expected = replace(case, annotations=list(merged.values()))
        assert differences(dataset.sealed(expected), dataset.get(item.id).case()) == []
        with recorded(dataset) as again:
            dataset.annotate(dataset.get(item.id), changed, replace=True)
        assert again == []
        gone = [each.id for each in stand[1::3]]
        dataset.annotate(dataset.get(item.id), remove=gone)
        expected = replace(case, annotations=[each for name, each in merged.items() if name not in gone])
        assert differences(dataset.sealed(expected), dataset.get(item.id).case()) == []
        with pytest.raises(InvalidCase, match="is not there and cannot be removed"):
            dataset.annotate(dataset.get(item.id), remove=gone)

    def test_refuses_annotations_that_do_not_fit(
        self, dataset: Dataset, samples: Samples, traffic: Callable[[], int]
    ) -> None:
        """Before anything is sent."""
        if "annotate" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        item = dataset.put(samples.case())
        before = dataset.get(item.id).case()
        with pytest.raises(InvalidCase, match="planes"):
            dataset.annotate(item, [Point("nifti", (1, 2), frame=99, label="too far")])
        with pytest.raises(InvalidCase, match="'other'"):
            dataset.annotate(item, [Point("other", (1, 2), frame=0, label="elsewhere")])
        assert dataset.get(item.id).case() == before

    def test_deletes(self, dataset: Dataset, samples: Samples) -> None:
        """The one that is meant; it can be put again."""
        if "delete" not in dataset.capabilities.verbs:
            pytest.skip("tested by test_refuses_what_it_cannot_do")
        case = samples.case()
        kept, gone = dataset.put(replace(case, id="kept")), dataset.put(case)
        dataset.delete(gone)
        assert [item.id for item in dataset.items()] == [kept.id]
        assert dataset.find("sample") is None
        with pytest.raises(NotFound):
            dataset.delete(gone)
        assert differences(dataset.sealed(case), dataset.put(case).case()) == []


def _altered(annotation: Annotation) -> Annotation:
    """An annotation of the same name that says something else, in as many ways as its kind allows."""
    said: dict[str, Any] = {"attributes": {"again": True}, "author": "third@example.org"}
    if isinstance(annotation, Placed):
        said["points"] = [[each / 2 for each in point] for point in annotation.points]
    elif isinstance(annotation, Polygon):
        said["rings"] = [[[each / 2 for each in point] for point in ring] for ring in annotation.rings]
    elif isinstance(annotation, Mask):
        voxels = annotation.voxels()[:, :, ::-1]
        grid = read_header([annotation.file]).geometry
        assert grid is not None
        said["file"] = Mask.of_array("any", voxels, annotation.labels, grid.affine).file
    elif isinstance(annotation, Category | Text):
        said["value"] = "other"
    elif isinstance(annotation, Numeric):
        said["value"] = 7
    elif isinstance(annotation, Raw):
        said["payload"] = {"other": None}
    return replace(annotation, **said)
