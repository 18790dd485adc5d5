"""Annotations of every kind: their usual form, and what is refused."""

from __future__ import annotations

import datetime as dt
import math
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest

import caseferry as cf
from caseferry.annotation import KINDS, slug
from caseferry.geometry import Geometry
from caseferry.imaging.reading import read_header
from caseferry.testing.samples import oblique

if TYPE_CHECKING:
    from pathlib import Path


def refusal(kind: type[cf.Annotation], *values: Any, **fields: Any) -> list[str]:
    """What is said of an annotation that cannot be built."""
    with pytest.raises(cf.InvalidCase) as caught:
        kind(*values, **fields)
    assert all(problem.where == kind.__name__ for problem in caught.value.problems)
    return [problem.what for problem in caught.value.problems]


def test_every_kind_of_the_design_is_there() -> None:
    assert set(KINDS) == {
        "label", "category", "numeric", "text", "point", "line", "polyline", "box", "polygon", "ellipse", "angle",
        "mask", "track", "raw",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": ""}, "label is missing"),
        ({"label": 5}, "label is 5, expected some text"),
        ({"image": 5}, "image is 5, expected some text"),
        ({"frame": -1}, "frame is -1, expected a plane's index from 0"),
        ({"frame": 1.5}, "frame is 1.5, expected a plane's index from 0"),
        ({"frame": True}, "frame is True, expected a plane's index from 0"),
        ({"confidence": 1.01}, "confidence is 1.01, expected 0 to 1"),
        ({"confidence": math.nan}, "confidence is nan, expected 0 to 1"),
        ({"created": "2024-01-01"}, "created is '2024-01-01', expected a datetime"),
        ({"created": dt.datetime(2024, 1, 1)}, "created has no time zone"),  # noqa: DTZ001
        ({"modified": dt.datetime(2024, 1, 1)}, "modified has no time zone"),  # noqa: DTZ001
        ({"source": "ghost"}, "source is 'ghost', expected one of human, model, imported, unknown"),
        ({"status": []}, "status is [], expected one of new, approved, rejected"),
        ({"author": 5}, "author is 5, expected some text"),
        ({"attributes": {"a": {1}}}, "attributes.a is of type set, which JSON cannot hold"),
        ({"codes": ["10200004"]}, "codes[0] is '10200004', expected a Code of value, scheme and meaning"),
    ],
)
def test_what_every_kind_refuses(fields: dict[str, Any], message: str) -> None:
    assert refusal(cf.Label, **({"label": "x"} | fields)) == [message]


def test_every_problem_of_an_annotation_is_listed() -> None:
    assert len(refusal(cf.Line, None, [(1, 2), (math.nan, 0)], frame=-1, confidence=2, source="x")) == 6


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (cf.Category, {"value": ""}, "value is '', expected some text"),
        (cf.Category, {"value": 5}, "value is 5, expected some text"),
        (cf.Numeric, {"value": "3"}, "value is '3', expected a finite number"),
        (cf.Numeric, {"value": math.inf}, "value is inf, expected a finite number"),
        (cf.Numeric, {"value": True}, "value is True, expected a finite number"),
        (cf.Numeric, {}, "value is nan, expected a finite number"),
        (cf.Numeric, {"value": 1, "unit": 5}, "unit is 5, expected some text"),
        (cf.Text, {"value": None}, "value is None, expected text"),
    ],
)
def test_values(kind: type[cf.Annotation], fields: dict[str, Any], message: str) -> None:
    assert refusal(kind, label="x", **fields) == [message]


@pytest.mark.parametrize(
    ("kind", "points", "message"),
    [
        (cf.Line, [(1, 2)], "points has 1 positions, expected 2"),
        (cf.Line, [(1, 2)] * 3, "points has 3 positions, expected 2"),
        (cf.Box, [(1, 2)] * 4, "points has 4 positions, expected 2"),
        (cf.Polyline, [(1, 2)], "points has 1 positions, expected at least 2"),
        (cf.Ellipse, [(1, 2)] * 3, "points has 3 positions, expected 4"),
        (cf.Angle, [(1, 2)] * 2, "points has 2 positions, expected at least 3"),
        (cf.Point, [], "points has 0 positions, expected at least 1"),
        (cf.Point, None, "points is None, expected positions (column, row) or (column, row, slice)"),
        (cf.Line, [(1, 2), (1, 2, 3)], "points mixes two and three dimensions"),
        (cf.Line, [(1, 2), (1, 2, 3, 4)], "points[1] is (1, 2, 3, 4), expected 2 or 3 finite numbers"),
        (cf.Line, [(1, 2), "ab"], "points[1] is 'ab', expected 2 or 3 finite numbers"),
        (cf.Line, [(1, 2), (math.inf, 2)], "points[1] is (inf, 2), expected 2 or 3 finite numbers"),
    ],
)
def test_positions(kind: type[cf.Annotation], points: Any, message: str) -> None:
    assert refusal(kind, "ct", points, label="x", frame=0) == [message]


@pytest.mark.parametrize(
    ("rings", "message"),
    [
        ([], "rings is empty"),
        (None, "rings is None, expected outlines of positions"),
        ([(1, 2), (3, 4)], "rings[0] has 2 positions, expected at least 3"),
        ([(1, 2), (3, 4), (1, 2)], "rings[0] has 2 positions, expected at least 3"),
        ([[(1, 2), (3, 4), (5, 6)], [(1, 2, 3), (4, 5, 6), (7, 8, 9)]], "rings mix two and three dimensions"),
    ],
)
def test_rings(rings: Any, message: str) -> None:
    assert message in refusal(cf.Polygon, "ct", rings, label="x", frame=0)


