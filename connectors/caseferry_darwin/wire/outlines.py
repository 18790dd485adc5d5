"""Masks as polygons, for labels that have no class of masks: along the edges of pixels, so that nothing is lost.

A structure is one polygon with a ring for each part and each hole, as Darwin fills rings: what an odd number of them
encloses. On a volume or a video it has a keyframe in each frame in which there is any of it.

Source
------
darwin-py 3.6.3's importer: ``path`` and ``additional_paths``; its NIfTI importer, which draws label maps so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Polygon, Track
from caseferry.capability import Conversion
from caseferry.shapes import paint, ring_area, trace
from caseferry_darwin.wire.annotations import Form
from caseferry_darwin.wire.classes import RASTER_CLASS, RASTER_TYPE, Wanted
from caseferry_darwin.wire.frames import in_frames, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from caseferry.annotation import Annotation, Mask
    from caseferry.geometry import FloatArray
    from caseferry_darwin.wire.annotations import Ids
    from caseferry_darwin.wire.place import Place
    from caseferry_darwin.wire.view import View

OUTLINED = Conversion(
    "polygons along the edges of its pixels", "the team has no class of masks for it, or the mapping wants polygons"
)
"""What becomes of a mask where there is no class for it."""

MASKS = "masks"
"""What a mapping says of a label: as what its masks are drawn."""

KINDS = ("mask", "polygon")


def drawn_as(label: str, place: Place) -> str:
    """As what the masks of a label are drawn: ``mask`` or ``polygon``."""
    name, known = place.names.label(label), place.classes.known
    if (asked := place.names.details_of(name).get(MASKS)) is not None:
        return asked
    if (RASTER_CLASS, RASTER_TYPE) not in known:
        return "polygon"
    made = (name, "mask") in known or place.create or (name, "polygon") not in known
    return "mask" if made else "polygon"


def parted(mask: Mask, voxels: NDArray[Any], place: Place) -> dict[str, NDArray[Any]]:
    """The voxels of a mask by what they are drawn as; nothing of what there are none of."""
    kinds = {kind: [v for v, label in mask.labels.items() if drawn_as(label, place) == kind] for kind in KINDS}
    if not all(kinds.values()):
        return {kind: voxels for kind, values in kinds.items() if values}
    return {kind: np.where(np.isin(voxels, values), voxels, 0) for kind, values in kinds.items()}


def outline_forms(mask: Mask, voxels: NDArray[Any], view: View, place: Place, ids: Ids) -> list[Form]:
    """The polygons of a mask, one for each structure that has any voxel."""
    frames: dict[int, dict[int, dict[str, Any]]] = {}
    for frame, raster in enumerate(view.rasters(voxels)):
        if not raster.any():
            continue
        for value, rings in trace(np.ascontiguousarray(raster.T), set(mask.labels)).items():
            if rings:
                frames.setdefault(value, {})[frame] = {"polygon": _polygon(rings, view)}
    forms = []
    for value, contents in sorted(frames.items()):
        data = in_frames(contents, runs(contents)) if view.frames else contents[0]
        wanted = Wanted(place.names.label(mask.labels[value]), "polygon")
        forms.append(Form(wanted, data, ids.value(mask.id, value), view.slot))
    return forms


def _polygon(rings: Sequence[FloatArray], view: View) -> dict[str, Any]:
    """Rings as the platform takes them; the first is no hole."""
    ordered = sorted(rings, key=lambda ring: ring_area(ring) <= 0)
    paths = [[{"x": x, "y": y} for x, y in view.of_pixels(ring)] for ring in ordered]
    return {"path": paths[0]} | ({"additional_paths": paths[1:]} if paths[1:] else {})


def paint_outlines(voxels: NDArray[Any], drawn: Iterable[tuple[Annotation, int]]) -> None:
    """Give values to the voxels that polygons enclose, as they are now.

    Parameters
    ----------
    voxels : [column, row, slice], or [column, row, slice, frame]; changed
    drawn : polygons, or tracks of them, with their values
    """
    for annotation, value in drawn:
        for shape in annotation.shapes() if isinstance(annotation, Track) else [annotation]:
            if isinstance(shape, Polygon):
                paint(shape, voxels, value)
