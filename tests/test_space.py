"""No axis is flipped and no voxel lost: every orientation, put on each platform, read back, and brought to the others.

What was put comes back equal only where the platform's own form of it, read anew, says the same place and voxels;
and where the platform has a form, none may lie in the sidecar instead. One point and the mask of each image are also
looked up in what the platform holds, by what nibabel, SimpleITK and pydicom say of where they should lie.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from gzip import decompress
from hashlib import sha256
from io import BytesIO
from itertools import permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import nibabel as nib
import numpy as np
import pydicom
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform
from PIL import Image as Picture

import caseferry as cf
from caseferry.case.compare import differences, same_meaning
from caseferry.case.placement import aligned
from caseferry.testing import Samples
from oracles import itk
from space_cases import (
    DICOM_WAYS,
    LATTICES,
    ORIENTATIONS,
    SHAPE,
    STRUCTURES,
    Placed,
    dicom,
    flat_shapes,
    nifti,
    shapes,
    structures,
)
from transfer_scene import fresh_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from caseferry.sandbox import Sandbox

REMOTE = ("grand-challenge", "datamint", "darwin")
EVERYWHERE = (*REMOTE, "local")
RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

SOCKETS = {
    "point": "point",
    "line": "distance-measurement",
    "polyline": "line",
    "box": "2d-bounding-box",
    "polygon": "polygon",
    "ellipse": "ellipse",
    "angle": "three-point-angle",
    "through": "multiple-distance-measurements",
}
MAPPING = {"grand-challenge": {"labels": {**SOCKETS, **dict.fromkeys(STRUCTURES, "organ-segmentation")}}}

BESIDE = {
    "grand-challenge": set[str](),
    "datamint": {"ellipse 'ellipse'", "angle 'angle'"},
    "darwin": {"angle 'angle'", "line 'through'"},
}
"""What each platform has no form for; everything else is its own."""

OF_SERIES = {"grand-challenge": set[str](), "datamint": {"line 'through'"}, "darwin": set[str]()}
"""What it has no form for on a series besides: there each file is a resource by itself."""


def drawn(name: str, placed: Sequence[Placed]) -> cf.Case:
    """A case of some images with shapes and a mask on each."""
    annotations = [annotation for each in placed for annotation in shapes(each)]
    return cf.Case(name, images=[each.image for each in placed], annotations=annotations)


class Arrived(NamedTuple):
    """What was sent of a case as JSON, and how it reads there."""

    sent: list[Any]
    there: cf.Case


def put_and_read(dataset: cf.Dataset, case: cf.Case, beside: set[str]) -> Arrived:
    """Put a case and read it back equal."""
    brought = dataset.bring(case, phi="keep")
    others = [loss for loss in brought.plan.losses if not loss.part.startswith("image ")]
    lost = Counter(loss.part for loss in others if not loss.exact)
    assert lost == Counter({part: len(case.images) for part in beside})
    there = dataset.get(brought.item.id).case()
    assert differences(case, there) == []
    return Arrived([call.body for call in brought.plan.calls], there)


def found(body: Any, key: str) -> Iterator[dict[str, Any]]:
    """All objects with a key, wherever they are."""
    if isinstance(body, dict):
        if key in body:
            yield body
        for value in body.values():
            yield from found(value, key)
    elif isinstance(body, list | tuple):
        for value in body:
            yield from found(value, key)


# -- where the platform should have the point (4.25, 1.5, 3), and the structures -----------------------------------


POINT = (4.25, 1.5, 3.0)


def in_patient(placed: Placed) -> NDArray[np.float64]:
    return np.asarray(nib.affines.apply_affine(placed.affine, POINT))


def lpi(placed: Placed) -> NDArray[np.float64]:
    """How nibabel turns the volume to LPI."""
    return np.asarray(ornt_transform(io_orientation(RAS @ placed.affine), axcodes2ornt("LPI")))


def as_lpi(placed: Placed) -> tuple[int, NDArray[np.float64]]:
    """The axis of the volume turned to LPI along which slices follow each other, and the point in millimetres there."""
    affine, turn = RAS @ placed.affine, lpi(placed)
    voxel = nib.affines.apply_affine(np.linalg.inv(inv_ornt_aff(turn, SHAPE)), POINT)
    steps = np.empty(3)
    steps[turn[:, 0].astype(int)] = nib.affines.voxel_sizes(affine)
    return int(turn[2, 0]), np.where(np.arange(3) == turn[2, 0], voxel, voxel * steps)


def check_grand_challenge(placed: Sequence[Placed], arrived: Arrived, _world: Sandbox) -> None:
    (point,) = [each["point"] for each in found(arrived.sent, "point") if each["type"] == "Point"]
    np.testing.assert_allclose(point, in_patient(placed[0]), atol=1e-3)
    (mask,) = [each for each in arrived.there.annotations if isinstance(each, cf.Mask)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "mask.mha"
        path.write_bytes(mask.file.read())
        seen = itk(path)
    indices = np.argwhere(seen.voxels)
    own = nib.affines.apply_affine(np.linalg.inv(placed[0].affine) @ seen.affine, indices)
    whole = own.round().astype(int)
    np.testing.assert_allclose(own, whole, atol=1e-3)
    assert len(indices) == np.count_nonzero(structures())
    np.testing.assert_array_equal(seen.voxels[tuple(indices.T)], structures()[tuple(whole.T)])


def check_datamint(placed: Sequence[Placed], arrived: Arrived, world: Sandbox) -> None:
    shown = [each for each in found(arrived.sent, "geometry") if each["identifier"] == "point"]
    points = [each["geometry"]["points"] for each in shown]
    np.testing.assert_allclose(points, [[in_patient(each)] for each in placed], atol=1e-3)
    for each, point in zip(placed, shown, strict=True):
        upwards = nib.aff2axcodes(RAS @ each.affine)[2]
        if len(each.image.files) == 1 and upwards in {"S", "I"}:
            assert point["frame_index"] == (POINT[2] if upwards == "S" else SHAPE[2] - 1 - POINT[2])
    standin: Any = world.standins["datamint"]
    resources = {row["blob"]: key for key, row in list(standin.state["resources"].items())}
    for each in placed:
        seen = np.zeros(SHAPE, np.uint8)
        for ref in each.image.files:
            content = ref.read()
            resource = resources[sha256(content).hexdigest()]
            for row in list(standin.state["annotations"].values()):
                if row["resource_id"] == resource and row["file"] is not None:
                    value = STRUCTURES.index(row["identifier"]) + 1
                    where = _of_datamint(standin.host.blobs.get(row["file"]).read(), content, each)
                    assert not seen[where].any()
                    seen[where] = value
        np.testing.assert_array_equal(seen, structures())


def _of_datamint(mask: bytes, image: bytes, placed: Placed) -> tuple[NDArray[np.intp], ...]:
    """The voxels of a mask that Datamint keeps: a NIfTI file, or a PNG of the slice whose file is given."""
    if mask[:4] == b"\x89PNG":
        corner = [float(each) for each in pydicom.dcmread(BytesIO(image)).ImagePositionPatient]
        plane = np.linalg.solve(placed.affine[:3, :3], corner - placed.affine[:3, 3])
        np.testing.assert_allclose(plane, [0, 0, plane[2].round()], atol=1e-3)
        inside = np.asarray(Picture.open(BytesIO(mask))).T.nonzero()
        return (*inside, np.full(inside[0].size, round(plane[2])))
    volume = nib.Nifti1Image.from_bytes(decompress(mask))
    np.testing.assert_allclose(volume.affine, RAS @ placed.affine, atol=1e-4)
    return np.asarray(volume.dataobj).nonzero()


def check_darwin(placed: Sequence[Placed], arrived: Arrived, _world: Sandbox) -> None:
    rows = list(found(arrived.sent, "context_keys"))
    for slot, each in enumerate(placed):
        own = [row["data"]["frames"] for row in rows if row["context_keys"]["slot_names"] == [str(slot)]]
        along, expected = as_lpi(each)
        ((frame, content),) = [kept for frames in own for kept in frames.items() if "keypoint" in kept[1]]
        assert int(frame) == expected[along]
        point = content["keypoint"]
        np.testing.assert_allclose([point["x"], point["y"]], np.delete(expected, along), atol=1e-3)
        (layers,) = [frames for frames in own if any("raster_layer" in kept for kept in frames.values())]
        turned = np.moveaxis(apply_orientation(structures(), lpi(each)), along, 0)
        drawn = np.zeros((len(turned), turned[0].size), int)
        for number, kept in layers.items():
            runs = kept["raster_layer"]["dense_rle"]
            drawn[int(number)] = np.repeat(runs[::2], runs[1::2])
        seen = drawn.reshape(len(turned), *turned.shape[:0:-1]).transpose(0, 2, 1)
        pairs = {*zip(turned.ravel().tolist(), seen.ravel().tolist(), strict=True)}
        assert len(pairs) == len(STRUCTURES) + 1, "each structure has one number, where it lies and nowhere else"
        assert (0, 0) in pairs


CHECKS = {"grand-challenge": check_grand_challenge, "datamint": check_datamint, "darwin": check_darwin}

# -- to each platform and back -------------------------------------------------------------------------------------

TOGETHER = {"grand-challenge": 1, "datamint": 8, "darwin": 8}
"""How many images a case holds there: several where annotations name the image that they lie in."""


def test_the_matrix_is_whole() -> None:
    """By nibabel: 48 orientations of each lattice, and 24 planes of DICOM in both orders of files."""
    codes = {nib.aff2axcodes(RAS @ nifti("x", each, "oblique").affine) for each in ORIENTATIONS}
    assert len(codes) == len(ORIENTATIONS) == len(DICOM_WAYS) == 48
    assert {*np.unique(structures()).tolist()} == {*range(len(STRUCTURES) + 1)}
    for axes in permutations(range(3)):
        for flips in range(8):
            turned = structures().transpose(axes)
            turned = turned[tuple(slice(None, None, -1 if flips >> axis & 1 else 1) for axis in range(3))]
            same = axes == (0, 1, 2) and not flips
            assert np.array_equal(turned, structures()) == same, "no turn leaves it as it is"


def put_all(world: Sandbox, url: str, groups: dict[str, list[Placed]], beside: set[str]) -> None:
    """Put groups of images, each as a case, read them back, and look where their points and masks are."""
    platform = url.partition(":")[0]

    def put(name: str) -> None:
        arrived = put_and_read(dataset, drawn(name, groups[name]), beside)
        CHECKS[platform](groups[name], arrived, world)

    with cf.connect(url, mapping=MAPPING) as dataset, ThreadPoolExecutor(8) as pool:
        list(pool.map(put, groups))


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("platform", REMOTE)
def test_volumes_of_every_orientation(platform: str, lattice: str, world: Sandbox, tmp_path: Path) -> None:
    """All oblique ones where a case holds several images; else a third for each lattice, with each axis and flip."""
    url = fresh_dataset(world, platform, f"volumes-{lattice}", tmp_path)
    together, number = TOGETHER[platform], [*LATTICES].index(lattice)
    whole = together > 1 and lattice == "oblique"
    taken = [n for n in range(len(ORIENTATIONS)) if whole or n % 3 == number]
    placed = [nifti(f"v{n}", ORIENTATIONS[n], lattice) for n in taken]
    groups = [placed[first : first + together] for first in range(0, len(placed), together)]
    put_all(world, url, {f"volumes of {group[0].image.role}": group for group in groups}, BESIDE[platform])


@pytest.mark.parametrize("platform", REMOTE)
def test_series_of_every_orientation(platform: str, world: Sandbox, tmp_path: Path) -> None:
    """Pixels that are not square, files in the direction of the normal and against it, straight and oblique."""
    url = fresh_dataset(world, platform, "series", tmp_path)
    ways = [way for n, way in enumerate(DICOM_WAYS) if n % 4 in {0, 3}]
    placed = [dicom(f"s{n}", way, ("anisotropic", "oblique")[n // 2 % 2], tmp_path) for n, way in enumerate(ways)]
    for each in placed:
        assert each.image.geometry is not None
        np.testing.assert_allclose(each.image.geometry.affine, each.affine, atol=1e-6)
    put_all(world, url, {each.image.role: [each] for each in placed}, BESIDE[platform] | OF_SERIES[platform])


@pytest.mark.parametrize("platform", REMOTE)
def test_frames_and_pictures(platform: str, world: Sandbox, tmp_path: Path) -> None:
    url = fresh_dataset(world, platform, "flat", tmp_path)
    with cf.connect(url, mapping=MAPPING) as dataset:
        for case in flat_cases(tmp_path):
            put_and_read(dataset, case, BESIDE[platform] - {"line 'through'"})


def flat_cases(folder: Path) -> list[cf.Case]:
    """A cine and a photograph."""
    images = [Samples(folder).image(kind) for kind in (cf.Kind.DICOM_MULTIFRAME, cf.Kind.PICTURE)]
    return [cf.Case(image.role, images=[image], annotations=flat_shapes(image)) for image in images]


# -- as others find it ---------------------------------------------------------------------------------------------


def forget(world: Sandbox, platform: str) -> None:
    """Take away everything that caseferry has written beside what the platform shows."""
    state = world.standins[platform].state
    if platform == "datamint":
        for row in state["resources"].values():
            row["metadata"].pop("caseferry", None)
            row["source_filepath"] = row["filename"]
        for row in state["annotations"].values():
            row["imported_from"] = None
    if platform == "darwin":
        for item in state["items"].values():
            for slot in item["slots"]:
                slot["metadata"].pop("caseferry", None)


@pytest.mark.parametrize("platform", REMOTE)
def test_without_a_sidecar_it_lies_in_the_same_place(platform: str, world: Sandbox, tmp_path: Path) -> None:
    """What people draw themselves is read by nothing but the platform's own words."""
    url = fresh_dataset(world, platform, "forgotten", tmp_path)
    placed = [nifti(f"f{n}", ORIENTATIONS[n], [*LATTICES][n % 3]) for n in range(1, len(ORIENTATIONS), 5)]
    cases = {each.image.role: drawn(each.image.role, [each]) for each in placed}
    with cf.connect(url, mapping=MAPPING) as dataset, ThreadPoolExecutor(8) as pool:
        items = dict(zip(cases, pool.map(dataset.put, cases.values()), strict=True))
    forget(world, platform)
    options = {"sidecar": "big-metadata"} if platform == "grand-challenge" else {}
    with cf.connect(url, **options) as dataset:
        for name, case in cases.items():
            found = dataset.get(items[name].id).case()
            (image,) = found.images
            shown = {each.label: each for each in found.annotations if not isinstance(each, cf.Mask)}
            for mark in case.annotations:
                if isinstance(mark, cf.Mask) or f"{mark.kind} {mark.label!r}" in BESIDE[platform]:
                    continue
                mine = replace(mark, image=image.role)
                assert same_meaning(mine, shown[mark.label], image.geometry), mark
            seen = np.zeros(SHAPE, np.uint8)
            for mask in found.annotations:
                if isinstance(mask, cf.Mask):
                    for value in mask.labels:
                        seen[aligned(mask, image) == value] = number(mask.labels[value])
            np.testing.assert_array_equal(seen, structures())


