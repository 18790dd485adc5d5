"""What goes wrong with Datamint: lost answers, cut pages, deleted things, other shapes, keys without rights."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image as Picture

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.errors import UnexpectedResponse
from caseferry.imaging.kinds import Kind
from caseferry_datamint import DatamintConnector
from caseferry_datamint.sandbox import MEMBER_KEY, POWERLESS_KEY, search
from caseferry_datamint.sandbox.annotation_shapes import annotation_answer
from datamint_shapes import drawings

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from datamint_scene import Scene


def picture(seed: int = 0) -> bytes:
    out = io.BytesIO()
    Picture.fromarray(np.random.default_rng(seed).integers(0, 255, (6, 8), dtype=np.uint8)).save(out, "PNG")
    return out.getvalue()


def alive(scene: Scene, table: str = "resources") -> list[dict[str, Any]]:
    return [row for row in scene.standin.state[table].values() if not row["deleted_at"]]


# -- lost answers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "POST /resources reset-after x1",
        "POST /resources reset-after x1 after1",
        "POST /resources 502-after x2",
        "POST /projects/* reset-after x1",
        "POST /annotations/*/annotations reset-after x1",
        "POST /annotations/*/annotations reset-after x2 after1",
        "POST /annotations/*/file reset-after x1",
        "POST /annotations/*/segmentations/file 504-after x1",
        "POST /resources reset-before x1",
        "* * 429=0 x3",
    ],
)
def test_a_lost_answer_makes_nothing_twice(scene: Scene, samples: Samples, fault: str) -> None:
    """The half of a case that is there is found again by its address, in the same run."""
    images = [samples.image(kind) for kind in (Kind.DICOM_MULTIFRAME, Kind.NIFTI, Kind.PICTURE)]
    volume = samples.annotations(images[1])
    case = cf.Case("lost", images=images, annotations=[*drawings("picture"), *volume])
    scene.sandbox.faults.add(fault)
    dataset = scene.open()
    item = dataset.put(case)
    assert sorted(row["filename"] for row in alive(scene)) == sorted(each.files[0].name for each in images)
    links = [(row["imported_from"], row["identifier"], row["frame_index"]) for row in alive(scene, "annotations")]
    assert len(links) == len(set(links))
    assert differences(dataset.get(item.id).case(), dataset.sealed(case)) == []


def test_an_orphan_of_a_run_that_died_is_adopted_by_the_next(scene: Scene, samples: Samples) -> None:
    case = samples.case("orphan", Kind.PICTURE, annotations=drawings())
    scene.sandbox.faults.add("POST /resources reset-after x1")
    scene.sandbox.faults.add("GET /resources 400 after1")
    with scene.open() as dying, pytest.raises(cf.PlatformError):
        dying.put(case)
    (orphan,) = alive(scene)
    assert orphan["projects"] == {}
    scene.sandbox.faults.clear()
    dataset = scene.open()
    plan = dataset.plan(case)
    assert plan.adopts == orphan["id"]
    assert dataset.put(case).id == orphan["id"]
    assert len(alive(scene)) == 1
    assert [item.id for item in dataset.items()] == [orphan["id"]]


def test_an_error_inside_a_success_is_an_error(scene: Scene, samples: Samples) -> None:
    case = samples.case("soft", Kind.PICTURE, annotations=drawings())
    scene.standin.soft_errors.append("quota is used up")
    dataset = scene.open()
    with pytest.raises(cf.PlatformError, match="quota is used up"):
        dataset.put(case)
    dataset.put(case)
    assert len(alive(scene)) == 1


def test_one_refused_annotation_of_several_is_an_error(scene: Scene, samples: Samples) -> None:
    """The others are there: putting again adds what is missing and nothing twice."""
    case = samples.case("soft", Kind.PICTURE, annotations=[cf.Label("picture", "a"), cf.Label("picture", "b")])
    dataset = scene.open()
    worklist = dataset.project.worklist
    dataset.project = replace(dataset.project, worklist="00000000-0000-4000-8000-000000000000")
    with pytest.raises(cf.PlatformError, match="worklist not found"):
        dataset.put(case)
    dataset.project = replace(dataset.project, worklist=worklist)
    dataset.put(case)
    assert sorted(row["identifier"] for row in alive(scene, "annotations")) == ["a", "b"]


# -- pages ---------------------------------------------------------------------------------------------------------


def test_pages_that_the_server_cuts_short_lose_nothing(scene: Scene, samples: Samples) -> None:
    scene.standin.page_cap = 2
    series = samples.image(Kind.DICOM_SERIES)
    shown = [cf.Label(series.role, f"label {n}", frame=n % 4) for n in range(7)]
    case = cf.Case("paged", images=[series, samples.image(Kind.PICTURE)], annotations=shown)
    scene.put(case)
    by_hand = {scene.upload(picture(n), f"{n}.png", "image/png") for n in range(5)}
    for n in range(3):
        scene.standin.add_project(f"project {n}")
    assert scene.open("project 2").project.name == "project 2"
    assert len(list(DatamintConnector().datasets())) == 4
    dataset = scene.open()
    found = list(dataset.items())
    assert {item.id for item in found} > by_hand
    assert len(found) == len(by_hand) + 1
    assert differences(found[0].case(), dataset.sealed(case)) == []


@pytest.mark.parametrize("envelope", ["bare", "data", "nested"])
def test_every_envelope_of_annotations_is_read(scene: Scene, samples: Samples, envelope: Any) -> None:
    scene.standin.search_envelope = envelope
    scene.standin.page_cap = 3
    case = samples.case("enveloped", Kind.PICTURE, annotations=drawings())
    item = scene.put(case).item
    dataset = scene.open()
    assert differences(dataset.get(item.id).case(), dataset.sealed(case)) == []


# -- deleted things ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", [False, True])
def test_deleted_cases_are_gone_even_where_the_server_still_shows_them(
    scene: Scene, samples: Samples, *, shown: bool
) -> None:
    scene.standin.show_deleted = shown
    case = samples.case("gone", Kind.PICTURE, annotations=drawings())
    dataset = scene.open()
    item = dataset.put(case)
    dataset.delete(item)
    assert list(dataset.items()) == []
    assert dataset.find("gone") is None
    with pytest.raises(cf.NotFound):
        dataset.get(item.id)
    with pytest.raises(cf.NotFound):
        item.case()
    again = dataset.put(case)
    assert again.id != item.id
    assert differences(dataset.get(again.id).case(), dataset.sealed(case)) == []


@pytest.mark.parametrize("shown", [False, True])
def test_a_deleted_annotation_is_not_read_and_is_put_anew(scene: Scene, samples: Samples, *, shown: bool) -> None:
    scene.standin.show_deleted = shown
    case = samples.case("less", Kind.PICTURE, annotations=drawings())
    dataset = scene.open()
    item = dataset.put(case)
    line = next(row for row in alive(scene, "annotations") if row["annotation_type"] == "line")
    scene.ask("DELETE", f"/annotations/{line['id']}")
    with pytest.raises(cf.NotFound):
        dataset.account.annotation(line["id"])
    assert not [each for each in dataset.get(item.id).case().annotations if isinstance(each, cf.Line)]
    dataset.put(case)
    assert [each.label for each in dataset.get(item.id).case().annotations if isinstance(each, cf.Line)] == ["diameter"]


# -- other shapes --------------------------------------------------------------------------------------------------


def test_the_current_server_whose_projects_name_no_worklist(scene: Scene, samples: Samples) -> None:
    scene.standin.current_server = True
    scene.standin.list_without_metadata = True
    case = samples.full_case("current", (Kind.NIFTI, Kind.PICTURE))
    dataset = scene.open()
    item = dataset.put(case)
    counted = {row["annotation_worklist_id"] for row in alive(scene, "annotations")}
    assert counted == set(scene.standin.state["worklists"])
    assert differences(next(iter(dataset.items())).case(), dataset.sealed(case)) == []
    assert dataset.find("current") == item


def test_what_people_put_is_a_case_for_each_resource(scene: Scene, samples: Samples) -> None:
    scene.standin.list_without_metadata = True
    scene.put(samples.case("ours", Kind.PICTURE))
    rid = scene.upload(picture(), "photo.png", "image/png", tags="x,y", modality="XR", metadata='{"site": "A"}')
    scene.annotate(
        rid,
        {"type": "label", "identifier": "lesion", "scope": "image"},
        {"type": "angle", "identifier": "bend", "scope": "image", "geometry": {"points": [[1, 2], [3, 4], [5, 6]]}},
    )
    ours, theirs = scene.open().items()
    assert (ours.case_id, theirs.case_id) == ("ours", rid)
    case = theirs.case()
    assert (case.id, case.title, case.tags, case.images[0].modality) == (rid, "photo.png", ("x", "y"), "XR")
    assert case.images[0].files[0].read() == picture()
    label, angle = case.annotations
    assert (type(label), label.label, label.frame) == (cf.Label, "lesion", None)
    assert isinstance(angle, cf.Raw)
    assert angle.platform == "datamint"
    assert angle.payload["geometry"] == {"points": [[1, 2], [3, 4], [5, 6]]}


def test_a_file_that_is_no_image_keeps_its_annotations(scene: Scene) -> None:
    rid = scene.upload(b"just some text, and no image", "notes.txt", "text/plain")
    scene.annotate(
        rid,
        {"type": "label", "identifier": "seen", "scope": "image"},
        {"type": "line", "identifier": "odd", "scope": "image", "geometry": {"points": [[1, 2, 0], [3, 4, 0]]}},
    )
    case = scene.open().get(rid).case()
    assert [(type(each), each.label) for each in case.annotations] == [(cf.Label, "seen"), (cf.Raw, "odd")]
    assert case.images[0].files[0].read() == b"just some text, and no image"


def test_what_people_change_afterwards_is_what_is_read(scene: Scene, samples: Samples) -> None:
    shown = [
        cf.Line("picture", [(1, 1), (2, 2)], label="length"),
        cf.Label("picture", "old name"),
        cf.Category("picture", "quality", "good", attributes={"kept": 1}),
    ]
    dataset = scene.open()
    item = dataset.put(samples.case("changed", Kind.PICTURE, annotations=shown))
    for row in scene.standin.state["annotations"].values():
        if row["annotation_type"] == "line":
            row["geometry"] = {"points": [[3, 3, 0], [4, 5, 0]]}
        elif row["annotation_type"] == "label":
            scene.ask("PATCH", f"/annotations/{row['id']}", json={"identifier": "new name"})
    line, label, category = dataset.get(item.id).case().annotations
    assert line.points == ((3, 3), (4, 5))
    assert label.label == "new name"
    assert (category.value, category.attributes) == ("good", {"kept": 1})


def test_what_models_made_is_read_too(scene: Scene) -> None:
    """The platform shows a model's segmentations to those only who ask for them."""
    rid = scene.upload(picture(), "photo.png", "image/png")
    form = {"type": "segmentation", "identifier": "lesion", "scope": "frame", "frame_index": 0}
    by_model = {**form, "model_id": "segmenter", "is_model": True}
    for wish in (form, by_model):
        (own,) = scene.annotate(rid, wish)
        scene.ask("POST", f"/annotations/{rid}/annotations/{own}/file", files={"file": ("m", picture(3), "image/png")})
    found = scene.open().get(rid).case().annotations
    assert [(type(each), each.source, each.model) for each in found] == [
        (cf.Mask, None, None),
        (cf.Mask, "model", "segmenter"),
    ]


