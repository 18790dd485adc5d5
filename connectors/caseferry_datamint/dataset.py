"""A Datamint project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.case.revision import refuse_changed
from caseferry.connector import Dataset, Item
from caseferry.errors import AlreadyExists, NotFound, UnsupportedOperation
from caseferry.sidecar import Kept, case_fingerprint
from caseferry_datamint.account import Account
from caseferry_datamint.wire import putting, reading, revising
from caseferry_datamint.wire.address import case_tag
from caseferry_datamint.wire.amending import amendment_in
from caseferry_datamint.wire.annotating import There
from caseferry_datamint.wire.entities import Resource
from caseferry_datamint.wire.filters import any_of, resource_query
from caseferry_datamint.wire.links import is_gone, link_of
from caseferry_datamint.wire.rows import chosen_rows, rows_by_annotation
from caseferry_datamint.wire.standing import Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.capability import Capabilities, Limits
    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.deidentify import Phi
    from caseferry.files import FileRef
    from caseferry.mapping import Names
    from caseferry.mapping.unmapped import Unmapped
    from caseferry.plan import Call, Plan, Reply
    from caseferry_datamint.client import DatamintClient
    from caseferry_datamint.wire.address import Address
    from caseferry_datamint.wire.standing import Project


class DatamintDataset(Dataset):
    """The resources of a Datamint project, grouped into cases.

    Resources that carry a case's tag belong to that case, also where people have added them to another project since;
    each other resource is a case of its own. Resources that are in no project are a dataset too.
    """

    platform: ClassVar[str] = "datamint"

    def __init__(
        self,
        url: str,
        client: DatamintClient,
        project: Project,
        web: str,
        *,
        names: Names,
        phi: Phi,
        unmapped: Unmapped | None = None,
        capabilities: Capabilities,
        limits: Limits,
    ) -> None:
        super().__init__(url, names=names, phi=phi, unmapped=unmapped)
        self.capabilities = capabilities
        self.limits = limits
        self.project = project
        self._client = client
        client.http.stop_with(self.cancelled)
        self._web = web

    # -- listing ---------------------------------------------------------------------------------------------------

    def items(self, **filters: Any) -> Iterator[Item]:
        """All cases, in the order of their creation unless another is asked for; see `Dataset.items`.

        A case of several resources is there when one of them matches.

        Parameters
        ----------
        filters : ``status`` (``inbox``, ``published``, ``archived``, ``new``); ``from_date`` (counts) and ``to_date``
            (does not) of their creation; ``modality``, ``mimetype``, ``filename``, ``channel``; ``tags``, of which one
            is enough; ``order`` (``created_at``, ``filename``, ``modality``, ``created_by``, ``published_by``,
            ``published_on``) and ``ascending``
        """
        query = resource_query(filters) | self._of_project()
        narrow = bool(set(filters) - {"order", "ascending"})
        return self._items(query, narrow=narrow)

    def _items(self, query: Mapping[str, str], *, narrow: bool) -> Iterator[Item]:
        """The items of all resources that match.

        Parameters
        ----------
        narrow : whether some resources of a case may match and its first one not
        """
        told: set[tuple[str, str]] = set()
        waiting: dict[tuple[str, str], tuple[Address, Mapping[str, Any]]] = {}
        for resource in self._client.resources(query):
            if not self.project.id and resource.get("projects"):
                continue
            address = reading.address_of(resource)
            if address is None:
                yield self._item(reading.Group(str(resource["id"]), (resource,)))
                continue
            case = (address.project, address.case_id)
            if case not in told and (address.lead or narrow):
                told.add(case)
                waiting.pop(case, None)
                yield self._item(self._begun(address, resource))
            elif case not in told:
                waiting.setdefault(case, (address, resource))
        for begun in waiting.values():  # whose first resource is deleted, or not in the project
            yield self._item(self._begun(*begun))

    def _begun(self, address: Address, resource: Mapping[str, Any]) -> reading.Group:
        """The case of a resource, which need not be read whole when it is the first one."""
        found = None if address.lead else self._group(address)
        return found or reading.Group(address.case_id, (resource,))

    def _item(self, found: reading.Group) -> Item:
        rid = str(found.lead["id"])
        return Item(self, rid, found.case_id, url=f"{self._web}/resource/{rid}", native=found)

    def get(self, item_id: str) -> Item:
        """One case, by the id of its first resource, or of a resource that is none of ours; see `Dataset.get`."""
        resource = self._client.resource(item_id)
        address = reading.address_of(resource)
        if address is None:
            return self._item(reading.Group(str(resource["id"]), (resource,)))
        return self._item(self._group(address) or reading.Group(address.case_id, (resource,)))

    def find(self, case_id: str) -> Item | None:
        """The first resource of a case, by the case's tag; see `Dataset.find`."""
        found = self._found(case_id, self._client.tagged(case_tag(case_id)))
        return self._item(found) if found is not None else None

    def _found(self, case_id: str, tagged: Sequence[Mapping[str, Any]]) -> reading.Group | None:
        """A case that was put into this project; else one that was put into another and added to this one since."""
        own = reading.group(tagged, self.project.id, case_id)
        if own is not None or not tagged:
            return own
        here = self._in_project(case_id)
        addresses = (reading.address_of(row) for row in tagged if str(row["id"]) in here)
        origin = next((each.project for each in addresses if each is not None and each.case_id == case_id), None)
        return reading.group(tagged, origin, case_id) if origin is not None else None

    def _group(self, address: Address) -> reading.Group | None:
        """The whole case of a resource."""
        return reading.group(self._client.tagged(case_tag(address.case_id)), address.project, address.case_id)

    def read(self, item: Item) -> Case:
        """The case of an item; see `Item.case`."""
        found = self._whole(item)
        if reading.address_of(found.lead) is not None and not reading.own_metadata(found.lead).get("sidecar"):
            why = (
                "its first resource is gone, and with it what Datamint has no place for; put the case again, which "
                "completes it, or save its files one by one"
            )
            raise NotFound(self.platform, f"read {item.case_id!r}", why)
        rows = list(self._client.annotations([str(resource["id"]) for resource in found.resources]))
        return reading.case_of(found, rows, self.names, self._client.download)

    def _whole(self, item: Item) -> reading.Group:
        """All resources of an item, the first one with its metadata, which listings may leave out."""
        found: reading.Group = item.native
        address = reading.address_of(found.lead)
        if address is None:
            return found
        whole = self._group(address)
        if whole is None:
            raise NotFound(self.platform, f"read {item.case_id!r}", "its resources are gone")
        if reading.own_metadata(whole.lead):
            return whole
        lead = self._client.resource(str(whole.lead["id"]))
        return reading.Group(whole.case_id, (lead, *whole.resources[1:]))

    # -- putting ---------------------------------------------------------------------------------------------------

    def _look(self, case: Case) -> Standing | None:
        tagged = self._client.tagged(case_tag(case.id))
        found = self._found(case.id, tagged)
        if found is None:
            return None
        if extra := reading.extra_copies(tagged, found):
            self._client.delete_resources(extra)
        lead = found.lead if reading.own_metadata(found.lead) else self._client.resource(str(found.lead["id"]))
        kept = reading.Group(case.id, (lead,)).kept
        standing = Standing(origin=getattr(reading.address_of(found.lead), "project", ""))
        if kept is not None:
            standing.fingerprint = self._fingerprint(kept, found, case)
            standing.beside = frozenset({each.id for each in kept.case.annotations} - set(kept.native.annotations))
        for resource in found.resources:
            address = reading.address_of(resource)
            if address is not None:
                standing.resources[address.image, address.file] = str(resource["id"])
        standing.in_project = self._in_project(case.id)
        for row in self._client.annotations(list(standing.resources.values())):
            standing.revised = standing.revised or amendment_in(row) is not None
            if (link := link_of(row)) is not None and not is_gone(row):
                standing.annotations.setdefault(link, []).append(row)
        return standing

    def _fingerprint(self, kept: Kept, found: reading.Group, case: Case) -> str:
        """That of the case as it was put; of one that was read from here, the one that it has now."""
        wanted = case_fingerprint(case)
        if kept.fingerprint == wanted or case_fingerprint(self.read(self._item(found))) != wanted:
            return kept.fingerprint
        return wanted

    def _in_project(self, case_id: str) -> set[str]:
        """Ids of a case's resources that are in the project."""
        tagged = self._client.resources({"tags": any_of(case_tag(case_id)), **self._of_project()})
        return {str(row["id"]) for row in tagged}

    def _of_project(self) -> dict[str, str]:
        """The filter by which the resources of the project are listed."""
        return {"project": any_of(self.project.name)} if self.project.id else {}

    def _plan(self, case: Case, standing: Any, *, allow_spare: bool, create: bool) -> tuple[Plan, list[FileRef]]:
        there = standing or Standing()
        if there.fingerprint and there.fingerprint != case_fingerprint(case):
            raise AlreadyExists(
                self.platform, f"put {case.id!r}", f"another case of that name is in {self.url}; delete it first"
            )
        return putting.plan_case(
            case,
            self.project,
            self.names,
            self.url,
            there,
            limit=self.limits.sidecar_bytes,
            allow_spare=allow_spare,
        )

    def _send(self, call: Call) -> Reply:
        return self._client.send(call)

    def _put_item(self, case: Case, plan: Plan, given: dict[str, Any]) -> Item:
        lead = self._client.resource(str(given["resource 0 0"]))
        return self._item(reading.Group(case.id, (lead,)))

    def _annotating(self, item: Item, revision: Revision) -> Callable[[], Plan]:
        found = self._whole(item)
        ids: dict[tuple[str, int], Any] = {}
        for resource in found.resources:
            address = reading.address_of(resource)
            ids[(address.role, address.file) if address is not None else ("image", 0)] = str(resource["id"])
        rows = list(self._client.annotations(list(ids.values())))
        if revision.gone:
            now = reading.case_of(found, rows, self.names, self._client.download)
            refuse_changed(self.platform, {name: revision.versions(name) for name in revision.gone}, now)
        begun = revising.Begun.read(found, rows, revision)
        known = [rows]

        def planned() -> Plan:
            there = There(self.names, self.project, ids, Standing())
            now = known.pop() if known else list(self._client.annotations(list(ids.values())))
            room = self.limits.sidecar_bytes
            return revising.plan_revision(revision, begun, there, now, dataset=self.url, item=item.id, limit=room)

        return planned

    def _delete(self, item: Item) -> None:
        found = self._whole(item)
        address = reading.address_of(found.lead)
        if address is not None and address.project not in {self.project.id, ""}:
            why = "it was put into another project, and would be gone from there: delete it there"
            raise UnsupportedOperation(self.platform, f"delete {item.case_id!r} from {self.url}", why)
        self._client.delete_resources([str(resource["id"]) for resource in found.resources])

    # -- what Datamint has beside the verbs -------------------------------------------------------------------------

    @property
    def account(self) -> Account:
        """The account by which it was opened: projects, worklists, channels, people, single resources."""
        return Account(self._client)

    def resources(self, item: Item) -> list[Resource]:
        """The resources of an item: its files in the order of images and files; their ids are what `account` takes."""
        return [Resource.read(resource) for resource in self._whole(item).resources]

    def approve_annotations(self, item: Item, annotations: Iterable[Annotation]) -> None:
        """Approve annotations of an item's case.

        Raises
        ------
        ConfigurationError
            One is not held by Datamint itself but beside the case; nothing was asked.
        """
        self.account.approve_annotations(self._rows(item, annotations, "approved"))

    def delete_annotations(self, item: Item, annotations: Iterable[Annotation]) -> None:
        """Delete annotations of an item's case.

        Raises
        ------
        ConfigurationError
            One is not held by Datamint itself but beside the case; nothing was deleted.
        """
        self.account.delete_annotations(self._rows(item, annotations, "deleted"))

    def _rows(self, item: Item, annotations: Iterable[Annotation], verb: str) -> list[str]:
        found = self._whole(item)
        rows = list(self._client.annotations([str(resource["id"]) for resource in found.resources]))
        return chosen_rows(rows_by_annotation(found, rows), (each.id for each in annotations), verb)

    def close(self) -> None:
        """Give connections back; see `Dataset.close`."""
        super().close()
        self._client.http.close()
