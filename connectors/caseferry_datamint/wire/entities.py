"""What Datamint says of its resources, projects, worklists, annotations and people, in plain fields.

Servers of different years leave out different fields and write numbers as text, so that everything is read
tolerantly: what is missing is empty. All that came is in `native`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

from caseferry.plain import moment
from caseferry_datamint.wire.address import Address, is_own_tag
from caseferry_datamint.wire.answers import Row, objects, text, texts, whole

if TYPE_CHECKING:
    import datetime as dt

Status = Literal["new", "inbox", "published", "archived"]
"""What becomes of a resource: it waits in the inbox until it is published."""

Order = Literal["created_at", "filename", "modality", "created_by", "published_by", "published_on"]
"""By what resources can be ordered."""

WorklistStatus = Literal["new", "updating", "active", "completed"]

WorkStatus = Literal["opened", "annotated", "closed"]
"""How far the work on a resource of a project is."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One file on the platform.

    Attributes
    ----------
    filename, mimetype, modality, size : of the file
    status : ``inbox`` until it is published
    channel : the group in which it was put
    tags : those that people gave
    case_id : the case that it belongs to, for one that caseferry put
    projects : their names, as far as the server says them
    author, created : who put it there and when
    """

    id: str
    filename: str = ""
    mimetype: str = ""
    modality: str | None = None
    size: int | None = None
    status: str = ""
    channel: str | None = None
    tags: tuple[str, ...] = ()
    case_id: str | None = None
    projects: tuple[str, ...] = ()
    author: str | None = None
    created: dt.datetime | None = None
    native: Row = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, row: Row) -> Self:
        """Take the fields of a row."""
        address = Address.parse(row.get("source_filepath"))
        return cls(
            str(row["id"]),
            text(row, "filename"),
            text(row, "mimetype"),
            text(row, "modality") or None,
            whole(row.get("size")),
            text(row, "status"),
            text(row, "upload_channel") or None,
            tuple(tag for tag in texts(row, "tags") if not is_own_tag(tag)),
            address.case_id if address is not None else None,
            tuple(text(each, "name") for each in objects(row, "projects")),
            text(row, "created_by") or None,
            moment(row.get("created_at")),
            row,
        )


@dataclass(frozen=True, slots=True)
class Project:
    """A set of resources that are worked on together.

    Attributes
    ----------
    resources, annotated : how many resources it has, and on how many there are annotations that count
    dataset_id : of the set behind it, by which older servers know its resources
    archived : whether it was deleted, which on this platform means no more than that
    """

    id: str
    name: str = ""
    description: str = ""
    resources: int | None = None
    annotated: int | None = None
    dataset_id: str | None = None
    archived: bool = False
    author: str | None = None
    created: dt.datetime | None = None
    native: Row = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, row: Row) -> Self:
        """Take the fields of a row."""
        return cls(
            str(row["id"]),
            text(row, "name"),
            text(row, "description"),
            whole(row.get("resource_count")),
            whole(row.get("annotated_resource_count")),
            text(row, "dataset_id") or None,
            bool(row.get("archived")),
            text(row, "created_by") or None,
            moment(row.get("created_at")),
            row,
        )


@dataclass(frozen=True, slots=True)
class Worklist:
    """What is to be annotated, by whom, with which labels. Annotations count in a project only through one.

    Attributes
    ----------
    annotators : their e-mail addresses
    labels : what may be annotated, as the platform writes it: objects with ``type``, ``scope``, ``identifier``
    resources : ids of what is on it; empty in a list of a project's worklists, which does not tell
    """

    id: str
    name: str = ""
    status: str = ""
    description: str = ""
    annotators: tuple[str, ...] = ()
    labels: tuple[Row, ...] = ()
    resources: tuple[str, ...] = ()
    native: Row = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, row: Row) -> Self:
        """Take the fields of a row in either of the two forms that there are."""
        return cls(
            str(row.get("id") or row["worklist_id"]),
            text(row, "name") or text(row, "worklist_name"),
            text(row, "status"),
            text(row, "description"),
            tuple(text(each, "email") for each in objects(row, "annotators")),
            objects(row, "annotations"),
            texts(row, "resource_ids"),
            row,
        )


@dataclass(frozen=True, slots=True)
class Marking:
    """An annotation as the platform has it, without its image: enough to find it, not to say where it lies.

    Attributes
    ----------
    resource : the id of its resource
    kind, label, value : as the platform writes them: ``category``, ``quality``, ``good``
    frame : the frame of the resource, 0-based; None for the whole resource
    status : ``new``, or ``approved``
    annotation_id : the id of the annotation in its case, for one that caseferry put
    """

    id: str
    resource: str
    kind: str = ""
    label: str = ""
    value: str | float | None = None
    frame: int | None = None
    status: str = ""
    worklist: str | None = None
    author: str | None = None
    created: dt.datetime | None = None
    annotation_id: str | None = None
    native: Row = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """A group of resources; there is one as long as a resource names it.

    Attributes
    ----------
    resources : ids of what is in it
    """

    name: str
    resources: tuple[str, ...] = ()
    native: Row = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, row: Row) -> Self:
        """Take the fields of a row."""
        members = tuple(text(each, "resource_id") for each in objects(row, "resource_data"))
        return cls(text(row, "channel_name"), members, row)


@dataclass(frozen=True, slots=True)
class User:
    """A person. The e-mail address is the id."""

    email: str
    first_name: str = ""
    last_name: str = ""
    roles: tuple[str, ...] = ()
    native: Row = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, row: Row) -> Self:
        """Take the fields of a row."""
        return cls(text(row, "email"), text(row, "firstname"), text(row, "lastname"), texts(row, "roles"), row)


@dataclass(frozen=True, slots=True)
class ProjectDataset:
    """The set behind a project, which the platform calls its dataset.

    Attributes
    ----------
    resources : ids of what is in it
    """

    id: str
    name: str = ""
    description: str = ""
    resources: tuple[str, ...] = ()
    native: Row = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def read(cls, row: Row) -> Self:
        """Take the fields of a row."""
        return cls(str(row["id"]), text(row, "name"), text(row, "description"), texts(row, "resource_ids"), row)
