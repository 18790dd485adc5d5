"""MetaImage: ``.mha``, or ``.mhd`` with its data in another file.

Source
------
The format's own description in ITK (MetaIO): offset, direction and spacing are in LPS millimetres, and each triple
of TransformMatrix is the direction of one axis.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from caseferry.deidentify import identifying_line
from caseferry.errors import GeometryError
from caseferry.geometry import FloatArray, Geometry
from caseferry.imaging.header import Header, ImageProblem, beside
from caseferry.imaging.kinds import Kind
from caseferry.imaging.length import HIGHEST_RATIO, check_length, read_fully, skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef

TYPES = {
    "MET_CHAR": "int8",
    "MET_UCHAR": "uint8",
    "MET_SHORT": "int16",
    "MET_USHORT": "uint16",
    "MET_INT": "int32",
    "MET_UINT": "uint32",
    "MET_LONG": "int32",
    "MET_ULONG": "uint32",
    "MET_LONG_LONG": "int64",
    "MET_ULONG_LONG": "uint64",
    "MET_FLOAT": "float32",
    "MET_DOUBLE": "float64",
}
NAMES = {dtype: name for name, dtype in reversed(TYPES.items()) if name not in {"MET_LONG", "MET_ULONG"}}

DATA_FILE = "ElementDataFile"
"""The key that says where the voxels are; the last of a header."""

LONGEST_HEADER = 1 << 20


def _fields(ref: FileRef, stream: BinaryIO) -> dict[str, str]:
    """The ``key = value`` lines up to and including ElementDataFile."""
    fields: dict[str, str] = {}
    read = 0
    while read < LONGEST_HEADER and (line := stream.readline(1 << 16)):
        read += len(line)
        key, equals, value = line.decode("utf-8", errors="replace").partition("=")
        if not equals:
            if not line.strip():
                continue
            break
        fields[key.strip()] = value.strip()
        if key.strip() == DATA_FILE:
            return fields
    raise ImageProblem(ref.name, "has a MetaImage header without ElementDataFile")


def _numbers(ref: FileRef, fields: dict[str, str], names: Sequence[str], count: int, default: float) -> list[float]:
    text = next((fields[name] for name in names if name in fields), None)
    if text is None:
        return [default] * count
    try:
        numbers = [float(word) for word in text.split()]
    except ValueError:
        numbers = []
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ImageProblem(ref.name, f"has {names[0]} = {text!r} where {count} numbers are expected")
    return numbers


def _dimensions(ref: FileRef, fields: dict[str, str]) -> list[int]:
    try:
        count = int(fields.get("NDims", "3"))
        sizes = [int(word) for word in fields["DimSize"].split()]
    except (KeyError, ValueError):
        count, sizes = 0, []
    if len(sizes) != count or not 2 <= count <= 4 or min(sizes) < 1:
        raise ImageProblem(ref.name, f"has DimSize = {fields.get('DimSize')!r}, which is not the size of an image")
    return sizes


def _grid(ref: FileRef, fields: dict[str, str]) -> Geometry:
    sizes = _dimensions(ref, fields)
    count = len(sizes)
    spacing = _numbers(ref, fields, ("ElementSpacing", "ElementSize"), count, 1.0)
    offset = _numbers(ref, fields, ("Offset", "Position", "Origin"), count, 0.0)
    direction: FloatArray = np.eye(count)
    if any(name in fields for name in ("TransformMatrix", "Rotation", "Orientation")):
        flat = _numbers(ref, fields, ("TransformMatrix", "Rotation", "Orientation"), count * count, 0.0)
        direction = np.array(flat).reshape(count, count).T
    affine = np.eye(4)
    used = min(count, 3)
    affine[:used, :used] = direction[:used, :used] * np.array(spacing[:used])
    affine[:used, 3] = offset[:used]
    shape = (sizes[0], sizes[1], sizes[2] if count > 2 else 1)
    try:
        return Geometry(shape, affine, sizes[3] if count > 3 else 1)
    except GeometryError as error:
        raise ImageProblem(ref.name, error.problems[0].what) from error


def _data_file(files: Sequence[FileRef], name: str) -> FileRef | None:
    """The file with the data: None when it follows the header, else the one of that name among `files`."""
    return None if name.upper() == "LOCAL" else beside(files, name, ".mha")


def read_header(files: Sequence[FileRef]) -> Header:
    """Read a MetaImage header; see `caseferry.imaging.header.Reader`."""
    ref = files[0]
    with ref.open() as stream:
        fields = _fields(ref, stream)
        after_header = stream.tell() if ref.path is not None else 0
    if re.fullmatch(r".*%\d*d.*|LIST.*", fields[DATA_FILE]):
        raise ImageProblem(ref.name, "keeps its data in a list of files", "write it as one .mha file")
    data = _data_file(files, fields[DATA_FILE])
    if fields.get("BinaryData", "True").lower() != "true":
        raise ImageProblem(ref.name, "holds its voxels as text (BinaryData = False)", "write it with BinaryData = True")
    dtype = TYPES.get(fields.get("ElementType", ""))
    if dtype is None:
        raise ImageProblem(ref.name, f"has the unknown ElementType {fields.get('ElementType')!r}")
    channels = int(_numbers(ref, fields, ("ElementNumberOfChannels",), 1, 1)[0])
    if channels not in {1, 3, 4}:
        raise ImageProblem(ref.name, f"has {channels} channels; 1, 3 and 4 can be moved")
    header = Header(
        kind=Kind.METAIMAGE,
        geometry=_grid(ref, fields),
        dtype=dtype,
        channels=channels,
        modality=fields.get("Modality", "").removeprefix("MET_MOD_") or None,
        identifying=tuple(key for key, said in fields.items() if key != DATA_FILE and identifying_line(key, said)),
        details={"fields": fields},
    )
    expected = _voxels_size(header)
    if _compressed(fields):
        expected = -(-expected // HIGHEST_RATIO)
    skipped = _skipped(header, 0)
    check_length(ref if data is None else data, expected, after_header if data is None else skipped)
    return header


def _compressed(fields: dict[str, str]) -> bool:
    return fields.get("CompressedData", "False").lower() == "true"


def _skipped(header: Header, length: int) -> int:
    """How many bytes of a data file of `length` bytes precede the voxels: HeaderSize; -1 says that they come last."""
    declared = header.details["fields"].get("HeaderSize", "0")
    if not re.fullmatch(r"-1|\d+", declared):
        raise ImageProblem("the MetaImage header", f"has HeaderSize = {declared!r} where a number is expected")
    return max(0, length - _voxels_size(header)) if declared == "-1" else int(declared)


def _voxels_size(header: Header) -> int:
    return (header.geometry.planes if header.geometry else 0) * _plane_size(header)


def _plane_size(header: Header) -> int:
    assert header.geometry is not None  # noqa: S101  a MetaImage always has one
    columns, rows, _ = header.geometry.shape
    return columns * rows * header.channels * np.dtype(header.dtype).itemsize


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes; see `caseferry.imaging.header.Reader`."""
    fields: dict[str, str] = header.details["fields"]
    grid = header.geometry
    if grid is None:
        return
    data = _data_file(files, fields[DATA_FILE])
    big = any(fields.get(key, "").lower() == "true" for key in ("BinaryDataByteOrderMSB", "ElementByteOrderMSB"))
    stored = np.dtype(header.dtype).newbyteorder(">" if big else "<")
    columns, rows, _ = grid.shape
    shape = (rows, columns, header.channels) if header.channels > 1 else (rows, columns)
    source = files[0] if data is None else data
    with source.open() as stream:
        if data is None:
            _fields(source, stream)
        else:
            skip(stream, _skipped(header, data.length() if fields.get("HeaderSize") == "-1" else 0))
        pieces = _pieces(source, stream, _plane_size(header), compressed=_compressed(fields))
        for number in range(grid.planes):
            content = next(pieces, b"")
            if len(content) < _plane_size(header):
                raise ImageProblem(source.name, f"ends in plane {number + 1} of {grid.planes}", "fetch it again")
            yield np.frombuffer(content, stored).reshape(shape)
        next(pieces, b"")  # past the end, where zlib compares its checksum


