"""Annotations that are added to an item later read back as they were; where that cannot be, they are refused."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from darwin_scene import Scene

NOW = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (cf.Label("picture", label="x"), "label 'x': would come back as a tag"),
        (cf.Label(label="x"), "label 'x': is of the whole case"),
        (cf.Category("picture", label="q", value="a"), "category 'q': would come back as a text"),
        (cf.Numeric("picture", label="n", value=2.5), "numeric 'n': would come back as a text"),
        (cf.Polyline("picture", [(1, 1), (2, 3)], label="p"), "polyline 'p': has two positions"),
        (cf.Line("picture", [(1, 1), (2, 3)], label="l", author="a@b.example"), "line 'l': author would be lost"),
        (
            cf.Text("picture", label="t", value="v", confidence=0.5, created=NOW, attributes={"a": 1}),
            "text 't': created and confidence and attribute 'a' would be lost",
        ),
        (cf.Line("picture", [(1, 1), (2, 3)], label="l", id="mine"), "annotation id 'mine': is no UUID"),
        (cf.Angle("picture", [(1, 1), (2, 3), (4, 1)], label="a"), "angle 'a'"),
    ],
)
def test_what_would_be_lost_or_changed_is_refused_without_a_sidecar(
    scene: Scene, samples: Samples, annotation: cf.Annotation, told: str
) -> None:
    """On an item that others made; on one of ours an amendment of the sidecar tells of it."""
    dataset = scene.open()
    item = dataset.put(samples.case(kind=Kind.PICTURE))
    after = dataset.annotate(item, [cf.Point("picture", (2, 2), label="good"), annotation]).case().annotations
    assert [(each.kind, each.label) for each in after] == [("point", "good"), (annotation.kind, annotation.label)]
    assert after[1] == replace(annotation, id=after[1].id)
    row = scene.standin.state["items"][item.id]
    for slot in row["slots"]:
        slot["metadata"].pop("caseferry", None)
    scene.standin.state["annotations"][item.id] = {}
    (image,) = dataset.get(item.id).case().images
    moved = replace(annotation, image=image.role if annotation.image else None)
    with pytest.raises(cf.Inexpressible, match="cannot be put there") as refused:
        dataset.annotate(dataset.get(item.id), [cf.Point(image.role, (2, 2), label="good"), moved])
    assert told in str(refused.value)
    assert dataset.get(item.id).case().annotations == ()


def test_the_others_read_back_as_they_were(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    item = dataset.put(samples.case(kind=Kind.PICTURE))
    new = [
        cf.Point("picture", (2, 2), label="point"),
        cf.Line("picture", [(1, 1), (2, 3)], label="line"),
        cf.Polyline("picture", [(1, 1), (2, 3), (4, 4)], label="polyline"),
        cf.Box("picture", [(1, 1), (3, 4)], label="box"),
        cf.Polygon("picture", [(1, 1), (3, 1), (2, 4)], label="polygon"),
        cf.Text("picture", label="text", value="a word"),
    ]
    found = dataset.annotate(item, new).case().annotations
    assert {(each.kind, each.label) for each in found} == {(each.kind, each.label) for each in new}
    assert next(each for each in found if isinstance(each, cf.Text)).value == "a word"
