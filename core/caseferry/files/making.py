"""References to files that are made from others when they are first opened, one by one or many together."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from caseferry.files.product import Product, ProductOpener
from caseferry.files.ref import FileRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


def made(
    make: Callable[[BinaryIO], None], name: str, *, size: int | None = None, media_type: str | None = None
) -> FileRef:
    """A reference to a file that is made when it is first opened.

    Parameters
    ----------
    make : writes the file to the stream it is given
    size : its size in bytes, when that is known beforehand
    """
    product = Product(make)
    return FileRef(f"made:{name}", name, size, media_type, opener=ProductOpener(product))


def made_together(make: Callable[[], Iterator[bytes]], names: Sequence[tuple[str, str]]) -> list[FileRef]:
    """References to files that are made when the first of them is opened, and lie in one temporary file until released.

    Parameters
    ----------
    make : gives the contents one after another, in the order of `names`
    names : of each file its name and its media type
    """
    ends: list[int] = []

    def write(out: BinaryIO) -> None:
        ends.clear()
        place = 0
        for content in make():
            out.write(content)
            place += len(content)
            ends.append(place)
        if len(ends) != len(names):
            msg = f"{len(ends)} files were made where {len(names)} are expected"
            raise AssertionError(msg)

    product = Product(write)
    return [
        FileRef(f"made:{name}", name, media_type=media_type, opener=_Piece(product, ends, number))
        for number, (name, media_type) in enumerate(names)
    ]


@dataclass(frozen=True, eq=False)
class _Piece(ProductOpener):
    """Opens one of them.

    Attributes
    ----------
    ends : where each ends within the temporary file, as soon as that is made
    """

    ends: list[int]
    number: int

    def __call__(self) -> BinaryIO:
        with self.product.open() as stream:
            start, end = self._place()
            stream.seek(start)
            return io.BytesIO(stream.read(end - start))

    def length(self) -> int:
        self.product.path()
        start, end = self._place()
        return end - start

    def _place(self) -> tuple[int, int]:
        return self.ends[self.number - 1] if self.number else 0, self.ends[self.number]


def release(ref: FileRef) -> None:
    """Remove the temporary file behind a reference from `made`; of any other reference, do nothing."""
    if isinstance(ref.opener, ProductOpener):
        ref.opener.product.release()
