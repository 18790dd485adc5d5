"""What two cases do not have in common is named, and nothing else is."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.annotation.placed import SAME_PLACE_MM
from caseferry.case.compare import differences
from caseferry.case.seal import seal
from caseferry.geometry import Geometry
from caseferry.imaging.convert import nifti_bytes
from caseferry.testing.samples import SHAPE, oblique, ramp

if TYPE_CHECKING:
    from collections.abc import Callable


def image(voxels: Any = None, affine: Any = None, role: str = "ct") -> cf.Image:
    grid = Geometry(SHAPE, oblique() if affine is None else affine)
    content = nifti_bytes(ramp(SHAPE) if voxels is None else voxels, grid)
    return cf.Image(role, cf.FileRef.of_bytes(content, "ct.nii.gz"))


def mask(value: int = 1) -> cf.Mask:
    voxels = np.zeros(SHAPE, np.uint8)
    voxels[1, 2, 3] = value
    return cf.Mask.of_array("ct", voxels, {1: "x", 2: "y"}, oblique(), id="m")


def case(**changes: Any) -> cf.Case:
    fields: dict[str, Any] = {
        "id": "a",
        "images": [image()],
        "annotations": [mask(), cf.Line("ct", [(1, 2), (3, 4)], frame=1, label="d", id="l")],
        "values": {"v": 1.5},
        "attachments": [cf.Attachment("r", cf.FileRef.of_bytes(b"x", "r.txt"))],
        "tags": ["b", "a"],
    }
    return cf.Case(**(fields | changes))


def test_a_case_equals_itself_sealed_or_not_and_tags_in_any_order() -> None:
    assert differences(case(), case()) == []
    assert differences(case(), seal(case())) == []
    assert differences(case(), case(tags=["a", "b"])) == []


def shifted() -> Any:
    affine = oblique()
    affine[0, 3] += 0.01
    return affine


def changed() -> Any:
    voxels = ramp(SHAPE)
    voxels[0, 0, 2] += 1
    return voxels


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (lambda: {"title": "B"}, ["title is '' in one and 'B' in the other"]),
        (lambda: {"tags": ["a"]}, ["tags differ by ['b']"]),
        (lambda: {"values": {"v": 1.6}}, ["values.v differs"]),
        (lambda: {"values": {"v": True}}, ["values.v differs"]),
        (lambda: {"values": {}}, ["values has 'v' only in one"]),
        (lambda: {"metadata": {"k": 1}}, ["metadata has 'k' only in the other"]),
        (lambda: {"images": [image(), image(role="mr")]}, ["image 'mr' is only in the other"]),
        (lambda: {"images": [image(affine=shifted())], "annotations": []}, ["image 'ct': voxels lie elsewhere"]),
        (lambda: {"images": [image(changed())]}, ["image 'ct': voxels differ, first in plane 2"]),
        (lambda: {"images": [image(ramp(SHAPE)[::-1])]}, ["image 'ct': voxels differ, first in plane 0"]),
        (lambda: {"attachments": []}, ["attachment 'r' is only in one"]),
        (
            lambda: {"attachments": [cf.Attachment("r", cf.FileRef.of_bytes(b"y", "r.txt"))]},
            ["attachment 'r': the bytes differ"],
        ),
    ],
)
def test_differences_are_named(changes: Callable[[], dict[str, Any]], found: list[str]) -> None:
    lines = [line for line in differences(case(), case(**changes())) if not line.startswith("annotation")]
    assert len(lines) == len(found)
    assert all(line.startswith(start) for line, start in zip(lines, found, strict=True))


def test_differences_of_annotations_are_named() -> None:
    base = case()
    line = base.annotations[1]
    for change, text in (
        ({"label": "e"}, "label differs"),
        ({"points": [(1, 2), (3, 4.01)]}, "points differs"),
        ({"frame": 2}, "frame differs"),
        ({"author": "a@b.c"}, "author differs"),
    ):
        other = case(annotations=[base.annotations[0], dataclasses.replace(line, **change)])  # type: ignore[arg-type]
        assert differences(base, other) == [f"annotation l (line 'd'): {text}"]
    near = dataclasses.replace(line, points=[(1, 2), (3, 4 + SAME_PLACE_MM)])  # type: ignore[call-arg]
    assert differences(base, case(annotations=[base.annotations[0], near])) == []
    assert differences(base, case(annotations=[mask(2), line])) == ["annotation m (mask ''): voxels differ"]
    assert differences(base, case(annotations=[line])) == ["annotation m (mask '') is only in one"]
    assert differences(case(annotations=[line]), base) == ["annotation m (mask '') is only in the other"]
