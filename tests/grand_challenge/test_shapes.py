"""Shapes in sockets of every annotation kind: several in one, and as they read without a sidecar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import caseferry as cf
from caseferry.case.compare import differences, same_meaning
from caseferry_grand_challenge.wire.annotations import MARKS, SEVERAL
from grand_challenge_scene import OBLIQUE, series, volume

if TYPE_CHECKING:
    from grand_challenge_scene import Scene


def shape(kind: str, frame: int, label: str) -> cf.Annotation:
    """A shape of a socket's kind, in a plane."""
    points = [(1.5, 1), (5, 2.25), (4, 4)]
    common = {"frame": frame, "label": label}
    if kind == "Point":
        return cf.Point("ct", points[:1], **common)
    if kind == "Distance measurement":
        return cf.Line("ct", points[:2], **common)
    if kind == "Line":
        return cf.Polyline("ct", points, **common)
    if kind == "2D bounding box":
        return cf.Box("ct", points[::2], **common)
    if kind == "Polygon":
        return cf.Polygon("ct", points, **common)
    if kind == "Ellipse":
        return cf.Ellipse("ct", [(3, 0.5), (3, 3.5), (1.5, 2), (4.5, 2)], **common)
    return cf.Angle("ct", points if kind == "Three-point angle" else [*points, (0, 3)], **common)


def case(scene: Scene, annotations: list[cf.Annotation]) -> cf.Case:
    paths = series(scene.folder / "ct", volume().astype("u2"), orientation=OBLIQUE, spacing=(0.5, 0.75))
    return cf.Case("marked", images=[cf.Image("ct", paths)], annotations=annotations)


@pytest.mark.parametrize("kind", MARKS)
def test_every_kind_holds_its_shapes(scene: Scene, kind: str) -> None:
    label, single = kind.lower().replace(" ", "-"), SEVERAL[kind][1] if kind in SEVERAL else kind
    marks = [shape(single, frame, label) for frame in ((3, 0, 2) if kind in SEVERAL else (2,))]
    marked = case(scene, marks)
    item, plan = (brought := scene.open().bring(marked, phi="keep")).item, brought.plan
    assert not [loss for loss in plan.losses if not loss.part.startswith("image ")]
    assert differences(marked, scene.open().get(item.id).case()) == []

    # Whoever knows of no sidecar finds what the sockets say.
    found = scene.open(sidecar="big-metadata").get(item.id).case()

    there = [each for each in found.annotations if not isinstance(each, cf.Mask)]
    assert len(there) == len(marks)
    image = marked.images[0]
    for mark, other in zip(marks, there, strict=True):
        assert other.image == "ct-image"
        mine = type(mark)("ct-image", **{key: value for key, value in vars(mark).items() if key not in {"image", "id"}})
        assert same_meaning(mine, other, image.geometry)
        assert other.frame == mark.frame


def test_an_ellipse_is_upright_in_millimetres(scene: Scene) -> None:
    """Its axes as given stand at right angles in voxels; in space, where pixels are not square, others do."""
    marked = case(scene, [cf.Ellipse("ct", [(1, 1), (5, 3), (2, 4), (4, 0)], frame=1, label="ellipse")])
    item = scene.open().put(marked, phi="keep")
    (value,) = [row["value"] for row in scene.standin.table("values").values() if row["socket"] == "ellipse"]
    ends = np.array([value["major_axis"], value["minor_axis"]])
    major, minor = ends[:, 1] - ends[:, 0]
    assert abs(major @ minor) < 1e-6
    assert np.linalg.norm(major) > np.linalg.norm(minor)
    assert differences(marked, scene.open().get(item.id).case()) == []
