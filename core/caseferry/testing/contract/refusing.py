"""What is refused, and that nothing is sent then."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from caseferry.annotation import Mask, Point
from caseferry.case import Case, Image
from caseferry.case.compare import differences
from caseferry.connector import Dataset, Item
from caseferry.errors import CaseferryError, IdentifiableData, InvalidCase, UnsupportedOperation
from caseferry.imaging.kinds import Kind
from caseferry.removal.removed import Removed
from caseferry.testing.samples import SHAPE, Samples

if TYPE_CHECKING:
    from collections.abc import Callable


class Refusing:
    """What is wrong or names a patient goes nowhere."""

    @pytest.mark.parametrize("verb", ["put", "plan", "annotate", "delete", "wait"])
    def test_refuses_what_it_cannot_do(
        self, dataset: Dataset, samples: Samples, traffic: Callable[[], int], verb: str
    ) -> None:
        """A verb that is not declared raises before any request."""
        if verb in dataset.capabilities.verbs:
            return
        item = Item(dataset, "1", "sample")
        arguments: dict[str, tuple[Any, ...]] = {
            "put": (samples.case(),),
            "plan": (samples.case(),),
            "annotate": (item, []),
            "delete": (item,),
            "wait": (item,),
        }
        before = traffic()
        with pytest.raises(UnsupportedOperation, match=verb):
            getattr(dataset, verb)(*arguments[verb])
        assert traffic() == before

    def test_refuses_a_bad_case_before_any_request(
        self, dataset: Dataset, samples: Samples, traffic: Callable[[], int]
    ) -> None:
        """Every problem is listed at once."""
        image = samples.image(Kind.NIFTI)
        broken = samples.folder / "broken.dcm"
        broken.write_bytes(b"not an image at all" * 40)
        bad = replace(
            samples.case(),
            images=[image, Image("broken", broken)],
            annotations=[
                Mask("nifti", samples.folder / "absent.nii.gz", labels={1: "a"}),
                Mask("nifti", samples.image(Kind.PICTURE).files[0], labels={1: "b"}),
                Point("nifti", (0, 0), frame=4, label="beyond"),
            ],
        )
        before = traffic()
        with pytest.raises(InvalidCase) as refused:
            dataset.put(bad)
        assert traffic() == before
        told = str(refused.value)
        assert "sample" in told
        for part in ("broken.dcm", "absent.nii.gz", "picture.png", "beyond"):
            assert part in told, told

    def test_guards_patients(self, dataset: Dataset, samples: Samples, traffic: Callable[[], int]) -> None:
        """A case that names a patient goes to no remote platform unasked, and no message holds the name."""
        case = _identified(samples)
        before = traffic()
        if not dataset.capabilities.remote:
            assert differences(dataset.sealed(case), dataset.put(case).case()) == []
            return
        for attempt in (dataset.put, dataset.plan):
            with pytest.raises(IdentifiableData, match="PatientName") as refused:
                attempt(case)
            assert "CANARY" not in f"{refused.value}{refused.value!r}"
        assert traffic() == before
        item = dataset.put(case, phi="keep")
        assert item.case_id == case.id

    def test_removes_what_identifies_a_patient_when_asked(self, dataset: Dataset, samples: Samples) -> None:
        """Files arrive without the name and are otherwise the same, once, and the plan says what is taken out."""
        case = _identified(samples)
        plan = dataset.plan(case, phi="remove")
        assert plan.removed == (Removed("image 'dicom-series'", ("PatientName",), SHAPE[2]),)
        item = dataset.put(case, phi="remove")
        back = item.case()
        assert differences(dataset.sealed(case, "remove"), back) == []
        assert not any(b"CANARY" in ref.read() for image in back.images for ref in image.files)
        assert (back.images[0].voxels() == case.images[0].voxels()).all()
        assert dataset.put(case, phi="remove").id == item.id
        assert dataset.plan(case, phi="remove").calls == ()

    def test_errors_are_caseferrys_own(self, dataset: Dataset, samples: Samples) -> None:
        """Whoever catches `CaseferryError` catches all that a platform can do."""
        with pytest.raises(CaseferryError):
            dataset.put(replace(samples.case(), images=[Image("nifti", samples.folder)]))


def _identified(samples: Samples) -> Case:
    """A case whose DICOM files name a patient."""
    import pydicom

    case = samples.case("identified", Kind.DICOM_SERIES)
    for ref in case.images[0].files:
        dataset = pydicom.dcmread(ref.location)
        dataset.PatientName, dataset.PatientIdentityRemoved = "CANARY^Jane", "NO"
        dataset.save_as(ref.location)
    return Case.from_json(case.to_json())  # whose files are looked into anew
