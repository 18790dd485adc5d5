"""The loss that a plan predicts is the loss that is measured on the platform, and labels that it lacks stop a run."""

from __future__ import annotations

import json
import tomllib
from contextlib import nullcontext
from dataclasses import replace
from gzip import decompress
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.compare import same_meaning
from caseferry.held import EXACT, Deviation, Tally, native, refuse_inexact
from caseferry.imaging.convert import nifti_bytes, nifti_error
from caseferry.mapping import read_mapping
from caseferry.shapes import outline_error, outlined
from caseferry.text import table
from space_cases import LATTICES, ORIENTATIONS, nifti
from transfer_scene import fresh_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox

COORDINATES = st.floats(-6, 6, allow_nan=False).filter(lambda each: abs(each) > 0.1)


def from_polygon(points: np.ndarray[Any, Any], corners: np.ndarray[Any, Any]) -> float:
    """How far the points are from the outline at most: from the nearest of its sides, by their definition."""
    starts, ends = corners, np.roll(corners, -1, axis=0)
    sides = ends - starts
    along = ((points[:, None] - starts) * sides).sum(axis=2) / (sides**2).sum(axis=1)
    nearest = starts + np.clip(along, 0, 1)[:, :, None] * sides
    return float(np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1).max())


@settings(max_examples=40)
@given(st.lists(COORDINATES, min_size=4, max_size=4), st.sampled_from([*LATTICES]), st.integers(3, 40))
def test_the_error_of_an_outline_is_that_which_is_measured(axes: list[float], lattice: str, corners: int) -> None:
    """In millimetres of straight, anisotropic and oblique grids, by points close to each other on the ellipse."""
    spacing, turned = LATTICES[lattice]
    assume(abs(np.linalg.det([axes[:2], axes[2:]])) > 0.1)
    one, other = (turned @ (np.array([*pair, 0]) * spacing) for pair in (axes[:2], axes[2:]))
    angles = np.arange(0, corners) * 2 * np.pi / corners
    between = np.linspace(0, 2 * np.pi, 40 * corners, endpoint=False)
    ring, ellipse = (np.outer(np.cos(a), one) + np.outer(np.sin(a), other) for a in (angles, between))
    told = outline_error([-one, one, -other, other], corners)
    measured = from_polygon(ellipse, ring)
    assert measured <= told * 1.02
    if abs(np.linalg.det([axes[:2], axes[2:]])) > 3:  # of a thin one another side may be nearer
        assert measured == pytest.approx(told, rel=0.02)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.floats(-2, 2).filter(lambda each: abs(each) > 0.2), min_size=2, max_size=2), st.data())
def test_an_ellipse_on_datamint(world: Sandbox, sizes: list[float], data: st.DataObject) -> None:
    """What stands there is a region; the plan says how far it is from the ellipse."""
    placed = nifti("volume", data.draw(st.sampled_from(ORIENTATIONS)), data.draw(st.sampled_from([*LATTICES])))
    centre = np.array([3.0, 2.5])
    ends = [
        tuple(centre + offset) for offset in np.array([[-sizes[0], 0], [sizes[0], 0], [0, -sizes[1]], [0, sizes[1]]])
    ]
    ellipse = cf.Ellipse(placed.image.role, ends, frame=2, label="lesion")
    with cf.connect(world.standins["datamint"].dataset) as dataset:
        brought = dataset.bring(cf.Case(f"ellipse {sizes}", images=[placed.image], annotations=[ellipse]))
        (told,) = [each for each in brought.plan.held if each.part == "ellipse 'lesion'"]
        assert told.kept == "converted"
        (sent,) = [shape for call in brought.plan.calls if call.name.startswith("annotate") for shape in call.body]
        angles = np.linspace(0, 2 * np.pi, 4000)
        around = centre + np.c_[np.cos(angles) * sizes[0], np.sin(angles) * sizes[1]]
        world_points = nib.affines.apply_affine(placed.affine, np.c_[around, np.full(len(around), 2)])
        measured = from_polygon(world_points, np.array(sent["geometry"]["points"]))
        assert measured == pytest.approx(told.error.mm, rel=0.02)
        there = dataset.get(brought.item.id).case()
        assert [replace(each, id="") for each in there.annotations] == [replace(ellipse, frame=2)]
        dataset.delete(brought.item)


