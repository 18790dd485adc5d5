"""A case as the calls that bring it to a Darwin dataset."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.annotation import Annotation, Mask
from caseferry.errors import Inexpressible, Problem, ProcessingFailed, TemporaryFailure
from caseferry.held import Held, Loss, native, part_of
from caseferry.plan import Call, Given, Plan, Repeat, Reply
from caseferry.sidecar import Native, build
from caseferry_darwin.wire.annotations import CONVERSIONS, Form, Ids, native_form
from caseferry_darwin.wire.beside import with_beside
from caseferry_darwin.wire.classes import Wanted, class_id
from caseferry_darwin.wire.comments import losses_of, open_call, threads_of
from caseferry_darwin.wire.masks import joined, mask_forms, no_layer
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.registering import (
    placed_images,
    registration,
    registration_calls,
    shown_planes,
)
from caseferry_darwin.wire.slotfile import conversion
from caseferry_darwin.wire.uploading import CONTENT, content_of, unfinished_calls, upload_ids
from caseferry_darwin.wire.view import View, expected_view, native_slot, shown_view

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Case, Image
    from caseferry.files import FileRef
    from caseferry.unmapped import Missing
    from caseferry_darwin.wire.place import Place, Standing
    from caseferry_darwin.wire.placed import Placed

BESIDE = "the first slot's metadata"
"""Where the sidecar lies."""

LARGEST_IMPORT = 24 << 20
"""Bytes of annotations in one request; more are sent in several."""


# -- the plan ------------------------------------------------------------------------------------------------------


def plan_case(
    case: Case,
    place: Place,
    dataset: str,
    standing: Standing | None,
    *,
    limit: int,
    allow_spare: bool,
    told: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Plan, list[FileRef]]:
    """The calls that bring a sealed case, or what is missing of it, to a dataset.

    Parameters
    ----------
    told : what the metadata of the item's first slot tell besides

    Raises
    ------
    Inexpressible
        The case has no images, lies partly outside the storage, or breaks a rule of registration; files find no place
        on the platform and `allow_spare` is False; or the item that is there shows an image in a way in which
        annotations that it should hold have no place.
    """
    if not case.images:
        raise Inexpressible(case.id, [Problem("images", "is empty; Darwin holds images", "give at least one")])
    placed = placed_images(case, place)
    views = views_of(placed, place, standing)
    names = Ids(place.dataset_id, case.id)
    threads = threads_of(case, placed, views)
    described = standing if standing is not None and standing.fingerprint else None
    promised = described.promised if described is not None else None
    drawn = forms_of(case, place, views, names, others={each.annotation for each in threads}, promised=promised)
    forms = drawn.forms
    _refuse_broken_promises(case, {*forms, *(each.annotation for each in threads)}, drawn.held, standing)
    tags, held_tags, missing_tags = _tags(case, place, described.tags if described is not None else None)
    held = [*map(_image_held, placed), *drawn.held, *losses_of(threads, case), *held_tags]
    kept = Native(
        images={each.image.role: each.slot for each in placed},
        annotations={each: names.annotation(each) for each in forms} | {each.annotation: each.key for each in threads},
        tags={tag: tag for tag in tags},
    )
    sidecar, overflow = build(case, kept, limit)
    held += _beside(case, overflow)
    if overflow and not allow_spare:
        problems = [
            Problem(f"file {ref.name!r}", f"finds no room beside the case: {ref.length()} bytes, {limit} are left")
            for ref in overflow
        ]
        raise Inexpressible(case.id, problems)
    wanted = [form.wanted for parts in forms.values() for form in parts]
    wanted += [Wanted(tag, "tag") for tag in tags] if described is None else []
    calls, ids = place.classes.calls(wanted, place.dataset_id, place.names)
    made_classes = tuple(call.name for call in calls)
    adopts = str(standing.item["id"]) if standing is not None else None
    if standing is None:
        item = registration(case, placed, place, tags, sidecar, told)
        calls += registration_calls(case, item, placed, place, made_classes)
    else:
        calls += unfinished_calls(placed, place, standing)
    there = standing.annotations if standing is not None else set()
    revised = standing is not None and standing.revised
    missing = {key: [f for f in parts if f.id not in there] for key, parts in forms.items() if not revised}
    unsaid = [each.body for each in threads if each.key not in there and not revised]
    if any(missing.values()) or unsaid:
        calls.append(_ready_call(case, placed, place, views, adopts, tuple(call.name for call in calls)))
        if any(missing.values()):
            rest = [form for parts in missing.values() for form in parts]
            calls += import_calls(rest, ids, place, adopts, ("ready",))
        for number, body in enumerate(unsaid):  # one after another: threads of the same words are told by their order
            before = f"comment {number - 1}" if number else "ready"
            calls.append(open_call(body, number, place, adopts, (before,)))
    bindings: dict[str, Any] = dict(ids) | ({"item": adopts} if adopts else {})
    bindings |= upload_ids(placed, standing)
    if any(CONTENT in call.takes for call in calls):
        bindings[CONTENT] = content_of(placed[0].image)
    plan = Plan(
        dataset=dataset,
        case_id=case.id,
        calls=tuple(calls),
        held=tuple(held),
        missing=(*drawn.missing, *missing_tags),
        adopts=adopts,
        bindings=bindings,
    )
    return plan, overflow


def views_of(placed: Sequence[Placed], place: Place, standing: Standing | None) -> dict[str, View | None]:
    """How each image is shown, or will be, by role; None for what cannot be annotated."""
    slots = list(standing.item.get("slots") or ()) if standing is not None else []
    alone = sum(each.count for each in placed) == 1
    views: dict[str, View | None] = {}
    for each in placed:
        known = native_slot(each.image, slots, each.slot)
        if known is not None:
            views[each.image.role] = shown_view(each.image, known)
        elif each.display.sampled:
            views[each.image.role] = None
        elif each.made is not None:
            views[each.image.role] = each.made.view
        else:
            planes = shown_planes(each, place.displays)
            turned = each.display.extract_views
            views[each.image.role] = expected_view(each.image, each.slot, alone=alone, planes=planes, views=turned)
    return views


@dataclass
class Drawn:
    """What of a case's annotations is drawn.

    Attributes
    ----------
    forms : native forms by the ids of annotations; those of all masks of an image stand under the first one's
    held : what becomes of each
    missing : classes that are not there
    """

    forms: dict[str, list[Form]] = field(default_factory=dict)
    held: list[Held] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)

    @property
    def losses(self) -> list[Loss]:
        """What has no form."""
        return [each for each in self.held if isinstance(each, Loss) and each.kept == "sidecar"]

    def lose(self, annotation: Annotation, reason: str) -> None:
        """Note that an annotation has no form."""
        self.held.append(Loss(part_of(annotation), reason, "sidecar", BESIDE))

    def lacks(self, missing: Missing | None) -> None:
        """Note a class that is not there."""
        self.missing += [missing] if missing is not None else []


def forms_of(
    case: Case,
    place: Place,
    views: Mapping[str, View | None],
    ids: Ids,
    *,
    others: Collection[str] = (),
    promised: Collection[str] | None = None,
) -> Drawn:
    """The native forms of annotations, and what becomes of each.

    Parameters
    ----------
    others : ids of annotations that have a form of another kind
    promised : ids of those that are drawn as the sidecar of an item says that is there, and cannot be changed any more
    """
    drawn = Drawn()
    covered = place.displays.covered([image.role for image in case.images])
    masks: dict[str, list[tuple[Mask, NDArray[Any]]]] = {}
    for annotation in case.annotations:
        if annotation.id in others:
            continue
        role = annotation.image if annotation.image is not None else case.images[0].role
        view = views[role]
        if promised is not None and annotation.id not in promised:
            drawn.lose(annotation, "it lies beside the item that is there")
        elif view is None or role in covered:
            drawn.lose(annotation, _unseen(role, place, covered))
        elif isinstance(annotation, Mask):
            reason = mask_reason(annotation, case.image(role), place, masks.setdefault(role, []), drawn)
            if reason is not None:
                drawn.lose(annotation, reason)
            else:
                drawn.held.append(native(part_of(annotation), "masks in the raster layer"))
        else:
            _draw(annotation, native_form(annotation, view, place.names, ids), place, drawn)
    for role, group in masks.items():
        view = views[role]
        if view is not None and group:
            parts = mask_forms(group, view, place.names, ids)
            for mask, _ in group:
                drawn.forms[mask.id] = []
            drawn.forms[group[0][0].id] = parts
    return drawn


def _image_held(placed: Placed) -> Held:
    """What becomes of an image."""
    changed = placed.made.loss if placed.made is not None else conversion(placed.image)
    return changed or native(f"image {placed.image.role!r}", f"slot {placed.slot!r}")


def _draw(annotation: Annotation, form: Form | str, place: Place, drawn: Drawn) -> None:
    """Note what becomes of an annotation, given its form or why it has none."""
    if isinstance(form, str):
        drawn.lose(annotation, form)
        return
    drawn.lacks(place.classes.missing(f"label {annotation.label!r}", form.wanted))
    if (reason := place.classes.why_not(form.wanted, create=place.create)) is not None:
        drawn.lose(annotation, reason)
        return
    drawn.forms[annotation.id] = [with_beside(form, annotation, place.classes)]
    part, conversion = part_of(annotation), CONVERSIONS.get(annotation.kind)
    drawn.held.append(conversion.loss(part) if conversion is not None else native(part, _called(form)))


def _called(form: Form) -> str:
    text = " with a text" if form.wanted.text else ""
    return f"{form.wanted.kind}{text} of class {form.wanted.name!r}"


def loss_of(annotation: Annotation, reason: str, where: str) -> Loss:
    """The loss of an annotation that has no form of the platform's own."""
    return Loss(part_of(annotation), reason, "sidecar", where)


