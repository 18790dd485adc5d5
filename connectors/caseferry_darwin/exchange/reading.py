"""From a Darwin JSON 2.0 document to annotations."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Annotation, annotation_from_json
from caseferry.case import Case
from caseferry.errors import InvalidCase, Problem
from caseferry.mapping import Names
from caseferry.sidecar import KEY, Kept, Native, merge
from caseferry_darwin.wire.amending import amendment_in
from caseferry_darwin.wire.annotations import Ids
from caseferry_darwin.wire.classes import Classes
from caseferry_darwin.wire.exports import listed_row, listed_slot
from caseferry_darwin.wire.layers import contents
from caseferry_darwin.wire.raws import UNREADABLE
from caseferry_darwin.wire.reading import Shown, annotations_of
from caseferry_darwin.wire.reconciling import reconciled
from caseferry_darwin.wire.view import (
    View,
    expected_view,
    is_volume,
    registered_slot,
    shown_view,
    stored_planes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Image

ONLY_SLOT = "0"
"""The slot of a document that names none."""

NO_NAMES = Names()


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
    except UNREADABLE as error:
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
    found = annotations_of(theirs, classes, names, shown, kept, ids := ids_of(str(beside.get("name") or "")))
    if kept is None:
        return [each.annotation for each in found]
    native = Native(annotations={each.id: ids.annotation(each.id) for each in kept.case.annotations})
    kept, found = reconciled(replace(kept, native=native), found)
    return list(merge(kept, shown.images, found).annotations)


def ids_of(name: str) -> Ids:
    """The ids of the annotations in a file of an item of that name: their own where these are UUIDs."""
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
        view = expected_view(image, name, alone=alone, planes=planes_of(image))
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


def planes_of(image: Image) -> tuple[int, ...]:
    """The plane that each frame of an image shows that Darwin shows as it is stored."""
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
