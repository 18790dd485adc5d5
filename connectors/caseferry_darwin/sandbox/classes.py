"""Annotation classes: what an annotation may be called, and of which type it then is."""

from __future__ import annotations

import colorsys
import zlib
from typing import TYPE_CHECKING, Any

from aiohttp import web

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.book import second
from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, record, records, text, whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

RASTER_LAYER = "__raster_layer__"
"""The class that every team has and that no mask can do without."""

MAIN_TYPES = {
    "tag": 1,
    "bounding_box": 2,
    "polygon": 3,
    "keypoint": 7,
    "cuboid": 8,
    "line": 11,
    "skeleton": 12,
    "ellipse": 60,
    "mask": 101,
    "raster_layer": 102,
    "eye": 103,
    "link": 104,
    "table": 105,
    "simple_table": 106,
    "string": 107,
    "graph": 108,
}
"""Types that an annotation is of. Numbers above 100 are this stand-in's own: the platform's are not public."""

SUB_TYPES = {
    "directional_vector": 4,
    "attributes": 5,
    "text": 6,
    "instance_id": 9,
    "inference": 111,
    "auto_annotate": 112,
    "measures": 113,
}
"""Types that stand beside a main one."""

TYPE_NAMES = {number: name for name, number in (MAIN_TYPES | SUB_TYPES).items()}


def color_of(name: str) -> str:
    """The colour of a class or value that asked for any."""
    red, green, blue = colorsys.hsv_to_rgb((zlib.crc32(name.encode()) % 360) / 360, 1, 1)
    return f"rgba({red * 255:.0f},{green * 255:.0f},{blue * 255:.0f},1.0)"


class Classes:
    """Calls about annotation classes."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        yield gate.route("GET", "/api/annotation_types", self.types)
        yield gate.route("GET", "/api/teams/{team}/annotation_classes", self.listing)
        yield gate.route("POST", "/api/teams/{team}/annotation_classes", self.create_in_team)
        yield gate.route("POST", "/api/annotation_classes", self.create_in_dataset)
        yield gate.route("PUT", "/api/annotation_classes/{id}", self.change)
        yield gate.route("DELETE", "/api/annotation_classes/{id}", self.delete)

    def add(
        self,
        name: str,
        types: Iterable[str],
        *,
        datasets: Iterable[int] = (),
        attributes: Iterable[str] = (),
        metadata: Json | None = None,
        description: str | None = None,
    ) -> Json:
        """Make a class; the first of its types is its main one."""
        kinds = list(types)
        if not kinds or kinds[0] not in MAIN_TYPES or not set(kinds[1:]) <= SUB_TYPES.keys():
            raise Invalid("annotation_types", "is invalid")
        if self._book.annotation_class(name, kinds[0]) is not None:
            raise Invalid("name", "already exists")
        number = self._book.number()
        kept = {"_color": "auto", **(metadata or {})}
        if kept["_color"] == "auto":
            kept["_color"] = color_of(name)
        entry: Json = {
            "id": number,
            "name": name,
            "annotation_types": kinds,
            "datasets": [{"id": held} for held in datasets],
            "attributes": [{"id": self._book.uuid(), "name": attribute} for attribute in attributes],
            "metadata": kept,
            "description": description,
            "annotation_class_image_url": None,
            "images": [],
            "inserted_at": second(),
            "updated_at": second(),
        }
        self._book.table("classes")[str(number)] = entry
        return entry

    def types(self, _call: Call) -> web.Response:
        """All types and their numbers."""
        return answer([{"id": number, "name": name} for number, name in TYPE_NAMES.items()])

    def listing(self, call: Call) -> web.Response:
        """The classes of the team; tags only on request."""
        tags = call.request.query.get("include_tags") == "true"
        classes = [
            self._view(entry)
            for entry in self._book.table("classes").values()
            if tags or entry["annotation_types"][0] != "tag"
        ]
        counts: dict[str, int] = {}
        for entry in classes:
            counts[entry["annotation_types"][0]] = counts.get(entry["annotation_types"][0], 0) + 1
        totals = [{"annotation_type": kind, "count": count} for kind, count in counts.items()]
        return answer({"annotation_classes": classes, "type_counts": totals})

    def create_in_team(self, call: Call) -> web.Response:
        """Make a class that no dataset uses yet, its types given by name."""
        fields = call.fields
        types = fields.get("annotation_types")
        if not isinstance(types, list):
            raise Invalid("annotation_types", "can't be blank")
        return self._create(fields, types, self._datasets(fields.get("datasets", [])))

    def create_in_dataset(self, call: Call) -> web.Response:
        """Make a class for some datasets, its types given by number."""
        fields = call.fields
        numbers = fields.get("annotation_type_ids")
        if not isinstance(numbers, list) or not set(numbers) <= TYPE_NAMES.keys():
            raise Invalid("annotation_type_ids", "is invalid")
        held = self._datasets(fields.get("datasets", [{"id": fields.get("dataset_id")}]))
        return self._create(fields, [TYPE_NAMES[number] for number in numbers], held)

    def change(self, call: Call) -> web.Response:
        """Change a class. The list of datasets is the whole list, as darwin-py sends it."""
        entry = self._book.row("classes", call["id"])
        fields = call.fields
        if "datasets" in fields:
            entry["datasets"] = [{"id": held} for held in self._datasets(fields["datasets"])]
        for name in ("name", "description"):
            if name in fields:
                entry[name] = fields[name]
        if "metadata" in fields:
            entry["metadata"] |= record(fields["metadata"], "metadata")
        entry["updated_at"] = second()
        return answer(self._view(entry))

    def delete(self, call: Call) -> web.Response:
        """Delete a class and what was annotated with it."""
        entry = self._book.row("classes", call["id"])
        if entry["name"] == RASTER_LAYER:
            raise Invalid("id", "this class belongs to every team")
        for kept in self._book.table("annotations").values():
            for annotation in [a for a in kept.values() if a["annotation_class_id"] == entry["id"]]:
                del kept[annotation["id"]]
        properties = self._book.table("properties")
        for held in [p for p in properties.values() if p["annotation_class_id"] == entry["id"]]:
            del properties[held["id"]]
        del self._book.table("classes")[str(entry["id"])]
        return web.Response(status=204)

    def _create(self, fields: Json, types: list[Any], datasets: list[int]) -> web.Response:
        metadata = record(fields.get("metadata") or {}, "metadata")
        if types[:1] == ["skeleton"] and "skeleton" not in metadata:
            raise Invalid("metadata", "a skeleton needs its nodes and edges")
        entry = self.add(
            text(fields.get("name"), "name"),
            types,
            datasets=datasets,
            metadata=metadata,
            description=fields.get("description"),
        )
        return answer(self._view(entry), 201)

    def _datasets(self, value: Any) -> list[int]:
        held = [whole(entry.get("id"), "datasets") for entry in records(value, "datasets")]
        known = self._book.table("datasets")
        if not all(str(number) in known for number in held):
            raise Invalid("datasets", "does not exist")
        return list(dict.fromkeys(held))

    def _view(self, entry: Json) -> Json:
        shown = {name: value for name, value in entry.items() if name != "attributes"}
        return shown | {"team_id": self._book.table("team").get("id"), "annotation_class_image_url": None}
