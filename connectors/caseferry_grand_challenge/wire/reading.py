"""Cases from Grand Challenge's archive items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

import numpy as np

from caseferry.annotation import Annotation, Mask
from caseferry.case import Attachment, Case, Image
from caseferry.files import FileRef, check_name
from caseferry.geometry import Geometry, as_stored
from caseferry.imaging.kinds import Kind
from caseferry.sidecar import Found, Kept, merge
from caseferry_grand_challenge.wire.annotations import MARKS, SEVERAL, annotations_in
from caseferry_grand_challenge.wire.images import upload_name
from caseferry_grand_challenge.wire.imagesets import INSTANCES, set_name
from caseferry_grand_challenge.wire.item_calls import filled_sockets
from caseferry_grand_challenge.wire.pairing import standing_in
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
    instances : the names of the files of a DICOM image set by its address
    open_instance : opens one of those
    content : the content of a JSON file by its address
    """

    open: Callable[[str], BinaryIO]
    image: Callable[[str], Mapping[str, Any]]
    instances: Callable[[str], Sequence[str]]
    open_instance: Callable[[str, str], BinaryIO]
    content: Callable[[str], Any]


def stored_image(ref: FileRef, origin: str) -> str | None:
    """The identifier of the image of the platform that a file is; None when it is none of it.

    Parameters
    ----------
    origin : scheme and host of the platform
    """
    prefix = f"grand-challenge:{origin}/media/images/"
    parts = ref.location.removeprefix(prefix).split("/") if ref.location.startswith(prefix) else []
    return parts[2] if len(parts) == 5 else None


def stored_set(refs: Sequence[FileRef], origin: str) -> tuple[str, set[str]] | None:
    """The address of the DICOM image set of the platform that files are of, and their names there; None for others."""
    places = [ref.location.removeprefix("grand-challenge:").partition(INSTANCES) for ref in refs]
    addresses = {address for address, _, _ in places}
    (address,) = addresses if len(addresses) == 1 else ("",)
    if not address.startswith(f"{origin}/") or not all(uid for _, _, uid in places):
        return None
    return address, {uid for _, _, uid in places}


def case_of(
    item: Mapping[str, Any], kept: Kept | None, names: Names, source: Source, sidecar: str | None = None
) -> Case:
    """A case from an item.

    Parameters
    ----------
    kept : the sidecar of the item, when it has one
    sidecar : the socket that holds it
    """
    values = filled_sockets(item)
    sockets = {slug: Socket.read(value.get("socket") or value["interface"]) for slug, value in values.items()}
    if kept is None:
        return _foreign(item, values, sockets, names, source)
    native = kept.native
    described = {image.role: image for image in kept.case.images}
    images = {
        role: _kept_image(role, described.get(role), values[slug], source, kept.case.id)
        for role, slug in native.images.items()
        if slug in values
    }
    found = [*_kept_masks(kept, values, sockets, source), *_kept_marks(kept, values, sockets, source, images)]
    held = {name: _value(values[slug], source) for name, slug in native.values.items() if slug in values}
    files = {
        each.name: _file(values[native.attachments[each.name]], each.file, source)
        for each in kept.case.attachments
        if native.attachments.get(each.name) in values
    }
    claimed = {
        *(slug for part in (native.images, native.values, native.attachments) for slug in part.values()),
        *(key.partition("#")[0] for key in native.annotations.values()),
        sidecar,
    }
    beside = {slug: value for slug, value in values.items() if slug not in claimed}
    if beside:
        others = _foreign(item, beside, sockets, names, source, images)
        images |= {image.role: image for image in others.images if image.role not in images}
        found += [Found(annotation, annotation.id) for annotation in others.annotations]
        held |= {name: value for name, value in others.values.items() if name not in kept.case.values}
        taken = {each.name for each in kept.case.attachments}
        files |= {each.name: each.file for each in others.attachments if each.name not in taken}
    return merge(kept, images, found, held, files)


