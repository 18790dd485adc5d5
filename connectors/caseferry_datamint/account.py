"""What Datamint has beside the cases of its projects: projects themselves, worklists, channels, people, single files.

Cases are moved by the verbs of a dataset, on every platform alike. What is here is Datamint's own, and is asked of an
account: `Datamint`. `DatamintDataset.account` is the account by which a dataset was opened.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from caseferry.errors import AlreadyExists, ConfigurationError, NotFound, PlatformError, TemporaryFailure
from caseferry.plan import Repeat
from caseferry_datamint.client import PLATFORM
from caseferry_datamint.connector import DatamintConnector, sign_in
from caseferry_datamint.errors import ALREADY_PUBLISHED
from caseferry_datamint.wire.address import is_own_tag
from caseferry_datamint.wire.entities import Channel, Project, ProjectDataset, Resource, User, Worklist
from caseferry_datamint.wire.filters import annotation_search, any_of, resource_query
from caseferry_datamint.wire.loading import loaded
from caseferry_datamint.wire.putting import RESOURCES_AT_ONCE
from caseferry_datamint.wire.reading import file_of
from caseferry_datamint.wire.rows import marking

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from PIL.Image import Image as Picture

    from caseferry.connector import Phi
    from caseferry.files import FileRef
    from caseferry.mapping import MappingSource
    from caseferry_datamint.client import DatamintClient
    from caseferry_datamint.dataset import DatamintDataset
    from caseferry_datamint.wire.entities import Marking, Order, Status, WorklistStatus


class Datamint:
    """An account on Datamint.

    >>> from caseferry_datamint import Datamint
    >>> with Datamint() as account:                                     # doctest: +SKIP
    ...     waiting = [each.id for each in account.resources(status="inbox", channel="ct")]
    ...     account.publish(waiting, project="covid-reading")
    ...     dataset = account.open("covid-reading")

    Parameters
    ----------
    url, api_key : of the server and the user; else from ``DATAMINT_API_URL`` and ``DATAMINT_API_KEY``, or from the
        official client's ``datamintapi.yaml``
    ca : a file of trusted certificates, for a private server
    profile : a named profile of caseferry's configuration file
    client : one that is there already, instead of all these

    Raises
    ------
    MissingCredentials
        There is no key. No request is made before the first question.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        ca: str | None = None,
        profile: str | None = None,
        client: DatamintClient | None = None,
    ) -> None:
        self._client = client or sign_in({"url": url, "api_key": api_key, "ca": ca, "profile": profile})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give connections back."""
        self._client.http.close()

    # -- projects --------------------------------------------------------------------------------------------------

    def open(
        self,
        project: str,
        *,
        channel: str | None = None,
        publish: bool = True,
        worklist: str | None = None,
        authors: Literal["keep", "import"] = "keep",
        mapping: MappingSource = None,
        phi: Phi = "refuse",
    ) -> DatamintDataset:
        """A project as a dataset, with all verbs; the same as ``caseferry.connect("datamint:PROJECT", …)``.

        Parameters
        ----------
        project : its name or its id
        channel, publish, worklist, authors : see `DatamintConnector`
        mapping, phi : see `caseferry.connect`

        Raises
        ------
        NotFound
            There is no such project.
        """
        options = {"channel": channel, "publish": publish, "worklist": worklist, "authors": authors}
        opener = DatamintConnector(**options, mapping=mapping, phi=phi)
        return opener.opened(project, self._client.another())

    def projects(self, *, archived: bool = False) -> list[Project]:
        """All projects.

        Parameters
        ----------
        archived : with those that were deleted, which are kept
        """
        query = {"includeArchived": "true"} if archived else {}
        return [Project.read(row) for row in self._client.rows("projects", query)]

    def project(self, name: str) -> Project:
        """A project by its name or its id.

        Raises
        ------
        NotFound
            There is none.
        """
        return Project.read(self._client.project(name))

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
        return Project.read(
            self._created("projects", body, f"create project {name!r}", lambda: self._of_name(name)),
        )

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
        self._client.change("DELETE", f"projects/{found.id}", what=f"delete project {found.name!r}")

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
        target = Path(path)
        part = target.with_name(f"{target.name}.part")
        try:
            with (
                self._client.download(f"projects/{found.id}/annotated_dataset?{query}") as stream,
                part.open("wb") as out,
            ):
                shutil.copyfileobj(stream, out, 1 << 20)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def project_datasets(self) -> list[ProjectDataset]:
        """The sets behind the projects, which the platform calls datasets."""
        return [ProjectDataset.read(row) for row in self._client.rows("datasets")]

    # -- resources -------------------------------------------------------------------------------------------------

    def resources(
        self,
        *,
        project: str | None = None,
        status: Status | None = None,
        from_date: dt.date | None = None,
        to_date: dt.date | None = None,
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
        project : its name
        from_date, to_date : of their creation; the first day counts, the last does not
        tags : one of them is enough
        order : by what, ``created_at`` when it is not said
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
            query["project"] = any_of(project)
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

    def load(self, resource_id: str) -> Any:
        """A resource's file as an object of the library that people read its format with.

        Returns
        -------
        A pydicom ``FileDataset``, a nibabel ``Nifti1Image`` or ``Nifti2Image``, or a Pillow ``Image``.

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
        import io

        from PIL import Image

        resource = self.resource(resource_id)
        if not resource.mimetype.startswith("image/"):
            target = f"resources/{resource.id}/frames/{index}"
        elif index == 0:
            target = f"resources/{resource.id}/file"
        else:
            raise NotFound(PLATFORM, f"get frame {index} of {resource_id}", "a picture has the frame 0 alone")
        with self._client.download(target) as stream:
            return Image.open(io.BytesIO(stream.read()))

    def publish(self, resources: str | Iterable[str], project: str | None = None) -> None:
        """Take resources out of the inbox; those that are published already stay so.

        Parameters
        ----------
        resources : their ids
        project : the name or id of a project to which they are added too

        Raises
        ------
        NotFound
            There is no such resource, or no such project; then nothing was published.
        """
        ids = _several(resources)
        found = self.project(project) if project is not None else None
        for rid in ids:
            try:
                self._client.change("POST", f"resources/{rid}/publish", what=f"publish resource {rid}")
            except PlatformError as error:
                if ALREADY_PUBLISHED not in error.detail:
                    raise
        if found is None:
            return
        for start in range(0, len(ids), RESOURCES_AT_ONCE):
            body = {"resource_ids_to_add": ids[start : start + RESOURCES_AT_ONCE], "all_files_selected": False}
            what = f"add resources to project {found.name!r}"
            self._client.change("POST", f"projects/{found.id}/resources", body, what=what)

    def set_tags(self, resources: str | Iterable[str], tags: Sequence[str]) -> None:
        """Replace the tags that people gave; the tag by which a case is found stays.

        Raises
        ------
        ConfigurationError
            A tag holds a comma, at which the platform parts tags, or begins as those of caseferry do.
        """
        bad = [tag for tag in tags if "," in tag or is_own_tag(tag) or not tag.strip()]
        if bad:
            msg = f"datamint cannot hold the tags {bad}: a tag is some text without a comma, and begins no case's name"
            raise ConfigurationError(msg)
        for rid in _several(resources):
            own = [tag for tag in self._client.resource(rid).get("tags") or () if is_own_tag(str(tag))]
            self._client.change("PUT", f"resources/{rid}/tags", {"tags": [*tags, *own]}, what=f"tag resource {rid}")

    def delete_resources(self, resources: str | Iterable[str]) -> None:
        """Delete resources by their ids. A whole case is deleted with `DatamintDataset.delete`.

        Raises
        ------
        NotFound
            There is no such resource.
        """
        self._client.delete_resources(_several(resources))

    def channels(self) -> list[Channel]:
        """The channels in which there are resources."""
        return [Channel.read(row) for row in self._client.rows("resources/channels")]

    # -- annotations -----------------------------------------------------------------------------------------------

    def annotations(
        self,
        resources: str | Iterable[str] | None = None,
        *,
        kind: str | None = None,
        author: str | None = None,
        from_date: dt.date | None = None,
        to_date: dt.date | None = None,
        dataset_id: str | None = None,
        worklist: str | None = None,
        status: str | None = None,
        models: bool | None = None,
    ) -> Iterator[Marking]:
        """Annotations that match every filter, a page at a time, as the platform has them.

        Where they lie in an image, in caseferry's words, is what `Item.case` tells.

        Parameters
        ----------
        resources : ids; of all resources when they are not given
        kind : in the platform's words: ``label``, ``category``, ``line``, ``square``, ``segmentation``, …
        author : an e-mail address
        from_date, to_date : of their creation; both days count
        dataset_id : `Project.dataset_id`
        status : ``new`` or ``published``
        models : with segmentations made by models, which are left out otherwise
        """
        filters = {
            "kind": kind,
            "author": author,
            "from_date": from_date,
            "to_date": to_date,
            "dataset_id": dataset_id,
            "worklist": worklist,
            "status": status,
            "models": models,
        }
        search = annotation_search(filters)
        if resources is not None:
            search["resource_ids"] = _several(resources)
        return map(marking, self._client.search(search))

    def approve_annotations(self, annotations: str | Iterable[str]) -> None:
        """Approve annotations by their ids on the platform; see `DatamintDataset.approve_annotations`, too.

        Raises
        ------
        NotFound
            There is no such annotation.
        """
        for aid in _several(annotations):
            self._client.change("PATCH", f"annotations/{aid}/approve", what=f"approve annotation {aid}")

    def delete_annotations(self, annotations: str | Iterable[str]) -> None:
        """Delete annotations by their ids on the platform; see `DatamintDataset.delete_annotations`, too.

        Raises
        ------
        NotFound
            There is no such annotation.
        """
        for aid in _several(annotations):
            self._client.change("DELETE", f"annotations/{aid}", what=f"delete annotation {aid}")

    # -- worklists -------------------------------------------------------------------------------------------------

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
        return Worklist.read(self._client.row(f"annotationsets/{worklist_id}", f"get worklist {worklist_id}"))

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
        self._client.change("PATCH", f"annotationsets/{worklist_id}", given, what=f"change worklist {worklist_id}")
        return self.worklist(worklist_id)

    # -- people ----------------------------------------------------------------------------------------------------

    def users(self) -> list[User]:
        """All users."""
        return [User.read(row) for row in self._client.rows("users")]

    def create_user(
        self,
        email: str,
        password: str | None = None,
        *,
        first_name: str | None = None,
        last_name: str | None = None,
        roles: Sequence[str] = (),
    ) -> User:
        """Make a user; needs an administrator's key.

        Raises
        ------
        AlreadyExists
            There is a user of that address.
        PermissionDenied
            The key is no administrator's.
        """
        body = {
            "email": email,
            "password": password,
            "firstname": first_name,
            "lastname": last_name,
            "roles": list(roles),
        }

        def there() -> Mapping[str, Any] | None:
            return next((each.native for each in self.users() if each.email == email), None)

        return User.read(self._created("users", body, "create a user", there))

    # -- what these are made of ------------------------------------------------------------------------------------

    def _created(
        self, target: str, body: Any, what: str, there: Callable[[], Mapping[str, Any] | None]
    ) -> Mapping[str, Any]:
        """What was made; when the answer was lost, what is there then.

        Parameters
        ----------
        there : finds it, when it was made
        """
        for last in (False, True):
            try:
                made: Mapping[str, Any] = self._client.change("POST", target, body, what=what, repeat=Repeat.DETECTABLE)
            except TemporaryFailure:
                if (found := there()) is not None:
                    return found
                if last:
                    raise
            else:
                return made
        raise AssertionError  # the last turn of the loop returns or raises


def _several(ids: str | Iterable[str]) -> list[str]:
    """Ids, of which one may be given alone; each once."""
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