def _pieces(ref: FileRef, stream: BinaryIO, size: int, *, compressed: bool) -> Iterator[bytes]:
    """The data in pieces of `size` bytes, inflated when it was deflated."""
    inflater = zlib.decompressobj() if compressed else None
    kept = b""
    try:
        while True:
            if inflater is None:
                kept = read_fully(stream, size)
            while inflater is not None and len(kept) < size:
                raw = inflater.unconsumed_tail or stream.read(1 << 16)
                if not raw:
                    break
                kept += inflater.decompress(raw, size)
            if not kept:
                return
            yield kept[:size]
            kept = kept[size:]
    except zlib.error as error:
        raise ImageProblem(ref.name, f"has damaged compressed data ({error})", "fetch it again") from error


def header_text(
    geometry: Geometry, dtype: str, channels: int = 1, extra: dict[str, str] | None = None, data_file: str = "LOCAL"
) -> bytes:
    """A MetaImage header for uncompressed little-endian data that follows it plane by plane.

    Parameters
    ----------
    extra : more ``key = value`` lines
    """
    spacing, direction, offset = geometry.spacing_mm, geometry.direction, geometry.origin_lps
    sizes = [*geometry.shape]
    matrix = direction.T
    steps, start = [*spacing], [*offset]
    if geometry.frames > 1:
        sizes.append(geometry.frames)
        matrix = np.eye(4)
        matrix[:3, :3] = direction.T
        steps, start = [*spacing, 1.0], [*offset, 0.0]
    lines = {
        "ObjectType": "Image",
        "NDims": str(len(sizes)),
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": "False",
        "TransformMatrix": " ".join(repr(float(value)) for value in matrix.ravel()),
        "Offset": " ".join(repr(float(value)) for value in start),
        "CenterOfRotation": " ".join(["0"] * len(sizes)),
        "ElementSpacing": " ".join(repr(float(value)) for value in steps),
        "DimSize": " ".join(map(str, sizes)),
        **(extra or {}),
    }
    if channels > 1:
        lines["ElementNumberOfChannels"] = str(channels)
    lines |= {"ElementType": NAMES[dtype], DATA_FILE: data_file}
    return "".join(f"{key} = {value}\n" for key, value in lines.items()).encode("ascii")
