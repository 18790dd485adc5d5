"""The rules of registration, each by itself and all of a batch at once; the vendor's own samples pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from caseferry.files import FileRef
from caseferry_darwin.wire.place import Storage
from caseferry_darwin.wire.rules import Finding, Knowledge, Way, check, chunks

if TYPE_CHECKING:
    from collections.abc import Mapping

AWS = Storage("ours", "bucket")
READONLY = Storage("ours", "bucket", readonly=True)
AZURE = Storage("ours", "container", "azure")


def image(**changes: Any) -> dict[str, Any]:
    """An item that keeps all rules of read-write registration."""
    return changed({"path": "/", "name": "a.png", "type": "image", "storage_key": "f/a.png"}, changes)


def shown(**changes: Any) -> dict[str, Any]:
    """An item that keeps all rules of read-only registration."""
    return image(**{"storage_thumbnail_key": "t/a.jpg", "width": 30, "height": 20, **changes})


def section(n: int, **changes: Any) -> dict[str, Any]:
    keys = {"storage_hq_key": f"hq/{n}.png", "storage_lq_key": f"lq/{n}.png"}
    return changed({"section_index": n, "width": 30, "height": 20, **keys}, changes)


def video(**changes: Any) -> dict[str, Any]:
    """A video that keeps all rules of read-only registration."""
    item = {"path": "/", "name": "a.mp4", "type": "video", "storage_key": "f/a.mp4", "storage_thumbnail_key": "t/a.jpg"}
    return changed({**item, "sections": [section(1), section(2)]}, changes)


def compact(**changes: Any) -> dict[str, Any]:
    """The same, cut up by darwin-py."""
    made = {
        "width": 30,
        "height": 20,
        "native_fps": 10.0,
        "visible_frames": 2,
        "total_frames": 2,
        "hls_segments": {"high_quality": {"index": "#EXTM3U", "bitrate": 1.0}},
        "storage_sections_key_prefix": "p",
        "storage_frames_manifest_key": "m.txt",
    }
    return video(**{"sections": None, **made, **changes})


def slot(name: str = "0", file: str = "a.dcm", **changes: Any) -> dict[str, Any]:
    return changed({"slot_name": name, "type": "dicom", "file_name": file, "storage_key": f"f/{file}"}, changes)


def slots(*held: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return changed({"path": "/", "name": "a", "slots": list(held)}, changes)


def changed(item: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """An item with some fields given otherwise; None takes one away."""
    return {key: value for key, value in {**item, **changes}.items() if value is not None}


NAMED = {"keys": ("f/a.png", "f/B.png")}
TAGS = {"tags": {"plain": False, "said": True}}
HIDDEN = {"version": 3, "slots_grid": [[["0"]]]}
FULL = [slot(str(n), f"{n}.png", type="image") for n in range(17)]

BROKEN: list[tuple[int, str, Way, dict[str, Any], Knowledge, str]] = [
    (1, "error", Way.READONLY, shown(width=None), Knowledge(), "cannot measure"),
    (1, "error", Way.READONLY, shown(height=0), Knowledge(), "cannot measure"),
    (1, "error", Way.READONLY, shown(height=20.5), Knowledge(), "cannot measure"),
    (2, "error", Way.READONLY, shown(), Knowledge(sizes={"f/a.png": (20, 30)}), "30x20 pixels, and the file has 20x30"),
    (3, "error", Way.READONLY, shown(storage_thumbnail_key=None), Knowledge(), "356x200"),
    (4, "error", Way.READONLY, shown(storage_thumbnail_key="f/a.png"), Knowledge(), "CORS"),
    (5, "error", Way.READONLY, shown(type="dicom"), Knowledge(), "export slices as images"),
    (5, "error", Way.READONLY, shown(name="a.DCM", storage_key="f/a.DCM"), Knowledge(), "DICOM or NIfTI"),
    (5, "error", Way.READONLY, shown(name="a", storage_key="f/a.nii.gz"), Knowledge(), "DICOM or NIfTI"),
    (6, "error", Way.READONLY, video(sections=None), Knowledge(), "one hq and one lq key"),
    (6, "error", Way.READONLY, video(sections=[]), Knowledge(), "one hq and one lq key"),
    (6, "error", Way.READONLY, compact(native_fps=None), Knowledge(), "lacks native_fps"),
    (6, "error", Way.READONLY, compact(fps=5), Knowledge(), "has fps beside hls_segments"),
    (7, "error", Way.READONLY, video(sections=[section(1), section(3)]), Knowledge(), "2 is missing"),
    (7, "error", Way.READONLY, video(sections=[section(1), section(1)]), Knowledge(), "2 is missing"),
    (7, "error", Way.READONLY, video(sections=[section(0), section(1)]), Knowledge(), "2 is missing"),
    (8, "error", Way.READONLY, video(sections=[section(1, width=None, storage_lq_key="")]), Knowledge(), "width, stor"),
    (8, "error", Way.READONLY, video(sections=[section(1, storage_hq_key="/h")]), Knowledge(), "starts with a slash"),
    (
        9,
        "warning",
        Way.READONLY,
        video(sections=[section(1, storage_hq_key="lq/1.png")]),
        Knowledge(),
        "the same object",
    ),
    (10, "error", Way.READONLY, slots(*[shown(slot_name="0", file_name="a.png")] * 2), Knowledge(), "uses slot '0' 2"),
    (11, "error", Way.READWRITE, slots(slot(), slot(file="y.png", type="image")), Knowledge(), "puts 'y.png' into"),
    (12, "error", Way.READWRITE, image(storage_key=""), Knowledge(), "no storage_key"),
    (12, "error", Way.READWRITE, image(storage_key="/f/a.png"), Knowledge(), "drop it: 'f/a.png'"),
    (12, "error", Way.READONLY, shown(storage_thumbnail_key="/t/a.jpg"), Knowledge(), "storage_thumbnail_key that"),
    (12, "error", Way.READWRITE, image(storage_key="f\n/a.png"), Knowledge(), "control character"),
    (12, "error", Way.READONLY, shown(storage_key=None), Knowledge(), "no storage_key"),
    (13, "error", Way.READWRITE, image(storage_key="s3://bucket/f/a.png"), Knowledge(), "the key: 'f/a.png'"),
    (13, "error", Way.READWRITE, image(storage_key="gs://bucket/f/a.png"), Knowledge(), "the key: 'f/a.png'"),
    (13, "error", Way.READWRITE, image(storage_key="https://s3.x/bucket/f/a.png?s=1"), Knowledge(AWS), "'f/a.png'"),
    (13, "error", Way.READWRITE, image(storage_key="https://b.s3.amazonaws.com/f/a.png"), Knowledge(), "'f/a.png'"),
    (
        13,
        "error",
        Way.READWRITE,
        image(storage_key="https://o.blob.core.windows.net/c/a.png"),
        Knowledge(),
        "'c/a.png'",
    ),
    (14, "warning", Way.READWRITE, image(storage_key="bucket/f/a.png"), Knowledge(AWS), "name of the bucket"),
    (15, "error", Way.READWRITE, image(), Knowledge(AZURE), "'container/f/a.png'"),
    (16, "warning", Way.READWRITE, slots(slot(file_name="b.dcm")), Knowledge(), "key ends with 'a.dcm'"),
    (16, "error", Way.READWRITE, slots(slot(file_name="b.dcm")), Knowledge(strict=True), "key ends with 'a.dcm'"),
    (17, "error", Way.READWRITE, image(), Knowledge(Storage("ours", "my.bucket")), "without dots"),
    (18, "error", Way.READWRITE, image(type=None, name="a"), Knowledge(), "set type"),
    (19, "error", Way.READWRITE, image(type="picture"), Knowledge(), "of type 'picture'"),
    (20, "warning", Way.READWRITE, image(storage_key="f/a.mp4"), Knowledge(), "its key ends like video"),
    (21, "error", Way.READWRITE, slots(slot(fps=5)), Knowledge(), "leave fps out"),
    (21, "error", Way.READWRITE, slots(slot(type=None, fps="native")), Knowledge(), "leave fps out"),
    (22, "error", Way.READWRITE, image(type="video", fps=0), Knowledge(), '"native"'),
    (22, "error", Way.READWRITE, image(type="video", fps="fast"), Knowledge(), '"native"'),
    (22, "warning", Way.READWRITE, image(fps=5), Knowledge(), "means nothing for image"),
    (23, "error", Way.READWRITE, slots(slot("1", extract_views="true")), Knowledge(), 'call the slot "0"'),
    (23, "error", Way.READWRITE, image(extract_views=True), Knowledge(), "leave extract_views out"),
    (23, "warning", Way.READWRITE, slots(slot(extract_views=True), slot("1", "b.dcm")), Knowledge(), "no volume"),
    (24, "error", Way.READWRITE, image(name=" "), Knowledge(), "has no name"),
    (24, "error", Way.READWRITE, image(name="b/a.png"), Knowledge(), "put folders into path"),
    (25, "error", Way.READWRITE, slots(slot(), storage_key="f/a.dcm"), Knowledge(), "slots and a file of its own"),
    (25, "error", Way.READWRITE, image(storage_key=None), Knowledge(), "neither slots nor"),
    (25, "error", Way.READWRITE, slots(), Knowledge(), "empty list"),
    (26, "error", Way.READWRITE, image(tags=["plain", "new"]), Knowledge(**TAGS), "UNKNOWN_TAGS"),
    (26, "error", Way.READWRITE, image(tags={"said": "x", "plain": "y"}), Knowledge(**TAGS), "'plain' a text"),
    (26, "error", Way.READWRITE, image(tags=[{"plain": "y"}]), Knowledge(**TAGS), "'plain' a text"),
    (26, "error", Way.READWRITE, slots(slot(tags=["new"])), Knowledge(**TAGS), "slot '0'"),
    (27, "error", Way.READWRITE, image(), Knowledge(storages=["other"]), "use one of its: other"),
    (27, "error", Way.READWRITE, image(), Knowledge(READONLY), "use read-only registration"),
    (27, "error", Way.READONLY, shown(), Knowledge(AWS), "use read-write registration"),
    (29, "error", Way.READWRITE, slots(slot(), slot("1", "b.dcm"), layout=HIDDEN), Knowledge(), "without slot '1'"),
    (29, "error", Way.READWRITE, slots(slot("2"), layout=HIDDEN), Knowledge(), "names '0', which is no slot"),
    (29, "error", Way.READWRITE, slots(slot(), layout={"version": 1, "slots": []}), Knowledge(), "without slot '0'"),
    (30, "warning", Way.READWRITE, image(storage_key="f/b.png"), Knowledge(**NAMED), "has 'f/B.png'"),
]


@pytest.mark.parametrize(
    ("rule", "level", "way", "item", "known", "said"), BROKEN, ids=[f"{b[0]}-{n}" for n, b in enumerate(BROKEN)]
)
def test_each_rule(rule: int, level: str, way: Way, item: dict[str, Any], known: Knowledge, said: str) -> None:
    found = check([item], way, known)
    assert rule in {each.rule for each in found}, found
    (one,) = {each for each in found if each.rule == rule and said in str(each)} or [None]
    assert one is not None, found
    assert one.level == level


def test_a_broken_rule_breaks_no_other() -> None:
    """So that no message stands beside one that says nothing new."""
    for rule, _, way, item, known, _ in BROKEN:
        assert {each.rule for each in check([item], way, known)} - {rule} <= BESIDE.get(rule, set()), item


BESIDE = {22: {20}}
"""What an item of the table breaks besides, by being made of one of another type."""


def test_every_rule_has_a_test() -> None:
    """28 is that requests are split."""
    assert {rule for rule, *_ in BROKEN} == set(range(1, 31)) - {28}
    assert [len(chunk) for chunk in chunks([image()] * 23, 10)] == [10, 10, 3]


def test_more_than_sixteen_channels() -> None:
    names = [each["slot_name"] for each in FULL]
    item = slots(*FULL, layout={"version": 3, "slots_grid": [[names]]})
    assert [(each.rule, each.level) for each in check([item], Way.READWRITE)] == [(29, "error")]
    assert check([slots(*FULL[:16], layout={"version": 3, "slots_grid": [[names[:16]]]})], Way.READWRITE) == []


def test_all_problems_of_a_batch_in_one_report() -> None:
    batch = [
        image(),
        image(name="b.png", storage_key="/f/b.png"),
        image(path="dir"),
        image(path="/dir/"),
        slots(slot("1", extract_views="true", fps=3)),
    ]
    found = check(batch, Way.READWRITE, Knowledge(Storage("ours", "my.bucket")))
    assert [(each.rule, each.where) for each in found] == [
        (17, "storage 'ours'"),
        (12, "item '/b.png'"),
        (24, "item '/dir/a.png'"),
        (21, "item '/a', slot '1'"),
        (23, "item '/a', slot '1'"),
    ]


@pytest.mark.parametrize(
    ("item", "way"),
    [
        (image(), Way.READWRITE),
        (image(type=None), Way.READWRITE),
        (shown(), Way.READONLY),
        (video(fps=2, as_frames=False), Way.READONLY),
        (compact(), Way.READONLY),
        (slots(slot(file="1.dcm"), slot(file="2.dcm"), slot(file="3.DCM")), Way.READWRITE),
        (slots(slot(extract_views="true")), Way.READWRITE),
        (slots(slot(extract_views=True, file="a.nii.gz", type=None)), Way.READWRITE),
        (slots(slot("1", "cars.jpg", type=None, as_frames="false", extract_views="false")), Way.READWRITE),
        (slots(slot("1", "seals.mp4", type="video", fps=10, as_frames=False)), Way.READWRITE),
        (slots(slot("1", "seals.mp4", type="video", fps="native")), Way.READWRITE),
    ],
)
def test_good_items_pass(item: dict[str, Any], way: Way) -> None:
    storage = READONLY if way is Way.READONLY else AWS
    assert check([item], way, Knowledge(storage, storages=["ours"], tags={}, strict=True)) == []


def test_samples_of_the_guides_pass_and_their_slips_are_warnings() -> None:
    """The guide's read-only slots call a file cars.mp4 whose key ends car_video.mp4."""
    pictures = [
        shown(slot_name=str(n), file_name=f"car_{n}.png", storage_key=f"car_folder/car_{n}.png", name=None, path=None)
        for n in (0, 1)
    ]
    clip = video(slot_name="2", file_name="cars.mp4", storage_key="video_folder/car_video.mp4", name=None, path=None)
    found = check([slots(*pictures, clip, name="cars")], Way.READONLY, Knowledge(READONLY))
    assert [(each.rule, each.level) for each in found] == [(16, "warning")]
    old = video(storage_key="storage_path.jpg", name="my-video.mp4", storage_thumbnail_key="thumbnail_key.jpg")
    assert check([old], Way.READONLY, Knowledge(READONLY)) == []


