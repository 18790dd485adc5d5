"""Whether two cases mean the same: bytes by digest, images by voxels and place, annotations by what they say."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Annotation, Ellipse, Mask, Placed, Polygon, Track
from caseferry.annotation.placed import SAME_PLACE_MM
from caseferry.case.placement import aligned
from caseferry.geometry import SAME_GRID_MM
from caseferry.plain import fingerprint
from caseferry.shapes import outlined, same_ellipse, upright_axes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.case.case import Attachment, Case
    from caseferry.case.image import Image
    from caseferry.geometry import Geometry
    from caseferry.plain import Json


def differences(one: Case, other: Case) -> list[str]:
    """All that two cases do not have in common, one line each; empty when they mean the same.

    Reads every file of both, plane by plane where voxels are compared.
    """
    return [
        *_plain_differences(one, other),
        *_image_differences(one, other),
        *_annotation_differences(one, other),
        *_attachment_differences(one, other),
    ]


def _plain_differences(one: Case, other: Case) -> Iterator[str]:
    for name in ("id", "title", "folder"):
        if getattr(one, name) != getattr(other, name):
            yield f"{name} is {getattr(one, name)!r} in one and {getattr(other, name)!r} in the other"
    if set(one.tags) != set(other.tags):
        yield f"tags differ by {sorted(set(one.tags) ^ set(other.tags))}"
    for name in ("values", "metadata"):
        mine, theirs = getattr(one, name), getattr(other, name)
        for key in sorted(set(mine) | set(theirs)):
            if key not in mine or key not in theirs:
                yield f"{name} has {key!r} only in {'one' if key in mine else 'the other'}"
            elif not _same_value(mine[key], theirs[key], 1e-9):
                yield f"{name}.{key} differs"


def _same_value(mine: Json, theirs: Json, tolerance: float) -> bool:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        return mine.keys() == theirs.keys() and all(_same_value(mine[k], theirs[k], tolerance) for k in mine)
    if isinstance(mine, list) and isinstance(theirs, list):
        return len(mine) == len(theirs) and all(_same_value(a, b, tolerance) for a, b in zip(mine, theirs, strict=True))
    if isinstance(mine, bool) or isinstance(theirs, bool):
        return mine is theirs
    if isinstance(mine, int | float) and isinstance(theirs, int | float):
        return abs(mine - theirs) <= max(tolerance, 1e-12 * abs(mine))
    return mine == theirs


# -- images --------------------------------------------------------------------------------------------------------


def _image_differences(one: Case, other: Case) -> Iterator[str]:
    mine, theirs = ({image.role: image for image in case.images} for case in (one, other))
    for role in sorted(set(mine) | set(theirs)):
        if role not in mine or role not in theirs:
            yield f"image {role!r} is only in {'one' if role in mine else 'the other'}"
        else:
            yield from (f"image {role!r}: {text}" for text in image_differences(mine[role], theirs[role]))


def image_differences(one: Image, other: Image) -> list[str]:
    """What differs between two images: nothing when all bytes are equal, else voxels and grid are compared."""
    if _same_bytes(one, other):
        return []
    if one.header.geometry is None or other.header.geometry is None:
        return ["the bytes differ"]
    found = list(grid_differences(one.header.geometry, other.header.geometry))
    return found or list(_voxel_differences(one, other))


def _same_bytes(one: Image, other: Image) -> bool:
    if len(one.files) != len(other.files) or one.kind != other.kind:
        return False
    sizes = [Counter(ref.size for ref in image.files) for image in (one, other)]
    if None not in sizes[0] and None not in sizes[1] and sizes[0] != sizes[1]:
        return False
    digests = [Counter(ref.measured().sha256 for ref in image.files) for image in (one, other)]
    return digests[0] == digests[1]


def grid_differences(mine: Geometry, theirs: Geometry) -> Iterator[str]:
    """What differs between two grids, as far as voxels would lie elsewhere."""
    if mine.shape[:2] != theirs.shape[:2] or mine.planes != theirs.planes:
        yield f"the grid is {mine.shape} x {mine.frames} in one and {theirs.shape} x {theirs.frames} in the other"
    elif "patient" == mine.space == theirs.space and mine.shape == theirs.shape and not mine.same_grid(theirs):
        yield f"voxels lie elsewhere (more than {SAME_GRID_MM} mm)"
    elif mine.physical and theirs.physical and not np.allclose(mine.spacing_mm[:2], theirs.spacing_mm[:2], rtol=1e-5):
        yield f"the pixel spacing is {mine.spacing_mm[:2]} in one and {theirs.spacing_mm[:2]} in the other"


def _voxel_differences(one: Image, other: Image) -> Iterator[str]:
    for number, (mine, theirs) in enumerate(zip_longest(one.planes(), other.planes())):
        if mine is None or theirs is None:
            yield f"one has {number} planes and the other more"
            return
        if not _same_plane(mine, theirs):
            yield f"voxels differ, first in plane {number}"
            return


def _same_plane(mine: Any, theirs: Any) -> bool:
    if mine.shape != theirs.shape:
        return False
    if np.array_equal(mine, theirs):
        return True
    if "f" not in {mine.dtype.kind, theirs.dtype.kind}:
        return False
    narrow = "float32" if "float32" in {mine.dtype.name, theirs.dtype.name} else "float64"
    return np.array_equal(mine.astype(narrow), theirs.astype(narrow), equal_nan=True)


# -- annotations ---------------------------------------------------------------------------------------------------


def _annotation_differences(one: Case, other: Case) -> Iterator[str]:
    mine, theirs = ({annotation.id: annotation for annotation in case.annotations} for case in (one, other))
    for name in mine.keys() - theirs.keys():
        yield f"annotation {name} ({mine[name].kind} {mine[name].label!r}) is only in one"
    for name in theirs.keys() - mine.keys():
        yield f"annotation {name} ({theirs[name].kind} {theirs[name].label!r}) is only in the other"
    for name in [name for name in mine if name in theirs]:
        image = one.image(str(mine[name].image)) if mine[name].image is not None else None
        target = other.image(str(theirs[name].image)) if theirs[name].image is not None else None
        for text in annotation_differences(mine[name], theirs[name], image, target):
            yield f"annotation {name} ({mine[name].kind} {mine[name].label!r}): {text}"


def annotation_differences(
    mine: Annotation, theirs: Annotation, image: Image | None, target: Image | None
) -> list[str]:
    """What two annotations do not have in common; positions may differ by `SAME_PLACE_MM`.

    Parameters
    ----------
    image, target : the images that they lie in
    """
    grid = image.geometry if image is not None else None
    tolerance = SAME_PLACE_MM / (min(grid.spacing_mm) if grid is not None else 1.0)
    ours, others = (_without_file(each.to_json()) for each in (mine, theirs))
    found = [
        f"{key} differs"
        for key in sorted(set(ours) | set(others))
        if not _same_value(ours.get(key), others.get(key), tolerance if key in PLACES else 1e-9)
    ]
    if isinstance(mine, Mask) and isinstance(theirs, Mask) and not found and image is not None and target is not None:
        if mine.file.sha256 is not None and mine.file.sha256 == theirs.file.sha256:
            return []
        a, b = aligned(mine, image), aligned(theirs, target)
        if a.size != b.size or not np.array_equal(a.reshape(-1, order="F"), b.reshape(-1, order="F")):
            found.append("voxels differ")
    return found


TIMES = {"created", "modified"}


def meaning(annotation: Annotation, image: Image | None) -> str:
    """What tells whether an annotation still says what it said, where the same program reads it again.

    Times do not count, nor where the file of a mask lies; its voxels do.
    """
    document = {key: value for key, value in _without_file(annotation.to_json()).items() if key not in TIMES}
    if isinstance(annotation, Mask) and image is not None:
        voxels = np.ascontiguousarray(aligned(annotation, image).reshape(-1, order="F").astype("<u2"))
        document["voxels"] = hashlib.sha256(voxels.data).hexdigest()
    return fingerprint(document)


PLACES = {"points", "rings", "keyframes"}
"""The fields of an annotation that say where it lies."""

MEANING = ("kind", "image", "label", "value", "unit", "labels", "platform", "payload")
"""The fields of an annotation that say what it is, beside where it lies."""


def same_meaning(mine: Annotation, theirs: Annotation, grid: Geometry | None) -> bool:
    """Whether two annotations say the same of the same place, however they write it and whoever made them.

    The outline of an ellipse, as `caseferry.shapes.outlined` draws it, says what the ellipse says.

    Parameters
    ----------
    mine : as it was put; what it leaves open (the image, the plane) the other may say
    grid : of the image that they lie in
    """
    if isinstance(mine, Ellipse) and isinstance(theirs, Polygon) and upright_axes(mine.points) is not None:
        mine = outlined(mine)
    ours, others = mine.to_json(), theirs.to_json()
    keys = MEANING if mine.image is not None else [key for key in MEANING if key != "image"]
    if any(not _same_value(ours.get(key), others.get(key), 1e-9) for key in keys):
        return False
    if isinstance(mine, Track) and isinstance(theirs, Track):
        return mine.ranges == theirs.ranges and all(
            here is None or (there is not None and same_meaning(here, there, grid))
            for here, there in ((mine.at(frame), theirs.at(frame)) for frame in _telling_frames(mine, theirs))
        )
    tolerance = SAME_PLACE_MM / (min(grid.spacing_mm) if grid is not None else 1.0)
    if isinstance(mine, Ellipse) and isinstance(theirs, Ellipse):
        return same_ellipse(_in_space(mine)[0], _in_space(theirs)[0], tolerance)
    if isinstance(mine, Placed | Polygon) and isinstance(theirs, Placed | Polygon):
        return _same_value(_in_space(mine), _in_space(theirs), tolerance)
    return mine.frame in {None, theirs.frame}


def _telling_frames(one: Track, other: Track) -> set[int]:
    """Frames by which two tracks of the same ranges are told apart.

    From one keyframe of either to the next, both stay as they are or change evenly: the ends and the middle tell.
    """
    turns = {each.frame or 0 for track in (one, other) for each in track.keyframes}
    turns |= {frame for first, last in one.ranges for frame in (first, last + 1)}
    return {frame for a, b in pairwise(sorted(turns)) for frame in (a, (a + b - 1) // 2, b - 1)}


def _in_space(annotation: Placed | Polygon) -> list[Any]:
    """Positions in three dimensions, a frame being the third."""
    rings = annotation.rings if isinstance(annotation, Polygon) else (annotation.points,)
    third = () if annotation.dimensions == 3 else (float(annotation.frame or 0),)
    return [[[*point, *third] for point in ring] for ring in rings]


def _without_file(document: dict[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in document.items() if key != "file"}


# -- attachments ---------------------------------------------------------------------------------------------------


def _attachment_differences(one: Case, other: Case) -> Iterator[str]:
    mine, theirs = ({each.name: each for each in case.attachments} for case in (one, other))
    for name in sorted(set(mine) | set(theirs)):
        if name not in mine or name not in theirs:
            yield f"attachment {name!r} is only in {'one' if name in mine else 'the other'}"
        elif not _same_attachment(mine[name], theirs[name]):
            yield f"attachment {name!r}: the bytes differ"


def _same_attachment(one: Attachment, other: Attachment) -> bool:
    return one.file.measured().sha256 == other.file.measured().sha256
