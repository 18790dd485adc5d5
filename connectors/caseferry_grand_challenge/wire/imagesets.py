"""DICOM image sets: series that the platform keeps as DICOM, and shows as such.

It takes from every file what may identify somebody, gives it other UIDs, and tells nobody when it refuses one. So
the same procedure is run here, before anything is sent: the platform's own, which comes with gcapi. What it would
refuse is refused here with the reason, what it would change is looked at, and no name leaves this machine.

Source
------
gcapi 0.16.1, ``create_strategies.py``, which sends the same
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

from caseferry.errors import Inexpressible, MissingDependency, Problem
from caseferry.files import FileRef, made, release
from caseferry.held import Loss
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.quiet import quiet
from caseferry.imaging.reading import read_header
from caseferry.plain import fingerprint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.case import Image
    from caseferry.plain import Json

DICOM_SET = "DICOM Image Set"
"""The kind of sockets that hold them."""

DICOM_KINDS = (Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME)

ONE_OF_EACH = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID")
"""What the files of a set have in common."""

SAYS_VALUES = (
    "RescaleSlope",
    "RescaleIntercept",
    "ModalityLUTSequence",
    "PhotometricInterpretation",
    "BitsStored",
    "PixelRepresentation",
    "RedPaletteColorLookupTableData",
)
"""Attributes without which the values of voxels are others."""

INSTANCES = "dicom/instances/"
"""What follows the address of a set in the location of one of its files."""

LONGEST_IMAGE_NAME = 4096


def set_name(case_id: str, image: Image) -> str:
    """What an image set is called on the platform: the case, the role, and a digest by which it is known again.

    Parameters
    ----------
    image : sealed, or as a sidecar describes it
    """
    grid = image.declared_geometry
    files: list[Json] = [[ref.name, ref.size] for ref in image.files]
    described: list[Json] = [grid.to_json() if grid is not None else None, files]
    return f"{case_id} {image.role} {fingerprint(described)[:12]}"[-LONGEST_IMAGE_NAME:]


def set_problem(image: Image) -> str | None:
    """Why an image can be no DICOM image set, as far as its kind tells."""
    if image.kind not in DICOM_KINDS:
        return f"takes DICOM files, and the image is {image.kind}"
    return None


def set_loss(part: str) -> Loss:
    """What becomes of the files of an image set."""
    reason = "Grand Challenge takes from DICOM files what may identify somebody, and gives them other UIDs"
    return Loss(part, reason, "converted", "DICOM files with every voxel and the same grid")


def set_files(case_id: str, image: Image) -> list[FileRef]:
    """The files of a sealed DICOM image as the platform will keep them, in order.

    Raises
    ------
    Inexpressible
        The platform would refuse one, or take from it what its grid or its values are told by.
    MissingDependency
        The package with the platform's procedure is not installed.
    """
    procedure = _procedure(f"{case_id}/{image.role}")
    refs = [_clean(procedure, ref, number) for number, ref in enumerate(image.files)]
    try:
        refs = [replace(ref, size=ref.length()) for ref in refs]
        _compare(image, refs)
    except BaseException as error:
        for ref in refs:
            release(ref)
        if not isinstance(error, _Refused):
            raise
        remedy = "name a socket of kind Image for it, where it is kept as MetaImage"
        raise Inexpressible(case_id, [Problem(f"image {image.role!r}", str(error), remedy)]) from error
    return refs


class _Refused(Exception):
    """A file, or all of them, cannot be part of a set."""


def _procedure(name: str) -> Any:
    """The platform's procedure for one set, which gives a UID the same other one each time."""
    try:
        from grand_challenge_dicom_de_identifier.deidentifier import GRAND_CHALLENGE_ROOT_UID, DicomDeidentifier
    except ImportError as error:
        raise MissingDependency("grand-challenge", "DICOM image sets of Grand Challenge") from error
    procedure = DicomDeidentifier(assert_unique_value_for=ONE_OF_EACH)
    procedure.uid_map = _Names(name, GRAND_CHALLENGE_ROOT_UID)
    return procedure


class _Names(dict[str, str]):
    """Other UIDs by those that files have. The platform gives its own in their place, which nobody can guess."""

    def __init__(self, name: str, root: str) -> None:
        super().__init__()
        self._name, self._root = name, root

    def __missing__(self, uid: str) -> str:
        from pydicom.uid import generate_uid

        return str(generate_uid(prefix=self._root, entropy_srcs=[self._name, str(uid)]))


def _clean(procedure: Any, ref: FileRef, number: int) -> FileRef:
    """A file without what the platform would take from it, made when it is first read."""
    import pydicom
    from grand_challenge_dicom_de_identifier.exceptions import RejectedDICOMFileError

    def make(out: BinaryIO) -> None:
        with ref.seekable() as stream, quiet():
            dataset = pydicom.dcmread(stream)
            before = {name: dataset.get(name) for name in SAYS_VALUES}
            try:
                procedure.deidentify_dataset(dataset)
            except RejectedDICOMFileError as error:
                of = getattr(dataset.get("SOPClassUID"), "name", "no class")
                msg = f"would be refused by Grand Challenge: file {ref.name!r} ({of}): {error.justification}"
                raise _Refused(msg) from error
            gone = [name for name, value in before.items() if value is not None and dataset.get(name) != value]
            gone = [name for name in gone if not _says_nothing(name, before[name])]
            if gone:
                msg = f"would have other values: Grand Challenge takes {', '.join(gone)} from file {ref.name!r}"
                raise _Refused(msg)
            dataset.save_as(out, enforce_file_format=True)

    return made(make, f"dicom_image_{number}.dcm", media_type="application/dicom")


def _says_nothing(name: str, value: Any) -> bool:
    """Whether an attribute says what holds without it, too."""
    usual = {"RescaleSlope": 1, "RescaleIntercept": 0}
    return name in usual and float(value) == usual[name]


def _compare(image: Image, refs: Sequence[FileRef]) -> None:
    """Refuse what would be another image without what the platform takes from it."""
    without = "without the attributes that Grand Challenge takes from its files"
    try:
        before, after = image.header, read_header(refs)
    except ImageProblem as error:
        msg = f"would be no image {without}: {error}"
        raise _Refused(msg) from error
    one, other = image.geometry, after.geometry
    alike = one is not None and other is not None and one.same_grid(other) and one.frames == other.frames
    if not alike or before.layout != after.layout:
        msg = f"would have another grid {without}"
        raise _Refused(msg)
    if (before.dtype, before.channels) != (after.dtype, after.channels):
        msg = f"would have other values {without}"
        raise _Refused(msg)
