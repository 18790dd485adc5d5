"""A case as the calls that bring it to a Darwin dataset."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from caseferry.errors import Inexpressible, Problem
from caseferry.held import Held, Loss, attachments_beside, native
from caseferry.plan import Plan
from caseferry.sidecar import Native, build
from caseferry_darwin.wire.annotations import Ids
from caseferry_darwin.wire.classes import Wanted
from caseferry_darwin.wire.comments import losses_of, open_call, threads_of
from caseferry_darwin.wire.drawing import BESIDE, forms_of
from caseferry_darwin.wire.importing import import_calls, naming_calls
from caseferry_darwin.wire.registering import (
    placed_images,
    registration,
    registration_calls,
)
from caseferry_darwin.wire.showing import ready_call, views_of
from caseferry_darwin.wire.slotfile import conversion
from caseferry_darwin.wire.uploading import CONTENT, content_of, unfinished_calls, upload_ids
from caseferry_darwin.wire.values import held_values, values_call

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from caseferry.case import Case
    from caseferry.files import FileRef
    from caseferry.mapping.unmapped import Missing
    from caseferry_darwin.wire.place import Place, Standing
    from caseferry_darwin.wire.placed import Placed


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
    values = held_values(case, place, described.values if described is not None else None)
    held = [*map(_image_held, placed), *drawn.held, *losses_of(threads, case), *held_tags]
    kept = Native(
        images={each.image.role: each.slot for each in placed},
        annotations={each: names.annotation(each) for each in forms} | {each.annotation: each.key for each in threads},
        tags={tag: tag for tag in tags},
        attributes={name: sorted(said) for name, said in drawn.said.items() if said},
        values={name: str(rows[0]["property_id"]) for name, rows in values.items()},
    )
    sidecar, overflow = build(case, kept, limit)
    held += _beside(case, values, overflow)
    if overflow and not allow_spare:
        problems = [
            Problem(f"file {ref.name!r}", f"finds no room beside the case: {ref.length()} bytes, {limit} are left")
            for ref in overflow
        ]
        raise Inexpressible(case.id, problems)
    needed = [form for parts in forms.values() for form in parts]
    calls, ids = naming_calls(needed, place, tags if described is None else ())
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
    unset = [rows for name, rows in values.items() if standing is None or name not in standing.values_set]
    if any(missing.values()) or unsaid or unset:
        calls.append(ready_call(case, placed, place, views, adopts, tuple(call.name for call in calls)))
        if any(missing.values()):
            rest = [form for parts in missing.values() for form in parts]
            calls += import_calls(rest, ids, place, adopts, ("ready",))
        if unset:
            calls.append(values_call(unset, place, adopts, ("ready",)))
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


def _image_held(placed: Placed) -> Held:
    """What becomes of an image."""
    changed = placed.made.loss if placed.made is not None else conversion(placed.image)
    return changed or native(f"image {placed.image.role!r}", f"slot {placed.slot!r}")


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


def _beside(case: Case, values: Collection[str], overflow: Sequence[FileRef]) -> list[Held]:
    """What becomes of what is neither image nor annotation nor tag."""
    held: list[Held] = [
        native(f"value {name!r}", "a property of the item")
        if name in values
        else Loss(f"value {name!r}", "the dataset's items have no property for it", "sidecar", BESIDE)
        for name in case.values
    ]
    held += attachments_beside(case, overflow, "Darwin holds no files but what it shows", BESIDE)
    held += [native("folder", "the item's folder")] if case.folder else []
    held += [
        Loss(name, f"Darwin's items have no {name} of ours", "sidecar", BESIDE)
        for name in ("title", "metadata")
        if getattr(case, name)
    ]
    return held
