"""How a case lies in a folder, and back.

::

    ROOT/
      LIDC-0001/
        case.json              the description; files by their paths within this directory
        receipt.json           by what the same case is recognised when it is put again
        images/ct/01.dcm
        masks/nodules.nii.gz
        attachments/report.pdf
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from caseferry.annotation import Mask
from caseferry.case import Attachment, Case, Image
from caseferry.errors import InvalidCase, Problem
from caseferry.held import all_native
from caseferry.imaging.kinds import Format, Kind
from caseferry.imaging.reading import find_images, format_of
from caseferry.plan import Call, Given, Part, Plan
from caseferry.sidecar import case_fingerprint

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from caseferry.case.revision import Revision
    from caseferry.files import FileRef
    from caseferry.plain import Json

DESCRIPTION = "case.json"
RECEIPT = "receipt.json"
DIRECTORY = "the case's directory"
LONGEST_PART = 100
"""Characters of one directory or file name; longer ones are cut and get a digest, so that they stay apart."""

_UNSAFE = re.compile(r"[^\w.\- ()+=,@]", re.ASCII)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(text: str) -> str:
    """Any text as the name of one directory or file on every common system; different texts stay different."""
    name = _UNSAFE.sub(lambda match: "".join(f"%{byte:02X}" for byte in match[0].encode()), text)
    if name[:1] in {".", " "} or name[-1:] in {".", " "} or _RESERVED.fullmatch(name):
        name = f"%{ord(name[0]):02X}{name[1:]}" if name[-1:] not in {".", " "} else f"{name[:-1]}%{ord(name[-1]):02X}"
        name = f"%{ord(name[0]):02X}{name[1:]}" if name[:1] in {".", " "} else name
    if len(name) > LONGEST_PART:
        ending = PurePosixPath(name).suffix[:16]
        name = f"{name[: LONGEST_PART - len(ending) - 13]}~{hashlib.sha256(text.encode()).hexdigest()[:12]}{ending}"
    return name


class _Places:
    """Gives each file of a case a path of its own within the case's directory."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    def place(self, folder: str, ref: FileRef) -> str:
        path = f"{folder}/{safe_name(ref.name)}"
        self._taken[path.lower()] += 1
        count = self._taken[path.lower()]
        if count == 1:
            return path
        stem, dot, ending = path.rpartition(".")
        return self.place(folder, replace(ref, name=f"{PurePosixPath(stem).name}~{count}{dot}{ending}"))


def _placed_files(case: Case) -> Iterator[tuple[str, FileRef]]:
    """Each file of a case and its path, in the order of `Case.files`."""
    places = _Places()
    for image in case.images:
        for ref in image.files:
            yield places.place(f"images/{safe_name(image.role)}", ref), ref
    for annotation in case.annotations:
        if isinstance(annotation, Mask):
            yield places.place("masks", annotation.file), annotation.file
    for attachment in case.attachments:
        yield places.place("attachments", attachment.file), attachment.file


def plan_case(case: Case, dataset: str) -> Plan:
    """The calls that write a sealed case: every file, its description, and last the name it is found by."""
    directory = safe_name(case.id)
    files = list(_placed_files(case))
    calls = []
    for path, ref in files:
        known = ref.sha256 is not None and ref.size is not None
        calls.append(
            Call(
                name=f"write {path}",
                method="WRITE",
                target=f"{directory}/{path}",
                files=(Part(ref),),
                gives=() if known else (f"size {path}", f"sha256 {path}"),
                read=None if known else _measured(path),
                purpose="a file of the case",
            )
        )
    receipt = {"fingerprint": case_fingerprint(case), "case": case.id}
    described = (("description", DESCRIPTION, _description(case, files)), ("receipt", RECEIPT, receipt))
    calls += [
        Call(name=what, method="WRITE", target=f"{directory}/{path}", body=body, purpose=f"the {what} of the case")
        for what, path, body in described
    ]
    written = tuple(call.name for call in calls)
    calls.append(Call(name="commit", method="COMMIT", target=directory, after=written, purpose="make it visible"))
    return Plan(dataset=dataset, case_id=case.id, calls=tuple(calls), held=all_native(case, DIRECTORY))


def plan_revision(revision: Revision, directory: Path, dataset: str) -> Plan:
    """The calls that change the annotations of a case that lies in a directory.

    New files get names that are free, so that the description tells the truth until the other has taken its place.
    """
    case, written = revision.after, {each.id for each in revision.written}
    masks = [a for a in case.annotations if isinstance(a, Mask) and a.id in written]
    places = {mask.file.location: _free_place(mask, directory) for mask in masks}
    calls = [
        Call(
            name=f"write {path}",
            method="WRITE",
            target=f"{directory.name}/{path}",
            files=(Part(ref),),
            purpose="a file of the case",
        )
        for path, ref in {places[mask.file.location]: mask.file for mask in masks}.items()
    ]

    def place(ref: FileRef) -> FileRef:
        if ref.location in places:
            return replace(ref, location=places[ref.location], opener=None)
        path = ref.path
        return replace(ref, location=path.relative_to(directory).as_posix()) if path is not None else ref

    placed = case.with_files(place)
    used = {ref.location for ref in placed.files()}
    former = [place(a.file).location for a in revision.before.annotations if isinstance(a, Mask)]
    gone: list[Json] = [path for path in dict.fromkeys(former) if path not in used and (directory / path).is_file()]
    calls.append(
        Call(
            name="describe",
            method="WRITE",
            target=f"{directory.name}/{DESCRIPTION}",
            body=placed.to_json(),
            purpose="the description of the case",
        )
    )
    calls.append(
        Call(
            name="merge",
            method="MERGE",
            target=directory.name,
            body={"remove": gone},
            after=tuple(call.name for call in calls),
            purpose="make it visible",
        )
    )
    return Plan(dataset=dataset, case_id=case.id, adopts=directory.name, calls=tuple(calls))


