"""What goes out in Datamint's words comes back as it was, and what others write is understood."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry_datamint.sandbox.annotation_shapes import four_corners
from caseferry_datamint.wire.annotations import native_form
from caseferry_datamint.wire.frames import cut_of, place_of, plane_of
from caseferry_datamint.wire.meaning import core_form
from datamint_images import answered, flats, image, stacks, volumes
from oracles import affine_of, rotation

NAMES = Names()


@st.composite
def drawn(draw: Any, where: cf.Image) -> Any:
    """A placed annotation on one plane of an image."""
    grid = where.geometry
    assert grid is not None
    spot = st.tuples(*[st.integers(-32, 64 * n - 32).map(lambda steps: steps / 64) for n in grid.shape[:2]])
    frame = draw(st.integers(0, grid.planes - 1))
    kind = draw(st.sampled_from([cf.Line, cf.Point, cf.Box, cf.Polyline, cf.Polygon]))
    count = {cf.Line: 2, cf.Point: 1, cf.Box: 2}.get(kind) or draw(st.integers(3, 6))
    points = draw(st.lists(spot, min_size=count, max_size=count, unique=True))
    common = {"label": draw(st.sampled_from(["a", "ünï"])), "frame": frame, "id": "own"}
    return kind("it", [points] if kind is cf.Polygon else points, **common)


def there_and_back(annotation: Any, where: cf.Image) -> Any:
    form = native_form(annotation, where, NAMES)
    assert not isinstance(form, str), form
    file, sent = form
    return core_form(answered(sent), "it", where, file, NAMES)


@given(st.data())
def test_positions(data: st.DataObject) -> None:
    where = data.draw(st.one_of(volumes(), stacks(), flats()))
    annotation = data.draw(drawn(where))
    back = there_and_back(annotation, where)
    assert type(back) is type(annotation)
    expected, found = (
        np.array(each.rings[0] if isinstance(each, cf.Polygon) else each.points) for each in (annotation, back)
    )
    grid = where.geometry
    assert grid is not None
    assert back.frame == annotation.frame
    tolerance = 1e-9 * np.abs(grid.affine).max() / min(grid.spacing_mm) + 1e-9
    np.testing.assert_allclose(found, expected, atol=tolerance)


@given(st.one_of(volumes(), stacks(), flats()), st.data())
def test_every_place_is_of_one_plane(where: cf.Image, data: st.DataObject) -> None:
    grid = where.geometry
    assert grid is not None
    plane = data.draw(st.integers(0, grid.planes - 1))
    place = place_of(where, plane)
    assume(place is not None)
    assert place is not None
    assert plane_of(where, place.file, place.frame) == plane
    assert cut_of(where, place.file, place.frame) == (slice(None), slice(None), plane)
    assert plane_of(where, place.file, grid.planes) is None


@given(volumes())
def test_frames_of_a_volume_go_from_the_feet_to_the_head(where: cf.Image) -> None:
    grid = where.geometry
    assert grid is not None
    axis = int(np.abs(grid.direction[2]).argmax())
    heights = []
    for frame in range(grid.shape[axis]):
        cut = cut_of(where, 0, frame)
        assert cut is not None
        (index,) = [each for each in cut if isinstance(each, int)]
        assert not isinstance(cut[axis], slice)
        heights.append(index * grid.affine[2, axis])
    assert heights == sorted(heights)
    assert cut_of(where, 0, grid.shape[axis]) is None


@pytest.mark.parametrize(
    "annotation",
    [
        cf.Label("it", "a", frame=1),
        cf.Label("it", "a"),
        cf.Category("it", "a", "b"),
        cf.Category("it", "a", "b", frame=2),
        cf.Text("it", "a", "", frame=0),
        cf.Numeric("it", "a", 3),
        cf.Numeric("it", "a", 3.0),
        cf.Numeric("it", "a", -2.5, unit="mm"),
    ],
    ids=repr,
)
def test_what_is_said(annotation: Any) -> None:
    where = image(Kind.NIFTI, (4, 5, 6), affine_of(np.diag([1.0, 1, -1]), (1, 2, 3), (0, 0, 0)))
    back = there_and_back(annotation, where)
    assert replace(back, id="", status=None) == annotation
    assert type(getattr(back, "value", None)) is type(getattr(annotation, "value", None))


# -- what others write ---------------------------------------------------------------------------------------------

CT = image(
    Kind.DICOM_MULTIFRAME,
    (20, 30, 4),
    affine_of(np.eye(3), (0.5, 0.8, 3), (-100, -50, 7)),
    layout=[(0, n) for n in range(4)],
)
AT_ZERO = image(Kind.DICOM_SERIES, (200, 300, 1), affine_of(np.eye(3), (0.5, 0.8, 3), (-10, -20, 0)), layout=[(0, 0)])


def row(kind: str, geometry: Any, **more: Any) -> dict[str, Any]:
    return {"id": "1", "identifier": "a", "annotation_type": kind, "scope": "frame", "geometry": geometry, **more}


def read(written: dict[str, Any], where: cf.Image = CT) -> Any:
    return core_form(written, "it", where, 0, NAMES)


@pytest.mark.parametrize(
    "corners",
    [
        [[2, 3, 1], [7, 9, 1]],
        [[7, 9, 1], [2, 3, 1]],
        four_corners([2, 3, 1], [7, 9, 1]),
        four_corners([7, 3, 1], [2, 9, 1]),
        [[2, 3, 1], [7, 3, 1], [7, 9, 1], [2, 9, 1]],
        [[2, 3], [7, 3], [7, 9], [2, 9]],
    ],
)
@pytest.mark.parametrize("as_list", [False, True])
def test_boxes_of_two_and_four_corners(corners: list[list[float]], *, as_list: bool) -> None:
    found = read(row("square", corners if as_list else {"points": corners}, frame_index=1))
    assert isinstance(found, cf.Box)
    assert found.points == ((2, 3), (7, 9))
    assert found.frame == 1


def test_the_middle_corners_of_a_box_on_a_tilted_plane_are_not_believed() -> None:
    """The client exchanges coordinates of the patient, so these corners lie off the plane."""
    tilted = image(Kind.NIFTI, (20, 30, 10), affine_of(rotation(10, 15, 20), (0.5, 0.8, 3), (1, 2, 3)))
    assert tilted.geometry is not None
    first, last = tilted.geometry.to_patient(np.array([[2.0, 3, 4], [7, 9, 4]])).tolist()
    geometry = {"points": four_corners(first, last), "viewPlaneNormal": [0, 0, 1], "viewUp": [0, 1, 0]}
    found = read(row("square", geometry), tilted)
    assert (type(found), found.frame) == (cf.Box, 4)
    np.testing.assert_allclose(found.points, [(2, 3), (7, 9)], atol=1e-9)


@pytest.mark.parametrize(
    ("points", "frame", "where", "expected", "plane"),
    [
        ([[2, 3, 1], [7, 9, 1]], 1, CT, [(2, 3), (7, 9)], 1),
        ([[2, 3, None], [7, 9, None]], None, CT, [(2, 3), (7, 9)], 0),
        ([[2, 3, 0], [7, 9, 0]], None, CT, [(2, 3), (7, 9)], 0),
        ([[2, 3], [7, 9]], 2, CT, [(2, 3), (7, 9)], 2),
        ([[-99, -47.6, 10], [-96.5, -42.8, 10]], 1, CT, [(2, 3), (7, 9)], 1),
        ([[-99, -47.6, 7], [-96.5, -42.8, 7]], None, CT, [(2, 3), (7, 9)], 0),
        ([[2, 3, 0], [7, 9, 0]], 0, AT_ZERO, [(2, 3), (7, 9)], 0),
        ([[2.5, 3.2, 0], [7, 9.6, 0]], 0, AT_ZERO, [(25, 29), (34, 37)], 0),
        ([[-5, -4, 0], [0, 4, 0]], 0, AT_ZERO, [(10, 20), (20, 30)], 0),
    ],
    ids=["frame", "no frame", "no frame, zero", "flat", "patient", "patient, frame 0", "whole", "broken", "outside"],
)
def test_points_without_view_vectors_are_pixels_or_millimetres(
    points: Any, frame: Any, where: cf.Image, expected: Any, plane: int
) -> None:
    found = read(row("line", {"points": points}, frame_index=frame), where)
    assert isinstance(found, cf.Line)
    np.testing.assert_allclose(found.points, expected, atol=1e-9)
    assert found.frame == plane


@pytest.mark.parametrize("kind", ["label", "category", "text"])
def test_a_range_of_frames_is_a_track(kind: str) -> None:
    found = read(row(kind, None, frame_range=[1, 3], text_value="x"))
    assert isinstance(found, cf.Track)
    assert (found.id, list(found.ranges), found.interpolated) == ("1", [(1, 3)], False)
    (keyframe,) = found.keyframes
    assert (keyframe.kind, keyframe.frame, keyframe.label) == (kind, 1, found.label)
    assert getattr(keyframe, "value", "x") == "x"


@pytest.mark.parametrize("frames", [[0, 0], [2, 2]])
def test_a_range_of_one_frame_is_a_frame(frames: list[int]) -> None:
    found = read(row("category", None, frame_range=frames, text_value="x"))
    assert (type(found), found.frame, found.id) == (cf.Category, frames[0], "1")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"frame_range": ["1", "2"]}, [1, 2]),
        ({"frame_range": {"start": 1, "end": 3}}, [1, 2]),
        ({"frame_ranges": [{"start": 0, "end": 1}, {"start": 2, "end": 4}]}, [0, 2, 3]),
    ],
    ids=["text", "half-open", "several"],
)
def test_ranges_as_the_platform_writes_them_elsewhere(written: dict[str, Any], expected: list[int]) -> None:
    """On the path of tracks the end is not included; in an annotation it is."""
    found = read(row("category", None, text_value="x", **written))
    assert isinstance(found, cf.Track)
    assert list(found.frames) == expected


@pytest.mark.parametrize("frames", [[3, 1], [1, 9], [1], "1-3", {"start": 1}, {"start": 2, "end": 2}])
def test_a_range_that_is_none_is_kept_whole(frames: Any) -> None:
    found = read(row("category", None, frame_range=frames, text_value="x"))
    assert isinstance(found, cf.Raw)
    assert found.payload["frame_range"] == frames  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    "written",
    [
        row("category", None, text_value=None),
        row("category", None, text_value="x", frame_index=9),
        row("line", {"points": [[1, 2, 9], [3, 4, 9]]}, frame_index=9),
        row("line", {"points": [[1, 2, 0]]}),
        row("line", {"points": "nonsense"}),
        row("line", {}),
        row("float", None, numeric_value=None),
        row("spline", {"points": [[1, 2, 0], [3, 4, 0]]}),
        row("of tomorrow", None),
        row("label", None, identifier=""),
        row("label", None, identifier=None),
        row("line", {"points": [[1, 2, 0.5], [3, 4, 0.5]]}, frame_index=0),
        row("category", None, text_value="x", frame_index="first"),
        row("float", None, numeric_value="many"),
        row("category", None, text_value="x", frame_index=1e400),
    ],
    ids=str,
)
def test_what_nobody_understands_is_kept_whole(written: dict[str, Any]) -> None:
    found = read(written)
    assert isinstance(found, cf.Raw)
    assert found.platform == "datamint"
    assert found.payload == {name: "Infinity" if value == 1e400 else value for name, value in written.items()}


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize(
    "written",
    [
        lambda number: row("float", None, numeric_value=number),
        lambda number: row("point", {"points": [[1, number, 0]]}, frame_index=0),
        lambda number: row("point", {"points": [[1, 2, 0]]}, frame_index=0, text_value=json.dumps({"score": number})),
        lambda number: row("of tomorrow", None, score=number),
    ],
    ids=["number", "place", "attribute", "unknown"],
)
def test_what_is_no_number_does_not_stop_a_case(written: Any, number: float) -> None:
    """A server that writes NaN, which is no JSON, writes it as Python reads it."""
    found = read(written(number))
    assert isinstance(found, cf.Raw)
    assert json.dumps(found.to_json(), allow_nan=False)


def test_half_a_character_does_not_stop_a_case() -> None:
    found = read(row("of tomorrow", None, identifier="a\ud800", created_by="\ud800@example.org"))
    assert (found.label, found.author) == ("a?", None)
    assert json.dumps(found.to_json(), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"numeric_value": "2.5"}, 2.5),
        ({"numeric_value": None, "value": "3"}, 3),
        ({"numeric_value": 2.7}, 2.7),
        ({"numeric_value": 4.0}, 4),
        ({"numeric_value": 2**60 + 1}, 2**60 + 1),
        ({"numeric_value": str(2**60 + 1)}, 2**60 + 1),
    ],
    ids=str,
)
def test_whole_numbers_that_are_written_in_other_ways(written: dict[str, Any], expected: float) -> None:
    found = read(row("integer", None, scope="image", **written))
    assert (found.value, type(found.value)) == (expected, type(expected))


def test_what_a_label_or_a_category_says_in_another_field_is_not_lost() -> None:
    assert read(row("label", None, text_value="mild", scope="image")).attributes == {"value": "mild"}
    assert read(row("label", None, text_value=None, value=None, scope="image")).attributes == {}
    assert read(row("category", None, text_value=None, numeric_value=3, scope="image")).value == "3"
    assert read(row("category", None, text_value=None, value="x", frame_index=None, index=2)).frame == 2


def test_what_is_said_of_a_frame_is_not_said_of_the_whole_image() -> None:
    """A server may tell of frames in words of its own."""
    written = row("category", None, text_value="x", frames_of_tomorrow="1 to 3")
    found = read(written)
    assert isinstance(found, cf.Raw)
    assert found.payload == written
    assert isinstance(read(written, AT_ZERO), cf.Category)


def test_a_region_is_closed_where_it_says_so() -> None:
    """As the platform's client reads it."""
    points = [[1, 2, 0], [3, 4, 0], [5, 2, 0]]
    assert read(row("region", {"points": points})).kind == "polyline"
    assert read(row("region", {"points": points, "closed": False})).kind == "polyline"
    assert read(row("region", {"points": points, "closed": True})).kind == "polygon"