def test_an_outline_says_what_its_ellipse_says() -> None:
    ellipse = cf.Ellipse("ct", [(1, 2), (5, 2), (3, 1), (3, 3)], frame=0, label="lesion")
    assert same_meaning(ellipse, outlined(ellipse), None)
    assert not same_meaning(ellipse, replace(outlined(ellipse), frame=1), None)
    wider = cf.Ellipse("ct", [(1, 2), (5.1, 2), (3, 1), (3, 3)], frame=0, label="lesion")
    assert not same_meaning(ellipse, outlined(wider), None)


@pytest.mark.parametrize("far", [1.0, 1234.56789, 98765.4321])
def test_how_far_a_nifti_file_puts_a_voxel(far: float) -> None:
    """By nibabel, for which the affine's numbers have 32 bits too."""
    affine = np.array([[0.7, 0, 0.1, far], [0, 1.1, 0, -far / 3], [0, 0.2, 2.3, far / 7], [0, 0, 0, 1]])
    grid = cf.Geometry((7, 6, 5), affine)
    read = nib.Nifti1Image.from_bytes(decompress(nifti_bytes(np.zeros((7, 6, 5), np.uint8), grid)))
    corners = np.array([(c * 6, r * 5, s * 4) for c, r, s in np.ndindex(2, 2, 2)])
    theirs = nib.affines.apply_affine(np.diag([-1.0, -1, 1, 1]) @ read.affine, corners)
    measured = np.linalg.norm(theirs - nib.affines.apply_affine(affine, corners), axis=1).max()
    assert nifti_error(grid) == pytest.approx(measured, rel=1e-6, abs=1e-12)
    assert Deviation(mm=nifti_error(grid)).exact == (measured <= 1e-3)


@pytest.mark.parametrize(
    ("platform", "elsewhere"),
    [
        ("local", set()),
        ("grand-challenge", {"author", "reviewer", "status", "source", "model", "codes", "attributes"}),
        ("datamint", {"author", "reviewer", "status", "source", "model", "confidence", "codes", "attributes"}),
        ("darwin", {"author", "reviewer", "status", "source", "model", "confidence", "codes", "attribute 'side'"}),
    ],
)
def test_what_an_annotation_says_besides(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, elsewhere: set[str]
) -> None:
    """What has no place in a platform's own form is a loss by name; without it the annotation is native."""
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    placed = nifti("volume", ORIENTATIONS[0], "unit")
    bare = cf.Line(placed.image.role, [(1, 1), (2, 3)], frame=1, label="diameter")
    full = replace(
        bare,
        author="a@example.org",
        reviewer="b@example.org",
        status="approved",
        source="model",
        model="unet",
        confidence=0.5,
        codes=(cf.Code("SCT", "4147007", "mass"),),
        attributes={"side": "left"},
    )
    if platform == "grand-challenge":
        standin: Any = sandbox.standins[platform]
        standin.add_socket("diameter", "Multiple lines")
    with cf.connect(fresh_dataset(sandbox, platform, "besides", tmp_path)) as dataset:
        plain, plan = (dataset.plan(cf.Case("one", images=[placed.image], annotations=[each])) for each in (bare, full))
        assert [loss for loss in plain.losses if "line" in loss.part] == []
        said = [loss for loss in plan.losses if "line" in loss.part]
        assert [loss.part for loss in said] == ["said of line 'diameter'"] * bool(elsewhere)
        assert {name for loss in said for name in loss.reason.partition(": ")[2].split(", ")} == elsewhere
        with pytest.raises(cf.Inexpressible, match="said of line") if elsewhere else nullcontext():
            refuse_inexact("one", [each for each in plan.held if "line" in each.part])


