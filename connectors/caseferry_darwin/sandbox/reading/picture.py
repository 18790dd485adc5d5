"""A flat thing to look at: one image, or frames of one size."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class UnreadableFile(Exception):
    """A file that cannot be processed; the message is what the item's ``processing_error`` says."""


@dataclass(frozen=True, slots=True)
class Picture:
    """Frames of one size.

    Attributes
    ----------
    width, height : in pixels
    frames : how many frames the file has
    native_fps : frames a second, None for what has no time
    metadata : anything else that the slot's metadata shall say
    """

    width: int
    height: int
    frames: int = 1
    native_fps: float | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
