"""Darwin JSON 2.0 files: what is written is read as it was, by caseferry and by darwin-py; real exports are read."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

import caseferry as cf
from caseferry import exchange
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry_darwin.exchange import read_json, write_json
from darwin_scene import EXPORTS, assert_flat_on_darwin, exported, flat
from peers import DARWIN_PY
from space_cases import LATTICES, ORIENTATIONS, STRUCTURE_LABELS, nifti, shapes, structures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from caseferry.exchange.written import Written
    from caseferry.testing import Samples


def named(given: Sequence[cf.Annotation], image: cf.Image) -> list[cf.Annotation]:
    """The same with ids."""
    return list(cf.Case("c", images=[image], annotations=given).annotations)


def assert_round_trip(
    given: Sequence[cf.Annotation], image: cf.Image, properties: Sequence[str] = ()
) -> tuple[Written, dict[str, Any]]:
    """Each annotation is read as it was, or is listed as left out."""
    written = write_json(given, image, properties=properties)
    document: dict[str, Any] = json.loads(written.content)
    left = {each.id for each, _ in written.left_out}
    expected = {each.id: each for each in given if each.id not in left}
    found = {each.id: each for each in read_json(document, image)}
    assert found.keys() == expected.keys()
    for key, mine in expected.items():
        there = found[key]
        if isinstance(mine, cf.Mask):
            assert isinstance(there, cf.Mask)
            assert {**there.to_json(), "file": ""} == {**mine.to_json(), "file": ""}
            np.testing.assert_array_equal(there.voxels(), mine.voxels())
        else:
            assert there == mine
    return written, document


@dataclass(frozen=True)
class Told:
    """What darwin-py says of files that were written.

    Attributes
    ----------
    parsed : by the name of the file, what it reads
    masks : the folder of the masks that it exports of volumes
    """

    parsed: dict[str, Any]
    masks: Path


def told_by_the_client(documents: dict[str, bytes], folder: Path) -> Told:
    """Give files to darwin-py, all at once."""
    home = folder / "home"
    home.mkdir()
    paths = [folder / f"{name}.json" for name in documents]
    for path, content in zip(paths, documents.values(), strict=True):
        path.write_bytes(content)
    told = DARWIN_PY.run("darwin_parse.py", *map(str, paths), variables={}, home=home)
    assert isinstance(told, dict)
    return Told(told, home / "nifti")


def tracks(role: str) -> list[cf.Annotation]:
    """Tracks of each kind of content through four planes, and what lies in one of them or is said of them all."""

    def box(frame: int, left: float, **attributes: Any) -> cf.Box:
        return cf.Box(role, [(left, 1), (left + 2, 3)], frame=frame, label="probe", attributes=attributes)

    return [
        cf.Track(role, [box(0, 0, text={"text": "in"}), box(3, 5)], [(0, 1), (3, 3)], interpolated=True),
        cf.Track(role, [box(0, 0), box(1, 5), box(2, 2)], [(0, 3)], attributes={"instance_id": {"value": 4}}),
        cf.Track(role, [cf.Polygon(role, [(1, 1), (6, 1), (f, 5)], frame=f, label="lesion") for f in (1, 3)]),
        cf.Track(role, [cf.Label(role, "contrast", frame=1)], [(1, 2)]),
        cf.Track(role, [cf.Text(role, "phase", word, frame=f) for f, word in ((0, "early"), (2, "late"))], [(0, 3)]),
        cf.Track(role, [cf.Numeric(role, "dose", 1.5, frame=f, unit="mGy") for f in (0, 2)], [(0, 2)]),
        cf.Ellipse(role, [(1, 2), (5, 2), (3, 1), (3, 3)], frame=2, label="round"),
        cf.Label(role, "whole"),
        cf.Category(None, "quality", "good"),
    ]


VOLUMES = [Kind.NIFTI, Kind.DICOM_SERIES, Kind.METAIMAGE, Kind.NRRD]


@pytest.mark.parametrize("kind", VOLUMES, ids=str)
def test_every_kind_on_every_volume_comes_back(samples: Samples, kind: Kind) -> None:
    image = samples.image(kind)
    written, _ = assert_round_trip(named(samples.annotations(image), image), image)
    assert {each.label or each.kind for each, _ in written.left_out} == {"angle", "raw", "ends"}


def test_every_kind_on_a_picture_comes_back(samples: Samples) -> None:
    image = samples.image(Kind.PICTURE, "picture")
    written, document = assert_round_trip(named(flat(), image), image)
    assert written.left_out == []
    reasons = {each.kind: why for each, why in written.changed}
    assert reasons.keys() == {"category", "numeric"}
    assert "as a tag with a text" in reasons["numeric"]
    (slot,) = document["item"]["slots"]
    assert image.geometry is not None
    assert (slot["type"], slot["width"], slot["height"]) == ("image", *image.geometry.shape[:2])


@pytest.mark.parametrize("kind", [Kind.VIDEO, Kind.DICOM_MULTIFRAME], ids=str)
def test_tracks_come_back(samples: Samples, kind: Kind) -> None:
    image = samples.image(kind)
    assert image.geometry is not None
    assert image.geometry.planes >= 4
    written, _ = assert_round_trip(named(tracks(image.role), image), image)
    assert written.left_out == []


def test_all_orientations_come_back() -> None:
    """What lies in no frame is listed; what does lies where it lay."""
    for number, orientation in enumerate(ORIENTATIONS):
        placed = nifti("ct", orientation, list(LATTICES)[number % len(LATTICES)])
        written, _ = assert_round_trip(named(shapes(placed), placed.image), placed.image)
        assert {each.label for each, _ in written.left_out} == {"angle", "through"}


@pytest.mark.peer
def test_the_client_reads_what_is_written(samples: Samples, tmp_path: Path) -> None:
    picture, video = samples.image(Kind.PICTURE, "picture"), samples.image(Kind.VIDEO)
    drawn = [replace(each, author="a@example.org") for each in named(flat(), picture)]
    followed = named(tracks(video.role), video)
    volumes = {f"ct{number}": nifti(f"ct{number}", ORIENTATIONS[number], "anisotropic") for number in (5, 20, 44)}
    documents = {
        "picture": write_json(drawn, picture).content,
        "video": write_json(followed, video).content,
        **{
            role: write_json(
                [cf.Mask.of_array(role, structures(), named_apart(role), placed.affine)], placed.image
            ).content
            for role, placed in volumes.items()
        },
    }

    told = told_by_the_client(documents, tmp_path)

    assert_drawn(drawn, told.parsed["picture"])
    assert_followed(json.loads(documents["video"])["annotations"], told.parsed["video"]["annotations"])
    for role, placed in volumes.items():
        assert told.parsed[role]["slots"][0][:2] == ["0", "dicom"]
        for value, label in named_apart(role).items():
            (file,) = told.masks.rglob(f"*{label}_m.nii.gz")
            found = nib.load(file)
            np.testing.assert_array_equal(np.asarray(found.dataobj) > 0, structures() == value)
            np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ found.affine, placed.affine, atol=1e-4)


def named_apart(role: str) -> dict[int, str]:
    """Labels that no other volume has."""
    return {value: f"{role}-{label}" for value, label in STRUCTURE_LABELS.items()}


def assert_drawn(given: Sequence[cf.Annotation], parsed: dict[str, Any]) -> None:
    """Each kind on a picture is read as the type that it is on Darwin, with the same numbers."""
    found = {each["class"]: each for each in parsed["annotations"]}
    by_label = {each.label: each for each in given if each.label}
    assert found.keys() == {*by_label, "spot", "__raster_layer__"}
    assert {found[label]["id"] for label in by_label} == {each.id for each in by_label.values()}
    assert all(each["annotators"] == ["a@example.org"] for name, each in found.items() if name != "__raster_layer__")
    assert_flat_on_darwin(found)
    assert found["outline"]["data"]["bounding_box"] == {"x": 1, "y": 1, "w": 4, "h": 3}
    runs = found["__raster_layer__"]["data"]["dense_rle"]
    (mask,) = (each.voxels() for each in given if isinstance(each, cf.Mask))
    np.testing.assert_array_equal(np.repeat(runs[::2], runs[1::2]).reshape(mask.shape[1::-1]).T > 0, mask[:, :, 0] > 0)


def assert_followed(rows: Sequence[dict[str, Any]], parsed: Sequence[dict[str, Any]]) -> None:
    """The client would send every annotation of a video, in the same frames."""
    by_id = {row["id"]: row for row in rows}
    assert {each["id"] for each in parsed} == by_id.keys()
    for each in parsed:
        sent, row = each["sent"], by_id[each["id"]]
        assert (sent["segments"], sent["interpolated"]) == (row["ranges"], row["interpolated"])
        assert {int(frame) for frame in sent["frames"]} == {int(frame) for frame in row["frames"]}


@pytest.mark.parametrize("name", ["image_1.json", "small_video.json"])
def test_a_real_export_is_read_and_written_again(name: str) -> None:
    """Everything but the item's properties says the same to Darwin again."""
    document, case = exported(name)
    image = case.images[0]
    found = read_json(document, image)
    assert {each.id: each.to_json() for each in found if not isinstance(each, cf.Mask)} == {
        each.id: each.to_json() for each in case.annotations if not isinstance(each, cf.Mask)
    }
    properties = {each["name"] for row in document["annotations"] for each in row["properties"]}
    written, again = assert_round_trip(found, image, sorted(properties))
    assert written.left_out == []
    before, after = ({row["id"]: row for row in each["annotations"]} for each in (document, again))
    for each in found:
        if not isinstance(each, cf.Mask):
            for field in ("name", "text", "instance_id", "attributes", "directional_vector", "properties"):
                assert told(after[each.id].get(field)) == told(before[each.id].get(field)), field


