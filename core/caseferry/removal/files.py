"""One file without what identifies a patient in it."""

from __future__ import annotations

import gzip
import io
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

from caseferry.files import FileRef, Rewindable
from caseferry.files.gzipped import Gzipped
from caseferry.files.product import Product, ProductOpener
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Format
from caseferry.imaging.nifti import PACKED_NAME
from caseferry.imaging.reading import format_of
from caseferry.removal import dicom, headers, pictures, video
from caseferry.removal.splice import Edit, Spliced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLEANED = "cleaned:"
"""How the location of a cleaned file begins; that of the file as it was follows."""


@dataclass(frozen=True, repr=False)
class CleanedRef(FileRef):
    """A file without what identifies a patient in it; it is made of the file as it was when it is opened.

    Attributes
    ----------
    removes : names of what is removed, never values
    """

    removes: tuple[str, ...] = field(default=(), compare=False)


def cleaned(ref: FileRef, names: tuple[str, ...]) -> FileRef:
    """A file without what identifies a patient in it; the file itself when there is nothing of it.

    A local file is cleaned while it is read. Of a remote one, which may come from a server that gives it only from its
    start, and of a gzipped one a cleaned copy is made among the temporary files when it is first opened.

    Parameters
    ----------
    names : of what is removed

    Raises
    ------
    ImageProblem
        It cannot be removed from such a file.
    """
    try:
        edits_of = _EDITS.get(format_of(ref))
    except ImageProblem:
        return ref
    if edits_of is None:
        return ref
    place = f"{CLEANED}{ref.location}"
    if ref.path is None and ref.scheme != "data":
        product = Product(lambda out: _write(ref, edits_of, out))
        return CleanedRef(place, ref.name, None, ref.media_type, opener=ProductOpener(product), removes=names)
    with _unpacked(ref) as (stream, packed):
        if not edits_of(ref.name, stream) and PACKED_NAME not in names:
            return ref
    opener: Any = _Splicing(ref, edits_of)
    if packed:
        opener = ProductOpener(Product(lambda out: _write(ref, edits_of, out)))
    return CleanedRef(place, ref.name, None, ref.media_type, opener=opener, removes=names).measured()


def words(ref: FileRef) -> frozenset[str]:
    """By what the patient of a file is known again in other texts."""
    try:
        if format_of(ref) is not Format.DICOM:
            return frozenset()
        with ref.open() as opened:
            return dicom.words(opened if opened.seekable() else cast("BinaryIO", Rewindable(opened)))
    except ImageProblem:
        return frozenset()


@dataclass(frozen=True, eq=False)
class _Splicing:
    """Opens a file at hand with its edits, which are found anew each time: they can be as large as its header."""

    source: FileRef
    edits_of: Callable[[str, BinaryIO], list[Edit]]

    def __call__(self) -> BinaryIO:
        stream = self.source.open()
        try:
            edits = self.edits_of(self.source.name, stream)
            return cast("BinaryIO", io.BufferedReader(Spliced(stream, edits, self.source.name)))
        except BaseException:
            stream.close()
            raise


def _write(ref: FileRef, edits_of: Callable[[str, BinaryIO], list[Edit]], out: BinaryIO) -> None:
    with _unpacked(ref) as (stream, packed), Spliced(stream, edits_of(ref.name, stream)) as clean:
        if packed:
            with Gzipped(out, level=6) as again:
                shutil.copyfileobj(clean, again)
        else:
            shutil.copyfileobj(clean, out)


@contextmanager
def _unpacked(ref: FileRef) -> Iterator[tuple[BinaryIO, bool]]:
    """A file as a stream that can seek, unpacked when it is gzipped, and whether it is."""
    with ref.seekable() as stream:
        start = stream.read(2)
        stream.seek(0)
        if start == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=stream) as inner:
                yield cast("BinaryIO", inner), True
        else:
            yield stream, False


def _not_from_tiff(name: str, stream: BinaryIO) -> NoReturn:  # noqa: ARG001  as all of them
    raise ImageProblem(name, "is a TIFF file, from which nothing is removed", "write it anew without its tags")


_EDITS: dict[Format, Callable[[str, BinaryIO], list[Edit]]] = {
    Format.DICOM: dicom.edits,
    Format.NIFTI: headers.nifti_edits,
    Format.METAIMAGE: headers.metaimage_edits,
    Format.NRRD: headers.nrrd_edits,
    Format.JPEG: pictures.jpeg_edits,
    Format.PNG: pictures.png_edits,
    Format.MP4: video.mp4_edits,
    Format.PDF: pictures.pdf_edits,
    Format.TIFF: _not_from_tiff,
}
"""What finds the edits of each format; a format that is not here holds nothing that the gate sees."""
