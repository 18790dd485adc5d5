"""Standard upload: what is registered, beside what darwin-py 3.6.3 was seen to send, and how each case reads back."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from darwin_scene import picture

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from darwin_scene import Scene
    from ledger_check import Sent

USUAL = {"fps": 0, "as_frames": False, "extract_views": False}
"""What darwin-py says of a slot where nothing is asked for; caseferry says nothing then."""

CAPTURED: dict[str, dict[str, Any]] = {
    "one file": {"name": "a.png", "path": "/", "slots": [{"file_name": "a.png", "slot_name": "0", **USUAL}]},
    "slots": {
        "name": "multi",
        "path": "/",
        "layout": {"version": 3, "slots_grid": [[["0"]], [["1"]]]},
        "slots": [
            {"file_name": "l.png", "slot_name": "0", "fps": 0},
            {"file_name": "r.png", "slot_name": "1", "fps": 0},
        ],
    },
    "channels": {
        "name": "multi",
        "path": "/",
        "layout": {"version": 3, "slots_grid": [[["l.png", "r.png"]]]},
        "slots": [
            {"file_name": "l.png", "slot_name": "l.png", "fps": 0},
            {"file_name": "r.png", "slot_name": "r.png", "fps": 0},
        ],
    },
    "series": {"name": "series", "path": "/", "layout": None, "slots": [{"file_name": "series.dcm", "slot_name": "0"}]},
    "views": {
        "name": "ct.nii.gz",
        "path": "/vols",
        "slots": [{"file_name": "ct.nii.gz", "slot_name": "0", **USUAL, "extract_views": True}],
    },
}
"""Items as darwin-py sent them: `push` of a file, and of a folder with each merge mode."""

SIX = {"version": 3, "slots_grid": [[["0"], ["3"]], [["1"], ["4"]], [["2"], ["5"]]]}
"""The layout of a folder of six pictures, as darwin-py's end-to-end tests send it."""


