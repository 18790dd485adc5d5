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
    from collections.abc import Callable, Mapping

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
    timeline: Timeline,
    common: Mapping[str, Any],
    beside: Callable[[Mapping[str, Any]], dict[str, Any]],
    view: View,
    meant: Meant,
) -> Track:
    """A track in core's words.

    Parameters
    ----------
    common : what is said of the whole annotation
    beside : gives what the content of a keyframe says beside its shape

    Raises
    ------
    KeyError, TypeError, ValueError
        It is of another type, or its frames are no planes of the image.
    """
    paths = [content["line"]["path"] for content in timeline.keyframes.values() if "line" in content]
    if any(len(path) != 2 for path in paths):
        meant = Meant(Polyline.kind)
    keyframes = []
    for frame, content in timeline.keyframes.items():
        own = {name: value for name, value in beside(content).items() if common["attributes"].get(name) != value}
        named = {"image": common["image"], "label": common["label"], "attributes": own}
        if "tag" in content:
            keyframes.append(core_tag(content, named, frame, meant))
            continue
        shape = core_shape(content, named, frame, view, meant)
        keyframes.append(replace(shape, frame=frame))  # refused where it lies in no plane, having three dimensions
    evenly = timeline.interpolated and isinstance(keyframes[0], Placed | Polygon)
    track = Track(**common, keyframes=keyframes, ranges=timeline.ranges, interpolated=evenly)
    moved = track.reordered(view.plane_of)
    if moved is None:
        msg = "its frames are no planes of the image"
        raise ValueError(msg)
    return moved
