"""NIfTI-1 and NIfTI-2, plain or gzipped, as one file.

The affine is nibabel's choice: the sform when its code is set, else the qform, else the spacing alone; taken to
millimetres when the header counts in other units, which nibabel leaves to its callers and ITK does as here.
"""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np

from caseferry.deidentify import suspicious_name, suspicious_text
from caseferry.errors import GeometryError
from caseferry.geometry import RAS_TO_LPS, Geometry
from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.length import check_gzip, check_length, read_out, skip
from caseferry.imaging.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef

FREE_TEXT = ("descrip", "aux_file", "db_name", "intent_name")
"""Header fields into which programs and people write what they like."""

COLOURS = {128: 3, 2304: 4}
"""NIfTI data types RGB24 and RGBA32, and their number of channels."""

PACKED_NAME = "the name that gzip keeps"
"""What a file was called before it was packed, among what identifies somebody."""

LARGEST_EXTENSIONS = 16 << 20

MILLIMETRES = {1: 1000.0, 3: 0.001}
"""How many millimetres the units of space are in which a header may count: metres, and micrometres."""

DICOM_EXTENSION, COMMENT_EXTENSION = 2, 6
"""Codes of the header extensions that hold DICOM attributes and free text."""

LARGEST_VOXELS = 1 << 37
"""Voxels beyond which a header is not believed."""


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension of a header.

    Attributes
    ----------
    place : where in the (unpacked) file its code stands, which its content follows
    """

    place: int
    code: int
    content: bytes


@contextmanager
def _unpacked(ref: FileRef) -> Iterator[BinaryIO]:
    with ref.open() as stream:
        buffered = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast("Any", stream), 1 << 16)
        if buffered.peek(2)[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=buffered) as inner:
                yield cast("BinaryIO", inner)
        else:
            yield cast("BinaryIO", buffered)


def packed_name(start: bytes) -> str:
    """What a file was called before it was packed, as gzip keeps it; empty where it keeps none.

    Parameters
    ----------
    start : the beginning of the packed file

    Source
    ------
    RFC 1952 2.3
    """
    if len(start) < 12 or not start[3] & 8:
        return ""
    place = 12 + int.from_bytes(start[10:12], "little") if start[3] & 4 else 10
    return start[place:].partition(b"\0")[0].decode("latin-1")


def _load(name: str, stream: BinaryIO) -> Any:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    start = stream.read(4)
    kind: Any = Nifti2Header if 540 in {int.from_bytes(start, order) for order in ("little", "big")} else Nifti1Header
    raw = start + stream.read(kind.template_dtype.itemsize - 4)
    try:
        with quiet():
            header = kind(raw, check=False)
            dimensions = header.get_data_shape()
            header.get_data_dtype()
            header.get_best_affine()
    except (HeaderDataError, WrapStructError, ValueError, KeyError) as error:
        raise ImageProblem(name, f"has a damaged NIfTI header ({error})", "write it anew with nibabel") from error
    if bytes(header["magic"]).startswith(b"ni"):
        raise ImageProblem(name, "is the header of a NIfTI pair (.hdr/.img)", "write it as one .nii file")
    if not dimensions or min(dimensions) < 1 or np.prod(dimensions, dtype=object) > LARGEST_VOXELS:
        raise ImageProblem(name, f"claims the impossible shape {tuple(dimensions)}")
    return header


def _grid(ref: FileRef, header: Any) -> Geometry:
    dimensions = [int(n) for n in header.get_data_shape()]
    dimensions += [1] * (3 - len(dimensions))
    if len(dimensions) > 4 and max(dimensions[4:]) > 1:
        raise ImageProblem(ref.name, f"has {len(dimensions)} dimensions {tuple(dimensions)}; at most 4 can be moved")
    frames = dimensions[3] if len(dimensions) > 3 else 1
    affine = RAS_TO_LPS @ np.asarray(header.get_best_affine(), dtype=np.float64)
    affine[:3] *= MILLIMETRES.get(int(header["xyzt_units"]) & 7, 1.0)
    try:
        return Geometry((dimensions[0], dimensions[1], dimensions[2]), affine, frames)
    except GeometryError as error:
        problem = error.problems[0]
        raise ImageProblem(ref.name, problem.what) from error


def _scaling(header: Any) -> tuple[float, float] | None:
    """Slope and intercept, or None when the stored values are the values."""
    slope, intercept = (float(header[key]) for key in ("scl_slope", "scl_inter"))
    if not np.isfinite(slope) or slope == 0 or (slope == 1 and intercept == 0.0):
        return None
    return slope, intercept if np.isfinite(intercept) else 0.0


def _value_type(ref: FileRef, header: Any) -> tuple[str, int]:
    code = int(header["datatype"])
    if code in COLOURS:
        return "uint8", COLOURS[code]
    stored = header.get_data_dtype()
    if stored.kind not in "iuf" or stored.itemsize > 8:
        raise ImageProblem(ref.name, f"holds values of type {stored.name}, which no platform shows")
    return ("float64" if _scaling(header) else stored.newbyteorder("=").name), 1


def read_header(files: Sequence[FileRef]) -> Header:
    """Read a NIfTI header; see `caseferry.imaging.header.Reader`."""
    ref = files[0]
    try:
        with _unpacked(ref) as stream:
            packed = isinstance(stream, gzip.GzipFile)
            was_named = packed and suspicious_name(packed_name(cast("Any", stream).fileobj.peek(1)))
            header, extensions = read_raw(ref.name, stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ImageProblem(ref.name, f"ends inside its header ({error})", "fetch it again") from error
    if len(files) != 1:
        raise ImageProblem("a NIfTI image", f"is one file, not {len(files)}", "give each volume as an own image")
    dtype, channels = _value_type(ref, header)
    geometry = _grid(ref, header)
    voxels = int(np.prod(geometry.shape, dtype=object)) * geometry.frames
    (check_gzip if packed else check_length)(ref, _start(header) + voxels * int(header["bitpix"]) // 8)
    return Header(
        kind=Kind.NIFTI,
        geometry=geometry,
        dtype=dtype,
        channels=channels,
        identifying=identifying(header, extensions) + ((PACKED_NAME,) if was_named else ()),
        details={"header": header, "two_grids": _has_two_grids(header)},
    )


def _start(header: Any) -> int:
    """Where in the (unpacked) file the voxels begin."""
    return max(int(header["vox_offset"]), int(header.template_dtype.itemsize))


def read_raw(name: str, stream: BinaryIO) -> tuple[Any, list[Extension]]:
    """The header of a file that is not packed, as nibabel reads it, and its extensions.

    Raises
    ------
    ImageProblem
        The header is damaged.
    """
    header = _load(name, stream)
    return header, _extensions(header, stream)


def _extensions(header: Any, stream: BinaryIO) -> list[Extension]:
    """The header extensions, which lie between the header and the voxels."""
    content = stream.read(max(0, min(int(header["vox_offset"]), LARGEST_EXTENSIONS) - header.template_dtype.itemsize))
    order: Literal["little", "big"] = "little" if header.endianness == "<" else "big"
    found, place = [], 4
    while content[:1] not in {b"", b"\0"} and place + 8 <= len(content):
        size, code = (int.from_bytes(content[place + n : place + n + 4], order) for n in (0, 4))
        if size < 16:
            break
        start = header.template_dtype.itemsize + place + 4
        found.append(Extension(start, code, content[place + 8 : place + size]))
        place += size
    return found


def identifying(header: Any, extensions: Sequence[Extension], fields: Sequence[str] = FREE_TEXT) -> tuple[str, ...]:
    """Names of those of a header's fields and extensions that identify somebody."""
    found = [name for name in fields if suspicious_text(_text(header, name))]
    found += ["db_name"] if "db_name" in {*fields} - {*found} and _text(header, "db_name") else []
    for each in extensions:
        comment = each.code == COMMENT_EXTENSION and suspicious_text(each.content.decode("latin-1"))
        if each.code == DICOM_EXTENSION or comment:
            found.append(f"header extension {each.code}")
    return tuple(found)


