"""What of a case Datamint holds in its own form, and where the rest lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Ellipse, Mask, Track
from caseferry.held import Deviation, Held, Loss, attachments_beside, native, part_of, said_elsewhere
from caseferry.shapes import outline_error, outlined
from caseferry.sidecar import Native, said_beside
from caseferry_datamint.wire import annotations as marks
from caseferry_datamint.wire.address import reason_against_tag
from caseferry_datamint.wire.forms import native_forms
from caseferry_datamint.wire.masks import as_volume, why_not

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.case import Case, Image
    from caseferry.files import FileRef
    from caseferry.mapping import Names
    from caseferry_datamint.wire.standing import Project, Standing

BESIDE = "the first resource's metadata"
"""Where the sidecar lies."""


def image_of(case: Case, annotation: Annotation) -> Image:
    """The image that an annotation lies in; the first one for an annotation of the whole case."""
    return case.image(annotation.image) if annotation.image is not None else case.images[0]


def annotations_held(case: Case, names: Names, project: Project, standing: Standing) -> tuple[Native, list[Held]]:
    """Which annotations have a form of the platform's own, and what becomes of each."""
    there: dict[str, str] = {}
    held: list[Held] = []
    for annotation in case.annotations:
        part = part_of(annotation)
        reason = reason_against(case, annotation, names)
        if reason is None and annotation.id in standing.beside:
            reason = "it lies beside the case that is there"
        if reason is not None:
            held.append(Loss(part, reason, "sidecar", BESIDE))
            continue
        there[annotation.id] = annotation.id
        image = image_of(case, annotation)
        held.append(_converted(part, annotation, image) or native(part, _called(annotation)))
        held += said_elsewhere(annotation, unsaid(annotation, image, project), BESIDE)
    return Native(images={image.role: image.role for image in case.images}, annotations=there), held


def _called(annotation: Annotation) -> str:
    return "segmentations" if isinstance(annotation, Mask) else f"{annotation.kind} annotation"


def _converted(part: str, annotation: Annotation, image: Image) -> Loss | None:
    """What becomes of an annotation that has no form of its own."""
    found = marks.CONVERSIONS.get(annotation.kind)
    if found is None:
        return None
    each = annotation.shapes() if isinstance(annotation, Track) else [annotation]
    errors = (_outline_error(shape, image) for shape in each if isinstance(shape, Ellipse))
    return found.loss(part, Deviation(mm=max(errors, default=0.0)))


def _outline_error(ellipse: Ellipse, image: Image) -> float:
    """How far the region that stands for an ellipse is from it, in millimetres."""
    grid = image.geometry
    assert grid is not None  # noqa: S101  native_form has refused others
    plane = float((ellipse.frame or 0) % grid.shape[2])
    ends = grid.to_patient([[*point[:2], plane] for point in ellipse.points])
    return outline_error(ends, len(outlined(ellipse).points))


def loss_of(annotation: Annotation, reason: str, where: str) -> Loss:
    """The loss of an annotation that has no form of the platform's own."""
    return Loss(part_of(annotation), reason, "sidecar", where)


def reason_against(case: Case, annotation: Annotation, names: Names) -> str | None:
    """Why an annotation has no native form, or None when it has one."""
    image = image_of(case, annotation)
    if isinstance(annotation, Mask):
        return why_not(annotation, image, names)
    forms = native_forms(annotation, image, names)
    return forms if isinstance(forms, str) else None


def unsaid(annotation: Annotation, image: Image, project: Project) -> list[str]:
    """The fields of an annotation with a native form that have no place there."""
    said: set[str] = set()
    if project.model_of(annotation):
        said |= {"source", "model"}
    elif project.import_authors and not (isinstance(annotation, Mask) and as_volume(image)):
        said.add("author")
    return [name for name in said_beside(annotation) if name not in said]


def held_beside(case: Case, overflow: Sequence[FileRef]) -> list[Held]:
    """What becomes of what is neither image nor annotation."""
    lost: list[Held] = [
        Loss(f"value {name!r}", "Datamint has no values of its own", "sidecar", BESIDE) for name in case.values
    ]
    lost += attachments_beside(case, overflow, "Datamint holds no files but images", BESIDE)
    for tag in case.tags:
        part, reason = f"tag {tag!r}", reason_against_tag(tag)
        lost.append(native(part, "a tag of each resource") if reason is None else Loss(part, reason, "sidecar", BESIDE))
    reasons = {
        "title": "Datamint's resources have no title but their file's name",
        "folder": "Datamint has no folders",
        "metadata": "Datamint's metadata are those of a file",
    }
    return lost + [Loss(name, why, "sidecar", BESIDE) for name, why in reasons.items() if getattr(case, name)]
