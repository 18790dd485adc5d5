"""Running a row of a table of old calls: what is written instead, and what holds then."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """One call.

    Attributes
    ----------
    old : the call of the old client
    new : what is written instead; lines of Python, the last of which is the result
    holds : what is true then
    note : what is different, in words
    """

    old: str
    new: str
    holds: str
    note: str = ""


def fails(kind: type[Exception], call: Any) -> bool:
    """Whether a call raises an error of a kind."""
    try:
        call()
    except kind:
        return True
    return False


def run(new: str, holds: str, names: dict[str, Any]) -> None:
    """Run lines of Python of which the last is the result, and check that something holds of it."""
    *lines, last = ast.parse(new or "None").body
    assert isinstance(last, ast.Expr), "the last line is the result"
    exec(compile(ast.Module(lines, []), "new", "exec"), names)
    names["result"] = eval(compile(ast.Expression(last.value), "new", "eval"), names)
    assert eval(holds, names), f"{new}\ngave {names['result']!r}, and this does not hold:\n{holds}"
