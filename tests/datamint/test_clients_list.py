"""What Datamint's own client lists and fetches, filter by filter, is what caseferry lists and fetches."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry_datamint import Datamint
from peers import DATAMINT_OLD

if TYPE_CHECKING:
    from caseferry.testing import Samples
    from datamint_scene import Scene

TODAY = dt.datetime.now(dt.UTC).date()
YESTERDAY, TOMORROW = (f"{TODAY + dt.timedelta(days=days)}" for days in (-1, 1))
ORDERS = ("modality", "created_by", "published_by", "published_on", "filename", "created_at")

FILTERS: list[dict[str, Any]] = [
    {},
    *({"status": status} for status in ("new", "inbox", "published", "archived")),
    {"from_date": YESTERDAY},
    {"from_date": TOMORROW},
    {"to_date": TOMORROW},
    {"to_date": YESTERDAY},
    {"from_date": YESTERDAY, "to_date": TOMORROW, "status": "published"},
    *({"tags": tags} for tags in (["train"], ["train", "site b"], "site b", ["absent"], [])),
    *({"modality": modality} for modality in ("MR", "XR", "US")),
    *({"mimetype": kind} for kind in ("application/nifti", "image/png", "application/dicom", "text/csv")),
    *({"filename": name} for name in ("ct.nii.gz", "Ünï (95).png", "ct")),
    *({"channel": name} for name in ("gc", "a & b", "absent")),
    *({"project": name} for name in ("sandbox", "second", ["sandbox", "second"])),
    {"project": "sandbox", "tags": ["train"], "mimetype": "image/png", "channel": "gc", "status": "published"},
    *({"order": order, "ascending": ascending} for order in ORDERS for ascending in (True, False)),
]
OF_ANNOTATIONS: list[dict[str, Any]] = [
    {},
    *({"kind": kind} for kind in ("label", "category", "line", "segmentation", "point")),
    {"author": "admin@sandbox.example"},
    {"author": "nobody@sandbox.example"},
    *({name: day} for name in ("from_date", "to_date") for day in (YESTERDAY, str(TODAY), TOMORROW)),
    {"status": "new"},
    {"status": "published"},
    {"models": True},
    {"models": False},
]
OLD = {"project": "project_name", "order": "order_field", "ascending": "order_ascending"}
OLD_OF_ANNOTATIONS = {
    "kind": "annotation_type",
    "author": "annotator_email",
    "from_date": "date_from",
    "to_date": "date_to",
    "worklist": "worklist_id",
    "models": "load_ai_segmentations",
}


def old(filters: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in filters.items()}


@pytest.mark.peer
def test_every_filter_and_every_file(scene: Scene, samples: Samples) -> None:
    """The lists are in the same order where an order is asked for."""
    ct, dicom, xr = (samples.image(kind) for kind in (Kind.NIFTI, Kind.DICOM_MULTIFRAME, Kind.PICTURE))
    shown = [
        cf.Label("ct", "a"),
        cf.Category("ct", "b", "c", frame=1),
        cf.Line("ct", [(0, 0), (2, 2)], frame=1, label="d"),
    ]
    first = scene.open(channel="gc").put(
        cf.Case(
            "first",
            images=[cf.Image("ct", cf.FileRef(ct.files[0].location, "ct.nii.gz"), modality="MR"), xr],
            annotations=shown,
            tags=["train"],
        )
    )
    second = scene.open(channel="a & b", publish=False).put(cf.Case("second", images=[dicom], tags=["site b"]))
    scene.upload(b"1,2", "Ünï (95).png", "text/csv", tags="train", modality="XR")
    with Datamint() as account, account.open("sandbox") as dataset:
        ids = [each.id for item in (first, second) for each in dataset.resources(item)]
        account.create_project("second", resources=ids[:2])
        account.update_worklist(account.create_worklist("sandbox", "reading").id, status="active")
        account.approve_annotations(next(account.annotations(ids[0], kind="label")).id)
        worklist = account.worklists("sandbox")[0].id
        places = [{"worklist": worklist}, {"dataset_id": account.project("sandbox").dataset_id}]
        searches = [*OF_ANNOTATIONS, *places]
        frames = [(ids[0], 2), (ids[1], 0), (ids[2], 1)]
        asked = {
            "resources": [old(filters, OLD) for filters in FILTERS],
            "annotations": [old(each, OLD_OF_ANNOTATIONS) | {"resource_id": ids[0]} for each in searches],
            "files": frames,
        }
        (scene.folder / "asked.json").write_text(json.dumps(asked))
        told = scene.peer(DATAMINT_OLD, "datamint_list.py", str(scene.folder / "asked.json"), str(scene.folder))

        for filters, expected in zip(FILTERS, told["resources"], strict=True):
            found = [each.filename for each in account.resources(**filters)]
            assert (found if "order" in filters else sorted(found)) == (
                expected if "order" in filters else sorted(expected)
            ), filters
        assert sorted(each.id for each in account.resources()) == sorted(told["ids"])
        for wanted, expected in zip(searches, told["annotations"], strict=True):
            assert sorted(each.id for each in account.annotations(ids[0], **wanted)) == sorted(expected), wanted
        assert [each.name for each in account.projects()] == told["projects"]
        assert [each.id for each in account.project_datasets()] == told["datasets"]
        assert [each.email for each in account.users()] == told["users"]
        assert {each.name: sorted(each.resources) for each in account.channels()} == told["channels"]
        for status, expected in zip((None, "new", "active"), told["worklists"], strict=True):
            assert [each.id for each in account.worklists(status=status)] == expected  # type: ignore[arg-type]
        assert [fetched(account, *each, scene) for each in frames] == told["files"]
    assert len({len(found) for found in told["resources"]}) > 3
    assert {len(found) for found in told["annotations"]} >= {0, 1, 3}


def fetched(account: Datamint, resource_id: str, frame: int, scene: Scene) -> dict[str, Any]:
    """A file and a frame, as the client tells of them."""
    pixels = np.asarray(account.frame(resource_id, frame))
    saved = account.save(resource_id, scene.folder / resource_id, add_ending=True)
    return {
        "sha256": hashlib.sha256(account.file(resource_id).read()).hexdigest(),
        "kind": type(account.load(resource_id)).__name__,
        "name": saved.name,
        "frame": hashlib.sha256(pixels.tobytes()).hexdigest(),
        "size": list(pixels.shape),
    }
