"""The resources of an account: single files, in projects or in none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from caseferry.errors import AlreadyExists, ConfigurationError, NotFound, PlatformError
from caseferry_datamint.account.section import Section, saved, several
from caseferry_datamint.client import path_part
from caseferry_datamint.errors import ALREADY_PUBLISHED, PLATFORM
from caseferry_datamint.wire.address import TAG, is_own_tag
from caseferry_datamint.wire.entities import Channel, Resource
from caseferry_datamint.wire.filters import all_of, resource_query
from caseferry_datamint.wire.loading import ending_of, loaded, picture
from caseferry_datamint.wire.reading import file_of
from caseferry_datamint.wire.uploads import RESOURCES_AT_ONCE

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from PIL.Image import Image as Picture

    from caseferry.files import FileRef
    from caseferry_datamint.wire.entities import Order, Project, Status


class Resources(Section):
    """Resources. Whole cases are moved by the verbs of a dataset."""

    def resources(
        self,
        *,
        project: str | Sequence[str] | None = None,
        status: Status | None = None,
        from_date: dt.date | str | None = None,
        to_date: dt.date | str | None = None,
        modality: str | None = None,
        mimetype: str | None = None,
        filename: str | None = None,
        channel: str | None = None,
        tags: Sequence[str] | None = None,
        order: Order | None = None,
        ascending: bool = True,
    ) -> Iterator[Resource]:
        """Resources of all projects and of none that match every filter, a page at a time.

        Parameters
        ----------
        project : its name or its id; of several, resources are in each
        from_date, to_date : of their creation, also as text (``2026-01-31``); the first day counts, the last does not
        tags : one of them is enough
        order : by what, ``created_at`` when it is not said

        Raises
        ------
        ConfigurationError
            A filter has a value that the platform does not know.
        NotFound
            There is no such project.
        """
        filters = {
            "status": status,
            "from_date": from_date,
            "to_date": to_date,
            "modality": modality,
            "mimetype": mimetype,
            "filename": filename,
            "channel": channel,
            "tags": tags,
            "order": order,
            "ascending": ascending,
        }
        query = resource_query(filters)
        if project is not None:
            query["project"] = all_of([self.project(each).name for each in several(project)])
        return map(Resource.read, self._client.resources(query))

    def resource(self, resource_id: str) -> Resource:
        """One resource.

        Raises
        ------
        NotFound
            There is none.
        """
        return Resource.read(self._client.resource(resource_id))

    def file(self, resource_id: str) -> FileRef:
        """A resource's file, its bytes as they were put; ``file(id).open()`` streams them."""
        return file_of(self._client.resource(resource_id), self._client.download)

    def save(self, resource_id: str, path: str | os.PathLike[str], *, add_ending: bool = False) -> Path:
        """Save a resource's file as it was put.

        Parameters
        ----------
        path : of the file, which appears there when it is whole; a folder that is there takes it under its own name,
            unless it holds a file of that name
        add_ending : whether the name gets the ending of the file's format, when it has none such

        Returns
        -------
        Where the file lies.

        Raises
        ------
        AlreadyExists
            The folder holds a file of that name; nothing was fetched.
        UnexpectedResponse
            What came is not what was put, as far as its digest is known.
        """
        ref, target = self.file(resource_id), Path(path)
        if target.is_dir():
            target /= ref.name
            if target.exists():
                why = f"{path} holds a file of that name; say by which it is saved"
                raise AlreadyExists(PLATFORM, f"save {ref.name!r}", why)
        return saved(ref.open(), target, sha256=ref.sha256, ending=ending_of if add_ending else None)

    def load(self, resource_id: str) -> Any:
        """A resource's file as an object of the library that people read its format with.

        Returns
        -------
        A pydicom ``FileDataset``, a nibabel ``Nifti1Image`` or ``Nifti2Image``, or a Pillow ``Image`` of whatever
        format of pictures Pillow knows.

        Raises
        ------
        UnsupportedOperation
            It is of another kind, a video for example: read it with `file`.
        """
        return loaded(self.file(resource_id))

    def frame(self, resource_id: str, index: int) -> Picture:
        """One frame as the platform shows it, without fetching the whole file.

        Parameters
        ----------
        index : 0-based, in the platform's own order; a picture has the frame 0

        Raises
        ------
        NotFound
            There is no such frame.
        """
        resource = self.resource(resource_id)
        if index < 0:
            raise NotFound(PLATFORM, f"get frame {index} of {resource_id}", "frames are counted from 0")
        if not (resource.mimetype.startswith("image/") or resource.native.get("storage") == "ImageResource"):
            target = f"resources/{resource.id}/frames/{index}"
        elif index == 0:
            target = f"resources/{resource.id}/file"
        else:
            raise NotFound(PLATFORM, f"get frame {index} of {resource_id}", "a picture has the frame 0 alone")
        with self._client.download(target) as stream:
            return picture(stream.read(), f"get frame {index} of {resource_id}")

    def publish(self, resources: str | Iterable[str], project: str | None = None) -> None:
        """Take resources out of the inbox; those that are published already stay so.

        Parameters
        ----------
        resources : their ids
        project : the name or id of a project to which they are added too

        Raises
        ------
        NotFound
            There is no such project, and nothing was published; or no such resource.
        """
        ids = several(resources)
        found = self.project(project) if project is not None else None
        for start in range(0, len(ids), RESOURCES_AT_ONCE):
            some = ids[start : start + RESOURCES_AT_ONCE]
            self._publish(some)
            if found is not None:
                self._add(some, found)

    def add_to_project(self, resources: str | Iterable[str], project: str) -> None:
        """Add resources to a project, as they are: those in the inbox stay there.

        Parameters
        ----------
        resources : their ids
        project : its name or its id

        Raises
        ------
        NotFound
            There is no such project, and nothing was added; or no such resource.
        """
        ids, found = several(resources), self.project(project)
        for start in range(0, len(ids), RESOURCES_AT_ONCE):
            self._add(ids[start : start + RESOURCES_AT_ONCE], found)

    def _add(self, ids: list[str], project: Project) -> None:
        body = {"resource_ids_to_add": ids, "all_files_selected": False}
        what = f"add resources to project {project.name!r}"
        self._client.change("POST", f"projects/{project.id}/resources", body, what=what)

    def _publish(self, ids: list[str]) -> None:
        """Publish all at once; one by one where the server cannot, or refuses because of one of them."""
        try:
            self._client.change("POST", "resources/bulk-publish", {"resource_ids": ids}, what="publish resources")
        except PlatformError as error:
            if error.status not in {400, 404, 405, 422}:
                raise
            for rid in ids:
                self._publish_one(rid)

    def _publish_one(self, rid: str) -> None:
        try:
            self._client.change("POST", f"resources/{path_part(rid)}/publish", what=f"publish resource {rid}")
        except PlatformError as error:
            if ALREADY_PUBLISHED not in error.detail:
                raise

    def set_tags(self, resources: str | Iterable[str], tags: Sequence[str]) -> None:
        """Replace the tags that people gave; the tag by which a case is found stays.

        Raises
        ------
        ConfigurationError
            A tag holds a comma, at which the platform parts tags, or begins as those of caseferry do.
        """
        bad = [tag for tag in tags if "," in tag or is_own_tag(tag) or not tag.strip()]
        if bad:
            msg = f"datamint cannot hold the tags {bad}: expected text without a comma that does not begin with {TAG!r}"
            raise ConfigurationError(msg)
        for rid in several(resources):
            own = [tag for tag in self._client.resource(rid).get("tags") or () if is_own_tag(str(tag))]
            self._client.change(
                "PUT", f"resources/{path_part(rid)}/tags", {"tags": [*tags, *own]}, what=f"tag resource {rid}"
            )

    def delete_resources(self, resources: str | Iterable[str]) -> None:
        """Delete resources by their ids. A whole case is deleted with `DatamintDataset.delete`.

        Raises
        ------
        NotFound
            There is no such resource.
        """
        self._client.delete_resources(several(resources))

    def channels(self) -> list[Channel]:
        """The channels in which there are resources."""
        return [Channel.read(row) for row in self._client.rows("resources/channels", known_by=())]
