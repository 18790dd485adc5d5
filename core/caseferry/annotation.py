"""Annotations: what people and models found in an image, as plain data.

Every position is a continuous voxel index of the named image: (column, row), or (column, row, slice); 0-based, with
integers at voxel centres. A two-dimensional position needs `frame` where the image has more than one plane: the index
of the plane, 0-based, in the image's own order (for a volume the slice, ordered along the normal; for a cine the
frame; slices run fastest where an image has both).
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias, cast, get_args

from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef, PathLike, encodable
from caseferry.plain import Json, plain

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Point2: TypeAlias = "tuple[float, float]"
Point3: TypeAlias = "tuple[float, float, float]"
Position: TypeAlias = "Point2 | Point3"

Source = Literal["human", "model", "imported", "unknown"]
Status = Literal["new", "approved", "rejected"]

LARGEST_LABEL = 65535
"""The greatest voxel value that can mean something in a mask."""

KINDS: dict[str, type[Annotation]] = {}
"""Every kind of annotation by the name it has in JSON."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded meaning.

    Attributes
    ----------
    value, scheme, meaning : as in a DICOM coded entry (PS3.3 8.8): ``10200004``, ``SCT``, ``Liver``
    """

    value: str
    scheme: str
    meaning: str = ""


@dataclass(frozen=True)
class Annotation:
    """What every annotation says; see the kinds.

    Parameters
    ----------
    image : the role of the image; None for the case as a whole
    label : what was found
    frame : the index of the plane, 0-based; None for the whole image or a three-dimensional position
    id : a name of its own within the case; given by the case when empty
    author, reviewer : who made and who checked it; an e-mail address where the platforms know people by one
    created, modified : when, with a time zone
    source : a person, a model, or unknown
    model : the name of the model, for those that a model made
    confidence : from 0 to 1
    attributes : what else is said of it, as plain data
    codes : coded meanings

    Raises
    ------
    InvalidCase
        Something is missing or out of range; all of it is listed.
    """

    kind: ClassVar[str] = ""
    needs_label: ClassVar[bool] = True

    image: str | None = None
    _: KW_ONLY
    label: str = ""
    frame: int | None = None
    id: str = ""
    author: str | None = None
    reviewer: str | None = None
    created: dt.datetime | None = None
    modified: dt.datetime | None = None
    status: Status | None = None
    source: Source | None = None
    model: str | None = None
    confidence: float | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    codes: tuple[Code, ...] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.kind:
            KINDS[cls.kind] = cls

    def __post_init__(self) -> None:
        problems = [*self._common_problems(), *self._problems()]
        if problems:
            raise InvalidCase(None, [Problem(type(self).__name__, problem) for problem in problems])

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _common_problems(self) -> list[str]:
        problems = []
        problems += [
            f"{name} is {value!r}, expected some text"
            for name in _TEXTS
            if not _is_text(value := getattr(self, name, None))
        ]
        if self.needs_label and not self.label:
            problems.append("label is missing")
        problems += self._number_problems()
        for name in ("created", "modified"):
            when = getattr(self, name)
            if when is not None and not isinstance(when, dt.datetime):
                problems.append(f"{name} is {when!r}, expected a datetime")
            elif when is not None and when.tzinfo is None:
                problems.append(f"{name} has no time zone")
        for name, allowed in (("source", get_args(Source)), ("status", get_args(Status))):
            if getattr(self, name) not in (None, *allowed):
                problems.append(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(allowed)}")
        try:
            self._set("attributes", plain(self.attributes, "attributes"))
        except ValueError as error:
            problems.append(str(error))
        self._set("codes", tuple(self.codes))
        problems += [
            f"codes[{index}] is {code!r}, expected a Code of value, scheme and meaning"
            for index, code in enumerate(self.codes)
            if not isinstance(code, Code)
            or None in (code.value, code.scheme, code.meaning)
            or not all(map(_is_text, (code.value, code.scheme, code.meaning)))
        ]
        return problems

    def _number_problems(self) -> list[str]:
        problems = []
        if self.frame is not None:
            frame = _whole(self.frame)
            if frame is None or frame < 0:
                problems.append(f"frame is {self.frame!r}, expected a plane's index from 0")
            else:
                self._set("frame", frame)
        if self.confidence is not None:
            confidence = _scalar(self.confidence)
            if confidence is None or not 0 <= confidence <= 1:
                problems.append(f"confidence is {self.confidence!r}, expected 0 to 1")
            else:
                self._set("confidence", confidence)
        return problems

    def _problems(self) -> list[str]:
        """What is wrong with the fields of this kind; they are brought into their usual form on the way."""
        return []

    def to_json(self) -> dict[str, Json]:
        """Plain data without the fields that say nothing; `annotation_from_json` gives an equal annotation."""
        document: dict[str, Json] = {"kind": self.kind}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or (each.name in _OPTIONAL and value in ("", (), {})):
                continue
            document[each.name] = _to_json(value)
        return document


_TEXTS = ("image", "label", "id", "author", "reviewer", "model", "unit", "platform")


def _is_text(value: Any) -> bool:
    """Whether a value is text that can be written, or nothing."""
    return value is None or (isinstance(value, str) and encodable(value))


_OPTIONAL = {"label", "id", "attributes", "codes", "unit"}


def _to_json(value: Any) -> Json:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, FileRef):
        return value.to_json()
    if isinstance(value, Code):
        return {"value": value.value, "scheme": value.scheme, "meaning": value.meaning}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    return plain(value)


def annotation_from_json(document: Mapping[str, Any]) -> Annotation:
    """Read what `Annotation.to_json` wrote.

    Raises
    ------
    InvalidCase
        The kind is unknown, a field is not of this kind, or a value is out of range.
    """
    kind = KINDS.get(str(document.get("kind")))
    if kind is None:
        what = f"is {document.get('kind')!r}, expected one of {', '.join(sorted(KINDS))}"
        raise InvalidCase(None, [Problem("kind", what)])
    known = {each.name for each in fields(kind)}
    if unknown := sorted(set(document) - known - {"kind"}):
        raise InvalidCase(None, [Problem(kind.__name__, f"has no field {', '.join(unknown)}")])
    try:
        return kind(**_read_fields(document))
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, InvalidCase):
            raise
        raise InvalidCase(None, [Problem(kind.__name__, f"cannot be read: {error}")]) from error


def _read_fields(document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an annotation in the form that its constructor takes."""
    values: dict[str, Any] = {name: value for name, value in document.items() if name != "kind"}
    for name in ("created", "modified"):
        if name in values:
            values[name] = dt.datetime.fromisoformat(values[name])
    if "codes" in values:
        values["codes"] = tuple(Code(**code) for code in values["codes"])
    if "file" in values:
        values["file"] = FileRef.from_json(values["file"])
    if "labels" in values:
        values["labels"] = {int(key): name for key, name in values["labels"].items()}
    return values


