"""Objects that nobody put anywhere, drawn from what the registration of their keys says.

V7's own end-to-end tests register keys of a bucket that only V7 has, and pull the originals later. In a storage
that is *imagined* such a key holds an image or a DICOM file of the size and geometry that the read-only registration
declared; the same key always holds the same bytes.
"""

from __future__ import annotations

import io
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    generate_uid,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry_darwin.sandbox.fields import Json

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From the directions in which affines count to those in which DICOM does."""

LARGEST = 1 << 28
"""Pixels of the largest file that is drawn."""


def imagine(file: Json) -> bytes | None:
    """The bytes of a file that was registered read-only.

    Returns
    -------
    None where the registration does not say enough, as for videos, whose bytes no size describes, or says too much.
    """
    said = file["declared"]
    sections = said.get("sections") or [said]
    width, height = (sections[0].get(side) for side in ("width", "height"))
    if not width or not height or width * height * len(sections) > LARGEST:
        return None
    if file["type"] == "image":
        return _image(file["storage_key"], width, height)
    if file["type"] == "dicom":
        return _dicom(file, width, height, len(sections))
    return None


def _image(key: str, width: int, height: int) -> bytes:
    kind = Image.registered_extensions().get(PurePosixPath(key.lower()).suffix, "PNG")
    buffer = io.BytesIO()
    Image.fromarray(_shades(key, (height, width))).save(buffer, kind if kind in Image.SAVE else "PNG")
    return buffer.getvalue()


def _shades(key: str, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """A ramp along all axes at once, which begins elsewhere for every key."""
    ramp = sum(np.ix_(*(np.arange(size) for size in shape)), zlib.crc32(key.encode()) % 256)
    return np.asarray(ramp).astype(np.uint8)


def _dicom(file: Json, width: int, height: int, frames: int) -> bytes:
    key = str(file["storage_key"])
    dataset = Dataset()
    dataset.Modality = "OT"
    dataset.StudyInstanceUID = generate_uid(entropy_srcs=[key, "study"])
    dataset.SeriesInstanceUID = file["metadata"].get("SeriesInstanceUID") or generate_uid(entropy_srcs=[key, "series"])
    dataset.SOPClassUID = MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[key])
    size = (width, height, frames)
    placed = _placed(file["metadata"], size)
    if placed is not None:
        size, affine = placed
        dataset.SOPClassUID = EnhancedCTImageStorage
        dataset.Modality = "CT"
        _place(dataset, TO_LPS @ affine, size[2])
    dataset.Columns, dataset.Rows, dataset.NumberOfFrames = size
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    pixels = _shades(key, size[::-1]).tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _placed(metadata: Json, shown: tuple[int, int, int]) -> tuple[tuple[int, int, int], NDArray[np.float64]] | None:
    """Columns, rows and frames of the file, and voxel as stored in it to RAS+, where the registration says it.

    The registration says the shape as it is shown: turned to LPI. Its numbers are often texts.
    """
    try:
        affine = np.array(metadata["original_affine"], dtype=np.float64)
        _, *turned = (int(size) for size in metadata["shape"])
    except (KeyError, TypeError, ValueError):
        return None
    usable = affine.shape == (4, 4) and np.isfinite(affine).all() and abs(np.linalg.det(affine)) > 0
    if not usable or sorted(turned) != sorted(shown):
        return None
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt(("L", "P", "I"))
    )
    columns, rows, frames = (turned[int(target)] for target, _ in turn)
    return (columns, rows, frames), affine


def _place(dataset: Dataset, affine: NDArray[np.float64], frames: int) -> None:
    """Say where the frames lie: in the functional groups, as enhanced images do."""
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    directions = affine[:3, :2] / steps[:2]
    shared = Dataset()
    shared.PixelMeasuresSequence = [
        _group(PixelSpacing=[float(steps[1]), float(steps[0])], SpacingBetweenSlices=float(steps[2]))
    ]
    shared.PlaneOrientationSequence = [_group(ImageOrientationPatient=[float(v) for v in directions.T.ravel()])]
    dataset.SharedFunctionalGroupsSequence = [shared]
    origins = (affine[:3, 3] + n * affine[:3, 2] for n in range(frames))
    dataset.PerFrameFunctionalGroupsSequence = [
        _group(PlanePositionSequence=[_group(ImagePositionPatient=[float(v) for v in origin])]) for origin in origins
    ]


def _group(**values: Any) -> Dataset:
    group = Dataset()
    for name, value in values.items():
        setattr(group, name, value)
    return group
