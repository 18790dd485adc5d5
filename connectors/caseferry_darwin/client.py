"""The only file that talks to Darwin."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from caseferry.batching import Batcher
from caseferry.errors import AlreadyExists, NotFound, PermissionDenied, PlatformError, UnexpectedResponse
from caseferry.http import Http
from caseferry.http.pace import Pace
from caseferry.plan import Call, Reply
from caseferry.storage import Bucket
from caseferry_darwin.errors import explain
from caseferry_darwin.wire.classes import Classes
from caseferry_darwin.wire.importing import divided

if TYPE_CHECKING:
    from caseferry.capability import Limits
    from caseferry.config import Secret

PLATFORM = "darwin"
PAGE = 500
TOO_LARGE = 413
AT_ONCE = {"/register_upload": 100, "/direct_upload": 20}
"""Items in one registration for upload, of which V7's own client sends up to 500; and in one with their content, of
which the platform takes about 30 MB."""

EXTERNAL_AT_ONCE = 10
"""External items in one registration: the reference allows 100, and V7's client sends 10, since more overloaded the
platform's queue."""

LOOKUPS_AT_ONCE = 50
"""Items that are asked for by their ids in one request: their ids stand in its address."""

LINGER = 0.05
"""Seconds that a request about several items waits for more of them: about as long as an answer takes."""

SCARCE = 0.4
"""Seconds more that a registration waits the fewer of them are left in the minute, so that each brings more items."""

REGISTRATIONS_A_MINUTE = 100
"""What V7's reference allows."""


