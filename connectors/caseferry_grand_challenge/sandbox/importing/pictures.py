"""Reading PNG and JPEG: pixels without a size in millimetres."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry_grand_challenge.sandbox.importing.found import Found, itk_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FORMATS = ("JPEG", "PNG")


def read_pictures(files: list[Path]) -> Iterator[Found]:
    """Pictures. A palette's colours are lost, its indices are kept.

    Raises
    ------
    Exception
        A picture with one bit a pixel, or with grey and alpha: the platform's importer breaks on both.
    """
    import numpy as np
    import SimpleITK as sitk  # noqa: N813  its usual name
    from PIL import Image, UnidentifiedImageError

    for path in files:
        try:
            with Image.open(path, formats=FORMATS) as picture:
                pixels = np.array(picture)
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError, SyntaxError):
            continue
        image = sitk.GetImageFromArray(pixels, isVector=pixels.ndim == 3)
        yield itk_image(image, path.name, frozenset({path}), has_spacing=False)