def _text(header: Any, name: str) -> str:
    return bytes(header[name]).rstrip(b"\0").decode("latin-1").strip() if name in header else ""


def _has_two_grids(header: Any) -> bool:
    """Whether sform and qform are both set and disagree, so that programs may differ on where voxels lie."""
    from nibabel.spatialimages import HeaderDataError

    if not (int(header["sform_code"]) and int(header["qform_code"])):
        return False
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except (HeaderDataError, ValueError):
        return True  # the qform that counts for others is damaged
    return not np.allclose(sform, qform, atol=1e-3)


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes; see `caseferry.imaging.header.Reader`."""
    ref, raw = files[0], header.details["header"]
    grid = header.geometry
    if grid is None:
        return
    stored = np.dtype(np.uint8) if header.channels > 1 else raw.get_data_dtype()
    scaling = None if header.channels > 1 else _scaling(raw)
    columns, rows, _ = grid.shape
    shape = (rows, columns, header.channels) if header.channels > 1 else (rows, columns)
    size = int(np.prod(shape)) * stored.itemsize
    try:
        with _unpacked(ref) as stream:
            skip(stream, _start(raw))
            for number in range(grid.planes):
                content = stream.read(size)
                if len(content) < size:
                    raise ImageProblem(ref.name, f"ends in plane {number + 1} of {grid.planes}", "fetch it again")
                plane = np.frombuffer(content, stored).reshape(shape)
                yield plane if scaling is None else plane * scaling[0] + scaling[1]
            read_out(stream)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ImageProblem(ref.name, f"is damaged or ends early ({error})", "fetch it again") from error
