"""Run lengths as Darwin writes masks: value, count, value, count, row after row.

Source
------
darwin-py 3.6.3, ``raster_layer.dense_rle``; the counts add up to width times height.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def encode(raster: NDArray[Any]) -> list[int]:
    """A raster [y, x] of whole numbers as run lengths."""
    flat = np.ascontiguousarray(raster).ravel()
    starts = np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))
    counts = np.diff(np.concatenate((starts, [flat.size])))
    return [int(n) for pair in zip(flat[starts].tolist(), counts.tolist(), strict=True) for n in pair]


def decode(runs: Sequence[int], width: int, height: int) -> NDArray[np.int64]:
    """A raster [y, x] from run lengths.

    Raises
    ------
    ValueError
        The counts do not add up to width times height.
    """
    pairs = np.array(runs, dtype=np.int64).reshape(-1, 2)
    if pairs[:, 1].min(initial=0) < 0 or int(pairs[:, 1].sum()) != width * height:
        msg = f"the runs cover {int(pairs[:, 1].sum())} pixels where {width} x {height} are expected"
        raise ValueError(msg)
    return np.repeat(pairs[:, 0], pairs[:, 1]).reshape(height, width)
