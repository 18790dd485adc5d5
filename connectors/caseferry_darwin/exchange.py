"""Darwin JSON 2.0 files: the annotations of one image, both ways; no platform is asked.

Positions are those at which Darwin shows the image. Pictures, videos and documents: x is the column, y the row and the
frame the plane. Volumes are turned so that their axes run to the patient's left, back and feet (LPI); frames follow
each other along that axis which is the third of the file's own, and x and y are millimetres from the first voxel for
shapes, voxels for masks. A file that is written says so in its slot's ``metadata``, as exports of the platform do;
one without such ``metadata`` is read as if it did.

Frames of a file that is written are keyframes alone; between them shapes change as ``interpolated`` says.

What Darwin has no field for stands once more under ``caseferry``, which the platform and its client pass over: what is
read from the file equals what was written, save what was changed in between.

`caseferry.exchange` reads and writes them as its format ``darwin-json``.

Source
------
darwin-py 3.6.3's reader and importer; the exports of V7's end-to-end tests. For the ways in which images are shown see
`caseferry_darwin.wire.view`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, Category, Mask, Numeric, Raw, Track, annotation_from_json
from caseferry.case import Case
from caseferry.errors import InvalidCase, Problem
from caseferry.exchange.format import FileFormat, Glimpse
from caseferry.exchange.written import Written, unsaid
from caseferry.files import FileRef
from caseferry.geometry import RAS_TO_LPS, turn_towards
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry.plain import fingerprint
from caseferry.sidecar import KEY, Kept, Native, merge
from caseferry_darwin.wire.amending import amendment_in
from caseferry_darwin.wire.annotations import Form, Ids, native_form
from caseferry_darwin.wire.classes import RASTER_TYPE, Classes
from caseferry_darwin.wire.exports import listed_row, listed_slot
from caseferry_darwin.wire.frames import LASTING, SUBS
from caseferry_darwin.wire.layers import contents
from caseferry_darwin.wire.masks import joined, mask_forms
from caseferry_darwin.wire.reading import Shown, annotations_of
from caseferry_darwin.wire.slotfile import TYPES
from caseferry_darwin.wire.view import (
    ALONG,
    LPI,
    View,
    expected_view,
    is_volume,
    registered_slot,
    shown_view,
    stored_planes,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from caseferry.case import Image

SCHEMA = "https://darwin-public.s3.eu-west-1.amazonaws.com/darwin_json/2.0/schema.json"

ONLY_SLOT = "0"

NO_NAMES = Names()

KEYFRAMES_ALONE = ("mask", RASTER_TYPE)
"""Types of which exports list keyframes alone, and say so."""

# -- reading -------------------------------------------------------------------------------------------------------


def read_json(
    document: Any, image: Image, *, slot: str | None = None, names: Names = NO_NAMES, where: str = "the document"
) -> list[Annotation]:
    """The annotations of an image from a Darwin JSON 2.0 document; what no kind fits is kept raw.

    Parameters
    ----------
    document : as its JSON says
    image : that was annotated
    slot : which of the document's slots shows it; needed where there are several and none names the image's file
    names : of labels on Darwin and in the case
    where : what the document is called in messages

    Raises
    ------
    InvalidCase
        It is of another version, not what a Darwin JSON file is, or of another image.
    """
    version = document.get("version") if isinstance(document, dict) else None
    if version != "2.0" or not isinstance(document.get("item"), dict):
        what = f"is of version {version!r}, expected Darwin JSON 2.0"
        raise InvalidCase(None, [Problem(where, what, "export it again in this format")])
    try:
        return _read(document, image, slot, names, where)
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        if isinstance(error, InvalidCase):
            raise
        what = f"is not what a Darwin JSON file is: {type(error).__name__} {error}"
        raise InvalidCase(None, [Problem(where, what)]) from error


def _read(document: Mapping[str, Any], image: Image, slot: str | None, names: Names, where: str) -> list[Annotation]:
    classes = Classes()
    rows = [listed_row(each, classes) for each in document.get("annotations") or ()]
    slots = [listed_slot(each) for each in document["item"].get("slots") or ()] or _unlisted(rows)
    own = _slots_of(image, slots, slot, where)
    first = str(slots[0]["slot_name"])
    theirs = [row for row in rows if _slot(row, first) in own and amendment_in(row, classes) is None]
    views = {name: view for name, each in own.items() if (view := _view(image, each, len(slots) == 1, where))}
    for row in theirs:
        _check_layer(row, views.get(_slot(row, first)), where)
    shown = Shown({image.role: image}, views, dict.fromkeys(own, image.role))
    beside = document.get(KEY) or {}
    kept = _kept(beside, image, where)
    found = annotations_of(theirs, classes, names, shown, kept, ids := _ids(str(beside.get("name") or "")))
    if kept is None:
        return [each.annotation for each in found]
    native = Native(annotations={each.id: ids.annotation(each.id) for each in kept.case.annotations})
    return list(merge(replace(kept, native=native), shown.images, found).annotations)


def _ids(name: str) -> Ids:
    return Ids(None, name, kept=True)


def _unlisted(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The slots of a document that lists none, as files that are made for an import may."""
    named = dict.fromkeys(_slot(row, ONLY_SLOT) for row in rows) or {ONLY_SLOT: None}
    return [{"slot_name": name, "file_name": "", "upload_id": "", "metadata": {}} for name in named]


