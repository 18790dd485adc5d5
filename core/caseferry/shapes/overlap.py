"""Masks that overlap, for platforms on which a pixel has one label: flattened, or kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class Flattened(NamedTuple):
    """A label map, and what it cost.

    Attributes
    ----------
    labels : the label map, of the smallest unsigned type that holds the values
    hidden : for each value how many of its pixels went to one of higher priority
    """

    labels: NDArray[Any]
    hidden: dict[int, int]


def flattened(masks: Mapping[int, NDArray[Any]], priority: Sequence[int]) -> Flattened:
    """One label map of several masks; where they overlap, what comes first in `priority` is kept.

    Parameters
    ----------
    masks : the value that each gets, from 1, to its mask; all of one shape; what is not 0 belongs to it
    priority : every value once, the most important first

    Raises
    ------
    ValueError
        The masks differ in shape, there is none, a value is below 1, or `priority` is not an order of the values.
    """
    shape = _shape(masks)
    if sorted(priority) != sorted(masks):
        msg = f"the priority is {list(priority)}, expected an order of {sorted(masks)}"
        raise ValueError(msg)
    labels = np.zeros(shape[::-1], np.min_scalar_type(max(masks))).T
    hidden = {}
    for value in priority:
        inside = masks[value] != 0
        free = inside & (labels == 0)
        labels[free] = value
        hidden[value] = int(np.count_nonzero(inside)) - int(np.count_nonzero(free))
    return Flattened(labels, hidden)


def apart(masks: Mapping[int, NDArray[Any]]) -> list[NDArray[Any]]:
    """As few label maps as a first fit finds, in each of which no two masks overlap; nothing is lost.

    Parameters
    ----------
    masks : the value that each gets, from 1, to its mask; all of one shape; what is not 0 belongs to it

    Returns
    -------
    Label maps; each mask is whole in one of them. One only when nothing overlaps.

    Raises
    ------
    ValueError
        The masks differ in shape, there is none, or a value is below 1.
    """
    shape = _shape(masks)
    maps: list[NDArray[Any]] = []
    for value, mask in masks.items():
        inside = mask != 0
        free = next((labels for labels in maps if not labels[inside].any()), None)
        if free is None:
            free = np.zeros(shape[::-1], np.min_scalar_type(max(masks))).T
            maps.append(free)
        free[inside] = value
    return maps


def _shape(masks: Mapping[int, NDArray[Any]]) -> tuple[int, ...]:
    shapes = {mask.shape for mask in masks.values()}
    if len(shapes) != 1 or min(masks) < 1:
        msg = f"expected masks of one shape with values from 1, found shapes {sorted(shapes)}, values {sorted(masks)}"
        raise ValueError(msg)
    return shapes.pop()
