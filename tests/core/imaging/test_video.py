"""Video: what PyAV writes is read back, and what is cut short is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, frames: int = 7, rate: int = 25, options: dict[str, str] | None = None) -> Path:
    """A grey video that grows brighter, 48 x 32."""
    with av.open(path, "w", options=options or {}) as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
        for number in range(frames):
            picture = np.full((32, 48, 3), 30 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
@pytest.mark.parametrize("extension", ["mp4", "mov"])
def test_size_frames_and_rate(tmp_path: Path, options: dict[str, str], extension: str) -> None:
    image = cf.Image("x", written(tmp_path / f"a.{extension}", options=options))
    assert image.kind is Kind.VIDEO
    assert image.geometry is not None
    assert (image.geometry.shape, image.geometry.frames, image.geometry.space) == ((48, 32, 1), 7, "pixel")
    assert image.header.details["fps"] == pytest.approx(25)
    assert image.header.details["audio"] is False
    voxels = image.voxels()
    assert voxels.shape == (48, 32, 1, 7, 3)
    np.testing.assert_allclose(voxels.mean(axis=(0, 1, 2, 4)), 30 * np.arange(7), atol=4)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (0.5, r"a\.mp4 has no complete index \(moov box\); the video is cut short"),
        (0.95, "has no complete index"),
        (0.01, "of no kind|index"),
    ],
)
def test_what_is_cut_short_is_refused(tmp_path: Path, kept: float, message: str) -> None:
    path = written(tmp_path / "a.mp4")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageProblem, match=message):
        cf.Image("x", path).header  # noqa: B018  reading is the test


def test_frames_that_are_cut_short_behind_the_index_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.mp4", options={"movflags": "faststart"})
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ImageProblem, match=r"a\.mp4 ends inside its frames; the video is cut short"):
        cf.Image("x", path).header  # noqa: B018  reading is the test


@pytest.mark.parametrize(
    "content",
    [
        b"\0\0\0\x18ftypmp42" + bytes(12),
        b"\0\0\0\x10ftypmp42\0\0\0\0" + b"\0\0\0\x10moov" + bytes(8),
        b"\0\0\0\x10ftypmp42\0\0\0\0" + b"\0\0\0\x01moov" + b"\xff" * 8 + bytes(64),
        b"\0\0\0\x10ftypmp42\0\0\0\0" + b"\0\0\0\x01free" + b"\0\0\0\0\0\0\0\x08" + bytes(64),
    ],
)
def test_an_index_without_frames_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(ImageProblem, match=r"^a\.mp4 (has no complete index|holds no video track|has a damaged index)"):
        cf.Image("x", tmp_path / "a.mp4").header  # noqa: B018  reading is the test
