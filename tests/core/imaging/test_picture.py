"""PNG, JPEG and TIFF: sizes, modes and pixels, against SimpleITK; whole slides; what is cut short or too large."""

from __future__ import annotations

import io
import struct
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture

import caseferry as cf
from caseferry.geometry import Geometry
from caseferry.imaging.convert import write_png
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from oracles import itk, ramp

if TYPE_CHECKING:
    from pathlib import Path

GREY = ramp(5, 7, dtype=np.uint8)
RGB = np.stack([GREY, GREY + 50, 255 - GREY], axis=-1)
RGBA = np.concatenate([RGB, GREY[..., np.newaxis]], axis=-1)
PIXELS = [
    pytest.param(GREY, id="grey"),
    pytest.param(GREY.astype(np.uint16) * 999, id="grey16"),
    pytest.param(RGB, id="rgb"),
    pytest.param(RGBA, id="rgba"),
]


@pytest.mark.parametrize("pixels", PIXELS)
@pytest.mark.parametrize("extension", ["png", "tif"])
def test_pixels_are_those_simpleitk_sees(tmp_path: Path, pixels: np.ndarray, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    Picture.fromarray(pixels).save(path)
    image = cf.Image("x", path)
    assert image.kind is Kind.PICTURE
    assert image.modality is None
    assert image.geometry == Geometry((7, 5, 1), np.eye(4), 1, "pixel")
    voxels = image.voxels()
    assert voxels.dtype == image.dtype == pixels.dtype
    np.testing.assert_array_equal(voxels[:, :, 0], pixels.swapaxes(0, 1))
    np.testing.assert_array_equal(voxels, itk(path).voxels)


def test_a_grey_jpeg_and_a_coloured_one(tmp_path: Path) -> None:
    for name, pixels in (("grey", GREY), ("rgb", RGB)):
        path = tmp_path / f"{name}.jpg"
        Picture.fromarray(pixels).save(path, quality=95)
        np.testing.assert_allclose(cf.Image("x", path).voxels().astype(int), itk(path).voxels.astype(int), atol=5)


@pytest.mark.parametrize(("mode", "channels"), [("1", 1), ("P", 3), ("LA", 4), ("CMYK", 3), ("YCbCr", 3)])
def test_other_modes_become_grey_or_colours(tmp_path: Path, mode: str, channels: int) -> None:
    path = tmp_path / "a.tif"
    converted = Picture.fromarray(RGB).convert(mode)
    converted.save(path)
    voxels = cf.Image("x", path).voxels()
    assert voxels.shape == ((7, 5, 1) if channels == 1 else (7, 5, 1, channels))
    expected = np.asarray(converted.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels])).swapaxes(0, 1)
    np.testing.assert_allclose(voxels[:, :, 0].astype(int), expected.astype(int), atol=1)


def test_pages_are_frames(tmp_path: Path) -> None:
    pages = [Picture.fromarray(GREY + n) for n in (0, 10, 20)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    image = cf.Image("x", tmp_path / "a.tif")
    assert image.geometry is not None
    assert (image.geometry.shape, image.geometry.frames) == ((7, 5, 1), 3)
    np.testing.assert_array_equal(image.voxels()[:, :, 0, 2], (GREY + 20).T)


def test_an_exif_orientation_turns_nothing(tmp_path: Path) -> None:
    exif = Picture.Exif()
    exif[274] = 6
    Picture.fromarray(RGB).save(tmp_path / "a.jpg", exif=exif)
    image = cf.Image("x", tmp_path / "a.jpg")
    assert image.geometry is not None
    assert image.geometry.shape == image.voxels().shape[:3] == (7, 5, 1)


@pytest.mark.parametrize("pixels", PIXELS)
def test_what_is_written_is_read_by_simpleitk(tmp_path: Path, pixels: np.ndarray) -> None:
    with (tmp_path / "a.png").open("wb") as out:
        write_png(out, iter([pixels]), pixels.dtype.name, pixels.shape[2] if pixels.ndim > 2 else 1)
    np.testing.assert_array_equal(itk(tmp_path / "a.png").voxels[:, :, 0], pixels.swapaxes(0, 1))


def tiled() -> bytes:
    """A TIFF of one tile of 16 x 16 grey pixels."""
    tags = [(256, 16), (257, 16), (258, 8), (259, 1), (262, 1), (277, 1), (322, 16), (323, 16), (324, 200), (325, 256)]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return (struct.pack("<2sHI", b"II", 42, 8) + directory + bytes(4)).ljust(200, b"\0") + bytes(256)


def test_a_tiled_tiff_is_a_whole_slide(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiled())
    image = cf.Image("x", tmp_path / "a.tif")
    assert image.kind is Kind.WSI
    assert image.geometry is not None
    assert image.geometry.shape == (16, 16, 1)
    with pytest.raises(ImageProblem, match=r"a\.tif is a whole slide, whose pixels are not read"):
        image.voxels()


def stored(pixels: np.ndarray, kind: str) -> bytes:
    out = io.BytesIO()
    Picture.fromarray(pixels).save(out, kind)
    return out.getvalue()


def huge(width: int, height: int) -> bytes:
    """A PNG that claims to be large."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


NOISE = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (stored(NOISE, "PNG")[:-2000], r"is a damaged picture .*; fetch it again"),
        (stored(NOISE, "JPEG")[:-2000], r"is a damaged picture .*; fetch it again"),
        (stored(NOISE, "PNG")[:20], r"(is damaged|is a damaged picture)"),
        (huge(20000, 20000), r"claims so many pixels that it is taken for a decompression bomb"),
        (huge(15000, 15000), r"has 15000 x 15000 pixels; at most 200,000,000 are opened|decompression bomb"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), r"(is damaged|is a damaged picture)"),
        (b"\xff\xd8\xff" + bytes(50), r"(is damaged|is a damaged picture)"),
        (b"II*\0" + bytes(50), r"(is damaged|is a damaged picture)"),
    ],
)
def test_what_is_cut_short_or_too_large_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ImageProblem, match=rf"^a\.png {message}"):
        cf.Image("x", tmp_path / "a.png").header  # noqa: B018  reading is the test


def test_more_behind_a_whole_picture_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(stored(NOISE, "JPEG") + b"a thumbnail")
    assert cf.Image("x", tmp_path / "a.jpg").voxels().shape == (64, 64, 1, 3)


def test_several_pictures_are_no_image(tmp_path: Path) -> None:
    paths: list[Any] = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        path.write_bytes(stored(GREY, "PNG"))
    with pytest.raises(ImageProblem, match="a picture is one file, not 2; give each picture as an image of its own"):
        cf.Image("x", paths).header  # noqa: B018  reading is the test
