"""A Grand Challenge archive on the stand-in, opened by the connector, and images that scanners write."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, generate_uid
from pydicom.valuerep import format_number_as_ds

import caseferry as cf
from caseferry_grand_challenge.dataset import GrandChallengeDataset
from ledger_check import Lookup, Sent, put_and_compare
from peers import GCAPI

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from caseferry.sandbox import Sandbox
    from caseferry_grand_challenge.sandbox import GrandChallengeStandIn

LOOKUPS = (
    Lookup("GET", r"/api/v1/archives/items/", ("archive",), "whether the case is there already"),
    Lookup("GET", r"/api/v1/reader-studies/display-sets/", ("reader_study",), "likewise, in a reader study"),
    Lookup("GET", r"/api/v1/components/interfaces/", ("slug",), "which sockets there are"),
    Lookup(
        "GET",
        r"/api/v1/(archives/items|reader-studies/display-sets)/[0-9a-f-]{36}/",
        (),
        "the item as it stands",
        around=True,
    ),
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
OBLIQUE = (0.96, 0.28, 0.0, -0.224, 0.768, 0.6)
"""Two unit vectors at right angles, neither along an axis."""


@dataclass
class Scene:
    """The stand-in, the connector, and gcapi."""

    sandbox: Sandbox
    standin: GrandChallengeStandIn
    folder: Path
    opened: ExitStack = field(default_factory=ExitStack)
    archive: str = "sandbox"

    def open(self, name: str | None = None, **options: Any) -> GrandChallengeDataset:
        """The connector's dataset; closed at the end of the test."""
        place = self.archive if name is None else name
        dataset = self.opened.enter_context(cf.connect(f"grand-challenge:{place}", **options))
        assert isinstance(dataset, GrandChallengeDataset)
        return dataset

    def put(self, case: cf.Case, dataset: GrandChallengeDataset | None = None, **options: Any) -> Sent:
        """Put a case, its plan being compared with the ledger."""
        return put_and_compare(
            self.sandbox, dataset or self.open(), case, LOOKUPS, base="/api/v1/", phi="keep", **options
        )

    def peer(self, script: str, *arguments: str) -> Any:
        """Run gcapi in its own environment."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return GCAPI.run(script, *arguments, variables=self.sandbox.variables, home=home)

    def downloaded(self) -> dict[str, dict[str, Any]]:
        """Everything in the archive, as gcapi downloads it: by title, then by socket."""
        found: dict[str, dict[str, Any]] = self.peer("gcapi_download.py", self.archive, str(self.folder / "downloads"))
        return found


def volume(columns: int = 7, rows: int = 5, slices: int = 4) -> NDArray[np.int16]:
    """Voxels [slice, row, column] of which no two are alike."""
    return np.arange(columns * rows * slices, dtype=np.int16).reshape(slices, rows, columns) * 3 + 1


def series(
    folder: Path,
    voxels: NDArray[Any],
    *,
    orientation: Sequence[float] = AXIAL,
    spacing: tuple[float, float] = (0.5, 0.75),
    step: float = 2.5,
    slope: float | None = 1,
    intercept: float | None = 0,
    photometric: str = "MONOCHROME2",
    modality: str = "CT",
    numbers: Sequence[int] | None = None,
) -> list[Path]:
    """Write a DICOM series, its files named and numbered without regard to where the slices lie.

    Parameters
    ----------
    voxels : [slice, row, column], as stored
    spacing : between rows, then between columns, as PixelSpacing has it
    step : from slice to slice along the normal; negative goes against it
    numbers : the slices' InstanceNumbers
    """
    folder.mkdir(parents=True, exist_ok=True)
    normal = np.cross(orientation[:3], orientation[3:])
    uids = [generate_uid(), generate_uid(), generate_uid()]
    paths = []
    for index, plane in enumerate(voxels):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID = meta.MediaStorageSOPClassUID = MRImageStorage if modality == "MR" else CTImageStorage
        ds.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = generate_uid()
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uids
        ds.Modality, ds.InstanceNumber = modality, numbers[index] if numbers else index + 1
        ds.Rows, ds.Columns = plane.shape
        ds.PixelSpacing = list(spacing)
        ds.ImageOrientationPatient = [format_number_as_ds(float(each)) for each in orientation]
        place = np.array([-12.5, 30.25, 108.0]) + normal * step * index
        ds.ImagePositionPatient = [format_number_as_ds(float(each)) for each in place]
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
        ds.BitsAllocated = ds.BitsStored = 16
        ds.HighBit, ds.PixelRepresentation = 15, int(plane.dtype.kind == "i")
        if slope is not None and intercept is not None:
            ds.RescaleSlope, ds.RescaleIntercept = slope, intercept
        ds.PixelData = plane.tobytes()
        path = folder / f"{(index * 7 + 3) % 11:02}-{index}.dcm"
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths
