"""Tracks: one annotation with keyframes, in the order in which Darwin shows an image's planes.

Source
------
darwin-py 3.6.3's importer: ``frames``, ``segments`` and ``interpolated``; the exports of V7's end-to-end tests.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Ellipse, Placed, Polygon, Polyline, Track
from caseferry_darwin.wire.frames import in_frames
from caseferry_darwin.wire.shapes import NO_FRAME, Meant, content_of, core_shape, core_tag, ellipse_like

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.annotation import Shape
    from caseferry.plain import Json
    from caseferry_darwin.wire.attributes import Attributes
    from caseferry_darwin.wire.frames import Timeline
    from caseferry_darwin.wire.view import View


def track_content(track: Track, view: View) -> tuple[str, dict[str, Any]] | str:
    """The type and the data of a track, or why it has no form.

    Parameters
    ----------
    view : how the slot shows the track's image
    """
    if not view.frames:
        return "Darwin follows nothing on a still picture"
    shown = track.trimmed().reordered(view.frame_of)  # the platform's client sends no keyframes that lie elsewhere
    if shown is None:
        return NO_FRAME
    kind, frames, angle = "", {}, None
    for keyframe in shown.keyframes:
        frame = keyframe.frame or 0
        found = content_of(replace(keyframe, frame=view.plane_of(frame)), view)
        if isinstance(found, str):
            return found
        kind, _, frames[frame] = found
        if isinstance(keyframe, Ellipse):
            ellipse = ellipse_like(frames[frame]["ellipse"], _direction(keyframe, view), angle)
            frames[frame]["ellipse"], angle = ellipse, ellipse["angle"]
    segments = [(first, last + 1) for first, last in shown.ranges]
    return kind, in_frames(frames, segments, interpolated=shown.interpolated)


def _direction(ellipse: Ellipse, view: View) -> float:
    """The angle at which the first axis of an ellipse is seen, from x towards y."""
    shown = view.to_shown(ellipse.points, view.plane_of(ellipse.frame or 0))
    (x, y), (to_x, to_y) = shown[1][:2] if shown is not None else ((0.0, 0.0), (1.0, 0.0))
    return float(np.arctan2(to_y - y, to_x - x))


def core_track(
    timeline: Timeline, common: Mapping[str, Any], attributes: Attributes, view: View, meant: Meant
) -> Track:
    """A track in core's words.

    Parameters
    ----------
    common : what is said of the whole annotation
    attributes : those of it; where one changes between keyframes, there is one more

    Raises
    ------
    KeyError, TypeError, ValueError
        It is of another type, or its frames are no planes of the image.
    """
    paths = [content["line"]["path"] for content in timeline.keyframes.values() if "line" in content]
    if any(len(path) != 2 for path in paths):
        meant = Meant(Polyline.kind)
    named = {"image": common["image"], "label": common["label"]}
    keyframes = [_keyframe(frame, content, named, view, meant) for frame, content in timeline.keyframes.items()]
    evenly = timeline.interpolated and isinstance(keyframes[0], Placed | Polygon)
    bare = Track(**named, keyframes=keyframes, ranges=timeline.ranges, interpolated=evenly)
    keyframes += [shape for each in attributes.changes if each not in timeline.keyframes and (shape := bare.at(each))]
    said: dict[int, dict[str, Json]] = {}
    for each in sorted(keyframes, key=lambda each: each.frame or 0):
        at = each.frame or 0
        content = timeline.keyframes[max(frame for frame in timeline.keyframes if frame <= at)]
        said[at] = attributes.at(content, at)
    first = next(iter(said.values()))
    always = {n: v for n, v in first.items() if all(n in each and each[n] == v for each in said.values())}
    own = {at: {n: v for n, v in each.items() if n not in always} for at, each in said.items()}
    keyframes = [replace(each, attributes=own[each.frame or 0]) for each in keyframes]
    track = Track(**common, attributes=always, keyframes=keyframes, ranges=timeline.ranges, interpolated=evenly)
    moved = track.reordered(view.plane_of)
    if moved is None:
        msg = "its frames are no planes of the image"
        raise ValueError(msg)
    return moved


def _keyframe(frame: int, content: Mapping[str, Any], named: Mapping[str, Any], view: View, meant: Meant) -> Shape:
    if "tag" in content:
        return core_tag(content, dict(named), frame, meant)
    shape = core_shape(content, dict(named), frame, view, meant)
    return replace(shape, frame=frame)  # refused where it lies in no plane, having three dimensions
