"""No axis is flipped and no voxel lost: every orientation, put on each platform, read back, and brought to the others.

What was put comes back equal only where the platform's own form of it, read anew, says the same place and voxels;
and where the platform has a form, none may lie in the sidecar instead. One point of each image is also looked up in
what the platform holds, with nibabel's idea of where it should lie.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, inv_ornt_aff, io_orientation, ornt_transform

import caseferry as cf
from caseferry.compare import differences
from caseferry.sandbox import Sandbox
from caseferry.testing import Samples
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
    from pathlib import Path

    from numpy.typing import NDArray

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


@pytest.fixture(scope="module")
def world() -> Iterator[Sandbox]:
    """Stand-ins that all tests of this module share."""
    with Sandbox() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.variables.items():
            patch.setenv(name, value)
        yield running


def drawn(name: str, placed: Sequence[Placed]) -> cf.Case:
    """A case of some images with shapes and a mask on each."""
    annotations = [annotation for each in placed for annotation in shapes(each)]
    return cf.Case(name, images=[each.image for each in placed], annotations=annotations)


def put_and_read(dataset: cf.Dataset, case: cf.Case, beside: set[str]) -> list[Any]:
    """Put a case and read it back equal; returns what of JSON was sent."""
    brought = dataset.bring(case, phi="keep")
    lost = Counter(loss.part for loss in brought.plan.losses if not loss.part.startswith("image "))
    assert lost == Counter({part: len(case.images) for part in beside})
    assert differences(case, dataset.get(brought.item.id).case()) == []
    return [call.body for call in brought.plan.calls]


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


# -- where the platform should have the point (4.25, 1.5, 3) -------------------------------------------------------


POINT = (4.25, 1.5, 3.0)


def in_patient(placed: Placed) -> NDArray[np.float64]:
    return np.asarray(nib.affines.apply_affine(placed.affine, POINT))


def as_lpi(placed: Placed) -> tuple[int, NDArray[np.float64]]:
    """The axis of the volume turned to LPI along which slices follow each other, and the point in millimetres there."""
    affine = RAS @ placed.affine
    turn = ornt_transform(io_orientation(affine), axcodes2ornt("LPI"))
    voxel = nib.affines.apply_affine(np.linalg.inv(inv_ornt_aff(turn, SHAPE)), POINT)
    steps = np.empty(3)
    steps[turn[:, 0].astype(int)] = nib.affines.voxel_sizes(affine)
    return int(turn[2, 0]), np.where(np.arange(3) == turn[2, 0], voxel, voxel * steps)


def check_grand_challenge(placed: Sequence[Placed], sent: list[Any]) -> None:
    (point,) = [each["point"] for each in found(sent, "point") if each["type"] == "Point"]
    np.testing.assert_allclose(point, in_patient(placed[0]), atol=1e-3)


def check_datamint(placed: Sequence[Placed], sent: list[Any]) -> None:
    points = [each["geometry"]["points"] for each in found(sent, "geometry") if each["identifier"] == "point"]
    np.testing.assert_allclose(points, [[in_patient(each)] for each in placed], atol=1e-3)


def check_darwin(placed: Sequence[Placed], sent: list[Any]) -> None:
    points = {
        row["context_keys"]["slot_names"][0]: (int(frame), content["keypoint"])
        for row in found(sent, "context_keys")
        for frame, content in row["data"]["frames"].items()
        if "keypoint" in content
    }
    assert len(points) == len(placed)
    for (_, (frame, shown)), each in zip(sorted(points.items(), key=lambda kv: int(kv[0])), placed, strict=True):
        along, expected = as_lpi(each)
        assert frame == expected[along]
        np.testing.assert_allclose([shown["x"], shown["y"]], np.delete(expected, along), atol=1e-3)


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


def put_all(url: str, platform: str, groups: dict[str, list[Placed]], beside: set[str]) -> None:
    """Put groups of images, each as a case, read them back, and look where their points are."""

    def put(name: str) -> None:
        sent = put_and_read(dataset, drawn(name, groups[name]), beside)
        CHECKS[platform](groups[name], sent)

    with cf.connect(url, mapping=MAPPING) as dataset, ThreadPoolExecutor(8) as pool:
        list(pool.map(put, groups))


@pytest.mark.parametrize("lattice", LATTICES)
@pytest.mark.parametrize("platform", REMOTE)
def test_volumes_of_every_orientation(platform: str, lattice: str, world: Sandbox, tmp_path: Path) -> None:
    """Where a case holds one image, a third of them for each lattice: each order of axes and each flip is in each."""
    url = fresh_dataset(world, platform, f"volumes-{lattice}", tmp_path)
    together, number = TOGETHER[platform], [*LATTICES].index(lattice)
    taken = [n for n in range(len(ORIENTATIONS)) if together > 1 or n % 3 == number]
    placed = [nifti(f"v{n}", ORIENTATIONS[n], lattice) for n in taken]
    groups = [placed[first : first + together] for first in range(0, len(placed), together)]
    put_all(url, platform, {f"volumes of {group[0].image.role}": group for group in groups}, BESIDE[platform])


@pytest.mark.parametrize("platform", REMOTE)
def test_series_of_every_orientation(platform: str, world: Sandbox, tmp_path: Path) -> None:
    """Pixels that are not square, files in the direction of the normal and against it, straight and oblique."""
    url = fresh_dataset(world, platform, "series", tmp_path)
    ways = [way for n, way in enumerate(DICOM_WAYS) if n % 4 in {0, 3}]
    placed = [dicom(f"s{n}", way, ("anisotropic", "oblique")[n // 2 % 2], tmp_path) for n, way in enumerate(ways)]
    for each in placed:
        assert each.image.geometry is not None
        np.testing.assert_allclose(each.image.geometry.affine, each.affine, atol=1e-6)
    put_all(url, platform, {each.image.role: [each] for each in placed}, BESIDE[platform] | OF_SERIES[platform])


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
        report = cf.transfer(here, there, journal=tmp_path / "journal.db", phi="keep")
        assert report.ok, str(report)
        arrived = {item.case_id: item.case() for item in there.items()}
        assert arrived.keys() == {case.id for case in travellers}
        assert [line for case in travellers for line in differences(case, arrived[case.id])] == []
