"""How an item shows its images, or will, and the call that waits until it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.errors import ProcessingFailed, TemporaryFailure
from caseferry.plan import Call, Reply
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.registering import shown_planes
from caseferry_darwin.wire.view import View, expected_view, native_slot, shown_view

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case
    from caseferry_darwin.wire.place import Place, Standing
    from caseferry_darwin.wire.placed import Placed


def views_of(placed: Sequence[Placed], place: Place, standing: Standing | None) -> dict[str, View | None]:
    """How each image is shown, or will be, by role; None for what cannot be annotated."""
    slots = list(standing.item.get("slots") or ()) if standing is not None else []
    alone = sum(each.count for each in placed) == 1
    views: dict[str, View | None] = {}
    for each in placed:
        known = native_slot(each.image, slots, each.slot)
        if known is not None:
            views[each.image.role] = shown_view(each.image, known)
        elif each.display.sampled:
            views[each.image.role] = None
        elif each.made is not None:
            views[each.image.role] = each.made.view
        else:
            planes = shown_planes(each, place.displays)
            turned = each.display.extract_views
            views[each.image.role] = expected_view(each.image, each.slot, alone=alone, planes=planes, views=turned)
    return views


def ready_call(
    case: Case,
    placed: Sequence[Placed],
    place: Place,
    views: Mapping[str, View | None],
    item_id: str | None,
    after: tuple[str, ...],
) -> Call:
    """The call that waits until the item is processed, and makes sure that it is shown as expected."""

    def until(reply: Reply) -> bool:
        item = reply.body["items"][0]
        if item.get("status") == "error" or item.get("processing_status") == "error":
            raise ProcessingFailed(PLATFORM, f"process {case.id!r}", processing_error(item), state="error")
        return item.get("status") not in {"uploading", "processing"}

    def read(reply: Reply) -> dict[str, Any]:
        slots = list(reply.body["items"][0].get("slots") or ())
        for each in placed:
            expected, slot = views[each.image.role], native_slot(each.image, slots, each.slot)
            shown = shown_view(each.image, slot) if slot is not None else None
            if expected is not None and (shown is None or not shown.same(expected)):
                what = f"show image {each.image.role!r}"
                raise TemporaryFailure(PLATFORM, what, "it is shown in another way than expected")
        return {}

    item: Any = item_id if item_id is not None else "{item}"
    return Call(
        name="ready",
        method="GET",
        target=f"v2/teams/{quote(place.team)}/items?dataset_ids[]={place.dataset_id}&item_ids[]={item}",
        until=until,
        read=read,
        after=after,
        purpose="wait until it is processed",
    )


def processing_error(item: Mapping[str, Any]) -> str:
    """Why the platform could not process an item."""
    reasons = [str(each["processing_error"]) for each in item.get("uploads") or () if each.get("processing_error")]
    return ", ".join(reasons) or "no reason given"
