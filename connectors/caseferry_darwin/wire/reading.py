"""Cases from Darwin's items and annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from caseferry.annotation import Mask, Raw
from caseferry.case import Case, Image
from caseferry.files import FileRef, check_name
from caseferry.geometry import as_stored
from caseferry.imaging.kinds import Kind
from caseferry.sidecar import KEY, Found, Kept, amended, merge, parse
from caseferry_darwin.wire.amending import amendment_in, amendments_in
from caseferry_darwin.wire.annotations import Ids, core_form
from caseferry_darwin.wire.classes import RASTER_TYPE
from caseferry_darwin.wire.comments import comments_of
from caseferry_darwin.wire.masks import Layer
from caseferry_darwin.wire.preparing import originals
from caseferry_darwin.wire.raws import raw_form
from caseferry_darwin.wire.reconciling import reconciled
from caseferry_darwin.wire.registering import case_id_of
from caseferry_darwin.wire.rows import slot_of
from caseferry_darwin.wire.series import members
from caseferry_darwin.wire.structures import DRAWN, SAID, layer_of, mask_said, masks_of
from caseferry_darwin.wire.view import View, preparation, registered_slot, shown_view

if TYPE_CHECKING:
    from caseferry.mapping import Names
    from caseferry_darwin.wire.classes import Classes

Fetch = Callable[[str], BinaryIO]
"""Opens the file of an upload by its id."""


def own_metadata(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """What caseferry has written into the metadata of an item's first slot."""
    for slot in item.get("slots") or ():
        own = (slot.get("metadata") or {}).get(KEY)
        if isinstance(own, Mapping) and "sidecar" in own:
            return own
    return {}


def kept_of(item: Mapping[str, Any], amendments: Iterable[Any] = ()) -> Kept | None:
    """The sidecar of an item, when it has one and the platform shows it already.

    Parameters
    ----------
    amendments : of it, as far as the item's annotations were read
    """
    return parse(amended(own_metadata(item).get("sidecar"), amendments))


def case_name(item: Mapping[str, Any]) -> str:
    """The name of the case that an item holds: what was put, else folder and name."""
    own = own_metadata(item).get("case")
    if own:
        return str(own)
    folder = str(item.get("path") or "/").strip("/")
    name = case_id_of(str(item["name"]))
    return name if not folder or not item.get("slots") else f"{folder}/{name}"


def case_of(
    item: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    threads: Sequence[Mapping[str, Any]],
    classes: Classes,
    names: Names,
    fetch: Fetch,
) -> Case:
    """A case from its item, annotations and comments."""
    kept = kept_of(item, amendments_in(rows, classes))
    shown = images_of(item, kept, names, fetch)
    tags, others = tags_of(rows, classes, kept)
    ids = Ids(item.get("dataset_id"), kept.case.id if kept is not None else "")
    found = annotations_of(others, classes, names, shown, kept, ids)
    found += comments_of(threads, list(item.get("slots") or ()), shown.roles, kept)
    if kept is not None:
        kept, found = reconciled(kept, found)
        unheld = [tag for tag in kept.case.tags if tag not in kept.native.tags]
        return replace(merge(kept, shown.images, found), tags=[*tags, *unheld])
    return Case(
        id=case_name(item),
        title=str(item["name"]),
        images=list(shown.images.values()),
        annotations=[each.annotation for each in found],
        tags=tags,
        folder=str(item.get("path") or "").strip("/"),
    )


def tags_of(
    rows: Sequence[Mapping[str, Any]], classes: Classes, kept: Kept | None
) -> tuple[list[str], list[Mapping[str, Any]]]:
    """The tags of an item, and its other annotations: a tag is an annotation of the whole item and nothing more.

    Amendments of the sidecar are neither.
    """
    known = set(kept.native.annotations.values()) if kept is not None else set()
    tags: dict[str, None] = {}
    others = []
    for row in rows:
        named = classes.name_of(row.get("annotation_class_id"))
        data = row.get("data") or {}
        if named is not None and named[1][0] == "tag" and set(data) == {"tag"} and str(row.get("id")) not in known:
            tags[named[0]] = None
        elif amendment_in(row, classes) is None:
            others.append(row)
    return list(tags), others


@dataclass(frozen=True)
class Shown:
    """The images of an item, and how they are shown.

    Attributes
    ----------
    images : by role
    views : by the name of the slot
    roles : the role of the image in each slot
    """

    images: Mapping[str, Image]
    views: Mapping[str, View]
    roles: Mapping[str, str]


def images_of(item: Mapping[str, Any], kept: Kept | None, names: Names, fetch: Fetch) -> Shown:
    """The images of an item by role, and how each slot shows its image."""
    described = {image.role: image for image in kept.case.images} if kept is not None else {}
    images: dict[str, Image] = {}
    views: dict[str, View] = {}
    held = roles_of(item, names, kept)
    slots = list(item.get("slots") or ())
    for slot in slots:
        name = str(slot.get("slot_name"))
        role = held[name]
        if role not in images:
            files = files_of(item, slot, registered_slot(name, slots), fetch)
            images[role] = _image(role, slot, files, described.get(role))
        if (view := shown_view(images[role], slot)) is not None:
            views[name] = view
    return Shown(images, views, held)


def roles_of(item: Mapping[str, Any], names: Names, kept: Kept | None = None) -> dict[str, str]:
    """The role of the image in each slot of an item, in the order of the slots."""
    kept = kept or kept_of(item)
    roles = {slot: role for role, slot in (kept.native.images if kept is not None else {}).items()}
    mapped = {slot: role for role, slot in names.images.items()}
    slots = list(item.get("slots") or ())
    bases = {str(slot.get("slot_name")): registered_slot(str(slot.get("slot_name")), slots) for slot in slots}
    several = len(set(bases.values())) > 1
    return {
        name: roles.get(base) or mapped.get(base) or (f"slot {base}" if several else "image")
        for name, base in bases.items()
    }


