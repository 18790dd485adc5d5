"""The annotations of an account, as the platform has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from caseferry_datamint.account.section import Section, several
from caseferry_datamint.client import path_part
from caseferry_datamint.wire.filters import annotation_search
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
        from_date: dt.date | None = None,
        to_date: dt.date | None = None,
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
        return map(marking, self._client.annotations(ids, annotation_search(filters)))

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
