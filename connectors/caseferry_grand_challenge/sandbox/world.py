"""What the stand-in knows: accounts' rights, archives, cases, values, images. The wire is elsewhere.

Everything lies in `state` as plain JSON, keyed by text; addresses are made when they are shown, because the
port may be another one after a restart. Only the sandbox's own thread changes it.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.sandbox.standin import StandIn
from caseferry_grand_challenge.sandbox.accounts import CHANGE_ROLES, VIEW_ROLES
from caseferry_grand_challenge.sandbox.forms import API, PATHS, Record
from caseferry_grand_challenge.sandbox.jsonb import as_stored, digest
from caseferry_grand_challenge.sandbox.kinds import KINDS, Kind, super_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.sandbox.standin import Host
    from caseferry_grand_challenge.sandbox.accounts import User

CONVERSIONS = 2

MEDIA = "/media/"
PROTECTED = "grand-challenge-protected/"
"""The bucket of what only those with rights may fetch."""

TABLES = (
    "archives",
    "studies",
    "sockets",
    "items",
    "sets",
    "values",
    "shared",
    "images",
    "uploads",
    "sessions",
    "queue",
    "titles",
    "quota",
)


def now() -> str:
    """The time as the server writes it."""
    return dt.datetime.now(dt.UTC).isoformat().replace("+00:00", "Z")


class World(StandIn):
    """The state of one Grand Challenge, and the rules that hold in it.

    Attributes
    ----------
    upload_rows : how many uploads one account may have at a time
    upload_bytes : how many bytes of completed uploads may wait for their use, per account
    conversions : the turns in which images are converted, so that memory for a few is enough
    """

    platform: ClassVar[str] = "grand-challenge"
    dataset: ClassVar[str] = "grand-challenge:sandbox"
    tls: ClassVar[bool] = True

    upload_rows = 2001
    upload_bytes = 128 << 30

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.conversions = asyncio.Semaphore(CONVERSIONS)

    def table(self, name: str) -> dict[str, Any]:
        """One table of the state."""
        table: dict[str, Any] = self.state[name]
        return table

    # -- addresses ---------------------------------------------------------------------------------------

    @property
    def api(self) -> str:
        """The API's base, with its slash."""
        return f"{self.host.origin}{API}"

    def url(self, kind: str, pk: str) -> str:
        """The API's address of an object."""
        return f"{self.api}{PATHS[kind]}{pk}/"

    def media(self, key: str) -> str:
        """The address of a file, which is asked for there and fetched from the object store."""
        return f"{self.host.origin}{MEDIA}{key}"

    # -- rights ------------------------------------------------------------------------------------------

    def may_view(self, user: User | None, place: Record) -> bool:
        """Whether an archive or a reader study is shown to somebody."""
        return bool(place["public"]) or _role(user, place) in VIEW_ROLES

    def may_change(self, user: User | None, place: Record) -> bool:
        """Whether somebody may add and change the cases of an archive or a reader study."""
        return _role(user, place) in CHANGE_ROLES

    def place(self, case: Record) -> Record:
        """The archive or reader study whose rights a case has: the one in which it was made."""
        table = "archives" if case["kind"] == "item" else "studies"
        place: Record = self.table(table)[case["home"]]
        return place

    def may_view_case(self, user: User | None, case: Record) -> bool:
        """Whether a case is shown to somebody."""
        return self.may_view(user, self.place(case))

    def may_view_held(self, user: User | None, held: Record) -> bool:
        """Whether an image or a value is shown to somebody: when a case that holds it is."""
        return any(self.may_view_case(user, self.case(reference)) for reference in held["holders"])

    # -- cases and their values --------------------------------------------------------------------------

    def case(self, reference: str) -> Record:
        """The archive item or display set of a reference, as `reference` writes it."""
        kind, _, pk = reference.partition(":")
        case: Record = self.table("items" if kind == "item" else "sets")[pk]
        return case

    def touch(self, case: Record) -> None:
        """Move the row of a case to the end of its table, as an update does in a database without order."""
        table = self.table("items" if case["kind"] == "item" else "sets")
        table[case["pk"]] = table.pop(case["pk"])

    def values(self, case: Record) -> Iterator[Record]:
        """The values that a case holds."""
        table = self.table("values")
        return (table[key] for key in case["values"].values())

    def hold(self, case: Record, value: Record) -> None:
        """Put a value into a case, in place of the one that the same socket had."""
        slug, key = value["socket"], str(value["pk"])
        if case["values"].get(slug) == key:
            return
        self.release(case, slug)
        case["values"][slug] = key
        value["holders"][reference(case)] = 1
        if value["image"] is not None:
            holders = self.table("images")[value["image"]]["holders"]
            holders[reference(case)] = holders.get(reference(case), 0) + 1

    def release(self, case: Record, slug: str) -> None:
        """Take a socket's value out of a case. An image that nothing holds any more is seen by nobody."""
        key = case["values"].pop(slug, None)
        if key is None:
            return
        value = self.table("values")[key]
        value["holders"].pop(reference(case), None)
        if value["image"] is not None:
            holders = self.table("images")[value["image"]]["holders"]
            holders[reference(case)] -= 1
            if not holders[reference(case)]:
                del holders[reference(case)]

    def new_value(self, slug: str, *, value: Any = None, image: str | None = None) -> Record:
        """A value that is shared by nobody yet."""
        row: Record = {
            "pk": self.number(),
            "socket": slug,
            "value": value,
            "file": None,
            "image": image,
            "holders": {},
        }
        self.table("values")[str(row["pk"])] = row
        return row

    def shared_value(self, slug: str, *, value: Any = None, image: str | None = None) -> Record:
        """The one value that all cases share which have the same content in the same socket.

        Raises
        ------
        RefusedError
            The database takes no such value, as one with an endless number or a null character: 500.
        """
        content = image if image is not None else digest(value)
        key = f"{slug}\n{content}"
        shared = self.table("shared")
        if key not in shared:
            stored = None if image is not None else as_stored(value)
            shared[key] = str(self.new_value(slug, value=stored, image=image)["pk"])
        row: Record = self.table("values")[shared[key]]
        return row

    # -- new rows ----------------------------------------------------------------------------------------

    def new_item(self, archive: Record, title: str = "") -> Record:
        """An archive item without values."""
        row: Record = {
            "pk": self.uuid(),
            "kind": "item",
            "title": "",
            "archive": archive["pk"],
            "home": archive["pk"],
            "values": {},
        }
        self.table("items")[row["pk"]] = row
        self.entitle(row, archive["pk"], title)
        return row

    def has_title(self, archive: str, title: str, but: str | None = None) -> bool:
        """Whether an item of an archive, other than `but`, has a title. Any number may have none."""
        return bool(title) and self.table("titles").get(archive, {}).get(title, but) != but

    def entitle(self, item: Record, archive: str, title: str) -> None:
        """Give an item its archive and its title."""
        self.table("titles").get(item["archive"], {}).pop(item["title"], None)
        item["archive"], item["title"] = archive, title
        if title:
            self.table("titles").setdefault(archive, {})[title] = item["pk"]

    def new_session(self, creator: int, uploads: list[str]) -> Record:
        """An upload session, still queued."""
        row: Record = {
            "pk": self.uuid(),
            "creator": creator,
            "status": "Queued",
            "error_message": "",
            "images": [],
            "uploads": uploads,
        }
        self.table("sessions")[row["pk"]] = row
        return row

    # -- sockets -----------------------------------------------------------------------------------------

    def socket(self, slug: str) -> Record | None:
        """The socket of a slug."""
        socket: Record | None = self.table("sockets").get(slug)
        return socket

    def kind(self, socket: Record) -> Kind:
        """The kind of a socket."""
        return KINDS[socket["kind"]]

    def super_kind(self, socket: Record) -> str:
        """How a socket's values are set and read."""
        return super_kind(KINDS[socket["kind"]], in_database=socket["in_database"])


def reference(case: Record) -> str:
    """How a case is named where archive items and display sets stand side by side."""
    return f"{case['kind']}:{case['pk']}"


def _role(user: User | None, place: Record) -> str | None:
    if user is None:
        return None
    role: str | None = place["roles"].get(str(user.pk))
    return role
