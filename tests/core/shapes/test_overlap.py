"""Masks that overlap."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from caseferry.shapes import apart, flattened

Masks = dict[int, NDArray[np.bool_]]

MASKS = st.dictionaries(st.sampled_from([1, 2, 7, 300]), arrays(np.bool_, (3, 2, 2)), min_size=1)


@given(MASKS)
def test_the_first_in_priority_is_whole_and_every_loss_is_counted(masks: Masks) -> None:
    for priority in permutations(masks):
        labels, hidden = flattened(masks, priority)
        assert np.array_equal(labels == priority[0], masks[priority[0]])
        assert np.array_equal(labels > 0, np.any(list(masks.values()), axis=0))
        for value, mask in masks.items():
            assert not ((labels == value) & ~mask).any()
            assert hidden[value] == np.count_nonzero(mask & (labels != value))


@given(MASKS)
def test_apart_nothing_is_lost(masks: Masks) -> None:
    maps = apart(masks)
    homes = {value: [labels for labels in maps if (labels == value).any()] for value in masks}
    for value, mask in masks.items():
        assert len(homes[value]) == mask.any()
        for labels in homes[value]:
            assert np.array_equal(labels == value, mask)
    if np.sum(list(masks.values()), axis=0).max() <= 1:
        assert len(maps) == 1


def test_what_is_no_set_of_masks_is_refused() -> None:
    one, other = np.ones((2, 2), np.bool_), np.ones((2, 3), np.bool_)
    for masks in ({}, {1: one, 2: other}, {0: one}):
        with pytest.raises(ValueError, match="expected masks of one shape"):
            apart(masks)
        with pytest.raises(ValueError, match="expected masks of one shape"):
            flattened(masks, list(masks))
    for priority in ([1], [1, 2, 2], [1, 3]):
        with pytest.raises(ValueError, match="expected an order of"):
            flattened({1: one, 2: one}, priority)
