"""DICOM image sets: series that Grand Challenge keeps as DICOM, without what identifies anybody."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk  # noqa: N813
from pydicom.data import get_testdata_file
from pydicom.uid import EnhancedCTImageStorage

import caseferry as cf
from caseferry.case import compare
from caseferry.connector.execute import Patience
from caseferry.errors import InvalidCase, TemporaryFailure
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.sandbox import imagesets
from grand_challenge_scene import OBLIQUE, series, volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

INTO_SET = {"grand-challenge": {"images": {"ct": "dicom-image-set"}}}
SECRET = "Doe^Jane"


@pytest.fixture
def archive(scene: Scene) -> GrandChallengeDataset:
    return scene.open(mapping=INTO_SET)


def ct(folder: Path, **options: Any) -> list[Path]:
    """A series that lies across the axes, its pixels not square, in files that name somebody."""
    paths = series(folder, volume(), orientation=OBLIQUE, slope=2, intercept=-1024, **options)
    for path in paths:
        change(path, PatientName=SECRET, PatientID="4711", StudyDate="20200131")
    return paths


def change(path: Path, **attributes: Any) -> None:
    ds = pydicom.dcmread(path)
    for name, content in attributes.items():
        setattr(ds, name, content)
    ds.save_as(path)


def by_itk(paths: list[Path]) -> sitk.Image:
    """What SimpleITK reads from a series, its slices put in order by ITK itself."""
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(paths[0].parent)))
    return reader.Execute()


def assert_same(image: cf.Image, itk: sitk.Image) -> None:
    """Demand the voxels and the places that SimpleITK has read."""
    np.testing.assert_array_equal(image.voxels(), sitk.GetArrayFromImage(itk).T)
    assert image.geometry is not None
    last = np.array(itk.GetSize()) - 1
    for corner in ([0, 0, 0], [int(last[0]), 0, 0], [0, int(last[1]), 0], [int(x) for x in last]):
        place = itk.TransformIndexToPhysicalPoint([int(x) for x in corner])
        np.testing.assert_allclose(image.geometry.to_patient([corner])[0], place, atol=1e-3)


class TestPutting:
    def test_what_arrives(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        """Read by us, and by gcapi and SimpleITK: the same voxels in the same places, and nobody's name."""
        paths = ct(scene.folder / "ct")
        point = cf.Point("ct", [(1.5, 2, 1)], label="tip")
        case = cf.Case(id="one", images=[cf.Image("ct", paths)], annotations=[point], values={"lung-volume": 1.9})
        sent = scene.put(case, archive)
        (loss,) = [loss for loss in sent.plan.losses if loss.part == "image 'ct'"]
        assert (loss.kept, "DICOM" in loss.where) == ("converted", True)
        back = archive.get(sent.item.id).case()
        expected = by_itk(paths)
        assert_same(back.image("ct"), expected)
        assert compare.differences(archive.sealed(case, "keep"), archive.sealed(back, "keep")) == []
        told = scene.downloaded()["one"]["dicom-image-set"]
        files = [scene.folder / name for name in told["files"]]
        np.testing.assert_array_equal(sitk.GetArrayFromImage(by_itk(files)), sitk.GetArrayFromImage(expected))
        assert SECRET.encode() not in b"".join(path.read_bytes() for path in files)

    def test_no_name_leaves_the_machine(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        scene.put(cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))]), archive)
        blobs = scene.standin.host.blobs
        held = [blobs.get(key).read() for row in scene.standin.table("uploads").values() for key in row["parts"]]
        stored = [blobs.get(key).read() for key in scene.standin.host.store.objects.values()]
        assert stored
        assert not [content for content in [*held, *stored] if SECRET.encode() in content or b"4711" in content]

    def test_again_changes_nothing(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        case = cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))])
        archive.put(case, phi="keep")
        assert archive.plan(case, phi="keep").calls == ()

    def test_scans_of_scanners(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        """CT and MR that ship with pydicom; a compressed one is left compressed."""
        for name, title in (("CT_small.dcm", "ct"), ("MR_small.dcm", "mr"), ("MR_small_jpeg_ls_lossless.dcm", "jls")):
            path = get_testdata_file(name)
            case = cf.Case(id=title, images=[cf.Image("ct", path)])
            back = archive.put(case, phi="keep").case().image("ct")
            np.testing.assert_array_equal(back.voxels(), cf.Image("ct", path).voxels())
            with back.files[0].seekable() as stream:
                there = pydicom.dcmread(stream)
            assert there.file_meta.TransferSyntaxUID == pydicom.dcmread(path).file_meta.TransferSyntaxUID

    @pytest.mark.parametrize(
        ("spoil", "words"),
        [
            (lambda paths: change(paths[1], PatientID="4712"), "'PatientID' has differing values"),
            (
                lambda paths: [change(path, SOPClassUID=EnhancedCTImageStorage) for path in paths],
                r"Enhanced CT Image Storage\): Unsupported SOP Class",
            ),
            (
                lambda paths: [change(path, SOPClassUID=pydicom.uid.MRImageStorage) for path in paths],
                "RescaleIntercept.*socket of kind Image",
            ),
        ],
    )
    def test_what_the_platform_would_refuse_or_change(
        self, scene: Scene, archive: GrandChallengeDataset, spoil: Callable[[list[Path]], None], words: str
    ) -> None:
        """It would tell nobody, and the item could not be removed."""
        paths = ct(scene.folder / "ct")
        spoil(paths)
        scene.sandbox.ledger.clear()
        with pytest.raises(InvalidCase, match=words) as failure:
            archive.put(cf.Case(id="one", images=[cf.Image("ct", paths)]), phi="keep")
        assert "4711" not in str(failure.value)
        assert not [entry for entry in scene.sandbox.ledger if entry.method != "GET"]

    def test_frames_that_only_a_removed_attribute_tells_apart(
        self, scene: Scene, archive: GrandChallengeDataset
    ) -> None:
        first = series(scene.folder / "ct", volume(slices=2))
        second = series(scene.folder / "again", volume(slices=2))
        uids = pydicom.dcmread(first[0])
        for number, path in enumerate([*first, *second]):
            change(path, SeriesInstanceUID=uids.SeriesInstanceUID, StudyInstanceUID=uids.StudyInstanceUID)
            change(path, InstanceNumber=7, ContentTime=f"10000{number // 2}")
        image = cf.Image("ct", [*first, *second])
        assert image.geometry is not None
        assert image.geometry.frames == 2
        with pytest.raises(InvalidCase, match=r"would be no image without the attributes.*nothing tells apart"):
            archive.put(cf.Case(id="one", images=[image]), phi="keep")

    def test_images_that_are_no_dicom(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        sitk.WriteImage(sitk.GetImageFromArray(volume()), str(scene.folder / "ct.mha"))
        with pytest.raises(InvalidCase, match="'dicom-image-set' takes DICOM files, and the image is metaimage"):
            archive.put(cf.Case(id="one", images=[cf.Image("ct", scene.folder / "ct.mha")]))

    def test_a_set_that_never_comes(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        """The platform tells nobody why. The same call completes the item, and makes no second one."""
        case = cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))])
        scene.sandbox.faults.add("PATCH */archives/items/* fail-later x1")
        archive.patience = Patience(total=0.5)
        with pytest.raises(TemporaryFailure, match="not done after"):
            archive.put(case, phi="keep")
        archive.put(case, phi="keep")
        assert [item.case_id for item in archive.items()] == ["one"]


