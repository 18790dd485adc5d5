"""Single sockets of an item of Grand Challenge: filling one, emptying one, referring to the image in another."""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

from caseferry.case import Case, Image
from caseferry.connector import Dataset, Item
from caseferry.connector.settle import settle
from caseferry.errors import Inexpressible, NotFound, PlatformError, Problem
from caseferry.plan import Plan
from caseferry.sidecar import Kept, parse
from caseferry_grand_challenge.wire import described, filling
from caseferry_grand_challenge.wire.filling import Stored
from caseferry_grand_challenge.wire.item_calls import filled_sockets
from caseferry_grand_challenge.wire.sockets import Sockets, sidecar_candidates
from caseferry_grand_challenge.wire.stored import Source, file_in, image_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caseferry_grand_challenge.client import GrandChallengeClient
    from caseferry_grand_challenge.wire.filling import Content
    from caseferry_grand_challenge.wire.places import Place


class SocketVerbs(Dataset):
    """What can be done with single sockets of the items of a dataset.

    Attributes
    ----------
    place : the archive or the reader study
    """

    place: Place
    _client: GrandChallengeClient

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
        return self._changed(item, lambda: self.plan_fill(item, contents))

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
        rewritten = [slug] if slug is not None and slug in contents else []
        calls = filling.plan_filling(item.case_id, item.id, self.place, contents, sockets, before, rewritten=rewritten)
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
            slug: image_there(described.role_in(kept, slug), content.address, source)
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
        return self._changed(item, self._detaching(item, sockets, {}))

    def plan_detach(self, item: Item, *sockets: str) -> Plan:
        """What `detach` would do, and what of it nobody can undo."""
        return self._detaching(item, sockets, {})()

    def _detaching(self, item: Item, sockets: Sequence[str], moved: Mapping[str, str]) -> Callable[[], Plan]:
        """What plans to empty sockets, the content of some being in other ones by now: at first all, then the rest."""
        again = chain([False], repeat(True))

        def planned() -> Plan:
            row = self._client.item(self.place, item.id)
            before = filled_sockets(row)
            empty = [slug for slug in sockets if slug not in before]
            if next(again):
                return self._plan_detach(item, row, [slug for slug in sockets if slug in before], moved)
            if empty or not sockets:
                detail = f"there is nothing in {', '.join(empty) or 'no socket'}"
                raise NotFound(self.platform, f"detach from {item.id}", detail)
            return self._plan_detach(item, row, sockets, moved)

        return planned

    def _plan_detach(
        self, item: Item, row: Mapping[str, Any], sockets: Sequence[str], moved: Mapping[str, str]
    ) -> Plan:
        before = filled_sockets(row)
        if not sockets:
            return Plan(dataset=self.url, case_id=item.case_id, adopts=item.id)
        self._refuse_unmoved(item, sockets, before, moved)
        slug, kept = self._sidecar(row, fetch=True)
        rewritten: dict[str, Any] = {}
        forgotten = 0
        if kept is not None and slug is not None and slug not in sockets:
            document = described.redescribed(kept, described.Change(emptied=sockets, moved=moved))
            rewritten = {slug: document} if document is not None else {}
            forgotten = len(described.forgotten(kept, set(sockets) - set(moved)))
        files = {
            slug: file_in(value, slug, self._client.open_file)
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
        return self._changed(filled, self._detaching(filled, [socket], {socket: to}))

    def _refuse_unmoved(
        self, item: Item, sockets: Sequence[str], before: Mapping[str, Mapping[str, Any]], moved: Mapping[str, str]
    ) -> None:
        """Refuse to empty a socket in which another image stands by now than the one that was moved."""
        for slug, to in moved.items():
            if slug in sockets and before[slug].get("image") != before.get(to, {}).get("image"):
                detail = f"somebody has changed what is in socket {slug!r} or {to!r} meanwhile; nothing was emptied"
                raise PlatformError(self.platform, f"empty a socket of {item.id}", detail)

    def _changed(self, item: Item, planned: Callable[[], Plan]) -> Item:
        settle(planned, self.execute)
        return self.get(item.id)

    # -- what an item holds ----------------------------------------------------------------------------------------

    def _source(self) -> Source:
        """How what items refer to is fetched; each image is asked about once."""
        images: dict[str, Mapping[str, Any]] = {}

        def image(address: str) -> Mapping[str, Any]:
            if address not in images:
                images[address] = self._client.image(address)
            return images[address]

        client = self._client
        return Source(client.open_file, image, client.instances, client.open_instance, client.content)

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
