"""What every annotation says, whatever its kind."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, ClassVar, Literal, get_args

from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileRef, encodable
from caseferry.plain import Json, plain
from caseferry.text import brief

Source = Literal["human", "model", "imported", "unknown"]
Status = Literal["new", "approved", "rejected"]

SAID_BESIDE = ("author", "reviewer", "created", "modified", "status", "source", "model", "confidence", "codes")
"""Fields that say neither what an annotation is nor where, beside its attributes."""

KINDS: dict[str, type[Annotation]] = {}
"""Every kind of annotation by the name it has in JSON."""


@dataclass(frozen=True, slots=True)
class Code:
    """A coded meaning.

    Attributes
    ----------
    value, scheme, meaning : as in a DICOM coded entry (PS3.3 8.8): ``10200004``, ``SCT``, ``Liver``
    """

    value: str
    scheme: str
    meaning: str = ""


@dataclass(frozen=True, repr=False)
class Annotation:
    """What every annotation says; see the kinds.

    Parameters
    ----------
    image : the role of the image; None for the case as a whole
    label : what was found
    frame : the index of the plane, 0-based; None for the whole image or a three-dimensional position
    id : a name of its own within the case; given by the case when empty
    author, reviewer : who made and who checked it; an e-mail address where the platforms know people by one
    created, modified : when, with a time zone
    source : a person, a model, or unknown
    model : the name of the model, for those that a model made
    confidence : from 0 to 1
    attributes : what else is said of it, as plain data
    codes : coded meanings

    Raises
    ------
    InvalidCase
        Something is missing or out of range; all of it is listed.
    """

    kind: ClassVar[str] = ""
    needs_label: ClassVar[bool] = True

    image: str | None = None
    _: KW_ONLY
    label: str = ""
    frame: int | None = None
    id: str = ""
    author: str | None = None
    reviewer: str | None = None
    created: dt.datetime | None = None
    modified: dt.datetime | None = None
    status: Status | None = None
    source: Source | None = None
    model: str | None = None
    confidence: float | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)
    codes: tuple[Code, ...] = ()

    def __repr__(self) -> str:
        return brief(self)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.kind:
            KINDS[cls.kind] = cls

    def __post_init__(self) -> None:
        problems = [*self._common_problems(), *self._problems()]
        if problems:
            raise InvalidCase(None, [Problem(type(self).__name__, problem) for problem in problems])

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _common_problems(self) -> list[str]:
        problems = []
        problems += [
            f"{name} is {value!r}, expected some text"
            for name in _TEXTS
            if not is_text(value := getattr(self, name, None))
        ]
        if self.needs_label and not self.label:
            problems.append("label is missing")
        problems += self._number_problems()
        for name in ("created", "modified"):
            when = getattr(self, name)
            if when is not None and not isinstance(when, dt.datetime):
                problems.append(f"{name} is {when!r}, expected a datetime")
            elif when is not None and when.tzinfo is None:
                problems.append(f"{name} has no time zone")
        for name, allowed in (("source", get_args(Source)), ("status", get_args(Status))):
            if getattr(self, name) not in (None, *allowed):
                problems.append(f"{name} is {getattr(self, name)!r}, expected one of {', '.join(allowed)}")
        try:
            self._set("attributes", plain(self.attributes, "attributes"))
        except ValueError as error:
            problems.append(str(error))
        self._set("codes", tuple(self.codes))
        problems += [
            f"codes[{index}] is {code!r}, expected a Code of value, scheme and meaning"
            for index, code in enumerate(self.codes)
            if not isinstance(code, Code)
            or None in (code.value, code.scheme, code.meaning)
            or not all(map(is_text, (code.value, code.scheme, code.meaning)))
        ]
        return problems

    def _number_problems(self) -> list[str]:
        problems = []
        if self.frame is not None:
            frame = whole(self.frame)
            if frame is None or frame < 0:
                problems.append(f"frame is {self.frame!r}, expected a plane's index from 0")
            else:
                self._set("frame", frame)
        if self.confidence is not None:
            confidence = scalar(self.confidence)
            if confidence is None or not 0 <= confidence <= 1:
                problems.append(f"confidence is {self.confidence!r}, expected 0 to 1")
            else:
                self._set("confidence", confidence)
        return problems

    def _problems(self) -> list[str]:
        """What is wrong with the fields of this kind; they are brought into their usual form on the way."""
        return []

    def to_json(self) -> dict[str, Json]:
        """Plain data without the fields that say nothing; `annotation_from_json` gives an equal annotation."""
        document: dict[str, Json] = {"kind": self.kind}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None or (each.name in _OPTIONAL and value in ("", (), {})):
                continue
            document[each.name] = _to_json(value)
        return document


_TEXTS = ("image", "label", "id", "author", "reviewer", "model", "unit", "platform")


def is_text(value: Any) -> bool:
    """Whether a value is text that can be written, or nothing."""
    return value is None or (isinstance(value, str) and encodable(value))


_OPTIONAL = {"label", "id", "attributes", "codes", "unit"}


def _to_json(value: Any) -> Json:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, FileRef | Annotation):
        return value.to_json()
    if isinstance(value, Code):
        return {"value": value.value, "scheme": value.scheme, "meaning": value.meaning}
    if isinstance(value, tuple | list):
        return [_to_json(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _to_json(item) for key, item in value.items()}
    return plain(value)


def whole(value: Any) -> int | None:
    """A whole number of any library's kind, or None."""
    number = scalar(value)
    return int(number) if number is not None and number == int(number) else None


def scalar(value: Any) -> int | float | None:
    """A finite number of any library's kind, or None."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value
