"""What a sidecar says, whoever writes or reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caseferry.plain import Json, holds_null, plain, with_null, without_null

KEY = "caseferry"
"""The name under which the sidecar stands in metadata that it shares with others."""


VERSION = 1


SPELT = "without-null"
"""The key under which a document stands that holds null characters, spelt in another way."""


NATIVE_PARTS = ("images", "annotations", "values", "attachments", "tags", "attributes")


JOURNAL = "journal:"
"""How the location of a file begins that lies in the folder of a journal."""


@dataclass(frozen=True)
class Native:
    """What of a case stands on the platform in the platform's own form: names in the case to names there.

    Attributes
    ----------
    attributes : by the ids of annotations, the names of those of their attributes that stand there
    """

    images: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, str] = field(default_factory=dict)
    attachments: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {name: plain(getattr(self, name)) for name in NATIVE_PARTS}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Native:
        """Read what `to_json` wrote."""
        return cls(**{name: dict(document.get(name, {})) for name in NATIVE_PARTS})


def storable(document: dict[str, Json]) -> dict[str, Json]:
    """A document that every database takes: those of some platforms hold no null characters."""
    if not holds_null(document):
        return document
    return {"version": VERSION, SPELT: without_null(document)}


def stored(document: Any) -> Any:
    """What `storable` was given; anything else as it is."""
    spelt = document.get(SPELT) if isinstance(document, Mapping) and document.get("version") == VERSION else None
    return with_null(spelt) if isinstance(spelt, dict) else document
