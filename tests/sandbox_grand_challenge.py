"""The Grand Challenge stand-in, a plain client of it, and files to put there."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import requests
import SimpleITK as sitk  # noqa: N813
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from caseferry_grand_challenge.sandbox import (
    OUTSIDER_TOKEN,
    UPLOADER_TOKEN,
    VIEWER_TOKEN,
    GrandChallengeStandIn,
)

if TYPE_CHECKING:
    from caseferry.sandbox import Sandbox


CAPTURES = Path(__file__).parent / "data" / "grand-challenge-captures" / "requests.json"


TOKENS = {"uploader": UPLOADER_TOKEN, "viewer": VIEWER_TOKEN, "outsider": OUTSIDER_TOKEN, "bad": "wrong"}


MIB = 1 << 20


NOBODY = "00000000-0000-4000-8000-000000000000"


class Site:
    """The stand-in as one account sees it, through plain HTTP."""

    def __init__(self, sandbox: Sandbox, token: str | None = UPLOADER_TOKEN) -> None:
        self.sandbox = sandbox
        self.base = sandbox.variables["GRAND_CHALLENGE_URL"]
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.verify = sandbox.variables["CASEFERRY_CA"]
        if token is not None:
            self.http.headers["Authorization"] = f"BEARER {token}"

    @property
    def standin(self) -> GrandChallengeStandIn:
        standin = self.sandbox.standins["grand-challenge"]
        assert isinstance(standin, GrandChallengeStandIn)
        return standin

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.base}{path}"
        return self.http.request(method, url, json=body, allow_redirects=False, timeout=30, **more)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self.call("GET", path, params=query)

    def post(self, path: str, body: Any) -> requests.Response:
        return self.call("POST", path, body)

    def archive(self, slug: str = "sandbox") -> dict[str, Any]:
        return self.get("archives/", slug=slug).json()["results"][0]

    def item(self, title: str = "", archive: str = "sandbox") -> str:
        body = {"archive": self.archive(archive)["api_url"], "title": title}
        done = self.post("archives/items/", body)
        assert done.status_code == 201, done.text
        return done.json()["pk"]

    def change(self, item: str, *values: dict[str, Any], method: str = "PATCH", **more: Any) -> requests.Response:
        return self.call(method, f"archives/items/{item}/", {"values": list(values), **more})

    def set(self, item: str, *values: dict[str, Any]) -> None:
        done = self.change(item, *values)
        assert done.status_code == 200, done.text
        self.sandbox.settle()

    def values(self, item: str) -> dict[str, dict[str, Any]]:
        return {value["interface"]["slug"]: value for value in self.get(f"archives/items/{item}/").json()["values"]}

    def upload(self, name: str, *parts: bytes) -> str:
        """Upload a file whose parts are given; returns the upload's address."""
        row = self.post("uploads/", {"filename": name}).json()
        path = f"uploads/{row['pk']}/{row['s3_upload_id']}"
        numbers = list(range(1, len(parts) + 1))
        signed = self.call("PATCH", f"{path}/generate-presigned-urls/", {"part_numbers": numbers}).json()
        done = []
        for number, part in zip(numbers, parts, strict=True):
            answer = requests.put(signed["presigned_urls"][str(number)], data=part, timeout=30)
            done.append({"ETag": answer.headers["ETag"], "PartNumber": number})
        assert self.call("PATCH", f"{path}/complete-multipart-upload/", {"parts": done}).status_code == 200
        return row["api_url"]

    def session(self, *uploads: str, **target: Any) -> dict[str, Any]:
        """Make an upload session and give it back as it is when its work is done."""
        made = self.post("cases/upload-sessions/", {"uploads": list(uploads), **target})
        assert made.status_code == 201, made.text
        self.sandbox.settle()
        return self.get(f"cases/upload-sessions/{made.json()['pk']}/").json()

    def imported(self, *files: tuple[str, bytes], socket: str = "generic-medical-image") -> dict[str, Any]:
        """Import files as one image of a new item; returns the image."""
        item = self.item()
        self.set(item, {"interface": socket, "user_uploads": [self.upload(*file) for file in files]})
        sessions = self.standin.table("sessions").values()
        assert socket in self.values(item), [session["error_message"] for session in sessions]
        return self.get(self.values(item)[socket]["image"]).json()

    def failure(self, *files: tuple[str, bytes], socket: str = "generic-medical-image") -> str:
        """Import files that cannot be imported; returns the session's error."""
        session = self.session(*(self.upload(*file) for file in files), archive_item=self.item(), interface=socket)
        assert session["status"] == "Failed"
        return session["error_message"]

    def fetch(self, url: str) -> bytes:
        """Download a file of the site."""
        redirect = self.get(url)
        assert redirect.status_code == 302, redirect.text
        answer = requests.get(redirect.headers["Location"], timeout=30)
        assert answer.status_code == 200
        return answer.content

    def voxels(self, image: dict[str, Any], folder: Path) -> sitk.Image:
        """The image that was made, read by SimpleITK."""
        path = folder / f"{image['pk']}.mha"
        path.write_bytes(self.fetch(image["files"][0]["file"]))
        return sitk.ReadImage(str(path))


