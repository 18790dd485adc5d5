"""Annotations in Darwin's words, and back.

Darwin has no numbers and no questions with answers: they are tags with a text.

Source
------
darwin-py 3.6.3's importer: the ``data`` of each type for still images, and ``frames`` and ``segments`` for everything
that has frames; the exports of V7's end-to-end tests for the way back.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
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
    Mask,
    Numeric,
    Placed,
    Point,
    Polygon,
    Polyline,
    Position,
    Raw,
    Text,
)
from caseferry.shapes import run_lengths, runs_to_plane, upright_axes
from caseferry_darwin.wire.classes import RASTER_CLASS, RASTER_TYPE, Wanted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.geometry import FloatArray
    from caseferry.mapping import Names
    from caseferry_darwin.wire.view import View

_NAMESPACE = uuid.UUID("0d3f7e3c-5b57-5f0e-9a51-6f2f0f0a6b10")

NO_FRAME = "its positions lie in no single frame as Darwin shows the image"


@dataclass(frozen=True, slots=True)
class Form:
    """An annotation as the platform takes it.

    Attributes
    ----------
    wanted : its class
    data : what it is and where
    id : its own id there
    slot : the slot that it lies in
    """

    wanted: Wanted
    data: dict[str, Any]
    id: str
    slot: str


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids, which are UUIDs, under which the annotations of a case stand on the platform.

    They are its own for each dataset, since the same case may be put into several and no id may be there twice;
    and the same at each attempt, so that what has arrived is recognised.

    Attributes
    ----------
    dataset, case : the dataset's id there, and the case's name
    kept : take ids as they are: for annotations that are added later, of which no sidecar tells
    """

    dataset: object
    case: str
    kept: bool = False

    def annotation(self, name: str) -> str:
        """Of a whole annotation."""
        return name if self.kept else self._made("annotation", name)

    def value(self, name: str, value: int) -> str:
        """Of one value of a mask."""
        return self._made("value", name, str(value))

    def layer(self, slot: str) -> str:
        """Of the layer that holds the pixels of all masks in a slot."""
        return self._made("layer", slot)

    def _made(self, *parts: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, "\n".join([str(self.dataset), self.case, *parts])))


def is_uuid(name: str) -> bool:
    """Whether an annotation's own name can be its id on the platform."""
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def native_form(annotation: Annotation, view: View, names: Names, ids: Ids) -> Form | str:
    """What an annotation is on the platform, or why it has no form there. Masks: see `mask_forms`.

    Parameters
    ----------
    view : how the slot shows the annotation's image
    """
    if isinstance(annotation, Raw):
        return f"it is in the form of {annotation.platform}"
    if isinstance(annotation, Placed | Polygon):
        found = _placed(annotation, view)
        if isinstance(found, str):
            return found
        kind, frame, shape = found
        data = {kind: shape} if not view.frames else _in_frames({frame: {kind: shape}}, [(frame, frame + 1)])
        return Form(Wanted(names.label(annotation.label), kind), data, ids.annotation(annotation.id), view.slot)
    text = _text(annotation)
    if text is None and not isinstance(annotation, Label):
        return f"Darwin has no {annotation.kind} annotation"
    content: dict[str, Any] = {"tag": {}} | ({} if text is None else {"text": {"text": text}})
    if view.frames:
        first = 0 if annotation.frame is None else view.frame_of(annotation.frame)
        if first is None:
            return NO_FRAME
        content = _in_frames({first: content}, [(first, first + 1 if annotation.frame is not None else view.frames)])
    wanted = Wanted(names.label(annotation.label), "tag", text is not None)
    return Form(wanted, content, ids.annotation(annotation.id), view.slot)


def _text(annotation: Annotation) -> str | None:
    if isinstance(annotation, Category | Text):
        return annotation.value
    if isinstance(annotation, Numeric):
        return f"{annotation.value!r} {annotation.unit}".strip()
    return None


