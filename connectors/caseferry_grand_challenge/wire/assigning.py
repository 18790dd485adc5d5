"""Which part of a case goes to which socket.

Sockets are global on Grand Challenge and no user can make one; a part that finds none of a fitting kind goes to the
sidecar. What a mapping names comes first; without one a part looks for a socket of its own name.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Mask, Raw, slug
from caseferry.mapping.unmapped import Missing
from caseferry.plain import holds_null
from caseferry_grand_challenge.wire.annotations import LATER, MARKS, kinds_for, lies_later
from caseferry_grand_challenge.wire.raws import PLATFORM, raw_kind, raw_socket
from caseferry_grand_challenge.wire.segments import numbering
from caseferry_grand_challenge.wire.sockets import (
    IMAGE_KINDS,
    KEPT_AS_FILES,
    MASK_KINDS,
    WITH_NULL,
    Sockets,
    attachment_candidates,
    attachment_problem,
    image_candidates,
    image_problem,
    label_candidates,
    mask_candidates,
    sidecar_candidates,
    value_candidate,
    value_problem,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.case import Attachment, Case, Image
    from caseferry.geometry import Geometry
    from caseferry.mapping import Names
    from caseferry.plain import Json


@dataclass
class Assignment:
    """Where each part of a case goes.

    Attributes
    ----------
    images, values, attachments : name in the case to slug
    masks, marks : id of the annotation to slug: masks, and what is written as JSON
    numbers : id of a mask to the voxel value in its socket of each of its own values
    whole : sockets whose value is kept whole
    grounds : roles of the images in which what is in sockets for annotations lies, by slug
    sidecar : the socket of the sidecar; None when there is none
    reasons : why a part finds no socket, by ``kind name``
    missing : sockets that labels need and that the platform does not have
    """

    images: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    attachments: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, Mapping[int, int]] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)
    grounds: dict[str, str | None] = field(default_factory=dict)
    sidecar: str | None = None
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    def taken(self) -> set[str]:
        """Sockets that hold something that no other part may share."""
        alone = [self.images, self.masks, self.values, self.attachments]
        return {name for part in alone for name in part.values()} | ({self.sidecar} if self.sidecar else set())


def assign(case: Case, names: Names, sockets: Sockets) -> Assignment:
    """Give each part of a sealed case the first fitting socket that no other part has taken."""
    found = Assignment()
    if names.options.get("sidecar"):
        found.sidecar = _sidecar(found, names, sockets)
    for image in case.images:
        _assign_image(found, image, names, sockets)
    for name, value in case.values.items():
        _assign_value(found, name, value, names, sockets)
    for annotation in case.annotations:
        assign_annotation(found, annotation, case, names, sockets)
    for attachment in case.attachments:
        _assign_attachment(found, attachment, names, sockets)
    if found.sidecar is None:
        found.sidecar = _sidecar(found, names, sockets)
    return found


SENT = ("label", "value", "payload")
"""Fields of annotations whose texts stand in sockets."""


def assign_annotation(found: Assignment, annotation: Annotation, case: Case, names: Names, sockets: Sockets) -> None:
    """Give an annotation the first fitting socket that no other part has taken, or note why there is none."""
    if not isinstance(annotation, Mask) and holds_null([getattr(annotation, name, "") for name in SENT]):
        found.reasons["annotation", annotation.id] = WITH_NULL
    elif isinstance(annotation, Mask):
        _assign_mask(found, annotation, names, sockets)
    elif isinstance(annotation, Raw):
        _assign_raw(found, annotation, sockets)
    else:
        grid = case.image(annotation.image).geometry if annotation.image is not None else None
        _assign_mark(found, annotation, grid, names, sockets)


def _assign_image(found: Assignment, image: Image, names: Names, sockets: Sockets) -> None:
    candidates = image_candidates(image, names)
    unfit = []
    for name in candidates:
        socket = sockets.get(name)
        if socket is None or name in found.taken():
            continue
        if (reason := image_problem(socket, image)) is None:
            found.images[image.role] = name
            return
        unfit.append(f"socket {name!r} {reason}")
    wanted = KEPT_AS_FILES.get(image.kind, IMAGE_KINDS)
    nothing = f"no free socket of kind {' or '.join(wanted)} is called {', '.join(candidates)}"
    found.reasons["image", image.role] = "; ".join([nothing, *unfit])


def _assign_mask(found: Assignment, mask: Mask, names: Names, sockets: Sockets) -> None:
    reason = "no free socket fits"
    for name in mask_candidates(mask, names):
        socket = sockets.get(name)
        if socket is None or socket.kind not in MASK_KINDS or name in found.taken():
            continue
        numbers = numbering(socket, mask.labels)
        if isinstance(numbers, str):
            reason = numbers
            continue
        found.numbers[mask.id] = numbers
        found.masks[mask.id] = name
        return
    candidates = mask_candidates(mask, names)
    if all(sockets.get(name) is None for name in candidates):
        called = " or ".join(repr(name) for name in candidates)
        wanted = f"socket {called} of kind {' or '.join(MASK_KINDS)}"
        found.missing += [
            Missing(f"label {label!r}", names.label(label), wanted, makes=False)
            for label in ([mask.label] if mask.label else mask.labels.values())
        ]
    found.reasons["annotation", mask.id] = reason


def _assign_raw(found: Assignment, raw: Raw, sockets: Sockets) -> None:
    key, name = ("annotation", raw.id), raw_socket(raw)
    socket = sockets.get(name or "")
    if name is None:
        form = "with nothing in it" if raw.platform == PLATFORM else f"in the form of {raw.platform}"
        found.reasons[key] = f"it is a raw annotation {form}"
    elif socket is None or socket.kind != raw_kind(raw):
        found.reasons[key] = f"there is no socket {name!r} of kind {raw_kind(raw)}"
    elif name in found.taken() or name in found.marks.values():
        found.reasons[key] = f"socket {name!r} holds something else"
    else:
        found.marks[raw.id] = name
        found.whole.add(name)


def _assign_mark(
    found: Assignment, annotation: Annotation, grid: Geometry | None, names: Names, sockets: Sockets
) -> None:
    key, candidates = ("annotation", annotation.id), label_candidates(annotation, names)
    single, several = kinds_for(annotation, grid)
    if not single and not several:
        form = f"Grand Challenge has no socket for {annotation.kind} annotations of this form"
        found.reasons[key] = LATER if lies_later(annotation, grid) else form
        return
    reasons = {name: _mark_problem(found, name, annotation.image, single, several, sockets) for name in candidates}
    fitting = next((name for name, reason in reasons.items() if reason is None), None)
    if fitting is not None:
        found.marks[annotation.id] = fitting
        found.grounds[fitting] = annotation.image
        return
    found.reasons[key] = next((reasons[name] for name in candidates if sockets.get(name)), None) or str(
        reasons[candidates[-1]]
    )
    if all(sockets.get(name) is None for name in candidates):
        wanted = f"socket {candidates[-1]!r} of kind {' or '.join([*single, *several])}"
        found.missing.append(Missing(f"label {annotation.label!r}", candidates[-1], wanted, makes=False))


def _mark_problem(
    found: Assignment,
    name: str,
    role: str | None,
    single: tuple[str, ...],
    several: tuple[str, ...],
    sockets: Sockets,
) -> str | None:
    """Why a socket cannot hold an annotation of some kinds, or None when it can."""
    socket = sockets.get(name)
    if socket is None or name in found.taken():
        return f"there is no socket {name!r} of kind {' or '.join([*single, *several])}"
    if socket.kind not in {*single, *several}:
        return f"socket {name!r} is of kind {socket.kind}"
    if name in found.whole or (socket.kind in single and name in found.marks.values()):
        return f"socket {name!r} holds one annotation"
    if found.grounds.get(name, role) != role:
        return f"socket {name!r} holds annotations of image {found.grounds[name]!r}, and does not say of which they are"
    return None


def _assign_value(found: Assignment, name: str, value: Json, names: Names, sockets: Sockets) -> None:
    candidate = value_candidate(name, names)
    socket = sockets.get(candidate)
    if socket is None or candidate in found.taken():
        found.reasons["value", name] = f"there is no socket {candidate!r}"
    elif (reason := value_problem(socket, value)) is not None:
        found.reasons["value", name] = reason
    else:
        found.values[name] = candidate


def _assign_attachment(found: Assignment, attachment: Attachment, names: Names, sockets: Sockets) -> None:
    reason = f"there is no socket {slug(attachment.name)!r} for files"
    for name in attachment_candidates(attachment, names):
        socket = sockets.get(name)
        if socket is None or name in found.taken() or socket.super_kind != "File" or socket.kind in MARKS:
            continue
        if (problem := attachment_problem(socket, attachment)) is not None:
            reason = problem
            continue
        found.attachments[attachment.name] = name
        return
    found.reasons["attachment", attachment.name] = reason


def _sidecar(found: Assignment, names: Names, sockets: Sockets) -> str | None:
    for name in sidecar_candidates(names):
        socket = sockets.get(name)
        if socket is not None and socket.kind == "Anything" and name not in found.taken():
            return name
    return None
