"""What becomes of an annotation that is at the source, at the target, or at both: a merge of three versions.

The third is the annotation as it was last brought: what the source said of it then, and what the target said
afterwards. Whoever says something else now has changed it. What people at the target made or changed is never touched
unasked, and never deleted once it was changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Step(StrEnum):
    """What is done with an annotation."""

    ADD = "added"
    REPLACE = "replaced"
    REMOVE = "removed"
    NOTHING = "unchanged"
    LEAVE = "left"
    """Only one side has changed it, and not in a way that is brought."""
    CONFLICT = "conflict"
    """Both sides have changed it, or nobody knows which one has."""


@dataclass(frozen=True, slots=True)
class Base:
    """An annotation as it was last brought.

    Attributes
    ----------
    source, target : what tells its meaning on each side, by then; empty for a target that was not read back
    """

    source: str
    target: str


def decide(
    source: str | None, target: str | None, base: Base | None, *, equal: bool, overwrite: bool = False
) -> tuple[Step, str]:
    """What is done with one annotation, and why where somebody should know.

    Parameters
    ----------
    source, target : what tells its meaning on each side now; None where it is not there
    base : as it was last brought; None when that is not known
    equal : whether both sides say the same now
    overwrite : whether the source counts where both have changed it, and its deletions are brought
    """
    if equal or (source is None and (target is None or base is None)):
        return Step.NOTHING, ""
    if base is None:
        if target is None:
            return Step.ADD, ""
        return (Step.REPLACE, "") if overwrite else (Step.CONFLICT, "the two differ, and which is newer is not known")
    changed_there = target != base.target
    if source is None:
        if changed_there:
            return Step.CONFLICT, "deleted at the source, changed at the target"
        return (Step.REMOVE, "") if overwrite else (Step.LEAVE, "deleted at the source")
    if source == base.source:
        if target is None:
            return Step.LEAVE, "deleted at the target"
        return (Step.LEAVE, "changed at the target") if changed_there else (Step.NOTHING, "")
    if target is None:
        return (Step.ADD, "") if overwrite else (Step.CONFLICT, "changed at the source, deleted at the target")
    if not changed_there or overwrite:
        return Step.REPLACE, ""
    return Step.CONFLICT, "changed at the source and at the target"
