"""Cases from the releases of a dataset: Darwin JSON 2.0, a document for each item, in a zip.

Source
------
darwin-py 3.6.3's reader, and the real exports that V7's end-to-end tests keep.
"""

from __future__ import annotations

import json
import lzma
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from caseferry.case import Case, Image
from caseferry.errors import InvalidCase, Problem
from caseferry.files import FileProblem, FileRef, check_name
from caseferry.geometry import RAS_TO_LPS, Geometry
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry_darwin.wire.annotations import Ids
from caseferry_darwin.wire.classes import Classes, Known
from caseferry_darwin.wire.properties import MULTI, Property
from caseferry_darwin.wire.raws import UNREADABLE
from caseferry_darwin.wire.reading import Shown, annotations_of, case_name, tags_of
from caseferry_darwin.wire.view import parsed, shown_view

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from caseferry.plain import Json
    from caseferry_darwin.wire.reading import Fetch
    from caseferry_darwin.wire.view import View

MANIFEST = ".v7/metadata.json"
"""What in a release tells of classes and properties."""

LARGEST_DOCUMENT = 1 << 30
LARGEST_RATIO = 200
SMALLEST_BOMB = 4 << 20
"""How much larger a document may be than what holds it in the zip, when it takes more than these bytes."""

MOST_DOCUMENTS = 1_000_000

TYPES = (
    "tag",
    "polygon",
    "bounding_box",
    "keypoint",
    "line",
    "ellipse",
    "cuboid",
    "skeleton",
    "eye",
    "mask",
    "raster_layer",
    "table",
    "simple_table",
    "string",
    "graph",
    "link",
)
"""What an annotation can be; a polygon carries its bounding box with it, so it comes first."""

NO_NAMES = Names()

KINDS = {"image": Kind.PICTURE, "video": Kind.VIDEO, "pdf": Kind.PDF}


def cases_of_release(archive: FileRef, names: Names = NO_NAMES, fetch: Fetch | None = None) -> Iterator[Case]:
    """The cases of a release, one at a time.

    Parameters
    ----------
    archive : the zip, as the platform gives it
    fetch : opens the file of an upload by its id; without it images can be described and not opened

    Raises
    ------
    FileProblem
        It is no zip, is damaged, or holds a document that unpacks to far more than it is.
    InvalidCase
        A document in it is of another version, or not what an export is.
    """
    manifest: Any = {}
    for name, content in _documents(archive):
        try:
            document = json.loads(content)
        except ValueError as error:
            msg = f"{name!r} in {archive.name!r} is not JSON"
            raise FileProblem(msg) from error
        if name == MANIFEST:
            manifest = document
        else:
            yield case_of_document(document, names, fetch, name, manifest=manifest)


def _documents(archive: FileRef) -> Iterator[tuple[str, bytes]]:
    """What tells of classes, where it is there, and the documents at the top of the zip."""
    try:
        with archive.seekable() as stream, zipfile.ZipFile(stream) as opened:
            infos = [info for info in opened.infolist() if PurePosixPath(info.filename).suffix == ".json"]
            own = [info for info in infos if not info.filename.startswith(".v7/")]
            if len(own) > MOST_DOCUMENTS:
                msg = f"{archive.name!r} says that it holds {len(own)} documents: not read"
                raise FileProblem(msg)
            for info in [*(info for info in infos if info.filename == MANIFEST), *own]:
                yield info.filename, _inflated(opened, info, archive.name)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, NotImplementedError) as error:
        msg = f"{archive.name!r} is no zip, or is damaged"
        raise FileProblem(msg) from error


def _inflated(opened: zipfile.ZipFile, info: zipfile.ZipInfo, archive: str) -> bytes:
    most = min(LARGEST_DOCUMENT, max(LARGEST_RATIO * info.compress_size, SMALLEST_BOMB))
    with opened.open(info) as stream:
        content = stream.read(most + 1)
    if len(content) > most:
        msg = f"{info.filename!r} in {archive!r} unpacks to far more than it is: not read"
        raise FileProblem(msg)
    return content


