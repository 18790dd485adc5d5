"""From annotations to a Darwin JSON 2.0 file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Category, Mask, Numeric, Raw, Track
from caseferry.case import Case
from caseferry.errors import InvalidCase, Problem
from caseferry.exchange.written import Written, unsaid
from caseferry.files import FileRef
from caseferry.geometry import RAS_TO_LPS, turn_towards
from caseferry.imaging.kinds import Kind
from caseferry.plain import fingerprint
from caseferry.sidecar import KEY
from caseferry_darwin.exchange.reading import NO_NAMES, ONLY_SLOT, ids_of, planes_of
from caseferry_darwin.wire.annotations import Form, Ids, native_form
from caseferry_darwin.wire.beside import ABSENT, changes_of, said_in_frames
from caseferry_darwin.wire.classes import RASTER_TYPE
from caseferry_darwin.wire.frames import LASTING, SUBS
from caseferry_darwin.wire.masks import joined, mask_forms
from caseferry_darwin.wire.properties import words_of
from caseferry_darwin.wire.slotfile import TYPES
from caseferry_darwin.wire.view import ALONG, LPI, View, expected_view

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Image
    from caseferry.mapping import Names

SCHEMA = "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json"

KEYFRAMES_ALONE = ("mask", RASTER_TYPE)
"""Types of which exports list keyframes alone, and say so."""


def write_json(
    annotations: Iterable[Annotation],
    image: Image,
    *,
    name: str = "",
    folder: str = "/",
    slot: str = ONLY_SLOT,
    names: Names = NO_NAMES,
    properties: Collection[str] = (),
) -> Written:
    """A Darwin JSON 2.0 file of annotations, as darwin-py imports it.

    Parameters
    ----------
    annotations : of this image, or of the case as a whole
    image : as the only one of its item
    name, folder : of the item that they are of on Darwin; its name is that of the image's file when none is given
    slot : of the item in which the image lies
    names : of labels in the case and on Darwin
    properties : names of the attributes that are properties, or attributes, of the annotations' classes there

    Raises
    ------
    GeometryError
        A mask does not lie on the image.
    InvalidCase
        The image has no grid, or two annotations have one id.
    """
    view = expected_view(image, slot, alone=True, planes=planes_of(image))
    if view is None:
        what = f"is {image.kind} without a grid: Darwin annotates what has pixels"
        raise InvalidCase(None, [Problem(f"image {image.role!r}", what)])
    written, given = Written(), list(annotations)
    mine = [each for each in given if each.image in {None, image.role}]
    for each in given:
        if each.image not in {None, image.role}:
            written.left_out.append((each, f"it is of image {each.image!r}, and this file of {image.role!r}"))
    file = image.files[0].name if len(image.files) == 1 else f"{image.role}.dcm"
    ids = ids_of(name := name or file)
    named = Case(fingerprint([folder, name]), images=[image], annotations=mine).annotations
    rows: list[dict[str, Any]] = []
    beside: list[Any] = []
    masks: list[tuple[Mask, NDArray[Any]]] = []
    for annotation, own in zip(mine, named, strict=True):
        form = joined(own, image, masks) if isinstance(own, Mask) else native_form(own, view, names, ids)
        if isinstance(form, str):
            written.left_out.append((annotation, form))
            continue
        held = {"author": _people(own.author), "reviewer": _people(own.reviewer)}
        subs: set[str] = set()
        if form is not None:
            rows.append(_row(form, own, view, properties, subs))
        beside.append(_told(own))
        if (lost := _unread(own, {field for field, people in held.items() if people}, subs)) is not None:
            written.changed.append((annotation, lost))
    rows += _mask_rows(masks, view, names, ids)
    document = {
        "version": "2.0",
        "schema_ref": SCHEMA,
        "item": {"name": name, "path": folder, "slots": [_slot_of(image, view, file)]},
        "annotations": rows,
        "properties": [],
        KEY: {"name": name, "annotations": beside},
    }
    written.content = json.dumps(document, ensure_ascii=False, allow_nan=False).encode()
    return written


def _told(annotation: Annotation) -> Any:
    """An annotation whole; of a mask all but its pixels, which Darwin holds."""
    if isinstance(annotation, Mask):
        ref = annotation.file
        annotation = replace(annotation, file=FileRef("native:", ref.name, media_type=ref.media_type), frame=None)
    return annotation.to_json()


def _unread(annotation: Annotation, held: set[str], subs: Collection[str]) -> str | None:
    """What Darwin does not read of an annotation that the file holds; None when it reads everything."""
    shape = annotation.keyframes[0] if isinstance(annotation, Track) else annotation
    as_what = "as a tag with a text" if isinstance(shape, Category | Numeric) else ""
    lost = " ".join(filter(None, (as_what, unsaid(annotation, held | {"id"}, set(subs)))))
    return f"Darwin reads it {lost}; the file keeps it beside" if lost else None


# -- rows ----------------------------------------------------------------------------------------------------------


def _row(form: Form, annotation: Annotation, view: View, properties: Collection[str], subs: set[str]) -> dict[str, Any]:
    """An annotation as an export has it.

    Parameters
    ----------
    properties : names of the attributes that have a place there under their names
    subs : takes the names of the attributes that have a place of their own in it
    """
    data = _exported(form.data, form.wanted.kind)
    row = {"id": form.id, "name": form.wanted.name}
    if isinstance(annotation, Raw):
        told = annotation.payload.get("properties") if isinstance(annotation.payload, dict) else None
        kept = list(told) if isinstance(told, list) and all(isinstance(each, dict) for each in told) else []
        return {**row, **data, "properties": kept, **_beside(annotation, form.slot)}
    contents = said_in_frames(data, annotation, view)
    said = [(frame, attributes) for frame, _, attributes in contents]
    fitting = {name for name in SUBS if all(_is_sub(name, value) for _, value in changes_of(name, said))}
    for _, content, attributes in contents:
        own = {name: value for name, value in attributes.items() if name in fitting and name not in content}
        content.update(own)
        if flags := [name for name, value in attributes.items() if value is True and name in properties]:
            content["attributes"] = flags
        subs |= {*own, *flags}
    lasting = {name: annotation.attributes[name] for name in LASTING if name in annotation.attributes}
    if "frames" in data:
        data |= lasting
        subs |= set(lasting)
    rows = {name: _property(name, said) for name in sorted(properties)}
    subs |= {name for name, own in rows.items() if own}
    listed = [each for own in rows.values() for each in own]
    return {**row, **data, "properties": listed, **_beside(annotation, form.slot)}


def _property(name: str, said: Sequence[tuple[int, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The rows of a property: one for each value, in each frame in which it changes; none where it has no words."""
    rows: list[dict[str, Any]] = []
    for frame, value in changes_of(name, said):
        words: list[Any] = [None] if value is ABSENT else words_of(value)
        if value is True or not words:
            return []
        rows += [{"frame_index": frame, "name": name, "value": word} for word in words]
    return rows