def told(value: Any) -> Any:
    """What a field says; properties that have no value say nothing, and their order does not count."""
    if not isinstance(value, list):
        return value
    return sorted((each for each in value if each["value"] is not None), key=lambda each: (each["name"], each["value"]))


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_real_masks_on_volumes_lie_where_the_vendor_exports_them(plane: str) -> None:
    """The image is the vendor's own NIfTI of them, on the same grid."""
    document, _ = exported(f"volumes/{plane}/darwin.json")
    path = EXPORTS / "volumes" / plane / "ground_truth.nii.gz"
    expected = np.asarray(nib.load(path).dataobj)
    masks = read_json(document, cf.Image("ct", path))
    values = set()
    for mask in masks:
        assert isinstance(mask, cf.Mask)
        (value,) = np.unique(expected[mask.voxels() > 0])
        assert (mask.voxels() > 0).sum() == (expected == value).sum()
        values.add(int(value))
    assert values == {1, 2}


def test_areas_that_are_hidden_in_a_video_stay_hidden() -> None:
    document, case = exported("small_video.json")
    image = case.images[0]
    row = next(row for row in document["annotations"] if "keypoint" in str(row))
    row["hidden_areas"] = [[8, 9]]
    again = json.loads(write_json(read_json(document, image), image).content)
    del again["caseferry"]
    found = read_json(again, image)
    assert {each.id: each.attributes.get("hidden_areas") for each in found} == {
        each.id: [[8, 9]] if each.id == row["id"] else None for each in found
    }


