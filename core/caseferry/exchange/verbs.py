"""Reading and writing annotation files of every format.

The format is told from a file's content when it is read, and from its ending when it is written.
"""

from __future__ import annotations

import inspect
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.errors import ConfigurationError
from caseferry.exchange.format import Glimpse
from caseferry.exchange.own import OWN
from caseferry.files import FileRef
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import UNKNOWN, what_else

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.exchange.format import FileFormat
    from caseferry.exchange.written import Written
    from caseferry.files import PathLike


GROUP = "caseferry.formats"
"""The entry point group in which formats offer themselves: each a `FileFormat`, under its own name."""


@cache
def formats() -> dict[str, FileFormat]:
    """All formats by name: those of this package, then those that other packages offer, such as connectors."""
    offered = sorted(entry_points(group=GROUP), key=lambda each: each.name)
    found: list[FileFormat] = [*OWN, *(each.load() for each in offered)]
    return {each.name: each for each in found}


def read(path: FileRef | PathLike, image: Image, *, format: str | None = None, **options: Any) -> list[Annotation]:  # noqa: A002  the word that is looked for
    """The annotations in a file, as those of an image.

    Parameters
    ----------
    image : the image that the file speaks of; annotations get its role
    format : the name of the format; told from the file's content when None
    options : of the format: ``threshold`` for shares in a DICOM segmentation, ``labels`` for a label map

    Raises
    ------
    ConfigurationError
        There is no such format, it cannot be read, or has no such option.
    ImageProblem, GeometryError, InvalidCase
        The file is of no known format or damaged, or what it says does not fit the image.
    """
    ref = FileRef.of(path)
    chosen = _named(format) if format is not None else _told(ref)
    if chosen.read is None:
        msg = f"{chosen.name} files are written only"
        raise ConfigurationError(msg)
    _check_options(chosen, chosen.read, options)
    return list(chosen.read(ref, image, **options))


def write(
    path: PathLike,
    annotations: Iterable[Annotation],
    image: Image,
    *,
    format: str | None = None,  # noqa: A002  as above
    **options: Any,
) -> Written:
    """Write the annotations of an image to a file.

    Parameters
    ----------
    annotations : those of other images are left out, and named
    format : the name of the format; told from the ending of `path` when None
    options : of the format: ``description`` of a DICOM series, ``overlap`` for a label map

    Returns
    -------
    What was written, with everything that the format has no form for.

    Raises
    ------
    ConfigurationError
        There is no such format, it cannot be written, or has no such option.
    GeometryError, InvalidCase, MissingDependency
        The annotations or the image cannot be written so. Nothing was written.
    """
    target = Path(path)
    chosen = _named(format) if format is not None else _ending(target.name)
    if chosen.write is None:
        msg = f"{chosen.name} files are read only"
        raise ConfigurationError(msg)
    if "name" in inspect.signature(chosen.write).parameters:
        options = {"name": target.name, **options}
    _check_options(chosen, chosen.write, options)
    mine: list[Annotation] = []
    others: list[Annotation] = []
    for each in annotations:
        (mine if each.image in {None, image.role} else others).append(each)
    written = chosen.write(mine, image, **options)
    written.left_out += [(each, f"is of image {each.image!r}") for each in others]
    target.write_bytes(written.content)
    stem = target.name.removesuffix(next((end for end in chosen.endings if target.name.endswith(end)), target.suffix))
    for ending, content in written.beside.items():
        target.with_name(stem + ending).write_bytes(content)
    return written


def _named(name: str) -> FileFormat:
    known = formats()
    if name not in known:
        msg = f"{name!r} is no format of annotation files; there are {', '.join(known)}"
        raise ConfigurationError(msg)
    return known[name]


def _told(ref: FileRef) -> FileFormat:
    glimpse = Glimpse(ref)
    for each in formats().values():
        if each.is_of(glimpse):
            return each
    if (seems := what_else(glimpse.start)) != UNKNOWN:
        raise ImageProblem(ref.name, seems)
    known = ", ".join(each.name for each in formats().values() if each.read)
    raise ImageProblem(ref.name, "is no annotation file of a known format", f"those that are read: {known}")


def _ending(name: str) -> FileFormat:
    fitting = [
        (len(ending), each)
        for each in formats().values()
        for ending in each.endings
        if each.write and name.lower().endswith(ending)
    ]
    longest = max((length for length, _ in fitting), default=0)
    found = [each for length, each in fitting if length == longest]
    if len(found) == 1:
        return found[0]
    among = found or [each for each in formats().values() if each.write]
    told = "could be several formats" if found else "has an ending that tells no format"
    msg = f"{name!r} {told}; say which: {', '.join(each.name for each in among)}"
    raise ConfigurationError(msg)


def _check_options(chosen: FileFormat, function: Callable[..., Any], options: Mapping[str, Any]) -> None:
    known = list(inspect.signature(function).parameters)[2:]
    if unknown := sorted(set(options) - set(known)):
        takes = ", ".join(name for name in known if name != "name") or "none"
        msg = f"{chosen.name} has no option {', '.join(unknown)}; it takes {takes}"
        raise ConfigurationError(msg)