def _in_frames(frames: Mapping[int, dict[str, Any]], segments: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """The data of an annotation that lasts over frames; segments are half open."""
    written = {str(frame): {**content, "keyframe": True} for frame, content in sorted(frames.items())}
    first = next(iter(written.values()))
    first["attributes"] = {"attributes": []}
    return {
        "frames": written,
        "segments": [list(segment) for segment in segments],
        "interpolated": False,
        "hidden_areas": [],
    }


def _xy(points: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
    return [{"x": x, "y": y} for x, y in points]


def _placed(annotation: Placed | Polygon, view: View) -> tuple[str, int, dict[str, Any]] | str:
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


# -- masks ---------------------------------------------------------------------------------------------------------


def mask_forms(masks: Sequence[tuple[Mask, NDArray[Any]]], view: View, names: Names, ids: Ids) -> list[Form]:
    """All masks of one slot: an annotation for each structure, and the one layer that holds their pixels.

    Parameters
    ----------
    masks : with their voxels on the image's grid; they do not overlap
    """
    width, height = view.raster_size()
    layers = [np.zeros((height, width), np.int64) for _ in range(max(view.frames, 1))]
    numbers: dict[str, int] = {}
    forms: list[Form] = []
    for mask, voxels in masks:
        rasters = view.rasters(voxels)
        for value, label in mask.labels.items():
            present = [frame for frame, raster in enumerate(rasters) if (raster == value).any()]
            if not present:
                continue
            part = ids.value(mask.id, value)
            numbers[part] = len(numbers) + 1
            for frame in present:
                layers[frame][rasters[frame] == value] = numbers[part]
            runs = _runs(present)
            data: dict[str, Any] = {"mask": {}}
            if view.frames:
                data = _in_frames({start: {"mask": {}} for start, _ in runs}, runs)
            forms.append(Form(Wanted(names.label(label), "mask"), data, part, view.slot))
    if forms:
        wanted, layer = Wanted(RASTER_CLASS, RASTER_TYPE), _layer(layers, numbers, view)
        forms.append(Form(wanted, layer, ids.layer(view.slot), view.slot))
    return forms


def _layer(layers: Sequence[NDArray[np.int64]], numbers: Mapping[str, int], view: View) -> dict[str, Any]:
    def written(layer: NDArray[np.int64]) -> dict[str, Any]:
        used = set(np.unique(layer).tolist())
        mapping = {part: number for part, number in numbers.items() if number in used}
        runs = {"dense_rle": run_lengths(layer.T), "total_pixels": int(layer.size)}
        return {RASTER_TYPE: {**runs, "mask_annotation_ids_mapping": mapping}}

    if not view.frames:
        return written(layers[0])
    filled = [frame for frame, layer in enumerate(layers) if layer.any()]
    first, last = filled[0], filled[-1]
    return _in_frames({frame: written(layers[frame]) for frame in range(first, last + 1)}, [(first, last + 1)])


def _runs(frames: Sequence[int]) -> list[tuple[int, int]]:
    """Frames that follow each other as half-open ranges."""
    runs: list[tuple[int, int]] = []
    for frame in frames:
        if runs and runs[-1][1] == frame:
            runs[-1] = (runs[-1][0], frame + 1)
        else:
            runs.append((frame, frame + 1))
    return runs


# -- reading -------------------------------------------------------------------------------------------------------


def core_form(row: Mapping[str, Any], label: str, role: str, view: View, put: Annotation | None) -> Annotation:
    """An annotation in core's words from what the platform answers; one that no kind fits is kept raw.

    Parameters
    ----------
    label : what its class is called in a case
    put : what was put under its id, when it was put here: it says which of several kinds is meant
    """
    common = said_of(row) | {"image": role, "label": label, "id": str(row.get("id") or "")}
    try:
        frame, content, everywhere = _content(row["data"], view)
        common["attributes"] = _beside(content, row)
        if "tag" in content:
            plane = None if everywhere else view.plane_of(frame)
            return _tag(content, common, plane, put)
        return _shape(content, common, frame, view, put)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return raw_form(row, label, role)


def raw_form(row: Mapping[str, Any], label: str, role: str | None) -> Raw:
    """An annotation as the platform answers it, whole."""
    payload = json.loads(json.dumps({**row, "class": label}))
    return Raw(role, id=str(row.get("id") or ""), label=label, platform="darwin", payload=payload)


def said_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of any annotation: by whom, when, and with which properties."""
    people = {each.get("role"): each.get("email") for each in row.get("actors") or ()}
    return {
        "author": people.get("annotator"),
        "reviewer": people.get("reviewer"),
        "created": _moment(row.get("inserted_at")),
        "modified": _moment(row.get("updated_at")),
        "attributes": _beside({}, row),
    }


SUBS = ("text", "instance_id", "attributes", "directional_vector", "inference", "measures")
"""What annotations may carry beside their shape."""


def _beside(content: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What an annotation says besides, by the platform's names; the text of a tag is its value."""
    subs = {name: content[name] for name in SUBS if content.get(name) and not (name == "text" and "tag" in content)}
    if subs.get("attributes") == {"attributes": []}:
        del subs["attributes"]
    properties = row.get("properties") or row.get("annotation_properties")
    return json.loads(json.dumps(subs | ({"properties": properties} if properties else {})))  # type: ignore[no-any-return]


def _moment(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _content(data: Mapping[str, Any], view: View) -> tuple[int, Mapping[str, Any], bool]:
    """The frame, what is in it, and whether it lasts over the whole image; only what stays the same has a form."""
    if "frames" not in data:
        return 0, data, True
    frames = data["frames"]
    if len(frames) != 1:
        msg = "it moves"
        raise ValueError(msg)
    frame, content = next(iter(frames.items()))
    segments = data.get("segments") or [[int(frame), int(frame) + 1]]
    whole = [list(segment) for segment in segments] == [[0, view.frames]] and view.frames > 1
    if not whole and sum(end - start for start, end in segments) != 1:
        msg = "it lasts"
        raise ValueError(msg)
    return int(frame), content, whole


def _tag(content: Mapping[str, Any], common: dict[str, Any], frame: int | None, put: Annotation | None) -> Annotation:
    text = (content.get("text") or {}).get("text")
    if text is None:
        return Label(**common, frame=frame)
    if isinstance(put, Numeric):
        word = str(text).removesuffix(put.unit).strip()
        value = int(word) if word.lstrip("+-").isdigit() else float(word)
        return Numeric(**common, frame=frame, value=value, unit=put.unit)
    if isinstance(put, Category):
        return Category(**common, frame=frame, value=str(text))
    return Text(**common, frame=frame, value=str(text))


def _shape(
    content: Mapping[str, Any], common: dict[str, Any], frame: int, view: View, put: Annotation | None
) -> Annotation:
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
        kind = Polyline if isinstance(put, Polyline) or len(points) != 2 else Line
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


@dataclass(frozen=True)
class Layer:
    """The pixels of all masks of one slot, frame by frame.

    Attributes
    ----------
    frames : frame to run lengths and to the numbers of the masks in it, by their ids
    """

    frames: Mapping[int, tuple[Sequence[int], Mapping[str, int]]]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Layer:
        """From the data of a raster layer annotation."""
        contents = {0: data} if "frames" not in data else {int(f): content for f, content in data["frames"].items()}
        return cls(
            {
                frame: (content[RASTER_TYPE]["dense_rle"], content[RASTER_TYPE]["mask_annotation_ids_mapping"])
                for frame, content in contents.items()
                if RASTER_TYPE in content
            }
        )

    def voxels(self, parts: Mapping[str, int], view: View) -> NDArray[Any]:
        """The voxels of some masks, each with the value that it is given.

        Parameters
        ----------
        parts : the platform's ids of masks to voxel values
        """
        width, height = view.raster_size()
        dtype = np.min_scalar_type(max(parts.values(), default=1))
        rasters: dict[int, NDArray[Any]] = {}
        for frame, (runs, mapping) in self.frames.items():
            raster = runs_to_plane(runs, (width, height)).T
            out = np.zeros(raster.shape, dtype)
            for part, number in mapping.items():
                if part in parts:
                    out[raster == int(number)] = parts[part]
            rasters[frame] = out
        return view.from_rasters(rasters, dtype)
