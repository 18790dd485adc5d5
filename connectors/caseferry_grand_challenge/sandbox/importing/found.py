"""An image that a reader found in files, and what the API will show of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.importing.headers import first_number, shown_identity

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

MOST_SEGMENTS = 64
COLORS = {1: "GRAY", 3: "RGB", 4: "RGBA"}
COMPONENTS = {"GRAY": 1, "RGB": 3, "RGBA": 4, "YCBCR": 4}
FILE_ENDINGS = {"MHD": "mha", "TIFF": "tif"}
RANGE_KEYS = ("SmallestImagePixelValue", "LargestImagePixelValue")


@dataclass(frozen=True, slots=True)
class Found:
    """An image in uploaded files.

    Attributes
    ----------
    files : the files that it was made of
    write : writes the one file in which it is kept
    """

    name: str
    files: frozenset[Path]
    type: str
    shown: dict[str, Any]
    write: Callable[[Path], None]


def itk_image(image: Any, name: str, files: frozenset[Path], *, has_spacing: bool = True) -> Found:
    """An image as SimpleITK holds it.

    Parameters
    ----------
    image : a SimpleITK image whose metadata are only those that are kept
    has_spacing : whether its spacing means millimetres

    Raises
    ------
    ValueError
        The number of its channels means no colour space.
    """
    import SimpleITK as sitk  # noqa: N813  its usual name

    channels = image.GetNumberOfComponentsPerPixel()
    if channels not in COLORS:
        msg = f"no colour space has {channels} channels"
        raise ValueError(msg)
    voxels: NDArray[Any] = sitk.GetArrayViewFromImage(image)
    if not all(image.HasMetaDataKey(key) for key in RANGE_KEYS):
        for key, value in zip(RANGE_KEYS, (voxels.min(), voxels.max()), strict=True):
            image.SetMetaData(key, str(value))
    segments = _segments(voxels, channels, image.GetDimension())
    size, spacing = image.GetSize(), image.GetSpacing()
    times = size[3] if len(size) == 4 and segments is None else None
    kept = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    shown = shown_image(
        width=size[0],
        height=size[1],
        depth=size[2] if len(size) > 2 else None,
        times=times,
        color_space=COLORS[channels],
        spacing=tuple(spacing) if has_spacing else (),
    )
    shown |= {
        **shown_identity(kept),
        "window_center": first_number(kept.get("WindowCenter")),
        "window_width": first_number(kept.get("WindowWidth")),
        "segments": segments,
    }

    def write(path: Path) -> None:
        sitk.WriteImage(image, str(path), useCompression=True)

    return Found(name, files, "MHD", shown, write)


def shown_image(
    *,
    width: int,
    height: int,
    depth: int | None,
    times: int | None,
    color_space: str,
    spacing: tuple[float, ...],
) -> dict[str, Any]:
    """What the API shows of an image's shape. Shapes are in the order time, slice, row, column, colour."""
    bare = [int(count) for count in (times, depth, height, width) if count is not None]
    colors = [COMPONENTS[color_space]] if color_space != "GRAY" else []
    steps = [*(float(step) for step in spacing[:3]), None, None, None][:3]
    return {
        "width": int(width),
        "height": int(height),
        "depth": depth,
        "color_space": color_space,
        "shape_without_color": bare,
        "shape": bare + colors,
        "voxel_width_mm": steps[0],
        "voxel_height_mm": steps[1],
        "voxel_depth_mm": steps[2],
        **shown_identity({}),
        "window_center": None,
        "window_width": None,
        "segments": None,
    }


def _segments(voxels: NDArray[Any], channels: int, dimensions: int) -> list[int] | None:
    """The values of an image that may be a mask: only eight-bit ones are looked at.

    In four dimensions each volume is a segment of its own, and no other values than 0 and 1 are taken.
    """
    import numpy as np

    if channels != 1 or voxels.dtype not in {np.dtype(np.int8), np.dtype(np.uint8)}:
        return None
    if dimensions == 4:
        if any(not set(np.unique(volume)) <= {0, 1} for volume in voxels):
            return None
        found = list(range(1, len(voxels) + 1))
    else:
        found = [int(value) for value in np.unique(voxels)]
    return found if len(found) <= MOST_SEGMENTS else None
