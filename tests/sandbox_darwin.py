"""The Darwin stand-in, a plain client of it, darwin-py, and files to put there."""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import requests
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian

from caseferry_darwin.sandbox import TEAM, DarwinStandIn
from peers import DARWIN_PY

if TYPE_CHECKING:
    from caseferry.sandbox import Sandbox


EXPORTS = Path(__file__).parent / "data" / "darwin-exports"


NOWHERE = "00000000-0000-4000-8000-000000000000"


PATIENCE = {
    "DARWIN_RETRY_INITIAL_WAIT": "1",
    "DARWIN_RETRY_MAX_WAIT": "1",
    "DARWIN_RETRY_MAX_ATTEMPTS": "2",
    "COLUMNS": "200",
}


READY = {"statuses": ["new", "annotate", "review", "complete"]}


@dataclass
class Darwin:
    """The stand-in, a plain client of it, and darwin-py."""

    sandbox: Sandbox
    standin: DarwinStandIn
    session: requests.Session
    home: Path

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        """One call; a path without a slash in front lies below the team."""
        below = path if path.startswith("/") else f"/api/v2/teams/{TEAM}/{path}"
        url = self.sandbox.variables["DARWIN_BASE_URL"] + below
        return self.session.request(method, url, **({"json": body} if body is not None else {}), **more)

    def good(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        response = self.call(method, path, body, **more)
        assert response.ok, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: Any = None, status: int = 422) -> dict[str, Any]:
        response = self.call(method, path, body)
        assert response.status_code == status, response.text
        errors: dict[str, Any] = response.json()["errors"]
        return errors

    def peer(self, script: str, *arguments: str) -> Any:
        return DARWIN_PY.run(script, *arguments, variables={**self.sandbox.variables, **PATIENCE}, home=self.home)

    def cli(self, *arguments: str, answer: str = "n") -> str:
        done = self.peer("darwin_cli.py", answer, *arguments)
        assert done["code"] == 0, done
        return str(done["out"])

    def upload(self, content: bytes, name: str, path: str = "/", dataset: str = "sandbox", **slot: Any) -> Any:
        """Register, sign, put, confirm; the item as a listing shows it once it is settled."""
        item = self.register(name, path, dataset, **slot)
        self.send(item["slots"][0]["upload_id"], content)
        self.sandbox.settle()
        return self.good("GET", f"items/{item['id']}")

    def register(self, name: str, path: str = "/", dataset: str = "sandbox", **slot: Any) -> Any:
        sent = {"slot_name": "0", "file_name": name, **slot}
        body = {"dataset_slug": dataset, "items": [{"name": name, "path": path, "slots": [sent]}]}
        done = self.good("POST", "items/register_upload", body)
        assert not done["blocked_items"], done
        return done["items"][0]

    def send(self, upload_id: str, content: bytes) -> None:
        url = self.good("GET", f"items/uploads/{upload_id}/sign")["upload_url"]
        assert requests.put(url, data=content, timeout=10).status_code == 200
        assert self.good("POST", f"items/uploads/{upload_id}/confirm", {}) == {}

    def listed(self, **query: Any) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.good("GET", "items", params=query)["items"]
        return items

    def export(self, dataset: str = "sandbox", **more: Any) -> zipfile.ZipFile:
        """Ask for an export and fetch it, without a key."""
        wish = {"name": "all", "format": "darwin_json_2", "filters": READY, **more}
        self.good("POST", f"datasets/{dataset}/exports", {k: v for k, v in wish.items() if v is not None})
        self.sandbox.settle()
        release = self.good("GET", f"datasets/{dataset}/exports")[0]
        assert release["status"] == "complete"
        return zipfile.ZipFile(io.BytesIO(requests.get(release["download_url"], timeout=10).content))


def picture(width: int = 10, height: int = 8, kind: str = "PNG", seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind)
    return stream.getvalue()


def nifti(voxels: np.ndarray, affine: np.ndarray) -> bytes:
    return bytes(nib.Nifti1Image(voxels, affine).to_bytes())


def dicom(number: int, position: tuple[float, float, float], **more: Any) -> bytes:
    """One CT slice of 6 columns and 5 rows; `more` overrides its elements."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = more.get("SOPClassUID", CTImageStorage)
    meta.MediaStorageSOPInstanceUID = f"1.2.3.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    described: dict[str, Any] = {
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": f"1.2.3.{number}",
        "SeriesInstanceUID": "1.2.3",
        "SeriesNumber": 1,
        "InstanceNumber": number,
        "Modality": "CT",
        "Rows": 5,
        "Columns": 6,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelSpacing": [0.7, 0.5],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": list(position),
    }
    for name, value in (described | more).items():
        if value is not None:
            setattr(dataset, name, value)
    frames = int(more.get("NumberOfFrames", 1))
    dataset.PixelData = np.full((frames, 5, 6), number, np.uint16).tobytes()
    stream = io.BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def enhanced(orientation: list[float], spacing: list[float]) -> bytes:
    """Three frames whose position is the same for all, as in V7's sample files."""
    shared, plane, measures = Dataset(), Dataset(), Dataset()
    plane.ImageOrientationPatient = orientation
    measures.PixelSpacing, measures.SliceThickness = spacing, 0.5
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([plane]), Sequence([measures])
    frames = []
    for _ in range(3):
        frame, place = Dataset(), Dataset()
        place.ImagePositionPatient = [0.0, 0.0, 0.0]
        frame.PlanePositionSequence = Sequence([place])
        frames.append(frame)
    return dicom(
        1,
        (0, 0, 0),
        SOPClassUID=EnhancedCTImageStorage,
        NumberOfFrames=3,
        PixelSpacing=None,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(frames),
    )


