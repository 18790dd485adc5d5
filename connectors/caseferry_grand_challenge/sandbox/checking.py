"""A checker for the part of JSON schema that sockets use, with the words of the `jsonschema` library.

The server answers with that library's message, so the messages here follow it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Problem = tuple[int, str, Any]
"""How deep in the value, the message, and the part of the value that it is about."""


def complaint(value: Any, *schemas: dict[str, Any]) -> str | None:
    """What the server says about a value that does not fulfil its schemas; None for one that does.

    The problem nearest to the top of the value is named, as `jsonschema` chooses it.
    """
    problems = [problem for schema in schemas for problem in _problems(value, schema, 0)]
    if not problems:
        return None
    _, message, part = min(problems, key=lambda problem: problem[0])
    return f"JSON does not fulfill schema: instance {message.replace(f'{part} ', '')}"


def _problems(value: Any, schema: dict[str, Any], depth: int) -> Iterator[Problem]:
    if "type" in schema and not _is(value, schema["type"]):
        yield depth, f"{value!r} is not of type {schema['type']!r}", value
    if "enum" in schema and not any(_equal(value, allowed) for allowed in schema["enum"]):
        yield depth, f"{value!r} is not one of {schema['enum']!r}", value
    if "anyOf" in schema and all(any(_problems(value, one, depth)) for one in schema["anyOf"]):
        yield depth, f"{value!r} is not valid under any of the given schemas", value
    if isinstance(value, dict):
        yield from _of_object(value, schema, depth)
    elif isinstance(value, list):
        yield from _of_list(value, schema, depth)
    elif _is(value, "number"):
        yield from _of_number(value, schema, depth)


def _of_object(value: dict[str, Any], schema: dict[str, Any], depth: int) -> Iterator[Problem]:
    known = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield depth, f"{name!r} is a required property", value
    strangers = [name for name in value if name not in known]
    if strangers and schema.get("additionalProperties") is False:
        verb = "was" if len(strangers) == 1 else "were"
        named = ", ".join(repr(name) for name in sorted(strangers))
        yield depth, f"Additional properties are not allowed ({named} {verb} unexpected)", value
    for name, part in value.items():
        if name in known:
            yield from _problems(part, known[name], depth + 1)


def _of_list(value: list[Any], schema: dict[str, Any], depth: int) -> Iterator[Problem]:
    if len(value) < schema.get("minItems", 0):
        yield depth, f"{value!r} is too short", value
    if len(value) > schema.get("maxItems", math.inf):
        yield depth, f"{value!r} is too long", value
    if "items" in schema:
        for part in value:
            yield from _problems(part, schema["items"], depth + 1)


def _of_number(value: float, schema: dict[str, Any], depth: int) -> Iterator[Problem]:
    if "minimum" in schema and value < schema["minimum"]:
        yield depth, f"{value!r} is less than the minimum of {schema['minimum']!r}", value
    if "maximum" in schema and value > schema["maximum"]:
        yield depth, f"{value!r} is greater than the maximum of {schema['maximum']!r}", value
    if "multipleOf" in schema and value % schema["multipleOf"]:
        yield depth, f"{value!r} is not a multiple of {schema['multipleOf']!r}", value


def _is(value: Any, name: str) -> bool:
    """Whether a value is of a JSON type. A float without a fraction is an integer, a truth value is no number."""
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer":
        return isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    expected: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "number": (int, float),
        "array": (list,),
        "object": (dict,),
    }
    return isinstance(value, expected.get(name, ()))


def _equal(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
