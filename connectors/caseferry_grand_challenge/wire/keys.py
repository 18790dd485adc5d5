"""Where annotations stand in an item's sockets, as a sidecar writes it.

``slug`` says that an annotation is all that a socket holds, ``slug#2`` that it is the entry 2 of a socket for JSON.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from caseferry.sidecar import Native


def entry_key(slug: str, index: int) -> str:
    """The key of an entry."""
    return f"{slug}#{index}"


def slug_of(key: str) -> str:
    """The socket."""
    return key.partition("#")[0]


def is_entry(key: str) -> bool:
    """Whether it is the key of an entry."""
    return "#" in key


def index_of(key: str) -> int:
    """The number of an entry; 0 for what fills a socket."""
    number = key.partition("#")[2]
    return int(number) if number.isdecimal() else 0


def moved_to(key: str, slug: str) -> str:
    """The same place in another socket."""
    return slug + key.removeprefix(slug_of(key))


def described_sockets(native: Native) -> set[str]:
    """The sockets of which a sidecar tells what was put into them."""
    parts = (native.images, native.values, native.attachments)
    return {slug for part in parts for slug in part.values()} | set(map(slug_of, native.annotations.values()))
