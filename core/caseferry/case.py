"""The platform-neutral description of one case: plain data, valid once built, written as JSON and read back equal."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from caseferry.annotation import Annotation, Mask, annotation_from_json
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef, PathLike, encodable
from caseferry.imaging.kinds import Kind
from caseferry.plain import Json, fingerprint, only_fields, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.geometry import Geometry
    from caseferry.imaging.header import Header, Layout

VERSION = 1
"""The version of the JSON form; raised when an older reader could misunderstand a newer document."""

LONGEST_ID = 255
"""Characters in the name of a case that every platform takes."""

Files: TypeAlias = "FileRef | PathLike | Iterable[FileRef | PathLike]"

_NAMESPACE = uuid.UUID("6f0d3c53-6b0a-5b9e-9c5c-0a4c1f6f7a11")


def check_id(name: str, what: str) -> list[str]:
    """What makes the name of a case, a role or an attachment unusable on one platform or another."""
    if not isinstance(name, str) or not name.strip():
        return [f"is {name!r}, expected a {what}"]
    problems = []
    if not encodable(name):
        problems.append("holds half a character (a lone surrogate)")
    if len(name) > LONGEST_ID:
        problems.append(f"has {len(name)} characters; at most {LONGEST_ID} fit every platform")
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        problems.append("holds a control character")
    if name != name.strip():
        problems.append("begins or ends with a space")
    if any(part == ".." for part in name.replace("\\", "/").split("/")):
        problems.append("holds '..', which would leave a folder")
    return problems


@dataclass(frozen=True)
class Image:
    """One image of a case.

    Parameters
    ----------
    role : what it is in the case: ``ct``, ``overlay``; each role once
    files : its files. For a DICOM series all slices, in any order: they are ordered by position when read
    kind : its kind, when known; else told from the files
    layout : for each plane in order (slices fastest, then frames) the index of its file, and of its frame in that
        file, when known; else read from the files. Empty where planes lie in one file in their own order
    geometry : its grid, when known; else read from the files. For an image that a platform has converted it says
        how the planes are to be understood
    modality : the DICOM modality, when known; else read from the files

    Raises
    ------
    InvalidCase
        There are no files, the role is not a name, or the kind or the layout is none.
    """

    role: str
    files: tuple[FileRef, ...] = ()
    declared_kind: Kind | None = None
    declared_geometry: Geometry | None = None
    declared_modality: str | None = None
    declared_layout: Layout | None = None

    def __init__(
        self,
        role: str,
        files: Files = (),
        *,
        kind: Kind | str | None = None,
        geometry: Geometry | None = None,
        modality: str | None = None,
        layout: Iterable[Sequence[int]] | None = None,
    ) -> None:
        problems = [Problem("role", text) for text in check_id(role, "name for the image")]
        refs: list[FileRef] = []
        single = isinstance(files, str | FileRef) or hasattr(files, "__fspath__")
        for index, source in enumerate([files] if single else cast("Iterable[Any]", files)):
            try:
                refs.append(FileRef.of(source))
            except (FileProblem, TypeError) as error:
                problems.append(Problem(f"files[{index}]", str(error)))
        if not refs and not problems:
            problems.append(Problem("files", "is empty: an image has at least one file"))
        if kind is not None and kind not in set(Kind):
            problems.append(Problem("kind", f"is {kind!r}, expected one of {', '.join(Kind)}"))
        pairs = None
        try:
            pairs = tuple((int(file), int(frame)) for file, frame in layout) if layout is not None else None
        except (TypeError, ValueError):
            problems.append(Problem("layout", "is not a list of pairs: the index of a file, and of a frame in it"))
        if problems:
            raise InvalidCase(None, problems)
        object.__setattr__(self, "role", role)
        object.__setattr__(self, "files", tuple(refs))
        object.__setattr__(self, "declared_kind", Kind(kind) if kind is not None else None)
        object.__setattr__(self, "declared_geometry", geometry)
        object.__setattr__(self, "declared_modality", modality)
        object.__setattr__(self, "declared_layout", pairs)

    @cached_property
    def header(self) -> Header:
        """What the files' headers say; read once.

        Raises
        ------
        ImageProblem
            A file is damaged, or the files do not make one image.
        FileProblem
            A file is not there.
        """
        from caseferry.imaging.reading import read_header

        return read_header(self.files)

    @property
    def kind(self) -> Kind:
        """What the files are together."""
        return self.declared_kind or self.header.kind

    @property
    def geometry(self) -> Geometry | None:
        """The grid; None for what has none (PDF)."""
        return self.declared_geometry or self.header.geometry

    @property
    def modality(self) -> str | None:
        """The DICOM modality, when there is one."""
        return self.declared_modality or self.header.modality

    @property
    def layout(self) -> Layout:
        """For each plane in order the index of its file, and of its frame in that file; empty where that is plain."""
        return self.declared_layout if self.declared_layout is not None else self.header.layout

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the voxel values."""
        import numpy as np

        return np.dtype(self.header.dtype)

    def voxels(self) -> NDArray[Any]:
        """All values: [column, row, slice], then frame where there is more than one, then channel likewise.

        Rescaling that the files ask for is applied.
        """
        from caseferry.imaging.pixels import load_voxels

        return load_voxels(self.files, self.header, self.geometry)

    def planes(self) -> Iterator[NDArray[np.generic]]:
        """The planes one at a time: slice by slice and frame after frame, [row, column] and then channel."""
        from caseferry.imaging.reading import planes

        return planes(self.files, self.header)

    def to_json(self) -> dict[str, Json]:
        """Plain data; `from_json` gives an equal image."""
        document: dict[str, Json] = {"role": self.role, "files": [ref.to_json() for ref in self.files]}
        if self.declared_kind is not None:
            document["kind"] = str(self.declared_kind)
        if self.declared_geometry is not None:
            document["geometry"] = self.declared_geometry.to_json()
        if self.declared_modality is not None:
            document["modality"] = self.declared_modality
        if self.declared_layout is not None:
            document["layout"] = [[file, frame] for file, frame in self.declared_layout]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Image:
        """Read what `to_json` wrote.

        Raises
        ------
        InvalidCase
            Something in it is missing, unknown or out of range.
        """
        only_fields(document, ("role", "files", "kind", "geometry", "modality", "layout"))
        problems = [Problem("role", text) for text in check_id(document.get("role", ""), "name for the image")]
        files = _each("files", document.get("files", ()), FileRef.from_json, problems)
        if problems:
            raise InvalidCase(None, problems)
        grid = document.get("geometry")
        if grid is not None:
            from caseferry.geometry import Geometry

            grid = Geometry.from_json(grid)
        return cls(
            document["role"],
            files,
            kind=document.get("kind"),
            geometry=grid,
            modality=document.get("modality"),
            layout=document.get("layout"),
        )

    def with_files(self, files: Iterable[FileRef]) -> Image:
        """The same image with other references to its files."""
        return self._again(self.role, files)

    def renamed(self, role: str) -> Image:
        """The same image in another role."""
        return self._again(role, self.files)

    def _again(self, role: str, files: Iterable[FileRef]) -> Image:
        return Image(
            role,
            files,
            kind=self.declared_kind,
            geometry=self.declared_geometry,
            modality=self.declared_modality,
            layout=self.declared_layout,
        )


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


