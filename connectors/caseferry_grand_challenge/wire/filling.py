"""Changing single sockets of an item that is there: filling one, filling one anew, emptying one.

What a socket held is gone for everybody once another value has its place, and an image that no item refers to any
more cannot be read by anybody; so a plan lists both as irreversible.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from caseferry.case import Attachment, Image
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef
from caseferry.plain import plain
from caseferry.plan import Call, Given, Repeat
from caseferry_grand_challenge.wire.annotations import MARKS
from caseferry_grand_challenge.wire.images import import_problem, stored_files, upload_name
from caseferry_grand_challenge.wire.imagesets import DICOM_SET
from caseferry_grand_challenge.wire.item_calls import (
    entry,
    image_set,
    import_call,
    look_again,
    ready_call,
    refuse_large,
    uploads_of,
    value_calls,
)
from caseferry_grand_challenge.wire.sockets import (
    JSON_KINDS,
    Socket,
    Sockets,
    attachment_problem,
    image_problem,
    value_problem,
)
from caseferry_grand_challenge.wire.stored import file_name
from caseferry_grand_challenge.wire.uploads import upload_calls

if TYPE_CHECKING:
    from caseferry.plain import Json
    from caseferry_grand_challenge.wire.places import Place

Values: TypeAlias = Mapping[str, Mapping[str, Any]]
"""What the sockets of an item hold, by slug, as the platform tells it."""

EIGHT_BITS = ("uint8", "int8")


@dataclass(frozen=True, slots=True)
class Stored:
    """An image that is on the platform already; whoever refers to it moves none of its bytes.

    Attributes
    ----------
    address : the API's address of it
    """

    address: str


Content: TypeAlias = "Image | Stored | FileRef | str | PathLike[str] | Json"
"""What a socket is filled with: an image or a `Stored` one; a file or its path, where the socket holds files; else the
value itself."""


def filling_problems(contents: Mapping[str, Content], sockets: Sockets) -> list[Problem]:
    """Everything that is wrong with what sockets are to be filled with."""
    problems = []
    for slug, content in contents.items():
        socket = sockets.get(slug)
        what = "is none that the platform has" if socket is None else _problem(socket, content)
        if what is not None:
            problems.append(Problem(f"socket {slug!r}", what.removeprefix(f"socket {slug!r} ")))
    return problems


def _problem(socket: Socket, content: Content) -> str | None:
    if socket.super_kind == "Image":
        return _image_problem(socket, content)
    if isinstance(content, Image | Stored):
        return f"is of kind {socket.kind}, and holds no images"
    if holds_files(socket, content):
        return _file_problem(socket, content)
    try:
        plain(content, "the value")
    except ValueError as error:
        return str(error)
    if socket.kind in MARKS:
        fits = isinstance(content, Mapping) and content.get("type") == socket.kind and "version" in content
        return None if fits else f"takes an object of type {socket.kind!r} with a version"
    return value_problem(socket, content)  # type: ignore[arg-type]


def _file_problem(socket: Socket, content: Content) -> str | None:
    if not isinstance(content, FileRef | str | PathLike):
        return f"takes files, not {type(content).__name__}"
    try:
        return attachment_problem(socket, Attachment(socket.slug, FileRef.of(content)))
    except FileProblem as error:
        return str(error)
    except InvalidCase as error:
        return "; ".join(f"{problem.where} {problem.what}" for problem in error.problems)


def stored_problem(socket: Socket, told: Mapping[str, Any]) -> str | None:
    """Why an image of the platform may not stand in a socket too, or None when it may.

    Parameters
    ----------
    told : what the platform tells of the image
    """
    if (socket.kind == DICOM_SET) is not (told.get("dicom_image_set") is not None):
        return f"is of kind {socket.kind}, and the image is {'no' if socket.kind == DICOM_SET else 'a'} {DICOM_SET}"
    if socket.kind != "Segmentation" or not socket.segments:
        return None
    allowed = {0, *(value for value, _ in socket.segments)}
    if told.get("segments") is None or not set(told["segments"]) <= allowed:
        return f"takes the voxel values {sorted(allowed)}, and the image holds {told.get('segments') or 'others'}"
    return None


def _image_problem(socket: Socket, content: Content) -> str | None:
    if isinstance(content, Stored):
        return None
    if not isinstance(content, Image):
        return f"holds images, not {type(content).__name__}"
    if socket.kind != "Segmentation" and (what := image_problem(socket, content)) is not None:
        return what
    if socket.kind == DICOM_SET:
        return None
    if (what := import_problem(content)) is not None or socket.kind != "Segmentation":
        return what
    if content.header.dtype not in EIGHT_BITS or content.header.channels > 1:
        return f"takes voxels of 8 bits, and the image holds {content.header.dtype}"
    allowed = {0, *(value for value, _ in socket.segments)}
    there = {int(value) for plane in content.planes() for value in np.unique(plane)}
    if socket.segments and not there <= allowed:
        return f"takes the voxel values {sorted(allowed)}, and the image holds {sorted(there - allowed)} too"
    return None


def holds_files(socket: Socket, content: Content) -> bool:
    """Whether a socket is filled with a file as it is, rather than with JSON that is kept as a file."""
    given = isinstance(content, FileRef | PathLike) and socket.kind not in MARKS
    return socket.super_kind == "File" and (given or socket.kind not in {*MARKS, *JSON_KINDS})


def plan_filling(
    case_id: str,
    item: str,
    place: Place,
    contents: Mapping[str, Content],
    sockets: Sockets,
    before: Values,
    *,
    rewritten: Collection[str] = (),
) -> list[Call]:
    """The calls that fill sockets of an item, each of which fits what it is filled with.

    Parameters
    ----------
    item : its identifier
    before : what its sockets hold
    rewritten : sockets whose content was made from what they hold
    """
    uploads: list[Call] = []
    entries: dict[str, dict[str, Any]] = {}
    imports: dict[str, list[str]] = {}
    for slug, content in contents.items():
        socket = sockets[slug]
        assert socket is not None  # noqa: S101  see filling_problems
        if isinstance(content, Stored):
            entries[slug] = entry(slug, image=content.address)
        elif isinstance(content, Image) and socket.kind == DICOM_SET:
            sent, entries[slug] = image_set(case_id, slug, content)
            uploads += sent
        elif isinstance(content, Image):
            sent, imports[slug] = uploads_of(case_id, slug, stored_files(content))
            uploads += sent
        elif socket.super_kind == "File":
            ref = FileRef.of(content) if holds_files(socket, content) else _json(slug, content)  # type: ignore[arg-type]
            ref = _told_apart(ref, before.get(slug, {}))
            uploads += upload_calls(case_id, slug, ref)
            entries[slug] = entry(slug, user_upload=Given(f"upload {slug}"))
        else:
            entries[slug] = entry(slug, value=content)
    completed = tuple(call.name for call in uploads if call.name.startswith("complete "))
    calls = list(uploads)

    def look(slugs: Collection[str]) -> Call | None:
        again = {*slugs} & {*rewritten}
        return look_again(place.item(item), before, again) if again else None

    if entries:
        calls += value_calls(case_id, place.item(item), list(entries.values()), _replaced(entries, before), look)
    done = tuple(call.name for call in calls if call.name.startswith("set values"))
    for slug, names in imports.items():
        target = place.importing(item)
        calls.append(import_call(slug, names, target, done or completed, _replaced([slug], before)))
    after = tuple(call.name for call in calls)
    replaced = replaced_files(entries, before)
    sets = [slug for slug, each in entries.items() if each["user_uploads"]]
    replaced |= {slug: str(before[slug]["image"]) for slug in sets if before.get(slug, {}).get("image")}
    calls.append(ready_call(place.item(item), set(contents), list(imports), after, replaced=replaced))
    return calls


def _told_apart(ref: FileRef, before: Mapping[str, Any]) -> FileRef:
    """A file under another name than that which it replaces, so that whoever reads it sees that it is another one."""
    name, old = upload_name(ref.name), file_name(str(before.get("file") or ""))
    if name != old:
        return ref
    path = PurePosixPath(name)
    stem, _, count = path.stem.rpartition("~")
    number = int(count) + 1 if stem and count.isdecimal() else 2
    return replace(ref, name=f"{stem if number > 2 else path.stem}~{number}{path.suffix}")


def _json(slug: str, value: Json) -> FileRef:
    return FileRef.of_bytes(json.dumps(value).encode(), f"{slug}.json", "application/json")


def _replaced(slugs: Any, before: Values) -> str:
    """What filling sockets does that nobody can undo."""
    gone = [slug for slug in slugs if slug in before]
    return f"what is in {_sockets(gone)} is replaced, for everybody who sees the item" if gone else ""


def _sockets(slugs: list[str]) -> str:
    named = ", ".join(repr(slug) for slug in slugs)
    return f"socket {named}" if len(slugs) == 1 else f"sockets {named}"


def replaced_files(slugs: Iterable[str], before: Values) -> dict[str, str]:
    """The files that are in some sockets, by slug."""
    return {slug: str(before[slug]["file"]) for slug in slugs if before.get(slug, {}).get("file")}


def plan_detaching(
    case_id: str,
    item: str,
    place: Place,
    slugs: list[str],
    before: Values,
    *,
    files: Mapping[str, FileRef],
    rewritten: Mapping[str, Json],
    forgotten: int = 0,
) -> list[Call]:
    """The calls that empty sockets: what stays is named anew, and its files are sent anew.

    Parameters
    ----------
    files : the files that stay, by slug: the platform has no way to name one that is there
    rewritten : JSON that takes the place of what sockets hold, by slug
    forgotten : annotations that go with what is taken out
    """
    files = {**files, **{slug: _json(slug, value) for slug, value in rewritten.items() if before[slug].get("file")}}
    calls: list[Call] = []
    entries = []
    for slug, value in before.items():
        if slug in slugs:
            continue
        if value.get("image"):
            entries.append(entry(slug, image=value["image"]))
        elif value.get("file"):
            calls += upload_calls(case_id, slug, files[slug])
            entries.append(entry(slug, user_upload=Given(f"upload {slug}")))
        else:
            entries.append(entry(slug, value=rewritten.get(slug, value["value"])))
    gone = [slug for slug in slugs if slug in before]
    refuse_large(case_id, [{"interface": gone[0], "values": entries}])
    calls.append(
        Call(
            name="detach",
            method="PUT",
            target=place.item(item),
            body={"values": entries},
            repeat=Repeat.DETECTABLE,
            watch=(look_again(place.item(item), before),),
            purpose=f"empty {_sockets(gone)}",
            irreversible=f"{_sockets(gone)} is emptied; an image that no other item holds is gone for everybody"
            + (f", and so are {forgotten} annotations on it that only the sidecar holds" if forgotten else ""),
        )
    )
    after = tuple(call.name for call in calls)
    stays, resent = set(before) - set(slugs), replaced_files(files, before)
    calls.append(ready_call(place.item(item), stays, (), after, gone=frozenset(slugs), replaced=resent))
    return calls
