"""Filters of items: by which words they are asked for here, and what the platform calls them.

Source
------
V7's API reference, "List items"; the names that darwin-py 3.6.3 sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caseferry.mapping import Names
    from caseferry_darwin.wire.classes import Classes

LISTS = {
    "statuses": "statuses",
    "names": "item_names",
    "paths": "item_paths",
    "ids": "item_ids",
    "slot_types": "slot_types",
    "labels": "annotation_class_ids",
    "stages": "workflow_stage_ids",
    "assignees": "assignees",
}
"""Filters of which any value will do: a value or several of them. With ``not_`` in front they mean all others."""

SINGLES = {"name_contains": "item_name_contains", "name_prefix": "item_name_prefix", "path_prefix": "item_path_prefix"}

SWITCHES = ("has_comments", "archived")
"""Filters that are True or False."""

ARCHIVED = "archived"

LONGEST_QUERY = 1800
"""Characters of names or ids in one address; darwin-py keeps the whole below about 2000."""


@dataclass(frozen=True)
class Asked:
    """Which items are asked for.

    Attributes
    ----------
    queries : one or several, of which each item answers one at most
    archived : whether those are meant that were archived
    """

    queries: tuple[tuple[tuple[str, str], ...], ...]
    archived: bool


def asked(filters: Mapping[str, Any], classes: Classes, names: Names) -> Asked:
    """The filters as the platform takes them.

    Raises
    ------
    ConfigurationError
        There is no such filter, its value is of another form, or no class of the team has such a label.
    """
    known = {*LISTS, *(f"not_{name}" for name in LISTS), *SINGLES, *SWITCHES}
    if unknown := sorted(set(filters) - known):
        msg = f"darwin has no filter {', '.join(unknown)}; known are {', '.join([*LISTS, *SINGLES, *SWITCHES])}"
        raise ConfigurationError(msg)
    query: list[tuple[str, str]] = []
    longest: tuple[str, list[str]] = ("", [])
    for name, value in filters.items():
        plain = name.removeprefix("not_")
        if plain in LISTS:
            values = _class_ids(value, classes, names) if plain == "labels" else _several(name, value)
            key = f"{name.removesuffix(plain)}{LISTS[plain]}[]"
            if name in {"names", "ids", "paths"} and sum(map(len, values)) > sum(map(len, longest[1])):
                longest = (key, values)
            query += [(key, each) for each in values]
        elif name in SINGLES:
            query.append((SINGLES[name], _several(name, [value])[0]))
        elif not isinstance(value, bool):
            msg = f"the filter {name} is {value!r}, expected True or False"
            raise ConfigurationError(msg)
        elif name != ARCHIVED:
            query.append((name, str(value).lower()))
    archived = bool(filters.get(ARCHIVED)) or ARCHIVED in _several("statuses", filters.get("statuses", "new"))
    rest = [(key, value) for key, value in query if key != longest[0]]
    queries = [(*rest, *((longest[0], each) for each in part)) for part in _parts(longest[1])]
    return Asked(tuple(queries), archived)


def _several(name: str, value: Any) -> list[str]:
    """Values of a filter, of which one may be given alone; each once."""
    values = [value] if isinstance(value, str | int) else value
    if not isinstance(values, list | tuple | set | frozenset) or not all(isinstance(v, str | int) for v in values):
        msg = f"the filter {name} is {value!r}, expected a text or several"
        raise ConfigurationError(msg)
    if not values:
        msg = f"the filter {name} is empty, and would mean every item; leave it out for all of them"
        raise ConfigurationError(msg)
    return list(dict.fromkeys(str(each) for each in values))


def _class_ids(value: Any, classes: Classes, names: Names) -> list[str]:
    """The classes of a label, of whichever types."""
    found: list[str] = []
    for label in _several("labels", value):
        ids = [str(known.id) for known in classes.known.values() if known.name == names.label(label)]
        if not ids:
            msg = f"the filter labels names {label!r}, and no class of the team is called so"
            raise ConfigurationError(msg)
        found += ids
    return found


def _parts(values: Iterable[str]) -> list[list[str]]:
    """Values in queries of bearable length; a single empty one for none."""
    parts: list[list[str]] = [[]]
    length = 0
    for value in values:
        if parts[-1] and length + len(value) > LONGEST_QUERY:
            parts.append([])
            length = 0
        parts[-1].append(value)
        length += len(value) + len("item_names[]=&")
    return parts
