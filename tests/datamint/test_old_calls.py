"""Coming from Datamint's own clients: each of their calls, and that what is written instead does what it says."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import shutil
from copy import deepcopy
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
from pydicom import dcmread

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry.sandbox import Sandbox
from caseferry.testing import Samples
from caseferry_datamint import Datamint
from caseferry_datamint.sandbox import DatamintStandIn
from datamint_old_calls import API, DOCUMENTED, HANDLER
from datamint_scene import Scene
from old_calls import fails, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datamint_rows import Row


NOWHERE = "00000000-0000-4000-8000-000000000000"


def test_every_documented_call_has_a_row() -> None:
    assert set(DOCUMENTED.split()) <= set().union(*(row.names for row in HANDLER))


def where(content: bytes) -> list[list[int]]:
    """The places that are set in a NIfTI, as nibabel reads it."""
    return places(np.asarray(nibabel.Nifti1Image.from_bytes(_unpacked(content)).dataobj))


def _unpacked(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def places(voxels: Any) -> list[list[int]]:
    found: list[list[int]] = np.argwhere(voxels).tolist()
    return found


def zip_names(path: Path) -> set[str]:
    import zipfile

    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """What is put, or was put by the old calls."""
    folder = tmp_path_factory.mktemp("files")
    samples = Samples(folder / "samples")
    volume, picture = samples.image(Kind.NIFTI, "ct"), samples.image(Kind.PICTURE, "xr")
    series = [Path(ref.location) for ref in samples.image(Kind.DICOM_SERIES, "series").files]
    voxels = np.zeros(volume.geometry.shape, np.uint8)  # type: ignore[union-attr]
    voxels[1:3, 2, 1], voxels[5, 1:4, 3] = 1, 2
    labels = cf.Mask.of_array("ct", voxels, {1: "liver", 2: "tumor"}, volume.geometry.affine)  # type: ignore[union-attr]
    (folder / "labels.nii.gz").write_bytes(labels.file.read())
    named = dcmread(series[0])
    named.PatientName = "Canary^Yellow"
    named.save_as(folder / "named.dcm")
    with cf.connect(f"local:{folder / 'cases'}") as cases:
        cases.put(samples.case("from a folder", Kind.PICTURE))
    patient = folder / "folder" / "patient-1" / "study"
    patient.mkdir(parents=True)
    for path in series:
        shutil.copy(path, patient)
    shutil.copy(picture.files[0].location, folder / "folder" / "picture.png")
    return SimpleNamespace(folder=folder, volume=volume, picture=picture, series=series, voxels=voxels)


@pytest.fixture(scope="module")
def begun(files: SimpleNamespace) -> Iterator[tuple[Scene, dict[str, Any]]]:
    """A project as every row finds it, and what the rows speak of."""
    with Sandbox(platforms=("datamint",)) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.variables.items():
            patch.setenv(name, value)
        standin = sandbox.standins["datamint"]
        assert isinstance(standin, DatamintStandIn)
        yield from _begun(Scene(sandbox, standin, files.folder), files)


@pytest.fixture
def names(
    begun: tuple[Scene, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, Any]]:
    """The same, whatever rows before did."""
    scene, spoken_of = begun
    before = scene.standin.state
    scene.standin.state = deepcopy(before)
    monkeypatch.chdir(scene.folder)
    yield {**spoken_of, "folder": tmp_path}
    scene.standin.state = before


def _begun(scene: Scene, files: SimpleNamespace) -> Iterator[tuple[Scene, dict[str, Any]]]:
    volume_path, picture_path = (Path(image.files[0].location) for image in (files.volume, files.picture))
    waiting = scene.ask(
        "POST", "/resources", files={"source": (None, "api"), "resource": ("notes.bin", b"text", "text/plain")}
    )["id"]
    url, api_key = (scene.sandbox.variables[name] for name in ("DATAMINT_API_URL", "DATAMINT_API_KEY"))
    with Datamint() as account, account.open("sandbox", channel="gc") as dataset:
        volume, picture = cf.FileRef(str(volume_path), "nifti.nii.gz"), cf.FileRef(str(picture_path), "picture.png")
        images = [cf.Image("ct", volume, modality="MR"), cf.Image("xr", picture)]
        item = dataset.put(cf.Case("first", images=images, tags=["train"]))
        resource_id, picture_id = (each.id for each in dataset.resources(item))

        def found(kind: str, rid: str = resource_id) -> list[tuple[Any, ...]]:
            return [(each.label, each.value, each.frame) for each in account.annotations(rid, kind=kind)]

        def account_points(label: str) -> Any:
            (row,) = [each for each in account.annotations(resource_id) if each.label == label]
            return row.native["geometry"]["points"]

        def work_of(rid: str) -> Any:
            return scene.standin.state["projects"][scene.project()["id"]]["work"].get(rid)

        def stored(item: cf.Item) -> set[bytes]:
            return {account.file(each.id).read() for each in dataset.resources(item)}

        with pytest.raises(cf.NotFound) as missed:
            account.resource(NOWHERE)
        today = dt.datetime.now(dt.UTC).date()
        corners = files.volume.geometry.to_patient([[1, 1, 0], [5, 3, 3]])
        yield (
            scene,
            {
                "cf": cf,
                "np": np,
                "Datamint": Datamint,
                "api": SimpleNamespace(root_url=url, api_key=api_key),
                "account": account,
                "dataset": dataset,
                "item": item,
                "url": url,
                "api_key": api_key,
                "project_id": scene.project()["id"],
                "dataset_id": scene.project()["dataset_id"],
                "worklist_id": scene.project()["worklist_id"],
                "resource_id": resource_id,
                "picture_id": picture_id,
                "picture_size": files.picture.geometry.shape[:2],
                "waiting": waiting,
                "nowhere": NOWHERE,
                "error": missed.value,
                "cases_url": "local:cases",
                "volume_path": volume_path,
                "picture_path": picture_path,
                "slice_path": files.series[0],
                "series_paths": files.series,
                "named_path": files.folder / "named.dcm",
                "labels_path": files.folder / "labels.nii.gz",
                "label_voxels": files.voxels,
                "patient_p": tuple(corners[0]),
                "patient_q": tuple(corners[1]),
                "today": today,
                "tomorrow": today + dt.timedelta(days=1),
                "content": picture_path.read_bytes(),
                "islice": islice,
                "replace": replace,
                "where": where,
                "places": places,
                "work_of": work_of,
                "found": found,
                "account_points": account_points,
                "stored": stored,
                "zip_names": zip_names,
                "fails": fails,
            },
        )


@pytest.mark.parametrize("row", [*HANDLER, *API], ids=lambda row: row.old[:60])
def test_what_is_written_instead(names: dict[str, Any], row: Row) -> None:
    run(row.new, row.holds, names)


def test_the_table_is_plain_data() -> None:
    """A page of documentation is made of it."""
    assert json.dumps([[row.old, row.new, row.note] for row in (*HANDLER, *API)])