def test_it_is_a_format_of_annotation_files(samples: Samples, tmp_path: Path) -> None:
    """It is told from what it says, and from its ending when it is written."""
    image = samples.image(Kind.NIFTI)
    given = named(samples.annotations(image), image)
    written = exchange.write(tmp_path / "a.darwin.json", given, image, item="case one", folder="/study")
    assert {each.kind for each, _ in written.left_out} == {"angle", "raw", "point"}
    content = (tmp_path / "a.darwin.json").read_bytes()
    assert [json.loads(content)["item"][key] for key in ("name", "path")] == ["case one", "/study"]
    (tmp_path / "b.json").write_bytes(content)
    left = [each for each, _ in written.left_out]
    assert [each.id for each in exchange.read(tmp_path / "b.json", image)] == [
        each.id for each in given if each not in left
    ]
    with pytest.raises(cf.InvalidCase, match=r"b\.json.*slots '0'.*name the slot"):
        exchange.read(tmp_path / "b.json", image, slot="5")


def test_what_people_changed_in_a_file_counts(samples: Samples) -> None:
    image = samples.image(Kind.PICTURE, "picture")
    given = named(flat(), image)
    document = json.loads(write_json(given, image).content)
    rows = {row["name"]: row for row in document["annotations"]}
    rows["region"]["bounding_box"]["w"] = 2.0
    rows["length"]["text"]["text"] = "3.5 mm"
    document["annotations"].remove(rows["tip"])
    document["item"]["name"] = "another name"
    for row in document["annotations"]:
        row.pop("slot_names")
    del document["item"]["slots"]

    found = {each.label: each for each in read_json(document, image)}

    assert "tip" not in found
    assert len(found) == len(given) - 1
    region, length = found["region"], found["length"]
    assert isinstance(region, cf.Box)
    assert isinstance(length, cf.Numeric)
    assert region.points == ((1, 0), (3, 4))
    assert (length.value, length.unit) == (3.5, "mm")
    assert found["round"] == next(each for each in given if each.label == "round")


