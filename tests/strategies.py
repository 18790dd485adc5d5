"""Cases as hypothesis makes them up: every kind of annotation, every field."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from hypothesis import strategies as st

import caseferry as cf
from caseferry.annotation import KINDS
from caseferry.geometry import Geometry

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
NAME = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=12
).filter(lambda name: name == name.strip() and name not in {"..", "."})
NUMBER = st.floats(-1e6, 1e6, allow_nan=False) | st.integers(-1000, 1000)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TABLE = st.dictionaries(TEXT, JSON, max_size=3)
SHAPES = (cf.Point, cf.Line, cf.Polyline, cf.Box, cf.Ellipse, cf.Angle, cf.Polygon)
WHEN = st.datetimes(timezones=st.sampled_from([dt.UTC, dt.timezone(dt.timedelta(hours=-3.5))]))
SAID: dict[str, st.SearchStrategy[Any]] = {
    "author": TEXT,
    "reviewer": TEXT,
    "created": WHEN,
    "modified": WHEN,
    "status": st.sampled_from(["new", "approved", "rejected"]),
    "source": st.sampled_from(["human", "model", "imported", "unknown"]),
    "model": TEXT,
    "confidence": st.floats(0, 1),
    "attributes": TABLE,
    "codes": st.lists(st.builds(cf.Code, TEXT, TEXT, TEXT), max_size=2).map(tuple),
}
"""What may be said of an annotation beside what it is and where."""


@st.composite
def file_refs(draw: Any) -> cf.FileRef:
    """References to files that need not exist."""
    name = draw(NAME)
    return cf.FileRef(
        draw(st.sampled_from(["/data/", "s3://bucket/", "folder/"])) + name,
        name,
        draw(st.none() | st.integers(0, 1 << 40)),
        draw(st.none() | st.just("application/dicom")),
        draw(st.none() | st.binary(min_size=32, max_size=32).map(bytes.hex)),
    )


@st.composite
def grids(draw: Any) -> Geometry:
    """Grids anywhere in space, sheared or not."""
    affine = np.eye(4)
    affine[:3, :3] = np.diag(draw(st.tuples(*[st.floats(0.01, 10)] * 3)))
    affine[0, 1] = draw(st.floats(-0.005, 0.005))
    affine[:3, 3] = draw(st.tuples(*[st.floats(-1e4, 1e4)] * 3))
    shape = draw(st.tuples(*[st.integers(1, 4096)] * 3))
    return Geometry(shape, affine, draw(st.integers(1, 20)), draw(st.sampled_from(["patient", "scaled", "pixel"])))


@st.composite
def images(draw: Any, role: str) -> cf.Image:
    """An image of a role, with whatever may be known of it."""
    return cf.Image(
        role,
        draw(st.lists(file_refs(), min_size=1, max_size=3)),
        kind=draw(st.none() | st.sampled_from(list(cf.Kind))),
        geometry=draw(st.none() | grids()),
        modality=draw(st.none() | st.sampled_from(["CT", "MR"])),
        layout=draw(st.none() | st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=4)),
    )


def _positions(draw: Any, least: int, most: int, size: int) -> list[tuple[Any, ...]]:
    return draw(st.lists(st.tuples(*[NUMBER] * size), min_size=least, max_size=most, unique=True))  # type: ignore[no-any-return]


@st.composite
def timing(draw: Any, label: str, image: str) -> dict[str, Any]:
    """The keyframes and ranges of a track."""
    made = draw(st.sampled_from([cf.Label, cf.Category, cf.Numeric, cf.Text, *SHAPES]))
    frames = sorted(draw(st.sets(st.integers(0, 60), min_size=1, max_size=4)))
    keyframes = []
    for frame in frames:
        fields: dict[str, Any] = {"label": label, "frame": frame, "attributes": draw(TABLE)}
        if made is cf.Polygon:
            fields["rings"] = [_positions(draw, 3, 5, 2)]
        elif made in SHAPES:
            fields["points"] = _positions(draw, made.least, made.most or 5, 2)
        elif made is not cf.Label:
            fields["value"] = draw(NUMBER if made is cf.Numeric else WORD)
        keyframes.append(made(image, **fields))
    starts = draw(st.lists(st.tuples(st.integers(frames[0], 70), st.integers(0, 9)), max_size=3))
    ranges = [(first, first + length) for first, length in starts]
    interpolated = made in SHAPES and draw(st.booleans())
    return {"keyframes": draw(st.permutations(keyframes)), "ranges": ranges, "interpolated": interpolated}


@st.composite
def annotations(draw: Any, roles: list[str], kind: str | None = None) -> cf.Annotation:
    """An annotation of a kind, or of any kind; in one of the images, or of the case."""
    name = kind or draw(st.sampled_from(sorted(KINDS)))
    made = KINDS[name]
    fields: dict[str, Any] = {
        "label": draw(WORD),
        **{name: draw(said if name in {"attributes", "codes"} else st.none() | said) for name, said in SAID.items()},
    }
    size = draw(st.sampled_from([2, 3]))
    placed = issubclass(made, cf.Line | cf.Point | cf.Polyline | cf.Box | cf.Ellipse | cf.Angle | cf.Polygon | cf.Mask)
    image = draw(st.sampled_from(roles)) if placed or made is cf.Track else draw(st.sampled_from([None, *roles]))
    if (size == 2 or not placed) and made is not cf.Track:
        fields["frame"] = draw(st.none() | st.integers(0, 500))
    if made is cf.Category:
        fields["value"] = draw(WORD)
    elif made is cf.Numeric:
        fields |= {"value": draw(NUMBER), "unit": draw(TEXT)}
    elif made is cf.Text:
        fields["value"] = draw(TEXT)
    elif made is cf.Mask:
        fields["file"] = draw(file_refs())
        fields["labels"] = draw(st.dictionaries(st.integers(1, 65535), WORD, min_size=1, max_size=3))
    elif made is cf.Polygon:
        fields["rings"] = [_positions(draw, 3, 5, size) for _ in range(draw(st.integers(1, 2)))]
    elif made is cf.Track:
        fields |= draw(timing(fields["label"], image))
    elif made is cf.Raw:
        fields |= {"platform": draw(WORD), "payload": draw(JSON)}
    elif placed:
        least, most = made.least, made.most or 5  # type: ignore[attr-defined]
        fields["points"] = _positions(draw, least, most, size)
    return made(image, **fields)


@st.composite
def cases(draw: Any) -> cf.Case:
    """A whole case."""
    roles = draw(st.lists(NAME, min_size=1, max_size=3, unique=True))
    attachments = draw(st.lists(NAME, max_size=2, unique=True))
    return cf.Case(
        id=draw(NAME),
        title=draw(TEXT),
        images=[draw(images(role)) for role in roles],
        annotations=draw(st.lists(annotations(roles), max_size=4)),
        values=draw(TABLE),
        attachments=[cf.Attachment(name, draw(file_refs())) for name in attachments],
        tags=draw(st.lists(NAME, max_size=3, unique=True)),
        folder="/".join(draw(st.lists(NAME, max_size=2))),
        metadata=draw(TABLE),
    )
