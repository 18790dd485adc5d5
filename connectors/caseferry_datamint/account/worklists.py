"""The worklists of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from caseferry.errors import AlreadyExists, NotFound
from caseferry_datamint.account.section import Section
from caseferry_datamint.client import path_part
from caseferry_datamint.errors import PLATFORM
from caseferry_datamint.wire.answers import NAMES
from caseferry_datamint.wire.entities import Worklist, WorklistStatus
from caseferry_datamint.wire.filters import check_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Worklists(Section):
    """Worklists: what is to be annotated, by whom, with which labels."""

    def worklists(self, project: str | None = None, *, status: WorklistStatus | None = None) -> list[Worklist]:
        """Worklists of one project, or all; `worklist` tells more of one.

        Parameters
        ----------
        project : its name or its id
        """
        if status is not None:
            check_word("status of worklists", status, get_args(WorklistStatus))
        rows = self._everywhere(status) if project is None else self._client.worklists(self.project(project).id)
        found = [Worklist.read(row) for row in rows]
        return [each for each in found if status in {None, each.status}]

    def _everywhere(self, status: str | None) -> list[Mapping[str, Any]]:
        """The worklists of all projects; asked project by project where the server has no list of all."""
        query = {"status": status} if status else {}
        try:
            return list(self._client.rows("annotationsets", query, known_by=NAMES))
        except NotFound:
            return [row for each in self._client.rows("projects") for row in self._client.worklists(str(each["id"]))]

    def worklist(self, worklist_id: str) -> Worklist:
        """One worklist, with its labels and its resources.

        Raises
        ------
        NotFound
            There is none.
        """
        target = f"annotationsets/{path_part(worklist_id)}"
        return Worklist.read(self._client.row(target, f"get worklist {worklist_id}", NAMES))

    def create_worklist(
        self,
        project: str,
        name: str,
        *,
        resources: Iterable[str] = (),
        labels: Sequence[Mapping[str, Any]] = (),
        annotators: Sequence[str] = (),
        description: str = "",
    ) -> Worklist:
        """Make a worklist in a project, once: one that was made and whose answer was lost is found again.

        Parameters
        ----------
        project : its name or its id
        resources : ids of published resources of the project
        labels : what may be annotated: ``{"type": "category", "scope": "image", "identifier": "quality", "required":
            False, "values": ["good", "bad"]}``; ``values`` for categories alone
        annotators : e-mail addresses

        Raises
        ------
        AlreadyExists
            The project has a worklist of that name.
        """
        found = self.project(project)
        what = f"create worklist {name!r}"

        def there() -> Mapping[str, Any] | None:
            rows = self._client.worklists(found.id)
            return next((row for row in rows if Worklist.read(row).name == name), None)

        if there() is not None:
            raise AlreadyExists(PLATFORM, what, f"project {found.name!r} has a worklist of that name")
        body = {
            "name": name,
            "description": description,
            "resource_ids": list(resources),
            "annotations": [dict(each) for each in labels],
            "annotators": list(annotators),
            "project_id": found.id,
        }
        return self.worklist(Worklist.read(self._created("annotationsets", body, what, there)).id)

    def update_worklist(
        self,
        worklist_id: str,
        *,
        name: str | None = None,
        status: WorklistStatus | None = None,
        labels: Sequence[Mapping[str, Any]] | None = None,
        frame_labels: Sequence[str] | None = None,
        image_labels: Sequence[str] | None = None,
    ) -> Worklist:
        """Change what is given of a worklist, and leave the rest.

        Parameters
        ----------
        labels : as `create_worklist` takes them; they replace those that are there
        frame_labels, image_labels : names alone, as older projects have them

        Raises
        ------
        NotFound
            There is none.
        """
        if status is not None:
            check_word("status of worklists", status, get_args(WorklistStatus))
        changes = {
            "name": name,
            "status": status,
            "annotations": None if labels is None else [dict(each) for each in labels],
            "frame_labels": None if frame_labels is None else list(frame_labels),
            "image_labels": None if image_labels is None else list(image_labels),
        }
        given = {key: value for key, value in changes.items() if value is not None}
        self._client.change(
            "PATCH", f"annotationsets/{path_part(worklist_id)}", given, what=f"change worklist {worklist_id}"
        )
        return self.worklist(worklist_id)
