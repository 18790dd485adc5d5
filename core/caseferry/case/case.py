"""One case: its images and all that was found, said and kept of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Mask, annotation_from_json
from caseferry.case.form import check_id, each_of, repeated
from caseferry.case.image import Image
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef, PathLike, encodable
from caseferry.plain import Json, fingerprint, only_fields, plain
from caseferry.text import brief

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1
"""The version of the JSON form; raised when an older reader could misunderstand a newer document."""

_NAMESPACE = uuid.UUID("6f0d3c53-6b0a-5b9e-9c5c-0a4c1f6f7a11")


@dataclass(frozen=True)
class Attachment:
    """A file that belongs to the case and is no image: a report, a table.

    Parameters
    ----------
    name : what it is in the case; each name once
    file : the file
    """

    name: str
    file: FileRef

    def __init__(self, name: str, file: FileRef | PathLike) -> None:
        problems = [Problem("name", text) for text in check_id(name, "name for the attachment")]
        object.__setattr__(self, "name", name)
        try:
            object.__setattr__(self, "file", FileRef.of(file))
        except (FileProblem, TypeError) as error:
            problems.append(Problem("file", str(error)))
        if problems:
            raise InvalidCase(None, problems)


@dataclass(frozen=True, repr=False)
class Case:
    """One case.

    Parameters
    ----------
    id : its own name, the same on every platform
    title : what people call it
    images : each with a role of its own
    annotations : what was found; each gets an `id` when it has none
    values : results by name, as plain data
    attachments : further files, each with a name of its own
    tags : words it is found by, each once
    folder : where it lies within the dataset, with ``/`` between levels; empty for the top
    metadata : anything else, as plain data

    Raises
    ------
    InvalidCase
        Something is missing, named twice or out of range; every problem is listed.
    """

    id: str
    title: str = ""
    images: Sequence[Image] = ()
    annotations: Sequence[Annotation] = ()
    values: Mapping[str, Json] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    tags: Sequence[str] = ()
    folder: str = ""
    metadata: Mapping[str, Json] = field(default_factory=dict)

    def __repr__(self) -> str:
        return brief(self)

    def __post_init__(self) -> None:
        problems = [Problem("id", text) for text in check_id(self.id, "name for the case")]
        problems += self._form_problems()
        problems += self._folder_problems()
        problems += repeated("images", "role", [image.role for image in self.images])
        problems += repeated("attachments", "name", [attachment.name for attachment in self.attachments])
        problems += repeated("tags", "tag", list(self.tags))
        for name in ("values", "metadata"):
            given = getattr(self, name)
            try:
                object.__setattr__(self, name, plain(given, name))
            except ValueError as error:
                problems.append(Problem(name, str(error)))
            if not isinstance(given, Mapping):
                problems.append(Problem(name, f"is of type {type(given).__name__}, expected names and values"))
        problems += self._annotation_problems()
        if problems:
            raise InvalidCase(str(self.id), problems)
        object.__setattr__(self, "annotations", tuple(self._with_ids()))

    def _form_problems(self) -> Iterator[Problem]:
        """What is no list, or stands in a list of something else; it is left out, so that the rest can be checked."""
        for name in ("title", "folder"):
            text = getattr(self, name)
            if not isinstance(text, str) or not encodable(text):
                yield Problem(name, f"is {text!r}, expected some text")
                object.__setattr__(self, name, "")
        for name, kind in _LISTS.items():
            given = getattr(self, name)
            if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
                yield Problem(name, f"is of type {type(given).__name__}, expected a list of {kind.__name__}")
                given = ()
            members = tuple(given)
            for index, member in enumerate(members):
                if not isinstance(member, kind):
                    what = f"is of type {type(member).__name__}, expected {kind.__name__}"
                    yield Problem(f"{name}[{index}]", what)
                elif isinstance(member, str) and not (member.strip() and encodable(member)):
                    yield Problem(f"{name}[{index}]", f"is {member!r}, expected some text")
            object.__setattr__(self, name, tuple(member for member in members if isinstance(member, kind)))

    def _folder_problems(self) -> list[Problem]:
        parts = self.folder.strip("/").split("/") if self.folder.strip("/") else []
        object.__setattr__(self, "folder", "/".join(parts))
        return [Problem("folder", text) for text in dict.fromkeys(t for p in parts for t in check_id(p, "folder name"))]

    def _annotation_problems(self) -> list[Problem]:
        roles = [image.role for image in self.images]
        problems = [
            Problem(
                f"annotations[{index}].image",
                f"is {annotation.image!r}, which is no role of an image",
                f"use one of {', '.join(map(repr, roles)) or 'the images of the case (there are none)'}",
            )
            for index, annotation in enumerate(self.annotations)
            if annotation.image is not None and annotation.image not in roles
        ]
        return problems + repeated("annotations", "id", [annotation.id for annotation in self.annotations])

    def _with_ids(self) -> Iterator[Annotation]:
        """The annotations, those without a name given one that depends on the case and on what they say."""
        taken = {annotation.id for annotation in self.annotations}
        for annotation in self.annotations:
            if annotation.id:
                yield annotation
                continue
            content = annotation.to_json()
            if isinstance(annotation, Mask):
                content["file"] = annotation.file.name
            name, count = "", 0
            while not name or name in taken:
                name = str(uuid.uuid5(_NAMESPACE, f"{self.id}\n{fingerprint(content)}\n{count}"))
                count += 1
            taken.add(name)
            yield replace(annotation, id=name)

    def image(self, role: str) -> Image:
        """The image of that role.

        Raises
        ------
        KeyError
            No image has the role.
        """
        for image in self.images:
            if image.role == role:
                return image
        raise KeyError(role)

    def files(self) -> Iterator[FileRef]:
        """Every file of the case: of images, masks and attachments, in this order."""
        for image in self.images:
            yield from image.files
        for annotation in self.annotations:
            if isinstance(annotation, Mask):
                yield annotation.file
        for attachment in self.attachments:
            yield attachment.file

    def with_files(self, change: Callable[[FileRef], FileRef]) -> Case:
        """The same case with every file reference replaced by `change` of it."""
        return replace(
            self,
            images=[image.with_files([change(ref) for ref in image.files]) for image in self.images],
            annotations=[replace(a, file=change(a.file)) if isinstance(a, Mask) else a for a in self.annotations],
            attachments=[Attachment(each.name, change(each.file)) for each in self.attachments],
        )

    def to_json(self) -> dict[str, Json]:
        """Plain data that follows the published schema; `from_json` gives an equal case."""
        return {
            "caseferry": VERSION,
            "id": self.id,
            "title": self.title,
            "images": [image.to_json() for image in self.images],
            "annotations": [annotation.to_json() for annotation in self.annotations],
            "values": dict(self.values),
            "attachments": [{"name": each.name, "file": each.file.to_json()} for each in self.attachments],
            "tags": list(self.tags),
            "folder": self.folder,
            "metadata": dict(self.metadata),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Case:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidCase
            The document is of a newer version, or something in it is missing or out of range; every problem is
            listed.
        """
        if not isinstance(document, Mapping) or not isinstance(document.get("id"), str):
            raise InvalidCase(None, [Problem("document", "is not the description of a case: it has no id")])
        name = str(document["id"])
        version = document.get("caseferry")
        if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
            what = f"is {version!r}, and this caseferry reads versions up to {VERSION}"
            raise InvalidCase(name, [Problem("caseferry", what, "update caseferry")])
        problems: list[Problem] = []
        try:
            only_fields(document, ("caseferry", *(each.name for each in fields(cls))))
        except ValueError as error:
            problems.append(Problem("document", str(error)))
        images = each_of("images", document.get("images", ()), Image.from_json, problems)
        annotations = each_of("annotations", document.get("annotations", ()), annotation_from_json, problems)
        attachments = each_of("attachments", document.get("attachments", ()), _attachment, problems)
        if problems:
            raise InvalidCase(name, problems)
        return cls(
            id=name,
            title=document.get("title", ""),
            images=images,
            annotations=annotations,
            values=document.get("values", {}),
            attachments=attachments,
            tags=document.get("tags", ()),
            folder=document.get("folder", ""),
            metadata=document.get("metadata", {}),
        )


_LISTS: dict[str, type] = {"images": Image, "annotations": Annotation, "attachments": Attachment, "tags": str}
"""What each list of a case holds."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a case's description."""
    import json

    document: dict[str, Any] = json.loads(Path(__file__).with_name("case.schema.json").read_text(encoding="utf-8"))
    return document


def _attachment(document: Mapping[str, Any]) -> Attachment:
    only_fields(document, ("name", "file"))
    return Attachment(document["name"], FileRef.from_json(document["file"]))
