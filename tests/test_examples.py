"""The examples do what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry.sandbox import Sandbox
from caseferry.testing import Samples

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_a_strangers_connector_passes_the_contract(tmp_path: Path) -> None:
    """Installed as any package is that offers an entry point, and tested by the one class beside it."""
    example = EXAMPLES / "caseferry_sqlite"
    installed = tmp_path / "caseferry_sqlite-0.1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: caseferry-sqlite\nVersion: 0.1.0\n")
    (installed / "entry_points.txt").write_text("[caseferry.connectors]\nsqlite = caseferry_sqlite:SqliteConnector\n")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-W",
            "error",
            "-c",
            os.devnull,
            "--rootdir",
            str(tmp_path),
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            str(example),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(example)])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
    assert len((example / "test_caseferry_sqlite.py").read_text().splitlines()) <= 20


@pytest.fixture(scope="module")
def platforms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a process that finds the sandbox, whose archive holds two cases; each test fills another."""
    with Sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in sandbox.variables.items():
            patch.setenv(name, value)
        samples = Samples(tmp_path_factory.mktemp("samples"))
        volume = samples.image(Kind.NIFTI, "generic-medical-image")
        grid = volume.geometry
        assert grid is not None
        labels = np.zeros(grid.shape, np.uint8)
        labels[1:3, 1:3, 1] = 1
        mask = cf.Mask.of_array("generic-medical-image", labels, {1: "nodule"}, grid.affine)
        with cf.connect("grand-challenge:sandbox") as archive:
            for name in ("first", "other"):
                archive.put(cf.Case(id=name, images=[volume], annotations=[mask], values={"age": 50}))
        yield {**os.environ, "FOUR_VOXELS_ML": repr(float(4 * np.prod(grid.spacing_mm) / 1000))}


def run(environment: dict[str, str], script: str, *arguments: str) -> str:
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / script), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_migration(platforms: dict[str, str], tmp_path: Path) -> None:
    arguments = ("grand-challenge:sandbox", "datamint:sandbox", "--journal", str(tmp_path / "journal.db"))
    assert "2 sent" in run(platforms, "migrate.py", *arguments)
    again = run(platforms, "migrate.py", *arguments)
    assert "2 unchanged" in again
    assert "2 equal" in again


def test_volumes(platforms: dict[str, str]) -> None:
    rows = [line.split(",") for line in run(platforms, "volumes.py", "grand-challenge:sandbox").splitlines()]
    assert rows[0] == ["case", "image", "label", "voxels", "ml"]
    assert sorted(row[:4] for row in rows[1:]) == [
        [name, "generic-medical-image", "nodule", "4"] for name in ("first", "other")
    ]
    assert [float(row[4]) for row in rows[1:]] == pytest.approx([float(platforms["FOUR_VOXELS_ML"])] * 2, rel=1e-3)


def test_shards_together_bring_everything_once(platforms: dict[str, str], tmp_path: Path) -> None:
    sent = []
    for share in range(2):
        target = ("grand-challenge:sandbox", "darwin:sandbox-team/sandbox", str(share), "2", "--folder", str(tmp_path))
        try:
            run(platforms, "shard_job.py", *target)
        finally:
            report = json.loads((tmp_path / f"share-{share}.json").read_text())
        sent.append(report["cases"].get("sent", 0))
    assert sent == [1, 1]
