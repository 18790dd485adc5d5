"""A bucket that costs nothing: pictures are listed and read out of memory, so that only registering is measured."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from caseferry import storage
from caseferry.files import ref

if TYPE_CHECKING:
    from collections.abc import Iterator

BUCKET = "sandbox-bucket"
PER_FOLDER = 100


def keys(count: int) -> Iterator[str]:
    """Keys of so many pictures."""
    for number in range(count):
        yield f"study/patient-{number // PER_FOLDER:04}/{number:06}.png"


def imagine(count: int) -> None:
    """Have caseferry see such a bucket."""
    stream = io.BytesIO()
    Image.new("L", (16, 16)).save(stream, "PNG")
    content = stream.getvalue()

    def listed(bucket: storage.Bucket, _prefix: str = "") -> Iterator[storage.Stored]:
        return (storage.Stored(f"{bucket.address}/{key}", key, len(content)) for key in keys(count))

    def opened(_url: str, _size: int | None = None) -> BinaryIO:
        return io.BytesIO(content)

    storage.Bucket.list = listed  # type: ignore[method-assign]
    ref.open_url = opened
