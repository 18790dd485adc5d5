"""Cases from what people have put into Grand Challenge's items: roles and names are those of the sockets."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Annotation, Mask, Placed, Polygon
from caseferry.case import Attachment, Case, Image
from caseferry_grand_challenge.wire.annotations import MARKS, annotations_in
from caseferry_grand_challenge.wire.keys import entry_key
from caseferry_grand_challenge.wire.raws import raw_value, understood
from caseferry_grand_challenge.wire.sockets import JSON_KINDS
from caseferry_grand_challenge.wire.stored import Source, file_ref, image_in, plain_name, value_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.geometry import Geometry
    from caseferry.mapping import Names
    from caseferry.plain import Json
    from caseferry_grand_challenge.wire.sockets import Socket


def foreign_case(
    item: Mapping[str, Any],
    values: Mapping[str, Mapping[str, Any]],
    sockets: Mapping[str, Socket],
    names: Names,
    source: Source,
    known: Mapping[str, Image] = MappingProxyType({}),
) -> Case:
    """A case from what caseferry did not put into an item: roles and names are those of the sockets.

    Parameters
    ----------
    known : images that it did put, which annotations may lie in
    """
    roles = {slug: role for role, slug in names.images.items()}
    images: dict[str, Image] = {}
    shapes: dict[str, Any] = {
        role: _shape(source.image(str(value["image"])))
        for role, image in known.items()
        for value in item["values"]
        if value.get("image") and str(value["image"]).rstrip("/").rpartition("/")[2] in image.files[0].location
    }
    for slug, value in values.items():
        if sockets[slug].super_kind == "Image" and sockets[slug].kind != "Segmentation":
            role = roles.get(slug, slug)
            images[role] = image_in(role, value, source)
            shapes[role] = _shape(source.image(str(value["image"])))
    annotations: list[Annotation] = []
    for slug, value in values.items():
        if sockets[slug].kind == "Segmentation":
            mask = _foreign_mask(slug, value, sockets[slug], shapes, {**known, **images}, source)
            if mask is not None:
                annotations.append(mask)
            else:
                images[slug] = image_in(slug, value, source)
    grounds = [*known.values(), *images.values()]
    for slug, value in values.items():
        if sockets[slug].kind in MARKS:
            annotations += _foreign_marks(slug, value_in(value, source), sockets[slug], grounds, names)
        elif _is_strange(sockets[slug], value):
            annotations.append(raw_value(slug, sockets[slug].kind, value["value"], names.label_back(slug)))
    return Case(
        id=str(item.get("title") or item["pk"]),
        images=[*images.values(), *(image for role, image in known.items() if role not in images)],
        annotations=annotations,
        values={
            slug: value["value"]
            for slug, value in values.items()
            if value.get("value") is not None and sockets[slug].kind in JSON_KINDS
        },
        attachments=[
            Attachment(slug, file_ref(str(value["file"]), plain_name(value, slug), source))
            for slug, value in values.items()
            if value.get("file") and sockets[slug].kind not in MARKS
        ],
    )


def _shape(told: Mapping[str, Any]) -> tuple[Any, tuple[float, ...]] | None:
    """How many voxels an image has along each axis, and how large they are; 0 where the platform does not know.

    None for a DICOM image set of which it knows neither.
    """
    if not told.get("files") and not told.get("shape_without_color"):
        return None
    sizes = (told.get(f"voxel_{side}_mm") for side in ("width", "height", "depth"))
    return told.get("shape_without_color"), tuple(float(size or 0) for size in sizes)


def _grid_shape(image: Image) -> tuple[Any, tuple[float, ...]] | None:
    """The same, told from the files."""
    grid = image.geometry
    if grid is None:
        return None
    counts = [*([grid.frames] if grid.frames > 1 else []), *reversed(grid.shape)]
    return counts, tuple(float(size) for size in grid.spacing_mm)


def _same_shape(one: tuple[Any, tuple[float, ...]] | None, other: tuple[Any, tuple[float, ...]] | None) -> bool:
    """Whether images may lie on each other; programs write the same size of voxels in more or fewer digits."""
    return (
        one is not None and other is not None and bool(one[0] == other[0] and np.allclose(one[1], other[1], rtol=1e-4))
    )


def _foreign_mask(
    slug: str,
    value: Mapping[str, Any],
    socket: Socket,
    shapes: Mapping[str, Any],
    grounds: Mapping[str, Image],
    source: Source,
) -> Mask | None:
    """A segmentation as a mask of the image of the same size; None when there is no such image.

    Parameters
    ----------
    shapes : of the images, as the platform tells it; None where it does not
    grounds : the images
    """
    own = _shape(source.image(str(value["image"])))
    role = next((role for role in shapes if _same_shape(shapes[role] or _grid_shape(grounds[role]), own)), None)
    labels = {number: name or f"{slug} {number}" for number, name in socket.segments if number}
    if role is None or not labels:
        return None
    return Mask(role, image_in(slug, value, source).files[0], labels, label=slug, id=slug)


def _is_strange(socket: Socket, value: Mapping[str, Any]) -> bool:
    """Whether a socket holds a value, and is of a kind that is not known."""
    return value.get("value") is not None and socket.kind not in JSON_KINDS


def _foreign_marks(
    slug: str, value: Json, socket: Socket, images: Sequence[Image], names: Names
) -> Sequence[Annotation]:
    """Positions in the first image that has them all within its grid: the platform does not say which one is meant.

    What is not understood is kept whole.
    """
    label = names.label_back(slug)
    found: Sequence[Annotation] = ()
    for image in images:
        grid = image.geometry
        there = annotations_in(socket.kind, value, {"image": image.role, "label": label}, grid, ())
        if grid is None or not understood(socket.kind, value, there, grid):
            continue
        if all(_lies_within(each, grid) for each in there):
            found = there
            break
        found = found or there
    if not found:
        return [raw_value(slug, socket.kind, value, label)]
    return [replace(annotation, id=entry_key(slug, index)) for index, annotation in enumerate(found)]


def _lies_within(annotation: Annotation, grid: Geometry) -> bool:
    """Whether all points of an annotation lie on voxels of its image."""
    assert isinstance(annotation, Placed | Polygon)  # noqa: S101  kinds of positions give nothing else
    counts = [*grid.shape[:2], grid.planes]
    points = [(*point, annotation.frame or 0)[:3] for point in annotation.points]
    return all(-0.5 <= at < count - 0.5 for point in points for at, count in zip(point, counts, strict=True))
