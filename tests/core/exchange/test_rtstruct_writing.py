"""RT structure sets that are written, against the tables of DICOM PS3.3 that highdicom keeps, and dcmrtstruct2nii."""

from __future__ import annotations

import datetime as dt
import io
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name
from hypothesis import example, given, settings
from hypothesis.extra.numpy import array_shapes, arrays

from caseferry import Angle, Annotation, Box, Ellipse, Image, Label, Line, Mask, Point, Polygon, Polyline
from caseferry.annotation import Code
from caseferry.errors import GeometryError, InvalidCase
from caseferry.exchange.rtstruct import read_structures, write_structures
from caseferry.exchange.rtstruct.keyholes import joined, parted
from caseferry.files import FileRef
from caseferry.shapes import fill, paint, ring_area, trace
from oracles import affine_of, ramp, rotation, write_series
from peers import Peer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

READER = Peer("dcmrtstruct2nii-5", ("dcmrtstruct2nii==5", "pydicom<3", "numpy<2"))
"""Fills contours with scikit-image where SimpleITK says that they lie, and leaves out types that it does not know."""

SHAPE = (11, 9, 5)

GRIDS = {
    "plain": affine_of(rotation(), (1, 1, 1), (0, 0, 0)),
    "anisotropic": affine_of(np.round(rotation(z=90), 12), (0.37, 1.9, 5.25), (-131.5, 12.25, 1203.7)),
    "oblique": affine_of(rotation(x=17, y=-23, z=41), (0.703125, 0.9, 2.5), (-100.1, 250.3, -777.7)),
    "coronal": affine_of(np.round(rotation(x=90), 12), (0.5, 0.5, 3), (10, 20, 30)),
}


def series(folder: Path, affine: NDArray[np.float64], shape: tuple[int, int, int] = SHAPE, **said: Any) -> Image:
    folder.mkdir(exist_ok=True)
    return Image("ct", write_series(folder, ramp(*shape), affine, **said))


@pytest.fixture(scope="module", params=GRIDS)
def image(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return series(tmp_path_factory.mktemp(request.param), GRIDS[request.param])


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Image:
    said = {
        "PatientName": "Wilde^Maël",
        "PatientID": "7",
        "StudyDate": "20200102",
        "SpecificCharacterSet": "ISO_IR 192",
    }
    return series(tmp_path_factory.mktemp("ct"), GRIDS["oblique"], **said)


def mask_of(image: Image, voxels: NDArray[Any], labels: dict[int, str], **said: Any) -> Mask:
    assert image.geometry is not None
    return Mask.of_array("ct", voxels, labels, image.geometry.affine, **said)


def back(content: bytes, image: Image) -> list[Any]:
    return list(read_structures(FileRef.of_bytes(content, "rs.dcm"), image))


def drawn(annotations: list[Any], label: str, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.bool_]:
    volume = np.zeros(shape, np.uint8)
    for each in annotations:
        if each.label == label:
            paint(each, volume, 1)
    return volume == 1


def ring_key(ring: Any) -> tuple[Any, ...]:
    points = [tuple(point) for point in np.asarray(ring).tolist()]
    first = points.index(min(points))
    return tuple(points[first:] + points[:first])


@settings(max_examples=60)
@example(np.array([[1, 1, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]], np.bool_))  # a hole that touches the outside
@given(array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12).flatmap(lambda shape: arrays(np.bool_, shape)))
def test_holes_are_cut_open_and_closed_again(mask: NDArray[np.bool_]) -> None:
    rings = trace(mask).get(1, [])
    contours = joined(rings, traced=True) if rings else []
    assert len(joined(rings) if rings else []) == len(contours)
    assert len(contours) == sum(ring_area(ring) > 0 for ring in rings)
    found = [ring for contour in contours for ring in parted([tuple(point) for point in contour.tolist()])]
    outer = {tuple(point) for ring in rings if ring_area(ring) > 0 for point in ring.tolist()}
    touching = [sum(tuple(point) in outer for point in ring.tolist()) for ring in rings if ring_area(ring) < 0]
    if max(touching, default=0) < 2:
        assert sorted(map(ring_key, found)) == sorted(map(ring_key, rings))
    parity = [fill([np.array(ring)], mask.shape) for ring in found]
    assert np.array_equal(np.logical_xor.reduce([np.zeros_like(mask), *parity]), mask)
    alone = [fill([contour], mask.shape) for contour in contours]
    assert np.array_equal(np.logical_or.reduce([np.zeros_like(mask), *alone]), mask)
    assert np.array_equal(np.logical_xor.reduce([np.zeros_like(mask), *alone]), mask)
    for contour in contours:  # what is inside is gone around once, not twice
        assert ring_area(contour) == pytest.approx(np.count_nonzero(fill([contour], mask.shape)))


