"""Cases from Datamint's resources and annotations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

from caseferry.annotation import Annotation, Mask, Raw, Track
from caseferry.case import Case, Image
from caseferry.files import FileRef, check_name
from caseferry.geometry import as_stored
from caseferry.imaging.kinds import Kind
from caseferry.sidecar import KEY, Found, Kept, amended, merge, parse
from caseferry_datamint.wire.address import Address, is_own_tag, reason_against_tag
from caseferry_datamint.wire.amending import amendment_in
from caseferry_datamint.wire.links import is_gone, is_revised, link_of
from caseferry_datamint.wire.meaning import common_back, core_form
from caseferry_datamint.wire.raws import unchanged
from caseferry_datamint.wire.segmentations import Piece, grouped, is_segmentation, mask_of, names_file
from caseferry_datamint.wire.tracks import bundled, track_of

if TYPE_CHECKING:
    from caseferry.mapping import Names

OF_WHO_MADE_IT = ("author", "created", "source", "model")
"""What the platform says of who sent an annotation, and the sidecar of who made it."""

Fetch = Callable[[str], BinaryIO]
"""Opens a download by its target."""


@dataclass(frozen=True)
class Group:
    """The resources of one case, in the order of images and files.

    Attributes
    ----------
    resources : what the platform says of each
    amendments : of the sidecar, as far as annotations were read that hold some
    """

    case_id: str
    resources: tuple[Mapping[str, Any], ...]
    amendments: tuple[Any, ...] = ()

    @property
    def lead(self) -> Mapping[str, Any]:
        """The first resource, which carries the sidecar."""
        return self.resources[0]

    @property
    def kept(self) -> Kept | None:
        """The sidecar, when there is one."""
        return parse(amended(own_metadata(self.lead).get("sidecar"), self.amendments))

    def parted(self, rows: Iterable[Mapping[str, Any]]) -> tuple[Group, list[Mapping[str, Any]]]:
        """The case with its amendments, and the rows that are annotations of somebody."""
        others, found = [], []
        for row in rows:
            if (document := amendment_in(row)) is None:
                others.append(row)
            elif not is_gone(row):
                found.append(document)
        return replace(self, amendments=tuple(found)), others


def own_metadata(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """What caseferry has written into a resource's metadata."""
    metadata = resource.get("metadata")
    own = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    return own if isinstance(own, Mapping) else {}


def address_of(resource: Mapping[str, Any]) -> Address | None:
    """Which file of which case a resource is; None for one that caseferry did not put."""
    return Address.parse(resource.get("source_filepath"))


def group(resources: Sequence[Mapping[str, Any]], project: str, case_id: str) -> Group | None:
    """The resources of a case among those that carry its tag; of copies of one file the oldest."""
    found: dict[tuple[int, int], Mapping[str, Any]] = {}
    for resource in sorted(resources, key=lambda r: (str(r.get("created_at")), str(r.get("id")))):
        address = address_of(resource)
        if address is not None and (address.project, address.case_id) == (project, case_id):
            found.setdefault((address.image, address.file), resource)
    return Group(case_id, tuple(found[key] for key in sorted(found))) if found else None


def extra_copies(resources: Sequence[Mapping[str, Any]], kept: Group) -> list[str]:
    """Ids of resources that are second copies of a file of a case, made when an answer was lost."""
    ours = {str(resource["id"]) for resource in kept.resources}
    places = {(a.project, a.case_id, a.image, a.file) for r in kept.resources if (a := address_of(r)) is not None}
    extra = []
    for resource in resources:
        address = address_of(resource)
        if address is None or str(resource["id"]) in ours:
            continue
        if (address.project, address.case_id, address.image, address.file) in places:
            extra.append(str(resource["id"]))
    return extra


