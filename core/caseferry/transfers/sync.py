"""Bringing annotations that were made later to cases that are at the target already."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caseferry.case.compare import annotation_differences, grid_differences, meaning
from caseferry.case.revision import revision_of
from caseferry.errors import IntegrityMismatch, InvalidCase, NotFound, Problem
from caseferry.held import refuse_inexact
from caseferry.transfers.merge import Base, Step, decide
from caseferry.transfers.outcome import Note, Outcome, Result
from caseferry.transfers.verify import complete, whole_case

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caseferry.annotation import Annotation
    from caseferry.case import Case, Image
    from caseferry.case.revision import Revision
    from caseferry.connector import Dataset, Item
    from caseferry.deidentify import Phi
    from caseferry.mapping.unmapped import Unmapped
    from caseferry.plan import Plan
    from caseferry.transfers.journal import Journal


@dataclass(frozen=True)
class Merged:
    """One annotation of a case, and what is done with it.

    Attributes
    ----------
    here, there : at the source and at the target, None where it is not
    """

    name: str
    step: Step
    reason: str
    here: Annotation | None
    there: Annotation | None

    def note(self, here: Case, there: Case) -> Note:
        """What people should know of it."""
        known = self.here or self.there
        assert known is not None  # noqa: S101  one that is nowhere is not merged
        what = self.reason
        if self.here is not None and self.there is not None:
            what += ": " + ", ".join(_differences(self.here, self.there, here, there))
        return Note(self.name, known.kind, known.label, str(self.step), what)


@dataclass(frozen=True)
class Sync:
    """Brings annotations from one dataset to another; see `caseferry.transfers.run.transfer`."""

    target: Dataset
    journal: Journal
    verify: bool
    phi: Phi | None
    strict: bool
    unmapped: Unmapped
    overwrite: bool
    dry_run: bool

    def bring(self, item: Item, listed: str | None, started: float) -> Result:
        """Bring the annotations of one case.

        Parameters
        ----------
        listed : id of the item at the target that has the name of the case, when it was listed
        started : by the monotonic clock

        Raises
        ------
        InvalidCase
            The case is not at the target yet, or lies elsewhere there.
        """
        twin = self._twin(item, listed)
        here, there = self.target.arranged(whole_case(item)), twin.case()
        known = self.journal.bases(item.case_id)
        merged = list(merge(here, there, known, overwrite=self.overwrite))
        put = [each.here for each in merged if each.step in {Step.ADD, Step.REPLACE} and each.here is not None]
        gone = [each.name for each in merged if each.step is Step.REMOVE]
        _refuse_other_places(here, there, put)
        revision = replace(revision_of(there, put, replacing=True, remove=gone), told=True)
        plan = self._sent(twin, revision)
        after = there
        if revision and not self.dry_run:
            after = self._read_back(here, twin, revision)
        if not self.dry_run:
            self.journal.keep_bases(item.case_id, dict(self._bases(here, after, known, merged)))
        notes = tuple(each.note(here, there) for each in merged if each.step in {Step.LEAVE, Step.CONFLICT})
        done = Outcome.UNCHANGED if not revision else Outcome.PLANNED if self.dry_run else Outcome.SYNCED
        conflicts = sum(each.step is Step.CONFLICT for each in merged)
        return Result(
            item.case_id,
            Outcome.CONFLICT if conflicts else done,
            twin.id,
            twin.url,
            f"{conflicts} annotations were changed on both sides and not touched" if conflicts else "",
            held=plan.held,
            removed=plan.removed,
            bytes=plan.bytes,
            calls=len(plan.calls),
            seconds=time.monotonic() - started,
            annotations=dict(sorted(Counter(str(each.step) for each in merged).items())),
            notes=notes,
        )

    def _twin(self, item: Item, listed: str | None) -> Item:
        """The item at the target that holds the case."""
        entry = self.journal.entry(item.case_id)
        twin = None
        if entry is not None and entry.target_item:
            try:
                twin = self.target.get(entry.target_item)
            except NotFound:
                twin = None
        if twin is None and listed is not None:
            twin = self.target.get(listed)
        if twin is None:
            what = f"is not in {self.target.url} yet"
            raise InvalidCase(item.case_id, [Problem("case", what, "transfer it first, without --annotations-only")])
        return complete(twin)

    def _sent(self, twin: Item, revision: Revision) -> Plan:
        if self.dry_run or self.strict:
            plan = self.target.plan_revision(twin, revision, phi=self.phi, unmapped=self.unmapped)
            plan.release()
            if self.strict:
                refuse_inexact(twin.case_id, plan.held)
            if self.dry_run:
                return plan
        return self.target.revise(twin, revision, phi=self.phi, unmapped=self.unmapped)

    def _read_back(self, here: Case, twin: Item, revision: Revision) -> Case:
        """The case at the target by now, which must hold what was brought."""
        if not self.verify:
            return revision.after
        after = complete(self.target.get(twin.id)).case()
        found = {each.id: each for each in after.annotations}
        sent = {each.id: each for each in here.annotations}
        wrong = [f"annotation {name} is still there" for name in sorted(revision.removed & found.keys())]
        for name in sorted(revision.added | revision.replaced):
            if name not in found:
                wrong.append(f"annotation {name} is not there")
                continue
            what = f"annotation {name} ({sent[name].kind} {sent[name].label!r})"
            wrong += [f"{what}: {text}" for text in _differences(sent[name], found[name], here, after)]
        if wrong:
            raise IntegrityMismatch(here.id, wrong)
        return after

    def _bases(
        self, here: Case, after: Case, known: Mapping[str, Base], merged: list[Merged]
    ) -> Iterator[tuple[str, Base]]:
        """What is known of each annotation from now on. What was left or is in conflict keeps what was known of it."""
        there = {each.id: each for each in after.annotations}
        for each in merged:
            brought = each.step in {Step.ADD, Step.REPLACE}
            if brought and each.here is not None and not self.verify:
                yield each.name, Base(_meaning(each.here, here), "")
            elif each.here is not None and each.name in there and each.step not in {Step.LEAVE, Step.CONFLICT}:
                if not _differences(each.here, there[each.name], here, after):
                    yield each.name, Base(_meaning(each.here, here), _meaning(there[each.name], after))
                elif each.name in known:
                    yield each.name, known[each.name]
            elif each.step in {Step.LEAVE, Step.CONFLICT} and each.name in known:
                yield each.name, known[each.name]


def merge(here: Case, there: Case, known: Mapping[str, Base], *, overwrite: bool = False) -> Iterator[Merged]:
    """What is done with each annotation of a case, but for those that only people at the target made.

    Parameters
    ----------
    here, there : the case at the source and at the target
    known : what was last brought, by id
    """
    mine, theirs = ({each.id: each for each in case.annotations} for case in (here, there))
    for name in [*mine, *(name for name in theirs if name not in mine and name in known)]:
        one, other = mine.get(name), theirs.get(name)
        equal = one is not None and other is not None and not _differences(one, other, here, there)
        step, reason = decide(
            _meaning(one, here) if one is not None else None,
            _meaning(other, there) if other is not None else None,
            known.get(name),
            equal=equal,
            overwrite=overwrite,
        )
        yield Merged(name, step, reason, one, other)


def bases_of(case: Case, found: Case | None) -> dict[str, Base]:
    """What is known of the annotations of a case that was brought.

    Parameters
    ----------
    found : the case at the target, which was compared and is the same; None when nobody looked
    """
    there = {each.id: each for each in found.annotations} if found is not None else {}
    return {
        each.id: Base(_meaning(each, case), _meaning(there[each.id], found) if found and each.id in there else "")
        for each in case.annotations
    }


def _meaning(annotation: Annotation, case: Case) -> str:
    return meaning(annotation, _image(annotation, case))


def _image(annotation: Annotation, case: Case) -> Image | None:
    return case.image(annotation.image) if annotation.image is not None else None


def _differences(one: Annotation, other: Annotation, here: Case, there: Case) -> list[str]:
    return annotation_differences(one, other, _image(one, here), _image(other, there))


def _refuse_other_places(here: Case, there: Case, put: list[Annotation]) -> None:
    """Refuse annotations whose image lies elsewhere at the target: the same voxel would be another place.

    Raises
    ------
    InvalidCase
        There is one.
    """
    roles = {image.role for image in there.images}
    problems = []
    for role in sorted({str(each.image) for each in put if each.image is not None} & roles):
        mine, theirs = here.image(role).geometry, there.image(role).geometry
        if mine is not None and theirs is not None:
            problems += [
                Problem(f"image {role!r}", text, "transfer it anew") for text in grid_differences(mine, theirs)
            ]
    if problems:
        raise InvalidCase(here.id, problems)
