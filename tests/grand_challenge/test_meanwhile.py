"""Somebody else writes to an item in the very moment in which caseferry does: nothing of theirs is lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.errors import PlatformError
from caseferry.files import FileRef
from caseferry.geometry import Geometry
from caseferry_grand_challenge.wire.annotations import annotations_in
from caseferry_grand_challenge.wire.item_calls import entry, filled_sockets
from caseferry_grand_challenge.wire.pairing import paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.connector import Item
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

VOXELS = np.arange(60, dtype=np.int16).reshape(3, 4, 5)


@pytest.fixture
def archive(shared: Scene) -> GrandChallengeDataset:
    shared.standin.add_socket("tips", "Multiple points", in_database=True)
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(shared.folder / "ct.mha"))
    return shared.open(mapping={"grand-challenge": {"labels": {"tip": "tips", "spot": "generic-overlay"}}})


def tip(name: str, column: float) -> cf.Point:
    return cf.Point("ct", (column, 1), frame=1, label="tip", id=name, attributes={"of": name})


def spot(column: int) -> cf.Mask:
    voxels = np.zeros((5, 4, 3), np.uint8)
    voxels[column, 2, 1] = 1
    return cf.Mask.of_array("ct", voxels, {1: "spot"}, np.eye(4), id="spot")


@pytest.fixture
def item(shared: Scene, archive: GrandChallengeDataset) -> Item:
    image = cf.Image("ct", [shared.folder / "ct.mha"])
    marks = [tip("a", 1), tip("b", 2), tip("c", 3)]
    report = cf.Attachment("report", FileRef.of_bytes(b"%PDF-1.4 one", "report.pdf"))
    return archive.put(cf.Case("one", images=[image], annotations=marks, attachments=[report]))


def tips(dataset: GrandChallengeDataset, item: Item) -> list[dict[str, Any]]:
    """The entries of the socket, as the platform tells them."""
    value: dict[str, Any] = filled_sockets(dataset.get(item.id).native)["tips"]["value"]
    return list(value["points"])


def write(dataset: GrandChallengeDataset, item: Item, **values: Any) -> None:
    """What a person does with a client of their own."""
    body = {"values": [entry(slug.replace("_", "-"), **source) for slug, source in values.items()]}
    dataset._client.request("PATCH", dataset.place.item(item.id), json=body, what="what somebody writes")


def rewrite(dataset: GrandChallengeDataset, item: Item, change: Callable[[list[Any]], list[Any]]) -> None:
    value = filled_sockets(dataset.get(item.id).native)["tips"]["value"]
    write(dataset, item, tips={"value": {**value, "points": change(value["points"])}})


def moved(point: dict[str, Any]) -> dict[str, Any]:
    return {**point, "point": [4.0, 3.0, 2.0]}


def before(dataset: GrandChallengeDataset, name: str, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let somebody act once, right before the look that precedes a call of a plan."""
    send, over = dataset._client.send, []

    def sending(call: cf.Call) -> Any:
        if call.name == name and not over:
            over.append(name)
            act()
        return send(call)

    monkeypatch.setattr(dataset._client, "send", sending)


THEIRS = {"name": "by a reader", "type": "Point", "point": [0.0, 1.0, 2.0]}


