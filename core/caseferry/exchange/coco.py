"""COCO files: annotations of pictures, both ways.

COCO measures from the outer corner of the first pixel, so every position is half a pixel more there than in a case.
Its polygons of several parts are the union of these, and have no holes: a polygon for which that makes a difference is
written as run lengths, as masks are.

Source
------
cocodataset.org, "Data format"; pycocotools 2.0.11, ``maskApi.c`` for run lengths and the place of pixels.
"""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from caseferry.annotation import Annotation, Box, Mask, Placed, Polygon, Raw
from caseferry.errors import InvalidCase, Problem
from caseferry.exchange.keeping import kept, with_kept
from caseferry.exchange.written import Written
from caseferry.shapes import fill, ring_area, run_lengths, runs_to_plane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.plain import Json

KEY = "caseferry"
"""Under which key an annotation in a file says what COCO has no field for: author, times, codes."""

_OWN = {"id", "image_id", "category_id", "segmentation", "bbox", "area", "iscrowd", "score", KEY}


class Picture(NamedTuple):
    """A picture and what is annotated on it.

    Attributes
    ----------
    columns, rows : its size
    annotations : each on this picture
    """

    columns: int
    rows: int
    annotations: Sequence[Annotation]


LARGEST = 1 << 28
"""Pixels in which the parts of an outline are looked for."""

OWN_FIELDS = ("confidence", "attributes")
"""What COCO, or what others put into it, says of an annotation."""


def read_coco(
    document: Mapping[str, Any], role: str = "image", choose: Callable[[Mapping[str, Picture]], str] | None = None
) -> dict[str, Picture]:
    """The pictures of a COCO file by their file names.

    Segmentations become polygons or masks, those without one boxes; key points and what else there is are kept raw.
    Parts of one segmentation that share pixels become polygons of their own, since a pixel in two rings of one polygon
    would be outside of it.

    Parameters
    ----------
    role : of the picture in its case
    choose : says of the pictures, of which nothing but the size is known yet, which one is read; all when None

    Raises
    ------
    InvalidCase
        Something refers to what is not there, is missing, or has another form; all of it is listed.
    """
    problems: list[Problem] = []
    names = {_key(entry.get("id")): str(entry.get("name", "")) for _, entry in _rows(document, "categories", problems)}
    pictures: dict[Any, tuple[str, Picture, list[Annotation]]] = {}
    for where, entry in _rows(document, "images", problems):
        found: list[Annotation] = []
        try:
            picture = Picture(int(entry["width"]), int(entry["height"]), found)
            pictures[_key(entry["id"])] = (str(entry["file_name"]), picture, found)
        except (KeyError, TypeError, ValueError, OverflowError):
            problems.append(Problem(where, "needs id, file_name, width and height"))
    if len({name for name, _, _ in pictures.values()}) < len(pictures):
        problems.append(Problem("images", "has one file_name twice"))
    wanted = choose({name: picture for name, picture, _ in pictures.values()}) if choose and not problems else None
    for where, entry in _rows(document, "annotations", problems):
        image, category = _key(entry.get("image_id")), _key(entry.get("category_id"))
        if image not in pictures or not names.get(category):
            problems.append(Problem(where, "is of an image or a category that the file does not describe"))
            continue
        name, picture, found = pictures[image]
        if wanted not in {None, name}:
            continue
        try:
            read = _read(entry, names[category], role, picture)
            found += [
                each if isinstance(each, Raw) else with_kept(each, entry.get(KEY), where, OWN_FIELDS) for each in read
            ]
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            problems.append(Problem(where, f"has another form than COCO's: {error}"))
    if problems:
        raise InvalidCase(None, problems)
    return {name: picture for name, picture, _ in pictures.values() if wanted in {None, name}}


