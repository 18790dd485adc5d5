"""Every sample of V7's guides to external storage comes from one description of a case and a mapping."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
from PIL import Image as Picture
from pydicom import dcmread

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.errors import ConfigurationError, Inexpressible
from caseferry.imaging.kinds import Kind
from darwin_scene import LOOKUPS, picture
from ledger_check import put_and_compare

if TYPE_CHECKING:
    from collections.abc import Mapping

    from caseferry.files import FileRef
    from caseferry.testing import Samples
    from darwin_scene import Scene

BUCKET, READONLY = "sandbox-bucket", "sandbox-readonly"
KINDS = {".png": "image", ".jpg": "image", ".mp4": "video", ".dcm": "dicom", ".pdf": "pdf"}


def wide(kind: str = "PNG", size: tuple[int, int] = (1920, 1080)) -> bytes:
    stream = io.BytesIO()
    Picture.new("RGB", size).save(stream, kind)
    return stream.getvalue()


def clip(size: tuple[int, int] = (1920, 1080), frames: int = 2) -> bytes:
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        made = container.add_stream("mpeg4", rate=10)
        made.width, made.height, made.pix_fmt = *size, "yuv420p"
        for _ in range(frames):
            frame = av.VideoFrame.from_ndarray(np.zeros((size[1], size[0], 3), np.uint8), format="rgb24")
            for packet in made.encode(frame):
                container.mux(packet)
        for packet in made.encode():
            container.mux(packet)
    return stream.getvalue()


def uniform(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item in one form, however it was written: with slots, types told, switches that are off left out."""
    slots = item.get("slots") or [{**item, "slot_name": "0", "file_name": PurePosixPath(item["storage_key"]).name}]
    found = []
    for slot in slots:
        row = {key: value for key, value in slot.items() if key not in {"path", "name", "metadata", "layout", "tags"}}
        row.setdefault("type", KINDS[PurePosixPath(row["file_name"]).suffix])
        found.append({key: value for key, value in row.items() if value not in (False, "false")})
    return {"name": item["name"], "path": item["path"], "slots": found}


def registered(scene: Scene, case: cf.Case, storage: str = BUCKET, **options: Any) -> tuple[str, dict[str, Any]]:
    """The verb and the body with which a case is registered; it is put, too, and the ledger compared."""
    with scene.open(storage=storage, **options) as dataset:
        sent = put_and_compare(scene.sandbox, dataset, case, LOOKUPS)
    (call,) = [call for call in sent.plan.calls if call.name == "register"]
    assert sent.item.state == "ready"
    return call.target.rpartition("/")[2], call.body


def one(scene: Scene, name: str, key: str, content: bytes, storage: str = BUCKET, **options: Any) -> tuple[str, Any]:
    case = cf.Case(name, images=[cf.Image("file", scene.stored(storage, key, content))])
    return registered(scene, case, storage, **options)


def roles(**tables: Any) -> dict[str, Any]:
    return {"darwin": {"roles": tables}}


# -- read-write ----------------------------------------------------------------------------------------------------


def test_a_single_image(scene: Scene) -> None:
    verb, body = one(scene, "car_1.png", "car_folder/car_1.png", picture())
    assert verb == "register_existing"
    assert {key: value for key, value in body.items() if key != "items"} == {
        "dataset_slug": "sandbox",
        "storage_slug": BUCKET,
    }
    sample = {"path": "/", "type": "image", "storage_key": "car_folder/car_1.png", "name": "car_1.png"}
    assert uniform(body["items"][0]) == uniform(sample)


@pytest.mark.parametrize("fps", [5, 12.5, "native"])
def test_a_video_and_its_rate(scene: Scene, samples: Samples, fps: float | str) -> None:
    content = samples.image(Kind.VIDEO).files[0].read()
    key = "video_folder/car_video.mp4"
    _, body = one(scene, "car_video.mp4", key, content, mapping=roles(file={"fps": fps}))
    sample = {"path": "/", "type": "video", "fps": fps, "storage_key": key, "name": "car_video.mp4"}
    assert uniform(body["items"][0]) == uniform(sample)


