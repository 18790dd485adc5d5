"""A Grand Challenge archive or reader study."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.annotation import Mask
from caseferry.capability import Limits
from caseferry.case import Case, Image
from caseferry.connector import Dataset, Item, State
from caseferry.errors import AlreadyExists, ConfigurationError, Inexpressible, NotFound, Problem
from caseferry.plan import Call, Plan, Reply
from caseferry.sidecar import Kept, case_fingerprint, parse
from caseferry_grand_challenge.wire import annotating, described, filling, putting, reading
from caseferry_grand_challenge.wire.filling import Stored
from caseferry_grand_challenge.wire.item_calls import filled_sockets
from caseferry_grand_challenge.wire.sockets import Sockets, offered_sockets, sidecar_candidates, wanted_slugs
from caseferry_grand_challenge.wire.uploads import PART

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caseferry.capability import Capabilities
    from caseferry.case.revision import Revision
    from caseferry.deidentify import Phi
    from caseferry.files import FileRef
    from caseferry.mapping import Names, Offered
    from caseferry.mapping.unmapped import Unmapped
    from caseferry_grand_challenge.client import GrandChallengeClient
    from caseferry_grand_challenge.wire.filling import Content
    from caseferry_grand_challenge.wire.places import Place

OWN_FILTERS = ("title", "socket")
STUDY_FILTERS = ("user", "unanswered_by_user")


class GrandChallengeDataset(Dataset):
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
        super().__init__(f"grand-challenge:{place.name}", names=names, phi=phi, unmapped=unmapped)
        self.capabilities = capabilities
        self.limits = Limits(in_flight=16, sidecar_bytes=64 << 20, part_bytes=PART)
        self.place = place
        self._client = client
        client.stop_with(self.cancelled)
        self._titles: dict[str, str] = {}
        self._titles_lock = threading.Lock()
        self._begun: set[str] = set()
        self._all_listed = False

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

    def _source(self) -> reading.Source:
        """How what items refer to is fetched; each image is asked about once."""
        images: dict[str, Mapping[str, Any]] = {}

        def image(address: str) -> Mapping[str, Any]:
            if address not in images:
                images[address] = self._client.image(address)
            return images[address]

        client = self._client
        return reading.Source(client.open_file, image, client.instances, client.open_instance, client.content)

    def _kept(self, row: Mapping[str, Any], *, fetch: bool) -> Kept | None:
        """The sidecar of an item; one that is a file is only read when `fetch` says so."""
        return self._sidecar(row, fetch=fetch)[1]

    def _sidecar(self, row: Mapping[str, Any], *, fetch: bool) -> tuple[str | None, Kept | None]:
        """The socket that holds the sidecar of an item, and the sidecar."""
        values = filled_sockets(row)
        for slug in sidecar_candidates(self.names):
            value = values.get(slug)
            if value is None or (value.get("file") and not fetch):
                continue
            kept = parse(self._client.content(str(value["file"])) if value.get("file") else value.get("value"))
            if kept is not None:
                return slug, kept
        return None, None

    # -- putting ---------------------------------------------------------------------------------------------------

    def _look(self, case: Case) -> putting.Standing | None:
        if self._seems_absent(case.id):
            return None
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
            pk = reading.stored_image(ref, self._client.origin)
            if pk is not None and (address := self._client.viewable_image(pk)) is not None:
                shared[ref.location] = address
        for image in case.images:
            there = reading.stored_set(image.files, self._client.origin)
            if there is not None and set(self._client.viewable_instances(there[0])) == there[1]:
                shared[image.files[0].location] = there[0]
        return shared

    def _sockets(self, case: Case) -> Sockets:
        slugs = list(wanted_slugs(case, self.names))
        return dict(zip(slugs, self._workers().map(self._client.socket, slugs), strict=True))

    def offered(self) -> Offered:
        """The platform's sockets, with their kinds; see `Dataset.offered`."""
        return offered_sockets(self._client.sockets())

    def _send(self, call: Call) -> Reply:
        if call.name == "create item":
            with self._titles_lock:
                self._begun.add(str(call.body["title"]))
        return self._client.send(call)

    def _put_item(self, case: Case, plan: Plan, given: dict[str, Any]) -> Item:
        return self.get(str(given["item"]))

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
        lists = {key.rpartition("#")[0] for key in kept.native.annotations.values() if "#" in key} & set(values)
        contents = {
            slug: self._client.content(str(values[slug]["file"])) if values[slug].get("file") else values[slug]["value"]
            for slug in lists
        }
        stand = annotating.Stand(item.id, self.place, kept, sidecar, values, contents)
        sockets = self._sockets(revision.after)
        return annotating.plan_revision(revision, stand, self.names, sockets, self.url)

    # -- single sockets --------------------------------------------------------------------------------------------

    def fill(self, item: Item, contents: Mapping[str, Content]) -> Item:
        """Put something into sockets of an item that is there, or something else into them.

        >>> archive.fill(item, {                                            # doctest: +SKIP
        ...     "ct-image": cf.Image("ct", "scan.mha"),
        ...     "report": "report.pdf",
        ...     "lung-volume": 1.9,
        ...     "mr-image": archive.stored(other, "generic-medical-image"),
        ... })

        Parameters
        ----------
        contents : by socket; see `caseferry_grand_challenge.wire.filling.Content`

        Raises
        ------
        Inexpressible
            Something does not fit its socket; nothing was sent.
        """
        return self._changed(item, self.plan_fill(item, contents))

    def plan_fill(self, item: Item, contents: Mapping[str, Content]) -> Plan:
        """What `fill` would do, and what of it nobody can undo."""
        sockets = {slug: self._client.socket(slug) for slug in contents}
        row = self._client.item(self.place, item.id)
        slug, kept = self._sidecar(row, fetch=True)
        contents = self._guarded(item, contents, kept)
        problems = filling.filling_problems(contents, sockets) or list(self._stored_problems(contents, sockets))
        if problems:
            raise Inexpressible(item.case_id, problems)
        if kept is not None and slug is not None and slug not in contents:
            document = described.redescribed(kept, described.Change(filled=self._described(contents, kept)))
            if document is not None:
                contents, sockets = {**contents, slug: document}, {**sockets, slug: self._client.socket(slug)}
        before = filled_sockets(row)
        calls = filling.plan_filling(item.case_id, item.id, self.place, contents, sockets, before)
        return Plan(dataset=self.url, case_id=item.case_id, calls=tuple(calls), adopts=item.id)

    def _stored_problems(self, contents: Mapping[str, Content], sockets: Sockets) -> Iterator[Problem]:
        """What is wrong with images of the platform that are to stand in sockets too."""
        for slug, content in contents.items():
            socket = sockets[slug]
            if socket is None or not isinstance(content, Stored):
                continue
            if not content.address.startswith(f"{self._client.origin}/"):
                yield Problem(f"socket {slug!r}", f"takes images of {self._client.origin}, not {content.address!r}")
            elif (what := filling.stored_problem(socket, self._client.image(content.address))) is not None:
                yield Problem(f"socket {slug!r}", what)

    def _described(self, contents: Mapping[str, Content], kept: Kept) -> dict[str, Any]:
        """What a sidecar is to say of what sockets are filled with: of an image that is there, what it is."""
        source = self._source()
        return {
            slug: reading.image_there(described.role_in(kept, slug), content.address, source)
            if isinstance(content, Stored)
            else content
            for slug, content in contents.items()
        }

    def _guarded(self, item: Item, contents: Mapping[str, Content], kept: Kept | None) -> dict[str, Content]:
        """Contents whose images were looked into.

        Raises
        ------
        InvalidCase
            An image is damaged, or identifies a patient and the dataset was not told to keep that.
        """
        given = {slug: content for slug, content in contents.items() if isinstance(content, Image)}
        named = {slug: given[slug].renamed(described.role_in(kept, slug)) for slug in given}
        sealed = {image.role: image for image in self.sealed(Case(id=item.case_id, images=[*named.values()])).images}
        return {**contents, **{slug: sealed[image.role] for slug, image in named.items()}}

    def detach(self, item: Item, *sockets: str) -> Item:
        """Empty sockets of an item. Files in its other sockets are sent anew, as the platform cannot keep them.

        Raises
        ------
        NotFound
            A socket holds nothing; nothing was sent.
        """
        return self._changed(item, self.plan_detach(item, *sockets))

    def plan_detach(self, item: Item, *sockets: str) -> Plan:
        """What `detach` would do, and what of it nobody can undo."""
        return self._plan_detach(item, sockets, {})

    def _plan_detach(self, item: Item, sockets: Sequence[str], moved: Mapping[str, str]) -> Plan:
        """Likewise, where the content of some is in other ones by now."""
        row = self._client.item(self.place, item.id)
        before = filled_sockets(row)
        empty = [slug for slug in sockets if slug not in before]
        if empty or not sockets:
            detail = f"there is nothing in {', '.join(empty) or 'no socket'}"
            raise NotFound(self.platform, f"detach from {item.id}", detail)
        slug, kept = self._sidecar(row, fetch=True)
        rewritten: dict[str, Any] = {}
        forgotten = 0
        if kept is not None and slug is not None and slug not in sockets:
            document = described.redescribed(kept, described.Change(emptied=sockets, moved=moved))
            rewritten = {slug: document} if document is not None else {}
            forgotten = len(described.forgotten(kept, set(sockets) - set(moved)))
        files = {
            slug: reading.file_in(value, slug, self._client.open_file)
            for slug, value in before.items()
            if slug not in {*sockets, *rewritten} and value.get("file")
        }
        calls = filling.plan_detaching(
            item.case_id,
            item.id,
            self.place,
            list(sockets),
            before,
            files=files,
            rewritten=rewritten,
            forgotten=forgotten,
        )
        return Plan(dataset=self.url, case_id=item.case_id, calls=tuple(calls), adopts=item.id)

    def stored(self, item: Item, socket: str) -> Stored:
        """The image in a socket of an item, to be referred to by others.

        Raises
        ------
        NotFound
            The socket holds no image.
        """
        value = filled_sockets(item.native).get(socket, {})
        if not value.get("image"):
            raise NotFound(self.platform, f"look for an image in {item.id}", f"there is none in socket {socket!r}")
        return Stored(str(value["image"]))

    def retype(self, item: Item, socket: str, to: str) -> Item:
        """Move an image from one socket of an item to another, by reference: none of its bytes are moved."""
        filled = self.fill(item, {to: self.stored(self.get(item.id), socket)})
        return self._changed(filled, self._plan_detach(filled, [socket], {socket: to}))

    def _changed(self, item: Item, plan: Plan) -> Item:
        try:
            self.execute(plan)
        finally:
            plan.release()
        return self.get(item.id)

    def close(self) -> None:
        """Give connections back; see `Dataset.close`."""
        super().close()
        self._client.close()
