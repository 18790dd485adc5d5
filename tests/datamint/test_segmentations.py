"""Segmentations as other people and programs leave them on Datamint: read voxel for voxel, or refused by name."""

from __future__ import annotations

from gzip import compress
from io import BytesIO
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from PIL import Image as Picture

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.case.placement import aligned
from caseferry.geometry import Geometry
from caseferry.imaging.header import ImageProblem
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry_datamint.wire.segmentations import Piece, grouped, mask_of
from datamint_images import image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from caseferry.testing import Samples
    from datamint_scene import Scene

SHAPE = (5, 4, 3)
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
UP = np.array([[0.5, 0, 0, -3], [0, 0.8, 0, 7], [0, 0, 2.5, 11], [0, 0, 0, 1]])
DOWN = UP * [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, -1, 1], [1, 1, 1, 1]]
SPOTS = np.random.default_rng(3).integers(0, 3, SHAPE).astype(np.uint8)
PLANE = SPOTS[:, :, 0] > 0


def volume(affine: NDArray[np.float64] = UP) -> cf.Image:
    return image(Kind.NIFTI, SHAPE, affine)


def cine() -> cf.Image:
    return image(Kind.VIDEO, (*SHAPE[:2], 1), np.eye(4), space="pixel", frames=3)


def series() -> cf.Image:
    return image(Kind.DICOM_SERIES, SHAPE, UP, files=3, layout=[(n, 0) for n in range(3)])


def nifti(voxels: NDArray[Any], affine: NDArray[np.float64] = UP) -> bytes:
    """By nibabel, whose affines go to RAS."""
    content: bytes = nib.Nifti1Image(voxels, RAS @ affine).to_bytes()
    return content


def png(pixels: NDArray[Any], mode: str | None = None) -> bytes:
    out = BytesIO()
    picture = Picture.fromarray(np.ascontiguousarray(pixels))
    (picture if mode is None else picture.convert(mode)).save(out, "PNG")
    return out.getvalue()


def piece(content: bytes, file: int = 0, **row: Any) -> Piece:
    return Piece(file, {"id": "s", "identifier": "lesion", "scope": "frame", **row}, lambda: BytesIO(content))


def read(where: cf.Image, *pieces: Piece, wanted: Mapping[int, str] | None = None) -> tuple[cf.Mask, NDArray[Any]]:
    mask = mask_of(pieces, where, Names(), wanted, {"image": "it", "id": "m"})
    assert mask.file.read()[:2] == b"\x1f\x8b"
    return mask, aligned(mask, where)


# -- volumes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_a_volume_of_values_that_have_names_keeps_them(dtype: Any, *, zipped: bool) -> None:
    content = nifti(SPOTS.astype(dtype) * 3)
    classes = {"3": "liver", "6": "liver"}
    mask, voxels = read(volume(), piece(compress(content) if zipped else content, class_map=classes, scope="image"))
    assert mask.labels == {3: "liver", 6: "liver"}
    np.testing.assert_array_equal(voxels, SPOTS * 3)


@pytest.mark.parametrize("classes", [None, {"1": "lesion"}, {1: None}, {}, "nonsense", {"one": "lesion"}])
@pytest.mark.parametrize("value", [1, 255])
def test_a_volume_of_one_name_is_everything_but_zero(classes: Any, value: int) -> None:
    """As the platform's own readers have it, whichever value its file holds."""
    mask, voxels = read(volume(), piece(nifti((SPOTS > 0).astype(np.uint8) * value), class_map=classes))
    (label,) = mask.labels.values()
    assert label in {"lesion", "segmentation 1"}
    np.testing.assert_array_equal(voxels > 0, SPOTS > 0)


def test_nothing_is_nan() -> None:
    voxels = np.where(SPOTS == 1, 1.0, np.nan)
    np.testing.assert_array_equal(read(volume(), piece(nifti(voxels)))[1] > 0, SPOTS == 1)


def test_values_that_nobody_names_are_told() -> None:
    both = piece(nifti(SPOTS * 3), class_map={"1": "a", "3": "b"})
    with pytest.raises(ImageProblem, match="segmentation s holds voxels of value 6, which its class map does not name"):
        read(volume(), both)


