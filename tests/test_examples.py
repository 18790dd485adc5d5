"""The examples do what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
