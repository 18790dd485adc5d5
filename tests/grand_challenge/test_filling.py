"""Changing single sockets of items that are there, and images that several items share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.errors import InvalidCase, NotFound
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.wire.filling import Stored
from grand_challenge_scene import series, volume
from ledger_check import compare

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.connector import Item
    from caseferry.plan import Plan
    from caseferry.testing import Samples
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

PDF = b"%PDF-1.4 a report"


@pytest.fixture
def archive(scene: Scene) -> GrandChallengeDataset:
    return scene.open(socket="generic-medical-image")


@pytest.fixture
def item(archive: GrandChallengeDataset, samples: Samples) -> Item:
    report = cf.Attachment("report", FileRef.of_bytes(PDF, "report.pdf"))
    return archive.put(samples.case("one", Kind.NIFTI, values={"lung-volume": 1.9}, attachments=[report]))


def sent(scene: Scene, dataset: GrandChallengeDataset, plan: Plan) -> None:
    """Carry out a plan, and demand that the ledger says the same."""
    scene.sandbox.ledger.clear()
    done = dataset.execute(plan)
    compare(plan, done.bindings, list(scene.sandbox.ledger), (), "/api/v1/")


def filled(dataset: GrandChallengeDataset, item: Item) -> set[str]:
    return {value["socket"]["slug"] for value in dataset.get(item.id).native["values"]}


def uploads(scene: Scene) -> int:
    return len(scene.sandbox.ledger.select(method="POST", path="/uploads/"))


def itk_image(folder: Path, voxels: Any, name: str = "image.mha") -> cf.Image:
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(folder / name))
    return cf.Image("image", [folder / name])


class TestFilling:
    def test_an_image_a_file_and_values(
        self, scene: Scene, archive: GrandChallengeDataset, item: Item, samples: Samples
    ) -> None:
        point = {"type": "Point", "version": {"major": 1, "minor": 0}, "name": "tip", "point": [1, 2, 3]}
        plan = archive.plan_fill(
            item,
            {
                "mr-image": samples.image(Kind.METAIMAGE),
                "table": FileRef.of_bytes(b"a,b\n", "table.csv"),
                "big-metadata": {"kept": ["as", "a", "file"]},
                "slice-count": 4,
                "findings": ["nodule"],
                "severity": "mild",
                "point": point,
            },
        )
        assert plan.irreversible == ()
        sent(scene, archive, plan)
        case = archive.get(item.id).case()
        assert case.image("mr-image").kind is Kind.METAIMAGE
        assert case.values == {
            "lung-volume": 1.9,
            "slice-count": 4,
            "findings": ["nodule"],
            "severity": "mild",
            **{name: value for name, value in case.values.items() if name == "big-metadata"},
        }
        assert {each.name: each.file.read() for each in case.attachments}["table"] == b"a,b\n"
        assert [a.label for a in case.annotations] == ["tip"]

    def test_what_is_replaced_is_listed(self, scene: Scene, archive: GrandChallengeDataset, item: Item) -> None:
        before = {value["socket"]["slug"]: value for value in item.native["values"]}
        image = itk_image(scene.folder, np.full((3, 4, 5), 9, np.int16))
        new = FileRef.of_bytes(b"%PDF-1.4 another", "report.pdf")
        plan = archive.plan_fill(item, {"generic-medical-image": image, "lung-volume": 2.5, "report": new})
        assert len(plan.irreversible) == 2
        assert "'generic-medical-image' is replaced" in " ".join(plan.irreversible)
        assert "lung-volume" in " ".join(plan.irreversible)
        sent(scene, archive, plan)
        now = {value["socket"]["slug"]: value for value in archive.get(item.id).native["values"]}
        assert now["generic-medical-image"]["image"] != before["generic-medical-image"]["image"]
        assert now["report"]["file"] != before["report"]["file"]
        assert now["lung-volume"]["value"] == 2.5
        case = archive.get(item.id).case()
        assert np.unique(case.images[0].voxels()).tolist() == [9]
        (report,) = case.attachments
        assert report.file.read() == b"%PDF-1.4 another"
        assert report.file.sha256 in {None, new.measured().sha256}, "the old file's digest would refuse it"

    @pytest.mark.parametrize(
        ("slug", "content", "words"),
        [
            ("no-such-socket", 1, "is none that the platform has"),
            ("lung-volume", "much", "of kind Float"),
            ("slice-count", 2.5, "of kind Integer"),
            ("point", {"type": "Line", "version": {}}, "object of type 'Point'"),
            ("point", [1, 2, 3], "object of type 'Point'"),
            ("lung-volume", float("nan"), "NaN|nan"),
            ("case-metadata", {"deep": [1, float("inf")]}, "deep.*inf"),
            ("big-metadata", {"deep": [1, float("nan")]}, "deep.*nan"),
            ("report", "no-such-file.pdf", "no-such-file.pdf"),
            ("report", "/", "is not a file name"),
            ("report", 7, "takes files"),
            ("report", FileRef.of_bytes(b"text", "a.pdf"), "PDF"),
            ("bundle", FileRef.of_bytes(b"text", "a.zip"), "ZIP"),
            ("table", FileRef.of_bytes(b"", "a.csv"), "empty"),
            ("report", Stored("https://x/"), "holds no images"),
            ("ct-image", 1.5, "holds images, not float"),
            ("dicom-image-set", Stored("https://x/"), "takes images of https://127"),
        ],
    )
    def test_what_does_not_fit(
        self, scene: Scene, archive: GrandChallengeDataset, item: Item, slug: str, content: Any, words: str
    ) -> None:
        scene.sandbox.ledger.clear()
        with pytest.raises(InvalidCase, match=words):
            archive.fill(item, {slug: content})
        assert not [entry for entry in scene.sandbox.ledger if entry.method != "GET"]

    @pytest.mark.parametrize(
        ("voxels", "words"),
        [
            (np.ones((3, 4, 5), np.int16), "8 bits.*int16"),
            (np.full((3, 4, 5), 7, np.uint8), r"\[0, 1, 2\].*\[7\]"),
        ],
    )
    def test_segmentations_are_looked_at(
        self, scene: Scene, archive: GrandChallengeDataset, item: Item, voxels: Any, words: str
    ) -> None:
        with pytest.raises(InvalidCase, match=words):
            archive.fill(item, {"lung-segmentation": itk_image(scene.folder, voxels)})
        archive.fill(item, {"lung-segmentation": itk_image(scene.folder, np.ones((3, 4, 5), np.uint8))})
        assert "lung-segmentation" in filled(archive, item)

    def test_patients_are_guarded(self, scene: Scene, archive: GrandChallengeDataset, item: Item) -> None:
        import pydicom

        (path,) = series(scene.folder / "ct", volume(slices=1).astype("u2"))
        ds = pydicom.dcmread(path)
        ds.PatientName = "Somebody^Real"
        ds.save_as(path)
        with pytest.raises(InvalidCase, match="PatientName") as refusal:
            archive.fill(item, {"ct-image": cf.Image("ct", [path])})
        assert "Somebody" not in str(refusal.value)


class TestDetaching:
    def test_leaves_everything_else(self, archive: GrandChallengeDataset, item: Item) -> None:
        before = filled(archive, item)
        plan = archive.plan_detach(item, "lung-volume")
        assert plan.irreversible == (
            "socket 'lung-volume' is emptied; an image that no other item holds is gone for everybody",
        )
        archive.detach(item, "lung-volume")
        assert filled(archive, item) == before - {"lung-volume"}
        case = archive.get(item.id).case()
        assert case.images[0].voxels().any()
        assert [each.file.read() for each in case.attachments] == [PDF]

    def test_an_image(self, archive: GrandChallengeDataset, item: Item) -> None:
        archive.detach(item, "generic-medical-image")
        case = archive.get(item.id).case()
        assert (case.images, case.values) == ((), {"lung-volume": 1.9})

    def test_nothing(self, scene: Scene, archive: GrandChallengeDataset, item: Item) -> None:
        scene.sandbox.ledger.clear()
        with pytest.raises(NotFound, match="ct-image"):
            archive.detach(item, "ct-image")
        assert not [entry for entry in scene.sandbox.ledger if entry.method != "GET"]


class TestSidecar:
    """What single sockets are changed to is what the sidecar says of them from then on."""

    @pytest.fixture
    def annotated(self, archive: GrandChallengeDataset, samples: Samples) -> Item:
        point = cf.Point("nifti", [(1, 2, 1)], label="beside")
        report = cf.Attachment("report", FileRef.of_bytes(PDF, "report.pdf"))
        parts = {"values": {"lung-volume": 1.9}, "attachments": [report], "annotations": [point]}
        return archive.put(samples.case("one", Kind.NIFTI, **parts))

    def kept(self, archive: GrandChallengeDataset, item: Item) -> cf.Case:
        found = archive._kept(archive.get(item.id).native, fetch=True)
        assert found is not None
        return found.case

    def test_what_is_filled(self, scene: Scene, archive: GrandChallengeDataset, annotated: Item) -> None:
        image = itk_image(scene.folder, np.full((3, 4, 5), 9, np.int16))
        new = FileRef.of_bytes(b"%PDF-1.4 another", "other.pdf")
        archive.fill(annotated, {"generic-medical-image": image, "lung-volume": 2.5, "report": new})
        kept = self.kept(archive, annotated)
        assert [(each.role, each.kind, each.files[0].name) for each in kept.images] == [
            ("nifti", Kind.METAIMAGE, "image.mha")
        ]
        assert (kept.values["lung-volume"], kept.attachments[0].file.sha256) == (2.5, new.sha256)
        case = archive.get(annotated.id).case()
        assert np.unique(case.image("nifti").voxels()).tolist() == [9]
        assert [a.label for a in case.annotations] == ["beside"]

    def test_what_is_emptied(self, archive: GrandChallengeDataset, annotated: Item) -> None:
        plan = archive.plan_detach(annotated, "generic-medical-image", "lung-volume")
        assert "1 annotations on it that only the sidecar holds" in " ".join(plan.irreversible)
        plan.release()
        archive.detach(annotated, "generic-medical-image", "lung-volume")
        kept = self.kept(archive, annotated)
        assert (kept.images, kept.annotations, kept.values) == ((), (), {})
        case = archive.get(annotated.id).case()
        assert [each.file.read() for each in case.attachments] == [PDF]

    def test_what_it_does_not_describe(self, archive: GrandChallengeDataset, annotated: Item) -> None:
        plan = archive.plan_fill(annotated, {"slice-count": 4})
        assert plan.irreversible == ()


class TestSharing:
    def test_another_type_for_an_image(self, scene: Scene, archive: GrandChallengeDataset, samples: Samples) -> None:
        point = cf.Point("nifti", [(1, 2, 1)], label="of the sidecar alone")
        item = archive.put(samples.case("one", Kind.NIFTI, annotations=[point]))
        address = archive.stored(item, "generic-medical-image").address
        scene.sandbox.ledger.clear()
        now = archive.retype(item, "generic-medical-image", "ct-image")
        assert archive.stored(now, "ct-image").address == address
        assert (filled(archive, now) & {"generic-medical-image", "ct-image"}, uploads(scene)) == ({"ct-image"}, 0)
        case = now.case()
        assert [image.role for image in case.images] == ["nifti"], "it keeps its role, and what lies on it"
        assert [annotation.label for annotation in case.annotations] == ["of the sidecar alone"]
        np.testing.assert_array_equal(case.images[0].voxels(), samples.image(Kind.NIFTI).voxels())

    @pytest.mark.parametrize("target", ["other", "reader-studies/sandbox-study"])
    def test_cases_that_are_transferred_move_no_bytes(
        self, scene: Scene, archive: GrandChallengeDataset, samples: Samples, target: str
    ) -> None:
        scene.standin.add_archive("other", "Other")
        case = samples.case("one", Kind.DICOM_SERIES, values={"lung-volume": 1.9}, tags=["kept"])
        source = archive.put(case)
        scene.sandbox.ledger.clear()
        there = scene.open(target, socket="ct-image")
        report = cf.transfer(archive, there, journal=scene.folder / "journal.db", verify=True, unmapped="accept")
        assert report.ok, report
        assert uploads(scene) == 0
        (item,) = there.items()
        assert there.stored(item, "ct-image") == archive.stored(source, "generic-medical-image")
        np.testing.assert_array_equal(item.case().images[0].voxels(), case.images[0].voxels())
        assert item.case().tags == ("kept",)

    def test_a_mask_is_shared_too(self, scene: Scene) -> None:
        scene.standin.add_archive("other", "Other")
        image = cf.Image("ct", series(scene.folder / "ct", volume().astype("u2")))
        labels = np.zeros((7, 5, 4), np.uint8)
        labels[1:3, 2, 1] = 1
        assert image.geometry is not None
        mask = cf.Mask.of_array("ct", labels, {1: "lesion"}, image.geometry.affine)
        case = cf.Case(id="one", images=[image], annotations=[mask])
        mapping = {"grand-challenge": {"labels": {"lesion": "lesion-segmentation"}}}
        source, target = scene.open(mapping=mapping), scene.open("other", mapping=mapping)
        first = source.put(case, phi="keep")
        scene.sandbox.ledger.clear()
        second = target.put(first.case(), phi="keep")
        assert uploads(scene) == 0
        assert filled(target, second) >= {"ct-image", "lesion-segmentation"}
        back = second.case()
        assert isinstance(back.annotations[0], cf.Mask)
        np.testing.assert_array_equal(back.annotations[0].voxels(), labels)

    def test_who_may_not_view_an_image_sends_it(
        self, scene: Scene, archive: GrandChallengeDataset, samples: Samples
    ) -> None:
        """A reference to it would be refused when the item is there for ever."""
        from caseferry_grand_challenge.sandbox import OUTSIDER_TOKEN

        scene.standin.add_archive("theirs", "Theirs", roles={"10": "uploader"})
        item = archive.put(samples.case("one", Kind.NIFTI))
        case = item.case()
        theirs = scene.open("theirs", token=OUTSIDER_TOKEN, socket="ct-image")
        scene.sandbox.ledger.clear()
        theirs.put(case)
        assert uploads(scene) == 1

    def test_a_socket_whose_old_image_was_shared(
        self, scene: Scene, archive: GrandChallengeDataset, item: Item, samples: Samples
    ) -> None:
        """Replacing it in one item leaves it in the other."""
        other = archive.put(cf.Case(id="two", values={"lung-volume": 1.9}))
        archive.fill(other, {"ct-image": archive.stored(item, "generic-medical-image")})
        archive.fill(item, {"generic-medical-image": itk_image(scene.folder, np.ones((3, 4, 5), np.int16))})
        kept = archive.get(other.id).case().image("ct-image")
        np.testing.assert_array_equal(kept.voxels(), samples.image(Kind.NIFTI).voxels())
        assert archive.get(other.id).case().values == {"lung-volume": 1.9}


def test_what_others_put_beside_a_case_is_read_too(archive: GrandChallengeDataset, item: Item, scene: Scene) -> None:
    """The sidecar knows only what was put: the rest of the item counts as well."""
    archive.fill(item, {"slice-count": 4, "ct-image": itk_image(scene.folder, np.ones((3, 4, 5), np.int16))})
    case = archive.get(item.id).case()
    assert case.values == {"lung-volume": 1.9, "slice-count": 4}
    assert [image.role for image in case.images] == ["nifti", "ct-image"]
