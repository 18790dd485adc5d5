"""A case as the calls that bring it to a Datamint project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.errors import Inexpressible, Problem
from caseferry.plan import Plan
from caseferry.sidecar import build
from caseferry_datamint.wire.annotating import There, annotation_calls
from caseferry_datamint.wire.holding import annotations_held, held_beside
from caseferry_datamint.wire.uploads import image_held, joining, resource_ids, uploads

if TYPE_CHECKING:
    from caseferry.case import Case
    from caseferry.files import FileRef
    from caseferry.mapping import Names
    from caseferry_datamint.wire.standing import Project, Standing


def plan_case(
    case: Case, project: Project, names: Names, dataset: str, standing: Standing, *, limit: int, allow_spare: bool
) -> tuple[Plan, list[FileRef]]:
    """The calls that bring a sealed case, or what is missing of it, to a project.

    Raises
    ------
    Inexpressible
        The case has no images, or files find no place on the platform and `allow_spare` is False.
    """
    if not case.images:
        raise Inexpressible(case.id, [Problem("images", "is empty; Datamint holds images", "give at least one")])
    standing_there, held = annotations_held(case, names, project, standing)
    sidecar, overflow = build(case, standing_there, limit)
    held = [*map(image_held, case.images), *held, *held_beside(case, overflow)]
    if overflow and not allow_spare:
        problems = [
            Problem(f"file {ref.name!r}", f"finds no room beside the case: {ref.length()} bytes, {limit} are left")
            for ref in overflow
        ]
        raise Inexpressible(case.id, problems)
    calls = list(uploads(case, project, names, standing, sidecar))
    calls += joining(project, standing, calls)
    if not standing.revised:
        written = [each for each in case.annotations if each.id not in standing.beside]
        calls += annotation_calls(case, written, There(names, project, resource_ids(case, standing), standing))
    adopts = standing.resources.get((0, 0)) if standing.resources else None
    bindings = {"resource 0 0": adopts} if adopts else {}
    bindings |= {f"resource {image} {file}": rid for (image, file), rid in standing.resources.items()}
    plan = Plan(
        dataset=dataset, case_id=case.id, calls=tuple(calls), held=tuple(held), adopts=adopts, bindings=bindings
    )
    return plan, overflow