class DarwinClient:
    """Darwin's web interface.

    Parameters
    ----------
    url : of the server, without ``/api``
    key : the API key
    ca : a file of trusted certificates, for a private server
    limits : how many connections, external items in one registration, and registrations a minute
    """

    def __init__(self, url: str, key: Secret, ca: str | None, limits: Limits) -> None:
        self.http = Http(
            PLATFORM,
            f"{url.rstrip('/')}/api/",
            headers={"Authorization": f"ApiKey {key.reveal()}", "Accept": "application/json"},
            secrets=(key.reveal(),),
            verify=ca,
            connections=3 * limits.in_flight,
            explain=explain,
        )
        self._pace = Pace(limits.per_minute, self.http.repeater.pause)
        self._external_at_once = limits.batch
        self._batchers: dict[str, Batcher[Call, Reply]] = {}
        self._lookups = Batcher(self._looked_up, LOOKUPS_AT_ONCE, linger=lambda: LINGER)
        self._class_lock = threading.Lock()
        self._made: dict[tuple[str, str], Mapping[str, Any]] = {}

    def send(self, call: Call) -> Reply:
        """Make one call of a plan. Registrations of many cases that are made at the same time go out together."""
        if call.name.startswith("register"):
            return replace(self._batcher(call).ask(call), sent=call.size)
        if call.method == "POST" and call.target == "annotation_classes":
            return self._make_class(call)
        if call.method == "POST" and call.target.endswith("/properties"):
            return self._make_property(call)
        if call.name.startswith("import "):
            return self._import(call)
        if call.name.startswith("write "):
            return self._write(call)
        return self.http.call(call)

    def _import(self, call: Call) -> Reply:
        """Send annotations, in smaller pieces where the platform says that they are too much at once."""
        try:
            return self.http.call(call)
        except PlatformError as error:
            halves = divided(call) if error.status == TOO_LARGE else None
            if halves is None:
                raise
        return [self._import(half) for half in halves][-1]

    @staticmethod
    def _write(call: Call) -> Reply:
        """Write an object to its bucket, unless it is there: an attempt that was stopped may have come so far."""
        bucket, key = Bucket.of(call.target)
        (part,) = call.files
        source = replace(part.ref, size=part.ref.length(), media_type=part.media_type)
        if bucket.holds(key, source):
            return Reply(200)
        return Reply(200, sent=bucket.write(key, source).size or 0)

    def download(self, target: str) -> BinaryIO:
        """A file as a stream, its bytes as they are stored."""
        return cast("BinaryIO", self.http.download(target))

    def _register(self, calls: Sequence[Call]) -> Sequence[Reply | Exception]:
        """One registration of several items; each gets the part of the answer that is about it."""
        first = calls[0]
        body = {**first.body, "items": [item for call in calls for item in call.body["items"]]}
        reply = self.http.request(first.method, first.target, json=body, repeat=first.repeat, what=first.purpose)
        return [reply] if len(calls) == 1 else [self._part(reply, call) for call in calls]

    def _batcher(self, call: Call) -> Batcher[Call, Reply]:
        """Who joins a registration with others: such as differ from it in their items alone."""
        most = next((most for end, most in AT_ONCE.items() if call.target.endswith(end)), self._external_at_once)
        shared = {key: value for key, value in call.body.items() if key != "items"}
        key = f"{call.target} {json.dumps(shared, sort_keys=True)}"
        with self._class_lock:
            if key not in self._batchers:
                self._batchers[key] = Batcher(
                    self._register,
                    most,
                    leave=self._pace.wait,
                    linger=lambda: LINGER + SCARCE * self._pace.used,
                )
            return self._batchers[key]

    @staticmethod
    def _part(reply: Reply, call: Call) -> Reply | Exception:
        wanted = {(item["path"], item["name"]) for item in call.body["items"]}

        def ours(key: str) -> list[Any]:
            return [each for each in reply.body.get(key) or () if (each.get("path"), each.get("name")) in wanted]

        part = {"items": ours("items"), "blocked_items": ours("blocked_items")}
        if not any(part.values()):
            return UnexpectedResponse(PLATFORM, call.purpose, "the answer says nothing of the item")
        return Reply(reply.status, part, reply.headers)

    def _make_class(self, call: Call) -> Reply:
        """Make a class, once however many cases need it at the same time."""
        key = (call.body["name"], str(call.body["annotation_type_ids"][0]))
        with self._class_lock:
            if key not in self._made:
                try:
                    self._made[key] = self.http.call(call).body
                except AlreadyExists:
                    self._made[key] = self._class_named(call.body["name"], call.body["annotation_type_ids"][0])
            return Reply(201, self._made[key])

    def _make_property(self, call: Call) -> Reply:
        """Make a property, once however many cases need it at the same time."""
        owner, name = call.body["annotation_class_id"], call.body["name"]
        key = (f"property {name}", str(owner))
        with self._class_lock:
            if key not in self._made:
                try:
                    self._made[key] = self.http.call(call).body
                except AlreadyExists:
                    same = (each for each in self._properties() if each.get("name") == name)
                    found = next((each for each in same if each.get("annotation_class_id") == owner), None)
                    if found is None:
                        raise
                    self._made[key] = found
            return Reply(201, self._made[key])

    def _class_named(self, name: str, type_id: int) -> Mapping[str, Any]:
        types = {int(each["id"]): str(each["name"]) for each in self._list("annotation_types")}
        for each in self._classes():
            if each.get("name") == name and (each.get("annotation_types") or [None])[0] == types.get(type_id):
                return each
        raise NotFound(PLATFORM, f"find class {name!r}", "the platform says that it exists and does not list it")

    # -- team and datasets -----------------------------------------------------------------------------------------

    def team(self) -> str:
        """The team of the key."""
        body = self.http.get("users/token_info", what="look up the key's team")
        try:
            slug = cast("Any", body)["selected_team"]["slug"]
        except (KeyError, TypeError) as error:
            raise UnexpectedResponse(PLATFORM, "look up the key's team", "the answer names no team") from error
        self._team = quote(str(slug))
        return str(slug)

    def datasets(self) -> list[Mapping[str, Any]]:
        """All datasets of the team."""
        return self._list("datasets")

    def storages(self) -> list[Mapping[str, Any]]:
        """All external storages of the team."""
        return self._list(f"teams/{self._team}/storage")

    def classes(self, dataset_id: int) -> Classes:
        """The annotation classes of the team, with what may be said of annotations.

        Parameters
        ----------
        dataset_id : of the dataset whose attributes are meant
        """
        asked = (
            self._classes,
            lambda: self._list("annotation_types"),
            self._properties,
            lambda: self._optional(f"datasets/{dataset_id}/attributes"),
        )
        with ThreadPoolExecutor(len(asked), thread_name_prefix="caseferry-classes") as pool:
            return Classes.read(*pool.map(lambda ask: ask(), asked))

    def _properties(self) -> list[Mapping[str, Any]]:
        try:
            body: Any = self.http.get(
                f"v2/teams/{self._team}/properties", (("include_values", "true"),), what="list properties"
            )
        except (NotFound, PermissionDenied):  # a team may have none of the kind
            return []
        return list(body.get("properties") or ())

    def members(self) -> frozenset[str]:
        """The e-mail addresses of the team's people, as far as the key may know them."""
        return frozenset(str(each["email"]) for each in self._optional("memberships") if each.get("email"))

    def _optional(self, target: str) -> list[Mapping[str, Any]]:
        """What the platform lists, or nothing where the key may not see it."""
        try:
            return self._list(target)
        except (NotFound, PermissionDenied):
            return []

    def _classes(self) -> list[Mapping[str, Any]]:
        body: Any = self.http.get(
            f"teams/{self._team}/annotation_classes", (("include_tags", "true"),), what="list annotation classes"
        )
        return list(body["annotation_classes"])

    def _list(self, target: str) -> list[Mapping[str, Any]]:
        body = self.http.get(target, what=f"list {target.rsplit('/', 1)[-1]}")
        if not isinstance(body, list):
            raise UnexpectedResponse(PLATFORM, f"list {target}", "the answer is no list")
        return [each for each in body if isinstance(each, Mapping)]

    # -- items -----------------------------------------------------------------------------------------------------

    def items(self, dataset_id: int, filters: Sequence[tuple[str, str]] = ()) -> Iterator[Mapping[str, Any]]:
        """Items of a dataset, a page at a time."""
        cursor: str | None = None
        while True:
            query = [("dataset_ids[]", str(dataset_id)), *filters, ("page[size]", str(PAGE))]
            if cursor is not None:
                query.append(("page[from]", cursor))
            body: Any = self.http.get(f"v2/teams/{self._team}/items", query, what="list items")
            yield from body["items"]
            cursor = (body.get("page") or {}).get("next")
            if not cursor:
                return

    def item(self, dataset_id: int, item_id: str) -> Mapping[str, Any]:
        """One item. Items that are asked for at the same time are asked for together.

        Raises
        ------
        NotFound
            There is none of that id in the dataset.
        """
        return self._lookups.ask((dataset_id, item_id))

    def _looked_up(self, wanted: Sequence[tuple[int, str]]) -> Sequence[Mapping[str, Any] | Exception]:
        found: dict[tuple[int, str], Mapping[str, Any]] = {}
        for dataset_id in {dataset_id for dataset_id, _ in wanted}:
            ids = dict.fromkeys(item_id for each, item_id in wanted if each == dataset_id)
            for item in self.items(dataset_id, [("item_ids[]", item_id) for item_id in ids]):
                found[dataset_id, str(item["id"])] = item
        detail = "there is no such item in the dataset"
        return [found.get(each) or NotFound(PLATFORM, f"get item {each[1]}", detail) for each in wanted]

    def annotations(self, item_id: str) -> list[Mapping[str, Any]]:
        """All annotations of an item."""
        return self._list(f"v2/teams/{self._team}/items/{item_id}/annotations")

    def item_properties(self, item_id: str) -> list[Mapping[str, Any]]:
        """The properties of an item."""
        body = self._one(f"v2/teams/{self._team}/items/{item_id}/properties", "list the item's properties")
        return [each for each in body.get("properties") or () if isinstance(each, Mapping)]

    def releases(self, dataset: str) -> list[Mapping[str, Any]]:
        """All releases of a dataset, those that are still made included."""
        return self._list(f"v2/teams/{self._team}/datasets/{quote(dataset)}/exports")

    def original(self, upload_id: str) -> str:
        """The target of the file of a slot."""
        return f"v2/teams/{self._team}/uploads/{upload_id}"

    def change_items(
        self, method: str, verb: str, dataset_id: int, ids: Sequence[str], more: Mapping[str, Any] | None = None
    ) -> int | None:
        """Change some items of a dataset; how many the platform says, None where it says nothing.

        Parameters
        ----------
        verb : what is done, as the address says it; empty for what the method says
        more : what the body holds besides the filters
        """
        if not ids:  # a filter without ids would mean every item
            return 0
        target = f"v2/teams/{self._team}/items{f'/{verb}' if verb else ''}"
        body = {"filters": {"item_ids": list(ids), "dataset_ids": [dataset_id]}, **(more or {})}
        said: Any = self.http.request(method, target, json=body, what=f"{verb or 'delete'} items").body
        counted = [said[key] for key in ("affected_item_count", "created_commands") if key in (said or {})]
        return int(counted[0]) if counted and isinstance(counted[0], int) else None

    def threads(self, item_id: str) -> list[Mapping[str, Any]]:
        """The comments on an item."""
        return self._list(f"v2/teams/{self._team}/items/{item_id}/comment_threads")

    def dataset(self, dataset_id: int) -> Mapping[str, Any]:
        """One dataset, with its workflows."""
        return self._one(f"datasets/{dataset_id}", "look at the dataset")

    def workflow(self, workflow_id: str) -> Mapping[str, Any]:
        """One workflow, with its stages."""
        return self._one(f"v2/teams/{self._team}/workflows/{quote(workflow_id)}", "look at the workflow")

    def _one(self, target: str, what: str) -> Mapping[str, Any]:
        body = self.http.get(target, what=what)
        if not isinstance(body, Mapping):
            raise UnexpectedResponse(PLATFORM, what, "the answer is no object")
        return body