def test_what_has_a_place_needs_an_image_and_one_way_to_name_the_plane() -> None:
    assert refusal(cf.Point, None, (1, 2), label="x") == ["image is missing: name the role of the image"]
    assert refusal(cf.Polygon, "", [(1, 2), (3, 4), (5, 6)], label="x") == [
        "image is missing: name the role of the image"
    ]
    assert refusal(cf.Point, "ct", (1, 2, 3), frame=3, label="x") == [
        "frame is given beside three-dimensional points: leave one of them out"
    ]
    assert refusal(cf.Polygon, "ct", [(1, 2, 3), (3, 4, 3), (5, 6, 3)], frame=3, label="x") == [
        "frame is given beside three-dimensional rings: leave one of them out"
    ]


def test_usual_forms() -> None:
    assert cf.Point("ct", (1, 2), label="p").points == ((1.0, 2.0),)
    assert cf.Point("ct", np.array([[1, 2], [3, 4]]), label="p").points == ((1.0, 2.0), (3.0, 4.0))
    assert cf.Box("ct", [(5, 1), (2, 8)], label="b").points == ((2.0, 1.0), (5.0, 8.0))
    assert cf.Box("ct", [(5, 1, 9), (2, 8, 3)], label="b").points == ((2.0, 1.0, 3.0), (5.0, 8.0, 9.0))
    closed = cf.Polygon("ct", [(0, 0), (4, 0), (0, 4), (0, 0)], label="p")
    assert closed.rings == (((0.0, 0.0), (4.0, 0.0), (0.0, 4.0)),)
    assert closed == cf.Polygon("ct", [[(0, 0), (4, 0), (0, 4)]], label="p")
    assert cf.Numeric(label="n", value=np.float32(0.5)).value == 0.5
    assert type(cf.Numeric(label="n", value=3).value) is int
    assert type(cf.Label(label="l", frame=np.int64(4)).frame) is int


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, "labels is missing: say what each voxel value means"),
        (["x"], "labels is ['x'], expected voxel values and their names"),
        ({0: "x"}, "labels has 0: 'x', expected a whole number from 1 and a name"),
        ({1: ""}, "labels has 1: '', expected a whole number from 1 and a name"),
        ({1.5: "x"}, "labels has 1.5: 'x', expected a whole number from 1 and a name"),
        ({1: 7}, "labels has 1: 7, expected a whole number from 1 and a name"),
    ],
)
def test_labels_of_a_mask(labels: Any, message: str) -> None:
    assert refusal(cf.Mask, "ct", "m.nii.gz", labels) == [message]


def test_a_mask_without_a_file_or_an_image() -> None:
    found = refusal(cf.Mask, None, None, {1: "x"})
    assert found[0] == "image is missing: name the role of the image"
    assert found[1].startswith("file cannot be used: ")


def test_a_mask_of_one_structure() -> None:
    assert cf.Mask("ct", "m.nii.gz", label="liver").labels == {1: "liver"}
    assert list(cf.Mask("ct", "m.nii.gz", {9: "b", 2: "a"}).labels) == [2, 9]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "uint16", "int64"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 4, 1), (5, 4, 3, 2)])
def test_a_mask_of_an_array_keeps_values_and_place(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    array = (np.arange(np.prod(shape)) % 2 * (1 if dtype == "bool" else 7)).astype(dtype).reshape(shape)
    array[0, 0, 0] = 1
    mask = cf.Mask.of_array("ct", array, {1: "a", 7: "b"}, oblique(), author="a@b.c")
    np.testing.assert_array_equal(mask.voxels(), array.astype(int))
    grid = read_header([mask.file]).geometry
    assert grid is not None
    assert grid.same_grid(Geometry(shape[:3], oblique()))
    assert mask.author == "a@b.c"
    assert cf.annotation.annotation_from_json(mask.to_json()) == mask  # type: ignore[attr-defined]
    path = tmp_path / "mask.nii.gz"
    path.write_bytes(mask.file.read())
    read = nibabel.load(path)
    np.testing.assert_array_equal(np.asarray(read.dataobj).reshape(shape), array.astype(int))
    np.testing.assert_allclose(read.affine, np.diag([-1, -1, 1, 1]) @ oblique(), atol=1e-5)


def test_a_mask_of_an_array_that_is_no_label_map() -> None:
    with pytest.raises(cf.InvalidCase, match="whole numbers"):
        cf.Mask.of_array("ct", np.full((2, 2, 2), 0.5), {1: "a"}, np.eye(4))
    with pytest.raises(cf.InvalidCase, match="from -1 to -1, expected whole numbers from 0 to 65535"):
        cf.Mask.of_array("ct", np.full((2, 2, 2), -1), {1: "a"}, np.eye(4))
    with pytest.raises(cf.InvalidCase, match="column, row, slice"):
        cf.Mask.of_array("ct", np.zeros((2, 2)), {1: "a"}, np.eye(4))


def test_a_raw_annotation_keeps_whatever_it_is_given() -> None:
    for payload in (None, "", [], {}, 0, False, {"a": [1, None]}):
        raw = cf.Raw(platform="darwin", payload=payload)
        again = cf.annotation.annotation_from_json(raw.to_json())  # type: ignore[attr-defined]
        assert again == raw
        assert again.payload == payload
    assert refusal(cf.Raw) == ["platform is missing"]


def test_short_names_of_labels() -> None:
    assert slug("Left Lung (upper)") == "left-lung-upper"
