"""`caseferry register`: what lies below a prefix of a bucket becomes items, each series or image one."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file

import caseferry as cf
from caseferry.cli import main
from caseferry.storage import Bucket
from caseferry.storage.prefix import Prefix
from darwin_scene import picture

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene
    from stores import Stores

BUCKET = "sandbox-bucket"
URL = f"s3://{BUCKET}/study/"
TARGET = f"darwin:sandbox-team/sandbox?storage={BUCKET}"


def slices(number: int, series: str = "1.2.3.4", pad: int = 0, **values: Any) -> dict[str, bytes]:
    """A series without identifying values; `pad` makes its files larger."""
    found = {}
    for index in range(number):
        dataset = dcmread(get_testdata_file("CT_small.dcm"))
        for name in ("PatientName", "PatientID", "PatientBirthDate", "OtherPatientIDsSequence", "ImageComments"):
            if name in dataset:
                delattr(dataset, name)
        dataset.remove_private_tags()
        dataset.SeriesInstanceUID, dataset.SOPInstanceUID = series, f"{series}.{index + 1}"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = index + 1
        dataset.ImagePositionPatient = [0, 0, 5.0 * index]
        dataset.Rows = dataset.Columns = 128 + pad
        dataset.PixelData = bytes(2 * (128 + pad) ** 2)
        for name, value in values.items():
            setattr(dataset, name, value)
        stream = io.BytesIO()
        dataset.save_as(stream)
        found[f"{index + 1:03}.dcm"] = stream.getvalue()
    return found


def below(folder: str, files: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{name}": content for name, content in files.items()}


@pytest.fixture
def bucket(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", BUCKET)
    return Bucket(f"s3://{BUCKET}")


def registered(scene: Scene) -> dict[str, Any]:
    """What was registered, by folder and name."""
    bodies = [e.body["json"] for e in scene.sandbox.ledger if e.body and e.path.endswith("/register_existing")]
    return {f"{item['path'].rstrip('/')}/{item['name']}": item["slots"] for body in bodies for item in body["items"]}


def test_a_prefix_becomes_items(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = samples.image("nifti").files[0].read()
    stores.fill(
        bucket.address,
        {
            **below("study/p1/ct", slices(3)),
            **below("study/p1/mr", slices(2, "1.2.3.5", Modality="MR")),
            "study/p2/ct.nii.gz": volume,
            "study/p3/ct.nii.gz": volume,
            "study/front.png": picture(),
            "study/": b"",
            "study/p1/notes.txt": b"no image",
            "elsewhere/front.png": picture(),
        },
    )
    assert main(["register", URL, TARGET, "--dry-run"]) == 0
    out = capsys.readouterr()
    assert sorted(line.split()[:2] for line in out.out.splitlines()[:5]) == [
        [name, "planned"] for name in ("front.png", "p1/ct/1.2.3.4", "p1/mr/1.2.3.5", "p2/ct.nii.gz", "p3/ct.nii.gz")
    ]
    assert out.err.count("left out, for it is no image that can be read: p1/notes.txt") == 1
    assert not registered(scene)
    assert main(["register", URL, TARGET]) == 0
    found = registered(scene)
    assert {name: [slot["storage_key"] for slot in slots] for name, slots in found.items()} == {
        "/front.png": ["study/front.png"],
        "/p1/ct/1.2.3.4": [f"study/p1/ct/00{n}.dcm" for n in (1, 2, 3)],
        "/p1/mr/1.2.3.5": [f"study/p1/mr/00{n}.dcm" for n in (1, 2)],
        "/p2/ct.nii.gz": ["study/p2/ct.nii.gz"],
        "/p3/ct.nii.gz": ["study/p3/ct.nii.gz"],
    }
    assert {slot["slot_name"] for slot in found["/p1/ct/1.2.3.4"]} == {"0"}
    with scene.open() as dataset:
        assert sorted(item.case_id for item in dataset.items()) == [
            "front.png",
            "p1/ct/1.2.3.4",
            "p1/mr/1.2.3.5",
            "p2/ct.nii.gz",
            "p3/ct.nii.gz",
        ]
        item = dataset.find("p3/ct.nii.gz")
        assert item is not None
        assert item.case_id == "p3/ct.nii.gz"
    stores.fill(bucket.address, {"study/side.png": picture(seed=1)})
    scene.sandbox.ledger.clear()
    assert main(["register", URL, TARGET]) == 0
    assert list(registered(scene)) == ["/side.png"]


def test_keys_on_azure_begin_with_the_container(scene: Scene, stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    stores.bucket("az", monkeypatch)
    stores.make("az", "sandbox-container")
    container = Bucket("az://sandbox-container")
    for key, content in {**below("study/p1", slices(2)), "study/p2/front.png": picture()}.items():
        container.write(key, cf.FileRef.of_bytes(content, key.rpartition("/")[2]))
    url, target = "az://sandbox-container/study/", "darwin:sandbox-team/sandbox?storage=sandbox-azure"
    assert main(["register", url, target]) == 0
    assert {name: [slot["storage_key"] for slot in slots] for name, slots in registered(scene).items()} == {
        "/p1/1.2.3.4": [f"sandbox-container/study/p1/00{n}.dcm" for n in (1, 2)],
        "/p2/front.png": ["sandbox-container/study/p2/front.png"],
    }


def test_headers_are_read_and_not_whole_files(stores: Stores, bucket: Bucket) -> None:
    files = below("study/p1/ct", slices(4, pad=872))
    stores.fill(bucket.address, files)
    calls = stores.calls("s3")
    calls.clear()
    (item,) = Prefix(URL).items()
    assert item.case().images[0].geometry.shape == (1000, 1000, 4)  # type: ignore[union-attr]
    fetched = sum(size for _, _, size in calls)
    whole = sum(map(len, files.values()))
    assert whole > 8_000_000
    assert fetched < whole / 8


def test_series_are_told_apart_by_their_uid_wherever_they_lie(stores: Stores, bucket: Bucket) -> None:
    one, two = slices(4), slices(2, "1.2.3.5")
    spread = {f"study/a/{n}/{name}": content for n, (name, content) in enumerate(one.items())}
    mixed = {f"study/a/0/other-{name}": content for name, content in two.items()}
    stores.fill(bucket.address, {**spread, **mixed, **below("study/copy 1", two), **below("study/copy 2", two)})
    found = {item.id: [ref.location for ref in item.native.files] for item in Prefix(URL).items()}
    assert {name: len(files) for name, files in found.items()} == {
        "a/1.2.3.4": 4,
        "a/0/1.2.3.5": 2,
        "copy 1/1.2.3.5": 2,
        "copy 2/1.2.3.5": 2,
    }


def test_what_names_a_patient_is_not_registered_unasked(
    scene: Scene, stores: Stores, bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    named = slices(1, "1.2.3.9", PatientName="Bauer^Anna")
    stores.fill(bucket.address, {**below("study/p1", slices(2)), **below("study/p2", named)})
    assert main(["register", URL, TARGET]) == 1
    out = capsys.readouterr()
    assert "PatientName" in out.out
    assert "Bauer" not in out.out + out.err
    assert list(registered(scene)) == ["/p1/1.2.3.4"]
    assert main(["register", URL, TARGET, "--phi", "keep"]) == 0
    assert sorted(registered(scene)) == ["/p1/1.2.3.4", "/p2/1.2.3.9"]


def test_wrong_use_sends_nothing(
    scene: Scene, stores: Stores, bucket: Bucket, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for prefix, target, said in (
        ("s3://another/study/", TARGET, "does not read s3://another/study/ itself: name a storage on that bucket"),
        (URL, "darwin:sandbox-team/sandbox", "does not read"),
        (URL, f"local:{tmp_path}", "does not read"),
        ("study/", TARGET, "names no prefix of an object store"),
        ("s3://", TARGET, "names no prefix of an object store"),
        (f"s3://{BUCKET}/empty/", TARGET, "holds no cases"),
    ):
        assert main(["register", prefix, target]) == 2
        assert said in capsys.readouterr().err
    assert not registered(scene)
    damaged = {name: content[:5000] for name, content in slices(1).items()}
    stores.fill(bucket.address, {**below("study", damaged), "study/front.png": picture()})
    assert main(["register", URL, TARGET, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert "cut short" in json.dumps(report)
    assert list(registered(scene)) == ["/front.png"]


def test_a_case_is_the_same_whoever_describes_it(scene: Scene, stores: Stores, bucket: Bucket) -> None:
    stores.fill(bucket.address, {"study/p1/front.png": picture()})
    assert main(["register", URL, TARGET]) == 0
    ref = cf.FileRef(f"{URL}p1/front.png", size=len(picture()))
    case = cf.Case("p1/front.png", folder="p1", images=[cf.Image("image", ref)])
    with scene.open(storage=BUCKET) as dataset:
        assert dataset.plan(case).adopts