def _kept_image(role: str, put: Image | None, value: Mapping[str, Any], source: Source, case_id: str) -> Image:
    """What the platform made of an image that was put, or another one that has taken its place since."""
    told = source.image(str(value["image"])) if value.get("image") else {}
    if not told or told.get("files"):
        return _as_put(put, _image(role, value, source), _size(value, source))
    there = _image(role, value, source)
    if put is None:
        return there
    own = told.get("name") == set_name(case_id, put)
    grid = put.declared_geometry if own else there.geometry
    return Image(role, there.files, kind=put.declared_kind if own else there.kind, geometry=grid)


def _as_put(put: Image | None, there: Image, size: tuple[int, int, int] | None) -> Image:
    """What the platform made of an image that was put, or of another one that has taken its place since.

    Where an image says nothing of a place in the patient, the file on the platform claims one all the same; what was
    put knows better. A file that the platform keeps as it was put takes its own name and digest back.

    Parameters
    ----------
    size : of the image there, as the platform tells it
    """
    if put is not None and there.declared_kind is Kind.METAIMAGE and there.declared_geometry is None:
        grid = put.declared_geometry
        if grid is None or grid.space == "patient" or size not in {grid.shape, as_stored(grid).shape}:
            return there
        made = put.declared_kind in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME, Kind.PICTURE}
        known = as_stored(grid) if made else grid
        return Image(there.role, there.files, kind=there.declared_kind, geometry=known)
    if put is not None and put.declared_kind in {Kind.VIDEO, Kind.PDF} and len(put.files) == 1:
        own = put.files[0]
        return put.with_files([replace(there.files[0], name=own.name, size=own.size, sha256=own.sha256)])
    return there


def image_there(role: str, address: str, source: Source) -> Image:
    """An image of the platform by its address."""
    return _image(role, {"image": address}, source)


def _image(role: str, value: Mapping[str, Any], source: Source) -> Image:
    """The image in a socket: what the platform made of the files that were put."""
    if value.get("file"):
        address = str(value["file"])
        return Image(role, [_ref(address, PurePosixPath(address.partition("?")[0]).name, source)])
    told = source.image(str(value["image"]))
    files = sorted(told.get("files") or (), key=lambda each: each.get("image_type") == "DZI")
    if not files:
        return _image_set(role, str(value["image"]), source)
    address = str(files[0]["file"])
    name = _safe(str(told.get("name") or ""), address)
    tiff = files[0].get("image_type") == "TIFF"
    return Image(
        role,
        [_ref(address, name, source)],
        kind=Kind.WSI if tiff else Kind.METAIMAGE,
        geometry=None if tiff else _pixel_grid(told),
    )


def _image_set(role: str, address: str, source: Source) -> Image:
    """A DICOM image set, its files in no order."""
    refs = [
        FileRef(
            f"grand-challenge:{address}{INSTANCES}{uid}",
            f"{uid}.dcm",
            media_type="application/dicom",
            opener=partial(source.open_instance, address, uid),
        )
        for uid in source.instances(address)
    ]
    return Image(role, refs, kind=Kind.DICOM_SERIES if len(refs) > 1 else None)


def _size(value: Mapping[str, Any], source: Source) -> tuple[int, int, int] | None:
    """Columns, rows and slices of the image in a socket, as the platform tells them."""
    if not value.get("image"):
        return None
    told = source.image(str(value["image"]))
    return int(told.get("width") or 1), int(told.get("height") or 1), int(told.get("depth") or 1)


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


def file_in(value: Mapping[str, Any], slug: str, open_file: Callable[[str], BinaryIO]) -> FileRef:
    """The file in a socket, as it is there."""
    address = str(value["file"])
    return FileRef(
        f"grand-challenge:{address.partition('?')[0]}", _file_name(value, slug), opener=lambda: open_file(address)
    )


def _file(value: Mapping[str, Any], put: FileRef, source: Source) -> FileRef:
    """A file that was put, or another one that has taken its place since: that one has a name of its own."""
    address = str(value["file"])
    there = _ref(address, put.name, source)
    if file_name(address) != upload_name(put.name):
        return replace(there, name=_file_name(value, put.name))
    return replace(there, size=put.size, media_type=put.media_type, sha256=put.sha256)


