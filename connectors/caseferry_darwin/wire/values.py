"""The values of a case as properties of its item, where the dataset has some of their names.

Source
------
darwin-py 3.6.3's importer: properties of items go with an import, each value by itself. The reply that lists those of
an item is not public; it is read in any form that names a property and its values.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.plan import Call, Repeat
from caseferry_darwin.wire.properties import MULTI, same_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry.case import Case
    from caseferry.mapping import Names
    from caseferry.plain import Json
    from caseferry.sidecar import Kept
    from caseferry_darwin.wire.place import Place
    from caseferry_darwin.wire.properties import Property


def held_values(case: Case, place: Place, promised: Mapping[str, str] | None) -> dict[str, list[dict[str, Any]]]:
    """The values of a case that its item can have, each in the form in which the platform takes it.

    Parameters
    ----------
    promised : those of an item that is there, whose sidecar cannot be changed any more: names to ids of properties
    """
    own = place.classes.properties.of_items(place.dataset_id)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, value in case.values.items():
        held = own.get(place.names.values.get(name, name))
        chosen = held.chosen(value) if held is not None else None
        if held is not None and chosen is not None and (promised is None or name in promised):
            found[name] = [
                {"property_id": held.id, "value": each if isinstance(each, dict) else {"id": each}, "actors": []}
                for each in chosen
            ]
    return found


def values_call(
    sent: Iterable[Sequence[Mapping[str, Any]]], place: Place, item_id: str | None, after: tuple[str, ...]
) -> Call:
    """The call that gives an item its properties."""
    return Call(
        name="import values",
        method="POST",
        target=f"v2/teams/{quote(place.team)}/items/{item_id if item_id is not None else '{item}'}/import",
        body={"annotations": [], "properties": [dict(each) for own in sent for each in own], "overwrite": "false"},
        after=after,
        repeat=Repeat.DETECTABLE,
        purpose="give the item its properties",
    )


def values_of(told: Iterable[Mapping[str, Any]], known: Mapping[str, Property], names: Names) -> dict[str, Json]:
    """The values of an item's properties by their names in a case.

    Parameters
    ----------
    told : properties as the platform lists them
    known : properties by id
    """
    back = {theirs: ours for ours, theirs in names.values.items()}
    found: dict[str, Json] = {}
    for each in told:
        held = known.get(str(each.get("property_id") or each.get("id")))
        if held is None:
            continue
        given = each.get("values", each.get("value"))
        words = [held.word(one) for one in (given if isinstance(given, list) else [given]) if one is not None]
        said: list[Json] = [word for word in words if word is not None]
        name = back.get(held.name, held.name)
        if said and held.type == MULTI:
            before = found.get(name)
            found[name] = [*(before if isinstance(before, list) else ()), *said]
        elif said:
            found[name] = said[0]
    return found


def with_values(case: Case, kept: Kept | None, told: Iterable[Mapping[str, Any]], place: Place) -> Case:
    """A case with the values that its item has, in the words in which they were put where they are still the same.

    One whose property the team has no more is as it was put.

    Parameters
    ----------
    kept : the sidecar of its item
    told : the properties of its item
    """
    known = place.classes.properties.known
    there = values_of(told, known, place.names)
    if kept is None:
        return replace(case, values={**case.values, **there})
    put, native = kept.case.values, kept.native.values
    stays = {name: value for name, value in put.items() if name not in native or native[name] not in known}
    said = {name: put[name] if same_words(put.get(name), value) else value for name, value in there.items()}
    order = [name for name in put if name in stays or name in said]
    merged = {**stays, **said}
    return replace(case, values={name: merged[name] for name in [*order, *said]})
