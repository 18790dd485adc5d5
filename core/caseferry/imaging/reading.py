"""Reading an image whatever its kind: headers, planes, and finding the images of a folder."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from caseferry.errors import CaseferryError
from caseferry.files import FileProblem, FileRef
from caseferry.files.fetching import is_far
from caseferry.files.streams import Replayed
from caseferry.imaging.header import Header, ImageProblem, Reader
from caseferry.imaging.kinds import PEEK, Format, Kind, UnknownFormat, sniff
from caseferry.imaging.length import read_fully

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

KINDS = {
    Format.NIFTI: Kind.NIFTI,
    Format.METAIMAGE: Kind.METAIMAGE,
    Format.NRRD: Kind.NRRD,
    Format.PNG: Kind.PICTURE,
    Format.JPEG: Kind.PICTURE,
    Format.TIFF: Kind.PICTURE,
    Format.MP4: Kind.VIDEO,
    Format.PDF: Kind.PDF,
    Format.DICOM: Kind.DICOM_SERIES,
}
"""The kind of an image by the format of its first file; readers tell apart what a format has several of."""


NOT_IMAGES = ("SEG", "PR", "SR", "KO", "RTSTRUCT", "RTPLAN", "REG", "ANN")
"""DICOM modalities of objects that speak about images and are none, even where they have rows and columns."""


def format_of(ref: FileRef) -> Format:
    """The format of a file, told from its first bytes.

    Raises
    ------
    ImageProblem
        The file is of no kind that can be read; the message says what it seems to be.
    """
    with ref.open() as stream:
        return _told(ref, read_fully(stream, PEEK))


def _told(ref: FileRef, start: bytes) -> Format:
    try:
        return sniff(start)
    except UnknownFormat as error:
        raise ImageProblem(ref.name, str(error)) from error


@contextmanager
def _begun(ref: FileRef) -> Iterator[tuple[FileRef, Format]]:
    """A file and its format; one that is far away is asked for once, for its format and for what is read first."""
    if not is_far(ref):
        yield ref, format_of(ref)
        return
    with ref.open() as stream:
        start = read_fully(stream, PEEK)
        waiting = [stream if stream.seekable() else Replayed(start, stream)]
        if stream.seekable():
            stream.seek(0)

        def open_on() -> BinaryIO:
            return cast("BinaryIO", waiting.pop()) if waiting else ref.open()

        yield replace(ref, opener=open_on), _told(ref, start)


def reader_of(kind: Kind) -> Reader:
    """The module that reads a kind of image."""
    from caseferry.imaging import dicom, metaimage, nifti, nrrd, pdf, picture, video

    readers: dict[Kind, Any] = {
        Kind.DICOM_SERIES: dicom,
        Kind.DICOM_MULTIFRAME: dicom,
        Kind.NIFTI: nifti,
        Kind.METAIMAGE: metaimage,
        Kind.NRRD: nrrd,
        Kind.PICTURE: picture,
        Kind.WSI: picture,
        Kind.VIDEO: video,
        Kind.PDF: pdf,
    }
    reader: Reader = readers[kind]
    return reader


@contextmanager
def _damage_named(files: Sequence[FileRef]) -> Iterator[None]:
    """Turn whatever error escapes from the libraries that read damaged files into one that names the file."""
    try:
        yield
    except (CaseferryError, OSError, MemoryError):
        raise
    except Exception as error:
        others = f" and {len(files) - 1} others" if len(files) > 1 else ""
        what = f"is damaged: it cannot be read ({type(error).__name__})"
        raise ImageProblem(f"{files[0].name}{others}", what, "fetch it again, or write it anew") from error


def read_header(files: Sequence[FileRef]) -> Header:
    """Read the headers of an image's files, whatever their kind.

    Raises
    ------
    ImageProblem
        There are no files, one of them is damaged or of an unknown kind, or they do not make one image.
    FileProblem
        A file is not there.
    """
    if not files:
        raise ImageProblem("an image", "has no files")
    with _damage_named(files), _begun(files[0]) as (first, found):
        return reader_of(KINDS[found]).read_header([first, *files[1:]])


def identifying_fields(ref: FileRef) -> tuple[str, ...]:
    """Names of what identifies a person in any file, image or not; nothing for one of a kind that cannot be read."""
    from caseferry.deidentify import identifying_attributes
    from caseferry.imaging.dicom_file import read_dataset
    from caseferry.imaging.quiet import quiet

    try:
        with _damage_named([ref]), _begun(ref) as (first, found):
            if found is not Format.DICOM:
                return reader_of(KINDS[found]).read_header([first]).identifying
            dataset = read_dataset(first)
    except ImageProblem:
        return ()
    with quiet():
        return identifying_attributes(dataset)


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes of an image: slice by slice and frame after frame, each [row, column] or [row, column, channel]."""
    with _damage_named(files):
        yield from reader_of(header.kind).planes(files, header)


