"""Looking into a case before it goes anywhere: every file opened, every grid compared, every problem listed.

A sealed case is the same case with what its files say written into it: kinds, grids, sizes, digests. What is wrong
is found here, before anything is planned or sent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Mask, Placed, Polygon, Track
from caseferry.case.case import Attachment, Case
from caseferry.case.image import Image
from caseferry.case.placement import placement, unnamed_values
from caseferry.case.told import (
    identifying_names,
    identifying_texts,
    names_of,
    names_of_annotations,
    texts_of,
    texts_of_annotations,
)
from caseferry.errors import IdentifiableData, InvalidCase, Problem
from caseferry.files import FileProblem, FileRef
from caseferry.imaging.header import Header, ImageProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from caseferry.geometry import Geometry


def seal(case: Case) -> Case:
    """Check a case against its files.

    Returns
    -------
    An equal case whose images say their kind, grid and modality, whose local files say their size and SHA-256, and
    whose headers need not be read again.

    Raises
    ------
    InvalidCase
        A file is missing, damaged or not what it should be, files do not make one image, a mask does not lie on its
        image, or a plane does not exist; every problem is listed, with the file and the remedy.
    MissingDependency
        An optional package is needed to look into a file.
    TypeError
        It is no case.
    """
    given: object = case
    if not isinstance(given, Case):
        msg = f"expected a Case, and got {type(given).__name__}"
        raise TypeError(msg)
    problems: list[Problem] = []
    images = [_sealed_image(image, problems) for image in case.images]
    by_role = {image.role: image for image in images if image is not None}
    annotations = [
        _sealed_annotation(index, annotation, by_role, problems) for index, annotation in enumerate(case.annotations)
    ]
    attachments = []
    for attachment in case.attachments:
        try:
            attachments.append(Attachment(attachment.name, _measured(attachment.file)))
        except FileProblem as error:
            problems.append(Problem(f"attachment {attachment.name!r}", str(error)))
    if problems:
        raise InvalidCase(case.id, problems)
    sealed = [image for image in images if image is not None]
    return replace(case, images=sealed, annotations=annotations, attachments=attachments)


def seal_annotations(case: Case, written: Collection[str]) -> Case:
    """Check some annotations of a case against its images, which are taken for what the case says of them.

    Parameters
    ----------
    case : its images may stand on a platform: none is looked into whose grid the case tells
    written : ids of the annotations

    Raises
    ------
    InvalidCase
        One does not fit its image; all of it is listed.
    """
    problems: list[Problem] = []
    images = {image.role: image for image in case.images}
    annotations = []
    for index, annotation in enumerate(case.annotations):
        if annotation.id not in written:
            annotations.append(annotation)
            continue
        try:
            annotations.append(_sealed_annotation(index, annotation, images, problems))
        except (ImageProblem, FileProblem) as error:
            problems.append(Problem(f"image {annotation.image!r}", str(error)))
    if problems:
        raise InvalidCase(case.id, problems)
    return replace(case, annotations=annotations)


def identifying(case: Case) -> list[Problem]:
    """What in a sealed case identifies a person: attributes by name, never their values."""
    from caseferry.imaging.reading import identifying_fields

    found = {f"image {image.role!r}": image.header.identifying for image in case.images}
    found |= _fields_of_masks(case.annotations)
    found |= {f"attachment {each.name!r}": identifying_fields(each.file) for each in case.attachments}
    return _identified(found) + identifying_names(names_of(case)) + identifying_texts(texts_of(case))


def _fields_of_masks(annotations: Iterable[Annotation]) -> dict[str, tuple[str, ...]]:
    from caseferry.imaging.reading import read_header

    return {f"mask {a.id}": read_header([a.file]).identifying for a in annotations if isinstance(a, Mask)}


def _identified(fields: Mapping[str, Sequence[str]]) -> list[Problem]:
    remedy = "say phi='remove' to send the files without them, or phi='keep' if they may be sent"
    return [Problem(where, f"holds values in {', '.join(found)}", remedy) for where, found in fields.items() if found]


def refuse_identifying(case: Case) -> None:
    """Stop a sealed case that identifies a person.

    Raises
    ------
    IdentifiableData
        It does; the message names the attributes, not the values.
    """
    if problems := identifying(case):
        raise IdentifiableData(case.id, problems)


def refuse_identifying_annotations(case_id: str, annotations: Sequence[Annotation]) -> None:
    """Stop annotations that identify a person, as `refuse_identifying` does a case."""
    found = _identified(_fields_of_masks(annotations))
    found += identifying_names(names_of_annotations(annotations)) + identifying_texts(texts_of_annotations(annotations))
    if found:
        raise IdentifiableData(case_id, found)


def _measured(ref: FileRef) -> FileRef:
    """With size and digest where the file is at hand; a remote file is not fetched for it.

    Raises
    ------
    FileProblem
        The file is not there, or another one than its description tells.
    """
    if ref.path is None:
        return ref.measured() if ref.scheme == "data" else ref
    found = replace(ref, size=None, sha256=None).measured()
    for what, told, is_now in (("size", ref.size, found.size), ("SHA-256", ref.sha256, found.sha256)):
        if told is not None and told != is_now:
            msg = (
                f"the file {ref.location!r} was changed: its {what} is {is_now}, and its description says {told}; "
                "if the change is meant, take size and sha256 out of the description"
            )
            raise FileProblem(msg)
    return found


def _sealed_image(image: Image, problems: list[Problem]) -> Image | None:
    where = f"image {image.role!r}"
    try:
        header = image.header
        sealed = Image(
            image.role,
            [_measured(ref) for ref in image.files],
            kind=header.kind,
            geometry=_understood(image, header),
            modality=image.modality,
            layout=header.layout or None,
        )
    except (ImageProblem, FileProblem) as error:
        remedy = getattr(error, "remedy", "")
        file = getattr(error, "file", "")
        what = getattr(error, "what", "")
        problems.append(Problem(where, f"{file} {what}" if file else str(error), remedy))
        return None
    sealed.__dict__["header"] = header
    return sealed


def _understood(image: Image, header: Header) -> Geometry | None:
    """The declared grid where one is declared and has the planes of the file, else the file's own."""
    declared, found = image.declared_geometry, header.geometry
    if declared is None or found is None:
        return found
    if declared.planes != found.planes or declared.shape[:2] != found.shape[:2]:
        what = f"is declared as {declared.shape} of {declared.frames} frames; the files hold {found.shape}"
        raise ImageProblem("the grid", f"{what} of {found.frames}", "leave geometry= out to take what the files say")
    return declared


