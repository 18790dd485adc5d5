"""Annotations that are not written as they should be: each is kept, none spoils another, and nothing else is raised."""

from __future__ import annotations

import copy
import json
import math
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.errors import CaseferryError
from caseferry_darwin.exchange import read_json
from caseferry_darwin.wire.annotations import Ids
from caseferry_darwin.wire.classes import Classes
from caseferry_darwin.wire.exports import NO_NAMES, case_of_document, listed_row, listed_slot, shown_in
from caseferry_darwin.wire.reading import annotations_of, tags_of
from caseferry_darwin.wire.view import parsed
from darwin_scene import exported

BAD: list[Any] = [
    None,
    math.nan,
    math.inf,
    -1,
    1e300,
    10**30,
    "",
    "x",
    "NaN",
    True,
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    2**63,
]
NAMES = ["image_1.json", "small_video.json", "volumes/axial/darwin.json"]
APART = ("raster_layer", "tag")


def places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of all that a document holds; of long lists, of their first."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value[:3]))
    return [each for key, held in inside for each in [(*place, key), *places(held, (*place, key))]]


def spoilt(document: Any, data: st.DataObject, where: list[tuple[Any, ...]]) -> Any:
    """A document of which one thing is missing, or is something else."""
    document = copy.deepcopy(document)
    *way, last = data.draw(st.sampled_from(where))
    held = document
    for key in way:
        held = held[key]
    if data.draw(st.booleans()):
        held[last] = copy.deepcopy(data.draw(st.sampled_from(BAD)))
    else:
        del held[last]
    return document


@cache
def document_of(name: str) -> tuple[Any, cf.Image, list[tuple[Any, ...]]]:
    document, case = exported(name)
    return document, case.images[0], [each for each in places(document) if each[0] != "schema_ref"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from(NAMES))
def test_documents_are_read_or_refused(data: st.DataObject, name: str) -> None:
    document, image, where = document_of(name)
    changed = spoilt(document, data, where)
    for read in (case_of_document, lambda each: read_json(each, image)):
        try:
            found: Any = read(changed)
        except CaseferryError:
            continue
        for each in found.annotations if isinstance(found, cf.Case) else found:
            json.dumps(each.to_json(), allow_nan=False)


@settings(deadline=None, max_examples=40)
@given(st.data(), st.sampled_from(NAMES))
def test_of_what_a_listing_has_nothing_is_lost(data: st.DataObject, name: str) -> None:
    document, case = exported(name)
    classes = Classes()
    rows = [listed_row(each, classes) for each in document["annotations"]]
    shown = shown_in([listed_slot(each) for each in document["item"]["slots"]], NO_NAMES, None)
    kept = {"id", "annotation_class_id"}
    changed = spoilt(rows, data, [each for each in places(rows) if len(each) > 1 and each[1] not in kept])
    _, others = tags_of(changed, classes, None)
    found = annotations_of(others, classes, NO_NAMES, shown, None, Ids(None, ""))
    for each in found:
        json.dumps(each.annotation.to_json(), allow_nan=False)
    kinds = {row["id"]: (classes.name_of(row["annotation_class_id"]) or ("", ("",)))[1][0] for row in rows}
    expected = {number for number, kind in kinds.items() if kind not in APART}
    assert expected <= {each.key for each in found}
    assert case.images


def test_numbers_in_text_are_numbers_or_refused() -> None:
    assert parsed("[1, 2.5]") == [1, 2.5]
    assert parsed("(1.0, 2.0)") == (1.0, 2.0)
    for hostile in ("", "(", "x" * 100, "[" * 200):
        with pytest.raises(ValueError):  # noqa: PT011  whatever it says
            parsed(hostile)
