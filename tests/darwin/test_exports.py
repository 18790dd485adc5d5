"""Real exports of V7 Darwin, read as cases; and releases that were made to break a reader."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import requests

import caseferry as cf
from caseferry.files import FileProblem, FileRef
from caseferry.imaging.kinds import Kind
from caseferry_darwin.sandbox import API_KEY, TEAM
from caseferry_darwin.wire.exports import case_of_document, cases_of_release
from darwin_scene import EXPORTS, exported, flat

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from darwin_scene import Scene


def test_an_image_with_every_type() -> None:
    document, case = exported("image_1.json")
    rows = {row["id"]: row for row in document["annotations"]}
    found = {a.id: a for a in case.annotations}
    assert (case.id, case.title, case.images[0].files[0].name) == ("image_1.jpg", "image_1.jpg", "image_1.jpg")
    assert case.images[0].geometry is not None
    assert case.images[0].geometry.shape == (1920, 1080, 1)
    assert set(found) == {key for key, row in rows.items() if "raster_layer" not in row}
    kinds = sorted(type(a).__name__ for a in case.annotations)
    assert kinds == ["Box", "Ellipse", "Mask", "Point", "Polygon", "Polyline", "Raw", "Text"]
    for key, annotation in found.items():
        row = rows[key]
        assert row["name"] in {annotation.label, *getattr(annotation, "labels", {}).values()}
        assert annotation_properties(annotation) == properties_of(row)
        if isinstance(annotation, cf.Box):
            box = row["bounding_box"]
            assert np.allclose(annotation.points, [(box["x"], box["y"]), (box["x"] + box["w"], box["y"] + box["h"])])
        if isinstance(annotation, cf.Point):
            assert annotation.points == ((row["keypoint"]["x"], row["keypoint"]["y"]),)
        if isinstance(annotation, cf.Line | cf.Polyline):
            assert list(annotation.points) == [(p["x"], p["y"]) for p in row["line"]["path"]]
        if isinstance(annotation, cf.Polygon):
            assert [list(ring) for ring in annotation.rings] == [
                [(p["x"], p["y"]) for p in path] for path in row["polygon"]["paths"]
            ]
        if isinstance(annotation, cf.Ellipse):
            assert_same_ellipse(annotation, row["ellipse"])
        if isinstance(annotation, cf.Raw):
            assert annotation.payload["data"]["skeleton"] == row["skeleton"]
        if "instance_id" in row and not isinstance(annotation, cf.Raw):
            assert annotation.attributes["instance_id"] == row["instance_id"]
        if "text" in row and "tag" in row:
            assert isinstance(annotation, cf.Text)
            assert annotation.value == row["text"]["text"]
        elif "text" in row and not isinstance(annotation, cf.Raw):
            assert annotation.attributes["text"] == row["text"]


def assert_same_ellipse(annotation: cf.Ellipse, ellipse: Any) -> None:
    """Its centre, the half of each axis, and the first axis at its angle from x towards y."""
    ends = np.array(annotation.points)
    first, second = ends[1] - ends[0], ends[3] - ends[2]
    np.testing.assert_allclose(ends.mean(axis=0), [ellipse["center"]["x"], ellipse["center"]["y"]])
    np.testing.assert_allclose([np.hypot(*first) / 2, np.hypot(*second) / 2], [*ellipse["radius"].values()])
    np.testing.assert_allclose(first[1] * np.cos(ellipse["angle"]), first[0] * np.sin(ellipse["angle"]), atol=1e-9)
    assert abs(first @ second) < 1e-6


def properties_of(row: Any) -> dict[str, Any]:
    """The values of each property of a row."""
    found: dict[str, Any] = {}
    for each in row["properties"]:
        found.setdefault(each["name"], []).append(each["value"])
    return {name: values if len(values) > 1 else values[0] for name, values in found.items()}


def annotation_properties(annotation: cf.Annotation) -> Any:
    if isinstance(annotation, cf.Raw):
        return properties_of(annotation.payload)
    return {name: value for name, value in annotation.attributes.items() if "select" in name}


def test_a_mask_is_drawn_where_its_run_lengths_say() -> None:
    document, case = exported("image_1.json")
    (layer,) = [row["raster_layer"] for row in document["annotations"] if "raster_layer" in row]
    (mask,) = [a for a in case.annotations if isinstance(a, cf.Mask)]
    values = np.repeat(layer["dense_rle"][::2], layer["dense_rle"][1::2]).reshape(1080, 1920)
    np.testing.assert_array_equal(mask.voxels()[:, :, 0].T > 0, values == layer["mask_annotation_ids_mapping"][mask.id])
    assert mask.voxels().any()


def test_nothing_of_a_video_is_lost() -> None:
    document, case = exported("small_video.json")
    assert case.images[0].geometry is not None
    assert case.images[0].geometry.planes == 10
    found = {a.id: a for a in case.annotations}
    for row in document["annotations"]:
        if "raster_layer" in str(row):
            continue
        annotation = found.pop(row["id"])
        if isinstance(annotation, cf.Raw):
            assert annotation.payload["data"]["frames"] == row["frames"]
            assert annotation.payload["data"]["segments"] == row["ranges"]
    assert found == {}


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_masks_on_volumes_lie_where_the_vendors_exporter_puts_them(plane: str) -> None:
    """Each voxel is looked up in the vendor's own NIfTI by its place in the patient."""
    _, case = exported(f"volumes/{plane}/darwin.json")
    truth = nib.load(EXPORTS / "volumes" / plane / "ground_truth.nii.gz")
    expected = np.asarray(truth.dataobj)
    masks = [a for a in case.annotations if isinstance(a, cf.Mask)]
    assert len(masks) == 2
    values = set()
    for mask in masks:
        grid = case.images[0].geometry
        assert grid is not None
        voxels = mask.voxels()
        assert voxels.shape == grid.shape
        places = np.argwhere(voxels > 0)
        ras = nib.affines.apply_affine(np.diag([-1, -1, 1, 1]) @ grid.affine, places)
        indices = np.rint(nib.affines.apply_affine(np.linalg.inv(truth.affine), ras)).astype(int)
        (value,) = {int(expected[tuple(index)]) for index in indices}
        assert len(places) == (expected == value).sum()
        values.add(value)
    assert values == {1, 2}


