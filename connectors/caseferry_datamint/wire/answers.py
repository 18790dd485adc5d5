"""What is taken from the platform's answers, and what an answer must be for that.

Servers of different years leave out fields and write numbers as text, which is read as it is meant. An answer of
another form altogether is told at once, by what was asked and what is wrong, and never read as an empty one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeAlias

from caseferry.errors import UnexpectedResponse
from caseferry_datamint.errors import PLATFORM

Row: TypeAlias = "Mapping[str, Any]"
"""What the platform says of one thing."""

NAMES = ("id", "worklist_id", "email")
"""Fields by which a row may be known."""

IDS = (*NAMES, "resource_id", "dataset_id", "annotation_worklist_id")
"""Fields that become parts of addresses."""

LISTS = ("tags", "resource_ids", "resource_data", "annotators", "roles")
OBJECTS = ("metadata",)

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PART = re.compile(r"[^\s/?#%\\]+")


def checked_row(body: Any, what: str, known_by: Sequence[str] = ("id",)) -> Row:
    """One thing, as an answer or a list tells it.

    Parameters
    ----------
    what : was asked, for messages
    known_by : fields of which one must name it; none where it needs no name

    Raises
    ------
    UnexpectedResponse
        It is no object, has no name, or one of its fields is of another type than the platform promises.
    """
    if not isinstance(body, Mapping):
        _refuse(what, f"expected an object with {' or '.join(known_by) or 'fields'}, and it is {_told(body)}")
    if known_by and not any(body.get(field) for field in known_by):
        _refuse(what, f"expected an object with {' or '.join(known_by)}, and it has none")
    for field in IDS:
        value = body.get(field)
        if value is not None and not _is_part(value):
            _refuse(what, f"the field {field} is {_told(value)} that is no id")
    for field, kind, word in (*((f, list, "a list") for f in LISTS), *((f, Mapping, "an object") for f in OBJECTS)):
        value = body.get(field)
        if value is not None and not isinstance(value, kind):
            _refuse(what, f"the field {field} is {_told(value)}, expected {word}")
    return body


def rows_of(body: Any, key: str, what: str, known_by: Sequence[str] = ("id",)) -> list[Row]:
    """The rows of a listing in any of the platform's envelopes.

    Parameters
    ----------
    key : under which the rows lie, where they lie deeper than under ``data``

    Raises
    ------
    UnexpectedResponse
        There is no list of objects in it; see `checked_row` too.
    """
    rows = body
    if isinstance(rows, Mapping):
        rows = next((rows[each] for each in (key, "data", "items") if each in rows), None)
    if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], Mapping) and key != "data":
        rows = rows[0].get(key, rows)
    if not isinstance(rows, list):
        _refuse(what, f"expected a list, and there is {_told(rows)}")
    return [checked_row(row, what, known_by) for row in rows]


def total_of(body: Any) -> int | None:
    """How many rows a listing has, as far as its answer says."""
    return whole(body.get("totalCount")) if isinstance(body, Mapping) else None


def name_of(row: Row) -> str:
    """By what a row is known in a listing: channels have no id."""
    names = (row.get(field) for field in NAMES)
    return next((str(name) for name in names if name), "") or json.dumps(row, sort_keys=True, default=str)


def is_id(name: str) -> bool:
    """Whether a name has the form that the platform gives to ids of its own."""
    return bool(_ID.fullmatch(name))


def made_id(body: Any, what: str) -> str:
    """The id of what was made."""
    return str(checked_row(body, what)["id"])


def made_ids(body: Any, count: int, what: str) -> list[str]:
    """The ids of several things that were made, in the order in which they were asked for.

    Raises
    ------
    UnexpectedResponse
        They are not as many, or no ids.
    """
    named = [each.get("id") if isinstance(each, Mapping) else each for each in body] if isinstance(body, list) else []
    if not isinstance(body, list) or not all(_is_part(each) for each in named):
        _refuse(what, f"expected a list of ids, and there is {_told(body)}")
    if len(named) != count:
        _refuse(what, f"it gives {len(named)} ids for the {count} that were to be made")
    return [str(each) for each in named]


# -- fields --------------------------------------------------------------------------------------------------------


def text(row: Row, field: str) -> str:
    """A text or a number as text; empty for none."""
    value = row.get(field)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def readable(value: object) -> str:
    """As text, of which half a character becomes ``?``."""
    return str(value).encode(errors="replace").decode()


def whole(value: Any) -> int | None:
    """A whole number, which may be written as text; None for what is none."""
    written = str(value)
    return int(written) if written.isascii() and written.isdecimal() and len(written) < 20 else None


def first_of(row: Row, *fields: str) -> Any:
    """The value of the first of several fields that has one; None when none has."""
    return next((row[field] for field in fields if row.get(field) is not None), None)


def texts(row: Row, field: str) -> tuple[str, ...]:
    """The elements of a list as texts."""
    values = row.get(field)
    return tuple(str(each) for each in values if each is not None) if isinstance(values, list) else ()


def objects(row: Row, field: str) -> tuple[Row, ...]:
    """The objects in a list."""
    values = row.get(field)
    return tuple(each for each in values if isinstance(each, Mapping)) if isinstance(values, list) else ()


def _is_part(value: Any) -> bool:
    """Whether an id can be one part of an address."""
    written = str(value)
    known = isinstance(value, str | int) and not isinstance(value, bool)
    return known and bool(_PART.fullmatch(written)) and bool(written.strip("."))


def _told(value: Any) -> str:
    """What something is, without what it says, which may be of a patient."""
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "nothing"}
    return kinds.get(type(value), "a number")


def _refuse(what: str, detail: str) -> NoReturn:
    raise UnexpectedResponse(PLATFORM, what, f"the answer is not what the platform promises: {detail}")
