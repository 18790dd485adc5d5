"""The files below a prefix of an object store as a dataset: cases to register where they lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from caseferry.capability import Capabilities, Limits
from caseferry.case.gathering import Gathered, gather
from caseferry.connector import Dataset, Item
from caseferry.errors import ConfigurationError, NotFound
from caseferry.files import STORE_SCHEMES, FileProblem
from caseferry.mapping import Names
from caseferry.storage.bucket import Bucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from caseferry.case import Case
    from caseferry.files import FileRef


class Prefix(Dataset):
    """What lies below ``s3://bucket/prefix/``; see `caseferry.case.gathering`. It is only read.

    Headers are read by ranges of their objects, the objects themselves are not fetched.

    Attributes
    ----------
    left_out : keys below the prefix that are no image that can be read, filled while items are listed

    Raises
    ------
    ConfigurationError
        The URL names no bucket.
    """

    platform: ClassVar[str] = "storage"

    def __init__(self, url: str) -> None:
        scheme, mark, rest = url.partition("://")
        if not mark or not rest.strip("/") or scheme not in STORE_SCHEMES or scheme.startswith("http"):
            schemes = ", ".join(each for each in STORE_SCHEMES if not each.startswith("http"))
            msg = f"{url!r} names no prefix of an object store; expected SCHEME://BUCKET/PREFIX/, with one of {schemes}"
            raise ConfigurationError(msg)
        super().__init__(f"{url.rstrip('/')}/", names=Names())
        self.capabilities = Capabilities(verbs=frozenset({"items", "get", "find"}))
        self.limits = Limits()
        self.left_out: list[str] = []
        self._bucket, prefix = Bucket.of(self.url)
        self._prefix = prefix.strip("/")

    def items(self, **filters: Any) -> Iterator[Item]:
        """All cases, in the order of their files' keys; see `Dataset.items`. A prefix has no filters."""
        if filters:
            msg = f"a prefix of a store has no filters, and {', '.join(filters)} is asked for"
            raise ConfigurationError(msg)
        self.left_out.clear()
        return (self._item(each) for each in gather(self._files(), self.left_out))

    def _item(self, gathered: Gathered) -> Item:
        return Item(self, gathered.id, gathered.id, native=gathered)

    def _files(self) -> Iterator[tuple[str, FileRef]]:
        for stored in self._bucket.list(self._prefix):
            path = stored.key[len(self._prefix) :].lstrip("/")
            try:
                ref = stored.ref
            except FileProblem:
                self.left_out.append(path)
                continue
            yield path, ref

    def get(self, item_id: str) -> Item:
        """One case; see `Dataset.get`. The whole prefix is looked through."""
        found = self.find(item_id)
        if found is None:
            raise NotFound(self.platform, f"get {item_id!r}", f"there is no such case below {self.url}")
        return found

    def read(self, item: Item) -> Case:
        """The case of an item; see `Item.case`."""
        gathered: Gathered = item.native
        return gathered.case()

    def _look(self, case: Case) -> NoReturn:
        raise NotImplementedError

    _plan = _send = _put_item = _look  # type: ignore[assignment]  # verbs that it has not are refused before these
