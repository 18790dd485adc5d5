"""Tracks: what is refused, what they are in each plane, and when two are the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.annotation import annotation_from_json
from caseferry.case.compare import same_meaning
from caseferry.case.seal import seal
from caseferry.testing import Samples
from strategies import annotations

if TYPE_CHECKING:
    from pathlib import Path

FEW = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def box(frame: int | None, left: float = 0.0, **more: Any) -> cf.Box:
    return cf.Box("cine", [(left, 1), (left + 2, 3)], frame=frame, label="probe", **more)


def corners(track: cf.Track, frame: int) -> Any:
    shape = track.at(frame)
    return None if shape is None else [point for ring in getattr(shape, "rings", [shape.points]) for point in ring]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keyframes": []}, "keyframes is empty: say what is seen in at least one plane"),
        ({"keyframes": "x"}, "keyframes is 'x', expected annotations that each have a frame"),
        ({"keyframes": [{"kind": "box"}]}, "keyframes is [{'kind': 'box'}], expected annotations that each"),
        ({"keyframes": [box(None)]}, "keyframes[0] has no frame"),
        (
            {"keyframes": [cf.Point("cine", (1, 2, 3), label="probe")]},
            "keyframes[0] is three-dimensional",
        ),
        (
            {"keyframes": [cf.Mask("cine", "m.nii", {1: "probe"}, frame=1)]},
            "keyframes[0] is a mask, expected a label, category, number, text or two-dimensional shape",
        ),
        ({"keyframes": [box(1), box(2, id="a", author="b")]}, "keyframes[1] says author and id: say it of the track"),
        ({"keyframes": [box(1), cf.Point("cine", (1, 2), frame=2, label="probe")]}, "keyframes mixes box and point"),
        ({"keyframes": [box(1), replace(box(2), label="tip")]}, "keyframes mixes the labels 'probe' and 'tip'"),
        ({"keyframes": [box(1), replace(box(2), image="mr")]}, "keyframes mixes the images 'cine' and 'mr'"),
        ({"keyframes": [box(1), box(1), box(2)]}, "keyframes has several of frame 1"),
        ({"keyframes": [box(1)], "frame": 1}, "frame is given: its keyframes say where it is"),
        ({"keyframes": [box(1)], "ranges": [(0, 3)]}, "ranges begins with 0, before the first keyframe, 1"),
        ({"keyframes": [box(1)], "ranges": [(3, 2)]}, "ranges has (3, 2), expected pairs of a first and a last plane"),
        ({"keyframes": [box(1)], "ranges": [3]}, "ranges has 3, expected pairs"),
        ({"keyframes": [box(1)], "ranges": 3}, "ranges is 3, expected pairs"),
        ({"keyframes": [box(1)], "interpolated": 1}, "interpolated is 1, expected true or false"),
        (
            {"keyframes": [cf.Label("cine", "probe", frame=1)], "interpolated": True},
            "interpolated is true, and a label has no shape that could change evenly",
        ),
    ],
)
def test_what_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Track("cine", **fields)
    assert caught.value.problems[0].what.startswith(message)


def test_image_and_label_may_be_left_to_the_keyframes() -> None:
    track = cf.Track(keyframes=[box(4), box(2)])
    assert (track.image, track.label, track.ranges) == ("cine", "probe", ((2, 4),))
    assert [each.frame for each in track.keyframes] == [2, 4]
    renamed = replace(track, image="us", label="tip")
    assert {(each.image, each.label) for each in renamed.keyframes} == {("us", "tip")}


def test_its_description_says_image_and_label_once() -> None:
    document = cf.Track(None, [box(1), box(5, 4)], [(1, 2), (3, 3), (5, 9)], interpolated=True).to_json()
    assert document == {
        "kind": "track",
        "image": "cine",
        "label": "probe",
        "keyframes": [
            {"kind": "box", "frame": 1, "points": [[0.0, 1.0], [2.0, 3.0]]},
            {"kind": "box", "frame": 5, "points": [[4.0, 1.0], [6.0, 3.0]]},
        ],
        "ranges": [[1, 3], [5, 9]],
        "interpolated": True,
    }


def test_a_shape_moves_straight_from_one_keyframe_to_the_next_and_then_holds() -> None:
    track = cf.Track("cine", [box(2), box(6, 8), box(7, 9)], [(2, 4), (6, 9)], interpolated=True)
    lefts = {frame: (found[0][0] if (found := corners(track, frame)) else None) for frame in range(11)}
    assert lefts == {
        0: None, 1: None, 2: 0, 3: 2, 4: 4, 5: None, 6: 8, 7: 9, 8: 9, 9: 9, 10: None,
    }  # fmt: skip
    held = replace(track, interpolated=False)
    assert [corners(held, frame)[0][0] for frame in (2, 3, 4, 6, 7)] == [0, 0, 0, 8, 9]
    assert list(track.frames) == [2, 3, 4, 6, 7, 8, 9]
    assert [shape.frame for shape in track.shapes()] == list(track.frames)


def test_outlines_of_different_numbers_of_positions_hold() -> None:
    one = cf.Polygon("cine", [[(0, 0), (4, 0), (4, 4)], [(1, 1), (2, 1), (2, 2)]], frame=0, label="a")
    moved = cf.Polygon("cine", [[(8, 0), (4, 0), (4, 4)], [(1, 1), (2, 1), (2, 4)]], frame=4, label="a")
    other = cf.Polygon("cine", [(0, 0), (4, 0), (4, 4), (0, 4)], frame=8, label="a")
    track = cf.Track("cine", [one, moved, other], interpolated=True)
    assert corners(track, 1) == [(2, 0), (4, 0), (4, 4), (1, 1), (2, 1), (2, 2.5)]
    assert corners(track, 7) == list(moved.points)
    assert corners(track, 8) == list(other.points)


def test_an_ellipse_turns_and_keeps_the_lengths_of_its_axes() -> None:
    def ellipse(frame: int, centre: complex, angle: float, long: float, short: float) -> cf.Ellipse:
        one, other = long * np.exp(1j * angle), 1j * short * np.exp(1j * angle)
        ends = [centre - one, centre + one, centre - other, centre + other]
        return cf.Ellipse("cine", [(end.real, end.imag) for end in ends], frame=frame, label="a")

    track = cf.Track("cine", [ellipse(0, 1 + 2j, 0.2, 4, 2), ellipse(4, 5 + 2j, 1.4, 8, 2)], interpolated=True)
    for frame in range(5):
        expected = ellipse(frame, 1 + frame + 2j, 0.2 + 0.3 * frame, 4 + frame, 2)
        np.testing.assert_allclose(corners(track, frame), expected.points, atol=1e-12)


def test_attributes_of_a_keyframe_count_until_the_next_and_before_those_of_the_track() -> None:
    track = cf.Track(
        "cine",
        [box(0, attributes={"a": 1}), box(2, attributes={"a": 2, "b": 3}), box(4)],
        attributes={"a": 0, "c": 4},
        author="reader@example.org",
        confidence=0.5,
        id="t",
    )
    found = [track.at(frame) for frame in (0, 1, 2, 4)]
    assert [shape.attributes for shape in found if shape is not None] == [
        {"a": 1, "c": 4},
        {"a": 1, "c": 4},
        {"a": 2, "b": 3, "c": 4},
        {"a": 0, "c": 4},
    ]
    assert found[0] is not None
    assert (found[0].author, found[0].confidence, found[0].id, found[0].label) == (
        "reader@example.org",
        0.5,
        "",
        "probe",
    )


@FEW
@given(annotations(["cine"], "track"))
def test_a_track_is_the_same_as_one_that_says_every_plane(track: cf.Track) -> None:
    every = replace(track, keyframes=[replace(shape, **BARE) for shape in track.shapes()], interpolated=False)
    assert same_meaning(track, every, None)
    assert same_meaning(every, track, None)
    assert annotation_from_json(track.to_json()) == track


@FEW
@given(annotations(["cine"], "track"), st.sampled_from(["backwards", "mixed", "shifted"]), st.randoms())
def test_a_track_in_other_order_is_the_same_in_every_plane(track: cf.Track, way: str, random: Any) -> None:
    planes = 90
    order = [(planes - 1 - frame) if way == "backwards" else frame + 1 for frame in range(planes)]
    if way == "mixed":
        random.shuffle(order)
    moved = track.reordered(order.__getitem__)
    assert moved is not None
    assert sorted(order[frame] for frame in track.frames) == list(moved.frames)
    for frame in track.frames:
        here, there = track.at(frame), moved.at(order[frame])
        assert here is not None
        assert there is not None
        assert there.attributes == here.attributes
        assert same_meaning(replace(here, frame=order[frame]), there, None)
    back = moved.reordered(order.index)
    assert back is not None
    assert same_meaning(track, back, None)
    if way == "backwards" and track._changes_evenly():
        assert len(moved.keyframes) <= len(track.keyframes) + 1
    assert track.reordered(lambda frame: None if frame == track.ranges[0][0] else frame) is None


@FEW
@given(annotations(["cine"], "track"))
def test_a_track_is_the_same_without_keyframes_where_it_is_not(track: cf.Track) -> None:
    trimmed = track.trimmed()
    assert {each.frame for each in trimmed.keyframes} <= set(track.frames)
    assert len(trimmed.keyframes) <= len(track.keyframes) + len(track.ranges)
    for frame in track.frames:
        here, there = track.at(frame), trimmed.at(frame)
        assert here is not None
        assert there is not None
        assert here.attributes == there.attributes
        assert same_meaning(here, there, None)


BARE: dict[str, Any] = dict.fromkeys(
    ("author", "reviewer", "created", "modified", "status", "source", "model", "confidence")
) | {"codes": (), "attributes": {}}


@pytest.mark.parametrize(
    "change",
    [
        {"ranges": [(2, 7)]},
        {"interpolated": False},
        {"keyframes": [box(2), box(6, 4.01)]},
        {"keyframes": [box(2), box(5, 4)]},
        {"keyframes": [box(2), box(4, 2.5), box(6, 4)]},
        {"keyframes": [cf.Polygon("cine", (*box(f).points, (0, 3)), frame=f, label="probe") for f in (2, 6)]},
    ],
)
def test_tracks_that_differ_in_one_plane_are_not_the_same(change: dict[str, Any]) -> None:
    track = cf.Track("cine", [box(2), box(6, 4)], [(2, 6)], interpolated=True)
    assert not same_meaning(track, replace(track, **change), None)
    assert same_meaning(track, replace(track, keyframes=[box(2), box(4, 2.0), box(6, 4)]), None)


@pytest.mark.parametrize("change", [{"keyframes": [box(1), box(8)]}, {"ranges": [(1, 8)]}])
def test_a_track_that_reaches_beyond_its_image_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    video = Samples(tmp_path).image(cf.Kind.VIDEO, "cine")
    track = cf.Track("cine", [box(1), box(7)])
    seal(cf.Case(id="a", images=[video], annotations=[track]))
    with pytest.raises(cf.InvalidCase, match=r"\(track 'probe'\): reaches to frame 8; image 'cine' has 8 planes"):
        seal(
            cf.Case(id="a", images=[video], annotations=[cf.Track("cine", **{"keyframes": track.keyframes, **change})])
        )


def test_a_track_on_an_image_without_a_grid_is_refused(tmp_path: Path) -> None:
    with pytest.raises(cf.InvalidCase, match="'cine', which has no grid"):
        seal(
            cf.Case(
                id="a", images=[Samples(tmp_path).image(cf.Kind.PDF, "cine")], annotations=[cf.Track("cine", [box(0)])]
            )
        )
