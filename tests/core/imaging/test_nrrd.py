"""NRRD: what SimpleITK writes is read, and hand-made headers of every kind are read as SimpleITK reads them."""

from __future__ import annotations

import bz2
import gzip
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  as its own documentation does

import caseferry as cf
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.reading import find_images
from oracles import affine_of, equal_to_itk, ramp, rotation, to_itk

if TYPE_CHECKING:
    from pathlib import Path

TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
OBLIQUE = affine_of(rotation(10, -25, 40), (0.5, 0.75, 2.5), (-10.5, 20.25, 33.0))


def equal(paths: Any) -> cf.Image:
    """An image, proved to be what SimpleITK reads."""
    image = equal_to_itk(paths)
    assert image.kind is Kind.NRRD
    return image


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_type_plain_and_compressed(tmp_path: Path, dtype: str, compressed: bool) -> None:
    sitk.WriteImage(to_itk(ramp(5, 4, 3, dtype=dtype), OBLIQUE), str(tmp_path / "a.nrrd"), compressed)
    equal(tmp_path / "a.nrrd")


@pytest.mark.parametrize("compressed", [False, True])
def test_data_in_a_file_of_its_own(tmp_path: Path, compressed: bool) -> None:
    sitk.WriteImage(to_itk(ramp(5, 4, 3), OBLIQUE), str(tmp_path / "a.nhdr"), compressed)
    images, others = find_images(tmp_path)
    assert ([len(files) for files in images], others) == ([2], [])
    equal([ref.path for ref in images[0]])


def test_two_dimensions_and_colours(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(ramp(4, 5)), str(tmp_path / "flat.nrrd"))
    assert equal(tmp_path / "flat.nrrd").voxels().shape == (5, 4, 1)
    colours = sitk.GetImageFromArray(ramp(3, 4, 5, 3, dtype=np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "rgb.nrrd"))
    assert equal(tmp_path / "rgb.nrrd").voxels().shape == (5, 4, 3, 3)


def made(content: bytes = ramp(3, 4, 5).tobytes(), **changes: str | None) -> bytes:
    """An NRRD file of 5 x 4 x 3 values with other header fields; ``_`` stands for a space, None leaves one out."""
    fields = {
        "type": "short",
        "dimension": "3",
        "space_dimension": None,
        "space": "left-posterior-superior",
        "sizes": "5 4 3",
        "space_directions": "(0,0.5,0) (-0.75,0,0) (0,0,2.5)",
        "space_origin": "(1,2,3)",
        "endian": "little",
        "encoding": "raw",
    } | changes
    lines = [f"{key.replace('_', ' ')}: {value}" for key, value in fields.items() if value is not None]
    return "\n".join(["NRRD0005", "# a comment", *lines, "key:=value", "", ""]).encode() + content


RAW = ramp(3, 4, 5, dtype="<i2").tobytes()
GOOD = [
    made(space="right-anterior-superior"),
    made(space="RAS"),
    made(space="left-anterior-superior"),
    made(space="LAS"),
    made(space="scanner-xyz"),
    made(space=None, space_dimension="3"),
    made(space_origin=None),
    made(space=None, space_directions=None, space_origin=None, spacings="0.5 0.75 2.5"),
    made(ramp(3, 4, 5, dtype=">i2").tobytes(), endian="big"),
    made(gzip.compress(RAW), encoding="gzip"),
    made(gzip.compress(RAW), encoding="gz"),
    made(b" ".join(b"%d" % value for value in range(60)), encoding="ascii", endian=None),
    made(b"first\nsecond\n" + RAW, line_skip="2"),
    made(b"xyz" + RAW, byte_skip="3"),
    made(b"any number" + RAW, byte_skip="-1"),
    made(gzip.compress(b"xyz" + RAW), encoding="gzip", byte_skip="3"),
    made(RAW, type="signed short int", kinds="domain domain domain"),
]