def value(slug: str, content: Any) -> dict[str, Any]:
    return {"interface": slug, "value": content}


def from_itk(array: Any, folder: Path, suffix: str = ".mha", spacing: tuple[float, ...] = (), **headers: str) -> bytes:
    image = sitk.GetImageFromArray(array, isVector=headers.pop("vector", "") == "yes")
    if spacing:
        image.SetSpacing(spacing)
    for key, text in headers.items():
        image.SetMetaData(key, text)
    path = folder / f"made{suffix}"
    sitk.WriteImage(image, str(path))
    return path.read_bytes()


def picture(mode: str, form: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (5, 4)).save(stream, form)
    return stream.getvalue()


def dicom(number: int | None = 1, position: tuple[float, ...] = (0, 0, 0), **attributes: Any) -> bytes:
    """One CT slice of 4 rows and 6 columns whose values count up from `number` hundreds."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_ = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = "1.2.3", "1.2.3.4"
    slice_.PatientID, slice_.PatientName, slice_.Modality = "P1", "Doe^Jane", "CT"
    if number is not None:
        slice_.InstanceNumber = number
    slice_.ImagePositionPatient, slice_.ImageOrientationPatient = list(position), [1, 0, 0, 0, 1, 0]
    slice_.PixelSpacing = [0.5, 0.75]
    slice_.Rows, slice_.Columns, slice_.SamplesPerPixel = 4, 6, 1
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 12, 11, 0
    slice_.PhotometricInterpretation = "MONOCHROME2"
    slice_.PixelData = (np.arange(24, dtype=np.uint16) + 100 * (number or 0)).tobytes()
    for name, content in attributes.items():
        setattr(slice_, name, content)
    meta.MediaStorageSOPClassUID = slice_.SOPClassUID
    stream = io.BytesIO()
    slice_.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return stream.getvalue()


SAMPLES: dict[str, Any] = {
    "String": "text",
    "Integer": 3,
    "Float": 2.5,
    "Bool": True,
    "Anything": {"a": [None]},
    "Chart": {"data": {"values": []}, "mark": "bar"},
    "Choice": "mild",
    "Multiple choice": ["effusion"],
    "Affine transform registration": {"3d_affine_transform": np.eye(4).tolist()},
    "2D bounding box": {"type": "2D bounding box", "corners": [[0, 0, 0.5]] * 4},
    "Distance measurement": {"type": "Distance measurement", "start": [0, 0, 0.5], "end": [1, 2, 0.5]},
    "Point": {"type": "Point", "name": "P1", "point": [1, 2.5, 3], "probability": 0.5},
    "Polygon": {
        "type": "Polygon",
        "seed_point": [0, 0, 0],
        "path_points": [[0, 0, 0]],
        "sub_type": "brush",
        "groups": ["a"],
    },
    "Line": {"type": "Line", "seed_points": [[0, 0, 0]], "path_point_lists": [[[0, 0, 0], [1, 1, 1]]]},
    "Angle": {"type": "Angle", "lines": [[[0, 0, 0], [1, 0, 0]], [[0, 0, 0], [0, 1, 0]]]},
    "Ellipse": {"type": "Ellipse", "major_axis": [[0, 0, 0], [4, 0, 0]], "minor_axis": [[2, 1, 0], [2, -1, 0]]},
    "Three-point angle": {"type": "Three-point angle", "angle": [[0, 0, 0], [1, 0, 0], [1, 1, 0]]},
}

for single, several, member in (
    ("2D bounding box", "Multiple 2D bounding boxes", "boxes"),
    ("Distance measurement", "Multiple distance measurements", "lines"),
    ("Point", "Multiple points", "points"),
    ("Polygon", "Multiple polygons", "polygons"),
    ("Line", "Multiple lines", "lines"),
    ("Angle", "Multiple angles", "angles"),
    ("Ellipse", "Multiple ellipses", "ellipses"),
    ("Three-point angle", "Multiple three-point angles", "angles"),
):
    bare = {key: content for key, content in SAMPLES[single].items() if key != "type"}
    SAMPLES[several] = {"type": several, member: [bare], "version": {"major": 1, "minor": 0}}
    SAMPLES[single]["version"] = {"major": 1, "minor": 0}