def _beside(annotation: Annotation, slot: str) -> dict[str, Any]:
    people = {"annotators": _people(annotation.author), "reviewers": _people(annotation.reviewer)}
    return {"slot_names": [slot], **{role: each for role, each in people.items() if each}}


def _people(name: str | None) -> list[dict[str, str]]:
    """A person as exports name them: by an e-mail address, and by nothing else."""
    return [{"full_name": name, "email": name}] if name and "@" in name else []


def _is_sub(name: str, value: object) -> bool:
    """Whether an attribute is written as what Darwin has beside a shape."""
    if name not in SUBS or name == "attributes":
        return False
    key = {"text": "text", "instance_id": "value"}.get(name)
    return isinstance(value, dict) and (key is None or key in value)


def _exported(data: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """The data of an annotation as exports have them: polygons with all their paths, and ranges for segments."""
    if "frames" not in data:
        return _content(data)
    rest = {key: value for key, value in data.items() if key not in {"frames", "segments"}}
    return {
        "frames": {frame: _content(content) for frame, content in data["frames"].items()},
        "ranges": data.get("segments") or [],
        **rest,
        "interpolate_algorithm": "linear-1.1",
        **({"only_keyframes": True} if kind in KEYFRAMES_ALONE else {}),
    }


def _content(content: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in content.items() if (name, value) != ("attributes", {"attributes": []})}
    if "path" in (polygon := told.get("polygon") or {}):
        paths = [polygon["path"], *(polygon.get("additional_paths") or [])]
        told["polygon"] = {"paths": paths}
        xs, ys = ([point[axis] for path in paths for point in path] for axis in ("x", "y"))
        told["bounding_box"] = {"x": min(xs), "y": min(ys), "w": max(xs) - min(xs), "h": max(ys) - min(ys)}
    return told


def _mask_rows(masks: Sequence[tuple[Mask, NDArray[Any]]], view: View, names: Names, ids: Ids) -> list[dict[str, Any]]:
    """An annotation for each structure, and the layer that holds their pixels."""
    of_part = {ids.value(mask.id, value): mask for mask, _ in masks for value in mask.labels}
    rows = []
    for form in mask_forms(masks, view, names, ids):
        mask = of_part.get(form.id)
        said = _beside(mask, form.slot) if mask is not None else {"slot_names": [form.slot]}
        data = _exported(form.data, form.wanted.kind)
        rows.append({"id": form.id, "name": form.wanted.name, **data, "properties": [], **said})
    return rows


# -- the slot ------------------------------------------------------------------------------------------------------


def _slot_of(image: Image, view: View, file: str) -> dict[str, Any]:
    """The slot of the image as an export describes it: its size, and how a volume is turned."""
    width, height = view.raster_size()
    kind = "dicom" if view.turn is not None or image.kind is Kind.NIFTI else TYPES.get(image.kind, "image")
    slot: dict[str, Any] = {
        "type": kind,
        "slot_name": view.slot,
        "width": width,
        "height": height,
        "source_files": [{"file_name": file, "url": None}],
    }
    if view.frames:
        slot["frame_count"] = view.frames
    if view.turn is not None:
        slot["metadata"] = _turned(image, view)
    return slot


def _turned(image: Image, view: View) -> dict[str, Any]:
    """How a volume is turned: affines are from voxels to the patient's right, front and head, as in NIfTI."""
    grid = image.geometry
    assert grid is not None  # noqa: S101  else there would be no view
    _, turned = turn_towards(grid, LPI)
    plane = next(plane for plane, along in ALONG.items() if along == view.along)
    return {
        "handler": "MONAI",
        "shape": [1, *turned.shape],
        "affine": json.dumps((RAS_TO_LPS @ turned.affine).tolist()),
        "original_affine": [[repr(value) for value in row] for row in (RAS_TO_LPS @ grid.affine).tolist()],
        "pixdim": repr(tuple(float(step) for step in view.steps)),
        "plane_map": {view.slot: plane},
        "primary_plane": plane,
    }