def _slot(row: Mapping[str, Any], otherwise: str) -> str:
    """The slot in which an annotation lies; without one it is that which comes first."""
    return str(next(iter(row["context_keys"]["slot_names"]), otherwise))


def _slots_of(
    image: Image, slots: Sequence[Mapping[str, Any]], wanted: str | None, where: str
) -> dict[str, Mapping[str, Any]]:
    """The slots that show an image, by name: several are views of one volume."""
    groups: dict[str, dict[str, Mapping[str, Any]]] = {}
    for each in slots:
        name = str(each["slot_name"])
        groups.setdefault(registered_slot(name, slots), {})[name] = each
    files = {ref.name for ref in image.files}
    if wanted is not None:
        fitting = [group for base, group in groups.items() if wanted == base or wanted in group]
    elif len(groups) == 1:
        fitting = list(groups.values())
    else:
        fitting = [group for group in groups.values() if {each["file_name"] for each in group.values()} & files]
    if len(fitting) == 1:
        return fitting[0]
    there = ", ".join(repr(name) for name in groups)
    what = f"has the slots {there}, and which of them shows image {image.role!r} is not clear"
    raise InvalidCase(None, [Problem(where, what, "name the slot")])


def _view(image: Image, slot: Mapping[str, Any], alone: bool, where: str) -> View | None:
    """How a slot shows an image; None where the document does not tell, as of a sampled video."""
    told = slot["metadata"]
    name = str(slot["slot_name"])
    silent = "medical" not in told and not slot.get("total_sections")
    if silent or ("medical" not in told and is_volume(image, alone=alone)):
        view = expected_view(image, name, alone=alone, planes=_planes(image))
    else:
        view = shown_view(image, slot)
        if view is None and (told.get("medical") or {}).get("handler") == "MONAI":
            raise InvalidCase(None, [Problem(f"{where}, slot {name!r}", *_other(image, "on a grid of its own"))])
    size = (told.get("width"), told.get("height"))
    if view is not None and all(size) and tuple(map(int, size)) != view.raster_size():
        raise InvalidCase(None, [Problem(f"{where}, slot {name!r}", *_other(image, f"{size[0]} x {size[1]} large"))])
    return view


def _other(image: Image, seen: str) -> tuple[str, str]:
    return f"shows an image that is {seen}, other than image {image.role!r}", "give the image that was drawn on"


def _planes(image: Image) -> tuple[int, ...]:
    return stored_planes(image, [ref.name for ref in image.files])


def _check_layer(row: Mapping[str, Any], view: View | None, where: str) -> None:
    """Refuse run lengths that do not fill the frames of their slot."""
    if view is None:
        return
    width, height = view.raster_size()
    for frame, layer in contents(row["data"]).items():
        counts = [int(count) for count in layer["dense_rle"][1::2]]
        if sum(counts) != width * height or min(counts) < 0 or len(layer["dense_rle"]) % 2:
            what = f"has run lengths of {sum(counts)} pixels in frame {frame}, expected {width} x {height}"
            raise InvalidCase(None, [Problem(f"{where}, raster layer {row['id']}", what, "export it again")])


def _kept(beside: Mapping[str, Any], image: Image, where: str) -> Kept | None:
    """What a file says beside Darwin's own words."""
    try:
        told = [annotation_from_json(_of_role(each, image.role)) for each in beside.get("annotations") or ()]
        return Kept(Case(KEY, images=[image], annotations=told), Native(), "") if told else None
    except InvalidCase as error:
        places = [replace(each, where=f"{where}, {KEY!r}, {each.where}") for each in error.problems]
        raise InvalidCase(None, places) from error


def _of_role(told: Mapping[str, Any], role: str) -> dict[str, Any]:
    """An annotation of the same image under another role."""
    other = {**told, "image": role} if "image" in told else dict(told)
    if "keyframes" in told:
        other["keyframes"] = [_of_role(each, role) for each in told["keyframes"]]
    return other


# -- writing -------------------------------------------------------------------------------------------------------


