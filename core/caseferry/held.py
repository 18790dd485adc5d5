"""What becomes of each part of a case on a platform, and how far that is from what was put.

The wire code of a connector makes one list of it, together with the calls of a plan: for each image, annotation,
value, attachment and tag, and for title, folder and metadata. What is lost, what a report counts and what ``strict``
refuses is all read from that list.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from caseferry.annotation.placed import SAME_PLACE_MM
from caseferry.errors import Inexpressible, Problem
from caseferry.text import columns, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Case
    from caseferry.files import FileRef
    from caseferry.plain import Json

Kept = Literal["native", "converted", "sidecar", "journal"]
"""``native``: as it is, in the platform's own form; ``converted``: it is there in another form that means the same, or
nearly, as its error says; ``sidecar``: it lies beside the platform's own data and comes back when the case is read;
``journal``: it lies in the journal's folder only."""

MOST_TOLD = 12
"""How much of what an annotation says besides is told by name."""

SAID = "said of "
"""How a part begins that is what an annotation says besides, not the annotation itself."""

UNNAMED = ("value", "attachment", "tag")
"""Parts that are counted together whatever their names, over several cases."""

COLUMNS = ("Part", "Count", "Kept", "Error", "Where, and why")

LARGEST_TABLE = 60
"""Rows of a table of many cases."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """By how much a part on a platform differs from what was put, at most.

    Attributes
    ----------
    mm : how far a position is from where it was; in images without a size, pixels
    voxels : how many voxels of a mask are other ones
    values : how far the value of a voxel is from what it was
    """

    mm: float = 0.0
    voxels: int = 0
    values: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether it is the same; positions that lie within `SAME_PLACE_MM` are."""
        return not self.voxels and not self.values and self.mm <= SAME_PLACE_MM

    def __or__(self, other: Deviation) -> Deviation:
        """The greater of both."""
        ours, theirs = ((each.mm, each.voxels, each.values) for each in (self, other))
        mm, voxels, values = map(max, ours, theirs)
        return Deviation(mm, int(voxels), values)

    def __str__(self) -> str:
        if self.exact:
            return "exact"
        told = [f"{self.mm:.2g} mm"] if self.mm > SAME_PLACE_MM else []
        told += [f"{self.voxels} voxel{'s' * (self.voxels != 1)}"] if self.voxels else []
        return ", ".join([*told, *([f"{self.values:.3g} in value"] if self.values else [])])

    def to_json(self) -> Json:
        """Plain data: ``exact``, or what differs."""
        if self.exact:
            return "exact"
        return {name: getattr(self, name) for name in ("mm", "voxels", "values") if getattr(self, name)}

    @classmethod
    def from_json(cls, document: Any) -> Deviation:
        """Read what `to_json` wrote."""
        return cls(**document) if isinstance(document, dict) else cls()


EXACT = Deviation()


