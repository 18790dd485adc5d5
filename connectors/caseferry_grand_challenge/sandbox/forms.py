"""Reading the fields of a body as the server does, with its words for what is wrong."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from caseferry_grand_challenge.sandbox.refusals import (
    NO_LINK,
    NOT_BLANK,
    NOT_NULL,
    REQUIRED,
    RefusedError,
    invalid_uuid,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Record = dict[str, Any]

API = "/api/v1/"

PATHS = {
    "archive": "archives/",
    "item": "archives/items/",
    "image": "cases/images/",
    "session": "cases/upload-sessions/",
    "upload": "uploads/",
    "study": "reader-studies/",
    "set": "reader-studies/display-sets/",
}
"""Where the objects that others link to have their addresses, below the API's base."""

MISSING = object()


class FieldError(Exception):
    """What is wrong with one field.

    Parameters
    ----------
    problem : the message, or what stands in the answer in its place
    """

    def __init__(self, problem: Any) -> None:
        super().__init__(str(problem))
        self.messages: Any = [problem] if isinstance(problem, str) else problem


def normal_uuid(text: str) -> str | None:
    """An identifier as the server writes it, or None for a text that is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def link(value: object, kind: str) -> str:
    """The identifier in a link to an object. Only the path counts, as on the server.

    Raises
    ------
    FieldError
        The value is no link to such an object.
    """
    if value is None:
        raise FieldError(NOT_NULL)
    if not isinstance(value, str):
        raise FieldError(f"Incorrect type. Expected URL string, received {type(value).__name__}.")
    path = urlsplit(value).path if value.startswith(("http:", "https:")) else value
    found = re.fullmatch(rf"{API}{PATHS[kind]}([^/.]+)/", path)
    if found is None:
        others = "|".join(PATHS.values())
        known = re.fullmatch(rf"{API}(?:{others})(?:[^/.]+/)?", path)
        raise FieldError(f"Invalid hyperlink - {'Incorrect' if known else 'No'} URL match.")
    pk = normal_uuid(found[1])
    if pk is None:
        raise FieldError(invalid_uuid(found[1]))
    return pk


class Form:
    """The fields of one body. What is wrong is gathered, so that all of it is said at once.

    Parameters
    ----------
    partial : whether fields may be left out although they are required
    """

    def __init__(self, body: Mapping[str, Any], *, partial: bool = False) -> None:
        self.body = body
        self.partial = partial
        self.problems: Record = {}

    def read(self, name: str, reader: Callable[[Any], Any], *, required: bool = True) -> Any:
        """One field as `reader` understands it; `MISSING` when it is left out or wrong."""
        if name not in self.body:
            if required and not self.partial:
                self.problems[name] = [REQUIRED]
            return MISSING
        try:
            return reader(self.body[name])
        except FieldError as error:
            self.problems[name] = error.messages
            return MISSING

    def text(self, name: str, limit: int, *, required: bool = False, blank: bool = True) -> Any:
        """A text without the spaces around it, of at most `limit` characters."""
        return self.read(name, lambda value: _text(value, limit, blank=blank), required=required)

    def done(self) -> None:
        """End reading.

        Raises
        ------
        RefusedError
            A field was wrong: 400.
        """
        if self.problems:
            raise RefusedError(400, self.problems)


def _text(value: object, limit: int, *, blank: bool) -> str:
    if value is None:
        raise FieldError(NOT_NULL)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise FieldError("Not a valid string.")
    text = str(value).strip()
    if not text and not blank:
        raise FieldError(NOT_BLANK)
    if "\x00" in text:
        raise FieldError("Null characters are not allowed.")
    if len(text) > limit:
        raise FieldError(f"Ensure this field has no more than {limit} characters.")
    return text


def linked(value: object, kind: str, find: Callable[[str], Record | None]) -> Record:
    """The object that a link names.

    Raises
    ------
    FieldError
        No such link, or `find` knows no object that who asks may use so.
    """
    record = find(link(value, kind))
    if record is None:
        raise FieldError(NO_LINK)
    return record


def named(value: object, find: Callable[[str], Record | None]) -> Record:
    """The object of a slug.

    Raises
    ------
    FieldError
        No such object for who asks.
    """
    if value is None:
        raise FieldError(NOT_NULL)
    record = find(value) if isinstance(value, str) else None
    if record is None:
        raise FieldError(f"Object with slug={value} does not exist.")
    return record


def identified(value: object, find: Callable[[str], Record | None]) -> Record:
    """The object of an identifier that stands bare in a body.

    Raises
    ------
    FieldError
        No such object for who asks.
    """
    if value is None:
        raise FieldError(NOT_NULL)
    if not isinstance(value, str):
        raise FieldError(f"Incorrect type. Expected pk value, received {type(value).__name__}.")
    pk = normal_uuid(value)
    if pk is None:
        raise FieldError(invalid_uuid(value))
    record = find(pk)
    if record is None:
        raise FieldError(f'Invalid pk "{value}" - object does not exist.')
    return record


def link_list(value: object, kind: str, find: Callable[[str], Record | None]) -> list[Record]:
    """The objects that a list of links names.

    Raises
    ------
    FieldError
        The value is no list, or one of its links names nothing.
    """
    if value is None:
        raise FieldError(NOT_NULL)
    if not isinstance(value, list):
        raise FieldError(f'Expected a list of items but got type "{type(value).__name__}".')
    return [linked(one, kind, find) for one in value]
