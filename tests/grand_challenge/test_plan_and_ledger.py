"""What a plan says is what the platform is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import caseferry as cf
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from grand_challenge_scene import series, volume

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from grand_challenge_scene import Scene


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind not in {Kind.VIDEO, Kind.PDF}])
def test_a_case_of_each_kind_of_image(scene: Scene, samples: Samples, kind: Kind) -> None:
    sent = scene.put(samples.case("one", kind), scene.open(socket="generic-medical-image"))
    assert sent.item.state is cf.State.READY


def test_a_case_with_everything(scene: Scene, samples: Samples) -> None:
    case = samples.full_case("all", (Kind.DICOM_SERIES, Kind.NIFTI, Kind.PICTURE))
    images = dict(zip([image.role for image in case.images], ["ct-image", "mr-image", "xray-image"], strict=True))
    sent = scene.put(case, scene.open(mapping={"grand-challenge": {"images": images}}))
    assert sent.plan.irreversible == ("an item of the archive, which no user can delete",)
    posts = [call.target for call in sent.plan.calls if call.method == "POST" and "items" in call.target]
    assert posts == ["archives/items/"]


def test_files_in_several_parts(scene: Scene) -> None:
    content = b"%PDF-" + bytes(20 << 20)
    case = cf.Case(id="large", attachments=[cf.Attachment("report", FileRef.of_bytes(content, "report.pdf"))])
    sent = scene.put(case)
    assert [call.files[0].length for call in sent.plan.calls if call.files] == [8 << 20, 8 << 20, (4 << 20) + 5]


def test_values_files_and_a_sidecar_that_is_a_file(scene: Scene) -> None:
    case = cf.Case(
        id="values",
        values={"lung-volume": 1.9, "slice-count": 2, "is-normal": False, "findings": ["nodule"], "unknown": [1]},
        attachments=[
            cf.Attachment("table.csv", FileRef.of_bytes(b"a,b\n1,2\n", "table.csv")),
            cf.Attachment("bundle.zip", FileRef.of_bytes(b"PK\x03\x04rest", "bundle.zip")),
        ],
        tags=["kept beside it"],
    )
    sent = scene.put(case, scene.open(sidecar="big-metadata"))
    back = sent.item.case()
    assert (back.values, back.tags) == (case.values, case.tags)
    assert [each.file.read() for each in back.attachments] == [b"a,b\n1,2\n", b"PK\x03\x04rest"]


def test_completing_an_item(scene: Scene, samples: Samples) -> None:
    """An empty item of the case's title, as a crash leaves it, is filled and no second one is made."""
    dataset = scene.open(socket="ct-image")
    case = samples.case("half", Kind.NIFTI, values={"lung-volume": 1.5})
    dataset._client.request(
        "POST", "archives/items/", json={"archive": dataset.place.address, "title": "half"}, what="a crash"
    )
    sent = scene.put(case, dataset)
    assert sent.plan.adopts == sent.item.id
    assert [item.case_id for item in dataset.items()] == ["half"]


def test_putting_again_asks_nothing_but_lookups(scene: Scene, samples: Samples) -> None:
    dataset = scene.open(socket="ct-image")
    case = samples.case("twice", Kind.NIFTI)
    first = scene.put(case, dataset)
    second = scene.put(case, dataset)
    assert (second.item.id, second.plan.calls) == (first.item.id, ())


def test_a_display_set(scene: Scene, samples: Samples) -> None:
    """A reader study is filled by the same calls to other addresses."""
    case = samples.full_case("shown", (Kind.DICOM_SERIES,))
    sent = scene.put(case, scene.open("reader-studies/sandbox-study", socket="ct-image"))
    assert sent.plan.irreversible == ("an item of the reader study, which no user can delete",)
    again = scene.put(case, scene.open("reader-studies/sandbox-study", socket="ct-image"))
    assert (again.item.id, again.plan.calls) == (sent.item.id, ())
    assert sent.item.case().tags == case.tags


def test_a_mask_goes_to_its_socket(scene: Scene) -> None:
    image = cf.Image("ct", series(scene.folder / "ct", volume()))
    labels = np.zeros((7, 5, 4), np.uint8)
    labels[1:3, 2, 1], labels[5, 0, 3] = 1, 2
    assert image.geometry is not None
    mask = cf.Mask.of_array("ct", labels, {1: "left lung", 2: "right lung"}, image.geometry.affine)
    mapping = {"grand-challenge": {"labels": {"left lung": "lung-segmentation", "right lung": "lung-segmentation"}}}
    sent = scene.put(cf.Case(id="mask", images=[image], annotations=[mask]), scene.open(mapping=mapping))
    assert [call.body["interface"] for call in sent.plan.calls if call.target == "cases/upload-sessions/"] == [
        "ct-image",
        "lung-segmentation",
    ]
