"""The annotations of an account, as the platform has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from caseferry.files import FileRef
from caseferry_datamint.account.section import Section, several
from caseferry_datamint.client import path_part
from caseferry_datamint.wire.filters import annotation_search
from caseferry_datamint.wire.links import is_gone
from caseferry_datamint.wire.rows import marking

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from caseferry_datamint.wire.entities import Marking


class Annotations(Section):
    """Annotations of whatever resources. Those of a case, in caseferry's words, are in `Item.case`."""

    def annotations(
        self,
        resources: str | Iterable[str] | None = None,
        *,
        kind: str | None = None,
        author: str | None = None,
        from_date: dt.date | str | None = None,
        to_date: dt.date | str | None = None,
        dataset_id: str | None = None,
        worklist: str | None = None,
        status: Literal["new", "published"] | None = None,
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
        status : ``published`` for those that were approved
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
        ids = None if resources is None else several(resources)
        rows = self._client.annotations(ids, annotation_search(filters))
        return (marking(row) for row in rows if not is_gone(row))

    def annotation(self, annotation_id: str) -> Marking:
        """One annotation, as the platform has it.

        Raises
        ------
        NotFound
            There is none, or it is deleted: some servers still answer those.
        """
        target = f"annotations/{path_part(annotation_id)}"
        return marking(self._client.standing_row(target, f"get annotation {annotation_id}"))

    def annotation_file(self, annotation_id: str) -> FileRef:
        """The file of a segmentation, as it is stored: a PNG of one frame, or a NIfTI of a volume.

        Raises
        ------
        NotFound
            There is no such annotation, or it has no file.
        """
        found = self.annotation(annotation_id)
        target = f"annotations/{found.resource}/annotations/{found.id}/file"
        return FileRef(f"datamint:{target}", found.id, opener=lambda: self._client.download(target))

    def approve_annotations(self, annotations: str | Iterable[str]) -> None:
        """Approve annotations by their ids on the platform; see `DatamintDataset.approve_annotations`, too.

        Raises
        ------
        NotFound
            There is no such annotation.
        """
        for aid in several(annotations):
            self._client.change("PATCH", f"annotations/{path_part(aid)}/approve", what=f"approve annotation {aid}")

    def delete_annotations(self, annotations: str | Iterable[str]) -> None:
        """Delete annotations by their ids on the platform; see `DatamintDataset.delete_annotations`, too.

        Raises
        ------
        NotFound
            There is no such annotation.
        """
        for aid in several(annotations):
            self._client.delete(f"annotations/{path_part(aid)}", f"delete annotation {aid}")