class TestReading:
    @pytest.fixture
    def foreign(self, scene: Scene) -> tuple[Any, list[Path]]:
        """A set that gcapi has put, by its own documentation."""
        paths = ct(scene.folder / "ct")
        scene.peer("gcapi_add_set.py", "sandbox", "theirs", *map(str, paths))
        return next(scene.open().items()), paths

    def test_what_gcapi_has_put(self, scene: Scene, foreign: tuple[Any, list[Path]]) -> None:
        item, paths = foreign
        (image,) = item.case().images
        assert (image.role, image.kind, len(image.files)) == ("dicom-image-set", Kind.DICOM_SERIES, 4)
        assert_same(image, by_itk(paths))

    def test_a_segmentation_on_it(self, scene: Scene, foreign: tuple[Any, list[Path]]) -> None:
        """The platform tells no size of a set; its files do."""
        item, paths = foreign
        itk = by_itk(paths)
        labels = sitk.GetImageFromArray((sitk.GetArrayFromImage(itk) % 5 == 0).astype(np.uint8))
        labels.CopyInformation(itk)
        sitk.WriteImage(labels, str(scene.folder / "mask.mha"))
        archive = scene.open()
        archive.fill(item, {"lung-segmentation": cf.Image("m", scene.folder / "mask.mha")})
        (mask,) = archive.get(item.id).case().annotations
        assert isinstance(mask, cf.Mask)
        assert mask.image == "dicom-image-set"
        np.testing.assert_array_equal(mask.voxels(), sitk.GetArrayFromImage(labels).T)

    def test_signed_requests_that_have_expired(self, scene: Scene, foreign: tuple[Any, list[Path]]) -> None:
        (image,) = foreign[0].case().images
        signed = re.compile(r"/grand-challenge-dicom/")
        dataset = foreign[0].dataset
        client = dataset._client
        made = next(iter(client._instances))
        stale = {uid: (f"{url}0", headers) for uid, (url, headers) in client._instances[made][1].items()}
        client._instances = {made: (time.monotonic() - 60, stale)}
        assert image.voxels().shape == (7, 5, 4)
        assert any(signed.search(entry.path) and entry.status == 403 for entry in scene.sandbox.ledger)

    def test_into_a_folder_and_on(self, scene: Scene, foreign: tuple[Any, list[Path]]) -> None:
        report = cf.transfer(
            scene.open(), cf.connect(f"local:{scene.folder / 'out'}"), verify=True, phi="keep", unmapped="accept"
        )
        assert report.ok, report
        written = sorted((scene.folder / "out").rglob("*.dcm"))
        assert len(written) == 4
        np.testing.assert_array_equal(
            sitk.GetArrayFromImage(by_itk(written)), sitk.GetArrayFromImage(by_itk(foreign[1]))
        )


