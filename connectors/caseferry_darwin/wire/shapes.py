"""What an annotation is in one frame, in Darwin's words, and back.

Darwin has no numbers and no questions with answers: they are tags with a text.

Source
------
darwin-py 3.6.3's importer: the ``data`` of each type for still images; the exports of V7's end-to-end tests for the
way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import (
    Annotation,
    Box,
    Category,
    Ellipse,
    Label,
    Line,
    Numeric,
    Placed,
    Point,
    Polygon,
    Polyline,
    Position,
    Shape,
    Text,
    Track,
)
from caseferry.shapes import upright_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.geometry import FloatArray
    from caseferry_darwin.wire.view import View

NO_FRAME = "its positions lie in no single frame as Darwin shows the image"


def text_of(annotation: Annotation) -> str | None:
    """The text of the tag that an annotation becomes; None for one without."""
    if isinstance(annotation, Category | Text):
        return annotation.value
    if isinstance(annotation, Numeric):
        return f"{annotation.value!r} {annotation.unit}".strip()
    return None


def content_of(annotation: Annotation, view: View) -> tuple[str, int, dict[str, Any]] | str:
    """The type of an annotation, the frame that it lies in and what is there; or why it has no form.

    What is said of a whole image lies in the first frame.

    Parameters
    ----------
    view : how the slot shows the annotation's image
    """
    if isinstance(annotation, Placed | Polygon):
        found = _placed(annotation, view)
        return found if isinstance(found, str) else (found[0], found[1], {found[0]: found[2]})
    text = text_of(annotation)
    if text is None and not isinstance(annotation, Label):
        return f"Darwin has no {annotation.kind} annotation"
    frame = 0 if annotation.frame is None or not view.frames else view.frame_of(annotation.frame)
    if frame is None:
        return NO_FRAME
    return "tag", frame, {"tag": {}} | ({} if text is None else {"text": {"text": text}})


def _xy(points: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in points]


def _placed(annotation: Placed | Polygon, view: View) -> tuple[str, int, Any] | str:
    """The type, the frame and the shape of an annotation that lies somewhere."""
    shown = view.to_shown(annotation.points, annotation.frame)
    if shown is None:
        return NO_FRAME
    frame, points = shown
    if isinstance(annotation, Point):
        if len(points) > 1:
            return "Darwin's keypoints stand alone"
        return "keypoint", frame, _xy(points)[0]
    if isinstance(annotation, Line | Polyline):
        return "line", frame, {"path": _xy(points)}
    if isinstance(annotation, Box):
        (left, top), (right, bottom) = (tuple(f(axis) for axis in zip(*points, strict=True)) for f in (min, max))
        return "bounding_box", frame, {"x": left, "y": top, "w": right - left, "h": bottom - top}
    if isinstance(annotation, Polygon):
        rings, place = [], 0
        for ring in annotation.rings:
            rings.append(_xy(points[place : place + len(ring)]))
            place += len(ring)
        return "polygon", frame, {"path": rings[0]} | ({"additional_paths": rings[1:]} if rings[1:] else {})
    if isinstance(annotation, Ellipse):
        axes = upright_axes(points)
        return "its axes do not halve each other" if axes is None else ("ellipse", frame, _ellipse(axes))
    return f"Darwin has no {annotation.kind} annotation"


def _ellipse(axes: FloatArray) -> dict[str, Any]:
    """An ellipse by its centre, half its axes, and the angle from x towards y at which the first of them lies."""
    centre, (first, second) = axes.mean(axis=0), (axes[1::2] - axes[::2]) / 2
    return {
        "angle": float(np.arctan2(first[1], first[0])),
        "center": _xy([tuple(centre.tolist())])[0],
        "radius": {"x": float(np.linalg.norm(first)), "y": float(np.linalg.norm(second))},
    }


def ellipse_like(ellipse: Mapping[str, Any], direction: float, before: float | None) -> dict[str, Any]:
    """The same ellipse with that of its axes first, and that end of it, which lies in a direction.

    The platform turns an ellipse between keyframes by as much as their angles differ: so one axis must stay the same
    axis, and no angle may run around.

    Parameters
    ----------
    direction : an angle; the nearest axis counts
    before : the angle of the keyframe before, to which the angle is made as near as whole turns allow
    """
    quarters = round((direction - ellipse["angle"]) / (np.pi / 2))
    angle = ellipse["angle"] + quarters * np.pi / 2
    if before is not None:
        angle += round((before - angle) / (2 * np.pi)) * 2 * np.pi
    x, y = ellipse["radius"]["x"], ellipse["radius"]["y"]
    return {**ellipse, "angle": float(angle), "radius": {"x": y, "y": x} if quarters % 2 else {"x": x, "y": y}}


# -- reading -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meant:
    """Which of several kinds is meant that are one on the platform.

    Attributes
    ----------
    kind : its name; empty when nobody knows
    unit : of a number
    """

    kind: str = ""
    unit: str = ""

    @classmethod
    def by(cls, put: Annotation | None) -> Meant:
        """By what was put."""
        shape = put.keyframes[0] if isinstance(put, Track) else put
        return cls() if shape is None else cls(shape.kind, shape.unit if isinstance(shape, Numeric) else "")


def core_tag(content: Mapping[str, Any], common: dict[str, Any], plane: int | None, meant: Meant) -> Shape:
    """A tag in core's words."""
    text = (content.get("text") or {}).get("text")
    if text is None:
        return Label(**common, frame=plane)
    if meant.kind == Numeric.kind:
        word = str(text).removesuffix(meant.unit).strip()
        value = int(word) if word.lstrip("+-").isdigit() else float(word)
        return Numeric(**common, frame=plane, value=value, unit=meant.unit)
    kind = Category if meant.kind == Category.kind else Text
    return kind(**common, frame=plane, value=str(text))


