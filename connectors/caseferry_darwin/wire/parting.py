"""One case as several items, an image in each, where the mapping says ``merge = "items"``.

The first item, the lead, is called like the case and holds its first image and all that belongs to no image. Each
other is called by the case and a role. They tell of each other in the metadata of their slots, so that they are read
as one case from any machine, with or without the mapping.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.case import Case
from caseferry.case.revision import Revision
from caseferry.connector import State
from caseferry.plan import Call, Given, Plan, Reply
from caseferry_darwin.wire.reading import own_metadata
from caseferry_darwin.wire.registering import item_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PARTS = "parts"
"""Where the metadata of a lead tell the names of the cases of the other items, within caseferry's own; beside the item
itself, where a dataset keeps what the platform says of those."""

PART_OF = "part_of"
"""Where those of another item tell the name of the whole case."""

_TAKEN = re.compile(r"\{([^{}]+)\}")


def part_id(case_id: str, role: str) -> str:
    """The name of the case that an item holds which is not the lead."""
    return f"{case_id} [{role}]"


def parts_of(case: Case) -> list[Case]:
    """A case as one for each item, the lead first."""
    first, *others = case.images
    mine = {None, first.role}
    lead = replace(case, images=[first], annotations=[a for a in case.annotations if a.image in mine])
    return [
        lead,
        *(
            Case(
                part_id(case.id, image.role),
                title=case.title,
                images=[image],
                annotations=[a for a in case.annotations if a.image == image.role],
                folder=case.folder,
            )
            for image in others
        ),
    ]


def told_of_parts(case: Case) -> list[dict[str, Any]]:
    """What the metadata of each item tell of the others."""
    others = [part_id(case.id, image.role) for image in case.images[1:]]
    return [{PARTS: others}, *({PART_OF: case.id} for _ in others)]


def names_of_parts(lead: Mapping[str, Any]) -> list[str]:
    """The names of the other items of a lead; none for an item that is a case by itself."""
    own = own_metadata(lead)
    folder = str(lead.get("path") or "").strip("/")
    return [item_name(str(name), folder) for name in own.get(PARTS) or ()]


def is_part(item: Mapping[str, Any]) -> bool:
    """Whether an item belongs to a case that another leads."""
    return PART_OF in own_metadata(item)


def joined_case(cases: Sequence[Case]) -> Case:
    """The whole case of what its items hold, the lead's first."""
    lead = cases[0]
    return replace(
        lead,
        images=[image for case in cases for image in case.images],
        annotations=[annotation for case in cases for annotation in case.annotations],
        tags=list(dict.fromkeys(tag for case in cases for tag in case.tags)),
    )


def joined_state(states: Sequence[State], wanted: int) -> State:
    """The state of a case by those of its items, of which some may not be there yet."""
    if State.FAILED in states:
        return State.FAILED
    if len(states) < wanted or State.UPLOADING in states:
        return State.UPLOADING
    return State.PROCESSING if State.PROCESSING in states else State.READY


def parted_revision(revision: Revision) -> list[Revision]:
    """A revision as one for each item, the lead's first."""

    def among(ids: frozenset[str], *cases: Case) -> frozenset[str]:
        return ids & {annotation.id for case in cases for annotation in case.annotations}

    return [
        Revision(
            before,
            after,
            among(revision.added, after),
            among(revision.replaced, after),
            among(revision.removed, before),
        )
        for before, after in zip(parts_of(revision.before), parts_of(revision.after), strict=True)
    ]


# -- plans ---------------------------------------------------------------------------------------------------------


def joined_plan(plans: Sequence[Plan], case_id: str, numbers: Iterable[int] | None = None) -> Plan:
    """One plan that does what several do. Classes are made once; all else is told apart by numbers.

    Items are registered one after another, the lead first: made at the same time they would go in one request, of which
    the plan says nothing.

    Parameters
    ----------
    numbers : of the items, the lead being 0; as they come when None
    """
    classes: dict[str, Call] = {}
    calls: list[Call] = []
    bindings: dict[str, Any] = {}
    registered: tuple[str, ...] = ()
    for number, plan in zip(range(len(plans)) if numbers is None else numbers, plans, strict=True):
        for call in plan.calls:
            if not _of_class(call):
                mine = _numbered(call, number, {each.name for each in plan.calls if not _of_class(each)})
                if call.name == "register":
                    mine = replace(mine, after=(*mine.after, *registered))
                    registered = (mine.name,)
                calls.append(mine)
            elif call.name not in classes or len(_types(call)) > len(_types(classes[call.name])):
                classes[call.name] = call
        bindings |= {_renamed(name, number): value for name, value in plan.bindings.items()}
    return Plan(
        dataset=plans[0].dataset,
        case_id=case_id,
        calls=(*classes.values(), *calls),
        held=tuple(held for plan in plans for held in plan.held),
        missing=tuple(dict.fromkeys(each for plan in plans for each in plan.missing)),
        adopts=plans[0].adopts,
        bindings=bindings,
    )


def _of_class(call: Call) -> bool:
    return call.target.startswith("annotation_classes") or call.target.endswith("/properties")


def _types(call: Call) -> Sequence[Any]:
    return call.body.get("annotation_type_ids") or ()


def _renamed(name: str, number: int) -> str:
    """The name of what a call gives, within the whole; ids of classes are the same for all items."""
    return name if not number or name.startswith("class ") else f"{name} ({number})"


def _numbered(call: Call, number: int, own: set[str]) -> Call:
    """A call of one item among those of all.

    Parameters
    ----------
    own : names of the calls that are about this item
    """
    if not number:
        return call
    read = call.read

    def read_numbered(reply: Reply) -> dict[str, Any]:
        found = read(reply) if read is not None else {}
        return {_renamed(name, number): value for name, value in found.items()}

    return replace(
        call,
        name=f"{call.name} ({number})",
        target=_TAKEN.sub(lambda match: f"{{{_renamed(match[1], number)}}}", call.target),
        body=_with_names(call.body, number),
        gives=tuple(_renamed(name, number) for name in call.gives),
        read=read_numbered,
        after=tuple(f"{name} ({number})" if name in own else name for name in call.after),
    )


def _with_names(value: Any, number: int) -> Any:
    if isinstance(value, Given):
        return Given(_renamed(value.name, number))
    if isinstance(value, dict):
        return {key: _with_names(each, number) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_names(each, number) for each in value]
    return value
