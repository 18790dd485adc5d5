"""Frames of stored files as PNG, as a viewer would show them.

The order and orientation of NIfTI frames is what the platform's clients expect: frame 0 is the slice nearest the
feet, rows run along the second of the remaining voxel axes and columns along the first, and nothing is turned.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, BinaryIO

import nibabel as nib
import numpy as np
import pydicom
from PIL import Image
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

from caseferry_datamint.sandbox.headers import UNREADABLE, nifti_image, slice_axis
from caseferry_datamint.sandbox.refusals import Refused, missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from caseferry.sandbox.blobs import Blob


def render(blob: Blob, storage: str, index: int) -> bytes:
    """One frame as PNG.

    Raises
    ------
    Refused
        404 when there is no such frame, 422 when the file cannot be shown.
    """
    draw = {"DicomResource": _dicom, "NiftiResource": _nifti, "ImageResource": _picture, "VideoResource": _video}
    if storage not in draw:
        raise Refused(422, "The resource has no frames")
    try:
        with blob.open() as stream:
            picture = draw[storage](stream, index)
    except (IndexError, EOFError) as error:
        raise missing("Frame") from error
    except (*UNREADABLE, RuntimeError, AttributeError, ImportError, Image.DecompressionBombError) as error:
        raise Refused(422, f"The frame could not be rendered: {error}") from error
    png = io.BytesIO()
    picture.save(png, format="PNG")
    return png.getvalue()


def _dicom(stream: BinaryIO, index: int) -> Image.Image:
    header = pydicom.dcmread(stream, stop_before_pixels=True, force=True)
    if not 0 <= index < int(header.get("NumberOfFrames") or 1):
        raise IndexError(index)
    stream.seek(0)
    pixels = pixel_array(stream, index=index)
    if pixels.ndim == 3:
        return Image.fromarray(_bytes(pixels))
    if "WindowCenter" in header and "WindowWidth" in header:
        pixels = apply_voi_lut(apply_modality_lut(pixels, header), header)
    shown = _bytes(pixels)
    return Image.fromarray(255 - shown if header.get("PhotometricInterpretation") == "MONOCHROME1" else shown)


def _nifti(stream: BinaryIO, index: int) -> Image.Image:
    volume = nifti_image(stream)
    if len(volume.shape) < 3:
        if index:
            raise IndexError(index)
        return Image.fromarray(_bytes(np.asanyarray(volume.dataobj).T))
    across = slice_axis(volume.affine)
    if not 0 <= index < volume.shape[across]:
        raise IndexError(index)
    if nib.orientations.aff2axcodes(volume.affine)[across] == "I":
        index = volume.shape[across] - 1 - index
    where: list[Any] = [slice(None)] * 3 + [0] * (len(volume.shape) - 3)
    where[across] = index
    return Image.fromarray(_bytes(np.asanyarray(volume.dataobj[tuple(where)]).T))


def _picture(stream: BinaryIO, index: int) -> Image.Image:
    picture = Image.open(stream)
    picture.seek(index)
    shown = picture if picture.mode in {"L", "RGB", "RGBA", "1", "P"} else picture.convert("RGB")
    shown.load()
    return shown


def _video(stream: BinaryIO, index: int) -> Image.Image:
    import av

    with av.open(stream) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number == index:
                shown: Image.Image = frame.to_image()
                return shown
    raise IndexError(index)


def _bytes(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Pixels as they are when they fit a byte, else stretched from their least to their greatest value."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    low, high = float(pixels.min()), float(pixels.max())
    scaled = (pixels.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    return np.ascontiguousarray(scaled.round().astype(np.uint8))
