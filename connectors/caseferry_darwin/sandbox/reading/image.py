"""Images, as Pillow reads them."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from caseferry_darwin.sandbox.reading.picture import Picture, UnreadableFile

TILED = {"TIFF", "BIGTIFF"}
"""Formats of images too large to be decoded only to see whether they are whole."""


def read_image(stream: BinaryIO) -> Picture:
    """Width and height of an image.

    Raises
    ------
    UnreadableFile
        It is not an image that Pillow reads, or its pixels end early.
    """
    try:
        with Image.open(stream) as image:
            if image.format not in TILED:
                image.load()
            return Picture(image.width, image.height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableFile(f"not a readable image: {error}") from error
