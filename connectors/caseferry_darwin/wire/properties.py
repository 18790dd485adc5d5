"""Properties and attributes: what a team lets people say of annotations and items, by name.

A property has values of one type. One of *annotation* granularity is said of a whole annotation, one of *section*
granularity from a frame on until it changes, one of *item* granularity of an item. Attributes are older: names that
an annotation of a class has or has not.

Source
------
darwin-py 3.6.3, ``darwin.future.data_objects.properties`` and its importer; V7's end-to-end tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from caseferry.plan import Call, Given, Repeat, Reply

WHOLE = "global"
"""What stands for the frame of a property of a whole annotation."""

SINGLE, MULTI, TEXT = "single_select", "multi_select", "text"
ANNOTATION, SECTION, ITEM = "annotation", "section", "item"


@dataclass(frozen=True, slots=True)
class Property:
    """A property.

    Attributes
    ----------
    granularity : ``section``, ``annotation`` or ``item``
    class_id : of the annotations that have it; None for one of items
    values : of one with choices, what each is called by its id
    datasets : ids of those whose items have it
    """

    id: str
    name: str
    type: str
    granularity: str = SECTION
    class_id: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    datasets: frozenset[int] = frozenset()

    @classmethod
    def read(cls, answered: Mapping[str, Any]) -> Property:
        """From what the platform answers."""
        owner = answered.get("annotation_class_id")
        values = answered.get("property_values") or ()
        return cls(
            str(answered["id"]),
            str(answered["name"]),
            str(answered.get("type")),
            str(answered.get("granularity") or SECTION),
            int(owner) if owner is not None else None,
            {str(each["id"]): str(each.get("value")) for each in values},
            frozenset(int(each) for each in answered.get("dataset_ids") or ()),
        )

    def chosen(self, value: object) -> list[Any] | None:
        """A value in the form in which the platform takes it; None for one that the property cannot have."""
        words = words_of(value)
        if not words or (len(words) > 1 and self.type != MULTI):
            return None
        if self.type == TEXT:
            return [{"text": words[0]}]
        ids = {word: name for name, word in self.values.items()}
        if self.type not in {SINGLE, MULTI} or not set(words) <= set(ids):
            return None
        return [ids[word] for word in words]

    def reads(self, value: object) -> Any:
        """As what a value is read again."""
        words = words_of(value)
        return words if self.type == MULTI else next(iter(words), None)

    def word(self, chosen: object) -> str | None:
        """What one chosen value is called; None for one that is not known."""
        if isinstance(chosen, Mapping):
            return self.word(chosen["id"]) if "id" in chosen else str(chosen["text"]) if "text" in chosen else None
        return self.values.get(str(chosen)) if self.type in {SINGLE, MULTI} else str(chosen)


@dataclass(frozen=True, slots=True)
class WantedProperty:
    """A property that attributes need and that their class has not: a text of its sections.

    Attributes
    ----------
    owner : the name under which a plan knows the id of the class
    """

    name: str
    owner: str

    @property
    def binding(self) -> str:
        """The name under which a plan knows its id."""
        return f"{self.owner} property {quote(self.name)}"

    def call(self, team: str, owner: int | Given) -> Call:
        """The call that makes it.

        Parameters
        ----------
        owner : the id of the class
        """

        def read(reply: Reply) -> dict[str, Any]:
            return {self.binding: reply.body["id"]}

        return Call(
            name=f"create {self.binding}",
            method="POST",
            target=f"v2/teams/{quote(team)}/properties",
            body={
                "name": self.name,
                "type": TEXT,
                "required": False,
                "granularity": SECTION,
                "annotation_class_id": owner,
            },
            gives=(self.binding,),
            read=read,
            repeat=Repeat.DETECTABLE,
            purpose=f"make the property {self.name!r} of a class",
        )


@dataclass
class Properties:
    """The properties of a team and the attributes of its classes.

    Attributes
    ----------
    known : properties by id
    flags : attributes by class: name to id
    """

    known: dict[str, Property] = field(default_factory=dict)
    flags: dict[int, dict[str, str]] = field(default_factory=dict)

    @classmethod
    def read(cls, properties: Iterable[Mapping[str, Any]], attributes: Iterable[Mapping[str, Any]]) -> Properties:
        """From what the platform answers."""
        table = cls({each.id: each for each in map(Property.read, properties)})
        for each in attributes:
            table.flags.setdefault(int(each["class_id"]), {})[str(each["name"])] = str(each["id"])
        return table

    def add(self, answered: Mapping[str, Any]) -> None:
        """Remember a property that the platform told of."""
        held = Property.read(answered)
        self.known[held.id] = held

    def of_class(self, class_id: object, name: str) -> Property | None:
        """The property of that name that annotations of a class have."""
        return next((each for each in self.known.values() if (each.class_id, each.name) == (class_id, name)), None)

    def of_items(self, dataset_id: int) -> dict[str, Property]:
        """The properties of a dataset's items, by name."""
        mine = (each for each in self.known.values() if each.granularity == ITEM and dataset_id in each.datasets)
        return {each.name: each for each in mine}

    def flags_of(self, class_id: object) -> Mapping[str, str]:
        """The attributes of a class: name to id."""
        return self.flags.get(int(str(class_id)), {}) if str(class_id).isdecimal() else {}


def words_of(value: object) -> list[str]:
    """A value as the words in which people see it; none for what has no such words."""
    if isinstance(value, list):
        words = [word for each in value if not isinstance(each, list) for word in words_of(each)]
        return words if len(words) == len(value) == len(set(words)) else []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, int | float):
        return [repr(value)]
    return [value] if isinstance(value, str) and value else []


def same_words(one: object, other: object) -> bool:
    """Whether two values are the same to people; the order of several does not count."""
    return one == other or (bool(words := words_of(one)) and sorted(words) == sorted(words_of(other)))
