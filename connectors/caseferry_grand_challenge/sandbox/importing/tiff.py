"""Reading TIFF: kept as it is, when its pixels have a size."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.importing.found import Found, shown_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

X_RESOLUTION, Y_RESOLUTION, UNIT, PHOTOMETRIC = 282, 283, 296, 262
MM_PER_UNIT = {2: 25.4, 3: 10.0}
"""What a resolution counts: 2 is inch, 3 is centimetre; 1, none, has no size."""

COLOR_SPACES = {1: "GRAY", 2: "RGB", 6: "YCBCR"}
"""By the tag PhotometricInterpretation; any other is not taken."""


def read_tiffs(files: list[Path]) -> Iterator[Found]:
    """TIFFs with a resolution and a colour space that is known."""
    for path in files:
        shown = _shown(path)
        if shown is not None:
            yield Found(path.name, frozenset({path}), "TIFF", shown, _copier(path))


def _copier(path: Path) -> Any:
    return lambda target: shutil.copyfile(path, target)


def _shown(path: Path) -> dict[str, Any] | None:
    from PIL import Image

    try:
        with Image.open(path, formats=("TIFF",)) as picture:
            tags: dict[int, Any] = dict(picture.tag_v2)
            width, height = picture.size
    except Exception:  # noqa: BLE001  a file that only begins like a TIFF breaks its reader in many ways
        return None
    color_space = COLOR_SPACES.get(tags.get(PHOTOMETRIC, 0))
    per_unit = MM_PER_UNIT.get(tags.get(UNIT, 2))
    resolutions = [float(tags.get(tag, 0)) for tag in (X_RESOLUTION, Y_RESOLUTION)]
    if color_space is None or per_unit is None or not all(resolutions):
        return None
    spacing = tuple(per_unit / resolution for resolution in resolutions)
    return shown_image(width=width, height=height, depth=1, times=None, color_space=color_space, spacing=spacing)
