"""Properties: typed values on an annotation, on one of its sections, or on a whole item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.book import second
from caseferry_darwin.sandbox.classes import color_of
from caseferry_darwin.sandbox.errors import Invalid, Missing
from caseferry_darwin.sandbox.fields import Json, flag, record, records, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

TYPES = (
    "single_select",
    "multi_select",
    "text",
    "audio",
    "attributes",
    "instance_id",
    "directional_vector",
)
CHOICES = ("single_select", "multi_select")
GRANULARITIES = ("section", "annotation", "item")


def root_of(book: Book, held: Json) -> Json:
    """The property at the top of a nested one; datasets are assigned to it alone."""
    while held["parent_property_id"] is not None:
        held = book.row("properties", held["parent_property_id"])
    return held


class Properties:
    """Calls about properties."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/properties"
        yield gate.route("GET", base, self.listing)
        yield gate.route("POST", base, self.create)
        yield gate.route("GET", base + "/{id}", self.show)
        yield gate.route("PUT", base + "/{id}", self.change)
        yield gate.route("DELETE", base + "/{id}", self.delete)
        yield gate.route("PUT", base + "/{id}/property_values/{value_id}", self.change_value)

    def listing(self, call: Call) -> web.Response:
        """All properties, their values only on request."""
        values = call.request.query.get("include_values", "").lower() == "true"
        return answer({"properties": [self._view(p, values=values) for p in self._book.table("properties").values()]})

    def show(self, call: Call) -> web.Response:
        """One property with its values."""
        return answer(self._view(self._book.row("properties", call["id"])))

    def create(self, call: Call) -> web.Response:
        """Make a property."""
        fields = call.fields
        granularity = fields.get("granularity", "section")
        if granularity not in GRANULARITIES:
            raise Invalid("granularity", "is invalid")
        if fields.get("type") not in TYPES:
            raise Invalid("type", "is invalid")
        held: Json = {
            "id": self._book.uuid(),
            "name": text(fields.get("name"), "name"),
            "type": fields["type"],
            "granularity": granularity,
            "required": flag(fields.get("required", False), "required"),
            "description": fields.get("description"),
            "annotation_class_id": self._class_of(fields.get("annotation_class_id"), granularity),
            "dataset_ids": self._datasets(fields.get("dataset_ids")),
            "property_values": [],
            "parent_property_id": None,
            "trigger_condition": None,
            "position": len(self._book.table("properties")),
            "inserted_at": second(),
            "updated_at": second(),
        }
        self._nest(held, fields)
        self._refuse_twin(held)
        self._append(held, fields.get("property_values"))
        self._book.table("properties")[held["id"]] = held
        return answer(self._view(held))

    def change(self, call: Call) -> web.Response:
        """Change a property. Values that are sent are added to those that are there."""
        held = self._book.row("properties", call["id"])
        fields = call.fields
        changed = held | {name: fields[name] for name in ("name", "description", "type") if name in fields}
        if "required" in fields:
            changed["required"] = flag(fields["required"], "required")
        if fields.get("dataset_ids") is not None:
            changed["dataset_ids"] = self._datasets(fields["dataset_ids"])
        if changed["type"] not in TYPES:
            raise Invalid("type", "is invalid")
        changed["property_values"] = list(held["property_values"])
        self._refuse_twin(changed)
        self._append(changed, fields.get("property_values"))
        held |= changed | {"updated_at": second()}
        return answer(self._view(held))

    def delete(self, call: Call) -> web.Response:
        """Delete a property and those nested below it."""
        table = self._book.table("properties")
        doomed = [self._book.row("properties", call["id"])["id"]]
        while doomed:
            gone = doomed.pop()
            del table[gone]
            doomed += [held["id"] for held in table.values() if held["parent_property_id"] == gone]
        return web.Response(status=204)

    def change_value(self, call: Call) -> web.Response:
        """Change one value of a property."""
        held = self._book.row("properties", call["id"])
        for value in held["property_values"]:
            if value["id"] == call["value_id"]:
                value |= {name: call.fields[name] for name in ("value", "color") if name in call.fields}
                return answer(value)
        raise Missing

    def _class_of(self, value: Any, granularity: str) -> int | None:
        if granularity == "item":
            if value is not None:
                raise Invalid("annotation_class_id", "must be empty for a property of items")
            return None
        number = whole(value, "annotation_class_id")
        if str(number) not in self._book.table("classes"):
            raise Invalid("annotation_class_id", "does not exist")
        return number

    def _datasets(self, value: Any) -> list[int]:
        numbers = [whole(number, "dataset_ids") for number in value or []]
        if not all(str(number) in self._book.table("datasets") for number in numbers):
            raise Invalid("dataset_ids", "does not exist")
        return numbers

    def _nest(self, held: Json, fields: Json) -> None:
        parent_id, trigger = fields.get("parent_property_id"), fields.get("trigger_condition")
        if parent_id is None and trigger is None:
            return
        parent = self._book.table("properties").get(str(parent_id))
        if parent is None:
            raise Invalid("parent_property_id", "does not exist")
        same = all(parent[name] == held[name] for name in ("granularity", "annotation_class_id"))
        if not same:
            raise Invalid("parent_property_id", "must have the same class and granularity")
        condition = record(trigger, "trigger_condition")
        known = {value["id"] for value in parent["property_values"]}
        wanted = condition.get("property_value_ids") or []
        if condition.get("type") == "value_match" and (not wanted or not set(wanted) <= known):
            raise Invalid("trigger_condition", "property_value_ids must be values of the parent")
        if condition.get("type") not in {"value_match", "any_value"}:
            raise Invalid("trigger_condition", "type is invalid")
        held |= {"parent_property_id": parent["id"], "trigger_condition": condition}

    def _refuse_twin(self, held: Json) -> None:
        for other in self._book.table("properties").values():
            same = all(other[name] == held[name] for name in ("name", "annotation_class_id", "parent_property_id"))
            if same and other["id"] != held["id"]:
                raise Invalid("name", "has already been taken")

    def _append(self, held: Json, values: Any) -> None:
        entries = records(values or [], "property_values")
        if entries and held["type"] not in CHOICES:
            raise Invalid("property_values", f"must be empty for a property of type {held['type']}")
        known = {value["value"] for value in held["property_values"]}
        for entry in entries:
            word = text(entry.get("value"), "property_values")
            if word in known:
                raise Invalid("property_values", f"{word} has already been taken")
            known.add(word)
            color = entry.get("color") or "auto"
            held["property_values"].append(
                {
                    "id": self._book.uuid(),
                    "type": "string",
                    "value": word,
                    "color": color_of(word) if color == "auto" else color,
                    "position": len(held["property_values"]),
                }
            )

    def _view(self, held: Json, *, values: bool = True) -> Json:
        shown = {"team_id": self._book.table("team").get("id"), "slug": self._book.team, **held}
        if not values:
            del shown["property_values"]
        return shown
