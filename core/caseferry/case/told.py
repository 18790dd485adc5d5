"""What a case itself tells, beside its files: its names and its texts, and which of them seem to identify a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from caseferry.annotation import Annotation, Category, Mask, Text
from caseferry.deidentify import about_someone, identifying_key, suspicious_name
from caseferry.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from caseferry.case.case import Case
    from caseferry.plain import Json

Told: TypeAlias = tuple[str, str]
"""Where something stands, and what it says."""


def names_of(case: Case) -> Iterator[Told]:
    """Every name that goes to a platform with the case, and where it stands."""
    yield from (("id", case.id), ("title", case.title), ("folder", case.folder))
    yield from ((f"tags[{number}]", tag) for number, tag in enumerate(case.tags))
    for image in case.images:
        yield "an image's role", image.role
        yield from ((f"image {image.role!r}.files[{n}]: the file name", ref.name) for n, ref in enumerate(image.files))
    yield from names_of_annotations(case.annotations)
    for number, attachment in enumerate(case.attachments):
        yield f"attachments[{number}].name", attachment.name
        yield f"attachments[{number}]: the file name", attachment.file.name


def names_of_annotations(annotations: Iterable[Annotation]) -> Iterator[Told]:
    """What annotations are called, and the names of the files of masks."""
    for each in annotations:
        yield f"the label of {each.kind} {each.id}", each.label
        if isinstance(each, Mask):
            yield f"mask {each.id}: the file name", each.file.name
            yield from ((f"mask {each.id}.labels[{value}]", name) for value, name in each.labels.items())


def texts_of(case: Case) -> Iterator[Told]:
    """Every text that goes to a platform with the case, its annotations' too."""
    yield from _strings("values", dict(case.values))
    yield from _strings("metadata", dict(case.metadata))
    yield from texts_of_annotations(case.annotations)


def texts_of_annotations(annotations: Iterable[Annotation]) -> Iterator[Told]:
    """The texts of annotations: what is written in them, and their attributes."""
    for each in annotations:
        if isinstance(each, Text | Category):
            yield f"{each.kind} {each.id}", str(each.value)
        yield from _strings(f"{each.kind} {each.id}.attributes", dict(each.attributes))


def identifying_names(names: Iterable[Told]) -> list[Problem]:
    """Those of some names that seem to be a patient's."""
    what = "seems to hold a patient's number or name"
    return [Problem(where, what, "rename it") for where, name in names if suspicious_name(name)]


def identifying_texts(texts: Iterable[Told]) -> list[Problem]:
    """Those of some texts that seem to speak of one patient, by what they say or by the key they stand under."""
    what, remedy = "seems to tell who the patient is", "take it out, or say phi='keep' if it may be sent"
    return [
        Problem(where, what, remedy)
        for where, text in texts
        if about_someone(text) or identifying_key(where.rpartition(".")[2].partition("[")[0], text)
    ]


def _strings(where: str, value: Json) -> Iterator[Told]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _strings(f"{where}.{key}", each)
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _strings(f"{where}[{index}]", each)
