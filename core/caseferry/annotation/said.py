"""What is said of a whole image, plane or case; and what no kind fits."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import ClassVar

from caseferry.annotation.base import Annotation, scalar
from caseferry.files import encodable
from caseferry.plain import Json, plain


@dataclass(frozen=True, repr=False)
class Label(Annotation):
    """Something is there: a tag on an image, a plane, or the case."""

    kind: ClassVar[str] = "label"
    label: str = ""


@dataclass(frozen=True, repr=False)
class Category(Annotation):
    """One of several answers: the label is the question, the value the answer."""

    kind: ClassVar[str] = "category"
    label: str = ""
    value: str = ""

    def _problems(self) -> list[str]:
        good = isinstance(self.value, str) and self.value and encodable(self.value)
        return [] if good else [f"value is {self.value!r}, expected some text"]


@dataclass(frozen=True, repr=False)
class Numeric(Annotation):
    """A number.

    Parameters
    ----------
    value : a finite number; whole numbers stay whole
    unit : in UCUM where possible: ``mm``, ``ml``
    """

    kind: ClassVar[str] = "numeric"
    label: str = ""
    value: float = math.nan
    unit: str = ""

    def _problems(self) -> list[str]:
        number = scalar(self.value)
        if number is None:
            return [f"value is {self.value!r}, expected a finite number"]
        self._set("value", number)
        return []


@dataclass(frozen=True, repr=False)
class Text(Annotation):
    """Free text."""

    kind: ClassVar[str] = "text"
    label: str = ""
    value: str = ""

    def _problems(self) -> list[str]:
        good = isinstance(self.value, str) and encodable(self.value)
        return [] if good else [f"value is {self.value!r}, expected text"]


@dataclass(frozen=True, repr=False)
class Raw(Annotation):
    """An annotation of a platform that no kind fits, kept whole.

    Parameters
    ----------
    platform : the platform that knows what it means
    payload : its own data
    """

    kind: ClassVar[str] = "raw"
    needs_label: ClassVar[bool] = False

    platform: str = ""
    payload: Json = None

    def _problems(self) -> list[str]:
        problems = [] if self.platform else ["platform is missing"]
        try:
            self._set("payload", plain(self.payload, "payload"))
        except ValueError as error:
            problems.append(str(error))
        return problems


def slug(text: str) -> str:
    """A label as a short name: lower case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
