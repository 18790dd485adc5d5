"""RT structure sets, made with pydicom from positions that SimpleITK gives."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from skimage import draw

from caseferry import Image, Point, Polygon, Polyline
from caseferry.annotation import Code
from caseferry.errors import GeometryError
from caseferry.exchange.rtstruct import read_structures
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem
from caseferry.shapes import paint

FILES = Path(__file__).parents[2] / "data" / "segmentations"

Positions = list[tuple[float, float, float]]

SQUARE: Positions = [(100, 50, 1), (140, 50, 1), (140, 90, 1), (100, 90, 1)]
HOLE: Positions = [(110.25, 60.5, 1), (120, 60.5, 1), (117, 80, 1)]
STAR: Positions = [(250 + r * np.cos(a), 300 + r * np.sin(a), 2) for a, r in zip(np.arange(30) / 5, [40.3, 90] * 15)]  # noqa: B905  # fmt: skip


@pytest.fixture(scope="module")
def ct() -> Image:
    return Image("ct", sorted(FILES.glob("ct-*.dcm")))


@pytest.fixture(scope="module")
def volume() -> sitk.Image:
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(
        str(FILES), pydicom.dcmread(FILES / "ct-01.dcm").SeriesInstanceUID
    )
    return sitk.ReadImage(names)


def item(**values: Any) -> Dataset:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def contour(volume: sitk.Image, points: Positions, kind: str = "CLOSED_PLANAR", **more: Any) -> Dataset:
    places = [volume.TransformContinuousIndexToPhysicalPoint([float(v) for v in point]) for point in points]
    flat = [f"{value:.10g}" for place in places for value in place]
    return item(ContourGeometricType=kind, NumberOfContourPoints=len(points), ContourData=flat, **more)


def structures(*regions: tuple[Dataset, list[Dataset]], **more: Any) -> FileRef:
    """A structure set of some regions, each with its contours."""
    frame = pydicom.dcmread(FILES / "ct-01.dcm").FrameOfReferenceUID
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.3"
    meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset = item(SOPClassUID=meta.MediaStorageSOPClassUID, SOPInstanceUID="1.2.3.4", Modality="RTSTRUCT", **more)
    for region, _ in regions:
        region.ReferencedFrameOfReferenceUID = region.get("ReferencedFrameOfReferenceUID") or frame
    dataset.StructureSetROISequence = Sequence([region for region, _ in regions])
    dataset.ROIContourSequence = Sequence(
        [item(ReferencedROINumber=region.ROINumber, ContourSequence=Sequence(contours)) for region, contours in regions]
    )
    dataset.file_meta = meta
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return FileRef.of_bytes(out.getvalue(), "rs.dcm")


def test_contours_lie_where_they_were_drawn(ct: Image, volume: sitk.Image) -> None:
    region = item(ROINumber=3, ROIName="GTV", ROIGenerationAlgorithm="MANUAL")
    ref = structures((region, [contour(volume, points) for points in (STAR, SQUARE, HOLE)]), ApprovalStatus="APPROVED")
    one, two = read_structures(ref, ct)
    assert isinstance(one, Polygon)
    assert isinstance(two, Polygon)
    assert (one.frame, two.frame) == (1, 2)
    assert np.allclose(one.rings[0], np.array(SQUARE)[:, :2], atol=1e-6)
    assert np.allclose(one.rings[1], np.array(HOLE)[:, :2], atol=1e-6)
    assert (one.label, one.status, one.source, one.image) == ("GTV", "approved", "human", "ct")
    assert one.attributes == {"ROINumber": 3, "ROIGenerationAlgorithm": "MANUAL"}
    assert ct.geometry is not None
    mask = np.zeros(ct.geometry.shape, np.uint8)
    paint(two, mask, 1)
    assert np.array_equal(mask[:, :, 2] == 1, draw.polygon2mask((512, 512), np.array(STAR)[:, :2]))


def test_what_is_no_closed_contour_on_a_slice_is_kept_too(ct: Image, volume: sitk.Image) -> None:
    between = [(column, row, 0.5) for column, row, _ in SQUARE]
    beyond = [(column, row, 7) for column, row, _ in SQUARE]
    oblique = [(1, 1, 0), (9, 1, 1), (9, 9, 2)]
    contours = [
        contour(volume, between),
        contour(volume, beyond),
        contour(volume, oblique, "CLOSED_NONPLANAR"),
        contour(volume, SQUARE[:3], "OPEN_PLANAR"),
        contour(volume, SQUARE[:1], "POINT"),
        contour(volume, SQUARE[:2], "CLOSED_PLANAR"),
        contour(volume, [*HOLE, HOLE[0]], "CLOSEDPLANAR_XOR"),
    ]
    found = list(read_structures(structures((item(ROINumber=1, ROIName="a"), contours)), ct))
    first, *others = found
    assert isinstance(first, Polygon)
    assert first.frame == 1
    assert len(first.rings[0]) == 3
    assert [type(each) for each in others] == [Polygon, Polygon, Polygon, Polyline, Point, Point]
    for each, points in zip(others, [between, beyond, oblique, SQUARE[:3], SQUARE[:1], SQUARE[:2]], strict=True):
        assert each.frame is None
        assert np.allclose(each.points, points, atol=1e-6)  # type: ignore[attr-defined]


def test_what_is_said_of_a_region_is_kept(ct: Image, volume: sitk.Image) -> None:
    named = item(ROINumber=2, ROIName="", ROIGenerationAlgorithm="AUTOMATIC", ROIDescription="by hand")
    code = item(CodeValue="10200004", CodingSchemeDesignator="SCT", CodeMeaning="Liver")
    observation = item(
        ReferencedROINumber=2, RTROIInterpretedType="ORGAN", RTROIIdentificationCodeSequence=Sequence([code])
    )
    empty = item(ROINumber=1, ROIName="empty")
    ref = structures((named, [contour(volume, SQUARE)]), (empty, []), RTROIObservationsSequence=Sequence([observation]))
    (found,) = read_structures(ref, ct)
    assert (found.label, found.source, found.codes) == ("region 2", "model", (Code("10200004", "SCT", "Liver"),))
    assert found.attributes == {
        "ROINumber": 2,
        "ROIDescription": "by hand",
        "ROIGenerationAlgorithm": "AUTOMATIC",
        "RTROIInterpretedType": "ORGAN",
    }


def test_damaged_contours_are_refused(ct: Image, volume: sitk.Image) -> None:
    short, odd = contour(volume, SQUARE), contour(volume, SQUARE)
    short.NumberOfContourPoints = 5
    odd.ContourData = list(odd.ContourData)[:-1]
    for damaged, message in ((short, "4 positions in contour 1 of region 1 where 5 are promised"), (odd, "damaged")):
        ref = structures((item(ROINumber=1, ROIName="NAME^OF^SOMEONE"), [damaged]))
        with pytest.raises(ImageProblem, match=message) as caught:
            list(read_structures(ref, ct))
        assert "SOMEONE" not in str(caught.value)


def test_what_belongs_to_another_image_is_refused(ct: Image, volume: sitk.Image) -> None:
    region = item(ROINumber=1, ROIName="a", ReferencedFrameOfReferenceUID="1.2.3")
    with pytest.raises(GeometryError, match=r"rs.dcm: has positions in another frame of reference than image ct"):
        list(read_structures(structures((region, [contour(volume, SQUARE)])), ct))
    with pytest.raises(ImageProblem, match="is not a DICOM RT structure set"):
        list(read_structures(FileRef.of(FILES / "liver.dcm"), ct))
