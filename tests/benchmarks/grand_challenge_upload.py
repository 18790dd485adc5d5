"""One series of 300 DICOM files into a Grand Challenge archive, beside gcapi in the same run.

    python tests/benchmarks/grand_challenge_upload.py [--files 300] [--latency 50] [--repeat 3]

The clock runs from opening the connection until the image is on the item. gcapi is given the files as its
documentation shows (`add_case_to_archive` with `SocketValueSpec(files=[...])`), into a socket of kind DICOM Image Set:
one of kind Image takes at most 100 files. It is also shown with the files zipped beforehand, which the documentation
does not tell but which the platform takes. caseferry sends one MetaImage made of the series; it is also shown filling
an image set, file by file as gcapi does. An image set is kept as it is, while every other image is converted by the
platform, which the clock includes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
from rig import Table, course, loopback

TRIPS = 12
"""Calls of a put that each wait for the one before: version, archive, look, create, sign, put, complete, create the
item, set its values, import, look at the import, look at the item."""

ZIPPED, OURS = "gcapi 0.16.1, zipped by hand", "caseferry"


def write_series(folder: Path, count: int, size: int = 256) -> list[Path]:
    """A CT series: a body of soft tissue in air, with the noise of a scan."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    random = np.random.default_rng(5)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    across, down = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j]
    paths = []
    for number in range(count):
        dataset = Dataset()
        dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, frame
        dataset.PatientID, dataset.PatientName = "", ""
        dataset.Modality, dataset.InstanceNumber = "CT", number + 1
        dataset.ImagePositionPatient = [-128.0, -128.0, 1.5 * number]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PixelSpacing, dataset.SliceThickness = [0.8, 0.8], 1.5
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = 1, 0, "HU"
        dataset.Rows = dataset.Columns = size
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation, dataset.SamplesPerPixel = 1, 1
        dataset.PhotometricInterpretation = "MONOCHROME2"
        body = np.where(across**2 + down**2 < 0.6, 40 + 20 * np.cos(9 * across + number / 20), -1000)
        dataset.PixelData = (body + random.normal(0, 8, (size, size))).astype("<i2").tobytes()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        path = folder / f"{number + 1:04}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def conversion_seconds(files: list[Path], folder: Path) -> float:
    """How long the platform's importer, and the sandbox's, takes to write the volume as a compressed MetaImage."""
    import SimpleITK as sitk  # noqa: N813  as everybody calls it

    volume = sitk.ReadImage([str(path) for path in files])
    taken = []
    for _ in range(3):
        started = time.perf_counter()
        sitk.WriteImage(volume, str(folder / "converted.mha"), useCompression=True)
        taken.append(time.perf_counter() - started)
    return min(taken)


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--latency", type=float, default=50, help="milliseconds")
    parser.add_argument("--repeat", type=int, default=3)
    asked = parser.parse_args()
    from peers import GCAPI

    with tempfile.TemporaryDirectory() as name, course(asked.latency) as running:
        files = write_series(Path(name), asked.files)
        packed = Path(name) / "series.zip"
        with zipfile.ZipFile(packed, "w") as archive:
            for path in files:
                archive.write(path, path.name)
        size = sum(path.stat().st_size for path in files)
        target = "grand-challenge:sandbox?socket="
        table = Table(
            f"{asked.files} DICOM files ({size / 1e6:.0f} MB) of one series into Grand Challenge, {asked.latency:g} ms",
            asked.files,
            "files",
        )
        table.run(
            asked.repeat,
            {
                "gcapi 0.16.1, files": lambda n: running.theirs(
                    GCAPI, "gcapi_add.py", "dicom-image-set", f"a-{n}", *files
                ),
                ZIPPED: lambda n: running.theirs(GCAPI, "gcapi_add.py", "ct-image", f"b-{n}", packed),
                OURS: lambda n: running.ours("caseferry_put.py", f"{target}ct-image", f"c-{n}", *files),
                "caseferry, an image set": lambda n: running.ours(
                    "caseferry_put.py", f"{target}dicom-image-set", f"d-{n}", *files
                ),
            },
        )
        trips, bytes_ = TRIPS * asked.latency / 1000, size / loopback()
        conversion = conversion_seconds(files, Path(name))
        table.show(
            trips + bytes_ + conversion,
            f"{TRIPS} round trips that wait for each other: {trips:.2f} s; the bytes over loopback: {bytes_:.2f} s; "
            f"the sandbox's conversion, which an image set is spared: {conversion:.2f} s",
            {ZIPPED: conversion, OURS: conversion},
        )


if __name__ == "__main__":
    main()
