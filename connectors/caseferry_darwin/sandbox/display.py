"""What the files of an item become: slots, as the listing of items shows them."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.reading import (
    PLANES,
    Picture,
    UnreadableFile,
    Volume,
    is_nifti,
    read_image,
    read_nifti,
    read_pdf,
    read_series,
    read_video,
)

if TYPE_CHECKING:
    from caseferry.sandbox.blobs import Blobs
    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.fields import Json


class Failure(Exception):
    """Files that cannot be processed, and why not."""

    def __init__(self, files: list[Json], reason: str) -> None:
        super().__init__(reason)
        self.files = files
        self.reason = reason


def groups_of(item: Json) -> dict[str, list[Json]]:
    """The files of an item by the slot they were registered for."""
    groups: dict[str, list[Json]] = {}
    for file in item["files"]:
        groups.setdefault(file["slot_name"], []).append(file)
    return groups


def look(item: Json, blobs: Blobs) -> list[tuple[list[Json], list[Volume | Picture]]]:
    """Read the files of an item. Touches no state, so that large files may be read in another thread.

    Raises
    ------
    Failure
        Some files cannot be read.
    """
    found: list[tuple[list[Json], list[Volume | Picture]]] = []
    # An item registered with several files counts as slotted, and nothing of it as a volume.
    alone = len(item["files"]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for files in groups_of(item).values():
            try:
                found.append((files, _look(files, item["options"], blobs, alone=alone)))
            except UnreadableFile as error:
                raise Failure(files, str(error)) from error
            except Exception as error:  # a reader's bug must not leave the item in processing for ever
                raise Failure(files, f"UNEXPECTED_ERROR: {error!r}") from error
    return found


def _look(files: list[Json], options: Json, blobs: Blobs, *, alone: bool) -> list[Volume | Picture]:
    if any(file["blob"] is None for file in files):
        return []
    first = files[0]
    if first["as_frames"] and first["type"] in {"video", "pdf"}:
        raise UnreadableFile("not implemented by the sandbox: as_frames")
    if first["type"] == "dicom" and not is_nifti(first["file_name"]):
        series = ((file["file_name"], blobs.get(file["blob"]).open()) for file in files)
        return read_series(series, volume=alone, as_sent=options.get("ignore_dicom_layout", False))
    with blobs.get(first["blob"]).open() as stream:
        if first["type"] == "dicom":
            return [read_nifti(stream)]
        return [{"image": read_image, "video": read_video, "pdf": read_pdf}[first["type"]](stream)]


def slots_of(book: Book, item: Json, found: list[tuple[list[Json], list[Volume | Picture]]]) -> list[Json]:
    """The slots that the platform makes of what it found."""
    slots: list[Json] = []
    for files, pieces in found:
        maker = Maker(book, item, files)
        if not pieces:
            slots.append(maker.slot(maker.name, 1, {}))
        for n, piece in enumerate(pieces):
            slots += maker.slots(piece, n, len(pieces))
    return slots


def declared_slots(book: Book, item: Json) -> list[Json]:
    """The slots of a read-only item: what the request says, whether or not it is true."""
    return [Maker(book, item, [file]).declared() for file in item["files"]]


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes slots of the files that were registered for one.

    Parameters
    ----------
    files : those of one slot: a single one, or the slices of a series
    """

    book: Book
    item: Json
    files: list[Json]

    @property
    def name(self) -> str:
        """The name under which the files were registered."""
        return str(self.files[0]["slot_name"])

    def slots(self, piece: Volume | Picture, n: int, count: int) -> list[Json]:
        """The slots of the `n`-th of `count` things that the files show."""
        if isinstance(piece, Volume) and piece.handler and self.files[0]["extract_views"] and self.name == "0":
            # That 0.1 is the axial one is what V7's test data suggest.
            names = {f"{n}.{place}": plane for place, plane in enumerate(PLANES, start=1)}
            return [self._volume(name, piece, plane, names) for name, plane in names.items()]
        name = self.name
        if count > 1:
            # What series of different geometry in slot "0" are called was seen; for other slots it is a guess.
            name = f"{n}.1" if self.name == "0" else f"{self.name}.{n + 1}"
        if isinstance(piece, Volume):
            return [self._volume(name, piece, piece.plane, {name: piece.plane})]
        return [self._picture(name, piece)]

    def slot(self, name: str, sections: int, metadata: Json) -> Json:
        """A slot, its metadata being what the client sent and, above that, what was found."""
        first = self.files[0]
        merged = {**first["metadata"], **metadata}
        if "medical" in metadata and isinstance(first["metadata"].get("medical"), dict):
            merged["medical"] = {**first["metadata"]["medical"], **metadata["medical"]}
        identifier = self.book.uuid()
        self.book.table("files")[identifier] = self.item["id"]
        return {
            "id": identifier,
            "slot_name": name,
            "file_name": first["file_name"],
            "type": first["type"],
            "fps": None,
            "size_bytes": sum(file["size_bytes"] or 0 for file in self.files),
            "streamable": first["type"] == "video",
            "total_sections": sections,
            "sectionless": False,
            "upload_id": first["upload_id"],
            "is_external": first["storage"] is not None,
            "metadata": merged,
            "registered_as": first["slot_name"],
        }

    def declared(self) -> Json:
        """The slot of a file that may not be read."""
        file = self.files[0]
        said = file["declared"]
        sections = said.get("sections", [])
        size = sections[0] if sections else said
        metadata: Json = {side: size[side] for side in ("width", "height") if side in size}
        slot = self.slot(self.name, len(sections) or 1, metadata)
        if file["type"] == "video":
            slot["fps"] = file["fps"] if isinstance(file["fps"], int | float) else said.get("native_fps", 1)
        if "visible_frames" in said:
            slot["metadata"] |= {
                "native_fps": said["native_fps"],
                "frames_manifests": self._manifests(slot, said["total_frames"], said["visible_frames"]),
            }
            slot["total_sections"] = said["visible_frames"]
        return slot

    def _picture(self, name: str, picture: Picture) -> Json:
        metadata: Json = {"width": picture.width, "height": picture.height, **picture.metadata}
        slot = self.slot(name, picture.frames, metadata)
        if picture.native_fps is not None:
            slot["metadata"]["native_fps"] = picture.native_fps
        if self.files[0]["type"] == "video":
            shown, fps = _sampled(picture, self.files[0]["fps"])
            slot |= {"total_sections": shown, "fps": fps}
            slot["metadata"]["frames_manifests"] = self._manifests(slot, picture.frames, shown)
        return slot

    def _volume(self, name: str, volume: Volume, plane: str, names: dict[str, str]) -> Json:
        width, height, frames = volume.view(plane)
        metadata: Json = {
            "width": width,
            "height": height,
            "colorspace": "RG16",
            "SeriesInstanceUID": volume.series,
            "medical": volume.medical(names),
        }
        return self.slot(name, frames, metadata)

    def _manifests(self, slot: Json, total: int, visible: int) -> list[Json]:
        url = f"{self.book.api}/files/{slot['id']}/frame_manifests/1"
        return [{"total_frames": total, "visible_frames": visible, "url": url}]


def _sampled(picture: Picture, wanted: Any) -> tuple[int, float]:
    """How many frames of a video are shown, and at what rate."""
    native = picture.native_fps or 1.0
    if wanted in {None, "native"} or wanted >= native:
        return picture.frames, native
    return math.ceil(picture.frames * wanted / native), wanted
