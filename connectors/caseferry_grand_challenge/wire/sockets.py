"""Which part of a case goes to which socket.

Sockets are global on Grand Challenge and no user can make one; a part that finds none of a fitting kind goes to the
sidecar. What a mapping names comes first; without one a part looks for a socket of its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, Raw, slug
from caseferry.imaging.kinds import Kind
from caseferry.mapping.unmapped import Missing
from caseferry_grand_challenge.wire.annotations import MARKS, kinds_for
from caseferry_grand_challenge.wire.imagesets import DICOM_SET, set_problem

if TYPE_CHECKING:
    from caseferry.case import Attachment, Case, Image
    from caseferry.mapping import Names
    from caseferry.plain import Json

SIDECAR = ("caseferry-sidecar", "case-metadata", "results-json-file")
"""Sockets of kind Anything that hold the sidecar when no mapping names one; the first that is there."""

GENERIC_IMAGE, GENERIC_OVERLAY = "generic-medical-image", "generic-overlay"

IMAGE_KINDS = ("Image", "Heat Map")
DISPLACEMENT_FIELD = "Displacement field"
MASK_KINDS = ("Segmentation", "Heat Map", "Image")
KEPT_AS_FILES = {Kind.VIDEO: ("MP4 file",), Kind.PDF: ("PDF file",)}
"""Kinds of images that go to sockets for files."""

DIRECTIONS = 3
"""Frames of a displacement field: along x, y and z."""

VALUE_KINDS = ("Bool", "Choice", "String", "Integer", "Float")
FILE_KINDS = {
    "PDF file": b"%PDF-",
    "CSV file": None,
    "ZIP file": b"PK\x03\x04",
    "Thumbnail jpg": b"\xff\xd8\xff",
    "Thumbnail png": b"\x89PNG",
    "OBJ file": None,
    "MP4 file": None,
    "SQREG file": None,
    "Newick tree-format file": None,
    "BIOM format": None,
}
"""Kinds of files, and how they begin where that is certain: the platform itself does not look."""


@dataclass(frozen=True, slots=True)
class Socket:
    """A socket of the platform.

    Attributes
    ----------
    super_kind : ``Image``, ``File`` or ``Value``: how its values are set and read; never told by the kind
    segments : voxel values that a segmentation may hold, with their names; empty when the platform names none
    """

    slug: str
    kind: str
    super_kind: str
    segments: tuple[tuple[int, str], ...] = ()

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> Socket:
        """From what the platform answers."""
        segments = tuple(
            (int(each["voxel_value"]), str(each.get("name", "")))
            for each in row.get("overlay_segments") or ()
            if isinstance(each, Mapping) and "voxel_value" in each
        )
        return cls(str(row["slug"]), str(row["kind"]), str(row["super_kind"]), segments)


def offered_sockets(sockets: Iterable[Socket]) -> dict[str, dict[str, str]]:
    """Sockets by the parts of a case that they may hold, with their kinds."""
    holds = {
        "images": {*IMAGE_KINDS, DISPLACEMENT_FIELD, DICOM_SET, "MP4 file", "PDF file"},
        "labels": {*MASK_KINDS, *MARKS, *VALUE_KINDS},
        "values": {*VALUE_KINDS, "Multiple choice", "Anything", "Chart", "Affine transform registration"},
        "attachments": {*FILE_KINDS},
    }
    known = list(sockets)
    return {part: {each.slug: each.kind for each in known if each.kind in kinds} for part, kinds in holds.items()}


Sockets = Mapping[str, "Socket | None"]
"""Sockets by slug; None where the platform has none of that name."""


@dataclass
class Assignment:
    """Where each part of a case goes.

    Attributes
    ----------
    images, values, attachments : name in the case to slug
    masks, marks : id of the annotation to slug: masks, and what is written as JSON
    sidecar : the socket of the sidecar; None when there is none
    reasons : why a part finds no socket, by ``kind name``
    missing : sockets that labels need and that the platform does not have
    """

    images: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    attachments: dict[str, str] = field(default_factory=dict)
    sidecar: str | None = None
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)

    def taken(self) -> set[str]:
        """Sockets that hold something that no other part may share."""
        alone = [self.images, self.masks, self.values, self.attachments]
        return {name for part in alone for name in part.values()} | ({self.sidecar} if self.sidecar else set())


def image_candidates(image: Image, names: Names) -> list[str]:
    """Sockets that may hold an image, the likeliest first."""
    if (named := names.images.get(image.role, names.options.get("socket"))) is not None:
        return [named]
    own = slug(image.role)
    if image.kind in {Kind.VIDEO, Kind.PDF}:
        return [own]
    by_modality = [f"{slug(image.modality)}-image"] if image.modality else []
    return list(dict.fromkeys([own, f"{own}-image", *by_modality, GENERIC_IMAGE, GENERIC_OVERLAY]))


def mask_candidates(mask: Mask, names: Names) -> list[str]:
    """Sockets that may hold a mask, the likeliest first."""
    mapped = {names.labels[label] for label in mask.labels.values() if label in names.labels}
    if mask.label in names.labels:
        mapped = {names.labels[mask.label]}
    if mapped:
        return sorted(mapped)
    labels = [mask.label] if mask.label else list(mask.labels.values())
    own = [slug(labels[0])] if len(labels) == 1 else []
    role = slug(mask.image or "")
    return [*own, *(f"{name}-segmentation" for name in own), f"{role}-segmentation", GENERIC_OVERLAY]


def label_candidate(annotation: Annotation, names: Names) -> str:
    """The socket that may hold an annotation that is written as JSON."""
    return names.labels.get(annotation.label, slug(annotation.label))


def value_candidate(name: str, names: Names) -> str:
    """The socket that may hold a value."""
    return names.values.get(name, slug(name))


def attachment_candidates(attachment: Attachment, names: Names) -> list[str]:
    """Sockets that may hold an attachment: of its name, with and without the ending."""
    if (named := names.attachments.get(attachment.name)) is not None:
        return [named]
    return list(dict.fromkeys([slug(attachment.name), slug(attachment.name.rpartition(".")[0] or attachment.name)]))


def sidecar_candidates(names: Names) -> list[str]:
    """Sockets that may hold the sidecar."""
    named = names.options.get("sidecar")
    return [named] if named else list(SIDECAR)


def wanted_slugs(case: Case, names: Names) -> list[str]:
    """Every socket that a case may need, so that they can be looked up before it is planned."""

    def all_of_them() -> Iterator[str]:
        for image in case.images:
            yield from image_candidates(image, names)
        for annotation in case.annotations:
            if isinstance(annotation, Mask):
                yield from mask_candidates(annotation, names)
            elif not isinstance(annotation, Raw):
                yield label_candidate(annotation, names)
        for name in case.values:
            yield value_candidate(name, names)
        for attachment in case.attachments:
            yield from attachment_candidates(attachment, names)
        yield from sidecar_candidates(names)

    return list(dict.fromkeys(name for name in all_of_them() if name))


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
        assign_annotation(found, annotation, names, sockets)
    for attachment in case.attachments:
        _assign_attachment(found, attachment, names, sockets)
    if found.sidecar is None:
        found.sidecar = _sidecar(found, names, sockets)
    return found


def assign_annotation(found: Assignment, annotation: Annotation, names: Names, sockets: Sockets) -> None:
    """Give an annotation the first fitting socket that no other part has taken, or note why there is none."""
    if isinstance(annotation, Mask):
        _assign_mask(found, annotation, names, sockets)
    else:
        _assign_mark(found, annotation, names, sockets)


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


def image_problem(socket: Socket, image: Image) -> str | None:
    """Why an image is not of the kind that a socket holds, or None when it is."""
    files = KEPT_AS_FILES.get(image.kind)
    if files is not None:
        return None if socket.kind in files else f"is of kind {socket.kind}, and the image is {image.kind}"
    if socket.kind == DICOM_SET:
        return set_problem(image)
    if socket.kind == DISPLACEMENT_FIELD:
        return _displacement_problem(image)
    return None if socket.kind in IMAGE_KINDS else f"is of kind {socket.kind}, which holds no such images"


def _displacement_problem(image: Image) -> str | None:
    grid = image.geometry
    if grid is not None and grid.frames == DIRECTIONS and image.header.channels == 1:
        return None
    what = f"{grid.frames if grid is not None else 0} frames of {image.header.channels} channels"
    return f"takes a volume of {DIRECTIONS} frames, one for each direction, and the image has {what}"


def _assign_mask(found: Assignment, mask: Mask, names: Names, sockets: Sockets) -> None:
    reason = "no free socket fits"
    for name in mask_candidates(mask, names):
        socket = sockets.get(name)
        if socket is None or socket.kind not in MASK_KINDS or name in found.taken():
            continue
        allowed = {value for value, _ in socket.segments}
        if socket.kind == "Segmentation" and allowed and not set(mask.labels) <= allowed:
            reason = f"socket {name!r} takes the voxel values {sorted(allowed)}"
            continue
        if socket.kind == "Segmentation" and max(mask.labels) > 255:
            reason = f"socket {name!r} takes voxel values up to 255"
            continue
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


def _assign_mark(found: Assignment, annotation: Annotation, names: Names, sockets: Sockets) -> None:
    key = ("annotation", annotation.id)
    name = label_candidate(annotation, names) if not isinstance(annotation, Raw) else ""
    socket = sockets.get(name)
    single, several = kinds_for(annotation)
    if not single and not several:
        found.reasons[key] = f"Grand Challenge has no socket for {annotation.kind} annotations of this form"
    elif socket is None or name in found.taken():
        wanted = f"socket {name!r} of kind {' or '.join([*single, *several])}"
        found.reasons[key] = f"there is no {wanted}"
        if socket is None:
            found.missing.append(Missing(f"label {annotation.label!r}", name, wanted, makes=False))
    elif socket.kind not in {*single, *several}:
        found.reasons[key] = f"socket {name!r} is of kind {socket.kind}"
    elif socket.kind in single and name in found.marks.values():
        found.reasons[key] = f"socket {name!r} holds one annotation"
    else:
        found.marks[annotation.id] = name


def _assign_value(found: Assignment, name: str, value: Json, names: Names, sockets: Sockets) -> None:
    candidate = value_candidate(name, names)
    socket = sockets.get(candidate)
    if socket is None or candidate in found.taken():
        found.reasons["value", name] = f"there is no socket {candidate!r}"
    elif (reason := value_problem(socket, value)) is not None:
        found.reasons["value", name] = reason
    else:
        found.values[name] = candidate


def value_problem(socket: Socket, value: Json) -> str | None:
    """Why a value does not fit a socket, or None when it does as far as can be told from outside."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "String": isinstance(value, str),
        "Choice": isinstance(value, str),
        "Integer": number and not (isinstance(value, float) and not value.is_integer()),
        "Float": number,
        "Bool": isinstance(value, bool),
        "Multiple choice": isinstance(value, list) and all(isinstance(each, str) for each in value),
        "Anything": value is not None,
        "Chart": isinstance(value, dict),
        "Affine transform registration": isinstance(value, dict),
    }
    if socket.kind not in fits:
        return f"socket {socket.slug!r} is of kind {socket.kind}"
    return None if fits[socket.kind] else f"socket {socket.slug!r} is of kind {socket.kind}, which the value is not"


