"""Values of sockets that no kind of annotation fits: kept whole, and put into the same socket again as they were.

They are of kinds of sockets, of types or of versions that are not known here, or say what would be another thing in
core's words; or there is no image that they could lie in.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Raw
from caseferry_grand_challenge.wire.annotations import SEVERAL, places_in, socket_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.geometry import Geometry
    from caseferry.plain import Json

PLATFORM = "grand-challenge"


def raw_value(slug: str, kind: str, value: Json, label: str) -> Raw:
    """The value of a socket, whole."""
    return Raw(label=label, id=slug, platform=PLATFORM, payload={"socket": slug, "kind": kind, "value": value})


def raw_socket(annotation: Annotation) -> str | None:
    """The socket whose value was kept whole; None for what was not, or is in the form of another platform."""
    payload = getattr(annotation, "payload", None)
    if not isinstance(annotation, Raw) or annotation.platform != PLATFORM or not isinstance(payload, Mapping):
        return None
    whole = isinstance(payload.get("socket"), str) and payload.get("value") is not None
    return str(payload["socket"]) if whole else None


def raw_kind(annotation: Annotation) -> str:
    """The kind of that socket."""
    payload = getattr(annotation, "payload", None)
    return str(payload.get("kind", "")) if isinstance(payload, Mapping) else ""


def understood(kind: str, value: Any, there: Sequence[Annotation], grid: Geometry | None) -> bool:
    """Whether annotations say all that the value of a socket says of places.

    Parameters
    ----------
    there : what was read from it
    grid : of the image that they lie in
    """
    if grid is None or not there or not isinstance(value, Mapping) or value.get("type", kind) != kind:
        return False
    version = value.get("version", {"major": 1})
    if not isinstance(version, Mapping) or version.get("major") != 1:
        return False
    again = socket_value(kind, there, grid)
    member, single = SEVERAL.get(kind, ("", kind))
    entries = value.get(member) if member else [value]
    written = again[member] if member else [again]
    return (
        isinstance(entries, list)
        and len(entries) == len(written)
        and all(places_in(single, mine, grid, written) for mine, written in zip(entries, written, strict=True))
    )
