"""Standard upload: which files an item brings, and the calls that bring them.

Each file of a slot is signed for, put and confirmed. A series goes as one file, since several would be taken for no
volume; where the mapping says so it goes slice by slice. A small file may go with the registration itself, in one
step.

Source
------
V7's API reference, "Register items to upload" and "Direct upload"; darwin-py 3.6.3, ``push`` and its merge modes;
V7's customer scripts for slices.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.imaging.kinds import Kind
from caseferry.plan import Call, Given, Part
from caseferry_darwin.wire.series import member_name
from caseferry_darwin.wire.slotfile import TYPES, slot_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry.case import Image
    from caseferry.files import FileRef
    from caseferry_darwin.wire.display import Display, Displays
    from caseferry_darwin.wire.place import Place, Standing
    from caseferry_darwin.wire.placed import Placed

LARGEST_DIRECT = 1 << 20
"""Bytes of a file that goes with its registration; the reference has a limit of about 30 MB for a whole request."""

CONTENT = "content"
"""The name under which a plan knows the content of such a file."""

MULTI_PLANAR_SLOT = "0"


# -- what is uploaded ----------------------------------------------------------------------------------------------


def goes_in_slices(image: Image, display: Display, displays: Displays) -> bool:
    """Whether each file of an image is uploaded by itself."""
    asked = display.slices or displays.ignore_dicom_layout
    return asked and image.kind is Kind.DICOM_SERIES and len(image.files) > 1


def uploaded_files(placed: Placed) -> list[FileRef]:
    """The files that an image brings: one, or its slices. What a slice is called says nothing of its file's name."""
    if not placed.slices:
        return [slot_file(placed.image)]
    return [replace(placed.image.files[index], name=member_name(index)) for index in placed.order]


def options_of(placed: Sequence[Placed], displays: Displays) -> dict[str, bool]:
    """The options of a registration for upload."""
    options = {"handle_as_slices": any(each.slices for each in placed)}
    if displays.force_tiling:
        options["force_tiling"] = True
    if displays.ignore_dicom_layout:
        options["ignore_dicom_layout"] = True
    return options


def channels(slots: Sequence[str]) -> dict[str, Any]:
    """The layout of slots that are channels of one picture. Annotations are seen on the first of them alone."""
    return {"version": 3, "slots_grid": [[list(slots)]]}


# -- in one step ---------------------------------------------------------------------------------------------------


def goes_directly(placed: Sequence[Placed], item: Mapping[str, Any], displays: Displays) -> bool:
    """Whether an item can go in one step: one small file of a type that the guide names, in the usual slot."""
    if not displays.direct_upload or len(placed) > 1 or "layout" in item:
        return False
    (only,) = placed
    image = only.image
    fits = image.kind in TYPES and len(image.files) == 1 and only.slot == MULTI_PLANAR_SLOT
    return fits and not only.keys and slot_file(image).length() <= LARGEST_DIRECT


def direct_item(item: Mapping[str, Any], image: Image) -> dict[str, Any]:
    """An item with its content in place of slots. The reference allows these fields and no other."""
    (slot,) = item["slots"]
    return {
        "name": item["name"],
        "path": item["path"],
        "type": TYPES[image.kind],
        "as_frames": slot.get("as_frames", False),
        "extract_views": slot.get("extract_views", False),
        "fps": slot.get("fps", "native"),
        "metadata": slot["metadata"],
        "tags": list(item.get("tags") or ()),
        "file_content": Given(CONTENT),
    }


def direct_options(displays: Displays) -> dict[str, bool]:
    """The options of a direct upload."""
    return {"force_tiling": displays.force_tiling, "ignore_dicom_layout": displays.ignore_dicom_layout}


def content_of(image: Image) -> str:
    """The content of the file of an image, as a direct upload takes it."""
    return base64.b64encode(slot_file(image).read()).decode()


# -- in three ------------------------------------------------------------------------------------------------------


def _numbered(placed: Iterable[Placed]) -> list[tuple[int, str, FileRef]]:
    """All files that an item uploads: number, slot, file."""
    files = [(each.slot, ref) for each in placed if not each.keys for ref in uploaded_files(each)]
    return [(number, slot, ref) for number, (slot, ref) in enumerate(files)]


def upload_names(placed: Iterable[Placed]) -> dict[tuple[str, str], str]:
    """The names under which a plan knows the uploads, by slot and file."""
    return {(slot, ref.name): f"upload {number}" for number, slot, ref in _numbered(placed)}


def upload_calls(placed: Iterable[Placed], team: str) -> list[Call]:
    """The calls that bring the bytes of every registered file."""
    return [call for number, _, ref in _numbered(placed) for call in _calls(number, ref, team)]


def unfinished_calls(placed: Iterable[Placed], place: Place, standing: Standing) -> list[Call]:
    """The calls that bring the files of an item that was registered and whose bytes never came."""
    return [
        call
        for number, slot, ref in _numbered(placed)
        if (told_of(standing.uploads, slot, ref.name) or {}).get("processing_status") == "uploading"
        for call in _calls(number, ref, place.team)
    ]


def upload_ids(placed: Iterable[Placed], standing: Standing | None) -> dict[str, str]:
    """The ids of uploads of an item that is there, by the names under which a plan knows them."""
    if standing is None:
        return {}
    found = {number: told_of(standing.uploads, slot, ref.name) for number, slot, ref in _numbered(placed)}
    return {f"upload {number}": str(each["upload_id"]) for number, each in found.items() if each is not None}


def told_of(uploads: Sequence[Mapping[str, Any]], slot: str, file: str) -> Mapping[str, Any] | None:
    """What the platform says of the last upload of a file; None where it says nothing.

    Parameters
    ----------
    uploads : rows with ``slot_name`` and ``file_name``
    """
    own = [each for each in uploads if str(each.get("slot_name")) == slot]
    named = [each for each in own if each.get("file_name") == file]
    if len({str(each.get("file_name")) for each in own}) == 1:
        named = named or own  # a slot of one file: it does not matter what the platform calls it
    return named[-1] if named else None


def _calls(number: int, ref: FileRef, team: str) -> list[Call]:
    """Sign, put, confirm."""
    base = f"v2/teams/{quote(team)}/items/uploads/{{upload {number}}}"
    return [
        Call(
            name=f"sign {number}",
            method="GET",
            target=f"{base}/sign",
            gives=(f"url {number}",),
            read=lambda reply: {f"url {number}": reply.body["upload_url"]},
            purpose="ask where to put the file",
        ),
        Call(
            name=f"send {number}",
            method="PUT",
            target=f"{{url {number}}}",
            files=(Part(ref, name=ref.name),),
            purpose="send the file",
        ),
        Call(
            name=f"confirm {number}",
            method="POST",
            target=f"{base}/confirm",
            body={},
            after=(f"send {number}",),
            purpose="say that the file is there",
        ),
    ]
