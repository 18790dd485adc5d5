"""One volume of 512 MiB to each platform and back: throughput, and memory beyond what the imports take.

    python tests/benchmarks/large_volume.py [--megabytes 512] [--repeat 2] [--latency 50]

gcapi is the peer on Grand Challenge, up and down (caseferry's way down ends with the case in a folder, checked by its
digest). On the way up the clock includes that the platform deflates the whole volume, which takes longer than all else;
so the sending is shown by itself too. Datamint and Darwin are shown for their memory. Every job runs in a process of
its own; memory is its peak less what it had before it began. The volume holds noise in its low bits only, as scans do.
"""

from __future__ import annotations

import argparse
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rig import Table, course, loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from rig import Taken

HEADER = """ObjectType = Image
NDims = 3
BinaryData = True
BinaryDataByteOrderMSB = False
CompressedData = False
TransformMatrix = 1 0 0 0 1 0 0 0 1
Offset = 0 0 0
ElementSpacing = 0.7 0.7 1.0
DimSize = 512 512 {slices}
ElementType = MET_SHORT
ElementDataFile = LOCAL
"""


def write_volume(path: Path, megabytes: int) -> int:
    """A MetaImage of so many MiB of voxels; its size in bytes."""
    random = np.random.default_rng(7)
    slices = megabytes * 2
    with path.open("wb") as out:
        out.write(HEADER.format(slices=slices).encode())
        for _ in range(slices):
            out.write(random.integers(0, 16, (512, 512), np.int16).tobytes())
    return path.stat().st_size


def _put(put: Callable[..., Taken], volume: Path, number: int) -> Taken:
    return put(f"v-{number}", volume)


def _fetched(fetch: Callable[..., Taken], item: str, folder: Path, number: int) -> Taken:
    return fetch(item, folder / str(number))


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--latency", type=float, default=50, help="milliseconds")
    asked = parser.parse_args()
    from peers import GCAPI

    with tempfile.TemporaryDirectory() as name, course(asked.latency) as running:
        folder = Path(name)
        volume = folder / "volume.mha"
        size = write_volume(volume, asked.megabytes)
        bound = size / loopback()
        archive = "grand-challenge:sandbox?socket=ct-image"
        up = Table(f"{asked.megabytes} MiB in one file into Grand Challenge", size / 1e6, "MB")
        up.run(
            asked.repeat,
            {
                "gcapi 0.16.1": lambda n: running.theirs(GCAPI, "gcapi_add.py", "ct-image", f"a-{n}", volume),
                "caseferry": lambda n: running.ours("caseferry_put.py", archive, f"c-{n}", volume),
            },
        )
        up.show(bound, "the bytes over loopback")
        item = up.rows["caseferry"][0].said["id"]
        down = Table(f"{asked.megabytes} MiB in one file from Grand Challenge", size / 1e6, "MB")
        down.run(
            asked.repeat,
            {
                "gcapi 0.16.1": lambda n: running.theirs(GCAPI, "gcapi_download.py", item, folder / f"a-{n}"),
                "caseferry": lambda n: running.ours("caseferry_fetch.py", archive, item, folder / f"c-{n}"),
            },
        )
        down.show(bound, "the bytes over loopback")
        team = running.variables["DARWIN_TEAM"]
        others = Table(f"{asked.megabytes} MiB, as NIfTI made on the way", size / 1e6, "MB", compared=False)
        for platform, url in (("Datamint", "datamint:sandbox"), ("Darwin", f"darwin:{team}/sandbox")):
            put = partial(running.ours, "caseferry_put.py", url)
            fetch = partial(running.ours, "caseferry_fetch.py", url)
            others.run(1, {f"to {platform}": partial(_put, put, volume)})
            item, home = others.rows[f"to {platform}"][0].said["id"], folder / platform
            others.run(1, {f"from {platform}": partial(_fetched, fetch, item, home)})
        others.show(bound, "the bytes over loopback")


if __name__ == "__main__":
    main()