def find_images(folder: Path, *, deep: bool = True) -> tuple[list[list[FileRef]], list[FileRef]]:
    """The images that lie in a folder, and the files that are none.

    DICOM files are grouped by SeriesInstanceUID, whatever they are called; a ``.mhd`` or ``.nhdr`` takes its data
    file along. Hidden files and folders are passed over, and links are not followed out.

    Parameters
    ----------
    deep : whether folders within are searched too

    Returns
    -------
    The files of each image, ordered by name; and the other files, ordered by name.
    """
    series: defaultdict[str, list[FileRef]] = defaultdict(list)
    others: list[FileRef] = []
    inside = folder.resolve()
    for path in sorted(folder.rglob("*") if deep else folder.iterdir()):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if hidden or not path.is_file() or not path.resolve().is_relative_to(inside):
            continue
        ref = FileRef.of(path)
        try:
            found = format_of(ref)
        except ImageProblem:
            others.append(ref)
            continue
        if found is not Format.DICOM:
            series[str(path)].append(ref)
        elif (member := membership(ref)) is not None:
            series[member.series].append(ref)
        else:
            others.append(ref)
    images = [_with_data(files, others) for group in series.values() for files in _copies_apart(group)]
    taken = {ref for files in images for ref in files}
    return images, [ref for ref in others if ref not in taken]


@dataclass(frozen=True, slots=True)
class Membership:
    """What a file belongs to.

    Attributes
    ----------
    series : the same for all files of one image
    role : what the image may be called: the modality in lower case, when there is one
    uid : SeriesInstanceUID; empty for a file that is an image by itself
    """

    series: str
    role: str
    uid: str = ""


def membership(ref: FileRef) -> Membership | None:
    """The series that a DICOM file with an image belongs to; None for DICOM without an image."""
    from caseferry.imaging.dicom_file import frame_count, read_dataset

    try:
        dataset = read_dataset(ref)
    except (ImageProblem, FileProblem):
        return Membership(f"damaged {ref.location}", "image")
    modality = str(dataset.get("Modality", "") or "")
    if "Rows" not in dataset or modality in NOT_IMAGES:
        return None
    role = modality.lower() or "image"
    if frame_count(dataset) > 1:
        return Membership(ref.location, role)
    if uid := str(dataset.get("SeriesInstanceUID", "") or ""):
        return Membership(uid, role, uid)
    folder = ref.path.parent if ref.path else ref.location.rpartition("/")[0]
    return Membership(f"without a series, {dataset.Rows} x {dataset.get('Columns')}, in {folder}", role)


def _copies_apart(files: list[FileRef]) -> list[list[FileRef]]:
    """One list, or one for each folder when the same file name stands in several: a series and copies of it."""
    folders: defaultdict[Any, list[FileRef]] = defaultdict(list)
    for ref in files:
        folders[ref.path.parent if ref.path else None].append(ref)
    repeated = len({ref.name for ref in files}) < len(files)
    return list(folders.values()) if repeated else [files]


def _with_data(files: list[FileRef], others: Iterable[FileRef]) -> list[FileRef]:
    """A header file together with the data file that it names."""
    ref = files[0]
    if len(files) > 1 or not ref.name.lower().endswith((".mhd", ".nhdr")) or ref.path is None:
        return files
    text = ref.path.read_bytes()[: 1 << 20].decode("latin-1").lower()
    return files + [o for o in others if o.path and o.path.parent == ref.path.parent and o.name.lower() in text]
