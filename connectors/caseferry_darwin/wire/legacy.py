"""Registrations for Darwin's first interface, as items of today's and as cases.

Source
------
V7's older guide "Import Visual Data to V7 Darwin via HTTP": ``items`` with ``filename``, ``path`` and ``tags``, and for
what lies in an external storage ``key``, ``thumbnail_key``, ``width``, ``height``, beside them ``storage_name``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Text
from caseferry.case import Case, Image
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef
from caseferry_darwin.wire.rules import type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RENAMED = {"filename": "name", "key": "storage_key", "thumbnail_key": "storage_thumbnail_key"}
SAME = ("path", "tags", "type", "width", "height", "fps", "as_frames", "metadata")
SECTION = {"hq_key": "storage_hq_key", "lq_key": "storage_lq_key"}
SECTION_SAME = ("section_index", "width", "height")
ROLE = "file"


def is_legacy(document: Any) -> bool:
    """Whether a document is such a registration."""
    items = document.get("items") if isinstance(document, Mapping) else None
    return isinstance(items, list) and any(isinstance(item, Mapping) and "filename" in item for item in items)


def modern(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items as they are registered today.

    Raises
    ------
    InvalidCase
        Something in it is of no known meaning, or has none today; every problem is listed, and nothing is left out
        silently.
    """
    problems = [
        Problem(name, "is no field of a registration", "take it out")
        for name in document
        if name not in {"items", "storage_name"}
    ]
    items = []
    for number, item in enumerate(document.get("items") or ()):
        where = f"items[{number}]"
        if not isinstance(item, Mapping) or not isinstance(item.get("filename"), str) or not item["filename"]:
            problems.append(Problem(where, "has no filename", "give it one"))
            continue
        items.append(_item(item, where, problems))
    if not items and not problems:
        problems.append(Problem("items", "is empty", "list what is to be registered"))
    if problems:
        raise InvalidCase(None, problems)
    return items


def _item(item: Mapping[str, Any], where: str, problems: list[Problem]) -> dict[str, Any]:
    found: dict[str, Any] = {"path": "/"}
    for name, value in item.items():
        if name in RENAMED:
            found[RENAMED[name]] = value
        elif name == "sections":
            found[name] = [_section(each, f"{where}.sections[{n}]", problems) for n, each in enumerate(value)]
        elif name in SAME:
            found[name] = value
        else:
            problems.append(Problem(f"{where}.{name}", "is no field of an item", "take it out"))
    found["path"] = f"/{str(found['path']).strip('/')}"
    if "tags" in found:
        found["tags"] = _tags(found["tags"], where, problems)
    kind = type_of(found["name"]) or type_of(str(found.get("storage_key", "")))
    if kind is not None:
        found.setdefault("type", kind)
    return found


def _section(section: Mapping[str, Any], where: str, problems: list[Problem]) -> dict[str, Any]:
    problems += [
        Problem(f"{where}.{name}", "is no field of a section", "take it out")
        for name in section
        if name not in SECTION and name not in SECTION_SAME
    ]
    return {SECTION.get(name, name): value for name, value in section.items()}


def _tags(tags: Any, where: str, problems: list[Problem]) -> list[str] | dict[str, str]:
    """Names, or one table of names and texts where there was a list of tables of one."""
    names = [tag for tag in tags if isinstance(tag, str)]
    texts = {name: text for tag in tags if isinstance(tag, Mapping) for name, text in tag.items()}
    if names and texts:
        what = "mixes tags that have a text with others, which one registration cannot hold today"
        problems.append(Problem(f"{where}.tags", what, "give each a text, or none"))
    return texts or names


def cases(document: Mapping[str, Any], locate: Callable[[Mapping[str, Any]], str]) -> Iterator[Case]:
    """Each item as a case. Sizes are left to the files; where thumbnails and frames lie is kept in the metadata.

    Parameters
    ----------
    locate : where the file of an item of today's lies

    Raises
    ------
    InvalidCase
        As `modern`; or an item makes no case.
    """
    for item in modern(document):
        folder = item["path"].strip("/")
        name = f"{folder}/{item['name']}" if folder else item["name"]
        tags = item.get("tags") or []
        texts = [Text(ROLE, tag, str(text)) for tag, text in tags.items()] if isinstance(tags, Mapping) else []
        told = {k: v for k, v in item.items() if k not in {"name", "path", "tags", "storage_key"}}
        try:
            ref = FileRef(locate(item), item["name"])
        except FileProblem as error:
            raise InvalidCase(name, [Problem("filename", str(error))]) from error
        yield Case(
            name,
            folder=folder,
            images=[Image(ROLE, ref)],
            annotations=texts,
            tags=[] if isinstance(tags, Mapping) else tags,
            metadata={"registration": told} if told else {},
        )
