"""NRRD, attached (``.nrrd``) or with its data in another file (``.nhdr``).

Source
------
The format's definition at teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import bz2
import gzip
import io
import re
import zlib
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from caseferry.deidentify import identifying_line
from caseferry.errors import GeometryError
from caseferry.geometry import Geometry
from caseferry.imaging.header import Header, ImageProblem, beside
from caseferry.imaging.kinds import Kind
from caseferry.imaging.length import check_gzip, check_length, read_fully, read_out, skip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.files import FileRef

_SPELLINGS = {
    "int8": "signed char|int8|int8_t",
    "uint8": "uchar|unsigned char|uint8|uint8_t",
    "int16": "short|short int|signed short|signed short int|int16|int16_t",
    "uint16": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "int32": "int|signed int|int32|int32_t",
    "uint32": "uint|unsigned int|uint32|uint32_t",
    "int64": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "uint64": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
    "float32": "float",
    "float64": "double",
}
TYPES = {spelling: dtype for dtype, spellings in _SPELLINGS.items() for spelling in spellings.split("|")}

TO_LPS = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
    "scanner-xyz": (1, 1, 1),
    "3d-right-handed": (1, 1, 1),
}
"""The signs that turn each named space into LPS. One without anatomical meaning is taken as it stands, as in ITK."""

IN_SPACE = frozenset({"domain", "space", "time", "???", "none"})
"""The kinds of axis along which voxels lie; along any other lie the values of one voxel."""

LONGEST_HEADER = 1 << 20

COMMENT = "#"
"""How a line begins that is a comment; the key under which all of them stand."""

DATA_FILES = frozenset({"data file", "datafile"})
"""The keys that say where the voxels are when they are elsewhere."""


def _fields(ref: FileRef, stream: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    stream.readline(64)
    read = 0
    while read < LONGEST_HEADER and (line := stream.readline(1 << 16)):
        read += len(line)
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if not text:
            return fields
        if text.startswith(COMMENT):
            fields[COMMENT] = f"{fields.get(COMMENT, '')}{text[1:]}\n"
            continue
        key, separator, value = text.partition(":=" if ":=" in text else ":")
        if separator:
            fields[key.strip().lower() if separator == ":" else key.strip()] = value.strip()
    if fields.keys() & DATA_FILES:
        return fields
    raise ImageProblem(ref.name, "has an NRRD header that does not end")


def _identifies(key: str, said: str) -> bool:
    return key not in DATA_FILES and any(identifying_line(key, line) for line in said.splitlines())


def _vectors(ref: FileRef, fields: dict[str, str], key: str) -> list[list[float] | None]:
    """``(1,0,0) none (0,1,0)`` as vectors of one length, None where it says none."""
    words = re.findall(r"none|\([^)]*\)", fields.get(key, ""))
    try:
        found = [None if word == "none" else [float(part) for part in word.strip("()").split(",")] for word in words]
    except ValueError:
        found = [[]]
    vectors = [vector for vector in found if vector is not None]
    if {len(vector) for vector in vectors} not in (set(), {2}, {3}) or not np.isfinite(vectors).all():
        what = f"has {key} {fields[key]!r} where vectors of 2 or 3 numbers each are expected"
        raise ImageProblem(ref.name, what, "write it without an axis of time in its space")
    return found


def _layout(ref: FileRef, fields: dict[str, str]) -> tuple[list[int], int, int]:
    """The axes in space, the number of channels and the number of frames."""
    try:
        sizes = [int(word) for word in fields["sizes"].split()]
    except (KeyError, ValueError):
        sizes = []
    if not 2 <= len(sizes) <= 4 or min(sizes) < 1:
        raise ImageProblem(ref.name, f"has sizes {fields.get('sizes')!r}, which are not those of an image")
    axes = list(range(len(sizes)))
    directions = _vectors(ref, fields, "space directions")
    if directions and len(directions) != len(sizes):
        raise ImageProblem(ref.name, f"has {len(directions)} space directions for {len(sizes)} axes")
    free = [index for index, vector in enumerate(directions) if vector is None]
    kinds = fields.get("kinds", "").lower().split()
    if not free and len(sizes) > 2 and kinds and kinds[0] not in IN_SPACE:
        free = [0]
    elif not free and len(sizes) == 4:
        free = [3]
    if not free:
        return axes, 1, 1
    if free == [0] and (sizes[0] in {1, 3, 4} or kinds[:1] == ["list"]):
        return axes[1:], sizes[0], 1
    if free == [len(sizes) - 1]:
        return axes[:-1], 1, sizes[-1]
    what = f"has axes without a direction at {free} of sizes {sizes}"
    raise ImageProblem(ref.name, what, "colours must be the first axis and of 3 or 4 values, time the last")


def _grid(ref: FileRef, fields: dict[str, str]) -> tuple[Geometry, int]:
    axes, channels, frames = _layout(ref, fields)
    sizes = [int(fields["sizes"].split()[axis]) for axis in axes]
    affine = np.eye(4)
    directions = _vectors(ref, fields, "space directions")
    if directions:
        matrix = np.array([directions[axis] for axis in axes], dtype=np.float64).T[:, :3]
        used = matrix.shape[0]
        affine[:used, : matrix.shape[1]] = matrix
        origin = _vectors(ref, fields, "space origin")
        if origin and origin[0] is not None:
            affine[:used, 3] = origin[0]
        signs = np.array(TO_LPS.get(fields.get("space", "lps").lower(), (1, 1, 1)), dtype=np.float64)
        affine[:3] *= signs[:, None]
        if len(sizes) == 2 and used == 3:
            across = np.cross(affine[:3, 0], affine[:3, 1])
            affine[:3, 2] = across / (np.linalg.norm(across) or 1.0)
    elif "spacings" in fields:
        for index, spacing in enumerate(_spacings(ref, fields, axes)):
            affine[index, index] = spacing
    shape = (sizes[0], sizes[1], sizes[2] if len(sizes) > 2 else 1)
    try:
        return Geometry(shape, affine, frames), channels
    except GeometryError as error:
        raise ImageProblem(ref.name, error.problems[0].what) from error


def _spacings(ref: FileRef, fields: dict[str, str], axes: list[int]) -> list[float]:
    """The spacing of each axis in space; one that the file says is not a number counts as 1."""
    words = fields["spacings"].split()
    try:
        numbers = [float(words[axis]) for axis in axes]
    except (IndexError, ValueError):
        numbers = [0.0]
    if min(numbers) <= 0:
        raise ImageProblem(ref.name, f"has spacings {fields['spacings']!r} where positive numbers are expected")
    return [1.0 if np.isnan(number) else number for number in numbers]


def _data_file(files: Sequence[FileRef], fields: dict[str, str]) -> FileRef | None:
    name = fields.get("data file", fields.get("datafile"))
    return None if name is None else beside(files, name, ".nrrd")


def read_header(files: Sequence[FileRef]) -> Header:
    """Read an NRRD header; see `caseferry.imaging.header.Reader`."""
    ref = files[0]
    with ref.open() as stream:
        fields = _fields(ref, stream)
        after_header = stream.tell() if ref.path is not None else 0
    dtype = TYPES.get(fields.get("type", "").lower())
    if dtype is None:
        raise ImageProblem(ref.name, f"has the unknown type {fields.get('type')!r}")
    if fields.get("encoding", "raw").lower() not in _ENCODINGS:
        raise ImageProblem(ref.name, f"has the unknown encoding {fields.get('encoding')!r}")
    geometry, channels = _grid(ref, fields)
    data = _data_file(files, fields)
    header = Header(
        kind=Kind.NRRD,
        geometry=geometry,
        dtype=dtype,
        channels=channels,
        identifying=tuple(key for key, said in fields.items() if _identifies(key, said)),
        details={"fields": fields},
    )
    _check_voxels(ref if data is None else data, header, after_header if data is None else 0)
    return header


def _check_voxels(ref: FileRef, header: Header, start: int) -> None:
    fields = header.details["fields"]
    expected = _plane_size(header) * (header.geometry.planes if header.geometry else 0)
    encoding, skipped = fields.get("encoding", "raw").lower(), max(0, _count(ref, fields, "byte skip"))
    if encoding == "raw":
        check_length(ref, expected + skipped, start)
    elif encoding in {"gzip", "gz"} and not _count(ref, fields, "line skip"):
        check_gzip(ref, expected + skipped, start)


def _count(ref: FileRef, fields: dict[str, str], key: str) -> int:
    """The value of ``line skip`` or ``byte skip``, which may be written as one word; 0 when there is none."""
    text = fields.get(key, fields.get(key.replace(" ", ""), "0"))
    if not re.fullmatch(r"-1|\d{1,18}", text):
        raise ImageProblem(ref.name, f"has {key} {text!r} where a number is expected")
    return int(text)


def _plane_size(header: Header) -> int:
    assert header.geometry is not None  # noqa: S101  an NRRD always has one
    columns, rows, _ = header.geometry.shape
    return columns * rows * header.channels * np.dtype(header.dtype).itemsize


_ENCODINGS = {"raw", "gzip", "gz", "bzip2", "bz2", "ascii", "text", "txt"}


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes; see `caseferry.imaging.header.Reader`."""
    fields: dict[str, str] = header.details["fields"]
    grid = header.geometry
    if grid is None:
        return
    data = _data_file(files, fields)
    stored = np.dtype(header.dtype).newbyteorder(">" if fields.get("endian", "little").lower() == "big" else "<")
    columns, rows, _ = grid.shape
    shape = (rows, columns, header.channels) if header.channels > 1 else (rows, columns)
    size = _plane_size(header)
    source = files[0] if data is None else data
    with source.open() as stream:
        if data is None:
            _fields(source, stream)
        for _ in range(_count(source, fields, "line skip")):
            stream.readline()
        try:
            unpacked = _decoded(fields.get("encoding", "raw").lower(), stream, stored)
            skipped = _count(source, fields, "byte skip")
            skip(unpacked, skipped if skipped >= 0 else _before_the_last(source, stream, size * grid.planes))
            for number in range(grid.planes):
                content = read_fully(unpacked, size)
                if len(content) < size:
                    raise ImageProblem(source.name, f"ends in plane {number + 1} of {grid.planes}", "fetch it again")
                yield np.frombuffer(content, stored).reshape(shape)
            if unpacked is not stream:
                read_out(unpacked)
        except (EOFError, zlib.error, OSError) as error:
            raise ImageProblem(source.name, f"has damaged data ({error})", "fetch it again") from error


def _before_the_last(ref: FileRef, stream: BinaryIO, size: int) -> int:
    """How far the last `size` bytes of a file are from where its stream is: what a byte skip of -1 means."""
    return max(0, ref.length() - size - stream.tell())


def _decoded(encoding: str, stream: BinaryIO, stored: np.dtype[Any]) -> BinaryIO:
    if encoding in {"gzip", "gz"}:
        return cast("BinaryIO", io.BufferedReader(gzip.GzipFile(fileobj=stream)))
    if encoding in {"bzip2", "bz2"}:
        return cast("BinaryIO", io.BufferedReader(bz2.BZ2File(stream)))
    if encoding in {"ascii", "text", "txt"}:
        return io.BytesIO(np.array(stream.read().split(), dtype=stored.newbyteorder("=")).astype(stored).tobytes())
    return stream
