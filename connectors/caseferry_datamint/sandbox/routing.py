"""Finding the function that answers a call.

Official clients write the same call as ``/x/{id}`` and ``/x/{id}/``, and one of them doubles the first slash, so
paths are compared by their segments alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry_datamint.sandbox.desk import Desk


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key a request carries."""

    email: str
    admin: bool


@dataclass(frozen=True, slots=True)
class Call:
    """One request, once it is known what it asks for.

    Attributes
    ----------
    ids : the path's segments where the template has ``*``, in order
    """

    request: web.Request
    ids: tuple[str, ...]
    caller: Caller


Handler = Callable[["Desk", Call], Awaitable[web.StreamResponse]]


class Calls:
    """The calls that one module answers."""

    def __init__(self) -> None:
        self.handlers: list[tuple[str, str, Handler]] = []

    def on(self, method: str, template: str) -> Callable[[Handler], Handler]:
        """Answer `method` on a path such as ``resources/*/file`` with the decorated function."""

        def register(handler: Handler) -> Handler:
            self.handlers.append((method, template, handler))
            return handler

        return register


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    handlers: dict[str, Handler] = field(default_factory=dict)


class Table:
    """Every call that is answered. A literal segment is preferred to ``*``."""

    def __init__(self, groups: Iterable[Calls]) -> None:
        self._root = _Node()
        for group in groups:
            for method, template, handler in group.handlers:
                node = self._root
                for segment in template.split("/"):
                    node = node.children.setdefault(segment, _Node())
                node.handlers[method] = handler

    def find(self, method: str, path: str) -> tuple[Handler, tuple[str, ...]] | None:
        """The function for a request and the ids in its path, or None when there is none."""
        node, ids = self._root, []
        for segment in path.split("/"):
            if not segment:
                continue
            child = node.children.get(segment)
            if child is None:
                child = node.children.get("*")
                if child is None:
                    return None
                ids.append(segment)
            node = child
        handler = node.handlers.get(method)
        return None if handler is None else (handler, tuple(ids))
