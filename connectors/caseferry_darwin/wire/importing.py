"""The calls that bring annotations to an item, in requests of bearable size."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.plan import Call, Given, Repeat
from caseferry_darwin.wire.classes import Wanted, class_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry_darwin.wire.annotations import Form
    from caseferry_darwin.wire.place import Place

LARGEST_IMPORT = 24 << 20
"""Bytes of annotations in one request; more are sent in several."""


def naming_calls(forms: Sequence[Form], place: Place, tags: Iterable[str] = ()) -> tuple[list[Call], dict[str, int]]:
    """The calls that make the classes and properties that annotations and tags need, and the ids that are known."""
    wanted = [*(form.wanted for form in forms), *(Wanted(tag, "tag") for tag in tags)]
    calls, ids = place.classes.calls(wanted, place.dataset_id, place.names)
    made = {each: form.wanted for form in forms for each in form.made}
    return [*calls, *(each.call(place.team, class_id(owner, ids)) for each, owner in made.items())], ids


def import_calls(
    forms: Sequence[Form], ids: Mapping[str, int], place: Place, item_id: str | None, after: tuple[str, ...]
) -> list[Call]:
    """The calls that add annotations to an item. Masks go with the layer that holds their pixels."""
    target = f"v2/teams/{quote(place.team)}/items/{item_id if item_id is not None else '{item}'}/import"
    calls: list[Call] = []
    for number, batch in enumerate(_batches(forms)):
        body = {"annotations": [imported(form, ids) for form in batch], "overwrite": "false"}
        calls.append(
            Call(
                name=f"import {number}",
                method="POST",
                target=target,
                body=body,
                after=after if not number else (f"import {number - 1}",),
                repeat=Repeat.DETECTABLE,
                purpose="annotate the item",
            )
        )
    return calls


def imported(form: Form, ids: Mapping[str, int]) -> dict[str, Any]:
    """An annotation in the form in which the platform takes it."""
    identity: int | Given = class_id(form.wanted, ids)
    body: dict[str, Any] = {
        "id": form.id,
        "annotation_class_id": identity,
        "data": form.data,
        "context_keys": {"slot_names": [form.slot]},
    }
    if form.actors:
        body["actors"] = [dict(each) for each in form.actors]
    if form.properties:
        body["annotation_properties"] = {frame: dict(values) for frame, values in form.properties.items()}
    return body


def _batches(forms: Sequence[Form]) -> list[list[Form]]:
    """Annotations in requests of bearable size; masks and their layers stay together."""
    together = [f for f in forms if f.wanted.kind in {"mask", "raster_layer"}]
    batches: list[list[Form]] = [together] if together else []
    size = LARGEST_IMPORT
    for form in forms:
        if form.wanted.kind in {"mask", "raster_layer"}:
            continue
        length = len(repr(form.data))
        if size + length > LARGEST_IMPORT:
            batches.append([])
            size = 0
        batches[-1].append(form)
        size += length
    return batches


def divided(call: Call) -> tuple[Call, Call] | None:
    """An import as two of half the size; None when it cannot be divided: masks and their layer go together."""
    rows = list(call.body["annotations"])
    pixels = [row for row in rows if _holds_pixels(row["data"])]
    shapes = [row for row in rows if not _holds_pixels(row["data"])]
    if pixels and shapes:
        parts = pixels, shapes
    elif len(shapes) > 1:
        parts = shapes[: len(shapes) // 2], shapes[len(shapes) // 2 :]
    else:
        return None
    first, second = (replace(call, body={**call.body, "annotations": part}) for part in parts)
    return first, second


def _holds_pixels(data: Mapping[str, Any]) -> bool:
    contents = [data, *(data.get("frames") or {}).values()]
    return any("mask" in content or "raster_layer" in content for content in contents)