# -- keys ----------------------------------------------------------------------------------------------------------


def test_a_key_that_may_do_nothing(scene: Scene) -> None:
    with pytest.raises(cf.PermissionDenied) as caught:
        scene.open(api_key=POWERLESS_KEY)
    assert "403" in str(caught.value)
    assert POWERLESS_KEY not in str(caught.value)


def test_a_key_that_nobody_knows(scene: Scene) -> None:
    with pytest.raises(cf.AuthenticationFailed) as caught:
        scene.open(api_key="wrong-secret-key")
    assert "wrong-secret-key" not in str(caught.value)


def test_a_member_may_work(scene: Scene, samples: Samples) -> None:
    dataset = scene.open(api_key=MEMBER_KEY)
    case = samples.case("by a member", Kind.PICTURE, annotations=drawings())
    item = dataset.put(case)
    assert differences(dataset.get(item.id).case(), dataset.sealed(case)) == []


def test_rights_that_end_half_way_leave_what_can_be_gone_on_with(scene: Scene, samples: Samples) -> None:
    case = samples.case("half", Kind.PICTURE, annotations=drawings())
    dataset = scene.open()
    scene.sandbox.faults.add("POST /annotations/* 403")
    with pytest.raises(cf.PermissionDenied, match="403"):
        dataset.put(case)
    scene.sandbox.faults.clear()
    dataset.put(case)
    assert len(alive(scene)) == 1


