"""One finding followed through the planes of an image: the frames of a cine, the slices of a volume."""

from __future__ import annotations

import cmath
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, cast

from caseferry.annotation.base import Annotation, whole
from caseferry.annotation.placed import Ellipse, Placed, Polygon
from caseferry.annotation.said import Category, Label, Numeric, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.annotation.placed import Position
    from caseferry.plain import Json

Shape: TypeAlias = Label | Category | Numeric | Text | Placed | Polygon
"""What can be followed. Masks need not be: one mask holds all planes."""

Range: TypeAlias = "tuple[int, int]"
"""The first and the last plane of several that follow each other; both are included."""

OF_A_KEYFRAME = {"kind", "image", "label", "frame", "attributes", "points", "rings", "value", "unit"}


@dataclass(frozen=True, repr=False)
class Track(Annotation):
    """One finding followed through the planes of an image.

    A keyframe holds until the next one, and the last one to the end. With `interpolated`, its shape changes evenly on
    the way to the next: every position moves straight from where it is in the one to where it is in the other; of an
    ellipse the centre, and the length and direction of each axis. Where two keyframes have different numbers of
    positions, nothing says which becomes which, and the earlier one holds. Its attributes count until the next
    keyframe, and before those of the track.

    Parameters
    ----------
    keyframes : what it is in some planes: labels, categories, numbers, texts or two-dimensional shapes, all of one
        kind, each with its `frame`; kept in order of frames. They say what may differ from plane to plane: place,
        value and attributes; all else is said of the track, and its image and label count when they are given.
    ranges : the first and the last plane, both included, of each run of planes in which it is there; from the first
        keyframe to the last when left out. It is nowhere before its first keyframe.
    interpolated : whether shapes change evenly between keyframes
    """

    kind: ClassVar[str] = "track"
    needs_label: ClassVar[bool] = False

    keyframes: Sequence[Shape] = ()
    ranges: Sequence[Range] = ()
    interpolated: bool = False

    def _problems(self) -> list[str]:
        given: Any = self.keyframes
        if not isinstance(given, Sequence) or not all(isinstance(each, Annotation) for each in given):
            return [f"keyframes is {given!r}, expected annotations that each have a frame"]
        if not given:
            return ["keyframes is empty: say what is seen in at least one plane"]
        problems = [f"keyframes[{n}] {what}" for n, each in enumerate(given) for what in _keyframe_problems(each)]
        if len(kinds := sorted({each.kind for each in given})) > 1:
            problems.append(f"keyframes mixes {' and '.join(kinds)}")
        if self.frame is not None:
            problems.append("frame is given: its keyframes say where it is")
        interpolated: Any = self.interpolated
        if not isinstance(interpolated, bool):
            problems.append(f"interpolated is {interpolated!r}, expected true or false")
        elif interpolated and not isinstance(given[0], Placed | Polygon):
            problems.append(f"interpolated is true, and a {given[0].kind} has no shape that could change evenly")
        problems += self._agreed("image", "name the role of the image") + self._agreed("label", "say what was found")
        return problems or self._timing_problems()

    def _agreed(self, name: str, remedy: str) -> list[str]:
        """Give the keyframes the track's image or label; or the track theirs, when it says none."""
        theirs = sorted({getattr(each, name) for each in self.keyframes} - {None, ""})
        said = getattr(self, name) or (theirs[0] if theirs else None)
        if said is None:
            return [f"{name} is missing: {remedy}"]
        if len(theirs) > 1:
            return [f"keyframes mixes the {name}s {' and '.join(map(repr, theirs))}"]
        self._set(name, said)
        self._set("keyframes", tuple(replace(each, **{name: said}) for each in self.keyframes))
        return []

    def _timing_problems(self) -> list[str]:
        frames = [_frame(each) for each in self.keyframes]
        if len(set(frames)) < len(frames):
            repeated = sorted({frame for frame in frames if frames.count(frame) > 1})
            return [f"keyframes has several of frame {', '.join(map(str, repeated))}"]
        self._set("keyframes", tuple(sorted(self.keyframes, key=_frame)))
        ranges = _ranges(self.ranges)
        if isinstance(ranges, str):
            return [ranges]
        ranges = ranges or ((min(frames), max(frames)),)
        self._set("ranges", ranges)
        if ranges[0][0] < min(frames):
            return [f"ranges begins with {ranges[0][0]}, before the first keyframe, {min(frames)}"]
        return []

    @property
    def frames(self) -> Iterator[int]:
        """Every plane in which it is there, in order."""
        return (frame for first, last in self.ranges for frame in range(first, last + 1))

    def at(self, frame: int) -> Shape | None:
        """What it is in a plane, with all that is said of the track; None where it is not there.

        It has no id: many of them are one annotation.
        """
        if not any(first <= frame <= last for first, last in self.ranges):
            return None
        shape = self._held(frame)
        common = {name: getattr(self, name) for name in _COMMON}
        return replace(shape, **common, attributes={**self.attributes, **shape.attributes})

    def shapes(self) -> Iterator[Shape]:
        """What it is in each plane in which it is there; see `at`."""
        return (shape for frame in self.frames if (shape := self.at(frame)) is not None)

    def _held(self, frame: int) -> Shape:
        """What the keyframes say of a plane, as a keyframe of that plane."""
        place = bisect_right(self.keyframes, frame, key=_frame) - 1
        shape = self.keyframes[place]
        if self.interpolated and place + 1 < len(self.keyframes):
            shape = _between(shape, self.keyframes[place + 1], frame)
        return replace(shape, frame=frame)

    def reordered(self, place: Callable[[int], int | None]) -> Track | None:
        """The same in an image that has the same planes in another order; None when it lacks one of them.

        It has the same shape in the same planes, with as few keyframes as that takes: where planes go backwards, one
        that holds stands at the other end of where it holds.

        Parameters
        ----------
        place : index of a plane to the index that it has there
        """
        frames = sorted({*self.frames, *map(_frame, self.keyframes)})
        places = {frame: there for frame in frames if (there := place(frame)) is not None}
        if len(places) < len(frames):
            return None
        if all(frame == there for frame, there in places.items()):
            return self
        first, last = frames[0], frames[-1]
        total = first + places[first]
        whole = all(place(frame) == total - frame for frame in range(first, last + 1))
        ranges = [(places[frame], places[frame]) for frame in self.frames]
        if not whole or (self.interpolated and not self._changes_evenly()):
            keyframes = [replace(self._held(frame), frame=places[frame]) for frame in self.frames]
            return replace(self, keyframes=keyframes, ranges=ranges, interpolated=False)
        end = self.ranges[-1][1]
        keyframes = [*self.keyframes, self._held(end)] if end > _frame(self.keyframes[-1]) else list(self.keyframes)
        if not self.interpolated:
            ends = [_frame(each) - 1 for each in self.keyframes[1:]] + [max(end, _frame(self.keyframes[-1]))]
            keyframes = [replace(each, frame=at) for each, at in zip(self.keyframes, ends, strict=True)]
        keyframes = [replace(each, frame=total - _frame(each)) for each in keyframes]
        return replace(self, keyframes=keyframes, ranges=ranges)

    def trimmed(self) -> Track:
        """The same with keyframes only in planes in which it is there.

        For those that lie elsewhere stand the shapes at the ends of what they change.
        """
        there = set(self.frames)
        outside = [_frame(each) for each in self.keyframes if each.frame not in there]
        if not outside:
            return self
        kept = {_frame(each): each for each in self.keyframes if each.frame in there}
        for hidden in outside:
            before = [last for _, last in self.ranges if last < hidden][-1:]
            after = [first for first, _ in self.ranges if first > hidden][:1]
            for frame in {*after, *(before if self.interpolated else ())} - set(kept):
                kept[frame] = self._held(frame)
        return replace(self, keyframes=list(kept.values()))

    def _changes_evenly(self) -> bool:
        """Whether nothing of it holds until a keyframe, so that it is the same whichever way one goes."""
        sizes = {_sizes(each) for each in self.keyframes}
        return len(sizes) == 1 and not any(each.attributes for each in self.keyframes)

    def to_json(self) -> dict[str, Json]:
        """Plain data; see `Annotation.to_json`. Its keyframes do not repeat image and label."""
        document = super().to_json()
        document["keyframes"] = [
            {name: value for name, value in each.to_json().items() if name not in {"image", "label"}}
            for each in self.keyframes
        ]
        return document


