"""Which entry of a socket for several annotations is which of those that were put into it.

Entries have no names of their own that stay, and whoever changes one writes all of them anew: some may be gone,
others new, some moved. What lies where it was put is the same one, wherever it stands in the list by now.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.annotation.placed import SAME_PLACE_MM
from caseferry_grand_challenge.wire.annotations import SEVERAL, kinds_for, socket_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.geometry import Geometry


def entries_in(kind: str, value: Any) -> list[Any]:
    """The entries in the value of a socket for several annotations."""
    entries = value.get(SEVERAL[kind][0]) if isinstance(value, dict) else None
    return list(entries) if isinstance(entries, list) else []


def standing_in(kind: str, put: Sequence[Annotation], grid: Geometry | None, value: Any) -> dict[int, int]:
    """Which entry of a socket each annotation is by now, by their places in both lists; see `paired`.

    Parameters
    ----------
    put : what was put into the socket, in order
    grid : of the image that it was put on
    """
    there = entries_in(kind, value)
    if grid is None or any(kind not in kinds_for(each, grid)[1] for each in put):
        return {index: index for index in range(min(len(put), len(there)))}
    return paired(entries_in(kind, socket_value(kind, put, grid)) if put else [], there)


def paired(put: Sequence[Mapping[str, Any]], there: Sequence[Any]) -> dict[int, int]:
    """Which entry each one that was put is by now, by their places in both lists; left out are those that are gone.

    One that lies nowhere any more was moved, when the others stand where they stood; then it is the one in its place.
    Where some were taken out, or the order is another, nobody can tell which of the others were moved: those count as
    new.
    """
    places = [list(_numbers(entry)) for entry in put]
    found = [list(_numbers(entry)) for entry in there]
    pairs = {index: index for index in range(min(len(put), len(there))) if _same(places[index], found[index])}
    free = [index for index in range(len(there)) if index not in pairs]
    for index in (each for each in range(len(put)) if each not in pairs):
        if (entry := next((each for each in free if _same(places[index], found[each])), None)) is not None:
            pairs[index] = entry
            free.remove(entry)
    if len(there) >= len(put) and all(index == entry for index, entry in pairs.items()):
        pairs |= {index: index for index in range(len(put)) if index not in pairs and index in free}
    return pairs


def _numbers(entry: Any) -> Iterator[float]:
    """The coordinates of an entry: all numbers in its lists, in order."""
    if isinstance(entry, dict):
        for name in sorted(entry):
            if isinstance(entry[name], list):
                yield from _numbers(entry[name])
    elif isinstance(entry, list):
        for each in entry:
            if isinstance(each, list):
                yield from _numbers(each)
            elif isinstance(each, int | float):
                yield float(each)


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    return len(one) == len(other) and all(abs(a - b) <= SAME_PLACE_MM for a, b in zip(one, other, strict=True))
