"""Sending the annotations of an item anew: Darwin cannot change or delete a single one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.errors import Inexpressible, Problem, TemporaryFailure
from caseferry.plan import Call, Repeat, Reply
from caseferry_darwin.wire.amending import amendment_in
from caseferry_darwin.wire.begun import said_by
from caseferry_darwin.wire.classes import RASTER_TYPE
from caseferry_darwin.wire.layers import merged, parts_in, without
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.rows import slot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caseferry.case import Case
    from caseferry_darwin.wire.annotations import Form
    from caseferry_darwin.wire.begun import Begun
    from caseferry_darwin.wire.place import Place
    from caseferry_darwin.wire.view import View

LARGEST_REWRITE = 24 << 20
"""Bytes of annotations that are sent anew at once: in two requests, a line that breaks between them would lose some."""


def staying(
    left: Sequence[Mapping[str, Any]],
    place: Place,
    begun: Begun,
    layers: Mapping[str, Form],
    views: Mapping[str, View | None],
) -> Iterator[Mapping[str, Any]]:
    """What stays, as it is sent anew: without earlier amendments, and layers without the masks that go."""
    sizes = {view.slot: view.raster_size() for view in views.values() if view is not None}
    for row in left:
        if amendment_in(row, place.classes) is not None and begun.kept is not None:
            continue
        data = row["data"]
        if place.classes.kind_of(row) == RASTER_TYPE:
            data = without(data, begun.gone.keys())
            if (over := layers.get(slot_of(row))) is not None:
                data = merged(data, over.data, sizes[over.slot])
            if not parts_in(data):
                continue
        yield _anew(row, data)


def _anew(row: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    """One of the platform's annotations in the form in which it takes them, with who made it."""
    body = {"id": row["id"], "annotation_class_id": row["annotation_class_id"], "data": data}
    body["context_keys"] = row.get("context_keys") or {}
    if actors := [{"email": each["email"], "role": each["role"]} for each in row.get("actors") or ()]:
        body["actors"] = actors
    if properties := row.get("properties") or row.get("annotation_properties"):
        body["annotation_properties"] = properties
    return body


def rewriting(
    case: Case,
    annotations: Sequence[Mapping[str, Any]],
    place: Place,
    item_id: str,
    rows: Sequence[Mapping[str, Any]],
    after: tuple[str, ...],
) -> Call:
    """The call that puts annotations in the place of all that an item has."""
    target = f"v2/teams/{quote(place.team)}/items/{item_id}"
    size = sum(len(repr(each["data"])) for each in annotations)
    if size > LARGEST_REWRITE:
        what = f"are {size} bytes; Darwin changes one only by taking all anew, and more than {LARGEST_REWRITE} at once"
        raise Inexpressible(case.id, [Problem("the item's annotations", what, "change it on Darwin")])
    return Call(
        name="rewrite",
        method="POST",
        target=f"{target}/import",
        body={"annotations": list(annotations), "overwrite": "true"},
        after=after,
        repeat=Repeat.DETECTABLE,
        watch=(
            Call(
                name="look again",
                method="GET",
                target=f"{target}/annotations",
                until=_unchanged(rows),
                purpose="make sure that nobody changed an annotation meanwhile",
            ),
        ),
        purpose="send the item's annotations anew",
        irreversible="all annotations of the item are sent anew, as they were right before",
    )


def _unchanged(rows: Sequence[Mapping[str, Any]]) -> Callable[[Reply], bool]:
    known = {str(row["id"]): said_by(row) for row in rows}

    def until(reply: Reply) -> bool:
        if {str(row["id"]): said_by(row) for row in reply.body} != known:
            raise TemporaryFailure(PLATFORM, "change annotations", "somebody changes annotations of the item")
        return True

    return until
