"""What becomes of voxels that several masks of an image share: one setting, of a mapping, of a dataset or of a call.

``apart``
    Each mask is put whole, by itself; so it is when nobody says otherwise. What a platform cannot hold beside another
    one lies beside the case there.
``first``, ``last``
    The masks are flattened: a voxel of several belongs to the first of them in the case, or to the last.
names of labels
    The masks are flattened: the label named first counts most; what is not named comes after what is, in the order of
    the case.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from caseferry.errors import ConfigurationError

APART = "apart"


@dataclass(frozen=True, slots=True)
class Priority:
    """Which mask a shared voxel belongs to.

    Attributes
    ----------
    labels : the labels that count most, in order
    last : whether of the others the last of the case counts most, and not the first
    """

    labels: tuple[str, ...] = ()
    last: bool = False

    def __str__(self) -> str:
        return ", ".join(self.labels) or ("last" if self.last else "first")


def read_overlap(given: Any) -> Priority | None:
    """What is said of shared voxels; None for ``apart``.

    Parameters
    ----------
    given : one of the words, names of labels with commas between them, or a list of names

    Raises
    ------
    ConfigurationError
        It is nothing of that.
    """
    if isinstance(given, Priority):
        return given
    if given is None or given == APART:
        return None
    if isinstance(given, str) and given in {"first", "last"}:
        return Priority(last=given == "last")
    names = given.split(",") if isinstance(given, str) else given
    if isinstance(names, Sequence) and names and all(isinstance(each, str) and each.strip() for each in names):
        labels = tuple(each.strip() for each in names)
        if len(set(labels)) == len(labels):
            return Priority(labels)
    msg = f"overlap is {given!r}, expected {APART!r}, 'first', 'last', or names of labels, each once"
    raise ConfigurationError(msg)