def file_of(resource: Mapping[str, Any], fetch: Fetch) -> FileRef:
    """A resource's file."""
    name = PurePosixPath(str(resource.get("filename") or "")).name or str(resource["id"])
    if check_name(name) is not None:
        name = str(resource["id"])
    size = resource.get("size")
    target = f"resources/{resource['id']}/file"
    return FileRef(
        f"datamint:{target}",
        name,
        int(str(size)) if str(size or "").isdigit() else None,
        str(resource.get("mimetype") or "") or None,
        str(own_metadata(resource).get("sha256") or "") or None,
        opener=lambda: fetch(target),
    )


def images_of(found: Group, fetch: Fetch) -> dict[str, Image]:
    """The images of a case, by role."""
    files: dict[str, list[FileRef]] = {}
    for resource in found.resources:
        address = address_of(resource)
        files.setdefault(address.role if address is not None else "image", []).append(file_of(resource, fetch))
    kept = found.kept
    described = {image.role: image for image in kept.case.images} if kept is not None else {}
    images = {}
    for role, refs in files.items():
        put = described.get(role)
        if put is None:
            modality = str(found.lead.get("modality") or "") or None
            images[role] = Image(role, refs, modality=modality)
        elif len(put.files) == len(refs) and all(_same(a, b) for a, b in zip(put.files, refs, strict=True)):
            named = [
                replace(ref, name=own.name, size=own.size or ref.size) for own, ref in zip(put.files, refs, strict=True)
            ]
            images[role] = put.with_files(named)
        else:
            images[role] = _converted(role, refs, put)
    return images


def _same(put: FileRef, there: FileRef) -> bool:
    """Whether a resource holds the bytes of the file that was put, as far as is known without fetching it."""
    if put.sha256 and there.sha256:
        return put.sha256 == there.sha256
    return put.name == there.name


def _converted(role: str, refs: Sequence[FileRef], put: Image) -> Image:
    """The image that one was converted to; its grid is known without looking into the file."""
    grid = put.declared_geometry
    if refs[0].media_type == "image/png":
        return Image(role, refs, kind=Kind.PICTURE, geometry=grid)
    return Image(role, refs, kind=Kind.NIFTI, geometry=as_stored(grid) if grid is not None else None)


def case_of(
    found: Group,
    rows: Sequence[Mapping[str, Any]],
    names: Names,
    fetch: Fetch,
) -> Case:
    """A case from its resources and annotations.

    Parameters
    ----------
    rows : the annotations of all its resources
    """
    found, rows = found.parted(rows)
    images = images_of(found, fetch)
    kept = found.kept
    annotations = annotations_of(found, rows, images, names, fetch)
    if kept is not None:
        case = merge(kept, images, annotations)
        return replace(case, tags=_tags(found, case.tags))
    address = address_of(found.lead)
    return Case(
        id=found.case_id if address is not None else str(found.lead["id"]),
        title=str(found.lead.get("filename") or ""),
        images=list(images.values()),
        annotations=[each.annotation for each in annotations],
        tags=_tags(found, ()),
    )


def _tags(found: Group, kept: Sequence[str]) -> list[str]:
    """The tags that people see, and those that the platform could not hold."""
    there = [tag for tag in found.lead.get("tags") or [] if not is_own_tag(tag)]
    return [*dict.fromkeys([*there, *(tag for tag in kept if reason_against_tag(tag) is not None)])]


