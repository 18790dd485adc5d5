"""What the platform learns from an uploaded file's header: its kind, sizes, place in space and DICOM identity."""

from __future__ import annotations

import asyncio
import gzip
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import nibabel as nib
import pydicom
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from PIL import Image
from pydicom.config import disable_value_validation

if TYPE_CHECKING:
    from caseferry.sandbox.blobs import Blob

DICOM = "application/dicom"
NIFTI = "application/nifti"
UNKNOWN = "application/octet-stream"

SYNONYMS = {
    "image/dicom": DICOM,
    "application/x-dicom": DICOM,
    "application/x-nifti": NIFTI,
    "image/x.nifti": NIFTI,
    "image/nifti": NIFTI,
}
"""Media types that the platform answers under another name."""

UNREADABLE = (ImageFileError, HeaderDataError, WrapStructError, OSError, EOFError, ValueError, zlib.error)
"""What reading a file that is broken or of another kind raises."""

READ_AT_ONCE = 1 << 18
"""Bytes up to which a header is read without leaving the event loop."""

_DICOM_KEYWORDS = (
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "StudyInstanceUID",
    "PatientID",
    "Modality",
    "NumberOfFrames",
    "Rows",
    "Columns",
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file says of itself.

    Attributes
    ----------
    storage : the platform's name of the kind
    mimetype : what the content is
    metadata : what the platform puts into a resource's metadata
    identity : instance_uid, series_uid, study_uid and patient_id of a DICOM file
    modality : of a DICOM file
    """

    storage: str = "FileResource"
    mimetype: str = UNKNOWN
    metadata: dict[str, Any] = field(default_factory=dict)
    identity: dict[str, str] = field(default_factory=dict)
    modality: str | None = None


async def learn(blob: Blob, declared: str) -> Facts:
    """Read a stored file's header; large files and videos in a thread of their own."""
    if blob.size > READ_AT_ONCE or declared.startswith("video/"):
        return await asyncio.to_thread(read_facts, blob, declared)
    return read_facts(blob, declared)


def read_facts(blob: Blob, declared: str) -> Facts:
    """Read a stored file's header.

    Parameters
    ----------
    declared : the media type that came with the file; only DICOM without a preamble and videos need it

    Returns
    -------
    facts of an unknown kind when the header says nothing
    """
    with blob.open() as stream:
        head = stream.read(540)
        stream.seek(0)
        if head[128:132] == b"DICM" or declared == DICOM:
            return _dicom(stream)
        if _is_nifti(head, stream):
            return _nifti(stream)
        if declared.startswith("video/") or head[4:8] == b"ftyp" or (head[:4] == b"RIFF" and head[8:11] == b"AVI"):
            return _video(stream, declared)
        return _picture(stream)


def nifti_image(stream: BinaryIO) -> Any:
    """The NIfTI image in a stream, zipped or not; its voxels are read when they are asked for.

    Raises
    ------
    ValueError
        The stream holds no NIfTI header.
    """
    inflated = _unzipped(stream)
    try:
        return _flavour(inflated).from_stream(inflated)
    except UNREADABLE as error:
        msg = f"not a NIfTI file: {error}"
        raise ValueError(msg) from error


def is_zipped(stream: BinaryIO) -> bool:
    """Whether a stream at its beginning holds gzip."""
    zipped = stream.read(2) == b"\x1f\x8b"
    stream.seek(0)
    return zipped


def _unzipped(stream: BinaryIO) -> Any:
    return gzip.GzipFile(fileobj=stream) if is_zipped(stream) else stream


def _flavour(inflated: Any) -> Any:
    second = inflated.read(8)[4:7] in {b"n+2", b"ni2"}
    inflated.seek(0)
    return nib.Nifti2Image if second else nib.Nifti1Image


def _dicom(stream: BinaryIO) -> Facts:
    try:
        with disable_value_validation():
            dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=True, specific_tags=list(_DICOM_KEYWORDS))
            found = {name: dataset.get(name) for name in _DICOM_KEYWORDS}
    except UNREADABLE:  # InvalidDicomError cannot be raised, since reading is forced
        return Facts()
    if found["SOPInstanceUID"] is None and found["Rows"] is None:
        return Facts()
    metadata: dict[str, Any] = {}
    if found["Rows"] is not None:
        metadata = {
            "frame_count": int(found["NumberOfFrames"] or 1),
            "width": int(found["Columns"] or 0),
            "height": int(found["Rows"]),
        }
    identity = {
        "instance_uid": found["SOPInstanceUID"],
        "series_uid": found["SeriesInstanceUID"],
        "study_uid": found["StudyInstanceUID"],
        "patient_id": found["PatientID"],
    }
    return Facts(
        "DicomResource",
        DICOM,
        metadata,
        {name: str(value) for name, value in identity.items() if value},
        str(found["Modality"]) if found["Modality"] else None,
    )


