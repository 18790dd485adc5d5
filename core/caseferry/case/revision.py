"""Changing the annotations of a case that is there: which are added, which take another's place, which go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from caseferry.case.compare import annotation_differences
from caseferry.case.seal import seal_annotations
from caseferry.errors import InvalidCase, PlatformError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case.case import Case


@dataclass(frozen=True)
class Revision:
    """How the annotations of a case shall change; see `revision_of`.

    Attributes
    ----------
    before : the case as it stands
    after : the case as it shall stand; what takes another's place stands where that stood, what is new at the end
    added, replaced, removed : ids of annotations
    told : whether all that is written must read back exactly: a sidecar tells of it, also of what a platform adds of
        its own, such as who sent it
    create : whether names that its labels need and the platform does not have are made there
    """

    before: Case
    after: Case
    added: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    told: bool = False
    create: bool = True

    def __bool__(self) -> bool:
        return bool(self.added or self.replaced or self.removed)

    @property
    def written(self) -> list[Annotation]:
        """The annotations that are sent: those that are new, and those that take another's place."""
        return [each for each in self.after.annotations if each.id in self.added | self.replaced]

    @property
    def gone(self) -> frozenset[str]:
        """Ids of annotations that do not stay as they are."""
        return self.replaced | self.removed

    def versions(self, name: str) -> list[Annotation]:
        """An annotation as it stands, and as it shall; either may be missing."""
        return [each for case in (self.before, self.after) for each in case.annotations if each.id == name]


def revision_of(
    case: Case, annotations: Iterable[Annotation], *, replacing: bool = False, remove: Iterable[str] = ()
) -> Revision:
    """The revision of a case that adds and removes annotations.

    Parameters
    ----------
    annotations : checked against the images of the case; one that says what is there already changes nothing
    replacing : whether one whose id is there takes that one's place
    remove : ids

    Raises
    ------
    InvalidCase
        An annotation does not fit the case, its id is taken, or one that shall be removed is not there; all of it is
        listed.
    """
    standing = {each.id: each for each in case.annotations}
    given, gone = list(annotations), frozenset(remove)
    named = {each.id: each for each in given if each.id}
    problems = [Problem(f"annotation {name!r}", "is not there and cannot be removed") for name in gone - set(standing)]
    problems += [Problem(f"annotation {name!r}", "is both given and to be removed") for name in gone & set(named)]
    if problems:
        raise InvalidCase(case.id, sorted(problems, key=str))
    in_place = named if replacing else {}
    fresh = [each for each in given if each.id not in standing or not replacing]
    kept = [in_place.get(each.id, each) for each in case.annotations if each.id not in gone]
    merged = replace(case, annotations=[*kept, *fresh])
    added = frozenset(each.id for each in merged.annotations[len(kept) :])
    candidates = frozenset(in_place) & frozenset(standing)
    sealed = seal_annotations(merged, added | candidates)
    changed = frozenset(
        each.id for each in sealed.annotations if each.id in candidates and differ(each, standing[each.id], case)
    )
    after = [
        standing[each.id] if each.id in candidates and each.id not in changed else each for each in sealed.annotations
    ]
    return Revision(case, replace(sealed, annotations=after), added, changed, gone)


def differ(one: Annotation, other: Annotation, case: Case) -> bool:
    """Whether two annotations of a case do not say the same."""
    image = case.image(one.image) if one.image is not None else None
    return one.image != other.image or bool(annotation_differences(one, other, image, image))


def refuse_changed(platform: str, known: Mapping[str, Sequence[Annotation]], now: Case) -> None:
    """Refuse to take away, or to write over, what somebody has changed since it was read.

    Parameters
    ----------
    known : by their ids, what annotations that shall go may say: what they said, and what they are to say
    now : the case as it stands by now

    Raises
    ------
    PlatformError
        One is another by now.
    """
    there = {each.id: each for each in now.annotations}
    for name in sorted(known.keys() & there.keys()):
        if all(differ(each, there[name], now) for each in known[name]):
            detail = f"somebody changed annotation {name!r} in this moment; read the item anew and run the same again"
            raise PlatformError(platform, "change annotations", detail)
