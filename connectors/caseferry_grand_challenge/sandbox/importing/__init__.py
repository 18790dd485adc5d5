"""How uploaded files become images: one compressed ``.mha`` each, with the quirks of the platform's importer.

What it reads: MetaImage, NIfTI and NRRD with SimpleITK; DICOM with pydicom; PNG and JPEG; TIFF, which is kept
as it is. Files that it cannot read are passed over. Whole-slide formats other than TIFF, and the formats of
eye scanners, are not read.

Source
------
panimg, github.com/DIAGNijmegen/rse-panimg, whose results were measured on a running server.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.files import CHUNK, Content
from caseferry_grand_challenge.sandbox.importing import dicom, itk, pictures, tiff
from caseferry_grand_challenge.sandbox.importing.found import FILE_ENDINGS
from caseferry_grand_challenge.sandbox.importing.zips import unpack_zips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caseferry.sandbox.blobs import Blob, Blobs
    from caseferry_grand_challenge.sandbox.importing.found import Found

    Reader = Callable[[list[Path]], Iterator[Found]]

__all__ = ["DuplicateFilesError", "Made", "Outcome", "import_uploads"]


class DuplicateFilesError(Exception):
    """Two uploads have one name."""


@dataclass(frozen=True, slots=True)
class Made:
    """An image that was made.

    Attributes
    ----------
    shown : what the API shows of it, apart from its identity and its files
    """

    name: str
    type: str
    blob: Blob
    shown: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the uploads.

    Attributes
    ----------
    refused : how many files nothing could be made of
    """

    images: list[Made]
    refused: int


def import_uploads(blobs: Blobs, sources: list[tuple[str, Content]]) -> Outcome:
    """Make images of uploads. Takes long and blocks: call it in a thread.

    Raises
    ------
    DuplicateFilesError
        Two uploads have one name.
    Exception
        A file that is read halfway and then breaks the importer fails all of it.
    """
    with tempfile.TemporaryDirectory(prefix="caseferry-import-") as scratch:
        folder, output = Path(scratch, "in"), Path(scratch, "out")
        folder.mkdir()
        output.mkdir()
        for name, content in sources:
            place = folder / name
            if place.exists():
                raise DuplicateFilesError(name)
            content.copy_to(place)
        unpack_zips(folder)
        images: list[Made] = []
        refused = 0
        for directory in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
            files = sorted(path for path in directory.iterdir() if path.is_file())
            refused += _import_folder(blobs, files, output, images)
        return Outcome(images, refused)


def _import_folder(blobs: Blobs, files: list[Path], output: Path, images: list[Made]) -> int:
    """Make images of the files of one folder. Returns how many files are left over."""
    readers: tuple[Reader, ...] = (
        itk.read_metaimages,
        itk.read_niftis,
        itk.read_nrrds,
        dicom.read_series,
        tiff.read_tiffs,
        pictures.read_pictures,
    )
    left = list(files)
    for reader in readers:
        for found in reader(list(left)):
            images.append(_keep(blobs, found, output / f"{len(images)}.{FILE_ENDINGS[found.type]}"))
            left = [path for path in left if path not in found.files]
    return len(left)


def _keep(blobs: Blobs, found: Found, path: Path) -> Made:
    found.write(path)
    writer = blobs.writer()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            writer.write(chunk)
    path.unlink()
    return Made(found.name, found.type, writer.close(), found.shown)
