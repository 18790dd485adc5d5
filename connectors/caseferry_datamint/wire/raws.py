"""Annotations of Datamint's that no kind fits: kept whole, and put back as they were read.

What is sent is what the platform says that the call which creates annotations takes. All else in an answer is the
platform's own (who made it, when, in which worklist) or is not documented; it stays in the sidecar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_datamint.wire.annotations import common_form
from caseferry_datamint.wire.answers import first_of
from caseferry_datamint.wire.frames import place_of
from caseferry_datamint.wire.masks import SEGMENTATION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.annotation import Raw
    from caseferry.case import Image
    from caseferry.mapping import Names

PLATFORM = "datamint"

SAID = ("scope", "frame_index", "frame_range", "units", "geometry")
"""What has the same name in what is sent and in what is answered."""

NEEDED = {
    "category": "value",
    "text": "value",
    "integer": "value",
    "float": "value",
    "line": "geometry",
    "point": "geometry",
    "square": "geometry",
    "region": "geometry",
}
"""Without what an annotation of a type that is known is none."""


def raw_form(raw: Raw, image: Image, names: Names) -> tuple[int, dict[str, Any]] | str:
    """What creates a raw annotation anew, or why there is no such thing; see `native_form`."""
    row = raw.payload
    if raw.platform != PLATFORM or not isinstance(row, dict):
        return f"it is in the form of {raw.platform}"
    if row.get("file") or row.get("associated_file"):
        return "it has a file, and nobody knows what the file is"
    said = _said(row)
    kind = said.get("type")
    if not kind or not raw.label or said.get("scope") not in {"image", "frame"}:
        return "it has no type, no label or no scope"
    if kind == SEGMENTATION:
        return "it is a segmentation whose file never came"
    if NEEDED.get(str(kind), "type") not in said:
        return f"it is not what Datamint calls a {kind}"
    if len(image.files) > 1 and raw.frame is None:
        return "it does not say in which of the image's files it lies"
    file, frame = 0, said.get("frame_index")
    if raw.frame is not None:
        place = place_of(image, raw.frame)
        if place is None or frame not in (None, place.frame):
            return "its frame has another number in this image"
        file = place.file
    return file, {**common_form(raw, names), **said}


def _said(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row says of itself, in the words in which it is sent."""
    said: dict[str, Any] = {name: row.get(name) for name in SAID}
    said["type"] = first_of(row, "annotation_type", "type")
    said["value"] = first_of(row, "numeric_value", "text_value", "value")
    said["frame_index"] = first_of(row, "frame_index", "index")
    if said["scope"] is None:
        said["scope"] = "image" if said["frame_index"] is None else "frame"
    return {name: value for name, value in said.items() if value is not None}


def unchanged(put: Raw, there: Raw) -> bool:
    """Whether a raw annotation still says what it said when it was put, whatever else the platform answers."""
    one, other = put.payload, there.payload
    return put.label == there.label and isinstance(one, dict) and isinstance(other, dict) and _said(one) == _said(other)
