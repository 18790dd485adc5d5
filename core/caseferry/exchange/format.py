"""What a format of annotation files is, and how a file is looked into to find out which it has."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from caseferry.imaging.header import ImageProblem
from caseferry.imaging.reading import format_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from caseferry.annotation import Annotation
    from caseferry.exchange.written import Written
    from caseferry.files import FileRef
    from caseferry.imaging.kinds import Format

Reader: TypeAlias = "Callable[..., Iterable[Annotation]]"
"""Takes a file, the image that it speaks of, and options by name."""

Writer: TypeAlias = "Callable[..., Written]"
"""Takes annotations, the image that they are of, and options by name."""

PEEK = 1 << 16
"""First bytes of a file in which headers of text are looked for."""


class Glimpse:
    """A file that is looked into to find out its format, no further than each question needs.

    Parameters
    ----------
    ref : the file
    """

    def __init__(self, ref: FileRef) -> None:
        self.ref = ref

    @cached_property
    def start(self) -> bytes:
        """Its first bytes."""
        with self.ref.open() as stream:
            return stream.read(PEEK)

    @cached_property
    def sop_class(self) -> str:
        """The SOP Class UID of a DICOM file; empty for any other."""
        if self.start[128:132] != b"DICM":
            return ""
        from pydicom import dcmread

        from caseferry.imaging.quiet import quiet

        try:
            with quiet(), self.ref.seekable() as stream:
                return str(dcmread(stream, stop_before_pixels=True, specific_tags=["SOPClassUID"]).SOPClassUID)
        except Exception as error:  # pydicom lets many kinds of error escape from damaged files
            raise ImageProblem(self.ref.name, f"is a damaged DICOM file ({type(error).__name__})") from error

    @cached_property
    def document(self) -> Mapping[str, Any]:
        """The object that a JSON file holds; empty for any other file."""
        if not self.start.lstrip().startswith(b"{"):
            return {}
        try:
            return dict(json.loads(self.ref.read()))
        except (ValueError, RecursionError) as error:
            raise ImageProblem(self.ref.name, f"is no JSON: {error}") from error

    @cached_property
    def image_format(self) -> Format | None:
        """What kind of image it is; None for what is none."""
        try:
            return format_of(self.ref)
        except ImageProblem:
            return None


@dataclass(frozen=True, slots=True)
class FileFormat:
    """One format of annotation files.

    Attributes
    ----------
    name : by which it is asked for
    summary : what it is, in a few words
    is_of : whether a file is of this format, from a glimpse of it
    read : None where it is only written
    write : None where it is only read
    endings : of the names of such files, the usual one first; what is written is told by them
    """

    name: str
    summary: str
    is_of: Callable[[Glimpse], bool]
    read: Reader | None = None
    write: Writer | None = None
    endings: tuple[str, ...] = ()
