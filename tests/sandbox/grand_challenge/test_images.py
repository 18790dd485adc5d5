"""Files and what they become."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any

import nibabel
import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from caseferry_grand_challenge.sandbox.importing import zips
from sandbox_grand_challenge import NOBODY, SAMPLES, Site, from_itk, picture, zipped

if TYPE_CHECKING:
    from pathlib import Path


class TestFiles:
    def test_a_file_lands_later_and_an_old_one_stays_till_then(self, site: Site) -> None:
        item = site.item()
        site.set(item, {"interface": "report", "user_upload": site.upload("a.pdf", b"%PDF-1")})
        old = site.values(item)["report"]
        assert re.search(rf"/media/components/componentinterfacevalue/../../{old['pk']}/a\.pdf$", old["file"])
        site.sandbox.settings.processing = 0.2
        answer = site.change(item, {"interface": "report", "user_upload": site.upload("b.pdf", b"%PDF-2")})
        assert answer.json()["values"][0]["file"] == old["file"]
        site.sandbox.settle()
        new = site.values(item)["report"]
        assert site.fetch(new["file"]) == b"%PDF-2"
        assert site.get(old["file"]).status_code == 404

    def test_files_are_not_shared(self, site: Site) -> None:
        first, second = site.item(), site.item()
        for item in (first, second):
            site.set(item, {"interface": "report", "user_upload": site.upload("a.pdf", b"%PDF-")})
        assert site.values(first)["report"]["pk"] != site.values(second)["report"]["pk"]

    @pytest.mark.parametrize(
        ("slug", "name", "content", "media_type"),
        [
            ("report", "a.pdf", b"%PDF-1.4", "application/pdf"),
            ("report", "text.pdf", b"plain words", "text/plain"),
            ("table", "a.csv", b"a,b\n1,2\n", "text/plain"),
            ("bundle", "a.zip", b"PK\x03\x04", "application/zip"),
            ("big-metadata", "a.json", b' {"a": 1}', "application/json"),
            ("multiple-points", "p.json", json.dumps(SAMPLES["Multiple points"]).encode(), "application/json"),
            ("thumbnail-png", "a.png", picture("L"), "image/png"),
            ("thumbnail-jpg", "a.jpeg", picture("L", "JPEG"), "image/jpeg"),
            ("cine", "a.mp4", b"\x00\x00\x00\x18ftypmp42", "video/mp4"),
            ("surface-mesh", "a.obj", b"v 0 0 0\n", "text/plain"),
            ("slide-registration", "a.sqreg", b"\x00\x01\x02", "application/octet-stream"),
            ("phylogeny", "a.newick", b"(A,B,(C,D));", "text/plain"),
            ("microbiome", "a.biom", b"\x89HDF\r\n\x1a\n\x00", "application/octet-stream"),
        ],
    )
    def test_files_of_each_kind(self, site: Site, slug: str, name: str, content: bytes, media_type: str) -> None:
        item = site.item()
        site.set(item, {"interface": slug, "user_upload": site.upload(name, content)})
        location = site.get(site.values(item)[slug]["file"]).headers["Location"]
        answer = requests.get(location, timeout=30)
        assert (answer.content, answer.headers["Content-Type"]) == (content, media_type)

    @pytest.mark.parametrize(
        ("slug", "content"),
        [
            ("big-metadata", b"{"),
            ("multiple-points", b"{}"),
            ("phylogeny", b"(A,B"),
            ("microbiome", b"text"),
        ],
    )
    def test_wrong_files_vanish_silently(self, site: Site, slug: str, content: bytes) -> None:
        item, upload = site.item(), site.upload("a.bin", content)
        assert site.change(item, {"interface": slug, "user_upload": upload}).status_code == 200
        site.sandbox.settle()
        assert site.values(item) == {}
        assert site.get("cases/upload-sessions/").json()["count"] == 0

    def test_file_names_are_cleaned(self, site: Site) -> None:
        item = site.item()
        site.set(item, {"interface": "report", "user_upload": site.upload("my (1) report.pdf", b"%PDF-")})
        assert site.values(item)["report"]["file"].endswith("/my_1_report.pdf")


class TestImages:
    def test_a_metaimage(self, site: Site, tmp_path: Path) -> None:
        array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
        content = from_itk(array, tmp_path, spacing=(0.5, 0.7, 2.5), PatientID="P7", Stranger="x", Laterality="L")
        image = site.imported(("scan.mha", content), socket="ct-image")
        assert (image["name"], image["width"], image["height"], image["depth"]) == ("scan.mha", 4, 3, 2)
        assert (image["shape"], image["shape_without_color"], image["color_space"]) == ([2, 3, 4], [2, 3, 4], "GRAY")
        assert [image[f"voxel_{side}_mm"] for side in ("width", "height", "depth")] == [0.5, 0.7, 2.5]
        assert (image["patient_id"], image["segments"], image["modality"]) == ("P7", None, None)
        (file,) = image["files"]
        assert file["image_type"] == "MHD"
        assert file["file"].endswith(
            f"/{image['pk'][:2]}/{image['pk'][2:4]}/{image['pk']}/{file['pk']}/{image['pk']}.mha"
        )
        made = site.voxels(image, tmp_path)
        assert np.array_equal(sitk.GetArrayFromImage(made), array)
        assert made.GetSpacing() == (0.5, 0.7, 2.5)
        assert (made.GetMetaData("PatientID"), made.GetMetaData("Laterality")) == ("P7", "L")
        assert not made.HasMetaDataKey("Stranger")
        assert (made.GetMetaData("SmallestImagePixelValue"), made.GetMetaData("LargestImagePixelValue")) == ("0", "23")
        assert b"CompressedData = True" in site.fetch(file["file"])[:2000]

    def test_a_header_and_its_voxels(self, site: Site, tmp_path: Path) -> None:
        image = sitk.GetImageFromArray(np.ones((2, 3, 4), np.float32))
        sitk.WriteImage(image, str(tmp_path / "m.mhd"))
        files = [(name, (tmp_path / name).read_bytes()) for name in ("m.mhd", "m.raw")]
        assert site.imported(*files)["name"] == "m.mhd"

    def test_a_header_that_points_elsewhere(self, site: Site, tmp_path: Path) -> None:
        secret = tmp_path / "secret.raw"
        secret.write_bytes(b"\0" * 24)
        header = (
            f"ObjectType = Image\nNDims = 3\nDimSize = 2 3 4\nElementType = MET_UCHAR\nElementDataFile = {secret}\n"
        )
        assert "1 file could not be imported" in site.failure(("m.mhd", header.encode()))

    @pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
    def test_nifti(self, site: Site, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"x{suffix}"
        array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
        nibabel.save(nibabel.Nifti1Image(array, np.diag([-0.7, -0.7, 2.5, 1.0])), path)
        image = site.imported((path.name, path.read_bytes()))
        assert (image["name"], image["shape"]) == (path.name, [5, 4, 3])
        assert image["voxel_width_mm"] == 0.699999988079071
        assert image["segments"] == list(range(60))
        made = site.voxels(image, tmp_path)
        assert made.GetDirection() == (1, 0, 0, 0, 1, 0, 0, 0, 1)
        assert np.array_equal(sitk.GetArrayFromImage(made), array.T)

    def test_nrrd(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 3, 4), np.uint16), tmp_path, ".nrrd", (1, 2, 3))
        assert site.imported(("x.nrrd", content))["voxel_depth_mm"] == 3.0

    def test_two_dimensions(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((3, 4), np.uint16), tmp_path)))
        assert (image["depth"], image["voxel_depth_mm"], image["shape"]) == (None, None, [3, 4])

    def test_colour(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 3, 4, 3), np.uint8), tmp_path, vector="yes")))
        assert (image["color_space"], image["shape"], image["shape_without_color"]) == ("RGB", [2, 3, 4, 3], [2, 3, 4])
        assert image["segments"] is None

    def test_too_many_channels(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 3, 4, 5), np.uint8), tmp_path, vector="yes")
        assert "1 file could not be imported" in site.failure(("x.mha", content))

    def test_time(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((5, 2, 3, 4), np.int16), tmp_path)))
        assert (image["shape"], image["segments"]) == ([5, 2, 3, 4], None)
        masks = site.imported(("x.mha", from_itk(np.ones((5, 2, 3, 4), np.uint8), tmp_path)))
        assert (masks["shape"], masks["segments"]) == ([2, 3, 4], [1, 2, 3, 4, 5])

    def test_many_values_are_no_segments(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.arange(65, dtype=np.uint8).reshape(1, 5, 13), tmp_path)
        assert site.imported(("x.mha", content))["segments"] is None

    def test_a_header_that_does_not_look_as_it_must(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 3, 4), np.int16), tmp_path, PatientAge="nine")
        assert "1 file could not be imported" in site.failure(("x.mha", content))

    @pytest.mark.parametrize(
        ("mode", "form", "color_space", "shape"),
        [
            ("L", "PNG", "GRAY", [4, 5]),
            ("RGB", "PNG", "RGB", [4, 5, 3]),
            ("RGBA", "PNG", "RGBA", [4, 5, 4]),
            ("RGB", "JPEG", "RGB", [4, 5, 3]),
            ("I;16", "PNG", "GRAY", [4, 5]),
            ("P", "PNG", "GRAY", [4, 5]),
        ],
    )
    def test_pictures(self, site: Site, mode: str, form: str, color_space: str, shape: list[int]) -> None:
        image = site.imported(("p.png", picture(mode, form)))
        assert (image["color_space"], image["shape"], image["voxel_width_mm"]) == (color_space, shape, None)

    @pytest.mark.parametrize("mode", ["LA", "1"])
    def test_pictures_that_break_the_importer(self, site: Site, mode: str) -> None:
        assert "An unexpected error occurred" in site.failure(("p.png", picture(mode)))

    def test_tiff(self, site: Site) -> None:
        stream = io.BytesIO()
        Image.new("RGB", (6, 5)).save(stream, "TIFF", dpi=(254, 127))
        image = site.imported(("slide.tif", stream.getvalue()))
        assert [file["image_type"] for file in image["files"]] == ["TIFF", "DZI"]
        assert (image["depth"], image["voxel_depth_mm"], image["shape"]) == (1, None, [1, 5, 6, 3])
        assert [image["voxel_width_mm"], image["voxel_height_mm"]] == pytest.approx([0.1, 0.2])
        assert site.fetch(image["files"][0]["file"]) == stream.getvalue()
        assert b'Width="6"' in site.fetch(image["files"][1]["file"])

    def test_tiff_without_a_resolution(self, site: Site) -> None:
        stream = io.BytesIO()
        Image.new("L", (6, 5)).save(stream, "TIFF")
        assert "1 file could not be imported" in site.failure(("plain.tif", stream.getvalue()))

    def test_post_processing_has_a_limit(self, site: Site) -> None:
        for number in range(16):
            site.standin.table("queue")[f"x{number}"] = {"work": "tiles", "creator": 8, "image": ""}
        answer = site.post("cases/upload-sessions/", {"uploads": [], "archive": "sandbox"})
        assert "16 active image post processing tasks" in answer.json()["non_field_errors"][0]

    def test_zips_are_unpacked_however_deep(self, site: Site, tmp_path: Path) -> None:
        inner = zipped(deep__scan_dot_mha=from_itk(np.ones((2, 2, 2), np.int16), tmp_path), note_dot_txt=b"junk")
        image = site.imported(("outer.zip", zipped(folder__inner_dot_zip=inner)))
        assert image["name"] == "scan.mha"

    def test_a_zip_that_leaves_its_folder(self, site: Site) -> None:
        assert "An unexpected error occurred" in site.failure(("evil.zip", zipped(**{"..__evil_dot_txt": b"x"})))

    def test_a_zip_that_fills_the_disk(self, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(zips, "MOST_BYTES", 1000)
        assert "An unexpected error occurred" in site.failure(("bomb.zip", zipped(big=b"\0" * 1001)))

    def test_identity_is_that_of_the_uploader(self, site: Site, viewer: Site, outsider: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        assert viewer.get(image["api_url"]).status_code == 200
        missing = outsider.get(image["api_url"])
        assert (missing.status_code, missing.json()) == (404, {"detail": "No Image matches the given query."})
        assert outsider.get("cases/images/").json()["count"] == 0

    def test_filters(self, site: Site, tmp_path: Path) -> None:
        other = site.standin.add_archive("other", "Other")
        first = site.imported(("b.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path, PatientID="P1")))
        second = site.imported(("a.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path, StudyDate="20200131")))
        moved = site.item("x", "other")
        site.set(moved, {"interface": "ct-image", "image": second["api_url"]})

        def names(**query: Any) -> list[str]:
            return [image["name"] for image in site.get("cases/images/", **query).json()["results"]]

        assert names() == ["a.mha", "b.mha"]
        assert names(archive=other) == ["a.mha"]
        assert names(archive=[other, site.archive()["pk"]]) == ["a.mha", "b.mha"]
        assert names(patient_id="P1") == names(patient_id__isempty="false") == ["b.mha"]
        assert names(patient_id__isempty="true") == names(study_date="2020-01-31") == ["a.mha"]
        assert names(name="b.mha") == ["b.mha"]
        assert names(origin=NOBODY) == []
        assert first["name"] == "b.mha"
        assert site.get(f"archives/{site.archive()['pk']}/patients/").json() == ["P1"]

    def test_a_detached_image_is_seen_by_nobody(self, site: Site, tmp_path: Path) -> None:
        content = from_itk(np.ones((2, 2, 2), np.int16), tmp_path)
        kept, lost = site.imported(("kept.mha", content)), site.imported(("lost.mha", content))
        (first, second) = (row["pk"] for row in site.get("archives/items/").json()["results"])
        third = site.item("third")
        site.set(third, {"interface": "mr-image", "image": kept["api_url"]})
        assert site.call("PUT", f"archives/items/{first}/", {"values": []}).status_code == 200
        assert site.change(second, {"interface": "generic-medical-image", "image": kept["api_url"]}).status_code == 200
        assert site.get(kept["api_url"]).status_code == 200
        assert site.get(lost["api_url"]).status_code == 404
        assert site.get(lost["files"][0]["file"]).status_code == 403
        refused = site.change(second, {"interface": "ct-image", "image": lost["api_url"]})
        assert refused.json() == {"values": [{"image": ["Invalid hyperlink - Object does not exist."]}]}

    def test_attaching_to_another_socket_does_not_move(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)), socket="ct-image")
        (item,) = (row["pk"] for row in site.get("archives/items/").json()["results"])
        site.set(item, {"interface": "mr-image", "image": image["api_url"]})
        assert set(site.values(item)) == {"ct-image", "mr-image"}
        site.change(item, {"interface": "mr-image", "image": image["api_url"]}, method="PUT")
        assert set(site.values(item)) == {"mr-image"}
        assert site.get(image["api_url"]).status_code == 200

    def test_an_image_of_a_socket_is_one_value(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)), socket="ct-image")
        (first,) = (row["pk"] for row in site.get("archives/items/").json()["results"])
        second = site.item()
        site.set(second, {"interface": "ct-image", "image": image["api_url"]})
        assert site.values(first)["ct-image"]["pk"] == site.values(second)["ct-image"]["pk"]

    def test_segmentations(self, site: Site, tmp_path: Path) -> None:
        item = site.item()
        good = np.array([[[0, 1], [2, 1]]], np.uint8)
        mask = site.imported(("m.mha", from_itk(good, tmp_path)), socket="lung-segmentation")
        assert mask["segments"] == [0, 1, 2]
        wrong = site.imported(("w.mha", from_itk(good + 1, tmp_path)))
        answer = site.change(item, {"interface": "lung-segmentation", "image": wrong["api_url"]})
        words = (
            "The valid voxel values for this segmentation are: {0, 1, 2}. "
            "This segmentation is invalid as it contains the voxel values: {3}."
        )
        assert (answer.status_code, answer.json()) == (400, {"values": [{"__all__": [words]}]})
        wide = site.imported(("f.mha", from_itk(good.astype(np.int16), tmp_path)))
        refused = site.change(item, {"interface": "lung-segmentation", "image": wide["api_url"]})
        assert "segments could not be determined" in refused.text

    def test_a_wrong_segmentation_fails_after_its_import(self, site: Site, tmp_path: Path) -> None:
        upload = site.upload("m.mha", from_itk(np.full((1, 2, 2), 7, np.uint8), tmp_path))
        session = site.session(upload, archive_item=site.item(), interface="lung-segmentation")
        assert (session["status"], session["uploads"], len(session["image_set"])) == ("Failed", [], 1)
        assert session["error_message"].startswith(
            "Image validation for socket Lung Segmentation failed with error: The valid voxel values"
        )

    def test_displacement_fields(self, site: Site, tmp_path: Path) -> None:
        good = from_itk(np.zeros((3, 2, 3, 4), np.float32), tmp_path)
        assert site.imported(("d.mha", good), socket="displacement-field")["shape"] == [3, 2, 3, 4]
        flat = site.imported(("f.mha", from_itk(np.zeros((2, 3, 4), np.float32), tmp_path)))
        answer = site.change(site.item(), {"interface": "displacement-field", "image": flat["api_url"]})
        assert answer.json() == {"values": [{"__all__": ["Deformation and displacement must be 4D images."]}]}

    def test_an_image_does_not_fit_a_socket_for_values(self, site: Site, tmp_path: Path) -> None:
        upload = site.upload("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path))
        session = site.session(upload, archive="sandbox", interface="lung-volume")
        assert (session["status"], site.get("archives/items/").json()["count"]) == ("Failed", 0)

    def test_an_image_that_is_no_dicom_set(self, site: Site, tmp_path: Path) -> None:
        image = site.imported(("x.mha", from_itk(np.ones((2, 2, 2), np.int16), tmp_path)))
        answer = site.get(f"cases/images/{image['pk']}/dicom/instances/")
        assert answer.status_code == 404
        assert answer.json() == {"detail": "This image does not have a DICOM Image Set."}
        refused = site.change(site.item(), {"interface": "dicom-image-set", "image": image["api_url"]})
        assert refused.json() == {"values": [{"__all__": ["Image must be DICOM"]}]}
