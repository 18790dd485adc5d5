"""The only file that talks to Datamint."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from caseferry.errors import NotFound, UnexpectedResponse
from caseferry.http import Http
from caseferry_datamint.errors import explain, refuse_error_in_answer

if TYPE_CHECKING:
    from caseferry.config import Secret
    from caseferry.plan import Call, Reply

PLATFORM = "datamint"
PAGE = 500
"""Rows asked for at once; a server may give fewer, so the next page begins where the last one ended."""

SEARCHED_AT_ONCE = 100
"""Resources whose annotations one request asks for."""


class DatamintClient:
    """Datamint's REST interface.

    Parameters
    ----------
    url : of the server
    key : the API key
    ca : a file of trusted certificates, for a private server
    """

    def __init__(self, url: str, key: Secret, ca: str | None, connections: int) -> None:
        self.http = Http(
            PLATFORM,
            url,
            headers={"apikey": str(key), "Accept": "application/json"},
            secrets=(str(key),),
            verify=ca,
            connections=connections,
            explain=explain,
        )

    def send(self, call: Call) -> Reply:
        """Make one call of a plan."""
        reply = self.http.call(call)
        refuse_error_in_answer(reply, call.purpose)
        return reply

    def download(self, target: str) -> BinaryIO:
        """A file as a stream, its bytes as they are stored."""
        return cast("BinaryIO", self.http.download(target))

    # -- projects --------------------------------------------------------------------------------------------------

    def projects(self) -> list[Mapping[str, Any]]:
        """All projects that the key can see."""
        return list(self._pages("projects", (), ("data", "items")))

    def project(self, name: str) -> Mapping[str, Any]:
        """A project by its name or its id.

        Raises
        ------
        NotFound
            There is none.
        """
        known = self.projects()
        for project in known:
            if name in {project.get("name"), project.get("id")}:
                return project
        names = ", ".join(sorted(str(project.get("name")) for project in known)[:10]) or "none"
        raise NotFound(PLATFORM, f"open project {name!r}", f"there is no such project; the key sees {names}")

    def worklists(self, project_id: str) -> list[Mapping[str, Any]]:
        """The worklists of a project."""
        try:
            body = self.http.get(f"projects/{project_id}/worklists", what="list the project's worklists")
        except NotFound:
            return []
        return [row for row in body if isinstance(row, Mapping)] if isinstance(body, list) else []

    # -- resources -------------------------------------------------------------------------------------------------

    def resources(self, filters: Mapping[str, str]) -> Iterator[Mapping[str, Any]]:
        """Resources in the order of their creation, a page at a time."""
        query = {"order_field": "created_at", "order_by_asc": "true", **filters}
        return self._pages("resources", tuple(query.items()), ("data", "resources"))

    def tagged(self, tag: str) -> list[Mapping[str, Any]]:
        """Resources that carry a tag."""
        wanted = json.dumps({"items": [tag], "filterType": "union"})
        return [row for row in self.resources({"tags": wanted}) if tag in (row.get("tags") or [])]

    def resource(self, resource_id: str) -> Mapping[str, Any]:
        """One resource.

        Raises
        ------
        NotFound
            There is none.
        """
        body = self.http.get(f"resources/{resource_id}", what=f"get resource {resource_id}")
        if not isinstance(body, Mapping):
            raise UnexpectedResponse(PLATFORM, f"get resource {resource_id}", "the answer is no resource")
        return body

    def delete_resources(self, ids: Sequence[str]) -> None:
        """Delete resources."""
        for start in range(0, len(ids), 200):
            joined = ",".join(ids[start : start + 200])
            self.http.request("DELETE", "resources", query=(("resource_ids", joined),), what="delete resources")

    # -- annotations -----------------------------------------------------------------------------------------------

    def annotations(self, resource_ids: Sequence[str]) -> list[Mapping[str, Any]]:
        """All annotations of some resources."""
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(resource_ids), SEARCHED_AT_ONCE):
            wanted = list(resource_ids[start : start + SEARCHED_AT_ONCE])
            offset = 0
            while True:
                search = {"resource_ids": wanted, "offset": str(offset), "limit": str(PAGE)}
                reply = self.http.request("POST", "annotations/search", json=search, what="list annotations")
                rows, total = _rows(reply.body, ("data", "annotations"), "list annotations")
                found += rows
                offset += len(rows)
                if not rows or (total is not None and offset >= total):
                    break
        unique = {str(row.get("id")): row for row in found}
        return list(unique.values())

    def _pages(
        self, target: str, query: tuple[tuple[str, str], ...], keys: tuple[str, ...]
    ) -> Iterator[Mapping[str, Any]]:
        """All rows of a listing. Ends at an empty page, or when as many came as there are: pages may be cut short."""
        offset = 0
        seen: set[str] = set()
        while True:
            paging = (("offset", str(offset)), ("limit", str(PAGE)))
            body = self.http.get(target, (*query, *paging), what=f"list {target}")
            rows, total = _rows(body, keys, f"list {target}")
            fresh = [row for row in rows if str(row.get("id")) not in seen]
            seen |= {str(row.get("id")) for row in rows}
            yield from fresh
            offset += len(rows)
            if not fresh or (total is not None and offset >= total):
                return


def _rows(body: Any, keys: tuple[str, ...], what: str) -> tuple[list[Mapping[str, Any]], int | None]:
    """The rows of an answer in any of the platform's envelopes, and their total number when it says one."""
    total = body.get("totalCount") if isinstance(body, Mapping) else None
    rows = body
    if isinstance(rows, Mapping):
        rows = next((rows[key] for key in (*keys, "data", "items") if key in rows), None)
    if isinstance(rows, list) and len(rows) == 1 and isinstance(rows[0], Mapping):
        rows = next((rows[0][key] for key in keys if isinstance(rows[0].get(key), list)), rows)
    if not isinstance(rows, list):
        raise UnexpectedResponse(PLATFORM, what, "the answer holds no list")
    count = int(str(total)) if str(total).isdigit() else None
    return [row for row in rows if isinstance(row, Mapping)], count
