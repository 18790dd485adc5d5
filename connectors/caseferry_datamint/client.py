"""The only file that talks to Datamint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar, cast
from urllib.parse import quote

from caseferry.errors import ConfigurationError, NotFound, TemporaryFailure, UnexpectedResponse
from caseferry.http import Http
from caseferry.plan import Repeat
from caseferry_datamint.errors import PLATFORM, explain, refuse_error_in_answer
from caseferry_datamint.wire.answers import Row, checked_row, name_of, rows_of, total_of
from caseferry_datamint.wire.filters import any_of
from caseferry_datamint.wire.links import is_gone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from caseferry.config import Secret
    from caseferry.plan import Call, Reply

PAGE = 500
"""Rows asked for at once; a server may give fewer, so the next page begins where the last one ended."""

SEARCHED_AT_ONCE = 100
"""Resources whose annotations one request asks for."""

DELETED_AT_ONCE = 200
"""Resources that one request deletes."""

OF_EVERYBODY = {"load_ai_segmentations": True}
"""The search for annotations of people and models: a model's segmentations are shown on demand only."""

T = TypeVar("T")


class DatamintClient:
    """Datamint's REST interface.

    Parameters
    ----------
    url : of the server
    key : the API key
    verify : a file of trusted certificates, for a private server; None for the usual ones; False for whatever comes
    """

    def __init__(self, url: str, key: Secret, verify: str | Literal[False] | None, connections: int = 64) -> None:
        self.url = url
        self._made_of = (url, key, verify, connections)
        self.http = Http(
            PLATFORM,
            url,
            headers={"apikey": key.reveal(), "Accept": "*/*"},
            secrets=(key.reveal(),),
            verify=verify,
            connections=connections,
            explain=explain,
        )

    def another(self) -> DatamintClient:
        """One for the same server and key, with connections of its own."""
        return DatamintClient(*self._made_of)

    def send(self, call: Call) -> Reply:
        """Make one call of a plan."""
        reply = self.http.call(call)
        refuse_error_in_answer(reply, call.purpose)
        return reply

    def change(self, method: str, target: str, body: Any = None, *, what: str, repeat: Repeat = Repeat.HARMLESS) -> Any:
        """Ask for a change; what is answered."""
        reply = self.http.request(method, target, json=body, what=what, repeat=repeat)
        refuse_error_in_answer(reply, what)
        return reply.body

    def download(self, target: str) -> BinaryIO:
        """A file as a stream, its bytes as they are stored."""
        return cast("BinaryIO", self.http.download(target))

    def row(self, target: str, what: str, known_by: Sequence[str] = ("id",)) -> Row:
        """What is said of one thing.

        Raises
        ------
        NotFound
            There is none.
        """
        return checked_row(self.http.get(target, what=what), what, known_by)

    def rows(
        self,
        target: str,
        query: Mapping[str, str] | None = None,
        *,
        key: str = "data",
        known_by: Sequence[str] = ("id",),
    ) -> Iterator[Row]:
        """All rows of a listing, a page at a time.

        Parameters
        ----------
        key : under which the rows lie, where they lie deeper than under ``data``
        known_by : fields of which one must name a row
        """
        asked = tuple((query or {}).items())
        what = f"list {target}"

        def page(offset: int) -> Any:
            return self.http.get(target, (*asked, ("offset", str(offset)), ("limit", str(PAGE))), what=what)

        return _paged(page, lambda answer: rows_of(answer, key, what, known_by))

    # -- projects --------------------------------------------------------------------------------------------------

    def project(self, name: str) -> Row:
        """A project by its name or its id.

        Raises
        ------
        NotFound
            There is none.
        ConfigurationError
            Several have that name.
        """
        known = list(self.rows("projects"))
        found = [each for each in known if str(each["id"]) == name] or [e for e in known if e.get("name") == name]
        if len(found) > 1:
            ids = ", ".join(str(each["id"]) for each in found)
            msg = f"{len(found)} projects have the name {name!r}: say which by its id, one of {ids}"
            raise ConfigurationError(msg)
        if found:
            return found[0]
        names = ", ".join(sorted(str(project.get("name")) for project in known)[:10]) or "none"
        raise NotFound(PLATFORM, f"open project {name!r}", f"there is no such project; the key sees {names}")

    def worklists(self, project_id: str) -> list[Row]:
        """The worklists of a project."""
        try:
            return list(self.rows(f"projects/{project_id}/worklists", known_by=("id", "worklist_id")))
        except NotFound:
            return []

    # -- resources -------------------------------------------------------------------------------------------------

    def resources(self, filters: Mapping[str, str]) -> Iterator[Row]:
        """Resources in the order of their creation unless another is asked for.

        Source
        ------
        Datamint's SDK, 1.3 to 2.45: ``status`` is always sent, and empty for resources of every status.
        """
        usual = {"status": "", "order_field": "created_at", "order_by_asc": "true"}
        rows = self.rows("resources", {**usual, **filters}, key="resources")
        return (row for row in rows if not is_gone(row))

    def tagged(self, tag: str) -> list[Row]:
        """Resources that carry a tag."""
        return [row for row in self.resources({"tags": any_of(tag)}) if tag in (row.get("tags") or [])]

    def resource(self, resource_id: str) -> Row:
        """One resource; see `standing_row`."""
        return self.standing_row(f"resources/{path_part(resource_id)}", f"get resource {resource_id}")

    def standing_row(self, target: str, what: str) -> Row:
        """What is said of one thing that may have been deleted.

        Raises
        ------
        NotFound
            There is none, or it is deleted: some servers still answer those.
        """
        row = self.row(target, what)
        if is_gone(row):
            raise NotFound(PLATFORM, what, "it is deleted")
        return row

    def delete_resources(self, ids: Sequence[str]) -> None:
        """Delete resources.

        Raises
        ------
        NotFound
            There is no such resource, and those of the same request are left.
        """
        for start in range(0, len(ids), DELETED_AT_ONCE):
            self._delete_some(ids[start : start + DELETED_AT_ONCE])

    def _delete_some(self, ids: Sequence[str]) -> None:
        left = list(ids)

        def delete(unsure: bool) -> None:
            nonlocal left
            if unsure:
                left = [each for each in left if self._is_there(each)]
            if left:
                query = (("resource_ids", ",".join(left)),)
                once = Repeat.DETECTABLE
                self.http.request("DELETE", "resources", query=query, what="delete resources", repeat=once)

        self.until_sure(delete)

    def _is_there(self, resource_id: str) -> bool:
        try:
            self.resource(resource_id)
        except NotFound:
            return False
        return True

    def delete(self, target: str, what: str) -> None:
        """Delete one thing.

        Raises
        ------
        NotFound
            There is none.
        """

        def delete(unsure: bool) -> None:
            try:
                self.change("DELETE", target, what=what, repeat=Repeat.DETECTABLE)
            except NotFound:
                if not unsure:
                    raise

        self.until_sure(delete)

    def until_sure(self, do: Callable[[bool], T]) -> T:
        """Do something until its answer arrives.

        Parameters
        ----------
        do : is told whether it may have been done before
        """
        retry = self.http.repeater.retry
        for failures in range(1, retry.attempts + 1):
            try:
                return do(failures > 1)
            except TemporaryFailure:
                if failures == retry.attempts:
                    raise
                self.http.repeater.pause(retry.delay(failures))
        raise AssertionError  # the last turn of the loop returns or raises

    # -- annotations -----------------------------------------------------------------------------------------------

    def annotations(
        self, resource_ids: Sequence[str] | None, wanted: Mapping[str, Any] = OF_EVERYBODY
    ) -> Iterator[Row]:
        """Annotations of some resources, a page at a time.

        Parameters
        ----------
        resource_ids : of which resources; None for all, and an empty list for none
        wanted : what else must match
        """
        if resource_ids is None:
            yield from self._searched(wanted)
            return
        for start in range(0, len(resource_ids), SEARCHED_AT_ONCE):
            some = list(resource_ids[start : start + SEARCHED_AT_ONCE])
            for row in self._searched({**wanted, "resource_ids": some}):
                yield _of_resource(row, some)

    def _searched(self, wanted: Mapping[str, Any]) -> Iterator[Row]:
        what = "list annotations"

        def page(offset: int) -> Any:
            search = {**wanted, "offset": str(offset), "limit": str(PAGE)}
            return self.http.request("POST", "annotations/search", json=search, what=what).body

        return _paged(page, lambda answer: rows_of(answer, "annotations", what))


