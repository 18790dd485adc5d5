"""Reading MetaImage, NIfTI and NRRD, with the geometry that SimpleITK gives them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.importing.found import Found, itk_image
from caseferry_grand_challenge.sandbox.importing.headers import HeaderError, kept_headers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD = 1 << 16
MOST_CHANNELS = 4
DIMENSIONS = (2, 3, 4)


def read_metaimages(files: list[Path]) -> Iterator[Found]:
    """MetaImages: one file with header and voxels, or a header that names a file beside it."""
    for path in files:
        where = _metaimage_data(path)
        if where is not None and (image := _read(path, "MetaImageIO")) is not None:
            yield itk_image(image, path.name, frozenset({path, where}))


def read_niftis(files: list[Path]) -> Iterator[Found]:
    """NIfTI files, by their name."""
    for path in files:
        if path.name.endswith((".nii", ".nii.gz")) and (image := _read(path, "NiftiImageIO")) is not None:
            yield itk_image(image, path.name, frozenset({path}))


def read_nrrds(files: list[Path]) -> Iterator[Found]:
    """NRRD files, by their name; those whose voxels lie in another file are not taken."""
    for path in files:
        if path.name.endswith(".nrrd") and _is_whole_nrrd(path) and (image := _read(path, "NrrdImageIO")) is not None:
            yield itk_image(image, path.name, frozenset({path}))


def _read(path: Path, reader_name: str) -> Any:
    """A SimpleITK image with only those header entries that survive, or None."""
    import SimpleITK as sitk  # noqa: N813  its usual name

    reader = sitk.ImageFileReader()
    reader.SetImageIO(reader_name)
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        size = reader.GetSize()
        if reader.GetNumberOfComponents() > MOST_CHANNELS or len(size) not in DIMENSIONS:
            return None
        headers = {key: reader.GetMetaData(key) for key in reader.GetMetaDataKeys()}
        kept = kept_headers(headers, size[3] if len(size) == 4 else 1)
        image = reader.Execute()
    except (RuntimeError, HeaderError):
        return None
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    for key, value in kept.items():
        image.SetMetaData(key, value)
    return image


def _metaimage_data(path: Path) -> Path | None:
    """The file in which the voxels of a MetaImage lie, or None for a file that is none.

    A header may only name a file beside it: any other would be read for whoever uploaded the header.
    """
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    named = re.search(rb"^\s*ElementDataFile\s*=\s*(.+?)\s*$", head, re.MULTILINE)
    if named is None or re.search(rb"^\s*NDims\s*=", head, re.MULTILINE) is None:
        return None
    try:
        name = named[1].decode()
        head[: named.start()].decode()
    except UnicodeDecodeError:
        return None
    if name.upper() == "LOCAL":
        return path
    where = path.with_name(name) if re.fullmatch(r"[^/\\%\s]+", name) and name not in {".", ".."} else None
    return where if where is not None and where.is_file() else None


def _is_whole_nrrd(path: Path) -> bool:
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    header = re.split(rb"\r?\n\r?\n", head, maxsplit=1)[0]
    return header.startswith(b"NRRD") and re.search(rb"^data ?file\s*:", header, re.MULTILINE) is None
