"""Any grid, from any platform to any other: what `test_space` asks of chosen cases, asked of the whole space of them.

Drawn are the order and direction of axes, spacing and tilt without steps, size, a mask of any form and positions
between voxels. Expected places are nibabel's and those of PS3.3 C.7.6.2.1.1, as in `space_cases`.
"""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.case.placement import aligned
from space_cases import DICOM_WAYS, ORIENTATIONS, dicom, nifti, structures, turn
from test_space import EVERYWHERE, SOCKETS, forget
from transfer_scene import fresh_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox

MAPPING = {"grand-challenge": {"labels": {**SOCKETS, "one": "organ-segmentation", "two": "organ-segmentation"}}}
SIZES = st.tuples(st.integers(2, 8), st.integers(2, 8), st.integers(2, 6))
LENGTHS = st.floats(0.2, 6).map(lambda each: round(each, 3))
ANGLES = st.just(0.0) | st.floats(-0.7, 0.7)
SHARES = st.floats(0, 1)


@st.composite
def grids(draw: Any) -> dict[str, Any]:
    """How an image lies, and what is drawn on it."""
    shape = draw(SIZES)
    forms = ["any", "small", "thin", "bordering", "holed"]
    return {
        "orientation": draw(st.sampled_from(ORIENTATIONS)),
        "way": draw(st.none() | st.sampled_from(DICOM_WAYS)),
        "lattice": (tuple(draw(LENGTHS) for _ in range(3)), turn(*(draw(ANGLES) for _ in range(3)))),
        "shape": shape,
        "mask": mask(draw(st.sampled_from(forms)), shape, draw(st.integers(0, 2**32))),
        "place": [draw(SHARES) * (size - 1) for size in shape[:2]],
        "frame": draw(st.integers(0, shape[2] - 1)),
    }


def mask(form: str, shape: tuple[int, int, int], seed: int) -> Any:
    """Two structures of a form, somewhere."""
    chance = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    if form == "any":
        labels[:] = chance.integers(0, 3, shape)
    elif form == "small":
        labels[tuple(chance.integers(0, size) for size in shape)] = 1
    elif form == "thin":
        labels[:, chance.integers(0, shape[1]), chance.integers(0, shape[2])] = 1
    elif form == "bordering":
        labels[0], labels[-1] = 1, 2
    else:
        labels[:], labels[1:-1, 1:-1] = 1, 0
    labels[tuple(chance.integers(0, size) for size in shape)] = 2
    return labels


def case_of(drawn: dict[str, Any], name: str, folder: Path) -> tuple[cf.Case, Any]:
    """The case, and the affine of its image."""
    make: Any = nifti if drawn["way"] is None else dicom
    how = drawn["orientation"] if drawn["way"] is None else drawn["way"]
    rest = () if drawn["way"] is None else (folder,)
    placed = make("ct", how, drawn["lattice"], *rest, drawn["shape"])
    marks = [
        cf.Mask.of_array("ct", drawn["mask"], {1: "one", 2: "two"}, placed.affine),
        cf.Point("ct", [tuple(drawn["place"])], frame=drawn["frame"], label="point"),
    ]
    return cf.Case(name, images=[placed.image], annotations=marks), placed.affine


@pytest.fixture(scope="module")
def roads(world: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A dataset of each platform."""
    return {each: fresh_dataset(world, each, "sampled", tmp_path_factory.mktemp("sampled")) for each in EVERYWHERE}


@settings(max_examples=10, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(drawn=grids(), road=st.sampled_from([*permutations(EVERYWHERE, 2)]))
def test_any_grid_from_anywhere_to_anywhere(
    drawn: dict[str, Any],
    road: tuple[str, str],
    world: Sandbox,
    roads: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("grid")
    case, affine = case_of(drawn, folder.name, folder)
    there = case
    for platform in road:
        with cf.connect(roads[platform], mapping=MAPPING, phi="keep") as dataset:
            item = dataset.put(there)
            there = dataset.get(item.id).case()
    assert differences(case, there) == []
    if road[1] == "local" or drawn["way"] is not None:
        return
    forget(world, road[1])
    options = {"sidecar": "big-metadata"} if road[1] == "grand-challenge" else {}
    with cf.connect(roads[road[1]], **options) as dataset:
        found = dataset.get(item.id).case()
    (image,) = found.images
    assert image.geometry is not None
    (point,) = [each for each in found.annotations if isinstance(each, cf.Point)]
    column, row, *depth = point.points[0]
    place = image.geometry.to_patient([column, row, depth[0] if depth else float(point.frame or 0)])
    expected = nib.affines.apply_affine(affine, [*drawn["place"], drawn["frame"]])
    np.testing.assert_allclose(place[0], expected, atol=1e-3)
    seen = np.zeros(drawn["shape"], np.uint8)
    for each in found.annotations:
        if isinstance(each, cf.Mask):
            own = aligned(each, image)
            for value, label in each.labels.items():
                seen[own == value] = {"one": 1, "two": 2}.get(label) or int(label.rpartition(" ")[2])
    back = nib.affines.apply_affine(np.linalg.inv(image.geometry.affine) @ affine, np.argwhere(drawn["mask"]))
    whole = back.round().astype(int)
    np.testing.assert_allclose(back, whole, atol=1e-2)
    np.testing.assert_array_equal(seen[tuple(whole.T)], drawn["mask"][drawn["mask"] > 0])
    assert np.count_nonzero(seen) == np.count_nonzero(drawn["mask"])


def test_the_forms_are_those_of_the_chosen_cases() -> None:
    """What is drawn here holds what `space_cases` has: something in all five of its structures."""
    assert set(np.unique(structures())) == {0, 1, 2, 3, 4, 5}
    for form in ("any", "small", "thin", "bordering", "holed"):
        made = mask(form, (7, 6, 5), 1)
        assert made.any(), form
        assert made.max() <= 2