def test_files_of_several_kinds_in_slots(scene: Scene, samples: Samples) -> None:
    refs = {
        "left": scene.stored(BUCKET, "car_folder/car_1.png", picture(seed=1)),
        "right": scene.stored(BUCKET, "car_folder/car_2.png", picture(seed=2)),
        "clip": scene.stored(BUCKET, "car_folder/cars.mp4", samples.image(Kind.VIDEO).files[0].read()),
    }
    case = cf.Case("cars", images=[cf.Image(role, ref) for role, ref in refs.items()])
    _, body = registered(scene, case, mapping={"darwin": {"images": {"clip": "3"}}})
    sample = {
        "path": "/",
        "slots": [
            {"slot_name": "0", "type": "image", "storage_key": "car_folder/car_1.png", "file_name": "car_1.png"},
            {"slot_name": "1", "type": "image", "storage_key": "car_folder/car_2.png", "file_name": "car_2.png"},
            {"slot_name": "3", "type": "video", "storage_key": "car_folder/cars.mp4", "file_name": "cars.mp4"},
        ],
        "name": "cars",
    }
    assert uniform(body["items"][0]) == uniform(sample)
    # The sample leaves the layout to the platform; ours is the one that darwin-py makes of three slots.
    assert body["items"][0]["layout"] == {"version": 3, "slots_grid": [[["0"]], [["1"]], [["3"]]]}


def test_a_series_in_one_file(scene: Scene, samples: Samples) -> None:
    key = "dicom_folder/my_dicom_series.dcm"
    _, body = one(scene, "my_dicom_series.dcm", key, samples.image(Kind.DICOM_MULTIFRAME).files[0].read())
    sample = {"path": "/", "type": "dicom", "storage_key": key, "name": "my_dicom_series.dcm"}
    assert uniform(body["items"][0]) == uniform(sample)


def slices(scene: Scene, samples: Samples) -> list[FileRef]:
    """Slices of a series, named in the order in which the guide lists them, which is not that of their places."""
    files = sorted(samples.image(Kind.DICOM_SERIES, "ct").files, key=lambda ref: ref.name)
    return [scene.stored(BUCKET, f"dicom_slices/slice_{n}.dcm", ref.read()) for n, ref in enumerate(files, start=1)]


SLICES = {
    "path": "/",
    "slots": [
        {
            "slot_name": "0",
            "type": "dicom",
            "storage_key": f"dicom_slices/slice_{n}.dcm",
            "file_name": f"slice_{n}.dcm",
        }
        for n in (1, 2, 3, 4)
    ],
    "name": "my_dicom_series",
}


def test_slices_as_a_series_in_one_slot(scene: Scene, samples: Samples) -> None:
    _, body = registered(scene, cf.Case("my_dicom_series", images=[cf.Image("ct", slices(scene, samples))]))
    assert uniform(body["items"][0]) == uniform(SLICES)
    assert "options" not in body


def test_slices_in_our_own_order(scene: Scene, samples: Samples) -> None:
    """With the platform's order overridden, slices go along the normal: here against their names."""
    case = cf.Case("my_dicom_series", images=[cf.Image("ct", slices(scene, samples))])
    _, body = registered(scene, case, mapping={"darwin": {"ignore_dicom_layout": True}})
    assert body["options"] == {"ignore_dicom_layout": True}
    expected = uniform(SLICES)
    assert uniform(body["items"][0]) == {**expected, "slots": expected["slots"][::-1]}


