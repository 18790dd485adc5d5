"""`merge = "items"`: a case with several images is several items on Darwin, and one case here."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.errors import AlreadyExists, ConfigurationError
from caseferry.imaging.kinds import Kind
from caseferry.transfers.verify import check
from darwin_scene import flat

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from caseferry_darwin.dataset import DarwinDataset
    from darwin_scene import Scene

PARTED = {"darwin": {"merge": "items"}}
KINDS = [Kind.NIFTI, Kind.PICTURE, Kind.DICOM_SERIES]


def parted(scene: Scene, **options: Any) -> DarwinDataset:
    return scene.open(mapping=PARTED, **options)


def full(samples: Samples, case_id: str = "site-a/one") -> cf.Case:
    """A case of three images with annotations on each, and on none."""
    case = samples.full_case(case_id, KINDS)
    series = next(image for image in case.images if image.role == Kind.DICOM_SERIES)
    others = [replace(each, id=str(uuid.uuid4())) for each in [*flat("picture"), *samples.annotations(series)]]
    return replace(case, annotations=[*case.annotations, *others])


def names(scene: Scene) -> list[str]:
    """Full paths of all items on the stand-in."""
    client = scene.open()._client
    items = client.items(scene.open().place.dataset_id)
    return sorted(f"{item['path'].rstrip('/')}/{item['name']}" for item in items)


def test_a_case_with_everything_is_several_items_and_one_case(scene: Scene, samples: Samples) -> None:
    case = full(samples)
    dataset = parted(scene)
    sent = scene.put(case, dataset)
    assert names(scene) == [f"/site-a/2024/site-a%2Fone{end}" for end in ("", " [dicom-series]", " [picture]")]
    assert [call.name for call in sent.plan.calls if "register" in call.name] == [
        "register",
        "register (1)",
        "register (2)",
    ]
    assert len({call.name for call in sent.plan.calls}) == len(sent.plan.calls)

    check(dataset.sealed(case), dataset.get(sent.item.id))
    plain = scene.open()  # whoever reads needs no mapping
    (item,) = plain.items()
    assert (item.id, item.case_id, item.state) == (sent.item.id, case.id, "ready")
    check(dataset.sealed(case), item)
    found = plain.find(case.id)
    assert found is not None
    assert found.id == item.id
    assert plain.find(f"{case.id} [picture]") is None
    assert scene.put(case, dataset).plan.calls == ()


def test_a_transfer_brings_it_once_and_home_again(scene: Scene, samples: Samples, tmp_path: Path) -> None:
    case = full(samples, "one")
    local = cf.connect(f"local:{tmp_path / 'out'}")
    local.put(case)
    assert cf.transfer(local, parted(scene), journal=tmp_path / "j.db", unmapped="create").ok
    again = cf.transfer(local, parted(scene), unmapped="create")
    assert again.ok
    assert len(names(scene)) == 3
    assert cf.transfer(scene.open(), f"local:{tmp_path / 'home'}").ok
    home = cf.connect(f"local:{tmp_path / 'home'}").find("one")
    assert home is not None
    check(local.sealed(case), home)


@pytest.mark.parametrize("number", range(6))
def test_what_was_stopped_goes_on(scene: Scene, samples: Samples, number: int) -> None:
    """Whichever of its calls is the last: every item is there once, and complete."""
    images = [samples.image(Kind.PICTURE, role) for role in "ab"]
    boxes = [cf.Box(role, [(1, 2), (5, 3)], label="region") for role in "ab"]
    case = cf.Case("c", images=images, annotations=boxes)
    dataset = parted(scene)
    send, done = dataset._send, []

    def stopped(call: Any) -> Any:
        done.append(call.name)
        if len(done) > 2 * number + 1:
            raise KeyboardInterrupt
        return send(call)

    dataset._send = stopped  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        dataset.put(case)
    fresh = parted(scene)
    item = fresh.put(case)
    assert names(scene) == ["/c", "/c [b]"]
    check(fresh.sealed(case), fresh.wait(item))


def test_a_case_of_which_an_item_is_missing_is_not_ready(scene: Scene, samples: Samples) -> None:
    case = full(samples, "c")
    dataset = parted(scene)
    item = dataset.put(case)
    missing = next(part for part in item.native["parts"] if "[picture]" in part["name"])
    dataset._client.change_items("DELETE", "", dataset.place.dataset_id, [missing["id"]])
    assert [each.state for each in dataset.items()] == ["uploading"]
    assert dataset.get(item.id).state == "uploading"
    item = dataset.put(case)
    check(dataset.sealed(case), dataset.wait(item))


def test_annotations_come_and_go_on_the_item_of_their_image(scene: Scene, samples: Samples) -> None:
    images = [samples.image(Kind.PICTURE, role) for role in "ab"]
    first = cf.Box("b", [(1, 2), (5, 3)], label="region", id=str(uuid.uuid4()))
    dataset = parted(scene)
    item = dataset.put(cf.Case("c", images=images, annotations=[first]))
    second = cf.Box("b", [(0, 0), (2, 2)], label="region", id=str(uuid.uuid4()))
    third = cf.Point("a", (1, 1), label="tip", id=str(uuid.uuid4()))
    case = dataset.annotate(item, [second, third]).case()
    assert {a.id: a.image for a in case.annotations} == {first.id: "b", second.id: "b", third.id: "a"}
    assert [row["id"] for row in scene.standin.annotations(item.id)] == [third.id]
    case = dataset.annotate(dataset.get(item.id), remove=[first.id]).case()
    assert {a.id for a in case.annotations} == {second.id, third.id}


def test_the_whole_case_is_archived_and_deleted(scene: Scene, samples: Samples) -> None:
    dataset = parted(scene)
    item = dataset.put(full(samples, "c"))
    assert dataset.archive(item) == 3
    assert list(dataset.items()) == []
    assert dataset.restore(item) == 3
    dataset.delete(dataset.get(item.id))
    assert names(scene) == []


def test_another_case_of_that_name_is_not_changed(scene: Scene, samples: Samples) -> None:
    images = [samples.image(Kind.PICTURE, role) for role in "ab"]
    case = cf.Case("c", images=images)
    scene.open().put(case)
    with pytest.raises(AlreadyExists):
        parted(scene).put(case)
    other = cf.Case("d", images=images)
    parted(scene).put(other)
    with pytest.raises(AlreadyExists):
        scene.open().put(other)
    changed = replace(other, images=[images[0], cf.Image("b", samples.image(Kind.PICTURE, "longer name").files)])
    with pytest.raises(AlreadyExists):
        parted(scene).put(changed)


def test_items_and_a_layout_exclude_each_other(scene: Scene) -> None:
    layout = {"version": 1, "type": "grid"}
    with pytest.raises(ConfigurationError, match=r"darwin\.merge and darwin\.layout"):
        scene.open(mapping={"darwin": {"merge": "items", "layout": layout}})