def movie(path: Path, frames: int = 25, rate: int = 10) -> bytes:
    av = pytest.importorskip("av")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n * 9, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path.read_bytes()


PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Count 2/Kids[3 0 R 4 0 R]>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 300]>>endobj
4 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 10 10]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


def runs(voxels: np.ndarray) -> list[int]:
    """Dense run lengths of an image indexed [row, column]."""
    flat = voxels.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [flat.size]]))
    return [int(v) for pair in zip(flat[starts], lengths, strict=True) for v in pair]


def drawn(layer: dict[str, Any], width: int) -> np.ndarray:
    """An image indexed [row, column] from dense run lengths."""
    values, counts = layer["dense_rle"][0::2], layer["dense_rle"][1::2]
    return np.repeat(values, counts).reshape(-1, width)


def make_property(darwin: Darwin, name: str, **more: Any) -> dict[str, Any]:
    kind = next(kind for kind in ("single_select", "multi_select", "text") if kind in name)
    values = [] if kind == "text" else [{"value": value, "color": "auto"} for value in ("1", "2")]
    made: dict[str, Any] = darwin.good(
        "POST", "properties", {"name": name, "type": kind, "property_values": values, **more}
    )
    return made


def stage_move(darwin: Darwin, kind: str, dataset: str = "sandbox") -> dict[str, Any]:
    held = next(d for d in darwin.good("GET", "/api/datasets") if d["slug"] == dataset)
    workflow = darwin.good("GET", f"workflows/{held['workflow_ids'][0]}")
    stage = next(stage["id"] for stage in workflow["stages"] if stage["type"] == kind)
    filters = {"dataset_ids": [held["id"]], "select_all": True}
    return {"filters": filters, "workflow_id": workflow["id"], "stage_id": stage}


ORIENTATIONS = {
    "RAS": (np.array([[2.0, 0, 0, -3], [0, 1.5, 0, 4], [0, 0, 3, 5], [0, 0, 0, 1]]), "AXIAL"),
    "ASR": (np.array([[0, 0, 3.0, -3], [2, 0, 0, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]), "SAGITTAL"),
    "LSP": (np.array([[-2.0, 0, 0, -3], [0, 0, -3, 4], [0, 1.5, 0, 5], [0, 0, 0, 1]]), "CORONAL"),
}


def zlib_gzip(content: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(content) + packer.flush()


def upload_body(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    sent = [{"name": "a.png", "path": "/", "slots": [{"slot_name": "0", "file_name": "a.png"}], **i} for i in items]
    return {"dataset_slug": "sandbox", "items": sent, **more}


def external_body(*items: dict[str, Any], storage: str = "sandbox-bucket", **more: Any) -> dict[str, Any]:
    sent = [{"name": "a.png", "path": "/", "storage_key": "f/a.png", **item} for item in items]
    return {"dataset_slug": "sandbox", "storage_slug": storage, "items": sent, **more}


def slotted(*slots: dict[str, Any]) -> dict[str, Any]:
    named = [{"slot_name": "0", "file_name": "a.png", "storage_key": "f/a.png", **slot} for slot in slots]
    return {"dataset_slug": "sandbox", "storage_slug": "sandbox-bucket", "items": [{"name": "x", "slots": named}]}


def sections(*indexes: int) -> list[dict[str, Any]]:
    keys = {"storage_hq_key": "h.png", "storage_lq_key": "l.png"}
    return [{"section_index": n, "width": 4, "height": 5, **keys} for n in indexes]


def several(darwin: Darwin) -> dict[str, dict[str, Any]]:
    other = darwin.standin.add_dataset("Other")["slug"]
    places = [
        ("a.png", "/", "sandbox"),
        ("b.png", "/x", "sandbox"),
        ("a.png", "/x/y", "sandbox"),
        ("b.png", "/", other),
    ]
    items = {f"{slug}{path}:{name}": darwin.upload(picture(), name, path, slug) for name, path, slug in places}
    items["waiting"] = darwin.register("w.dcm", "/w")
    return items


RING = [{"x": 1, "y": 1}, {"x": 6, "y": 1}, {"x": 6, "y": 5}]


MASK = "11111111-1111-4111-8111-111111111111"


def note(entry: dict[str, Any], data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "annotation_class_id": entry["id"],
        "data": data,
        "context_keys": {"slot_names": ["0"]},
        **more,
    }


def bring(darwin: Darwin, item: dict[str, Any], *notes: dict[str, Any], overwrite: Any = "true", **more: Any) -> None:
    body = {"annotations": list(notes), "overwrite": overwrite, **more}
    darwin.good("POST", f"items/{item['id']}/import", body)


def layer(values: list[int] | None = None, total: int = 80, **mapping: int) -> dict[str, Any]:
    return {
        "raster_layer": {
            "dense_rle": values or [0, 11, 1, 3, 0, 66],
            "mask_annotation_ids_mapping": mapping or {MASK: 1},
            "total_pixels": total,
        }
    }
