"""The worklists of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.errors import AlreadyExists
from caseferry_datamint.account.section import Section
from caseferry_datamint.client import PLATFORM, path_part
from caseferry_datamint.wire.entities import Worklist

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from caseferry_datamint.wire.entities import WorklistStatus


class Worklists(Section):
    """Worklists: what is to be annotated, by whom, with which labels."""

    def worklists(self, project: str | None = None, *, status: WorklistStatus | None = None) -> list[Worklist]:
        """Worklists of one project, or all; `worklist` tells more of one.

        Parameters
        ----------
        project : its name or its id
        """
        if project is None:
            rows = list(self._client.rows("annotationsets", {"status": status} if status else {}))
        else:
            rows = self._client.worklists(self.project(project).id)
        found = [Worklist.read(row) for row in rows]
        return [each for each in found if status in {None, each.status}]

    def worklist(self, worklist_id: str) -> Worklist:
        """One worklist, with its labels and its resources.

        Raises
        ------
        NotFound
            There is none.
        """
        return Worklist.read(
            self._client.row(f"annotationsets/{path_part(worklist_id)}", f"get worklist {worklist_id}")
        )

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
