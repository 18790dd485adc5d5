"""Masks that share no voxels, made of masks that do: for those who ask for it, and who are told what it costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from caseferry.annotation import Mask
from caseferry.case.placement import aligned
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef
from caseferry.held import Deviation, Loss, part_of
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.annotation import Annotation
    from caseferry.case import Case, Image
    from caseferry.geometry import Geometry
    from caseferry.held import Held
    from caseferry.mapping.overlap import Priority


@dataclass(frozen=True, repr=False)
class FlatRef(FileRef):
    """The file of a mask without the voxels that went to others.

    Attributes
    ----------
    hidden : how many they are
    """

    hidden: int = field(default=0, compare=False)


def flattened_case(case: Case, priority: Priority) -> Case:
    """A case in which no voxel of an image belongs to several masks.

    Holds a few volumes at a time, however many masks there are. A mask that loses nothing stays as it is.

    Raises
    ------
    InvalidCase
        A mask cannot be read, or does not lie on its image.
    """
    groups: dict[str, list[Mask]] = defaultdict(list)
    for each in case.annotations:
        if isinstance(each, Mask):
            groups[str(each.image)].append(each)
    flat: dict[str, Annotation] = {}
    for role, masks in groups.items():
        if len(masks) > 1:
            try:
                flat |= {each.id: each for each in _flattened(masks, case.image(role), priority)}
            except (ImageProblem, FileProblem) as error:
                raise InvalidCase(case.id, [Problem(f"masks of image {role!r}", str(error))]) from error
    return replace(case, annotations=[flat.get(each.id, each) for each in case.annotations]) if flat else case


def _flattened(masks: Sequence[Mask], image: Image, priority: Priority) -> list[Mask]:
    """The masks that lose voxels, without them."""
    import numpy as np

    ranks = _ranks(masks, priority)
    best: NDArray[np.unsignedinteger[Any]] | None = None
    shared = False
    for mask in masks:
        theirs = _ranked(mask, image, ranks[mask.id])
        if best is None:
            best = theirs
            continue
        shared = shared or bool(np.logical_and(best, theirs).any())
        best = np.where((theirs > 0) & ((best == 0) | (theirs < best)), theirs, best)
    found = []
    for mask in masks if shared else ():
        lost = _ranked(mask, image, ranks[mask.id])
        lost = (lost > 0) & (lost != best)
        if hidden := int(np.count_nonzero(lost)):
            found.append(_without(mask, image, lost, hidden))
    return found


def _ranks(masks: Sequence[Mask], priority: Priority) -> dict[str, dict[int, int]]:
    """For each mask and voxel value a number of its own: the smallest counts most."""
    order = [(mask.id, value, label) for mask in masks for value, label in mask.labels.items()]
    if priority.last:
        order.reverse()
    named = {label: place for place, label in enumerate(priority.labels)}
    order.sort(key=lambda each: named.get(each[2], len(named)))
    ranks: dict[str, dict[int, int]] = defaultdict(dict)
    for rank, (name, value, _) in enumerate(order, 1):
        ranks[name][value] = rank
    return ranks


def _ranked(mask: Mask, image: Image, ranks: Mapping[int, int]) -> NDArray[np.unsignedinteger[Any]]:
    """The rank of each voxel; 0 outside of the mask."""
    import numpy as np

    table = np.zeros(max(ranks) + 1, np.uint16 if max(ranks.values()) < 1 << 16 else np.uint32)
    for value, rank in ranks.items():
        table[value] = rank
    ranked: NDArray[np.unsignedinteger[Any]] = table[aligned(mask, image)]
    return ranked


def _without(mask: Mask, image: Image, lost: NDArray[np.bool_], hidden: int) -> Mask:
    grid = cast("Geometry", image.geometry)
    voxels: NDArray[Any] = aligned(mask, image).copy()
    voxels[lost] = 0
    if mask.frame is not None:
        third, fourth = mask.frame % grid.shape[2], mask.frame // grid.shape[2]
        voxels = voxels[:, :, third, None] if voxels.ndim == 3 else voxels[:, :, third, None, fourth]
    ref = Mask.of_array(str(mask.image), voxels, mask.labels, grid.affine).file
    return replace(mask, file=FlatRef(ref.location, ref.name, ref.size, ref.media_type, ref.sha256, hidden=hidden))


def with_overlaps(case: Case, held: Sequence[Held], priority: Priority) -> tuple[Held, ...]:
    """What becomes of the parts of a flattened case, with what the flattening has cost.

    Parameters
    ----------
    held : what becomes of them, once they are flattened
    """
    hidden: dict[str, list[int]] = defaultdict(list)
    for each in case.annotations:
        if isinstance(each, Mask):
            hidden[part_of(each)].append(each.file.hidden if isinstance(each.file, FlatRef) else 0)
    if not any(map(any, hidden.values())):
        return tuple(held)
    return tuple(_cost(each, hidden[each.part].pop(0), priority) if hidden.get(each.part) else each for each in held)


def _cost(held: Held, hidden: int, priority: Priority) -> Held:
    if not hidden:
        return held
    reason = f"it shares voxels with other masks, and is flattened as asked (overlap: {priority})"
    reason = f"{held.reason}; {reason}" if held.reason else reason
    kept = "converted" if held.kept == "native" else held.kept
    return Loss(held.part, reason, kept, held.where, held.error | Deviation(voxels=hidden))
