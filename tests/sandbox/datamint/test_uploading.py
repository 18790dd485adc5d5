"""Uploads, what is read of their headers, and frames."""

from __future__ import annotations

import gzip
import io
import re
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import requests
from PIL import Image
from pydicom import dcmread

from sandbox_datamint import AFFINE, RAMP, VOXELS, Plain, dicom, nifti, png

if TYPE_CHECKING:
    from pathlib import Path


class TestUploading:
    def test_parts_may_come_in_any_order_and_most_may_be_missing(self, dm: Plain) -> None:
        parts = {
            "metadata": (None, '{"case": 7}', "application/json"),
            "bypass_inbox": (None, "TRUE"),
            "resource": ("a.bin", b"abc", "application/octet-stream"),
            "tags": (None, " one,two ,, three"),
            "source": (None, "api"),
        }
        first = dm.resource(dm.send("POST", "/resources", files=parts).json()["id"])
        assert first["tags"] == ["one", "two", "three"]
        assert (first["metadata"], first["status"], first["published"]) == ({"case": 7}, "published", True)
        assert first["published_on"] == first["created_at"]
        second = dm.resource(dm.send("POST", "/resources", files={"resource": ("a.bin", b"abc")}).json()["id"])
        assert (second["status"], second["published"], second["upload_channel"]) == ("inbox", False, "Unknown")
        assert (second["tags"], second["metadata"], second["source_filepath"]) == ([], {}, None)

    def test_answer_is_201_with_the_id(self, dm: Plain) -> None:
        response = dm.send("POST", "/resources", files={"resource": ("a.bin", b"abc")})
        assert response.status_code == 201
        assert list(response.json()) == ["id"]

    def test_nothing_that_clients_need_is_null(self, dm: Plain) -> None:
        record = dm.resource(dm.upload(b"abc"))
        for name in ("id", "resource_uri", "storage", "location", "upload_channel", "filename", "mimetype"):
            assert isinstance(record[name], str), name
        for name in ("customer_id", "status", "created_at", "created_by", "upload_mechanism"):
            assert isinstance(record[name], str), name
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["created_at"])
        assert record["size"] == 3
        assert record["user_info"] == {"firstname": "Admin", "lastname": "Sandbox"}

    def test_file_names_are_percent_decoded(self, dm: Plain) -> None:
        boundary = "b0"
        body = (
            f"--{boundary}\r\nContent-Type: image/png\r\n"
            'Content-Disposition: form-data; name="resource"; filename="%C3%9Cn%C3%AF%20%2895%29.png"\r\n\r\n'
        ).encode() + png(RAMP)
        body += f"\r\n--{boundary}--\r\n".encode()
        response = dm.send(
            "POST", "/resources", data=body, headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}
        )
        assert dm.resource(response.json()["id"])["filename"] == "Ünï (95).png"

    def test_a_body_without_a_length_is_taken(self, dm: Plain) -> None:
        content = bytes(range(256)) * 8192  # more than the sandbox holds in memory
        prepared = requests.Request("POST", "http://x", files={"resource": ("big.bin", content)}).prepare()
        assert isinstance(prepared.body, bytes)
        pieces = (prepared.body[start : start + 65536] for start in range(0, len(prepared.body), 65536))
        response = dm.send(
            "POST", "/resources", data=pieces, headers={"Content-Type": prepared.headers["Content-Type"]}
        )
        (entry,) = dm.sandbox.ledger.select(method="POST")
        assert "content-length" not in entry.headers
        assert dm.get(f"/resources/{response.json()['id']}/file").content == content

    @pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
    def test_bytes_come_back_as_they_went(self, dm: Plain, size: int) -> None:
        content = np.random.default_rng(size).bytes(size) + b"\r\n--"
        response = dm.get(f"/resources/{dm.upload(content)}/file")
        assert response.content == content
        assert response.headers["Content-Type"] == "application/octet-stream"

    def test_zipped_nifti_is_never_labelled_as_encoded(self, dm: Plain) -> None:
        content = nifti(np.zeros((64, 64, 64), np.uint8))
        resource = dm.upload(content, "volume.nii.gz", "application/nifti")
        response = dm.send("GET", f"/resources/{resource}/file", headers={"Accept-Encoding": "gzip, deflate"})
        assert "Content-Encoding" not in response.headers
        assert response.content == content

    def test_no_digest_is_given_with_a_file(self, dm: Plain) -> None:
        assert "ETag" not in dm.get(f"/resources/{dm.upload(b'abc')}/file").headers

    @pytest.mark.parametrize("metadata", ["{", "[1]", "null", '{"a": NaN}'])
    def test_metadata_must_be_a_json_object(self, dm: Plain, metadata: str) -> None:
        parts = {"resource": ("a.bin", b"abc"), "metadata": (None, metadata)}
        response = dm.send("POST", "/resources", files=parts)
        assert response.status_code == 400
        assert "metadata" in response.json()["message"]
        assert dm.found() == []

    def test_a_form_without_its_file_is_refused(self, dm: Plain) -> None:
        for options in (
            {"files": {"other": ("a", b"b")}},
            {"json": {"resource": "x"}},
            {"files": {"resource": (None, "x")}},
        ):
            response = dm.send("POST", "/resources", **options)
            assert response.status_code == 400
            assert response.json()["message"]


