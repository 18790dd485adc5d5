"""Types that core has no kind for, drawn by people on Darwin: kept whole wherever the case goes; and ellipses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

import caseferry as cf
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from darwin_scene import Scene

BOX = {"x": 1, "y": 2, "w": 3, "h": 4}
NODE = {"name": "1", "x": 2.5, "y": 3, "occluded": True}
TYPES: dict[str, dict[str, Any]] = {
    "skeleton": {"nodes": [NODE, {**NODE, "name": "2", "x": 4}]},
    "eye": {"nodes": [NODE]},
    "cuboid": {"front": BOX, "back": {**BOX, "x": 2}},
    "table": {"bounding_box": BOX, "cells": [{"row": 0, "col": 1, "bounding_box": BOX}]},
    "simple_table": {"bounding_box": BOX, "col_offsets": [0.5], "row_offsets": [0.25, 0.5]},
    "string": {"sources": [{"id": "a", "ranges": None}]},
    "graph": {"nodes": [{"id": "a", "name": "one"}], "edges": []},
    "link": {"from": "a", "to": "b"},
}


def test_types_without_a_kind_are_kept_whole(scene: Scene, samples: Samples, tmp_path: Path) -> None:
    dataset = scene.open()
    item = dataset.put(samples.case("drawn on", Kind.PICTURE))
    scene.draw(item, {kind: {kind: data, "text": {"text": "said"}} for kind, data in TYPES.items()})
    with cf.connect(f"local:{tmp_path / 'taken'}") as taken:
        assert cf.transfer(dataset, taken).ok
        scene.standin.add_dataset("back")
        with scene.open("back") as back:
            assert cf.transfer(taken, back).ok
            for place in (dataset, taken, back):
                (there,) = place.items()
                found = {each.label: each for each in there.case().annotations}
                assert found.keys() == {f"a {kind}" for kind in TYPES}
                for kind, data in TYPES.items():
                    raw = found[f"a {kind}"]
                    assert isinstance(raw, cf.Raw)
                    assert (raw.image, raw.platform) == ("picture", "darwin")
                    assert isinstance(raw.payload, dict)
                    assert raw.payload["data"] == {kind: data, "text": {"text": "said"}}


@pytest.mark.parametrize("steps", [(0.5, 0.5, 2.0), (0.5, 2.0, 3.0)])
def test_an_ellipse_on_a_volume_is_one_in_millimetres(scene: Scene, steps: tuple[float, float, float]) -> None:
    """Its half axes of 3 mm and 1.5 mm lie askew in voxels that are not square; all of it stays within the ellipse."""
    content = nib.Nifti1Image(np.zeros((16, 14, 5), np.int16), np.diag([*steps, 1.0])).to_bytes()
    dataset = scene.open()
    item = dataset.put(cf.Case("ct", images=[cf.Image("ct", FileRef.of_bytes(content, "ct.nii"))]))
    ellipse = {"angle": 0.6, "center": {"x": 3.5, "y": 5}, "radius": {"x": 3, "y": 1.5}}
    frame = {"ellipse": ellipse, "keyframe": True}
    scene.draw(item, {"ellipse": {"frames": {"1": frame}, "segments": [[1, 2]], "interpolated": False}})

    (found,) = dataset.get(item.id).case().annotations

    assert isinstance(found, cf.Ellipse)
    # The volume grows to the right, front and head: LPI has each axis turned round.
    assert found.frame == 5 - 1 - 1
    shown = (np.array([15, 13]) - np.array(found.points)) * steps[:2]
    along = np.array([np.cos(0.6), np.sin(0.6)])
    across = np.array([-along[1], along[0]])
    expected = [(3.5, 5) - 3 * along, (3.5, 5) + 3 * along, (3.5, 5) - 1.5 * across, (3.5, 5) + 1.5 * across]
    np.testing.assert_allclose(shown, expected, atol=1e-6)
