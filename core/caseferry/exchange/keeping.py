"""What a format has no place for, kept in a file of it where other programs leave it alone.

Fields only: what something is, and where, is read from what every program sees.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from caseferry.annotation import annotation_from_json
from caseferry.annotation.base import SAID_BESIDE
from caseferry.errors import InvalidCase
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from caseferry.annotation import Annotation
    from caseferry.plain import Json

KEPT = ("id", *SAID_BESIDE, "attributes")
"""The fields that are kept."""

GROUP, CREATOR, ELEMENT = 0x0063, "CASEFERRY", 0x01
"""The private element of DICOM objects that holds them as JSON (PS3.5 7.8)."""


def kept(annotation: Annotation, part: int | None = None) -> dict[str, Json]:
    """What is said of an annotation, as plain data.

    Parameters
    ----------
    part : the number of one of several that the annotation becomes; each has an id of its own
    """
    document = {name: value for name, value in annotation.to_json().items() if name in KEPT}
    if part is not None and annotation.id:
        document["id"] = part_id(annotation.id, part)
    return document


def part_id(name: str, part: int) -> str:
    """The id of one of several annotations that one has become."""
    return f"{name}-{part}"


def with_kept(
    annotation: Annotation, kept: Mapping[str, Any] | None, file: str, own: Collection[str] = ()
) -> Annotation:
    """An annotation with what was kept of it, which counts before what the format says.

    Parameters
    ----------
    own : fields that the format has itself, and that are kept only where it cannot hold a value

    Raises
    ------
    ImageProblem
        What was kept is damaged.
    """
    if not kept:
        return annotation
    said = {name: kept.get(name) for name in KEPT if name in kept}
    document = {name: value for name, value in annotation.to_json().items() if name in own or name not in KEPT}
    try:
        return annotation_from_json({**document, **said})
    except (InvalidCase, TypeError, ValueError, AttributeError) as error:
        what = f"holds damaged fields of the annotation {annotation.label!r}: {error}"
        raise ImageProblem(file, what, "export it again") from error


def keep_in(item: Any, kept: Mapping[str, Json]) -> None:
    """Keep fields in a DICOM item."""
    if kept:
        text = json.dumps(kept, ensure_ascii=False, separators=(",", ":"))
        item.private_block(GROUP, CREATOR, create=True).add_new(ELEMENT, "UT", text)


def kept_in(item: Any, file: str) -> dict[str, Any]:
    """What `keep_in` has kept in a DICOM item; nothing in those of other programs.

    Raises
    ------
    ImageProblem
        It is damaged.
    """
    try:
        text = item.private_block(GROUP, CREATOR)[ELEMENT].value
    except KeyError:
        return {}
    return kept_as_text(text.decode() if isinstance(text, bytes) else str(text), file)


def kept_as_text(text: str, file: str) -> dict[str, Any]:
    """Fields that were kept as JSON.

    Raises
    ------
    ImageProblem
        It is none.
    """
    try:
        document = json.loads(text)
        return {str(name): value for name, value in document.items()}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ImageProblem(file, "holds damaged fields of an annotation", "export it again") from error
