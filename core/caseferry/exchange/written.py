"""What becomes of annotations that are written to a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from caseferry.annotation.base import SAID_BESIDE

if TYPE_CHECKING:
    from caseferry.annotation import Annotation


@dataclass
class Written:
    """A file's bytes, and what its format has no form for.

    Attributes
    ----------
    content : the bytes
    left_out : annotations that are not in it, each with the reason
    changed : annotations that are in it in another form, or without a part of what is said of them, each with what
        changed
    beside : further files, by the ending that they have in place of the first one's: names of labels, more layers
    """

    content: bytes = b""
    left_out: list[tuple[Annotation, str]] = field(default_factory=list)
    changed: list[tuple[Annotation, str]] = field(default_factory=list)
    beside: dict[str, bytes] = field(default_factory=dict)


def unsaid(annotation: Annotation, held: set[str], attributes: set[str]) -> str:
    """What a format does not hold of what is said of an annotation, in words; empty when it holds everything.

    Parameters
    ----------
    held : fields that it holds
    attributes : attributes that it holds
    """
    told = annotation.to_json()
    names = [name for name in ("id", *SAID_BESIDE) if name in told and name not in held]
    names += [f"attribute {name!r}" for name in annotation.attributes if name not in attributes]
    return f"without {', '.join(names)}" if names else ""
