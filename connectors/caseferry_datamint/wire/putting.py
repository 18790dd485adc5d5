"""A case as the calls that bring it to a Datamint project."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from caseferry.annotation import Annotation, Ellipse, Mask
from caseferry.capability import Conversion
from caseferry.errors import Inexpressible, Problem
from caseferry.files import FileRef, made
from caseferry.geometry import as_stored
from caseferry.held import Deviation, Held, Loss, native, part_of
from caseferry.imaging.convert import NIFTI_ERROR, nifti_error, write_nifti, write_png
from caseferry.imaging.kinds import MEDIA_TYPES, Format, Kind
from caseferry.plan import Call, Given, Part, Plan, Repeat, Reply
from caseferry.shapes import outline_error, outlined
from caseferry.sidecar import KEY, Native, build
from caseferry_datamint.wire import annotations as marks
from caseferry_datamint.wire.address import Address, case_tag, reason_against_tag
from caseferry_datamint.wire.annotations import SEGMENTATION, link, native_form
from caseferry_datamint.wire.frames import Place
from caseferry_datamint.wire.masks import NIFTI, PNG, as_volume, frames_of, volume_file, why_not

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case, Image
    from caseferry.mapping import Names

BESIDE = "the first resource's metadata"
"""Where the sidecar lies."""

CONVERSIONS = {
    kind: Conversion("NIfTI, with every voxel and the same affine", f"Datamint does not show {kind}", NIFTI_ERROR)
    for kind in (Kind.METAIMAGE, Kind.NRRD)
}
"""Kinds of images that the platform does not show, and what becomes of them."""

RESOURCES_AT_ONCE = 500
"""How many resources one request adds to a project."""


@dataclass(frozen=True)
class Project:
    """What of a project the calls need.

    Attributes
    ----------
    id : its id
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


@dataclass
class Standing:
    """What of a case stands on the platform.

    Attributes
    ----------
    resources : index of image and file to the resource's id
    in_project : ids of resources that are in the project
    annotations : ids, in the case, of annotations that are there
    files : ids of annotations there whose file is missing
    fingerprint : of the case as it was put
    revised : whether its annotations were changed since: then none of them is missing
    """

    resources: dict[tuple[int, int], str] = field(default_factory=dict)
    in_project: set[str] = field(default_factory=set)
    annotations: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    fingerprint: str = ""
    revised: bool = False


def plan_case(
    case: Case, project: Project, names: Names, dataset: str, standing: Standing, *, limit: int, allow_spare: bool
) -> tuple[Plan, list[FileRef]]:
    """The calls that bring a sealed case, or what is missing of it, to a project.

    Raises
    ------
    Inexpressible
        The case has no images, or files find no place on the platform and `allow_spare` is False.
    """
    if not case.images:
        raise Inexpressible(case.id, [Problem("images", "is empty; Datamint holds images", "give at least one")])
    standing_there, held = _native(case, names)
    sidecar, overflow = build(case, standing_there, limit)
    held = [*map(_image_held, case.images), *held, *_beside(case, overflow)]
    if overflow and not allow_spare:
        problems = [
            Problem(f"file {ref.name!r}", f"finds no room beside the case: {ref.length()} bytes, {limit} are left")
            for ref in overflow
        ]
        raise Inexpressible(case.id, problems)
    calls = list(_uploads(case, project, names, standing, sidecar))
    calls += _joining(project, standing, calls)
    if not standing.revised:
        calls += annotation_calls(case, case.annotations, There(names, project, _ids(case, standing), standing))
    adopts = standing.resources.get((0, 0)) if standing.resources else None
    bindings = {"resource 0 0": adopts} if adopts else {}
    bindings |= {f"resource {image} {file}": rid for (image, file), rid in standing.resources.items()}
    plan = Plan(
        dataset=dataset, case_id=case.id, calls=tuple(calls), held=tuple(held), adopts=adopts, bindings=bindings
    )
    return plan, overflow


# -- files ---------------------------------------------------------------------------------------------------------


def stored_files(image: Image) -> list[FileRef]:
    """The files that an image becomes: its own, or the one that it is converted to."""
    if image.kind not in CONVERSIONS:
        return list(image.files)
    grid, header = image.geometry, image.header
    assert grid is not None  # noqa: S101  both kinds always have one
    stem = PurePosixPath(image.files[0].name).stem
    if _as_picture(image):

        def draw(out: BinaryIO) -> None:
            write_png(out, image.planes(), header.dtype, header.channels)

        return [made(draw, f"{stem}.png", media_type=PNG)]

    def make(out: BinaryIO) -> None:
        write_nifti(out, image.planes(), as_stored(grid), header.dtype, channels=header.channels)

    return [made(make, f"{stem}.nii.gz", media_type=NIFTI)]


