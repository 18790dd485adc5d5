"""`prepare=`: what a read-only storage demands is made, written to the bucket and registered, and all comes back."""

from __future__ import annotations

import io
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from PIL import Image as Picture
from pydicom import dcmread
from pydicom.pixels import apply_rescale, apply_windowing

import caseferry as cf
from caseferry.cli import main
from caseferry.errors import ConfigurationError, Inexpressible
from caseferry.held import refuse_inexact
from caseferry.imaging.kinds import Kind
from caseferry.storage import Bucket
from caseferry.transfers.verify import check
from darwin_scene import flat, picture

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.plan import Plan
    from caseferry.testing import Samples
    from caseferry_darwin.dataset import DarwinDataset
    from darwin_scene import Scene
    from ledger_check import Sent
    from stores import Stores

READONLY = "sandbox-readonly"
PLACE = f"s3://{READONLY}/prepared"


@pytest.fixture
def bucket(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", READONLY)
    return Bucket(f"s3://{READONLY}")


def opened(scene: Scene, **options: Any) -> DarwinDataset:
    return scene.open(storage=READONLY, prepare=PLACE, **options)


def slots_of(plan: Plan) -> list[dict[str, Any]]:
    (register,) = [call for call in plan.calls if call.name == "register"]
    (item,) = register.body["items"]
    slots: list[dict[str, Any]] = item["slots"]
    return slots


def seen(bucket: Bucket, key: str) -> np.ndarray[Any, Any]:
    """A picture in the bucket as [row, column]."""
    with bucket.open(key) as stream:
        return np.asarray(Picture.open(io.BytesIO(stream.read())))


def put(scene: Scene, stores: Stores, dataset: DarwinDataset, case: cf.Case) -> Sent:
    """Put a case; the plan's calls are what platform and store are asked, and what comes back means the same."""
    known = len(stores.calls("s3"))
    sent = scene.put(case, dataset)
    planned = sorted(call.target.removeprefix("s3:/") for call in sent.plan.calls if call.target.startswith("s3://"))
    assert written(stores, known) == planned
    check(dataset.sealed(case), dataset.get(sent.item.id))
    return sent


def written(stores: Stores, known: int = 0) -> list[str]:
    """Bucket and key of each object that was written since."""
    return sorted(path for method, path, _ in stores.calls("s3")[known:] if method in {"PUT", "POST"})


def volume(affine: np.ndarray[Any, Any], shape: tuple[int, int, int] = (7, 5, 4)) -> bytes:
    """A NIfTI of which no two voxels are alike, each worth its place in patient space."""
    values = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    return bytes(nib.Nifti1Image(values, affine).to_bytes())


AFFINES = {
    "RAS": np.diag([1.5, 2.0, 3.0, 1]),
    "LPS": np.diag([-1.5, -2.0, 3.0, 1]),
    "LPI": np.diag([-1.5, -2.0, -3.0, 1]),
    "PIR": np.array([[0, 0, 3.0, 0], [-1.5, 0, 0, 0], [0, -2.0, 0, 0], [0, 0, 0, 1]]),
    "ARS": np.array([[0, 1.5, 0, 0], [2.0, 0, 0, 0], [0, 0, 3.0, 0], [0, 0, 0, 1]]),
}


def as_darwin_shows(voxels: np.ndarray[Any, Any], affine: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The planes [row, column] along what are slices, when nibabel turns the volume to LPI; its world is RAS+."""
    turn = ornt_transform(io_orientation(affine), axcodes2ornt("LPI"))
    return [plane.T for plane in np.moveaxis(apply_orientation(voxels, turn), int(turn[2, 0]), 0)]


@pytest.mark.parametrize("codes", AFFINES)
def test_frames_show_the_patient_as_darwin_does(
    scene: Scene, stores: Stores, bucket: Bucket, tmp_path: Path, codes: str
) -> None:
    """nibabel turns the volume to LPI; frames are its planes along what were slices, seen with x and y as there."""
    content = volume(AFFINES[codes])
    (tmp_path / "v.nii").write_bytes(content)
    assert "".join(nib.aff2axcodes(AFFINES[codes])) == codes
    dataset = opened(scene, window="69.5,140")  # LINEAR: one shade for nearly each value
    sent = put(scene, stores, dataset, cf.Case("v", images=[cf.Image("mr", tmp_path / "v.nii")]))

    image = nib.Nifti1Image.from_bytes(content)
    planes = as_darwin_shows(np.asarray(image.dataobj), image.affine)
    (slot,) = slots_of(sent.plan)
    assert (slot["type"], len(slot["sections"])) == ("video", len(planes))
    for plane, section in zip(planes, slot["sections"], strict=True):
        assert (section["height"], section["width"]) == plane.shape
        shown = seen(bucket, section["storage_hq_key"])
        expected = np.clip((plane - 69.0) / 139 + 0.5, 0, 1) * 255
        assert np.abs(shown - expected).max() <= 0.5 + 1e-6
        lower = seen(bucket, section["storage_lq_key"])
        assert lower.shape == shown.shape
        assert np.abs(lower.astype(float) - shown).mean() < 12


@pytest.mark.parametrize("window", [None, "10,40"], ids=["all values", "a window"])
def test_a_plan_says_by_how_much_shades_differ_from_values(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples, window: str | None
) -> None:
    """A shade stands for the value in its place of the window; what lies outside is cut off."""
    image = samples.image(Kind.NIFTI)
    case = cf.Case("v", images=[image])
    dataset = opened(scene, **({"window": window} if window else {}))
    sent = put(scene, stores, dataset, case)

    voxels = image.voxels().astype(float)
    low, high = (10 - 0.5 - 39 / 2, 10 - 0.5 + 39 / 2) if window else (voxels.min(), voxels.max())
    (slot,) = slots_of(sent.plan)
    shown = np.stack([seen(bucket, each["storage_hq_key"]) for each in slot["sections"]])
    affine = nib.load(image.files[0].path).affine
    planes = np.stack(as_darwin_shows(voxels, affine))
    measured = np.abs(low + shown / 255 * (high - low) - planes).max()
    (told,) = [loss for loss in sent.plan.losses if loss.part.startswith("image")]
    assert told.kept == "converted"
    assert told.error.values == pytest.approx(measured)
    assert measured > 0
    with pytest.raises(Inexpressible, match="in value"):
        refuse_inexact("v", sent.plan.held)


def test_shades_of_8_bits_are_the_values_themselves(
    scene: Scene, stores: Stores, bucket: Bucket, tmp_path: Path
) -> None:
    voxels = np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3)
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 1, 2, 1])), tmp_path / "v.nii")
    plan = opened(scene, window="128,256").plan(cf.Case("v", images=[cf.Image("v", tmp_path / "v.nii")]))
    (told,) = [loss for loss in plan.losses if loss.part.startswith("image")]
    assert (told.kept, told.error.exact) == ("converted", True)


VOLUMES = [Kind.DICOM_SERIES, Kind.NIFTI, Kind.METAIMAGE, Kind.NRRD]


@pytest.mark.parametrize("kind", VOLUMES, ids=str)
def test_a_volume_with_everything_comes_back(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples, kind: Kind
) -> None:
    """Wherever its files were: these lay in a folder, and lie beside the frames now."""
    case = samples.full_case("patient one", [kind, Kind.PICTURE])
    sent = put(scene, stores, opened(scene), case)
    assert [slot["type"] for slot in slots_of(sent.plan)] == ["video", "image"]
    converted = [loss for loss in sent.plan.losses if loss.kept == "converted" and loss.part.startswith("image")]
    assert [loss.part for loss in converted] == [f"image '{kind}'"]
    assert "sandbox-readonly" in converted[0].reason
    named = re.compile(r"prepared/[0-9a-f]{32}/((hq|lq|original)/\d{6}|image|thumbnail)\.[a-z.]+")
    assert [each.key for each in bucket.list() if not named.fullmatch(each.key)] == []
    back = opened(scene).get(sent.item.id).case()
    for image, there in zip(case.images, back.images, strict=True):
        assert [ref.read() for ref in there.files] == [ref.read() for ref in image.files]


@pytest.mark.parametrize("kind", [Kind.DICOM_SERIES, Kind.NIFTI], ids=str)
def test_annotations_lie_on_the_pixels_that_show_their_voxels(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples, kind: Kind
) -> None:
    image = samples.image(kind, "ct")
    labels = np.zeros(image.geometry.shape, np.uint8)  # type: ignore[union-attr]
    labels[1:3, 2:5, 1], labels[4, 1, 3] = 1, 2
    annotations = [
        cf.Point("ct", (1, 2, 3), label="tip"),
        cf.Line("ct", [(6, 0), (2, 4)], frame=1, label="length"),
        cf.Mask.of_array("ct", labels, {1: "spot", 2: "dot"}, image.geometry.affine),  # type: ignore[union-attr]
    ]
    sent = put(scene, stores, opened(scene), cf.Case("c", images=[image], annotations=annotations))

    voxels, (slot,) = image.voxels(), slots_of(sent.plan)
    low, high = voxels.min(), voxels.max()
    frames = [seen(bucket, section["storage_hq_key"]) for section in slot["sections"]]

    def shade(value: Any) -> int:
        return int(np.rint((value - low) / (high - low) * 255))

    points: list[tuple[int, int]] = []
    for row in scene.standin.annotations(sent.item.id):
        for frame, content in (row["data"].get("frames") or {}).items():
            path = [content["keypoint"]] if "keypoint" in content else content.get("line", {}).get("path", [])
            points += [(int(frames[int(frame)][round(p["y"]), round(p["x"])]), len(path)) for p in path]
            if "raster_layer" in content:
                runs = content["raster_layer"]["dense_rle"]
                drawn = np.repeat(runs[::2], runs[1::2]).reshape(frames[0].shape) > 0
                points += [(int(value), 0) for value in frames[int(frame)][drawn]]
    assert sorted(points) == sorted(
        [(shade(voxels[1, 2, 3]), 1), (shade(voxels[6, 0, 1]), 2), (shade(voxels[2, 4, 1]), 2)]
        + [(shade(value), 0) for value in voxels[labels > 0]]
    )


def test_what_was_stopped_goes_on(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects that are there are not written again; one that holds something else is; the item is made once."""
    case = samples.case("c", Kind.DICOM_SERIES)
    dataset = opened(scene)
    write: Any = Bucket.write
    done: list[str] = []

    def stopped(self: Bucket, key: str, source: Any) -> Any:
        done.append(key)
        if len(done) > 5:
            raise KeyboardInterrupt
        return write(self, key, source)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            dataset.put(case)
    there = [each.key for each in bucket.list()]
    assert there
    assert dataset.find("c") is None
    broken, whole = there[0], there[1:]
    with bucket.open(broken) as stream:
        content = bytearray(stream.read())
    content[len(content) // 2] ^= 1
    bucket.write(broken, cf.FileRef.of_bytes(bytes(content), "x"))

    known = len(stores.calls("s3"))
    item = dataset.put(case)
    again = {path.removeprefix(f"/{READONLY}/") for path in written(stores, known)}
    assert broken in again
    assert not again & set(whole)
    check(dataset.sealed(case), dataset.get(item.id))
    (slot,) = slots_of(opened(scene).plan(replace(case, id="other")))
    assert {s[name] for s in slot["sections"] for name in ("storage_hq_key", "storage_lq_key")} < {
        each.key for each in bucket.list()
    }
    known = len(stores.calls("s3"))
    assert dataset.put(case).id == item.id
    dataset.put(replace(case, id="other"))  # the same image: its frames are there
    assert written(stores, known) == []


# -- windows -------------------------------------------------------------------------------------------------------


def windowed(samples: Samples, **values: Any) -> cf.Image:
    """A slice with a window of its own."""
    image = samples.image(Kind.DICOM_SERIES, "ct")
    path = image.files[0].path
    assert path is not None
    dataset = dcmread(path)
    for name, value in values.items():
        setattr(dataset, name, value)
    dataset.save_as(path)
    return cf.Image("ct", [path])


@pytest.mark.parametrize(
    "values",
    [
        {"WindowCenter": [30, 500], "WindowWidth": [60, 1000]},
        {"WindowCenter": 30.5, "WindowWidth": 41.25, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 30, "WindowWidth": 40, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 30, "WindowWidth": 60, "PhotometricInterpretation": "MONOCHROME1"},
    ],
    ids=["first of several", "exact", "sigmoid", "negative"],
)
def test_a_slice_is_seen_in_its_own_window(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples, values: dict[str, Any]
) -> None:
    """pydicom applies the window, and a slice becomes an image with a thumbnail."""
    image = windowed(samples, **values)
    sent = put(scene, stores, opened(scene), cf.Case("slice", images=[image]))
    (slot,) = slots_of(sent.plan)
    assert (slot["type"], slot["width"], slot["height"]) == ("image", 7, 5)
    dataset = dcmread(image.files[0].location)
    low, span = float(dataset.RescaleIntercept), 2.0**16 - 1  # the range of what pydicom gives
    values = (apply_windowing(apply_rescale(dataset.pixel_array, dataset), dataset) - low) / span * 255
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        values = 255 - values
    affine = np.diag([-1, -1, 1, 1]) @ image.geometry.affine  # type: ignore[union-attr]
    (expected,) = as_darwin_shows(values.T[:, :, np.newaxis], affine)
    assert np.abs(seen(bucket, slot["storage_key"]) - expected).max() <= 0.5 + 1e-6
    assert len(np.unique(expected)) > 5


def test_windows_that_are_given(scene: Scene, stores: Stores, bucket: Bucket, samples: Samples) -> None:
    """For all images as an option, for one role in the mapping; a window of nothing at all is no window."""
    image = windowed(samples, WindowCenter=[], WindowWidth=[])
    mapping = {"darwin": {"roles": {"narrow": {"window": [20, 10]}}}}
    images = [image, cf.Image("narrow", image.files), cf.Image("plain", image.files)]
    sent = put(scene, stores, opened(scene, window="30,60", mapping=mapping), cf.Case("three", images=images))
    narrow, wide = (len(np.unique(seen(bucket, slot["storage_key"]))) for slot in slots_of(sent.plan)[1::-1])
    assert narrow < wide
    assert slots_of(sent.plan)[0]["storage_key"] == slots_of(sent.plan)[2]["storage_key"]
    told = [slot["metadata"]["caseferry"]["prepared"]["window"] for slot in slots_of(sent.plan)]
    assert told == [[30.0, 60.0], [20.0, 10.0], [30.0, 60.0]]


# -- pictures and videos -------------------------------------------------------------------------------------------


def test_pictures_that_browsers_show_stay_as_they_are(
    scene: Scene, stores: Stores, bucket: Bucket, tmp_path: Path
) -> None:
    """One that lies in the storage is registered there, one from elsewhere is copied; both get a thumbnail."""
    bucket.write("photos/a.png", cf.FileRef.of_bytes(picture(1000, 400), "a.png"))
    (tmp_path / "b.jpg").write_bytes(picture(30, 20, "JPEG"))
    images = [cf.Image("a", f"s3://{READONLY}/photos/a.png"), cf.Image("b", tmp_path / "b.jpg")]
    sent = put(scene, stores, opened(scene), cf.Case("two", images=images, annotations=flat("b")[:-1]))
    first, second = slots_of(sent.plan)
    assert first["storage_key"] == "photos/a.png"
    assert second["storage_key"].endswith(".jpg")
    assert (first["width"], first["height"]) == (1000, 400)
    assert seen(bucket, first["storage_thumbnail_key"]).shape[:2] == (142, 356)
    assert seen(bucket, second["storage_thumbnail_key"]).shape[:2] == (20, 30)
    assert not [loss for loss in sent.plan.losses if loss.kept == "converted" and loss.part.startswith("image")]


def test_a_picture_that_a_browser_would_turn_is_drawn_as_it_is_stored(
    scene: Scene, stores: Stores, bucket: Bucket, tmp_path: Path
) -> None:
    exif = Picture.Exif()
    exif[274] = 6
    Picture.open(io.BytesIO(picture(30, 20))).save(tmp_path / "turned.jpg", exif=exif)
    case = cf.Case("one", images=[cf.Image("photo", tmp_path / "turned.jpg")])
    (slot,) = slots_of(put(scene, stores, opened(scene), case).plan)
    assert (slot["width"], slot["height"]) == (30, 20)
    assert np.array_equal(seen(bucket, slot["storage_key"]), np.asarray(Picture.open(tmp_path / "turned.jpg")))


def test_frames_of_a_video(scene: Scene, stores: Stores, bucket: Bucket, samples: Samples) -> None:
    image = samples.image(Kind.VIDEO, "clip")
    case = cf.Case("clip", images=[image], annotations=[cf.Box("clip", [(1, 2), (5, 4)], frame=3, label="region")])
    sent = put(scene, stores, opened(scene), case)
    (slot,) = slots_of(sent.plan)
    with av.open(image.files[0].location) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(slot["sections"]) == len(frames) == 8
    for frame, section in zip(frames, slot["sections"], strict=True):
        assert np.array_equal(seen(bucket, section["storage_hq_key"]), frame)
    assert slot["storage_key"].endswith(".mp4")
    with bucket.open(slot["storage_key"]) as stream:
        assert stream.read() == image.files[0].read()
    (row,) = scene.standin.annotations(sent.item.id)
    assert list(row["data"]["frames"]) == ["3"]


def test_frames_of_a_cine_in_colour(scene: Scene, stores: Stores, bucket: Bucket, samples: Samples) -> None:
    image = samples.image(Kind.DICOM_MULTIFRAME, "us")
    sent = put(scene, stores, opened(scene), cf.Case("us", images=[image]))
    (slot,) = slots_of(sent.plan)
    stored = dcmread(image.files[0].location).pixel_array
    shown = [seen(bucket, section["storage_hq_key"]) for section in slot["sections"]]
    assert np.array_equal(shown, stored)


# -- what lies in the storage, and what is there ------------------------------------------------------------------


def test_a_prefix_of_series_is_prepared_where_it_lies(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples
) -> None:
    """Their own files are not copied, and are what comes back."""
    image = samples.image(Kind.DICOM_SERIES, "ct")
    stores.fill(bucket.address, {f"study/one/{ref.name}": ref.read() for ref in image.files})
    target = f"darwin:sandbox-team/sandbox?storage={READONLY}&prepare={PLACE}"
    assert main(["register", f"s3://{READONLY}/study/", target]) == 0
    keys = [each.key for each in bucket.list("prepared")]
    assert not [key for key in keys if "original" in key]
    (item,) = scene.open().items()
    case = item.case()
    assert [ref.location for ref in case.images[0].files] == [
        f"s3://{READONLY}/study/one/{ref.name}" for ref in sorted(image.files, key=lambda ref: ref.name)
    ]
    assert np.array_equal(case.images[0].voxels(), image.voxels())


def test_annotations_are_added_to_what_was_prepared(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples
) -> None:
    item = put(scene, stores, opened(scene), samples.case("c", Kind.METAIMAGE)).item
    box = cf.Box("metaimage", [(1, 2), (5, 3)], frame=2, label="region")
    for dataset in (scene.open(), scene.open(storage=READONLY), opened(scene)):
        added = replace(box, id=str(uuid.uuid4()))
        back = dataset.annotate(dataset.get(item.id), [added]).case()
        assert [a.frame for a in back.annotations if a.id == added.id] == [2]


def test_keys_on_azure_begin_with_the_container(scene: Scene, samples: Samples) -> None:
    scene.standin.add_storage("az-ro", provider="azure", prefix="scans/darwin", bucket="scans", readonly=True)
    dataset = scene.open(storage="az-ro", prepare="az://scans/prepared")
    plan = dataset.plan(samples.case("c", Kind.NIFTI))
    (slot,) = slots_of(plan)
    assert slot["storage_key"].startswith("scans/prepared/")
    assert all(call.target.startswith("az://scans/prepared/") for call in plan.calls if call.method == "PUT")
    assert slot["sections"][0]["storage_hq_key"] == slot["storage_key"]


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prepare": PLACE}, "no storage is named"),
        ({"storage": "sandbox-bucket", "prepare": "s3://sandbox-bucket/x"}, "'sandbox-bucket' is not"),
        ({"storage": READONLY, "prepare": "s3://elsewhere/x"}, f"such as s3://{READONLY}/prepared"),
        ({"storage": READONLY, "prepare": "true"}, f"such as s3://{READONLY}/prepared"),
        ({"storage": READONLY, "prepare": f"s3://{READONLY}/{{a}}"}, "leave out braces"),
        ({"storage": READONLY, "prepare": f"s3://{READONLY}/mrn_0012345"}, "patient's number or name"),
        ({"storage": READONLY, "window": "40,400"}, "give prepare, too"),
        ({"storage": READONLY, "prepare": PLACE, "window": "40"}, "center and width"),
        ({"storage": READONLY, "prepare": PLACE, "window": "40,0"}, "center and width"),
        ({"storage": READONLY, "mapping": {"darwin": {"roles": {"ct": {"window": [1]}}}}}, "roles.ct.window is"),
    ],
)
def test_places_that_cannot_be_prepared_in(scene: Scene, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)) as caught:
        scene.open(**options)
    assert "0012345" not in str(caught.value)


