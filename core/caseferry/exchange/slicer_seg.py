"""Segmentations of 3D Slicer (``.seg.nrrd``), both ways: an NRRD whose header names the segments.

Segments that overlap lie in several layers, which are the first axis of the array.

Source
------
slicer.readthedocs.io, "Segmentations", the labelmap file format.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import Code, Mask
from caseferry.errors import GeometryError
from caseferry.exchange.dicom_object import grid_of
from caseferry.exchange.keeping import kept, kept_as_text, with_kept
from caseferry.exchange.placing import put, steps_on
from caseferry.files.gzipped import Gzipped
from caseferry.imaging import nrrd
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.pixels import load_voxels
from caseferry.shapes import apart

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import Geometry

TAG = "caseferry"
"""The tag of a segment that keeps what Slicer has no field for, where Slicer keeps it too."""

_FIELD = re.compile(r"Segment(\d+)_(\w+)")


def read_slicer_segmentation(ref: FileRef, image: Image) -> Iterator[Annotation]:
    """The segments as masks on an image's grid.

    Parameters
    ----------
    ref : the file
    image : the image that was segmented; Slicer cuts what it writes down to where segments are

    Yields
    ------
    A mask with value 1 for each segment, in the order of their numbers, with its name as label; its codes: type,
    category and anatomic region. Its identifier and colour are attributes. What `write_slicer_segmentation` has kept
    counts before that.

    Raises
    ------
    ImageProblem
        The file is damaged, or names no segments.
    GeometryError
        The image has no place in the patient, or the segments do not lie on its voxels.
    """
    grid = grid_of(image, ref)
    header = nrrd.read_header([ref])
    segments: dict[int, dict[str, str]] = defaultdict(dict)
    for name, value in header.details["fields"].items():
        if match := _FIELD.fullmatch(name):
            segments[int(match[1])][match[2]] = value
    if not segments or header.geometry is None:
        raise ImageProblem(ref.name, "names no segments (Segment0_Name, …)", "give it as a mask with labels")
    voxels = load_voxels([ref], header)
    layers = voxels if header.channels > 1 else voxels[..., None]
    empty = voxels.size == 1  # Slicer's sign for a segmentation without voxels, whose place means nothing
    own = header.geometry
    steps = None if empty else steps_on(grid, own.affine, own.shape, ref.name, "the segmentation")
    for number, fields in sorted(segments.items()):
        volume = np.zeros(grid.shape, np.uint8)
        if steps is not None:
            value, layer = _number(fields, "LabelValue", 1, ref), _number(fields, "Layer", 0, ref)
            if layer >= layers.shape[3]:
                raise ImageProblem(ref.name, f"has segment {number} in layer {layer} of {layers.shape[3]}")
            put(volume, layers[..., layer] == value, steps, ref.name)
        label = fields.get("Name") or fields.get("ID") or f"segment {number}"
        attributes = {key: fields[key] for key in ("ID", "Color") if key in fields}
        tags = fields.get("Tags", "")
        mask = Mask.of_array(image.role, volume, {1: label}, grid.affine, codes=_codes(tags), attributes=attributes)
        yield with_kept(mask, _kept(tags, ref.name), ref.name)


def _number(fields: dict[str, str], name: str, otherwise: int, ref: FileRef) -> int:
    try:
        return int(fields.get(name, otherwise))
    except ValueError:
        raise ImageProblem(ref.name, f"has a {name} that is no whole number") from None


def _codes(tags: str) -> tuple[Code, ...]:
    """Type, category and region out of ``TerminologyEntry:context~category~type~modifier~context~region~modifier``."""
    words = _tag(tags, "TerminologyEntry").split("~")
    found = [words[place].split("^") for place in (2, 1, 5) if place < len(words)]
    return tuple(Code(value, scheme, meaning) for scheme, value, meaning in (w for w in found if len(w) == 3) if value)


def _tag(tags: str, name: str) -> str:
    return next((tag.partition(":")[2] for tag in tags.split("|") if tag.startswith(f"{name}:")), "")


def _kept(tags: str, file: str) -> dict[str, Any]:
    if not (text := _tag(tags, TAG)):
        return {}
    try:
        return kept_as_text(base64.b64decode(text, validate=True).decode(), file)
    except ValueError as error:
        raise ImageProblem(file, "holds damaged fields of a segment", "export it again") from error


def write_slicer_segmentation(masks: Iterable[tuple[Mask, NDArray[Any]]], image: Image) -> bytes:
    """A ``.seg.nrrd`` of masks, as a file's bytes; the same each time.

    Parameters
    ----------
    masks : masks and their voxels on the image's grid [column, row, slice]; each label becomes a segment; they may
        overlap
    image : any image with a grid

    Raises
    ------
    GeometryError
        A mask has another shape than the image, or there is none.
    """
    grid = image.geometry
    segments = [
        (mask, label, voxels == value, part if len(mask.labels) > 1 else None)
        for mask, voxels in masks
        for part, (value, label) in enumerate(mask.labels.items(), 1)
    ]
    if grid is None or grid.frames > 1 or not segments or any(inside.shape != grid.shape for *_, inside, _ in segments):
        raise GeometryError(f"image {image.role}", "needs at least one mask, each with its own shape and one frame")
    layers = apart({number: inside for number, (_, _, inside, _) in enumerate(segments, 1)})
    fields = []
    for number, (mask, label, inside, part) in enumerate(segments):
        layer = next((n for n, each in enumerate(layers) if inside.any() and (each == number + 1).any()), 0)
        fields += _fields(number, layer, label, mask, part)
    stacked = np.stack(layers, axis=-1) if len(layers) > 1 else layers[0]
    kinds = ["list", "domain", "domain", "domain"] if len(layers) > 1 else ["domain"] * 3
    sizes = [len(layers), *grid.shape] if len(layers) > 1 else [*grid.shape]
    head = [
        "NRRD0004",
        f"type: {stacked.dtype.name}",
        f"dimension: {len(sizes)}",
        "space: left-posterior-superior",
        f"sizes: {' '.join(map(str, sizes))}",
        f"space directions: {' '.join((['none'] if len(layers) > 1 else []) + _vectors(grid))}",
        f"kinds: {' '.join(kinds)}",
        "endian: little",
        "encoding: gzip",
        f"space origin: {_vector(grid.affine[:3, 3])}",
        *fields,
    ]
    out = io.BytesIO()
    out.write(("\n".join(head) + "\n\n").encode())
    axes = (2, 1, 0, 3) if len(layers) > 1 else (2, 1, 0)
    stored = stacked.astype(stacked.dtype.newbyteorder("<")).transpose(axes)
    with Gzipped(out, level=9) as packed:
        packed.write(np.ascontiguousarray(stored).tobytes())
    return out.getvalue()


def _vectors(grid: Geometry) -> list[str]:
    return [_vector(grid.affine[:3, axis]) for axis in range(3)]


def _vector(numbers: Any) -> str:
    return f"({','.join(repr(float(number)) for number in numbers)})"


def _fields(number: int, layer: int, label: str, mask: Mask, part: int | None) -> list[str]:
    """The lines of the header that describe one segment."""
    described = {
        "ID": str(mask.attributes.get("ID") or f"Segment_{number + 1}"),
        "Name": label,
        "LabelValue": str(number + 1),
        "Layer": str(layer),
    }
    if "Color" in mask.attributes:
        described["Color"] = str(mask.attributes["Color"])
    tags = []
    if mask.codes:
        meant, category, region = [*mask.codes, *[Code("", "", "")] * 3][:3]
        words = [f"{code.scheme}^{code.value}^{code.meaning}" for code in (category, meant, region)]
        tags.append(f"TerminologyEntry:caseferry~{words[0]}~{words[1]}~^^~caseferry~{words[2]}~^^|")
    if said := kept(mask, part):
        tags.append(f"{TAG}:{base64.b64encode(json.dumps(said, ensure_ascii=False).encode()).decode()}|")
    if tags:
        described["Tags"] = "".join(tags)
    return [f"Segment{number}_{name}:={' '.join(value.splitlines())}" for name, value in described.items()]
