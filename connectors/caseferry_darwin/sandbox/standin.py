"""The stand-in of V7 Darwin.

It is written from darwin-py's own requests, from V7's guides and reference, and from real exports in the client's
end-to-end tests. Where the platform's behaviour is not public, the module concerned says so.

Troubles on demand
------------------
``fail-later`` faults (see `caseferry.sandbox.faults`) strike these requests, which are answered as if all was well:

``POST */items/uploads/*/confirm``, ``POST */items/direct_upload``, ``POST */items/register_existing``
    the item ends in ``error``, its upload with a ``processing_error``
``POST */exports``
    the export ends in ``failed``

`DarwinStandIn.switches` holds what no fault can say:

``items``            items that the team may have; more are blocked with ``ITEM_COUNT_LIMIT_EXCEEDED``
``storage_full``     registrations answer 429 with the code ``INSUFFICIENT_REMAINING_STORAGE``
``json_bytes``       the largest body; a larger one is answered with 413
``upload_timeout``   seconds after which an upload that never came blocks its name with ``FILE_UPLOAD_TIMEOUT``
``strict_frames``    whether masks and frames must fit the slot that they are imported to
``blocked``          pairs of a pattern of full paths and the reason with which such items are blocked
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.sandbox.standin import Host, StandIn
from caseferry_darwin.sandbox.annotations import Annotations
from caseferry_darwin.sandbox.book import Book
from caseferry_darwin.sandbox.classes import RASTER_LAYER, Classes
from caseferry_darwin.sandbox.datasets import Datasets
from caseferry_darwin.sandbox.exports import Exports
from caseferry_darwin.sandbox.gate import Gate
from caseferry_darwin.sandbox.items import Items, view
from caseferry_darwin.sandbox.processing import Processing, external_key
from caseferry_darwin.sandbox.properties import Properties
from caseferry_darwin.sandbox.registration import Registration
from caseferry_darwin.sandbox.team import Team
from caseferry_darwin.sandbox.uploads import Uploads
from caseferry_darwin.sandbox.verbs import Verbs
from caseferry_darwin.sandbox.workflows import Workflows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiohttp import web

TEAM = "sandbox-team"
API_KEY = "sandbox.0123456789abcdef0123456789abcdef"
"""Seven characters, a dot and thirty-two, as the client's command line insists."""

END_TO_END_MASKS = ("mask1", "mask2")
"""Classes that V7's own end-to-end tests use without making them."""

LARGEST_JSON = 32 << 20
"""Bytes; darwin-py splits what is refused into pieces of up to 32,000,000."""


class DarwinStandIn(StandIn):
    """A V7 Darwin with one team."""

    platform: ClassVar[str] = "darwin"
    dataset: ClassVar[str] = f"darwin:{TEAM}/sandbox"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self._book = Book(self, TEAM)
        self._processing = Processing(self._book)
        self._team = Team(self._book)
        self._datasets = Datasets(self._book, self._team)
        self._classes = Classes(self._book)
        self._exports = Exports(self._book)
        self._concerns = (
            # The calls that a transfer makes for every file come first: routes are tried in order.
            Uploads(self._book, self._processing),
            Registration(self._book, self._processing),
            Items(self._book),
            Annotations(self._book),
            Verbs(self._book),
            self._datasets,
            self._classes,
            Properties(self._book),
            self._exports,
            Workflows(self._book),
            self._team,
        )

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """All calls that the stand-in knows."""
        gate = Gate(self._book, API_KEY)
        return [route for concern in self._concerns for route in concern.routes(gate)]

    def variables(self, ca_file: str) -> Mapping[str, str]:
        """What darwin-py needs, as a library and on the command line, without a configuration file."""
        return {"DARWIN_BASE_URL": self.host.origin, "DARWIN_API_KEY": API_KEY, "DARWIN_TEAM": TEAM}

    def seed(self) -> None:
        """A dataset, a storage of each kind, and classes: a tag, that of raster layers, and two of masks."""
        self.state["switches"] = {
            "items": None,
            "storage_full": False,
            "json_bytes": LARGEST_JSON,
            "upload_timeout": 3600.0,
            "strict_frames": True,
            "blocked": [],
        }
        self._team.seed()
        self.add_class(RASTER_LAYER, ["raster_layer"])
        self.add_class("tag", ["tag"])
        for name in END_TO_END_MASKS:
            self.add_class(name, ["mask"])
        self.add_dataset("Sandbox")

    @property
    def switches(self) -> dict[str, Any]:
        """Limits and troubles; see the module's description."""
        return self._book.switches

    def add_dataset(self, name: str) -> dict[str, Any]:
        """Make a dataset. The answer holds its ``id`` and ``slug``."""
        return self._datasets.add(name)

    def add_class(self, name: str, types: Iterable[str], **details: Any) -> dict[str, Any]:
        """Make an annotation class. Takes ``datasets`` (their ids), ``attributes`` (names) and ``metadata``."""
        return self._classes.add(name, types, **details)

    def add_storage(self, name: str, **details: Any) -> None:
        """Connect an external storage; for the details see `Team.add_storage`."""
        self._team.add_storage(name, **details)

    def put_object(self, storage: str, key: str, content: bytes) -> None:
        """Put an object into an external storage, so that items registered from it have bytes."""
        self.host.store.put(external_key(storage, key), self.host.blobs.add(content))

    def block(self, pattern: str, reason: str) -> None:
        """Block items whose full path matches the pattern, for whatever reason."""
        self.switches["blocked"].append([pattern, reason])

    def item(self, dataset: str, full_path: str) -> dict[str, Any]:
        """An item as a listing shows it, by its dataset's slug and its full path.

        Raises
        ------
        KeyError
            There is no such item.
        """
        held = self._book.dataset(dataset)
        folder, _, name = full_path.rpartition("/")
        found = held and self._book.at(held["id"], folder or "/", name)
        if not found:
            raise KeyError(full_path)
        return view(found)

    def annotations(self, item_id: str) -> list[dict[str, Any]]:
        """The annotations of an item, as they were imported."""
        return list(self._book.annotations(item_id).values())

    def resume(self) -> None:
        """Go on with processing and exports that were under way."""
        self._processing.resume()
        self._exports.resume()