def _assign_attachment(found: Assignment, attachment: Attachment, names: Names, sockets: Sockets) -> None:
    reason = f"there is no socket {slug(attachment.name)!r} for files"
    for name in attachment_candidates(attachment, names):
        socket = sockets.get(name)
        if socket is None or name in found.taken() or socket.kind not in FILE_KINDS:
            continue
        if (problem := attachment_problem(socket, attachment)) is not None:
            reason = problem
            continue
        found.attachments[attachment.name] = name
        return
    found.reasons["attachment", attachment.name] = reason


def attachment_problem(socket: Socket, attachment: Attachment) -> str | None:
    """Why a file does not fit a socket, or None when it does as far as its beginning tells."""
    if socket.kind not in FILE_KINDS:
        return f"socket {socket.slug!r} is of kind {socket.kind}"
    if not attachment.file.length():
        return "Grand Challenge takes no empty files"
    begins = FILE_KINDS[socket.kind]
    if begins is not None and not _begins(attachment, begins):
        return f"socket {socket.slug!r} takes {socket.kind}s, which the file is not"
    return None


def _begins(attachment: Attachment, start: bytes) -> bool:
    with attachment.file.open() as stream:
        return stream.read(len(start)) == start


def _sidecar(found: Assignment, names: Names, sockets: Sockets) -> str | None:
    for name in sidecar_candidates(names):
        socket = sockets.get(name)
        if socket is not None and socket.kind == "Anything" and name not in found.taken():
            return name
    return None
