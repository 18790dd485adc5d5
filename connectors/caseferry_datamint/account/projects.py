"""The projects of an account."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any, get_args

from caseferry.errors import AlreadyExists, NotFound
from caseferry_datamint.account.section import Section, saved
from caseferry_datamint.client import path_part
from caseferry_datamint.errors import PLATFORM
from caseferry_datamint.wire.entities import Project, ProjectDataset, WorkStatus
from caseferry_datamint.wire.filters import check_word

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

    def create_project(
        self,
        name: str,
        description: str = "",
        resources: Iterable[str] = (),
        *,
        active_learning: bool = False,
        side_by_side: bool = False,
    ) -> Project:
        """Make a project, once: one that was made and whose answer was lost is found again.

        Parameters
        ----------
        resources : ids of what is put into it at once; more is put there with a dataset's `put`, or with `publish`
        active_learning : whether the platform proposes what is annotated next
        side_by_side : whether two resources are shown beside each other

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
            "is_active_learning": active_learning,
            "two_up_display": side_by_side,
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

        Raises
        ------
        NotFound
            There is no such project, or the server makes no such zips any more.
        UnexpectedResponse
            What came is no zip; what was at `path` before is still there.
        """
        found = self.project(project)
        query = f"all_annotations={all_annotations}" + ("&include_unannotated=True" if unannotated else "")
        target = f"projects/{found.id}/annotated_dataset?{query}"
        try:
            return saved(self._client.download(target), path, check=zipfile.is_zipfile)
        except NotFound as error:
            why = "the server makes no zips of projects; transfer the project to a folder instead"
            raise NotFound(PLATFORM, f"export project {found.name!r}", why, status=error.status) from error

    def set_work_status(self, project: str, resource_id: str, status: WorkStatus) -> None:
        """Say how far the work on a resource of a project is.

        Parameters
        ----------
        project : its name or its id

        Raises
        ------
        NotFound
            There is no such project, or no such resource in it.
        """
        check_word("status of work", status, get_args(WorkStatus))
        found = self.project(project)
        target = f"projects/{found.id}/resources/{path_part(resource_id)}/status"
        self._client.change("POST", target, {"status": status}, what=f"set the status of work on {resource_id}")

    def project_datasets(self) -> list[ProjectDataset]:
        """The sets behind the projects, which the platform calls datasets."""
        return [ProjectDataset.read(row) for row in self._client.rows("datasets")]
