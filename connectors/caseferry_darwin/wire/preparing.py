"""What a storage that Darwin may only read must hold of an image, made here: pictures, frames, thumbnails.

A picture, or a single plane, becomes an image with a thumbnail; planes or frames that follow each other become a video
with a full frame and one that is quick to fetch for each. Volumes are turned as Darwin turns them where it makes views
itself, so that the patient is seen from the feet with the face up; nothing is resampled, so that each pixel is a voxel.

Objects lie in a folder that is called by a digest of what they are made of. It is the same at each attempt, so that
what is there is not written again, and another one for other files or another window, so that no item ever shows
something else than it did. Keys hold no name of a case or a file.

Source
------
V7's guide "Registering Items From External Storage", "Read-Only Registration".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from caseferry.files import CHUNK, FileProblem, FileRef, made
from caseferry.files.making import made_together
from caseferry.held import Deviation, Loss
from caseferry.imaging.kinds import Kind
from caseferry.imaging.shades import Shader, Window, jpeg, png, thumbnail
from caseferry.plain import fingerprint
from caseferry.plan import Call, Part
from caseferry_darwin.wire.view import preparation, prepared_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry_darwin.wire.display import Display
    from caseferry_darwin.wire.place import Storage
    from caseferry_darwin.wire.view import View

RECIPE = 1
"""Changes when other objects are made of the same files."""

UNPREPARED = (Kind.PDF, Kind.WSI)
"""Kinds of which no pictures are made."""

SHOWN_BY_BROWSERS = {"PNG": ".png", "JPEG": ".jpg"}
PLAIN_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
"""What a picture must be for browsers to show it as it is, each pixel where it is stored."""

PNG, JPEG = "image/png", "image/jpeg"


@dataclass(frozen=True)
class Prepared:
    """An image as it is registered after it was prepared.

    Attributes
    ----------
    key : of the object that the slot names as its file
    fields : what else the slot says of it
    told : what the slot's metadata tell, so that the image and its annotations come back
    view : how the slot shows it
    objects : what must be in the bucket by then: URLs and files
    loss : what of the image is there in another form; None when it is there as it is
    """

    key: str
    fields: Mapping[str, Any]
    told: Mapping[str, Any]
    view: View
    objects: Sequence[tuple[str, FileRef]]
    loss: Loss | None


def prepare(image: Image, slot: str, display: Display, storage: Storage, address: str) -> Prepared:
    """What is made of an image, and how it is registered then.

    Pixels are read once to tell by how much what is seen differs from them, and when the first object is opened.

    Parameters
    ----------
    slot : that shows it
    address : the URL of the prefix below which objects are written
    """
    workshop = _Workshop(image, slot, display, storage, address)
    return workshop.video() if workshop.view.frames else workshop.still()


def writing_calls(made_ready: Sequence[Prepared]) -> list[Call]:
    """The calls that write what was prepared to its bucket, each object once."""
    objects = {url: ref for each in made_ready for url, ref in each.objects}
    return [
        Call(
            name=f"write {url}",
            method="PUT",
            target=url,
            files=(Part(ref, name=ref.name, media_type=ref.media_type or "application/octet-stream"),),
            purpose="write to the bucket what Darwin will show",
        )
        for url, ref in objects.items()
    ]


def originals(slot: Mapping[str, Any]) -> list[str]:
    """The URLs of the files of an image that was prepared, in its own order; none for another slot."""
    told = preparation(slot)
    return [f"{told['below']}{key}" for key in told["originals"]] if told is not None else []


class _Workshop:
    """Prepares one image."""

    def __init__(self, image: Image, slot: str, display: Display, storage: Storage, address: str) -> None:
        view = prepared_view(image, slot)
        assert view is not None  # noqa: S101  what has no grid is refused before
        self.view = view
        self._slot = slot
        self._storage = storage
        self._kept = [storage.key(ref) is not None for ref in image.files]
        refs = [ref if kept else _at_hand(ref) for ref, kept in zip(image.files, self._kept, strict=True)]
        self._image = image.with_files(refs)
        self._image.__dict__["header"] = image.header
        self._window = Window(*display.window) if display.window is not None else None
        self._folder = f"{address}/{self._digest()}"
        self._width, self._height = view.raster_size()

    def _digest(self) -> str:
        turn = self.view.turn
        made_of = {
            "recipe": RECIPE,
            "files": [[ref.sha256 or ref.location, ref.size] for ref in self._image.files],
            "window": [self._window.center, self._window.width] if self._window is not None else None,
            "turn": [list(turn.axes), list(turn.flips)] if turn is not None else None,
        }
        return fingerprint(made_of)[:32]  # type: ignore[arg-type]

    def still(self) -> Prepared:
        """A single plane as an image with a thumbnail."""
        size = {"width": self._width, "height": self._height}
        (small,) = made_together(lambda: (thumbnail(p) for p in self._pictures()), [("thumbnail.jpg", JPEG)])
        objects = [*self._copies(), (f"{self._folder}/thumbnail.jpg", small)]
        if self._browsers_show():
            return self._prepared("image", self._originals()[0], size, objects)
        (whole,) = made_together(lambda: (png(p) for p in self._pictures()), [("image.png", PNG)])
        place = f"{self._folder}/image.png"
        return self._prepared("image", place, size, [*objects, (place, whole)], f"a PNG {self._in_window()}")

    def video(self) -> Prepared:
        """Planes or frames as a video: a full frame and one for playing of each, and a thumbnail of the middle."""
        order = [self._section(plane) for plane in range(self.view.frames)]
        names = [(form, f"{section:06d}") for section in order for form in ("hq", "lq")]
        keys = [f"{form}/{number}{'.png' if form == 'hq' else '.jpg'}" for form, number in names] + ["thumbnail.jpg"]
        files = [(PurePosixPath(key).name, PNG if key.endswith(".png") else JPEG) for key in keys]
        frames = zip((f"{self._folder}/{key}" for key in keys), made_together(self._frames, files), strict=True)
        sections = [
            {
                "section_index": section,
                "width": self._width,
                "height": self._height,
                "storage_hq_key": self._key(f"{self._folder}/hq/{section:06d}.png"),
                "storage_lq_key": self._key(f"{self._folder}/lq/{section:06d}.jpg"),
            }
            for section in range(1, self.view.frames + 1)
        ]
        film = self._image.kind is Kind.VIDEO
        file = self._originals()[0] if film else f"{self._folder}/hq/{1:06d}.png"
        form = "" if film else f"{self.view.frames} frames {self._in_window()}"
        return self._prepared("video", file, {"sections": sections}, [*self._copies(), *frames], form)

    def _prepared(
        self,
        kind: str,
        file: str,
        fields: Mapping[str, Any],
        objects: Sequence[tuple[str, FileRef]],
        form: str = "",
    ) -> Prepared:
        turn, urls = self.view.turn, self._originals()
        below = _common(urls)
        told = {
            "recipe": RECIPE,
            "below": below,
            "originals": [url.removeprefix(below) for url in urls],
            "turn": {"axes": list(turn.axes), "flips": list(turn.flips)} if turn is not None else None,
            "window": [self._window.center, self._window.width] if self._window is not None else None,
        }
        thumb = self._key(f"{self._folder}/thumbnail.jpg")
        loss = None
        if form:
            what = f"Darwin may not look into the files of the storage {self._storage.name!r}"
            part, where = f"image {self._image.role!r}", f"{form} in 8 bits; its files are in the bucket"
            loss = Loss(part, what, "converted", where, Deviation(values=self._shader.deviation(self._near.planes())))
        return Prepared(
            self._key(file),
            {"type": kind, "storage_thumbnail_key": thumb, **fields},
            told,
            self.view,
            objects,
            loss,
        )

    def _key(self, url: str) -> str:
        key = self._storage.key(FileRef(url))
        assert key is not None  # noqa: S101  the address lies in the storage's bucket, as was checked
        return key

    def _in_window(self) -> str:
        if self._image.header.channels > 1:
            return "of its colours"
        if self._window is None:
            return "of the values in the window that it declares, or of all"
        return f"of the values in the window {self._window.center:g}, {self._window.width:g}"

    # -- files -----------------------------------------------------------------------------------------------------

    def _originals(self) -> list[str]:
        """Where the image's own files lie: in the storage where they were, or beside what is made of them."""
        return [
            ref.location if kept else f"{self._folder}/original/{number:06d}{_ending(ref)}"
            for number, (ref, kept) in enumerate(zip(self._image.files, self._kept, strict=True))
        ]

    def _copies(self) -> list[tuple[str, FileRef]]:
        pairs = zip(self._originals(), self._image.files, self._kept, strict=True)
        return [(url, ref) for url, ref, kept in pairs if not kept]

    def _browsers_show(self) -> bool:
        """Whether browsers show the file as it is; one that they would turn is drawn anew, as its pixels are stored."""
        details = self._image.header.details
        plain = details.get("format") in SHOWN_BY_BROWSERS and details.get("mode") in PLAIN_MODES
        return self._image.kind is Kind.PICTURE and plain and not details.get("turned")

    # -- pixels ----------------------------------------------------------------------------------------------------

    def _section(self, plane: int) -> int:
        frame = self.view.frame_of(plane)
        assert frame is not None  # noqa: S101  frames follow each other as planes do, in one direction or the other
        return frame + 1

    @cached_property
    def _shader(self) -> Shader:
        return Shader(self._image.header, self._near.planes, self._window)

    @cached_property
    def _near(self) -> Image:
        """The image with all its files at hand: its pixels are read more than once."""
        near = self._image.with_files([_at_hand(ref) for ref in self._image.files])
        near.__dict__["header"] = self._image.header
        return near

    def _pictures(self) -> Iterator[NDArray[np.uint8]]:
        """The planes in their own order, as they are seen."""
        for plane in self._near.planes():
            yield self._shader.picture(self._turned(plane))

    def _turned(self, plane: NDArray[Any]) -> NDArray[Any]:
        turn = self.view.turn
        if turn is None:
            return plane
        across = [axis for axis in range(3) if axis != self.view.along]
        if turn.axes[across[0]] == 1:  # x runs along what were rows
            plane = np.swapaxes(plane, 0, 1)
        left, up = (slice(None, None, -1 if turn.flips[axis] else 1) for axis in across)
        return plane[up, left]

    def _frames(self) -> Iterator[bytes]:
        middle = b""
        for number, picture in enumerate(self._pictures()):
            yield png(picture)
            yield jpeg(picture)
            if number == self.view.frames // 2:
                middle = thumbnail(picture)
        yield middle


def _at_hand(ref: FileRef) -> FileRef:
    """A file with its digest, fetched once: it is looked into, drawn and copied."""
    if ref.path is not None or ref.scheme == "data":
        return ref.measured()

    def fetch(out: BinaryIO) -> None:
        with ref.open() as stream:
            while chunk := stream.read(CHUNK):
                out.write(chunk)

    local = made(fetch, ref.name, media_type=ref.media_type).measured()
    if ref.sha256 not in {None, local.sha256} or ref.size not in {None, local.size}:
        msg = f"the file {ref.name!r} does not hold what it should: {local.size} bytes of it were read"
        raise FileProblem(msg)
    return local


def _ending(ref: FileRef) -> str:
    """The ending of a name, which says no more than a format."""
    suffix = PurePosixPath(ref.name).suffix.lower()
    packed = ".nii" if ref.name.lower().endswith(".nii.gz") else ""
    return f"{packed}{suffix}" if suffix[1:].isalnum() and len(suffix) <= 6 and not suffix[1:].isdigit() else ""


def _common(urls: Sequence[str]) -> str:
    """The folder that all URLs have in common, with its slash."""
    first, last = min(urls), max(urls)
    same = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first[:same].rfind("/") + 1]
