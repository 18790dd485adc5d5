"""What a platform can hold and do, and how much at once: data, so that a plan and a page of documentation agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from caseferry.held import EXACT, Loss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.held import Deviation
    from caseferry.imaging.kinds import Kind
    from caseferry.plain import Json

Support = Literal["native", "converted", "sidecar", "no"]
"""``native``: as it is; ``converted``: in another form that means the same; ``sidecar``: beside the platform's own
data; ``no``: not at all."""

VERBS = ("items", "get", "find", "plan", "put", "annotate", "delete", "wait")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What becomes of something that a platform has no form of its own for.

    Attributes
    ----------
    into : the form that it has there
    reason : why
    error : how far that may be from what was put, in words
    """

    into: str
    reason: str
    error: str = "exact"

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {"into": self.into, "reason": self.reason, "error": self.error}

    def loss(self, part: str, error: Deviation = EXACT) -> Loss:
        """What a plan says of a part of which it becomes that."""
        return Loss(part, self.reason, "converted", self.into, error)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a platform does.

    Attributes
    ----------
    verbs : the dataset's verbs that work; any other raises `UnsupportedOperation` before any request
    images : how each kind of image is held
    annotations : how each kind of annotation is held, by its name in JSON; where the platform's configuration must
        allow it (a socket, a class), this says what is possible at best
    conversions : what becomes of what is converted, by the kind of image or annotation
    values, attachments, tags, folders, metadata : how each part of a case is held
    remote : whether putting something there sends it off this machine
    shows_unfinished : whether `items` shows a case as soon as anything of it is there. Where not, what a killed process
        left is found only by looking for it, so each case is looked for before it is put
    """

    verbs: frozenset[str] = frozenset(VERBS)
    images: Mapping[Kind, Support] = field(default_factory=dict)
    annotations: Mapping[str, Support] = field(default_factory=dict)
    conversions: Mapping[str, Conversion] = field(default_factory=dict)
    values: Support = "sidecar"
    attachments: Support = "sidecar"
    tags: Support = "sidecar"
    folders: Support = "sidecar"
    metadata: Support = "sidecar"
    remote: bool = True
    shows_unfinished: bool = False

    def to_json(self) -> dict[str, Json]:
        """Plain data."""
        return {
            "verbs": [verb for verb in VERBS if verb in self.verbs],
            "images": {str(kind): support for kind, support in self.images.items()},
            "annotations": dict(self.annotations),
            "conversions": {kind: conversion.to_json() for kind, conversion in self.conversions.items()},
            "values": self.values,
            "attachments": self.attachments,
            "tags": self.tags,
            "folders": self.folders,
            "metadata": self.metadata,
            "remote": self.remote,
            "shows_unfinished": self.shows_unfinished,
        }


@dataclass(frozen=True, slots=True)
class Limits:
    """How much at once.

    Attributes
    ----------
    in_flight : calls under way at the same time
    sidecar_bytes : how large the sidecar of a case may be; what does not fit stays in the journal's folder
    batch : items in one request, where a platform takes several
    per_minute : such requests in a minute; 0 where there is no limit
    """

    in_flight: int = 16
    sidecar_bytes: int = 1 << 20
    batch: int = 1
    per_minute: int = 0
