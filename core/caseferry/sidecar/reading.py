"""Reading a sidecar, and what became on the platform of the case that it describes."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask
from caseferry.case import Attachment, Case, Image
from caseferry.case.compare import same_meaning
from caseferry.errors import InvalidCase
from caseferry.files import FileProblem, FileRef
from caseferry.sidecar.document import VERSION, Native, stored

if TYPE_CHECKING:
    from typing import BinaryIO

    from caseferry.plain import Json


LARGEST_INFLATED = 1 << 30
"""Bytes of one file in a sidecar beyond which it is taken for a decompression bomb."""


def amendment_number(document: Any) -> int:
    """Which amendment a document is, from 1; 0 when it is none that this caseferry knows."""
    document = stored(document)
    if not isinstance(document, Mapping) or document.get("version") != VERSION:
        return 0
    number = document.get("amendment")
    parts = (document.get("annotations"), document.get("native"), document.get("files"))
    whole = isinstance(parts[0], list) and isinstance(parts[1], Mapping) and isinstance(parts[2], Mapping)
    return number if isinstance(number, int) and number > 0 and whole else 0


def amended(document: Any, amendments: Iterable[Any]) -> Any:
    """A sidecar as the last of its amendments has it, for `parse`."""
    last: Any = stored(max(amendments, key=amendment_number, default=None))
    document = stored(document)
    if not amendment_number(last) or not isinstance(document, Mapping) or not isinstance(document.get("case"), Mapping):
        return document
    native, files = document.get("native") or {}, document.get("files") or {}
    return {
        **document,
        "case": {**document["case"], "annotations": last["annotations"]},
        "native": {**native, "annotations": last["native"], "attributes": last.get("attributes") or {}},
        "files": {**files, **last["files"]},
    }


@dataclass(frozen=True)
class Kept:
    """A sidecar that was read back.

    Attributes
    ----------
    case : the case as it was put; its files can be opened where they lie in the sidecar
    native : what of it stands on the platform by itself
    fingerprint : of the case as it was put
    """

    case: Case
    native: Native
    fingerprint: str


def parse(document: Any) -> Kept | None:
    """Read a sidecar; None when the document is none, or is of a version that this caseferry does not know."""
    document = stored(document)
    if not isinstance(document, Mapping) or document.get("version") != VERSION or "case" not in document:
        return None
    packed: Mapping[str, str] = document.get("files", {})
    native = document.get("native", {})
    tables = [packed, native, *(native.values() if isinstance(native, Mapping) else ())]
    if not all(isinstance(table, Mapping) for table in tables):
        return None

    def place(ref: FileRef) -> FileRef:
        kind, _, rest = ref.location.partition(":")
        if kind == "packed":
            return replace(ref, opener=_Packed(packed.get(rest, ""), ref.name, rest, ref.size))
        if kind == "journal":
            return replace(ref, opener=_Elsewhere(ref.name))
        return ref

    try:
        case = Case.from_json(document["case"]).with_files(place)
    except InvalidCase:
        return None
    return Kept(case, Native.from_json(native), str(document.get("fingerprint", "")))


@dataclass(frozen=True)
class _Packed:
    """Opens a file that lies in the sidecar itself."""

    text: str = field(repr=False)
    name: str
    sha256: str
    size: int | None

    def __call__(self) -> BinaryIO:
        import io

        inflater = zlib.decompressobj()
        most = LARGEST_INFLATED if self.size is None else min(self.size, LARGEST_INFLATED)
        try:
            content = inflater.decompress(base64.b64decode(self.text, validate=True), most + 1)
        except (ValueError, TypeError, zlib.error) as error:
            msg = f"the file {self.name!r} in the sidecar is damaged"
            raise FileProblem(msg) from error
        if len(content) > most or not inflater.eof:
            msg = f"the file {self.name!r} in the sidecar is cut short, or unpacks to more than its {most} bytes"
            raise FileProblem(msg)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            msg = f"the file {self.name!r} in the sidecar is damaged: its SHA-256 is not the one it was put with"
            raise FileProblem(msg)
        return io.BytesIO(content)


@dataclass(frozen=True)
class _Elsewhere:
    name: str

    def __call__(self) -> BinaryIO:
        msg = f"the file {self.name!r} found no room on the platform and lies in the journal's folder of its transfer"
        raise FileProblem(msg)


@dataclass(frozen=True)
class Found:
    """An annotation as it stands on a platform.

    Attributes
    ----------
    annotation : in core's words, as far as the platform's own form says
    key : the platform's name for it, as `Native` has it
    """

    annotation: Annotation
    key: str | None = None


def merge(
    kept: Kept,
    images: Mapping[str, Image],
    found: Sequence[Found] = (),
    values: Mapping[str, Json] | None = None,
    attachments: Mapping[str, FileRef] | None = None,
) -> Case:
    """The case as it stands on the platform now.

    What people changed there counts: an annotation that was deleted is gone, one that was moved lies where it was
    moved to, a new one is there. What they left alone comes back as it was put.

    Parameters
    ----------
    images : by role, with files that can be opened
    found : the platform's own annotations
    values : by name in the case, those that the platform holds itself
    attachments : likewise
    """
    case = kept.case
    present = [_image(image, images[image.role]) for image in case.images if image.role in images]
    present += [image for role, image in images.items() if role not in {each.role for each in case.images}]
    roles = {image.role for image in present}
    theirs = {name: value for name, value in case.values.items() if name not in kept.native.values}
    held = attachments or {}
    return replace(
        case,
        images=present,
        annotations=[a for a in _annotations(kept, found, images) if a.image is None or a.image in roles],
        values={**theirs, **(values or {})},
        attachments=[
            *(each for each in case.attachments if each.name not in kept.native.attachments),
            *(Attachment(name, ref) for name, ref in held.items()),
        ],
    )


def _image(put: Image, there: Image) -> Image:
    """An image as the platform has it: as it was put, or as what it was converted to.

    One of the same kind that says its grid, and not the layout of what was put, is a series of other files.
    """
    other_files = there.declared_geometry is not None and there.declared_layout != put.declared_layout
    if there.declared_kind is None or (there.declared_kind == put.declared_kind and not other_files):
        return put.with_files(there.files)
    return Image(
        put.role,
        there.files,
        kind=there.declared_kind,
        geometry=there.declared_geometry,
        modality=put.declared_modality,
    )


def _annotations(kept: Kept, found: Sequence[Found], images: Mapping[str, Image]) -> Iterable[Annotation]:
    by_key = {each.key: each.annotation for each in found if each.key is not None}
    known = set(kept.native.annotations.values())
    for annotation in kept.case.annotations:
        key = kept.native.annotations.get(annotation.id)
        if key is None:
            yield annotation
        elif key in by_key:
            image = images.get(annotation.image or "")
            yield _reconciled(annotation, by_key[key], image)
    for each in found:
        if each.key is None or each.key not in known:
            yield each.annotation


def _reconciled(put: Annotation, there: Annotation, image: Image | None) -> Annotation:
    """What was put where the platform still says the same; else what the platform says, with what it cannot say."""
    if there.status in {"approved", "rejected"} and there.status != put.status:
        put = replace(put, status=there.status, reviewer=there.reviewer or put.reviewer)
    if isinstance(put, Mask) and isinstance(there, Mask):
        named = set(there.labels.values()) <= set(put.labels.values())
        return replace(put, file=replace(there.file, name=put.file.name), labels=put.labels if named else there.labels)
    grid = image.geometry if image is not None else None
    if same_meaning(put, there, grid):
        return put
    unsaid: dict[str, Any] = {
        name: getattr(put, name) for name in ("author", "codes", "attributes") if not getattr(there, name)
    }
    return replace(there, id=put.id, **unsaid)
