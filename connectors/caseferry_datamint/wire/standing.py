"""What of a project, and of a case that stands there, the calls that put one need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.annotation import Annotation


@dataclass(frozen=True)
class Project:
    """What of a project the calls need.

    Attributes
    ----------
    id : its id; empty for what is in no project
    worklist : the worklist through which annotations count in the project; None when it has none
    channel : the channel in which resources are put
    publish : whether resources are published at once
    import_authors : whether annotations are put in the names of the people and models that made them
    """

    id: str
    name: str = ""
    worklist: str | None = None
    channel: str | None = None
    publish: bool = True
    import_authors: bool = False

    def model_of(self, annotation: Annotation) -> str | None:
        """The model in whose name an annotation is put; None for one that a person made."""
        return annotation.model if self.import_authors and annotation.source == "model" else None


@dataclass
class Standing:
    """What of a case stands on the platform.

    Attributes
    ----------
    origin : id of the project that the case was put into at first, by which its resources know each other
    resources : index of image and file to the resource's id
    in_project : ids of resources that are in the project
    annotations : by what each is known there (see `link_of`), the rows of the platform that make it
    beside : ids of annotations that lie in the sidecar alone, and stay there
    fingerprint : of the case as it was put
    revised : whether its annotations were changed since: then none of them is missing
    """

    origin: str = ""
    resources: dict[tuple[int, int], str] = field(default_factory=dict)
    in_project: set[str] = field(default_factory=set)
    annotations: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    fingerprint: str = ""
    revised: bool = False
