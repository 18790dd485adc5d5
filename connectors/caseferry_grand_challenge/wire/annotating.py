"""Changing the annotations of an item that is there: their sockets are filled anew, and the sidecar tells of it.

A socket that holds several annotations is written whole. What others put into it stays as it is there, entry for entry,
but for what shall go: that is found by where it lies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, Raw
from caseferry.errors import Inexpressible, Problem
from caseferry.files import FileRef
from caseferry.held import Loss
from caseferry.plain import holds_null
from caseferry.plan import Given, Plan
from caseferry.sidecar import Kept, build
from caseferry_grand_challenge.wire.annotations import SEVERAL, kinds_for, socket_value
from caseferry_grand_challenge.wire.assigning import Assignment, assign_annotation
from caseferry_grand_challenge.wire.filling import replaced_files
from caseferry_grand_challenge.wire.holding import held_annotations
from caseferry_grand_challenge.wire.images import mask_file
from caseferry_grand_challenge.wire.item_calls import entry, import_call, look_again, ready_call, value_calls
from caseferry_grand_challenge.wire.keys import entry_key, is_entry, slug_of
from caseferry_grand_challenge.wire.pairing import entries_in, standing_in
from caseferry_grand_challenge.wire.reading import listed, put_grid
from caseferry_grand_challenge.wire.theirs import keys_of_theirs
from caseferry_grand_challenge.wire.uploads import upload_calls

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.mapping import Names
    from caseferry.plan import Call
    from caseferry_grand_challenge.wire.places import Place
    from caseferry_grand_challenge.wire.sockets import Sockets

REMEDY = "empty it with detach, or leave it"


@dataclass(frozen=True)
class Stand:
    """The item whose annotations change.

    Attributes
    ----------
    pk, place : which it is, and where
    kept, sidecar : its sidecar, and the socket that holds it
    before : the values that are there, by slug
    contents : the JSON in those of them that may hold what changes
    """

    pk: str
    place: Place
    kept: Kept
    sidecar: str
    before: Mapping[str, Mapping[str, Any]]
    contents: Mapping[str, Any]

    @property
    def ours(self) -> set[str]:
        """The sockets into which caseferry put annotations."""
        return set(map(slug_of, self.kept.native.annotations.values()))


def plan_revision(revision: Revision, stand: Stand, names: Names, sockets: Sockets, dataset: str) -> Plan:
    """The calls that write annotations into their sockets, or the sidecar alone, and the sidecar anew.

    Raises
    ------
    Inexpressible
        A socket would have to be emptied, which only takes away what it shares with others; or what somebody else put
        into one shall go, and cannot be told from the rest.
    """
    case, kept = revision.after, stand.kept
    own = {each.id for each in kept.case.annotations} | {each.id for each in revision.written}
    standing = {name: key for name, key in kept.native.annotations.items() if name in own and name not in revision.gone}
    gone = {name: key for name, key in kept.native.annotations.items() if name in revision.gone}
    theirs = keys_of_theirs(theirs_gone(revision, kept), revision.before, _free(stand, sockets))
    assignment = _assigned(revision, stand, standing, theirs, names, sockets)
    written = {each.id for each in revision.written}
    lists = {slug_of(key) for key in (gone | theirs).values() if is_entry(key)}
    marks = {slug for name, slug in assignment.marks.items() if name in written}
    values, keys = {}, dict(standing)
    for slug in sorted(lists | marks):
        values[slug], places = _value(slug, revision, stand, theirs, assignment, sockets)
        keys = {name: key for name, key in keys.items() if not is_entry(key) or slug_of(key) != slug} | places
    taken_out = standing.keys() - keys.keys() - written
    keys |= {name: slug for name, slug in assignment.masks.items() if name in written}
    _refuse_emptying(stand, gone | theirs, keys, values)
    present = [each for each in case.annotations if each.id in own and each.id not in taken_out]
    native = replace(kept.native, annotations={each.id: keys[each.id] for each in present if each.id in keys})
    described = replace(kept.case, annotations=present)
    document, _ = build(described, native, limit=1 << 62, fingerprint=kept.fingerprint)
    masks = {
        assignment.masks[each.id]: each
        for each in revision.written
        if isinstance(each, Mask) and each.id in assignment.masks
    }
    return Plan(
        dataset=dataset,
        case_id=case.id,
        calls=tuple(_calls(revision, stand, {**values, stand.sidecar: document}, masks, assignment, sockets)),
        held=tuple(each for each in held_annotations(revision.written, assignment, sockets) if isinstance(each, Loss)),
        missing=tuple(assignment.missing),
        adopts=stand.pk,
    )


def theirs_gone(revision: Revision, kept: Kept) -> list[Annotation]:
    """The annotations that do not stay as they are and of which the sidecar does not tell: somebody else put them."""
    ours = {each.id for each in kept.case.annotations} | kept.native.annotations.keys()
    return [each for each in revision.before.annotations if each.id in revision.gone - ours]


def what_may_stand(revision: Revision, now: Case, touched: Collection[str]) -> dict[str, list[Annotation]]:
    """By their ids, what those annotations that shall go may say by now; see `refuse_changed`.

    A mask whose socket holds another image by now can only be the one that shall take its place.

    Parameters
    ----------
    now : the case as it stands by now
    touched : ids of annotations in sockets that hold something else by now than when the case was read
    """
    masks = {each.id for each in now.annotations if isinstance(each, Mask)}
    return {
        name: [each for each in revision.after.annotations if each.id == name]
        if name in masks
        else revision.versions(name)
        for name in revision.gone & set(touched)
    }


def _assigned(
    revision: Revision,
    stand: Stand,
    standing: Mapping[str, str],
    others: Mapping[str, str],
    names: Names,
    sockets: Sockets,
) -> Assignment:
    """Where annotations go: those that stay, where they are; each other one into a socket that nobody uses.

    What takes the place of what others put goes where that stands, whatever it is called.
    """
    native, gone = stand.kept.native, revision.gone
    found = Assignment(
        dict(native.images), {}, {}, dict(native.values), dict(native.attachments), sidecar=stand.sidecar
    )
    known = {each.id: each for each in stand.kept.case.annotations}
    for name, key in standing.items():
        slug = slug_of(key)
        (found.marks if is_entry(key) else found.masks)[name] = slug
        if is_entry(key) and name in known:
            found.grounds[slug] = known[name].image
            if isinstance(known[name], Raw):
                found.whole.add(slug)
    free = {key for name, key in native.annotations.items() if name in gone}
    theirs = {slug for slug in stand.before if slug not in {*stand.ours, *free, *found.taken()}}
    open_to_us = {slug: socket for slug, socket in sockets.items() if slug not in theirs}
    for annotation in revision.written:
        slug = slug_of(others.get(annotation.id, ""))
        if slug and _fits(annotation, slug, revision, found, sockets):
            found.marks[annotation.id] = slug
            found.grounds[slug] = annotation.image
        else:
            assign_annotation(found, annotation, revision.after, names, open_to_us)
    return found


def _fits(annotation: Annotation, slug: str, revision: Revision, found: Assignment, sockets: Sockets) -> bool:
    """Whether an annotation may stand in a socket for positions that others use."""
    role, socket = annotation.image, sockets.get(slug)
    if role is None or socket is None or found.grounds.get(slug, role) != role or holds_null(annotation.label):
        return False
    return any(socket.kind in kinds for kinds in kinds_for(annotation, revision.after.image(role).geometry))


def _free(stand: Stand, sockets: Sockets) -> dict[str, tuple[str, dict[int, Any]]]:
    """The kind of each socket for positions, and by their places in it those entries that somebody else put."""
    free = {}
    for slug, content in stand.contents.items():
        socket = sockets.get(slug)
        kind = socket.kind if socket is not None else ""
        if kind in SEVERAL:
            known = set(_known(slug, kind, stand)[1].values())
            free[slug] = kind, {at: each for at, each in enumerate(entries_in(kind, content)) if at not in known}
        elif slug not in stand.ours:
            free[slug] = kind, {0: content}
    return free


def _known(slug: str, kind: str, stand: Stand) -> tuple[list[Annotation], dict[int, int]]:
    """What was put into a socket for several annotations, and which entry of it each is by now."""
    put = listed(stand.kept).get(slug, [])
    if any(isinstance(each, Raw) for each in put):
        return [], {}
    grid = put_grid(stand.kept, put[0]) if put else None
    return put, standing_in(kind, put, grid, stand.contents.get(slug) or {})


def _value(
    slug: str,
    revision: Revision,
    stand: Stand,
    others: Mapping[str, str],
    assignment: Assignment,
    sockets: Sockets,
) -> tuple[Any, dict[str, str]]:
    """The value of a socket for annotations, and where in it each of ours stands.

    Parameters
    ----------
    others : where that stands which others put and which shall go
    """
    socket = sockets.get(slug)
    kind = socket.kind if socket is not None else ""
    new = [each for each in revision.written if assignment.marks.get(each.id) == slug]
    role = new[0].image if new else None
    grid = revision.after.image(role).geometry if role is not None else None
    if kind not in SEVERAL or any(isinstance(each, Raw) for each in new):
        return (socket_value(kind, new, grid) if new else None), {each.id: entry_key(slug, 0) for each in new}
    member, there = SEVERAL[kind][0], stand.contents.get(slug) or {}
    whole = any(isinstance(each, Raw) for each in listed(stand.kept).get(slug, []))
    entries = entries_in(kind, there) if not whole else []
    put, known = _known(slug, kind, stand)
    fresh = socket_value(kind, new, grid) if new else {}
    over = {*revision.gone, *(each.id for each in new)}
    stay = {put[index].id: entry for index, entry in known.items() if put[index].id not in over}
    done = {*known.values(), *(index for index in range(len(entries)) if entry_key(slug, index) in others.values())}
    theirs = [each for index, each in enumerate(entries) if index not in done]
    added = fresh.get(member, [])
    marks = [*(entries[entry] for entry in stay.values()), *added, *(each for each in theirs if each not in added)]
    places = {name: entry_key(slug, index) for index, name in enumerate([*stay, *(each.id for each in new)])}
    return {**there, **fresh, member: marks}, places


def _refuse_emptying(stand: Stand, gone: Mapping[str, str], keys: Mapping[str, str], values: Mapping[str, Any]) -> None:
    """Refuse to leave in a socket what nothing tells of any more: no value can be taken out of an item by itself.

    Parameters
    ----------
    gone : where that stands which does not stay as it is
    keys : where everything stands afterwards
    """
    used = set(map(slug_of, keys.values()))
    problems = []
    for name, key in sorted(gone.items()):
        slug = slug_of(key)
        if slug in stand.before and slug not in used and values.get(slug) is None:
            problems.append(Problem(f"annotation {name!r}", f"is all that socket {slug!r} holds", REMEDY))
    if problems:
        raise Inexpressible(stand.kept.case.id, problems)


def _calls(
    revision: Revision,
    stand: Stand,
    values: Mapping[str, Any],
    masks: Mapping[str, Mask],
    assignment: Assignment,
    sockets: Sockets,
) -> list[Call]:
    case, before, item = revision.after, stand.before, stand.place.item(stand.pk)
    calls: list[Call] = []
    entries: list[Mapping[str, Any]] = []
    for slug, value in values.items():
        if _is_file(sockets, slug):
            ref = FileRef.of_bytes(json.dumps(value).encode(), f"{slug}.json", "application/json")
            calls += upload_calls(case.id, slug, ref)
            entries.append(entry(slug, user_upload=Given(f"upload {slug}")))
        elif value is not None:
            entries.append(entry(slug, value=value))
    for slug, mask in masks.items():
        ref = mask_file(mask, case.image(str(mask.image)), assignment.numbers[mask.id])
        calls += upload_calls(case.id, slug, ref)
    calls += value_calls(case.id, item, entries, look=lambda slugs: look_again(item, before, {*slugs, *masks}))
    filled = tuple(call.name for call in calls if call.name.startswith("set values"))
    for slug in masks:
        gone = f"what is in socket {slug!r} is replaced, for everybody who sees the item" if slug in before else ""
        target = stand.place.importing(stand.pk)
        look = look_again(item, before, {slug})
        calls.append(import_call(slug, [f"upload {slug}"], target, filled, gone, look))
    waits = {slug for slug in values if _is_file(sockets, slug)} | set(masks)
    if waits:
        files = replaced_files(waits, before)
        calls.append(ready_call(item, waits, list(masks), tuple(call.name for call in calls), replaced=files))
    return calls


def _is_file(sockets: Sockets, slug: str) -> bool:
    socket = sockets.get(slug)
    return socket is not None and socket.super_kind == "File"