def _as_picture(image: Image) -> bool:
    """Whether an image is a photograph that passed through a format for volumes."""
    grid, header = image.geometry, image.header
    depth = (header.dtype, header.channels)
    return (
        grid is not None
        and grid.space == "pixel"
        and grid.planes == 1
        and depth in {("uint8", 1), ("uint16", 1), ("uint8", 3), ("uint8", 4)}
    )


def _image_held(image: Image) -> Held:
    """What becomes of an image."""
    part, found, grid = f"image {image.role!r}", CONVERSIONS.get(image.kind), image.geometry
    if found is None or grid is None:
        return native(part, "a resource" if len(image.files) == 1 else f"{len(image.files)} resources")
    if _as_picture(image):
        return replace(found, into="PNG, with every pixel").loss(part)
    return found.loss(part, Deviation(mm=nifti_error(as_stored(grid))))


def media_type(image: Image, ref: FileRef) -> str:
    """The media type that the platform goes by, told from the kind and never guessed from a name alone."""
    if ref.media_type:
        return ref.media_type
    by_kind = {
        Kind.DICOM_SERIES: Format.DICOM,
        Kind.DICOM_MULTIFRAME: Format.DICOM,
        Kind.NIFTI: Format.NIFTI,
        Kind.VIDEO: Format.MP4,
        Kind.PDF: Format.PDF,
        Kind.WSI: Format.TIFF,
    }
    if image.kind in by_kind:
        return MEDIA_TYPES[by_kind[image.kind]]
    from caseferry.imaging.reading import format_of

    return MEDIA_TYPES[format_of(ref)]


def _uploads(case: Case, project: Project, names: Names, standing: Standing, sidecar: Mapping[str, Any]) -> list[Call]:
    """One call for each file that is not there yet; the first carries the sidecar."""
    tags = [tag for tag in case.tags if reason_against_tag(tag) is None] + [case_tag(case.id)]
    calls = []
    for number, image in enumerate(case.images):
        for index, ref in enumerate(stored_files(image)):
            if (number, index) in standing.resources:
                continue
            address = Address(project.id, case.id, number, image.role, index)
            own: dict[str, Any] = {"case": case.id, "role": image.role, "file": index}
            if ref.sha256:
                own["sha256"] = ref.sha256
            if address.lead:
                own["sidecar"] = sidecar
            mime = media_type(image, ref)
            form: list[tuple[str, Any]] = [("source", "api"), ("source_filepath", address.path()), ("mimetype", mime)]
            if channel := names.images.get(image.role, project.channel or ""):
                form.append(("channel", channel))
            if image.modality:
                form.append(("modality", image.modality))
            form += [
                ("bypass_inbox", "true" if project.publish else "false"),
                ("tags", ",".join(tags)),
                ("metadata", {KEY: own}),
            ]
            calls.append(
                Call(
                    name=f"upload {number} {index}",
                    method="POST",
                    target="resources",
                    form=tuple(form),
                    files=(Part(ref, field="resource", name=ref.name, media_type=mime),),
                    gives=(f"resource {number} {index}",),
                    read=_reads_id(f"resource {number} {index}"),
                    after=() if address.lead or (0, 0) in standing.resources else ("upload 0 0",),
                    repeat=Repeat.DETECTABLE,
                    purpose=f"upload a file of image {image.role!r}",
                )
            )
    return calls


def _reads_id(name: str) -> Any:
    def read(reply: Reply) -> dict[str, Any]:
        return {name: reply.body["id"]}

    return read


def _joining(project: Project, standing: Standing, uploads: Sequence[Call]) -> list[Call]:
    """The calls that add resources to the project."""
    ids: list[Any] = [rid for rid in standing.resources.values() if rid not in standing.in_project]
    ids += [Given(call.gives[0]) for call in uploads]
    return [
        Call(
            name=f"join {start}",
            method="POST",
            target=f"projects/{project.id}/resources",
            body={"resource_ids_to_add": ids[start : start + RESOURCES_AT_ONCE], "all_files_selected": False},
            purpose="add to the project",
        )
        for start in range(0, len(ids), RESOURCES_AT_ONCE)
    ]


def _ids(case: Case, standing: Standing) -> dict[tuple[str, int], Any]:
    """Role and file index to the id of the resource, or the place where it will be given."""
    return {
        (image.role, index): standing.resources.get((number, index), Given(f"resource {number} {index}"))
        for number, image in enumerate(case.images)
        for index in range(len(image.files) if image.kind not in CONVERSIONS else 1)
    }


# -- annotations ---------------------------------------------------------------------------------------------------