@pytest.mark.parametrize(("ignore", "frame"), [(False, "1"), (True, "2")])
def test_annotations_of_registered_slices_lie_in_their_slice(
    scene: Scene, samples: Samples, ignore: bool, frame: str
) -> None:
    """Four slices, numbered against the direction in which they lie: the platform goes by their numbers."""
    image = samples.image(Kind.DICOM_SERIES, "ct")
    contents = [renumbered(ref.read(), 4 - n) for n, ref in enumerate(image.files)]
    refs = [scene.stored(BUCKET, f"ct/{n}.dcm", contents[n]) for n in (2, 0, 3, 1)]
    case = cf.Case("ct", images=[cf.Image("ct", refs)], annotations=samples.annotations(image))
    dataset = scene.open(storage=BUCKET, mapping={"darwin": {"ignore_dicom_layout": ignore}})
    item = scene.put(case, dataset).item

    back = item.case()

    assert [ref.read() for ref in back.images[0].files] == [ref.read() for ref in refs]
    assert differences(dataset.sealed(case), back) == []
    region = dataset.place.classes.known["region", "bounding_box"].id
    (box,) = [a for a in scene.standin.annotations(item.id) if a["annotation_class_id"] == region]
    assert list(box["data"]["frames"]) == [frame]  # of plane 2


def renumbered(content: bytes, number: int) -> bytes:
    """A slice with another instance number."""
    dataset = dcmread(io.BytesIO(content))
    dataset.InstanceNumber = number
    stream = io.BytesIO()
    dataset.save_as(stream)
    return stream.getvalue()


def test_views_of_a_volume(scene: Scene, samples: Samples) -> None:
    content = samples.image(Kind.DICOM_SERIES, "ct").files[0].read()
    _, body = one(scene, "001.dcm", "001/slice1.dcm", content, mapping=roles(file={"extract_views": True}))
    sample = {
        "path": "/",
        "slots": [
            {
                "type": "dicom",
                "slot_name": "0",
                "storage_key": "001/slice1.dcm",
                "file_name": "slice1.dcm",
                "extract_views": "true",
            }
        ],
        "name": "001.dcm",
    }
    assert uniform(body["items"][0]) == uniform(sample)


@pytest.mark.parametrize("external", [True, False], ids=["registered", "uploaded"])
def test_a_case_with_views_comes_back(scene: Scene, samples: Samples, external: bool) -> None:
    image = samples.image(Kind.NIFTI, "ct")
    files = [scene.stored(BUCKET, "ct.nii.gz", image.files[0].read())] if external else image.files
    case = cf.Case("ct", images=[cf.Image("ct", files)], annotations=samples.annotations(image))
    dataset = scene.open(mapping=roles(ct={"extract_views": True}), **({"storage": BUCKET} if external else {}))
    item = scene.put(case, dataset).item
    assert [slot["slot_name"] for slot in item.native["slots"]] == ["0.1", "0.2", "0.3"]

    back = scene.open().get(item.id).case()

    assert differences(dataset.sealed(case), back) == []


def test_frames_that_do_not_belong_together(scene: Scene, samples: Samples) -> None:
    """``as_frames`` is said of videos and PDFs, in either way of bringing them."""
    for kind in (Kind.VIDEO, Kind.PDF):
        case = samples.case(f"a {kind}", kind)
        plan = scene.open(mapping=roles(**{"*": {"as_frames": True}})).plan(case)
        assert plan.calls[0].body["items"][0]["slots"][0]["as_frames"] is True
        plan = scene.open(mapping=roles(other={"as_frames": True})).plan(case)
        assert "as_frames" not in plan.calls[0].body["items"][0]["slots"][0]


def test_annotations_of_a_sampled_video_are_kept_beside_it(scene: Scene, samples: Samples) -> None:
    """Which frames the platform takes is known afterwards only."""
    case = samples.case("clip", Kind.VIDEO, annotations=[cf.Box("video", [(1, 2), (5, 4)], frame=3, label="region")])
    dataset = scene.open(mapping=roles(video={"fps": 2}))
    sent = scene.put(case, dataset)
    assert [loss.kept for loss in sent.plan.losses] == ["sidecar"]
    assert "frames" in sent.plan.losses[0].reason
    assert dataset.get(sent.item.id).case().annotations == dataset.sealed(case).annotations


LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "1": (
        {"version": 1, "type": "horizontal"},
        {"version": 1, "type": "horizontal", "slots": ["0", "1", "2"]},
    ),
    "1 in another order": (
        {"version": 1, "type": "grid", "slots": ["c", "a", "b"]},
        {"version": 1, "type": "grid", "slots": ["2", "0", "1"]},
    ),
    "2": (
        {"version": 2, "type": "grid", "layout_shape": [2, 2]},
        {"version": 2, "type": "grid", "layout_shape": [2, 2], "slots": ["0", "1", "2"]},
    ),
    "3 with channels": (
        {"version": 3, "slots_grid": [[["a", "b"]], [["c"]]]},
        {"version": 3, "slots_grid": [[["0", "1"]], [["2"]]]},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(scene: Scene, name: str) -> None:
    wanted, expected = LAYOUTS[name]
    refs = [scene.stored(BUCKET, f"{role}.png", picture(seed=n)) for n, role in enumerate("abc")]
    case = cf.Case("three", images=[cf.Image(role, ref) for role, ref in zip("abc", refs, strict=True)])
    _, body = registered(scene, case, mapping={"darwin": {"layout": wanted}})
    assert body["items"][0]["layout"] == expected
    assert scene.standin.item("sandbox", "/three")["layout"] == expected


def test_tags_folder_and_a_pdf(scene: Scene, samples: Samples) -> None:
    ref = scene.stored(BUCKET, "reports/one.pdf", samples.image(Kind.PDF).files[0].read())
    case = cf.Case("one", images=[cf.Image("report", ref)], tags=["train", "two words"], folder="site-a/2024")
    _, body = registered(scene, case)
    item = body["items"][0]
    assert (item["path"], item["tags"]) == ("/site-a/2024", ["train", "two words"])
    assert uniform(item)["slots"] == [
        {"slot_name": "0", "file_name": "one.pdf", "storage_key": "reports/one.pdf", "type": "pdf"}
    ]


def test_a_tag_with_a_text(scene: Scene, samples: Samples) -> None:
    """It is an annotation of the whole case, since only so it keeps its name."""
    case = samples.case("said", Kind.PICTURE, annotations=[cf.Text("picture", "remark", "seen twice")])
    item = scene.put(case).item
    (row,) = scene.standin.annotations(item.id)
    assert row["data"] == {"tag": {}, "text": {"text": "seen twice"}}


def test_the_older_guides_samples(scene: Scene, samples: Samples) -> None:
    slot = {"images": {"file": "1"}}
    _, body = one(scene, "cars.jpg", "car_folder/cars.jpg", picture(kind="JPEG"), mapping={"darwin": slot})
    sample: dict[str, Any] = {
        "path": "/",
        "slots": [
            {
                "as_frames": "false",
                "slot_name": "1",
                "storage_key": "car_folder/cars.jpg",
                "file_name": "cars.jpg",
            }
        ],
        "name": "cars.jpg",
    }
    assert uniform(body["items"][0]) == uniform(sample)
    content = samples.image(Kind.VIDEO).files[0].read()
    mapping = {"darwin": {**slot, "roles": {"file": {"fps": 10}}}}
    _, body = one(scene, "Seals", "seals_folder/seals.mp4", content, mapping=mapping)
    sample = {
        "path": "/",
        "slots": [
            {
                "as_frames": False,
                "slot_name": "1",
                "fps": 10,
                "file_name": "seals.mp4",
                "storage_key": "seals_folder/seals.mp4",
                "type": "video",
            }
        ],
        "name": "Seals",
    }
    assert uniform(body["items"][0]) == uniform(sample)


def test_azure_keys_begin_with_the_container_unless_told_otherwise(scene: Scene) -> None:
    ref = scene.stored("sandbox-azure", "sandbox-container/a/b.png", picture(), "sandbox-container", "az")
    ref = cf.FileRef("az://sandbox-container/a/b.png", size=ref.size, opener=ref.opener)
    case = cf.Case("b", images=[cf.Image("b", ref)])
    _, body = registered(scene, case, "sandbox-azure")
    assert body["items"][0]["slots"][0]["storage_key"] == "sandbox-container/a/b.png"
    plan = scene.open("sandbox", storage="sandbox-azure", container="false").plan(cf.Case("c", images=case.images))
    assert plan.calls[0].body["items"][0]["slots"][0]["storage_key"] == "a/b.png"


# -- read-only -----------------------------------------------------------------------------------------------------


PREPARED = roles(
    **{
        "*": {
            "thumbnail": "thumbnails/{stem}_thumbnail.png",
            "hq": "{folder}/{stem}/frame_{section}_hq.png",
            "lq": "{folder}/{stem}/frame_{section}_lq.png",
        }
    }
)
IMAGES = [
    {
        "slot_name": str(n),
        "type": "image",
        "storage_key": f"car_folder/car_{n + 1}.png",
        "storage_thumbnail_key": f"thumbnails/car_{n + 1}_thumbnail.png",
        "height": 1080,
        "width": 1920,
        "file_name": f"car_{n + 1}.png",
    }
    for n in (0, 1)
]
VIDEO = {
    "type": "video",
    "storage_key": "video_folder/car_video.mp4",
    "storage_thumbnail_key": "thumbnails/car_video_thumbnail.png",
    "sections": [
        {
            "section_index": n,
            "height": 1080,
            "width": 1920,
            "storage_hq_key": f"video_folder/car_video/frame_{n}_hq.png",
            "storage_lq_key": f"video_folder/car_video/frame_{n}_lq.png",
        }
        for n in (1, 2)
    ],
}


def test_a_read_only_image(scene: Scene) -> None:
    verb, body = one(scene, "car_1.png", "car_folder/car_1.png", wide(), READONLY, mapping=PREPARED)
    assert verb == "register_existing_readonly"
    assert body["storage_slug"] == READONLY
    assert uniform(body["items"][0]) == uniform({"path": "/", "name": "car_1.png", "slots": IMAGES[:1]})


def test_a_read_only_video(scene: Scene) -> None:
    _, body = one(scene, "car_video.mp4", VIDEO["storage_key"], clip(), READONLY, mapping=PREPARED)
    assert uniform(body["items"][0]) == uniform({"path": "/", "name": "car_video.mp4", **VIDEO})


def test_read_only_slots(scene: Scene) -> None:
    keys = {"left": "car_folder/car_1.png", "right": "car_folder/car_2.png", "clip": VIDEO["storage_key"]}
    made = {"left": wide(), "right": wide(), "clip": clip()}
    images = [cf.Image(role, scene.stored(READONLY, key, made[role])) for role, key in keys.items()]
    _, body = registered(scene, cf.Case("cars", images=images), READONLY, mapping=PREPARED)
    # The sample calls the last file cars.mp4, and its key ends car_video.mp4; the guide's own rule asks for the latter.
    sample = {
        "path": "/",
        "slots": [*IMAGES, {"slot_name": "2", "file_name": "car_video.mp4", **VIDEO}],
        "name": "cars",
    }
    assert uniform(body["items"][0]) == uniform(sample)


def test_the_older_guides_read_only_video(scene: Scene) -> None:
    keys = {"thumbnail": "thumbnail_key.jpg", "hq": "hq_key_{section}.jpg", "lq": "lq_key_{section}.jpg", "fps": 2}
    content = clip((1400, 1200))
    _, body = one(scene, "my-video.mp4", "storage_path.jpg", content, READONLY, mapping=roles(file=keys))
    sample = {
        "path": "/",
        "as_frames": False,
        "fps": 2,
        "sections": [
            {
                "height": 1200,
                "section_index": n,
                "width": 1400,
                "storage_hq_key": f"hq_key_{n}.jpg",
                "storage_lq_key": f"lq_key_{n}.jpg",
            }
            for n in (1, 2)
        ],
        "name": "my-video.mp4",
        "storage_key": "storage_path.jpg",
        "storage_thumbnail_key": "thumbnail_key.jpg",
        "type": "video",
    }
    assert uniform(body["items"][0]) == uniform(sample)


def test_a_video_that_darwin_py_has_cut_up(scene: Scene) -> None:
    compact = {
        "native_fps": 10.0,
        "visible_frames": 2,
        "total_frames": 2,
        "hls_segments": {"high_quality": {"index": "#EXTM3U\n", "bitrate": 1000.0}},
        "storage_sections_key_prefix": "prepared/sections/high",
        "storage_frames_manifest_key": "prepared/frames_manifest.txt",
        "storage_thumbnail_key": "prepared/thumbnail.jpg",
    }
    mapping = roles(file={"compact": compact})
    _, body = one(scene, "cut.mp4", "videos/cut.mp4", clip((64, 32)), READONLY, mapping=mapping)
    (slot,) = body["items"][0]["slots"]
    assert {key: value for key, value in slot.items() if key != "metadata"} == {
        "slot_name": "0",
        "type": "video",
        "file_name": "cut.mp4",
        "storage_key": "videos/cut.mp4",
        "width": 64,
        "height": 32,
        **compact,
    }


@pytest.mark.parametrize("kind", [Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME, Kind.NIFTI], ids=str)
def test_read_only_takes_no_dicom(scene: Scene, samples: Samples, kind: Kind) -> None:
    image = samples.image(kind, "ct")
    refs = [scene.stored(READONLY, f"ct/{ref.name}", ref.read()) for ref in image.files]
    dataset = scene.open(storage=READONLY, mapping=PREPARED)
    before = len(scene.sandbox.ledger)
    with pytest.raises(Inexpressible, match=r"DICOM or NIfTI.*export slices as images.*prepare=s3://"):
        dataset.put(cf.Case("ct", images=[cf.Image("ct", refs)]))
    assert {entry.method for entry in list(scene.sandbox.ledger)[before:]} <= {"GET"}


def test_read_only_without_what_it_needs_lists_all_of_it(scene: Scene) -> None:
    images = [
        cf.Image("photo", scene.stored(READONLY, "photo.png", picture())),
        cf.Image("clip", scene.stored(READONLY, "clip.mp4", clip((32, 16)))),
    ]
    with pytest.raises(Inexpressible) as caught:
        scene.open(storage=READONLY).plan(cf.Case("both", images=images))
    said = [(problem.where, problem.what.split()[1:3]) for problem in caught.value.problems]
    assert said == [
        ("item '/both', slot '0'", ["no", "storage_thumbnail_key;"]),
        ("item '/both', slot '1'", ["no", "storage_thumbnail_key;"]),
        ("item '/both', slot '1'", ["a", "read-only"]),
    ]


# -- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"roles": {"ct": {"fsp": 5}}}, "darwin.roles.ct.fsp"),
        ({"roles": {"ct": {"fps": 0}}}, "frames a second"),
        ({"roles": {"ct": {"fps": True}}}, "frames a second"),
        ({"roles": {"ct": {"as_frames": "maybe"}}}, "true or false"),
        ({"roles": {"ct": {"hq": "{frame}.png"}}}, "{section}"),
        ({"roles": {"ct": 5}}, "may hold fps"),
        ({"roles": {"ct": {"sections": -1}}}, "whole number"),
        ({"layout": {"version": 4}}, "expected 1, 2 or 3"),
        ({"layout": {"version": 2, "type": "grid"}}, "lacks 'layout_shape'"),
        ({"layout": {"version": 3, "slots_grid": [], "type": "grid"}}, "has 'type'"),
        ({"ignore_dicom_layout": "often"}, "true or false"),
        ({"batch": "ten"}, "whole number"),
        ({"rolls": {"ct": {}}}, "roles, layout"),
    ],
)
def test_a_mapping_that_means_nothing(scene: Scene, table: dict[str, Any], said: str) -> None:
    before = len(scene.sandbox.ledger)
    with pytest.raises(ConfigurationError, match=said):
        scene.open(mapping={"darwin": table})
    assert len(scene.sandbox.ledger) == before


