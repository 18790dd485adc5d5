"""Where in an item's sockets those annotations stand that somebody else put there: only what they say tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, Raw
from caseferry.errors import Inexpressible, Problem
from caseferry_grand_challenge.wire.annotations import MARKS, SEVERAL, kinds_for, places_in, socket_value
from caseferry_grand_challenge.wire.keys import entry_key, slug_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry.case import Case
    from caseferry.geometry import Geometry

WHOLE = "fill that socket with something else, or empty it with detach"
ANEW = "read the item anew and run the same again, or fill its socket whole"


def keys_of_theirs(
    sought: Iterable[Annotation], case: Case, free: Mapping[str, tuple[str, Mapping[int, Any]]]
) -> dict[str, str]:
    """Which entry of which socket each of some annotations is, by its id.

    Parameters
    ----------
    sought : as they were read
    case : they are of
    free : the kind of each socket for positions, and by their places in it those entries that caseferry did not put

    Raises
    ------
    Inexpressible
        One is no entry of any socket, or could be several.
    """
    keys: dict[str, str] = {}
    problems = []
    for annotation in sought:
        found = _candidates(annotation, case, free)
        left = [key for key in found if key not in keys.values()]
        slugs = set(map(slug_of, left))
        named = f"annotation {annotation.id!r}"
        if isinstance(annotation, Mask | Raw):
            problems.append(Problem(named, "fills a socket whole into which somebody else put it", WHOLE))
        elif annotation.id in left or len(slugs) == 1:  # entries that say the same are as good as each other
            keys[annotation.id] = annotation.id if annotation.id in left else left[0]
        elif slugs:
            told = ", ".join(map(repr, sorted(slugs)))
            problems.append(
                Problem(named, f"was put there by somebody else, and stands in several sockets: {told}", ANEW)
            )
        else:
            what = "was put there by somebody else, and no socket of the item holds it as it was read"
            problems.append(Problem(named, what, ANEW))
    if problems:
        raise Inexpressible(case.id, problems)
    return keys


def _candidates(annotation: Annotation, case: Case, free: Mapping[str, tuple[str, Mapping[int, Any]]]) -> Sequence[str]:
    """All entries of sockets that lie where an annotation lies and are called as it is."""
    grid = case.image(annotation.image).geometry if annotation.image is not None else None
    if grid is None:
        return []
    fitting = sum(kinds_for(annotation, grid), ())
    found: list[str] = []
    for slug, (kind, entries) in free.items():
        if kind in fitting and kind in MARKS:
            member, single = SEVERAL.get(kind, ("", kind))
            written = socket_value(kind, [annotation], grid)
            ours = written[member][0] if member else written
            found += [
                entry_key(slug, index)
                for index, entry in entries.items()
                if _says(single, entry, annotation, grid, ours)
            ]
    return found


def _says(kind: str, entry: Any, annotation: Annotation, grid: Geometry, ours: Mapping[str, Any]) -> bool:
    """Whether an entry is an annotation, as which `ours` would be written."""
    return (
        places_in(kind, entry, grid, ours)
        and (entry.get("name") or annotation.label) == annotation.label
        and entry.get("probability") in {None, annotation.confidence}
    )
