"""Sockets: which of them may hold a part of a case by its name, and what fits into one of each kind."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, Raw, slug
from caseferry.imaging.kinds import Kind
from caseferry.plain import holds_null, plain
from caseferry_grand_challenge.wire.annotations import MARKS
from caseferry_grand_challenge.wire.answers import SOCKET, said
from caseferry_grand_challenge.wire.imagesets import DICOM_SET, set_problem
from caseferry_grand_challenge.wire.raws import raw_socket

if TYPE_CHECKING:
    from caseferry.case import Attachment, Case, Image
    from caseferry.mapping import Names
    from caseferry.plain import Json

SIDECAR = ("caseferry-sidecar", "case-metadata", "results-json-file")
"""Sockets of kind Anything that hold the sidecar when no mapping names one; the first that is there."""

HOME = re.compile(r"([a-z0-9-]+)#\d+")
"""The id of an annotation that was read from a socket where people had put it: the socket, and where in it."""

GENERIC_IMAGE, GENERIC_OVERLAY = "generic-medical-image", "generic-overlay"

IMAGE_KINDS = ("Image", "Heat Map")
DISPLACEMENT_FIELD = "Displacement field"
MASK_KINDS = ("Segmentation", "Heat Map", "Image")
KEPT_AS_FILES = {Kind.VIDEO: ("MP4 file",), Kind.PDF: ("PDF file",)}
"""Kinds of images that go to sockets for files."""

DIRECTIONS = 3
"""Frames of a displacement field: along x, y and z."""

VALUE_KINDS = ("Bool", "Choice", "String", "Integer", "Float")
JSON_KINDS = (*VALUE_KINDS, "Multiple choice", "Anything", "Chart", "Affine transform registration")
"""Kinds of JSON that says nothing of places."""

LARGEST_JSON = 64 << 20
"""Bytes of a file that is looked into to see whether it is JSON."""

BEGINS = {
    "PDF file": rb"%PDF-",
    "CSV file": rb"\xff\xfe|\xfe\xff|[^\0]*\Z",
    "ZIP file": rb"PK\x03\x04|PK\x05\x06",
    "Thumbnail jpg": rb"\xff\xd8\xff",
    "Thumbnail png": rb"\x89PNG\r\n\x1a\n",
    "MP4 file": rb"....ftyp",
    "Newick tree-format file": rb"\s*[(\w\[']",
    "BIOM format": rb"\x89HDF\r\n\x1a\n",
}
"""How files of some kinds begin. Whatever else comes, the platform takes it and says nothing, or drops it likewise."""

FILE_KINDS = (*BEGINS, "OBJ file", "SQREG file")
"""Kinds of sockets for files."""


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
        """From what the platform answers.

        Raises
        ------
        UnexpectedResponse
            It is no socket.
        """
        said(row, "look up a socket", SOCKET)
        segments = tuple(
            (each["voxel_value"], str(each.get("name") or ""))
            for each in row.get("overlay_segments") or ()
            if isinstance(each, Mapping) and isinstance(each.get("voxel_value"), int)
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


def sockets_of(values: Mapping[str, Mapping[str, Any]]) -> dict[str, Socket]:
    """The sockets of the values of an item, by slug."""
    return {slug: Socket.read(value.get("socket") or value["interface"]) for slug, value in values.items()}


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


def label_candidates(annotation: Annotation, names: Names) -> list[str]:
    """Sockets that may hold an annotation that is written as JSON: the one that it was read from comes first."""
    if isinstance(annotation, Raw):
        return [name for name in [raw_socket(annotation)] if name]
    if annotation.label in names.labels:
        return [names.labels[annotation.label]]
    home = HOME.fullmatch(annotation.id)
    return list(dict.fromkeys([*([home[1]] if home else []), slug(annotation.label)]))


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
            else:
                yield from label_candidates(annotation, names)
        for name in case.values:
            yield value_candidate(name, names)
        for attachment in case.attachments:
            yield from attachment_candidates(attachment, names)
        yield from sidecar_candidates(names)

    return list(dict.fromkeys(name for name in all_of_them() if name))


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


WITH_NULL = "it holds a null character, which Grand Challenge's database does not"


def value_problem(socket: Socket, value: Json) -> str | None:
    """Why a value does not fit a socket, or None when it does as far as can be told from outside."""
    if holds_null(value):
        return WITH_NULL
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


def attachment_problem(socket: Socket, attachment: Attachment) -> str | None:
    """Why a file does not fit a socket, or None when it does as far as can be told from outside."""
    if socket.super_kind != "File" or socket.kind in MARKS:
        return f"socket {socket.slug!r} is of kind {socket.kind}"
    if not attachment.file.length():
        return "Grand Challenge takes no empty files"
    if socket.kind in JSON_KINDS:
        return _json_problem(socket, attachment)
    begins = BEGINS.get(socket.kind)
    if begins is not None and not _begins(attachment, begins):
        return f"socket {socket.slug!r} takes {socket.kind}s, which the file is not"
    return None


def _json_problem(socket: Socket, attachment: Attachment) -> str | None:
    """Why the content of a file is none that a socket for JSON takes: the platform would tell nobody."""
    if attachment.file.length() > LARGEST_JSON:
        return f"socket {socket.slug!r} takes JSON, and the file has more than {LARGEST_JSON} bytes"
    try:
        value = plain(json.loads(attachment.file.read()), "the file")
    except (ValueError, RecursionError):
        return f"socket {socket.slug!r} takes JSON, which the file is not"
    return value_problem(socket, value)


def _begins(attachment: Attachment, start: bytes) -> bool:
    with attachment.file.open() as stream:
        return re.match(start, stream.read(4096), re.DOTALL) is not None
