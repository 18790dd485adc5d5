"""What a plan lists is what Darwin is asked, call for call."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from darwin_scene import flat

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from darwin_scene import Scene


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_an_image_of_each_kind(scene: Scene, samples: Samples, kind: Kind) -> None:
    sent = scene.put(samples.case(f"a {kind}", kind))
    assert [call.name for call in sent.plan.calls] == ["register", "sign 0", "send 0", "confirm 0"]


@pytest.mark.parametrize(
    "kinds",
    [
        (Kind.DICOM_SERIES,),
        (Kind.NIFTI,),
        (Kind.METAIMAGE,),
        (Kind.DICOM_SERIES, Kind.PICTURE),
        (Kind.NIFTI, Kind.DICOM_MULTIFRAME, Kind.VIDEO, Kind.PDF, Kind.PICTURE),
    ],
    ids=lambda kinds: " ".join(map(str, kinds)),
)
def test_a_case_with_everything(scene: Scene, samples: Samples, kinds: tuple[Kind, ...]) -> None:
    sent = scene.put(samples.full_case("all", kinds))
    assert sent.item.state == "ready"
    names = [call.name.split()[0] for call in sent.plan.calls]
    assert names.count("register") == 1
    assert names.count("send") == len(kinds)
    assert "import" in names


def test_a_picture_with_every_annotation(scene: Scene, samples: Samples) -> None:
    sent = scene.put(samples.case("drawn on", Kind.PICTURE, annotations=flat()))
    assert sum(call.method == "POST" and call.target == "annotation_classes" for call in sent.plan.calls) >= 9


def test_classes_that_are_there_are_used_and_brought_into_the_dataset(scene: Scene, samples: Samples) -> None:
    scene.standin.add_class("region", ["bounding_box"])
    box = cf.Box("picture", [(1, 0), (5, 4)], label="region")
    cases = [samples.case(name, Kind.PICTURE, annotations=[box]) for name in "xyz"]
    with scene.open() as here:  # of which nobody opens a new one for each case
        first, second = (scene.put(case, here).plan.calls for case in cases[:2])
    assert first[0].name.startswith("attach ")
    third = scene.put(cases[2]).plan.calls
    for calls in (second, third):
        assert [call.name for call in calls] == ["register", "sign 0", "send 0", "confirm 0", "ready", "import 0"]


def test_a_case_that_is_there_needs_no_call(scene: Scene, samples: Samples) -> None:
    case = samples.full_case("twice")
    first = scene.put(case)
    second = scene.put(case)
    assert second.plan.calls == ()
    assert second.item.id == first.item.id


def test_a_registration_of_objects_where_they_lie(scene: Scene, samples: Samples) -> None:
    scene.standin.add_storage("bucket-a", provider="aws", bucket="bucket-a", readonly=False)
    series = samples.image(Kind.DICOM_SERIES, "ct")
    refs = [scene.stored("bucket-a", f"ct/{ref.name}", ref.read()) for ref in series.files]
    case = cf.Case("external", images=[cf.Image("ct", refs)], annotations=samples.annotations(series), tags=["t"])
    sent = scene.put(case, scene.open(storage="bucket-a"))
    assert not [call for call in sent.plan.calls if call.method == "PUT" and call.files]
