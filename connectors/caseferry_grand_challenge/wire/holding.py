"""What becomes of each part of a case on Grand Challenge: a socket of its own, or the sidecar's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.annotation import Category, Mask, Polyline
from caseferry.capability import Conversion
from caseferry.held import Held, Kept, Loss, native, part_of, said_elsewhere
from caseferry_grand_challenge.wire.annotations import unsaid
from caseferry_grand_challenge.wire.images import conversion
from caseferry_grand_challenge.wire.imagesets import DICOM_SET, set_loss
from caseferry_grand_challenge.wire.segments import called_otherwise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Case
    from caseferry.files import FileRef
    from caseferry_grand_challenge.wire.assigning import Assignment
    from caseferry_grand_challenge.wire.sockets import Sockets

CATEGORY = Conversion("a text", "a socket of kind String has no list of answers")
"""What becomes of a category whose socket is not one of kind Choice."""

STRAIGHT = Conversion(
    "a line, if it has two points", "a socket for lines does not say of two points which kind is meant"
)
"""What becomes of a polyline of two points."""

JOURNAL = "the journal's folder"


def held_parts(
    case: Case,
    assignment: Assignment,
    sockets: Sockets,
    overflow: Sequence[FileRef],
    shared: Mapping[str, str],
) -> list[Held]:
    """What becomes of each part of a sealed case.

    Parameters
    ----------
    overflow : files that find no room in the sidecar
    shared : locations of files that are images of the platform already
    """
    over = {ref.measured().sha256 for ref in overflow}
    return [
        *_images(case, assignment, sockets, shared),
        *held_annotations(case.annotations, assignment, sockets, over),
        *_values(case, assignment),
        *_attachments(case, assignment, over),
        *_others(case, assignment),
    ]


def _images(case: Case, assignment: Assignment, sockets: Sockets, shared: Mapping[str, str]) -> Iterator[Held]:
    for image in case.images:
        socket = sockets.get(assignment.images[image.role])
        if image.files[0].location in shared:
            yield native(f"image {image.role!r}", "the image that is there, by reference")
        elif socket is not None and socket.kind == DICOM_SET:
            yield set_loss(f"image {image.role!r}")
        else:
            yield conversion(image)


def held_annotations(
    annotations: Iterable[Annotation], assignment: Assignment, sockets: Sockets, over: Collection[str | None] = ()
) -> Iterator[Held]:
    """What becomes of each of some annotations, and of what it says besides.

    Parameters
    ----------
    over : digests of files that find no room in the sidecar
    """
    for annotation in annotations:
        yield _annotation(annotation, assignment, sockets, over)
        if ("annotation", annotation.id) not in assignment.reasons:
            place = _called(assignment.sidecar) if assignment.sidecar else JOURNAL
            yield from said_elsewhere(annotation, unsaid(annotation), place)


def _annotation(annotation: Annotation, assignment: Assignment, sockets: Sockets, over: Collection[str | None]) -> Held:
    part, reason = part_of(annotation), assignment.reasons.get(("annotation", annotation.id))
    if reason is not None:
        beyond = isinstance(annotation, Mask) and annotation.file.measured().sha256 in over
        return _beside(part, reason, assignment, beyond=beyond)
    slug = assignment.masks.get(annotation.id) or assignment.marks[annotation.id]
    socket = sockets.get(slug)
    if isinstance(annotation, Mask) and socket is not None:
        others = called_otherwise(socket, annotation.labels, assignment.numbers[annotation.id])
        if others:
            told = ", ".join(f"{label!r} is {name!r}" for label, name in others.items())
            return Loss(part, f"the socket names its values itself: {told}", "converted", _called(slug))
    if isinstance(annotation, Category) and socket is not None and socket.kind != "Choice":
        return CATEGORY.loss(part)
    if isinstance(annotation, Polyline) and len(annotation.points) == 2:
        return STRAIGHT.loss(part)
    return native(part, _called(slug))


def _values(case: Case, assignment: Assignment) -> Iterator[Held]:
    for name in case.values:
        part, reason = f"value {name!r}", assignment.reasons.get(("value", name))
        yield _beside(part, reason, assignment) if reason else native(part, _called(assignment.values[name]))


def _attachments(case: Case, assignment: Assignment, over: Collection[str | None]) -> Iterator[Held]:
    for each in case.attachments:
        part, reason = f"attachment {each.name!r}", assignment.reasons.get(("attachment", each.name))
        if reason is None:
            yield native(part, _called(assignment.attachments[each.name]))
        else:
            yield _beside(part, reason, assignment, beyond=each.file.measured().sha256 in over)


def _others(case: Case, assignment: Assignment) -> Iterator[Held]:
    for tag in case.tags:
        yield _beside(f"tag {tag!r}", "Grand Challenge's items have no tags", assignment)
    for name in ("title", "folder", "metadata"):
        if getattr(case, name):
            yield _beside(name, f"Grand Challenge's items have no {name} of ours", assignment)


def _beside(part: str, reason: str, assignment: Assignment, *, beyond: bool = False) -> Loss:
    """What finds no socket of its own: it goes to the sidecar, where there is one and room in it."""
    place = assignment.sidecar if not beyond else None
    kept: Kept = "sidecar" if place else "journal"
    return Loss(part, reason, kept, _called(place) if place else JOURNAL)


def _called(slug: str) -> str:
    return f"the socket {slug!r}"
