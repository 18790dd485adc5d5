"""Putting cases, and reading them back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from caseferry.annotation import KINDS
from caseferry.case.compare import differences
from caseferry.connector import Dataset, State
from caseferry.errors import AlreadyExists, InvalidCase, MissingDependency
from caseferry.imaging.kinds import Kind
from caseferry.registry import connect
from caseferry.testing.contract.watching import recorded

if TYPE_CHECKING:
    from caseferry.testing.samples import Samples

DIFFICULT_NAMES = (
    "plain",
    "UPPER and lower",
    "upper AND LOWER",
    "with/slash",
    "with%2Fpercent",
    "quotes \"'` and $HOME; --",
    "ünïcode 心臓 🫀",
    "dots.and.nii.gz",
    ".hidden",
    "trailing.",
    "con",
    "a+b=c&d#e?f",
    "{braces}",
    "[brackets], and: colons",
    "x" * 255,
)
"""Names that some platform, file system or protocol has trouble with."""


class Keeping:
    """What is put comes back."""

    def test_a_full_case_comes_back_equal(self, dataset: Dataset, samples: Samples, kinds: list[Kind]) -> None:
        """Every kind of annotation, and every part that a case has."""
        case = samples.full_case(kinds=[kinds[0], Kind.PICTURE] if Kind.PICTURE in kinds else kinds[:1])
        item = dataset.put(case)
        assert item.case_id == case.id
        assert item.state is State.READY
        back = dataset.get(item.id).case()
        assert differences(dataset.sealed(case), back) == []
        assert {annotation.kind for annotation in back.annotations} == set(KINDS)

    @pytest.mark.parametrize("kind", Kind)
    def test_an_image_of_each_kind_comes_back(
        self, dataset: Dataset, samples: Samples, kinds: list[Kind], kind: Kind
    ) -> None:
        """Kept byte for byte where the platform declares it native, with equal voxels in equal places elsewhere."""
        try:
            case = samples.case(kind=kind)
        except MissingDependency as error:
            pytest.skip(str(error))
        if kind not in kinds:
            with pytest.raises(InvalidCase):
                dataset.plan(case)
            return
        back = dataset.put(case).case()
        assert differences(dataset.sealed(case), back) == []
        if dataset.capabilities.images[kind] == "native":
            sent = {ref.name: ref.measured().sha256 for ref in case.images[0].files}
            assert {ref.name: ref.measured().sha256 for ref in back.images[0].files} == sent

    @pytest.mark.parametrize("name", DIFFICULT_NAMES)
    def test_takes_any_name(self, dataset: Dataset, samples: Samples, name: str) -> None:
        """A name comes back as it was, and never collides with one that looks like it."""
        other = samples.case(name.swapcase() if name.swapcase() != name else f"{name}~")
        dataset.put(other)
        item = dataset.put(replace(other, id=name, title="the second"))
        found = dataset.find(name)
        assert found is not None
        assert found.id == item.id
        assert found.case().id == name
        assert found.case().title == "the second"
        assert sorted(each.case_id for each in dataset.items()) == sorted([name, other.id])

    def test_files_may_have_any_name(self, dataset: Dataset, samples: Samples) -> None:
        """File names come back as they were."""
        image = samples.image(Kind.NIFTI)
        refs = [replace(ref, name="Größe, 100% (1) ünïcode.nii.gz") for ref in image.files]
        case = replace(samples.case(), images=[image.with_files(refs)])
        assert differences(dataset.sealed(case), dataset.put(case).case()) == []

    def test_putting_again_changes_nothing(self, dataset: Dataset, samples: Samples) -> None:
        """The same case is recognised; nothing is sent a second time."""
        case = samples.full_case(kinds=[Kind.NIFTI])
        item = dataset.put(case)
        with connect(dataset.url) as again, recorded(again) as calls:
            assert again.put(case).id == item.id
            assert again.plan(case).calls == ()
        assert calls == []
        assert len(list(dataset.items())) == 1

    def test_another_case_of_the_same_name_is_refused(self, dataset: Dataset, samples: Samples) -> None:
        """What is there stays as it is."""
        case = samples.case(tags=["first"])
        item = dataset.put(case)
        with pytest.raises(AlreadyExists, match="sample"):
            dataset.put(replace(case, tags=["second"], values={"other": 1}))
        assert differences(dataset.sealed(case), dataset.get(item.id).case()) == []

    def test_waits_until_it_is_ready(self, dataset: Dataset, samples: Samples) -> None:
        """`wait` gives the item as it is when the platform is done."""
        assert dataset.wait(dataset.put(samples.case())).state is State.READY

    def test_many_at_once(self, dataset: Dataset, samples: Samples) -> None:
        """Cases that are put from many threads arrive, each with its own files."""
        made = [replace(samples.case(), id=f"many {n}", values={"n": n}) for n in range(12)]
        with ThreadPoolExecutor(12) as pool:
            items = list(pool.map(dataset.put, made))
        for case, item in zip(made, items, strict=True):
            assert differences(dataset.sealed(case), item.case()) == []
