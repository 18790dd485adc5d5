"""Planes as a screen shows them: shades of grey within a window, as PNG, as JPEG, as a thumbnail.

For pictures beside the image itself: what is measured and compared are voxel values, never these.

Source
------
DICOM PS3.3 C.11.2.1.2 (window center and width, and the three functions), C.7.6.3.1.2 (MONOCHROME1).
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from caseferry.imaging.dicom_file import functional_group, number
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from caseferry.imaging.header import Header

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]

THUMBNAIL = (356, 200)
"""Width and height that a thumbnail fits into."""

PLAYED = 60
"""The quality of a JPEG that is seen while frames play."""

AS_STORED = (Kind.PICTURE, Kind.VIDEO, Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME)
"""Kinds whose values of 8 bits are shades already. In NIfTI and the like they may be anything, labels for one."""


@dataclass(frozen=True, slots=True)
class Window:
    """Which values become black, white and what is between.

    Attributes
    ----------
    center, width : in the image's values, after rescaling
    function : how shades rise within it
    """

    center: float
    width: float
    function: Function = "LINEAR"

    @classmethod
    def between(cls, low: float, high: float) -> Window:
        """The window in which one value is black and another is white."""
        return cls((low + high) / 2, high - low, "LINEAR_EXACT")

    def shades(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Values as shades from 0 to 255; what is no number is black."""
        wide = np.nan_to_num(values.astype(np.float64), nan=-np.inf)
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):
                part = 1 / (1 + np.exp(-4 * (wide - self.center) / self.width))
        else:
            low, span = self._line
            part = (wide - low) / span if span > 0 else (wide > low).astype(np.float64)
        return np.rint(np.clip(part, 0, 1) * 255).astype(np.uint8)

    @property
    def _line(self) -> tuple[float, float]:
        """The value that is just black, and how many values there are until white."""
        less = 1.0 if self.function == "LINEAR" else 0.0
        return self.center - less / 2 - (self.width - less) / 2, self.width - less

    def value_of(self, shades: NDArray[np.uint8]) -> NDArray[np.float64]:
        """The value for which a shade stands: the inverse of `shades`, as far as there is one."""
        part = shades.astype(np.float64) / 255
        if self.function == "SIGMOID":
            inside = np.clip(part, 0.5 / 255, 1 - 0.5 / 255)
            return np.asarray(self.center - self.width / 4 * np.log(1 / inside - 1))
        low, span = self._line
        return np.asarray(low + part * span)


def declared_window(header: Header) -> Window | None:
    """The first window that a DICOM image says it is to be seen in; None when it says none."""
    dataset = header.details.get("first")
    if dataset is None or header.channels > 1:
        return None
    group = functional_group(dataset, 0, "FrameVOILUTSequence")
    said = dataset if group is None else group
    center, width = (_first(said.get(name)) for name in ("WindowCenter", "WindowWidth"))
    function = str(said.get("VOILUTFunction", "") or "LINEAR").upper()
    least = 1.0 if function == "LINEAR" else 0.0
    if center is None or width is None or function not in Function.__args__ or width < least or not width:  # type: ignore[attr-defined]
        return None
    return Window(center, width, function)  # type: ignore[arg-type]


def _first(value: Any) -> float | None:
    many = value if isinstance(value, list | tuple) or type(value).__name__ == "MultiValue" else [value]
    return number(many[0]) if len(many) else None


def value_range(planes: Iterable[NDArray[Any]]) -> Window:
    """The window from the least to the greatest value."""
    low, high = np.inf, -np.inf
    for plane in planes:
        values = plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return Window.between(low, high) if low <= high else Window.between(0, 1)


class Shader:
    """Makes pictures of the planes of one image, all within one window.

    Parameters
    ----------
    header : of the image
    planes : gives its planes, from the first; asked only where no window is known
    window : the one to take; None for what the image says, else for the range of its values
    """

    def __init__(
        self, header: Header, planes: Callable[[], Iterable[NDArray[Any]]], window: Window | None = None
    ) -> None:
        self._channels = header.channels
        self._negative = header.details.get("photometric") == "MONOCHROME1"
        self._window = window or declared_window(header)
        plain = header.dtype == "uint8" and header.kind in AS_STORED
        if self._window is None and header.channels == 1 and not plain:
            self._window = value_range(planes())

    def picture(self, plane: NDArray[Any]) -> NDArray[np.uint8]:
        """A plane [row, column] or [row, column, channel] in 8 bits."""
        if self._channels > 1:
            return _colours(plane)
        shades = self._window.shades(plane) if self._window is not None else plane.astype(np.uint8)
        return 255 - shades if self._negative else shades

    def deviation(self, planes: Iterable[NDArray[Any]]) -> float:
        """By how much the value for which a shade stands differs from the image's own, at most."""
        return max((self._deviation(plane) for plane in planes), default=0.0)

    def _deviation(self, plane: NDArray[Any]) -> float:
        if self._channels > 1:
            shown: NDArray[Any] = _colours(plane).astype(np.float64) * (_most(plane) / 255)
        elif self._window is None:
            return 0.0
        else:
            shown = self._window.value_of(self._window.shades(plane))
        off = np.abs(shown - plane.astype(np.float64))
        return float(np.max(off, where=np.isfinite(off), initial=0.0))


def _colours(plane: NDArray[Any]) -> NDArray[np.uint8]:
    if plane.dtype == np.uint8:
        return plane
    return np.rint(np.clip(plane.astype(np.float64) / _most(plane), 0, 1) * 255).astype(np.uint8)


def _most(plane: NDArray[Any]) -> float:
    """The value of a colour at its fullest."""
    return float(np.iinfo(plane.dtype).max) if plane.dtype.kind in "iu" else 1.0


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture, every pixel as it is."""
    return _written(_pillow(picture), "PNG")


def jpeg(picture: NDArray[np.uint8], quality: int = PLAYED) -> bytes:
    """A picture of the same size that is quick to fetch."""
    return _written(_opaque(_pillow(picture)), "JPEG", quality=quality)


def thumbnail(picture: NDArray[np.uint8]) -> bytes:
    """A JPEG that fits into `THUMBNAIL`; a picture that is smaller keeps its size."""
    small = _opaque(_pillow(picture))
    small.thumbnail(THUMBNAIL)
    return _written(small, "JPEG", quality=PLAYED)


def _pillow(picture: NDArray[np.uint8]) -> Any:
    from PIL import Image as Pillow

    mode = {2: "L", 3: {3: "RGB", 4: "RGBA"}.get(picture.shape[-1], "")}[picture.ndim]
    return Pillow.frombytes(mode, (picture.shape[1], picture.shape[0]), np.ascontiguousarray(picture).tobytes())


def _opaque(picture: Any) -> Any:
    return picture.convert("RGB") if picture.mode == "RGBA" else picture


def _written(picture: Any, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()
