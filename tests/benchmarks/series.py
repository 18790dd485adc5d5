"""How fast a DICOM series is read, beside pydicom and SimpleITK in the same run; no network.

    python tests/benchmarks/series.py [--files 300] [--size 512] [--repeat 5]

pydicom is used as its documentation shows: every file is read, the slices are sorted by position and stacked, and the
rescale is applied. SimpleITK orders the files by GDCM and reads them. caseferry checks every file besides (one series,
one size, one grid, no gap, whole pixels, nothing that identifies a patient). The headers alone are what a plan needs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import SimpleITK as sitk  # noqa: N813  as everybody calls it
from grand_challenge_upload import write_series

import caseferry as cf

if TYPE_CHECKING:
    from collections.abc import Callable


def with_pydicom(files: list[Path]) -> Any:
    """The voxels, [slice, row, column]."""
    slices = sorted((pydicom.dcmread(path) for path in files), key=lambda each: float(each.ImagePositionPatient[2]))
    first = slices[0]
    return np.stack([each.pixel_array for each in slices]) * int(first.RescaleSlope) + int(first.RescaleIntercept)


def with_pydicom_headers(files: list[Path]) -> Any:
    """The datasets without their pixels."""
    return [pydicom.dcmread(path, stop_before_pixels=True) for path in files]


def with_simpleitk(files: list[Path]) -> Any:
    """The voxels, [slice, row, column]."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(files[0].parent)))
    return sitk.GetArrayFromImage(reader.Execute())


def with_caseferry(files: list[Path]) -> Any:
    """The voxels, [column, row, slice]."""
    return cf.Image("ct", files).voxels()


def with_caseferry_headers(files: list[Path]) -> Any:
    """All that the headers say."""
    return cf.Image("ct", files).header


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    jobs: dict[str, Callable[[list[Path]], Any]] = {
        "pydicom": with_pydicom,
        "SimpleITK": with_simpleitk,
        "caseferry": with_caseferry,
        "pydicom, headers": with_pydicom_headers,
        "caseferry, headers": with_caseferry_headers,
    }
    best: dict[str, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        files = write_series(Path(name), asked.files, asked.size)
        expected = with_simpleitk(files).T
        np.testing.assert_array_equal(with_caseferry(files), expected)
        np.testing.assert_array_equal(with_pydicom(files).T, expected)
        for _ in range(asked.repeat):
            for job, read in jobs.items():
                started, cpu = time.perf_counter(), time.process_time()
                read(files)
                taken = time.perf_counter() - started, time.process_time() - cpu
                best[job] = min(best.get(job, taken), taken)
    print(f"\n**{asked.files} DICOM files of {asked.size} x {asked.size} pixels**\n")
    print("| reader | seconds | CPU |\n|---|---|---|")
    for job, (seconds, cpu) in best.items():
        print(f"| {job} | {seconds:.2f} | {cpu:.2f} |")


if __name__ == "__main__":
    main()
