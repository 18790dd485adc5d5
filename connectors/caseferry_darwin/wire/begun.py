"""What stood on an item when a revision of its annotations began."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask
from caseferry.errors import Inexpressible, Problem
from caseferry.plain import fingerprint
from caseferry.sidecar import amendment_number
from caseferry_darwin.wire.amending import amendment_in
from caseferry_darwin.wire.annotations import Ids
from caseferry_darwin.wire.comments import is_comment
from caseferry_darwin.wire.reading import kept_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case.revision import Revision
    from caseferry.sidecar import Kept
    from caseferry_darwin.wire.place import Place


@dataclass(frozen=True)
class Begun:
    """What stood there when the revision of an item began.

    Attributes
    ----------
    kept : the sidecar, with its amendments
    gone : ids of the platform's annotations that make what goes, and what each of them said
    number : of the amendment that this revision makes
    """

    kept: Kept | None
    gone: Mapping[str, str]
    number: int

    @classmethod
    def read(
        cls, revision: Revision, place: Place, item: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
    ) -> Begun:
        """From an item and its annotations.

        Raises
        ------
        Inexpressible
            A comment shall go, which nobody can delete.
        """
        held = [document for row in rows if (document := amendment_in(row, place.classes)) is not None]
        kept = kept_of(item, held)
        standing = {each.id: each for each in revision.before.annotations}
        problems = [
            Problem(f"comment {name!r}", "cannot be changed or deleted on Darwin", "leave it")
            for name in sorted(revision.gone)
            if is_comment(standing[name]) and (kept is None or name in kept.native.annotations)
        ]
        if problems:
            raise Inexpressible(revision.after.id, problems)
        ids = Ids(place.dataset_id, revision.after.id)
        there = {str(row["id"]): row for row in rows}
        parts = {part for name in revision.gone for part in _parts(standing[name], kept, ids) if part in there}
        said = {part: said_by(there[part]) for part in parts}
        return cls(kept, said, max(map(amendment_number, held), default=0) + 1)


def _parts(annotation: Annotation, kept: Kept | None, ids: Ids) -> set[str]:
    """Ids of the platform's annotations of which an annotation of a case may be made."""
    key = kept.native.annotations.get(annotation.id) if kept is not None else None
    if key is None:
        return {annotation.id}
    if isinstance(annotation, Mask):
        put = next((each for each in (kept.case.annotations if kept else ()) if each.id == annotation.id), annotation)
        labels = put.labels if isinstance(put, Mask) else annotation.labels
        return {ids.value(annotation.id, value) for value in labels}
    return {key}


def said_by(row: Mapping[str, Any]) -> str:
    """What tells a change of one of the platform's annotations."""
    return fingerprint({name: row.get(name) for name in ("annotation_class_id", "data", "context_keys", "properties")})