def test_an_opt_in_lets_dicom_be_registered_read_only() -> None:
    """V7's own end-to-end tests do so."""
    item = video(type="dicom", name="a.dcm", storage_key="f/a.dcm")
    assert check([item], Way.READONLY, Knowledge(dicom_readonly=True)) == []


def test_what_is_not_known_is_not_checked() -> None:
    assert check([image(tags=["anything"], storage_key="anywhere/a.png")], Way.READWRITE) == []


def test_messages_say_where_and_what_to_do() -> None:
    finding = Finding(12, "error", "item '/a'", "has no storage_key", "give it")
    assert str(finding) == "item '/a': has no storage_key; give it"


@pytest.mark.parametrize("scheme", ["az", "azure", "abfs", "abfss"])
@pytest.mark.parametrize("account", ["", "@ours.dfs.core.windows.net"])
def test_every_address_of_azure_names_a_key(scheme: str, account: str) -> None:
    url = f"{scheme}://container{account}/f/a.png"
    assert AZURE.key(FileRef(url)) == "container/f/a.png"
    assert AZURE.key(FileRef(f"{scheme}://other{account}/f/a.png")) is None
    assert Storage("ours", "container", "aws").key(FileRef(url)) is None
    (found,) = check([image(storage_key=url)], Way.READWRITE, Knowledge(storage=AZURE))
    assert found.rule == 13
    assert "'container/f/a.png'" in found.remedy
