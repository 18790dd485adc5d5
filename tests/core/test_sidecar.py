"""The sidecar: nothing is lost in it, hostile ones are refused, and what people changed on the platform counts."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import caseferry as cf
from caseferry.annotation import Mask, annotation_from_json
from caseferry.case.compare import differences, same_meaning
from caseferry.case.seal import seal
from caseferry.files import FileProblem
from caseferry.sidecar import Found, Native, build, case_fingerprint, merge, parse
from caseferry.testing.samples import Samples
from strategies import annotations

if TYPE_CHECKING:
    from pathlib import Path

PLENTY = 1 << 20


@pytest.fixture
def case(tmp_path: Path) -> cf.Case:
    """A case with everything that may be kept beside."""
    samples = Samples(tmp_path)
    image = samples.image(cf.Kind.NIFTI, "ct")
    mask = tmp_path / "mask.nii.gz"
    grid = image.geometry
    assert grid is not None
    import numpy as np

    mask.write_bytes(Mask.of_array("ct", np.ones(grid.shape), {1: "x"}, grid.affine).file.read())
    report = tmp_path / "report.txt"
    report.write_text("short\n" * 50)
    return seal(
        cf.Case(
            id="a",
            title="A",
            images=[image],
            annotations=[
                Mask("ct", mask, {1: "x"}, id="m"),
                cf.Line("ct", [(1, 2), (3, 4)], frame=1, label="d", id="l", author="a@b.c", attributes={"k": 1}),
                cf.Category("ct", label="q", value="yes", id="c"),
            ],
            values={"volume": 1.5},
            attachments=[cf.Attachment("report", report)],
            tags=["t"],
            folder="f",
            metadata={"site": "A"},
        )
    )


def kept_of(case: cf.Case, native: Native | None = None) -> Any:
    document, _ = build(case, native or Native(), PLENTY)
    return parse(json.loads(json.dumps(document)))


def test_a_case_comes_back_from_its_sidecar_alone(case: cf.Case) -> None:
    kept = kept_of(case)
    again = merge(kept, {"ct": case.image("ct")})
    assert differences(case, again) == []
    assert again.annotations[0].file.read() == case.annotations[0].file.read()  # type: ignore[attr-defined]
    assert again.attachments[0].file.read() == case.attachments[0].file.read()
    assert kept.fingerprint == case_fingerprint(case)


def test_what_finds_no_room_is_given_back_largest_last(case: cf.Case) -> None:
    document, overflow = build(case, Native(), 0)
    assert document["files"] == {}
    assert [ref.name for ref in overflow] == sorted(
        ["mask.nii.gz", "report.txt"], key=lambda n: next(r.length() for r in case.files() if r.name == n)
    )
    kept = parse(document)
    assert kept is not None
    with pytest.raises(
        FileProblem, match=r"'report\.txt' found no room on the platform and lies in the journal's fold"
    ):
        kept.case.attachments[0].file.read()


def test_null_characters_come_back_from_a_sidecar_that_holds_none(case: cf.Case) -> None:
    odd = dataclasses.replace(case, annotations=[cf.Text(None, "a\0b", "c\0\x1b0", id="d\0")], metadata={"\0": "\0"})
    document, _ = build(seal(odd), Native(annotations={"d\0": "e"}), 10**6)
    assert "\\u0000" not in json.dumps(document)
    kept = parse(json.loads(json.dumps(document)))
    assert kept is not None
    assert (kept.case.annotations, kept.case.metadata) == (odd.annotations, odd.metadata)
    assert kept.native.annotations == {"d\0": "e"}


def test_files_that_stand_on_the_platform_are_not_packed(case: cf.Case) -> None:
    native = Native(annotations={"m": "77"}, attachments={"report": "78"})
    document, overflow = build(case, native, PLENTY)
    assert document["files"] == {}
    assert overflow == []


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(annotations(["ct"]).filter(lambda a: not isinstance(a, Mask)), max_size=4))
def test_any_annotation_comes_back_from_the_sidecar(found: list[cf.Annotation]) -> None:
    image = cf.Image("ct", cf.FileRef.of_bytes(b"x", "ct.dcm"))
    made = cf.Case(id="a", images=[image], annotations=found)
    again = merge(kept_of(made), {"ct": image})
    assert again.annotations == made.annotations


@pytest.mark.parametrize(
    "document",
    [
        None, 3, "text", [], {}, {"version": 1}, {"version": 2, "case": {}}, {"version": 1, "case": 3},
        {"version": 1, "case": {"id": "a"}}, {"version": 1, "case": {"id": "a", "caseferry": 99}},
        {"version": 1, "case": {"id": "a", "caseferry": 1}, "native": 3},
        {"version": 1, "case": {"id": "a", "caseferry": 1}, "native": {"images": 3}},
        {"version": 1, "case": {"id": "a", "caseferry": 1}, "files": "x"},
        {"version": 1, "case": {"id": "../..", "caseferry": 1}},
    ],
)  # fmt: skip
def test_what_is_no_sidecar_is_passed_over(document: Any) -> None:
    assert parse(document) is None


def packed(text: str, size: int | None, digest: str) -> cf.FileRef:
    """A file in a sidecar that somebody else wrote."""
    document = cf.Case(
        id="a", attachments=[cf.Attachment("r", cf.FileRef(f"packed:{digest}", "r.bin", size))]
    ).to_json()
    kept = parse({"version": 1, "case": document, "files": {digest: text}})
    assert kept is not None
    return kept.case.attachments[0].file


def test_a_decompression_bomb_is_refused_before_it_is_unpacked() -> None:
    content = bytes(50 << 20)
    bomb = base64.b64encode(zlib.compress(content, 9)).decode()
    digest = hashlib.sha256(content).hexdigest()
    for size in (0, 10, (50 << 20) - 1):
        with pytest.raises(
            FileProblem, match=f"'r.bin' in the sidecar is cut short, or unpacks to more than its {size}"
        ):
            packed(bomb, size, digest).read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cut short"),
        ("!!!", "is damaged"),
        (base64.b64encode(b"no zlib").decode(), "is damaged"),
        (base64.b64encode(zlib.compress(b"hello")[:-3]).decode(), "is cut short"),
        (base64.b64encode(zlib.compress(b"hallo")).decode(), "its SHA-256 is not the one it was put with"),
    ],
)
def test_damaged_files_are_refused(text: str, message: str) -> None:
    with pytest.raises(FileProblem, match=message):
        packed(text, 5, hashlib.sha256(b"hello").hexdigest()).read()


def test_a_file_in_the_sidecar() -> None:
    for content in (b"hello", b""):
        text = base64.b64encode(zlib.compress(content)).decode()
        assert packed(text, len(content), hashlib.sha256(content).hexdigest()).read() == content


# -- what people changed on the platform ---------------------------------------------------------------------------

NATIVE = Native(annotations={"l": "77", "c": "78"}, values={"volume": "v"})


def test_what_was_left_alone_comes_back_as_it_was_put(case: cf.Case) -> None:
    line, category = case.annotations[1:]
    assert isinstance(line, cf.Line)
    bare = cf.Line("ct", [(1.0000001, 2), (3, 4)], frame=1, label="d")
    found = [Found(bare, "77"), Found(cf.Category("ct", label="q", value="yes"), "78")]
    again = merge(kept_of(case, NATIVE), {"ct": case.image("ct")}, found, {"volume": 1.5})
    assert again.annotations[1:] == (line, category)
    assert differences(case, again) == []


def test_a_verdict_that_was_given_there_counts(case: cf.Case) -> None:
    line = cf.Line("ct", [(1, 2), (3, 4)], frame=1, label="d", status="approved", reviewer="r@b.c")
    category = cf.Category("ct", label="q", value="yes", status="new")
    again = merge(kept_of(case, NATIVE), {"ct": case.image("ct")}, [Found(line, "77"), Found(category, "78")])
    judged = {annotation.id: (annotation.status, annotation.reviewer) for annotation in again.annotations}
    assert judged == {"m": (None, None), "l": ("approved", "r@b.c"), "c": (None, None)}
    assert again.annotations[1].author == "a@b.c"


def test_what_was_moved_lies_where_it_was_moved_to_and_keeps_what_the_platform_cannot_say(case: cf.Case) -> None:
    moved = cf.Line("ct", [(1, 2), (6, 4)], frame=2, label="d")
    again = merge(kept_of(case, NATIVE), {"ct": case.image("ct")}, [Found(moved, "77")])
    line = next(a for a in again.annotations if a.id == "l")
    assert isinstance(line, cf.Line)
    assert line.points == moved.points
    assert line.frame == 2
    assert (line.author, line.attributes) == ("a@b.c", {"k": 1})


def test_what_was_deleted_is_gone_and_what_is_new_is_there(case: cf.Case) -> None:
    new = cf.Point("ct", (1, 1), frame=0, label="new", id="n")
    again = merge(kept_of(case, NATIVE), {"ct": case.image("ct")}, [Found(new, "99")])
    assert {annotation.id for annotation in again.annotations} == {"m", "n"}
    assert "volume" not in again.values


def test_an_image_that_is_gone_takes_its_annotations_along(case: cf.Case) -> None:
    again = merge(kept_of(case, Native()), {})
    assert again.images == ()
    assert again.annotations == ()


def test_a_new_image_is_there(case: cf.Case) -> None:
    new = cf.Image("mr", cf.FileRef.of_bytes(b"x", "mr.dcm"))
    again = merge(kept_of(case), {"ct": case.image("ct"), "mr": new})
    assert [image.role for image in again.images] == ["ct", "mr"]


def test_a_label_that_was_changed_there_counts(case: cf.Case) -> None:
    changed = cf.Category("ct", label="q", value="no")
    again = merge(kept_of(case, NATIVE), {"ct": case.image("ct")}, [Found(changed, "78")])
    assert next(a for a in again.annotations if a.id == "c").value == "no"  # type: ignore[attr-defined]


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(annotations(["ct"]))
def test_an_annotation_means_the_same_as_its_copy_and_not_as_one_of_another_label(annotation: cf.Annotation) -> None:
    assert same_meaning(annotation, annotation_from_json(annotation.to_json()), None)
    other = dataclasses.replace(annotation, label=annotation.label + "!")
    assert not same_meaning(annotation, other, None)


def test_the_fingerprint_is_of_what_a_case_says_and_not_of_where_its_files_lie(case: cf.Case, tmp_path: Path) -> None:
    def moved(ref: cf.FileRef) -> cf.FileRef:
        return dataclasses.replace(ref, location=f"elsewhere/{ref.name}")

    assert case_fingerprint(case.with_files(moved)) == case_fingerprint(case)
    for change in ({"title": "B"}, {"values": {}}, {"tags": []}, {"annotations": case.annotations[:2]}):
        assert case_fingerprint(dataclasses.replace(case, **change)) != case_fingerprint(case)  # type: ignore[arg-type]
