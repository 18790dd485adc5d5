"""Masks: an annotation for each structure, and for each slot one layer that holds the pixels of them all.

Source
------
darwin-py 3.6.3's importer and exporter: dense run lengths, row by row, and the numbers of masks by their ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.case.placement import aligned
from caseferry.shapes import run_lengths, runs_to_plane
from caseferry_darwin.wire.annotations import Form
from caseferry_darwin.wire.classes import RASTER_CLASS, RASTER_TYPE, Wanted
from caseferry_darwin.wire.frames import in_frames
from caseferry_darwin.wire.frames import runs as frame_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.annotation import Mask
    from caseferry.case import Image
    from caseferry.mapping import Names
    from caseferry_darwin.wire.annotations import Ids
    from caseferry_darwin.wire.view import View


def no_layer(image: Image) -> str | None:
    """Why no masks can be drawn on an image."""
    if image.geometry is None:
        return "its image has no grid"
    if image.geometry.frames > 1 and image.geometry.shape[2] > 1:
        return "Darwin shows no volumes in time"
    return None


def joined(mask: Mask, image: Image, group: list[tuple[Mask, NDArray[Any]]]) -> str | None:
    """Why a mask has no place in the layer of its slot; when it has one, it joins those that are in it."""
    if (reason := no_layer(image)) is not None:
        return reason
    voxels = aligned(mask, image)
    return joined_voxels(mask, voxels, group) if voxels.any() else "it has no pixels"


def joined_voxels(mask: Mask, voxels: NDArray[Any], group: list[tuple[Mask, NDArray[Any]]]) -> str | None:
    """The same for those of a mask's voxels that are drawn as masks."""
    if any(np.logical_and(voxels, other).any() for _, other in group):
        return "it overlaps another mask of the image, and Darwin keeps one layer of pixels"
    group.append((mask, voxels))
    return None


def mask_forms(masks: Sequence[tuple[Mask, NDArray[Any]]], view: View, names: Names, ids: Ids) -> list[Form]:
    """All masks of one slot: an annotation for each structure, and the one layer that holds their pixels.

    Parameters
    ----------
    masks : with their voxels on the image's grid; they do not overlap
    """
    width, height = view.raster_size()
    layers = [np.zeros((height, width), np.int64) for _ in range(max(view.frames, 1))]
    numbers: dict[str, int] = {}
    forms: list[Form] = []
    for mask, voxels in masks:
        rasters = view.rasters(voxels)
        for value, label in mask.labels.items():
            present = [frame for frame, raster in enumerate(rasters) if (raster == value).any()]
            if not present:
                continue
            part = ids.value(mask.id, value)
            numbers[part] = len(numbers) + 1
            for frame in present:
                layers[frame][rasters[frame] == value] = numbers[part]
            runs = frame_runs(present)
            data: dict[str, Any] = {"mask": {}}
            if view.frames:
                data = in_frames({start: {"mask": {}} for start, _ in runs}, runs)
            forms.append(Form(Wanted(names.label(label), "mask"), data, part, view.slot))
    if forms:
        wanted, layer = Wanted(RASTER_CLASS, RASTER_TYPE), _layer(layers, numbers, view)
        forms.append(Form(wanted, layer, ids.layer(view.slot), view.slot))
    return forms


def _layer(layers: Sequence[NDArray[np.int64]], numbers: Mapping[str, int], view: View) -> dict[str, Any]:
    def written(layer: NDArray[np.int64]) -> dict[str, Any]:
        used = set(np.unique(layer).tolist())
        mapping = {part: number for part, number in numbers.items() if number in used}
        runs = {"dense_rle": run_lengths(layer.T), "total_pixels": int(layer.size)}
        return {RASTER_TYPE: {**runs, "mask_annotation_ids_mapping": mapping}}

    if not view.frames:
        return written(layers[0])
    filled = [frame for frame, layer in enumerate(layers) if layer.any()]
    first, last = filled[0], filled[-1]
    return in_frames({frame: written(layers[frame]) for frame in range(first, last + 1)}, [(first, last + 1)])


@dataclass(frozen=True)
class Layer:
    """The pixels of all masks of one slot, frame by frame.

    Attributes
    ----------
    frames : frame to run lengths and to the numbers of the masks in it, by their ids
    """

    frames: Mapping[int, tuple[Sequence[int], Mapping[str, int]]]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Layer:
        """From the data of a raster layer annotation."""
        contents = {0: data} if "frames" not in data else {int(f): content for f, content in data["frames"].items()}
        return cls(
            {
                frame: (content[RASTER_TYPE]["dense_rle"], content[RASTER_TYPE]["mask_annotation_ids_mapping"])
                for frame, content in contents.items()
                if RASTER_TYPE in content
            }
        )

    def voxels(self, parts: Mapping[str, int], view: View) -> NDArray[Any]:
        """The voxels of some masks, each with the value that it is given; 0 for those that have none here.

        Parameters
        ----------
        parts : the platform's ids of masks to voxel values
        """
        width, height = view.raster_size()
        dtype = np.min_scalar_type(max(parts.values(), default=1))
        rasters: dict[int, NDArray[Any]] = {}
        for frame, (runs, mapping) in self.frames.items():
            raster = runs_to_plane(runs, (width, height)).T
            out = np.zeros(raster.shape, dtype)
            for part, number in mapping.items():
                if part in parts:
                    out[raster == int(number)] = parts[part]
            rasters[frame] = out
        return view.from_rasters(rasters, dtype)
