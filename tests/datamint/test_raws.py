"""Annotations of Datamint's that no kind fits go back there as they were."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry_datamint.wire.meaning import core_form
from caseferry_datamint.wire.raws import raw_form
from datamint_images import image
from transfer_scene import fresh_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from datamint_scene import Scene

CURVE = {
    "type": "spline",
    "identifier": "vessel",
    "scope": "frame",
    "frame_index": 2,
    "geometry": {"points": [[1, 2, 2], [3.5, 1, 2], [6, 4, 2]], "tension": 0.5},
    "value": '{"grade": 2}',
}
COBB = {"type": "angle", "identifier": "Cobb", "scope": "image", "value": 12.5, "units": "deg", "geometry": []}
SENT = ("annotation_type", "identifier", "scope", "frame_index", "text_value", "numeric_value", "units", "geometry")


def said(rows: Any) -> list[dict[str, Any]]:
    found = [{name: row[name] for name in SENT} for row in rows if not row["deleted"]]
    return sorted(found, key=str)


def drawn(scene: Scene, samples: Samples, kind: Kind) -> tuple[str, list[dict[str, Any]]]:
    """A case that was put, on which other people have drawn what caseferry does not know."""
    item = scene.open().put(cf.Case("odd", images=[samples.image(kind, "it")]), phi="keep")
    files = {row["filename"]: row["id"] for row in scene.standin.state["resources"].values()}
    resource = files.get("002.dcm", item.id)
    scene.annotate(resource, CURVE | ({"frame_index": 0} if kind is Kind.DICOM_SERIES else {}), COBB)
    return resource, list(scene.standin.state["annotations"].values())


@pytest.mark.parametrize("kind", [Kind.DICOM_MULTIFRAME, Kind.DICOM_SERIES, Kind.NIFTI], ids=str)
def test_home_and_back(scene: Scene, samples: Samples, tmp_path: Path, kind: Kind) -> None:
    """From Datamint into a folder and to another project: the same objects on the same file, and equal as cases."""
    resource, rows = drawn(scene, samples, kind)
    folder, there = f"local:{tmp_path / 'home'}", fresh_dataset(scene.sandbox, "datamint", "again", tmp_path)
    for start, end in ((scene.open(), folder), (folder, there)):
        report = cf.transfer(start, end, phi="keep", unmapped="accept")
        assert report.ok, str(report)
    before = scene.open().get(next(scene.open().items()).id).case()
    with cf.connect(there) as dataset:
        item = dataset.find("odd")
        assert item is not None
        assert differences(before, item.case()) == []
        assert {each.kept for each in dataset.plan(before).held if each.part.startswith("raw ")} == {"native"}
    table = scene.standin.state
    new = [row for row in table["annotations"].values() if row not in rows]
    assert said(new) == said(rows)
    names = {table["resources"][row["resource_id"]]["filename"] for row in new}
    assert names == {table["resources"][resource]["filename"]}


def test_what_people_change_counts(scene: Scene, samples: Samples) -> None:
    drawn(scene, samples, Kind.DICOM_MULTIFRAME)
    case = scene.open().get(next(scene.open().items()).id).case()
    scene.open().put(replace(case, id="second"), phi="keep")
    row = next(
        row
        for row in scene.standin.state["annotations"].values()
        if row["imported_from"] and row["annotation_type"] == "spline"
    )
    row["geometry"] = {"points": [[0, 0, 2]]}
    item = scene.open().find("second")
    assert item is not None
    curve = next(each for each in item.case().annotations if each.label == "vessel")
    assert isinstance(curve, cf.Raw)
    assert curve.payload["geometry"] == {"points": [[0, 0, 2]]}  # type: ignore[index,call-overload]


CINE = image(Kind.DICOM_MULTIFRAME, (8, 8, 1), np.eye(4), frames=6, space="pixel", layout=[(0, n) for n in range(6)])
SERIES = image(Kind.DICOM_SERIES, (8, 8, 6), np.eye(4), files=6, layout=[(n, 0) for n in range(6)])


def row(**more: Any) -> dict[str, Any]:
    return {"id": "1", "annotation_type": "spline", "identifier": "a", "scope": "frame", "geometry": {}, **more}


@pytest.mark.parametrize(
    ("written", "where", "reason"),
    [
        (row(frame_index=2, file="a/b.bin"), CINE, "has a file"),
        (row(frame_index=2, identifier=""), CINE, "no label"),
        (row(frame_index=2, annotation_type=None), CINE, "no type"),
        (row(annotation_type="segmentation", frame_index=2), CINE, "file never came"),
        (row(annotation_type="category", frame_index=2), CINE, "is not what Datamint calls a category"),
        (row(frame_index=7), SERIES, "in which of the image's files"),
    ],
    ids=["file", "no label", "no type", "no file", "no value", "no plane"],
)
def test_what_would_not_come_back_as_it_was_lies_beside(written: Any, where: cf.Image, reason: str) -> None:
    found = core_form(written, "it", where, 0, Names())
    assert isinstance(found, cf.Raw)
    form = raw_form(found, where, Names())
    assert isinstance(form, str)
    assert reason in form


def test_it_stays_on_its_frame_or_lies_beside() -> None:
    found = core_form(row(frame_index=2), "it", CINE, 0, Names())
    assert isinstance(found, cf.Raw)
    assert found.frame == 2
    order = [(0, 5 - n) for n in range(6)]
    backwards = image(Kind.DICOM_MULTIFRAME, (8, 8, 1), np.eye(4), frames=6, space="pixel", layout=order)
    assert "another number" in str(raw_form(found, backwards, Names()))
    found = core_form(row(frame_index=0), "it", SERIES, 4, Names())
    assert isinstance(found, cf.Raw)
    file, form = raw_form(found, SERIES, Names())
    assert (file, form["frame_index"]) == (4, 0)  # type: ignore[index]


def test_the_words_of_other_platforms_mean_nothing_here() -> None:
    raw = cf.Raw("it", label="a", platform="darwin", payload=row())
    assert raw_form(raw, CINE, Names()) == "it is in the form of darwin"
