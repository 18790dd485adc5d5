"""The filters of Datamint's listings: their names here and there, and what they may say."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, get_args

from caseferry.errors import ConfigurationError
from caseferry_datamint.wire.entities import Order, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OF_RESOURCES = {
    "status": "status",
    "from_date": "from",
    "to_date": "to",
    "modality": "modality",
    "mimetype": "mimetype",
    "filename": "filename",
    "channel": "channel_name",
    "tags": "tags",
    "order": "order_field",
    "ascending": "order_by_asc",
}
"""Filters of resources: those of caseferry to those of the platform."""

OF_ANNOTATIONS = {
    "kind": "annotation_type",
    "author": "annotatorEmail",
    "from_date": "from",
    "to_date": "to",
    "status": "status",
    "worklist": "annotation_worklist_id",
    "dataset_id": "dataset_id",
    "models": "load_ai_segmentations",
}
"""Filters of annotations, likewise."""

WORDS: Mapping[str, tuple[str, ...]] = {"status": get_args(Status), "order": get_args(Order)}


def resource_query(filters: Mapping[str, Any]) -> dict[str, str]:
    """The query that lists the resources which match all filters.

    Raises
    ------
    ConfigurationError
        A filter is unknown, or its value is none that the platform knows.
    """
    query = {}
    for name, value in _given(filters, OF_RESOURCES).items():
        if name in WORDS:
            check_word(name, value, WORDS[name])
        query[OF_RESOURCES[name]] = any_of(value) if name == "tags" else _written(name, value)
    return query


def annotation_search(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a search for annotations that match all filters.

    Raises
    ------
    ConfigurationError
        A filter is unknown.
    """
    given = _given(filters, OF_ANNOTATIONS)
    return {OF_ANNOTATIONS[name]: value if name == "models" else _written(name, value) for name, value in given.items()}


def any_of(names: str | Sequence[str]) -> str:
    """Tags or projects of which one is enough, as a query writes them."""
    return json.dumps({"items": [names] if isinstance(names, str) else list(names), "filterType": "union"})


def all_of(names: Sequence[str]) -> str:
    """Projects all of which are meant, as a query writes them."""
    return json.dumps({"items": list(names), "filterType": "intersection"})


def check_word(name: str, word: object, known: Sequence[str]) -> None:
    """Refuse a word that the platform does not know.

    Raises
    ------
    ConfigurationError
        It is none of those that are known.
    """
    if word not in known:
        msg = f"datamint has no {name} {word!r}; known are {', '.join(known)}"
        raise ConfigurationError(msg)


def _given(filters: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    unknown = sorted(set(filters) - set(known))
    if unknown:
        msg = f"datamint has no filter {', '.join(unknown)}; known are {', '.join(known)}"
        raise ConfigurationError(msg)
    return {name: value for name, value in filters.items() if value is not None}


def _written(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if name.endswith("_date"):
        return _day(name, value)
    return str(value)


def _day(name: str, value: Any) -> str:
    try:
        day = value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        msg = f"{name} is {value!r}, expected a date, or text as 2026-01-31"
        raise ConfigurationError(msg) from None
    return day.isoformat()