def _refuse_broken_promises(
    case: Case, forms: Collection[str], held: Sequence[Held], standing: Standing | None
) -> None:
    """Stop where an annotation would be nowhere: its item says that it is drawn there, and it cannot be.

    Raises
    ------
    Inexpressible
        There is one.
    """
    promised = standing.promised if standing is not None else frozenset()
    if broken := [a for a in case.annotations if a.id in promised and a.id not in forms]:
        reasons = "; ".join(dict.fromkeys(each.reason for each in held if each.kept == "sidecar"))
        what = f"was to be drawn on the item that is there, and cannot be as Darwin shows the image: {reasons}"
        remedy = "delete the item, and put the case with unmapped='sidecar': annotations then lie beside it"
        raise Inexpressible(case.id, [Problem(f"{a.kind} {a.label!r}", what, remedy) for a in broken])


def _unseen(role: str, place: Place, covered: Mapping[str, str]) -> str:
    """Why nothing can be drawn on an image."""
    if role in covered:
        return f"it is a channel of image {covered[role]!r}, and Darwin shows annotations on that alone"
    if place.displays.of(role).sampled:
        return "which frames Darwin takes of the file is known afterwards only"
    return "Darwin annotates images only"


def mask_reason(
    mask: Mask, image: Image, place: Place, group: list[tuple[Mask, NDArray[Any]]], drawn: Drawn | None = None
) -> str | None:
    """Why a mask has no native form; when it has one, it joins the group of its slot."""
    if (reason := no_layer(image)) is not None:
        return reason
    for label in mask.labels.values():
        (drawn or Drawn()).lacks(place.classes.missing(f"label {label!r}", Wanted(place.names.label(label), "mask")))
    for label in mask.labels.values():
        reason = place.classes.why_not(Wanted(place.names.label(label), "mask"), create=place.create)
        if reason is not None:
            return reason
    return joined(mask, image, group)