def annotations_of(
    found: Group, rows: Sequence[Mapping[str, Any]], images: Mapping[str, Image], names: Names, fetch: Fetch
) -> list[Found]:
    """All annotations of a case in core's words."""
    places = _places(found)
    kept = found.kept
    known = known_in(kept)
    held = kept.native.annotations if kept is not None else None
    rows = [
        row for row in rows if str(row.get("resource_id")) in places and not is_gone(row) and not is_stray(row, held)
    ]
    result: list[Found] = []
    voxels, plain = parted(rows, known)
    for link, bundle in bundled(plain):
        shapes = []
        for row in bundle:
            role, file = places[str(row["resource_id"])]
            shapes.append(core_form(row, role, images[role], file, names))
        result += _together(shapes, link, known.get(link or ""))
    pieces: dict[str, list[Piece]] = {}
    for row in voxels:
        role, file = places[str(row["resource_id"])]
        pieces.setdefault(role, []).append(Piece(file, row, _opener(row, fetch)))
    for role, parts in pieces.items():
        for group_pieces in grouped(parts, link_of).values():
            link = link_of(group_pieces[0].row)
            wanted = known.get(link or "")
            said = [common_back(piece.row, role, names) for piece in group_pieces]
            common = {**said[0], "id": link or said[0]["id"]}
            if len({each["status"] for each in said}) > 1:  # some of its frames were checked, and others not
                common |= {"status": None, "reviewer": None}
            labels = wanted.labels if isinstance(wanted, Mask) else None
            result.append(Found(mask_of(group_pieces, images[role], names, labels, common), link))
    return result


def parted(
    rows: Sequence[Mapping[str, Any]], known: Mapping[str, Annotation]
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The rows that have voxels, and all others; of a link that both bear, the first row tells whose it is.

    A segmentation that names no file where others do is one whose file never came, which nobody can open.

    Parameters
    ----------
    known : by what their rows are known, annotations as they were put: a mask that is half made is one
    """
    voxels: list[Mapping[str, Any]] = []
    others: list[Mapping[str, Any]] = []
    whose: dict[str, bool] = {}
    told = any(is_segmentation(row) and names_file(row) for row in rows)
    for row in rows:
        link = link_of(row)
        filled = is_segmentation(row) and (names_file(row) or not told)
        filled = filled or (link is not None and isinstance(known.get(link), Mask))
        own = link is None or whose.setdefault(link, filled) == filled
        (voxels if filled else others).append(row if own else {**row, "imported_from": None})
    return voxels, others


def known_in(kept: Kept | None) -> dict[str, Annotation]:
    """The annotations of a sidecar, by what their rows are known."""
    return {kept.native.annotations.get(a.id, a.id): a for a in kept.case.annotations} if kept is not None else {}


def is_stray(row: Mapping[str, Any], held: Mapping[str, str] | None) -> bool:
    """Whether a row is what a revision that was interrupted has left: new, and no sidecar tells of it yet; or replaced.

    Parameters
    ----------
    held : what the sidecar says stands on the platform by itself; None where there is no sidecar
    """
    key = link_of(row)
    if held is None or key is None:
        return False
    return key not in held.values() if is_revised(key) else held.get(key, key) != key


def _together(shapes: Sequence[Annotation], link: str | None, put: Annotation | None) -> list[Found]:
    """What was put as one annotation: as that one, and what somebody has made of a part of it by itself.

    Parameters
    ----------
    put : as it was put, when that is known
    """
    if link is None:
        return [Found(shape) for shape in shapes]
    if isinstance(put, Raw) and isinstance(shapes[0], Raw) and unchanged(put, shapes[0]):
        shapes = [replace(shapes[0], platform=put.platform, payload=put.payload), *shapes[1:]]
    raw = [shape for shape in shapes if isinstance(shape, Raw)]
    others = [shape for shape in shapes if not isinstance(shape, Raw)]
    track = track_of(others) if others and (len(others) > 1 or isinstance(put, Track)) else None
    whole, parts = (track, raw) if track is not None else (shapes[0], list(shapes[1:]))
    known = {name: getattr(put, name) for name in OF_WHO_MADE_IT} if put is not None else {}
    return [Found(replace(whole, id=link, **known), link), *map(Found, parts)]


def _places(found: Group) -> dict[str, tuple[str, int]]:
    """Resource id to role and file index."""
    places = {}
    for resource in found.resources:
        address = address_of(resource)
        places[str(resource["id"])] = (address.role, address.file) if address is not None else ("image", 0)
    return places


def _opener(row: Mapping[str, Any], fetch: Fetch) -> Callable[[], BinaryIO]:
    target = f"annotations/{row['resource_id']}/annotations/{row['id']}/file"
    return lambda: fetch(target)