# -- the words -----------------------------------------------------------------------------------------------------


def test_a_tally_of_cases() -> None:
    tally = Tally()
    for number in range(3):
        loss = cf.Loss(f"value {number}", "no values", "sidecar", "the metadata")
        shape = cf.Loss("ellipse 'e'", "no ellipses", "converted", "a region", Deviation(mm=0.01 * number))
        tally.add([native("image 'ct'", "a slot"), loss, shape])
    assert str(tally) == "3 native, 3 converted (2 with an error), 3 in the sidecar"
    document = tally.to_json()
    assert json.loads(json.dumps(document)) == document
    counted = {row["part"]: (row["count"], row["error"]) for row in document["parts"]}  # type: ignore[union-attr,index,call-overload]
    assert counted == {"image 'ct'": (3, "exact"), "value": (3, "exact"), "ellipse 'e'": (3, {"mm": 0.02})}
    for width in (64, 80, 120):
        lines = tally.table(width).splitlines()
        assert max(map(len, lines)) <= width
        assert "0.02 mm" in "".join(lines)


def test_the_words_of_an_error() -> None:
    assert str(EXACT) == str(Deviation(mm=1e-3)) == "exact"
    assert str(Deviation(mm=0.25, voxels=3)) == "0.25 mm, 3 voxels"
    assert Deviation.from_json(Deviation(0.5, 1, 2.0).to_json()) == Deviation(0.5, 1, 2.0)
    assert Deviation(1.0, 0) | Deviation(0.5, 7) == Deviation(1.0, 7)


def test_a_table_folds_its_last_column() -> None:
    assert table([["a", "one two three four five six"]], ["X", "WORDS"], 27).splitlines() == [
        "X  WORDS",
        "-  ------------------------",
        "a  one two three four five",
        "   six",
    ]


# -- labels that the target lacks ----------------------------------------------------------------------------------


@pytest.fixture
def start(tmp_path: Path) -> str:
    """A folder with a case that has a label of a mask and one of a line."""
    placed = nifti("volume", ORIENTATIONS[0], "unit")
    role = placed.image.role
    labels = np.zeros((7, 6, 5), np.uint8)
    labels[1, 2, 3] = 1
    marks = [
        cf.Mask.of_array(role, labels, {1: "nodul"}, placed.affine),
        cf.Line(role, [(1, 1), (2, 3)], frame=1, label="size"),
    ]
    with cf.connect(f"local:{tmp_path / 'start'}") as folder:
        folder.put(cf.Case("one", images=[placed.image], annotations=marks))
    return f"local:{tmp_path / 'start'}"


def classes_of(dataset: cf.Dataset) -> dict[str, str]:
    return dict(dataset.offered()["labels"])


def test_darwin_makes_classes_when_asked(world: Sandbox, start: str, tmp_path: Path) -> None:
    url = fresh_dataset(world, "darwin", "unmapped", tmp_path)
    standin: Any = world.standins["darwin"]
    standin.add_class("Nodule", ["mask"])
    with cf.connect(url) as dataset:
        before = classes_of(dataset)
        with pytest.raises(cf.UnmappedLabels) as refused:
            cf.transfer(start, dataset)
        said = str(refused.value)
        for words in ("label 'nodul'", "'Nodule' (mask)", "label 'size'", "--create-missing", "mapping init"):
            assert words in said
        assert list(dataset.items()) == []
        assert classes_of(dataset) == before
        dry = cf.transfer(start, dataset, dry_run=True)
        assert [result.outcome for result in dry.problems] == ["refused"]
        assert cf.transfer(start, dataset, unmapped="create").ok
        assert {"nodul", "size"} <= set(classes_of(dataset)) - set(before)
        assert cf.transfer(start, dataset).ok, "what is there complete is not stopped"


