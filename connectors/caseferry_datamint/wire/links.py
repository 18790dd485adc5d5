"""By what rows of the platform are known that were put there by caseferry, and whether they are still there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LINK = "caseferry:"
"""``imported_from`` of an annotation that was put here is this and the annotation's own id."""

_REVISED = re.compile(r"caseferry@\d+:")
"""How it begins where the annotation has come with a revision of its case, which is told by its number."""


def link(name: str, revision: int) -> str:
    """``imported_from`` of an annotation.

    Parameters
    ----------
    name : its id
    revision : the number of the revision that it comes with; 0 for what is put with its case or added to it
    """
    return f"caseferry@{revision}:{name}" if revision else LINK + name


def link_of(row: Mapping[str, Any]) -> str | None:
    """By what a row is known that was put here by caseferry: the id of its annotation, or all of a revision's link."""
    source = row.get("imported_from")
    if not isinstance(source, str):
        return None
    if source.startswith(LINK):
        return source[len(LINK) :]
    return source if is_revised(source) else None


def is_revised(key: str) -> bool:
    """Whether rows of that link have come with a revision."""
    return _REVISED.match(key) is not None


def is_gone(row: Mapping[str, Any]) -> bool:
    """Whether somebody has deleted what a row tells of: some servers still answer those."""
    return bool(row.get("deleted") or row.get("deleted_at"))
