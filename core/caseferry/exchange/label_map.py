"""Label maps: images of numbers, each the sign of a structure, with their names in a file beside them.

The names are an object in JSON (``NAME.labels.json``: ``{"1": "nodule"}``), or a table in TOML (``NAME.labels.toml``).
"""

from __future__ import annotations

import io
import json
import tomllib
from typing import TYPE_CHECKING, Any, cast

from caseferry.annotation import Mask
from caseferry.case.placement import placement, unnamed_values
from caseferry.errors import ConfigurationError, InvalidCase, Problem
from caseferry.exchange.written import Written
from caseferry.imaging.convert import nifti_bytes, planes_of, write_metaimage, write_png
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.picture import numbers_of
from caseferry.imaging.pixels import load_voxels
from caseferry.imaging.reading import read_header
from caseferry.shapes import apart, flattened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry.geometry import Geometry
    from caseferry.imaging.header import Header

ENDINGS = (".nii.gz", ".nii", ".mha", ".nrrd", ".png")

OVERLAPS = ("apart", "first", "last")
"""What becomes of voxels of several structures: each in a label map where it is whole, or one hides the other."""


def read_label_map(ref: FileRef, image: Image, labels: Mapping[int, str] | None = None) -> list[Mask]:
    """A label map as a mask of an image; one with a volume for each structure as a mask of each.

    Of a picture with a palette the numbers count, not the colours.

    Parameters
    ----------
    labels : what each number means, or each volume, from 1; None for what the file beside it says

    Raises
    ------
    InvalidCase
        Nobody says what the numbers mean, or numbers are in the file that have no name.
    ImageProblem
        The file is damaged, is no label map, or does not lie on the image.
    """
    named = labels or _names_beside(ref)
    if not named:
        remedy = f"say so: labels={{1: …}}, or a file {_stem(ref.name)}.labels.json beside it"
        raise InvalidCase(None, [Problem(ref.name, "does not say what its numbers mean", remedy)])
    header = read_header([ref])
    if (numbers := numbers_of(ref, header)) is not ref:
        ref, header = numbers, read_header([numbers])
    grid, own = image.geometry, header.geometry
    if grid is not None and own is not None and own.frames > 1 and grid.frames == 1 and own.shape == grid.shape:
        return _of_volumes(ref, header, image, named)
    mask = Mask(image.role, ref, labels=named)
    placement(mask, header, image)
    if unnamed := unnamed_values(mask, header):
        what = f"holds voxels of value {', '.join(map(str, unnamed[:10]))}, which have no name"
        raise InvalidCase(None, [Problem(ref.name, what, "name every value")])
    return [mask]


def _of_volumes(ref: FileRef, header: Header, image: Image, named: Mapping[int, str]) -> list[Mask]:
    """Masks of a file that holds a volume of ones and zeros for each structure, which may share voxels."""
    own = cast("Geometry", header.geometry)
    if extra := [number for number in range(1, own.frames + 1) if number not in named]:
        what = f"holds {own.frames} volumes, of which {', '.join(map(str, extra[:10]))} have no name"
        raise InvalidCase(None, [Problem(ref.name, what, "name every volume, from 1")])
    voxels = load_voxels([ref], header)
    if not ((voxels == 0) | (voxels == 1)).all():
        what = f"holds {own.frames} volumes with other values than 0 and 1"
        raise InvalidCase(None, [Problem(ref.name, what, "threshold them first, or write one volume of numbers")])
    found = []
    for number in range(own.frames):
        inside = voxels[..., number].astype("uint8")
        mask = Mask.of_array(image.role, inside, {1: named[number + 1]}, own.affine)
        placement(mask, read_header([mask.file]), image)
        found.append(mask)
    return found


def write_label_map(
    masks: Sequence[tuple[Mask, NDArray[Any]]], image: Image, *, name: str = "", overlap: str = "apart"
) -> Written:
    """A label map of masks, with the names of its numbers beside it.

    A single mask keeps its numbers; the structures of several are numbered in their order, from 1.

    Parameters
    ----------
    masks : masks and their voxels on the image's grid
    name : of the file, whose ending says the format: ``.nii.gz`` (also for any other name), ``.mha`` or ``.png``
    overlap : for structures that share voxels: ``apart`` in further files beside it, or the ``first`` or the ``last``
        of the masks hides the others, which the result tells

    Raises
    ------
    ConfigurationError
        `overlap` is none of these.
    InvalidCase
        There are no masks, or a picture is asked for and the image has several planes.
    """
    if overlap not in OVERLAPS:
        msg = f"overlap is {overlap!r}, expected one of {', '.join(OVERLAPS)}"
        raise ConfigurationError(msg)
    grid = image.geometry
    if not masks or grid is None:
        raise InvalidCase(None, [Problem(f"image {image.role!r}", "has no masks, or no grid")])
    ending = next((each for each in (".mha", ".png") if name.lower().endswith(each)), ".nii.gz")
    if ending == ".png" and grid.planes > 1:
        what = f"has {grid.planes} planes, and a picture one"
        raise InvalidCase(None, [Problem(f"image {image.role!r}", what, "write .nii.gz or .mha")])
    meant: dict[int, tuple[Mask, str]] = {}
    inside: dict[int, NDArray[np.bool_]] = {}
    for mask, voxels in masks:
        for value, label in mask.labels.items():
            number = value if len(masks) == 1 else len(meant) + 1
            meant[number] = (mask, label)
            inside[number] = voxels == value
    numbers = list(meant)
    named = json.dumps({str(n): label for n, (_, label) in meant.items()}, ensure_ascii=False, indent=1).encode()
    written = Written()
    if overlap == "apart":
        layers = apart(inside)
    else:
        flat = flattened(inside, numbers if overlap == "first" else numbers[::-1])
        layers = [flat.labels]
        for number, (mask, label) in meant.items():
            if lost := flat.hidden[number]:
                written.changed.append((mask, f"without {lost} voxels of {label!r}, which others hide"))
    written.content = _file(layers[0], grid, ending)
    written.beside[".labels.json"] = named
    for index, layer in enumerate(layers[1:], 2):
        written.beside[f".{index}{ending}"] = _file(layer, grid, ending)
        written.beside[f".{index}.labels.json"] = named
    return written


def _file(labels: NDArray[Any], grid: Geometry, ending: str) -> bytes:
    if ending == ".nii.gz":
        return nifti_bytes(labels, grid, labels=True)
    out = io.BytesIO()
    if ending == ".mha":
        write_metaimage(out, planes_of(labels), grid, labels.dtype.name)
    else:
        write_png(out, planes_of(labels), labels.dtype.name)
    return out.getvalue()


def _stem(name: str) -> str:
    return name.removesuffix(next((end for end in ENDINGS if name.lower().endswith(end)), ""))


def _names_beside(ref: FileRef) -> dict[int, str]:
    """What a file beside a label map calls its numbers; empty where there is none."""
    if ref.path is None:
        return {}
    for ending, parse in ((".labels.json", json.loads), (".labels.toml", tomllib.loads)):
        path = ref.path.with_name(_stem(ref.path.name) + ending)
        if path.exists():
            return _parsed(path, parse)
    return {}


def _parsed(path: Path, parse: Any) -> dict[int, str]:
    try:
        return {int(number): str(label) for number, label in parse(path.read_text(encoding="utf-8")).items()}
    except (ValueError, AttributeError) as error:
        raise ImageProblem(path.name, f"does not say what numbers mean: {error}", 'write {"1": "NAME", …}') from error
