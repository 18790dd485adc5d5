"""Which of the platform's annotations an annotation of a case is made of.

A label, a line, a number or a track is one. A mask is one for each label, or for each label in each frame.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from caseferry.errors import ConfigurationError
from caseferry.plain import moment
from caseferry_datamint.wire.address import Address
from caseferry_datamint.wire.answers import text, whole
from caseferry_datamint.wire.entities import Marking
from caseferry_datamint.wire.links import is_gone, link_of
from caseferry_datamint.wire.reading import is_stray, known_in, parted
from caseferry_datamint.wire.segmentations import Piece, grouped
from caseferry_datamint.wire.tracks import bundled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry_datamint.wire.reading import Group


def rows_by_annotation(found: Group, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Ids of annotations in a case to the ids of the platform's annotations that they are made of."""
    found, rows = found.parted(rows)
    kept = found.kept
    names = {key: name for name, key in kept.native.annotations.items()} if kept is not None else {}
    made_of: defaultdict[str, list[str]] = defaultdict(list)
    pieces: defaultdict[str, list[Piece]] = defaultdict(list)
    roles = {str(resource["id"]): _role(resource) for resource in found.resources}
    held = kept.native.annotations if kept is not None else None
    rows = [row for row in rows if not is_gone(row) and not is_stray(row, held)]
    voxels, plain = parted(rows, known_in(kept))
    for key, bundle in bundled(plain):
        ids = [str(row["id"]) for row in bundle]
        made_of[names.get(key, key) if key is not None else ids[0]] += ids
        for own in ids[1:]:  # one of them that nobody understands is an annotation by itself
            made_of[own].append(own)
    for row in voxels:
        pieces[roles.get(str(row.get("resource_id")), "")].append(Piece(0, row, _closed))
    for parts in pieces.values():
        for together in grouped(parts, link_of).values():
            first = together[0].row
            key = link_of(first)
            name = names.get(key, key) if key is not None else str(first["id"])
            made_of[name] += [str(piece.row["id"]) for piece in together]
    return dict(made_of)


def _role(resource: Mapping[str, Any]) -> str:
    address = Address.parse(resource.get("source_filepath"))
    return address.role if address is not None else ""


def _closed() -> Any:
    raise AssertionError  # nobody opens a file to find out what it belongs to


def chosen_rows(made_of: Mapping[str, Sequence[str]], wanted: Iterable[str], verb: str) -> list[str]:
    """Ids of the platform's annotations that some annotations are made of.

    Raises
    ------
    ConfigurationError
        One is not on the platform by itself.
    """
    names = list(dict.fromkeys(wanted))
    for name in names:
        if name not in made_of:
            msg = (
                f"annotation {name!r} is not among those that Datamint holds by itself, and cannot be {verb} there; "
                "one that is kept beside the case changes with the case: delete the item and put it anew"
            )
            raise ConfigurationError(msg)
    return list(dict.fromkeys(row for name in names for row in made_of[name]))


def marking(row: Mapping[str, Any]) -> Marking:
    """An annotation as the platform has it."""
    index = row.get("frame_index", row.get("index"))
    value = row.get("numeric_value")
    if value is None:
        value = row.get("text_value", row.get("value"))
    status = text(row, "status")
    return Marking(
        str(row["id"]),
        text(row, "resource_id"),
        text(row, "annotation_type") or text(row, "type"),
        text(row, "identifier") or text(row, "name"),
        value,
        whole(index),
        "approved" if status == "published" else status,
        text(row, "annotation_worklist_id") or None,
        text(row, "created_by") or text(row, "added_by") or None,
        moment(row.get("created_at")),
        link_of(row),
        row,
    )
