"""A Grand Challenge archive or reader study."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.annotation import Mask
from caseferry.capability import Limits
from caseferry.case.revision import refuse_changed
from caseferry.connector import Item, State
from caseferry.connector.execute import Patience
from caseferry.errors import (
    AlreadyExists,
    ConfigurationError,
    Inexpressible,
    NotFound,
    PlatformError,
    Problem,
    TemporaryFailure,
)
from caseferry.sidecar import case_fingerprint
from caseferry_grand_challenge.errors import not_allowed
from caseferry_grand_challenge.socket_verbs import SocketVerbs
from caseferry_grand_challenge.wire import annotating, putting, reading
from caseferry_grand_challenge.wire.annotations import MARKS
from caseferry_grand_challenge.wire.item_calls import filled_sockets, held_elsewise
from caseferry_grand_challenge.wire.keys import is_entry, slug_of
from caseferry_grand_challenge.wire.sockets import (
    Sockets,
    offered_sockets,
    sidecar_candidates,
    sockets_of,
    wanted_slugs,
)
from caseferry_grand_challenge.wire.stored import stored_image, stored_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from caseferry.capability import Capabilities
    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.deidentify import Phi
    from caseferry.files import FileRef
    from caseferry.mapping import Names, Offered
    from caseferry.mapping.unmapped import Unmapped
    from caseferry.plan import Call, Plan, Reply
    from caseferry_grand_challenge.client import GrandChallengeClient
    from caseferry_grand_challenge.wire.places import Place

PATIENCE = Patience(first=0.02, share=0.1)
"""The platform has no limit on requests, and says nowhere how far an import is."""

IN_FLIGHT = 20
"""As many connections as httpx, under gcapi, keeps open: with more each call would make another one."""

OWN_FILTERS = ("title", "socket")
STUDY_FILTERS = ("user", "unanswered_by_user")


class GrandChallengeDataset(SocketVerbs):
    """The items of an archive, or the display sets of a reader study, each a case whose parts lie in sockets."""

    platform: ClassVar[str] = "grand-challenge"
    instead: ClassVar[dict[str, str]] = {
        "delete": "only Grand Challenge's support can: write to support@grand-challenge.org"
    }

    def __init__(
        self,
        client: GrandChallengeClient,
        place: Place,
        *,
        names: Names,
        phi: Phi,
        unmapped: Unmapped | None = None,
        capabilities: Capabilities,
    ) -> None:
        super().__init__(f"grand-challenge:{place.name}", names=names, phi=phi, unmapped=unmapped, patience=PATIENCE)
        self.capabilities = capabilities
        self.limits = Limits(in_flight=IN_FLIGHT, sidecar_bytes=64 << 20)
        self.place = place
        self._client = client
        client.stop_with(self.cancelled)
        self._titles: dict[str, str] = {}
        self._titles_lock = threading.Lock()
        self._begun: set[str] = set()
        self._all_listed = False
        self._refused: set[str] = set()

    # -- listing ---------------------------------------------------------------------------------------------------

    def items(self, **filters: Any) -> Iterator[Item]:
        """All items, in no order; see `Dataset.items`.

        Parameters
        ----------
        filters : ``title``, the whole of it; ``socket``, one that holds something; and for the display sets of a
            reader study ``user`` and ``unanswered_by_user``, which the platform itself understands
        """
        known = OWN_FILTERS if self.place.kind == "archive" else OWN_FILTERS + STUDY_FILTERS
        unknown = sorted(set(filters) - set(known))
        if unknown:
            msg = f"{self.url} has no filters {', '.join(unknown)}; known are {', '.join(known)}"
            raise ConfigurationError(msg)
        asked = {name: str(value) for name, value in filters.items() if name in STUDY_FILTERS}
        title, socket = filters.get("title"), filters.get("socket")
        return (
            self._item(row)
            for row in self._rows(asked)
            if (title is None or row.get("title") == title) and (socket is None or socket in filled_sockets(row))
        )

    def _rows(self, asked: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        yield from self._client.items(self.place, **asked)
        self._all_listed = self._all_listed or not asked

    def _item(self, row: Mapping[str, Any]) -> Item:
        pk, title = str(row["pk"]), str(row.get("title") or "")
        with self._titles_lock:
            self._titles[title or pk] = pk
        kept = self._kept(row, fetch=False)
        state = State.READY
        if kept is not None and not set(kept.native.images.values()) <= set(filled_sockets(row)):
            state = State.PROCESSING
        return Item(self, pk, title or pk, url=self.place.page(pk), state=state, native=row)

    def get(self, item_id: str) -> Item:
        """One item by its pk; see `Dataset.get`."""
        return self._item(self._client.item(self.place, item_id))

    def find(self, case_id: str) -> Item | None:
        """The item whose title is the name of the case; see `Dataset.find`."""
        with self._titles_lock:
            pk = self._titles.get(case_id)
        if pk is not None:
            try:
                return self.get(pk)
            except NotFound:
                pass
        return next((item for item in self.items() if item.case_id == case_id), None)

    def read(self, item: Item) -> Case:
        """The case of an item; see `Item.case`."""
        try:
            return self._case(item.native)
        except NotFound:  # a file or an image was replaced since the item was listed
            return self._case(self._client.item(self.place, item.id))

    def _case(self, row: Mapping[str, Any]) -> Case:
        sidecar, kept = self._sidecar(row, fetch=True)
        return reading.case_of(row, kept, self.names, self._source(), sidecar)

    # -- putting ---------------------------------------------------------------------------------------------------

    def _look(self, case: Case) -> putting.Standing | None:
        if self._seems_absent(case.id):
            return None
        for slug in wanted_slugs(case, self.names):  # asked for now, beside the look, as the plan asks for them next
            self._workers().submit(self._client.socket, slug)
        item = self.find(case.id)
        if item is None:
            return None
        kept = self._kept(item.native, fetch=True)
        sockets = set(filled_sockets(item.native))
        return putting.Standing(item.id, sockets, kept.fingerprint if kept is not None else "")

    def _seems_absent(self, case_id: str) -> bool:
        """Whether the archive was listed whole before, and had no item of that title.

        The platform cannot be asked for a title, so that each look would list the whole archive. One that has come
        since is no danger: the platform refuses to create a second item of a title, and then it is looked for.
        """
        with self._titles_lock:
            unknown = case_id not in self._titles and case_id not in self._begun
            return self.place.kind == "archive" and self._all_listed and unknown

    def _plan(self, case: Case, standing: Any, *, allow_spare: bool, create: bool) -> tuple[Plan, list[FileRef]]:
        sockets = self._sockets(case)
        if standing is not None:
            holds_sidecar = any(sockets.get(slug) is not None for slug in sidecar_candidates(self.names))
            foreign = not standing.fingerprint and standing.sockets and holds_sidecar
            if foreign or (standing.fingerprint and standing.fingerprint != case_fingerprint(case)):
                detail = f"another item of that title is in {self.url}, and nobody can delete it; use another id"
                raise AlreadyExists(self.platform, f"put {case.id!r}", detail)
        return putting.plan_case(
            case,
            self.place,
            self.names,
            sockets,
            self.url,
            standing,
            limit=self.limits.sidecar_bytes,
            allow_spare=allow_spare,
            shared=self._shared(case),
        )

    def _shared(self, case: Case) -> dict[str, str]:
        """Files of a case that are images of this platform which the token may view, and the addresses of those."""
        alone = [image.files[0] for image in case.images if len(image.files) == 1]
        masks = [annotation.file for annotation in case.annotations if isinstance(annotation, Mask)]
        shared = {}
        for ref in [*alone, *masks]:
            pk = stored_image(ref, self._client.origin)
            if pk is not None and (address := self._client.viewable_image(pk)) is not None:
                shared[ref.location] = address
        for image in case.images:
            there = stored_set(image.files, self._client.origin)
            if there is not None and set(self._client.viewable_instances(there[0])) == there[1]:
                shared[image.files[0].location] = there[0]
        return shared

    def _sockets(self, case: Case) -> Sockets:
        slugs = list(wanted_slugs(case, self.names))
        found = dict(zip(slugs, self._workers().map(self._client.socket, slugs), strict=True))
        return {slug: socket for slug, socket in found.items() if slug not in self._refused}

    def offered(self) -> Offered:
        """The platform's sockets, with their kinds; see `Dataset.offered`."""
        return offered_sockets(self._client.sockets())

    def _send(self, call: Call) -> Reply:
        if call.name == "create item":
            with self._titles_lock:
                self._begun.add(str(call.body["title"]))
        try:
            return self._client.send(call)
        except PlatformError as error:
            if (slug := not_allowed(error)) is None or slug in self._refused:
                raise
            self._refused.add(slug)
            raise TemporaryFailure(self.platform, call.purpose, error.detail, status=error.status) from error

    def _put_item(self, case: Case, plan: Plan, given: dict[str, Any]) -> Item:
        return self._item(given["row"]) if "row" in given else self.get(str(given["item"]))

    def _annotating(self, item: Item, revision: Revision) -> Callable[[], Plan]:
        return lambda: self._plan_revision(item, revision)

    def _plan_revision(self, item: Item, revision: Revision) -> Plan:
        row = self._client.item(self.place, item.id)
        sidecar, kept = self._sidecar(row, fetch=True)
        if kept is None or sidecar is None:
            what = "has no sidecar, so that annotations could not be told from what others put there"
            problem = Problem(f"item {item.id}", what, "put the case with caseferry first")
            raise Inexpressible(revision.after.id, [problem])
        values = filled_sockets(row)
        if others := held_elsewise(filled_sockets(item.native), values):
            keys = kept.native.annotations
            touched = [name for name in revision.gone if slug_of(keys.get(name, "")) in others]
            if touched:
                now = self._case(row)
                refuse_changed(self.platform, annotating.what_may_stand(revision, now, touched), now)
        lists = {slug_of(key) for key in kept.native.annotations.values() if is_entry(key)} & set(values)
        if annotating.theirs_gone(revision, kept):
            lists |= {slug for slug, socket in sockets_of(values).items() if socket.kind in MARKS}
        contents = {
            slug: self._client.content(str(values[slug]["file"])) if values[slug].get("file") else values[slug]["value"]
            for slug in lists
        }
        stand = annotating.Stand(item.id, self.place, kept, sidecar, values, contents)
        sockets = {**sockets_of(values), **self._sockets(revision.after)}
        return annotating.plan_revision(revision, stand, self.names, sockets, self.url)

    def close(self) -> None:
        """Give connections back; see `Dataset.close`."""
        super().close()
        self._client.close()
