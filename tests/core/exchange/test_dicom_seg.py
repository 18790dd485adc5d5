"""DICOM segmentations, against what dcmqi and highdicom make of the same files."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import highdicom
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name

from caseferry import Image, Mask
from caseferry.annotation import Code
from caseferry.errors import GeometryError, InvalidCase
from caseferry.exchange.dicom_seg import read_segmentation, write_segmentation
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem
from caseferry.shapes import apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILES = Path(__file__).parents[2] / "data" / "segmentations"

pytestmark = pytest.mark.filterwarnings(
    # highdicom leaves a database in memory to the garbage collector, of which Python 3.13 warns
    "ignore:Exception ignored in. <sqlite3.Connection:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def ct() -> Image:
    return Image("ct", sorted(FILES.glob("ct-*.dcm")))


def dcmqi_mask(name: str, value: int, image: Image) -> NDArray[np.bool_]:
    """The voxels of the image at which dcmqi's converter has a value, found through patient space by SimpleITK."""
    found = sitk.ReadImage(FILES / name)
    indices = np.argwhere(sitk.GetArrayFromImage(found) == value)[:, ::-1]
    points = [found.TransformIndexToPhysicalPoint(index) for index in indices.tolist()]
    assert image.geometry is not None
    voxels = image.geometry.to_voxel(points)
    assert np.abs(voxels - np.rint(voxels)).max(initial=0) < 0.01
    mask = np.zeros(image.geometry.shape, np.bool_)
    mask[tuple(np.rint(voxels).astype(int).T)] = True
    return mask


def changed(name: str, change: Any) -> FileRef:
    """One of the files after a change."""
    dataset = pydicom.dcmread(FILES / name)
    change(dataset)
    out = io.BytesIO()
    dataset.save_as(out)
    return FileRef.of_bytes(out.getvalue(), name)


def test_a_segment_has_the_voxels_that_dcmqi_finds(ct: Image) -> None:
    (mask,) = read_segmentation(FileRef.of(FILES / "liver.dcm"), ct)
    assert mask.labels == {1: "Liver"}
    assert mask.codes == (Code("T-62000", "SRT", "Liver"), Code("T-D0050", "SRT", "Tissue"))
    assert (mask.source, mask.model) == ("human", "SlicerEditor")
    assert np.array_equal(mask.voxels() == 1, dcmqi_mask("liver_seg.nrrd", 1, ct))
    assert np.count_nonzero(mask.voxels()) == 107098


def test_segments_that_overlap_are_masks_of_their_own(ct: Image) -> None:
    masks = list(read_segmentation(FileRef.of(FILES / "partial_overlaps.dcm"), ct))
    assert [mask.labels[1] for mask in masks] == ["GREEN", "ORANGE", "PURPLE", "LIGHT_BLUE", "DARK_BLUE"]
    voxels = [mask.voxels() for mask in masks]
    assert [np.count_nonzero(each) for each in voxels] == [9602, 11888, 10743, 6693, 4713]
    assert np.sum(voxels, axis=0).max() == 3
    assert len(apart(dict(enumerate(voxels, 1)))) == 3  # as many as dcmqi needs
    for number, each in enumerate(voxels, 1):
        theirs = [dcmqi_mask(f"partial_overlaps-{part}.nrrd", number, ct) for part in (1, 2, 3)]
        assert [np.array_equal(each == 1, mask) for mask in theirs].count(True) == 1


@pytest.mark.parametrize("name", ["liver.dcm", "partial_overlaps.dcm"])
def test_what_is_written_comes_back_and_is_what_highdicom_reads(name: str, ct: Image) -> None:
    masks = list(read_segmentation(FileRef.of(FILES / name), ct))
    content = write_segmentation([(mask, mask.voxels()) for mask in masks], ct)
    back = list(read_segmentation(FileRef.of_bytes(content, "back.dcm"), ct))
    read = highdicom.seg.Segmentation.from_dataset(pydicom.dcmread(io.BytesIO(content)))
    sources = [pydicom.dcmread(ref.path).SOPInstanceUID for ref in (ct.files[file] for file, _ in ct.layout)]
    theirs = read.get_pixels_by_source_instance(sources, ignore_spatial_locations=True)
    for number, (mask, copy) in enumerate(zip(masks, back, strict=True)):
        said = [(each.labels, each.codes, each.source, each.model, each.attributes) for each in (mask, copy)]
        assert said[0] == said[1]
        assert np.array_equal(mask.voxels(), copy.voxels())
        assert np.array_equal(theirs[..., number].transpose(2, 1, 0), mask.voxels())


