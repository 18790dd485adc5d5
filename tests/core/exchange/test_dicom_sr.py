"""Measurement reports, against what highdicom reads in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest
from highdicom.spatial import ImageToReferenceTransformer
from pydicom.data import get_testdata_file

from caseferry import Category, Ellipse, Image, Numeric, Point, Polyline, Raw
from caseferry.annotation import Code
from caseferry.errors import GeometryError
from caseferry.exchange.dicom_sr import read_report
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem

if TYPE_CHECKING:
    from collections.abc import Callable

FILES = Path(__file__).parents[2] / "data" / "reports"


@pytest.fixture(scope="module")
def ct() -> Image:
    return Image("ct", str(get_testdata_file("CT_small.dcm", download=False)))


def changed(tmp_path: Path, change: Callable[[Any], None]) -> FileRef:
    dataset = pydicom.dcmread(FILES / "groups.dcm")
    change(dataset)
    dataset.save_as(tmp_path / "changed.dcm")
    return FileRef.of(tmp_path / "changed.dcm")


def groups_of(dataset: Any) -> list[Any]:
    return list(dataset.ContentSequence[-1].ContentSequence)


def test_every_number_is_read_with_its_unit_and_what_it_was_derived_by() -> None:
    found = list(read_report(FileRef.of(FILES / "tumour.dcm")))
    assert all(isinstance(each, Numeric) for each in found)
    values = {each.label: (each.value, each.unit) for each in found if isinstance(each, Numeric)}
    assert len(values) == len(found) == 22
    assert values["SUVbw (Mean)"] == (6.01529, "{SUVbw}g/ml")
    assert values["SUVbw (Maximum)"] == (10.3814, "{SUVbw}g/ml")
    assert values["Volume"] == (33.5824, "ml")
    volume = next(each for each in found if each.label == "Volume")
    assert volume.codes == (Code("G-D705", "SRT", "Volume"),)
    assert volume.attributes == {
        "Activity Session": "1",
        "Finding": "Neoplasm, Primary",
        "Finding Site": "pharyngeal tonsil (adenoid)",
        "Measurement Method": "Sum of segmented voxel volumes",
        "Time Point": "1",
        "Tracking Identifier": "primary tumor",
        "Tracking Unique Identifier": "2.25.318774060119084600392715520575818119084",
    }


def test_all_that_highdicom_finds_is_found() -> None:
    report = highdicom.sr.srread(FILES / "groups.dcm").content
    theirs = [
        *report.get_image_measurement_groups(),
        *report.get_planar_roi_measurement_groups(),
        *report.get_volumetric_roi_measurement_groups(),
    ]
    found = list(read_report(FileRef.of(FILES / "groups.dcm")))
    assert len(theirs) == 4
    for group in theirs:
        own = [each for each in found if each.attributes["Tracking Identifier"] == group.tracking_identifier]
        numbers = {(each.label, each.value, each.unit) for each in own if isinstance(each, Numeric)}
        answers = {(each.label, each.value) for each in own if isinstance(each, Category)}
        assert numbers == {(m.name.meaning, m.value, m.unit.value) for m in group.get_measurements()}
        said = {
            (name, each.attributes[name]) for each in own for name in ("Finding category",) if name in each.attributes
        }
        expected = {(q.name.meaning, q.value.meaning) for q in group.get_qualitative_evaluations()}
        assert answers | said >= expected >= answers


def test_regions_lie_where_highdicom_says(ct: Image) -> None:
    """The centre of a pixel is at half a pixel in a report, and at a whole one here."""
    found = {each.attributes["Tracking Identifier"]: each for each in read_report(FileRef.of(FILES / "groups.dcm"), ct)}
    circle, line = found["LungNodule0001"], found["Aorta0001"]
    assert isinstance(circle, Ellipse)
    assert isinstance(line, Polyline)
    assert circle.points == ((34.5, 54.5), (54.5, 54.5), (44.5, 44.5), (44.5, 64.5))
    assert (circle.frame, line.frame, circle.image, circle.label) == (0, 0, "ct", "Nodule")
    dataset = pydicom.dcmread(ct.files[0].path)
    to_patient = ImageToReferenceTransformer(
        dataset.ImagePositionPatient, dataset.ImageOrientationPatient, dataset.PixelSpacing
    )
    assert ct.geometry is not None
    ours = ct.geometry.to_patient([(*point[:2], 0.0) for point in line.points])
    assert np.allclose(ours, to_patient(np.array([(25, 45), (45, 45), (45, 65), (25, 65)], np.float64)), atol=1e-6)


def test_positions_in_the_patient_become_voxels(ct: Image) -> None:
    point = [each for each in read_report(FileRef.of(FILES / "groups.dcm"), ct) if isinstance(each, Point)]
    assert ct.geometry is not None
    assert len(point) == 1
    assert np.allclose(ct.geometry.to_patient(point[0].points), (123.5, 234.1, -23.7), atol=1e-4)
    assert point[0].frame is None


def test_regions_in_other_images_are_kept_raw() -> None:
    raw = [each for each in read_report(FileRef.of(FILES / "groups.dcm")) if isinstance(each, Raw)]
    assert [each.label for each in raw] == ["Nodule", "Aorta", "Vertebra"]
    assert raw[0].payload == {
        "GraphicType": "CIRCLE",
        "GraphicData": [45.0, 55.0, 45.0, 65.0],
        "ReferencedSOPInstanceUID": "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322",
    }


def test_a_group_that_only_names_a_finding_is_a_label(tmp_path: Path) -> None:
    def only_finding(dataset: Any) -> None:
        group = groups_of(dataset)[1]
        group.ContentSequence = [
            item for item in group.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue in {"112039", "121071"}
        ]

    found = list(read_report(changed(tmp_path, only_finding)))
    labels = [each for each in found if each.kind == "label"]
    assert [(each.label, each.codes[0].scheme) for each in labels] == [("Nodule", "SCT")]


def test_a_number_that_was_not_measured_is_said_to_be_so(tmp_path: Path) -> None:
    def unmeasured(dataset: Any) -> None:
        number = next(item for item in groups_of(dataset)[1].ContentSequence if item.ValueType == "NUM")
        number.MeasuredValueSequence = []

    texts = [each for each in read_report(changed(tmp_path, unmeasured)) if each.kind == "text"]
    assert [(each.label, each.value) for each in texts] == [("Diameter", "not measured")]  # type: ignore[attr-defined]


def test_another_frame_of_reference_and_other_reports_are_refused(tmp_path: Path, ct: Image) -> None:
    def elsewhere(dataset: Any) -> None:
        for item in groups_of(dataset)[3].ContentSequence:
            if item.ValueType == "SCOORD3D":
                item.ReferencedFrameOfReferenceUID = "1.2.3"

    with pytest.raises(GeometryError, match="in another frame of reference than image ct"):
        list(read_report(changed(tmp_path, elsewhere), ct))

    def empty(dataset: Any) -> None:
        dataset.ContentSequence = dataset.ContentSequence[:1]

    with pytest.raises(ImageProblem, match="is a report without measurement groups; give it as an attachment"):
        list(read_report(changed(tmp_path, empty)))
    with pytest.raises(ImageProblem, match="is not a DICOM structured report of measurements"):
        list(read_report(ct.files[0]))