def test_a_file_without_caseferrys_own_words_is_read(samples: Samples) -> None:
    """As other programs write it: without slots, without what volumes are turned by."""
    image = samples.image(Kind.NIFTI)
    given = named([cf.Box(image.role, [(1, 0), (5, 4)], frame=2, label="region")], image)
    document = json.loads(write_json(given, image).content)
    for key in ("caseferry", "schema_ref", "properties"):
        del document[key]
    del document["item"]["slots"][0]["metadata"]
    (found,) = read_json(document, image)
    assert isinstance(found, cf.Box)
    np.testing.assert_allclose(found.points, [(1, 0), (5, 4)], atol=1e-9)
    assert found.frame == 2


def test_overlapping_empty_and_foreign_annotations_are_listed(samples: Samples) -> None:
    image = samples.image(Kind.NIFTI)
    grid = image.geometry
    assert grid is not None
    labels = np.zeros(grid.shape, np.uint8)
    empty = cf.Mask.of_array(image.role, labels, {1: "nothing"}, grid.affine)
    labels[1:3, 1:3, 1] = 1
    first, second = (cf.Mask.of_array(image.role, labels, {1: name}, grid.affine) for name in ("one", "two"))
    other = cf.Label("another image", "x")
    written = write_json([first, second, empty, other], image)
    assert [each for each, _ in written.left_out] == [other, second, empty]
    reasons = " / ".join(why for _, why in written.left_out)
    assert "overlaps" in reasons
    assert "no pixels" in reasons
    assert "'another image'" in reasons
    assert str(FileRef.of(first.file).location) not in written.content.decode()


def test_documents_of_another_image_are_refused(samples: Samples) -> None:
    picture, volume = samples.image(Kind.PICTURE), samples.image(Kind.NIFTI)
    export, _ = exported("image_1.json")
    with pytest.raises(cf.InvalidCase, match="1920 x 1080 large, other than image"):
        read_json(export, picture)
    with pytest.raises(cf.InvalidCase, match="on a grid of its own, other than image"):
        read_json(exported("volumes/axial/darwin.json")[0], volume)
    with pytest.raises(cf.InvalidCase, match=r"which of them shows image .* is not clear"):
        read_json(exported("multi_slotted_item.json")[0], picture)
    with pytest.raises(cf.InvalidCase, match=r"version '1\.0'"):
        read_json({"version": "1.0"}, picture)
    with pytest.raises(cf.InvalidCase, match="not what a Darwin JSON file is"):
        read_json({"version": "2.0", "item": {}, "annotations": [{"id": 1}]}, picture)


def test_damaged_documents_are_refused_at_once(samples: Samples) -> None:
    """Not when a mask is opened for the first time."""
    image = samples.image(Kind.PICTURE, "picture")
    content = write_json(named(flat(), image), image).content
    for runs in ([0, 5], [0, 99, 1], [0, -5, 1, 104], [0, 100]):
        document = json.loads(content)
        (layer,) = (row["raster_layer"] for row in document["annotations"] if "raster_layer" in row)
        layer["dense_rle"] = runs
        with pytest.raises(cf.InvalidCase, match=r"has run lengths of .* pixels in frame 0, expected"):
            read_json(document, image)
    document = json.loads(content)
    document["caseferry"]["annotations"] = [{"kind": "box"}]
    with pytest.raises(cf.InvalidCase, match="the document, 'caseferry', "):
        read_json(document, image)


def test_a_slot_is_chosen_by_its_name() -> None:
    document, case = exported("multi_slotted_item.json")
    for image in case.images:
        name = image.role.removeprefix("slot ")
        found = read_json(document, image, slot=name)
        assert {each.id for each in found} == {each.id for each in case.annotations if each.image == image.role}
        assert found
