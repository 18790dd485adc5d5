"""What lasts over frames: keyframes, and the segments in which it is there.

On the platform a keyframe holds until the next one, or changes evenly on the way there; what stands beside the shape
holds until it changes. Segments are half open; an export calls them ranges, and lists the frames between keyframes
too, which nobody drew.

Source
------
darwin-py 3.6.3's importer sends keyframes only, and what stands beside them where it changes; the exports of V7's
end-to-end tests for the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry.annotation import Range

SUBS = ("text", "instance_id", "attributes", "directional_vector", "inference", "measures")
"""What annotations may carry beside their shape."""

LASTING = ("hidden_areas", "global_sub_types")
"""What is said of an annotation in all its frames, in the order in which Darwin shows them."""


def in_frames(
    frames: Mapping[int, dict[str, Any]], segments: Sequence[tuple[int, int]], *, interpolated: bool = False
) -> dict[str, Any]:
    """The data of an annotation that lasts over frames.

    Parameters
    ----------
    frames : keyframes and what is in them
    segments : half open
    """
    written = {str(frame): {**content, "keyframe": True} for frame, content in sorted(frames.items())}
    next(iter(written.values())).setdefault("attributes", {"attributes": []})
    return {
        "frames": written,
        "segments": [list(segment) for segment in segments],
        "interpolated": interpolated,
        "hidden_areas": [],
    }


def runs(frames: Iterable[int]) -> list[tuple[int, int]]:
    """Frames that follow each other as half-open ranges."""
    found: list[tuple[int, int]] = []
    for frame in frames:
        if found and found[-1][1] == frame:
            found[-1] = (found[-1][0], frame + 1)
        else:
            found.append((frame, frame + 1))
    return found


@dataclass(frozen=True, slots=True)
class Timeline:
    """An annotation in frames, as the platform tells of it.

    Attributes
    ----------
    keyframes : what is in each, with what stands beside it
    ranges : first and last frame of each run of frames in which it is there, both included
    interpolated : whether shapes change evenly
    """

    keyframes: Mapping[int, Mapping[str, Any]]
    ranges: tuple[Range, ...]
    interpolated: bool

    @classmethod
    def read(cls, data: Mapping[str, Any], count: int) -> Timeline:
        """From the data of an annotation.

        Parameters
        ----------
        count : how many frames the slot has; segments may reach beyond

        Raises
        ------
        ValueError
            A keyframe is none of the slot's, or nothing of it lies in the slot.
        """
        contents = {int(frame): content for frame, content in sorted(data["frames"].items(), key=lambda f: int(f[0]))}
        segments = data.get("segments") or [[min(contents), max(contents) + 1]]
        ranges = tuple((int(start), min(int(end), count) - 1) for start, end in segments if int(start) < count)
        beside: dict[str, Any] = {}
        keyframes: dict[int, Mapping[str, Any]] = {}
        for frame in _telling(contents, ranges):
            beside |= {name: contents[frame][name] for name in SUBS if name in contents[frame]}
            keyframes[frame] = {**contents[frame], **beside}
        if not ranges or max(keyframes) >= count:
            msg = f"it lies in frames that the slot, of {count}, does not have"
            raise ValueError(msg)
        return cls(keyframes, ranges, bool(data.get("interpolated")))

    @property
    def moment(self) -> int | None:
        """The only frame in which it is, when it was drawn there."""
        (first, last), *others = self.ranges
        return first if first == last and not others and list(self.keyframes) == [first] else None


def _telling(contents: Mapping[int, Mapping[str, Any]], ranges: Iterable[Range]) -> list[int]:
    """The frames that say what an annotation is in all of them, in order: keyframes, and the ends of runs of frames.

    An export does not list keyframes that lie outside the runs of frames in which an annotation is there, and yet
    they say what it is inside.
    """
    ends: set[int] = set()
    for first, last in ranges:
        listed = [frame for frame in contents if first <= frame <= last]
        ends |= {*listed[:1], *listed[-1:]}
    telling = []
    before = None
    for frame, content in contents.items():
        shape = {name: value for name, value in content.items() if name != "keyframe"}
        if content.get("keyframe", True) or (frame in ends and shape != before):
            telling.append(frame)
            before = shape
    return telling or list(contents)