def test_several_names_that_share_one_file_are_told_apart() -> None:
    content = nifti(SPOTS)
    shared = [piece(content, identifier=name, class_map={f"{value}": name}) for value, name in ((1, "a"), (2, "b"))]
    mask, voxels = read(volume(), *shared)
    assert mask.labels == {1: "a", 2: "b"}
    np.testing.assert_array_equal(voxels, SPOTS)


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, -1), (1, -1, 1), (1, 1, -1)])
def test_a_volume_in_another_order_of_axes_lies_in_the_same_voxels(axes: Any, flips: Any) -> None:
    """Turned by nibabel, its affine with it."""
    turned = nib.Nifti1Image(SPOTS, RAS @ UP).as_reoriented(np.c_[axes, flips])
    _, voxels = read(volume(), piece(turned.to_bytes(), class_map={"1": "a", "2": "b"}))
    np.testing.assert_array_equal(voxels, SPOTS)


def test_affines_that_differ_by_rounding_are_the_same() -> None:
    np.testing.assert_array_equal(read(volume(), piece(nifti(SPOTS, moved(0.02))))[1] > 0, SPOTS > 0)


def moved(mm: float) -> NDArray[np.float64]:
    affine = UP.copy()
    affine[:3, 3] += mm
    return affine


@pytest.mark.parametrize(
    ("where", "content", "told"),
    [
        (UP, nifti(SPOTS, moved(0.2)), "its affine puts its voxels elsewhere"),
        (UP, nifti(SPOTS[:, :3]), "it has 5 x 3 x 3 voxels, the image 5 x 4 x 3"),
        (UP, nifti(SPOTS[:, :, :2], RAS), "it has 5 x 4 x 2 voxels"),
        (
            DOWN,
            nifti(SPOTS, RAS),
            "does not say where its voxels lie, and the slices .* go towards the feet",
        ),
        (UP, png(PLANE.T.astype(np.uint8) * 255), "is one plane, and does not say of which of the 3 of the image"),
    ],
    ids=["elsewhere", "smaller", "fewer slices", "unsaid", "a picture"],
)
def test_a_volume_that_lies_elsewhere_is_refused(where: NDArray[np.float64], content: bytes, told: str) -> None:
    with pytest.raises(ImageProblem, match=f"segmentation s .*{told}"):
        read(volume(where), piece(content, scope="image"))


def test_an_array_that_somebody_uploaded_has_the_order_of_the_image() -> None:
    """The client wraps it into a file whose affine is the identity."""
    content = nib.Nifti1Image(SPOTS, np.eye(4)).to_bytes()
    np.testing.assert_array_equal(read(volume(), piece(content))[1] > 0, SPOTS > 0)


# -- pictures of frames --------------------------------------------------------------------------------------------

COLOURS = {
    "RGB": np.where(PLANE.T[..., None], [255, 0, 7], 0),
    "black and opaque": np.dstack([np.zeros((*PLANE.T.shape, 3)), PLANE.T * 255]),
    "bright and opaque": np.where(PLANE.T[..., None], [9, 0, 0, 255], [0, 0, 0, 255]),
    "bright and transparent": np.where(PLANE.T[..., None], [9, 0, 0, 128], [255, 255, 255, 0]),
}


@pytest.mark.parametrize("kind", COLOURS)
def test_pictures_in_colour(kind: str) -> None:
    content = png(COLOURS[kind].astype(np.uint8))
    _, voxels = read(cine(), piece(content, frame_index=1))
    np.testing.assert_array_equal(voxels[:, :, 0, 1] > 0, PLANE)
    assert not voxels[:, :, 0, [0, 2]].any()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA"])
def test_pictures_in_grey(mode: str) -> None:
    content = png(PLANE.T.astype(np.uint8) * 255, mode)
    np.testing.assert_array_equal(read(cine(), piece(content, frame_index="1"))[1][:, :, 0, 1] > 0, PLANE)


@pytest.mark.parametrize("scope", ["frame", "image"])
def test_a_picture_lies_on_the_slice_whose_resource_it_is_of(scope: str) -> None:
    """Client 2.16 calls every segmentation one of the whole image."""
    content = png(PLANE.T.astype(np.uint8) * 255)
    for more in ({}, {"frame_index": 0}):
        _, voxels = read(series(), piece(content, 2, scope=scope, **more))
        np.testing.assert_array_equal(voxels[:, :, 2] > 0, PLANE)
        assert not voxels[:, :, :2].any()


@pytest.mark.parametrize(
    ("pixels", "frame", "told"),
    [
        (PLANE, 1, "it has 4 x 5 voxels, the image 5 x 4"),
        (PLANE.T[:2], 1, "it has 5 x 2 voxels, the image 5 x 4"),
        (PLANE.T, 7, "is of frame 7, which image 'it' does not have"),
    ],
    ids=["transposed", "cut", "no frame"],
)
def test_a_picture_of_another_size_is_refused(pixels: NDArray[Any], frame: int, told: str) -> None:
    content = png(pixels.astype(np.uint8) * 255)
    with pytest.raises(ImageProblem, match=f"segmentation s .*{told}"):
        read(cine(), piece(content, frame_index=frame))