def test_what_a_mask_says_is_kept_and_the_bytes_are_the_same_each_time(ct: Image) -> None:
    voxels = np.zeros((512, 512, 3), np.uint8)
    voxels[3:9, 400:403, 1:] = 4
    voxels[7, 401, 2] = 5
    assert ct.geometry is not None
    long = "a name that goes on " * 4 + "to its end"
    mask = Mask.of_array(
        "ct",
        voxels,
        {4: "Métastase", 5: long},
        ct.geometry.affine,
        source="model",
        model="nnU-Net",
        created=dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        codes=(Code("10200004", "SCT", "Liver"), Code("123037004", "SCT", "Body Structure")),
    )
    content = write_segmentation([(mask, voxels)], ct, description="made here")
    assert write_segmentation([(mask, voxels)], ct, description="made here") == content
    one, other = read_segmentation(FileRef.of_bytes(content, "x.dcm"), ct)
    assert (one.labels, other.labels) == ({1: "Métastase"}, {1: long})
    assert np.array_equal(one.voxels() == 1, voxels == 4)
    assert np.array_equal(other.voxels() == 1, voxels == 5)
    assert (one.codes, one.source, one.model) == (mask.codes, "model", "nnU-Net")
    dataset = pydicom.dcmread(io.BytesIO(content))
    assert (dataset.ContentDate, dataset.ContentTime[:6], dataset.TimezoneOffsetFromUTC) == (
        "20240506",
        "070809",
        "+0200",
    )
    assert dataset.SeriesDescription == "made here"


def test_an_empty_mask_is_written_and_read(ct: Image) -> None:
    assert ct.geometry is not None
    empty = np.zeros((512, 512, 3), np.uint8)
    content = write_segmentation([(Mask.of_array("ct", empty, {1: "none"}, ct.geometry.affine), empty)], ct)
    (mask,) = read_segmentation(FileRef.of_bytes(content, "x.dcm"), ct)
    assert mask.labels == {1: "none"}
    assert not mask.voxels().any()


def as_shares(dataset: Any) -> None:
    """Turn a segmentation of one segment fractional: 200 of 250 where it was."""
    dataset.SegmentationType, dataset.SegmentationFractionalType = "FRACTIONAL", "PROBABILITY"
    dataset.MaximumFractionalValue = 250
    values = dataset.pixel_array.astype(np.uint8) * 200
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = values.tobytes()


def test_shares_are_refused_unless_a_threshold_is_given(ct: Image) -> None:
    ref = changed("liver.dcm", as_shares)
    with pytest.raises(ImageProblem, match=r"liver.dcm holds shares of voxels .* say from which share"):
        list(read_segmentation(ref, ct))
    for threshold, count in ((0.8, 107098), (0.81, 0), (0, 107098)):
        (mask,) = read_segmentation(ref, ct, threshold=threshold)
        assert np.count_nonzero(mask.voxels()) == count


def as_label_map(dataset: Any) -> None:
    """Turn a binary segmentation of segment 1 into a label map in which it is 7."""
    dataset.SegmentationType, dataset.SOPClassUID = "LABELMAP", "1.2.840.10008.5.1.4.1.1.66.7"
    dataset.SegmentSequence[0].SegmentNumber = 7
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.pop("SegmentIdentificationSequence", None)
    values = dataset.pixel_array.astype(np.uint8) * 7
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = values.tobytes()


def test_label_maps_are_read(ct: Image) -> None:
    (mask,) = read_segmentation(changed("liver.dcm", as_label_map), ct)
    assert np.array_equal(mask.voxels() == 1, dcmqi_mask("liver_seg.nrrd", 1, ct))


