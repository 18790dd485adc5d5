"""A track is an annotation in each frame on Datamint, and is read as the track that it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.compare import differences, same_meaning
from caseferry.errors import Inexpressible
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry_datamint.wire.forms import missing_forms, native_forms
from caseferry_datamint.wire.frames import place_of
from caseferry_datamint.wire.meaning import core_form
from caseferry_datamint.wire.tracks import MOST_FRAMES, bundled, reads_back, track_of
from datamint_images import answered, flats, stacks, volumes

if TYPE_CHECKING:
    from caseferry.annotation import Shape
    from caseferry.testing import Samples
    from datamint_scene import Scene

NAMES = Names()


@st.composite
def tracks(draw: Any, where: cf.Image) -> cf.Track:
    """Of what is said and what is drawn, with gaps, keyframes anywhere, and shapes that move or stay."""
    grid = where.geometry
    assert grid is not None
    spot = st.tuples(*[st.integers(0, 16 * (n - 1)).map(lambda steps: steps / 16) for n in grid.shape[:2]])
    kind = draw(st.sampled_from([cf.Label, cf.Category, cf.Text, cf.Box, cf.Line, cf.Point, cf.Polygon, cf.Polyline]))
    frames = draw(st.lists(st.integers(0, grid.planes - 1), min_size=1, max_size=4, unique=True))
    count = {cf.Line: 2, cf.Point: 1, cf.Box: 2}.get(kind, 4)

    def keyframe(frame: int) -> Any:
        if kind is cf.Label:
            return cf.Label("it", "a", frame=frame)
        if kind in {cf.Category, cf.Text}:
            return kind("it", "a", draw(st.sampled_from("xy")), frame=frame)
        points = draw(st.lists(spot, min_size=count, max_size=count, unique=True))
        return kind("it", [points] if kind is cf.Polygon else points, label="a", frame=frame)

    keyframes = [keyframe(frame) for frame in frames]
    last = draw(st.integers(max(frames), grid.planes - 1))
    gap = draw(st.integers(min(frames), last))
    ranges = [(min(frames), gap), (min(gap + 2, last), last)] if draw(st.booleans()) else []
    placed = not issubclass(kind, cf.Label | cf.Category | cf.Text)
    return cf.Track("it", keyframes, ranges=ranges, interpolated=placed and draw(st.booleans()), id="own")


@given(st.data())
def test_there_and_back(data: st.DataObject) -> None:
    where = data.draw(st.one_of(stacks(), flats(), volumes().filter(lambda each: place_of(each, 0) is not None)))
    track = data.draw(tracks(where))
    forms = native_forms(track, where, NAMES)
    assert not isinstance(forms, str), forms
    rows = [answered(form) | {"id": f"{n}", "resource_id": f"{file}"} for n, (file, form) in enumerate(forms)]
    assert {(row["scope"], type(row["frame_index"])) for row in rows} == {("frame", int)}
    rows = data.draw(st.permutations(rows))
    ((link, bundle),) = bundled(rows)
    assert link == "own"
    shapes = [core_form(row, "it", where, int(row["resource_id"]), NAMES) for row in bundle]
    back = track_of(shapes)
    assert back is not None
    assert list(back.frames) == list(track.frames)
    assert same_meaning(track, back, where.geometry)
    for frame in track.frames:
        one, other = track.at(frame), back.at(frame)
        assert one is not None
        assert other is not None
        assert same_meaning(one, other, where.geometry)
    assert reads_back(replace(back, id="other"), where) == (len(rows) > 1)
    ids = {file: f"{file}" for file, _ in forms}
    assert missing_forms(forms, rows, ids) == []
    if len(forms) > 1:
        assert len(missing_forms(forms, rows[1:], ids)) == 1


def test_volumes_that_are_stored_as_coronal_slices_have_no_frames_for_it() -> None:
    where = cf.Image("it", [cf.FileRef("/none")], kind=Kind.NIFTI, geometry=_coronal())
    track = cf.Track("it", [cf.Label("it", "a", frame=0)], ranges=[(0, 3)])
    assert "axial slices" in str(native_forms(track, where, NAMES))


def _coronal() -> cf.Geometry:
    return cf.Geometry((4, 5, 6), [[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])


@pytest.mark.parametrize(
    ("keyframe", "reason"),
    [
        (cf.Angle("it", [(0, 0), (1, 0), (1, 1)], label="a", frame=0), "angle"),
        (cf.Numeric("it", "a", 3, frame=0), "whole images"),
        (cf.Point("it", [(0, 0), (1, 0)], label="a", frame=0), "stand alone"),
        (cf.Polygon("it", [[(0, 0), (3, 0), (0, 3)], [(1, 1), (2, 1), (1, 2)]], label="a", frame=0), "holes"),
    ],
    ids=lambda each: each.kind if isinstance(each, cf.Annotation) else "",
)
def test_what_datamint_has_no_form_for_in_one_frame_it_has_none_for_in_many(keyframe: Any, reason: str) -> None:
    where = _cine(6)
    forms = native_forms(cf.Track("it", [keyframe], ranges=[(0, 3)]), where, NAMES)
    assert isinstance(forms, str)
    assert reason in forms


def test_a_track_of_very_many_frames_lies_beside() -> None:
    """As so many annotations nobody would find anything else in their list."""
    where = _cine(MOST_FRAMES + 1)
    whole = cf.Track("it", [cf.Label("it", "a", frame=0)], ranges=[(0, MOST_FRAMES)])
    assert f"{MOST_FRAMES + 1} frames" in str(native_forms(whole, where, NAMES))
    assert len(native_forms(replace(whole, ranges=[(0, 9), (20, 29)]), where, NAMES)) == 20


def _cine(frames: int) -> cf.Image:
    grid = cf.Geometry((8, 8, 1), [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], frames, "pixel")
    return cf.Image("it", [cf.FileRef("/none")], kind=Kind.VIDEO, geometry=grid)


# -- on the platform -----------------------------------------------------------------------------------------------

MOVING = cf.Track(
    "cine",
    [
        cf.Box("cine", [(0, 1), (2, 3)], frame=0, label="catheter"),
        cf.Box("cine", [(3, 1), (6, 4)], frame=2, label="catheter", attributes={"tip": "seen"}),
    ],
    ranges=[(0, 1), (3, 4)],
    interpolated=True,
    id="moving",
    author="reader@example.org",
)
SAID = cf.Track("cine", [cf.Category("cine", "phase", "early", frame=1)], ranges=[(1, 3)], id="said")


@pytest.fixture
def case(samples: Samples) -> cf.Case:
    return cf.Case("followed", images=[samples.image(Kind.DICOM_MULTIFRAME, "cine")], annotations=[MOVING, SAID])


def rows(scene: Scene, label: str) -> list[dict[str, Any]]:
    """What stands there of a label, in the order of frames."""
    found = [row for row in scene.standin.state["annotations"].values() if row["identifier"] == label]
    return sorted((row for row in found if not row["deleted"]), key=lambda row: row["frame_index"])


def read(scene: Scene) -> dict[str, cf.Annotation]:
    item = scene.open().find("followed")
    assert item is not None
    return {each.id: each for each in item.case().annotations}


def forget(scene: Scene) -> None:
    for row in scene.standin.state["resources"].values():
        row["metadata"]["caseferry"]["sidecar"] = {"version": "of tomorrow"}


def test_people_see_it_in_each_frame(scene: Scene, case: cf.Case) -> None:
    sent = scene.put(case)
    told = {each.part: each for each in sent.plan.held}
    for part in ("track 'catheter'", "track 'phase'"):
        assert (told[part].kept, told[part].exact) == ("converted", True)
    boxes, phases = rows(scene, "catheter"), rows(scene, "phase")
    assert [(row["annotation_type"], row["frame_index"]) for row in boxes] == [("square", n) for n in (0, 1, 3, 4)]
    assert boxes[1]["geometry"]["points"][0] == [1.5, 1, 1]
    assert boxes[1]["geometry"]["points"][3] == [4, 3.5, 1]
    assert [(row["text_value"], row["frame_index"]) for row in phases] == [("early", n) for n in (1, 2, 3)]
    assert differences(scene.open().sealed(case), scene.open().get(sent.item.id).case()) == []
    forget(scene)
    found = read(scene)
    assert replace(found["said"], author=None, created=None, status=None) == SAID
    assert same_meaning(MOVING, found["moving"], None)


def test_what_people_do_to_a_frame_is_done_to_that_frame(scene: Scene, case: cf.Case) -> None:
    scene.put(case)
    boxes, phases = rows(scene, "catheter"), rows(scene, "phase")
    boxes[1]["geometry"]["points"] = [[0, 0, 1], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
    boxes[2]["deleted"] = True
    phases[1]["text_value"] = "late"
    found = read(scene)
    assert set(found) == {"moving", "said"}
    moving, said = found["moving"], found["said"]
    assert isinstance(moving, cf.Track)
    assert isinstance(said, cf.Track)
    assert [shape.frame for shape in moving.shapes()] == [0, 1, 4]
    assert [getattr(shape, "points", None) for shape in moving.shapes()][:2] == [((0, 1), (2, 3)), ((0, 0), (1, 1))]
    assert [(shape.frame, getattr(shape, "value", None)) for shape in said.shapes()] == [
        (1, "early"),
        (2, "late"),
        (3, "early"),
    ]
    assert moving.author == "reader@example.org"


def test_a_frame_that_was_given_another_label_is_an_annotation_by_itself(scene: Scene, case: cf.Case) -> None:
    scene.put(case)
    changed = rows(scene, "phase")[1]
    changed["identifier"] = "doubtful"
    found = read(scene)
    (own,) = set(found) - {"moving", "said"}
    assert own == changed["id"]
    assert (found[own].kind, found[own].label, found[own].frame) == ("category", "doubtful", 2)
    assert list(found["said"].frames) == [1, 3]  # type: ignore[attr-defined]


@pytest.mark.parametrize("known", [True, False])
def test_a_copy_that_bears_the_same_link_is_no_second_frame(scene: Scene, case: cf.Case, *, known: bool) -> None:
    """A case that held two annotations of one id could not be read at all."""
    label = cf.Label("cine", "once", frame=2, id="once")
    scene.put(replace(case, annotations=[*case.annotations, label]))
    for name in ("phase", "once"):
        row = rows(scene, name)[0]
        form = {key: row[key] for key in ("identifier", "scope", "frame_index", "imported_from")}
        scene.annotate(row["resource_id"], form | {"type": row["annotation_type"], "value": row["text_value"]})
    if not known:
        forget(scene)
    found = read(scene)
    assert len(found) == 5
    assert list(found["said"].frames) == [1, 2, 3]  # type: ignore[attr-defined]
    assert found["once"].kind == "label"


def test_half_a_track_is_completed(scene: Scene, case: cf.Case) -> None:
    scene.put(case)
    for row in rows(scene, "catheter")[1:3]:
        row["deleted"] = True
    again = scene.put(case)
    ((call),) = again.plan.calls
    assert [(form["type"], form["frame_index"]) for form in call.body] == [("square", 1), ("square", 3)]
    assert scene.put(case).plan.calls == ()


def test_what_was_put_beside_the_case_stays_there(scene: Scene, case: cf.Case) -> None:
    """It would be there twice otherwise."""
    scene.put(case)
    for row in rows(scene, "catheter"):
        row["deleted"] = True
    for resource in scene.standin.state["resources"].values():
        del resource["metadata"]["caseferry"]["sidecar"]["native"]["annotations"]["moving"]
    again = scene.put(case)
    assert again.plan.calls == ()
    assert {each.part: each.kept for each in again.plan.held}["track 'catheter'"] == "sidecar"
    assert differences(scene.open().sealed(case), scene.open().get(again.item.id).case()) == []


def test_tracks_are_added_replaced_and_approved(scene: Scene, case: cf.Case) -> None:
    scene.put(case)
    dataset = scene.open()
    item = dataset.find("followed")
    assert item is not None
    dataset.approve_annotations(item, [SAID])
    assert {row["status"] for row in rows(scene, "phase")} == {"approved"}
    assert read(scene)["said"].status == "approved"
    changed = replace(MOVING, interpolated=False)
    item = dataset.annotate(item, [changed], replace=True)
    assert read(scene)["moving"] == changed
    assert len(rows(scene, "catheter")) == 4
    dataset.annotate(item, remove=["moving"])
    assert rows(scene, "catheter") == []


def test_tracks_on_what_others_have_put(scene: Scene, samples: Samples) -> None:
    """Without a sidecar only what the annotations in its frames say comes back."""
    path = samples.image(Kind.DICOM_MULTIFRAME).files[0]
    item = scene.open().get(scene.upload(path.read(), "cine.dcm", "application/dicom"))
    said = replace(SAID, image="image", keyframes=[replace(SAID.keyframes[0], image="image")])
    dataset = scene.open()
    dataset.annotate(item, [said], phi="keep")
    (found,) = dataset.get(item.id).case().annotations
    assert replace(found, author=None, created=None, status=None) == said
    one = replace(said, id="one", ranges=[(1, 1)])
    moving = replace(MOVING, image="image", author=None, keyframes=_on_image(MOVING))
    for track in (one, moving):
        with pytest.raises(Inexpressible, match="would come back as an annotation in each frame"):
            dataset.annotate(dataset.get(item.id), [track], phi="keep")


def _on_image(track: cf.Track) -> list[Shape]:
    return [replace(each, image="image") for each in track.keyframes]
