"""What a plan says of an annotation is what is measured on the platform, where no sidecar tells how it was put."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.case.placement import aligned
from caseferry.imaging.kinds import Kind
from caseferry.sandbox import Sandbox
from caseferry.testing import Samples
from space_cases import DICOM_WAYS, LATTICES, ORIENTATIONS, dicom, nifti

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from caseferry.held import Held

LABELS = {1: "spot", 2: "other"}


@dataclass(frozen=True)
class Ground:
    """An image to draw on, and its affine as another program has it."""

    image: cf.Image
    affine: NDArray[np.float64]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows and planes."""
        grid = self.image.geometry
        assert grid is not None
        return (*grid.shape[:2], grid.planes)


@dataclass(frozen=True)
class Grounds:
    """Volumes stored in every order of axes, series and frames, and the platform."""

    dataset: cf.Dataset
    standin: Any
    each: list[Ground]

    @contextmanager
    def there(self, case: cf.Case) -> Iterator[tuple[dict[str, Held], dict[str, cf.Annotation]]]:
        """What was told of each annotation, and what is read of it by nothing but the platform's own words."""
        brought = self.dataset.bring(case, phi="keep")
        told = dict(zip((a.id for a in case.annotations), brought.plan.held[len(case.images) :], strict=False))
        for row in self.standin.state["resources"].values():
            own = row["metadata"].get("caseferry", {})
            own |= {"sidecar": {"version": "of tomorrow"}} if "sidecar" in own else {}
        yield told, {each.id: each for each in self.dataset.get(brought.item.id).case().annotations}
        self.dataset.delete(brought.item)


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    folder = tmp_path_factory.mktemp("grounds")
    chosen = [8 * order + (3 * order + 1) % 8 for order in range(6)]
    placed = [nifti(f"v{n}", ORIENTATIONS[n], [*LATTICES][n % 3]) for n in chosen]
    placed += [dicom(f"s{n}", DICOM_WAYS[n], [*LATTICES][1 + n % 2], folder) for n in (7, 18)]
    flat = [Samples(folder).image(kind) for kind in (Kind.DICOM_MULTIFRAME, Kind.PICTURE, Kind.VIDEO)]
    each = [Ground(*one) for one in placed] + [Ground(image, np.eye(4)) for image in flat]
    with pytest.MonkeyPatch.context() as patch, Sandbox(platforms=("datamint",)) as sandbox:
        for name, value in sandbox.variables.items():
            patch.setenv(name, value)
        standin = sandbox.standins["datamint"]
        with cf.connect(standin.dataset) as dataset:
            yield Grounds(dataset, standin, each)


@st.composite
def drawn(draw: Any, ground: Ground) -> list[cf.Annotation]:
    """One annotation of each kind, anywhere on an image, with an id of its own."""
    role, (columns, rows, planes) = ground.image.role, ground.shape
    number = st.floats(-0.5, 1, width=32)
    spots = st.tuples(*[st.floats(-0.5, n - 0.5, width=32) for n in (columns, rows)])
    frame = st.integers(0, planes - 1)

    def some(least: int, most: int) -> Any:
        return draw(st.lists(spots, min_size=least, max_size=most, unique=True))

    centre, turn = np.array(draw(spots)), draw(st.floats(0, 3))
    long, short = draw(st.floats(0.3, 4)), draw(st.floats(0.3, 4))
    axis = np.array([np.cos(turn), np.sin(turn)])
    ends = [centre - long * axis, centre + long * axis]
    across = short * np.array([-axis[1], axis[0]])
    ends += [centre - across, centre + draw(st.sampled_from([1, 1, 1.2])) * across]
    ring = [(0, 0), (columns - 1, 0), (columns - 1, rows - 1), (0, rows - 1)]
    hole = [(1, 1), (2, 1), (2, 2)]
    first, last = sorted(draw(st.lists(frame, min_size=2, max_size=2)))
    where: dict[str, Any] = {"label": "a"}
    shapes: list[Any] = [
        cf.Point(role, some(1, 2), frame=draw(frame), **where),
        cf.Line(role, some(2, 2), frame=draw(frame), **where),
        cf.Polyline(role, some(2, 5), frame=draw(frame), **where),
        cf.Box(role, some(2, 2), frame=draw(frame), **where),
        cf.Polygon(role, [some(3, 6)], frame=draw(frame), **where),
        cf.Polygon(role, [ring, hole], frame=draw(frame), **where),
        cf.Ellipse(role, [tuple(map(float, end)) for end in ends], frame=draw(frame), **where),
        cf.Angle(role, some(3, 3), frame=draw(frame), **where),
        cf.Label(role, "a", frame=draw(st.none() | frame)),
        cf.Category(role, "a", draw(st.sampled_from(["good", "ünï ,"])), frame=draw(st.none() | frame)),
        cf.Text(role, "a", draw(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5))),
        cf.Numeric(role, "a", draw(st.integers(-(2**53), 2**53) | st.floats(-1e300, 1e300)), unit="mm"),
        cf.Mask.of_array(role, voxels(ground, draw(st.integers(0, 99))), LABELS, ground.affine),
        cf.Track(role, [cf.Line(role, some(2, 2), frame=n, **where) for n in {first, last}], interpolated=True),
        cf.Track(role, [cf.Category(role, "a", draw(st.text("xy", min_size=1)), frame=first)], ranges=[(first, last)]),
        cf.Raw(role, label="a", platform="elsewhere", payload=draw(number)),
    ]
    if ground.image.geometry is not None and ground.image.geometry.shape[2] > 1:
        solid = [(*spot, draw(st.floats(0, planes - 1, width=32))) for spot in some(2, 3)]
        shapes += [
            cf.Line(role, solid[:2], **where),
            cf.Polyline(role, solid, **where),
            cf.Box(role, solid[:2], **where),
        ]
    return [replace(shape, id=f"{shape.kind} {n}") for n, shape in enumerate(shapes)]


