"""Labels that a target does not know: nothing is made there, or hidden beside a case, unasked.

A platform that has a list of names (Darwin's classes, Grand Challenge's sockets) may lack the name that a label has,
or is mapped to. What is done then is one setting, of a dataset or of a call:

``stop``
    The case is refused before anything is sent, with all such labels and the names there that are like them. What
    runs over many cases does so when nobody says otherwise: a misspelt label makes no class for everybody.
``create``
    The name is made where the platform allows it, and the case is refused where it does not.
``sidecar``
    Nothing is made; what has such a label is kept beside the case.
``accept``
    The name is made where the platform allows it, and what has the label is kept beside the case elsewhere. So do
    `Dataset.put` and `Dataset.plan` when nobody says otherwise: any case can be put on any platform.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from caseferry.config import one_of
from caseferry.errors import Problem, UnmappedLabels
from caseferry.mapping.names import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Unmapped = Literal["stop", "create", "sidecar", "accept"]
"""What is done with labels that a target does not know."""


LIKE = 0.6
"""How like a name must be to be told of; see `difflib.SequenceMatcher.ratio`."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that a target would need, and does not have.

    Attributes
    ----------
    part : what is called so in the case: ``label 'nodule'``, ``tag 'train'``
    name : what it is called there
    wanted : what would have to be there: ``class 'Nodule' of type mask``
    makes : whether the platform makes it when asked
    """

    part: str
    name: str
    wanted: str
    makes: bool


def check_unmapped(given: Any) -> Unmapped:
    """The given word for what is done with unmapped labels.

    Raises
    ------
    ConfigurationError
        It is no such word.
    """
    return cast("Unmapped", one_of(Unmapped, given, "unmapped"))


def makes_names(unmapped: Unmapped) -> bool:
    """Whether names that are missing are made where the platform allows it."""
    return unmapped in {"create", "accept"}


def refused(missing: Sequence[Missing], unmapped: Unmapped) -> list[Missing]:
    """The names for which a case is refused."""
    if unmapped == "stop":
        return list(missing)
    return [each for each in missing if not each.makes] if unmapped == "create" else []


def unmapped_labels(case_id: str, missing: Sequence[Missing], offered: Mapping[str, str]) -> UnmappedLabels:
    """The error that lists names which a target does not have.

    Parameters
    ----------
    offered : names that are there, and what each is
    """
    problems = []
    for each in dict.fromkeys(missing):
        near = [f"{name!r} ({offered[name]})" for name in nearest(each.name, offered, LIKE)]
        like = f"like it: {', '.join(near)}" if near else "nothing like it is there"
        problems.append(Problem(each.part, f"there is no {each.wanted}", like))
    return UnmappedLabels(case_id, problems, makes=any(each.makes for each in missing))
