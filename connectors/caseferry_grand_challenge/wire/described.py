"""What the sidecar of an item says once single sockets of it were filled anew, emptied, or given another's image."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Mask
from caseferry.case import Attachment, Image
from caseferry.files import FileRef
from caseferry.sidecar import Kept, Native, build
from caseferry_grand_challenge.wire.keys import described_sockets, moved_to, slug_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from caseferry.annotation import Annotation
    from caseferry.case import Case

NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of an item's sockets.

    Attributes
    ----------
    filled : what they are filled with, by slug: sealed images, files, values
    emptied : those that hold nothing in the end
    moved : those whose content is in another one from now on, and which
    """

    filled: Mapping[str, Any] = field(default_factory=dict)
    emptied: Collection[str] = ()
    moved: Mapping[str, str] = field(default_factory=dict)


def role_in(kept: Kept | None, slug: str) -> str:
    """The role of the image that a sidecar knows in a socket; the socket's own name where it knows none."""
    known = {place: role for role, place in kept.native.images.items()} if kept is not None else {}
    return known.get(slug, slug)


def redescribed(kept: Kept, change: Change) -> dict[str, Any] | None:
    """The sidecar of an item after a change; None when it says nothing of what is changed."""
    moved, emptied, filled = dict(change.moved), set(change.emptied), dict(change.filled)
    touched = {*moved, *emptied, *filled}
    native = kept.native
    if not touched & described_sockets(native):
        return None
    left = emptied - set(moved)
    images = {role: moved.get(slug, slug) for role, slug in native.images.items() if slug not in left}
    keys = _annotation_keys(native.annotations, moved, emptied, filled, kept.case)
    values = {name: slug for name, slug in native.values.items() if slug not in emptied}
    files = {name: slug for name, slug in native.attachments.items() if slug not in emptied}

    def stays(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
        return name in after or name not in before

    case = replace(
        kept.case,
        images=[
            _image(image, filled.get(native.images.get(image.role, "")))
            for image in kept.case.images
            if stays(image.role, native.images, images)
        ],
        annotations=_annotations(kept, keys, set(native.images) - set(images), filled),
        values={
            name: filled.get(native.values.get(name, ""), value)
            for name, value in kept.case.values.items()
            if stays(name, native.values, values)
        },
        attachments=[
            _attachment(each, filled.get(native.attachments.get(each.name, "")))
            for each in kept.case.attachments
            if stays(each.name, native.attachments, files)
        ],
    )
    present = {annotation.id for annotation in case.annotations}
    keys = {name: key for name, key in keys.items() if name in present}
    document, _ = build(case, Native(images, keys, values, files, native.tags), NO_LIMIT, kept.fingerprint)
    return document


def forgotten(kept: Kept, emptied: Collection[str]) -> list[Annotation]:
    """Annotations that only the sidecar holds, of images that are taken out of an item: they go with them."""
    gone = {role for role, slug in kept.native.images.items() if slug in emptied}
    return [a for a in kept.case.annotations if a.image in gone and a.id not in kept.native.annotations]


def _annotation_keys(
    keys: Mapping[str, str], moved: Mapping[str, str], emptied: set[str], filled: Mapping[str, Any], case: Case
) -> dict[str, str]:
    """Where the annotations stand that are still in their sockets: a mask stays one, whatever its socket holds now."""
    masks = {annotation.id for annotation in case.annotations if isinstance(annotation, Mask)}
    found = {}
    for name, key in keys.items():
        slug = slug_of(key)
        if slug in moved:
            found[name] = moved_to(key, moved[slug])
        elif slug not in emptied and (slug not in filled or name in masks):
            found[name] = key
    return found


def _annotations(kept: Kept, keys: Mapping[str, str], gone: set[str], filled: Mapping[str, Any]) -> list[Annotation]:
    """Those that are known still: what was in a socket that is filled anew is no more, and is read from there."""
    found: list[Annotation] = []
    for annotation in kept.case.annotations:
        was = kept.native.annotations.get(annotation.id)
        if annotation.image in gone or (was is not None and annotation.id not in keys):
            continue
        if isinstance(annotation, Mask) and was in filled:
            annotation = replace(annotation, file=FileRef("native:", annotation.file.name))  # noqa: PLW2901
        found.append(annotation)
    return found


def _image(put: Image, now: Any) -> Image:
    """An image as it was described, or another one that takes its place."""
    if not isinstance(now, Image):
        return put
    return now.renamed(put.role)


def _attachment(put: Attachment, now: Any) -> Attachment:
    return Attachment(put.name, now) if isinstance(now, FileRef) else put