def test_rings_in_any_direction_and_rings_that_cross_enclose_the_same() -> None:
    square = np.array([(0.5, 0.5), (12.5, 0.5), (12.5, 12.5), (0.5, 12.5)])
    hole, island, across = square / 2 + 2, square / 6 + 5, square / 3 + 9
    for rings in ([square, hole, island], [hole[::-1], island, square[::-1]], [square, hole, across], [across, square]):
        contours = joined(rings)
        one = np.logical_xor.reduce([fill([contour], (20, 20)) for contour in contours])
        assert np.array_equal(one, fill(rings, (20, 20)))


def test_masks_come_back_voxel_for_voxel(image: Image) -> None:
    random = np.random.default_rng(1)
    noise = random.integers(0, 3, SHAPE).astype(np.uint8)
    noise[:, :, 3] = 0
    ringed = np.zeros(SHAPE, np.uint8)
    ringed[0:9, 0:8, 4] = 1
    ringed[2:7, 2:6, 4] = 0
    ringed[4, 3, 4] = 1
    masks = [mask_of(image, noise, {1: "one", 2: "two"}), mask_of(image, ringed, {1: "ringed"})]
    written = write_structures(masks, image)
    assert not written.left_out
    assert [what for _, what in written.changed] == ["becomes the outlines of its pixels, in each slice"] * 2
    assert written.content == write_structures(masks, image).content
    found = back(written.content, image)
    assert np.array_equal(drawn(found, "one"), noise == 1)
    assert np.array_equal(drawn(found, "two"), noise == 2)
    assert np.array_equal(drawn(found, "ringed"), ringed == 1)
    again = back(write_structures(found, image).content, image)
    for one, other in zip(found, again, strict=True):
        assert (one.label, one.frame, one.attributes) == (other.label, other.frame, other.attributes)
        assert len(one.rings) == len(other.rings)
        assert np.allclose(one.points, other.points, atol=1e-6)


def test_positions_come_back(image: Image) -> None:
    polygon = Polygon("ct", [[(1.25, 1), (9.5, 1.125), (8, 7)], [(4, 2), (5, 3.5), (6, 2)]], label="p", frame=2)
    between = Polygon("ct", [(1, 1, 0.5), (8, 1, 0.5), (8, 7, 0.5)], label="between")
    tilted = Polygon("ct", [(1, 1, 0), (8, 1, 1), (8, 7, 3), (1, 7, 4)], label="tilted")
    line = Line("ct", [(1, 2), (3.5, 4)], label="l", frame=1)
    way = Polyline("ct", [(1, 2, 0), (3.5, 4, 2), (5, 5, 2.25)], label="w")
    points = Point("ct", [(0.1, 0.2, 0.3), (4, 5, 6)], label="q")
    written = write_structures([polygon, between, tilted, line, way, points], image)
    assert not written.left_out
    found = back(written.content, image)
    kinds = [Polygon, Polygon, Polygon, Line, Polyline, Point]
    assert [type(each) for each in found] == kinds
    expected = [polygon.points, between.points, tilted.points, line.points, way.points, points.points]
    for each, theirs in zip(found, expected, strict=True):
        assert np.allclose(each.points, theirs, atol=1e-5), each
    assert (found[0].frame, len(found[0].rings), found[3].frame) == (2, 2, 1)
    kinds_written = [
        contour.ContourGeometricType
        for region in pydicom.dcmread(io.BytesIO(written.content)).ROIContourSequence
        for contour in region.ContourSequence
    ]
    assert kinds_written == [*["CLOSED_PLANAR"] * 2, "CLOSED_NONPLANAR", "OPEN_PLANAR", "OPEN_PLANAR", "POINT", "POINT"]