def _is_nifti(head: bytes, stream: BinaryIO) -> bool:
    if head[:2] == b"\x1f\x8b":
        try:
            head = gzip.GzipFile(fileobj=stream).read(540)
        except UNREADABLE:
            head = b""
        stream.seek(0)
    return head[344:347] in {b"n+1", b"ni1"} or head[4:7] in {b"n+2", b"ni2"}


def _nifti(stream: BinaryIO) -> Facts:
    inflated = _unzipped(stream)
    try:
        header = _flavour(inflated).header_class.from_fileobj(inflated)
        affine = header.get_best_affine()
    except UNREADABLE:
        return Facts()
    sizes = [int(size) for size in header.get_data_shape()[:3]]
    across = slice_axis(affine) if len(sizes) == 3 else 2
    plane = [size for axis, size in enumerate(sizes) if axis != across]
    metadata = {
        "dims": [int(size) for size in header["dim"]],
        "pixDims": [_finite(size) for size in header["pixdim"]],
        "affine": [[_finite(number) for number in row] for row in affine],
        "qformCode": int(header["qform_code"]),
        "sformCode": int(header["sform_code"]),
        "datatype": int(header["datatype"]),
        "voxOffset": _finite(header["vox_offset"]),
        "description": bytes(header["descrip"]).rstrip(b"\0").decode(errors="replace"),
        "frame_count": sizes[across] if len(sizes) == 3 else 1,
        "width": plane[0] if plane else 1,
        "height": plane[1] if len(plane) > 1 else 1,
    }
    return Facts("NiftiResource", NIFTI, metadata)


def slice_axis(affine: Any) -> int:
    """The voxel axis that runs closest to head and foot: the platform shows slices across it."""
    codes = nib.orientations.aff2axcodes(affine)
    return next((axis for axis, code in enumerate(codes) if code in {"I", "S"}), 2)


def _finite(number: Any) -> float:
    return float(number) if math.isfinite(number) else 0.0


def _picture(stream: BinaryIO) -> Facts:
    try:
        with Image.open(stream) as picture:
            width, height = picture.size
            mimetype = Image.MIME.get(picture.format or "", UNKNOWN)
            frames = getattr(picture, "n_frames", 1)
    except (*UNREADABLE, Image.DecompressionBombError):
        return Facts()
    metadata = {"width": width, "height": height} | ({"frame_count": frames} if frames > 1 else {})
    return Facts("ImageResource", mimetype, metadata)


def _video(stream: BinaryIO, declared: str) -> Facts:
    mimetype = declared if declared.startswith("video/") else "video/mp4"
    try:
        import av
    except ImportError:
        return Facts("VideoResource", mimetype)
    try:
        with av.open(stream) as container:
            streams = [_stream(container, track) for track in container.streams]
    except (av.FFmpegError, OSError, ValueError):
        return Facts()
    frames = next((track["nb_frames"] for track in streams if track["codec_type"] == "video"), 0)
    return Facts("VideoResource", mimetype, {"streams": streams, "frame_count": frames})


def _stream(container: Any, track: Any) -> dict[str, Any]:
    described = {"codec_type": track.type, "nb_frames": track.frames or 0}
    if track.type == "video":
        described |= {"width": track.width, "height": track.height}
        if not described["nb_frames"]:  # some containers do not say: then the packets are counted
            described["nb_frames"] = sum(packet.size > 0 for packet in container.demux(track))
    return described
