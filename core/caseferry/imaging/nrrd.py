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

from caseferry.deidentify import names_someone
from caseferry.errors import GeometryError
from caseferry.geometry import Geometry
from caseferry.imaging.header import Header, ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.imaging.metaimage import IDENTIFYING

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

LONGEST_HEADER = 1 << 20


def _fields(ref: FileRef, stream: BinaryIO) -> dict[str, str]:
    fields: dict[str, str] = {}
    stream.readline(64)
    read = 0
    while read < LONGEST_HEADER and (line := stream.readline(1 << 16)):
        read += len(line)
        text = line.decode("utf-8", errors="replace").rstrip("\r\n")
        if not text:
            return fields
        if text.startswith("#"):
            continue
        key, separator, value = text.partition(":=" if ":=" in text else ":")
        if separator:
            fields[key.strip().lower() if separator == ":" else key.strip()] = value.strip()
    if "data file" in fields or "datafile" in fields:
        return fields
    raise ImageProblem(ref.name, "has an NRRD header that does not end")


def _vectors(text: str) -> list[list[float] | None]:
    """``(1,0,0) none (0,1,0)`` as vectors, None where it says none."""
    found = re.findall(r"none|\([^)]*\)", text)
    return [None if word == "none" else [float(part) for part in word.strip("()").split(",")] for word in found]


def _layout(ref: FileRef, fields: dict[str, str]) -> tuple[list[int], int, int]:
    """The spatial sizes, the number of channels and the number of frames."""
    try:
        sizes = [int(word) for word in fields["sizes"].split()]
    except (KeyError, ValueError):
        sizes = []
    if not 2 <= len(sizes) <= 4 or min(sizes) < 1:
        raise ImageProblem(ref.name, f"has sizes {fields.get('sizes')!r}, which are not those of an image")
    directions = _vectors(fields.get("space directions", ""))
    free = [index for index, vector in enumerate(directions) if vector is None]
    kinds = fields.get("kinds", "").lower().split()
    if not free and len(sizes) == 4:
        free = [0] if kinds[:1] and "color" in kinds[0] else [3]
    if not free:
        return sizes, 1, 1
    if free == [0] and (sizes[0] in {1, 3, 4} or kinds[:1] == ["list"]):
        return sizes[1:], sizes[0], 1
    if free == [len(sizes) - 1]:
        return sizes[:-1], 1, sizes[-1]
    what = f"has axes without a direction at {free} of sizes {sizes}"
    raise ImageProblem(ref.name, what, "colours must be the first axis and of 3 or 4 values, time the last")


def _grid(ref: FileRef, fields: dict[str, str]) -> tuple[Geometry, int]:
    sizes, channels, frames = _layout(ref, fields)
    signs = np.array(TO_LPS.get(fields.get("space", "lps").lower(), (1, 1, 1)), dtype=np.float64)
    affine = np.eye(4)
    vectors = [vector for vector in _vectors(fields.get("space directions", "")) if vector is not None]
    if vectors:
        matrix = np.array(vectors, dtype=np.float64).T
        used = matrix.shape[0]
        affine[:used, : matrix.shape[1]] = matrix
        origin = _vectors(fields.get("space origin", ""))
        if origin and origin[0] is not None:
            affine[:used, 3] = origin[0]
        affine[:3] *= signs[:, None]
        if len(sizes) == 2 and used == 3:
            affine[:3, 2] = np.cross(affine[:3, 0], affine[:3, 1])
            affine[:3, 2] /= np.linalg.norm(affine[:3, 2])
    elif "spacings" in fields:
        words = [word for word in fields["spacings"].split() if word.lower() != "nan"]
        affine[[0, 1, 2][: len(sizes)], [0, 1, 2][: len(sizes)]] = [float(word) for word in words][: len(sizes)]
    shape = (sizes[0], sizes[1], sizes[2] if len(sizes) > 2 else 1)
    try:
        return Geometry(shape, affine, frames), channels
    except GeometryError as error:
        raise ImageProblem(ref.name, error.problems[0].what) from error


def _data_file(files: Sequence[FileRef], fields: dict[str, str]) -> FileRef | None:
    name = fields.get("data file", fields.get("datafile"))
    if name is None:
        return None
    others = {ref.name: ref for ref in files[1:]}
    if name not in others:
        what = f"keeps its data in {name!r}, which is not among the image's files {sorted(others)}"
        raise ImageProblem(files[0].name, what, "give header and data as files of one image")
    return others[name]


def read_header(files: Sequence[FileRef]) -> Header:
    """Read an NRRD header; see `caseferry.imaging.header.Reader`."""
    ref = files[0]
    with ref.open() as stream:
        fields = _fields(ref, stream)
    dtype = TYPES.get(fields.get("type", "").lower())
    if dtype is None:
        raise ImageProblem(ref.name, f"has the unknown type {fields.get('type')!r}")
    if fields.get("encoding", "raw").lower() not in _ENCODINGS:
        raise ImageProblem(ref.name, f"has the unknown encoding {fields.get('encoding')!r}")
    geometry, channels = _grid(ref, fields)
    _data_file(files, fields)
    return Header(
        kind=Kind.NRRD,
        geometry=geometry,
        dtype=dtype,
        channels=channels,
        identifying=tuple(name for name in IDENTIFYING if names_someone(fields.get(name, ""))),
        details={"fields": fields},
    )


_ENCODINGS = {"raw", "gzip", "gz", "bzip2", "bz2", "ascii", "text", "txt"}


def planes(files: Sequence[FileRef], header: Header) -> Iterator[NDArray[np.generic]]:
    """The planes; see `caseferry.imaging.header.Reader`."""
    fields: dict[str, str] = header.details["fields"]
    grid = header.geometry
    if grid is None:
        return
    data = _data_file(files, fields)
    stored = np.dtype(header.dtype).newbyteorder(">" if fields.get("endian", "little") == "big" else "<")
    columns, rows, _ = grid.shape
    shape = (rows, columns, header.channels) if header.channels > 1 else (rows, columns)
    count = int(np.prod(shape))
    source = files[0] if data is None else data
    with source.open() as stream:
        if data is None:
            _fields(source, stream)
        for _ in range(int(fields.get("line skip", fields.get("lineskip", 0)))):
            stream.readline()
        unpacked = _decoded(fields.get("encoding", "raw").lower(), stream, stored)
        unpacked.read(max(0, int(fields.get("byte skip", fields.get("byteskip", 0)))))
        try:
            for number in range(grid.planes):
                content = unpacked.read(count * stored.itemsize)
                if len(content) < count * stored.itemsize:
                    raise ImageProblem(source.name, f"ends in plane {number + 1} of {grid.planes}", "fetch it again")
                yield np.frombuffer(content, stored).reshape(shape)
        except (EOFError, zlib.error, OSError) as error:
            raise ImageProblem(source.name, f"has damaged data ({error})", "fetch it again") from error


def _decoded(encoding: str, stream: BinaryIO, stored: np.dtype[Any]) -> BinaryIO:
    if encoding in {"gzip", "gz"}:
        return cast("BinaryIO", io.BufferedReader(gzip.GzipFile(fileobj=stream)))
    if encoding in {"bzip2", "bz2"}:
        return cast("BinaryIO", io.BufferedReader(bz2.BZ2File(stream)))
    if encoding in {"ascii", "text", "txt"}:
        return io.BytesIO(np.array(stream.read().split(), dtype=stored.newbyteorder("=")).astype(stored).tobytes())
    return stream
