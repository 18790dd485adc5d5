"""How the platform says no: JSON with a ``message``, which its clients search for `` not found``."""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : the HTTP status
    message : the text that clients show, and search
    more : further keys of the answer
    """

    def __init__(self, status: int, message: str, more: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {**(more or {}), "message": message}


def missing(what: str) -> Refused:
    """The refusal for something that is not there; clients recognise it by the words `` not found``."""
    return Refused(404, f"{what} not found")


def malformed(message: str) -> Refused:
    """The refusal for a request that cannot be understood."""
    return Refused(400, message)