# -- what is said of a whole image, plane or case ------------------------------------------------------------------


@dataclass(frozen=True)
class Label(Annotation):
    """Something is there: a tag on an image, a plane, or the case."""

    kind: ClassVar[str] = "label"
    label: str = ""


@dataclass(frozen=True)
class Category(Annotation):
    """One of several answers: the label is the question, the value the answer."""

    kind: ClassVar[str] = "category"
    label: str = ""
    value: str = ""

    def _problems(self) -> list[str]:
        good = isinstance(self.value, str) and self.value and encodable(self.value)
        return [] if good else [f"value is {self.value!r}, expected some text"]


@dataclass(frozen=True)
class Numeric(Annotation):
    """A number.

    Parameters
    ----------
    value : a finite number; whole numbers stay whole
    unit : in UCUM where possible: ``mm``, ``ml``
    """

    kind: ClassVar[str] = "numeric"
    label: str = ""
    value: float = math.nan
    unit: str = ""

    def _problems(self) -> list[str]:
        number = _scalar(self.value)
        if number is None:
            return [f"value is {self.value!r}, expected a finite number"]
        self._set("value", number)
        return []


@dataclass(frozen=True)
class Text(Annotation):
    """Free text."""

    kind: ClassVar[str] = "text"
    label: str = ""
    value: str = ""

    def _problems(self) -> list[str]:
        good = isinstance(self.value, str) and encodable(self.value)
        return [] if good else [f"value is {self.value!r}, expected text"]


def _whole(value: Any) -> int | None:
    """A whole number of any library's kind, or None."""
    number = _scalar(value)
    return int(number) if number is not None and number == int(number) else None


def _scalar(value: Any) -> int | float | None:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


# -- what has a place ----------------------------------------------------------------------------------------------


def _position(value: Any) -> Position | None:
    """Two or three finite numbers as a tuple of floats; None for anything else."""
    try:
        numbers = tuple(float(number) for number in value)
    except (TypeError, ValueError):
        return None
    return cast("Position", numbers) if len(numbers) in {2, 3} and all(map(math.isfinite, numbers)) else None


def _positions(name: str, values: Any) -> tuple[tuple[Position, ...], list[str]]:
    """Positions in their usual form, and what is wrong with them."""
    if not isinstance(values, Sequence) and not hasattr(values, "__len__"):
        return (), [f"{name} is {values!r}, expected positions (column, row) or (column, row, slice)"]
    found = [_position(value) for value in values]
    good = tuple(position for position in found if position is not None)
    problems = [
        f"{name}[{index}] is {value!r}, expected 2 or 3 finite numbers"
        for index, (value, position) in enumerate(zip(values, found, strict=True))
        if position is None
    ]
    if len({len(position) for position in good}) > 1:
        problems.append(f"{name} mixes two and three dimensions")
    return good, problems


