"""Which connectors are installed: each offers itself as an entry point, under the scheme of its URLs."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

GROUP = "caseferry.connectors"
"""The entry point group in which connectors offer themselves."""


@cache
def entry_points_of_connectors() -> dict[str, EntryPoint]:
    """Their entry points, by scheme."""
    return {each.name: each for each in entry_points(group=GROUP)}


def schemes() -> list[str]:
    """The schemes of all installed connectors."""
    return sorted(entry_points_of_connectors())
