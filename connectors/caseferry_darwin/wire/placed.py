"""Where an image's files go on Darwin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caseferry.case import Image
    from caseferry_darwin.wire.display import Display
    from caseferry_darwin.wire.preparing import Prepared


@dataclass(frozen=True)
class Placed:
    """Where an image's files go.

    Attributes
    ----------
    slot : the slot of the item
    keys : the files' keys in the external storage, in the order in which they are registered; none for an upload
    order : for each of these the index of the image's file
    slices : whether each file is uploaded by itself, as a slice; then `order` is that of the uploads
    made : what is made of it for a read-only storage
    """

    image: Image
    slot: str
    display: Display
    keys: tuple[str, ...] = ()
    order: tuple[int, ...] = ()
    slices: bool = False
    made: Prepared | None = None

    @property
    def count(self) -> int:
        """How many files are registered for the slot."""
        return len(self.keys) or (len(self.order) if self.slices else 1)
