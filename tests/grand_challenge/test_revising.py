"""Annotations in sockets change, and what readers put into the same sockets stays as it is, entry for entry."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.case.placement import aligned
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.wire.item_calls import entry, value_call
from grand_challenge_scene import LOOKUPS
from ledger_check import Lookup, compare
from transfer_scene import spot

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene

READING = (
    Lookup("GET", "/(media|grand-challenge-protected)/.*", (), "what the case holds already"),
    Lookup("GET", "/api/v1/cases/images/[^/]+/", (), "what the case holds already"),
)


def lines(item: cf.Item) -> Any:
    """The entries of the socket as the platform keeps them."""
    (value,) = (each["value"] for each in item.native["values"] if each["socket"]["slug"] == "measured")
    return value["lines"]


def test_lists_and_segmentations(scene: Scene, samples: Samples) -> None:
    scene.standin.add_socket("measured", "Multiple lines", in_database=True)
    scene.standin.add_socket("alone", "Line", in_database=True)
    dataset = scene.open(socket="mr-image", mapping={"grand-challenge": {"labels": {"spot": "generic-overlay"}}})
    image = samples.image(Kind.NIFTI)
    first = cf.Polyline("nifti", [(1, 1), (2, 3), (3, 3)], frame=1, label="measured", id="first")
    second = replace(first, points=[(0, 1), (2, 2), (3, 2)], id="second", attributes={"k": 1})
    alone = replace(first, label="alone", id="alone")
    item = dataset.put(cf.Case("one", images=[image], annotations=[first, second, alone, spot(image, 1)]))
    entries = lines(item)
    theirs = {**entries[0], "name": "by a reader", "path_point_lists": [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7, 8, 9]]]}
    held = {"type": "Multiple lines", "version": {"major": 1, "minor": 0}, "lines": [*entries, theirs]}
    by_hand = value_call(dataset.place.item(item.id), [entry("measured", value=held)])
    dataset.execute(cf.Plan(dataset=dataset.url, case_id="one", calls=(by_hand,)))
    item = dataset.get(item.id)
    assert len(item.case().annotations) == 5
    third = replace(first, points=[(5, 1), (2, 2), (3, 2)], id="third")
    short = replace(first, points=[(5, 1), (2, 2)], id="short", attributes={"k": 1})
    told = [(each.part, each.kept) for each in dataset.plan_annotate(item, [short, third]).held]
    assert told == [("polyline 'measured'", "converted"), ("said of polyline 'measured'", "sidecar")]
    changed = replace(second, points=[(4, 4), (2, 2), (1, 2)], attributes={"k": 2})
    start, send, plans = len(scene.sandbox.ledger), dataset.execute, []

    def execute(plan: cf.Plan) -> Any:
        done = send(plan)
        compare(plan, done.bindings, list(scene.sandbox.ledger)[start:], [*LOOKUPS, *READING], "/api/v1/")
        plans.append(plan)
        return done

    dataset.execute = execute  # type: ignore[method-assign]
    new = [changed, third, spot(image, 3)]
    item = dataset.annotate(item, new, replace=True, remove=["first"])
    assert plans[0].irreversible == (
        "what is in socket 'generic-overlay' is replaced, for everybody who sees the item",
    )
    assert lines(item)[-1] == theirs
    assert len(lines(item)) == 3
    found = {each.id: each for each in item.case().annotations}
    assert len(found) == 5
    assert {"second", "third", "alone", "mask"} < set(found)
    assert found["second"].attributes == {"k": 2}
    for wanted in (changed, third):
        np.testing.assert_allclose(found[wanted.id].points, wanted.points, atol=1e-3)  # type: ignore[attr-defined]
    seen, moved = found["mask"], spot(image, 3)
    assert isinstance(seen, cf.Mask)
    np.testing.assert_array_equal(
        aligned(seen, item.case().image("nifti")).reshape(-1, order="F"), aligned(moved, image).reshape(-1, order="F")
    )
    with pytest.raises(cf.Inexpressible, match="is all that socket 'alone' holds"):
        dataset.annotate(item, remove=["alone"])
    with pytest.raises(cf.Inexpressible, match="is all that socket 'generic-overlay' holds"):
        dataset.annotate(item, remove=["mask"])


def by_hand(dataset: Any, item: cf.Item, slug: str, value: Any) -> cf.Item:
    """Somebody else fills a socket."""
    call = value_call(dataset.place.item(item.id), [entry(slug, value=value)])
    dataset.execute(cf.Plan(dataset=dataset.url, case_id=item.case_id, calls=(call,)))
    return dataset.get(item.id)  # type: ignore[no-any-return]


def test_what_others_put(scene: Scene, samples: Samples) -> None:
    """Into a list with ours, into a list of their own, and into a socket for one: each goes, or is told not to."""
    for slug, kind in (("measured", "Multiple lines"), ("read", "Multiple lines"), ("alone", "Line"), ("odd", "Line")):
        scene.standin.add_socket(slug, kind, in_database=True)
    dataset = scene.open(socket="mr-image")
    ours = cf.Polyline("nifti", [(1, 1), (2, 3), (3, 3)], frame=1, label="measured", id="ours")
    item = dataset.put(cf.Case("one", images=[samples.image(Kind.NIFTI)], annotations=[ours]))
    (mine,) = lines(item)

    def theirs(name: str, *shifts: float) -> dict[str, Any]:
        points = [[x + shift, y, z] for (x, y, z), shift in zip(mine["path_point_lists"][0], shifts, strict=True)]
        return {**mine, "name": name, "seed_points": points, "path_point_lists": [points]}

    several = {"type": "Multiple lines", "version": {"major": 1, "minor": 0}}
    stays, goes, moves = theirs("stays", 0, 1, 2), theirs("goes", 1, 1, 1), theirs("moves", 2, 0, 1)
    item = by_hand(dataset, item, "measured", {**several, "lines": [goes, stays, mine, moves]})
    item = by_hand(dataset, item, "read", {**several, "lines": [stays, goes]})
    item = by_hand(dataset, item, "alone", {**theirs("single", 3, 1, 1), "version": several["version"]})

    odd = theirs("odd", 0, 0, 0)
    item = by_hand(
        dataset, item, "odd", {**odd, "path_point_lists": odd["path_point_lists"] * 2, "version": several["version"]}
    )

    def named(label: str, item: cf.Item) -> list[Any]:
        return [each for each in item.case().annotations if each.label == label]

    assert [len(named(label, item)) for label in ("measured", "stays", "goes", "moves", "single")] == [1, 2, 2, 1, 1]
    first, second = (each.id for each in named("goes", item))
    moved = replace(named("moves", item)[0], points=[(0, 1), (2, 2), (3, 2)], frame=1, label="moved")
    single = replace(named("single", item)[0], points=[(1, 1), (2, 2), (1, 3)], frame=2)
    with pytest.raises(cf.Inexpressible, match=f"annotation '{single.id}': is all that socket 'alone' holds"):
        dataset.annotate(item, remove=[single.id])
    with pytest.raises(
        cf.Inexpressible,
        match=f"'{first}': was put there by somebody else, and stands in several sockets: 'measured', 'read'",
    ):
        dataset.annotate(item, remove=[first])
    with pytest.raises(cf.Inexpressible, match="'odd': fills a socket whole into which somebody else put it"):
        dataset.annotate(item, remove=["odd"])
    stale = item
    item = dataset.annotate(item, remove=[second])
    assert [len(named(label, item)) for label in ("measured", "stays", "goes", "moves", "single")] == [1, 2, 1, 1, 1]
    (first,) = (each.id for each in named("goes", item))
    item = dataset.annotate(item, [moved, single], replace=True, remove=[first])
    assert [each["name"] for each in lines(item)] == ["measured", "moved", "stays"]
    found = {each.label: each for each in item.case().annotations}
    counts = Counter(each.label for each in item.case().annotations)
    assert counts == {"measured": 1, "moved": 1, "single": 1, "stays": 2, "odd": 1}
    assert found["measured"] == ours
    for wanted in (moved, single):
        np.testing.assert_allclose(found[wanted.label].points, wanted.points, atol=1e-3)
        assert found[wanted.label].id == wanted.id
    with pytest.raises(cf.Inexpressible, match="put there by somebody else, and no socket of the item holds it as it"):
        dataset.annotate(stale, remove=[named("goes", stale)[0].id])
