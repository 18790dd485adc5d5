"""A whole case without what identifies a patient in its files."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from caseferry.annotation import Annotation, Mask
from caseferry.case import Attachment, Case, Image
from caseferry.case.seal import identifying
from caseferry.case.told import names_of, texts_of
from caseferry.errors import IdentifiableData, Problem
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.reading import identifying_fields
from caseferry.removal.dicom import IN_PIXELS
from caseferry.removal.files import CleanedRef, cleaned, words
from caseferry.removal.removed import Removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from caseferry.files import FileRef


def without_identity(case: Case, reads: Callable[[FileRef], bool] = lambda _: False) -> Case:
    """A sealed case whose files hold nothing any more by which the gate knows a patient.

    Parameters
    ----------
    reads : whether the target reads a file where it lies, so that it cannot be changed on its way

    Returns
    -------
    The case, sealed, with other files in place of those that did.

    Raises
    ------
    IdentifiableData
        Something cannot be removed: pixels that show names, names of the case and its files, texts of the case that
        repeat what was removed, files that are not sent. The message says what, and no value.
    """
    cleaning = _Cleaning(reads)
    images = [cleaning.image(image) for image in case.images]
    annotations = [cleaning.annotation(each) for each in case.annotations]
    attachments = [
        Attachment(each.name, cleaning.file(f"attachment {each.name!r}", each.file)) for each in case.attachments
    ]
    clean = replace(case, images=images, annotations=annotations, attachments=attachments)
    problems = cleaning.problems + [_explained(problem) for problem in identifying(clean)]
    problems += [
        Problem(where, "repeats what was removed from the files", "rename it") for where in cleaning.told(case)
    ]
    if problems:
        raise IdentifiableData(case.id, dict.fromkeys(problems))
    return clean


def annotations_without_identity(case: Case, written: Iterable[Annotation]) -> Case:
    """A case that stands on a platform, with cleaned files in place of those of the annotations that are written.

    Raises
    ------
    IdentifiableData
        Something cannot be removed from a file.
    """
    cleaning, ids = _Cleaning(lambda _: False), {each.id for each in written}
    annotations = [cleaning.annotation(each) if each.id in ids else each for each in case.annotations]
    if cleaning.problems:
        raise IdentifiableData(case.id, cleaning.problems)
    return replace(case, annotations=annotations)


def removed_from(case: Case) -> tuple[Removed, ...]:
    """What was removed from a case, for each part of it that was changed by it."""
    parts = [(f"image {image.role!r}", image.files) for image in case.images]
    parts += [(f"mask {each.id}", (each.file,)) for each in case.annotations if isinstance(each, Mask)]
    parts += [(f"attachment {each.name!r}", (each.file,)) for each in case.attachments]
    found = [(where, [ref for ref in files if isinstance(ref, CleanedRef)]) for where, files in parts]
    return tuple(
        Removed(where, tuple(dict.fromkeys(name for ref in changed for name in ref.removes)), len(changed))
        for where, changed in found
        if changed
    )


def _explained(problem: Problem) -> Problem:
    """The remedy for what is left, where another word than ``remove`` would not do."""
    if IN_PIXELS in problem.what:
        what = "shows a patient in its pixels (BurnedInAnnotation is YES), which stay as they are"
        return Problem(problem.where, what, "black it out and set BurnedInAnnotation to NO, or say phi='keep'")
    return problem


class _Cleaning:
    """Cleans the files of one case."""

    def __init__(self, reads: Callable[[FileRef], bool]) -> None:
        self._reads = reads
        self._words: set[str] = set()
        self.problems: list[Problem] = []

    def image(self, image: Image) -> Image:
        """An image with cleaned files, or the same when there is nothing to remove."""
        names = _removable(image.header.identifying)
        if not names:
            return image
        files = [self._cleaned(f"image {image.role!r}.files[{n}]", ref, names) for n, ref in enumerate(image.files)]
        clean = image.with_files(files)
        before = image.header
        if "first" in before.details:
            _ = clean.header  # read anew from what is sent: the dataset of the first file is used further on
        return clean

    def annotation(self, annotation: Annotation) -> Annotation:
        """An annotation, likewise."""
        if not isinstance(annotation, Mask):
            return annotation
        return replace(annotation, file=self.file(f"mask {annotation.id}", annotation.file))

    def file(self, where: str, ref: FileRef) -> FileRef:
        """A single file, likewise."""
        names = _removable(identifying_fields(ref))
        return self._cleaned(where, ref, names) if names else ref

    def _cleaned(self, where: str, ref: FileRef, names: tuple[str, ...]) -> FileRef:
        self._words |= words(ref)
        if self._reads(ref):
            what = f"holds values in {', '.join(names)}, and is read where it lies, so that nothing is removed from it"
            self.problems.append(Problem(where, what, "clean it there, or say phi='keep' if it may be used"))
            return ref
        try:
            return cleaned(ref, names)
        except ImageProblem as error:
            self.problems.append(Problem(where, error.what, error.remedy))
            return ref

    def told(self, case: Case) -> Iterator[str]:
        """Where the case's own names and texts repeat a word of what was removed."""
        if not self._words:
            return
        known = re.compile(rf"(?<![^\W_])({'|'.join(map(re.escape, sorted(self._words)))})(?![^\W_])", re.IGNORECASE)
        yield from (where for where, text in (*names_of(case), *texts_of(case)) if known.search(text))


def _removable(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name.rpartition(".")[2] != IN_PIXELS)
