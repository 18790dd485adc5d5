"""MetaImage: what SimpleITK writes is read, and what is written is read by SimpleITK."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  as its own documentation does
from hypothesis import given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.geometry import Geometry
from caseferry.imaging.convert import metaimage_size, planes_of, write_metaimage
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.reading import find_images
from oracles import affine_of, equal_to_itk, itk, memory_below, ramp, rotation, to_itk

if TYPE_CHECKING:
    from pathlib import Path

OBLIQUE = affine_of(rotation(10, -25, 40), (0.5, 0.75, 2.5), (-10.5, 20.25, 33.0))
TYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]


def equal(paths: Any) -> cf.Image:
    """An image, proved to be what SimpleITK reads."""
    image = equal_to_itk(paths)
    assert image.kind is Kind.METAIMAGE
    return image


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("compressed", [False, True])
def test_every_type_plain_and_compressed(tmp_path: Path, dtype: str, compressed: bool) -> None:
    sitk.WriteImage(to_itk(ramp(5, 4, 3, dtype=dtype), OBLIQUE), str(tmp_path / "a.mha"), compressed)
    equal(tmp_path / "a.mha")


@pytest.mark.parametrize("compressed", [False, True])
def test_data_in_a_file_of_its_own(tmp_path: Path, compressed: bool) -> None:
    sitk.WriteImage(to_itk(ramp(5, 4, 3), OBLIQUE), str(tmp_path / "a.mhd"), compressed)
    (tmp_path / "b.raw").write_bytes(b"another's")
    images, others = find_images(tmp_path)
    assert [len(files) for files in images] == [2]
    assert [ref.name for ref in others] == ["b.raw"]
    equal([ref.path for ref in images[0]])


def test_two_and_four_dimensions_and_colours(tmp_path: Path) -> None:
    flat = sitk.GetImageFromArray(ramp(4, 5))
    flat.SetSpacing([0.5, 0.75])
    flat.SetOrigin([7, -8])
    sitk.WriteImage(flat, str(tmp_path / "flat.mha"))
    assert equal(tmp_path / "flat.mha").voxels().shape == (5, 4, 1)
    sitk.WriteImage(sitk.JoinSeries([to_itk(ramp(5, 4, 3) + n, OBLIQUE) for n in (0, 100)]), str(tmp_path / "time.mha"))
    assert equal(tmp_path / "time.mha").voxels().shape == (5, 4, 3, 2)
    colours = sitk.GetImageFromArray(ramp(3, 4, 5, 3, dtype=np.uint8), isVector=True)
    sitk.WriteImage(colours, str(tmp_path / "rgb.mha"))
    assert equal(tmp_path / "rgb.mha").voxels().shape == (5, 4, 3, 3)


HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
ElementByteOrderMSB = {msb}
TransformMatrix = 0 1 0 -1 0 0 0 0 1
Position = 1 2 3
ElementSize = 0.5 0.75 2.5
{more}DimSize = 5 4 3
ElementType = MET_SHORT
ElementDataFile = {file}
"""


@pytest.mark.parametrize("msb", ["True", "False"])
def test_older_spellings_and_byte_orders(tmp_path: Path, msb: str) -> None:
    voxels = ramp(3, 4, 5, dtype=">i2" if msb == "True" else "<i2")
    (tmp_path / "a.mha").write_bytes(HEADER.format(msb=msb, more="", file="LOCAL").encode() + voxels.tobytes())
    equal(tmp_path / "a.mha")


@pytest.mark.parametrize(("size", "before"), [("7", 7), ("-1", 11), ("0", 0)])
def test_bytes_before_the_voxels_are_skipped(tmp_path: Path, size: str, before: int) -> None:
    text = HEADER.format(msb="False", more=f"HeaderSize = {size}\n", file="./a.raw")
    (tmp_path / "a.mhd").write_text(text)
    (tmp_path / "a.raw").write_bytes(b"x" * before + ramp(3, 4, 5, dtype="<i2").tobytes())
    equal([tmp_path / "a.mhd", tmp_path / "a.raw"])


GRIDS = st.builds(
    lambda angles, spacing, origin, shape, frames: Geometry(
        shape, affine_of(rotation(*angles), spacing, origin), frames
    ),
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(0.05, 20)] * 3),
    st.tuples(*[st.floats(-500, 500)] * 3),
    st.tuples(*[st.integers(2, 6)] * 3),
    st.integers(1, 3),
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("metaimage")


