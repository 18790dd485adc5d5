"""The JSON form: everything survives it, the published schema describes it, and an unknown version is refused."""

from __future__ import annotations

import copy
import json
import math
import pickle
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.annotation import KINDS, annotation_from_json
from caseferry.case import VERSION, schema
from caseferry.geometry import Geometry
from caseferry.plain import canonical, fingerprint, holds_null, plain, with_null, without_null
from strategies import JSON, annotations, cases, file_refs, grids

VALIDATOR = jsonschema.Draft202012Validator(schema(), format_checker=jsonschema.FormatChecker())
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def through_text(document: Any) -> Any:
    """The document as it comes out of a file."""
    return json.loads(json.dumps(document, allow_nan=False))


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


@FEW
@given(cases())
def test_a_case_comes_back_equal_and_follows_the_schema(case: cf.Case) -> None:
    document = through_text(case.to_json())
    VALIDATOR.validate(document)
    again = cf.Case.from_json(document)
    assert again == case
    assert again.to_json() == case.to_json()
    assert canonical(again.to_json()) == canonical(case.to_json())


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_annotation_comes_back_equal(kind: str) -> None:
    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(annotations(["ct"], kind))
    def check(annotation: cf.Annotation) -> None:
        document = through_text(annotation.to_json())
        again = annotation_from_json(document)
        assert type(again) is type(annotation)
        assert again == annotation
        VALIDATOR.validate({"caseferry": 1, "id": "a", "annotations": [document]})

    check()


@FEW
@given(file_refs())
def test_a_file_reference_comes_back_equal(ref: cf.FileRef) -> None:
    assert cf.FileRef.from_json(through_text(ref.to_json())) == ref


@FEW
@given(grids())
def test_a_grid_comes_back_equal_to_the_last_bit(grid: Geometry) -> None:
    assert Geometry.from_json(through_text(grid.to_json())) == grid


@FEW
@given(cases())
def test_copies_and_pickles_are_equal(case: cf.Case) -> None:
    assert copy.deepcopy(case) == case
    assert pickle.loads(pickle.dumps(case)) == case


@FEW
@given(JSON)
def test_plain_data_is_copied_as_it_is(value: Any) -> None:
    assert plain(value) == value
    assert json.loads(canonical(plain(value))) == value


@FEW
@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), JSON, min_size=2, max_size=4))
def test_the_fingerprint_does_not_depend_on_the_order_of_keys(value: dict[str, Any]) -> None:
    assert fingerprint(dict(reversed(value.items()))) == fingerprint(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nan, "v is nan, which is not a number that JSON can hold"),
        ([1, {"a": math.inf}], r"v\[1\].a is inf"),
        ({1: 2}, "v has the key 1, which is not text"),
        ({"a": b"x"}, "v.a is of type bytes, which JSON cannot hold"),
        ({"a": {1, 2}}, "v.a is of type set"),
        ("\ud800", "v holds half a character"),
        ({"\udfff": 1}, "a key of v holds half a character"),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        plain(value, "v")


def test_numpy_scalars_become_plain_numbers() -> None:
    import numpy as np

    found = plain({"a": np.float32(0.5), "b": np.int64(3), "c": np.bool_(True), "d": np.array(7)})
    assert found == {"a": 0.5, "b": 3, "c": True, "d": 7}
    assert [type(each) for each in found.values()] == [float, int, bool, int]  # type: ignore[union-attr]


# -- versions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, VERSION + 1, -1, "1", True, None, [1]])
def test_an_unknown_version_is_refused_by_code_and_schema(version: Any) -> None:
    document = cf.Case(id="a").to_json() | {"caseferry": version}
    with pytest.raises(cf.InvalidCase, match="reads versions up to 1; update caseferry") as caught:
        cf.Case.from_json(document)
    assert repr(version) in str(caught.value)
    assert not VALIDATOR.is_valid(document)


@pytest.mark.parametrize("document", [None, [], "case", 3, {}, {"id": 5, "caseferry": 1}])
def test_what_is_no_case_is_refused(document: Any) -> None:
    with pytest.raises(cf.InvalidCase, match="is not the description of a case: it has no id"):
        cf.Case.from_json(document)
    assert not VALIDATOR.is_valid(document)


# -- what the schema refuses, the code refuses too -----------------------------------------------------------------

FILE = {"location": "a.dcm", "name": "a.dcm"}
IMAGE = {"role": "ct", "files": [FILE]}
LABEL = {"kind": "label", "label": "x"}
KEYFRAME = {"kind": "point", "frame": 1, "points": [[1, 2]]}


def placed(kind: str, **more: Any) -> dict[str, Any]:
    """An annotation with a place."""
    return {"kind": kind, "image": "ct", "label": "d"} | more