def essence(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what says the same as silence, and without what caseferry keeps there."""
    slots = [
        {key: value for key, value in slot.items() if key != "metadata" and USUAL.get(key, ...) != value}
        for slot in item["slots"]
    ]
    return {key: value for key, value in item.items() if value is not None} | {"slots": slots}


def named(role: str, name: str, content: bytes) -> cf.Image:
    return cf.Image(role, cf.FileRef.of_bytes(content, name, "image/png"))


def registered(sent: Sent, verb: str = "register_upload") -> dict[str, Any]:
    (entry,) = [each for each in sent.entries if each.path.endswith(verb)]
    return entry.json  # type: ignore[no-any-return]


def test_items_are_those_of_the_client(scene: Scene, samples: Samples) -> None:
    pair = [named("l", "l.png", picture()), named("r", "r.png", picture(seed=1))]
    series = samples.image(Kind.DICOM_SERIES, "series")
    volume = cf.Image("ct", cf.FileRef(samples.image(Kind.NIFTI, "ct").files[0].location, "ct.nii.gz"))
    cases: dict[str, tuple[cf.Case, dict[str, Any]]] = {
        "one file": (cf.Case("a.png", images=[named("a", "a.png", picture())]), {}),
        "slots": (cf.Case("multi", images=pair), {}),
        "channels": (cf.Case("multi", images=pair), {"merge": "channels", "images": {"l": "l.png", "r": "r.png"}}),
        "series": (cf.Case("series", images=[series]), {}),
        "views": (cf.Case("ct.nii.gz", images=[volume], folder="vols"), {"roles": {"ct": {"extract_views": True}}}),
    }
    for name, (case, mapping) in cases.items():
        slug = scene.standin.add_dataset(name)["slug"]
        sent = scene.put(case, scene.open(slug, mapping={"darwin": mapping}))
        body = registered(sent)
        assert essence(body["items"][0]) == essence(CAPTURED[name]), name
        assert body["options"] == {"handle_as_slices": False}
        assert body["dataset_slug"] == slug
        assert differences(scene.open(slug).sealed(case), sent.item.case()) == [], name


def test_six_pictures_stand_as_the_client_puts_them(scene: Scene) -> None:
    images = [named(f"p{n}", f"image_{n}.png", picture(seed=n)) for n in range(6)]
    plan = scene.open().plan(cf.Case("six", images=images))
    assert plan.calls[0].body["items"][0]["layout"] == SIX


def test_too_many_channels_and_other_words_are_refused(scene: Scene) -> None:
    images = [named(f"p{n}", f"{n}.png", picture(4, 4, seed=n)) for n in range(17)]
    with pytest.raises(cf.Inexpressible, match="more than 16 channels"):
        scene.open(mapping={"darwin": {"merge": "channels"}}).plan(cf.Case("many", images=images))
    for wrong, said in (
        ({"merge": "series"}, "expected 'slots', 'channels' or 'items'"),
        ({"merge": "channels", "layout": {"version": 3, "slots_grid": [[["a"]]]}}, "leave one of them out"),
        ({"direct_upload": "often"}, "expected true or false"),
    ):
        with pytest.raises(cf.ConfigurationError, match=said):
            scene.open(mapping={"darwin": wrong})


def test_what_lies_on_a_covered_channel_is_kept_beside(scene: Scene) -> None:
    """Darwin shows annotations of a picture of several channels on the first of them alone."""
    images = [named("l", "l.png", picture()), named("r", "r.png", picture(seed=1))]
    boxes = [cf.Box(role, [(1, 1), (4, 4)], label="region") for role in ("l", "r")]
    case = cf.Case("multi", images=images, annotations=boxes)
    dataset = scene.open(mapping={"darwin": {"merge": "channels"}})
    sent = scene.put(case, dataset)
    assert [each["context_keys"]["slot_names"] for each in scene.standin.annotations(sent.item.id)] == [["0"]]
    (loss,) = sent.plan.losses
    assert loss.reason == "it is a channel of image 'l', and Darwin shows annotations on that alone"
    assert differences(dataset.sealed(case), sent.item.case()) == []


@pytest.mark.parametrize("mapping", [{"roles": {"ct": {"slices": True}}}, {"ignore_dicom_layout": True}])
def test_slices_are_uploaded_one_by_one(scene: Scene, samples: Samples, mapping: dict[str, Any]) -> None:
    whole = samples.image(Kind.DICOM_SERIES, "ct")
    image = cf.Image("ct", [whole.files[n] for n in (2, 0, 3, 1)])
    case = cf.Case("ct", images=[image], annotations=samples.annotations(image))
    dataset = scene.open(mapping={"darwin": mapping})
    sent = scene.put(case, dataset)
    body = registered(sent)
    (item,) = body["items"]
    assert {slot["slot_name"] for slot in item["slots"]} == {"0"}
    assert len({slot["file_name"] for slot in item["slots"]}) == 4
    assert body["options"] == {
        "handle_as_slices": True,
        **({"ignore_dicom_layout": True} if len(mapping) and "roles" not in mapping else {}),
    }
    assert len([each for each in sent.entries if each.method == "PUT"]) == 4
    back = sent.item.case()
    assert [ref.read() for ref in back.images[0].files] == [ref.read() for ref in image.files]
    assert differences(dataset.sealed(case), back) == []


def test_slices_that_never_came_are_brought_again(scene: Scene, samples: Samples) -> None:
    case = cf.Case("ct", images=[samples.image(Kind.DICOM_SERIES, "ct")])
    dataset = scene.open(mapping={"darwin": {"roles": {"ct": {"slices": True}}}})
    scene.sandbox.faults.add("POST */confirm 400 x2 after2")
    with pytest.raises(cf.PlatformError):
        dataset.put(case)
    left = [
        each for each in scene.standin.item("sandbox", "/ct")["uploads"] if each["processing_status"] == "uploading"
    ]
    assert len(left) > 1
    scene.sandbox.faults.clear()
    start = len(scene.sandbox.ledger)
    item = dataset.put(case)
    again = list(scene.sandbox.ledger)[start:]
    assert len([each for each in again if each.method == "PUT"]) == len(left)
    assert not [each for each in again if each.path.endswith("register_upload")]
    assert differences(dataset.sealed(case), item.case()) == []


def test_tiling_is_asked_for(scene: Scene) -> None:
    case = cf.Case("a", images=[named("a", "a.png", picture())])
    sent = scene.put(case, scene.open(mapping={"darwin": {"force_tiling": True}}))
    assert registered(sent)["options"] == {"handle_as_slices": False, "force_tiling": True}


DIRECT = {"as_frames", "extract_views", "file_content", "fps", "metadata", "name", "path", "tags", "type"}
"""The fields of an item of a direct upload, as V7's end-to-end tests send them."""


def test_small_files_go_in_one_step(scene: Scene, samples: Samples) -> None:
    dataset = scene.open(mapping={"darwin": {"direct_upload": True}})
    for kind, type_ in ((Kind.PICTURE, "image"), (Kind.PDF, "pdf"), (Kind.DICOM_MULTIFRAME, "dicom")):
        image = samples.image(kind, "image")
        case = cf.Case(f"one {kind}", images=[image], tags=["tag"], folder="a", values={"n": 1})
        sent = scene.put(case, dataset)
        body = registered(sent, "direct_upload")
        (item,) = body["items"]
        assert set(item) == DIRECT
        assert item["type"] == type_
        assert base64.b64decode(item["file_content"]) == image.files[0].read()
        assert body["options"] == {"force_tiling": False, "ignore_dicom_layout": False}
        changing = [each.path.rpartition("/")[2] for each in sent.entries if each.method == "POST"]
        assert changing == ["direct_upload"]
        assert sent.plan.bytes == image.files[0].length()
        assert item["file_content"] not in str(sent.plan.to_json())
        assert differences(dataset.sealed(case), sent.item.case()) == []


def test_what_does_not_fit_one_step_goes_in_three(
    scene: Scene, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = scene.open(mapping={"darwin": {"direct_upload": True}})
    two = cf.Case("two", images=[named("l", "l.png", picture()), named("r", "r.png", picture(seed=1))])
    for case in (two, samples.case("volume", Kind.NIFTI), samples.case("series", Kind.DICOM_SERIES)):
        assert dataset.plan(case).calls[0].target.endswith("register_upload")
    monkeypatch.setattr("caseferry_darwin.wire.uploading.LARGEST_DIRECT", 10)
    assert dataset.plan(samples.case("large", Kind.PICTURE)).calls[0].target.endswith("register_upload")


def test_many_small_files_share_requests(scene: Scene, samples: Samples) -> None:
    folder = cf.connect(f"local:{scene.folder / 'cases'}")
    for n in range(45):
        folder.put(cf.Case(f"case {n:02}", images=[named("photo", f"{n}.png", picture(seed=n))]))
    dataset = scene.open(mapping={"darwin": {"direct_upload": True}})
    start = len(scene.sandbox.ledger)
    assert cf.transfer(folder, dataset, phi="keep", workers=45, unmapped="accept").ok
    requests = [each for each in list(scene.sandbox.ledger)[start:] if each.method == "POST"]
    assert {each.path.rpartition("/")[2] for each in requests} == {"direct_upload"}
    assert len(requests) < 20
    assert sum(len(each.json["items"]) for each in requests) == 45
    assert max(len(each.json["items"]) for each in requests) <= 20


def test_a_lost_answer_to_one_step_makes_nothing_twice(scene: Scene, samples: Samples) -> None:
    dataset = scene.open(mapping={"darwin": {"direct_upload": True}})
    case = samples.case("one", Kind.PICTURE)
    scene.sandbox.faults.add("POST */direct_upload reset-after x1")
    item = dataset.put(case)
    assert [each.id for each in dataset.items()] == [item.id]
    assert differences(dataset.sealed(case), item.case()) == []
