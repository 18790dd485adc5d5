"""The Datamint stand-in, a plain client of it, and files to put there."""

from __future__ import annotations

import gzip
import io
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import requests
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from caseferry.sandbox import Sandbox
from caseferry_datamint.sandbox import (
    ADMIN_KEY,
    DatamintStandIn,
)
from peers import DATAMINT, DATAMINT_OLD, Peer

if TYPE_CHECKING:
    from collections.abc import Iterator


NOWHERE = "00000000-0000-4000-8000-000000000000"


CAPTURES = Path(__file__).parent / "data" / "datamint-captures"


AFFINE = np.array([[0, 2.0, 0, -10], [1.5, 0, 0, -20], [0, 0, -3, 30], [0, 0, 0, 1]])
"""Axes in the order A, R, I: a reader that turns or does not turn slices is told apart."""


def dicom(path: Path, pixels: np.ndarray, *, number: int = 1, series: str = "1.2.4", **more: Any) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{series}.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    described = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"{series}.{number}",
        "SeriesInstanceUID": series,
        "StudyInstanceUID": "1.2.3",
        "FrameOfReferenceUID": "1.2.3.9",
        "PatientID": "P-1",
        "PatientName": "Doe^Jo",
        "Modality": "CT",
        "InstanceNumber": number,
        "SeriesDescription": "axial",
        "StudyDate": "20260102",
        "Rows": pixels.shape[0],
        "Columns": pixels.shape[1],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 8 * pixels.itemsize,
        "BitsStored": 8 * pixels.itemsize,
        "HighBit": 8 * pixels.itemsize - 1,
        "PixelRepresentation": 0,
        "ImagePositionPatient": [-10, -20, 5.0 * number],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.8],
        "SliceThickness": 5,
        "PixelData": pixels.tobytes(),
    }
    for name, value in (described | more).items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def nifti(voxels: np.ndarray, affine: np.ndarray = AFFINE) -> bytes:
    return gzip.compress(nib.Nifti1Image(voxels, affine).to_bytes(), mtime=0)


def volume_of(content: bytes) -> nib.Nifti1Image:
    return nib.Nifti1Image.from_bytes(gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


RAMP = np.arange(48, dtype=np.uint8).reshape(8, 6)


VOXELS = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)


LABELS = np.zeros((5, 4, 3), np.int16)


LABELS[0, 0, 0], LABELS[1, 1, 1], LABELS[2, 2:4, 2] = 1, 2, 3


@dataclass
class Plain:
    """Requests to a stand-in, as anyone may write them."""

    sandbox: Sandbox
    key: str = ADMIN_KEY
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def standin(self) -> DatamintStandIn:
        standin = self.sandbox.standins["datamint"]
        assert isinstance(standin, DatamintStandIn)
        return standin

    @property
    def project(self) -> dict[str, Any]:
        return self.get("/projects").json()["data"][0]

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"apikey": self.key, **options.pop("headers", {})}
        url = self.sandbox.variables["DATAMINT_API_URL"] + path
        return self.session.request(method, url, headers=headers, timeout=30, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.send("GET", path, params=query)

    def post(self, path: str, body: Any = None) -> requests.Response:
        return self.send("POST", path, json=body)

    def upload(self, content: bytes, name: str = "a.bin", kind: str = "application/octet-stream", **form: str) -> str:
        parts: dict[str, Any] = {"source": (None, "api"), "resource": (name, content, kind)}
        parts |= {key: (None, value) for key, value in form.items()}
        response = self.send("POST", "/resources", files=parts)
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def resource(self, resource_id: str) -> dict[str, Any]:
        response = self.get(f"/resources/{resource_id}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def found(self, **query: Any) -> list[str]:
        return [each["id"] for each in self.get("/resources", **query).json()["data"][0]["resources"]]

    def annotate(self, resource_id: str, *wishes: dict[str, Any]) -> list[Any]:
        defaults = {"type": "label", "identifier": "lesion", "scope": "image"}
        response = self.post(f"/annotations/{resource_id}/annotations", [defaults | wish for wish in wishes])
        assert response.status_code == 201, response.text
        return list(response.json())

    def annotation(self, annotation_id: str) -> dict[str, Any]:
        return dict(self.get(f"/annotations/{annotation_id}").json())

    def search(self, **wish: Any) -> list[dict[str, Any]]:
        return list(self.post("/annotations/search", wish).json())

    def segment(self, resource_id: str, content: bytes, **form: str) -> requests.Response:
        parts: dict[str, Any] = {"file": ("labels.nii.gz", content, "application/nifti")}
        parts |= {key: (None, value) for key, value in form.items()}
        return self.send("POST", f"/annotations/{resource_id}/segmentations/file", files=parts)


@dataclass
class Ran:
    """What a script with an official client returned, and the sandbox as it left it."""

    outcome: dict[str, Any]
    plain: Plain
    folder: Path
    files: dict[str, bytes]

    def __getitem__(self, step: str) -> Any:
        return self.outcome[step]

    def file(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def kept(self, annotation_id: str) -> dict[str, Any]:
        return dict(self.plain.standin.state["annotations"][annotation_id])

    def refusal(self, step: str) -> str:
        assert isinstance(self[step], dict), self[step]
        assert "raised" in self[step], self[step]
        return str(self[step]["raised"])


@contextmanager
def ran(peer: Peer, script: str, files: dict[str, bytes], folder: Path) -> Iterator[Ran]:
    for name, content in files.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with Sandbox(platforms=("datamint",)) as sandbox:
        outcome = peer.run(script, str(folder / "files"), variables=sandbox.variables, home=folder)
        assert isinstance(outcome, dict)
        with requests.Session() as session:
            yield Ran(outcome, Plain(sandbox, session=session), folder / "files", files)


HANDLER, OLD, NEW = "APIHandler 2.5.0", "Api 2.5.0", "Api 2.16.0"


SCRIPTS = {
    HANDLER: (DATAMINT_OLD, "datamint_handler.py"),
    OLD: (DATAMINT_OLD, "datamint_api.py"),
    NEW: (DATAMINT, "datamint_api.py"),
}


def names(kind: str, *items: str) -> str:
    """A filter of tags or channels, as Datamint's clients write it."""
    return json.dumps({"items": list(items), "filterType": kind})
