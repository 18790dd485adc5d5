"""Ways to find resources and annotations without looking at all of them.

The index is made from the state and holds nothing that the state does not, so a restarted sandbox makes it anew.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

Record = dict[str, Any]
Ids = dict[str, None]
"""A set of ids that keeps the order of creation."""


class Index:
    """Ids by what they are looked up by.

    Attributes
    ----------
    by_filename, by_tag, by_channel : ids of resources, deleted ones among them
    annotations : ids of annotations by resource, deleted ones among them
    on_worklist : how many annotations each resource has on each worklist, deleted ones left out
    """

    def __init__(self, state: Record) -> None:
        self.state = state
        self.by_filename: defaultdict[str, Ids] = defaultdict(dict)
        self.by_tag: defaultdict[str, Ids] = defaultdict(dict)
        self.by_channel: defaultdict[str, Ids] = defaultdict(dict)
        self.annotations: defaultdict[str, Ids] = defaultdict(dict)
        self.on_worklist: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for resource in state["resources"].values():
            self.add_resource(resource)
        for annotation in state["annotations"].values():
            self.add_annotation(annotation)

    def add_resource(self, resource: Record) -> None:
        """Take in a new resource."""
        self.by_filename[resource["filename"]][resource["id"]] = None
        self.by_channel[resource["upload_channel"]][resource["id"]] = None
        for tag in resource["tags"]:
            self.by_tag[tag][resource["id"]] = None

    def retag(self, resource: Record, tags: list[str]) -> None:
        """Give a resource other tags."""
        for tag in resource["tags"]:
            self.by_tag[tag].pop(resource["id"], None)
        resource["tags"] = tags
        for tag in tags:
            self.by_tag[tag][resource["id"]] = None

    def add_annotation(self, annotation: Record) -> None:
        """Take in a new annotation."""
        self.annotations[annotation["resource_id"]][annotation["id"]] = None
        if not annotation["deleted"]:
            self._count(annotation, 1)

    def drop_annotation(self, annotation: Record) -> None:
        """Count an annotation no more, because it was deleted."""
        self._count(annotation, -1)

    def move_annotation(self, annotation: Record, worklist_id: str | None) -> None:
        """Put an annotation on another worklist."""
        self._count(annotation, -1)
        annotation["annotation_worklist_id"] = worklist_id
        self._count(annotation, 1)

    def _count(self, annotation: Record, change: int) -> None:
        if annotation["annotation_worklist_id"] is None:
            return
        counts = self.on_worklist[annotation["annotation_worklist_id"]]
        resource_id = annotation["resource_id"]
        counts[resource_id] = counts.get(resource_id, 0) + change
        if not counts[resource_id]:
            del counts[resource_id]
