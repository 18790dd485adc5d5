"""Temporary files: gone when the process has ended, and when the next one begins if it was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest

from caseferry.files import made, scratch

if TYPE_CHECKING:
    from pathlib import Path

MAKE = """
import sys
from caseferry.files import made
ref = made(lambda out: out.write(b"voxels of somebody"), "made.bin")
ref.open().close()
print(flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    return tmp_path / "tmp"


def begun(place: Path, script: str = MAKE) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def files(place: Path) -> list[bytes]:
    return [path.read_bytes() for path in place.rglob("*") if path.is_file() and path.name != scratch.IN_USE]


def test_nothing_is_left_of_a_process_that_ended(place: Path) -> None:
    with begun(place) as process:
        assert files(place) == [b"voxels of somebody"]
        process.communicate("\n")
    assert list(place.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_uses_is_not(place: Path) -> None:
    with begun(place) as killed, begun(place) as living:
        assert len(files(place)) == 2
        killed.kill()
        killed.communicate()
        with begun(place) as following:
            assert len(files(place)) == 2
            following.communicate("\n")
        assert len(files(place)) == 1
        living.communicate("\n")
    assert list(place.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_copy_of_a_process_has_a_folder_of_its_own(place: Path) -> None:
    script = """
import os, sys
from caseferry.files import scratch
mine = scratch.folder()
child = os.fork()
if not child:
    os._exit(3 if scratch.folder() != mine and mine.is_dir() else 4)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(code, mine.is_dir(), flush=True)
"""
    variables = {**os.environ, "TMPDIR": str(place)}
    process = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True, check=False)
    assert process.stdout.split() == ["3", "True"]


def test_a_folder_that_somebody_removed_is_made_anew(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    monkeypatch.setattr(scratch, "_folders", {})
    first = scratch.folder()
    assert scratch.folder() == first
    scratch._remove(first, os.getpid())
    ref = made(lambda out: out.write(b"again"), "made.bin")  # type: ignore[arg-type,return-value]
    assert ref.read() == b"again"
    scratch._remove(scratch.folder(), os.getpid())
