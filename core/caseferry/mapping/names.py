"""The names of one platform, and how they are read from a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeAlias

from caseferry.annotation import slug
from caseferry.config import read_toml
from caseferry.errors import ConfigurationError
from caseferry.mapping.overlap import Priority, read_overlap
from caseferry.plain import plain

PARTS = ("images", "labels", "values", "attachments")

MappingSource: TypeAlias = "str | Path | Mapping[str, Any] | None"

Offered: TypeAlias = "Mapping[str, Mapping[str, str]]"
"""What a dataset has already: for each part, names there and what each is."""

MOST_SUGGESTIONS = 5
"""Names like a name in a case that are suggested."""

_COLOUR = re.compile("#[0-9A-Fa-f]{6}")


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one platform.

    Attributes
    ----------
    images : role to socket, slot or channel
    labels : label to class, identifier or socket
    values, attachments : name to socket
    details : by what labels are called on the platform, what else is said of them there
    options : single settings of the platform, such as ``sidecar``
    tables : further tables, which the platform's connector alone understands
    overlap : which mask a voxel of several belongs to; None where each is put whole
    """

    images: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    attachments: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    overlap: Priority | None = None

    def with_options(self, **options: str | None) -> Names:
        """The same names with some settings given otherwise; None leaves one as it is."""
        given = {name: value for name, value in options.items() if value is not None}
        return replace(self, options={**self.options, **given})

    def label(self, name: str) -> str:
        """What a label is called on the platform."""
        return self.labels.get(name, name)

    def details_of(self, theirs: str) -> Mapping[str, str]:
        """What is said of a label beside its name, by what it is called on the platform."""
        return self.details.get(theirs, {})

    def label_back(self, name: str) -> str:
        """What a label of the platform is called in a case."""
        return next((ours for ours, theirs in self.labels.items() if theirs == name), name)


def read_mapping(
    source: MappingSource,
    platform: str,
    tables: Sequence[str] = (),
    label_fields: Sequence[str] = (),
    settings: Sequence[str] = (),
    platforms: Sequence[str] = (),
) -> Names:
    """The names of one platform from a mapping.

    Parameters
    ----------
    tables : names of the further tables that the platform's connector takes
    label_fields : what the platform can use of a label beside its name
    settings : names of the single settings that the platform's connector takes
    platforms : those that a mapping may have tables for; any when there are none

    Raises
    ------
    ConfigurationError
        The file cannot be read, or holds what is no mapping.
    """
    if source is None:
        return Names()
    document = source if isinstance(source, Mapping) else read_toml(Path(source), "mapping")
    if platforms and (unknown := [key for key in document if key not in {platform, *platforms}]):
        known = ", ".join(f"[{each}]" for each in sorted({platform, *platforms}))
        msg = f"the mapping has [{unknown[0]}], which is no platform that is installed; tables are {known}"
        raise ConfigurationError(msg)
    table = document.get(platform, {})
    if not isinstance(table, Mapping):
        msg = f"the mapping's [{platform}] is {table!r}, expected a table"
        raise ConfigurationError(msg)
    parts: dict[str, dict[str, str]] = {}
    options: dict[str, str] = {}
    further: dict[str, dict[str, Any]] = {}
    details: dict[str, dict[str, str]] = {}
    overlap: Priority | None = None
    for key, value in table.items():
        if key == "labels" and isinstance(value, Mapping):
            parts[key], details = _labels_of(platform, value, label_fields)
        elif key in PARTS and isinstance(value, Mapping) and all(isinstance(name, str) for name in value.values()):
            parts[key] = dict(value)
        elif key in tables and isinstance(value, Mapping):
            further[key] = _plain_table(f"{platform}.{key}", value)
        elif key == "overlap":
            overlap = read_overlap(value)
        elif key in settings and isinstance(value, str | bool | int):
            options[key] = str(value)
        else:
            known = ", ".join([f"{part} (of names to names)" for part in PARTS] + list(tables))
            single = f"; single settings are {', '.join([*settings, 'overlap'])}"
            msg = f"the mapping has {platform}.{key} = {value!r}; tables are {known}{single}"
            raise ConfigurationError(msg)
    return Names(**parts, details=details, options=options, tables=further, overlap=overlap)


def _labels_of(
    platform: str, table: Mapping[str, Any], fields: Sequence[str]
) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Labels' names on the platform, and what else is said of each name."""
    names: dict[str, str] = {}
    details: dict[str, dict[str, str]] = {}
    for label, given in table.items():
        where = f"{platform}.labels.{label}"
        said = {"name": given} if isinstance(given, str) else given
        if not isinstance(said, Mapping) or not all(isinstance(each, str) for each in said.values()):
            msg = f"the mapping has {where} = {given!r}, expected a name or a table with one"
            raise ConfigurationError(msg)
        if unknown := [key for key in said if key not in {"name", *fields}]:
            msg = f"the mapping has {where}.{unknown[0]}; {platform} takes {', '.join(['name', *fields])}"
            raise ConfigurationError(msg)
        if not _COLOUR.fullmatch(said.get("colour", "#000000")):
            msg = f"the mapping has {where}.colour = {said['colour']!r}, expected #rrggbb"
            raise ConfigurationError(msg)
        names[label] = said.get("name", label)
        more = {key: value for key, value in said.items() if key != "name"}
        if more and details.setdefault(names[label], more) != more:
            msg = f"the mapping says two things of {names[label]!r} in {platform}.labels; say one"
            raise ConfigurationError(msg)
    return names, details


def _plain_table(where: str, value: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return {key: plain(item, f"{where}.{key}") for key, item in value.items()}
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def nearest(name: str, offered: Iterable[str], like_by: float = 0.4) -> list[str]:
    """The names that are like a name, the likeliest first."""
    like = {slug(each) or each: each for each in offered}
    return [like[each] for each in get_close_matches(slug(name) or name, like, MOST_SUGGESTIONS, like_by)]
