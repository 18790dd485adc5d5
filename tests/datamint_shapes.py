"""Files of every kind that has a place in a patient, and what is drawn on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
from highdicom.legacy import LegacyConvertedEnhancedCTImage
from PIL import Image as Picture
from pydicom import dcmread

import caseferry as cf
from oracles import affine_of, ramp, rotation, write_series, write_slice
from peers import DATAMINT, DATAMINT_NEWEST, DATAMINT_OLD

if TYPE_CHECKING:
    from pathlib import Path

CLIENTS = {
    "APIHandler 2.5.0": (DATAMINT_OLD, "handler"),
    "Api 2.5.0": (DATAMINT_OLD, "api"),
    "Api 2.16.0": (DATAMINT, "api"),
    "Api 2.45.0": (DATAMINT_NEWEST, "api"),
}
LINE = [(2, 1), (5, 3)]
SPOT = (4, 2)
SHAPE = (7, 5, 6)
FRAME = 1
"""The frame that is drawn on, as the platform counts."""

SPACING_MM = (0.8, 0.5, 2.5)
"""Between columns, rows and slices: an exchange shows."""

VOLUMES = {
    "up": affine_of(rotation(4, -6, 12), SPACING_MM, (-31.5, 12.25, 108)),
    "down": affine_of(np.diag([1.0, 1, -1]) @ rotation(z=5), SPACING_MM, (-31.5, 12.25, 108)),
    "turned": affine_of(np.diag([-1.0, -1, 1]), SPACING_MM, (10, 20, -30)),
    "coronal": affine_of(rotation(3, 2, 1)[:, [0, 2, 1]], SPACING_MM, (-31.5, 12.25, 108)),
}
"""Voxel to LPS. On the platform, the frame is an axial slice counted from the feet, whichever axis is stored first."""

SLICES = {"up": FRAME, "down": SHAPE[2] - 1 - FRAME, "turned": FRAME}


def resources(folder: Path) -> dict[str, tuple[Path, int]]:
    """The files by name, and the frame to draw on."""
    affine = VOLUMES["up"]
    write_slice(folder / "slice.dcm", ramp(*SHAPE[:2]), affine, PatientIdentityRemoved="YES")
    (folder / "series").mkdir()
    series = [dcmread(path) for path in write_series(folder / "series", ramp(*SHAPE), affine)]
    for number, dataset in enumerate(series):
        dataset.update(dict.fromkeys(("PatientID", "PatientName", "StudyID", "AccessionNumber"), ""))
        dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyDate = dataset.StudyTime = ""
        dataset.ReferringPhysicianName, dataset.InstanceNumber = "", number + 1
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    many = LegacyConvertedEnhancedCTImage(series, "1.2.9", 2, "1.2.9.1", 1)
    place = many.PerFrameFunctionalGroupsSequence[FRAME].PlanePositionSequence[0].ImagePositionPatient
    (SLICES["frames"],) = [n for n in range(SHAPE[2]) if np.allclose(series[n].ImagePositionPatient, place)]
    many.save_as(folder / "frames.dcm")
    for name, matrix in VOLUMES.items():
        ras = np.diag([-1, -1, 1, 1]) @ matrix
        nib.save(nib.Nifti1Image(ramp(*SHAPE), ras), folder / f"{name}.nii.gz")
        nib.save(nib.Nifti1Image(labels(), ras), folder / f"{name}-labels.nii.gz")
    Picture.fromarray(ramp(*SHAPE[:2], dtype=np.uint8).T.copy()).save(folder / "picture.png")
    files = {name: (folder / f"{name}.nii.gz", FRAME) for name in VOLUMES}
    return files | {
        "slice": (folder / "slice.dcm", 0),
        "frames": (folder / "frames.dcm", FRAME),
        "picture": (folder / "picture.png", 0),
    }


def labels() -> np.ndarray:
    """Two structures without any symmetry."""
    return np.random.default_rng(7).integers(0, 3, SHAPE).astype(np.uint8)


TYPES = {".dcm": "application/dicom", ".png": "image/png", ".gz": "application/nifti"}


def drawings(role: str = "picture") -> list[Any]:
    """One annotation of each kind that Datamint holds on a still picture."""
    labels = np.zeros((11, 9, 1), np.uint8)
    labels[2:5, 1:3] = 1
    labels[7, 8] = 2
    return [
        cf.Label(role, "artefact"),
        cf.Category(role, "quality", "good"),
        cf.Numeric(role, "length", 2.5, unit="mm"),
        cf.Numeric(role, "count", 3),
        cf.Text(role, "comment", "ünïcode 日本"),
        cf.Point(role, (2.5, 1.25), label="tip"),
        cf.Line(role, [(1, 1), (5.5, 3.25)], label="diameter"),
        cf.Polyline(role, [(0, 0), (3, 1), (6, 4)], label="vessel"),
        cf.Box(role, [(1, 0), (5, 4)], label="region"),
        cf.Polygon(role, [[(1, 1), (5, 1), (5, 3.5), (2, 4)]], label="outline"),
        cf.Mask.of_array(role, labels, {1: "spot", 2: "dot"}, np.eye(4)),
    ]
