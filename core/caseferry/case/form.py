"""The form of what a case is made of: names that every platform takes, and documents that are read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from caseferry.errors import InvalidCase, Problem
from caseferry.files import encodable

LONGEST_ID = 255
"""Characters in the name of a case that every platform takes."""


def check_id(name: str, what: str) -> list[str]:
    """What makes the name of a case, a role or an attachment unusable on one platform or another."""
    if not isinstance(name, str) or not name.strip():
        return [f"is {name!r}, expected a {what}"]
    problems = []
    if not encodable(name):
        problems.append("holds half a character (a lone surrogate)")
    if len(name) > LONGEST_ID:
        problems.append(f"has {len(name)} characters; at most {LONGEST_ID} fit every platform")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        problems.append("holds a control character")
    if name != name.strip():
        problems.append("begins or ends with a space")
    if any(part == ".." for part in name.replace("\\", "/").split("/")):
        problems.append("holds '..', which would leave a folder")
    return problems


def each_of(where: str, documents: Any, read: Callable[[Any], Any], problems: list[Problem]) -> list[Any]:
    """Read each document, adding what is wrong with it to the problems."""
    found: list[Any] = []
    if isinstance(documents, str | Mapping) or not isinstance(documents, Iterable):
        problems.append(Problem(where, f"is of type {type(documents).__name__}, expected a list"))
        return found
    for index, document in enumerate(documents):
        try:
            found.append(read(document))
        except InvalidCase as error:
            problems += [Problem(f"{where}[{index}].{p.where}", p.what, p.remedy) for p in error.problems]
        except KeyError as error:
            problems.append(Problem(f"{where}[{index}]", f"has no {error.args[0]}"))
        except (TypeError, ValueError, AttributeError) as error:
            problems.append(Problem(f"{where}[{index}]", str(error)))
    return found


def repeated(where: str, what: str, names: Sequence[str]) -> list[Problem]:
    """A problem for each name that stands in the list before."""
    seen: dict[str, int] = {}
    problems = []
    for index, name in enumerate(names):
        if name and name in seen:
            text = f"is {name!r}, as is {where}[{seen[name]}]"
            problems.append(Problem(f"{where}[{index}].{what}", text, f"give each a {what} of its own"))
        seen.setdefault(name, index)
    return problems
