"""The layer of pixels that all masks of a slot share: taking masks out of it, and laying others over it.

What is not meant stays as it is, number for number: people draw in it too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.shapes import run_lengths, runs_to_plane
from caseferry_darwin.wire.classes import RASTER_TYPE
from caseferry_darwin.wire.frames import in_frames

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

MAPPING = "mask_annotation_ids_mapping"


def contents(data: Mapping[str, Any]) -> dict[int, Mapping[str, Any]]:
    """The layer of each frame, by frame; that of a still picture under 0."""
    frames = {0: data} if "frames" not in data else {int(key): frame for key, frame in data["frames"].items()}
    return {frame: content[RASTER_TYPE] for frame, content in frames.items() if RASTER_TYPE in content}


def parts_in(data: Mapping[str, Any]) -> set[str]:
    """Ids of the masks that have pixels in a layer."""
    return {part for content in contents(data).values() for part in content[MAPPING]}


def without(data: Mapping[str, Any], parts: Collection[str]) -> dict[str, Any]:
    """A layer in which the pixels of some masks are nothing."""

    def cleared(frame: Mapping[str, Any]) -> dict[str, Any]:
        if RASTER_TYPE not in frame:
            return dict(frame)
        layer = frame[RASTER_TYPE]
        gone = {int(number) for part, number in layer[MAPPING].items() if part in parts}
        kept = {part: number for part, number in layer[MAPPING].items() if part not in parts}
        runs = [0 if not index % 2 and int(value) in gone else value for index, value in enumerate(layer["dense_rle"])]
        return {**frame, RASTER_TYPE: {**layer, "dense_rle": runs, MAPPING: kept}}

    if "frames" not in data:
        return cleared(data)
    return {**data, "frames": {key: cleared(frame) for key, frame in data["frames"].items()}}


def overlap(under: Mapping[str, Any], over: Mapping[str, Any], size: tuple[int, int]) -> bool:
    """Whether two layers have pixels in the same place.

    Parameters
    ----------
    size : columns and rows of each frame
    """
    there = contents(under)
    return any(
        bool(np.logical_and(_plane(there[frame], size), _plane(content, size)).any())
        for frame, content in contents(over).items()
        if frame in there
    )


def merged(under: Mapping[str, Any], over: Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    """Two layers as one; they do not overlap. Numbers of the first stay.

    Parameters
    ----------
    size : columns and rows of each frame
    """
    mine, theirs = contents(under), contents(over)
    frames = {
        frame: {RASTER_TYPE: _both(mine.get(frame), theirs.get(frame), size)} for frame in sorted({*mine, *theirs})
    }
    if "frames" not in under and "frames" not in over:
        return frames[0]
    ends = [end for data in (under, over) for segment in data.get("segments") or () for end in segment]
    segments = [(min(ends, default=min(frames)), max(ends, default=max(frames) + 1))]
    return in_frames(frames, segments)


def _both(under: Mapping[str, Any] | None, over: Mapping[str, Any] | None, size: tuple[int, int]) -> Mapping[str, Any]:
    if under is None or over is None:
        return under or over or {}
    plane, new = _plane(under, size), _plane(over, size)
    first = max([0, *map(int, under[MAPPING].values()), *_values(under["dense_rle"])])
    plane[new > 0] = new[new > 0] + first
    mapping = {part: int(number) + first for part, number in over[MAPPING].items()}
    return {**under, "dense_rle": run_lengths(plane), MAPPING: {**under[MAPPING], **mapping}}


def _values(runs: list[int]) -> Iterator[int]:
    return (int(value) for value in runs[::2])


def _plane(layer: Mapping[str, Any], size: tuple[int, int]) -> NDArray[Any]:
    return runs_to_plane(layer["dense_rle"], size)