def image_of(case: Case, annotation: Annotation) -> Image:
    """The image that an annotation lies in; the first one for an annotation of the whole case."""
    return case.image(annotation.image) if annotation.image is not None else case.images[0]


def _native(case: Case, names: Names) -> tuple[Native, list[Held]]:
    """Which annotations have a form of the platform's own, and what becomes of each."""
    there: dict[str, str] = {}
    held: list[Held] = []
    for annotation in case.annotations:
        part = part_of(annotation)
        if (reason := reason_against(case, annotation, names)) is not None:
            held.append(Loss(part, reason, "sidecar", BESIDE))
            continue
        there[annotation.id] = annotation.id
        held.append(_converted(part, annotation, image_of(case, annotation)) or native(part, _called(annotation)))
    return Native(images={image.role: image.role for image in case.images}, annotations=there), held


def _called(annotation: Annotation) -> str:
    return "segmentations" if isinstance(annotation, Mask) else f"{annotation.kind} annotation"


def _converted(part: str, annotation: Annotation, image: Image) -> Loss | None:
    """What becomes of an annotation that has no form of its own."""
    found, grid = marks.CONVERSIONS.get(annotation.kind), image.geometry
    if found is None or grid is None or not isinstance(annotation, Ellipse):
        return None
    plane = float((annotation.frame or 0) % grid.shape[2])
    ends = grid.to_patient([[*point[:2], plane] for point in annotation.points])
    return found.loss(part, Deviation(mm=outline_error(ends, len(outlined(annotation).points))))


def loss_of(annotation: Annotation, reason: str, where: str) -> Loss:
    """The loss of an annotation that has no form of the platform's own."""
    return Loss(part_of(annotation), reason, "sidecar", where)


def reason_against(case: Case, annotation: Annotation, names: Names) -> str | None:
    """Why an annotation has no native form, or None when it has one."""
    image = image_of(case, annotation)
    if isinstance(annotation, Mask):
        return why_not(annotation, image, names)
    form = native_form(annotation, image, names)
    return form if isinstance(form, str) else None


def _beside(case: Case, overflow: Sequence[FileRef]) -> list[Held]:
    """What becomes of what is neither image nor annotation."""
    lost: list[Held] = [
        Loss(f"value {name!r}", "Datamint has no values of its own", "sidecar", BESIDE) for name in case.values
    ]
    over = {ref.measured().sha256 for ref in overflow}
    for attachment in case.attachments:
        kept = attachment.file.measured().sha256 not in over
        lost.append(
            Loss(
                f"attachment {attachment.name!r}",
                "Datamint holds no files but images" if kept else "it is too large to lie beside the image",
                "sidecar" if kept else "journal",
                BESIDE if kept else "the journal's folder",
            )
        )
    for tag in case.tags:
        part, reason = f"tag {tag!r}", reason_against_tag(tag)
        lost.append(native(part, "a tag of each resource") if reason is None else Loss(part, reason, "sidecar", BESIDE))
    reasons = {
        "title": "Datamint's resources have no title but their file's name",
        "folder": "Datamint has no folders",
        "metadata": "Datamint's metadata are those of a file",
    }
    return lost + [Loss(name, why, "sidecar", BESIDE) for name, why in reasons.items() if getattr(case, name)]


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
        if model := self.model(annotation):
            more |= {"model_id": model, "is_model": True}
        elif self.project.import_authors and annotation.author:
            more["import_author"] = annotation.author
        return {**form, "imported_from": link(annotation.id, self.revision), **more}

    def model(self, annotation: Annotation) -> str | None:
        """The model in whose name an annotation is put; None for one that a person made."""
        return annotation.model if self.project.import_authors and annotation.source == "model" else None


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
        elif not known:
            form = native_form(annotation, image, there.names)
            assert not isinstance(form, str)  # noqa: S101  reason_against has asked
            forms.setdefault((image.role, form[0]), []).append(there.form(form[1], annotation))
    for (role, file), objects in forms.items():
        calls.append(
            Call(
                name=f"annotate {role} {file}",
                method="POST",
                target=f"annotations/{there.ids[role, file]}/annotations",
                body=objects,
                repeat=Repeat.DETECTABLE,
                purpose=f"annotate image {role!r}",
            )
        )
    return calls


def _volume_call(mask: Mask, image: Image, there: There) -> Call:
    ref = volume_file(mask, image)
    form: list[tuple[str, Any]] = [("source", "imported"), ("imported_from", link(mask.id, there.revision))]
    if model := there.model(mask):
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
    return f"mask {mask.id} {place.file} {place.frame} {quote(label)}"


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
        return dict(zip(names, reply.body, strict=True))

    return read
