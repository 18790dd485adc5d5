"""What the official clients draw on a resource, caseferry reads in the right voxel of the right slice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.sandbox import Sandbox
from caseferry_datamint.sandbox import DatamintStandIn
from datamint_scene import Scene
from datamint_shapes import CLIENTS, FRAME, LINE, SHAPE, SLICES, SPOT, VOLUMES, labels, resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = pytest.mark.peer


@dataclass(frozen=True)
class Drawn:
    """What one client did, and the cases that caseferry reads then."""

    client: str
    outcome: dict[str, Any]
    cases: dict[str, cf.Case]

    def of(self, name: str, label: str) -> list[Any]:
        """The annotations of a label on a resource."""
        for step, result in self.outcome.items():
            if step.startswith(f"{name} "):
                assert not isinstance(result, dict) or step in self.refused, f"{step}: {result}"
        return [each for each in self.cases[name].annotations if each.label == label]

    @property
    def refused(self) -> set[str]:
        """What the client itself refuses: pixels of a picture in 2.16.0."""
        return {"picture line"} if self.client == "Api 2.16.0" else set()


@pytest.fixture(scope="module", params=CLIENTS)
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drawn]:
    folder = tmp_path_factory.mktemp("draw")
    with pytest.MonkeyPatch.context() as patch, Sandbox(platforms=("datamint",)) as sandbox:
        for name, value in sandbox.variables.items():
            patch.setenv(name, value)
        standin = sandbox.standins["datamint"]
        assert isinstance(standin, DatamintStandIn)
        scene = Scene(sandbox, standin, folder)
        plan = scene.stage(resources(folder))
        peer, kind = CLIENTS[request.param]
        outcome = scene.peer(peer, "datamint_draw.py", str(folder / "plan.json"), kind)
        with scene.open() as dataset:
            by_id = {item.id: item.case() for item in dataset.items()}
            yield Drawn(request.param, outcome, {name: by_id[place["id"]] for name, place in plan.items()})


EVERYWHERE = [*VOLUMES, "slice", "frames", "picture"]


def plane(name: str) -> int | None:
    """The slice, in the image's own order, that was drawn on; None where the frame runs through all slices."""
    return None if name == "coronal" else SLICES.get(name, 0)


def solid(name: str, points: Sequence[tuple[int, int]] = LINE) -> list[list[int]]:
    """Where in the image that is drawn, [column, row, slice]."""
    return [[a, FRAME, b] if name == "coronal" else [a, b, plane(name) or 0] for a, b in points]


def assert_drawn(name: str, found: Any, kind: type, points: Sequence[tuple[int, int]] = LINE) -> None:
    assert isinstance(found, kind)
    positions = [list(point) + [found.frame] * (3 - len(point)) for point in found.points]
    np.testing.assert_allclose(positions, solid(name, points), atol=1e-4)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_lines(drawn: Drawn, name: str) -> None:
    found = drawn.of(name, "line") + drawn.of(name, "patient line")
    if f"{name} line" in drawn.refused:
        return
    assert len(found) == 1 + (drawn.client.startswith("APIHandler") and name in {"slice", "frames"})
    for line in found:
        assert_drawn(name, line, cf.Line)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_boxes(drawn: Drawn, name: str) -> None:
    if drawn.client == "Api 2.5.0":
        return  # draws none
    (box,) = drawn.of(name, "box")
    assert_drawn(name, box, cf.Box)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_points_and_outlines(drawn: Drawn, name: str) -> None:
    if drawn.client != "Api 2.45.0":
        return  # draw none
    (point,), (outline,) = drawn.of(name, "point"), drawn.of(name, "outline")
    assert_drawn(name, point, cf.Point, LINE[:1])
    assert_drawn(name, outline, cf.Polyline, [LINE[0], (2, 3), LINE[1]])


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_is_said_of_images_and_frames(drawn: Drawn, name: str) -> None:
    (category,) = drawn.of(name, "category")
    assert (type(category), category.value, category.frame) == (cf.Category, "good", None)
    if drawn.client in {"APIHandler 2.5.0", "Api 2.45.0"}:
        (label,) = drawn.of(name, "label")
        assert (type(label), label.frame) == (cf.Label, None)
        found = drawn.of(name, "frames")  # one for each frame, or one for all
        if name == "coronal":
            assert {type(each) for each in found} == {cf.Raw}
            return
        frames = [shape for each in found for shape in (each.shapes() if isinstance(each, cf.Track) else [each])]
        assert {(type(each), each.value) for each in frames} == {(cf.Category, "good")}
        assert [type(each) for each in found].count(cf.Track) <= 1
        backwards = (plane(name) or 0) > FRAME
        several = name in VOLUMES or name == "frames"
        expected = [SHAPE[2] - 2, SHAPE[2] - 1] if backwards else [0, 1][: FRAME + 1 if several else 1]
        assert sorted(each.frame for each in frames) == expected
    if drawn.client == "Api 2.45.0":
        (text,), (number,), (count,) = (drawn.of(name, each) for each in ("text", "number", "count"))
        assert (type(text), text.value, text.frame) == (cf.Text, "ünï", plane(name))
        assert (type(number), number.value, number.unit) == (cf.Numeric, 2.5, "mm")
        assert (type(count), count.value) == (cf.Numeric, 3)


def masks(drawn: Drawn, name: str) -> dict[str, Any]:
    """Where each label of a resource's masks is."""
    found = [each for each in drawn.cases[name].annotations if isinstance(each, cf.Mask)]
    return {label: mask.voxels() == value for mask in found for value, label in mask.labels.items()}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_masks_of_frames(drawn: Drawn, name: str) -> None:
    inside = np.atleast_3d(masks(drawn, name)["mask"])
    assert np.argwhere(inside).tolist() == solid(name, [SPOT])


@pytest.mark.parametrize("name", VOLUMES)
def test_masks_of_volumes(drawn: Drawn, name: str) -> None:
    found = masks(drawn, name)
    for wanted, label in {1: "one", 2: "two"}.items():
        np.testing.assert_array_equal(found[label], labels() == wanted)