@given(grid=GRIDS, dtype=st.sampled_from(TYPES), channels=st.sampled_from([1, 3]))
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read_by_simpleitk(scratch: Path, grid: Geometry, dtype: str, channels: int) -> None:
    path = scratch / "a.mha"
    shape = (*grid.shape, grid.frames) if grid.frames > 1 else grid.shape
    voxels = ramp(*shape, dtype=dtype)
    planes: Any = planes_of(voxels)
    if channels == 3:
        voxels = np.stack([voxels, voxels + 1, voxels + 2], axis=-1)
        planes = (np.stack([plane, plane + 1, plane + 2], axis=-1) for plane in planes)
    with path.open("wb") as out:
        write_metaimage(out, planes, grid, dtype, channels=channels)
    assert path.stat().st_size == metaimage_size(grid, dtype, channels)
    seen = itk(path)
    np.testing.assert_allclose(seen.affine, grid.affine, atol=1e-6)
    assert seen.voxels.dtype == dtype
    np.testing.assert_array_equal(seen.voxels, voxels)
    back = equal(path).geometry
    assert back is not None
    assert back.same_grid(grid)


def made(more: str = "", data: bytes = ramp(3, 4, 5).tobytes(), **changes: str) -> bytes:
    """A MetaImage file with other header lines."""
    lines = HEADER.format(msb="False", more=more, file="LOCAL").splitlines()
    changed = {line.partition(" = ")[0]: line for line in lines} | {k: f"{k} = {v}" for k, v in changes.items()}
    last = changed.pop("ElementDataFile")
    return "\n".join([*changed.values(), last, ""]).encode() + data


BAD = [
    (made(ElementSize="-1 0 nan"), r"has ElementSpacing = '-1 0 nan' where 3 numbers"),
    (made(ElementSize="0 1 1"), r"the affine has no inverse"),
    (made(ElementSize="1 1"), r"has ElementSpacing = '1 1' where 3 numbers"),
    (made(DimSize="5 -4 3"), r"has DimSize = '5 -4 3', which is not the size of an image"),
    (made(DimSize="5 4"), r"has DimSize = '5 4'"),
    (made(DimSize="1024 1024 1024"), r"ends early: it holds 120 bytes where its header promises 2147483648"),
    (made(DimSize="99999 99999 99999", CompressedData="True"), r"ends early"),
    (made(ElementType="MET_PHOTON"), r"has the unknown ElementType 'MET_PHOTON'"),
    (made(ElementNumberOfChannels="7"), r"has 7 channels; 1, 3 and 4 can be moved"),
    (made(BinaryData="False"), r"holds its voxels as text"),
    (made(TransformMatrix="1 0 0 1 0 0 0 0 1"), r"the affine has no inverse"),
    (made(HeaderSize="many"), r"HeaderSize = 'many'"),
    (
        made(ElementDataFile="/etc/passwd"),
        r"keeps its data in '/etc/passwd', which is not among the image's",
    ),
    (made(ElementDataFile="../../secret.raw"), r"keeps its data in '\.\./\.\./secret\.raw'"),
    (made(ElementDataFile="LIST"), r"keeps its data in a list of files"),
    (made(ElementDataFile="a%03d.raw 1 3 1"), r"keeps its data in (a list of files|'a%03d)"),
    (made(data=b"x" * 119), r"ends early: it holds 119 bytes where its header promises 120; the file is cut short"),
    (b"ObjectType = Image\nNDims = 3\n", r"has a MetaImage header without ElementDataFile"),
    (b"ObjectType = Image\n" + b"Comment = x\n" * 200_000, r"has a MetaImage header without ElementDataFile"),
]


@pytest.mark.parametrize(("content", "message"), BAD)
def test_what_cannot_be_right_is_refused_without_a_try(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.mha").write_bytes(content)
    with memory_below(4 << 20), pytest.raises(ImageProblem, match=message):
        cf.Image("x", tmp_path / "a.mha").header  # noqa: B018  reading is the test


@pytest.mark.parametrize("spoil", [lambda b: b[: len(b) // 2], lambda b: b[:-20] + bytes([b[-20] ^ 255]) + b[-19:]])
def test_damaged_compressed_data_shows_when_they_are_read(tmp_path: Path, spoil: Any) -> None:
    noise = np.random.default_rng(1).integers(0, 9, (20, 20, 20)).astype(np.int16)
    sitk.WriteImage(to_itk(noise, OBLIQUE), str(tmp_path / "a.mha"), True)
    (tmp_path / "a.mha").write_bytes(spoil((tmp_path / "a.mha").read_bytes()))
    with pytest.raises(ImageProblem, match=r"a\.mha (ends in plane|has damaged compressed data|is damaged)"):
        cf.Image("x", tmp_path / "a.mha").voxels()


def test_a_small_file_that_unpacks_to_much_gives_its_planes_one_by_one(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.Image([1000, 1000, 60], sitk.sitkUInt8), str(tmp_path / "a.mha"), True)
    with memory_below(8 << 20):
        assert sum(1 for _ in cf.Image("x", tmp_path / "a.mha").planes()) == 60
