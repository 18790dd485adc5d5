"""A Darwin dataset."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from caseferry.connector import Dataset, Item, State
from caseferry.deidentify import Phi, suspicious_name
from caseferry.errors import (
    AlreadyExists,
    IdentifiableData,
    NotFound,
    PlatformError,
    Problem,
)
from caseferry.files import FileRef
from caseferry.sidecar import case_fingerprint
from caseferry_darwin.life import Life
from caseferry_darwin.setup import neighbours, storage_findings
from caseferry_darwin.wire import (
    comments,
    exports,
    parting,
    putting,
    reading,
    registering,
    replaying,
    revising,
    showing,
    values,
)
from caseferry_darwin.wire.amending import amendments_in
from caseferry_darwin.wire.begun import Begun
from caseferry_darwin.wire.classes import RASTER_TYPE
from caseferry_darwin.wire.display import ITEMS
from caseferry_darwin.wire.filters import asked
from caseferry_darwin.wire.place import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caseferry.capability import Capabilities, Limits
    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.connector.finding import Finding
    from caseferry.mapping import Offered
    from caseferry.mapping.unmapped import Unmapped
    from caseferry.plan import Call, Plan, Reply
    from caseferry_darwin.client import DarwinClient
    from caseferry_darwin.wire.filters import Asked
    from caseferry_darwin.wire.place import Place

STATES = {"uploading": State.UPLOADING, "processing": State.PROCESSING, "error": State.FAILED}


class DarwinDataset(Life, Dataset):
    """The items of a Darwin dataset, each a case with a slot for each image."""

    platform: ClassVar[str] = "darwin"

    def __init__(
        self,
        url: str,
        client: DarwinClient,
        place: Place,
        web: str,
        *,
        phi: Phi,
        unmapped: Unmapped | None = None,
        capabilities: Capabilities,
        limits: Limits,
    ) -> None:
        super().__init__(url, names=place.names, phi=phi, unmapped=unmapped)
        self.capabilities = capabilities
        self.limits = limits
        self.place = place
        self._client = client
        client.http.stop_with(self.cancelled)
        self._web = web
        self._class_lock = threading.Lock()

    # -- listing ---------------------------------------------------------------------------------------------------

    def items(self, **filters: Any) -> Iterator[Item]:
        """All items; see `Dataset.items`.

        Parameters
        ----------
        filters : ``statuses``, ``names``, ``paths`` (folders), ``ids``, ``slot_types``, ``labels`` (of annotations),
            ``stages`` (their ids), ``assignees`` (their ids): one or several, of which any will do; with ``not_`` in
            front all others. ``name_contains``, ``name_prefix``, ``path_prefix``: a text. ``has_comments``: True or
            False. ``archived=True``: those that were archived, and no others
        """
        return self._items(asked(filters, self.place.classes, self.names))

    def _items(self, wanted: Asked) -> Iterator[Item]:
        for query in wanted.queries:
            for item in self._client.items(self.place.dataset_id, query):
                if bool(item.get("archived")) is wanted.archived and not parting.is_part(item):
                    yield self._item(item)

    def _item(self, item: Mapping[str, Any]) -> Item:
        parts = self._parts(item)
        states = [STATES.get(str(each.get("status")), State.READY) for each in (item, *parts)]
        state = parting.joined_state(states, 1 + len(parting.names_of_parts(item)))
        failed = [each for each, its in zip((item, *parts), states, strict=True) if its is State.FAILED]
        reason = showing.processing_error(failed[0]) if failed else ""
        item = {**item, parting.PARTS: parts} if parts else item
        url = f"{self._web}/workview?dataset={self.place.dataset_id}&item={item['id']}"
        return Item(self, str(item["id"]), reading.case_name(item), url=url, state=state, reason=reason, native=item)

    def _parts(self, lead: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The other items of a case that is several, as far as they are there, in the order of its images."""
        names = parting.names_of_parts(lead)
        here = [each for each in self._named(names) if each.get("path") == lead.get("path")] if names else []
        return sorted(here, key=lambda each: names.index(str(each["name"])))

    def get(self, item_id: str) -> Item:
        """One item by its id; see `Dataset.get`."""
        return self._item(self._client.item(self.place.dataset_id, item_id))

    def find(self, case_id: str) -> Item | None:
        """The item that holds a case, by its name; see `Dataset.find`."""
        for item in self._named(registering.item_names(case_id)):
            if reading.case_name(item) == case_id and not parting.is_part(item):
                return self._item(item)
        return None

    def _named(self, names: Sequence[str]) -> list[Mapping[str, Any]]:
        queries = asked({"names": list(names)}, self.place.classes, self.names).queries
        found = (item for query in queries for item in self._client.items(self.place.dataset_id, query))
        return [item for item in found if not item.get("archived")]

    def read(self, item: Item) -> Case:
        """The case of an item; see `Item.case`."""
        native = item.native
        if item.state in {State.UPLOADING, State.PROCESSING} or not native.get("slots"):
            native = self.get(item.id).native
        if not native.get(parting.PARTS):
            return self._read(native)
        return parting.joined_case([self._read(each) for each in (native, *native[parting.PARTS])])

    def _read(self, native: Mapping[str, Any]) -> Case:
        item_id = str(native["id"])
        asked_beside = self._workers().submit(self._client.threads, item_id)
        asked_values = self._workers().submit(self._values, item_id)
        rows = self._rows(item_id)
        case = reading.case_of(native, rows, asked_beside.result(), self.place.classes, self.names, self._fetch)
        return values.with_values(case, reading.kept_of(native), asked_values.result(), self.place)

    def _values(self, item_id: str) -> list[Mapping[str, Any]]:
        """The properties of an item, where the dataset's items have any."""
        own = self.place.classes.properties.of_items(self.place.dataset_id)
        return self._client.item_properties(item_id) if own else []

    def _shown_roles(self, native: Any) -> dict[str, str]:
        return reading.roles_of(native, self.names)

    def release(self, name: str) -> Iterator[Case]:
        """The cases of a release that was exported in Darwin JSON 2.0, one at a time.

        Raises
        ------
        NotFound
            There is no such release, or it is not complete.
        FileProblem
            It is damaged.
        """
        known = self._client.releases(self.place.dataset)
        found = next((each for each in known if each.get("name") == name and each.get("download_url")), None)
        if found is None:
            names = ", ".join(f"{each.get('name')} ({each.get('status')})" for each in known) or "none"
            detail = f"there is none that is complete; there are {names}"
            raise NotFound(self.platform, f"read release {name!r}", detail)
        address = str(found["download_url"])
        archive = FileRef("darwin:release", "release.zip", opener=lambda: self._client.download(address))
        return exports.cases_of_release(archive, self.names, self._fetch)

    def _fetch(self, upload_id: str) -> BinaryIO:
        return self._client.download(self._client.original(upload_id))

    def _refresh_classes(self) -> None:
        """Learn of classes that were made since the dataset was opened."""
        with self._class_lock:
            fresh = self._client.classes(self.place.dataset_id)
            self.place.classes.known.update(fresh.known)
            self.place.classes.properties = fresh.properties

    # -- putting ---------------------------------------------------------------------------------------------------

    def offered(self) -> Offered:
        """The team's classes, with their types; see `Dataset.offered`."""
        self._refresh_classes()
        types: dict[str, list[str]] = {}
        for known in self.place.classes.known.values():
            if known.types[0] != RASTER_TYPE:
                types.setdefault(known.name, []).append(known.types[0])
        return {"labels": {name: ", ".join(sorted(own)) for name, own in types.items()}}

    def label_details(self) -> Mapping[str, Mapping[str, str]]:
        """Colours and codes of the team's classes; see `Dataset.label_details`."""
        self._refresh_classes()
        return {self.names.label_back(each.name): each.details for each in self.place.classes.known.values()}

    def diagnose(self) -> Iterator[Finding]:
        """What is to be said of the external storage; see `Dataset.diagnose`."""
        if self.place.storage is not None:
            yield from storage_findings(self.place.storage, self.place.displays, self.place.prepare)

    def replay(self, document: Any, *, phi: Phi | None = None) -> Iterator[tuple[str, str]]:
        """Register again what was registered by Darwin's first interface; see `Dataset.replay`."""
        items = replaying.replayed(document, self.place)
        storage = self.place.storage
        keys = neighbours(storage, replaying.keys_of(items)) if storage is not None else frozenset()
        replaying.check(items, self.place, keys)
        if (phi or self.phi) != "keep":
            what = "names files that are not looked into, and Darwin reads them"
            raise IdentifiableData(None, [Problem("items", what, "say phi='keep' if they may be used")])
        self.resume()
        calls = [replaying.replay_call(item, self.place) for item in items]
        with ThreadPoolExecutor(8 * self.limits.batch, thread_name_prefix="caseferry-replay") as pool:
            for item, reason in zip(items, pool.map(self._replayed, calls), strict=True):
                yield f"{item['path'].rstrip('/')}/{item['name']}".lstrip("/"), reason

    def _replayed(self, call: Call) -> str:
        try:
            reply = self._client.send(call)
            if call.read is not None:
                call.read(reply)
        except PlatformError as error:
            if error.action == "stop":
                raise
            return str(error)
        return ""

    def reads(self, ref: FileRef) -> bool:
        """Whether a file lies in the external storage; see `Dataset.reads`."""
        return self.place.storage is not None and self.place.storage.key(ref) is not None

    def sealed(self, case: Case, phi: Phi | None = None) -> Case:
        """A case that may be sent here; see `Dataset.sealed`. Keys of objects are sent, folders and all."""
        sealed = super().sealed(case, phi)
        storage = self.place.storage
        if storage is not None and (phi or self.phi) != "keep":
            problems = [
                Problem(
                    f"image {image.role!r}.files[{n}]: the key", "seems to hold a patient's number or name", "move it"
                )
                for image in sealed.images
                for n, ref in enumerate(image.files)
                if suspicious_name(storage.key(ref) or "")
            ]
            if problems:
                raise IdentifiableData(case.id, problems)
        return sealed

    def _look(self, case: Case) -> list[Standing | None] | None:
        """What stands of each item of a case; None for nothing at all."""
        standing = [self._look_for(part) for part in self._parted(case)]
        return standing if any(each is not None for each in standing) else None

    def _parted(self, case: Case) -> list[Case]:
        """A case as one for each item that the mapping makes of it."""
        return parting.parts_of(case) if self.place.displays.merge == ITEMS and len(case.images) > 1 else [case]

    def _look_for(self, case: Case) -> Standing | None:
        path = registering.item_path(case.folder)
        for item in self._named([registering.item_name(case.id, case.folder)]):
            if item.get("path") == path:
                kept = reading.kept_of(item)
                ready = STATES.get(str(item.get("status"))) is None
                rows = self._rows(str(item["id"])) if ready else []
                there = self._there(str(item["id"]), rows, case) if ready else set()
                if kept is None:
                    return Standing(item, there)
                revised = bool(amendments_in(rows, self.place.classes))
                promised = kept.native.values
                told = self._values(str(item["id"])) if ready and promised else []
                known = self.place.classes.properties.known
                return Standing(
                    item,
                    there,
                    kept.fingerprint,
                    promised=frozenset(kept.native.annotations),
                    revised=revised,
                    tags=frozenset(kept.native.tags),
                    values=promised,
                    values_set=frozenset(values.values_of(told, known, self.names)),
                )
        return None

    def _rows(self, item_id: str) -> list[Mapping[str, Any]]:
        """The annotations of an item, all their classes being known by then."""
        rows = self._client.annotations(item_id)
        if not all(self.place.classes.tell(row) for row in rows):
            self._refresh_classes()
        return rows

    def _there(self, item_id: str, rows: Sequence[Mapping[str, Any]], case: Case) -> set[str]:
        """What stands on an item: ids of annotations and, where the case has comments, keys of those."""
        there = {str(row["id"]) for row in rows}
        if any(comments.is_comment(annotation) for annotation in case.annotations):
            there |= {key for key in comments.keys_of(self._client.threads(item_id)) if key is not None}
        return there

    def _plan(self, case: Case, standing: Any, *, allow_spare: bool, create: bool) -> tuple[Plan, list[FileRef]]:
        parts = self._parted(case)
        there: list[Standing | None] = standing or [None] * len(parts)
        if len(parts) == 1:
            return self._plan_one(case, there[0], {}, allow_spare=allow_spare, create=create)
        planned = [
            self._plan_one(part, each, told, allow_spare=allow_spare, create=create)
            for part, each, told in zip(parts, there, parting.told_of_parts(case), strict=True)
        ]
        over = [ref for _, overflow in planned for ref in overflow]
        return parting.joined_plan([plan for plan, _ in planned], case.id), over

    def _plan_one(
        self, case: Case, standing: Standing | None, told: Mapping[str, Any], *, allow_spare: bool, create: bool
    ) -> tuple[Plan, list[FileRef]]:
        shown = standing is not None and standing.item.get("slots")
        if shown and standing is not None and standing.fingerprint != case_fingerprint(case):
            detail = f"another item of that name is in {self.url}; delete it first"
            raise AlreadyExists(self.platform, f"put {case.id!r}", detail)
        with self._class_lock:
            place, room = replace(self.place, create=create), self.limits.sidecar_bytes
            return putting.plan_case(case, place, self.url, standing, limit=room, allow_spare=allow_spare, told=told)

    def _send(self, call: Call) -> Reply:
        reply = self._client.send(call)
        if call.method == "POST" and call.target == "annotation_classes":
            with self._class_lock:
                self.place.classes.add(reply.body)
        elif call.method == "POST" and call.target.endswith("/properties"):
            with self._class_lock:
                self.place.classes.properties.add(reply.body)
        if call.method == "PUT" and call.target.startswith("annotation_classes/"):
            with self._class_lock:
                self.place.classes.attached(call.body)
        return reply

    def _put_item(self, case: Case, plan: Plan, given: dict[str, Any]) -> Item:
        return self.get(str(given["item"]))

    def _annotating(self, item: Item, revision: Revision) -> Callable[[], Plan]:
        native = self.get(item.id).native
        if not native.get(parting.PARTS):
            return self._annotating_one(item, revision)
        items = [item, *(self._item(each) for each in native[parting.PARTS])]
        parts = zip(items, parting.parted_revision(revision), strict=True)
        plans = [(n, self._annotating_one(each, part)) for n, (each, part) in enumerate(parts) if part]

        def planned() -> Plan:
            return parting.joined_plan([plan() for _, plan in plans], item.case_id, [number for number, _ in plans])

        return planned

    def _annotating_one(self, item: Item, revision: Revision) -> Callable[[], Plan]:
        standing = Standing(self._client.item(self.place.dataset_id, item.id))
        rows = self._rows(item.id)
        begun = Begun.read(revision, self.place, standing.item, rows)
        known = [rows]

        def planned() -> Plan:
            now = known.pop() if known else self._rows(item.id)
            room = self.limits.sidecar_bytes
            with self._class_lock:
                place = replace(self.place, create=revision.create)
                return revising.plan_revision(revision, begun, place, self.url, standing, rows=now, limit=room)

        return planned

    def _delete(self, item: Item) -> None:
        native = self.get(item.id).native  # the platform says nothing of one that is not there
        ids = [str(each["id"]) for each in (native, *native.get(parting.PARTS, ()))]
        self._client.change_items("DELETE", "", self.place.dataset_id, ids)

    def close(self) -> None:
        """Give connections back; see `Dataset.close`."""
        super().close()
        self._client.http.close()
