"""Annotations from the plain data that they are written as."""

from __future__ import annotations

import datetime as dt
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from caseferry.annotation.base import KINDS, Annotation, Code
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileRef

if TYPE_CHECKING:
    from collections.abc import Mapping


def annotation_from_json(document: Mapping[str, Any]) -> Annotation:
    """Read what `Annotation.to_json` wrote.

    Raises
    ------
    InvalidCase
        The kind is unknown, a field is not of this kind, or a value is out of range.
    """
    kind = KINDS.get(str(document.get("kind")))
    if kind is None:
        what = f"is {document.get('kind')!r}, expected one of {', '.join(sorted(KINDS))}"
        raise InvalidCase(None, [Problem("kind", what)])
    known = {each.name for each in fields(kind)}
    if unknown := sorted(set(document) - known - {"kind"}):
        raise InvalidCase(None, [Problem(kind.__name__, f"has no field {', '.join(unknown)}")])
    try:
        return kind(**_read_fields(document))
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidCase):
            raise
        raise InvalidCase(None, [Problem(kind.__name__, f"cannot be read: {error}")]) from error


def _read_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an annotation in the form that its constructor takes."""
    values: dict[str, Any] = {name: value for name, value in document.items() if name != "kind"}
    for name in ("created", "modified"):
        if name in values:
            values[name] = dt.datetime.fromisoformat(values[name])
    if "codes" in values:
        values["codes"] = tuple(Code(**code) for code in values["codes"])
    if "file" in values:
        values["file"] = FileRef.from_json(values["file"])
    if "labels" in values:
        values["labels"] = {int(key): name for key, name in values["labels"].items()}
    if "keyframes" in values:
        shared = {name: document[name] for name in ("image", "label") if name in document}
        values["keyframes"] = [annotation_from_json({**shared, **keyframe}) for keyframe in values["keyframes"]]
    return values
