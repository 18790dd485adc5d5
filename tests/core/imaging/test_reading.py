"""Files that are far away: each is asked for once for its header, and reads as it does when it is at hand."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO, cast

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  as its own documentation does
from PIL import Image as Picture

import caseferry as cf
from oracles import LPS, PYDICOM, ramp

if TYPE_CHECKING:
    from pathlib import Path


class Line(io.RawIOBase):
    """A stream as it comes over a line: it cannot go back, and gives little at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size if size is None or size < 0 else min(size, 1000))

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)


def at_hand(folder: Path, ending: str) -> Path:
    path = folder / f"a{ending}"
    if ending == ".dcm":
        return PYDICOM / "CT_small.dcm"
    if ending.startswith(".nii"):
        nib.save(nib.Nifti1Image(ramp(40, 30, 20), LPS), path)
    elif ending == ".png":
        Picture.fromarray(ramp(60, 50, dtype=np.uint8)).save(path)
    else:
        sitk.WriteImage(sitk.GetImageFromArray(ramp(20, 30, 40)), str(path))
    return path


@pytest.mark.parametrize("seeks", [True, False])
@pytest.mark.parametrize("ending", [".dcm", ".nii", ".nii.gz", ".mha", ".nrrd", ".png"])
def test_a_file_far_away_is_opened_once_for_its_header(tmp_path: Path, ending: str, seeks: bool) -> None:
    near = cf.Image("a", at_hand(tmp_path, ending))
    content = near.files[0].read()
    opened: list[str] = []

    def open_far() -> BinaryIO:
        opened.append("once more")
        return cast("BinaryIO", io.BytesIO(content) if seeks else Line(content))

    far = cf.Image("a", cf.FileRef(f"far:{near.files[0].name}", opener=open_far))
    assert far.header == near.header
    assert len(opened) == 1
    np.testing.assert_array_equal(far.voxels(), near.voxels())
    assert len(opened) == 2