def test_other_shapes_become_outlines(ct: Image) -> None:
    box = Box("ct", [(1.5, 2.5, 0.5), (4.5, 5.5, 3.5)], label="box")
    ellipse = Ellipse("ct", [(1, 4), (9, 4), (5, 1), (5, 7)], label="ellipse", frame=1)
    angle = Angle("ct", [(1, 1), (4, 4), (7, 1)], label="angle", frame=0)
    said = Label("ct", "seen")
    thin = Box("ct", [(1, 1, 0.25), (4, 4, 0.75)], label="thin")
    beyond = Line("ct", [(1, 1), (2, 2)], label="beyond", frame=9)
    written = write_structures([box, ellipse, angle, said, thin, beyond], ct)
    found = back(written.content, ct)
    cuboid = np.zeros(SHAPE, np.bool_)
    cuboid[2:5, 3:6, 1:4] = True
    assert np.array_equal(drawn(found, "box"), cuboid)
    oval = np.zeros(SHAPE, np.uint8)
    paint(ellipse, oval, 1)
    differing = np.argwhere(drawn(found, "ellipse") != (oval == 1)).tolist()
    ends = [[1, 4, 1], [9, 4, 1], [5, 1, 1], [5, 7, 1]]
    assert all(each in ends for each in differing)  # centres that lie on the ellipse itself
    assert [(each.label, why) for each, why in written.changed] == [
        ("box", "becomes its outline"),
        ("ellipse", "becomes an outline that follows it within a hundredth of a pixel"),
        ("angle", "becomes open contours"),
    ]
    assert [(each.label, why) for each, why in written.left_out] == [
        ("seen", "a structure set has no label annotation"),
        ("thin", "it lies between slices"),
        ("beyond", "it lies in slice 9 of 5"),
    ]


def square(label: str, frame: int, shift: float = 0, **said: Any) -> Polygon:
    return Polygon("ct", [(1 + shift, 1), (3 + shift, 1), (3 + shift, 3)], label=label, frame=frame, **said)


def test_two_findings_in_a_slice_stay_two_and_slices_of_one_make_a_region(ct: Image) -> None:
    given = [square("a", 0), square("a", 1), square("a", 1, 4), square("b", 0), square("a", 0, 4)]
    dataset = pydicom.dcmread(io.BytesIO(write_structures(given, ct).content))
    told = [(r.ROINumber, r.ROIName) for r in dataset.StructureSetROISequence]
    assert told == [(1, "a"), (2, "a"), (3, "b")]
    assert [len(region.ContourSequence) for region in dataset.ROIContourSequence] == [2, 2, 1]


def test_what_is_said_comes_back(ct: Image) -> None:
    long = "a name that goes on " * 4 + "to its end"
    attributes = {
        "ROINumber": 7,
        "ROIGenerationAlgorithm": "AUTOMATIC",
        "ROIDisplayColor": [1, 20, 255],
        "RTROIInterpretedType": "ORGAN",
    }
    said: dict[str, Any] = {
        "source": "model",
        "model": "nnU-Net",
        "author": "maël@example.org",
        "status": "approved",
        "codes": (Code("10200004", "SCT", "Leber"),),
    }
    one = square(long, 1, attributes=attributes, **said)
    other = square("Ärm", 1, attributes={"ROINumber": 1}, status="approved")
    when = dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    third = square("c", 2, confidence=0.5, modified=when, attributes={"size": 3}, status="approved")
    written = write_structures([one, other, third], ct, description="made here")
    found = {each.label: each for each in back(written.content, ct)}
    assert {name: getattr(found[long], name) for name in said} == said
    assert found[long].attributes == attributes
    assert found["Ärm"].attributes == {"ROINumber": 1}
    assert {name: getattr(found["c"], name) for name in ("confidence", "modified", "attributes")} == {
        "confidence": 0.5,
        "modified": when,
        "attributes": {"size": 3},
    }
    assert written.changed == []
    dataset = pydicom.dcmread(io.BytesIO(written.content))
    assert [item.ROINumber for item in dataset.StructureSetROISequence] == [7, 1, 2]
    assert list(dataset.ROIContourSequence[1].ROIDisplayColor) == [60, 160, 230]
    assert (dataset.PatientName, dataset.PatientID, dataset.StudyInstanceUID) == ("Wilde^Maël", "7", "1.2.3")
    assert (dataset.StructureSetDate, dataset.StructureSetTime[:6]) == ("20240506", "070809")
    assert dataset.ApprovalStatus == "APPROVED"
    assert dataset.SeriesDescription == "made here"
    undecided = write_structures([one, square("x", 0)], ct)
    assert pydicom.dcmread(io.BytesIO(undecided.content)).ApprovalStatus == "UNAPPROVED"