class TestHeaders:
    def test_dicom_identity_and_frames(self, dm: Plain, files: dict[str, bytes]) -> None:
        record = dm.resource(dm.upload(files["single.dcm"], "a.dcm", "application/dicom"))
        identity = {"instance_uid": "1.2.4.1", "series_uid": "1.2.4", "study_uid": "1.2.3", "patient_id": "P-1"}
        assert identity.items() <= record.items()
        assert (record["modality"], record["storage"]) == ("CT", "DicomResource")
        assert record["metadata"] == {"frame_count": 1, "width": 6, "height": 8}

    def test_dicom_without_pixels_has_an_identity_and_no_frames(self, dm: Plain, tmp_path: Path) -> None:
        report = dcmread(dicom(tmp_path / "a.dcm", RAMP, Modality="SR"))
        del report.Rows, report.Columns, report.PixelData
        report.save_as(tmp_path / "a.dcm")
        resource = dm.upload((tmp_path / "a.dcm").read_bytes(), "a.dcm", "application/dicom")
        record = dm.resource(resource)
        assert (record["modality"], record["instance_uid"], record["metadata"]) == ("SR", "1.2.4.1", {})
        assert dm.get(f"/resources/{resource}/frames/0").status_code == 422

    def test_the_callers_modality_wins(self, dm: Plain, files: dict[str, bytes]) -> None:
        record = dm.resource(dm.upload(files["single.dcm"], "a.dcm", "application/dicom", modality="MR"))
        assert record["modality"] == "MR"

    def test_dicom_without_preamble_is_read_when_declared(self, dm: Plain, files: dict[str, bytes]) -> None:
        bare = files["single.dcm"][132:]
        assert dm.resource(dm.upload(bare, "a", "application/dicom"))["patient_id"] == "P-1"
        assert dm.resource(dm.upload(bare, "a"))["patient_id"] is None

    def test_the_declared_type_is_believed_and_the_header_read_all_the_same(
        self, dm: Plain, files: dict[str, bytes]
    ) -> None:
        record = dm.resource(dm.upload(files["single.dcm"], "noext"))
        assert record["mimetype"] == "application/octet-stream"
        assert (record["storage"], record["patient_id"]) == ("DicomResource", "P-1")

    @pytest.mark.parametrize(
        ("declared", "answered"),
        [
            ("image/dicom", "application/dicom"),
            ("application/x-nifti", "application/nifti"),
            ("image/png; charset=x", "image/png"),
        ],
    )
    def test_synonyms_of_types_are_answered_under_one_name(self, dm: Plain, declared: str, answered: str) -> None:
        assert dm.resource(dm.upload(b"x", "a", "text/plain", mimetype=declared))["mimetype"] == answered

    @pytest.mark.parametrize("zipped", [True, False])
    def test_nifti_metadata_is_the_header(self, dm: Plain, *, zipped: bool) -> None:
        image = nib.Nifti1Image(np.zeros((5, 4, 3, 2), np.float32), AFFINE)
        image.header["descrip"] = b"by hand"
        image.set_qform(AFFINE, 1)
        content = gzip.compress(image.to_bytes()) if zipped else image.to_bytes()
        record = dm.resource(dm.upload(content, "v.nii.gz" if zipped else "v.nii", "application/nifti"))
        metadata = record["metadata"]
        assert record["storage"] == "NiftiResource"
        assert metadata["dims"] == [4, 5, 4, 3, 2, 1, 1, 1]
        assert metadata["pixDims"][1:4] == [1.5, 2.0, 3.0]
        assert metadata["affine"] == AFFINE.tolist()
        assert (metadata["qformCode"], metadata["sformCode"], metadata["datatype"]) == (1, 2, 16)
        assert (metadata["voxOffset"], metadata["description"]) == (352.0, "by hand")
        assert (metadata["frame_count"], metadata["width"], metadata["height"]) == (3, 5, 4)

    def test_nifti_slices_run_from_feet_to_head_whatever_the_axis(self, dm: Plain) -> None:
        affine = np.array([[0, 0, 2.0, 0], [0, 3.0, 0, 0], [1.5, 0, 0, 0], [0, 0, 0, 1]])  # axes S, A, R
        resource = dm.upload(nifti(VOXELS, affine), "v.nii.gz", "application/nifti")
        metadata = dm.resource(resource)["metadata"]
        assert (metadata["frame_count"], metadata["width"], metadata["height"]) == (5, 4, 3)
        frame = np.asarray(Image.open(io.BytesIO(dm.get(f"/resources/{resource}/frames/4").content)))
        stretched = (VOXELS[4].T - VOXELS[4].min()) * (255 / np.ptp(VOXELS[4]))
        assert frame.tolist() == VOXELS[4].T.tolist() != stretched.tolist()

    def test_nifti_of_the_second_kind(self, dm: Plain) -> None:
        content = nib.Nifti2Image(VOXELS, AFFINE).to_bytes()
        assert dm.resource(dm.upload(content, "v.nii", "application/nifti"))["metadata"]["dims"][:4] == [3, 5, 4, 3]

    def test_picture_sizes_and_the_callers_metadata(self, dm: Plain) -> None:
        record = dm.resource(dm.upload(png(RAMP), "a.png", "image/png", metadata='{"width": "mine", "site": "A"}'))
        assert record["metadata"] == {"width": "mine", "height": 8, "site": "A"}
        assert record["storage"] == "ImageResource"

    def test_video_streams(self, dm: Plain, tmp_path: Path) -> None:
        av = pytest.importorskip("av")
        with av.open(str(tmp_path / "v.mp4"), "w") as container:
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
            for number in range(5):
                picture = np.full((16, 32, 3), 40 * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            container.mux(stream.encode())
        resource = dm.upload((tmp_path / "v.mp4").read_bytes(), "v.mp4", "video/mp4")
        record = dm.resource(resource)
        assert record["storage"] == "VideoResource"
        assert record["metadata"]["frame_count"] == 5
        assert record["metadata"]["streams"] == [{"codec_type": "video", "nb_frames": 5, "width": 32, "height": 16}]
        undeclared = dm.resource(dm.upload((tmp_path / "v.mp4").read_bytes(), "v"))
        assert (undeclared["storage"], undeclared["metadata"]) == (record["storage"], record["metadata"])
        frame = np.asarray(Image.open(io.BytesIO(dm.get(f"/resources/{resource}/frames/3").content)))
        assert frame.shape == (16, 32, 3)
        assert abs(int(frame.mean()) - 120) < 6
        assert dm.get(f"/resources/{resource}/frames/5").status_code == 404

    def test_a_broken_header_is_no_reason_to_refuse(self, dm: Plain, files: dict[str, bytes]) -> None:
        for content, mimetype in (
            (files["volume.nii.gz"][:60], "application/nifti"),
            (png(RAMP)[:20], "image/png"),
            (b"\0" * 200, "application/dicom"),
            (b"", "application/dicom"),
        ):
            record = dm.resource(dm.upload(content, "a", mimetype))
            assert (record["metadata"], record["mimetype"]) == ({}, mimetype)


class TestFrames:
    def frame(self, dm: Plain, resource: str, index: int = 0) -> np.ndarray:
        response = dm.get(f"/resources/{resource}/frames/{index}")
        assert response.status_code == 200, response.text
        assert response.headers["Content-Type"] == "image/png"
        assert response.content[:8] == b"\x89PNG\r\n\x1a\n"
        return np.asarray(Image.open(io.BytesIO(response.content)))

    def test_a_window_is_applied(self, dm: Plain, tmp_path: Path) -> None:
        pixels = np.arange(48, dtype=np.uint16).reshape(8, 6) * 100
        path = dicom(tmp_path / "a.dcm", pixels, WindowCenter=2000, WindowWidth=1000)
        shown = self.frame(dm, dm.upload(path.read_bytes(), "a.dcm", "application/dicom"))
        assert (shown.min(), shown.max()) == (0, 255)
        assert np.all(shown[pixels <= 1500] == 0)
        assert np.all(shown[pixels >= 2500] == 255)
        assert np.all(np.diff(shown.ravel()[16:25].astype(int)) > 0)

    def test_monochrome1_is_inverted(self, dm: Plain, tmp_path: Path) -> None:
        path = dicom(tmp_path / "a.dcm", RAMP, PhotometricInterpretation="MONOCHROME1")
        shown = self.frame(dm, dm.upload(path.read_bytes(), "a.dcm", "application/dicom"))
        assert shown.tolist() == (255 - RAMP).tolist()

    def test_each_frame_of_a_multiframe_file(self, dm: Plain, tmp_path: Path) -> None:
        path = dicom(tmp_path / "a.dcm", RAMP, NumberOfFrames=2, PixelData=RAMP.tobytes() + RAMP[::-1].tobytes())
        resource = dm.upload(path.read_bytes(), "a.dcm", "application/dicom")
        assert self.frame(dm, resource, 1).tolist() == RAMP[::-1].tolist()
        assert dm.get(f"/resources/{resource}/frames/2").status_code == 404

    def test_a_picture_has_one_frame(self, dm: Plain) -> None:
        resource = dm.upload(png(RAMP), "a.png", "image/png")
        assert self.frame(dm, resource).tolist() == RAMP.tolist()
        assert " not found" in dm.get(f"/resources/{resource}/frames/1").json()["message"]

    def test_what_cannot_be_shown_says_so(self, dm: Plain, files: dict[str, bytes]) -> None:
        assert dm.get(f"/resources/{dm.upload(b'text')}/frames/0").status_code == 422
        short = files["single.dcm"][:-20]
        assert dm.get(f"/resources/{dm.upload(short, 'a', 'application/dicom')}/frames/0").status_code == 422
        assert dm.get(f"/resources/{dm.upload(b'text')}/frames/first").status_code == 400
