"""Tags that items are registered with: a list of tag classes, or a map from tag class to text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry_darwin.sandbox.book import now
from caseferry_darwin.sandbox.errors import Invalid

if TYPE_CHECKING:
    from caseferry_darwin.sandbox.book import Book
    from caseferry_darwin.sandbox.fields import Json


def words_of(tags: Any, place: str) -> dict[str, str | None]:
    """Tag names and the texts beside them."""
    if tags is None:
        return {}
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        return dict.fromkeys(tags)
    if isinstance(tags, dict) and all(isinstance(word, str) for word in tags.values()):
        return tags
    raise Invalid(place, "must be a list of names or a map from name to text")


def obstacle(book: Book, tags: Any, place: str) -> str | None:
    """Why an item with these tags is blocked; None when it is not."""
    for name, word in words_of(tags, place).items():
        entry = book.annotation_class(name, "tag")
        if entry is None:
            return "UNKNOWN_TAGS"
        if word is not None and "text" not in entry["annotation_types"]:
            return "MISSING_TEXT_FOR_TAG"
    return None


def attach(book: Book, item: Json, tags: Any, slot_name: str) -> None:
    """Annotate an item with tags."""
    for name, word in words_of(tags, "tags").items():
        entry = book.annotation_class(name, "tag")
        if entry is None:
            continue
        identifier = book.uuid()
        book.annotations(item["id"])[identifier] = {
            "id": identifier,
            "annotation_class_id": entry["id"],
            "data": {"tag": {}} | ({"text": {"text": word}} if word is not None else {}),
            "context_keys": {"slot_names": [slot_name]},
            "actors": [],
            "properties": {},
            "inserted_at": now(),
            "updated_at": now(),
        }
