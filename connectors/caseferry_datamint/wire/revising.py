"""Changing the annotations of a case that is there.

What is removed goes first. What is new comes under a link that no sidecar tells of yet; then the amendment that tells
of it, and last goes what it replaces. Wherever that is interrupted, each annotation reads as it was or as it shall be,
and the next revision clears what is left over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Track
from caseferry.errors import Inexpressible, Problem
from caseferry.plan import Call, Plan, Repeat
from caseferry.sidecar import amendment, amendment_number
from caseferry_datamint.wire.amending import amendment_form, amendment_in
from caseferry_datamint.wire.annotating import There, annotation_calls
from caseferry_datamint.wire.annotations import CONVERSIONS
from caseferry_datamint.wire.holding import image_of, loss_of, reason_against, unsaid
from caseferry_datamint.wire.links import is_gone, link, link_of
from caseferry_datamint.wire.reading import is_stray
from caseferry_datamint.wire.rows import chosen_rows, rows_by_annotation
from caseferry_datamint.wire.tracks import reads_back

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.held import Loss
    from caseferry.sidecar import Kept
    from caseferry_datamint.wire.reading import Group

BESIDE = "an annotation of the first resource"
"""Where an amendment lies, for people."""

CLEARED_AT_ONCE = 200
"""How many annotations one request deletes."""


@dataclass(frozen=True)
class Begun:
    """What stood there when the revision of a case began.

    Attributes
    ----------
    kept : the sidecar, with its amendments
    lead : id of the first resource
    replaced, removed : ids of the platform's annotations that make what is replaced, and what is removed
    leftover : ids of those that an interrupted revision has left
    amendments : ids of those that hold amendments
    number : of the amendment that this revision makes
    """

    kept: Kept | None
    lead: str
    replaced: frozenset[str]
    removed: frozenset[str]
    leftover: frozenset[str]
    amendments: frozenset[str]
    number: int

    @classmethod
    def read(cls, found: Group, rows: Sequence[Mapping[str, Any]], revision: Revision) -> Begun:
        """From the resources of a case and the annotations of all of them.

        Raises
        ------
        ConfigurationError
            What shall go is one with what shall stay.
        """
        there = [row for row in rows if not is_gone(row)]
        whole, _ = found.parted(there)
        kept = whole.kept
        held = kept.native.annotations if kept is not None else None
        made_of = rows_by_annotation(found, there)
        gone = frozenset(chosen_rows(made_of, sorted(revision.gone & made_of.keys()), "changed"))
        removed = frozenset(row for name in revision.removed for row in made_of.get(name, ()))
        return cls(
            kept,
            str(found.lead["id"]),
            gone - removed,
            removed,
            frozenset(str(row["id"]) for row in there if is_stray(row, held)),
            frozenset(str(row["id"]) for row in there if amendment_in(row) is not None),
            max(map(amendment_number, whole.amendments), default=0) + 1,
        )


def plan_revision(
    revision: Revision,
    begun: Begun,
    there: There,
    rows: Sequence[Mapping[str, Any]],
    *,
    dataset: str,
    item: str,
    limit: int,
) -> Plan:
    """The calls that do what is still missing of a revision.

    Parameters
    ----------
    there : its standing is filled here
    rows : the annotations that stand there by now

    Raises
    ------
    Inexpressible
        Something would be lost, and there is no sidecar that could be amended; or it is too large for that.
    """
    case, written = revision.after, revision.written
    needed = [*problems_of_adding(case, written, there), *_only_beside(revision, begun.kept)]
    told = revision.told and bool(written)
    amends = bool(needed or revision.replaced or told) and begun.kept is not None
    if needed and not amends:
        raise Inexpressible(case.id, needed)
    there = There(there.names, there.project, there.ids, there.standing, begun.number if amends else 0)
    links = {_key(each.id, there.revision): each.id for each in written}
    present = {str(row["id"]) for row in rows if not is_gone(row)}
    old = begun.replaced | begun.removed | begun.leftover | begun.amendments
    for row in rows:
        if (name := links.get(link_of(row) or "")) is not None and str(row["id"]) not in old:
            there.standing.annotations.setdefault(name, []).append(row)
    calls = _clearing("clear", begun.leftover & present, "clear what an interrupted change has left")
    gone = begun.removed if amends else begun.removed | begun.replaced
    calls += _clearing("remove", gone & present, "remove annotations")
    calls += annotation_calls(case, written, there)
    losses: list[Loss] = []
    if amends and begun.kept is not None:
        document = _document(revision, begun.kept, there, limit)
        losses = _losses(case, written, there)
        if not any(_amends(row, there.revision) for row in rows if str(row["id"]) not in old):
            calls.append(_amendment(begun.lead, document, tuple(call.name for call in calls)))
        former = (begun.replaced | begun.amendments) & present
        calls += _clearing("replace", former, "remove what is replaced", tuple(call.name for call in calls))
    return Plan(dataset=dataset, case_id=case.id, adopts=item, calls=tuple(calls), held=tuple(losses))


def _key(name: str, revision: int) -> str:
    """By what the rows of an annotation are known; see `link_of`."""
    return link(name, revision) if revision else name


def _only_beside(revision: Revision, kept: Kept | None) -> list[Problem]:
    """Annotations that go and of which only the sidecar tells."""
    if kept is None:
        return []
    beside = {each.id for each in kept.case.annotations} - set(kept.native.annotations)
    return [Problem(f"annotation {name!r}", "lies in the sidecar alone") for name in sorted(revision.removed & beside)]


def _document(revision: Revision, kept: Kept, there: There, limit: int) -> Mapping[str, Any]:
    case, written = revision.after, {each.id for each in revision.written}
    own = {each.id for each in kept.case.annotations} | written
    annotations = [each for each in case.annotations if each.id in own]
    keys = {name: key for name, key in kept.native.annotations.items() if name not in written}
    keys |= {
        each.id: _key(each.id, there.revision)
        for each in revision.written
        if reason_against(case, each, there.names) is None
    }
    ids = {each.id for each in annotations}
    keys = {name: key for name, key in keys.items() if name in ids}
    document, overflow = amendment(kept, annotations, keys, there.revision, limit)
    if overflow:
        what = f"finds no room beside the case: {limit} bytes are left"
        raise Inexpressible(case.id, [Problem(f"file {ref.name!r}", what, "put the case anew") for ref in overflow])
    return document


def _losses(case: Case, written: Sequence[Annotation], there: There) -> list[Loss]:
    reasons = ((each, reason_against(case, each, there.names)) for each in written)
    return [loss_of(each, reason, BESIDE) for each, reason in reasons if reason is not None]


def _amends(row: Mapping[str, Any], number: int) -> bool:
    document = amendment_in(row)
    return document is not None and not is_gone(row) and amendment_number(document) == number


def _amendment(lead: str, document: Mapping[str, Any], after: tuple[str, ...]) -> Call:
    return Call(
        name="amend",
        method="POST",
        target=f"annotations/{lead}/annotations",
        body=[amendment_form(document)],
        after=after,
        repeat=Repeat.DETECTABLE,
        purpose="tell what the annotations say that Datamint has no words for",
    )


def _clearing(name: str, ids: Collection[str], purpose: str, after: tuple[str, ...] = ()) -> list[Call]:
    ordered = sorted(ids)
    return [
        Call(
            name=f"{name} {start}",
            method="POST",
            target="annotations/delete-batch",
            body={"ids": ordered[start : start + CLEARED_AT_ONCE]},
            after=after,
            purpose=purpose,
        )
        for start in range(0, len(ordered), CLEARED_AT_ONCE)
    ]


# -- what reads back as it was without a sidecar -------------------------------------------------------------------


def problems_of_adding(case: Case, new: Sequence[Annotation], there: There) -> list[Problem]:
    """Why annotations cannot be added to a case that is there, whose sidecar cannot be changed any more."""
    problems = []
    for annotation in new:
        where = f"{annotation.kind} {annotation.label!r}"
        if (reason := reason_against(case, annotation, there.names)) is not None:
            problems.append(Problem(where, reason, "put the whole case anew"))
        elif (found := CONVERSIONS.get(annotation.kind)) is not None and not _reads_back(annotation, case):
            problems.append(Problem(where, f"would come back as {found.into}", "put the whole case anew"))
        elif lost := unsaid(annotation, image_of(case, annotation), there.project):
            what = f"{' and '.join(lost)} would be lost: Datamint keeps that of a case's first annotations alone"
            problems.append(Problem(where, what, "leave it out, or put the whole case anew"))
    return problems


def _reads_back(annotation: Annotation, case: Case) -> bool:
    return isinstance(annotation, Track) and reads_back(annotation, image_of(case, annotation))