def _tags(case: Case, place: Place, promised: Collection[str] | None) -> tuple[list[str], list[Held], list[Missing]]:
    """The tags that are classes of the team or may become such, what becomes of each, and the classes that lack.

    Parameters
    ----------
    promised : the tags of an item that is there, whose sidecar cannot be changed any more
    """
    tags, held, missing = [], [], []
    for tag in case.tags:
        part, wanted = f"tag {tag!r}", Wanted(tag, "tag")
        if promised is not None:
            own = tag in promised
            tags += [tag] if own else []
            there = "it lies beside the item that is there"
            held.append(native(part, f"tag of class {tag!r}") if own else Loss(part, there, "sidecar", BESIDE))
            continue
        if (lacks := place.classes.missing(part, wanted)) is not None:
            missing.append(lacks)
        reason = place.classes.why_not(wanted, create=place.create)
        if reason is None:
            tags.append(tag)
            held.append(native(part, f"tag of class {tag!r}"))
        else:
            held.append(Loss(part, reason, "sidecar", BESIDE))
    return tags, held, missing


def _beside(case: Case, overflow: Sequence[FileRef]) -> list[Held]:
    """What becomes of what is neither image nor annotation nor tag."""
    held: list[Held] = [
        Loss(f"value {name!r}", "Darwin has no values of its own", "sidecar", BESIDE) for name in case.values
    ]
    over = {ref.measured().sha256 for ref in overflow}
    for attachment in case.attachments:
        kept = attachment.file.measured().sha256 not in over
        held.append(
            Loss(
                f"attachment {attachment.name!r}",
                "Darwin holds no files but what it shows" if kept else "it is too large to lie beside the image",
                "sidecar" if kept else "journal",
                BESIDE if kept else "the journal's folder",
            )
        )
    held += [native("folder", "the item's folder")] if case.folder else []
    held += [
        Loss(name, f"Darwin's items have no {name} of ours", "sidecar", BESIDE)
        for name in ("title", "metadata")
        if getattr(case, name)
    ]
    return held