def turned(dataset: Any) -> None:
    """The same segmentation with its columns in the other order."""
    values = dataset.pixel_array[:, :, ::-1]
    spacing = float(dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[1])
    orientation = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    cosines = [float(value) for value in orientation.ImageOrientationPatient]
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        position = frame.PlanePositionSequence[0]
        old = np.array(position.ImagePositionPatient, np.float64)
        position.ImagePositionPatient = [f"{v:.6f}" for v in old + np.array(cosines[:3]) * spacing * 511]
    orientation.ImageOrientationPatient = [*(-v for v in cosines[:3]), *cosines[3:]]
    dataset.PixelData = np.packbits(values.ravel().astype(np.uint8), bitorder="little").tobytes()


def test_frames_in_another_order_of_voxels_are_put_where_they_belong(ct: Image) -> None:
    (mask,) = read_segmentation(changed("liver.dcm", turned), ct)
    assert np.array_equal(mask.voxels() == 1, dcmqi_mask("liver_seg.nrrd", 1, ct))


def moved(step: float) -> Any:
    def change(dataset: Any) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            position = frame.PlanePositionSequence[0]
            x, y, z = position.ImagePositionPatient
            position.ImagePositionPatient = [x, y, f"{float(z) + step:.4f}"]

    return change


def test_segments_that_lie_elsewhere_are_refused(ct: Image) -> None:
    with pytest.raises(GeometryError, match=r"liver.dcm: frame 1 does not lie on the voxels .* 0.30 voxels"):
        list(read_segmentation(changed("liver.dcm", moved(0.3)), ct))
    with pytest.raises(GeometryError, match=r"liver.dcm: has segments that reach beyond the image"):
        list(read_segmentation(changed("liver.dcm", moved(2.0)), ct))


def test_what_is_no_segmentation_is_refused(ct: Image) -> None:
    with pytest.raises(ImageProblem, match=r"ct-01.dcm is not a DICOM segmentation \(CT Image Storage\)"):
        list(read_segmentation(ct.files[0], ct))
    with pytest.raises(ImageProblem, match=r"x is not a DICOM file"):
        list(read_segmentation(FileRef.of_bytes(b"nothing", "x"), ct))
    whole = (FILES / "liver.dcm").read_bytes()
    for end in (3000, len(whole) // 2, len(whole) - 4):
        with pytest.raises(ImageProblem, match=r"cut\.dcm"):
            list(read_segmentation(FileRef.of_bytes(whole[:end], "cut.dcm"), ct))


def test_what_cannot_be_written_is_refused(ct: Image, tmp_path: Path) -> None:
    assert ct.geometry is not None
    voxels = np.ones((512, 512, 3), np.uint8)
    mask = Mask.of_array("ct", voxels, {1: "a"}, ct.geometry.affine)
    with pytest.raises(GeometryError, match=r"mask a: has \(512, 512, 2\) voxels where image ct has \(512, 512, 3\)"):
        write_segmentation([(mask, voxels[..., :2])], ct)
    with pytest.raises(GeometryError, match="has no masks to write"):
        write_segmentation([], ct)
    with pytest.raises(InvalidCase, match="has signs that DICOM does not allow"):
        write_segmentation([(Mask.of_array("ct", voxels, {1: "a\\b"}, ct.geometry.affine), voxels)], ct)
    other = Image("other", [FILES / "liver_seg.nrrd"])
    with pytest.raises(GeometryError, match="needs a DICOM image"):
        write_segmentation([(mask, voxels)], other)


def test_a_segmentation_in_tiles_is_refused_by_that_name(ct: Image) -> None:
    tiled = pydicom.dcmread(FILES / "liver.dcm")
    tiled.DimensionOrganizationType = "TILED_SPARSE"
    tiled.TotalPixelMatrixColumns = tiled.TotalPixelMatrixRows = 4 * tiled.Columns
    out = io.BytesIO()
    tiled.save_as(out)
    with pytest.raises(ImageProblem, match="is made of tiles of a whole slide"):
        list(read_segmentation(FileRef.of_bytes(out.getvalue(), "tiled.dcm"), ct))
