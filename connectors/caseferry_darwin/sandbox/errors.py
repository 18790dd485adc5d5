"""What Darwin answers when it does not do what it was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer

if TYPE_CHECKING:
    from aiohttp import web


class Refusal(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : the HTTP status
    errors : what the answer's ``errors`` object holds
    """

    def __init__(self, status: int, errors: dict[str, Any]) -> None:
        super().__init__(f"{status}: {errors}")
        self.status = status
        self.errors = errors

    def response(self) -> web.Response:
        """The answer."""
        return answer({"errors": self.errors}, self.status)


class Invalid(Refusal):
    """422: a field of the body or of the query holds something that cannot be.

    Which malformed requests Darwin refuses, and in which words, is not public; the form ``{"errors": {field:
    [text]}}`` is the one that its published answers have.
    """

    def __init__(self, field: str, *texts: str) -> None:
        super().__init__(422, {field: list(texts)})


class Unreadable(Refusal):
    """400: the body is not JSON, or not the kind of JSON that the call takes."""

    def __init__(self, text: str) -> None:
        super().__init__(400, {"detail": text})


class Unauthorized(Refusal):
    """401: the key is missing or wrong."""

    def __init__(self) -> None:
        super().__init__(401, {"detail": "Unauthorized"})


class Missing(Refusal):
    """404: the address names something that is not there."""

    def __init__(self) -> None:
        super().__init__(404, {"detail": "Not Found"})


class TooLarge(Refusal):
    """413: the body is larger than the platform takes."""

    def __init__(self) -> None:
        super().__init__(413, {"detail": "Request Entity Too Large"})


class StorageFull(Refusal):
    """429: the team's storage is used up. Not a rate limit: waiting does not help."""

    def __init__(self) -> None:
        super().__init__(
            429, {"code": "INSUFFICIENT_REMAINING_STORAGE", "detail": "The storage of the team is used up"}
        )


class NotImplementedHere(Refusal):
    """404: the platform does this, the stand-in does not."""

    def __init__(self, what: str) -> None:
        super().__init__(404, {"detail": f"not implemented by the sandbox: {what}"})