@pytest.mark.parametrize("content", GOOD)
def test_headers_of_every_kind(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nrrd").write_bytes(content)
    equal(tmp_path / "a.nrrd")


def test_bzip2_which_simpleitk_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_bytes(made(bz2.compress(RAW), encoding="bzip2"))
    np.testing.assert_array_equal(cf.Image("x", tmp_path / "a.nrrd").voxels(), ramp(3, 4, 5).T)


def test_colours_without_directions_are_no_columns(tmp_path: Path) -> None:
    content = made(
        ramp(4, 5, 3, dtype=np.uint8).tobytes(), type="uchar", sizes="3 5 4", kinds="RGB-color domain domain",
        space=None, space_directions=None, space_origin=None,
    )  # fmt: skip
    (tmp_path / "a.nrrd").write_bytes(content)
    assert equal(tmp_path / "a.nrrd").voxels().shape == (5, 4, 1, 3)


def test_points_in_time_are_frames(tmp_path: Path) -> None:
    directions = "(0,0.5,0) (-0.75,0,0) (0,0,2.5) none"
    content = made(ramp(2, 3, 4, 5).tobytes(), dimension="4", sizes="5 4 3 2", space_directions=directions)
    (tmp_path / "a.nrrd").write_bytes(content)
    image = cf.Image("x", tmp_path / "a.nrrd")
    assert image.geometry is not None
    assert (image.geometry.shape, image.geometry.frames) == ((5, 4, 3), 2)
    np.testing.assert_array_equal(image.voxels(), ramp(2, 3, 4, 5).transpose(3, 2, 1, 0))


BAD = [
    (made(sizes="5 4 -3"), r"has sizes '5 4 -3', which are not those of an image"),
    (made(sizes="5 4"), r"has 3 space directions for 2 axes"),
    (made(sizes="1024 1024 1024"), r"ends early: it holds 120 bytes where its header promises 2147483648"),
    (made(gzip.compress(RAW), encoding="gzip", sizes="1024 1024 1024"), r"promises 2147483648 bytes, more than"),
    (made(gzip.compress(RAW)[:-9], encoding="gzip"), r"ends early"),
    (made(RAW[:-1]), r"ends early: it holds 119 bytes where its header promises 120"),
    (made(type="block"), r"has the unknown type 'block'"),
    (made(encoding="hex"), r"has the unknown encoding 'hex'"),
    (made(space_directions="(1,0,0) (x,1,0) (0,0,1)"), r"has space directions .* where vectors of 2 or 3 numbers"),
    (made(space_directions="(nan,0,0) (0,1,0) (0,0,1)"), r"where vectors of 2 or 3 numbers"),
    (made(space_directions="(1,0,0) (1,0,0) (0,0,1)"), r"the affine has no inverse"),
    (made(space_directions="(1,0,0,0) (0,1,0,0) (0,0,1,0)"), r"without an axis of time in its space"),
    (made(space_directions="(1,0,0) (0,1) (0,0,1)"), r"where vectors of 2 or 3 numbers"),
    (made(space_directions=None, space_origin=None, spacings="1 0 1"), r"has spacings '1 0 1' where positive numbers"),
    (made(byte_skip="many"), r"has byte skip 'many'"),
    (made(data_file="/etc/passwd"), r"keeps its data in '/etc/passwd', which is not among the image's files \[\]"),
    (made(data_file="LIST"), r"keeps its data in 'LIST'"),
    (b"NRRD0004\ntype: short\n", r"has an NRRD header that does not end"),
    (b"NRRD1004\ntype: short\n\n", r"is NRRD of an unknown version"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_what_cannot_be_right_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.nrrd").write_bytes(content)
    with pytest.raises(ImageProblem, match=rf"^a\.nrrd .*{message}"):
        cf.Image("x", tmp_path / "a.nrrd").header  # noqa: B018  reading is the test


def test_damaged_compressed_data_shows_when_they_are_read(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 9, (20, 20, 20)).astype(np.int16)
    sitk.WriteImage(to_itk(noise, OBLIQUE), str(tmp_path / "a.nrrd"), True)
    content = bytearray((tmp_path / "a.nrrd").read_bytes())
    content[-100] ^= 255
    (tmp_path / "a.nrrd").write_bytes(content)
    with pytest.raises(ImageProblem, match=r"a\.nrrd has damaged data"):
        cf.Image("x", tmp_path / "a.nrrd").voxels()