def number(label: str) -> int:
    """The value of a structure, by its own name or by that of a voxel value of the platform's."""
    return STRUCTURES.index(label) + 1 if label in STRUCTURES else int(label.rpartition(" ")[2])


# -- from each platform to each other ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def travellers(tmp_path_factory: pytest.TempPathFactory) -> list[cf.Case]:
    """A volume of each order of axes with flips and lattices by turns, series in both directions, and flat images."""
    folder = tmp_path_factory.mktemp("travellers")
    lattices = [*LATTICES]
    chosen = [8 * order + (3 * order + 1) % 8 for order in range(6)]
    placed = [nifti(f"v{n}", ORIENTATIONS[n], lattices[order % 3]) for order, n in enumerate(chosen)]
    placed += [dicom(f"s{n}", DICOM_WAYS[n], lattices[1 + n % 2], folder) for n in (7, 18, 40)]
    return [drawn(each.image.role, [each]) for each in placed] + flat_cases(folder)


@pytest.fixture(scope="module")
def homes(world: Sandbox, travellers: list[cf.Case], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A dataset of each platform in which all of them are."""
    found = {}
    for platform in EVERYWHERE:
        found[platform] = fresh_dataset(world, platform, "home", tmp_path_factory.mktemp("homes"))
        with cf.connect(found[platform], mapping=MAPPING, phi="keep") as dataset, ThreadPoolExecutor(8) as pool:
            list(pool.map(dataset.put, travellers))
    return found


@pytest.mark.parametrize(("source", "target"), [*permutations(EVERYWHERE, 2)])
def test_from_each_platform_to_each_other(
    source: str, target: str, world: Sandbox, homes: dict[str, str], travellers: list[cf.Case], tmp_path: Path
) -> None:
    url = fresh_dataset(world, target, f"from-{source}", tmp_path)
    with cf.connect(homes[source], mapping=MAPPING) as here, cf.connect(url, mapping=MAPPING) as there:
        report = cf.transfer(here, there, journal=tmp_path / "journal.db", phi="keep", unmapped="accept")
        assert report.ok, str(report)
        arrived = {item.case_id: item.case() for item in there.items()}
        assert arrived.keys() == {case.id for case in travellers}
        assert [line for case in travellers for line in differences(case, arrived[case.id])] == []
