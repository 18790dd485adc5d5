"""What stands in the sockets of Grand Challenge's items: images and files, to be opened on demand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import unquote

import numpy as np

from caseferry.case import Image
from caseferry.files import FileRef, check_name
from caseferry.geometry import Geometry
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.wire.images import upload_name
from caseferry_grand_challenge.wire.imagesets import INSTANCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from caseferry.plain import Json


FORMS = {"MHD": 0, "TIFF": 1, "DZI": 3}
LAST = 2
"""Which file of an image is read by what the platform calls its form: voxels as they are come before a slide, and the
description of a slide's tiles comes last, as the tiles themselves are told nowhere."""


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


def image_there(role: str, address: str, source: Source) -> Image:
    """An image of the platform by its address."""
    return image_in(role, {"image": address}, source)


def image_in(role: str, value: Mapping[str, Any], source: Source) -> Image:
    """The image in a socket: what the platform made of the files that were put."""
    if value.get("file"):
        address = str(value["file"])
        return Image(role, [file_ref(address, PurePosixPath(address.partition("?")[0]).name, source)])
    told = source.image(str(value["image"]))
    files = sorted(told.get("files") or (), key=lambda each: FORMS.get(str(each.get("image_type")), LAST))
    if not files:
        return image_set_in(role, str(value["image"]), source)
    address, form = str(files[0]["file"]), str(files[0].get("image_type"))
    name = _safe(str(told.get("name") or ""), address)
    kind = {"MHD": Kind.METAIMAGE, "TIFF": Kind.WSI}.get(form)
    grid = _pixel_grid(told) if kind is Kind.METAIMAGE else None
    return Image(role, [file_ref(address, name, source)], kind=kind, geometry=grid)


def image_set_in(role: str, address: str, source: Source) -> Image:
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


def size_in(value: Mapping[str, Any], source: Source) -> tuple[int, int, int] | None:
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


def file_ref(address: str, name: str, source: Source) -> FileRef:
    """A file of the platform by its address."""
    return FileRef(f"grand-challenge:{address.partition('?')[0]}", name or "file", opener=lambda: source.open(address))


def value_in(value: Mapping[str, Any], source: Source) -> Json:
    """The JSON in a socket, wherever the platform keeps it."""
    return source.content(str(value["file"])) if value.get("file") else value.get("value")


def file_in(value: Mapping[str, Any], slug: str, open_file: Callable[[str], BinaryIO]) -> FileRef:
    """The file in a socket, as it is there."""
    address = str(value["file"])
    return FileRef(
        f"grand-challenge:{address.partition('?')[0]}", plain_name(value, slug), opener=lambda: open_file(address)
    )


def file_as_put(value: Mapping[str, Any], put: FileRef, source: Source) -> FileRef:
    """A file that was put, or another one that has taken its place since: that one has a name of its own."""
    address = str(value["file"])
    there = file_ref(address, put.name, source)
    if file_name(address) != upload_name(put.name):
        return replace(there, name=plain_name(value, put.name))
    return replace(there, size=put.size, media_type=put.media_type, sha256=put.sha256)


def file_name(address: str) -> str:
    """The name under which a file was uploaded, from its address."""
    return unquote(PurePosixPath(address.partition("?")[0]).name)


def plain_name(value: Mapping[str, Any], slug: str) -> str:
    """The name of the file in a socket; the socket's own where that is none that a file may have."""
    name = file_name(str(value["file"]))
    return name if check_name(name) is None else slug