def test_a_layout_that_leaves_a_slot_out(scene: Scene) -> None:
    refs = [scene.stored(BUCKET, f"{role}.png", picture(seed=n)) for n, role in enumerate("ab")]
    case = cf.Case("two", images=[cf.Image(role, ref) for role, ref in zip("ab", refs, strict=True)])
    dataset = scene.open(storage=BUCKET, mapping={"darwin": {"layout": {"version": 3, "slots_grid": [[["a"]]]}}})
    with pytest.raises(Inexpressible, match="without slot '1'"):
        dataset.plan(case)


def test_a_case_half_in_the_storage(scene: Scene, samples: Samples) -> None:
    images = [
        cf.Image("here", scene.stored(BUCKET, "a.png", picture())),
        samples.image(Kind.PICTURE, "elsewhere"),
    ]
    with pytest.raises(Inexpressible, match="image 'elsewhere': does not lie in the storage"):
        scene.open(storage=BUCKET).plan(cf.Case("half", images=images))


def test_metaimage_is_not_registered(scene: Scene, samples: Samples) -> None:
    ref = scene.stored(BUCKET, "a.mha", samples.image(Kind.METAIMAGE).files[0].read())
    with pytest.raises(Inexpressible, match="metaimage, which Darwin does not read"):
        scene.open(storage=BUCKET).plan(cf.Case("mha", images=[cf.Image("a", ref)]))


