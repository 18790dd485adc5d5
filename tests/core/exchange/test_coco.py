"""COCO files, against pycocotools."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as official

from caseferry import Box, Line, Mask, Polygon, Raw
from caseferry.annotation import Code
from caseferry.errors import InvalidCase
from caseferry.exchange.coco import Picture, read_coco, write_coco
from caseferry.shapes import fill, polygons

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools

MASKS = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9).flatmap(lambda shape: arrays(np.bool_, shape))


def file_of(*annotations: dict[str, Any], width: int = 12, height: int = 9) -> dict[str, Any]:
    """A COCO file of one picture and one category."""
    rows = [{"id": n, "image_id": 5, "category_id": 3, "iscrowd": 0, **each} for n, each in enumerate(annotations, 1)]
    return {
        "images": [{"id": 5, "file_name": "a.png", "width": width, "height": height}],
        "categories": [{"id": 3, "name": "cell"}],
        "annotations": rows,
    }


def read_one(*annotations: dict[str, Any], **size: int) -> list[Any]:
    return list(read_coco(file_of(*annotations, **size))["a.png"].annotations)


def mask_of(array: NDArray[np.bool_]) -> Mask:
    return Mask.of_array("image", array.astype(np.uint8)[:, :, None], {1: "cell"}, np.eye(4))


@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(mask: NDArray[np.bool_]) -> None:
    columns, rows = mask.shape
    theirs = official.encode(np.asfortranarray(mask.T.astype(np.uint8)))
    packed = {"size": theirs["size"], "counts": theirs["counts"].decode()}
    (read,) = read_one({"segmentation": packed}, width=columns, height=rows)
    assert np.array_equal(read.voxels()[:, :, 0] == 1, mask)
    document = json.loads(write_coco({"a.png": Picture(columns, rows, [mask_of(mask)])}).content)
    (row,) = document["annotations"]
    plain = official.frPyObjects(row["segmentation"], rows, columns)
    assert plain == theirs
    assert row["area"] == official.area(theirs)
    assert row["bbox"] == official.toBbox(theirs).tolist()


@pytest.mark.parametrize("size", [1, 15, 16, 500, 30000])
def test_long_runs_are_unpacked(size: int) -> None:
    mask = np.zeros((size, 3), np.uint8, order="F")
    mask[size // 2, 1] = mask[-1, 2] = 1
    theirs = official.encode(mask)
    packed = {"size": theirs["size"], "counts": theirs["counts"].decode()}
    (read,) = read_one({"segmentation": packed}, width=3, height=size)
    assert np.array_equal(read.voxels()[:, :, 0].T, mask)


@given(MASKS)
def test_outlines_along_edges_are_the_same_pixels_for_pycocotools(mask: NDArray[np.bool_]) -> None:
    columns, rows = mask.shape
    outlines = list(polygons(mask_of(mask), mask.astype(np.uint8)[:, :, None]))
    document = json.loads(write_coco({"a.png": Picture(columns, rows, outlines)}).content)
    for row in document["annotations"]:
        runs = official.frPyObjects(row["segmentation"], rows, columns)
        runs = official.merge(runs) if isinstance(runs, list) else runs
        assert np.array_equal(official.decode(runs).T == 1, mask)
    (picture,) = read_coco(document).values()
    back = np.zeros_like(mask)
    for each in picture.annotations:
        back |= fill(each.rings, mask.shape) if isinstance(each, Polygon) else each.voxels()[:, :, 0] == 1  # type: ignore[attr-defined]
    assert np.array_equal(back, mask)


def test_positions_are_half_a_pixel_less_than_in_coco() -> None:
    (polygon,) = read_one({"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]], "bbox": [1, 1, 2, 2]})
    assert polygon.rings == (((0.5, 0.5), (2.5, 0.5), (2.5, 2.5), (0.5, 2.5)),)
    theirs = official.decode(official.frPyObjects([[1, 1, 3, 1, 3, 3, 1, 3]], 9, 12))[:, :, 0]
    assert np.array_equal(fill(polygon.rings, (12, 9)), theirs.T == 1)
    (box,) = read_one({"bbox": [2, 1, 3, 4], "segmentation": []})
    assert box.points == ((1.5, 0.5), (4.5, 4.5))


def test_parts_that_overlap_stay_a_union() -> None:
    apart, overlapping = [1, 1, 3, 1, 3, 3], [2, 1, 6, 1, 6, 6, 2, 6]
    assert len(read_one({"segmentation": [apart, [8, 1, 9, 1, 9, 3]]})) == 1
    one, two = read_one({"segmentation": [[1, 1, 4, 1, 4, 4, 1, 4], overlapping]})
    assert (one.id, two.id) == ("1-1", "1-2")
    assert np.count_nonzero(fill(one.rings, (12, 9)) | fill(two.rings, (12, 9))) == 9 + 20 - 6


def test_what_is_said_comes_back() -> None:
    rows = [
        {"segmentation": [[1.5, 1.25, 3, 1, 3, 3]], "score": 0.25, "attributes": {"side": "left"}, "extra": {}},
        {"bbox": [0.5, 1.0, 3.0, 2.25], "occluded": True},
        {"keypoints": [1, 2, 2], "num_keypoints": 1},
    ]
    first = read_coco(file_of(*rows))
    written = write_coco(first)
    assert written.left_out == []
    second = read_coco(json.loads(written.content))
    assert second["a.png"][:2] == first["a.png"][:2] == (12, 9)
    for one, other in zip(first["a.png"].annotations, second["a.png"].annotations, strict=True):
        mine, theirs = one.to_json(), other.to_json()
        if isinstance(one, Raw):
            assert theirs["payload"]["keypoints"] == [1, 2, 2]  # type: ignore[index,call-overload]
        else:
            assert mine == theirs
    assert first["a.png"].annotations[0].confidence == 0.25
    assert first["a.png"].annotations[0].attributes == {"attributes": {"side": "left"}, "extra": {}}


def test_author_times_and_codes_come_back() -> None:
    said: dict[str, Any] = {
        "author": "a@example.org",
        "created": dt.datetime(2024, 1, 2, tzinfo=dt.UTC),
        "status": "approved",
        "source": "model",
        "model": "m",
        "codes": (Code("4421005", "SCT", "Cell"),),
    }
    polygon = Polygon("image", [(1, 1), (5, 1), (5, 5)], label="a", id="mine", **said)
    mask = Mask.of_array("image", np.array([[[1], [2]]], np.uint8), {1: "a", 2: "b"}, np.eye(4), id="both", **said)
    document = json.loads(write_coco({"a.png": Picture(1, 2, [polygon, mask])}).content)
    one, *parts = read_coco(document)["a.png"].annotations
    assert one == polygon
    assert [part.id for part in parts] == ["both-1", "both-2"]
    assert all(getattr(part, name) == value for part in parts for name, value in said.items())


def test_what_coco_cannot_hold_is_named() -> None:
    line = Line("image", [(1, 1), (2, 2)], label="a")
    deep = Box("image", [(1, 1, 0), (2, 2, 3)], label="a")
    later = Box("image", [(1, 1), (2, 2)], label="a", frame=2)
    other = mask_of(np.ones((3, 3), np.bool_))
    written = write_coco({"a.png": Picture(4, 4, [line, deep, later, other])})
    assert [annotation for annotation, _ in written.left_out] == [line, deep, later, other]
    assert "no line annotation" in written.left_out[0][1]
    assert "without slices and frames" in written.left_out[1][1]
    assert json.loads(written.content)["annotations"] == []


def test_a_polygon_with_a_hole_is_written_as_its_pixels() -> None:
    rings = [[(0.5, 0.5), (6.5, 0.5), (6.5, 6.5), (0.5, 6.5)], [(2.5, 2.5), (4.5, 2.5), (4.5, 4.5), (2.5, 4.5)]]
    written = write_coco({"a.png": Picture(12, 9, [Polygon("image", rings, label="a")])})
    (row,) = json.loads(written.content)["annotations"]
    assert row["area"] == 36 - 4
    assert row["iscrowd"] == 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"image_id": 6}, r"annotations\[0\]: is of an image"),
        ({"category_id": 4}, r"annotations\[0\]: is of an image or a category"),
        ({"segmentation": {"size": [9, 13], "counts": [117]}}, r"annotations\[0\]: .* size \[9, 13\]"),
        ({"segmentation": {"size": [9, 12], "counts": [107]}}, r"annotations\[0\]: .* cover 107 pixels"),
        ({"segmentation": [[1, 2, 3]]}, r"annotations\[0\]: has another form"),
        ({"bbox": [1, 2, 3]}, r"annotations\[0\]: has another form"),
    ],
)
def test_damaged_files_are_refused_with_the_place(change: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidCase, match=where):
        read_coco(file_of({"bbox": [1, 1, 2, 2]} | change))


def test_one_picture_twice_is_refused() -> None:
    document = file_of()
    document["images"].append(document["images"][0] | {"id": 6})
    with pytest.raises(InvalidCase, match="one file_name twice"):
        read_coco(document)
    document["images"][1].pop("width")
    with pytest.raises(InvalidCase, match=r"images\[1\]: needs id"):
        read_coco(document)
