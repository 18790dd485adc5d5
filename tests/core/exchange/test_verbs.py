"""Any annotation file read by one call, told by what is in it, and written by one, told by its name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813  its usual name
from PIL import Image as Picture

from caseferry import Box, Image, Label, Mask, Polygon
from caseferry.case.placement import aligned
from caseferry.errors import CaseferryError, ConfigurationError, GeometryError, InvalidCase
from caseferry.exchange import formats, read, write
from caseferry.imaging.header import ImageProblem
from oracles import affine_of, ramp, rotation, write_series

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA = Path(__file__).parents[2] / "data"

OBLIQUE = affine_of(rotation(x=17, y=-23, z=41), (0.7, 0.9, 2.5), (-100.1, 250.3, -777.7))

pytestmark = pytest.mark.filterwarnings(
    # highdicom leaves a database in memory to the garbage collector, of which Python 3.13 warns
    "ignore:Exception ignored in. <sqlite3.Connection:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image("ct", write_series(tmp_path_factory.mktemp("ct"), ramp(9, 8, 5), OBLIQUE))


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Image:
    path = tmp_path_factory.mktemp("picture") / "cells.png"
    Picture.fromarray(np.zeros((8, 9), np.uint8)).save(path)
    return Image("photo", path)


def structure(seed: int, shape: tuple[int, ...] = (9, 8, 5)) -> NDArray[np.bool_]:
    return np.asarray(np.random.default_rng(seed).random(shape) < 0.4)


def mask(image: Image, *structures: NDArray[np.bool_], first: int = 1, **said: Any) -> Mask:
    """One mask of several structures, of which the later hide the earlier."""
    assert image.geometry is not None
    array = np.zeros(structures[0].shape, np.uint8)
    for value, inside in enumerate(structures, first):
        array[inside] = value
    names = {value: f"structure {value}" for value in range(first, first + len(structures))}
    return Mask.of_array(image.role, array, names, image.geometry.affine, **said)


def voxels(found: list[Any], image: Image) -> dict[str, NDArray[np.bool_]]:
    """What is inside of each structure."""
    return {name: aligned(each, image) == value for each in found for value, name in each.labels.items()}


@pytest.mark.parametrize("name", ["a.seg.dcm", "a.seg.nrrd", "a.nrrd", "a.nii.gz", "a.mha"])
def test_masks_come_back_voxel_for_voxel_from_every_format_that_has_them(name: str, ct: Image, tmp_path: Path) -> None:
    given = mask(ct, structure(1), structure(2))
    written = write(tmp_path / name, [given], ct)
    assert not written.left_out
    found = voxels(read(tmp_path / name, ct), ct)
    assert found.keys() == {"structure 1", "structure 2"}
    for label, inside in voxels([given], ct).items():
        assert np.array_equal(found[label], inside), label


def test_contours_are_told_from_other_dicom_files(ct: Image, tmp_path: Path) -> None:
    square = Polygon("ct", [[(1, 1), (5, 1), (5, 5), (1, 5)]], frame=2, label="lesion")
    write(tmp_path / "a.rtstruct.dcm", [square], ct)
    (found,) = read(tmp_path / "a.rtstruct.dcm", ct)
    assert isinstance(found, Polygon)
    assert found.label == "lesion"


def test_a_report_and_a_segmentation_of_others_are_told_from_their_content() -> None:
    image = Image("ct", sorted((DATA / "segmentations").glob("ct-*.dcm")))
    assert {each.kind for each in read(DATA / "segmentations" / "liver.dcm", image)} == {"mask"}
    with pytest.raises(GeometryError, match="another frame of reference"):
        read(DATA / "reports" / "groups.dcm", image)
    with pytest.raises(ConfigurationError, match="dicom-sr files are read only"):
        write("report.dcm", [], image, format="dicom-sr")


def test_pictures_go_to_coco_and_png(picture: Image, tmp_path: Path) -> None:
    box = Box("photo", [(1, 2), (5, 6)], label="cell")
    write(tmp_path / "a.coco.json", [box], picture)
    (found,) = read(tmp_path / "a.coco.json", picture)
    assert isinstance(found, Box)
    assert found.points == box.points
    given = mask(picture, structure(3, (9, 8, 1)), first=7)
    write(tmp_path / "a.png", [given], picture)
    assert np.array_equal(np.array(Picture.open(tmp_path / "a.png")).T, given.voxels()[:, :, 0])
    (back,) = read(tmp_path / "a.png", picture)
    assert isinstance(back, Mask)
    assert back.labels == {7: "structure 7"}


def test_a_label_map_lies_where_simpleitk_says(ct: Image, tmp_path: Path) -> None:
    given = mask(ct, structure(4))
    write(tmp_path / "a.nii.gz", [given], ct)
    there = sitk.ReadImage(tmp_path / "a.nii.gz")
    assert ct.geometry is not None
    for index in ([0, 0, 0], [8, 7, 4], [3, 0, 2]):
        assert np.allclose(there.TransformIndexToPhysicalPoint(index), ct.geometry.to_patient([index])[0], atol=1e-3)
    assert np.array_equal(sitk.GetArrayFromImage(there).T, given.voxels())


def test_structures_that_overlap_lie_in_files_of_their_own(ct: Image, tmp_path: Path) -> None:
    first, second = structure(5), structure(6)
    given = [mask(ct, first), mask(ct, second, first=2)]
    write(tmp_path / "a.nii.gz", given, ct)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.2.labels.json",
        "a.2.nii.gz",
        "a.labels.json",
        "a.nii.gz",
    ]
    found = {name: inside for name, inside in voxels(read(tmp_path / "a.nii.gz", ct), ct).items() if inside.any()}
    found |= {name: inside for name, inside in voxels(read(tmp_path / "a.2.nii.gz", ct), ct).items() if inside.any()}
    assert np.array_equal(found["structure 1"], first)
    assert np.array_equal(found["structure 2"], second)


def test_what_others_hide_is_told(ct: Image, tmp_path: Path) -> None:
    first, second = structure(5), structure(6)
    given = [mask(ct, first), mask(ct, second, first=2)]
    written = write(tmp_path / "a.mha", given, ct, overlap="last")
    hidden = int(np.count_nonzero(first & second))
    assert written.changed == [(given[0], f"without {hidden} voxels of 'structure 1', which others hide")]
    found = voxels(read(tmp_path / "a.mha", ct), ct)
    assert np.array_equal(found["structure 2"], second)
    assert np.array_equal(found["structure 1"], first & ~second)


def test_nothing_is_lost_without_a_word(ct: Image, tmp_path: Path) -> None:
    label = Label("ct", label="done")
    elsewhere = Label("other", label="done")
    signed = mask(ct, structure(7), author="r@example.org")
    written = write(tmp_path / "a.nii.gz", [label, elsewhere, signed], ct)
    assert [each for each, _ in written.left_out] == [label, elsewhere]
    assert written.changed == [(signed, "without author")]


def test_names_of_numbers_are_given_or_lie_beside(ct: Image, tmp_path: Path) -> None:
    write(tmp_path / "a.nii.gz", [mask(ct, structure(8))], ct)
    (tmp_path / "a.labels.json").unlink()
    with pytest.raises(InvalidCase, match=r"a\.labels\.json beside it"):
        read(tmp_path / "a.nii.gz", ct)
    (tmp_path / "a.labels.toml").write_text('1 = "nodule"\n')
    (found,) = read(tmp_path / "a.nii.gz", ct)
    assert isinstance(found, Mask)
    assert found.labels == {1: "nodule"}
    with pytest.raises(InvalidCase, match="value 1, which have no name"):
        read(tmp_path / "a.nii.gz", ct, labels={2: "nodule"})
    (tmp_path / "a.labels.toml").write_text("one = 1\n")
    with pytest.raises(ImageProblem, match="does not say what numbers mean"):
        read(tmp_path / "a.nii.gz", ct)


def test_a_volume_for_each_structure(ct: Image, tmp_path: Path) -> None:
    """Structures share voxels there; the file is nibabel's, in RAS."""
    assert ct.geometry is not None
    ours = [structure(3), structure(4)]
    stacked = np.stack(ours, axis=-1).astype(np.float32)
    nib.save(nib.Nifti1Image(stacked, np.diag([-1.0, -1, 1, 1]) @ ct.geometry.affine), tmp_path / "a.nii.gz")
    found = read(tmp_path / "a.nii.gz", ct, labels={1: "one", 2: "two"})
    for each, name, expected in zip(found, ("one", "two"), ours, strict=True):
        assert isinstance(each, Mask)
        assert each.labels == {1: name}
        assert np.array_equal(aligned(each, ct) == 1, expected)
    with pytest.raises(InvalidCase, match="2 volumes, of which 2 have no name"):
        read(tmp_path / "a.nii.gz", ct, labels={1: "one"})
    nib.save(nib.Nifti1Image(stacked * 0.5, np.diag([-1.0, -1, 1, 1]) @ ct.geometry.affine), tmp_path / "b.nii.gz")
    with pytest.raises(InvalidCase, match="other values than 0 and 1"):
        read(tmp_path / "b.nii.gz", ct, labels={1: "one", 2: "two"})


