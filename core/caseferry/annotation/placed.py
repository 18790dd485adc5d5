"""What has a place: positions and outlines.

Every position is a continuous voxel index of the named image: (column, row) with a `frame`, or (column, row, slice).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from caseferry.annotation.base import Annotation

Point2: TypeAlias = "tuple[float, float]"
Point3: TypeAlias = "tuple[float, float, float]"
Position: TypeAlias = "Point2 | Point3"

SAME_PLACE_MM = 1e-3
"""How far apart the same position may lie after it went through a platform's own coordinates."""


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


@dataclass(frozen=True, repr=False)
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


@dataclass(frozen=True, repr=False)
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


@dataclass(frozen=True, repr=False)
class Line(Placed):
    """A straight line between two positions; a distance."""

    kind: ClassVar[str] = "line"
    least: ClassVar[int] = 2
    most: ClassVar[int | None] = 2


@dataclass(frozen=True, repr=False)
class Polyline(Placed):
    """Straight lines from each position to the next, not closed."""

    kind: ClassVar[str] = "polyline"
    least: ClassVar[int] = 2


@dataclass(frozen=True, repr=False)
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


@dataclass(frozen=True, repr=False)
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


@dataclass(frozen=True, repr=False)
class Ellipse(Placed):
    """An ellipse, by the ends of its axes.

    Parameters
    ----------
    points : the two ends of the one axis, then the two ends of the other
    """

    kind: ClassVar[str] = "ellipse"
    least: ClassVar[int] = 4
    most: ClassVar[int | None] = 4


@dataclass(frozen=True, repr=False)
class Angle(Placed):
    """An angle.

    Parameters
    ----------
    points : an end, the vertex, the other end; or two lines of two positions each
    """

    kind: ClassVar[str] = "angle"
    least: ClassVar[int] = 3
    most: ClassVar[int | None] = 4
