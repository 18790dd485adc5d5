"""Removing identifying values from DICOM files.

An attribute that holds one is emptied where it stands, so that what the standard requires to be there is there; a
private element, and a sequence that identifies by itself, is taken out; so is everything behind the pixels (digital
signatures, which no longer hold, padding, private groups). A person or a text in a structured report, which may not
be empty, becomes ``Removed``. All other elements are written as the bytes that they were.

Source
------
DICOM PS3.15 Table E.1-1 (actions Z, X and D), PS3.5 A.4 (encapsulated pixel data).
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from caseferry.deidentify import Place, identifying_places, names_someone, words_of
from caseferry.imaging.dicom_file import DEFLATED
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.quiet import quiet
from caseferry.removal.splice import Edit

if TYPE_CHECKING:
    from typing import BinaryIO

IN_PIXELS = "BurnedInAnnotation"
"""The attribute that says that pixels show who it is."""

REQUIRED = frozenset({"PersonName", "TextValue", "VerifyingObserverName", "ContentCreatorName", "ReviewerName"})
"""Attributes of reports and segmentations that may not be empty."""

STAND_IN = "Removed"

NUMBERS = frozenset({"AccessionNumber", "AdmissionID", "MedicalRecordLocator", "OtherPatientIDs", "PatientID"})
"""Attributes whose values are known again in other texts."""

SHORTEST_NUMBER = 4
"""Characters of a number from which on it is looked for in other texts."""


def edits(name: str, stream: BinaryIO) -> list[Edit]:
    """What is replaced in a DICOM file; nothing when nothing in it identifies anybody.

    Raises
    ------
    ImageProblem
        The file cannot be written anew.
    """
    if not _places(_read(stream)):
        return []
    dataset = _read(stream)  # anew, so that only what is removed is decoded and written again
    deflated = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", "") == DEFLATED
    start = stream.tell()
    stop = None if deflated else _end_of_pixels(stream, dataset)
    if deflated:
        stream.seek(0)
        dataset = _read(stream, whole=True)
    with quiet():
        for place in _places(_read(stream)):
            _clear(dataset, place)
    content = _written(name, dataset)
    if deflated or stop is None:
        return [Edit(0, None, content)]
    return [Edit(0, start, content), Edit(stop, None)]


def _read(stream: BinaryIO, *, whole: bool = False) -> Any:
    from pydicom import dcmread

    stream.seek(0)
    with quiet():
        return dcmread(stream, stop_before_pixels=not whole)


def _places(dataset: Any) -> list[Place]:
    with quiet():
        return [place for place in identifying_places(dataset) if place.keyword != IN_PIXELS]


def _clear(dataset: Any, place: Place) -> None:
    """Empty an attribute, or take it out."""
    from pydicom.dataelem import DataElement

    holder = dataset
    for tag, index in place.steps:
        if tag not in holder:  # the sequence was taken out
            return
        holder = holder[tag].value[index]
    if place.tag.is_private or not place.keyword or place.vr == "SQ":
        del holder[place.tag]
    else:
        holder[place.tag] = DataElement(place.tag, place.vr, STAND_IN if place.keyword in REQUIRED else "")


def _written(name: str, dataset: Any) -> bytes:
    """The file up to its pixels."""
    from pydicom import dcmwrite

    dataset.preamble = bytes(128)
    out = io.BytesIO()
    try:
        with quiet():
            dcmwrite(out, dataset, enforce_file_format=False)
    except Exception as error:  # pydicom lets many kinds of error escape from damaged values
        what = f"holds damaged values beside those that identify somebody ({type(error).__name__})"
        raise ImageProblem(name, what, "de-identify it with another program") from error
    return out.getvalue()


def _end_of_pixels(stream: BinaryIO, dataset: Any) -> int | None:
    """Where the pixels end that begin at the place of the stream; None when there are none."""
    place = stream.tell()
    explicit, order = not dataset.original_encoding[0], "little" if dataset.original_encoding[1] else "big"
    head = stream.read(12 if explicit else 8)
    if len(head) < 8:
        return None
    length = _number(head[8:12] if explicit else head[4:8], order)
    place += len(head)
    if length != 0xFFFFFFFF:
        return place + length
    size = stream.seek(0, os.SEEK_END)
    while place + 8 <= size:
        stream.seek(place)
        item = stream.read(8)
        place += 8
        if item[:4] == b"\xfe\xff\xdd\xe0":
            return place
        place += _number(item[4:8], "little")
    return size


def _number(content: bytes, order: Any) -> int:
    little: Literal["little", "big"] = order
    return int.from_bytes(content, little)


def words(stream: BinaryIO) -> frozenset[str]:
    """By what the patient of a file is known again in other texts: words of names, and numbers."""
    dataset = _read(stream)
    found: set[str] = set()
    with quiet():
        for place in _places(dataset):
            value = _value(dataset, place)
            if place.vr == "PN":
                found |= words_of(value)
            elif place.keyword in NUMBERS and names_someone(value) and len(str(value)) >= SHORTEST_NUMBER:
                found.add(str(value).strip().lower())
    return frozenset(found)


def _value(dataset: Any, place: Place) -> Any:
    holder = dataset
    for tag, index in place.steps:
        holder = holder[tag].value[index]
    with suppress(Exception):  # as in the gate: what cannot be read has no words
        return holder[place.tag].value
    return None