def test_what_was_put_beside_stays_beside(world: Sandbox, start: str, tmp_path: Path) -> None:
    """And is not there twice when the same case is put again in another way."""
    url = fresh_dataset(world, "darwin", "beside", tmp_path)
    with cf.connect(f"{url}?unmapped=sidecar") as dataset, cf.connect(start) as folder:
        case = replace(folder.get("one").case(), annotations=[cf.Label(None, "a label of its own")], tags=["seen"])
        first = dataset.bring(case)
        assert {each.kept for each in first.plan.held if each.part.startswith("label ")} == {"sidecar"}
        with cf.connect(url) as again:
            assert again.plan(case).calls == ()
            assert {each.kept for each in again.plan(case).held if each.part == "tag 'seen'"} == {"sidecar"}
            assert len(again.get(again.put(case).id).case().annotations) == 1


def test_the_old_option_is_named(world: Sandbox) -> None:
    with pytest.raises(cf.ConfigurationError, match="create=false is unmapped=sidecar"):
        cf.connect(world.standins["darwin"].dataset, create="false")
    with pytest.raises(cf.ConfigurationError, match="unmapped is 'maybe'"):
        cf.connect(world.standins["darwin"].dataset, unmapped="maybe")


def test_grand_challenge_has_no_sockets_to_make(world: Sandbox, start: str, tmp_path: Path) -> None:
    url = fresh_dataset(world, "grand-challenge", "unmapped", tmp_path)
    with cf.connect(url, mapping={"grand-challenge": {"labels": {"nodul": "organ-segmentation"}}}) as dataset:
        for unmapped in ("stop", "create"):
            with pytest.raises(cf.UnmappedLabels, match="there is no socket 'size'") as refused:
                cf.transfer(start, dataset, unmapped=unmapped)  # type: ignore[arg-type]
            assert "--create-missing" not in str(refused.value)
            assert "nodul" not in str(refused.value)
        assert list(dataset.items()) == []
        report = cf.transfer(start, dataset, unmapped="sidecar")
        assert report.ok
        assert report.losses["sidecar"] == 1


def test_colours_and_codes_of_classes_that_are_made(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, start: str, tmp_path: Path
) -> None:
    for name, value in sandbox.variables.items():  # a team that has no classes yet
        monkeypatch.setenv(name, value)
    text = """
[darwin.labels]
nodul = {name = "Tinted", colour = "#c00010", code = "SCT:4147007"}
size = {colour = "#0000ff"}
"""
    path = tmp_path / "names.toml"
    path.write_text(text)
    names = read_mapping(tomllib.loads(text), "darwin", (), ("colour", "code"))
    assert names.labels == {"nodul": "Tinted", "size": "size"}
    with cf.connect(fresh_dataset(sandbox, "darwin", "tinted", tmp_path), mapping=path) as dataset:
        with cf.connect(start) as folder:
            plan = dataset.plan(folder.get("one").case())
        made = {call.body["name"]: call.body for call in plan.calls if call.target == "annotation_classes"}
        assert made["Tinted"]["metadata"] == {"_color": "rgba(192,0,16,1.0)"}
        assert made["Tinted"]["description"] == "SCT:4147007"
        report = cf.transfer(start, dataset, unmapped="create")
        assert report.ok, str(report)
        told = dataset.label_details()  # what a first mapping from here gives the classes of another team
        assert told["nodul"] == {"colour": "#c00010", "code": "SCT:4147007"}
        assert told["size"]["colour"] == "#0000ff"


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"a": {"colour": "red"}}, "colour = 'red', expected #rrggbb"),
        ({"a": {"shade": "x"}}, "darwin.labels.a.shade; darwin takes name, colour, code"),
        ({"a": {"name": 3}}, "expected a name or a table"),
        ({"a": {"name": "x", "colour": "#000000"}, "b": {"name": "x", "colour": "#111111"}}, "says two things of 'x'"),
    ],
)
def test_tables_of_labels_that_say_nothing(labels: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.ConfigurationError, match=message):
        read_mapping({"darwin": {"labels": labels}}, "darwin", (), ("colour", "code"))
