"""The voxel values of a mask in a socket that names its own: each label goes to the value of its name.

A socket for segmentations says what each voxel value means, and whoever looks at one goes by that. A mask that numbers
the same structures otherwise is numbered as the socket does on its way there, and as it was on its way back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.annotation import slug
from caseferry.case import Image
from caseferry.files import FileRef, made
from caseferry.geometry import as_stored
from caseferry.imaging.convert import write_metaimage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from caseferry_grand_challenge.wire.sockets import Socket

SEGMENTATION = "Segmentation"


def numbering(socket: Socket, labels: Mapping[int, str]) -> dict[int, int] | str:
    """The voxel value in a socket of each value of a mask; or why the socket cannot hold the mask.

    Where a socket knows none of the labels the values stay as they are.
    """
    if socket.kind != SEGMENTATION:
        return {value: value for value in labels}
    if not socket.segments:
        return (
            {value: value for value in labels} if max(labels) <= 255 else f"socket {socket.slug!r} takes values to 255"
        )
    allowed = [value for value, _ in socket.segments if value]
    named = {slug(name): value for value, name in socket.segments if value and name}
    found = {value: named[slug(name)] for value, name in labels.items() if slug(name) in named}
    if len(found) == len(labels) == len(set(found.values())):
        return found
    if found:
        others = ", ".join(repr(name) for value, name in labels.items() if value not in found)
        told = ", ".join(repr(name) for value, name in socket.segments if value)
        return f"socket {socket.slug!r} holds {told}, and not {others or 'one of them twice'}"
    if not set(labels) <= set(allowed):
        return f"socket {socket.slug!r} takes the voxel values {allowed}"
    return {value: value for value in labels}


def called_otherwise(socket: Socket, labels: Mapping[int, str], numbers: Mapping[int, int]) -> dict[str, str]:
    """The labels of a mask that a socket calls by other names, and which."""
    names = dict(socket.segments) if socket.kind == SEGMENTATION else {}
    told = {label: names.get(numbers[value], "") for value, label in labels.items()}
    return {label: name for label, name in told.items() if name and slug(name) != slug(label)}


def labels_there(
    socket: Socket, told: Mapping[str, Any], labels: Mapping[int, str]
) -> tuple[dict[int, int], dict[int, str]]:
    """How the voxel values of a mask in a socket become those that it was put with, and their names then.

    Somebody may have put another mask there since, with values that this one had not: then they stay as they are.

    Parameters
    ----------
    told : what the platform tells of the image
    labels : as the mask was put
    """
    numbers = numbering(socket, labels)
    if isinstance(numbers, str):
        return {}, dict(labels)
    strange = {int(each) for each in told.get("segments") or ()} - {0, *numbers.values()}
    if not strange:
        return {number: value for value, number in numbers.items()}, dict(labels)
    names = dict(socket.segments)
    known = {number: labels[value] for value, number in numbers.items()}
    return {}, known | {number: names.get(number) or f"{socket.slug} {number}" for number in sorted(strange)}


def table(numbers: Mapping[int, int]) -> np.ndarray[tuple[int], np.dtype[np.uint16]] | None:
    """What each voxel value becomes, by the value; None when they stay as they are."""
    if all(value == number for value, number in numbers.items()):
        return None
    found = np.zeros(1 << 16, np.uint16)
    found[list(numbers)] = list(numbers.values())
    return found


def renumbered(ref: FileRef, numbers: Mapping[int, int]) -> FileRef:
    """A mask of the platform with other voxel values, made when it is first read."""
    becomes = table(numbers)
    if becomes is None:
        return ref

    def make(out: BinaryIO) -> None:
        image = Image("mask", [ref])
        grid = image.geometry
        assert grid is not None  # noqa: S101  the platform keeps masks as MetaImage, which has a grid
        dtype = "uint8" if max(numbers.values()) <= 255 else "uint16"
        planes = (becomes[plane.astype(np.uint16)].astype(dtype) for plane in image.planes())
        write_metaimage(out, planes, as_stored(grid), dtype)

    return made(make, ref.name)
