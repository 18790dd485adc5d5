"""Projects that share resources: a case stays one, wherever people add it, and is deleted where it was put."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry_datamint import Datamint

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from datamint_scene import Scene


@pytest.fixture
def shared(scene: Scene, samples: Samples) -> tuple[cf.Case, list[str]]:
    """A case, and the ids of its resources, which people have added to the project "second"."""
    series, picture = samples.image(Kind.DICOM_SERIES), samples.image(Kind.PICTURE)
    shown = [
        *samples.annotations(series),
        cf.Label(series.role, "seen"),
        cf.Angle(picture.role, [(1, 3), (3, 3), (3, 1)], label="bent"),
    ]
    case = cf.Case("shared", images=[series, picture], annotations=shown, values={"volume": 1.5}, tags=["train"])
    dataset = scene.open()
    ids = [each.id for each in dataset.resources(dataset.put(case))]
    scene.open().account.create_project("second", resources=ids)
    return case, ids


def test_a_case_stays_whole_in_another_project(scene: Scene, shared: tuple[cf.Case, list[str]]) -> None:
    case, ids = shared
    dataset = scene.open("second")
    (item,) = dataset.items()
    assert (item.id, item.case_id) == (ids[0], "shared")
    assert dataset.get(ids[3]) == dataset.find("shared") == item
    assert differences(dataset.sealed(case), item.case()) == []
    dataset.annotate(item, [cf.Label("picture", "new")])
    assert {each.label for each in scene.open().get(ids[0]).case().annotations} >= {"new", "seen", "bent"}
    scene.open().account.create_project("third", resources=ids[-1:])
    (part,) = scene.open("third").items()
    assert part.case_id == "shared"
    assert len(part.case().images) == 2


def test_what_was_added_from_another_project_is_not_put_again(scene: Scene, shared: tuple[cf.Case, list[str]]) -> None:
    case, ids = shared
    dataset = scene.open("second")
    assert dataset.plan(case).calls == ()
    assert scene.put(case, dataset).item.id == ids[0]
    with pytest.raises(cf.AlreadyExists):
        dataset.put(replace(case, values={"volume": 2}))
    scene.open().account.create_project("third", resources=ids[:1])
    scene.open().account.delete_resources(ids[2])
    third = scene.open("third")
    assert third.put(case).id == ids[0]
    assert len(list(scene.open().account.resources(project="third"))) == len(ids)
    assert [item.case_id for item in scene.open().items()] == ["shared"]
    assert differences(third.sealed(case), scene.open().get(ids[0]).case()) == []


def test_what_was_read_from_there_is_there(scene: Scene, shared: tuple[cf.Case, list[str]], tmp_path: Path) -> None:
    """Masks come back as files of another name and size."""
    case, ids = shared
    first, second = scene.open(), scene.open("second")
    for dataset in (first, second):
        assert dataset.plan(first.get(ids[0]).case()).calls == ()
    report = cf.transfer(first, second, journal=tmp_path / "journal.db")
    assert dict(report.counts) == {"unchanged": 1}
    assert len(list(first.account.resources())) == len(ids)
    changed = replace(first.get(ids[0]).case(), annotations=case.annotations[:1])
    with pytest.raises(cf.AlreadyExists):
        first.plan(changed)


def test_what_was_added_from_another_project_is_not_deleted_from_there(
    scene: Scene, shared: tuple[cf.Case, list[str]]
) -> None:
    _, ids = shared
    dataset = scene.open("second")
    (item,) = dataset.items()
    with pytest.raises(cf.UnsupportedOperation, match="delete it there"):
        dataset.delete(item)
    assert {each.id for each in scene.open().account.resources()} == set(ids)
    scene.open().delete(item)
    assert list(dataset.items()) == []


def test_a_case_may_be_put_into_two_projects(scene: Scene, samples: Samples) -> None:
    scene.open().account.create_project("second")
    case = samples.case("twice", Kind.PICTURE, annotations=[cf.Label("picture", "seen")])
    first, second = (scene.open(name) for name in ("sandbox", "second"))
    ids = {dataset.put(case).id for dataset in (first, second)}
    assert len(ids) == 2
    second.delete(next(second.items()))
    assert [item.case_id for item in first.items()] == ["twice"]
    assert second.find("twice") is None


def test_a_case_in_no_project_is_in_one_when_people_add_it(scene: Scene, samples: Samples) -> None:
    """As the older clients worked: upload, look at the inbox, publish into a project."""
    image = samples.image(Kind.DICOM_SERIES)
    case = cf.Case("loose", images=[image], annotations=samples.annotations(image), values={"volume": 1.5})
    with Datamint() as account, account.open(None, channel="new", publish=False) as inbox:
        scene.put(samples.case("elsewhere", Kind.PICTURE))
        item = scene.put(case, inbox).item
        assert inbox.put(case) == inbox.find("loose") == item
        assert list(inbox.items()) == list(inbox.items(status="inbox", channel="new")) == [item]
        assert differences(inbox.sealed(case), item.case()) == []
        account.publish((each.id for each in inbox.resources(item)), project="sandbox")
        assert list(inbox.items()) == []
        dataset = scene.open()
        there = dataset.get(item.id)
        assert [each.case_id for each in dataset.items()] == ["elsewhere", "loose"]
        assert differences(dataset.sealed(case), there.case()) == []
        assert dataset.put(case) == inbox.put(case) == there
        dataset.delete(there)
        assert [each.case_id for each in account.resources()] == ["elsewhere"]


def test_an_upload_in_no_project_whose_answer_is_lost_is_made_once(scene: Scene, samples: Samples) -> None:
    with Datamint() as account, account.open(None) as inbox:
        scene.sandbox.faults.add("POST /resources reset-after x1")
        item = inbox.put(samples.case("once", Kind.PICTURE))
        assert [each.id for each in account.resources()] == [item.id]