def test_what_no_pictures_are_made_of(scene: Scene, samples: Samples) -> None:
    case = samples.full_case("both", [Kind.NIFTI, Kind.PDF])
    with pytest.raises(Inexpressible, match="image 'pdf': is pdf, of which no pictures are made"):
        opened(scene).plan(case)


def test_a_patient_in_the_header_is_refused_as_ever(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples
) -> None:
    image = windowed(samples, PatientName="Doe^Jane")
    dataset = opened(scene)
    with pytest.raises(cf.IdentifiableData, match="PatientName"):
        dataset.put(cf.Case("c", images=[image]))
    assert list(bucket.list()) == []


def test_what_is_copied_to_the_bucket_was_cleaned(
    scene: Scene, stores: Stores, bucket: Bucket, samples: Samples
) -> None:
    image = windowed(samples, PatientName="Doe^Jane", PatientIdentityRemoved="NO")
    dataset = opened(scene, phi="remove")
    item = dataset.put(cf.Case("c", images=[image]))
    (key,) = [each.key for each in bucket.list() if "original" in each.key]
    with bucket.open(key) as stream:
        content = stream.read()
    assert b"Doe" not in content
    assert str(dcmread(io.BytesIO(content)).get("PatientName", "")) != "Doe^Jane"
    assert np.array_equal(item.case().images[0].voxels(), image.voxels())