@dataclass(frozen=True)
class Placed(Annotation):
    """What lies somewhere in an image. Not a kind of its own.

    Parameters
    ----------
    points : positions (column, row) with a `frame`, or (column, row, slice)
    """

    least: ClassVar[int] = 1
    most: ClassVar[int | None] = None

    points: Sequence[Position] = ()

    def _problems(self) -> list[str]:
        points, problems = _positions("points", self.points)
        self._set("points", points)
        if not self.image:
            problems.append("image is missing: name the role of the image")
        if not problems and (len(points) < self.least or (self.most is not None and len(points) > self.most)):
            expected = f"{self.least}" if self.most == self.least else f"at least {self.least}"
            problems.append(f"points has {len(points)} positions, expected {expected}")
        if not problems and len(points[0]) == 3 and self.frame is not None:
            problems.append("frame is given beside three-dimensional points: leave one of them out")
        return problems

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.points[0])


@dataclass(frozen=True)
class Point(Placed):
    """One position, or several that belong together.

    `points` may be a single position.
    """

    kind: ClassVar[str] = "point"

    if TYPE_CHECKING:  # the generated constructor, which takes a single position too

        def __init__(self, image: str, points: Position | Sequence[Position], **common: Any) -> None: ...

    def _problems(self) -> list[str]:
        if (single := _position(self.points)) is not None:
            self._set("points", (single,))
        return super()._problems()


@dataclass(frozen=True)
class Line(Placed):
    """A straight line between two positions; a distance."""

    kind: ClassVar[str] = "line"
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2


@dataclass(frozen=True)
class Polyline(Placed):
    """Straight lines from each position to the next, not closed."""

    kind: ClassVar[str] = "polyline"
    least: ClassVar[int] = 2


@dataclass(frozen=True)
class Box(Placed):
    """An upright rectangle, or a cuboid along the axes of the grid.

    Parameters
    ----------
    points : two opposite corners; kept as the least and the greatest
    """

    kind: ClassVar[str] = "box"
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2

    def _problems(self) -> list[str]:
        problems = super()._problems()
        if not problems:
            axes = list(zip(*self.points, strict=True))
            self._set("points", (tuple(map(min, axes)), tuple(map(max, axes))))
        return problems


@dataclass(frozen=True)
class Polygon(Annotation):
    """A closed outline, with holes and several parts where there are more rings than one.

    Parameters
    ----------
    rings : closed outlines, each of at least three positions, the first not repeated at the end; a position is
        inside when it lies within an odd number of rings. A single ring may be given by itself.
    """

    kind: ClassVar[str] = "polygon"

    rings: Sequence[Sequence[Position]] = ()

    if TYPE_CHECKING:  # the generated constructor, which takes a single ring too

        def __init__(
            self, image: str, rings: Sequence[Position] | Sequence[Sequence[Position]], **common: Any
        ) -> None: ...

    def _problems(self) -> list[str]:
        rings: Any = self.rings
        if not hasattr(rings, "__len__") or isinstance(rings, str):
            return [f"rings is {rings!r}, expected outlines of positions"]
        if len(rings) and _position(rings[0]) is not None:
            rings = cast("Sequence[Sequence[Position]]", (rings,))
        kept, problems = [], []
        for index, ring in enumerate(rings):
            points, wrong = _positions(f"rings[{index}]", ring)
            problems += wrong
            if len(points) > 1 and points[0] == points[-1]:
                points = points[:-1]
            if not wrong and len(points) < 3:
                problems.append(f"rings[{index}] has {len(points)} positions, expected at least 3")
            kept.append(points)
        self._set("rings", tuple(kept))
        if not kept:
            problems.append("rings is empty")
        if not problems and len({len(point) for ring in kept for point in ring}) > 1:
            problems.append("rings mix two and three dimensions")
        if not self.image:
            problems.append("image is missing: name the role of the image")
        if not problems and self.dimensions == 3 and self.frame is not None:
            problems.append("frame is given beside three-dimensional rings: leave one of them out")
        return problems

    @property
    def points(self) -> tuple[Position, ...]:
        """All positions of all rings."""
        return tuple(point for ring in self.rings for point in ring)

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.rings[0][0])


@dataclass(frozen=True)
class Ellipse(Placed):
    """An ellipse, by the ends of its axes.

    Parameters
    ----------
    points : the two ends of the one axis, then the two ends of the other
    """

    kind: ClassVar[str] = "ellipse"
    least: ClassVar[int] = 4
    most: ClassVar[int | None] = 4


@dataclass(frozen=True)
class Angle(Placed):
    """An angle.

    Parameters
    ----------
    points : an end, the vertex, the other end; or two lines of two positions each
    """

    kind: ClassVar[str] = "angle"
    least: ClassVar[int] = 3
    most: ClassVar[int | None] = 4