def test_an_entry_that_came_meanwhile_stays(
    archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(archive, "look again", lambda: rewrite(archive, item, lambda points: [THEIRS, *points]), monkeypatch)
    case = archive.annotate(item, [tip("d", 4)]).case()
    named = {each.id: each.points[0] for each in case.annotations if isinstance(each, cf.Point) and each.attributes}
    assert named == {"a": (1, 1), "b": (2, 1), "c": (3, 1), "d": (4, 1)}
    assert (len(tips(archive, item)), THEIRS in tips(archive, item)) == (5, True)


def test_what_was_taken_out_meanwhile_stays_out(
    archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(archive, "look again", lambda: rewrite(archive, item, lambda points: points[1:]), monkeypatch)
    case = archive.annotate(item, [tip("d", 4)]).case()
    assert {each.id for each in case.annotations} == {"b", "c", "d"}


@pytest.mark.parametrize("verb", ["replace", "remove"])
def test_a_change_of_both_is_a_conflict(
    archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    def act() -> None:
        rewrite(archive, item, lambda points: [points[0], moved(points[1]), points[2]])

    before(archive, "look again", act, monkeypatch)
    new = [replace(tip("b", 2), points=[(0, 3)])] if verb == "replace" else []
    with pytest.raises(PlatformError, match=r"changed annotation 'b' in this moment.*run the same again"):
        archive.annotate(item, new, replace=True, remove=[] if new else ["b"])
    found = {each.id: each for each in archive.get(item.id).case().annotations}
    assert (found["b"].points, found["b"].attributes) == (((4, 3),), {"of": "b"})  # type: ignore[attr-defined]


def test_a_mask_that_somebody_put_there_meanwhile_is_not_written_over(
    shared: Scene, archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = archive.annotate(item, [spot(1)])
    sitk.WriteImage(sitk.GetImageFromArray((VOXELS % 2).astype(np.uint8)), str(shared.folder / "theirs.mha"))
    other = shared.open()
    theirs = other.put(cf.Case("two", images=[cf.Image("ct", [shared.folder / "theirs.mha"])]))
    address = other.stored(theirs, "ct-image").address
    acting = archive._client.send

    def sending(call: cf.Call) -> Any:
        if call.name == "set values":
            write(archive, item, generic_overlay={"image": address})
        return acting(call)

    monkeypatch.setattr(archive._client, "send", sending)
    with pytest.raises(PlatformError, match="changed annotation 'spot' in this moment"):
        archive.annotate(item, [spot(3)], replace=True)
    assert filled_sockets(archive.get(item.id).native)["generic-overlay"]["image"] == address


@pytest.mark.parametrize("fault", ["502-after", "reset-after"])
def test_a_list_whose_writing_was_not_answered_is_written_once(
    shared: Scene, archive: GrandChallengeDataset, item: Item, fault: str
) -> None:
    shared.sandbox.faults.add(f"grand-challenge:PATCH */archives/items/* {fault} x1")
    case = archive.annotate(item, [tip("d", 4), replace(tip("b", 2), points=[(0, 3)])], replace=True).case()
    assert sorted(each.id for each in case.annotations) == ["a", "b", "c", "d"]
    assert len(tips(archive, item)) == 4


def test_a_value_that_came_while_another_socket_was_emptied_stays(
    archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Emptying one names all the others: one that nobody had seen would be emptied as well."""
    before(archive, "look again", lambda: write(archive, item, lung_volume={"value": 1.9}), monkeypatch)
    case = archive.detach(item, "report").case()
    assert (case.values, case.attachments) == ({"lung-volume": 1.9}, ())


@pytest.mark.parametrize("fault", ["PUT */archives/items/* 502-after x1", "PATCH */archives/items/* reset-after x1"])
def test_sockets_whose_change_was_not_answered(
    shared: Scene, archive: GrandChallengeDataset, item: Item, fault: str
) -> None:
    shared.sandbox.faults.add(f"grand-challenge:{fault}")
    case = archive.detach(archive.fill(item, {"lung-volume": 2.5}), "report").case()
    assert (case.values, case.attachments) == ({"lung-volume": 2.5}, ())


def test_what_another_has_annotated_while_a_socket_was_filled_stays(
    shared: Scene, archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both write the sidecar."""
    other = shared.open()
    note = cf.Text("ct", label="note", value="seen", id="note")
    act: Callable[[], Any] = lambda: other.annotate(other.get(item.id), [note])  # noqa: E731  as short as it is
    before(archive, "look again", act, monkeypatch)
    case = archive.fill(item, {"report": FileRef.of_bytes(b"%PDF-1.4 another", "new.pdf")}).case()
    assert {each.id for each in case.annotations} == {"a", "b", "c", "note"}
    assert [each.file.read() for each in case.attachments] == [b"%PDF-1.4 another"]


def test_an_image_that_was_replaced_while_it_was_moved_is_not_taken_out(
    shared: Scene, archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = shared.open()
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS + 1), str(shared.folder / "new.mha"))
    theirs = other.stored(other.put(cf.Case("two", images=[cf.Image("ct", [shared.folder / "new.mha"])])), "ct-image")
    before(archive, "detach", lambda: write(archive, item, ct_image={"image": theirs.address}), monkeypatch)
    before(archive, "look again", lambda: write(archive, item, ct_image={"image": theirs.address}), monkeypatch)
    with pytest.raises(PlatformError, match="nothing was emptied"):
        archive.retype(item, "ct-image", "mr-image")
    assert filled_sockets(archive.get(item.id).native)["ct-image"]["image"] == theirs.address


class TestWhichIsWhich:
    """What people do to a list of annotations with clients of their own, and what is read then."""

    @pytest.mark.parametrize(
        ("change", "there"),
        [
            (lambda points: points[::-1], {"a": 1, "b": 2, "c": 3}),
            (lambda points: points[1:], {"b": 2, "c": 3}),
            (lambda points: [points[0], points[2]], {"a": 1, "c": 3}),
            (lambda points: [THEIRS, *points], {"a": 1, "b": 2, "c": 3}),
            (lambda points: [moved(points[0]), *points[1:]], {"a": 4, "b": 2, "c": 3}),
            (lambda points: [points[2], moved(points[1])], {"c": 3}),
            (lambda points: [THEIRS, moved(points[0]), *points[1:]], {"b": 2, "c": 3}),
            (lambda points: [moved(points[0]), *points[1:], THEIRS], {"a": 4, "b": 2, "c": 3}),
        ],
        ids=[
            "reversed",
            "first gone",
            "middle gone",
            "one before",
            "one moved",
            "one gone and one moved",
            "one before and one moved",
            "one behind and one moved",
        ],
    )
    def test_each_keeps_what_is_said_of_it(
        self,
        archive: GrandChallengeDataset,
        item: Item,
        change: Callable[[list[Any]], list[Any]],
        there: dict[str, float],
    ) -> None:
        rewrite(archive, item, change)
        found = [each for each in archive.get(item.id).case().annotations if isinstance(each, cf.Point)]
        assert len(found) == len(tips(archive, item))
        known = {each.attributes["of"]: each for each in found if each.attributes}
        assert {name: each.points[0][0] for name, each in known.items()} == there
        assert all(each.id == name for name, each in known.items())

    def test_of_entries_that_lie_in_one_place_each_is_one(self) -> None:
        same = {"type": "Point", "point": [1.0, 2.0, 3.0]}
        assert paired([same, same], [same, same]) == {0: 0, 1: 1}
        assert paired([same, same], [same]) == {0: 0}
        assert paired([], [same]) == {}

    def test_an_entry_that_is_none_hides_no_other(
        self, shared: Scene, archive: GrandChallengeDataset, item: Item
    ) -> None:
        """A polygon of two points, as a slip of the hand leaves one; it stays where it is."""
        shared.standin.add_socket("areas", "Multiple polygons", in_database=True)
        area = cf.Polygon("ct", [(1, 1), (3, 1), (2, 3)], frame=1, label="areas", id="area")
        item = archive.annotate(item, [area])
        value = filled_sockets(item.native)["areas"]["value"]
        slip = {**value["polygons"][0], "path_points": value["polygons"][0]["path_points"][:2]}
        write(archive, item, areas={"value": {**value, "polygons": [slip, *value["polygons"]]}})
        case = archive.get(item.id).case()
        assert {"area"} == {each.id for each in case.annotations if isinstance(each, cf.Polygon)}
        item = archive.annotate(archive.get(item.id), [replace(area, rings=[[(0, 1), (3, 1), (2, 3)]], id="more")])
        assert slip in filled_sockets(item.native)["areas"]["value"]["polygons"]
        assert len(filled_sockets(item.native)["areas"]["value"]["polygons"]) == 3

    def test_long_lists_are_read_whole(self) -> None:
        grid = Geometry((5, 4, 3), np.eye(4))
        points = [{"type": "Point", "point": [float(number % 5), 1.0, 2.0]} for number in range(10_050)]
        value = {"type": "Multiple points", "version": {"major": 1, "minor": 0}, "points": points}
        found = annotations_in("Multiple points", value, {"image": "ct", "label": "tip"}, grid, ())
        assert len(found) == 10_050
