"""A case as the calls that bring it to a Darwin dataset."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote

import numpy as np

from caseferry.annotation import Annotation, Mask
from caseferry.errors import AlreadyExists, Inexpressible, ItemsBlocked, Problem, ProcessingFailed, TemporaryFailure
from caseferry.files import FileRef, made
from caseferry.geometry import as_stored
from caseferry.imaging.convert import write_nifti, write_png
from caseferry.imaging.kinds import Kind
from caseferry.plan import Call, Given, Loss, Part, Plan, Repeat, Reply
from caseferry.seal import aligned
from caseferry.sidecar import KEY, Native, build
from caseferry_darwin.wire.annotations import Form, Ids, is_uuid, mask_forms, native_form
from caseferry_darwin.wire.classes import Classes, Wanted, class_id
from caseferry_darwin.wire.series import packed
from caseferry_darwin.wire.view import View, expected_view, shown_view, stored_planes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Case, Image
    from caseferry.mapping import Names

LARGEST_IMPORT = 24 << 20
"""Bytes of annotations in one request; more are sent in several."""

PLATFORM = "darwin"
ENDINGS = {
    Kind.DICOM_SERIES: (".dcm",),
    Kind.DICOM_MULTIFRAME: (".dcm",),
    Kind.NIFTI: (".nii", ".nii.gz"),
    Kind.VIDEO: (".mp4", ".mov"),
    Kind.PDF: (".pdf",),
    Kind.WSI: (".svs", ".tif", ".tiff"),
}
"""Endings by which the platform tells what a file is; the first is given to a file that has none of them."""


@dataclass(frozen=True)
class Place:
    """What of a dataset and its team the calls need.

    Attributes
    ----------
    create : whether classes that are missing are made
    storage : the external storage whose objects are registered instead of uploaded
    """

    team: str
    dataset: str
    dataset_id: int
    classes: Classes
    names: Names
    create: bool = True
    storage: Storage | None = None


@dataclass(frozen=True, slots=True)
class Storage:
    """An external storage of the team.

    Attributes
    ----------
    name : of the integration, which need not be that of the bucket
    provider : ``aws``, ``gcp`` or ``azure``
    """

    name: str
    bucket: str
    provider: str
    readonly: bool

    def key(self, ref: FileRef) -> str | None:
        """The key of an object as the platform wants it; None for a file that does not lie in this storage.

        It goes without the bucket on AWS and GCP, and with the container on Azure.

        Source
        ------
        V7's guide "Registering Items From External Storage".
        """
        found = ref.bucket_and_key
        if found is None or found[0] != self.bucket:
            return None
        return f"{found[0]}/{found[1]}" if self.provider == "azure" else found[1]


@dataclass
class Standing:
    """What of a case stands on the platform.

    Attributes
    ----------
    item : the item as the platform lists it
    annotations : ids of the annotations that are there
    fingerprint : of the case as it was put; empty while the platform does not show it
    """

    item: Mapping[str, Any]
    annotations: set[str] = field(default_factory=set)
    fingerprint: str = ""


def item_name(case_id: str) -> str:
    """The name of the item that holds a case. Names hold no slash."""
    return case_id.replace("%", "%25").replace("/", "%2F")


def case_id_of(name: str) -> str:
    """The case that an item of that name holds: the inverse of `item_name`."""
    return unquote(name)


def item_path(folder: str) -> str:
    """Where in the dataset an item lies."""
    return f"/{folder}"


def slot_name(image: Image, index: int, names: Names) -> str:
    """The slot of an image: ``0`` for the first, which multi-planar view demands, and counting on."""
    return names.images.get(image.role, str(index))


# -- files ---------------------------------------------------------------------------------------------------------


def slot_file(image: Image) -> FileRef:
    """The one file that a slot holds of an image."""
    if image.kind is Kind.DICOM_SERIES and len(image.files) > 1:
        return packed(image.files, f"{_plain(image.role)}.dcm")
    ref = image.files[0]
    if image.kind in {Kind.METAIMAGE, Kind.NRRD}:
        return _converted(image, ref)
    endings = ENDINGS.get(image.kind, ())
    if endings and not ref.name.lower().endswith(endings):
        return _renamed(ref, f"{ref.name}{_ending(ref, endings)}")
    return ref


def _ending(ref: FileRef, endings: Sequence[str]) -> str:
    if ".nii.gz" in endings:
        with ref.open() as stream:
            return ".nii.gz" if stream.read(2) == b"\x1f\x8b" else ".nii"
    return endings[0]


def _renamed(ref: FileRef, name: str) -> FileRef:
    from dataclasses import replace

    return replace(ref, name=name)


def _plain(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in text)


def _as_picture(image: Image) -> bool:
    grid, header = image.geometry, image.header
    depths = {("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint8", 4)}
    return grid is not None and grid.space == "pixel" and grid.planes == 1 and (header.dtype, header.channels) in depths


def _converted(image: Image, ref: FileRef) -> FileRef:
    grid, header = image.geometry, image.header
    assert grid is not None  # noqa: S101  MetaImage and NRRD always have one
    stem = PurePosixPath(ref.name).stem
    if _as_picture(image):

        def draw(out: BinaryIO) -> None:
            write_png(out, image.planes(), header.dtype, header.channels)

        return made(draw, f"{stem}.png", media_type="image/png")

    def make(out: BinaryIO) -> None:
        write_nifti(out, image.planes(), as_stored(grid), header.dtype, channels=header.channels)

    return made(make, f"{stem}.nii.gz", media_type="application/nifti")


def _conversion(image: Image) -> Loss | None:
    if image.kind not in {Kind.METAIMAGE, Kind.NRRD}:
        return None
    form = "PNG, with every pixel" if _as_picture(image) else "NIfTI, with every voxel and the same affine"
    return Loss(f"image {image.role!r}", f"Darwin does not show {image.kind}", "converted", form)


def _type(image: Image) -> str | None:
    """The type of a registered file, where the guide names one; NIfTI goes by its ending."""
    return {
        Kind.DICOM_SERIES: "dicom",
        Kind.DICOM_MULTIFRAME: "dicom",
        Kind.PICTURE: "image",
        Kind.WSI: "image",
        Kind.VIDEO: "video",
        Kind.PDF: "pdf",
    }.get(image.kind)


# -- the plan ------------------------------------------------------------------------------------------------------


def plan_case(
    case: Case, place: Place, dataset: str, standing: Standing | None, *, limit: int, allow_spare: bool
) -> tuple[Plan, list[FileRef]]:
    """The calls that bring a sealed case, or what is missing of it, to a dataset.

    Raises
    ------
    Inexpressible
        The case has no images, lies partly outside the storage, or files find no place on the platform and
        `allow_spare` is False.
    """
    if not case.images:
        raise Inexpressible(case.id, [Problem("images", "is empty; Darwin holds images", "give at least one")])
    views = _views(case, place.names, standing)
    names = Ids(place.dataset_id, case.id)
    forms, losses = _forms(case, place, views, names)
    tags, lost_tags = _tags(case, place)
    losses = [loss for image in case.images if (loss := _conversion(image)) is not None] + losses + lost_tags
    native = Native(
        images={image.role: slot_name(image, index, place.names) for index, image in enumerate(case.images)},
        annotations={each: names.annotation(each) for each in forms},
        tags={tag: tag for tag in tags},
    )
    sidecar, overflow = build(case, native, limit)
    losses += _beside(case, overflow)
    if overflow and not allow_spare:
        problems = [
            Problem(f"file {ref.name!r}", f"finds no room beside the case: {ref.length()} bytes, {limit} are left")
            for ref in overflow
        ]
        raise Inexpressible(case.id, problems)
    wanted = [form.wanted for parts in forms.values() for form in parts] + [Wanted(tag, "tag") for tag in tags]
    calls, ids = place.classes.calls(wanted, place.dataset_id)
    made_classes = tuple(call.name for call in calls)
    adopts = str(standing.item["id"]) if standing is not None else None
    if standing is None:
        calls += _registration(case, place, tags, sidecar, made_classes)
    else:
        calls += _unfinished(case, place, standing)
    there = standing.annotations if standing is not None else set()
    missing = {key: [f for f in parts if f.id not in there] for key, parts in forms.items()}
    if any(missing.values()):
        calls.append(_ready_call(case, place, views, adopts, tuple(call.name for call in calls)))
        calls += import_calls([form for parts in missing.values() for form in parts], ids, place, adopts, ("ready",))
    bindings: dict[str, Any] = dict(ids) | ({"item": adopts} if adopts else {})
    bindings |= _upload_ids(standing)
    plan = Plan(
        dataset=dataset, case_id=case.id, calls=tuple(calls), losses=tuple(losses), adopts=adopts, bindings=bindings
    )
    return plan, overflow


def plan_annotations(case: Case, new: Sequence[Annotation], place: Place, dataset: str, standing: Standing) -> Plan:
    """The calls that add annotations to an item that is there.

    Raises
    ------
    Inexpressible
        An annotation has no form on the platform, or an id that cannot be kept there.
    """
    from dataclasses import replace

    what, remedy = "is no UUID, and no sidecar can be changed here to tell of it", "leave the id out, or give a UUID"
    if nameless := [each for each in new if not is_uuid(each.id)]:
        raise Inexpressible(case.id, [Problem(f"annotation id {each.id!r}", what, remedy) for each in nameless])
    views = _views(case, place.names, standing)
    forms, losses = _forms(replace(case, annotations=new), place, views, Ids(place.dataset_id, case.id, kept=True))
    if losses:
        raise Inexpressible(case.id, [Problem(loss.part, loss.reason, "put the case anew") for loss in losses])
    parts = [form for each in forms.values() for form in each]
    calls, ids = place.classes.calls([form.wanted for form in parts], place.dataset_id)
    item_id = str(standing.item["id"])
    calls += import_calls(parts, ids, place, item_id, tuple(call.name for call in calls))
    return Plan(dataset=dataset, case_id=case.id, calls=tuple(calls), adopts=item_id, bindings=dict(ids))


def _views(case: Case, names: Names, standing: Standing | None) -> dict[str, View | None]:
    """How each image is shown, or will be, by role."""
    slots = {str(s.get("slot_name")): s for s in (standing.item.get("slots") or ())} if standing is not None else {}
    views: dict[str, View | None] = {}
    for index, image in enumerate(case.images):
        name = slot_name(image, index, names)
        alone = len(case.images) == 1
        known = slots.get(name)
        views[image.role] = shown_view(image, known) if known else expected_view(image, name, alone=alone)
    return views


def _forms(
    case: Case, place: Place, views: Mapping[str, View | None], ids: Ids
) -> tuple[dict[str, list[Form]], list[Loss]]:
    """The native forms of annotations by their ids, and a loss for each that has none."""
    forms: dict[str, list[Form]] = {}
    losses: list[Loss] = []

    def lose(annotation: Annotation, reason: str) -> None:
        part = f"{annotation.kind} {annotation.label or ', '.join(getattr(annotation, 'labels', {}).values())!r}"
        losses.append(Loss(part, reason, "sidecar", "the first slot's metadata"))

    masks: dict[str, list[tuple[Mask, NDArray[Any]]]] = {}
    for annotation in case.annotations:
        role = annotation.image if annotation.image is not None else case.images[0].role
        view = views[role]
        if isinstance(annotation, Mask):
            reason = _mask_reason(annotation, case.image(role), view, place, masks.setdefault(role, []))
            if reason is not None:
                lose(annotation, reason)
            continue
        form = native_form(annotation, view, place.names, ids)
        reason = form if isinstance(form, str) else place.classes.why_not(form.wanted, create=place.create)
        if reason is not None or isinstance(form, str):
            lose(annotation, str(reason))
        else:
            forms[annotation.id] = [form]
    for role, group in masks.items():
        view = views[role]
        if view is not None and group:
            parts = mask_forms(group, view, place.names, ids)
            for mask, _ in group:
                forms[mask.id] = []
            forms[group[0][0].id] = parts
    return forms, losses


def _mask_reason(
    mask: Mask,
    image: Image,
    view: View | None,
    place: Place,
    group: list[tuple[Mask, NDArray[Any]]],
) -> str | None:
    """Why a mask has no native form; when it has one, it joins the group of its slot."""
    if view is None or image.geometry is None:
        return "its image has no grid"
    if image.geometry.frames > 1 and image.geometry.shape[2] > 1:
        return "Darwin shows no volumes in time"
    for label in mask.labels.values():
        reason = place.classes.why_not(Wanted(place.names.label(label), "mask"), create=place.create)
        if reason is not None:
            return reason
    voxels = aligned(mask, image)
    for _, other in group:
        if np.logical_and(voxels, other).any():
            return "it overlaps another mask of the image, and Darwin keeps one layer of pixels"
    group.append((mask, voxels))
    return None


def _tags(case: Case, place: Place) -> tuple[list[str], list[Loss]]:
    """The tags that are classes of the team or may become such, and losses for the others."""
    tags, losses = [], []
    for tag in case.tags:
        reason = place.classes.why_not(Wanted(tag, "tag"), create=place.create)
        if reason is None:
            tags.append(tag)
        else:
            losses.append(Loss(f"tag {tag!r}", reason, "sidecar", "the first slot's metadata"))
    return tags, losses


def _beside(case: Case, overflow: Sequence[FileRef]) -> list[Loss]:
    where = "the first slot's metadata"
    losses = [Loss(f"value {name!r}", "Darwin has no values of its own", "sidecar", where) for name in case.values]
    over = {ref.measured().sha256 for ref in overflow}
    for attachment in case.attachments:
        kept = attachment.file.measured().sha256 not in over
        losses.append(
            Loss(
                f"attachment {attachment.name!r}",
                "Darwin holds no files but what it shows" if kept else "it is too large to lie beside the image",
                "sidecar" if kept else "journal",
                where if kept else "the journal's folder",
            )
        )
    return losses


# -- files to the platform -----------------------------------------------------------------------------------------


def _registration(
    case: Case, place: Place, tags: Sequence[str], sidecar: Mapping[str, Any], after: tuple[str, ...]
) -> list[Call]:
    """The calls that make the item and bring its files."""
    refs = [slot_file(image) for image in case.images]
    keys = [_keys(image, place) for image in case.images]
    if any(keys) and not all(keys):
        outside = [image.role for image, found in zip(case.images, keys, strict=True) if not found]
        what = f"does not lie in the storage {place.storage.name if place.storage else ''!r}, as others of the case do"
        raise Inexpressible(case.id, [Problem(f"image {role!r}", what, "copy it there") for role in outside])
    slots: list[dict[str, Any]] = []
    for index, (image, ref, found) in enumerate(zip(case.images, refs, keys, strict=True)):
        own: dict[str, Any] = {"case": case.id, "role": image.role}
        if planes := stored_planes(image):
            own["planes"] = list(planes)
        if index == 0:
            own["sidecar"] = sidecar
        slots += _slots(slot_name(image, index, place.names), image, ref, {KEY: own}, found)
    item: dict[str, Any] = {"name": item_name(case.id), "path": item_path(case.folder), "slots": slots}
    if len(case.images) > 1:
        item["layout"] = layout([slot_name(image, index, place.names) for index, image in enumerate(case.images)])
    if tags:
        item["tags"] = list(tags)
    register = _register_call(case, item, place, external=any(keys), after=after)
    if any(keys):
        return [register]
    calls = [register]
    for index, ref in enumerate(refs):
        calls += upload_calls(index, ref, place.team)
    return calls


def _keys(image: Image, place: Place) -> list[str]:
    """The keys of an image's files in the external storage; empty when they are uploaded.

    Raises
    ------
    Inexpressible
        The storage is read-only, or the image would have to be converted.
    """
    if place.storage is None:
        return []
    keys = [place.storage.key(ref) for ref in image.files]
    if None in keys:
        return []
    where = f"image {image.role!r}"
    if place.storage.readonly:
        what = f"lies in the storage {place.storage.name!r}, which is read-only for Darwin"
        raise Inexpressible(image.role, [Problem(where, what, "use a read-write storage, or copy the file and upload")])
    if image.kind in {Kind.METAIMAGE, Kind.NRRD}:
        raise Inexpressible(image.role, [Problem(where, f"is {image.kind}, which Darwin does not read", "convert it")])
    return [key for key in keys if key is not None]


def _slots(
    name: str, image: Image, ref: FileRef, metadata: Mapping[str, Any], keys: Sequence[str]
) -> list[dict[str, Any]]:
    """The slots of one image: one, or one for each slice of a series that is registered where it lies."""
    if not keys:
        return [{"slot_name": name, "file_name": ref.name, "metadata": dict(metadata)}]
    slots = []
    for index, key in enumerate(keys):
        slot: dict[str, Any] = {"slot_name": name, "file_name": PurePosixPath(key).name, "storage_key": key}
        if (kind := _type(image)) is not None:
            slot["type"] = kind
        if index == 0:
            slot["metadata"] = dict(metadata)
        slots.append(slot)
    return slots


def layout(slots: Sequence[str]) -> dict[str, Any]:
    """The arrangement of several slots: side by side, in as many rows as make it square.

    Source
    ------
    darwin-py 3.6.3, ``slots_grid``: columns, each a list of rows, each a list of channels.
    """
    columns = len(slots) if len(slots) <= 3 else math.ceil(math.sqrt(len(slots)))
    return {"version": 3, "slots_grid": [[[name] for name in slots[start::columns]] for start in range(columns)]}


def _register_call(
    case: Case, item: Mapping[str, Any], place: Place, *, external: bool, after: tuple[str, ...]
) -> Call:
    verb = "register_existing" if external else "register_upload"
    body: dict[str, Any] = {"items": [dict(item)], "dataset_slug": place.dataset}
    if external and place.storage is not None:
        body["storage_slug"] = place.storage.name
    else:
        body["options"] = {"handle_as_slices": False}
    uploads = () if external else tuple(f"upload {index}" for index in range(len(item["slots"])))
    return Call(
        name="register",
        method="POST",
        target=f"v2/teams/{quote(place.team)}/items/{verb}",
        body=body,
        gives=("item", *uploads),
        read=lambda reply: registered(reply, case.id, uploads),
        after=after,
        repeat=Repeat.DETECTABLE,
        purpose="register the item",
    )


def registered(reply: Reply, case_id: str, uploads: Sequence[str]) -> dict[str, Any]:
    """What a registration gave.

    Raises
    ------
    AlreadyExists
        An item of that name is in that folder.
    ItemsBlocked
        The platform refuses the item for another reason, although it answers 200.
    """
    blocked = reply.body.get("blocked_items") or []
    if blocked:
        reasons = [str(slot.get("reason")) for slot in blocked[0].get("slots") or ()]
        if any(reason.upper() == "ALREADY_EXISTS" for reason in reasons):
            raise AlreadyExists(PLATFORM, f"register {case_id!r}", "an item of that name is there")
        raise ItemsBlocked(PLATFORM, "register the item", [], {case_id: ", ".join(reasons) or "no reason given"})
    item = reply.body["items"][0]
    ids = {name: slot["upload_id"] for name, slot in zip(uploads, item.get("slots") or (), strict=False)}
    return {"item": item["id"], **ids}


def upload_calls(index: int, ref: FileRef, team: str) -> list[Call]:
    """The calls that bring the bytes of one registered slot: sign, put, confirm."""
    base = f"v2/teams/{quote(team)}/items/uploads/{{upload {index}}}"
    return [
        Call(
            name=f"sign {index}",
            method="GET",
            target=f"{base}/sign",
            gives=(f"url {index}",),
            read=lambda reply: {f"url {index}": reply.body["upload_url"]},
            purpose="ask where to put the file",
        ),
        Call(
            name=f"send {index}",
            method="PUT",
            target=f"{{url {index}}}",
            files=(Part(ref, name=ref.name),),
            purpose="send the file",
        ),
        Call(
            name=f"confirm {index}",
            method="POST",
            target=f"{base}/confirm",
            body={},
            after=(f"send {index}",),
            purpose="say that the file is there",
        ),
    ]


def _unfinished(case: Case, place: Place, standing: Standing) -> list[Call]:
    """The calls that bring the files of an item that was registered and whose bytes never came."""
    calls: list[Call] = []
    for index, upload in enumerate(_uploads(standing)):
        if upload.get("processing_status") == "uploading" and index < len(case.images):
            calls += upload_calls(index, slot_file(case.images[index]), place.team)
    return calls


def _uploads(standing: Standing) -> list[Mapping[str, Any]]:
    return list(standing.item.get("uploads") or ())


def _upload_ids(standing: Standing | None) -> dict[str, str]:
    if standing is None:
        return {}
    return {f"upload {index}": str(upload["upload_id"]) for index, upload in enumerate(_uploads(standing))}


# -- annotations ---------------------------------------------------------------------------------------------------


def _ready_call(
    case: Case,
    place: Place,
    views: Mapping[str, View | None],
    item_id: str | None,
    after: tuple[str, ...],
) -> Call:
    """The call that waits until the item is processed, and makes sure that it is shown as expected."""

    def until(reply: Reply) -> bool:
        item = reply.body["items"][0]
        if item.get("status") == "error" or item.get("processing_status") == "error":
            raise ProcessingFailed(PLATFORM, f"process {case.id!r}", processing_error(item), state="error")
        return item.get("status") not in {"uploading", "processing"}

    def read(reply: Reply) -> dict[str, Any]:
        slots = {str(slot.get("slot_name")): slot for slot in reply.body["items"][0].get("slots") or ()}
        for index, image in enumerate(case.images):
            expected = views[image.role]
            slot = slots.get(slot_name(image, index, place.names))
            shown = shown_view(image, slot) if slot is not None else None
            if expected is not None and (shown is None or not shown.same(expected)):
                raise TemporaryFailure(
                    PLATFORM, f"show image {image.role!r}", "it is shown in another way than expected"
                )
        return {}

    item: Any = item_id if item_id is not None else "{item}"
    return Call(
        name="ready",
        method="GET",
        target=f"v2/teams/{quote(place.team)}/items?dataset_ids[]={place.dataset_id}&item_ids[]={item}",
        until=until,
        read=read,
        after=after,
        purpose="wait until it is processed",
    )


def processing_error(item: Mapping[str, Any]) -> str:
    """Why the platform could not process an item."""
    reasons = [str(each["processing_error"]) for each in item.get("uploads") or () if each.get("processing_error")]
    return ", ".join(reasons) or "no reason given"


def import_calls(
    forms: Sequence[Form], ids: Mapping[str, int], place: Place, item_id: str | None, after: tuple[str, ...]
) -> list[Call]:
    """The calls that add annotations to an item. Masks go with the layer that holds their pixels."""
    target = f"v2/teams/{quote(place.team)}/items/{item_id if item_id is not None else '{item}'}/import"
    calls: list[Call] = []
    for number, batch in enumerate(_batches(forms)):
        body = {"annotations": [_imported(form, ids) for form in batch], "overwrite": "false"}
        calls.append(
            Call(
                name=f"import {number}",
                method="POST",
                target=target,
                body=body,
                after=after if not number else (f"import {number - 1}",),
                repeat=Repeat.DETECTABLE,
                purpose="annotate the item",
            )
        )
    return calls


def _imported(form: Form, ids: Mapping[str, int]) -> dict[str, Any]:
    identity: int | Given = class_id(form.wanted, ids)
    return {
        "id": form.id,
        "annotation_class_id": identity,
        "data": form.data,
        "context_keys": {"slot_names": [form.slot]},
    }


def _batches(forms: Sequence[Form]) -> list[list[Form]]:
    """Annotations in requests of bearable size; masks and their layers stay together."""
    together = [f for f in forms if f.wanted.kind in {"mask", "raster_layer"}]
    batches: list[list[Form]] = [together] if together else []
    size = LARGEST_IMPORT
    for form in forms:
        if form.wanted.kind in {"mask", "raster_layer"}:
            continue
        length = len(repr(form.data))
        if size + length > LARGEST_IMPORT:
            batches.append([])
            size = 0
        batches[-1].append(form)
        size += length
    return batches
