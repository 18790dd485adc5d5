"""The shapes of annotations as they are imported, checked field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.errors import Invalid
from caseferry_darwin.sandbox.fields import Json, flag, number, record, records, text, whole

if TYPE_CHECKING:
    from collections.abc import Callable


def _point(value: Any, place: str) -> None:
    for axis in "xy":
        number(record(value, place).get(axis), f"{place}.{axis}")


def _path(value: Any, place: str, least: int) -> None:
    points = records(value, place)
    if len(points) < least:
        raise Invalid(place, f"must have at least {least} points")
    for point in points:
        _point(point, place)


def _box(value: Json, place: str) -> None:
    for side in "xywh":
        number(value.get(side), f"{place}.{side}")


def _polygon(value: Json, place: str) -> None:
    # Exports have `paths`; imports have one ring in `path` and the others in `additional_paths`.
    _path(value.get("path"), f"{place}.path", 3)
    others = value.get("additional_paths", [])
    if not isinstance(others, list):
        raise Invalid(f"{place}.additional_paths", "must be a list")
    for other in others:
        _path(other, f"{place}.additional_paths", 3)


def _ellipse(value: Json, place: str) -> None:
    number(value.get("angle"), f"{place}.angle")
    _point(value.get("center"), f"{place}.center")
    _point(value.get("radius"), f"{place}.radius")


def _cuboid(value: Json, place: str) -> None:
    for side in ("front", "back"):
        _box(record(value.get(side), f"{place}.{side}"), f"{place}.{side}")


def _nodes(value: Json, place: str) -> None:
    for node in records(value.get("nodes"), f"{place}.nodes"):
        text(node.get("name"), f"{place}.nodes")
        _point(node, f"{place}.nodes")
        flag(node.get("occluded", False), f"{place}.nodes")


def _raster(value: Json, place: str) -> None:
    runs = value.get("dense_rle")
    if not isinstance(runs, list) or len(runs) % 2:
        raise Invalid(f"{place}.dense_rle", "must be a list of values and counts")
    if not all(type(entry) is int and entry >= 0 for entry in runs):
        raise Invalid(f"{place}.dense_rle", "must hold whole numbers")
    if sum(runs[1::2]) != whole(value.get("total_pixels"), f"{place}.total_pixels"):
        raise Invalid(f"{place}.dense_rle", "counts do not add up to total_pixels")
    mapping = record(value.get("mask_annotation_ids_mapping"), f"{place}.mask_annotation_ids_mapping")
    if not set(runs[0::2]) - {0} <= set(mapping.values()):
        raise Invalid(f"{place}.dense_rle", "holds values that belong to no mask")


def _anything(_value: Json, _place: str) -> None:
    return


CHECKS: dict[str, Callable[[Json, str], None]] = {
    "tag": _anything,
    "bounding_box": _box,
    "polygon": _polygon,
    "keypoint": _point,
    "line": lambda value, place: _path(value.get("path"), f"{place}.path", 2),
    "ellipse": _ellipse,
    "cuboid": _cuboid,
    "skeleton": _nodes,
    "eye": _nodes,
    "mask": _anything,
    "raster_layer": _raster,
    "link": _anything,
    "table": _anything,
    "simple_table": _anything,
    "string": _anything,
    "graph": _anything,
}


def check(data: Json, kind: str, place: str) -> None:
    """Refuse data that is not of the type, on one image or on each of its frames."""
    if "frames" not in data:
        _check_one(data, kind, place)
        return
    frames = record(data["frames"], f"{place}.frames")
    if not frames:
        raise Invalid(f"{place}.frames", "can't be blank")
    for key, frame in frames.items():
        if not key.isdecimal():
            raise Invalid(f"{place}.frames", f"{key} is not a frame")
        _check_one(record(frame, f"{place}.frames.{key}"), kind, f"{place}.frames.{key}")
    _ranges(data.get("segments"), f"{place}.segments", least=1)
    _ranges(data.get("hidden_areas", []), f"{place}.hidden_areas", least=0)
    flag(data.get("interpolated", False), f"{place}.interpolated")


def _check_one(data: Json, kind: str, place: str) -> None:
    CHECKS[kind](record(data.get(kind), f"{place}.{kind}"), f"{place}.{kind}")


def _ranges(value: Any, place: str, least: int) -> None:
    """Half-open ranges of frames, 0-based."""
    if not isinstance(value, list) or len(value) < least:
        raise Invalid(place, "can't be blank")
    for entry in value:
        ends = entry if isinstance(entry, list) else []
        if len(ends) != 2 or not all(type(end) is int for end in ends) or not 0 <= ends[0] < ends[1]:
            raise Invalid(place, "must be ranges [first, end) of frames")


def frames_of(data: Json) -> list[Json]:
    """The data of each frame; of an image, its own."""
    return list(data["frames"].values()) if "frames" in data else [data]
