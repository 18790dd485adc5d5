"""A case as the calls that bring it to a Grand Challenge archive or reader study.

The item is created only when every file is there, because nobody can delete it; then come its values with the
sidecar among them, and last the images, which the platform converts. A crash between leaves an item that is found by
its title and completed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask
from caseferry.errors import Inexpressible, Problem
from caseferry.files import FileRef
from caseferry.plan import Call, Given, Plan, Repeat
from caseferry.sidecar import Native, build
from caseferry_grand_challenge.wire.annotations import socket_value
from caseferry_grand_challenge.wire.answers import said
from caseferry_grand_challenge.wire.assigning import Assignment, assign
from caseferry_grand_challenge.wire.holding import held_parts
from caseferry_grand_challenge.wire.images import import_problem, mask_file, stored_files
from caseferry_grand_challenge.wire.imagesets import DICOM_SET, INSTANCES
from caseferry_grand_challenge.wire.item_calls import (
    LARGEST_BODY,
    entry,
    image_set,
    import_call,
    json_size,
    ready_call,
    uploads_of,
    value_calls,
)
from caseferry_grand_challenge.wire.keys import entry_key
from caseferry_grand_challenge.wire.places import NOUNS, Place
from caseferry_grand_challenge.wire.segments import table
from caseferry_grand_challenge.wire.uploads import MOST_UPLOADS, upload_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caseferry.case import Case, Image
    from caseferry.mapping import Names
    from caseferry.plain import Json
    from caseferry_grand_challenge.wire.sockets import Socket, Sockets

LARGEST_VALUE = 8 << 20
"""Bytes of files in a sidecar that is sent as a value: the platform's front refuses bodies above 16 MB."""


@dataclass
class Standing:
    """What of a case stands on the platform.

    Attributes
    ----------
    pk : of the item
    sockets : slugs that hold something
    fingerprint : of the case as it was put; empty when the item has no sidecar that can be read
    """

    pk: str
    sockets: set[str] = field(default_factory=set)
    fingerprint: str = ""


@dataclass
class _Parts:
    """What goes to the item: the uploads, and the entries of its values."""

    uploads: list[Call] = field(default_factory=list)
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    images: dict[str, list[str]] = field(default_factory=dict)


def plan_case(
    case: Case,
    place: Place,
    names: Names,
    sockets: Sockets,
    dataset: str,
    standing: Standing | None,
    *,
    limit: int,
    allow_spare: bool,
    shared: Mapping[str, str],
) -> tuple[Plan, list[FileRef]]:
    """The calls that bring a sealed case, or what is missing of it, to an archive or a reader study.

    Parameters
    ----------
    shared : locations of files that are images of the same platform, and the API's addresses of those: they are
        referred to, and none of their bytes are moved

    Raises
    ------
    Inexpressible
        An image finds no socket, or something finds no place on the platform and `allow_spare` is False.
    """
    assignment = assign(case, names, sockets)
    shared = _usable(shared, case, assignment, sockets)
    _refuse_images(case, assignment, shared)
    native = _native(case, assignment)
    stored = sockets.get(assignment.sidecar or "")
    room = min(limit, LARGEST_VALUE) if stored is not None and stored.super_kind == "Value" else limit
    document, overflow = build(case, native, room)
    if stored is not None and stored.super_kind == "Value" and json_size(document) > LARGEST_BODY:
        assignment.sidecar = None  # its socket holds no more than one call brings
    spare = list(overflow)
    if assignment.sidecar is None and _needs_sidecar(case, native):
        spare.append(FileRef.of_bytes(json.dumps(document).encode(), "sidecar.json", "application/json"))
    if spare and not allow_spare:
        raise Inexpressible(case.id, _homeless(assignment, overflow))
    held = held_parts(case, assignment, sockets, overflow, shared)
    there = standing.sockets if standing is not None else set()
    parts = _parts(case, assignment, sockets, document, there, shared)
    _refuse_uploads(case, parts.uploads)
    calls = list(parts.uploads)
    adopts = standing.pk if standing is not None else None
    if standing is None:
        calls.append(_creation(case, place, tuple(c.name for c in calls if c.name.startswith("complete "))))
    calls += _filling(case.id, parts, place, adopts)
    plan = Plan(
        dataset=dataset,
        case_id=case.id,
        calls=tuple(calls),
        held=tuple(held),
        missing=tuple(assignment.missing),
        adopts=adopts,
        bindings={"item": adopts} if adopts else {},
    )
    return plan, spare


