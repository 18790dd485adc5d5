"""PDF documents shown as images. They have no grid and no pixels here; they are moved as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.files import FileRef


def read_header(files: Sequence[FileRef]) -> Header:
    """A PDF; see `caseferry.imaging.header.Reader`."""
    if len(files) != 1:
        raise ImageProblem("a PDF", f"is one file, not {len(files)}")
    return Header(Kind.PDF, None, "uint8")


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:  # noqa: ARG001  as all readers
    """Never: a PDF has no pixels.

    Raises
    ------
    ImageProblem
        Always.
    """
    raise ImageProblem(files[0].name, "is a PDF, which has no voxels")