@dataclass(frozen=True)
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

    def __post_init__(self) -> None:
        problems = [Problem("id", text) for text in check_id(self.id, "name for the case")]
        problems += self._form_problems()
        problems += self._folder_problems()
        problems += _repeated("images", "role", [image.role for image in self.images])
        problems += _repeated("attachments", "name", [attachment.name for attachment in self.attachments])
        problems += _repeated("tags", "tag", list(self.tags))
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
        return [Problem("folder", text) for part in parts for text in check_id(part, "folder name")]

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
        return problems + _repeated("annotations", "id", [annotation.id for annotation in self.annotations])

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
        images = _each("images", document.get("images", ()), Image.from_json, problems)
        annotations = _each("annotations", document.get("annotations", ()), annotation_from_json, problems)
        attachments = _each("attachments", document.get("attachments", ()), _attachment, problems)
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


def _each(where: str, documents: Any, read: Callable[[Any], Any], problems: list[Problem]) -> list[Any]:
    """Read each document, adding what is wrong with it to the problems."""
    found: list[Any] = []
    if isinstance(documents, str | Mapping) or not isinstance(documents, Iterable):
        problems.append(Problem(where, f"is of type {type(documents).__name__}, expected a list"))
        return found
    for index, document in enumerate(documents):
        try:
            found.append(read(document))
        except InvalidCase as error:
            problems += [Problem(f"{where}[{index}].{p.where}", p.what, p.remedy) for p in error.problems]
        except KeyError as error:
            problems.append(Problem(f"{where}[{index}]", f"has no {error.args[0]}"))
        except (TypeError, ValueError, AttributeError) as error:
            problems.append(Problem(f"{where}[{index}]", str(error)))
    return found


def _repeated(where: str, what: str, names: Sequence[str]) -> list[Problem]:
    seen: dict[str, int] = {}
    problems = []
    for index, name in enumerate(names):
        if name and name in seen:
            text = f"is {name!r}, as is {where}[{seen[name]}]"
            problems.append(Problem(f"{where}[{index}].{what}", text, f"give each a {what} of its own"))
        seen.setdefault(name, index)
    return problems