def _of_resource(row: Row, asked: Sequence[str]) -> Row:
    """An annotation with its resource, which the platform's short form leaves out.

    Raises
    ------
    UnexpectedResponse
        It does not say of which of several it is.
    """
    if row.get("resource_id") is not None:
        return row
    if len(asked) > 1:
        what = f"annotation {row['id']} does not say to which of {len(asked)} resources it belongs"
        raise UnexpectedResponse(PLATFORM, "list annotations", what)
    return {**row, "resource_id": asked[0]}


def path_part(name: str) -> str:
    """An id as one part of an address, whatever it holds.

    Raises
    ------
    NotFound
        It is empty: the address would be that of a list.
    """
    if not name.strip("."):
        raise NotFound(PLATFORM, f"find {name!r}", "there is no such id")
    return quote(name, safe="")


def _paged(page: Callable[[int], Any], rows_in: Callable[[Any], list[Row]]) -> Iterator[Row]:
    """All rows of a listing. Ends at an empty page, or when as many came as there are: pages may be cut short.

    Rows that are deleted meanwhile move those behind them forward: where the total number has shrunk, the listing goes
    back by as many, and leaves out what it gave already.
    """
    offset, known = 0, 0
    seen: set[str] = set()
    before: list[str] = []
    while True:
        answer = page(offset)
        rows, total = rows_in(answer), total_of(answer)
        if total is not None and offset and total < known:
            offset, known, before = max(0, offset - (known - total)), total, []
            continue
        names = [name_of(row) for row in rows]
        for row, name in zip(rows, names, strict=True):
            if name not in seen:
                seen.add(name)
                yield row
        offset, known = offset + len(rows), total or 0
        if not rows or offset == total or names == before:  # the last: a server that does not know of pages
            return
        before = names
