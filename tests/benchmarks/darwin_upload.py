"""1,000 small pictures into a Darwin dataset by standard upload, beside darwin-py in the same run.

    python tests/benchmarks/darwin_upload.py [--items 1000] [--latency 50] [--repeat 2] [--workers 64]

darwin-py pushes the folder (`RemoteDataset.push`), with as many threads as it takes by itself. caseferry transfers
it, with its look into every file, its journal and an item for each case that it knows to be there; once more with
verification, which darwin-py has none of: every file is fetched again and compared.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from rig import Table, course, loopback

SIDE = 255
"""A picture of noise of that size makes a PNG of 64 KiB."""

TRIPS = 3
"""Calls for each item that wait for each other: sign, put, confirm. Registration is shared."""


def write_pictures(folder: Path, count: int) -> int:
    """Pictures of noise; their bytes together."""
    from PIL import Image

    random = np.random.default_rng(6)
    for number in range(count):
        noise = random.integers(0, 256, (SIDE, SIDE), np.uint8)
        Image.fromarray(noise).save(folder / f"case-{number:04}.png", compress_level=0)
    return sum(path.stat().st_size for path in folder.iterdir())


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=50, help="milliseconds")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--workers", type=int, default=64, help="cases that caseferry has under way at once")
    asked = parser.parse_args()
    from peers import DARWIN_PY

    with tempfile.TemporaryDirectory() as name, course(asked.latency) as running:
        folder = Path(name)
        size = write_pictures(folder, asked.items)
        source, team = f"local:{folder}", running.variables["DARWIN_TEAM"]
        made = [running.dataset(f"round {number}") for number in range(3 * asked.repeat)]

        def ours(dataset: str, verify: str) -> object:
            return running.ours("caseferry_transfer.py", source, f"darwin:{team}/{dataset}", asked.workers, verify)

        table = Table(
            f"{asked.items} pictures ({size / asked.items / 1024:.0f} KiB each) into Darwin, {asked.latency:g} ms",
            asked.items,
            "items",
        )
        table.run(
            asked.repeat,
            {
                "darwin-py 3.6.3": lambda n: running.theirs(DARWIN_PY, "darwin_push.py", made[3 * n], folder),
                "caseferry": lambda n: ours(made[3 * n + 1], "no"),
                "caseferry, verified": lambda n: ours(made[3 * n + 2], "verify"),
            },
        )
        calls = TRIPS * asked.items + asked.items // 100
        waiting, bytes_ = calls * asked.latency / 1000 / asked.workers, size / loopback()
        table.show(
            waiting + bytes_,
            f"{calls} calls, {asked.workers} at a time: {waiting:.2f} s; the bytes over loopback: {bytes_:.2f} s",
        )


if __name__ == "__main__":
    main()