def case_of_document(
    document: Any,
    names: Names = NO_NAMES,
    fetch: Fetch | None = None,
    name: str = "the document",
    *,
    manifest: Any = None,
) -> Case:
    """The case that one document of a release describes.

    Parameters
    ----------
    manifest : what the release tells of its classes; by it alone one knows which properties take several values

    Raises
    ------
    InvalidCase
        It is of another version, or not what an export is.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if version != "2.0" or not isinstance(document.get("item"), dict):
        what = f"is of version {version!r}, expected Darwin JSON 2.0"
        raise InvalidCase(None, [Problem(name, what, "export it again in this format")])
    try:
        return _case(document, names, fetch, manifest if isinstance(manifest, dict) else {})
    except UNREADABLE as error:
        if isinstance(error, InvalidCase):
            raise
        what = f"is not what an export is: {type(error).__name__} {error}"
        raise InvalidCase(None, [Problem(name, what)]) from error


def _case(document: Mapping[str, Any], names: Names, fetch: Fetch | None, manifest: Mapping[str, Any]) -> Case:
    item = document["item"]
    slots = [listed_slot(slot) for slot in item.get("slots") or ()]
    shown = shown_in(slots, names, fetch)
    classes = _listed_classes(manifest)
    rows = [listed_row(each, classes) for each in document.get("annotations") or ()]
    tags, others = tags_of(rows, classes, None)
    found = annotations_of(others, classes, names, shown, None, Ids(None, ""))
    several = {str(each["name"]) for each in manifest.get("properties") or () if each.get("type") == MULTI}
    told: dict[str, list[Json]] = {}
    for each in document.get("properties") or ():
        if each.get("value") is not None:
            told.setdefault(str(each["name"]), []).append(each["value"])
    values = {name: own if len(own) > 1 or name in several else own[0] for name, own in told.items()}
    return Case(
        id=case_name({**item, "slots": slots}),
        title=str(item["name"]),
        images=list(shown.images.values()),
        annotations=[each.annotation for each in found],
        tags=tags,
        folder=str(item.get("path") or "").strip("/"),
        values=values,
    )


# -- slots ---------------------------------------------------------------------------------------------------------


def listed_slot(slot: Mapping[str, Any]) -> dict[str, Any]:
    """A slot of an export as a listing of items has it."""
    source = (slot.get("source_files") or [{}])[0]
    name = str(source.get("file_name") or "")
    medical = slot.get("metadata") or {}
    sides = {side: slot.get(side) for side in ("width", "height")}
    return {
        "slot_name": str(slot["slot_name"]),
        "type": slot.get("type"),
        "file_name": name,
        "upload_id": PurePosixPath(str(source.get("url") or "").partition("?")[0]).name,
        "total_sections": slot.get("frame_count") or 0,
        "metadata": sides | ({"medical": medical} if medical.get("handler") else {}),
    }


def shown_in(slots: list[dict[str, Any]], names: Names, fetch: Fetch | None) -> Shown:
    """The images of a release's slots, and how each is shown."""
    mapped = {slot: role for role, slot in names.images.items()}
    images: dict[str, Image] = {}
    views: dict[str, View] = {}
    roles: dict[str, str] = {}
    for slot in slots:
        name = slot["slot_name"]
        role = mapped.get(name) or (f"slot {name}" if len(slots) > 1 else "image")
        grid = _grid(slot)
        images[role] = Image(role, [_file(slot, fetch)], kind=_kind(slot), geometry=grid)
        roles[name] = role
        if grid is not None and (view := shown_view(images[role], slot)) is not None:
            views[name] = view
    return Shown(images, views, roles)


