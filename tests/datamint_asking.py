"""Everything that is asked of an account on Datamint, each once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import caseferry as cf

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry_datamint import Datamint


@dataclass(frozen=True)
class Ids:
    """What is spoken of.

    Attributes
    ----------
    resource : a picture in the project "sandbox"
    segmentation : an annotation of it that has a file
    folder : holds ``picture.png``, and takes what is saved
    """

    folder: Path
    resource: str = "x"
    segmentation: str = "x"
    worklist: str = "x"
    case: str = "c"

    def picture(self, name: str) -> cf.Case:
        return cf.Case(name, images=[cf.Image("xr", self.folder / "picture.png")])


READS: dict[str, Callable[[Datamint, Ids], Any]] = {
    "projects": lambda account, _: account.projects(),
    "project": lambda account, _: account.project("sandbox"),
    "datasets": lambda account, _: account.project_datasets(),
    "resources": lambda account, _: list(account.resources()),
    "resource": lambda account, ids: account.resource(ids.resource),
    "file": lambda account, ids: account.file(ids.resource).read(),
    "load": lambda account, ids: account.load(ids.resource).size,
    "frame": lambda account, ids: account.frame(ids.resource, 0).tobytes(),
    "annotations": lambda account, _: list(account.annotations()),
    "annotation": lambda account, ids: account.annotation(ids.segmentation),
    "annotation file": lambda account, ids: account.annotation_file(ids.segmentation).read(),
    "worklists": lambda account, _: account.worklists(),
    "worklist": lambda account, ids: account.worklist(ids.worklist),
    "users": lambda account, _: account.users(),
    "items": lambda account, _: [item.case() for item in account.open("sandbox").items()],
    "get": lambda account, ids: account.open("sandbox").get(ids.resource).case(),
    "find": lambda account, ids: account.open("sandbox").find(ids.case),
    "save": lambda account, ids: account.save(ids.resource, ids.folder / "file").read_bytes(),
    "channels": lambda account, _: account.channels(),
}
"""Each gives the same, as often as it is asked."""

WRITES: dict[str, Callable[[Datamint, Ids], Any]] = {
    "create project": lambda account, _: account.create_project("new"),
    "create worklist": lambda account, _: account.create_worklist("sandbox", "new"),
    "create user": lambda account, _: account.create_user("new@sandbox.example"),
    "update worklist": lambda account, ids: account.update_worklist(ids.worklist, name="other"),
    "put": lambda account, ids: account.open("sandbox").put(ids.picture("new")),
    "annotate": lambda account, ids: account.open("sandbox").annotate(
        account.open("sandbox").get(ids.resource), [cf.Label("picture", "new")]
    ),
    "publish": lambda account, ids: account.publish(ids.resource, project="sandbox"),
    "add": lambda account, ids: account.add_to_project(ids.resource, "sandbox"),
    "work": lambda account, ids: account.set_work_status("sandbox", ids.resource, "closed"),
    "tags": lambda account, ids: account.set_tags(ids.resource, ["new"]),
    "approve": lambda account, ids: account.approve_annotations(ids.segmentation),
    "export": lambda account, ids: account.export_project("sandbox", ids.folder / "sandbox.zip"),
    "delete annotation": lambda account, ids: account.delete_annotations(ids.segmentation),
    "delete resource": lambda account, ids: account.delete_resources(ids.resource),
    "delete project": lambda account, _: account.delete_project("sandbox"),
}
"""In an order in which each can be done."""
