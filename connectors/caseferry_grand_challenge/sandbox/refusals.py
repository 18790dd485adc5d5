"""How Grand Challenge says no: its statuses, its words and the shapes of its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.sandbox.wire import answer, page

if TYPE_CHECKING:
    from aiohttp import web

REQUIRED = "This field is required."
NOT_NULL = "This field may not be null."
NOT_BLANK = "This field may not be blank."
NO_LINK = "Invalid hyperlink - Object does not exist."


class RefusedError(Exception):
    """A request that is answered with an error.

    Parameters
    ----------
    status : the HTTP status
    body : what the JSON answer holds, or the words of an HTML page
    html : whether a front proxy or an error handler answers, with a page instead of JSON
    """

    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None, *, html: bool = False) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body
        self.headers = headers
        self.html = html

    def response(self) -> web.Response:
        """The answer."""
        if self.html:
            return page(str(self.body), self.status)
        return answer(self.body, self.status, self.headers)


def detail(status: int, text: str, headers: dict[str, str] | None = None) -> RefusedError:
    """An error about the request as a whole."""
    return RefusedError(status, {"detail": text}, headers)


def unauthenticated(text: str = "Authentication credentials were not provided.") -> RefusedError:
    """Who asks is unknown."""
    return detail(401, text, {"WWW-Authenticate": "Bearer"})


def denied() -> RefusedError:
    """Who asks may see the object and not do this with it."""
    return detail(403, "You do not have permission to perform this action.")


def not_found(model: str) -> RefusedError:
    """The object is not there, or not for who asks; the two are never told apart."""
    return detail(404, f"No {model} matches the given query.")


def no_method(method: str) -> RefusedError:
    """The address knows other methods only."""
    return detail(405, f'Method "{method}" not allowed.')


def invalid(**fields: list[str]) -> RefusedError:
    """Fields of the body, or of the query, that cannot be accepted."""
    return RefusedError(400, dict(fields))


def invalid_uuid(text: object) -> str:
    """What is said about an identifier that is none."""
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK} is not a valid UUID."


def server_error() -> RefusedError:
    """The server broke. What it then sends is never JSON."""
    return RefusedError(500, "Server Error (500)", html=True)
