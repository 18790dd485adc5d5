"""Uncompressed DICOM pixels read from where they lie, against pydicom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit

import caseferry as cf
from caseferry.files import FileProblem
from caseferry.imaging.dicom_file import read_view, transfer_syntax
from caseferry.imaging.dicom_native import Native, native
from caseferry.imaging.dicom_view import View
from oracles import PYDICOM, memory_below, ramp, write_slice

if TYPE_CHECKING:
    from pathlib import Path


def lying(path: Path) -> Native | None:
    view, place = read_view(cf.FileRef.of(path))
    return native(view, transfer_syntax(view.dataset), place)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_implicit.dcm",
        "MR_small_padded.dcm",
        "examples_overlay.dcm",  # 12 bits of 16
        "rtdose.dcm",  # 15 frames of 32 bits
        "rtdose_1frame.dcm",
    ],
)
def test_what_lies_in_a_file_is_what_pydicom_decodes(name: str) -> None:
    found, whole = lying(PYDICOM / name), pydicom.dcmread(PYDICOM / name)
    assert found is not None
    for number in range(int(whole.get("NumberOfFrames") or 1)):
        values, expected = found.frame(cf.FileRef.of(PYDICOM / name), number), pixel_array(whole, index=number)
        assert values is not None
        assert values.dtype == expected.dtype
        np.testing.assert_array_equal(values, expected)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
@pytest.mark.parametrize("unused", [0, 3])
def test_values_of_every_width_are_those_of_pydicom(tmp_path: Path, dtype: str, unused: int) -> None:
    info = np.iinfo(dtype)
    plane = np.array([[info.min, info.max, 0], [1, info.max // 3, 77]], dtype)
    path = write_slice(tmp_path / "a.dcm", plane, np.eye(4), BitsStored=info.bits - unused)
    found = lying(path)
    assert found is not None
    np.testing.assert_array_equal(found.frame(cf.FileRef.of(path), 0), pydicom.dcmread(path).pixel_array)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "attributes",
    [
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PlanarConfiguration": 0, "Columns": 2},
        {"BitsAllocated": 1, "BitsStored": 1},
        {"BitsStored": None},
        {"PixelRepresentation": None},
    ],
    ids=str,
)
def test_what_leaves_a_choice_is_left_to_pydicom(tmp_path: Path, attributes: dict[str, object]) -> None:
    path = write_slice(tmp_path / "a.dcm", ramp(6, 4), np.eye(4))
    view, place = read_view(cf.FileRef.of(path))
    assert native(view, ExplicitVRLittleEndian, place) is not None
    for keyword, value in attributes.items():
        setattr(view.dataset, keyword, value)
    assert native(View(view.dataset), ExplicitVRLittleEndian, place) is None


@pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, JPEGBaseline8Bit])
def test_other_transfer_syntaxes_are_left_to_pydicom(tmp_path: Path, syntax: str) -> None:
    view, place = read_view(cf.FileRef.of(write_slice(tmp_path / "a.dcm", ramp(6, 4), np.eye(4))))
    assert native(view, syntax, place) is None


def test_a_file_that_was_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", ramp(5, 4), np.eye(4))
    image = cf.Image("ct", path)
    assert image.header.dtype == "int16"
    write_slice(tmp_path / "b.dcm", ramp(5, 4) + 7, np.eye(4), StudyDescription="longer than before")
    (tmp_path / "b.dcm").replace(path)
    np.testing.assert_array_equal(image.voxels()[:, :, 0], ramp(5, 4) + 7)


def test_a_file_that_is_gone_is_told_by_its_name(tmp_path: Path) -> None:
    path = write_slice(tmp_path / "a.dcm", ramp(5, 4), np.eye(4))
    image = cf.Image("ct", path)
    assert image.header.dtype == "int16"
    path.unlink()
    with pytest.raises(FileProblem, match=r"a\.dcm' cannot be opened: No such file"):
        image.voxels()


def test_frames_are_read_one_at_a_time(tmp_path: Path) -> None:
    frames = ramp(64, 256, 256)
    path = write_slice(tmp_path / "a.dcm", frames[0].T, np.eye(4), NumberOfFrames=64)
    dataset = pydicom.dcmread(path)
    dataset.PixelData = frames.tobytes()
    dataset.save_as(path)
    image = cf.Image("ct", path)
    assert image.geometry is not None
    with memory_below(1 << 20):
        for number, plane in enumerate(image.planes()):
            np.testing.assert_array_equal(plane, frames[number])
    assert number == 63