BAD: dict[str, dict[str, Any]] = {
    "id empty": {"id": ""},
    "id long": {"id": "x" * 256},
    "id control": {"id": "a\x00b"},
    "id parent": {"id": "a/../b"},
    "title": {"title": 5},
    "images no list": {"images": "ct"},
    "image no role": {"images": [{"files": [FILE]}]},
    "image no files": {"images": [{"role": "ct", "files": []}]},
    "image kind": {"images": [IMAGE | {"kind": "hologram"}]},
    "image layout": {"images": [IMAGE | {"layout": [[1]]}]},
    "image geometry": {"images": [IMAGE | {"geometry": {"shape": [1, 2], "affine": []}}]},
    "image unknown field": {"images": [IMAGE | {"colour": "red"}]},
    "file no location": {"images": [{"role": "ct", "files": [{"name": "a"}]}]},
    "file size": {"images": [{"role": "ct", "files": [FILE | {"size": -1}]}]},
    "file digest": {"images": [{"role": "ct", "files": [FILE | {"sha256": "XYZ"}]}]},
    "file name": {"images": [{"role": "ct", "files": [FILE | {"name": "../a"}]}]},
    "annotation kind": {"annotations": [{"kind": "scribble"}]},
    "annotation unknown field": {"annotations": [LABEL | {"colour": "red"}]},
    "annotation label": {"annotations": [{"kind": "label", "label": 5}]},
    "label missing": {"annotations": [{"kind": "label"}]},
    "frame": {"annotations": [LABEL | {"frame": -1}]},
    "confidence": {"annotations": [LABEL | {"confidence": 1.5}]},
    "status": {"annotations": [LABEL | {"status": "great"}]},
    "source": {"annotations": [LABEL | {"source": "ghost"}]},
    "codes": {"annotations": [LABEL | {"codes": [{"value": "1"}]}]},
    "created": {"annotations": [LABEL | {"created": "yesterday"}]},
    "category": {"annotations": [{"kind": "category", "label": "q", "value": ""}]},
    "numeric": {"annotations": [{"kind": "numeric", "label": "q", "value": "3"}]},
    "text": {"annotations": [{"kind": "text", "label": "q", "value": 3}]},
    "line": {"annotations": [placed("line", points=[[1, 2]])]},
    "box": {"annotations": [placed("box", points=[[1, 2]] * 3)]},
    "angle": {
        "images": [IMAGE],
        "annotations": [{"kind": "angle", "image": "ct", "label": "d", "points": [[1, 2]] * 5}],
    },
    "ellipse": {
        "images": [IMAGE],
        "annotations": [{"kind": "ellipse", "image": "ct", "label": "d", "points": [[1, 2]]}],
    },
    "position": {"annotations": [placed("point", points=[[1]])]},
    "polygon": {
        "images": [IMAGE],
        "annotations": [{"kind": "polygon", "image": "ct", "label": "d", "rings": [[[1, 2]]]}],
    },
    "mask": {"images": [IMAGE], "annotations": [{"kind": "mask", "image": "ct", "file": FILE, "labels": {"0": "x"}}]},
    "mask file": {"images": [IMAGE], "annotations": [{"kind": "mask", "image": "ct", "labels": {"1": "x"}}]},
    "track": {"annotations": [placed("track", keyframes=[])]},
    "track without a frame": {"annotations": [placed("track", keyframes=[{"kind": "label"}])]},
    "track of masks": {"annotations": [placed("track", keyframes=[{"kind": "mask", "frame": 1, "file": FILE}])]},
    "track of depth": {"annotations": [placed("track", keyframes=[KEYFRAME | {"points": [[1, 2, 3]]}])]},
    "track's author": {"annotations": [placed("track", keyframes=[KEYFRAME | {"author": "a"}])]},
    "track's ranges": {"annotations": [placed("track", keyframes=[KEYFRAME], ranges=[[1]])]},
    "track's end": {"annotations": [placed("track", keyframes=[KEYFRAME], ranges=[[1, 2.5]])]},
    "track's way": {"annotations": [placed("track", keyframes=[KEYFRAME], interpolated="yes")]},
    "raw": {"annotations": [{"kind": "raw", "payload": 1}]},
    "values": {"values": [1, 2]},
    "metadata": {"metadata": "x"},
    "attachment": {"attachments": [{"name": "a"}]},
    "tags": {"tags": ["a", "a"]},
    "tags text": {"tags": "train"},
    "tag empty": {"tags": [""]},
    "folder": {"folder": 3},
    "folder parent": {"folder": "a/../b"},
    "unknown field": {"colour": "red"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_schema_and_code_refuse_the_same(change: dict[str, Any]) -> None:
    document = {"caseferry": 1, "id": "a", "images": [IMAGE]} | change
    with pytest.raises(cf.InvalidCase):
        cf.Case.from_json(document)
    assert not VALIDATOR.is_valid(document)


def test_every_problem_of_a_document_is_listed() -> None:
    document = {
        "caseferry": 1,
        "id": "a",
        "images": [{"role": "ct", "files": []}, {"files": [FILE]}, {"role": "..", "files": [FILE | {"size": "big"}]}],
        "annotations": [{"kind": "scribble"}, LABEL | {"frame": -1, "confidence": 7}],
        "attachments": [{"name": "", "file": FILE}],
    }
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Case.from_json(document)
    assert [problem.where for problem in caught.value.problems] == [
        "images[0].files",
        "images[1].role",
        "images[2].role",
        "images[2].files[0]",
        "annotations[0].kind",
        "annotations[1].Label",
        "annotations[1].Label",
        "attachments[0].name",
    ]


SIGNS = st.text(st.sampled_from("\x00\x1b0ea"), max_size=8)


@given(st.recursive(SIGNS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SIGNS, inner, max_size=3)))
def test_null_characters_are_spelt_in_another_way_and_come_back(document: Any) -> None:
    """Databases of platforms hold all of JSON but these."""
    spelt = without_null(document)
    assert "\\u0000" not in json.dumps(spelt)
    assert with_null(spelt) == document
    assert holds_null(document) == ("\\u0000" in json.dumps(document))