def test_what_cannot_be_done_is_said_before_anything_is_written(ct: Image, picture: Image, tmp_path: Path) -> None:
    given = [mask(ct, structure(9))]
    wrong: list[tuple[type[CaseferryError], str, str, dict[str, Any]]] = [
        (ConfigurationError, "a.xyz", "tells no format; say which: dicom-seg", {}),
        (ConfigurationError, "a.nii.gz", "no format of annotation files; there are dicom-seg", {"format": "nonsense"}),
        (ConfigurationError, "a.nii.gz", "has no option threshold; it takes overlap", {"threshold": 1}),
        (ConfigurationError, "a.nii.gz", "overlap is 'both', expected one of apart", {"overlap": "both"}),
        (InvalidCase, "a.png", "has 5 planes, and a picture one", {}),
        (InvalidCase, "a.coco.json", "COCO has pictures only", {}),
    ]
    for kind, name, told, options in wrong:
        with pytest.raises(kind, match=told):
            write(tmp_path / name, given, ct, **options)
    assert not list(tmp_path.iterdir())
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(ImageProblem, match=r"notes\.txt.*known format.*rtstruct"):
        read(tmp_path / "notes.txt", ct)
    (tmp_path / "broken.json").write_text('{"images": [')
    with pytest.raises(ImageProblem, match="is no JSON"):
        read(tmp_path / "broken.json", picture)


def test_a_file_of_another_image_is_refused(ct: Image, picture: Image, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Image("ct", write_series(tmp_path / "other", ramp(9, 8, 5), affine_of(rotation(), (1, 1, 1), (0, 0, 0))))
    for name in ("a.seg.dcm", "a.seg.nrrd", "a.nii.gz"):
        write(tmp_path / name, [mask(ct, structure(1))], ct)
        with pytest.raises((GeometryError, ImageProblem)):
            read(tmp_path / name, other)
    small = tmp_path / "cells.png"
    Picture.fromarray(np.zeros((4, 4), np.uint8)).save(small)
    write(tmp_path / "a.coco.json", [Box("photo", [(1, 2), (5, 6)], label="cell")], picture)
    with pytest.raises(InvalidCase, match="describes a picture of 9 x 8"):
        read(tmp_path / "a.coco.json", Image("photo", small))


def test_every_format_says_what_it_is() -> None:
    for name, each in formats().items():
        assert each.name == name
        assert each.summary
        assert each.read or each.write
        assert bool(each.write) == bool(each.endings)
    assert json.dumps([*formats()])
