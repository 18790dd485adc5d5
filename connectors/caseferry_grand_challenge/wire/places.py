"""What holds items on Grand Challenge: an archive, whose items are archive items, or a reader study with display sets.

Both kinds of items have sockets and are filled alike; only the names of the calls' parts differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind: TypeAlias = Literal["archive", "reader-study"]

PREFIXES: dict[str, Kind] = {"archives/": "archive", "reader-studies/": "reader-study"}
"""How the name of a dataset begins that says which kind it is; without one it is an archive."""


@dataclass(frozen=True, slots=True)
class Place:
    """An archive or a reader study.

    Attributes
    ----------
    pk : its identifier
    address : the API's address of it
    url : where people look at it
    """

    kind: Kind
    slug: str
    pk: str
    title: str
    address: str
    url: str

    @classmethod
    def read(cls, kind: Kind, row: Mapping[str, Any]) -> Place:
        """From what the platform answers."""
        url = str(row["url"])
        slug = str(row.get("slug") or url.rstrip("/").rpartition("/")[2])  # the API does not name that of an archive
        title = str(row.get("title") or row.get("title_safe") or "")
        return cls(kind, slug, str(row["pk"]), title, str(row["api_url"]), url)

    @property
    def name(self) -> str:
        """What follows the scheme in its dataset's URL."""
        return self.slug if self.kind == "archive" else f"reader-studies/{self.slug}"

    @property
    def items(self) -> str:
        """Where its items are."""
        return ITEMS[self.kind]

    @property
    def filter(self) -> dict[str, str]:
        """What asks for its items alone."""
        return {"archive": self.pk} if self.kind == "archive" else {"reader_study": self.pk}

    def item(self, pk: str) -> str:
        """Where one of its items is."""
        return f"{self.items}{pk}/"

    def creation(self, title: str) -> dict[str, Any]:
        """The body that makes an item in it."""
        belongs = {"archive": self.address} if self.kind == "archive" else {"reader_study": self.slug}
        return {**belongs, "title": title}

    def importing(self, item: Any) -> dict[str, Any]:
        """The part of an import's body that says for which item it is."""
        return {TARGETS[self.kind]: item}

    def page(self, pk: str) -> str:
        """Where people look at one of its items."""
        return f"{self.url.rstrip('/')}/{'items' if self.kind == 'archive' else 'display-sets'}/{pk}/edit/"


ITEMS: dict[Kind, str] = {"archive": "archives/items/", "reader-study": "reader-studies/display-sets/"}
LISTS: dict[Kind, str] = {"archive": "archives/", "reader-study": "reader-studies/"}
TARGETS: dict[Kind, str] = {"archive": "archive_item", "reader-study": "display_set"}
NOUNS: dict[Kind, str] = {"archive": "archive", "reader-study": "reader study"}


def split_name(name: str) -> tuple[Kind, str]:
    """The kind of a place, and its slug, title or identifier."""
    for prefix, kind in PREFIXES.items():
        if name.startswith(prefix):
            return kind, name.removeprefix(prefix)
    return "archive", name
