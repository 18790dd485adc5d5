"""What is done to items that are there: archived, restored, deleted, moved, tagged, moved on, commented on.

Every call names its items. A filter without them would mean every item of the dataset to the platform, so an empty
list asks nothing and does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.connector import Item
from caseferry.errors import ConfigurationError, NotFound, UnsupportedOperation
from caseferry_darwin.wire import comments
from caseferry_darwin.wire.parting import PARTS
from caseferry_darwin.wire.place import PLATFORM
from caseferry_darwin.wire.registering import item_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from caseferry_darwin.client import DarwinClient
    from caseferry_darwin.wire.place import Place

    Items = Item | str | Iterable[Item | str]

AT_ONCE = 500
"""Items in one call: as many as a page of a listing holds."""

STAGES = {"new": "dataset", "annotate": "annotate", "review": "review", "complete": "complete"}
"""Statuses that an item may be given, and the type of the stage of a workflow that gives them."""


class Life:
    """The part of a dataset that changes items which are there. `items` may be one, several, or their ids."""

    if TYPE_CHECKING:
        url: str
        place: Place
        _client: DarwinClient

        def resume(self) -> None:
            """Begin anew after `cancel`."""

    def archive(self, items: Items) -> int:
        """Put items aside: they are listed by ``items(archived=True)`` alone, and come back by `restore`.

        Returns
        -------
        How many the platform says.

        Raises
        ------
        ConfigurationError
            An item is of another dataset; nothing was asked.
        """
        return self._changed("POST", "archive", items)

    def restore(self, items: Items) -> int:
        """Bring archived items back; see `archive`."""
        return self._changed("POST", "restore", items)

    def delete_items(self, items: Items) -> int:
        """Remove items for good, with their annotations; see `archive`. Files in an external storage stay there."""
        return self._changed("DELETE", "", items)

    def move(self, items: Items, folder: str) -> int:
        """Put items into another folder of the dataset; see `archive`.

        A case that was put keeps the folder that it was put with as its own: what is moved reads back from there.
        """
        return self._changed("POST", "path", items, path=item_path(folder.strip("/")))

    def prioritise(self, items: Items, priority: int) -> int:
        """Say in which order items are worked on; see `archive`."""
        return self._changed("POST", "priority", items, priority=priority)

    def tag(self, items: Items, tag: str) -> int:
        """Give items a tag, which must be a class of the team; see `archive`.

        Raises
        ------
        NotFound
            There is no such tag.
        """
        return self._changed("POST", "slots/tags", items, annotation_class_id=self._tag(tag))

    def untag(self, items: Items, tag: str) -> int:
        """Take a tag from items; see `tag`."""
        return self._changed("DELETE", "slots/tags", items, annotation_class_id=self._tag(tag))

    def set_status(self, items: Items, status: str) -> int:
        """Move items to the stage of the dataset's workflow that gives them a status; see `archive`.

        Parameters
        ----------
        status : ``new``, ``annotate``, ``review`` or ``complete``; also ``archived``, and ``restored`` to undo it

        Raises
        ------
        ConfigurationError
            There is no such status.
        UnsupportedOperation
            The dataset has no workflow, or one without such a stage.
        """
        if status in {"archived", "restored"}:
            return self.archive(items) if status == "archived" else self.restore(items)
        if status not in STAGES:
            msg = f"status is {status!r}, expected {', '.join([*STAGES, 'archived', 'restored'])}"
            raise ConfigurationError(msg)
        if not (ids := self._ids(items)):
            return 0
        workflow, stage = self._stage(status)
        return self._changed("POST", "stage", ids, stage_id=stage, workflow_id=workflow)

    def comment(self, item: Item, text: str, box: Sequence[float], *, image: str | None = None) -> None:
        """Open a thread of comments at a place of an item.

        Parameters
        ----------
        box : x and y of the upper left corner, width and height, in pixels as Darwin shows the image
        image : its role; the first image when None

        Raises
        ------
        ConfigurationError
            The box or the text is none; nothing was sent.
        NotFound
            The item has no such image.
        """
        if len(box) != len(comments.SIDES) or not text.strip():
            msg = f"a comment needs a text and a box (x, y, width, height), not {tuple(box)!r}"
            raise ConfigurationError(msg)
        self._ids([item])
        self.resume()
        body = comments.opened(self._slot_of(item, image), [float(side) for side in box], [text])
        self._client.send(comments.open_call(body, 0, self.place, item.id, ()))

    def _slot_of(self, item: Item, role: str | None) -> str:
        native = item.native if item.native and item.native.get("slots") else None
        native = native or self._client.item(self.place.dataset_id, item.id)
        shown = self._shown_roles(native)
        for slot, name in shown.items():
            if role in {None, name}:
                return slot
        detail = f"it has {', '.join(sorted(set(shown.values()))) or 'none that is ready'}"
        raise NotFound(PLATFORM, f"find image {role!r} of item {item.id}", detail)

    def _shown_roles(self, native: Any) -> dict[str, str]:
        """The role of the image in each slot of an item."""
        raise NotImplementedError

    def _changed(self, method: str, what: str, items: Items, **more: Any) -> int:
        ids = self._ids(items)
        if ids:
            self.resume()
        done = 0
        for start in range(0, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            said = self._client.change_items(method, what, self.place.dataset_id, part, more)
            done += len(part) if said is None else said
        return done

    def _ids(self, items: Items) -> list[str]:
        """The ids of items of this dataset, each once."""
        given: Iterator[Item | str] = iter([items] if isinstance(items, Item | str) else items)
        ids: dict[str, None] = {}
        for each in given:
            if isinstance(each, Item) and each.dataset.url != self.url:
                msg = f"item {each.id} is of {each.dataset.url}, not of {self.url}"
                raise ConfigurationError(msg)
            name = each.id if isinstance(each, Item) else each
            if not isinstance(name, str) or not name.strip():
                msg = f"{each!r} is neither an item nor the id of one"
                raise ConfigurationError(msg)
            native = each.native if isinstance(each, Item) and isinstance(each.native, dict) else {}
            ids |= dict.fromkeys([name, *(str(part["id"]) for part in native.get(PARTS, ()))])
        return list(ids)

    def _tag(self, tag: str) -> int:
        known = self.place.classes.known.get((tag, "tag"))
        if known is None:
            names = ", ".join(sorted(self.place.classes.tags())) or "none"
            raise NotFound(PLATFORM, f"find tag {tag!r}", f"the team has {names}; put a case with it to make it")
        return known.id

    def _stage(self, status: str) -> tuple[str, str]:
        """The workflow of the dataset and its first stage that gives a status."""
        workflows = self._client.dataset(self.place.dataset_id).get("workflow_ids") or []
        for workflow in workflows:
            for stage in self._client.workflow(str(workflow)).get("stages") or ():
                if stage.get("type") == STAGES[status]:
                    return str(workflow), str(stage["id"])
        what = f"set the status {status!r}"
        missing = "its workflow has no such stage" if workflows else "the dataset has no workflow"
        raise UnsupportedOperation(PLATFORM, what, f"{missing}; attach one in Darwin")