_COMMON = ("author", "reviewer", "created", "modified", "status", "source", "model", "confidence", "codes")


def _frame(keyframe: Shape) -> int:
    return cast("int", keyframe.frame)


def _sizes(shape: Shape) -> tuple[int, ...]:
    """How many positions a shape has, by ring."""
    if isinstance(shape, Polygon):
        return tuple(len(ring) for ring in shape.rings)
    return (len(shape.points),) if isinstance(shape, Placed) else ()


def _keyframe_problems(keyframe: Annotation) -> list[str]:
    if not isinstance(keyframe, Shape):
        return [f"is a {keyframe.kind}, expected a label, category, number, text or two-dimensional shape"]
    problems = []
    if keyframe.frame is None:
        problems.append("has no frame" if getattr(keyframe, "dimensions", 2) == 2 else "is three-dimensional")
    if others := sorted(set(keyframe.to_json()) - OF_A_KEYFRAME):
        problems.append(f"says {' and '.join(others)}: say it of the track")
    return problems


def _ranges(given: Any) -> tuple[Range, ...] | str:
    """Ranges in order, those that touch made one; or what is wrong with them."""
    expected = "expected pairs of a first and a last plane from 0"
    if not hasattr(given, "__iter__") or isinstance(given, str):
        return f"ranges is {given!r}, {expected}"
    pairs = []
    for each in given:
        ends = [whole(end) for end in each] if hasattr(each, "__iter__") and not isinstance(each, str) else []
        first, last = ends if len(ends) == 2 else (None, None)
        if first is None or last is None or not 0 <= first <= last:
            return f"ranges has {each!r}, {expected}"
        pairs.append((first, last))
    joined: list[Range] = []
    for first, last in sorted(pairs):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def _between(before: Shape, after: Shape, frame: int) -> Shape:
    """The shape between two keyframes; the earlier one where nothing says how it changes."""
    share = (frame - _frame(before)) / (_frame(after) - _frame(before))
    if share == 0 or _sizes(before) != _sizes(after):
        return before
    if isinstance(before, Polygon) and isinstance(after, Polygon):
        rings = zip(before.rings, after.rings, strict=True)
        return replace(before, rings=[_moved(one, other, share) for one, other in rings])
    if not isinstance(before, Placed) or not isinstance(after, Placed):
        return before
    moved = _turned if isinstance(before, Ellipse) else _moved
    return replace(before, points=moved(before.points, after.points, share))


def _moved(before: Sequence[Position], after: Sequence[Position], share: float) -> list[Position]:
    """Positions that move straight."""
    return [
        cast("Position", tuple(a + (b - a) * share for a, b in zip(one, other, strict=True)))
        for one, other in zip(before, after, strict=True)
    ]


def _turned(before: Sequence[Position], after: Sequence[Position], share: float) -> list[Position]:
    """The ends of the axes of an ellipse whose centre moves straight, and whose axes turn the shorter way."""
    ends: list[Position] = []
    for axis in (slice(0, 2), slice(2, 4)):
        (start, end), (start_after, end_after) = ([complex(*each[:2]) for each in of[axis]] for of in (before, after))
        middle = (start + end + (start_after + end_after - start - end) * share) / 2
        half, half_after = (end - start) / 2, (end_after - start_after) / 2
        turn = cmath.phase(half_after / half) if half and half_after else 0.0
        length = abs(half) + (abs(half_after) - abs(half)) * share
        half = cmath.rect(length, cmath.phase(half or half_after) + turn * share)
        ends += [(each.real, each.imag) for each in (middle - half, middle + half)]
    return ends
