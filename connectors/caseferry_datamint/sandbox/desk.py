"""What every call works with: the state, the switches, and how things belong together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from caseferry.sandbox.standin import StandIn
from caseferry_datamint.sandbox.clock import now
from caseferry_datamint.sandbox.index import Index, Record
from caseferry_datamint.sandbox.refusals import malformed, missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from caseferry.sandbox.blobs import Blob
    from caseferry.sandbox.standin import Host

CUSTOMER = "79113ed1-0535-4f53-9359-7fe3fa9f28a8"
"""The customer that everything in the sandbox belongs to."""

TABLES = (
    "resources",
    "annotations",
    "projects",
    "worklists",
    "datasets",
    "users",
    "invitations",
    "models",
    "downloads",
    "keys",
)


class Desk(StandIn):
    """The state of the platform and its switches.

    Attributes
    ----------
    page_cap : the most a page holds whatever was asked for; None honours limits up to 5000
    current_server : answer a Project without worklist_id, annotated_resource_count, viewable_ai_segs and
        editable_ai_segs, as the server does since mid-2026; clients before 2.45 then cannot connect
    list_without_metadata : resources in lists have empty metadata
    show_deleted : a deleted resource or annotation is still answered by its id, marked as deleted
    boxes_as_sent : a box that was sent with two corners is answered with two; clients before 2.45 read no other
    search_envelope : how ``POST /annotations/search`` answers; all three forms are known
    soft_errors : texts that the next creating calls answer as ``{"error": …}`` with a status of 2xx, one each
    """

    platform = "datamint"

    def __init__(self, host: Host) -> None:
        super().__init__(host)
        self.page_cap: int | None = None
        self.current_server = False
        self.list_without_metadata = False
        self.show_deleted = False
        self.boxes_as_sent = False
        self.search_envelope: Literal["bare", "data", "nested"] = "bare"
        self.soft_errors: list[str] = []
        self._index: Index | None = None

    @property
    def index(self) -> Index:
        """The index of the present state."""
        if self._index is None or self._index.state is not self.state:
            self._index = Index(self.state)
        return self._index

    def table(self, name: str) -> dict[str, Record]:
        """All records of one kind by id, oldest first."""
        records: dict[str, Record] = self.state[name]
        return records

    def soft_error(self) -> str | None:
        """The text that this call shall answer as an error inside a 2xx, if any."""
        return self.soft_errors.pop(0) if self.soft_errors else None

    def resource(self, resource_id: str) -> Record:
        """The resource of that id. Refused with 404 when there is none or it is deleted."""
        record = self.table("resources").get(resource_id)
        if record is None or (record["deleted_at"] and not self.show_deleted):
            raise missing("Resource")
        return record

    def resources(self, resource_ids: Iterable[object]) -> list[Record]:
        """The resources of those ids, all of which must be there."""
        return [self.resource(str(resource_id)) for resource_id in resource_ids]

    def annotation(self, annotation_id: str, resource_id: str | None = None) -> Record:
        """The annotation of that id, on that resource when one is named."""
        record = self.table("annotations").get(annotation_id)
        if record is None or (resource_id is not None and record["resource_id"] != resource_id):
            raise missing("Annotation")
        if not self.show_deleted and not self.visible(record):
            raise missing("Annotation")
        return record

    def visible(self, annotation: Record) -> bool:
        """Whether neither the annotation nor its resource is deleted."""
        return not annotation["deleted"] and not self.table("resources")[annotation["resource_id"]]["deleted_at"]

    def annotations_of(self, resource_id: str) -> list[Record]:
        """The annotations of one resource, oldest first, deleted ones left out."""
        table = self.table("annotations")
        records = (table[annotation_id] for annotation_id in self.index.annotations.get(resource_id, ()))
        return [record for record in records if self.visible(record)]

    def project(self, project_id: str) -> Record:
        """The project of that id."""
        record = self.table("projects").get(project_id)
        if record is None:
            raise missing("Project")
        return record

    def worklist(self, worklist_id: str) -> Record:
        """The worklist of that id."""
        record = self.table("worklists").get(worklist_id)
        if record is None:
            raise missing("Annotation worklist")
        return record

    def blob(self, key: str) -> Blob:
        """Stored bytes by the SHA-256 that a record holds."""
        return self.host.blobs.get(key)

    def user_names(self, email: str) -> dict[str, str]:
        """The names of a user, never null: some clients cannot read that."""
        user = self.table("users").get(email, {})
        return {"firstname": user.get("firstname") or "", "lastname": user.get("lastname") or ""}

    def attach(self, project: Record, resources: Iterable[Record]) -> None:
        """Put resources into a project and on the worklist that came with it."""
        moment = now()
        own = self.worklist(project["worklists"][0])
        for resource in resources:
            project["resources"].setdefault(resource["id"], moment)
            resource["projects"].setdefault(project["id"], moment)
            own["resources"].setdefault(resource["id"], moment)
        project["updated_at"] = moment

    def detach(self, project: Record, resources: Iterable[Record]) -> None:
        """Take resources out of a project and off its worklists."""
        for resource in resources:
            project["resources"].pop(resource["id"], None)
            resource["projects"].pop(project["id"], None)
            for worklist_id in project["worklists"]:
                self.worklist(worklist_id)["resources"].pop(resource["id"], None)
        project["updated_at"] = now()

    def change_members(self, project: Record, wish: Record) -> None:
        """Add and remove resources as a body of the platform says."""
        if wish.get("all_files_selected") is True:
            added = [record for record in self.table("resources").values() if not record["deleted_at"]]
        else:
            added = self.resources(_ids(wish, "resource_ids_to_add"))
        removed = self.resources(_ids(wish, "resource_ids_to_delete"))
        self.attach(project, added)
        self.detach(project, removed)


def _ids(wish: Record, name: str) -> list[Any]:
    ids = wish.get(name) or []
    if not isinstance(ids, list):
        raise malformed(f"{name} must be an array")
    return ids
