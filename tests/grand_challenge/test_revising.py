"""Annotations in sockets change, and what readers put into the same sockets stays as it is, entry for entry."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene

READING = (
    Lookup("GET", "/(media|grand-challenge-protected)/.*", (), "what the case holds already"),
    Lookup("GET", "/api/v1/cases/images/[^/]+/", (), "what the case holds already"),
)


def mask(image: cf.Image, value: int) -> cf.Mask:
    grid = image.geometry
    assert grid is not None
    voxels = np.zeros(grid.shape, np.uint8)
    voxels[value : value + 2, 1:3, 2] = 1
    return cf.Mask.of_array("nifti", voxels, {1: "spot"}, grid.affine, id="mask")


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
    item = dataset.put(cf.Case("one", images=[image], annotations=[first, second, alone, mask(image, 1)]))
    entries = lines(item)
    theirs = {**entries[0], "name": "by a reader", "path_point_lists": [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7, 8, 9]]]}
    held = {"type": "Multiple lines", "version": {"major": 1, "minor": 0}, "lines": [*entries, theirs]}
    by_hand = value_call(dataset.place.item(item.id), [entry("measured", value=held)])
    dataset.execute(cf.Plan(dataset=dataset.url, case_id="one", calls=(by_hand,)))
    item = dataset.get(item.id)
    assert len(item.case().annotations) == 5
    third = replace(first, points=[(5, 1), (2, 2), (3, 2)], id="third")
    changed = replace(second, points=[(4, 4), (2, 2), (1, 2)], attributes={"k": 2})
    start, send, plans = len(scene.sandbox.ledger), dataset.execute, []

    def execute(plan: cf.Plan) -> Any:
        done = send(plan)
        compare(plan, done.bindings, list(scene.sandbox.ledger)[start:], [*LOOKUPS, *READING], "/api/v1/")
        plans.append(plan)
        return done

    dataset.execute = execute  # type: ignore[method-assign]
    new = [changed, third, mask(image, 3)]
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
    seen, moved = found["mask"], mask(image, 3)
    assert isinstance(seen, cf.Mask)
    np.testing.assert_array_equal(
        aligned(seen, item.case().image("nifti")).reshape(-1, order="F"), aligned(moved, image).reshape(-1, order="F")
    )
    with pytest.raises(cf.Inexpressible, match="is all that socket 'alone' holds"):
        dataset.annotate(item, remove=["alone"])
    with pytest.raises(cf.Inexpressible, match="is all that socket 'generic-overlay' holds"):
        dataset.annotate(item, remove=["mask"])
