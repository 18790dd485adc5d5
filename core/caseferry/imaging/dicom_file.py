"""One DICOM file: its dataset up to the pixels, and small questions that are asked of datasets.

Source
------
DICOM PS3.5 A.4 (encapsulated pixel data), PS3.3 C.7.6.16 (functional groups).
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from caseferry.files import Rewindable
from caseferry.imaging.dicom_native import Place, stamp
from caseferry.imaging.dicom_view import View
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from caseferry.files import FileRef

DEFLATED = "1.2.840.10008.1.2.1.99"


def read_dataset(ref: FileRef) -> Any:
    """The dataset of a file up to its pixels, checked for pixels that are cut short.

    Raises
    ------
    ImageProblem
        The file is not DICOM, or ends early.
    """
    return read_view(ref)[0].dataset


def read_view(ref: FileRef) -> tuple[View, Place | None]:
    """The same as a view, and where its pixels stand when they are uncompressed and in a file on this machine."""
    from pydicom import dcmread
    from pydicom.errors import InvalidDicomError

    with ref.open() as opened:
        stream = opened if opened.seekable() else cast("BinaryIO", Rewindable(opened))
        try:
            with quiet():
                dataset = dcmread(stream, stop_before_pixels=True)
                view = View(dataset)
                place = _check_pixels(ref, view, stream)
        except InvalidDicomError as error:
            raise ImageProblem(ref.name, "is not a DICOM file: the 'DICM' prefix is missing") from error
        except ImageProblem:
            raise
        except Exception as error:  # pydicom lets many kinds of error escape from damaged files
            raise ImageProblem(ref.name, f"is a damaged DICOM file ({type(error).__name__})") from error
    return view, place


def _check_pixels(ref: FileRef, view: View, stream: BinaryIO) -> Place | None:
    """Compare the length that the pixel data declare with what is there; where they stand, as `read_view`."""
    if "Rows" not in view:
        return None
    dataset = view.dataset
    if transfer_syntax(dataset) == DEFLATED:
        return None  # deflated: the stream's places mean nothing in the file
    start = stream.tell()
    explicit, order = not dataset.original_encoding[0], "little" if dataset.original_encoding[1] else "big"
    head = stream.read(12 if explicit else 8)
    if not head:
        raise ImageProblem(ref.name, "ends before its pixels", "fetch it again")
    if len(head) < 8 or head[:4] not in {b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10"}:
        return None
    start += len(head)
    length = int.from_bytes(head[8:12] if explicit else head[4:8], cast("Any", order))
    if length == 0xFFFFFFFF:
        if ref.path is not None:
            _check_fragments(ref, stream, start)
        return None
    status = os.fstat(stream.fileno()) if ref.path is not None else None
    total = ref.size if ref.size is not None or status is None else status.st_size
    if total is not None and start + length > total:
        raise ImageProblem(
            ref.name,
            f"declares {length} bytes of pixels and holds {max(0, total - start)}",
            "the file is cut short: fetch it again",
        )
    needed = _native_size(view)
    if needed is not None and length < needed:
        raise ImageProblem(ref.name, f"has {length} bytes of pixels where its header promises {needed}")
    return Place(start, length, stamp(status)) if status is not None else None


def transfer_syntax(dataset: Any) -> str:
    """The UID of the transfer syntax; empty where a file does not say it."""
    return str(View(getattr(dataset, "file_meta", {})).get("TransferSyntaxUID", "") or "")


def _native_size(view: View) -> int | None:
    try:
        bits = int(view.get("BitsAllocated"))
        samples = int(view.get("SamplesPerPixel", 1))
        if "422" in str(view.get("PhotometricInterpretation", "")):
            samples = 2
        values = int(view.get("Rows")) * int(view.get("Columns")) * samples * int(view.get("NumberOfFrames", 1) or 1)
    except (AttributeError, TypeError, ValueError):
        return None
    return values * bits // 8


def _check_fragments(ref: FileRef, stream: BinaryIO, place: int) -> None:
    """Walk the fragments of encapsulated pixel data from `place`; they end with a sequence delimiter."""
    end = stream.seek(0, io.SEEK_END)
    while place + 8 <= end:
        stream.seek(place)
        item = stream.read(8)
        if item[:4] == b"\xfe\xff\xdd\xe0":
            return
        length = int.from_bytes(item[4:8], "little")
        if item[:4] != b"\xfe\xff\x00\xe0" or length == 0xFFFFFFFF:
            break
        place += 8 + length
    raise ImageProblem(ref.name, "holds compressed pixels that end early", "the file is cut short: fetch it again")


def frame_count(dataset: Any) -> int:
    """NumberOfFrames, 1 when it is missing or not a number."""
    try:
        return int(dataset.get("NumberOfFrames", 1) or 1)
    except (TypeError, ValueError):
        return 1


def number(value: Any) -> float | None:
    """A value as a number, or None when it is missing or not one."""
    if value is None or value == "":
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def functional_group(dataset: Any, frame: int, sequence: str) -> Any:
    """One functional group of a frame: the frame's own, else the shared one."""
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    for source in (per_frame[frame : frame + 1], dataset.get("SharedFunctionalGroupsSequence") or []):
        for item in source:
            if item.get(sequence):
                return item[sequence].value[0]
    return None
