"""Whatever a server answers of an annotation, the case can be read, and nothing that was answered is lost."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.imaging.kinds import Kind
from caseferry.mapping import Names
from caseferry_datamint.wire import reading
from caseferry_datamint.wire.rows import marking, rows_by_annotation
from caseferry_datamint.wire.tracks import bundled
from datamint_images import image

ODD = st.sampled_from([None, "", 0, 1, -1, 2.5, True, [], {}, "x", "1", "é\ud800", float("nan"), float("inf"), 1 << 70])
NUMBER = st.sampled_from([0, 1, 2.5, "3", None, float("nan"), -7, 1e300])
POINTS = st.lists(st.lists(NUMBER, min_size=1, max_size=4), max_size=5)
GEOMETRY = st.one_of(
    POINTS,
    st.fixed_dictionaries({"points": POINTS}, optional={"closed": ODD, "viewPlaneNormal": ODD, "viewUp": ODD}),
    ODD,
)
TYPES = ["label", "category", "text", "integer", "float", "line", "point", "square", "region", "segmentation", "spline"]
FIELDS = {
    "annotation_type": st.sampled_from(TYPES) | ODD,
    "type": st.sampled_from(TYPES) | ODD,
    "identifier": st.sampled_from(["a", "b"]) | ODD,
    "scope": st.sampled_from(["image", "frame"]) | ODD,
    "frame_index": st.integers(0, 3) | ODD,
    "index": ODD,
    "frame_range": st.lists(st.integers(0, 3), min_size=2, max_size=2) | ODD,
    "frame_ranges": st.lists(st.fixed_dictionaries({"start": NUMBER, "end": NUMBER}), max_size=2) | ODD,
    "text_value": ODD,
    "numeric_value": ODD,
    "value": ODD,
    "geometry": GEOMETRY,
    "status": ODD,
    "created_at": st.just("2026-01-02T03:04:05Z") | ODD,
    "created_by": ODD,
    "import_author": ODD,
    "approved_by": ODD,
    "imported_from": st.sampled_from(["caseferry:own", "caseferry@2:own", "caseferry-sidecar", "elsewhere"]) | ODD,
    "is_model": ODD,
    "model_id": ODD,
    "class_map": st.dictionaries(st.sampled_from(["1", "2", "x", ""]), ODD, max_size=3) | ODD,
    "file": st.just("a/b.png") | ODD,
    "units": ODD,
    "of_tomorrow": ODD,
}
ROWS = st.lists(st.fixed_dictionaries({}, optional=FIELDS), max_size=4)
WHERE = {
    "cine": image(Kind.VIDEO, (8, 6, 1), np.eye(4), frames=4, space="pixel"),
    "volume": image(Kind.NIFTI, (8, 6, 4), np.diag([0.5, 0.8, -3, 1])),
    "coronal": image(Kind.NIFTI, (8, 4, 6), np.eye(4)[[0, 2, 1, 3]]),
}


@settings(max_examples=80, phases=[Phase.generate])
@given(st.sampled_from([*WHERE]), ROWS)
def test_any_answer(where: str, answered: list[dict[str, Any]]) -> None:
    resource = {"id": "r", "filename": "a.bin", "metadata": {}}
    rows = [{**row, "id": f"row {number}", "resource_id": "r"} for number, row in enumerate(answered)]
    found = reading.Group("r", (resource,))
    group, others = found.parted(rows)
    annotations = reading.annotations_of(group, others, {"image": WHERE[where]}, Names(), lambda _: None)  # type: ignore[arg-type,return-value]
    there = [each.annotation for each in annotations]
    case = cf.Case("one", images=[cf.Image("image", WHERE[where].files)], annotations=there)
    assert json.dumps(case.to_json(), allow_nan=False, ensure_ascii=False).encode()

    made_of = rows_by_annotation(found, rows)
    assert {each.id for each in there} <= made_of.keys()
    told = {row for each in there for row in made_of[each.id]}
    assert told == {str(row["id"]) for row in others}, "each row is one of an annotation that is read"
    assert sorted(row["id"] for _, bundle in bundled(others) for row in bundle) == sorted(row["id"] for row in others)
    for row in rows:
        marking(row)