def _usable(shared: Mapping[str, str], case: Case, assignment: Assignment, sockets: Sockets) -> Mapping[str, str]:
    """Images of the same platform of which their sockets take what they are: image sets, or images that are none.

    A mask that its socket numbers otherwise is another image there.
    """
    refs = {image.files[0].location: assignment.images.get(image.role, "") for image in case.images}
    masks = [each for each in case.annotations if isinstance(each, Mask)]
    refs |= {each.file.location: assignment.masks.get(each.id, "") for each in masks}
    anew = {each.file.location for each in masks if table(assignment.numbers.get(each.id, {})) is not None}
    return {
        location: address
        for location, address in shared.items()
        if location not in anew and (INSTANCES in location) is _takes_sets(sockets.get(refs.get(location, "")))
    }


def _takes_sets(socket: Socket | None) -> bool:
    return socket is not None and socket.kind == DICOM_SET


def _refuse_images(case: Case, assignment: Assignment, shared: Mapping[str, str]) -> None:
    """Refuse images that find no socket, and those whose import would fail when the item is there for ever."""
    remedy = 'name a socket in the mapping: [grand-challenge.images] role = "socket"'
    problems = [
        Problem(f"image {image.role!r}", assignment.reasons["image", image.role], remedy)
        for image in case.images
        if image.role not in assignment.images
    ]
    problems += [
        Problem(f"image {image.role!r}", what, "write it anew with these tags")
        for image in case.images
        if image.files[0].location not in shared and (what := import_problem(image)) is not None
    ]
    if problems:
        raise Inexpressible(case.id, problems)


def _refuse_uploads(case: Case, uploads: Sequence[Call]) -> None:
    """Refuse more files than the platform lets an account have waiting, which a part of them would fill for a day."""
    count = sum(call.name.startswith("create ") for call in uploads)
    if count > MOST_UPLOADS:
        what = f"would be {count} uploads; Grand Challenge takes {MOST_UPLOADS} of an account at a time"
        remedy = "name a socket of kind Image for a DICOM series: it is sent as one file"
        raise Inexpressible(case.id, [Problem("the files", what, remedy)])


def _homeless(assignment: Assignment, overflow: Sequence[FileRef]) -> list[Problem]:
    if assignment.sidecar is None:
        what = "is none of kind Anything, or none large enough, for what has no socket of its own"
        remedy = 'name one in the mapping: [grand-challenge] sidecar = "socket", or transfer with a journal'
        return [Problem("the sidecar's socket", what, remedy)]
    return [
        Problem(f"file {ref.name!r}", f"finds no room beside the case: {ref.length()} bytes", "transfer with a journal")
        for ref in overflow
    ]


def _needs_sidecar(case: Case, native: Native) -> bool:
    """Whether anything of a case would be lost without a sidecar."""
    held = len(native.annotations) + len(native.values) + len(native.attachments)
    whole = len(case.annotations) + len(case.values) + len(case.attachments)
    return held < whole or bool(case.title or case.tags or case.folder or case.metadata)


def _native(case: Case, assignment: Assignment) -> Native:
    """What of the case stands in sockets; annotations of a socket for several are counted within it."""
    keys: dict[str, str] = dict(assignment.masks)
    counts: dict[str, int] = {}
    for annotation in case.annotations:
        name = assignment.marks.get(annotation.id)
        if name is not None:
            keys[annotation.id] = entry_key(name, counts.get(name, 0))
            counts[name] = counts.get(name, 0) + 1
    return Native(assignment.images, keys, assignment.values, assignment.attachments)


def _parts(
    case: Case,
    assignment: Assignment,
    sockets: Sockets,
    sidecar: Mapping[str, Any],
    there: set[str],
    shared: Mapping[str, str],
) -> _Parts:
    """Everything that is not on the platform yet."""
    parts = _Parts()
    if assignment.sidecar and assignment.sidecar not in there:
        _add_json(parts, case.id, sockets, assignment.sidecar, dict(sidecar))
    for name, slug in assignment.values.items():
        if slug not in there:
            _add_json(parts, case.id, sockets, slug, case.values[name])
    for slug, value in mark_values(case, assignment, sockets).items():
        if slug not in there:
            _add_json(parts, case.id, sockets, slug, value)
    for attachment in case.attachments:
        slug = assignment.attachments.get(attachment.name, "")
        if slug and slug not in there:
            _add_file(parts, case.id, slug, attachment.file)
    for slug, image, original, made in _images(case, assignment):
        if slug in there:
            continue
        if (address := shared.get(original.location)) is not None:
            parts.values[slug] = entry(slug, image=address)
        elif _takes_sets(sockets.get(slug)):
            _add_image_set(parts, case.id, slug, image)
        else:
            _add_image(parts, case.id, slug, sockets, made())
    return parts


