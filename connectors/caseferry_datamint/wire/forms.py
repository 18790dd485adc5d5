"""The objects that create an annotation of any kind on Datamint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from caseferry.annotation import Raw, Track
from caseferry_datamint.wire.annotations import native_form
from caseferry_datamint.wire.raws import raw_form
from caseferry_datamint.wire.tracks import track_forms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.annotation import Annotation
    from caseferry.case import Image
    from caseferry.mapping import Names


def native_forms(annotation: Annotation, image: Image, names: Names) -> list[tuple[int, dict[str, Any]]] | str:
    """What creates an annotation natively, or why there is no such thing; see `native_form`.

    Returns
    -------
    For each of the platform's annotations that make it the index of the resource among those of the image, and the
    object to send; or the reason in words.
    """
    if isinstance(annotation, Track):
        return track_forms(annotation, image, names)
    form = raw_form(annotation, image, names) if isinstance(annotation, Raw) else native_form(annotation, image, names)
    return form if isinstance(form, str) else [form]


def missing_forms(
    forms: Sequence[tuple[int, dict[str, Any]]], known: Sequence[Mapping[str, Any]], ids: Mapping[int, Any]
) -> list[tuple[int, dict[str, Any]]]:
    """Those of the forms of an annotation that none of its rows stands for.

    Parameters
    ----------
    known : the rows of the annotation
    ids : index of a resource among those of the image to its id
    """
    if len(forms) == 1:
        return [] if known else list(forms)
    there = {(str(row["resource_id"]), row.get("frame_index")) for row in known}
    return [(file, form) for file, form in forms if (str(ids[file]), form["frame_index"]) not in there]
