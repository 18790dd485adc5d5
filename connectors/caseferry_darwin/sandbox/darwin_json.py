"""Darwin JSON 2.0: what an export says about one item, and about classes and properties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.classes import RASTER_LAYER
from caseferry_darwin.sandbox.properties import root_of
from caseferry_darwin.sandbox.timeline import fill, within
from caseferry_darwin.sandbox.uploads import export_token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.fields import Json

SCHEMA = "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json"
METADATA_SCHEMA = "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/metadata/1.0/schema.json"

DIGITS = 4
"""Decimals of coordinates."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What an export was asked for.

    Attributes
    ----------
    authorship : whether it says who annotated and who reviewed
    tokens : whether its addresses of originals work without a key
    classes : the classes whose annotations it holds; None for all
    """

    authorship: bool
    tokens: bool
    classes: frozenset[int] | None


class Document:
    """Writes one item as Darwin JSON 2.0."""

    def __init__(self, book: Book, wish: Wish) -> None:
        self._book = book
        self._wish = wish

    def write(self, item: Json, dataset: Json) -> Json:
        """The document of one item."""
        page = f"{self._book.host.origin}/workview?dataset={dataset['id']}&item={item['id']}"
        return {
            "version": "2.0",
            "schema_ref": SCHEMA,
            "item": {
                "name": item["name"],
                "path": item["path"],
                "source_info": {
                    "item_id": item["id"],
                    "dataset": {
                        "name": dataset["name"],
                        "slug": dataset["slug"],
                        "dataset_management_url": (
                            f"{self._book.host.origin}/datasets/{dataset['id']}/dataset-management"
                        ),
                    },
                    "team": {"name": self._book.team, "slug": self._book.team},
                    "workview_url": page,
                },
                "slots": [self._slot(item, slot) for slot in item["slots"]],
            },
            "annotations": list(self.annotations(item)),
            "properties": list(self._item_properties(item)),
        }

    def annotations(self, item: Json) -> Iterable[Json]:
        """The annotations of an item that were asked for."""
        classes = self._book.table("classes")
        for annotation in self._book.annotations(item["id"]).values():
            held = classes.get(str(annotation["annotation_class_id"]))
            if held is None or not (self._wish.classes is None or held["id"] in self._wish.classes):
                continue
            shown = self._annotation(annotation, held, item)
            if shown is not None:
                yield shown

    def _annotation(self, annotation: Json, held: Json, item: Json) -> Json | None:
        kind, data = held["annotation_types"][0], annotation["data"]
        shown: Json = {
            "id": annotation["id"],
            "name": held["name"],
            "slot_names": annotation["context_keys"]["slot_names"],
            "properties": list(self._properties(annotation)),
        }
        if self._wish.authorship:
            shown |= self._authors(annotation["actors"])
        if "frames" not in data:
            return shown | self._frame(data, kind, held)
        ranges = _clipped(data, item, shown["slot_names"])
        frames = self._frames(data, kind, held, ranges)
        if not frames:
            return None
        shown |= {"frames": frames, "ranges": data["segments"]}
        if data.get("hidden_areas"):
            shown["hidden_areas"] = data["hidden_areas"]
        return shown | _about_frames(kind, data)

    def _frames(self, data: Json, kind: str, held: Json, ranges: list[list[int]]) -> Json:
        keyframes = {int(key): frame for key, frame in data["frames"].items()}
        if kind in {"mask", "raster_layer"}:
            frames = {key: keyframes[key] for key in within(sorted(keyframes), ranges)}
        else:
            frames = fill(keyframes, kind, ranges, interpolated=bool(data.get("interpolated")))
        return {
            str(key): self._frame(frame, kind, held) | {"keyframe": frame.get("keyframe", True)}
            for key, frame in frames.items()
        }

    def _frame(self, data: Json, kind: str, held: Json) -> Json:
        """One frame in the shape of an export."""
        shown: Json = {name: _rounded(value) for name, value in data.items() if name not in {"keyframe", kind}}
        names = {attribute["id"]: attribute["name"] for attribute in held["attributes"]}
        attributes = (shown.pop("attributes", None) or {}).get("attributes", [])
        if attributes:
            shown["attributes"] = [names[key] for key in attributes if key in names]
        shape = _rounded(data[kind]) if kind != "raster_layer" else data[kind]
        if kind != "polygon":
            return shown | {kind: shape}
        paths = [shape["path"], *shape.get("additional_paths", [])]
        return shown | {"polygon": {"paths": paths}, "bounding_box": _box(paths)}

    def _properties(self, annotation: Json) -> Iterable[Json]:
        table = self._book.table("properties")
        for frame, values in annotation["properties"].items():
            key = int(frame) if frame.isdecimal() else frame
            for property_id, chosen in values.items():
                if property_id in table:
                    # A property that was looked at and left empty is said to be null.
                    for word in _words(table[property_id], chosen) or (None,):
                        yield {"frame_index": key, "name": table[property_id]["name"], "value": word}

    def _item_properties(self, item: Json) -> Iterable[Json]:
        table = self._book.table("properties")
        for property_id, entries in item["properties"].items():
            for entry in entries:
                if property_id not in table:
                    continue
                for word in _words(table[property_id], [entry["value"]]):
                    authors = self._authors(entry["actors"]) if self._wish.authorship else {}
                    yield {"name": table[property_id]["name"], "value": word, **authors}

    def _authors(self, actors: list[Json]) -> Json:
        names = {
            member["email"]: f"{member['first_name']} {member['last_name']}"
            for member in self._book.table("members").values()
        }
        return {
            f"{role}s": [
                {"full_name": names.get(actor["email"], actor["email"]), "email": actor["email"]}
                for actor in actors
                if actor["role"] == role
            ]
            for role in ("annotator", "reviewer")
        }

    def _slot(self, item: Json, slot: Json) -> Json:
        files = [file for file in item["files"] if file["slot_name"] == slot["registered_as"]]
        address = f"{self._book.api}/files/{slot['id']}"
        metadata = slot["metadata"]
        shown: Json = {
            "type": slot["type"],
            "slot_name": slot["slot_name"],
            "width": metadata.get("width"),
            "height": metadata.get("height"),
            "thumbnail_url": f"{address}/thumbnail",
            "source_files": [self._source(file) for file in files],
        }
        if slot["type"] == "image":
            return shown
        shown |= {"fps": slot["fps"], "frame_count": slot["total_sections"]}
        if "frames_manifests" in metadata:
            shown |= {
                "segments": [{"index": 0, "url": f"{address}/segments/1"}],
                "frame_manifests": metadata["frames_manifests"],
            }
        else:
            shown["frame_urls"] = [f"{address}/sections/{n}" for n in range(slot["total_sections"])]
        if slot["type"] == "dicom":
            shown["metadata"] = _medical(metadata, slot["slot_name"])
        return shown

    def _source(self, file: Json) -> Json:
        url = f"{self._book.api}/uploads/{file['upload_id']}"
        if self._wish.tokens:
            url += f"?token={export_token(file['upload_id'])}"
        key = {"storage_key": file["storage_key"]} if file["storage_key"] else {}
        return {"file_name": file["file_name"], "url": url, **key}


def manifest(book: Book, dataset: Json) -> Json:
    """``.v7/metadata.json``: the classes of a dataset and their properties, and the properties of its items."""
    held = list(book.table("properties").values())
    return {
        "version": "1.0",
        "schema_ref": METADATA_SCHEMA,
        "classes": [
            {
                "name": entry["name"],
                "type": entry["annotation_types"][0],
                "description": entry["description"],
                "color": entry["metadata"]["_color"],
                "sub_types": entry["annotation_types"][1:],
                "sub_types_settings": {},
                "properties": [_property(book, p) for p in held if p["annotation_class_id"] == entry["id"]],
            }
            for entry in book.table("classes").values()
            if entry["name"] != RASTER_LAYER and {"id": dataset["id"]} in entry["datasets"]
        ],
        "properties": [
            _property(book, p)
            for p in held
            if p["granularity"] == "item" and dataset["id"] in root_of(book, p)["dataset_ids"]
        ],
    }


def _property(book: Book, held: Json) -> Json:
    shown = {name: held[name] for name in ("name", "type", "description", "required", "granularity")}
    shown["property_values"] = [
        {name: value[name] for name in ("type", "value", "color")} for value in held["property_values"]
    ]
    if held["parent_property_id"] is not None:
        parent = book.row("properties", held["parent_property_id"])
        trigger: Json = {"type": held["trigger_condition"]["type"]}
        if trigger["type"] == "value_match":
            trigger["values"] = _words(parent, held["trigger_condition"]["property_value_ids"])
        shown |= {"parent_name": parent["name"], "trigger_condition": trigger}
    return shown


def _clipped(data: Json, item: Json, slot_names: list[str]) -> list[list[int]]:
    """The ranges of an annotation as far as its slot has frames, and at least as far as it was drawn."""
    sections = [slot["total_sections"] for slot in item["slots"] if slot["slot_name"] in slot_names]
    end = max([*sections, *(int(key) + 1 for key in data["frames"])])
    return [[first, min(last, end)] for first, last in data["segments"] if first < end]


def _about_frames(kind: str, data: Json) -> Json:
    """What an annotation on frames says about them, which differs by type as in real exports."""
    if kind == "tag":
        return {}
    if kind == "raster_layer":
        return {"only_keyframes": True}
    about: Json = {"global_sub_types": {}, "interpolate_algorithm": "linear-1.1"}
    return about | ({"only_keyframes": True} if kind == "mask" else {"interpolated": bool(data.get("interpolated"))})


def _words(held: Json, chosen: list[Any]) -> list[str]:
    names = {value["id"]: value["value"] for value in held["property_values"]}
    return [entry["text"] if isinstance(entry, dict) else names[entry] for entry in chosen]


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(entry) for name, entry in value.items()}
    return [_rounded(entry) for entry in value] if isinstance(value, list) else value


def _box(paths: list[list[Json]]) -> Json:
    across = [point["x"] for path in paths for point in path]
    down = [point["y"] for path in paths for point in path]
    return {"x": min(across), "y": min(down), "w": max(across) - min(across), "h": max(down) - min(down)}


def _medical(metadata: Json, slot_name: str) -> Json:
    """Medical metadata in the spelling of exports, where numbers are texts; what was declared stays as it was."""
    medical = metadata.get("medical")
    if not medical:
        return {name: value for name, value in metadata.items() if name not in {"width", "height"}}
    return {
        "handler": medical.get("handler"),
        "shape": medical.get("shape"),
        "SeriesInstanceUID": metadata.get("SeriesInstanceUID"),
        "affine": str(medical.get("affine")),
        "colorspace": metadata.get("colorspace"),
        "original_affine": [[str(value) for value in row] for row in medical.get("original_affine") or []],
        "pixdim": str(tuple(medical.get("pixdims") or ())),
        "plane_map": medical.get("plane_map"),
        "primary_plane": (medical.get("plane_map") or {}).get(slot_name),
    }
