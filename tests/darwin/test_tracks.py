"""Tracks on Darwin: one annotation with keyframes, whichever way it shows the planes of an image."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import requests

import caseferry as cf
from caseferry.case.compare import same_meaning
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry_darwin.sandbox import API_KEY, TEAM
from caseferry_darwin.wire.exports import case_of_document
from darwin_scene import exported

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.testing import Samples
    from darwin_scene import Scene


def ellipse(role: str, frame: int, angle: float, long: float) -> cf.Ellipse:
    one, other, centre = long * np.exp(1j * angle), 2j * np.exp(1j * angle), 8 + 7j + frame
    ends = [centre - one, centre + one, centre - other, centre + other]
    return cf.Ellipse(role, [(end.real, end.imag) for end in ends], frame=frame, label="nucleus")


def tracks(role: str) -> list[cf.Track]:
    """Tracks of each kind through an image of eight planes, two of whose keyframes are the first and the sixth."""

    def box(frame: int, left: float) -> cf.Box:
        return cf.Box(role, [(left, 1), (left + 2, 3)], frame=frame, label="probe")

    def outline(frame: int, *points: tuple[float, float]) -> cf.Polygon:
        return cf.Polygon(role, points, frame=frame, label="lesion")

    triangle = ((1, 1), (6, 1), (6, 5))
    return [
        cf.Track(role, [box(1, 0), box(6, 5)], [(1, 3), (5, 7)], interpolated=True),
        cf.Track(role, [box(1, 0), box(4, 5), box(5, 2)], [(2, 7)]),
        cf.Track(role, [cf.Point(role, (4, 4), frame=2, label="tip")], [(2, 5)]),
        cf.Track(role, [cf.Line(role, [(1, 1), (f, 4)], frame=f, label="length") for f in (0, 7)], interpolated=True),
        cf.Track(
            role,
            [
                cf.Polyline(role, [(1, 1), (3, 4)], frame=0, label="vessel"),
                cf.Polyline(role, [(1, 1), (2, 2), (3, 4)], frame=4, label="vessel"),
            ],
        ),
        cf.Track(
            role, [outline(0, *triangle), outline(4, *triangle, (1, 5)), outline(7, *triangle)], interpolated=True
        ),
        cf.Track(
            role, [ellipse(role, 0, 0.3, 5), ellipse(role, 4, 1.9, 3), ellipse(role, 7, 3.1, 1)], interpolated=True
        ),
        cf.Track(role, [cf.Label(role, "contrast", frame=1)], [(1, 2), (4, 4)]),
        cf.Track(role, [cf.Text(role, "phase", word, frame=f) for f, word in ((0, "early"), (3, "late"))], [(0, 6)]),
    ]


def assert_same(put: Sequence[cf.Annotation], found: Sequence[cf.Annotation], grid: Any = None) -> None:
    there = {each.id: each for each in found}
    assert len(there) == len(put)
    for each in put:
        assert isinstance(each, cf.Track)
        other = there[each.id]
        assert isinstance(other, cf.Track), other
        assert same_meaning(each, other, grid), (each, other)


def test_a_video_holds_them_as_what_they_are(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    put = dataset.sealed(samples.case("clip", Kind.VIDEO, annotations=tracks("video")))

    item = scene.put(put, dataset).item

    assert dataset.get(item.id).case().annotations == put.annotations
    rows = [row for row in dataset._client.annotations(item.id) if "frames" in row["data"]]
    assert len(rows) == len(put.annotations)
    (held,) = [row["data"] for row in rows if row["data"]["segments"] == [[1, 4], [5, 8]]]
    assert held["interpolated"] is True
    assert {frame: content["bounding_box"] for frame, content in held["frames"].items()} == {
        "1": {"x": 0, "y": 1, "w": 2, "h": 2},
        "6": {"x": 5, "y": 1, "w": 2, "h": 2},
    }
    angles = [[f["ellipse"]["angle"] for f in row["data"]["frames"].values()] for row in rows if "ellipse" in str(row)]
    np.testing.assert_allclose(angles, [[0.3, 1.9, 3.1]], atol=1e-9)


def volume(turn: Any) -> cf.Image:
    """Eight slices of voxels that are not square."""
    affine = np.eye(4)
    affine[:3, :3] = turn
    content = nib.Nifti1Image(np.zeros((20, 18, 8), np.int16), affine).to_bytes()
    return cf.Image("ct", FileRef.of_bytes(content, "ct.nii"))


TURNS = {
    "LPI": np.diag([-0.5, -2.0, -3.0]),
    "RAS": np.diag([0.5, 2.0, 3.0]),
    "LPS": np.diag([-0.5, -2.0, 3.0]),
    "PSR": np.array([[0, 0, 3.0], [-0.5, 0, 0], [0, 2.0, 0]]),
}


@pytest.mark.parametrize("codes", TURNS)
def test_they_read_back_without_a_sidecar_whichever_way_planes_go(scene: Scene, codes: str) -> None:
    """Ellipses that turn in voxels that are not square are the exception: see the documentation of `ellipse_like`."""
    dataset = scene.open()
    image = volume(TURNS[codes])
    item = dataset.put(cf.Case("ct", images=[image]))
    new = [each for each in tracks("ct") if each.label != "nucleus"]

    dataset.annotate(item, new)

    found = dataset.get(item.id).case().annotations
    assert len(found) == len(new)
    for put in new:
        assert [each for each in found if same_meaning(put, each, image.geometry)], put


def test_slices_that_are_shown_in_another_order_are_followed(scene: Scene, samples: Samples) -> None:
    """Darwin shows slices by their instance numbers when there are several images in an item."""
    series = samples.image(Kind.DICOM_SERIES, "ct")
    import pydicom

    for path, number in zip(series.files, (3, 1, 4, 2), strict=True):
        assert path.path is not None
        dataset = pydicom.dcmread(path.path)
        dataset.InstanceNumber = number
        dataset.save_as(path.path)
    images = [cf.Image("ct", [ref.path for ref in series.files if ref.path]), samples.image(Kind.PICTURE)]
    put = [
        cf.Track("ct", [cf.Box("ct", [(f, 1), (f + 2, 3)], frame=f, label="a") for f in (0, 3)], interpolated=True),
        cf.Track("ct", [cf.Label("ct", "b", frame=1)], [(1, 2)]),
    ]
    dataset = scene.open()
    item = dataset.put(cf.Case("both", images=images))

    dataset.annotate(item, put)

    found = dataset.get(item.id).case().annotations
    assert all(any(same_meaning(each, other, None) for other in found) for each in put), found
    assert len(found) == len(put)


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [
        ({"frames": {"3": {}}, "segments": [[0, 8]]}, None),  # it is there before anybody drew it
        ({"frames": {"0": {}}, "segments": [[0, 8]]}, [(0, 7)]),
        ({"frames": {"0": {}}, "segments": [[0, 99]]}, [(0, 7)]),
        ({"frames": {"2": {}}, "segments": [[4, 5]]}, [(4, 4)]),
        ({"frames": {"2": {}}, "segments": [[2, 4], [4, 5], [7, 8]]}, [(2, 4), (7, 7)]),
        ({"frames": {"9": {}}, "segments": [[9, 10]]}, None),
    ],
)
def test_a_shape_that_lasts_is_a_track(scene: Scene, samples: Samples, drawn: Any, expected: Any) -> None:
    """Also over the whole video, where a tag is one of the whole image."""
    dataset = scene.open()
    item = dataset.put(samples.case("clip", Kind.VIDEO))
    scene.standin.switches["strict_frames"] = False
    shape = {"bounding_box": {"x": 1, "y": 2, "w": 3, "h": 4}}
    frames = {frame: {**shape, "keyframe": True} for frame in drawn["frames"]}
    scene.draw(item, {"bounding_box": {**drawn, "frames": frames, "interpolated": False}})

    (found,) = dataset.get(item.id).case().annotations

    if expected is None:
        assert isinstance(found, cf.Raw)
        return
    assert isinstance(found, cf.Track)
    assert list(found.ranges) == expected
    assert [each.points for each in found.keyframes] == [((1, 2), (4, 6))]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "track",
    [
        cf.Track("video", [cf.Box("video", [(1, 1), (2, 2)], frame=3, label="a")]),
        cf.Track("video", [cf.Label("video", "a", frame=0)], [(0, 7)]),
        cf.Track("video", [cf.Numeric("video", "a", value, frame=f, unit="ml") for f, value in ((0, 1), (4, 2.5))]),
        cf.Track("video", [cf.Category("video", "a", value, frame=f) for f, value in ((0, "x"), (4, "y"))]),
        cf.Track("video", [cf.Polyline("video", [(1, 1), (2, 2)], frame=f, label="a") for f in (0, 4)]),
    ],
    ids=["one plane", "every plane", "numbers", "categories", "polylines of two positions"],
)
def test_what_darwin_has_another_word_for_comes_back_by_the_sidecar_alone(
    scene: Scene, samples: Samples, track: cf.Track
) -> None:
    dataset = scene.open()
    put = dataset.sealed(samples.case("clip", Kind.VIDEO, annotations=[track]))
    assert dataset.plan(put).losses == ()
    assert dataset.put(put).case().annotations == put.annotations

    later = dataset.put(samples.case("later", Kind.VIDEO))
    (added,) = dataset.annotate(later, [track]).case().annotations
    assert added == replace(track, id=added.id)

    foreign = dataset.put(samples.case("foreign", Kind.VIDEO))
    for slot in scene.standin.state["items"][foreign.id]["slots"]:
        slot["metadata"].pop("caseferry", None)
    (image,) = dataset.get(foreign.id).case().images
    with pytest.raises(cf.Inexpressible, match="would come back as"):
        dataset.annotate(dataset.get(foreign.id), [replace(track, image=image.role)])


def test_nothing_is_followed_on_a_still_picture(scene: Scene, samples: Samples) -> None:
    track = cf.Track("picture", [cf.Box("picture", [(1, 1), (2, 2)], frame=0, label="a")])
    dataset = scene.open()
    put = dataset.sealed(samples.case("still", Kind.PICTURE, annotations=[track]))
    (loss,) = dataset.plan(put).losses
    assert (loss.part, loss.reason) == ("track 'a'", "Darwin follows nothing on a still picture")
    assert dataset.put(put).case().annotations == put.annotations


# -- what V7 and its client make of them ---------------------------------------------------------------------------


def test_what_people_drew_on_a_video_is_a_track_in_every_frame_as_it_was_exported() -> None:
    document, case = exported("small_video.json")
    rows = {row["name"].split("_")[1]: row for row in document["annotations"] if "raster_layer" not in str(row)}
    found = {each.id: each for each in case.annotations}
    for name in ("line", "keypoint", "ellipse", "polygon", "bounding", "tag"):
        track = found[rows[name]["id"]]
        assert isinstance(track, cf.Track)
        assert list(track.frames) == [int(frame) for frame in rows[name]["frames"]]
        assert track.interpolated is (name != "tag")
        for frame, content in rows[name]["frames"].items():
            shape: Any = track.at(int(frame))
            assert (shape.label, shape.frame) == (rows[name]["name"], int(frame))
            assert shape.attributes.get("instance_id") == content.get("instance_id")
            if name == "polygon":
                assert [[{"x": x, "y": y} for x, y in ring] for ring in shape.rings] == content["polygon"]["paths"]
            if name == "bounding":
                box = content["bounding_box"]
                np.testing.assert_allclose(
                    shape.points, [(box["x"], box["y"]), (box["x"] + box["w"], box["y"] + box["h"])]
                )
            if name == "keypoint":
                assert shape.points == ((content["keypoint"]["x"], content["keypoint"]["y"]),)
            if name == "tag":
                assert shape.value == content["text"]["text"]


def release(scene: Scene, dataset: Any, name: str) -> dict[str, Any]:
    """The only document of a new release of a dataset."""
    base = f"{scene.sandbox.variables['DARWIN_BASE_URL']}/api/v2/teams/{TEAM}/datasets/{dataset.place.dataset}/exports"
    headers = {"Authorization": f"ApiKey {API_KEY}"}
    body = {"name": name, "format": "darwin_json_2", "filters": {"statuses": ["new"]}}
    assert requests.post(base, json=body, headers=headers, timeout=10).ok
    (made,) = requests.get(base, headers=headers, timeout=10).json()
    content = requests.get(made["download_url"], timeout=10).content
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        (document,) = [json.loads(opened.read(n)) for n in opened.namelist() if not n.startswith(".v7")]
    return document  # type: ignore[no-any-return]


@pytest.mark.peer
def test_the_client_imports_a_release_of_tracks_as_it_was(scene: Scene, samples: Samples) -> None:
    """From a release of one dataset into another one, where they read back as the tracks that were put."""
    dataset = scene.open()
    dataset.put(samples.case("clip", Kind.VIDEO, annotations=tracks("video")))
    document = release(scene, dataset, "first")
    put = case_of_document(document).annotations
    assert {a.label for a in put} == {each.label for each in tracks("video")}
    for each in tracks("video"):
        named = cf.Track("image", each.keyframes, each.ranges, each.interpolated)
        assert [a for a in put if same_meaning(named, a, None)], (named, [a for a in put if a.label == each.label])
    scene.standin.add_dataset("second")
    second = scene.open("second")
    item = second.put(samples.case("clip", Kind.VIDEO))
    file = scene.folder / "release.json"
    file.write_text(json.dumps(document))

    done = scene.peer("darwin_import.py", "second", "darwin", "{}", str(file))

    assert done["raised"] is None, done
    found = second.get(item.id).case().annotations
    assert len(found) == len(put)
    for each in tracks("video"):
        assert [a for a in found if same_meaning(each, a, None)], (each, found)
