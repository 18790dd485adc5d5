"""Cases from Grand Challenge's archive items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caseferry.annotation import Annotation, Mask
from caseferry.case import Attachment, Case, Image
from caseferry.files import FileRef, check_name
from caseferry.geometry import Geometry, as_stored
from caseferry.imaging.kinds import Kind
from caseferry.sidecar import Found, Kept, merge
from caseferry_grand_challenge.wire.annotations import MARKS, annotations_in
from caseferry_grand_challenge.wire.putting import filled_sockets
from caseferry_grand_challenge.wire.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caseferry.mapping import Names
    from caseferry.plain import Json

JSON_SCALARS = ("Bool", "String", "Choice", "Integer", "Float")


@dataclass(frozen=True)
class Source:
    """How what an item refers to is fetched.

    Attributes
    ----------
    open : opens a file by its address
    image : tells of an image by its address
    content : the content of a JSON file by its address
    """

    open: Callable[[str], BinaryIO]
    image: Callable[[str], Mapping[str, Any]]
    content: Callable[[str], Any]


def case_of(item: Mapping[str, Any], kept: Kept | None, names: Names, source: Source) -> Case:
    """A case from an item.

    Parameters
    ----------
    kept : the sidecar of the item, when it has one
    """
    values = filled_sockets(item)
    sockets = {slug: Socket.read(value.get("socket") or value["interface"]) for slug, value in values.items()}
    if kept is None:
        return _foreign(item, values, sockets, names, source)
    native = kept.native
    images = {role: _image(role, values[slug], source) for role, slug in native.images.items() if slug in values}
    described = {image.role: image for image in kept.case.images}
    images = {role: _as_put(described.get(role), image) for role, image in images.items()}
    found = [*_kept_masks(kept, values, sockets, source), *_kept_marks(kept, values, sockets, source)]
    held = {name: _value(values[slug], source) for name, slug in native.values.items() if slug in values}
    files = {
        each.name: _file(values[native.attachments[each.name]], each.file, source)
        for each in kept.case.attachments
        if native.attachments.get(each.name) in values
    }
    return merge(kept, images, found, held, files)


def _as_put(put: Image | None, there: Image) -> Image:
    """What the platform made of an image that was put: its grid is known without looking into the file.

    A file that the platform keeps as it was put takes its own name and digest back.
    """
    if put is not None and there.declared_kind is Kind.METAIMAGE and there.declared_geometry is None:
        grid = put.declared_geometry
        made = put.declared_kind in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME, Kind.PICTURE}
        known = as_stored(grid) if grid is not None and made else grid
        return Image(there.role, there.files, kind=there.declared_kind, geometry=known)
    if put is not None and put.declared_kind in {Kind.VIDEO, Kind.PDF} and len(put.files) == 1:
        own = put.files[0]
        return put.with_files([replace(there.files[0], name=own.name, size=own.size, sha256=own.sha256)])
    return there


def _image(role: str, value: Mapping[str, Any], source: Source) -> Image:
    """The image in a socket: what the platform made of the files that were put."""
    if value.get("file"):
        address = str(value["file"])
        return Image(role, [_ref(address, PurePosixPath(address.partition("?")[0]).name, source)])
    told = source.image(str(value["image"]))
    files = sorted(told.get("files") or (), key=lambda each: each.get("image_type") == "DZI")
    if not files:
        return Image(role, [FileRef(f"grand-challenge:{value['image']}", "dicom-image-set")])
    address = str(files[0]["file"])
    name = _safe(str(told.get("name") or ""), address)
    tiff = files[0].get("image_type") == "TIFF"
    return Image(
        role,
        [_ref(address, name, source)],
        kind=Kind.WSI if tiff else Kind.METAIMAGE,
        geometry=None if tiff else _pixel_grid(told),
    )


def _pixel_grid(told: Mapping[str, Any]) -> Geometry | None:
    """The grid of an image of which the platform knows no size: a picture."""
    if told.get("voxel_width_mm") is not None or not told.get("width") or not told.get("height"):
        return None
    return Geometry((int(told["width"]), int(told["height"]), int(told.get("depth") or 1)), np.eye(4), space="pixel")


def _safe(name: str, address: str) -> str:
    """The name of an image's file: the platform's name of the image, with the ending of the file."""
    ending = PurePosixPath(address.partition("?")[0]).suffix
    stem = PurePosixPath(name.replace("\\", "/")).name
    for known in (".nii.gz", ".mha", ".mhd", ".nii", ".nrrd", ".png", ".jpg", ".tif", ".tiff"):
        stem = stem.removesuffix(known)
    wanted = f"{stem or 'image'}{ending}"
    return wanted if check_name(wanted) is None else f"image{ending}"


def _ref(address: str, name: str, source: Source) -> FileRef:
    return FileRef(f"grand-challenge:{address.partition('?')[0]}", name or "file", opener=lambda: source.open(address))


def _value(value: Mapping[str, Any], source: Source) -> Json:
    return source.content(str(value["file"])) if value.get("file") else value.get("value")


def _file(value: Mapping[str, Any], put: FileRef, source: Source) -> FileRef:
    address = str(value["file"])
    return replace(_ref(address, put.name, source), size=put.size, media_type=put.media_type, sha256=put.sha256)


# -- what caseferry has put ----------------------------------------------------------------------------------------


def _kept_masks(kept: Kept, values: Mapping[str, Any], sockets: Mapping[str, Socket], source: Source) -> list[Found]:
    found = []
    for annotation in kept.case.annotations:
        key = kept.native.annotations.get(annotation.id, "")
        if isinstance(annotation, Mask) and key in values and sockets[key].super_kind == "Image":
            image = _image("mask", values[key], source)
            ref = replace(image.files[0], name=f"{PurePosixPath(annotation.file.name).name.split('.')[0]}.mha")
            found.append(Found(Mask(annotation.image, ref, annotation.labels, id=annotation.id), key))
    return found


def _kept_marks(kept: Kept, values: Mapping[str, Any], sockets: Mapping[str, Socket], source: Source) -> list[Found]:
    """Annotations in JSON sockets, in the order in which they were put."""
    groups: dict[str, list[Annotation]] = {}
    for annotation in kept.case.annotations:
        key = kept.native.annotations.get(annotation.id, "")
        if "#" in key:
            groups.setdefault(key.rpartition("#")[0], []).append(annotation)
    found = []
    for slug, group in groups.items():
        if slug not in values or slug not in sockets:
            continue
        first = group[0]
        image = next((each for each in kept.case.images if each.role == first.image), None)
        grid = image.declared_geometry if image is not None else None
        common = {"image": first.image, "label": first.label}
        there = annotations_in(sockets[slug].kind, _value(values[slug], source), common, grid, group)
        found += [Found(annotation, f"{slug}#{index}") for index, annotation in enumerate(there)]
    return found


# -- what people have put ------------------------------------------------------------------------------------------


def _foreign(
    item: Mapping[str, Any],
    values: Mapping[str, Mapping[str, Any]],
    sockets: Mapping[str, Socket],
    names: Names,
    source: Source,
) -> Case:
    """A case from an item that caseferry did not put: roles and names are those of the sockets."""
    roles = {slug: role for role, slug in names.images.items()}
    images: dict[str, Image] = {}
    shapes: dict[str, Any] = {}
    for slug, value in values.items():
        if sockets[slug].super_kind == "Image" and sockets[slug].kind != "Segmentation":
            role = roles.get(slug, slug)
            images[role] = _image(role, value, source)
            shapes[role] = _shape(source.image(str(value["image"])))
    annotations: list[Annotation] = []
    for slug, value in values.items():
        if sockets[slug].kind == "Segmentation":
            mask = _foreign_mask(slug, value, sockets[slug], shapes, source)
            if mask is not None:
                annotations.append(mask)
            else:
                images[slug] = _image(slug, value, source)
    for slug, value in values.items():
        if sockets[slug].kind in MARKS and images:
            annotations += _foreign_marks(slug, _value(value, source), sockets[slug], images, names)
    return Case(
        id=str(item.get("title") or item["pk"]),
        images=list(images.values()),
        annotations=annotations,
        values={
            slug: value["value"]
            for slug, value in values.items()
            if value.get("value") is not None and sockets[slug].kind not in MARKS
        },
        attachments=[
            Attachment(slug, _ref(str(value["file"]), _file_name(value, slug), source))
            for slug, value in values.items()
            if value.get("file") and sockets[slug].kind not in MARKS
        ],
    )


def _file_name(value: Mapping[str, Any], slug: str) -> str:
    name = PurePosixPath(str(value["file"]).partition("?")[0]).name
    return name if check_name(name) is None else slug


def _shape(told: Mapping[str, Any]) -> Any:
    return told.get("shape_without_color"), told.get("voxel_width_mm"), told.get("voxel_depth_mm")


def _foreign_mask(
    slug: str, value: Mapping[str, Any], socket: Socket, shapes: Mapping[str, Any], source: Source
) -> Mask | None:
    """A segmentation as a mask of the image of the same size; None when there is no such image."""
    own = _shape(source.image(str(value["image"])))
    role = next((role for role, shape in shapes.items() if shape == own), None)
    labels = {number: name or f"{slug} {number}" for number, name in socket.segments if number}
    if role is None or not labels:
        return None
    return Mask(role, _image(slug, value, source).files[0], labels, label=slug, id=slug)


def _foreign_marks(
    slug: str, value: Json, socket: Socket, images: Mapping[str, Image], names: Names
) -> Sequence[Annotation]:
    """Positions in the first image that has a grid: the platform does not say which image is meant."""
    image = next(iter(images.values()))
    common = {"image": image.role, "label": names.label_back(slug)}
    there = annotations_in(socket.kind, value, common, image.geometry, ())
    return [replace(annotation, id=f"{slug}#{index}") for index, annotation in enumerate(there)]