def test_patients_in_the_bucket_are_refused(scene: Scene, samples: Samples) -> None:
    dataset = dcmread(io.BytesIO(samples.image(Kind.DICOM_SERIES, "ct").files[0].read()))
    dataset.PatientName = "Doe^Jane"
    stream = io.BytesIO()
    dataset.save_as(stream)
    ref = scene.stored(BUCKET, "ct/1.dcm", stream.getvalue())
    before = len(scene.sandbox.ledger)
    opened = scene.open(storage=BUCKET)
    after_opening = len(scene.sandbox.ledger)
    with pytest.raises(cf.IdentifiableData, match="PatientName") as caught:
        opened.put(cf.Case("ct", images=[cf.Image("ct", ref)]))
    assert "Doe" not in str(caught.value)
    assert len(scene.sandbox.ledger) == after_opening > before


@pytest.mark.parametrize("key", ["mrn_0012345/a.png", "site/patient-name_doe/a.png", "dob 1970/x/a.png"])
def test_keys_that_name_a_patient_are_refused(scene: Scene, key: str) -> None:
    case = cf.Case("one", images=[cf.Image("photo", scene.stored(BUCKET, key, picture()))])
    dataset = scene.open(storage=BUCKET)
    before = len(scene.sandbox.ledger)
    with pytest.raises(cf.IdentifiableData, match="the key") as caught:
        dataset.put(case)
    assert key.partition("/")[0] not in str(caught.value)
    assert len(scene.sandbox.ledger) == before
    assert dataset.put(case, phi="keep").case_id == "one"


@pytest.mark.parametrize("key", ["a\n/b.png", "bad\x01/b.png"])
def test_keys_that_cannot_be_written_are_refused(scene: Scene, key: str) -> None:
    case = cf.Case("one", images=[cf.Image("photo", scene.stored(BUCKET, key, picture()))])
    with pytest.raises(Inexpressible, match="control character"):
        scene.open(storage=BUCKET).plan(case)
