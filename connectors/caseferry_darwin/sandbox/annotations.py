"""Annotations: importing them to an item, and listing them.

The platform's reply to an import says nothing about single annotations; here a payload with any that cannot be is
refused as a whole, so that a mistake is seen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer
from caseferry_darwin.sandbox.book import now
from caseferry_darwin.sandbox.classes import RASTER_LAYER
from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, flag, identifier, record, records, text, whole
from caseferry_darwin.sandbox.properties import CHOICES, root_of
from caseferry_darwin.sandbox.shapes import check, frames_of
from caseferry_darwin.sandbox.slots import Way
from caseferry_darwin.sandbox.verbs import UNREADY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.gate import Call, Gate

ROLES = ("annotator", "reviewer")
WHOLE = "global"
"""The key under which a property of a whole annotation stands, instead of a frame."""


class Annotations:
    """Calls about the annotations of one item."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def routes(self, gate: Gate) -> Iterator[web.RouteDef]:
        """The calls."""
        base = "/api/v2/teams/{team}/items/{id}"
        yield gate.route("POST", base + "/import", self.bring)
        yield gate.route("GET", base + "/annotations", self.listing)
        yield gate.route("GET", base + "/properties", self.properties)

    def listing(self, call: Call) -> web.Response:
        """The annotations of an item, in the shapes of an import."""
        item = self._book.row("items", call["id"])
        return answer(list(self._book.annotations(item["id"]).values()))

    def properties(self, call: Call) -> web.Response:
        """The properties of an item and the values that are set."""
        item = self._book.row("items", call["id"])
        table = self._book.table("properties")
        return answer(
            {
                "properties": [
                    {
                        "id": held["id"],
                        "name": held["name"],
                        "values": [entry["value"] for entry in item["properties"].get(held["id"], ())],
                    }
                    for held in table.values()
                    if held["granularity"] == "item" and item["dataset_id"] in root_of(self._book, held)["dataset_ids"]
                ]
            }
        )

    def bring(self, call: Call) -> web.Response:
        """Add annotations to an item, or put them in place of those that it has."""
        item = self._book.row("items", call["id"])
        if item["status"] in UNREADY:
            raise Invalid("item", f"is {item['status']}: annotations cannot be imported")
        fields = call.fields
        overwrite = flag(fields.get("overwrite", False), "overwrite")
        kept = {} if overwrite else dict(self._book.annotations(item["id"]))
        sent = [
            self._annotation(item, entry, f"annotations[{n}]")
            for n, entry in enumerate(records(fields.get("annotations", []), "annotations"))
        ]
        for annotation in sent:
            # The platform's handling of identifiers that come again is not public; here they replace.
            before = kept.get(annotation["id"])
            kept[annotation["id"]] = annotation | ({"inserted_at": before["inserted_at"]} if before else {})
        self._check_rasters(sent, kept)
        values = self._item_values(item, fields, overwrite=overwrite)
        self._book.table("annotations")[item["id"]] = kept
        item["properties"] = values
        self._book.touch(item)
        return answer({})

    def _annotation(self, item: Json, entry: Json, place: str) -> Json:
        number = whole(entry.get("annotation_class_id"), f"{place}.annotation_class_id")
        held: Json | None = self._book.table("classes").get(str(number))
        if held is None:
            raise Invalid(f"{place}.annotation_class_id", "does not exist")
        kind = held["annotation_types"][0]
        data = record(entry.get("data"), f"{place}.data")
        check(data, kind, f"{place}.data")
        slot = self._slot(item, entry, place)
        self._check_frames(item, slot, data, f"{place}.data")
        return {
            "id": identifier(entry["id"], f"{place}.id") if entry.get("id") else self._book.uuid(),
            "annotation_class_id": number,
            "data": data,
            "context_keys": {"slot_names": [slot["slot_name"]]},
            "actors": _actors(entry.get("actors"), f"{place}.actors"),
            "properties": self._properties(held, entry.get("annotation_properties"), place),
            "inserted_at": now(),
            "updated_at": now(),
        }

    def _slot(self, item: Json, entry: Json, place: str) -> Json:
        keys = record(entry.get("context_keys") or {}, f"{place}.context_keys")
        names = keys.get("slot_names") or []
        # Without a slot an annotation goes to the first one of the item.
        name = names[0] if names else item["slots"][0]["slot_name"]
        for slot in item["slots"]:
            if slot["slot_name"] == name:
                return slot  # type: ignore[no-any-return]
        raise Invalid(f"{place}.context_keys", f"slot {name} does not exist")

    def _check_frames(self, item: Json, slot: Json, data: Json, place: str) -> None:
        # What a read-only item declares is not checked: in V7's own tests the masks of one do not fit its size.
        declared = item["way"] == Way.READONLY.value or "width" not in slot["metadata"]
        if declared or not self._book.switches["strict_frames"]:
            return
        last = max((int(key) for key in data.get("frames", {})), default=0)
        end = max((end for _, end in data.get("segments", ())), default=0)
        if last >= slot["total_sections"] or end > slot["total_sections"]:
            raise Invalid(f"{place}.frames", f"slot {slot['slot_name']} has {slot['total_sections']} frames")
        pixels = slot["metadata"]["width"] * slot["metadata"]["height"]
        for frame in frames_of(data):
            if "raster_layer" in frame and frame["raster_layer"]["total_pixels"] != pixels:
                raise Invalid(f"{place}.raster_layer.total_pixels", f"must be {pixels}")

    def _check_rasters(self, sent: list[Json], kept: dict[str, Json]) -> None:
        """One raster layer for each slot, and each of its masks an annotation of the same slot."""
        raster = self._book.annotation_class(RASTER_LAYER, "raster_layer")
        layers: dict[str, Json] = {}
        for annotation in kept.values():
            if raster is not None and annotation["annotation_class_id"] == raster["id"]:
                name = _slot_name(annotation)
                if name in layers:
                    raise Invalid("annotations", f"slot {name} has more than one raster layer")
                layers[name] = annotation
        masks = {
            annotation["id"]: _slot_name(annotation)
            for annotation in kept.values()
            if any("mask" in frame for frame in frames_of(annotation["data"]))
        }
        for annotation in sent:
            for frame in frames_of(annotation["data"]):
                for mask in frame.get("raster_layer", {}).get("mask_annotation_ids_mapping", ()):
                    if masks.get(mask) != _slot_name(annotation):
                        raise Invalid(
                            "annotations", f"mask {mask} is not a mask annotation of slot {_slot_name(annotation)}"
                        )

    def _properties(self, held: Json, sent: Any, place: str) -> Json:
        """The values of an annotation's properties, by frame and property.

        What is of the whole annotation may come under a frame: V7's own tests send it so.
        """
        kept: Json = {}
        for frame, values in record(sent or {}, f"{place}.annotation_properties").items():
            for property_id, chosen in record(values, f"{place}.annotation_properties").items():
                found = self._book.table("properties").get(property_id)
                if found is None or found["annotation_class_id"] != held["id"]:
                    raise Invalid(f"{place}.annotation_properties", f"{property_id} is not a property of the class")
                whole = found["granularity"] == "annotation"
                # darwin-py's own null comes as a text.
                if frame in {WHOLE, "None"} and not whole:
                    raise Invalid(f"{place}.annotation_properties", f"{frame} does not fit {found['granularity']}")
                key = WHOLE if whole else frame
                kept.setdefault(key, {})[property_id] = _chosen(found, chosen, f"{place}.annotation_properties")
        return kept

    def _item_values(self, item: Json, fields: Json, *, overwrite: bool) -> Json:
        """The values of the item's own properties after the import."""
        if "properties" not in fields:
            return item["properties"]  # type: ignore[no-any-return]
        kept: dict[str, list[Json]] = {}
        if not overwrite:
            kept = {key: list(values) for key, values in item["properties"].items()}
        for n, entry in enumerate(records(fields["properties"], "properties")):
            place = f"properties[{n}]"
            held = self._book.table("properties").get(str(entry.get("property_id")))
            if held is None or held["granularity"] != "item":
                raise Invalid(f"{place}.property_id", "is not a property of items")
            if item["dataset_id"] not in root_of(self._book, held)["dataset_ids"]:
                raise Invalid(f"{place}.property_id", "does not belong to the dataset")
            value = record(entry.get("value"), f"{place}.value")
            chosen = [value["id"]] if "id" in value else [value]
            new = {
                "value": _chosen(held, chosen, f"{place}.value")[0],
                "actors": _actors(entry.get("actors"), f"{place}.actors"),
            }
            others = kept.get(held["id"], []) if held["type"] == "multi_select" else []
            kept[held["id"]] = [other for other in others if other["value"] != new["value"]] + [new]
        return kept


def _slot_name(annotation: Json) -> str:
    return str(annotation["context_keys"]["slot_names"][0])


def _actors(value: Any, place: str) -> list[Json]:
    actors = records(value or [], place)
    for actor in actors:
        text(actor.get("email"), place)
        if actor.get("role") not in ROLES:
            raise Invalid(place, "role is invalid")
    return actors


def _chosen(held: Json, value: Any, place: str) -> list[Any]:
    """Values of one property: identifiers where it offers choices, texts where it does not."""
    if not isinstance(value, list):
        raise Invalid(place, "must be a list")
    if held["type"] in CHOICES:
        known = {choice["id"] for choice in held["property_values"]}
        if not all(isinstance(entry, str) and entry in known for entry in value):
            raise Invalid(place, f"is not a value of {held['name']}")
        if held["type"] == "single_select" and len(value) > 1:
            raise Invalid(place, f"{held['name']} takes one value")
    elif not all(isinstance(entry, dict) and isinstance(entry.get("text"), str) for entry in value):
        raise Invalid(place, f"{held['name']} takes a text")
    return value
