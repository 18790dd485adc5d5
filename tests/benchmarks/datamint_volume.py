"""A volume of many gigabytes to Datamint and back, byte for byte: how much memory it takes beyond the start.

    python tests/benchmarks/datamint_volume.py [--gigabytes 10]

The file is a NIfTI of zeros that takes no room on the disk; what the sandbox and the folder at the end hold does.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from rig import course

COLUMNS = ROWS = 1 << 11


def write_sparse(path: Path, gigabytes: float) -> int:
    """A NIfTI of 16-bit zeros whose voxels are a hole in the file; its size in bytes."""
    slices = max(1, int(gigabytes * 1e9) // (COLUMNS * ROWS * 2))
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((COLUMNS, ROWS, slices))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    with path.open("wb") as out:
        out.write(header.binaryblock + bytes(4))
        out.truncate(352 + COLUMNS * ROWS * 2 * slices)
        return out.seek(0, 2)


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=10)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, course() as running:
        folder = Path(name)
        volume = folder / "volume.nii"
        size = write_sparse(volume, asked.gigabytes)
        put = running.ours("caseferry_put.py", "datamint:sandbox", "volume", volume)
        fetched = running.ours("caseferry_fetch.py", "datamint:sandbox", put.said["id"], folder / "home")
        (back,) = (folder / "home").rglob("*.nii")
        if digest(back) != digest(volume):
            raise SystemExit("the bytes that came back are others")
        for way, taken in (("to", put), ("from", fetched)):
            rate = size / 1e6 / taken.seconds
            print(f"{size / 1e9:.2f} GB {way} Datamint: {taken.seconds:.0f} s, {rate:.0f} MB/s, {taken.memory:.0f} MB")


if __name__ == "__main__":
    main()