@dataclass(frozen=True)
class Mask(Annotation):
    """Labelled voxels: a label map, or one structure.

    Parameters
    ----------
    file : the label map as NIfTI, MetaImage, NRRD or PNG; on the grid of the image, in whichever order of axes
    labels : voxel value to name; 0 is background. With `label` alone, every voxel of value 1 is that.
    frame : the plane that a two-dimensional mask belongs to
    """

    kind: ClassVar[str] = "mask"
    needs_label: ClassVar[bool] = False

    file: FileRef = None  # type: ignore[assignment]  # checked when built: a mask without a file is refused
    labels: Mapping[int, str] = field(default_factory=dict)

    if TYPE_CHECKING:  # the generated constructor, which takes a path too

        def __init__(
            self,
            image: str | None = None,
            file: FileRef | PathLike | None = None,
            labels: Mapping[int, str] | None = None,
            **common: Any,
        ) -> None: ...

    def _problems(self) -> list[str]:
        problems = []
        if not self.image:
            problems.append("image is missing: name the role of the image")
        try:
            self._set("file", FileRef.of(self.file))
        except (TypeError, FileProblem) as error:
            problems.append(f"file cannot be used: {error}")
        given: Any = self.labels or ({1: self.label} if self.label else {})
        if not isinstance(given, Mapping):
            return [*problems, f"labels is {given!r}, expected voxel values and their names"]
        if not given:
            problems.append("labels is missing: say what each voxel value means")
        labels = {}
        for value, name in given.items():
            number = _whole(value)
            if number is None or number < 1 or not name or not isinstance(name, str) or not encodable(name):
                problems.append(f"labels has {value!r}: {name!r}, expected a whole number from 1 and a name")
            else:
                labels[number] = name
        if not problems:
            self._set("labels", {value: labels[value] for value in sorted(labels)})
        return problems

    @classmethod
    def of_array(
        cls, image: str, array: NDArray[Any], labels: Mapping[int, str], affine: NDArray[np.float64], **common: Any
    ) -> Mask:
        """A mask from an array at hand, carried inside the description.

        Parameters
        ----------
        array : whole numbers [column, row, slice] or [column, row, slice, frame]
        affine : shape (4, 4); voxel to LPS, millimetres: usually ``image.geometry.affine``

        Raises
        ------
        InvalidCase
            The array is no label map: of other dimensions, or with values that are not whole numbers from 0 to 65535.
        """
        import numpy as np

        from caseferry.geometry import Geometry
        from caseferry.imaging.convert import nifti_bytes

        stored = np.asarray(array)
        if problem := _array_problem(stored):
            raise InvalidCase(None, [Problem("Mask", f"array {problem}")])
        stored = stored.astype(np.min_scalar_type(int(stored.max(initial=0))))
        columns, rows, slices = stored.shape[:3]
        geometry = Geometry((columns, rows, slices), affine, stored.shape[3] if stored.ndim > 3 else 1)
        content = nifti_bytes(stored, geometry, labels=True)
        return cls(image, FileRef.of_bytes(content, f"{image}-mask.nii.gz", "application/nifti"), labels, **common)

    def voxels(self) -> NDArray[Any]:
        """The values, whole numbers, [column, row, slice] and then frame, in the order of the mask's own file."""
        from caseferry.imaging.pixels import load_voxels
        from caseferry.imaging.reading import read_header

        return load_voxels([self.file], read_header([self.file]))


def _array_problem(array: NDArray[Any]) -> str | None:
    """Why an array is no label map, or None."""
    if array.ndim not in {3, 4} or not array.size:
        return f"has the shape {array.shape}, expected [column, row, slice] or [column, row, slice, frame]"
    if array.dtype.kind not in "biuf" or (array.dtype.kind == "f" and not (array == array.round()).all()):
        return "holds values that are not whole numbers: it is no label map; threshold it first"
    if array.min() < 0 or array.max() > LARGEST_LABEL:
        return f"holds values from {array.min()} to {array.max()}, expected whole numbers from 0 to {LARGEST_LABEL}"
    return None


@dataclass(frozen=True)
class Raw(Annotation):
    """An annotation of a platform that no kind fits, kept whole.

    Parameters
    ----------
    platform : the platform that knows what it means
    payload : its own data
    """

    kind: ClassVar[str] = "raw"
    needs_label: ClassVar[bool] = False

    platform: str = ""
    payload: Json = None

    def _problems(self) -> list[str]:
        problems = [] if self.platform else ["platform is missing"]
        try:
            self._set("payload", plain(self.payload, "payload"))
        except ValueError as error:
            problems.append(str(error))
        return problems


def slug(text: str) -> str:
    """A label as a short name: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