# -- annotations ---------------------------------------------------------------------------------------------------


def _ready_call(
    case: Case,
    placed: Sequence[Placed],
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
        slots = list(reply.body["items"][0].get("slots") or ())
        for each in placed:
            expected, slot = views[each.image.role], native_slot(each.image, slots, each.slot)
            shown = shown_view(each.image, slot) if slot is not None else None
            if expected is not None and (shown is None or not shown.same(expected)):
                what = f"show image {each.image.role!r}"
                raise TemporaryFailure(PLATFORM, what, "it is shown in another way than expected")
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
        body = {"annotations": [imported(form, ids) for form in batch], "overwrite": "false"}
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


def imported(form: Form, ids: Mapping[str, int]) -> dict[str, Any]:
    """An annotation in the form in which the platform takes it."""
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


def divided(call: Call) -> tuple[Call, Call] | None:
    """An import as two of half the size; None when it cannot be divided: masks and their layer go together."""
    rows = list(call.body["annotations"])
    pixels = [row for row in rows if _holds_pixels(row["data"])]
    shapes = [row for row in rows if not _holds_pixels(row["data"])]
    if pixels and shapes:
        parts = pixels, shapes
    elif len(shapes) > 1:
        parts = shapes[: len(shapes) // 2], shapes[len(shapes) // 2 :]
    else:
        return None
    first, second = (replace(call, body={**call.body, "annotations": part}) for part in parts)
    return first, second


def _holds_pixels(data: Mapping[str, Any]) -> bool:
    contents = [data, *(data.get("frames") or {}).values()]
    return any("mask" in content or "raster_layer" in content for content in contents)
