"""Images as the state keeps them, and their files in the object store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.shapes import CONTENT, PIXELS, SHAPE
from caseferry_grand_challenge.sandbox.world import PROTECTED

if TYPE_CHECKING:
    from caseferry.sandbox.blobs import Blob
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

NOTHING_SHOWN: dict[str, Any] = {
    **dict.fromkeys((*PIXELS, *SHAPE, *CONTENT)),
    "color_space": "",
    "shape_without_color": [],
    "shape": [],
    **{key: "" for key in CONTENT if key.startswith(("patient", "study", "series")) and not key.endswith("date")},
}
"""What is known of the pixels of a DICOM image set: nothing, they lie elsewhere."""

FILES = {
    "MHD": (".mha", "application/octet-stream"),
    "TIFF": (".tif", "image/tiff"),
    "DZI": (".dzi", "application/octet-stream"),
}
"""By the type of an image file: how its name ends, and its media type in the object store."""


def new_image(world: World, name: str, origin: str | None, shown: Record) -> Record:
    """A new image, still without files.

    Parameters
    ----------
    origin : the upload session that it comes from, if any
    shown : what the API shows of its pixels and of whose it is
    """
    image: Record = {
        "pk": world.uuid(),
        "name": name,
        "origin": origin,
        "files": [],
        "dicom": None,
        "shown": shown,
        "holders": {},
    }
    world.table("images")[image["pk"]] = image
    return image


def add_file(world: World, image: Record, kind: str, blob: Blob) -> None:
    """Give an image a file: ``MHD``, ``TIFF`` or ``DZI``."""
    pk, file = image["pk"], world.uuid()
    suffix, media_type = FILES[kind]
    key = f"images/{pk[:2]}/{pk[2:4]}/{pk}/{file}/{pk}{suffix}"
    world.host.store.put(f"{PROTECTED}{key}", blob, media_type)
    image["files"].append({"pk": file, "key": key, "type": kind})
