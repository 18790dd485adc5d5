"""What is done to items that are there, comments, filters, and the datasets of a team."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry_darwin import Darwin
from caseferry_darwin.wire import comments

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from caseferry_darwin.dataset import DarwinDataset
    from darwin_scene import Scene

BOX = (1, 2.5, 3, 4)


@pytest.fixture
def dataset(scene: Scene, samples: Samples) -> DarwinDataset:
    """Two items of one name in different folders, and another with a tag."""
    opened = scene.open()
    image = samples.image(Kind.PICTURE, "picture")
    opened.put(cf.Case("a/one", images=[image], folder="a"))
    opened.put(cf.Case("b/one", images=[image], folder="b"))
    box = cf.Box("picture", [(1, 1), (3, 3)], label="x")
    opened.put(cf.Case("two", images=[image], tags=["tag"], annotations=[box]))
    return opened


def ids(dataset: DarwinDataset, **filters: Any) -> set[str]:
    return {item.case_id for item in dataset.items(**filters)}


def test_archived_restored_deleted(dataset: DarwinDataset) -> None:
    found = {item.case_id: item for item in dataset.items()}
    assert dataset.archive([found["a/one"], found["two"].id]) == 2
    assert ids(dataset) == {"b/one"}
    assert ids(dataset, archived=True) == ids(dataset, statuses="archived") == {"a/one", "two"}
    assert dataset.restore(found["a/one"]) == 1
    assert ids(dataset) == {"a/one", "b/one"}
    assert dataset.delete_items([found["a/one"], found["a/one"]]) == 1
    assert ids(dataset) == {"b/one"}
    assert ids(dataset, archived=True) == {"two"}


def test_no_call_means_every_item(scene: Scene, dataset: DarwinDataset) -> None:
    other = scene.open(scene.standin.add_dataset("other")["slug"])
    item = next(iter(dataset.items()))
    asked = len(scene.sandbox.ledger)
    for verb in (dataset.archive, dataset.restore, dataset.delete_items):
        assert verb([]) == 0
        assert verb(iter(())) == 0
        for wrong in ([""], [None], [item, 3]):
            with pytest.raises(cf.ConfigurationError, match="neither an item nor the id of one"):
                verb(wrong)  # type: ignore[arg-type]
    assert dataset.set_status([], "complete") == 0
    with pytest.raises(cf.ConfigurationError, match=r"not of darwin:sandbox-team/other"):
        other.delete_items([item])
    for filters in ({"ids": []}, {"names": ()}, {"not_statuses": []}):
        with pytest.raises(cf.ConfigurationError, match="would mean every item"):
            dataset.items(**filters)
    assert len(scene.sandbox.ledger) == asked
    assert len(ids(dataset)) == 3


def test_many_items_are_named_in_several_calls(
    scene: Scene, dataset: DarwinDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseferry_darwin.life.AT_ONCE", 2)
    before = len(scene.sandbox.ledger)
    assert dataset.archive(dataset.items()) == 3
    sent = [call.json["filters"] for call in list(scene.sandbox.ledger)[before:] if call.method == "POST"]
    assert [len(each["item_ids"]) for each in sent] == [2, 1]
    assert {tuple(each["dataset_ids"]) for each in sent} == {(dataset.place.dataset_id,)}


def test_filters(dataset: DarwinDataset) -> None:
    everything = ids(dataset)
    assert everything == {"a/one", "b/one", "two"}
    assert ids(dataset, names="one") == {"a/one", "b/one"}
    assert ids(dataset, names=["one", "absent"], paths="/b") == {"b/one"}
    assert ids(dataset, not_names="one") == {"two"}
    assert ids(dataset, path_prefix="/a") == {"a/one"}
    assert ids(dataset, name_contains="W") == {"two"}
    assert ids(dataset, labels="x") == ids(dataset, labels=["tag"]) == {"two"}
    assert ids(dataset, has_comments=True) == set()
    with pytest.raises(cf.ConfigurationError, match="no class of the team is called so"):
        dataset.items(labels="absent")
    for wrong in ({"archived": "yes"}, {"statuses": 1.5}, {"colour": "red"}):
        with pytest.raises(cf.ConfigurationError):
            dataset.items(**wrong)
    # more names than one address holds
    assert ids(dataset, names=[f"{'x' * 200}{n}" for n in range(30)] + ["two"], statuses=["new"]) == {"two"}


def test_statuses_tags_folders(dataset: DarwinDataset) -> None:
    two = dataset.find("two")
    assert two is not None
    assert dataset.set_status(two, "complete") == 1
    assert ids(dataset, statuses=["complete"]) == {"two"}
    assert dataset.set_status([two], "archived") == 1
    assert ids(dataset, archived=True) == {"two"}
    dataset.set_status(two, "restored")
    dataset.set_status(two, "new")
    assert ids(dataset, statuses="new") == {"a/one", "b/one", "two"}
    with pytest.raises(cf.ConfigurationError, match="expected new, annotate"):
        dataset.set_status(two, "done")
    one = dataset.find("a/one")
    assert one is not None
    dataset.tag([one, two], "tag")
    assert one.case().tags == ("tag",)
    dataset.untag(one, "tag")
    assert one.case().tags == ()
    with pytest.raises(cf.NotFound, match="the team has tag"):
        dataset.tag(one, "absent")
    dataset.move(two, "c/d/")
    assert dataset.get(two.id).native["path"] == "/c/d"
    dataset.prioritise(two, 7)
    assert dataset.get(two.id).native["priority"] == 7


def test_comments_come_with_the_item(scene: Scene, dataset: DarwinDataset) -> None:
    item = dataset.find("two")
    assert item is not None
    dataset.comment(item, "look here", BOX)
    (comment,) = [a for a in item.case().annotations if isinstance(a, cf.Raw)]
    assert (comment.image, comment.label, comment.platform) == ("picture", "comment", "darwin")
    thread = comment.payload["comment_thread"]  # type: ignore[index,call-overload]
    assert thread["bounding_box"] == {"x": 1, "y": 2.5, "w": 3, "h": 4}
    assert [each["body"] for each in thread["comments"]] == ["look here"]
    assert ids(dataset, has_comments=True) == {"two"}
    before = len(scene.sandbox.ledger)
    with pytest.raises(cf.ConfigurationError, match="a text and a box"):
        dataset.comment(item, "", BOX)
    with pytest.raises(cf.ConfigurationError, match="a text and a box"):
        dataset.comment(item, "words", BOX[:3])
    assert len(scene.sandbox.ledger) == before
    with pytest.raises(cf.NotFound, match="it has picture"):
        dataset.comment(item, "words", BOX, image="ct")


def test_comments_travel(scene: Scene, dataset: DarwinDataset) -> None:
    """To another dataset, where they are threads again, and to a folder and back; and once only."""
    item = dataset.find("two")
    assert item is not None
    dataset.comment(item, "look here", BOX)
    dataset.comment(item, "look here", BOX)  # the same once more is another thread
    url = f"items/{item.id}/comment_threads"
    (thread, _) = dataset._client.threads(item.id)
    dataset._client.http.request(
        "POST", f"v2/teams/sandbox-team/{url}/{thread['id']}/comments", json={"body": "and there"}
    )
    second = scene.open(scene.standin.add_dataset("second")["slug"])
    folder = cf.connect(f"local:{scene.folder / 'cases'}")
    third = scene.open(scene.standin.add_dataset("third")["slug"])
    for source, target in ((dataset, second), (second, folder), (folder, third)):
        report = cf.transfer(source, target, phi="keep", select=lambda each: each.case_id == "two", unmapped="accept")
        report.require_ok()
    arrived = third.find("two")
    assert arrived is not None
    said = [
        (each["slot_name"], each["bounding_box"], [comment["body"] for comment in each["comments"]])
        for each in third._client.threads(arrived.id)
    ]
    box = {"x": 1, "y": 2.5, "w": 3, "h": 4}
    assert said == [("0", box, ["look here", "and there"]), ("0", box, ["look here"])]
    assert cf.verify(dataset, third, select=lambda each: each.case_id == "two").ok

    answered = third._client.threads(arrived.id)[1]["id"]
    path = f"v2/teams/sandbox-team/items/{arrived.id}/comment_threads/{answered}/comments"
    third._client.http.request("POST", path, json={"body": "no, there"})
    found = [a.payload for a in arrived.case().annotations if isinstance(a, cf.Raw)]
    assert [each["comment_thread"]["comments"][-1]["body"] for each in found] == ["and there", "no, there"]  # type: ignore[index,call-overload]


def test_a_comment_whose_answer_is_lost_is_said_once(scene: Scene, dataset: DarwinDataset) -> None:
    item = dataset.find("two")
    assert item is not None
    dataset.comment(item, "look here", BOX)
    case = item.case()
    target = scene.open(scene.standin.add_dataset("second")["slug"])
    scene.sandbox.faults.add("POST */comment_threads reset-after x1")
    arrived = target.put(case)
    assert len(target._client.threads(arrived.id)) == 1


def test_a_plan_tells_of_comments(scene: Scene, samples: Samples) -> None:
    thread = {"bounding_box": dict(zip("xywh", BOX, strict=True)), "comments": [{"body": "look here"}]}
    said = cf.Raw("ct", label="comment", platform="darwin", payload={"comment_thread": thread})
    turned = cf.Raw("ct", label="comment", platform="darwin", payload={"comment_thread": thread, "view": "3"})
    case = cf.Case("ct", images=[samples.image(Kind.NIFTI, "ct")], annotations=[said, turned])
    sent = scene.put(case)
    (opened,) = [call for call in sent.plan.calls if call.name.startswith("comment")]  # the other's view is not there
    assert opened.body == {**thread, "slot_name": "0"}
    assert sent.item.case().annotations == case.annotations
    assert "a comment; its author and time in the first slot's metadata" in {loss.where for loss in sent.plan.losses}


def test_what_is_no_comment_stays_beside(scene: Scene, samples: Samples) -> None:
    broken = [
        {"comment_thread": {"bounding_box": {"x": 1}, "comments": [{"body": "a"}], "slot_name": "0"}},
        {"comment_thread": {"bounding_box": dict.fromkeys("xywh", 1), "comments": [], "slot_name": "0"}},
        {"comment_thread": 3},
    ]
    raw = [cf.Raw("picture", platform="darwin", payload=payload) for payload in broken]
    assert not any(comments.is_comment(each) for each in raw)
    case = cf.Case("odd", images=[samples.image(Kind.PICTURE, "picture")], annotations=raw)
    back = scene.put(case).item.case()
    assert [a.payload for a in back.annotations] == broken  # type: ignore[attr-defined]


def test_the_datasets_of_a_team(scene: Scene, samples: Samples) -> None:
    with Darwin() as team:
        assert team.team == "sandbox-team"
        assert [(each.slug, each.items) for each in team.datasets()] == [("sandbox", 0)]
        with team.create_dataset("Chest CT", phi="keep") as made:
            assert made.url == "darwin:sandbox-team/chest-ct"
            made.put(samples.case("one", Kind.PICTURE))
        assert team.dataset("Chest CT") == team.dataset("chest-ct")
        assert team.dataset("chest-ct").items == 1
        for name in ("Chest CT", "chest ct"):
            with pytest.raises(cf.AlreadyExists):
                team.create_dataset(name)
        scene.sandbox.faults.add("POST /api/datasets reset-after x1")
        assert team.create_dataset("Lost").url == "darwin:sandbox-team/lost"
        assert len(team.datasets()) == 3
        team.remove_dataset("Lost")
        assert {each.slug for each in team.datasets()} == {"sandbox", "chest-ct"}
        with pytest.raises(cf.NotFound, match="has sandbox, chest-ct"):
            team.dataset("Lost")
        assert "sandbox-bucket" in {each["name"] for each in team.storages()}
    with pytest.raises(cf.NotFound):
        cf.connect("darwin:sandbox-team/absent")  # opening makes nothing
    with pytest.raises(cf.ConfigurationError, match="use a key of that team"):
        Darwin(team="other")