def write_json(
    annotations: Iterable[Annotation],
    image: Image,
    *,
    name: str = "",
    folder: str = "/",
    slot: str = ONLY_SLOT,
    names: Names = NO_NAMES,
) -> Written:
    """A Darwin JSON 2.0 file of annotations, as darwin-py imports it.

    Parameters
    ----------
    annotations : of this image, or of the case as a whole
    image : as the only one of its item
    name, folder : of the item that they are of on Darwin; its name is that of the image's file when none is given
    slot : of the item in which the image lies
    names : of labels in the case and on Darwin

    Raises
    ------
    GeometryError
        A mask does not lie on the image.
    InvalidCase
        The image has no grid, or two annotations have one id.
    """
    view = expected_view(image, slot, alone=True, planes=_planes(image))
    if view is None:
        what = f"is {image.kind} without a grid: Darwin annotates what has pixels"
        raise InvalidCase(None, [Problem(f"image {image.role!r}", what)])
    written, given = Written(), list(annotations)
    mine = [each for each in given if each.image in {None, image.role}]
    for each in given:
        if each.image not in {None, image.role}:
            written.left_out.append((each, f"it is of image {each.image!r}, and this file of {image.role!r}"))
    file = image.files[0].name if len(image.files) == 1 else f"{image.role}.dcm"
    ids = _ids(name := name or file)
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
            rows.append(_row(form, own, view, subs))
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
    lost = " ".join(filter(None, (as_what, unsaid(annotation, held, set(subs)))))
    return f"Darwin reads it {lost}; the file keeps it beside" if lost else None


# -- rows ----------------------------------------------------------------------------------------------------------


def _row(form: Form, annotation: Annotation, view: View, subs: set[str]) -> dict[str, Any]:
    """An annotation as an export has it.

    Parameters
    ----------
    subs : takes the names of the attributes that have a place of their own in it
    """
    data = _exported(form.data, form.wanted.kind)
    if not isinstance(annotation, Raw):
        for content, attributes in _contents(data, annotation, view):
            fitting = {name: value for name, value in attributes.items() if _is_sub(name, value)}
            subs |= {name for name in fitting if name not in content}
            content |= {name: value for name, value in fitting.items() if name not in content}
        lasting = {name: annotation.attributes[name] for name in LASTING if name in annotation.attributes}
        if "frames" in data:
            data |= lasting
            subs |= set(lasting)
    properties = _properties(annotation)
    subs |= {"properties"} if properties else set()
    return {"id": form.id, "name": form.wanted.name, **data, "properties": properties, **_beside(annotation, form.slot)}


def _beside(annotation: Annotation, slot: str) -> dict[str, Any]:
    people = {"annotators": _people(annotation.author), "reviewers": _people(annotation.reviewer)}
    return {"slot_names": [slot], **{role: each for role, each in people.items() if each}}


def _people(name: str | None) -> list[dict[str, str]]:
    """A person as exports name them: by an e-mail address, and by nothing else."""
    return [{"full_name": name, "email": name}] if name and "@" in name else []


def _properties(annotation: Annotation) -> list[Any]:
    told = annotation.payload if isinstance(annotation, Raw) else annotation.attributes
    properties = told.get("properties") if isinstance(told, dict) else None
    fits = isinstance(properties, list) and all(isinstance(each, dict) and "name" in each for each in properties)
    return list(properties) if fits and isinstance(properties, list) else []


def _contents(
    data: dict[str, Any], annotation: Annotation, view: View
) -> list[tuple[dict[str, Any], Mapping[str, Any]]]:
    """What stands in each keyframe, or on a still picture, and the attributes that are said of it there."""
    if "frames" not in data:
        return [(data, annotation.attributes)]
    frames: dict[str, dict[str, Any]] = data["frames"]
    if not isinstance(annotation, Track):
        return [(content, annotation.attributes) for content in frames.values()]
    shown = annotation.trimmed().reordered(view.frame_of) or annotation
    said = {str(each.frame): {**annotation.attributes, **each.attributes} for each in shown.keyframes}
    return [(content, said.get(frame, {})) for frame, content in frames.items()]


def _is_sub(name: str, value: object) -> bool:
    """Whether an attribute is written as what Darwin has beside a shape."""
    if name not in SUBS:
        return False
    if name == "attributes":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
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


# -- the format ----------------------------------------------------------------------------------------------------


def _is_json(glimpse: Glimpse) -> bool:
    return {"item", "annotations"} <= set(glimpse.document)


def _read_file(ref: FileRef, image: Image, slot: str | None = None) -> list[Annotation]:
    return read_json(Glimpse(ref).document, image, slot=slot, where=ref.name)


def _write_file(
    annotations: Iterable[Annotation], image: Image, item: str = "", folder: str = "/", slot: str = ONLY_SLOT
) -> Written:
    return write_json(annotations, image, name=item, folder=folder, slot=slot)


DARWIN_JSON = FileFormat("darwin-json", "Darwin JSON 2.0 files", _is_json, _read_file, _write_file, (".darwin.json",))
