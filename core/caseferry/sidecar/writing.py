"""The sidecar of a case that is put, and what is kept beside one that cannot be written anew."""

from __future__ import annotations

import base64
import zlib
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, Track
from caseferry.annotation.base import SAID_BESIDE
from caseferry.files import FileRef
from caseferry.plain import Json, fingerprint, plain
from caseferry.sidecar.document import JOURNAL, VERSION, Native, storable, stored

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case
    from caseferry.sidecar.reading import Kept


def said_beside(annotation: Annotation) -> list[str]:
    """The fields of an annotation that say something and that a sidecar keeps where the platform has no word for it."""
    usual = {"status": "new", "source": "unknown"}
    said = [name for name in SAID_BESIDE if getattr(annotation, name) not in (None, (), usual.get(name))]
    frames = annotation.keyframes if isinstance(annotation, Track) else ()
    return [*said, *(["attributes"] if any(each.attributes for each in (annotation, *frames)) else [])]


def case_fingerprint(case: Case) -> str:
    """A digest of what a case describes, by which the same case is recognised wherever its files lie now.

    Files count by name and size. Two cases of one fingerprint may still differ in the bytes of a file.
    """
    document = case.with_files(lambda ref: FileRef("-", ref.name, ref.size)).to_json()
    document["images"] = [
        {"role": image.role, "files": [[r.name, r.size] for r in image.files]} for image in case.images
    ]
    return fingerprint(document)


def build(
    case: Case, native: Native, limit: int, fingerprint: str | None = None
) -> tuple[dict[str, Json], list[FileRef]]:
    """The sidecar of a sealed case.

    Parameters
    ----------
    native : what stands on the platform by itself
    limit : bytes that the files in the sidecar may take
    fingerprint : of the case as it was first put, when this is not the first time

    Returns
    -------
    The document, and the files that found no room in it, smallest files having gone first.
    """
    held = [a.file for a in case.annotations if isinstance(a, Mask) and a.id not in native.annotations]
    held += [each.file for each in case.attachments if each.name not in native.attachments]
    held = [ref for ref in held if not ref.location.startswith(JOURNAL)]
    packed: dict[str, str] = {}
    overflow: list[FileRef] = []
    for ref in sorted(held, key=lambda each: each.length()):
        digest = ref.measured().sha256 or ""
        if digest in packed:
            continue
        text = base64.b64encode(zlib.compress(ref.read(), 6)).decode() if ref.length() <= 4 * limit else ""
        if text and len(text) <= limit:
            limit -= len(text)
            packed[digest] = text
        else:
            overflow.append(ref)
    document: dict[str, Json] = {
        "version": VERSION,
        "fingerprint": fingerprint or case_fingerprint(case),
        "case": _described(case, native, set(packed)),
        "native": native.to_json(),
        "files": dict(packed),
    }
    return storable(document), overflow


def _described(case: Case, native: Native, packed: set[str]) -> dict[str, Json]:
    """The case's description with locations that mean something on the platform alone."""
    images = {ref.location: f"original:{image.role}/{n}" for image in case.images for n, ref in enumerate(image.files)}
    own = {a.file.location for a in case.annotations if isinstance(a, Mask) and a.id in native.annotations}
    own |= {each.file.location for each in case.attachments if each.name in native.attachments}

    def place(ref: FileRef) -> FileRef:
        if ref.location in images:
            location = images[ref.location]
        elif ref.location in own:
            location = "native:"
        elif ref.location.startswith(JOURNAL):
            location = ref.location
        else:
            digest = ref.measured().sha256
            location = f"packed:{digest}" if digest in packed else f"{JOURNAL}{digest}"
        return FileRef(location, ref.name, ref.size, ref.media_type, ref.sha256)

    return case.with_files(place).to_json()


def amendment(
    kept: Kept,
    annotations: Sequence[Annotation],
    keys: Mapping[str, str],
    number: int,
    limit: int,
    attributes: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[dict[str, Json], list[FileRef]]:
    """What is kept beside a sidecar that cannot be written anew when annotations of its case have changed.

    Parameters
    ----------
    kept : the sidecar, with its amendments so far
    annotations : all annotations of the case, as they are now
    keys : ids of those that stand on the platform by themselves to their names there
    number : which amendment it is: the highest counts
    limit : bytes that the files in it may take
    attributes : as `Native` has them

    Returns
    -------
    The document, and the files that found no room in it.
    """
    case = replace(kept.case, annotations=annotations, attachments=())
    whole, overflow = build(case, replace(kept.native, annotations=keys), limit, kept.fingerprint)
    whole = stored(whole)
    described: Any = whole["case"]
    document: dict[str, Json] = {
        "version": VERSION,
        "amendment": number,
        "annotations": described["annotations"],
        "native": dict(keys),
        "attributes": plain(attributes),
        "files": whole["files"],
    }
    return storable(document), overflow