class TestReferring:
    def test_no_bytes_are_moved(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        scene.standin.add_archive("other", "Other")
        item = archive.put(cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))]), phi="keep")
        other = scene.open("other", mapping=INTO_SET)
        scene.sandbox.ledger.clear()
        there = other.put(item.case())
        assert other.stored(there, "dicom-image-set") == archive.stored(item, "dicom-image-set")
        assert not scene.sandbox.ledger.select(method="POST", path="/uploads/")

    def test_a_part_of_it_is_sent(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        """And so is one that goes to a socket of another kind."""
        scene.standin.add_archive("other", "Other")
        item = archive.put(cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))]), phi="keep")
        image = item.case().image("ct")
        part = [ref for ref, place in zip(image.files, np.argsort([n for n, _ in image.layout]), strict=True) if place]
        other = scene.open("other", mapping=INTO_SET)
        there = other.put(cf.Case(id="part", images=[cf.Image("ct", part)]), phi="keep")
        np.testing.assert_array_equal(there.case().images[0].voxels(), image.voxels()[:, :, 1:])
        as_image = scene.open("other", socket="ct-image").put(cf.Case(id="whole", images=[image]), phi="keep")
        assert as_image.case().images[0].kind is Kind.METAIMAGE
        np.testing.assert_array_equal(as_image.case().images[0].voxels(), image.voxels())

    def test_a_socket_that_does_not_fit(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        item = archive.put(cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))]), phi="keep")
        with pytest.raises(InvalidCase, match="'ct-image': is of kind Image, and the image is a DICOM Image Set"):
            archive.fill(item, {"ct-image": archive.stored(item, "dicom-image-set")})


class TestFilling:
    def test_another_series_in_its_place(self, scene: Scene, archive: GrandChallengeDataset) -> None:
        point = cf.Point("ct", [(1, 2, 1)], label="beside")
        case = cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))], annotations=[point])
        item = archive.put(case, phi="keep")
        paths = series(scene.folder / "new", volume() + 7, step=4.0)
        plan = archive.plan_fill(item, {"dicom-image-set": cf.Image("x", paths)})
        assert any("'dicom-image-set'" in text and "is replaced" in text for text in plan.irreversible)
        plan.release()
        now = archive.fill(item, {"dicom-image-set": cf.Image("x", paths)}).case()
        assert [(image.role, image.kind) for image in now.images] == [("ct", Kind.DICOM_SERIES)]
        assert_same(now.image("ct"), by_itk(paths))
        assert [a.label for a in now.annotations] == ["beside"]

    def test_a_series_that_somebody_else_has_put_in_its_place(
        self, scene: Scene, archive: GrandChallengeDataset
    ) -> None:
        """It has the size of the old one, and lies elsewhere."""
        item = archive.put(cf.Case(id="one", images=[cf.Image("ct", ct(scene.folder / "ct"))]), phi="keep")
        paths = series(scene.folder / "new", volume() + 7, step=4.0)
        scene.peer("gcapi_add_set.py", "sandbox", item.id, *map(str, paths))
        assert_same(archive.get(item.id).case().image("ct"), by_itk(paths))


def test_the_sandbox_keeps_nothing_that_the_platform_removes() -> None:
    """Its own procedure, beside the one that the platform publishes."""
    from grand_challenge_dicom_de_id_procedure import procedure
    from pydicom.datadict import tag_for_keyword

    assert set(imagesets.KEPT) == set(procedure["sopClass"])
    for sop_class, keywords in imagesets.KEPT.items():
        actions = procedure["sopClass"][sop_class]["tag"]
        for keyword in keywords:
            tag = str(pydicom.tag.Tag(tag_for_keyword(keyword)))
            assert actions.get(tag, {}).get("default") == "K", (sop_class, keyword)