def test_every_contour_names_the_slice_that_it_lies_in(ct: Image) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[2:4, 2:4, :] = 1
    dataset = pydicom.dcmread(io.BytesIO(write_structures([mask_of(ct, voxels, {1: "a"})], ct).content))
    places = {}
    for ref in ct.files:
        source = pydicom.dcmread(ref.path)
        places[source.SOPInstanceUID] = np.array(source.ImagePositionPatient, float)
    across = np.cross(*np.array(source.ImageOrientationPatient, float).reshape(2, 3))
    seen = set()
    for contour in dataset.ROIContourSequence[0].ContourSequence:
        (named,) = contour.ContourImageSequence
        points = np.array(contour.ContourData, float).reshape(-1, 3)
        assert np.abs((points - places[named.ReferencedSOPInstanceUID]) @ across).max() < 1e-6
        seen.add(named.ReferencedSOPInstanceUID)
    assert seen == set(places)
    (frame,) = dataset.ReferencedFrameOfReferenceSequence
    (told,) = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert {each.ReferencedSOPInstanceUID for each in told.ContourImageSequence} == set(places)


def test_the_standard_is_kept(ct: Image) -> None:
    """Every attribute of type 1 and 2 is there, those of type 1 with a value, and each value fits its kind."""
    standard = Path(highdicom.__file__).parent / "_standard"
    modules = json.loads((standard / "iod_module_map.json").read_text())["rt-structure-set"]
    attributes = json.loads((standard / "module_attribute_map.json").read_text())
    given: list[Annotation] = [
        square("a", 1, status="approved", codes=(Code("1", "99X", "y"),)),
        Point("ct", (1, 1, 1), label="p"),
    ]
    with _strictly():
        dataset = pydicom.dcmread(io.BytesIO(write_structures(given, ct).content))
        dataset.walk(lambda _, element: element.value)
    checked = 0
    for module in modules:
        if module["usage"] == "M" or module["key"] == "approval":
            for attribute in attributes[module["key"]]:
                for parent in _at(dataset, attribute["path"]):
                    if attribute["type"] in {"1", "2"}:
                        assert attribute["keyword"] in parent, (module["key"], attribute)
                        checked += 1
                    if attribute["type"] == "1":
                        assert parent[attribute["keyword"]].value not in (None, "", []), attribute
    assert checked > 40


@contextmanager
def _strictly() -> Iterator[None]:
    kept = pydicom.config.settings.reading_validation_mode
    pydicom.config.settings.reading_validation_mode = pydicom.config.RAISE
    try:
        yield
    finally:
        pydicom.config.settings.reading_validation_mode = kept


def _at(dataset: Any, path: list[str]) -> list[Any]:
    """All datasets at a path of sequences."""
    if not path:
        return [dataset]
    return [found for item in dataset.get(path[0]) or [] for found in _at(item, path[1:])]


def test_what_cannot_be_written_is_refused(ct: Image, tmp_path: Path) -> None:
    volume = sitk.GetImageFromArray(np.zeros((5, 9, 11), np.int16))
    sitk.WriteImage(volume, tmp_path / "ct.mha")
    with pytest.raises(GeometryError, match="image ct: is metaimage: a structure set needs a DICOM image"):
        write_structures([square("a", 1)], Image("ct", tmp_path / "ct.mha"))
    with pytest.raises(InvalidCase, match="hold nothing that has a form as contours"):
        write_structures([Label("ct", "a")], ct)
    with pytest.raises(InvalidCase, match="has signs that DICOM does not allow in a region's name"):
        write_structures([square("a\\b", 1)], ct)
    homeless = series(tmp_path / "homeless", GRIDS["plain"], FrameOfReferenceUID=None)
    with pytest.raises(GeometryError, match="has no FrameOfReferenceUID"):
        write_structures([square("a", 1)], homeless)
    other = series(tmp_path / "other", GRIDS["oblique"], FrameOfReferenceUID="1.2.3.99")
    with pytest.raises(GeometryError, match="another frame of reference"):
        back(write_structures([square("a", 1)], other).content, ct)


@pytest.mark.peer
def test_another_program_fills_the_same_voxels(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    (tmp_path / "sent").mkdir()
    expected = {}
    for name in ("anisotropic", "oblique"):
        image = series(tmp_path / "sent" / name, GRIDS[name])
        voxels = (random.random(SHAPE) < 0.7).astype(np.uint8)
        content = write_structures([mask_of(image, voxels, {1: "part"})], image).content
        (tmp_path / "sent" / f"{name}.dcm").write_bytes(content)
        expected[name] = voxels
    found: Any = READER.run("rtstruct_read.py", "sent", "made", variables={}, home=tmp_path)
    assert set(found) == set(expected)
    for name, voxels in expected.items():
        theirs = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / found[name]["part"])).transpose(2, 1, 0)
        assert np.array_equal(theirs != 0, voxels == 1), name