def _file(slot: Mapping[str, Any], fetch: Fetch | None) -> FileRef:
    upload, name = str(slot["upload_id"]), str(slot["file_name"])
    opener = (lambda: fetch(upload)) if fetch is not None else None
    named = name if check_name(name) is None else upload or "file"
    return FileRef(f"darwin:uploads/{upload or 'unknown'}", named, opener=opener)


def _kind(slot: Mapping[str, Any]) -> Kind:
    if slot["type"] == "dicom":
        return Kind.NIFTI if slot["file_name"].lower().endswith((".nii", ".nii.gz")) else Kind.DICOM_SERIES
    return KINDS.get(str(slot["type"]), Kind.PICTURE)


def _grid(slot: Mapping[str, Any]) -> Geometry | None:
    """The grid of a slot's image, as far as the export tells it without the file."""
    told = slot["metadata"]
    if (medical := told.get("medical")) is not None:
        return original_grid(medical) if medical.get("handler") == "MONAI" else None
    if slot["type"] in {"dicom", "pdf"} or not told["width"] or not told["height"]:
        return None
    frames = int(slot["total_sections"]) if slot["type"] == "video" else 1
    return Geometry((int(told["width"]), int(told["height"]), 1), np.eye(4), max(frames, 1), "pixel")


def original_grid(medical: Mapping[str, Any]) -> Geometry:
    """The grid of a volume's file, from that in which the platform shows it: the same voxels in another order."""
    a, b, c = [int(n) for n in parsed(medical["shape"])][-3:]
    turned = Geometry((a, b, c), RAS_TO_LPS @ np.array(parsed(medical["affine"]), dtype=np.float64))
    if not medical.get("original_affine"):
        return turned
    affine = RAS_TO_LPS @ np.array(parsed(medical["original_affine"]), dtype=np.float64)
    cosines = (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).T @ turned.direction
    x, y, z = (turned.shape[int(axis)] for axis in np.abs(cosines).argmax(axis=1))
    return Geometry((x, y, z), affine)


# -- classes -------------------------------------------------------------------------------------------------------


def _listed_classes(manifest: Mapping[str, Any]) -> Classes:
    """The classes of a release with their properties, under numbers of their own."""
    classes = Classes()
    for number, each in enumerate(manifest.get("classes") or ()):
        known = Known(number, str(each["name"]), (str(each["type"]),), frozenset())
        classes.known[known.name, known.types[0]] = known
        for place, held in enumerate(each.get("properties") or ()):
            told = {**held, "id": f"{number}.{place}", "annotation_class_id": number, "property_values": []}
            classes.properties.known[told["id"]] = Property.read(told)
    return classes


# -- annotations ---------------------------------------------------------------------------------------------------


def listed_row(annotation: Mapping[str, Any], classes: Classes) -> dict[str, Any]:
    """An annotation of an export as a listing has it; its class is made known."""
    contents = [annotation, *(annotation.get("frames") or {}).values()]
    kind = next((each for each in TYPES if any(each in content for content in contents)), "unknown")
    name = str(annotation["name"])
    known = classes.known.get((name, kind))
    if known is None:
        known = classes.known[name, kind] = Known(len(classes.known), name, (kind,), frozenset())
    people = [("annotator", each) for each in annotation.get("annotators") or ()]
    people += [("reviewer", each) for each in annotation.get("reviewers") or ()]
    beside = {"id", "name", "slot_names", "annotators", "reviewers", "properties", "updated_at", "inserted_at"}
    data = {key: value for key, value in annotation.items() if key not in beside}
    if "ranges" in data:
        data["segments"] = data.pop("ranges")
    return {
        "id": str(annotation.get("id") or ""),
        "annotation_class_id": known.id,
        "data": data,
        "context_keys": {"slot_names": list(annotation.get("slot_names") or ())},
        "actors": [{"role": role, "email": each.get("email")} for role, each in people],
        "properties": list(annotation.get("properties") or ()),
        "updated_at": annotation.get("updated_at"),
    }
