"""The calls that create annotations of a case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from caseferry.annotation import Annotation, Mask
from caseferry.files import FileRef
from caseferry.plan import Call, Given, Part, Repeat, Reply
from caseferry_datamint.wire.answers import made_ids
from caseferry_datamint.wire.forms import missing_forms, native_forms
from caseferry_datamint.wire.frames import Place
from caseferry_datamint.wire.holding import image_of, reason_against
from caseferry_datamint.wire.links import link
from caseferry_datamint.wire.masks import NIFTI, PNG, SEGMENTATION, as_volume, frames_of, volume_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case, Image
    from caseferry.mapping import Names
    from caseferry_datamint.wire.standing import Project, Standing

FORMS_AT_ONCE = 1000
"""How many annotations one request creates."""


@dataclass(frozen=True, slots=True)
class There:
    """Where annotations go.

    Attributes
    ----------
    ids : role and file index to the id of the resource, or the place where it will be given
    standing : what of the case stands there already
    revision : the number of the revision that they come with; 0 when they come with their case or are added to it
    """

    names: Names
    project: Project
    ids: Mapping[tuple[str, int], Any]
    standing: Standing
    revision: int = 0

    def form(self, form: dict[str, Any], annotation: Annotation) -> dict[str, Any]:
        """An annotation's form with the worklist through which it counts in the project, and with who made it."""
        more: dict[str, Any] = {"annotation_worklist_id": self.project.worklist} if self.project.worklist else {}
        if model := self.project.model_of(annotation):
            more |= {"model_id": model, "is_model": True}
        elif self.project.import_authors and annotation.author:
            more["import_author"] = annotation.author
        return {**form, "imported_from": link(annotation.id, self.revision), **more}


def annotation_calls(case: Case, annotations: Sequence[Annotation], there: There) -> list[Call]:
    """The calls that create the native annotations that are not there yet."""
    calls: list[Call] = []
    forms: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for annotation in annotations:
        image = image_of(case, annotation)
        known = there.standing.annotations.get(annotation.id, [])
        if reason_against(case, annotation, there.names) is not None:
            continue
        if isinstance(annotation, Mask) and as_volume(image):
            calls += [] if known else [_volume_call(annotation, image, there)]
        elif isinstance(annotation, Mask):
            calls += _frame_calls(annotation, image, there, known)
        else:
            own = native_forms(annotation, image, there.names)
            assert not isinstance(own, str)  # noqa: S101  reason_against has asked
            ids = {file: there.ids[image.role, file] for file, _ in own}
            for file, form in missing_forms(own, known, ids):
                forms.setdefault((image.role, file), []).append(there.form(form, annotation))
    return calls + [
        Call(
            name=f"annotate {role} {file} {start}",
            method="POST",
            target=f"annotations/{there.ids[role, file]}/annotations",
            body=objects[start : start + FORMS_AT_ONCE],
            repeat=Repeat.DETECTABLE,
            purpose=f"annotate image {role!r}",
        )
        for (role, file), objects in forms.items()
        for start in range(0, len(objects), FORMS_AT_ONCE)
    ]


def _volume_call(mask: Mask, image: Image, there: There) -> Call:
    ref = volume_file(mask, image)
    form: list[tuple[str, Any]] = [("source", "imported"), ("imported_from", link(mask.id, there.revision))]
    if model := there.project.model_of(mask):
        form.append(("model_id", model))
    if there.project.worklist:
        form.append(("annotation_worklist_id", there.project.worklist))
    labels = {str(value): there.names.label(name) for value, name in mask.labels.items()}
    form.append(("segmentation_map", labels))
    return Call(
        name=f"segment {mask.id}",
        method="POST",
        target=f"annotations/{there.ids[image.role, 0]}/segmentations/file",
        form=tuple(form),
        files=(Part(ref, field="file", name=ref.name, media_type=NIFTI),),
        repeat=Repeat.DETECTABLE,
        purpose=f"the mask of image {image.role!r}",
    )


def _frame_calls(mask: Mask, image: Image, there: There, known: Sequence[Mapping[str, Any]]) -> list[Call]:
    """For each plane a call that creates an annotation of each label, and a call for the file of each."""
    rows = {(row["resource_id"], row.get("frame_index"), row.get("identifier")): row for row in known}
    by_place: dict[tuple[int, int], list[tuple[str, bytes]]] = {}
    for frame in frames_of(mask, image):
        by_place.setdefault((frame.file, frame.frame), []).append((there.names.label(frame.label), frame.png))
    calls: list[Call] = []
    for (file, number), labels in by_place.items():
        rid = there.ids[image.role, file]
        missing = [label for label, _ in labels if (rid, number, label) not in rows]
        if missing:
            calls.append(_outline_call(mask, image, there, Place(file, number), missing))
        for label, png in labels:
            row = rows.get((rid, number, label))
            if row is not None and (row.get("file") or row.get("associated_file")):
                continue
            own = row["id"] if row is not None else Given(_given_name(mask, Place(file, number), label))
            ref = FileRef.of_bytes(png, "mask.png", PNG)
            calls.append(
                Call(
                    name=f"fill {mask.id} {file} {number} {label}",
                    method="POST",
                    target=f"annotations/{rid}/annotations/{own}/file",
                    files=(Part(ref, field="file", name=label, media_type=PNG),),
                    purpose=f"the mask of image {image.role!r}, its pixels",
                )
            )
    return calls


def _given_name(mask: Mask, place: Place, label: str) -> str:
    return f"mask {quote(mask.id)} {place.file} {place.frame} {quote(label)}"


def _outline_call(mask: Mask, image: Image, there: There, place: Place, labels: Sequence[str]) -> Call:
    """The call that creates the annotations of one plane; their files follow."""
    gives = tuple(_given_name(mask, place, label) for label in labels)
    objects = [
        there.form(
            {
                "type": SEGMENTATION,
                "identifier": label,
                "scope": "frame",
                "frame_index": place.frame,
                "source": "imported",
            },
            mask,
        )
        for label in labels
    ]
    return Call(
        name=f"outline {mask.id} {place.file} {place.frame}",
        method="POST",
        target=f"annotations/{there.ids[image.role, place.file]}/annotations",
        body=objects,
        gives=gives,
        read=_reads_ids(gives),
        repeat=Repeat.DETECTABLE,
        purpose=f"the mask of image {image.role!r}",
    )


def _reads_ids(names: Sequence[str]) -> Any:
    def read(reply: Reply) -> dict[str, Any]:
        return dict(zip(names, made_ids(reply.body, len(names), "annotate"), strict=True))

    return read