def _images(
    case: Case, assignment: Assignment
) -> Iterator[tuple[str, Image, FileRef, Callable[[], Sequence[FileRef]]]]:
    """What goes to sockets as images.

    Yields
    ------
    The socket, the image that it is or lies on, the first file as it is in the case, and what makes those to send.
    """
    for image in case.images:
        yield assignment.images[image.role], image, image.files[0], partial(stored_files, image)
    for annotation in case.annotations:
        slug = assignment.masks.get(annotation.id, "")
        if slug and isinstance(annotation, Mask):
            grid = case.image(str(annotation.image))
            yield slug, grid, annotation.file, partial(_mask_files, annotation, grid, assignment.numbers[annotation.id])


def _mask_files(mask: Mask, image: Image, numbers: Mapping[int, int]) -> list[FileRef]:
    return [mask_file(mask, image, numbers)]


def mark_values(case: Case, assignment: Assignment, sockets: Sockets) -> dict[str, Any]:
    """The values of sockets that hold annotations as JSON, by slug."""
    groups: dict[str, list[Annotation]] = {}
    for annotation in case.annotations:
        if (slug := assignment.marks.get(annotation.id)) is not None:
            groups.setdefault(slug, []).append(annotation)
    values = {}
    for slug, group in groups.items():
        socket = sockets[slug]
        role = group[0].image
        grid = case.image(role).geometry if role is not None else None
        values[slug] = socket_value(socket.kind if socket is not None else "", group, grid)
    return values


def _add_json(parts: _Parts, case_id: str, sockets: Sockets, slug: str, value: Json) -> None:
    socket = sockets.get(slug)
    if socket is not None and socket.super_kind == "File":
        content = json.dumps(value).encode()
        _add_file(parts, case_id, slug, FileRef.of_bytes(content, f"{slug}.json", "application/json"))
    else:
        parts.values[slug] = entry(slug, value=value)


def _add_file(parts: _Parts, case_id: str, slug: str, ref: FileRef) -> None:
    parts.uploads += upload_calls(case_id, slug, ref)
    parts.values[slug] = entry(slug, user_upload=Given(f"upload {slug}"))


def _add_image(parts: _Parts, case_id: str, slug: str, sockets: Sockets, refs: Sequence[FileRef]) -> None:
    socket = sockets.get(slug)
    if socket is not None and socket.super_kind == "File":
        _add_file(parts, case_id, slug, refs[0])
        return
    calls, parts.images[slug] = uploads_of(case_id, slug, refs)
    parts.uploads += calls


def _add_image_set(parts: _Parts, case_id: str, slug: str, image: Image) -> None:
    calls, parts.values[slug] = image_set(case_id, slug, image)
    parts.uploads += calls


def _creation(case: Case, place: Place, after: tuple[str, ...]) -> Call:
    return Call(
        name="create item",
        method="POST",
        target=place.items,
        body=place.creation(case.id),
        gives=("item",),
        read=lambda reply: {"item": said(reply.body, "create the item", ["pk"])["pk"]},
        after=after,
        repeat=Repeat.DETECTABLE,
        purpose="create the item",
        irreversible=f"an item of the {NOUNS[place.kind]}, which no user can delete",
    )


def _filling(case_id: str, parts: _Parts, place: Place, adopts: str | None) -> list[Call]:
    """The calls that give the item its values and images, and wait until they are there."""
    item = place.item(adopts if adopts is not None else "{item}")
    taken: Any = adopts if adopts is not None else Given("item")
    calls: list[Call] = []
    if parts.values:
        calls += value_calls(case_id, item, list(parts.values.values()))
    filled = tuple(call.name for call in calls)
    for slug, uploads in parts.images.items():
        calls.append(import_call(slug, uploads, place.importing(taken), filled))
    if calls:
        wanted = set(parts.values) | set(parts.images)
        calls.append(ready_call(item, wanted, list(parts.images), tuple(call.name for call in calls)))
    return calls
