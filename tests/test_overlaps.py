"""Masks that share voxels: put whole, or flattened as asked, and then what a plan says it costs is what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.case.placement import aligned
from caseferry.mapping import read_mapping
from caseferry.mapping.flattening import flattened_case
from caseferry.mapping.overlap import Priority, read_overlap
from space_cases import ORIENTATIONS, SHAPE, nifti
from transfer_scene import fresh_dataset, run

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox

NAMES = ("tumour", "liver", "vessel", "cyst")
WORDS = ("first", "last", "liver", "cyst, tumour", ["vessel", "nobody's", "liver"])


def of_masks(name: str, volumes: dict[str, Any], labels: dict[str, dict[int, str]]) -> cf.Case:
    placed = nifti("ct", ORIENTATIONS[13], "oblique")
    masks = [
        cf.Mask.of_array("ct", np.asarray(voxels, np.uint8), labels[key], placed.affine, id=key)
        for key, voxels in volumes.items()
    ]
    return cf.Case(name, images=[placed.image], annotations=masks)


def owners(case: cf.Case, order: list[tuple[str, int]]) -> dict[tuple[int, ...], tuple[str, int]]:
    """By their definition: for each voxel, the structure that comes first."""
    found: dict[tuple[int, ...], tuple[str, int]] = {}
    voxels = {each.id: aligned(each, case.images[0]) for each in case.annotations if isinstance(each, cf.Mask)}
    for key, value in order:
        for place in map(tuple, np.argwhere(voxels[key] == value).tolist()):
            found.setdefault(place, (key, value))
    return found


def order_of(case: cf.Case, word: Any) -> list[tuple[str, int]]:
    structures = [
        (each.id, value, label)
        for each in case.annotations
        if isinstance(each, cf.Mask)
        for value, label in each.labels.items()
    ]
    if word == "last":
        structures.reverse()
    if word in ("first", "last"):
        return [(key, value) for key, value, _ in structures]
    named = [each.strip() for each in word.split(",")] if isinstance(word, str) else word
    first = [each for name in named for each in structures if each[2] == name]
    return [(key, value) for key, value, _ in [*first, *(each for each in structures if each[2] not in named)]]


VOXELS = st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).integers(0, 3, SHAPE))


@settings(max_examples=12)
@given(st.lists(VOXELS, min_size=1, max_size=3), st.sampled_from(WORDS), st.permutations(NAMES))
def test_a_shared_voxel_is_of_whom_counts_most(volumes: list[Any], word: Any, names: list[str]) -> None:
    labels = {f"m{n}": {1: names[n], 2: names[(n + 2) % 4]} for n in range(len(volumes))}
    case = of_masks("a", {f"m{n}": each for n, each in enumerate(volumes)}, labels)
    priority = read_overlap(word)
    assert priority is not None
    flat = flattened_case(case, priority)
    kept: dict[tuple[int, ...], tuple[str, int]] = {}
    for mask in flat.annotations:
        assert isinstance(mask, cf.Mask)
        voxels = aligned(mask, flat.images[0])
        for place in map(tuple, np.argwhere(voxels).tolist()):
            assert place not in kept
            kept[place] = (mask.id, int(voxels[place]))
    assert kept == owners(case, order_of(case, word))
    assert flattened_case(flat, priority) == flat
    assert [replace(each, file=case.annotations[0].file) for each in flat.annotations] == [  # type: ignore[call-arg,attr-defined]
        replace(each, file=case.annotations[0].file)  # type: ignore[call-arg,attr-defined]
        for each in case.annotations
    ]


def test_masks_of_one_plane_and_of_frames() -> None:
    placed = nifti("ct", ORIENTATIONS[0], "unit")
    plane = np.zeros((*SHAPE[:2], 1), np.uint8)
    plane[2:5, 1:4] = 3
    volume = np.zeros(SHAPE, np.uint8)
    volume[3, 2, :] = 1
    one = cf.Mask.of_array("ct", plane, {3: "a"}, placed.affine, frame=2)
    other = cf.Mask.of_array("ct", volume, {1: "b"}, placed.affine)
    case = cf.Case("c", images=[placed.image], annotations=[one, other])
    (first, last) = flattened_case(case, Priority(last=True)).annotations
    assert (first.frame, last) == (2, case.annotations[1])
    seen = aligned(first, placed.image)  # type: ignore[arg-type]
    expected = np.zeros(SHAPE, np.uint8)
    expected[2:5, 1:4, 2] = 3
    expected[3, 2, 2] = 0
    np.testing.assert_array_equal(seen, expected)


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(volumes=st.lists(VOXELS, min_size=2, max_size=3), word=st.sampled_from(WORDS))
@pytest.mark.parametrize("platform", ["darwin", "datamint", "grand-challenge", "local"])
def test_the_plan_says_what_it_costs(
    platform: str, volumes: list[Any], word: Any, world: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("overlaps")
    labels = {f"m{n}": {1: NAMES[n], 2: f"other {n}"} for n in range(len(volumes))}
    case = of_masks("a", {f"m{n}": each for n, each in enumerate(volumes)}, labels)
    mapping = {"grand-challenge": {"labels": dict.fromkeys(labels, "organ-segmentation")}}
    url = fresh_dataset(world, platform, folder.name, folder)
    with cf.connect(url, mapping=mapping, overlap=word) as dataset:
        brought = dataset.bring(case)
        there = {each.id: each for each in dataset.get(brought.item.id).case().annotations}
        told = {each.part: each for each in brought.plan.held}
        for mask in case.annotations:
            assert isinstance(mask, cf.Mask)
            before = aligned(mask, case.images[0])
            after = aligned(there[mask.id], case.images[0])  # type: ignore[arg-type]
            held = told[f"mask '{', '.join(mask.labels.values())}'"]
            assert held.error.voxels == np.count_nonzero(before != after)
            assert not after[before == 0].any()
            assert ("overlap" in held.reason) == bool(held.error.voxels)
            assert held.kept != "sidecar" or platform == "grand-challenge" or not after.any()
        again = dataset.plan(case)
        assert again.calls == ()
    with cf.connect(url, mapping=mapping) as dataset:
        found = dataset.get(brought.item.id).case()
        assert differences(brought.sealed, found) == []


def test_a_transfer_flattens_verifies_and_syncs(world: Sandbox, tmp_path: Path) -> None:
    full = np.zeros(SHAPE, np.uint8)
    full[1:5, 1:5, 1:4] = 1
    small = np.zeros(SHAPE, np.uint8)
    small[2:4, 2:4, 2] = 1
    case = of_masks("case", {"organ": full, "spot": small}, {"organ": {1: "liver"}, "spot": {1: "tumour"}})
    start, there = f"local:{tmp_path / 'start'}", fresh_dataset(world, "darwin", "flat", tmp_path)
    with cf.connect(start) as folder:
        folder.put(case)
    code, out, _ = run("plan", start, there, "--unmapped", "accept", "--overlap", "tumour")
    assert code == 0
    assert "4 voxels" in out
    options: dict[str, Any] = {"journal": tmp_path / "j.db", "unmapped": "accept"}
    with cf.connect(there, overlap="tumour") as target:
        (problem,) = cf.transfer(start, target, strict=True, **options).problems
        assert "shares voxels" in problem.reason
        report = cf.transfer(start, target, **options)
        assert report.ok, str(report)
        assert report.held.inexact == 1
        assert not cf.verify(start, there).ok
        assert cf.verify(start, target).ok
        late = np.zeros(SHAPE, np.uint8)
        late[2, 2, 1:4] = 1
        placed = nifti("ct", ORIENTATIONS[13], "oblique")
        with cf.connect(start) as folder:
            new = cf.Mask.of_array("ct", late, {1: "vessel"}, placed.affine, id="vessel")
            folder.annotate(folder.get("case"), [new])
        for expected in ({"added": 1, "unchanged": 2}, {"unchanged": 3}):
            report = cf.transfer(start, target, annotations_only=True, **options)
            assert report.ok, str(report)
            assert report.to_json()["annotations"] == expected
        found = {each.id: each for each in next(iter(target.items())).case().annotations}
    assert np.count_nonzero(aligned(found["vessel"], placed.image)) == 0  # type: ignore[arg-type]  # all of it is shared


def test_words(tmp_path: Path) -> None:
    assert read_overlap("apart") is read_overlap(None) is None
    assert read_overlap(["first"]) == Priority(("first",))
    assert read_mapping({"darwin": {"overlap": ["a", "b"]}}, "darwin").overlap == Priority(("a", "b"))
    for wrong in ("", "a,,b", [], ["a", "a"], [1], 3, True):
        with pytest.raises(cf.ConfigurationError, match="overlap is"):
            read_overlap(wrong)
    with pytest.raises(cf.ConfigurationError, match="overlap is"):
        cf.connect(f"local:{tmp_path}?overlap=")
