"""The `values` of a request: what each entry asks for, and whether the server would take it.

All entries are checked before any is applied: one wrong entry and nothing happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from caseferry_grand_challenge.sandbox.checking import complaint
from caseferry_grand_challenge.sandbox.forms import MISSING, FieldError, Form, link_list, linked, named
from caseferry_grand_challenge.sandbox.images import viewable
from caseferry_grand_challenge.sandbox.kinds import DICOM_SET, DISPLACEMENT_FIELD, SEGMENTATION
from caseferry_grand_challenge.sandbox.schemas import SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry_grand_challenge.sandbox.accounts import User
    from caseferry_grand_challenge.sandbox.forms import Record
    from caseferry_grand_challenge.sandbox.world import World

SOURCES = "['image', 'value', 'file', 'user_upload', 'upload_session', ('image_name', 'user_uploads')]"
FILES_PER_SESSION = 100
TOO_MANY_FILES = f"Too many files uploaded. A maximum of {FILES_PER_SESSION} files may be uploaded per session."
LONGEST_IMAGE_NAME = 4096


class Source(Enum):
    """Where the content of a value comes from."""

    VALUE = auto()
    IMAGE = auto()
    SESSION = auto()
    UPLOAD = auto()
    UPLOADS = auto()
    DICOM = auto()


@dataclass(frozen=True, slots=True)
class Change:
    """What one entry asks for.

    Attributes
    ----------
    content : the JSON value, or the identifiers of what was uploaded or is there already
    image_name : only for DICOM image sets
    """

    socket: str
    source: Source
    content: Any
    image_name: str = ""


def read_values(world: World, user: User, entries: object, *, partial: bool) -> list[Change]:
    """What a request's `values` ask for, one change a socket: of two for one socket the later counts.

    Raises
    ------
    FieldError
        An entry cannot be taken; the problems stand in the order of the entries.
    """
    if not isinstance(entries, list):
        words = f'Expected a list of items but got type "{type(entries).__name__}".'
        raise FieldError({"non_field_errors": [words]})
    changes: dict[str, Change] = {}
    problems: list[Record] = []
    for entry in entries:
        try:
            change = _Entry(world, user, entry, partial=partial).read()
            changes[change.socket] = change
            problems.append({})
        except FieldError as error:
            problems.append(error.messages)
    if any(problems):
        raise FieldError(problems)
    return list(changes.values())


def socket_complaint(world: World, socket: Record, image: Record) -> str | None:
    """Why an image may not stand in a socket; None when it may."""
    if world.super_kind(socket) != "Image":
        words = "File must be set" if world.super_kind(socket) == "File" else "must not be set for values"
        return words if words.startswith("File") else f"Image ({image['name']}) or file () {words}"
    if (socket["kind"] == DICOM_SET) is not (image["dicom"] is not None):
        return "Image must be DICOM" if image["dicom"] is None else "Image may not be DICOM"
    if socket["kind"] == SEGMENTATION:
        return _voxel_complaint(socket, image)
    if socket["kind"] == DISPLACEMENT_FIELD:
        return _vector_complaint(image["shown"])
    return None


def value_complaint(socket: Record, value: Any) -> str | None:
    """Why a JSON value may not stand in a socket; None when it may."""
    return complaint(value, SCHEMAS[socket["kind"]], socket["schema"])


def _voxel_complaint(socket: Record, image: Record) -> str | None:
    if not socket["overlay_segments"]:
        return None
    segments = image["shown"]["segments"]
    if segments is None:
        return (
            "Image segments could not be determined, ensure the voxel values are integers and that it contains "
            "no more than 64 segments. Ensure the image has the minimum and maximum voxel values set as tags "
            "if the image is a TIFF file."
        )
    allowed = {0, *(segment["voxel_value"] for segment in socket["overlay_segments"])}
    strangers = set(segments) - allowed
    if not strangers:
        return None
    return (
        f"The valid voxel values for this segmentation are: {allowed}. "
        f"This segmentation is invalid as it contains the voxel values: {strangers}."
    )


def _vector_complaint(shown: Record) -> str | None:
    if len(shown["shape"]) != 4:
        return "Deformation and displacement must be 4D images."
    if shown["shape"] != shown["shape_without_color"]:
        return "Deformation and displacement fields cannot have a color component."
    if shown["shape"][0] != 3:
        return "Deformation and displacement field's 4th dimension must be a 3-component vector."
    return None


class _Entry:
    """One entry of `values`."""

    def __init__(self, world: World, user: User, entry: object, *, partial: bool) -> None:
        if not isinstance(entry, dict):
            words = f"Invalid data. Expected a dictionary, but got {type(entry).__name__}."
            raise FieldError({"non_field_errors": [words]})
        self.world = world
        self.user = user
        self.entry: Record = entry
        self.form = Form(entry, partial=partial)

    def read(self) -> Change:
        """What the entry asks for.

        Raises
        ------
        FieldError
            It cannot be taken.
        """
        socket = self.form.read("interface", lambda value: named(value, self.world.socket))
        given = self._sources()
        if self.form.problems:
            raise FieldError(self.form.problems)
        if socket is MISSING:
            raise _refused("An interface must be specified")
        if not self.entry.keys() & {"value", "file", *given}:
            raise _refused(f"You must provide at least one of {SOURCES}.")
        content = {name: value for name, value in given.items() if value is not None}
        if self.entry.get("value") is not None:
            content["value"] = self.entry["value"]
        if len(content) > 1 and set(content) != {"image_name", "user_uploads"}:
            raise _refused(f"You can only provide one of {SOURCES} for each socket.")
        return {"Value": self._value, "File": self._file, "Image": self._image}[self.world.super_kind(socket)](
            socket, content
        )

    def _sources(self) -> Record:
        """The fields that name something, each as what it names; left out when they are."""
        find = self._own("uploads")
        read: dict[str, Callable[[Any], Any]] = {
            "image": lambda value: linked(value, "image", viewable(self.world, self.user)),
            "upload_session": lambda value: linked(value, "session", self._queued),
            "user_upload": lambda value: linked(value, "upload", find),
            "user_uploads": lambda value: link_list(value, "upload", find),
        }
        given: Record = {}
        for name, reader in read.items():
            if self.entry.get(name) is not None:
                given[name] = self.form.read(name, reader)
            elif name in self.entry:
                given[name] = None
        if self.entry.get("image_name") is not None:
            given["image_name"] = self.form.text("image_name", LONGEST_IMAGE_NAME, blank=False)
        elif "image_name" in self.entry:
            given["image_name"] = None
        return given

    def _own(self, table: str) -> Callable[[str], Record | None]:
        def find(pk: str) -> Record | None:
            row: Record | None = self.world.table(table).get(pk)
            return row if row is not None and row["creator"] == self.user.pk else None

        return find

    def _queued(self, pk: str) -> Record | None:
        row = self._own("sessions")(pk)
        return row if row is not None and row["status"] == "Queued" else None

    def _value(self, socket: Record, content: Record) -> Change:
        if "value" not in content:
            raise _refused(f"value is required for interface kind {self.world.kind(socket).code}")
        wrong = value_complaint(socket, content["value"])
        if wrong is not None:
            raise FieldError({"__all__": [wrong]})
        return Change(socket["slug"], Source.VALUE, content["value"])

    def _file(self, socket: Record, content: Record) -> Change:
        if "user_upload" not in content:
            code = self.world.kind(socket).code
            raise _refused(f"user_upload or file is required for interface kind {code}")
        return Change(socket["slug"], Source.UPLOAD, content["user_upload"]["pk"])

    def _image(self, socket: Record, content: Record) -> Change:
        if "image" in content:
            wrong = socket_complaint(self.world, socket, content["image"])
            if wrong is not None:
                raise FieldError({"__all__": [wrong]})
            return Change(socket["slug"], Source.IMAGE, content["image"]["pk"])
        code = self.world.kind(socket).code
        uploads = [row["pk"] for row in content.get("user_uploads", ())]
        if socket["kind"] == DICOM_SET:
            if not uploads or "image_name" not in content:
                raise _refused("either user_uploads with image_name, or image are required for interface kind " + code)
            return Change(socket["slug"], Source.DICOM, uploads, content["image_name"])
        if "upload_session" in content:
            return Change(socket["slug"], Source.SESSION, content["upload_session"]["pk"])
        if not uploads:
            raise _refused(f"user_uploads, upload_session or image are required for interface kind {code}")
        if len(uploads) > FILES_PER_SESSION:
            raise _refused(TOO_MANY_FILES)
        return Change(socket["slug"], Source.UPLOADS, uploads)


def _refused(text: str) -> FieldError:
    return FieldError({"non_field_errors": [text]})