def core_shape(content: Mapping[str, Any], common: dict[str, Any], frame: int, view: View, meant: Meant) -> Shape:
    """A shape in a frame in core's words.

    Raises
    ------
    KeyError, TypeError, ValueError
        It is of another type, or is not written as its type is.
    """

    def voxels(path: Sequence[Mapping[str, float]]) -> tuple[list[Position], int | None]:
        return view.to_voxels(frame, [(float(each["x"]), float(each["y"])) for each in path])

    if "keypoint" in content:
        points, plane = voxels([content["keypoint"]])
        return Point(**common, frame=plane, points=points)
    if "bounding_box" in content and "polygon" not in content:
        box = content["bounding_box"]
        corners = [{"x": box["x"], "y": box["y"]}, {"x": box["x"] + box["w"], "y": box["y"] + box["h"]}]
        points, plane = voxels(corners)
        return Box(**common, frame=plane, points=points)
    if "ellipse" in content:
        points, plane = voxels(_ends(content["ellipse"]))
        return Ellipse(**common, frame=plane, points=points)
    if "line" in content:
        points, plane = voxels(content["line"]["path"])
        kind = Polyline if meant.kind == Polyline.kind or len(points) != 2 else Line
        return kind(**common, frame=plane, points=points)
    if "polygon" in content:
        polygon = content["polygon"]
        paths = polygon.get("paths") or [polygon["path"], *(polygon.get("additional_paths") or [])]
        rings = [voxels(path) for path in paths]
        return Polygon(**common, frame=rings[0][1], rings=[ring for ring, _ in rings])
    msg = "it is of another type"
    raise ValueError(msg)


def _ends(ellipse: Mapping[str, Any]) -> list[dict[str, float]]:
    """The ends of an ellipse's axes: the inverse of `_ellipse`."""
    (x, y), (width, height) = ((float(ellipse[key]["x"]), float(ellipse[key]["y"])) for key in ("center", "radius"))
    cosine, sine = np.cos(float(ellipse["angle"])), np.sin(float(ellipse["angle"]))
    first, second = (width * cosine, width * sine), (-height * sine, height * cosine)
    return [{"x": x + sign * across, "y": y + sign * down} for across, down in (first, second) for sign in (-1, 1)]
