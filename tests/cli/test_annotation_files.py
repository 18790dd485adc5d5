"""Files of annotations on the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

import caseferry as cf
from oracles import affine_of, ramp, rotation, write_series

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

AFFINE = affine_of(rotation(x=17), (0.7, 0.9, 2.5), (1, 2, 3))


def test_the_annotations_of_an_item_become_a_file_and_are_read_again(
    caseferry: Callable[..., Any], tmp_path: Path
) -> None:
    array = (np.random.default_rng(1).random((6, 5, 4)) < 0.5).astype(np.uint8)
    (tmp_path / "ct").mkdir()
    slices = write_series(tmp_path / "ct", ramp(6, 5, 4), AFFINE)
    case = cf.Case(
        "one",
        images=[cf.Image("ct", slices)],
        annotations=[cf.Mask.of_array("ct", array, {1: "nodule"}, AFFINE), cf.Label("ct", label="done")],
    )
    with cf.connect(f"local:{tmp_path / 'cases'}", phi="keep") as folder:
        folder.put(case)
    out = tmp_path / "one.nii.gz"
    ended = caseferry("annotations", "write", f"local:{tmp_path / 'cases'}", "one", str(out))
    assert ended.code == 0, ended.err
    assert "left out: label 'done'" in ended.err
    ended = caseferry("annotations", "read", str(out), "--image", str(tmp_path / "ct"), "--role", "ct")
    assert ended.code == 0, ended.err
    (read,) = json.loads(ended.out)
    assert (read["kind"], read["image"], read["labels"]) == ("mask", "ct", {"1": "nodule"})
    assert cf.Mask("ct", out, labels={1: "nodule"}).voxels().sum() == array.sum()


def test_wrong_use_is_told_in_one_line(caseferry: Callable[..., Any], folder: str, tmp_path: Path) -> None:
    for arguments, told in [
        (("write", folder, "case-0", "x.nothing"), "tells no format"),
        (("write", folder, "case-0", "x.nii.gz", "--image", "mr"), "has no image 'mr'"),
        (("write", folder, "nobody", "x.nii.gz"), "nobody"),
        (("read", __file__, "--image", str(tmp_path)), "holds 4 images, expected one"),
    ]:
        ended = caseferry("annotations", *arguments)
        assert ended.code == 2
        assert told in ended.err
        assert "Traceback" not in ended.err


def test_formats_are_listed(caseferry: Callable[..., Any]) -> None:
    assert "rtstruct" in caseferry("annotations", "formats").out
    assert {"name", "summary", "can", "endings"} == set(caseferry("annotations", "formats", "--json").json[0])