def file_name(address: str) -> str:
    """The name under which a file was uploaded, from its address."""
    return unquote(PurePosixPath(address.partition("?")[0]).name)


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


def _kept_marks(
    kept: Kept,
    values: Mapping[str, Any],
    sockets: Mapping[str, Socket],
    source: Source,
    images: Mapping[str, Image],
) -> list[Found]:
    """Annotations in JSON sockets, in the order in which they were put.

    Parameters
    ----------
    images : as they are there: another one may have taken the place of the one that was put
    """
    found = []
    for slug, group in listed(kept).items():
        if slug not in values or slug not in sockets:
            continue
        first, kind = group[0], sockets[slug].kind
        put = put_grid(kept, first)
        grid = put
        if put is not None and put.space == "patient" and kind in MARKS and first.image in images:
            grid = images[str(first.image)].geometry
        common = {"image": first.image, "label": first.label}
        value = _value(values[slug], source)
        hints: dict[int, int] = {0: 0}
        if kind in SEVERAL:
            hints = {entry: index for index, entry in standing_in(kind, group, put, value).items()}
        count = max(hints, default=-1) + 1
        known = [group[hints[entry]] if entry in hints else None for entry in range(count)]
        keys = {entry: f"{slug}#{kept_index(kept, group[index])}" for entry, index in hints.items()}
        there = annotations_in(kind, value, common, grid, known)
        found += [Found(annotation, keys.get(entry)) for entry, annotation in enumerate(there)]
    return found


def listed(kept: Kept) -> dict[str, list[Annotation]]:
    """The annotations that were put into JSON sockets, by socket, in the order in which they were put there."""
    groups: dict[str, list[Annotation]] = {}
    for annotation in kept.case.annotations:
        key = kept.native.annotations.get(annotation.id, "")
        if "#" in key:
            groups.setdefault(key.rpartition("#")[0], []).append(annotation)
    return {slug: sorted(group, key=partial(kept_index, kept)) for slug, group in groups.items()}


def kept_index(kept: Kept, annotation: Annotation) -> int:
    """Where in its socket an annotation was put."""
    number = kept.native.annotations[annotation.id].rpartition("#")[2]
    return int(number) if number.isdecimal() else 0


def put_grid(kept: Kept, annotation: Annotation) -> Geometry | None:
    """The grid of the image on which an annotation was put."""
    image = next((each for each in kept.case.images if each.role == annotation.image), None)
    return image.declared_geometry if image is not None else None


# -- what people have put ------------------------------------------------------------------------------------------


def _foreign(
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
            images[role] = _image(role, value, source)
            shapes[role] = _shape(source.image(str(value["image"])))
    annotations: list[Annotation] = []
    for slug, value in values.items():
        if sockets[slug].kind == "Segmentation":
            mask = _foreign_mask(slug, value, sockets[slug], shapes, {**known, **images}, source)
            if mask is not None:
                annotations.append(mask)
            else:
                images[slug] = _image(slug, value, source)
    for slug, value in values.items():
        if sockets[slug].kind in MARKS and (images or known):
            grounds = {**known, **images}
            annotations += _foreign_marks(slug, _value(value, source), sockets[slug], grounds, names)
    return Case(
        id=str(item.get("title") or item["pk"]),
        images=[*images.values(), *(image for role, image in known.items() if role not in images)],
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
    name = file_name(str(value["file"]))
    return name if check_name(name) is None else slug


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
    return Mask(role, _image(slug, value, source).files[0], labels, label=slug, id=slug)


def _foreign_marks(
    slug: str, value: Json, socket: Socket, images: Mapping[str, Image], names: Names
) -> Sequence[Annotation]:
    """Positions in the first image that has a grid: the platform does not say which image is meant."""
    image = next(iter(images.values()))
    common = {"image": image.role, "label": names.label_back(slug)}
    there = annotations_in(socket.kind, value, common, image.geometry, ())
    return [replace(annotation, id=f"{slug}#{index}") for index, annotation in enumerate(there)]
