"""What goes wrong on the way to Darwin: refusals in a good answer, lost answers, half-made items, too much at once."""

from __future__ import annotations

import gc
import io
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry_darwin.sandbox import API_KEY, TEAM
from darwin_scene import flat, picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from caseferry.testing import Samples
    from caseferry_darwin.dataset import DarwinDataset
    from darwin_scene import Scene

BUCKET = "sandbox-bucket"


def external(scene: Scene, names: Sequence[str]) -> list[cf.Case]:
    """Cases of one picture each, in the storage."""
    made = [(name, scene.stored(BUCKET, f"{name}.png", picture(seed=n))) for n, name in enumerate(names)]
    return [cf.Case(name, images=[cf.Image("photo", ref)]) for name, ref in made]


def put_at_once(dataset: DarwinDataset, cases: Sequence[cf.Case]) -> list[Any]:
    """The item of each case, or the error."""

    def put(case: cf.Case) -> Any:
        try:
            return dataset.put(case)
        except cf.CaseferryError as error:
            return error

    with ThreadPoolExecutor(len(cases)) as pool:
        return list(pool.map(put, cases))


def posted(scene: Scene, end: str) -> list[Any]:
    return [entry for entry in scene.sandbox.ledger.select(method="POST") if entry.path.endswith(end)]


# -- 200 and yet refused -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("ITEM_COUNT_LIMIT_EXCEEDED", "plan holds no more items"),
        ("FILE_UPLOAD_FAILED", "delete the item"),
        ("unknown_tags", "no class of the team"),
        ("the moon is in the wrong house", "slot '0' the moon"),
    ],
)
def test_a_blocked_item_is_no_success(scene: Scene, samples: Samples, reason: str, remedy: str) -> None:
    scene.standin.block("/blocked", reason)
    dataset = scene.open()
    with pytest.raises(cf.ItemsBlocked, match=reason) as caught:
        dataset.put(samples.case("blocked", Kind.PICTURE))
    assert remedy in str(caught.value)
    assert dataset.find("blocked") is None
    assert not scene.sandbox.ledger.select(method="PUT")


def test_the_rest_of_a_batch_stays_registered_and_a_rerun_makes_only_what_is_missing(scene: Scene) -> None:
    scene.standin.block("/c-3", "ITEM_COUNT_LIMIT_EXCEEDED")
    cases = external(scene, [f"c-{n}" for n in range(8)])
    scene.sandbox.settings.latency = 0.02
    with scene.open(storage=BUCKET) as dataset:
        done = put_at_once(dataset, cases)
    assert [type(each) for each in done].count(cf.Item) == 7
    assert isinstance(done[3], cf.ItemsBlocked)
    assert len(posted(scene, "/register_existing")) < 8, "registrations made at the same time go out together"

    scene.standin.switches["blocked"].clear()
    scene.sandbox.settings.latency = 0.0
    before = len(posted(scene, "/register_existing"))
    with scene.open(storage=BUCKET) as dataset:
        again = put_at_once(dataset, cases)
        assert [item.id for item in again if item.case_id != "c-3"] == [i.id for n, i in enumerate(done) if n != 3]
        assert sorted(item.case_id for item in dataset.items()) == [case.id for case in cases]
    (only,) = posted(scene, "/register_existing")[before:]
    assert [item["name"] for item in only.json["items"]] == ["c-3"]


def test_requests_hold_no_more_than_the_limit(scene: Scene) -> None:
    scene.sandbox.settings.latency = 0.01
    with scene.open(storage=BUCKET, mapping={"darwin": {"batch": 3}}) as dataset:
        assert dataset.limits.batch == 3
        done = put_at_once(dataset, external(scene, [f"c-{n}" for n in range(12)]))
    assert all(isinstance(each, cf.Item) for each in done)
    sizes = [len(entry.json["items"]) for entry in posted(scene, "/register_existing")]
    assert max(sizes) == 3
    assert sum(sizes) == 12
    with scene.open(storage=BUCKET) as dataset:
        assert (dataset.limits.batch, dataset.limits.per_minute) == (10, 100)


# -- answers that do not come --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["reset-after", "502-after", "truncate"])
@pytest.mark.parametrize("way", ["register_upload", "register_existing"])
def test_a_registration_whose_answer_is_lost_is_adopted(scene: Scene, samples: Samples, fault: str, way: str) -> None:
    cases = [samples.full_case("one", (Kind.NIFTI,))] if way == "register_upload" else external(scene, ["one"])
    scene.sandbox.faults.add(f"POST */{way} {fault} x1")
    with scene.open(**({} if way == "register_upload" else {"storage": BUCKET})) as dataset:
        item = dataset.put(cases[0])
        assert [each.id for each in dataset.items()] == [item.id]
        assert differences(dataset.sealed(cases[0]), item.case()) == []
    assert len(posted(scene, f"/{way}")) == 1


