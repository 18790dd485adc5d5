"""Annotation classes: what Darwin calls a label together with the type of shape that it may have."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.mapping.unmapped import Missing
from caseferry.plan import Call, Given, Repeat, Reply
from caseferry_darwin.wire.properties import Properties
from caseferry_darwin.wire.rows import contents_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from caseferry.mapping import Names

RASTER_CLASS = "__raster_layer__"
RASTER_TYPE = "raster_layer"

DRAWN_BY_PEOPLE = ("skeleton", "eye")
"""Types whose classes have a drawing of their own, which no annotation tells."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A class that annotations need.

    Attributes
    ----------
    name : the label, as the platform calls it
    kind : the type of shape: ``tag``, ``polygon``, ``mask``, …
    text : whether its annotations carry text
    subs : what else they carry: ``instance_id``, ``directional_vector``
    """

    name: str
    kind: str
    text: bool = False
    subs: tuple[str, ...] = ()

    @property
    def binding(self) -> str:
        """The name under which a plan knows its id."""
        return f"class {self.kind} {quote(self.name)}"


@dataclass(frozen=True, slots=True)
class Known:
    """A class that is there.

    Attributes
    ----------
    types : the type of shape and what its annotations may carry besides
    datasets : ids of the datasets in which it is used
    details : its colour, and the code that its description is; see `caseferry.mapping`
    """

    id: int
    name: str
    types: tuple[str, ...]
    datasets: frozenset[int]
    details: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass
class Classes:
    """The classes of a team, by name and type.

    Attributes
    ----------
    types : names of types to their ids
    properties : what may be said of their annotations
    """

    known: dict[tuple[str, str], Known] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    properties: Properties = field(default_factory=Properties)

    @classmethod
    def read(
        cls,
        classes: Iterable[Mapping[str, Any]],
        types: Iterable[Mapping[str, Any]],
        properties: Iterable[Mapping[str, Any]] = (),
        attributes: Iterable[Mapping[str, Any]] = (),
    ) -> Classes:
        """From what the platform answers."""
        table = cls(
            types={str(each["name"]): int(each["id"]) for each in types},
            properties=Properties.read(properties, attributes),
        )
        for each in classes:
            table.add(each)
        return table

    def add(self, answered: Mapping[str, Any]) -> None:
        """Remember a class that the platform told of."""
        kinds = tuple(str(kind) for kind in answered.get("annotation_types") or ())
        if kinds:
            datasets = frozenset(int(each["id"]) for each in answered.get("datasets") or ())
            self.known[str(answered["name"]), kinds[0]] = Known(
                int(answered["id"]), str(answered["name"]), kinds, datasets, _details(answered)
            )

    def attached(self, body: Mapping[str, Any]) -> None:
        """Remember that a class is used in more datasets, from what was asked of the platform."""
        for key, known in self.known.items():
            if known.id == body["id"]:
                self.known[key] = replace(known, datasets=frozenset(each["id"] for each in body["datasets"]))

    def name_of(self, class_id: object) -> tuple[str, tuple[str, ...]] | None:
        """Name and types of the class of an id."""
        for known in self.known.values():
            if str(known.id) == str(class_id):
                return known.name, known.types
        return None

    def kind_of(self, row: Mapping[str, Any]) -> str:
        """The type of an annotation as a listing has it; empty when its class is not known."""
        named = self.name_of(row.get("annotation_class_id"))
        return named[1][0] if named is not None else ""

    def tell(self, row: Mapping[str, Any]) -> bool:
        """Whether the class of an annotation, its properties and its attributes are known."""
        held, told = row.get("annotation_class_id"), row.get("properties")
        named = [each for each in told.values() if isinstance(each, dict)] if isinstance(told, dict) else []
        given = [each.get("attributes") for each in contents_of(row)]
        lists = [each.get("attributes") for each in given if isinstance(each, dict)]
        flags = {str(flag) for each in lists if isinstance(each, list) for flag in each}
        return (
            self.name_of(held) is not None
            and all(each.keys() <= self.properties.known.keys() for each in named)
            and flags <= set(self.properties.flags_of(held).values())
        )

    def tags(self) -> dict[str, bool]:
        """The classes of type tag, and whether each takes a text."""
        return {name: "text" in known.types for (name, kind), known in self.known.items() if kind == "tag"}

    def why_not(self, wanted: Wanted, *, create: bool) -> str | None:
        """Why a class cannot be used, or None when it can: it is there, or may be made."""
        known = self.known.get((wanted.name, wanted.kind))
        if known is None:
            if not create:
                return f"the team has no class {wanted.name!r} of type {wanted.kind}"
            if wanted.kind in DRAWN_BY_PEOPLE:
                return f"the team has no class {wanted.name!r} of type {wanted.kind}, which people must draw there"
            return None if wanted.kind in self.types else f"Darwin makes no classes of type {wanted.kind}"
        if wanted.text and "text" not in known.types:
            return f"the team's class {wanted.name!r} takes no text"
        return None

    def missing(self, part: str, wanted: Wanted) -> Missing | None:
        """What to say of a class that is not there; None of one that is."""
        if (wanted.name, wanted.kind) in self.known:
            return None
        what = f"class {wanted.name!r} of type {wanted.kind} in the team"
        return Missing(part, wanted.name, what, makes=wanted.kind in self.types)

    def calls(self, wanted: Iterable[Wanted], dataset_id: int, names: Names) -> tuple[list[Call], dict[str, int]]:
        """The calls that make classes or bring them into the dataset, and the ids that are known already.

        Parameters
        ----------
        names : say what colour and which code a class has that is made
        """
        calls: list[Call] = []
        ids: dict[str, int] = {}
        merged: dict[tuple[str, str], Wanted] = {}
        for each in wanted:
            earlier = merged.get((each.name, each.kind), each)
            subs = tuple(sorted({*each.subs, *earlier.subs}))
            merged[each.name, each.kind] = Wanted(each.name, each.kind, each.text or earlier.text, subs)
        for each in merged.values():
            known = self.known.get((each.name, each.kind))
            if known is None:
                calls.append(self._creation(each, dataset_id, names.details_of(each.name)))
                continue
            ids[each.binding] = known.id
            if dataset_id not in known.datasets and each.kind != RASTER_TYPE:
                datasets = [{"id": number} for number in sorted({*known.datasets, dataset_id})]
                calls.append(
                    Call(
                        name=f"attach {each.binding}",
                        method="PUT",
                        target=f"annotation_classes/{known.id}",
                        body={"id": known.id, "datasets": datasets},
                        purpose=f"use class {each.name!r} in the dataset",
                    )
                )
        return calls, ids

    def _creation(self, wanted: Wanted, dataset_id: int, details: Mapping[str, str]) -> Call:
        subs = (["text"] if wanted.text else []) + list(wanted.subs)
        types = [self.types[name] for name in (wanted.kind, *subs)]

        def read(reply: Reply) -> dict[str, Any]:
            return {wanted.binding: reply.body["id"]}

        return Call(
            name=f"create {wanted.binding}",
            method="POST",
            target="annotation_classes",
            body={
                "dataset_id": dataset_id,
                "name": wanted.name,
                "metadata": {"_color": _colour(details["colour"]) if "colour" in details else "auto"},
                **({"description": details["code"]} if "code" in details else {}),
                "annotation_type_ids": types,
                "datasets": [{"id": dataset_id}],
            },
            gives=(wanted.binding,),
            read=read,
            repeat=Repeat.DETECTABLE,
            purpose=f"make class {wanted.name!r} of type {wanted.kind}",
        )


_RGBA = re.compile(r"rgba?\((\d{1,3}),(\d{1,3}),(\d{1,3})(,[\d.]+)?\)")
_CODE = re.compile(r"[\w.-]+:[\w.-]+")


def _details(answered: Mapping[str, Any]) -> dict[str, str]:
    """What is said of a class beside its name, in the words of a mapping."""
    found = {}
    metadata = answered.get("metadata")
    colour = str(metadata.get("_color", "")) if isinstance(metadata, dict) else ""
    if (numbers := _RGBA.fullmatch(colour.replace(" ", ""))) and all(int(each) < 256 for each in numbers.groups()[:3]):
        found["colour"] = "#{:02x}{:02x}{:02x}".format(*map(int, numbers.groups()[:3]))
    if _CODE.fullmatch(description := str(answered.get("description") or "")):
        found["code"] = description
    return found


def _colour(code: str) -> str:
    """A colour as the platform writes it, from ``#rrggbb``."""
    red, green, blue = bytes.fromhex(code[1:])
    return f"rgba({red},{green},{blue},1.0)"


def class_id(wanted: Wanted, ids: Mapping[str, int]) -> int | Given:
    """The id of a class in a body: the number, or the place where it will be given."""
    return ids.get(wanted.binding, Given(wanted.binding))