def voxels(ground: Ground, seed: int) -> NDArray[np.uint8]:
    grid = ground.image.geometry
    assert grid is not None
    values = np.random.default_rng(seed).integers(0, 3, (*grid.shape, grid.frames)).astype(np.uint8)
    return values if grid.frames > 1 else values[:, :, :, 0]


def in_space(ground: Ground, points: Any, frame: int | None) -> NDArray[np.float64]:
    """Positions in millimetres, or in pixels and frames; by nibabel."""
    solid = np.array([point if len(point) == 3 else (*point, frame or 0) for point in points], dtype=float)
    return np.asarray(nib.affines.apply_affine(ground.affine, solid))


def outline_of(shape: Any) -> Any:
    """The positions that make a shape."""
    return shape.rings[0] if isinstance(shape, cf.Polygon) else shape.points


def apart(ground: Ground, put: Any, there: Any) -> float:
    """How far a shape that is there is from the one that was put."""
    if isinstance(put, cf.Ellipse):
        angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
        a, b, c, d = (np.array(point) for point in put.points)
        around = (a + b) / 2 + np.outer(np.cos(angles), (b - a) / 2) + np.outer(np.sin(angles), (d - c) / 2)
        return from_sides(in_space(ground, around, put.frame), in_space(ground, outline_of(there), there.frame))
    assert type(put) is type(there)
    mine, theirs = (in_space(ground, outline_of(each), each.frame) for each in (put, there))
    return float(np.linalg.norm(mine - theirs, axis=1).max())


def from_sides(points: NDArray[np.float64], corners: NDArray[np.float64]) -> float:
    """How far the points are from the nearest side of an outline, at most."""
    sides = np.roll(corners, -1, axis=0) - corners
    along = ((points[:, None] - corners) * sides).sum(axis=2) / (sides**2).sum(axis=1)
    nearest = corners + np.clip(along, 0, 1)[:, :, None] * sides
    return float(np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1).max())


def measured(ground: Ground, put: Any, there: Any) -> tuple[float, int]:
    """By how many millimetres and voxels an annotation that is there differs from the one that was put."""
    if isinstance(put, cf.Mask):
        assert isinstance(there, cf.Mask)
        assert {*there.labels.values()} == {*LABELS.values()}
        mine, theirs = aligned(put, ground.image), aligned(there, ground.image)
        names = np.vectorize(lambda value: there.labels.get(value, ""))(theirs)
        return 0.0, int((names != np.vectorize(lambda value: LABELS.get(value, ""))(mine)).sum())
    if isinstance(put, cf.Track):
        frames = list(put.frames)
        if len(frames) == 1:  # nothing tells a track of one frame from an annotation of that frame
            return measured(ground, put.at(frames[0]), there)
        assert isinstance(there, cf.Track)
        assert list(there.frames) == frames
        each = [measured(ground, put.at(frame), there.at(frame)) for frame in frames]
        return max(mm for mm, _ in each), 0
    if hasattr(put, "points"):
        return apart(ground, put, there), 0
    said = ("kind", "label", "value", "unit", "frame")
    whole = put.frame is None  # of a series every file is a resource; what is said of all is said of the first
    for name in said[: -1 if whole else None]:
        assert getattr(put, name, None) == getattr(there, name, None)
    assert type(getattr(put, "value", None)) is type(getattr(there, "value", None))
    return 0.0, 0


@settings(max_examples=11, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_predicted_error_is_the_measured_one(grounds: Grounds, data: st.DataObject) -> None:
    ground = data.draw(st.sampled_from(grounds.each))
    case = cf.Case("measured", images=[ground.image], annotations=data.draw(drawn(ground)))
    with grounds.there(case) as (told, found):
        assert told.keys() == {mark.id for mark in case.annotations}
        for mark in case.annotations:
            compare(ground, mark, told[mark.id], found.get(mark.id))


def compare(ground: Ground, mark: Any, told: Held, there: Any) -> None:
    """One annotation: where it lies, and by how much it differs."""
    assert told.part.startswith(f"{mark.kind} ")
    assert (there is None) == (told.kept == "sidecar"), str(told)
    if there is None:
        return
    mm, count = measured(ground, mark, there)
    assert count == told.error.voxels == 0
    assert told.exact == (mm <= 1e-3) or mm == pytest.approx(1e-3, rel=0.1)
    if told.kept == "native" or not told.error.mm:
        assert mm <= 1e-6
    else:
        assert mm <= told.error.mm * 1.02 + 1e-6
        assert mm >= told.error.mm * 0.9 or thin(mark)


def thin(mark: Any) -> bool:
    """Whether of an ellipse another side of the outline may be nearer than the one that follows it there."""
    a, b, c, d = (np.array(point) for point in mark.points)
    sizes = np.linalg.norm(b - a), np.linalg.norm(d - c)
    return bool(max(sizes) > 3 * min(sizes))