def test_each_of_several_findings_of_one_name_in_a_frame_is_a_mask_by_itself() -> None:
    one, other = PLANE.T, ~PLANE.T
    pieces = [
        piece(png(pixels.astype(np.uint8)), id=str(number), frame_index=frame, created_by=author)
        for number, (pixels, frame, author) in enumerate([(one, 0, "a"), (one, 1, "a"), (other, 1, "a"), (one, 1, "b")])
    ]
    groups = [[each.row["id"] for each in group] for group in grouped(pieces, lambda _: None).values()]
    assert groups == [["0", "1"], ["2"], ["3"]]
    other_list = piece(b"", id="4", frame_index=1, created_by="a", annotation_worklist_id="another")
    assert len(grouped([*pieces, other_list], lambda _: None)) == 4


def test_what_has_no_name_is_called_a_segmentation() -> None:
    mask, voxels = read(cine(), piece(png(PLANE.T.astype(np.uint8)), identifier=None, frame_index=0))
    assert mask.labels == {1: "segmentation"}
    np.testing.assert_array_equal(voxels[:, :, 0, 0] > 0, PLANE)


# -- on the platform -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.NIFTI, Kind.DICOM_SERIES, Kind.DICOM_MULTIFRAME], ids=str)
def test_a_mask_in_which_nothing_is_set_comes_back(scene: Scene, samples: Samples, kind: Kind) -> None:
    """The platform makes an annotation of each label that occurs: of none, here."""
    where = samples.image(kind, "it")
    grid = where.geometry
    assert grid is not None
    nothing = cf.Mask.of_array("it", np.zeros((*grid.shape[:2], grid.planes), np.uint8), {1: "lesion"}, grid.affine)
    sent = scene.put(cf.Case("healthy", images=[where], annotations=[nothing]))
    assert {each.part: each.kept for each in sent.plan.held}["mask 'lesion'"] == "sidecar"
    again = scene.put(cf.Case("healthy", images=[where], annotations=[nothing]))
    assert again.plan.calls == ()
    sealed = scene.open().sealed(cf.Case("healthy", images=[where], annotations=[nothing]))
    assert differences(sealed, scene.open().get(sent.item.id).case()) == []


def test_a_segmentation_whose_file_never_came_does_not_stop_the_case(scene: Scene, samples: Samples) -> None:
    whole = cf.Mask.of_array("picture", np.ones((11, 9, 1), np.uint8), {1: "whole"}, np.eye(4), id="whole")
    item = scene.open().put(cf.Case("half", images=[samples.image(Kind.PICTURE)], annotations=[whole]))
    (own,) = scene.annotate(item.id, {"type": "segmentation", "identifier": "lesion", "scope": "image"})
    case = scene.open().get(item.id).case()
    (found,) = [each for each in case.annotations if each.id != "whole"]
    assert (type(found), found.id, found.label) == (cf.Raw, own, "lesion")
    second = scene.open().put(cf.Case("second", images=case.images, annotations=[found]))
    assert second.case().annotations[0].label == "lesion"


def test_half_of_the_frames_approved_is_not_approved(scene: Scene, samples: Samples) -> None:
    where = samples.image(Kind.DICOM_MULTIFRAME, "it")
    grid = where.geometry
    assert grid is not None
    voxels = np.ones((*grid.shape[:2], 1, grid.frames), np.uint8)
    mask = cf.Mask.of_array("it", voxels, {1: "lesion"}, grid.affine)
    item = scene.open().put(cf.Case("checked", images=[where], annotations=[mask]), phi="keep")
    rows = list(scene.standin.state["annotations"].values())
    for count, expected in ((1, {None, "new"}), (len(rows), {"approved"})):
        for row in rows[:count]:
            row["status"], row["approved_by"] = "approved", "second@example.org"
        (found,) = scene.open().get(item.id).case().annotations
        assert found.status in expected
    assert found.reviewer == "second@example.org"


def test_geometry_is_of_the_image() -> None:
    """A mask on an image of which the platform says no place lies on it by its size."""
    where = image(Kind.NIFTI, SHAPE, np.eye(4), space="pixel")
    assert isinstance(where.geometry, Geometry)
    np.testing.assert_array_equal(read(where, piece(nifti(SPOTS)))[1] > 0, SPOTS > 0)
