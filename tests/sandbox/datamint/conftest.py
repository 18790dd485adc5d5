"""What the tests of the stand-in share."""

from __future__ import annotations

import json
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING

import pytest

from caseferry.sandbox import Sandbox
from sandbox_datamint import HANDLER, LABELS, NEW, OLD, RAMP, SCRIPTS, VOXELS, Plain, Ran, dicom, nifti, png, ran

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("files")
    content = {"single.dcm": dicom(folder / "single.dcm", RAMP).read_bytes()}
    for number in range(3):
        path = dicom(folder / "slice.dcm", RAMP // 2 + 10 * number, number=number + 1, series="1.2.5")
        content[f"series/{number}.dcm"] = path.read_bytes()
    content |= {"volume.nii.gz": nifti(VOXELS), "labels.nii.gz": nifti(LABELS), "Ünï (95).png": png(RAMP)}
    return content


@pytest.fixture
def dm() -> Iterator[Plain]:
    with Sandbox(platforms=("datamint",)) as sandbox:
        client = Plain(sandbox)
        yield client
        json.dumps(client.standin.state)
        client.session.close()


@pytest.fixture(scope="module")
def run(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Ran]]:
    with ExitStack() as stack:

        @cache
        def once(name: str) -> Ran:
            return stack.enter_context(ran(*SCRIPTS[name], files, tmp_path_factory.mktemp("peer")))

        yield once


@pytest.fixture(params=[HANDLER, OLD, NEW])
def client(request: pytest.FixtureRequest, run: Callable[[str], Ran]) -> Ran:
    return run(request.param)
