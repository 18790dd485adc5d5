"""Changing the annotations of an item that is there.

What is new and reads back as it was is added. What also needs the sidecar comes with an amendment of it. Darwin cannot
change or delete a single annotation: for that all annotations of the item are sent anew in one request, what others
made among them as the platform tells of it. So that nobody's work is overwritten unseen, they are looked at once more
right before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Mask
from caseferry.errors import Inexpressible, PlatformError, Problem
from caseferry.held import Loss
from caseferry.plan import Plan
from caseferry.sidecar import amendment, amendment_number
from caseferry_darwin.wire.adding import AGAIN, problems_of_adding
from caseferry_darwin.wire.amending import AMENDS, amendment_form, amendment_in
from caseferry_darwin.wire.annotations import Form, Ids
from caseferry_darwin.wire.begun import said_by
from caseferry_darwin.wire.beside import unsaid, with_beside
from caseferry_darwin.wire.classes import RASTER_TYPE
from caseferry_darwin.wire.drawing import Drawn, forms_of, loss_of, mask_parts
from caseferry_darwin.wire.importing import import_calls, imported, naming_calls
from caseferry_darwin.wire.layers import merged, overlap, without
from caseferry_darwin.wire.masks import mask_forms
from caseferry_darwin.wire.outlines import outline_forms
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.registering import placed_image
from caseferry_darwin.wire.rewriting import rewriting, staying
from caseferry_darwin.wire.rows import slot_of
from caseferry_darwin.wire.showing import views_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.held import Loss
    from caseferry.mapping.unmapped import Missing
    from caseferry.sidecar import Kept
    from caseferry_darwin.wire.begun import Begun
    from caseferry_darwin.wire.place import Place, Standing
    from caseferry_darwin.wire.view import View

BESIDE = "a tag of the item"
"""Where an amendment lies, for people."""


@dataclass
class _New:
    """What a revision writes, in the platform's forms.

    Attributes
    ----------
    forms : by id of the annotation; masks without the layer of their pixels
    layers : by slot, the layer of all new masks of it
    losses : what has no form
    missing : classes that are not there
    """

    forms: dict[str, list[Form]]
    layers: dict[str, Form]
    losses: list[Loss]
    missing: list[Missing]


def plan_revision(
    revision: Revision,
    begun: Begun,
    place: Place,
    dataset: str,
    standing: Standing,
    *,
    rows: Sequence[Mapping[str, Any]],
    limit: int,
) -> Plan:
    """The calls that do what is still missing of a revision.

    Parameters
    ----------
    rows : the annotations of the item by now

    Raises
    ------
    Inexpressible
        Something would be lost, and there is no sidecar that could be amended; or it is too large for that.
    PlatformError
        Somebody has changed what shall go, since it was read.
    """
    case, item_id = revision.after, str(standing.item["id"])
    placed = [placed_image(image, index, replace(place, prepare="")) for index, image in enumerate(case.images)]
    views = views_of(placed, place, standing)
    amends = _amends(revision, begun, place, views)
    names = Ids(place.dataset_id, case.id, kept=not amends)
    there = {str(row["id"]): row for row in rows}
    if _arrived(revision, begun, there, place, amends=amends):
        return Plan(dataset=dataset, case_id=case.id, adopts=item_id)
    _refuse_changed(begun, there)
    left = [row for row in rows if str(row["id"]) not in begun.gone]
    new = _written(revision, begun, place, views, names, left)
    if new.losses and begun.kept is None:
        raise Inexpressible(case.id, [Problem(loss.part, loss.reason, AGAIN) for loss in new.losses])
    forms = [form for parts in new.forms.values() for form in parts]
    last: list[Form] = []
    if amends and begun.kept is not None:
        document = _document(revision, begun.kept, new.forms, names, begun.number, limit)
        last.append(amendment_form(document, names, _first_slot(standing)))
    under = {slot_of(row): row for row in left if place.classes.kind_of(row) == RASTER_TYPE}
    rewrites = bool(begun.gone) or any(slot in under for slot in new.layers)
    if last and (reason := place.classes.why_not(AMENDS, create=True)) is not None:
        raise Inexpressible(case.id, [Problem("the class of amendments", reason)])
    calls, ids = naming_calls([*forms, *new.layers.values(), *last], place)
    after = tuple(call.name for call in calls)
    if rewrites:
        stay = staying(left, place, begun, new.layers, views)
        bodies = [*stay, *(imported(form, ids) for form in [*forms, *_over(new.layers, under), *last])]
        calls.append(rewriting(case, bodies, place, item_id, rows, after))
    else:
        missing = [form for form in [*forms, *new.layers.values()] if form.id not in there]
        calls += import_calls([*missing, *last], ids, place, item_id, after)
    return Plan(
        dataset=dataset,
        case_id=case.id,
        calls=tuple(calls),
        held=tuple(new.losses),
        missing=tuple(new.missing),
        adopts=item_id,
        bindings=dict(ids),
    )


def _amends(revision: Revision, begun: Begun, place: Place, views: Mapping[str, View | None]) -> bool:
    """Whether the sidecar must be amended.

    Raises
    ------
    Inexpressible
        It must, and there is none.
    """
    masks = [each for each in revision.written if isinstance(each, Mask)]
    others = [each for each in revision.written if each not in masks]
    ids = Ids(place.dataset_id, revision.after.id)
    drawn = forms_of(replace(revision.after, annotations=others), place, views, ids)
    beside = {a.id: unsaid(drawn.forms[a.id][0], a, exactly=True) for a in others if a.id in drawn.forms}
    problems = problems_of_adding(others, views, beside)
    problems += [Problem(f"mask {each.id}", "needs the sidecar, and the item has none", AGAIN) for each in masks]
    if begun.kept is None:
        if problems:
            raise Inexpressible(revision.after.id, problems)
        return False
    own = {each.id for each in begun.kept.case.annotations}
    unseen = own - set(begun.kept.native.annotations)
    told = revision.told and bool(revision.written)
    return bool(problems or drawn.losses or revision.replaced or revision.removed & unseen or told)


def _arrived(
    revision: Revision, begun: Begun, there: Mapping[str, Mapping[str, Any]], place: Place, *, amends: bool
) -> bool:
    """Whether everything is there: an attempt has come to its end whose answer was lost."""
    if amends:
        held = (amendment_in(row, place.classes) for row in there.values())
        return any(document is not None and amendment_number(document) == begun.number for document in held)
    return not revision.written and begun.gone.keys().isdisjoint(there)


def _refuse_changed(begun: Begun, there: Mapping[str, Mapping[str, Any]]) -> None:
    if any(part in there and said_by(there[part]) != said for part, said in begun.gone.items()):
        detail = "somebody changed an annotation of the item in this moment; run the same again"
        raise PlatformError(PLATFORM, "change annotations", detail)


def _written(
    revision: Revision,
    begun: Begun,
    place: Place,
    views: Mapping[str, View | None],
    names: Ids,
    left: Sequence[Mapping[str, Any]],
) -> _New:
    """The forms of what a revision writes. Masks that overlap what is there have none."""
    case = revision.after
    others = replace(case, annotations=[each for each in revision.written if not isinstance(each, Mask)])
    drawn = forms_of(others, place, views, names)
    new = _New(drawn.forms, {}, [replace(loss, where=BESIDE) for loss in drawn.losses], drawn.missing)
    under = {slot_of(row): row for row in left if place.classes.kind_of(row) == RASTER_TYPE}
    for mask in revision.written:
        if isinstance(mask, Mask):
            reason = _draw(mask, case, place, views, names, under=under, begun=begun, new=new)
            if reason is not None:
                new.losses.append(loss_of(mask, reason, BESIDE))
    return new


def _draw(
    mask: Mask,
    case: Case,
    place: Place,
    views: Mapping[str, View | None],
    names: Ids,
    *,
    under: Mapping[str, Mapping[str, Any]],
    begun: Begun,
    new: _New,
) -> str | None:
    """Add a mask to what is new; or say why it has no form."""
    image = case.image(str(mask.image))
    view = views[image.role]
    if view is None or image.role in place.displays.covered([each.role for each in case.images]):
        return "Darwin does not show its image in a way that can be drawn on"
    lacking = Drawn(missing=new.missing)
    parts = mask_parts(mask, image, place, [], lacking)
    new.missing = lacking.missing
    if isinstance(parts, str):
        return parts
    outlines = outline_forms(mask, parts["polygon"], view, place, names) if "polygon" in parts else []
    new.forms[mask.id] = [with_beside(form, mask, view, place) for form in outlines]
    if "mask" not in parts:
        return None
    *forms, layer = mask_forms([(mask, parts["mask"])], view, place.names, names)
    size = view.raster_size()
    there = [new.layers[view.slot].data] if view.slot in new.layers else []
    if view.slot in under:
        there.append(without(under[view.slot]["data"], begun.gone.keys()))
    if any(overlap(each, layer.data, size) for each in there):
        del new.forms[mask.id]
        return "it overlaps another mask of the image, and Darwin keeps one layer of pixels"
    new.forms[mask.id] += [with_beside(form, mask, view, place) for form in forms]
    known = new.layers.get(view.slot)
    new.layers[view.slot] = replace(layer, data=merged(known.data, layer.data, size)) if known else layer
    return None


def _document(
    revision: Revision, kept: Kept, forms: Mapping[str, Sequence[Form]], names: Ids, number: int, limit: int
) -> Mapping[str, Any]:
    """The amendment that tells of a case's own annotations as they shall be."""
    written = {each.id for each in revision.written}
    own = {each.id for each in kept.case.annotations} | written
    annotations = [each for each in revision.after.annotations if each.id in own]
    keys = {
        each.id: names.annotation(each.id) if each.id in forms else kept.native.annotations[each.id]
        for each in annotations
        if each.id in forms or (each.id not in written and each.id in kept.native.annotations)
    }
    said = {
        name: sorted(forms[name][0].said) if name in forms else kept.native.attributes.get(name, ()) for name in keys
    }
    document, overflow = amendment(
        kept, annotations, keys, number, limit, {n: each for n, each in said.items() if each}
    )
    if overflow:
        what = f"finds no room beside the case: {limit} bytes are left"
        raise Inexpressible(kept.case.id, [Problem(f"file {ref.name!r}", what, AGAIN) for ref in overflow])
    return document


def _first_slot(standing: Standing) -> Mapping[str, Any]:
    slot: Mapping[str, Any] = standing.item["slots"][0]
    return slot


def _over(layers: Mapping[str, Form], under: Mapping[str, Mapping[str, Any]]) -> list[Form]:
    """Layers of slots that have none yet; those of the others were laid over what is there."""
    return [form for slot, form in layers.items() if slot not in under]
