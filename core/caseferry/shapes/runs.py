"""From planes to run lengths and back: value, count, value, count, along the rows from the first to the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def run_lengths(plane: NDArray[Any]) -> list[int]:
    """A plane of whole numbers as run lengths.

    Parameters
    ----------
    plane : [column, row]

    Returns
    -------
    value, count, value, count, …; the column runs fastest, a run goes on from one row into the next, and the counts
    add up to columns times rows.
    """
    flat = plane.T.ravel()
    starts = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    starts = np.concatenate(([0][: flat.size], starts)).astype(np.intp)
    counts = np.diff(starts, append=flat.size)
    runs = [0] * (2 * starts.size)
    runs[0::2] = map(int, flat[starts].tolist())
    runs[1::2] = counts.tolist()
    return runs


def runs_to_plane(
    runs: Sequence[int], shape: tuple[int, int], dtype: type[np.integer[Any]] = np.int64
) -> NDArray[np.integer[Any]]:
    """A plane from run lengths.

    Parameters
    ----------
    runs : value, count, value, count, …, as `run_lengths` gives them
    shape : columns, rows

    Returns
    -------
    [column, row]

    Raises
    ------
    ValueError
        The runs are no pairs, a count is negative, a value does not fit the type, or the counts do not add up to
        columns times rows.
    """
    columns, rows = shape
    if len(runs) % 2:
        msg = f"there are {len(runs)} numbers, expected pairs of a value and a count"
        raise ValueError(msg)
    values, counts = _whole(runs[0::2], np.dtype(dtype)), _whole(runs[1::2], np.dtype(np.int64))
    if counts.min(initial=0) < 0 or int(counts.sum()) != columns * rows:
        msg = f"the runs cover {int(counts.sum())} pixels where {columns} x {rows} are expected"
        raise ValueError(msg)
    return np.repeat(values, counts).reshape(rows, columns).T


def _whole(numbers: Sequence[int], dtype: np.dtype[np.integer[Any]]) -> NDArray[np.integer[Any]]:
    try:
        kept = np.array(numbers, dtype=dtype)
    except (OverflowError, TypeError, ValueError):
        kept = np.zeros(0, dtype)
    if kept.tolist() != list(numbers):
        msg = f"the runs hold what is no whole number of type {dtype}"
        raise ValueError(msg)
    return kept
