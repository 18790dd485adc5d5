"""Files that are not what their names say, or made to break a reader: one clear error of our own."""

from __future__ import annotations

import gzip
import io
import logging
import os
import re
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Picture

import caseferry as cf
from caseferry.errors import CaseferryError
from caseferry.files import FileProblem
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.reading import find_images
from oracles import PYDICOM, affine_of, memory_below, ramp, write_series, write_slice

if TYPE_CHECKING:
    from pathlib import Path

CT = (PYDICOM / "CT_small.dcm").read_bytes()
NIFTI = nib.Nifti1Image(ramp(5, 4, 3), np.eye(4)).to_bytes()


def zipped(name: str, content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return out.getvalue()


NOT_WHAT_THEY_SAY = [
    (b"", r"is empty"),
    (b"<!DOCTYPE html><title>Sign in</title>", r"is a web page, perhaps a login page saved by an expired link"),
    (b"  \n<html>", r"is a web page"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", r"is an XML document, perhaps an object"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", r"is a Git LFS pointer, not the data; run"),
    (zipped("a.dcm", bytes(20 << 20)), r"is a zip archive; unpack it first"),
    (gzip.compress(CT), r"is gzipped, and what is inside is not NIfTI; unpack it first"),
    (gzip.compress(bytes(20 << 20)), r"is gzipped, and what is inside is not NIfTI; unpack it first"),
    (b"\x1f\x8b" + bytes(50), r"is gzipped, and what is inside is not NIfTI"),
    ((PYDICOM / "ExplVR_LitEndNoMeta.dcm").read_bytes(), r"looks like DICOM without the 'DICM' prefix; write it again"),
    (b"patient,age\n", r"is of no kind that can be read"),
    (bytes(1000), r"is of no kind that can be read"),
    (bytes(128) + b"DICM", r"is (DICOM without an image|a damaged DICOM file)"),
    (CT[:200], r"is (DICOM without an image|a damaged DICOM file)"),
    (CT[:-1000], r"declares 32768 bytes of pixels and holds 31906; the file is cut short: fetch it again"),
    (CT[:4000], r"(is a damaged DICOM file|is DICOM without an image|ends before its pixels)"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), NOT_WHAT_THEY_SAY)
@pytest.mark.parametrize("name", ["a.dcm", "a.nii.gz"])
def test_what_a_file_is_counts_not_its_name(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with memory_below(4 << 20), pytest.raises(ImageProblem, match=rf"^{re.escape(name)} {message}"):
        cf.Image("x", tmp_path / name).header  # noqa: B018  reading is the test


def test_good_files_under_wrong_names_are_read(tmp_path: Path) -> None:
    for name, content in (("a.nii", gzip.compress(NIFTI)), ("a.nii.gz", NIFTI), ("b.nii.gz", CT), ("c", NIFTI)):
        (tmp_path / name).write_bytes(content)
        assert cf.Image("x", tmp_path / name).voxels().any()


def claiming(**values: Any) -> bytes:
    """A CT slice whose header claims other things than the pixels hold."""
    dataset = pydicom.dcmread(PYDICOM / "CT_small.dcm")
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


PIXELS = b"\xe0\x7f\x10\x00OW\0\0"
HUGE = CT.replace(PIXELS + struct.pack("<I", 32768), PIXELS + struct.pack("<I", 2147483632))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (HUGE, r"declares 2147483632 bytes of pixels and holds 32906; the file is cut short: fetch it again"),
        (claiming(Rows=65535, Columns=65535), r"has 32768 bytes of pixels where its header promises 8589672450"),
        (claiming(NumberOfFrames="2000000000"), r"has 32768 bytes of pixels where its header promises"),
        (claiming(PixelSpacing="1"), r"has no usable PixelSpacing: 2 numbers are expected"),
        (claiming(ImagePositionPatient=[1, 2]), r"has no usable ImagePositionPatient: 3 numbers are expected"),
        (claiming(ImageOrientationPatient=[0] * 6), r"has no usable ImageOrientationPatient"),
        (claiming(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), r"has no usable ImageOrientationPatient"),
        (claiming(Rows=0), r"has no pixels: 0 rows of 128 columns"),
    ],
)
def test_dicom_that_claims_what_cannot_be(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.dcm").write_bytes(content)
    with memory_below(4 << 20), pytest.raises(ImageProblem, match=rf"a\.dcm {message}"):
        cf.Image("x", tmp_path / "a.dcm").header  # noqa: B018  reading is the test


HOSTILE = [
    "ExplVR_BigEndNoMeta.dcm", "UN_sequence.dcm", "badVR.dcm", "empty_charset_LEI.dcm", "meta_missing_tsyntax.dcm",
    "nested_priv_SQ.dcm", "no_meta.dcm", "no_meta_group_length.dcm", "priv_SQ.dcm", "rtplan_truncated.dcm",
    "rtstruct.dcm", "MR_truncated.dcm", "waveform_ecg.dcm",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_files_of_pydicom_without_a_sound_image_are_refused_by_name(name: str) -> None:
    with pytest.raises(ImageProblem, match=re.escape(name)):
        cf.Image("x", PYDICOM / name).header  # noqa: B018  reading is the test


@pytest.mark.parametrize("name", ["JPEG2000-embedded-sequence-delimiter.dcm", "JPEG-lossy.dcm"])
def test_pixels_that_no_decoder_reads_name_the_file_and_the_compression(name: str) -> None:
    with pytest.raises((ImageProblem, cf.MissingDependency), match=rf"{re.escape(name)}.*JPEG"):
        cf.Image("x", PYDICOM / name).voxels()


def test_folders_links_and_what_is_not_there(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "it is a folder; give the files that are in it"),
        (tmp_path / "nothing.dcm", "No such file"),
    ):
        with pytest.raises(FileProblem, match=message):
            cf.Image("x", path).header  # noqa: B018  reading is the test
    (tmp_path / "loop.dcm").symlink_to(tmp_path / "loop.dcm")
    with pytest.raises(FileProblem, match=r"loop\.dcm' cannot be opened"):
        cf.Image("x", tmp_path / "loop.dcm").header  # noqa: B018  reading is the test
    assert find_images(tmp_path) == ([], [])


def test_a_pipe_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.dcm")
    assert find_images(tmp_path) == ([], [])


def test_an_index_of_a_folder_is_no_image(tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    fileset = FileSet()
    fileset.add(PYDICOM / "CT_small.dcm")
    fileset.write(tmp_path)
    fileset._stage["t"].cleanup()  # else Python says of pydicom that it does not
    images, others = find_images(tmp_path)
    assert [ref.name for files in images for ref in files] != ["DICOMDIR"]
    assert len(images) == 1
    assert [ref.name for ref in others] == ["DICOMDIR"]
    with pytest.raises(ImageProblem, match=r"^DICOMDIR is DICOM without an image \(Media Storage Directory Storage\)"):
        cf.Image("x", tmp_path / "DICOMDIR").header  # noqa: B018  reading is the test


@pytest.mark.parametrize(
    "keyword",
    [
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "StudyTime",
        "SeriesInstanceUID",
        "SpecificCharacterSet",
        "InstanceNumber",
        "NumberOfFrames",
        "RescaleSlope",
        "PixelSpacing",
    ],
)
def test_neither_a_message_nor_a_warning_nor_a_log_tells_who_it_is(
    tmp_path: Path, keyword: str, caplog: pytest.LogCaptureFixture
) -> None:
    affine = affine_of(np.eye(3), (1, 1, 1), (0, 0, 0))
    value = [77777777, 77777777] if keyword == "PixelSpacing" else "77777777"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of what is written here on purpose
        paths = write_series(tmp_path, ramp(4, 3, 2), affine, **{keyword: value})
    for path in paths:
        content = path.read_bytes()
        assert b"77777777" in content
        path.write_bytes(content.replace(b"77777777", b"WILHELMI"))
    paths.append(write_slice(tmp_path / "a", ramp(4, 3), affine))
    text = ""
    with warnings.catch_warnings(record=True) as caught, caplog.at_level(logging.DEBUG):
        warnings.simplefilter("always")
        for files in (paths, paths[:2]):
            try:
                list(cf.Image("x", files).planes())
            except CaseferryError as error:
                text += f"{error} {error!r}"
    said = text + caplog.text + " ".join(str(warning.message) for warning in caught)
    assert not re.search("wilhelmi", said, re.IGNORECASE)


def test_no_log_of_pillow_tells_what_a_picture_says(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    exif = Picture.Exif()
    exif[0x010E] = "Wilhelmina"
    Picture.fromarray(ramp(9, 9, dtype=np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    Picture.fromarray(ramp(9, 9, dtype=np.uint8)).save(tmp_path / "a.tif", description="Wilhelmina")
    with caplog.at_level(logging.DEBUG):
        caplog.clear()  # of what was written
        for name in ("a.jpg", "a.tif"):
            image = cf.Image("x", tmp_path / name)
            assert image.header.identifying == ("EXIF ImageDescription",)
            list(image.planes())
    assert "Wilhelmina" not in caplog.text


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Picture.fromarray(ramp(9, 9, dtype=np.uint8)).save(out, kind)
    return out.getvalue()


SEEDS = [
    (PYDICOM / "MR_small_RLE.dcm").read_bytes(),
    (PYDICOM / "rtdose.dcm").read_bytes(),
    (PYDICOM / "SC_rgb_small_odd.dcm").read_bytes(),
    NIFTI,
    gzip.compress(NIFTI, mtime=0),
    nib.Nifti2Image(ramp(5, 4, 3), np.eye(4)).to_bytes(),
    b"ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nTransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 1 2 3\n"
    b"ElementSpacing = 1 2 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n" + ramp(5, 4, 3).tobytes(),
    b"NRRD0004\ntype: short\ndimension: 3\nspace: LPS\nsizes: 5 4 3\nspace directions: (1,0,0) (0,1,0) (0,0,1)\n"
    b"space origin: (0,0,0)\nendian: little\nencoding: raw\n\n" + ramp(5, 4, 3).tobytes(),
    picture("PNG"),
    picture("JPEG"),
    picture("TIFF"),
]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(st.tuples(st.integers(0, 1500), st.sampled_from([0, 1, 32, 45, 57, 127, 128, 255])), max_size=6),
    kept=st.floats(0.1, 1) | st.just(1.0),
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_broken_ends_in_an_error_of_our_own(scratch: Path, seed: bytes, changes: Any, kept: float) -> None:
    content = bytearray(seed)
    for place, value in changes:
        if place < len(content):
            content[place] = value
    path = scratch / "a"
    path.write_bytes(content[: int(len(content) * kept)])
    try:
        image = cf.Image("x", path)
        assert image.geometry is not None
        if image.geometry.planes * image.geometry.shape[0] * image.geometry.shape[1] < 1 << 22:
            assert sum(1 for _ in image.planes()) == image.geometry.planes
    except CaseferryError:
        pass
