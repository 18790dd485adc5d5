"""Cases from Grand Challenge's archive items."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, Raw
from caseferry.case import Case, Image
from caseferry.geometry import Geometry, as_stored
from caseferry.imaging.kinds import Kind
from caseferry.sidecar import Found, Kept, merge
from caseferry_grand_challenge.wire.annotations import MARKS, SEVERAL, entries_back
from caseferry_grand_challenge.wire.foreign import foreign_case
from caseferry_grand_challenge.wire.imagesets import set_name
from caseferry_grand_challenge.wire.item_calls import filled_sockets
from caseferry_grand_challenge.wire.keys import described_sockets, entry_key, index_of, is_entry, slug_of
from caseferry_grand_challenge.wire.pairing import standing_in
from caseferry_grand_challenge.wire.segments import labels_there, renumbered
from caseferry_grand_challenge.wire.sockets import Socket, sockets_of
from caseferry_grand_challenge.wire.stored import Source, file_as_put, image_in, size_in, value_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.mapping import Names


def case_of(
    item: Mapping[str, Any], kept: Kept | None, names: Names, source: Source, sidecar: str | None = None
) -> Case:
    """A case from an item.

    Parameters
    ----------
    kept : the sidecar of the item, when it has one
    sidecar : the socket that holds it
    """
    values = filled_sockets(item)
    sockets = sockets_of(values)
    if kept is None:
        return foreign_case(item, values, sockets, names, source)
    native = kept.native
    described = {image.role: image for image in kept.case.images}
    images = {
        role: _kept_image(role, described.get(role), values[slug], source, kept.case.id)
        for role, slug in native.images.items()
        if slug in values
    }
    found = [*_kept_masks(kept, values, sockets, source), *_kept_marks(kept, values, sockets, source, images)]
    held = {name: value_in(values[slug], source) for name, slug in native.values.items() if slug in values}
    files = {
        each.name: file_as_put(values[native.attachments[each.name]], each.file, source)
        for each in kept.case.attachments
        if native.attachments.get(each.name) in values
    }
    claimed = {*described_sockets(native), sidecar}
    beside = {
        slug: value
        for slug, value in values.items()
        if slug not in claimed and not _is_emptied(sockets[slug].kind, value)
    }
    if beside:
        others = foreign_case(item, beside, sockets, names, source, images)
        images |= {image.role: image for image in others.images if image.role not in images}
        found += [Found(annotation, annotation.id) for annotation in others.annotations]
        held |= {name: value for name, value in others.values.items() if name not in kept.case.values}
        taken = {each.name for each in kept.case.attachments}
        files |= {each.name: each.file for each in others.attachments if each.name not in taken}
    return merge(kept, images, found, held, files)


def _is_emptied(kind: str, value: Mapping[str, Any]) -> bool:
    """Whether a socket for several annotations holds none, as the last one was taken out of it."""
    return kind in SEVERAL and isinstance(value.get("value"), dict) and value["value"].get(SEVERAL[kind][0]) == []


def _kept_image(role: str, put: Image | None, value: Mapping[str, Any], source: Source, case_id: str) -> Image:
    """What the platform made of an image that was put, or another one that has taken its place since."""
    told = source.image(str(value["image"])) if value.get("image") else {}
    if not told or told.get("files"):
        return _as_put(put, image_in(role, value, source), size_in(value, source))
    there = image_in(role, value, source)
    if put is None:
        return there
    own = told.get("name") == set_name(case_id, put)
    grid = put.declared_geometry if own else there.geometry
    return Image(role, there.files, kind=put.declared_kind if own else there.kind, geometry=grid)


def _as_put(put: Image | None, there: Image, size: tuple[int, int, int] | None) -> Image:
    """What the platform made of an image that was put, or of another one that has taken its place since.

    Where an image says nothing of a place in the patient, the file on the platform claims one all the same; what was
    put knows better. A file that the platform keeps as it was put takes its own name and digest back.

    Parameters
    ----------
    size : of the image there, as the platform tells it
    """
    if put is not None and there.declared_kind is Kind.METAIMAGE and there.declared_geometry is None:
        grid = put.declared_geometry
        if grid is None or grid.space == "patient" or size not in {grid.shape, as_stored(grid).shape}:
            return there
        made = put.declared_kind in {Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME, Kind.PICTURE}
        known = as_stored(grid) if made else grid
        return Image(there.role, there.files, kind=there.declared_kind, geometry=known)
    if put is not None and put.declared_kind in {Kind.VIDEO, Kind.PDF} and len(put.files) == 1:
        own = put.files[0]
        return put.with_files([replace(there.files[0], name=own.name, size=own.size, sha256=own.sha256)])
    return there


def _kept_masks(kept: Kept, values: Mapping[str, Any], sockets: Mapping[str, Socket], source: Source) -> list[Found]:
    found = []
    for annotation in kept.case.annotations:
        key = kept.native.annotations.get(annotation.id, "")
        if isinstance(annotation, Mask) and key in values and sockets[key].super_kind == "Image":
            image = image_in("mask", values[key], source)
            ref = replace(image.files[0], name=f"{PurePosixPath(annotation.file.name).name.split('.')[0]}.mha")
            told = source.image(str(values[key]["image"]))
            numbers, labels = labels_there(sockets[key], told, annotation.labels)
            ref = renumbered(ref, numbers)
            found.append(Found(Mask(annotation.image, ref, labels, id=annotation.id), key))
    return found


def _kept_marks(
    kept: Kept,
    values: Mapping[str, Any],
    sockets: Mapping[str, Socket],
    source: Source,
    images: Mapping[str, Image],
) -> list[Found]:
    """Annotations in JSON sockets, in the order in which they were put.

    Parameters
    ----------
    images : as they are there: another one may have taken the place of the one that was put
    """
    found = []
    for slug, group in listed(kept).items():
        if slug not in values or slug not in sockets:
            continue
        first, kind = group[0], sockets[slug].kind
        if isinstance(first, Raw):
            payload = {"socket": slug, "kind": kind, "value": value_in(values[slug], source)}
            found.append(Found(replace(first, payload=payload), kept.native.annotations[first.id]))
            continue
        put = put_grid(kept, first)
        grid = put
        if put is not None and put.space == "patient" and kind in MARKS and first.image in images:
            grid = images[str(first.image)].geometry
        common = {"image": first.image, "label": first.label}
        value = value_in(values[slug], source)
        hints: dict[int, int] = {0: 0}
        if kind in SEVERAL:
            hints = {entry: index for index, entry in standing_in(kind, group, put, value).items()}
        count = max(hints, default=-1) + 1
        known = [group[hints[entry]] if entry in hints else None for entry in range(count)]
        keys = {entry: entry_key(slug, kept_index(kept, group[index])) for entry, index in hints.items()}
        there = enumerate(entries_back(kind, value, common, grid, known))
        found += [Found(annotation, keys.get(entry)) for entry, annotation in there if annotation is not None]
    return found


def listed(kept: Kept) -> dict[str, list[Annotation]]:
    """The annotations that were put into JSON sockets, by socket, in the order in which they were put there."""
    groups: dict[str, list[Annotation]] = {}
    for annotation in kept.case.annotations:
        key = kept.native.annotations.get(annotation.id, "")
        if is_entry(key):
            groups.setdefault(slug_of(key), []).append(annotation)
    return {slug: sorted(group, key=partial(kept_index, kept)) for slug, group in groups.items()}


def kept_index(kept: Kept, annotation: Annotation) -> int:
    """Where in its socket an annotation was put."""
    return index_of(kept.native.annotations[annotation.id])


def put_grid(kept: Kept, annotation: Annotation) -> Geometry | None:
    """The grid of the image on which an annotation was put."""
    image = next((each for each in kept.case.images if each.role == annotation.image), None)
    return image.declared_geometry if image is not None else None
