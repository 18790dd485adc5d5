"""The JSON schemas that the values of each kind of socket must fulfil.

Source
------
`app/grandchallenge/components/schemas.py` of github.com/comic/grand-challenge.org: which members each kind of
annotation has, which of them it needs, and that it may have no others.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

NUMBER: Schema = {"type": "number"}
TEXT: Schema = {"type": "string"}


def _list(items: Schema, count: int | None = None) -> Schema:
    schema: Schema = {"type": "array", "items": items}
    return schema if count is None else schema | {"minItems": count, "maxItems": count}


POINT = _list(NUMBER, 3)
SEGMENT = _list(POINT, 2)
PROBABILITY: Schema = {"type": "number", "minimum": 0, "maximum": 1}
COUNTER: Schema = {"type": "number", "minimum": 0, "multipleOf": 1.0}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


VERSION = _object({"major": COUNTER, "minor": COUNTER})


def _single(name: str, shape: dict[str, Schema]) -> Schema:
    """An annotation that stands alone: it says its type and its version."""
    return _object({"version": VERSION, "type": {"enum": [name]}, **shape}, {"name": TEXT, "probability": PROBABILITY})


def _several(name: str, member: str, of: str, shape: dict[str, Schema]) -> Schema:
    """A collection of annotations: only the collection needs a type and a version."""
    one = _object(shape, {"name": TEXT, "type": {"enum": [of]}, "probability": PROBABILITY})
    return _object({"version": VERSION, "type": {"enum": [name]}, member: _list(one)}, {"name": TEXT})


_SHAPES: dict[str, tuple[dict[str, Schema], str, str]] = {
    "2D bounding box": ({"corners": _list(POINT, 4)}, "Multiple 2D bounding boxes", "boxes"),
    "Distance measurement": ({"start": POINT, "end": POINT}, "Multiple distance measurements", "lines"),
    "Point": ({"point": POINT}, "Multiple points", "points"),
    "Polygon": (
        {"seed_point": POINT, "path_points": _list(POINT), "sub_type": TEXT, "groups": _list(TEXT)},
        "Multiple polygons",
        "polygons",
    ),
    "Line": (
        {"seed_points": _list(POINT), "path_point_lists": _list(_list(POINT))},
        "Multiple lines",
        "lines",
    ),
    "Angle": ({"lines": _list(SEGMENT, 2)}, "Multiple angles", "angles"),
    "Ellipse": ({"major_axis": SEGMENT, "minor_axis": SEGMENT}, "Multiple ellipses", "ellipses"),
    "Three-point angle": ({"angle": _list(POINT, 3)}, "Multiple three-point angles", "angles"),
}

CHART: Schema = {
    "type": "object",
    "anyOf": [
        {"required": ["data", "mark"]},
        {"required": ["layer"]},
        {"required": ["data", "facet", "spec"]},
        {"required": ["repeat", "spec"]},
        {"required": ["concat"]},
        {"required": ["vconcat"]},
        {"required": ["hconcat"]},
    ],
}
"""What tells a Vega-Lite chart from another object; the chart itself is not checked further."""

SCHEMAS: dict[str, Schema] = {
    "String": TEXT,
    "Integer": {"type": "integer"},
    "Float": NUMBER,
    "Bool": {"type": "boolean"},
    "Anything": {},
    "Chart": CHART,
    "Choice": TEXT,
    "Multiple choice": _list(TEXT),
    "Affine transform registration": {
        **_object({"3d_affine_transform": _list(_list(NUMBER, 4), 4)}),
        "additionalProperties": True,
    },
    **{name: _single(name, shape) for name, (shape, _, _) in _SHAPES.items()},
    **{several: _several(several, member, name, shape) for name, (shape, several, member) in _SHAPES.items()},
}
"""The schema of every JSON kind, by the kind's name."""