def test_a_whole_batch_whose_answer_is_lost_is_adopted(scene: Scene) -> None:
    cases = external(scene, [f"c-{n}" for n in range(6)])
    scene.sandbox.faults.add("POST */register_existing reset-after x1 after1")
    scene.sandbox.settings.latency = 0.02
    with scene.open(storage=BUCKET) as dataset:
        done = put_at_once(dataset, cases)
        assert [item.case_id for item in done] == [case.id for case in cases]
        assert len({item.id for item in dataset.items()}) == 6


@pytest.mark.parametrize("last", ["create", "register", "sign", "send", "confirm", "ready", "import"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_item_that_was_left_half_made_is_repaired(scene: Scene, samples: Samples, last: str, after: bool) -> None:
    """The first attempt dies at a call, before or after it is made; another process puts the case again."""
    case = samples.full_case("half")
    with scene.open() as dataset:
        send = dataset._send

        def dies(call: Any) -> Any:
            if not call.name.startswith(last):
                return send(call)
            if after:
                send(call)
            raise KeyboardInterrupt

        dataset._send = dies  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            dataset.put(case)
    with scene.open() as dataset:
        item = dataset.put(case)
        assert item.state == "ready"
        assert [each.id for each in dataset.items()] == [item.id]
        assert differences(dataset.sealed(case), item.case()) == []


def test_an_item_that_cannot_be_processed_says_why(scene: Scene, samples: Samples) -> None:
    scene.sandbox.faults.add("POST */confirm fail-later x1")
    with scene.open() as dataset, pytest.raises(cf.ProcessingFailed, match="UNEXPECTED_ERROR"):
        dataset.put(samples.case("bad", Kind.PICTURE, annotations=flat()))


def test_another_case_of_the_same_name_is_not_touched(scene: Scene, samples: Samples) -> None:
    with scene.open() as dataset:
        first = dataset.put(samples.case("same", Kind.PICTURE))
        with pytest.raises(cf.AlreadyExists, match="delete it first"):
            dataset.put(samples.case("same", Kind.NIFTI))
        assert [item.id for item in dataset.items()] == [first.id]


def test_annotations_that_have_no_place_after_all_are_not_lost_in_silence(
    scene: Scene, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The platform shows a volume as it did in older versions, which can be seen only after it was registered."""
    case = samples.case("odd", Kind.NIFTI, annotations=[cf.Box("nifti", [(1, 0), (5, 4)], frame=2, label="region")])
    monkeypatch.setattr("caseferry_darwin.wire.showing.shown_view", lambda *_: None)
    with scene.open() as dataset, pytest.raises(cf.Inexpressible, match="box 'region': was to be drawn"):
        dataset.put(case)


# -- too much, too fast --------------------------------------------------------------------------------------------


def test_registrations_that_are_too_large_are_split(scene: Scene) -> None:
    scene.standin.switches["json_bytes"] = 2200
    scene.sandbox.settings.latency = 0.02
    with scene.open(storage=BUCKET) as dataset:
        done = put_at_once(dataset, external(scene, [f"c-{n}" for n in range(10)]))
    assert [item.case_id for item in done] == [f"c-{n}" for n in range(10)]
    statuses = [entry.status for entry in posted(scene, "/register_existing")]
    assert 413 in statuses


def test_annotations_that_are_too_large_are_split_and_masks_stay_with_their_pixels(
    scene: Scene, samples: Samples
) -> None:
    boxes = [cf.Box("picture", [(0, 0), (n % 9 + 1, 4)], label="region") for n in range(40)]
    case = samples.case("many", Kind.PICTURE, annotations=[*flat(), *boxes])
    scene.sandbox.faults.add("POST */import 413 x1 after1")
    with scene.open() as dataset:
        item = dataset.put(case)
        assert differences(dataset.sealed(case), item.case()) == []
    statuses = [entry.status for entry in posted(scene, "/import")]
    assert statuses == [200, 413, 200, 200]  # pixels, shapes, two halves of them


def test_a_case_that_alone_is_too_large_is_refused(scene: Scene, samples: Samples) -> None:
    scene.standin.switches["json_bytes"] = 500
    with scene.open() as dataset, pytest.raises(cf.PlatformError, match="413"):
        dataset.put(samples.case("large", Kind.PICTURE))


@pytest.mark.parametrize("fault", ["429=0 x3", "503 x1"])
def test_a_platform_that_asks_to_slow_down_is_heard(scene: Scene, fault: str) -> None:
    scene.sandbox.faults.add(f"POST */register_existing {fault}")
    with scene.open(storage=BUCKET) as dataset:
        assert dataset.put(external(scene, ["slow"])[0]).case_id == "slow"


def test_a_full_storage_is_no_rate_limit(scene: Scene, samples: Samples) -> None:
    scene.standin.switches["storage_full"] = True
    with scene.open() as dataset, pytest.raises(cf.PermissionDenied, match="storage is full"):
        dataset.put(samples.case("full", Kind.PICTURE))
    assert len(posted(scene, "/register_upload")) == 1


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b/c", "50%", "a%2Fb", "心臓 ü", "a b?c=d&e#f", "{item}", "..a"])
def test_names_come_back(scene: Scene, samples: Samples, name: str) -> None:
    case = samples.case(name, Kind.PICTURE, folder="ordner ü/50%", tags=["tag %", "心"])
    with scene.open() as dataset:
        item = scene.put(case, dataset).item
        assert item.case_id == name
        found = dataset.find(name)
        assert found is not None
        assert found.id == item.id
        assert differences(dataset.sealed(case), found.case()) == []


def test_same_names_in_different_folders_stay_apart(scene: Scene, samples: Samples) -> None:
    with scene.open() as dataset:
        for folder in ("a", "b", "a/b", ""):
            dataset.put(samples.case("twin", Kind.PICTURE, folder=folder, tags=[f"in {folder or 'top'}"]))
        found = {item.case().folder: item.case().tags for item in dataset.items()}
    assert found == {"a": ("in a",), "b": ("in b",), "a/b": ("in a/b",), "": ("in top",)}


def test_what_people_put_there_by_hand_reads_as_cases(scene: Scene, samples: Samples) -> None:
    """No metadata of ours: folders and names make the case, slots its images, tags and boxes its annotations."""
    made = scene.standin.add_class("seen", ["tag"]), scene.standin.add_class("region", ["bounding_box"])
    head = {"Authorization": f"ApiKey {API_KEY}"}
    base = f"{scene.sandbox.variables['DARWIN_BASE_URL']}/api/v2/teams/{TEAM}/items"
    contents = {"left.png": picture(), "scan.nii.gz": samples.image(Kind.NIFTI).files[0].read()}
    slots = [{"slot_name": str(n), "file_name": name} for n, name in enumerate(contents)]
    item = {"name": "visit 1", "path": "/site-a", "slots": slots, "tags": ["seen"]}
    reply = requests.post(f"{base}/register_upload", json={"dataset_slug": "sandbox", "items": [item]}, headers=head)
    (registered,) = reply.json()["items"]
    for slot in registered["slots"]:
        signed = requests.get(f"{base}/uploads/{slot['upload_id']}/sign", headers=head).json()["upload_url"]
        requests.put(signed, data=contents[slot["file_name"]])
        requests.post(f"{base}/uploads/{slot['upload_id']}/confirm", json={}, headers=head)
    scene.sandbox.settle()
    box = {
        "id": "5d3f7e3c-5b57-4f0e-9a51-6f2f0f0a6b10",
        "annotation_class_id": made[1]["id"],
        "data": {"bounding_box": {"x": 1, "y": 2, "w": 3, "h": 4}},
        "context_keys": {"slot_names": ["0"]},
    }
    body = {"annotations": [box], "overwrite": "false"}
    assert requests.post(f"{base}/{registered['id']}/import", json=body, headers=head).ok

    (found,) = scene.open().items()
    case = found.case()

    assert (case.id, case.title, case.folder, case.tags) == ("site-a/visit 1", "visit 1", "site-a", ("seen",))
    assert [(image.role, image.files[0].read()) for image in case.images] == [
        ("slot 0", contents["left.png"]),
        ("slot 1", contents["scan.nii.gz"]),
    ]
    (annotation,) = case.annotations
    assert isinstance(annotation, cf.Box)
    assert (annotation.image, annotation.label, annotation.points) == ("slot 0", "region", ((1.0, 2.0), (4.0, 6.0)))


# -- many ----------------------------------------------------------------------------------------------------------


def test_nothing_is_kept_of_cases_that_are_planned(scene: Scene) -> None:
    """So that a hundred thousand take the memory of one."""
    content = picture(64, 64)
    dataset = scene.open(storage=BUCKET)

    def plan(numbers: range) -> None:
        for n in numbers:
            ref = cf.FileRef(f"s3://{BUCKET}/{n}.png", size=len(content), opener=lambda: io.BytesIO(content))
            sealed = dataset.sealed(cf.Case(f"case {n}", images=[cf.Image("photo", ref)]))
            dataset._plan(sealed, None, allow_spare=False, create=True)
        gc.collect()

    plan(range(20))
    tracemalloc.start()
    try:
        plan(range(20, 30))
        start, _ = tracemalloc.get_traced_memory()
        plan(range(30, 330))
        end, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert end - start < 300 * 200, f"{(end - start) / 300:.0f} bytes are kept of each case"
