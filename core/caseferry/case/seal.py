"""Looking into a case before it goes anywhere: every file opened, every grid compared, every problem listed.

A sealed case is the same case with what its files say written into it: kinds, grids, sizes, digests. What is wrong
is found here, before anything is planned or sent.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from caseferry.annotation import LARGEST_LABEL, Annotation, Mask, Placed, Polygon, Track
from caseferry.case.case import Attachment, Case
from caseferry.case.image import Image
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
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from caseferry.geometry import AxisMap, Geometry


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


def unnamed_values(mask: Mask, header: Header) -> list[int]:
    """The values in a mask's file that its labels do not name; plane by plane.

    Parameters
    ----------
    header : of the mask's file

    Raises
    ------
    ImageProblem
        It holds values that no label map has.
    """
    found = set[int]()
    for plane in _label_planes(mask, header):
        found |= _values(plane, mask.file.name)
    return sorted(found - {0} - set(mask.labels))


def is_empty(mask: Mask) -> bool:
    """Whether no voxel of a mask has a value; its planes are looked at up to the first that has one."""
    from caseferry.imaging.reading import read_header

    return not any(bool(plane.any()) for plane in _label_planes(mask, read_header([mask.file])))


def placement(mask: Mask, header: Header, image: Image) -> AxisMap | None:
    """How a mask's grid lies on its image's grid; None when it lies there plane by plane in the order of its file.

    Where both files say where their voxels lie, these must be the same places, in whichever order of axes; else only
    the size counts. A mask of one volume lies on every frame of an image that has several.

    Parameters
    ----------
    header : of the mask's file

    Returns
    -------
    For a mask of a single plane, how it lies on that plane.

    Raises
    ------
    ImageProblem
        The mask does not lie on the image voxel for voxel, or is one plane of several and does not say which.
    """
    from caseferry.geometry import axis_map

    grid, own = image.geometry, header.geometry
    name = mask.file.name
    if grid is None or own is None:
        raise ImageProblem(name, f"cannot lie on image {image.role!r}: one of them has no grid")
    if header.channels > 1:
        what = f"has {header.channels} channels; a mask has one value in each voxel"
        raise ImageProblem(name, what, "write it in shades of grey, each the number of a label")
    if mask.frame is None and own.planes == 1 < grid.planes:
        what = f"is one plane, and image {image.role!r} has {grid.planes}"
        raise ImageProblem(name, what, "say which with frame=, or give a mask of all planes")
    wanted = 1 if mask.frame is not None else grid.planes
    same_size = own.shape[:2] == grid.shape[:2] and own.planes == wanted
    placed = own.space == grid.space == "patient"
    found = None
    if placed and mask.frame is not None:
        found = _on_plane(own, grid) if own.planes == 1 else None
    elif placed and own.frames in {1, grid.frames}:
        found = axis_map(own, grid)
    if found is None and not (same_size and (not placed or _frames_as_slices(own, grid))):
        where = f"image {image.role!r}" if mask.frame is None else f"one plane of image {image.role!r}"
        raise ImageProblem(
            name,
            f"does not lie on {where}: its grid is {_sizes(own)} from {_rounded(own)}, the image's "
            f"{_sizes(grid)} from {_rounded(grid)}",
            "resample the mask onto the image's grid, with the same affine",
        )
    return found


def _frames_as_slices(own: Geometry, grid: Geometry) -> bool:
    """Whether a mask may hold as slices what its image has as frames: its planes lie on the image's planes as they are.

    The distance between such slices means nothing.
    """
    found = _on_plane(own, grid)
    return own.frames == 1 < grid.frames and found is not None and found.identity


def _on_plane(own: Geometry, grid: Geometry) -> AxisMap | None:
    """How the first plane of `own` lies on the planes of `grid`, however far it is from them across."""
    from caseferry.errors import GeometryError
    from caseferry.geometry import Geometry, axis_map

    affine = own.affine.copy()
    affine[:3, 2] = grid.affine[:3, 2]
    column, row, _ = grid.to_voxel(own.origin_lps)[0]
    affine[:3, 3] = grid.to_patient([column, row, 0.0])[0]
    try:
        plane = Geometry((*own.shape[:2], 1), affine)
    except GeometryError:
        return None
    return axis_map(plane, Geometry((*grid.shape[:2], 1), grid.affine))


def _sizes(grid: Geometry) -> str:
    return f"{grid.shape}" + (f" of {grid.frames} frames" if grid.frames > 1 else "")


def _rounded(grid: Geometry) -> str:
    numbers = ", ".join(f"{value:.2f}" for value in grid.origin_lps)
    spacing = " x ".join(f"{value:.3f}" for value in grid.spacing_mm)
    return f"({numbers}) at {spacing} mm"


def _label_planes(mask: Mask, header: Header) -> Iterator[NDArray[np.generic]]:
    from caseferry.imaging.reading import planes

    return planes([mask.file], header)


def _values(plane: NDArray[Any], name: str) -> set[int]:
    """The values in one plane of a mask."""
    import numpy as np

    whole = plane
    if plane.dtype.kind == "f":
        whole = np.rint(plane)
        if not np.array_equal(whole, plane):
            raise ImageProblem(
                name, "holds values that are not whole numbers: it is no label map", "threshold it first"
            )
    low, high = int(whole.min()), int(whole.max())
    if low < 0 or high > LARGEST_LABEL:
        raise ImageProblem(name, f"holds values from {low} to {high}; a label map has 0 to {LARGEST_LABEL}")
    return set(np.flatnonzero(np.bincount(whole.astype(np.intp).ravel(), minlength=1)).tolist())


def aligned(mask: Mask, image: Image) -> NDArray[Any]:
    """A mask's voxels on its image's grid.

    Returns
    -------
    Whole numbers [column, row, slice], then frame where the image has more than one. For a mask of a single plane
    every other plane is 0; one of a single volume is repeated in every frame, as a view that cannot be written to.
    """
    import numpy as np

    from caseferry.imaging.pixels import load_voxels
    from caseferry.imaging.reading import read_header

    header = read_header([mask.file])
    turn = placement(mask, header, image)
    grid = image.geometry
    assert grid is not None  # noqa: S101  placement has refused an image without a grid
    own = load_voxels([mask.file], header, grid if turn is None and mask.frame is None else None)
    if own.dtype.kind == "f":
        _values(own, mask.file.name)
        own = own.astype(np.uint16)
    if turn is not None:
        own = turn.apply(own)
    if mask.frame is not None:
        whole = np.zeros((*grid.shape[:2], grid.planes), own.dtype)
        whole[:, :, mask.frame] = own[:, :, 0]
        own = whole.reshape(*grid.shape[:2], grid.frames, grid.shape[2]).transpose(0, 1, 3, 2)
        return own if grid.frames > 1 else own[:, :, :, 0]
    if own.ndim == 3 and grid.frames > 1:
        return np.broadcast_to(own[..., np.newaxis], (*own.shape, grid.frames))
    return own
