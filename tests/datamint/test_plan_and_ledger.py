"""What a plan lists is what Datamint is asked, call for call."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry_datamint.sandbox import ADMIN, MEMBER
from datamint_scene import ID, LOOKUPS
from datamint_shapes import drawings
from ledger_check import Lookup, compare

if TYPE_CHECKING:
    from caseferry.plan import Plan
    from caseferry.testing import Samples
    from datamint_scene import Scene

READING = Lookup("GET", f"/(resources/{ID}|annotations/{ID}/annotations/{ID})/file", (), "what the case holds already")


@pytest.mark.parametrize("kind", list(Kind), ids=str)
def test_an_image_of_each_kind(scene: Scene, samples: Samples, kind: Kind) -> None:
    case = samples.case(f"a {kind}", kind)
    sent = scene.put(case)
    files = 1 if kind in {Kind.METAIMAGE, Kind.NRRD} else len(case.images[0].files)
    assert [call.name.split()[0] for call in sent.plan.calls] == ["upload"] * files + ["join"]


@pytest.mark.parametrize(
    "kinds",
    [
        (Kind.DICOM_SERIES,),
        (Kind.NIFTI,),
        (Kind.METAIMAGE,),
        (Kind.DICOM_SERIES, Kind.PICTURE),
        (Kind.NIFTI, Kind.DICOM_MULTIFRAME, Kind.VIDEO, Kind.PDF, Kind.PICTURE),
    ],
    ids=lambda kinds: " ".join(map(str, kinds)),
)
def test_a_case_with_everything(scene: Scene, samples: Samples, kinds: tuple[Kind, ...]) -> None:
    sent = scene.put(samples.full_case("all", kinds))
    names = [call.name.split()[0] for call in sent.plan.calls]
    assert names.count("join") == 1
    assert "annotate" in names
    assert {"segment", "outline"} & set(names)


def test_a_picture_with_every_native_annotation(scene: Scene, samples: Samples) -> None:
    sent = scene.put(samples.case("drawn on", Kind.PICTURE, annotations=drawings(), tags=["a b", "ü"]))
    assert not sent.plan.losses
    assert [call.name.split()[0] for call in sent.plan.calls] == [
        "upload",
        "join",
        "outline",
        "fill",
        "fill",
        "annotate",
    ]


def test_frames_of_a_cine_are_annotated_one_by_one(scene: Scene, samples: Samples) -> None:
    cine = samples.image(Kind.DICOM_MULTIFRAME)
    annotations = [
        replace(each, frame=2) for each in drawings(cine.role) if isinstance(each, cf.Line | cf.Label | cf.Box)
    ]
    scene.put(cf.Case("cine", images=[cine], annotations=annotations))
    rows = scene.standin.state["annotations"].values()
    assert {(row["annotation_type"], row["frame_index"]) for row in rows} == {("label", 2), ("line", 2), ("square", 2)}


def test_without_a_worklist_and_in_a_channel(scene: Scene, samples: Samples) -> None:
    scene.standin.current_server = True
    dataset = scene.open(channel="gc ü", publish="false")
    scene.put(samples.case("a", Kind.PICTURE, annotations=drawings()), dataset)
    (resource,) = scene.standin.state["resources"].values()
    assert (resource["upload_channel"], resource["status"]) == ("gc ü", "inbox")


def test_a_case_that_is_there_needs_no_call(scene: Scene, samples: Samples) -> None:
    case = samples.full_case("twice", (Kind.NIFTI, Kind.PICTURE))
    first = scene.put(case)
    second = scene.put(case)
    assert second.plan.calls == ()
    assert second.item.id == first.item.id


def test_what_is_missing_is_what_is_sent(scene: Scene, samples: Samples) -> None:
    """A mask whose file never came is completed, and an annotation that was deleted is made anew."""
    case = samples.case("half", Kind.PICTURE, annotations=drawings())
    scene.put(case)
    rows = scene.standin.state["annotations"]
    spot = next(row for row in rows.values() if row["identifier"] == "spot")
    line = next(row for row in rows.values() if row["annotation_type"] == "line")
    spot["file"] = None
    line["deleted"] = True

    again = scene.put(case)

    assert [call.name.split()[0] for call in again.plan.calls] == ["fill", "annotate"]
    assert [form["type"] for form in again.plan.calls[1].body] == ["line"]


def test_annotating_what_is_there_asks_what_it_plans(scene: Scene, samples: Samples) -> None:
    """Each annotation goes to the resource of its own slice; nothing that is there is sent again."""
    series = samples.image(Kind.DICOM_SERIES)
    dataset = scene.open()
    item = dataset.put(cf.Case("later", images=[series, samples.image(Kind.PICTURE)], annotations=drawings()))
    new = [
        cf.Line(series.role, [(1, 1), (5.5, 3.25)], frame=2, label="later"),
        cf.Label(series.role, "later", frame=3),
        cf.Mask.of_array("picture", np.eye(11, 9, dtype=np.uint8)[:, :, np.newaxis], {1: "later"}, np.eye(4)),
    ]
    start, send, plans = len(scene.sandbox.ledger), dataset.execute, []

    def execute(plan: Plan) -> Any:
        done = send(plan)
        compare(plan, done.bindings, list(scene.sandbox.ledger)[start:], [*LOOKUPS, READING], "/")
        plans.append(plan)
        return done

    dataset.execute = execute  # type: ignore[method-assign]
    dataset.annotate(item, new)
    assert sorted(call.name.split()[0] for call in plans[0].calls) == ["annotate", "annotate", "fill", "outline"]
    rows = [row for row in scene.standin.state["annotations"].values() if row["identifier"] == "later"]
    files = {row["id"]: row["filename"] for row in scene.standin.state["resources"].values()}
    assert sorted((row["annotation_type"], files[row["resource_id"]]) for row in rows) == [
        ("label", "001.dcm"),
        ("line", "002.dcm"),
        ("segmentation", "picture.png"),
    ]


@pytest.mark.parametrize("model", [None, "segmenter"])
def test_people_and_models_are_named_where_that_is_asked_for(scene: Scene, samples: Samples, model: str | None) -> None:
    dataset = scene.open(authors="import")
    said = {"model": model, "source": "model"} if model else {"author": MEMBER}
    case = samples.case("by", Kind.PICTURE, annotations=[replace(each, **said) for each in drawings()])
    scene.put(case, dataset)
    rows = scene.standin.state["annotations"].values()
    assert {(row["created_by"], row["model_id"]) for row in rows} == {(ADMIN if model else MEMBER, model)}
    assert scene.put(case, dataset).plan.calls == ()