@dataclass(frozen=True, slots=True)
class Held:
    """What becomes of one part of a case.

    Attributes
    ----------
    part : the part of the case: ``image 'ct'``, ``line 'diameter'``
    reason : why the platform cannot hold it as it is; empty for what it can
    kept : see `Kept`
    where : the form that it has there, or the place, in words
    error : by how much the platform's own form differs; what lies in a sidecar does not
    """

    part: str
    reason: str
    kept: Kept
    where: str
    error: Deviation = EXACT

    def __str__(self) -> str:
        told = f"; {self.reason}" if self.reason else ""
        error = f" ({self.error})" if self.kept == "converted" else ""
        return f"{self.part}: {self.kept}{error}: {self.where}{told}"

    @property
    def exact(self) -> bool:
        """Whether the platform itself holds it with nothing changed."""
        return self.kept in {"native", "converted"} and self.error.exact

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {
            "part": self.part,
            "reason": self.reason,
            "kept": self.kept,
            "where": self.where,
            "error": self.error.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Loss(Held):
    """One thing that the target cannot hold as it is, and what becomes of it; see `Held`."""

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Loss:
        """Read what `to_json` wrote."""
        return cls(**{**document, "error": Deviation.from_json(document.get("error"))})


def native(part: str, where: str) -> Held:
    """What a platform holds as it is."""
    return Held(part, "", "native", where)


def attachments_beside(case: Case, overflow: Iterable[FileRef], reason: str, where: str) -> list[Loss]:
    """What becomes of attachments where the platform has no place for any: they lie beside the case, if there is room.

    Parameters
    ----------
    overflow : files of the case for which there is no room
    reason : why the platform itself does not hold them
    where : what lies beside the case lies
    """
    over = {ref.measured().sha256 for ref in overflow}
    losses = []
    for each in case.attachments:
        part = f"attachment {each.name!r}"
        if each.file.measured().sha256 in over:
            losses.append(Loss(part, "it is too large to lie beside the image", "journal", "the journal's folder"))
        else:
            losses.append(Loss(part, reason, "sidecar", where))
    return losses


def said_elsewhere(annotation: Annotation, names: Sequence[str], where: str) -> list[Loss]:
    """What becomes of what an annotation says for which its form on a platform has no place: it lies beside the case.

    Parameters
    ----------
    names : the fields and attributes concerned; empty when everything has its place
    where : what lies beside the case lies
    """
    if not names:
        return []
    more = [f"{len(names) - MOST_TOLD} more"] if len(names) > MOST_TOLD else []
    told = ", ".join([*names[:MOST_TOLD], *more])
    return [Loss(f"{SAID}{part_of(annotation)}", f"there is no place for it: {told}", "sidecar", where)]


def refuse_inexact(case_id: str, held: Iterable[Held]) -> None:
    """Refuse a case of which the target itself would not hold everything exactly.

    Raises
    ------
    Inexpressible
        A part is neither native nor converted without an error; all such parts are listed.
    """
    problems = [
        Problem(each.part, f"{each.reason}; {each.kept}, {each.error}: {each.where}", "leave strict out")
        for each in held
        if not each.exact
    ]
    if problems:
        raise Inexpressible(case_id, problems)


# -- the parts of a case -------------------------------------------------------------------------------------------


def part_of(annotation: Annotation) -> str:
    """What an annotation is called among the parts of its case: by its kind and its labels."""
    name = annotation.label or ", ".join(getattr(annotation, "labels", {}).values())
    return f"{annotation.kind} {name!r}"


def parts_of(case: Case) -> list[str]:
    """The parts of a case, of each of which a plan says what becomes of it; see `SAID` for what there is besides."""
    return [
        *(f"image {image.role!r}" for image in case.images),
        *map(part_of, case.annotations),
        *(f"value {name!r}" for name in case.values),
        *(f"attachment {each.name!r}" for each in case.attachments),
        *(f"tag {tag!r}" for tag in case.tags),
        *(name for name in ("title", "folder", "metadata") if getattr(case, name)),
    ]


def all_native(case: Case, where: str) -> tuple[Held, ...]:
    """What becomes of a case where everything is held as it is."""
    return tuple(native(part, where) for part in parts_of(case))


# -- in total ------------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What becomes of the parts of one case, or of many.

    Attributes
    ----------
    rows : alike parts, and how many there are
    by_name : whether values, attachments and tags are counted by their names
    inexact : how many parts are converted with an error
    """

    rows: dict[tuple[str, ...], tuple[Held, int]] = field(default_factory=dict)
    by_name: bool = False
    inexact: int = 0

    @classmethod
    def of(cls, held: Iterable[Held]) -> Tally:
        """Of one case."""
        tally = cls(by_name=True)
        tally.add(held)
        return tally

    def add(self, held: Iterable[Held]) -> None:
        """Count more parts."""
        for each in held:
            kind = each.part.partition(" ")[0]
            self.inexact += each.kept == "converted" and not each.error.exact
            if kind in UNNAMED and not self.by_name:
                key: tuple[str, ...] = (kind, each.kept)
                each = replace(each, part=kind)  # noqa: PLW2901  the same, under the name that it is counted by
            else:
                key = (each.part, each.kept, each.where, each.reason)
            before, count = self.rows.get(key, (each, 0))
            merged = replace(
                each,
                error=before.error | each.error,
                where=each.where if before.where == each.where else "each in its own place",
                reason=each.reason if before.reason == each.reason else "each for its own reason",
            )
            self.rows[key] = (merged, count + 1)

    @property
    def counts(self) -> dict[Kept, int]:
        """How many parts are kept in which way."""
        found = dict.fromkeys(get_args(Kept), 0)
        for held, count in self.rows.values():
            found[held.kept] += count
        return found

    def __bool__(self) -> bool:
        return bool(self.rows)

    def __str__(self) -> str:
        """In one line: ``12 native, 3 converted (1 with an error), 2 in the sidecar``."""
        words = {"sidecar": "in the sidecar", "journal": "in the journal's folder alone"}
        told = [f"{count} {words.get(kept, kept)}" for kept, count in self.counts.items() if count]
        if self.inexact:
            converted = f"{self.counts['converted']} converted"
            told[told.index(converted)] += f" ({self.inexact} with an error)"
        return ", ".join(told) or "nothing"

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        parts: list[Json] = [{**held.to_json(), "count": count} for held, count in self._ordered()]
        counts: dict[str, Json] = {str(kept): count for kept, count in self.counts.items()}
        return counts | {"inexact": self.inexact, "parts": parts}

    def _ordered(self) -> list[tuple[Held, int]]:
        """Images first, and of each kind of part what is farthest from native last."""
        kept = get_args(Kept)
        return sorted(
            self.rows.values(), key=lambda row: (not row[0].part.startswith("image "), kept.index(row[0].kept))
        )

    def table(self, width: int | None = None) -> str:
        """For people: a row for alike parts.

        Parameters
        ----------
        width : in characters; None for that of the terminal
        """
        lines = self.lines()
        text = table(lines[:LARGEST_TABLE], [word.upper() for word in COLUMNS], width or columns())
        return text + (f"\nand {more} more rows; --json has all" if (more := len(lines) - LARGEST_TABLE) > 0 else "")

    def lines(self) -> list[list[str]]:
        """The cells of a table for people: a row for alike parts, under `COLUMNS`."""
        return [[held.part, str(count), held.kept, _error(held), _told(held)] for held, count in self._ordered()]


def _error(held: Held) -> str:
    return str(held.error) if held.kept == "converted" else "-" if held.kept == "journal" else "exact"


def _told(held: Held) -> str:
    return f"{held.where}: {held.reason}" if held.reason else held.where
