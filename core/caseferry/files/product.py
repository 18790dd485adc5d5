"""Files that are made from others when they are first opened, and removed when they are released."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from caseferry.files import scratch

if TYPE_CHECKING:
    from collections.abc import Callable


class Product:
    """A file made from others when it is first opened, kept in a temporary file until released.

    Parameters
    ----------
    make : writes the file to the stream it is given
    """

    def __init__(self, make: Callable[[BinaryIO], None]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._finalizer: weakref.finalize[..., Product] | None = None

    def open(self) -> BinaryIO:
        """The bytes, made now if they were not made before."""
        return self.path().open("rb")

    def path(self) -> Path:
        """Where the bytes lie, made now if they were not made before."""
        with self._lock:
            if self._path is None:
                handle, name = tempfile.mkstemp(dir=scratch.folder())
                path = Path(name)
                try:
                    with os.fdopen(handle, "wb") as stream:
                        self._make(stream)
                except BaseException:
                    path.unlink(missing_ok=True)
                    raise
                self._path = path
                self._finalizer = weakref.finalize(self, _unlink, path)
            return self._path

    def release(self) -> None:
        """Remove the temporary file; opening again makes it anew."""
        with self._lock:
            if self._finalizer is not None:
                self._finalizer()
            self._path = self._finalizer = None


def _unlink(path: Path) -> None:
    path.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class ProductOpener:
    """Opens a file that is made when it is first opened, behind the references of `caseferry.files.made`."""

    product: Product

    def __call__(self) -> BinaryIO:
        """The bytes."""
        return self.product.open()

    def length(self) -> int:
        """The size in bytes; the file is made for it."""
        return self.product.path().stat().st_size
