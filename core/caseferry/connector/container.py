"""A container on a platform, as a connector implements it."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from caseferry.closing import Closing
from caseferry.errors import UnsupportedOperation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from caseferry.capability import Capabilities, Limits
    from caseferry.case import Case
    from caseferry.case.revision import Revision
    from caseferry.connector.execute import Patience
    from caseferry.connector.finding import Finding
    from caseferry.connector.item import Item
    from caseferry.deidentify import Phi
    from caseferry.files import FileRef
    from caseferry.mapping import Offered
    from caseferry.plan import Call, Plan, Reply


class Container(Closing):
    """What a connector implements of a dataset: the methods that begin with an underscore, `items`, `get` and `read`.

    The others have a usual answer, which a platform that knows better replaces.
    """

    platform: ClassVar[str]
    capabilities: Capabilities
    limits: Limits
    patience: Patience

    instead: ClassVar[dict[str, str]] = {}
    """What to do instead of a verb that the platform lacks."""

    @abstractmethod
    def items(self, **filters: Any) -> Iterator[Item]:
        """All items, a page at a time as they are asked for.

        Parameters
        ----------
        filters : the platform's own; an unknown one raises `ConfigurationError` before any request
        """

    @abstractmethod
    def get(self, item_id: str) -> Item:
        """One item.

        Raises
        ------
        NotFound
            There is none of that id, or none that may be seen.
        """

    def find(self, case_id: str) -> Item | None:
        """The item that holds a case, or None. Works from any machine: the platform itself is asked."""
        for item in self.items():
            if item.case_id == case_id:
                return item
        return None

    @abstractmethod
    def _look(self, case: Case) -> Any:
        """What stands on the platform for this case, in whatever form `_plan` understands; None for nothing."""

    @abstractmethod
    def _plan(self, case: Case, standing: Any, *, allow_spare: bool, create: bool) -> tuple[Plan, list[FileRef]]:
        """The plan for a sealed case, given what stands there, and the files that find no place on the platform.

        Parameters
        ----------
        create : whether names that labels need and that are not there are made, where the platform allows it;
            `Plan.missing` lists them either way

        Raises
        ------
        AlreadyExists
            What stands there is another case.
        Inexpressible
            The platform cannot hold the case; or files find no place and `allow_spare` is False.
        """

    @abstractmethod
    def _send(self, call: Call) -> Reply:
        """Make one call whose places are filled."""

    @abstractmethod
    def _put_item(self, case: Case, plan: Plan, given: dict[str, Any]) -> Item:
        """The item that a plan has made or completed."""

    @abstractmethod
    def read(self, item: Item) -> Case:
        """The case of an item; see `Item.case`."""

    def offered(self) -> Offered:
        """What the parts of cases may be called there: names that are there already, and what each is.

        Of a part that may have any name it says nothing.
        """
        return {}

    def label_details(self) -> Mapping[str, Mapping[str, str]]:
        """What the platform says of labels beside their names, by what they are called in a case.

        Returns
        -------
        ``colour`` (``#rrggbb``) and ``code`` (``SCT:4147007``), where they are said.
        """
        return {}

    def diagnose(self) -> Iterator[Finding]:
        """What else is to be said of a dataset that can be opened and read, for whoever sets it up."""
        return iter(())

    def replay(self, document: Any, *, phi: Phi | None = None) -> Iterator[tuple[str, str]]:
        """Send again what a script sent to an older interface of the platform.

        Nothing is looked into but the document itself, so it needs the caller's word that its files may be used:
        ``phi="keep"``.

        Yields
        ------
        The name of each item, and why it was refused; empty when it was taken.

        Raises
        ------
        UnsupportedOperation
            The platform has no such interface.
        InvalidCase
            It cannot be sent as it is; nothing was.
        IdentifiableData
            `phi` is not ``keep``; nothing was sent.
        """
        raise UnsupportedOperation(self.platform, "replay")

    def reads(self, ref: FileRef) -> bool:
        """Whether the platform reads a file where it lies, so that putting it sends no bytes."""
        return False

    def _annotating(self, item: Item, revision: Revision) -> Callable[[], Plan]:
        """What plans a revision of an item's annotations: at first all of it, later what is still missing of it."""
        raise NotImplementedError

    def _delete(self, item: Item) -> None:
        raise NotImplementedError
