"""The projects of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.errors import AlreadyExists
from caseferry_datamint.account.section import Section, saved
from caseferry_datamint.client import PLATFORM
from caseferry_datamint.wire.entities import Project, ProjectDataset

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path


class Projects(Section):
    """Projects: sets of resources that are worked on together."""

    def projects(self, *, archived: bool = False) -> list[Project]:
        """All projects.

        Parameters
        ----------
        archived : with those that were deleted, which are kept
        """
        query = {"includeArchived": "true"} if archived else {}
        return [Project.read(row) for row in self._client.rows("projects", query)]

    def create_project(self, name: str, description: str = "", resources: Iterable[str] = ()) -> Project:
        """Make a project, once: one that was made and whose answer was lost is found again.

        Parameters
        ----------
        resources : ids of what is put into it at once; more is put there with a dataset's `put`, or with `publish`

        Raises
        ------
        AlreadyExists
            The name is taken, be it by an archived project.
        """
        if self._of_name(name, archived=True) is not None:
            raise AlreadyExists(PLATFORM, f"create project {name!r}", "there is a project of that name")
        ids = list(resources)
        body = {
            "name": name,
            "description": description,
            "resource_ids": ids,
            "is_active_learning": False,
            "two_up_display": False,
            "require_review": False,
            "annotation_set": {"annotators": [], "resource_ids": ids, "annotations": []},
        }
        made = self._created("projects", body, f"create project {name!r}", lambda: self._of_name(name))
        return self.project(str(made["id"]))  # some servers answer the id alone

    def _of_name(self, name: str, *, archived: bool = False) -> Mapping[str, Any] | None:
        return next((each.native for each in self.projects(archived=archived) if each.name == name), None)

    def delete_project(self, project: str) -> None:
        """Delete a project by its name or its id. The platform archives it; its resources stay.

        Raises
        ------
        NotFound
            There is none.
        """
        found = self.project(project)
        self._client.delete(f"projects/{found.id}", f"delete project {found.name!r}")

    def export_project(
        self,
        project: str,
        path: str | os.PathLike[str],
        *,
        all_annotations: bool = False,
        unannotated: bool = False,
    ) -> Path:
        """Save a project as the platform's own zip: ``dataset.json``, the files, and the masks.

        Parameters
        ----------
        path : of the zip, which appears there when it is whole
        all_annotations : also those that count in no worklist of the project
        unannotated : also resources without annotations
        """
        found = self.project(project)
        query = f"all_annotations={all_annotations}" + ("&include_unannotated=True" if unannotated else "")
        return saved(self._client.download(f"projects/{found.id}/annotated_dataset?{query}"), path)

    def project_datasets(self) -> list[ProjectDataset]:
        """The sets behind the projects, which the platform calls datasets."""
        return [ProjectDataset.read(row) for row in self._client.rows("datasets")]
