"""Annotations drawn as masks, and masks as annotations."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from caseferry import Box, Ellipse, Mask, Polygon
from caseferry.annotation import Code
from caseferry.errors import Inexpressible
from caseferry.shapes import ellipse_mask, paint, polygons

if TYPE_CHECKING:
    from numpy.typing import NDArray


@settings(max_examples=40)
@given(
    st.sampled_from([(5, 4, 3), (5, 4, 2, 3), (5, 4, 1, 2)]).flatmap(
        lambda shape: arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 1, 2, 9]))
    )
)
def test_a_mask_is_the_same_mask_after_it_was_polygons(voxels: NDArray[np.uint8]) -> None:
    names = {1: "liver", 2: "spleen"}
    values = {name: value for value, name in names.items()}
    when = dt.datetime(2024, 2, 3, 4, 5, tzinfo=dt.UTC)
    said: dict[str, Any] = {
        "author": "a@example.org",
        "created": when,
        "confidence": 0.5,
        "attributes": {"a": [1]},
        "codes": (Code("10200004", "SCT", "Liver"),),
        "source": "model",
        "model": "m",
    }
    mask = Mask.of_array("ct", voxels, names, np.eye(4), **said)
    back = np.zeros_like(voxels)
    for polygon in polygons(mask, voxels):
        assert {name: getattr(polygon, name) for name in said} == said
        paint(polygon, back, values[polygon.label])
    assert np.array_equal(back, np.where(voxels == 9, 0, voxels))


def test_flat_and_three_dimensional_annotations_are_painted_where_they_are() -> None:
    volume = np.zeros((6, 6, 4), np.uint8)
    ring = [(0.5, 0.5), (3.5, 0.5), (3.5, 2.5)]
    paint(Polygon("ct", ring, label="a", frame=2), volume, 1)
    paint(Polygon("ct", [(*point, 3.0) for point in ring], label="a"), volume, 2)
    assert np.array_equal(volume[:, :, 2] * 2, volume[:, :, 3])
    assert np.argwhere(volume[:, :, 2]).tolist() == [[2, 1], [3, 1], [3, 2]]
    paint(Box("ct", [(0, 0, 0), (1, 2, 2)], label="a"), volume, 7)
    assert np.argwhere(volume == 7).tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1]]
    paint(Box("ct", [(3.5, 3.5), (5.5, 5.5)], label="a", frame=0), volume, 8)
    assert np.argwhere(volume == 8).tolist() == [[4, 4, 0], [4, 5, 0], [5, 4, 0], [5, 5, 0]]
    ends = [(1, 3), (5, 3), (3, 2), (3, 4)]
    paint(Ellipse("ct", ends, label="a", frame=1), volume, 9)
    assert np.array_equal(volume[:, :, 1] == 9, ellipse_mask(ends, (6, 6)))


@pytest.mark.parametrize(
    ("annotation", "why"),
    [
        (Polygon("ct", [(0, 0), (1, 0), (1, 1)], label="a"), "names none of 4 planes"),
        (Polygon("ct", [(0, 0), (1, 0), (1, 1)], label="a", frame=4), "plane 4 of 4"),
        (Polygon("ct", [(0, 0, 0), (1, 0, 1), (1, 1, 0)], label="a"), "no single one of 4 slices"),
        (Polygon("ct", [(0, 0, 0.4), (1, 0, 0.4), (1, 1, 0.4)], label="a"), "no single one of 4 slices"),
        (Ellipse("ct", [(0, 0, -1)] * 4, label="a", id="e1"), "annotation e1: .* plane -1 of 4"),
    ],
)
def test_what_lies_in_no_plane_is_refused(annotation: Any, why: str) -> None:
    volume = np.zeros((6, 6, 4), np.uint8)
    with pytest.raises(Inexpressible, match=why):
        paint(annotation, volume, 1)
    assert not volume.any()
