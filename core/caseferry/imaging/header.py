"""What an image's headers say, the same for every kind of file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from caseferry.errors import CaseferryError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.files import FileRef
    from caseferry.geometry import Geometry
    from caseferry.imaging.kinds import Kind

    Plane: TypeAlias = NDArray[np.generic]

Layout: TypeAlias = "tuple[tuple[int, int], ...]"


class ImageProblem(CaseferryError, ValueError):
    """An image's files cannot be read, or do not make one image.

    Parameters
    ----------
    file : the file's name, or what the files have in common
    what : what is wrong, with what was found and what was expected
    remedy : what to do about it
    """

    def __init__(self, file: str, what: str, remedy: str = "") -> None:
        super().__init__(f"{file} {what}" + (f"; {remedy}" if remedy else ""))
        self.file = file
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True)
class Header:
    """What the headers of an image's files say.

    Attributes
    ----------
    kind : what the files are together
    modality : the DICOM modality (CT, MR, …), when the files say one
    geometry : the grid; None for what has none (PDF)
    dtype : of the voxel values, after any rescaling that the files ask for; a numpy name such as ``int16``
    channels : values in each voxel: 1, or 3 and 4 for colours
    layout : for each plane in order (slices fastest, then frames) the index of its file, and of its frame in that
        file; empty where planes lie in one file in their own order
    identifying : names of attributes whose values identify a person; never the values
    details : what only this kind of file says, for its own reader and converters
    """

    kind: Kind
    geometry: Geometry | None
    dtype: str
    channels: int = 1
    modality: str | None = None
    layout: Layout = ()
    identifying: tuple[str, ...] = ()
    details: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)


def beside(files: Sequence[FileRef], name: str, whole: str) -> FileRef:
    """The file of the data, which the header in the first file names.

    Parameters
    ----------
    whole : the ending of a file that holds both

    Raises
    ------
    ImageProblem
        It is not among the files.
    """
    others = {ref.name: ref for ref in files[1:]}
    name = name.removeprefix("./")
    if name not in others:
        what = f"keeps its data in {name!r}, which is not among the image's files {sorted(others)}"
        raise ImageProblem(
            files[0].name, what, f"give header and data as files of one image, or write one {whole} file"
        )
    return others[name]


class Reader(Protocol):
    """How each kind of image is read. Each module of a kind offers these two functions."""

    def read_header(self, files: Sequence[FileRef]) -> Header:
        """Read the headers, and nothing that is not needed for them.

        Raises
        ------
        ImageProblem
            A file is damaged, or the files do not make one image.
        """

    def planes(self, files: Sequence[FileRef], header: Header) -> Iterator[Plane]:
        """The planes in order, slice by slice and frame after frame; each [row, column] or [row, column, channel].

        Raises
        ------
        ImageProblem
            The pixels are damaged or shorter than the header says.
        """