def test_annotations_find_the_image_of_their_slot() -> None:
    document, case = exported("multi_slotted_item.json")
    assert [image.role for image in case.images] == ["slot 0", "slot 1", "slot 2"]
    slots = {row["id"]: row["slot_names"][0] for row in document["annotations"]}
    assert {a.id: a.image for a in case.annotations} == {
        key: f"slot {slot}" for key, slot in slots.items() if key in {a.id for a in case.annotations}
    }
    layers = sum("raster_layer" in row for row in document["annotations"])
    assert len(case.annotations) == len(slots) - layers


def test_what_cannot_be_placed_is_kept_whole() -> None:
    """DICOM whose size the export does not tell: nothing can be drawn, and nothing is lost."""
    document, case = exported("multi_slotted_dicom_item.json")
    assert all(isinstance(a, cf.Raw) for a in case.annotations)
    assert {a.id for a in case.annotations} == {row["id"] for row in document["annotations"]}


def test_a_release_is_read_case_by_case(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    put = samples.case("one", Kind.PICTURE, annotations=flat(), folder="a", tags=["t"])
    dataset.put(put)
    dataset.put(samples.case("two", Kind.NIFTI, annotations=samples.annotations(samples.image(Kind.NIFTI))))
    url = f"{scene.sandbox.variables['DARWIN_BASE_URL']}/api/v2/teams/{TEAM}/datasets/sandbox/exports"
    body = {"name": "all", "format": "darwin_json_2", "filters": {"statuses": ["new"]}}
    requests.post(url, json=body, headers={"Authorization": f"ApiKey {API_KEY}"}, timeout=10).raise_for_status()
    scene.sandbox.settle()

    one, two = sorted(dataset.release("all"), key=lambda case: case.title)

    assert (one.id, one.title, one.folder, one.tags) == ("a/one", "one", "a", ("t", "artefact"))
    assert one.images[0].files[0].read() == put.images[0].files[0].read()
    drawn = {a.label: a for a in put.annotations if isinstance(a, cf.Box | cf.Polygon | cf.Point)}
    for annotation in one.annotations:
        if annotation.label in drawn:
            assert type(annotation) is type(drawn[annotation.label])
            assert np.allclose(annotation.points, drawn[annotation.label].points)
    masks = {next(iter(a.labels.values())): a.voxels() for a in two.annotations if isinstance(a, cf.Mask)}
    put_mask = next(a for a in samples.annotations(samples.image(Kind.NIFTI)) if isinstance(a, cf.Mask))
    for value, label in put_mask.labels.items():
        np.testing.assert_array_equal(masks[label] > 0, put_mask.voxels() == value)
    with pytest.raises(cf.NotFound, match="there are all"):
        dataset.release("none")


def zipped(*members: tuple[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> FileRef:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return FileRef.of_bytes(stream.getvalue(), "release.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_bomb_is_not_unpacked(method: int) -> None:
    bomb = zipped(("a.json", b" " * (16 << 20)), compression=method)
    with pytest.raises(FileProblem, match="unpacks to far more than it is"):
        list(cases_of_release(bomb))


def test_a_bomb_that_lies_about_its_size_is_not_unpacked() -> None:
    content = bytearray(zipped(("a.json", b" " * (8 << 20)), compression=zipfile.ZIP_BZIP2).read())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = content.index(mark) + place
        content[start : start + 4] = (100).to_bytes(4, "little")
    with pytest.raises(FileProblem):
        list(cases_of_release(FileRef.of_bytes(bytes(content), "release.zip")))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "version None"),
        (b'{"version": "1.0", "annotations": []}', "version '1.0'"),
        (b'{"image": {}, "annotations": []}', "version None"),
        (b'{"version": "2.0", "item": {"path": "/"}}', "KeyError 'name'"),
        (b'{"version": "2.0", "item": {"name": "a", "slots": [5]}}', "not what an export is"),
        (b'{"version": "2.0", "item": {"name": "a"}, "annotations": [{"id": "x"}]}', "KeyError 'name'"),
    ],
)
def test_documents_that_are_no_exports(content: bytes, said: str) -> None:
    with pytest.raises(cf.InvalidCase, match=said):
        list(cases_of_release(zipped(("a.json", content))))


def test_archives_that_are_none() -> None:
    whole = zipped(("a.json", json.dumps(json.loads((EXPORTS / "image_1.json").read_text())).encode())).read()
    for content in (b"", b"hello", whole[:-30], whole[:200] + b"\0" * 50 + whole[250:]):
        with pytest.raises(FileProblem, match="no zip, or is damaged"):
            list(cases_of_release(FileRef.of_bytes(content, "release.zip")))
    with pytest.raises(FileProblem, match="is not JSON"):
        list(cases_of_release(zipped(("a.json", b"{"))))


def test_what_tells_of_classes_is_no_case() -> None:
    assert list(cases_of_release(zipped((".v7/metadata.json", b"{}"), ("notes.txt", b"x")))) == []


def test_a_name_of_a_file_that_leads_elsewhere_is_not_taken() -> None:
    document = json.loads((EXPORTS / "image_1.json").read_text())
    document["item"]["slots"][0]["source_files"][0]["file_name"] = "../../etc/passwd"
    (image,) = case_of_document(document).images
    assert "/" not in image.files[0].name
    assert "token" not in json.dumps(case_of_document(document).to_json()["images"])