@pytest.mark.parametrize("files", [1, 2])
def test_annotations_that_do_not_say_to_which_resource_they_belong(
    scene: Scene, samples: Samples, monkeypatch: pytest.MonkeyPatch, files: int
) -> None:
    """The short form leaves it out: of one resource nothing is lost, of several nothing is guessed."""
    images = [samples.image(kind) for kind in (Kind.PICTURE, Kind.NIFTI)[:files]]
    case = cf.Case("short", images=images, annotations=[cf.Label("picture", "seen", id="seen")])
    item = scene.open().put(case)

    def short(desk: Any, record: Any) -> Any:
        return {name: value for name, value in annotation_answer(desk, record).items() if name != "resource_id"}

    monkeypatch.setattr(search, "annotation_answer", short)
    if files == 1:
        assert [each.id for each in scene.open().get(item.id).case().annotations] == ["seen"]
        assert scene.open().plan(case).calls == ()
    else:
        with pytest.raises(UnexpectedResponse, match="does not say to which of 2 resources it belongs"):
            scene.open().get(item.id).case()


def test_annotations_that_are_deleted_are_not_there_however_the_platform_says_it(
    scene: Scene, samples: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = samples.case("gone", Kind.PICTURE, annotations=[cf.Label("picture", "seen", id="seen")])
    item = scene.open().put(case)

    def gone(desk: Any, record: Any) -> Any:
        answered = {name: value for name, value in annotation_answer(desk, record).items() if name != "deleted"}
        return answered | {"deleted_at": "2026-01-02T03:04:05Z"}

    monkeypatch.setattr(search, "annotation_answer", gone)
    assert scene.open().get(item.id).case().annotations == ()
    assert [call.name for call in scene.open().plan(case).calls] == ["annotate picture 0 0"]
