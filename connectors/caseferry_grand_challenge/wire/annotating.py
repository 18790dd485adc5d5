"""Adding annotations to an item that is there."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.files import FileRef
from caseferry.plan import Given
from caseferry.sidecar import Kept, build
from caseferry_grand_challenge.wire.filling import replaced_files
from caseferry_grand_challenge.wire.putting import entry, mark_values, ready_call, value_call
from caseferry_grand_challenge.wire.sockets import Assignment, Sockets, assign
from caseferry_grand_challenge.wire.uploads import upload_calls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Case
    from caseferry.mapping import Names
    from caseferry.plan import Call


def plan_annotations(
    case: Case,
    new: Sequence[Annotation],
    kept: Kept,
    names: Names,
    sockets: Sockets,
    *,
    sidecar: str,
    item: str,
    before: Mapping[str, Any],
) -> tuple[Call, ...]:
    """The calls that write new annotations into their sockets, or the sidecar alone, and the sidecar anew.

    Parameters
    ----------
    case : sealed, as it stands on the platform and with the new annotations
    kept : the sidecar as it is
    sidecar : the socket that holds it
    item : where the item is
    before : the values that are there, by slug
    """
    assignment = assign(case, names, sockets)
    fresh = {annotation.id for annotation in new}
    touched = {slug for name, slug in assignment.marks.items() if name in fresh}
    keys = _keys(case, assignment, kept, touched)
    native = replace(kept.native, annotations=keys)
    described = replace(kept.case, annotations=case.annotations)
    document, _ = build(described, native, limit=1 << 62, fingerprint=kept.fingerprint)
    values = {slug: value for slug, value in mark_values(case, assignment, sockets).items() if slug in touched}
    calls: list[Call] = []
    entries: list[Mapping[str, Any]] = []
    for slug, value in {**values, sidecar: document}.items():
        if _is_file(sockets, slug):
            ref = FileRef.of_bytes(json.dumps(value).encode(), f"{slug}.json", "application/json")
            calls += upload_calls(case.id, slug, ref)
            entries.append(entry(slug, user_upload=Given(f"upload {slug}")))
        else:
            entries.append(entry(slug, value=value))
    calls.append(value_call(item, entries))
    if waits := {slug for slug in [*values, sidecar] if _is_file(sockets, slug)}:
        files = replaced_files(waits, before)
        calls.append(ready_call(item, waits, (), tuple(call.name for call in calls), replaced=files))
    return tuple(calls)


def _is_file(sockets: Sockets, slug: str) -> bool:
    socket = sockets.get(slug)
    return socket is not None and socket.super_kind == "File"


def _keys(case: Case, assignment: Assignment, kept: Kept, touched: set[str]) -> dict[str, str]:
    """Where annotations stand: those of sockets that are written anew are counted anew."""
    present = {annotation.id for annotation in case.annotations}
    keys = {
        name: key
        for name, key in kept.native.annotations.items()
        if name in present and key.partition("#")[0] not in touched
    }
    counts: dict[str, int] = {}
    for annotation in case.annotations:
        slug = assignment.marks.get(annotation.id)
        if slug in touched and slug is not None:
            keys[annotation.id] = f"{slug}#{counts.get(slug, 0)}"
            counts[slug] = counts.get(slug, 0) + 1
    return keys
