"""Images as hypothesis makes them up for Datamint, nothing of which is looked into, and rows as it answers them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import caseferry as cf
from caseferry.geometry import Geometry
from caseferry.imaging.kinds import Kind
from oracles import affine_of, rotation

PERMUTED = st.permutations([0, 1, 2])
ANGLES = st.floats(-20, 20)


def image(kind: Kind, shape: tuple[int, int, int], affine: np.ndarray, **more: Any) -> cf.Image:
    """An image of which everything is declared, so that no file is looked into."""
    grid = Geometry(shape, affine, more.get("frames", 1), more.get("space", "patient"))
    files = [cf.FileRef(f"/none/{n}") for n in range(more.get("files", 1))]
    return cf.Image("it", files, kind=kind, geometry=grid, layout=more.get("layout"))


@st.composite
def volumes(draw: Any) -> cf.Image:
    """NIfTI files stored in any order and direction of axes, and slightly turned."""
    turn = rotation(draw(ANGLES), draw(ANGLES), draw(ANGLES))[:, draw(PERMUTED)]
    turn = turn * draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    spacing = draw(st.tuples(*[st.floats(0.2, 6)] * 3))
    origin = draw(st.tuples(*[st.floats(-500, 500)] * 3))
    shape = draw(st.tuples(*[st.integers(2, 40)] * 3))
    return image(Kind.NIFTI, shape, affine_of(turn, spacing, origin))


@st.composite
def stacks(draw: Any) -> cf.Image:
    """DICOM of many files, or of many frames, in any order."""
    shape = draw(st.tuples(*[st.integers(2, 30)] * 3))
    order = draw(st.permutations(range(shape[2])))
    many = draw(st.booleans())
    layout = [(n, 0) if many else (0, n) for n in order]
    kind = Kind.DICOM_SERIES if many else Kind.DICOM_MULTIFRAME
    turn = rotation(draw(ANGLES), draw(ANGLES), draw(ANGLES))
    affine = affine_of(turn, draw(st.tuples(*[st.floats(0.2, 6)] * 3)), draw(st.tuples(*[st.floats(-500, 500)] * 3)))
    return image(kind, shape, affine, files=shape[2] if many else 1, layout=layout)


@st.composite
def flats(draw: Any) -> cf.Image:
    """Pictures and cines, which lie in no patient."""
    frames = draw(st.integers(1, 9))
    shape = (*draw(st.tuples(*[st.integers(2, 40)] * 2)), 1)
    if frames == 1:
        return image(Kind.PICTURE, shape, np.eye(4), space="pixel")
    return image(
        Kind.DICOM_MULTIFRAME, shape, np.eye(4), space="pixel", frames=frames, layout=[(0, n) for n in range(frames)]
    )


def answered(form: dict[str, Any]) -> dict[str, Any]:
    """A created annotation as the platform answers it."""
    row = {"id": "row", "resource_id": "r", "frame_index": None, "status": "new", **form}
    value = row.pop("value", None)
    number = isinstance(value, int | float)
    return row | {
        "annotation_type": row.pop("type"),
        "text_value": None if number else value,
        "numeric_value": value if number else None,
    }
