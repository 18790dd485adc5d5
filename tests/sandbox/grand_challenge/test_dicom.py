"""DICOM files and what they become."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import SimpleITK as sitk  # noqa: N813
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.uid import EnhancedCTImageStorage

from sandbox_grand_challenge import Site, dicom, zipped


class TestDicom:
    def test_a_series(self, site: Site, tmp_path: Path) -> None:
        files = [(f"{9 - n}.dcm", dicom(n, (1, 2, 10 + 2.5 * n))) for n in (1, 2, 3)]
        image = site.imported(*files)
        assert (image["name"], image["shape"]) == ("1.2.3-0", [3, 4, 6])
        assert [image["voxel_width_mm"], image["voxel_height_mm"], image["voxel_depth_mm"]] == [0.5, 0.75, 2.5]
        made = site.voxels(image, tmp_path)
        array = sitk.GetArrayFromImage(made)
        assert array.dtype == np.uint16
        assert array[:, 0, 0].tolist() == [100, 200, 300]
        assert made.GetOrigin() == (1, 2, 12.5)

    def test_rows_and_columns_are_swapped_against_itk(self, site: Site, tmp_path: Path) -> None:
        content = dicom()
        (tmp_path / "one.dcm").write_bytes(content)
        assert sitk.ReadImage(str(tmp_path / "one.dcm")).GetSpacing()[:2] == (0.75, 0.5)
        assert site.voxels(site.imported(("one.dcm", content)), tmp_path).GetSpacing()[:2] == (0.5, 0.75)

    def test_slices_against_the_axis(self, site: Site, tmp_path: Path) -> None:
        files = [(f"{n}.dcm", dicom(n, (0, 0, -3.0 * n))) for n in (1, 2, 3)]
        made = site.voxels(site.imported(*files), tmp_path)
        assert sitk.GetArrayFromImage(made)[:, 0, 0].tolist() == [300, 200, 100]
        assert made.GetOrigin() == (0, 0, -9)

    def test_irregular_gaps_are_averaged(self, site: Site) -> None:
        files = [(f"{n}.dcm", dicom(n, (0, 0, place))) for n, place in ((1, 0.0), (2, 1.0), (3, 6.0))]
        assert site.imported(*files)["voxel_depth_mm"] == 3.0

    def test_rescaled_values(self, site: Site, tmp_path: Path) -> None:
        content = dicom(2, RescaleSlope=2, RescaleIntercept=-1024)
        array = sitk.GetArrayFromImage(site.voxels(site.imported(("a.dcm", content)), tmp_path))
        assert array.dtype == np.float32
        assert array.ravel()[:3].tolist() == [-624, -622, -620]

    def test_inverted_values(self, site: Site, tmp_path: Path) -> None:
        content = dicom(0, PhotometricInterpretation="MONOCHROME1", WindowCenter=5, WindowWidth=10)
        image = site.imported(("a.dcm", content))
        array = sitk.GetArrayFromImage(site.voxels(image, tmp_path))
        assert array.ravel().tolist() == list(range(23, -1, -1))
        assert (image["window_center"], image["window_width"]) == (18, 10)

    @pytest.mark.parametrize(
        ("attributes", "depth"), [({"SliceThickness": 5}, 1.0), ({"SpacingBetweenSlices": 4}, 4.0)]
    )
    def test_a_single_slice(self, site: Site, attributes: dict[str, Any], depth: float) -> None:
        image = site.imported(("a.dcm", dicom(**attributes)))
        assert (image["depth"], image["voxel_depth_mm"]) == (1, depth)

    def test_identity_is_kept(self, site: Site, tmp_path: Path) -> None:
        content = dicom(PatientBirthDate="19700229"[:6] + "28", PatientSex="F", StudyDescription="Thorax")
        image = site.imported(("a.dcm", content))
        shown = {key: image[key] for key in ("patient_id", "patient_name", "patient_birth_date", "study_description")}
        assert shown == {
            "patient_id": "P1",
            "patient_name": "Doe^Jane",
            "patient_birth_date": "1970-02-28",
            "study_description": "Thorax",
        }
        assert (image["study_instance_uid"], image["series_instance_uid"]) == ("1.2.3", "1.2.3.4")
        assert site.voxels(image, tmp_path).GetMetaData("PatientName") == "Doe^Jane"

    def test_identity_that_its_representation_forbids(self, site: Site) -> None:
        assert "1 file could not be imported" in site.failure(("a.dcm", dicom(PatientSex="X")))

    def test_a_dicom_file_that_is_a_tiff_as_well(self, site: Site) -> None:
        content = Path(get_testdata_file("MR_small.dcm")).read_bytes()
        assert content.startswith(b"II*\0")
        assert site.imported(("MR_small.dcm", content))["files"][0]["image_type"] == "MHD"
        assert "1 file could not be imported" in site.failure(("MR_small.dcm", content.replace(b"DICM", b"CORR")))

    def test_two_series_are_two_images(self, site: Site) -> None:
        uploads = [site.upload("a.dcm", dicom()), site.upload("b.dcm", dicom(SeriesInstanceUID="1.2.3.5"))]
        site.session(*uploads, archive="sandbox")
        assert [image["name"] for image in site.get("cases/images/").json()["results"]] == ["1.2.3-0", "1.2.3-1"]

    def test_several_files_need_instance_numbers(self, site: Site) -> None:
        assert site.imported(("a.dcm", dicom(None)))["depth"] == 1
        assert "2 files could not be imported" in site.failure(("a.dcm", dicom(None)), ("b.dcm", dicom(2)))

    def test_time(self, site: Site, tmp_path: Path) -> None:
        files = [
            (f"{n}.dcm", dicom(n, (0, 0, z), TemporalPositionIndex=t, ContentTime=f"10000{t}", Exposure=t))
            for n, (t, z) in enumerate([(1, 0), (1, 2), (1, 4), (2, 0), (2, 2), (2, 4)], start=1)
        ]
        image = site.imported(*files)
        assert (image["shape"], image["voxel_depth_mm"]) == ([2, 3, 4, 6], 2.0)
        made = site.voxels(image, tmp_path)
        assert sitk.GetArrayFromImage(made)[:, :, 0, 0].tolist() == [[100, 200, 300], [400, 500, 600]]
        assert (made.GetMetaData("ContentTimes"), made.GetMetaData("Exposures")) == ("100001 100002", "1 2")

    def test_in_a_zip_with_folders(self, site: Site) -> None:
        content = zipped(a__1_dot_dcm=dicom(1), a__2_dot_dcm=dicom(2, (0, 0, 1)), readme=b"junk")
        assert site.imported(("series.zip", content))["depth"] == 2

    def test_a_file_of_the_wild(self, site: Site) -> None:
        """What the platform itself answered for this file of pydicom's."""
        image = site.imported(("CT_small.dcm", Path(get_testdata_file("CT_small.dcm")).read_bytes()))
        expected = {
            "name": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322-0",
            "width": 128,
            "height": 128,
            "depth": 1,
            "color_space": "GRAY",
            "shape": [1, 128, 128],
            "voxel_width_mm": 0.661468,
            "voxel_height_mm": 0.661468,
            "voxel_depth_mm": 5.0,
            "patient_id": "1CT1",
            "patient_name": "CompressedSamples^CT1",
            "patient_birth_date": None,
            "patient_age": "000Y",
            "patient_sex": "O",
            "study_date": "2004-01-19",
            "study_instance_uid": "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322",
            "series_instance_uid": "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322",
            "study_description": "e+1",
            "series_description": "",
            "window_center": None,
            "segments": None,
        }
        assert {key: image[key] for key in expected} == expected

    def test_image_sets(self, site: Site) -> None:
        files = [(f"dicom_image_{n}.dcm", dicom(n)) for n in (1, 2)]
        item = site.item()
        uploads = [site.upload(*file) for file in files]
        site.set(item, {"interface": "dicom-image-set", "user_uploads": uploads, "image_name": "the set"})
        image = site.get(site.values(item)["dicom-image-set"]["image"]).json()
        assert (image["name"], image["files"]) == ("the set", [])
        listed = site.get(f"cases/images/{image['pk']}/dicom/instances/").json()
        assert listed["image_set_id"] == image["dicom_image_set"]["image_set_id"]
        found = [requests.request(**one["get_instance"], timeout=30).content for one in listed["instances"]]
        fetched = [dcmread(io.BytesIO(content)) for content in found]
        assert [ds.SOPInstanceUID for ds in fetched] == [one["sop_instance_uid"] for one in listed["instances"]]
        sent = [dcmread(io.BytesIO(content)) for _, content in files]
        assert {ds.PixelData for ds in fetched} == {ds.PixelData for ds in sent}
        assert not {ds.SOPInstanceUID for ds in fetched} & {ds.SOPInstanceUID for ds in sent}
        assert {ds.get("PatientID") for ds in fetched} == {None}
        refused = site.change(item, {"interface": "ct-image", "image": image["api_url"]})
        assert refused.json() == {"values": [{"__all__": ["Image may not be DICOM"]}]}

    @pytest.mark.parametrize(
        "second",
        [
            dicom(SeriesInstanceUID="1.9"),
            dicom(PatientID="P2"),
            b"no DICOM",
            dicom(SOPClassUID=EnhancedCTImageStorage),
        ],
    )
    def test_files_that_are_no_set_vanish_silently(self, site: Site, second: bytes) -> None:
        item = site.item()
        uploads = [site.upload("a.dcm", dicom()), site.upload("b.dcm", second)]
        site.set(item, {"interface": "dicom-image-set", "user_uploads": uploads, "image_name": "x"})
        assert site.values(item) == {}