def _free_place(mask: Mask, directory: Path) -> str:
    """A path that no file has yet."""
    name, count = f"{safe_name(mask.id)}-{safe_name(mask.file.name)}", 1
    path = f"masks/{name}"
    while (directory / path).exists():
        count += 1
        path = f"masks/{count}-{name}"
    return path


def _measured(path: str) -> Any:
    return lambda reply: {f"size {path}": reply.body["size"], f"sha256 {path}": reply.body["sha256"]}


def _description(case: Case, files: list[tuple[str, FileRef]]) -> dict[str, Any]:
    """The description with the files' new places, and with what is known of them only once they are written."""
    paths = iter(files)
    placed = case.with_files(lambda ref: replace(ref, location=next(paths)[0], opener=None))
    document: dict[str, Any] = placed.to_json()
    described = [file for image in document["images"] for file in image["files"]]
    described += [each["file"] for each in document["annotations"] if each["kind"] == Mask.kind]
    described += [each["file"] for each in document["attachments"]]
    for file in described:
        for key in ("size", "sha256"):
            file.setdefault(key, Given(f"{key} {file['location']}"))
    return document


def read_case(document: Mapping[str, Any], directory: Path) -> Case:
    """A case from its description.

    Raises
    ------
    InvalidCase
        The description is damaged, or names a file outside the case's directory.
    """
    case = Case.from_json(document)
    inside = directory.resolve()
    problems: list[Problem] = []

    def place(ref: FileRef) -> FileRef:
        if ref.scheme != "file":
            return ref
        path = directory / ref.location
        if not path.resolve().is_relative_to(inside):
            what = f"is {ref.location!r}, which lies outside the case's directory"
            problems.append(Problem(f"{DESCRIPTION} of file {ref.name!r}", what, "do not trust this case"))
        return replace(ref, location=str(path))

    placed = case.with_files(place)
    if problems:
        raise InvalidCase(case.id, problems)
    return placed


# -- folders that no description came with -------------------------------------------------------------------------


@dataclass(frozen=True)
class Loose:
    """A case that is nothing but files: a directory without a description, or single files beside each other."""

    name: str
    images: list[list[FileRef]]
    others: list[FileRef]


def loose_in(directory: Path) -> Loose:
    """What a directory without a description holds."""
    images, others = find_images(directory)
    documents = [files for files in images if format_of(files[0]) is Format.PDF]
    pictures = [files for files in images if files not in documents]
    beside = [ref for files in documents for ref in files] + [ref for ref in others if ref.name != "DICOMDIR"]
    return Loose(directory.name, pictures, beside)


def loose_files(root: Path, taken: Collection[str]) -> list[Loose]:
    """Single files beside each other as cases: one for each image, each DICOM series as one.

    Parameters
    ----------
    taken : names of cases that lie beside them; an image whose name without its ending is among them, or is that of
        another image, is called by its whole name
    """
    images, _ = find_images(root, deep=False)
    stems = [re.sub(r"(\.nii)?\.[A-Za-z0-9]+$", "", files[0].name) or files[0].name for files in images]
    counts = Counter(stems)
    return [
        Loose(files[0].name if counts[stem] > 1 or stem in taken else stem, [files], [])
        for files, stem in zip(images, stems, strict=True)
    ]


def loose_case(loose: Loose) -> Case:
    """A case from nothing but files; roles come from the modality, names from the files."""
    return Case(
        id=loose.name,
        images=_with_roles(loose.images),
        attachments=[Attachment(name, ref) for name, ref in _named(loose.others)],
    )


def _with_roles(groups: list[list[FileRef]]) -> list[Image]:
    plain = [Image("image", files) for files in groups]
    names = [_role(image) for image in plain]
    counts, seen = Counter(names), Counter[str]()
    images = []
    for image, name in zip(plain, names, strict=True):
        seen[name] += 1
        named = Image(name if counts[name] == 1 else f"{name}-{seen[name]}", image.files)
        if "header" in image.__dict__:
            named.__dict__["header"] = image.header
        images.append(named)
    return images


def _role(image: Image) -> str:
    from caseferry.imaging.header import ImageProblem

    try:
        header = image.header
    except ImageProblem:
        return "image"
    if header.kind is Kind.VIDEO:
        return "video"
    return (header.modality or "image").lower()


def _named(refs: list[FileRef]) -> Iterator[tuple[str, FileRef]]:
    seen: Counter[str] = Counter()
    for ref in refs:
        seen[ref.name] += 1
        yield (ref.name if seen[ref.name] == 1 else f"{ref.name} {seen[ref.name]}"), ref
