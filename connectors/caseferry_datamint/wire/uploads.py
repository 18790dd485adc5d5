"""The files of a case as resources: what each image becomes, and the calls that upload them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from caseferry.capability import Conversion
from caseferry.files import FileRef, file_name, made
from caseferry.geometry import as_stored
from caseferry.held import Deviation, Held, native
from caseferry.imaging.convert import NIFTI_ERROR, nifti_error, write_nifti, write_png
from caseferry.imaging.kinds import MEDIA_TYPES, Format, Kind
from caseferry.plan import Call, Given, Part, Repeat, Reply
from caseferry.sidecar import KEY
from caseferry_datamint.wire.address import Address, case_tag, reason_against_tag
from caseferry_datamint.wire.answers import made_id
from caseferry_datamint.wire.masks import NIFTI, PNG

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from caseferry.case import Case, Image
    from caseferry.mapping import Names
    from caseferry_datamint.wire.standing import Project, Standing

CONVERSIONS = {
    kind: Conversion("NIfTI, with every voxel and the same affine", f"Datamint does not show {kind}", NIFTI_ERROR)
    for kind in (Kind.METAIMAGE, Kind.NRRD)
}
"""Kinds of images that the platform does not show, and what becomes of them."""

TOLD_BY_THE_PLATFORM = frozenset(
    {KEY, "width", "height", "frame_count", "streams", "dims", "dim", "pixDims", "affine", "qformCode", "sformCode"}
    | {"datatype", "voxOffset", "description"}
)
"""Names in a resource's metadata that the platform fills from the file; a case's own of these are in the sidecar."""

RESOURCES_AT_ONCE = 500
"""How many resources one request adds to a project."""


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

        return [made(draw, file_name(stem, ".png"), media_type=PNG)]

    def make(out: BinaryIO) -> None:
        write_nifti(out, image.planes(), as_stored(grid), header.dtype, channels=header.channels)

    return [made(make, file_name(stem, ".nii.gz"), media_type=NIFTI)]


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


def image_held(image: Image) -> Held:
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


def uploads(case: Case, project: Project, names: Names, standing: Standing, sidecar: Mapping[str, Any]) -> list[Call]:
    """One call for each file that is not there yet; the first carries the sidecar."""
    tags = [tag for tag in case.tags if reason_against_tag(tag) is None] + [case_tag(case.id)]
    calls = []
    for number, image in enumerate(case.images):
        for index, ref in enumerate(stored_files(image)):
            if (number, index) in standing.resources:
                continue
            address = Address(standing.origin or project.id, case.id, number, image.role, index)
            own: dict[str, Any] = {"case": case.id, "role": image.role, "file": index}
            if ref.sha256:
                own["sha256"] = ref.sha256
            shown: dict[str, Any] = {}
            if address.lead:
                own["sidecar"] = sidecar
                shown = {name: value for name, value in case.metadata.items() if name not in TOLD_BY_THE_PLATFORM}
            mime = media_type(image, ref)
            form: list[tuple[str, Any]] = [("source", "api"), ("source_filepath", address.path()), ("mimetype", mime)]
            if channel := names.images.get(image.role, project.channel or ""):
                form.append(("channel", channel))
            if image.modality:
                form.append(("modality", image.modality))
            form += [
                ("bypass_inbox", "true" if project.publish else "false"),
                ("tags", ",".join(tags)),
                ("metadata", {**shown, KEY: own}),
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
        return {name: made_id(reply.body, "upload a file")}

    return read


def joining(project: Project, standing: Standing, uploads: Sequence[Call]) -> list[Call]:
    """The calls that add resources to the project."""
    if not project.id:
        return []
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


def resource_ids(case: Case, standing: Standing) -> dict[tuple[str, int], Any]:
    """Role and file index to the id of the resource, or the place where it will be given."""
    return {
        (image.role, index): standing.resources.get((number, index), Given(f"resource {number} {index}"))
        for number, image in enumerate(case.images)
        for index in range(len(image.files) if image.kind not in CONVERSIONS else 1)
    }
