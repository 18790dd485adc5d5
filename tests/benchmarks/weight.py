"""What caseferry weighs: packages and megabytes of a base install from the wheel, and how long importing it takes.

    python tests/benchmarks/weight.py [--repeat 7]

The wheel is built and installed into fresh environments, the base alone and with extras; the official clients are
installed beside them as whoever uses them does.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import rig  # noqa: F401  puts the folder of `peers` on the path

ROOT = Path(__file__).parents[2]
NOT_COUNTED = {"caseferry", "numpy", "pip"}


def run(*command: object, **variables: str) -> str:
    """Run a program; what it prints."""
    done = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **variables},
        cwd=tempfile.gettempdir(),
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def megabytes(folder: Path) -> float:
    """What the files of a folder take, those that Python compiles left out."""
    files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return sum(path.stat().st_size for path in files) / 1e6


def import_seconds(python: Path, statement: str, repetitions: int) -> float:
    """The shortest time of a new process that does nothing but import, less that of one that does nothing."""
    code = (
        "import subprocess, sys, time\n"
        "def took(statement):\n"
        "    started = time.perf_counter()\n"
        "    subprocess.run([sys.executable, '-c', statement], check=True)\n"
        "    return time.perf_counter() - started\n"
        f"pairs = [(took('pass'), took({statement!r})) for _ in range({repetitions})]\n"
        "print(min(full for _, full in pairs) - min(empty for empty, _ in pairs))"
    )
    return float(run(python, "-c", code))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=7)
    asked = parser.parse_args()
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory(prefix="caseferry-weight-") as name:
        home = Path(name)
        run(uv, "build", "-q", "--wheel", "--out-dir", home, ROOT)
        (wheel,) = home.glob("*.whl")
        words = "from caseferry import Case, Image, connect, transfer"
        subjects = {
            "caseferry": (str(wheel), "import caseferry"),
            "caseferry[grand-challenge]": (f"{wheel}[grand-challenge]", words),
            "caseferry[all]": (f"{wheel}[all]", words),
            "gcapi 0.16.1": ("gcapi==0.16.1", "import gcapi"),
            "darwin-py 3.6.3": ("darwin-py==3.6.3", "from darwin.client import Client"),
        }
        print(f"wheel: {wheel.stat().st_size / 1e6:.2f} MB\n")
        print("| install | packages beyond numpy | MB (numpy's) | statement | seconds |")
        print("|---|---|---|---|---|")
        for number, (subject, (requirement, statement)) in enumerate(subjects.items()):
            place = home / str(number)
            run(uv, "venv", "-q", "--python", sys.executable, place)
            python = place / "bin" / "python"
            run(uv, "pip", "install", "-q", "--python", python, requirement)
            lines = run(uv, "pip", "list", "--python", python, "--format", "freeze").splitlines()
            packages = [line.split("==")[0] for line in lines]
            beyond = sorted(package for package in packages if package not in NOT_COUNTED)
            (site,) = place.glob("lib/python*/site-packages")
            numpy = sum(megabytes(path) for path in site.glob("numpy*"))
            seconds = import_seconds(python, statement, asked.repeat)
            print(
                f"| {subject} | {len(beyond)} | {megabytes(site):.0f} ({numpy:.0f}) | `{statement}` | {seconds:.2f} |"
            )
            if number == 0:
                base = beyond
        print(f"\nBase: {', '.join(base)}.")


if __name__ == "__main__":
    main()