def test_pixels_of_several_frames_are_positions_between_them() -> None:
    """In a volume; the frames of a cine do not lie in space."""
    down = image(Kind.NIFTI, (20, 30, 6), affine_of(np.diag([1.0, 1, -1]), (0.5, 0.8, 3), (-100, -50, 7)))
    written = row("line", {"points": [[2, 3, 1], [7, 9, 4]]}, frame_index=1)
    found = read(written, down)
    assert (found.points, found.frame) == (((2, 3, 4), (7, 9, 1)), None)
    cine = image(Kind.VIDEO, (20, 30, 1), np.eye(4), frames=6, space="pixel")
    assert isinstance(read(written, cine), cf.Raw)


def test_what_a_shape_says_beside_its_place_is_kept() -> None:
    found = read(row("point", {"points": [[1, 2, 0]]}, text_value='{"grade": 2, "note": "ü"}'))
    assert isinstance(found, cf.Point)
    assert found.attributes == {"grade": 2, "note": "ü"}
    plain = read(row("line", {"points": [[1, 2, 0], [3, 4, 0]]}, text_value="no JSON"))
    assert plain.attributes == {"value": "no JSON"}


def test_the_short_form_of_archives_is_read() -> None:
    short = {"id": "1", "name": "a", "type": "category", "added_by": "x@y.z", "index": 2, "value": "good"}
    found = read(short)
    assert (type(found), found.label, found.value, found.frame, found.author) == (cf.Category, "a", "good", 2, "x@y.z")
