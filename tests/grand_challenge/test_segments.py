"""Masks in sockets that name their voxel values: what is the right lung here is the right lung there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from hypothesis import given
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.compare import differences
from caseferry_grand_challenge.wire.item_calls import filled_sockets
from caseferry_grand_challenge.wire.reading import case_of
from caseferry_grand_challenge.wire.segments import called_otherwise, numbering
from caseferry_grand_challenge.wire.sockets import Socket

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from caseferry.connector import Item
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

LUNGS = Socket("lungs", "Segmentation", "Image", ((1, "left lung"), (2, "right lung")))
MAPPED = dict.fromkeys(("left lung", "right lung", "Right Lung", "nodule", "big"), "lung-segmentation")


@given(st.lists(st.integers(1, 255), min_size=1, max_size=9, unique=True), st.data())
def test_each_label_has_the_value_of_its_name(values: list[int], data: st.DataObject) -> None:
    names = [f"organ {number}" for number in range(len(values))]
    socket = Socket("organs", "Segmentation", "Image", tuple(enumerate(data.draw(st.permutations(names)), start=3)))
    labels = dict(zip(values, names, strict=True))
    numbers = numbering(socket, labels)
    assert isinstance(numbers, dict)
    assert {dict(socket.segments)[number]: labels[value] for value, number in numbers.items()} == {n: n for n in names}
    assert called_otherwise(socket, labels, numbers) == {}


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({1: "left lung", 2: "nodule"}, "holds 'left lung', 'right lung', and not 'nodule'"),
        ({1: "left lung", 2: "Left-Lung"}, "and not one of them twice"),
        ({3: "nodule"}, r"takes the voxel values \[1, 2\]"),
    ],
)
def test_what_a_socket_cannot_hold(labels: dict[int, str], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(numbering(LUNGS, labels))


def test_a_socket_that_knows_none_of_the_labels_calls_them_otherwise() -> None:
    assert numbering(LUNGS, {2: "nodule"}) == {2: 2}
    assert called_otherwise(LUNGS, {2: "nodule"}, {2: 2}) == {"nodule": "right lung"}


def voxels() -> NDArray[np.uint8]:
    """Voxels [column, row, slice] of four values."""
    return (np.arange(60).reshape(5, 4, 3) * 7 % 4).astype(np.uint8)


def case_with(folder: Path, labels: dict[int, str], array: NDArray[Any]) -> cf.Case:
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5)), str(folder / "ct.mha"))
    mask = cf.Mask.of_array("ct", array, labels, np.eye(4), id="mask")
    return cf.Case("one", images=[cf.Image("ct", [folder / "ct.mha"])], annotations=[mask])


def on_the_platform(dataset: GrandChallengeDataset, item: Item, slug: str, folder: Path) -> NDArray[Any]:
    """The voxels [slice, row, column] of the image in a socket, as ITK reads its file."""
    told = dataset._client.image(filled_sockets(item.native)[slug]["image"])
    with dataset._client.open_file(told["files"][0]["file"]) as stream:
        (folder / "there.mha").write_bytes(stream.read())
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "there.mha")))  # type: ignore[no-any-return]


@pytest.fixture
def archive(shared: Scene) -> GrandChallengeDataset:
    return shared.open(mapping={"grand-challenge": {"labels": MAPPED}})


def test_sides_are_not_changed(shared: Scene, archive: GrandChallengeDataset) -> None:
    """The socket numbers them the other way round."""
    array = voxels() % 3
    case = case_with(shared.folder, {1: "Right Lung", 2: "left lung"}, array)
    plan = archive.plan(case)
    plan.release()
    assert {each.part: (each.kept, each.exact) for each in plan.held}["mask 'Right Lung, left lung'"] == (
        "native",
        True,
    )
    item = archive.put(case)
    there = on_the_platform(archive, item, "lung-segmentation", shared.folder).T
    np.testing.assert_array_equal(there, np.array([0, 2, 1])[array])
    assert differences(archive.sealed(case), item.case()) == []
    foreign = case_of(item.native, None, archive.names, archive._source())
    (mask,) = (each for each in foreign.annotations if isinstance(each, cf.Mask))
    np.testing.assert_array_equal(mask.voxels() == 2, array == 1)
    assert mask.labels == {1: "left lung", 2: "right lung"}
    # and when they are changed, and go to another archive of the same platform
    other = cf.Mask.of_array("ct", array[::-1], {1: "Right Lung", 2: "left lung"}, np.eye(4), id="mask")
    item = archive.annotate(item, [other], replace=True)
    there = on_the_platform(archive, item, "lung-segmentation", shared.folder).T
    np.testing.assert_array_equal(there, np.array([0, 2, 1])[array[::-1]])
    home = shared.open("sandbox", mapping={"grand-challenge": {"labels": MAPPED}}).put(item.case())
    there = on_the_platform(archive, home, "lung-segmentation", shared.folder).T
    np.testing.assert_array_equal(there, np.array([0, 2, 1])[array[::-1]])


def test_another_mask_with_values_that_the_first_had_not(shared: Scene, archive: GrandChallengeDataset) -> None:
    """Somebody has put it there since: none of its voxels are lost, and each is called as the socket calls it."""
    array = (voxels() == 1).astype(np.uint8)
    item = archive.put(case_with(shared.folder, {1: "right lung"}, array))
    theirs = sitk.GetImageFromArray((voxels() % 3).T)
    sitk.WriteImage(theirs, str(shared.folder / "theirs.mha"))
    item = archive.fill(item, {"lung-segmentation": cf.Image("mask", [shared.folder / "theirs.mha"])})
    (mask,) = (each for each in item.case().annotations if isinstance(each, cf.Mask))
    assert mask.labels == {1: "left lung", 2: "right lung"}
    np.testing.assert_array_equal(mask.voxels(), voxels() % 3)


@pytest.mark.parametrize(
    ("labels", "kept", "words"),
    [
        ({1: "nodule"}, "converted", "the socket names its values itself: 'nodule' is 'left lung'"),
        ({1: "left lung", 2: "nodule"}, "sidecar", "and not 'nodule'"),
        ({3: "nodule"}, "sidecar", "takes the voxel values"),
    ],
)
def test_a_plan_tells_how_they_are_called(
    shared: Scene, archive: GrandChallengeDataset, labels: dict[int, str], kept: str, words: str
) -> None:
    array = np.zeros((5, 4, 3), np.uint8)
    array[: len(labels), 0, 0] = list(labels)
    case = case_with(shared.folder, labels, array)
    plan = archive.plan(case)
    plan.release()
    (held,) = (each for each in plan.losses if each.part.startswith("mask"))
    assert (held.kept, words in held.reason, held.error.exact) == (kept, True, True)
    assert differences(archive.sealed(case), archive.put(case).case()) == []


def test_masks_that_overlap_lie_in_sockets_of_their_own(shared: Scene) -> None:
    """Each whole, with eight bits; a value above 255 in a socket for segmentations goes beside."""
    shared.standin.add_socket("other-lesion", "Segmentation", segments=("lesion",))
    labels = {"lesion": "lesion-segmentation", "second": "other-lesion", "big": "heat-map", "far": "organ-segmentation"}
    archive = shared.open(mapping={"grand-challenge": {"labels": labels}})
    one, two = (np.ones((5, 4, 3), np.uint8), (voxels() == 2).astype(np.uint8))
    case = case_with(shared.folder, {1: "lesion"}, one)
    masks = [
        *case.annotations,
        cf.Mask.of_array("ct", two, {1: "second"}, np.eye(4), id="two"),
        cf.Mask.of_array("ct", two.astype(np.uint16) * 300, {300: "big"}, np.eye(4), id="three"),
        cf.Mask.of_array("ct", two.astype(np.uint16) * 300, {300: "far"}, np.eye(4), id="four"),
    ]
    case = cf.Case("one", images=case.images, annotations=masks)
    plan = archive.plan(case)
    plan.release()
    assert [each.kept for each in plan.held if each.part.startswith("mask")] == [
        "native",
        "converted",
        "native",
        "sidecar",
    ]
    item = archive.put(case)
    for slug, array in (("lesion-segmentation", one), ("other-lesion", two), ("heat-map", two * np.uint16(300))):
        there = on_the_platform(archive, item, slug, shared.folder)
        np.testing.assert_array_equal(there.T, array)
        assert there.dtype == (np.uint16 if slug == "heat-map" else np.uint8)
    assert differences(archive.sealed(case), item.case()) == []


def test_a_position_in_a_later_moment_goes_beside(shared: Scene) -> None:
    """A position in space does not say when; nor does a socket say in which image."""
    voxels_in_time = sitk.JoinSeries([sitk.GetImageFromArray(np.full((3, 4, 5), n, np.int16)) for n in range(2)])
    sitk.WriteImage(voxels_in_time, str(shared.folder / "time.mha"))
    case = case_with(shared.folder, {1: "lesion"}, np.ones((5, 4, 3), np.uint8))
    images = [cf.Image("time", [shared.folder / "time.mha"]), case.images[0]]
    marks = [
        cf.Point("time", (1, 2), frame=2, label="point"),
        cf.Point("time", (1, 2), frame=4, label="seed"),
        *(cf.Polyline(role, [(1, 2), (2, 2), (3, 1)], frame=0, label="multiple-lines") for role in ("time", "ct")),
    ]
    case = cf.Case("one", images=images, annotations=marks)
    shared.standin.add_socket("seed", "Point")
    archive = shared.open(mapping={"grand-challenge": {"images": {"time": "generic-medical-image"}}})
    plan = archive.plan(case)
    plan.release()
    told = [each for each in plan.held if each.part.startswith("po")]
    assert [each.kept for each in told] == ["native", "sidecar", "native", "sidecar"]
    assert "later moment" in told[1].reason
    assert "holds annotations of image 'time'" in told[3].reason
    item = archive.put(case)
    assert differences(archive.sealed(case), item.case()) == []
    assert len(filled_sockets(item.native)) == 5