def _rows(document: Mapping[str, Any], part: str, problems: list[Problem]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects of a list, each with its place."""
    rows = document.get(part) or []
    if not isinstance(rows, list):
        problems.append(Problem(part, "is no list"))
        return
    for index, entry in enumerate(rows):
        if isinstance(entry, dict):
            yield f"{part}[{index}]", entry
        else:
            problems.append(Problem(f"{part}[{index}]", "is no object"))


def _key(number: Any) -> Any:
    """An id by which something is found; None for what is none."""
    return number if isinstance(number, int | str) else None


def _read(entry: Mapping[str, Any], label: str, role: str, picture: Picture) -> Iterator[Annotation]:
    common: dict[str, Any] = {"label": label, "id": str(entry["id"])} if "id" in entry else {"label": label}
    common["attributes"] = {key: value for key, value in entry.items() if key not in _OWN}
    if "score" in entry:
        common["confidence"] = entry["score"]
    segmentation, shape = entry.get("segmentation"), (picture.columns, picture.rows)
    if "keypoints" in entry:
        yield Raw(role, platform="coco", payload=dict(entry), label=label, id=common.get("id", ""))
    elif isinstance(segmentation, dict):
        mask = _from_runs(segmentation, shape)[:, :, None]
        yield Mask.of_array(role, mask, {1: common.pop("label")}, np.eye(4), **common)
    elif segmentation:
        rings = [np.array(part, dtype=np.float64).reshape(-1, 2) - 0.5 for part in segmentation]
        whole = [rings] if _same_as_union(rings, shape) else [[ring] for ring in rings]
        for number, parts in enumerate(whole, 1):
            own = common if len(whole) == 1 or "id" not in common else common | {"id": f"{common['id']}-{number}"}
            yield Polygon(role, [ring.tolist() for ring in parts], **own)
    elif entry.get("bbox"):
        x, y, width, height = (float(value) for value in entry["bbox"])
        yield Box(role, [(x - 0.5, y - 0.5), (x + width - 0.5, y + height - 0.5)], **common)
    else:
        yield Raw(role, platform="coco", payload=dict(entry), label=label, id=common.get("id", ""))


def _kept(annotation: Annotation, part: int | None) -> dict[str, Json]:
    """What COCO has no field for."""
    document = kept(annotation, part)
    document.pop("confidence", None)
    if _OWN.isdisjoint(annotation.attributes):
        document.pop("attributes", None)
    return {KEY: document} if document else {}


def _attributes(annotation: Annotation) -> dict[str, Json]:
    """Attributes that stand beside COCO's own fields, as those of other programs do."""
    return {name: value for name, value in annotation.attributes.items() if name not in _OWN}


def _same_as_union(rings: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> bool:
    """Whether no pixel lies in two of the rings.

    Raises
    ------
    ValueError
        They lie in more pixels of the picture than can be looked at.
    """
    if len(rings) == 1:
        return True
    corners = np.array([(ring.min(axis=0), ring.max(axis=0)) for ring in rings])
    first = np.clip(np.floor(corners[:, 0].min(axis=0)), 0, shape)
    size = np.clip(np.ceil(corners[:, 1].max(axis=0)) + 1, 0, shape) - first
    if not np.isfinite(size).all() or size.prod() > LARGEST:
        msg = f"its parts lie in {size.prod():.0f} pixels; at most {LARGEST} are looked at"
        raise ValueError(msg)
    columns, rows = (max(int(each), 0) for each in size)
    seen = np.zeros((columns, rows), np.bool_)
    for ring in rings:
        inside = fill([ring - first], (columns, rows))
        if (seen & inside).any():
            return False
        seen |= inside
    return True


def _from_runs(segmentation: Mapping[str, Any], shape: tuple[int, int]) -> NDArray[np.integer[Any]]:
    """A mask [column, row] from run lengths, which go down the columns and begin with background."""
    columns, rows = shape
    if list(segmentation["size"]) != [rows, columns]:
        msg = f"run lengths of size {segmentation['size']} on a picture of {columns} columns and {rows} rows"
        raise ValueError(msg)
    counts = segmentation["counts"]
    lengths = _unpacked(counts) if isinstance(counts, str) else list(counts)
    runs = [number for index, length in enumerate(lengths) for number in (index % 2, length)]
    return runs_to_plane(runs, (rows, columns), np.uint8).T


def _unpacked(text: str) -> list[int]:
    """Run lengths from COCO's text: five bits to a sign, from the third on as differences to the last but one."""
    lengths: list[int] = []
    value = bits = 0
    for sign in text:
        code = ord(sign) - 48
        value |= (code & 31) << bits
        bits += 5
        if not code & 32:
            value -= (code & 16) << (bits - 4)
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = bits = 0
    return lengths


def write_coco(pictures: Mapping[str, Picture]) -> Written:
    """A COCO file of some pictures.

    What COCO has no field for stands beside each annotation under `KEY`, where other programs leave it alone.

    Parameters
    ----------
    pictures : by file name
    """
    labels = sorted({label for picture in pictures.values() for each in picture.annotations for label in _labels(each)})
    categories = {label: number for number, label in enumerate(labels, 1)}
    rows: list[Json] = []
    written = Written()
    ids = count(1)
    for image_id, picture in enumerate(pictures.values(), 1):
        for annotation in picture.annotations:
            forms = _forms(annotation, picture)
            if isinstance(forms, str):
                written.left_out.append((annotation, forms))
                continue
            if isinstance(annotation, Polygon) and isinstance(forms[0][1]["segmentation"], dict):
                written.changed.append((annotation, "becomes its pixels: COCO's polygons have no holes"))
            for number, (label, form) in enumerate(forms, 1):
                rows.append(
                    {
                        **_attributes(annotation),
                        **({} if annotation.confidence is None else {"score": annotation.confidence}),
                        **_kept(annotation, number if len(forms) > 1 else None),
                        **form,
                        "id": next(ids),
                        "image_id": image_id,
                        "category_id": categories[label],
                    }
                )
    document = {
        "images": [
            {"id": number, "file_name": name, "width": picture.columns, "height": picture.rows}
            for number, (name, picture) in enumerate(pictures.items(), 1)
        ],
        "annotations": rows,
        "categories": [{"id": number, "name": label, "supercategory": ""} for label, number in categories.items()],
    }
    written.content = json.dumps(document, ensure_ascii=False).encode()
    return written


def _labels(annotation: Annotation) -> list[str]:
    return list(annotation.labels.values()) if isinstance(annotation, Mask) else [annotation.label]


def _forms(annotation: Annotation, picture: Picture) -> list[tuple[str, dict[str, Json]]] | str:
    """What an annotation is in COCO, with its labels, or why it has no form there."""
    shape = (picture.columns, picture.rows)
    if isinstance(annotation, Raw) and annotation.platform == "coco" and isinstance(annotation.payload, dict):
        return [(annotation.label, annotation.payload)]
    if annotation.frame or (isinstance(annotation, Placed | Polygon) and annotation.dimensions == 3):
        return "COCO has pictures only, without slices and frames"
    if isinstance(annotation, Mask):
        voxels = annotation.voxels()
        if voxels.shape != (*shape, 1):
            return f"its {voxels.shape} voxels are not those of a picture of {shape}"
        return [(label, _as_runs(voxels[:, :, 0] == value)) for value, label in annotation.labels.items()]
    if isinstance(annotation, Polygon):
        rings = [np.array(ring, dtype=np.float64) for ring in annotation.rings]
        if not _same_as_union(rings, shape):
            return [(annotation.label, _as_runs(fill(rings, shape)))]
        parts: list[Any] = [(ring + 0.5).ravel().tolist() for ring in rings]
        area = sum(abs(ring_area(ring)) for ring in rings)
        box = _box(np.concatenate(rings) + 0.5)
        return [(annotation.label, {"segmentation": parts, "area": area, "bbox": box, "iscrowd": 0})]
    if isinstance(annotation, Box):
        box = _box(np.array(annotation.points) + 0.5)
        return [(annotation.label, {"bbox": box, "area": box[2] * box[3], "iscrowd": 0})]
    return f"COCO has no {annotation.kind} annotation"


def _box(points: NDArray[np.float64]) -> list[Any]:
    low, high = points.min(axis=0), points.max(axis=0)
    return [*low.tolist(), *(high - low).tolist()]


def _as_runs(mask: NDArray[np.bool_]) -> dict[str, Json]:
    """A mask [column, row] as run lengths down the columns, with its area and box."""
    runs = run_lengths(mask.T.astype(np.uint8))
    counts: list[Json] = [0, *runs[1::2]] if runs[:1] == [1] else [*runs[1::2]]
    inside = np.argwhere(mask)
    box = _box(np.concatenate((inside, inside + 1))) if len(inside) else [0.0, 0.0, 0.0, 0.0]
    segmentation: dict[str, Json] = {"size": [mask.shape[1], mask.shape[0]], "counts": counts}
    return {"segmentation": segmentation, "area": len(inside), "bbox": box, "iscrowd": 1}