def _sealed_annotation(
    index: int, annotation: Annotation, images: dict[str, Image], problems: list[Problem]
) -> Annotation:
    where = f"annotations[{index}] ({annotation.kind} {annotation.label!r})"
    image = images.get(annotation.image or "")
    if image is None:
        return annotation
    if image.geometry is None:
        if isinstance(annotation, Placed | Polygon | Mask | Track) or annotation.frame is not None:
            problems.append(Problem(where, f"lies in image {image.role!r}, which has no grid"))
        return annotation
    planes = image.geometry.planes
    if annotation.frame is not None and annotation.frame >= planes:
        problems.append(Problem(f"{where}.frame", f"is {annotation.frame}; image {image.role!r} has {planes} planes"))
    if isinstance(annotation, Track):
        last = max(*(keyframe.frame or 0 for keyframe in annotation.keyframes), annotation.ranges[-1][1])
        if last >= planes:
            problems.append(Problem(where, f"reaches to frame {last}; image {image.role!r} has {planes} planes"))
    if isinstance(annotation, Placed | Polygon):
        if annotation.dimensions == 2 and annotation.frame is None and planes > 1:
            what = f"is missing: image {image.role!r} has {planes} planes"
            problems.append(Problem(f"{where}.frame", what, "say which plane, or give (column, row, slice)"))
        return annotation
    if isinstance(annotation, Mask):
        try:
            return _sealed_mask(annotation, image)
        except (ImageProblem, FileProblem) as error:
            problems.append(Problem(where, str(error)))
    return annotation


def _sealed_mask(mask: Mask, image: Image) -> Mask:
    from caseferry.imaging.picture import numbers_of
    from caseferry.imaging.reading import read_header

    header = read_header([mask.file])
    if (numbers := numbers_of(mask.file, header)) is not mask.file:
        mask, header = replace(mask, file=numbers), read_header([numbers])
    placement(mask, header, image)
    if unnamed := unnamed_values(mask, header):
        shown = ", ".join(map(str, unnamed[:10])) + ("…" if len(unnamed) > 10 else "")
        raise ImageProblem(
            mask.file.name, f"holds voxels of value {shown}, which labels does not name", "name every value"
        )
    return replace(mask, file=_measured(mask.file))
