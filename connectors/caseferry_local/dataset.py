"""A folder of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.capability import Limits
from caseferry.connector import Dataset, Item
from caseferry.errors import AlreadyExists, ConfigurationError, NotFound, UnsupportedOperation
from caseferry.held import all_native
from caseferry.plan import Call, Plan, Reply
from caseferry.sidecar import case_fingerprint
from caseferry_local import wire
from caseferry_local.client import Folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caseferry.capability import Capabilities
    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.connector.execute import Execution
    from caseferry.deidentify import Phi
    from caseferry.files import FileRef
    from caseferry.mapping import Names
    from caseferry.mapping.unmapped import Unmapped


class LocalDataset(Dataset):
    """The cases in a folder; see `caseferry_local.wire` for how they lie there."""

    platform: ClassVar[str] = "local"

    def __init__(
        self, root: Path, *, names: Names, phi: Phi, unmapped: Unmapped | None = None, capabilities: Capabilities
    ) -> None:
        super().__init__(f"local:{root}", names=names, phi=phi, unmapped=unmapped)
        self.root = root
        self.capabilities = capabilities
        self.limits = Limits(in_flight=1)
        self._folder = Folder(root)

    def items(self, **filters: Any) -> Iterator[Item]:
        """All cases in the order of their directories' names; see `Dataset.items`. A folder has no filters."""
        if filters:
            msg = f"a folder has no filters, and {', '.join(filters)} is asked for"
            raise ConfigurationError(msg)
        return self._items()

    def lies_in(self, other: Dataset) -> bool:
        """Whether this folder is the other or lies below it, however the two are written."""
        return isinstance(other, LocalDataset) and self.root.resolve().is_relative_to(other.root.resolve())

    def _items(self) -> Iterator[Item]:
        paths = self._folder.entries()
        taken = set()
        for path in paths:
            if path.is_dir() and (item := self._item(path)) is not None:
                taken.add(item.id)
                yield item
        if any(path.is_file() for path in paths):
            for loose in wire.loose_files(self.root, taken):
                yield Item(self, loose.name, loose.name, native=loose)

    def get(self, item_id: str) -> Item:
        """One case, by the name of its directory or its own; see `Dataset.get`."""
        for name in (item_id, wire.safe_name(item_id)):
            if name == wire.safe_name(name) and (self.root / name).is_dir():
                item = self._item(self.root / name)
                if item is not None:
                    return item
        for item in self._items() if self.root.is_dir() else ():
            if item_id in {item.id, item.case_id}:
                return item
        raise NotFound("local", f"get {item_id!r}", f"there is no such case in {self.root}")

    def find(self, case_id: str) -> Item | None:
        """The directory that holds a case; see `Dataset.find`."""
        path = self.root / wire.safe_name(case_id)
        if (path / wire.DESCRIPTION).is_file():
            return self._item(path)
        return super().find(case_id) if self.root.is_dir() else None

    def read(self, item: Item) -> Case:
        """The case of an item; see `Item.case`."""
        if isinstance(item.native, wire.Loose):
            return wire.loose_case(item.native)
        directory = self.root / item.id
        return wire.read_case(self._folder.read_json(directory / wire.DESCRIPTION), directory)

    def _item(self, path: Path) -> Item | None:
        if (path / wire.DESCRIPTION).is_file():
            document = self._folder.read_json(path / wire.DESCRIPTION)
            name = document.get("id") if isinstance(document, dict) else None
            return Item(self, path.name, str(name or path.name), url=path.resolve().as_uri())
        loose = wire.loose_in(path)
        return Item(self, path.name, path.name, url=path.resolve().as_uri(), native=loose) if loose.images else None

    # -- putting ---------------------------------------------------------------------------------------------------

    def _look(self, case: Case) -> dict[str, Any] | None:
        directory = self.root / wire.safe_name(case.id)
        if not directory.exists():
            return None
        receipt = directory / wire.RECEIPT
        found: dict[str, Any] = self._folder.read_json(receipt) if receipt.is_file() else {}
        return found

    def _plan(self, case: Case, standing: Any, *, allow_spare: bool, create: bool) -> tuple[Plan, list[FileRef]]:
        if standing is None:
            return wire.plan_case(case, self.url), []
        if standing.get("fingerprint") != case_fingerprint(case):
            raise AlreadyExists("local", f"put {case.id!r}", f"another case of that name is in {self.root}")
        held = all_native(case, wire.DIRECTORY)
        return Plan(dataset=self.url, case_id=case.id, held=held, adopts=wire.safe_name(case.id)), []

    def execute(self, plan: Plan) -> Execution:
        """Write the files of a plan; see `Dataset.execute`."""
        if not plan.calls:
            self._folder.tidy(plan.adopts or wire.safe_name(plan.case_id))
            return super().execute(plan)
        with self._folder.writing(plan.adopts or wire.safe_name(plan.case_id)):
            return super().execute(plan)

    def _send(self, call: Call) -> Reply:
        return self._folder.send(call)

    def _put_item(self, case: Case, plan: Plan, given: dict[str, Any]) -> Item:
        return self.get(wire.safe_name(case.id))

    def _annotating(self, item: Item, revision: Revision) -> Callable[[], Plan]:
        directory = self.root / item.id
        if not directory.is_dir():
            raise UnsupportedOperation("local", f"annotate {item.id!r}", "put single files into a directory first")
        return lambda: wire.plan_revision(revision, directory, self.url)

    def _delete(self, item: Item) -> None:
        if isinstance(item.native, wire.Loose):
            raise NotFound("local", f"delete {item.id!r}", "it has no description: only cases put here are deleted")
        self._folder.delete(item.id)