def files_of(item: Mapping[str, Any], slot: Mapping[str, Any], base: str, fetch: Fetch) -> list[FileRef]:
    """The files of one slot: one, or the slices of a series that was registered file by file.

    What was prepared for a read-only storage comes from the bucket, where its own files lie.

    Parameters
    ----------
    base : the name under which the slot was registered
    """
    if urls := originals(slot):
        return [FileRef(url) for url in urls]
    own = [each for each in item.get("uploads") or () if each.get("slot_name") == base]
    if len(own) < 2:
        return [_file(slot, slot.get("size_bytes"), fetch)]
    order = ((slot.get("metadata") or {}).get(KEY) or {}).get("order") or range(len(own))
    places = {file: place for place, file in enumerate(order)}
    files = [_file(own[places[number]], None, fetch) for number in range(len(own)) if number in places]
    return files if len(files) == len(own) else [_file(each, None, fetch) for each in own]


def _file(described: Mapping[str, Any], size: Any, fetch: Fetch) -> FileRef:
    upload = str(described.get("upload_id"))
    name = PurePosixPath(str(described.get("file_name") or "")).name or upload
    return FileRef(
        f"darwin:uploads/{upload}",
        name if check_name(name) is None else upload,
        int(size) if size else None,
        opener=lambda: fetch(upload),
    )


def _image(role: str, slot: Mapping[str, Any], refs: Sequence[FileRef], put: Image | None) -> Image:
    if preparation(slot) is not None:
        if put is None or len(put.files) != len(refs):
            return Image(role, refs)
        return put.with_files([_as_put(ref, own) for ref, own in zip(refs, put.files, strict=True)])
    if len(refs) > 1:
        if put is None or len(put.files) != len(refs):
            return Image(role, refs, kind=Kind.DICOM_SERIES)
        return put.with_files([_as_put(ref, own) for ref, own in zip(refs, put.files, strict=True)])
    (ref,) = refs
    name = str(slot.get("file_name") or "")
    if put is None:
        if name.lower().endswith(".dcm") and _is_zip(ref):
            return Image(role, members(ref), kind=Kind.DICOM_SERIES)
        return Image(role, [ref])
    if put.declared_kind is Kind.DICOM_SERIES and len(put.files) > 1:
        return put.with_files(members(ref, put.files))
    if put.declared_kind in {Kind.METAIMAGE, Kind.NRRD}:
        grid = put.declared_geometry
        if name.lower().endswith(".png"):
            return Image(role, [ref], kind=Kind.PICTURE, geometry=grid)
        return Image(role, [ref], kind=Kind.NIFTI, geometry=as_stored(grid) if grid is not None else None)
    return put.with_files([_as_put(ref, put.files[0])])


def _as_put(ref: FileRef, own: FileRef) -> FileRef:
    return replace(ref, name=own.name, size=own.size or ref.size, sha256=own.sha256)


def _is_zip(ref: FileRef) -> bool:
    with ref.open() as stream:
        return stream.read(4) == b"PK\x03\x04"


# -- annotations ---------------------------------------------------------------------------------------------------


def annotations_of(
    rows: Sequence[Mapping[str, Any]],
    classes: Classes,
    names: Names,
    shown: Shown,
    kept: Kept | None,
    ids: Ids,
) -> list[Found]:
    """All annotations of an item in core's words.

    Parameters
    ----------
    ids : under which those that are kept stand there
    """
    known = {ids.annotation(a.id): a for a in kept.case.annotations} if kept is not None else {}
    parts_of_masks = {ids.value(a.id, v) for a in known.values() if isinstance(a, Mask) for v in a.labels}
    found: list[Found] = []
    structures: dict[str, dict[str, Mapping[str, Any]]] = {}
    layers: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        slot, number = slot_of(row) or next(iter(shown.roles), ""), str(row.get("id") or "")
        named = classes.name_of(row.get("annotation_class_id"))
        label = names.label_back(named[0]) if named is not None else f"class {row.get('annotation_class_id')}"
        role, view = shown.roles.get(slot), shown.views.get(slot)
        kind = named[1][0] if named is not None else ""
        if role is None or view is None:
            found.append(Found(raw_form(row, label, role), number))
        elif kind == RASTER_TYPE:
            layers[slot] = row
        elif kind == "mask":
            structures.setdefault(slot, {})[number] = {**row, "label": label, SAID: mask_said(row, classes)}
        else:
            put = known.get(number)
            one = core_form(row, label, role, view, put, classes.properties)
            if number in parts_of_masks and not isinstance(one, Raw):
                said = {"attributes": one.attributes}
                structures.setdefault(slot, {})[number] = {**row, "label": label, SAID: said, DRAWN: one}
            else:
                found.append(Found(one, number))
    for slot, parts in structures.items():
        role = shown.roles[slot]
        layer = layer_of(layers.get(slot))
        if layer is None:  # nobody can tell what it shows
            found.append(Found(raw_form(layers[slot], RASTER_TYPE, role), str(layers[slot].get("id") or "")))
        seen = {part: row for part, row in parts.items() if (layer and layer.frames) or DRAWN in row}
        found += masks_of(seen, layer or Layer({}), shown.views[slot], shown.images[role], known.values(), ids)
        # masks without pixels say nothing, and yet somebody made them
        found += [
            Found(raw_form(row, str(row["label"]), role), part) for part, row in parts.items() if part not in seen
        ]
    return found
