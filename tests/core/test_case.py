"""Cases: valid once built, with every problem named; stable order and names; unchanged by what they were made of."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import caseferry as cf
from caseferry.testing.samples import SHAPE, Samples, oblique
from strategies import cases

FILE = "a.dcm"


def problems_of(**fields: Any) -> list[str]:
    """What is said of a case that cannot be built."""
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Case(**fields)
    return [str(problem) for problem in caught.value.problems]


def test_the_example_of_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = Samples(tmp_path)
    samples.image(cf.Kind.DICOM_SERIES, "ct")
    nodules = np.zeros(SHAPE, np.uint8)
    nodules[2:4, 1:3, 1] = 1
    (tmp_path / "nodules.nii.gz").write_bytes(cf.Mask.of_array("ct", nodules, {1: "nodule"}, oblique()).file.read())
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4\n%%EOF\n")
    monkeypatch.chdir(tmp_path)
    case = cf.Case(
        id="LIDC-0001",
        images=[cf.Image("ct", files=sorted(Path("ct").glob("*.dcm")))],
        annotations=[
            cf.Mask("ct", "nodules.nii.gz", labels={1: "nodule"}),
            cf.Line("ct", [(10, 20), (30, 40)], frame=12, label="diameter"),
        ],
        values={"lung-volume": 1.9},
        attachments=[cf.Attachment("report", "report.pdf")],
        tags=["train"],
        folder="site-a",
        metadata={"site": "A"},
    )
    image = case.image("ct")
    assert image.geometry is not None
    assert image.geometry.shape == SHAPE
    assert image.geometry.affine.shape == (4, 4)
    assert image.voxels().shape == SHAPE
    mask, line = case.annotations
    assert isinstance(mask, cf.Mask)
    assert isinstance(line, cf.Line)
    assert mask.labels == {1: "nodule"}
    np.testing.assert_array_equal(mask.voxels(), nodules)
    assert line.points == ((10.0, 20.0), (30.0, 40.0))
    with case.attachments[0].file.open() as stream:
        assert stream.read(4) == b"%PDF"
    assert cf.Case.from_json(case.to_json()) == case


# -- names ---------------------------------------------------------------------------------------------------------

NAMES = {
    "": "is '', expected a {what}",
    "   ": "is '   ', expected a {what}",
    "..": "holds '..', which would leave a folder",
    "a/../b": "holds '..', which would leave a folder",
    "a\\..\\b": "holds '..', which would leave a folder",
    "a\0b": "holds a control character",
    "a\nb": "holds a control character",
    "a\x7f": "holds a control character",
    "x" * 300: "has 300 characters; at most 255 fit every platform",
    " a": "begins or ends with a space",
    "a\ud800": "holds half a character (a lone surrogate)",
}


@pytest.mark.parametrize(("name", "message"), NAMES.items(), ids=map(ascii, NAMES))
def test_names_that_no_platform_can_take(name: str, message: str) -> None:
    assert problems_of(id=name) == [f"id: {message.format(what='name for the case')}"]
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Image(name, FILE)
    assert str(caught.value) == f"role: {message.format(what='name for the image')}"
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Attachment(name, FILE)
    assert str(caught.value) == f"name: {message.format(what='name for the attachment')}"


@pytest.mark.parametrize("name", ["🫁 case", "x" * 255, "a/b", "..a", "a..b", "größe", "肺", "a b", "#1?&=%2e%2e", "."])
def test_names_that_are_odd_and_good(name: str) -> None:
    case = cf.Case(id=name, images=[cf.Image(name, FILE)], attachments=[cf.Attachment(name, FILE)], tags=[name])
    assert cf.Case.from_json(case.to_json()) == case


def test_a_name_that_is_no_text() -> None:
    assert problems_of(id=5) == ["id: is 5, expected a name for the case"]
    assert problems_of(id=None) == ["id: is None, expected a name for the case"]


@pytest.mark.parametrize("folder", ["a/..", "../a", "..", "a//b", "a/\0", "a/ b"])
def test_folders_that_lead_astray(folder: str) -> None:
    assert all(problem.startswith("folder: ") for problem in problems_of(id="a", folder=folder))


@pytest.mark.parametrize(("given_as", "kept"), [("", ""), ("/", ""), ("/a/b/", "a/b"), ("a", "a")])
def test_folders_in_their_usual_form(given_as: str, kept: str) -> None:
    assert cf.Case(id="a", folder=given_as).folder == kept


# -- every problem -------------------------------------------------------------------------------------------------


def test_every_problem_is_listed_at_once() -> None:
    ct = cf.Image("ct", FILE)
    found = problems_of(
        id="..",
        title=7,
        images=[ct, ct, "mr"],
        annotations=[
            cf.Label("mr", label="x"),
            cf.Point("pet", (1, 2), frame=0, label="p"),
            cf.Label(label="y", id="1"),
            cf.Label(label="z", id="1"),
        ],
        values={"a": float("nan")},
        attachments=[cf.Attachment("r", FILE), cf.Attachment("r", FILE)],
        tags=["a", "a", " ", 3],
        folder="a/../b",
        metadata={"a": {1}},
    )
    assert found == [
        "id: holds '..', which would leave a folder",
        "title: is 7, expected some text",
        "images[2]: is of type str, expected Image",
        "tags[2]: is ' ', expected some text",
        "tags[3]: is of type int, expected str",
        "folder: holds '..', which would leave a folder",
        "images[1].role: is 'ct', as is images[0]; give each a role of its own",
        "attachments[1].name: is 'r', as is attachments[0]; give each a name of its own",
        "tags[1].tag: is 'a', as is tags[0]; give each a tag of its own",
        "values: values.a is nan, which is not a number that JSON can hold",
        "metadata: metadata.a is of type set, which JSON cannot hold",
        "annotations[0].image: is 'mr', which is no role of an image; use one of 'ct', 'ct'",
        "annotations[1].image: is 'pet', which is no role of an image; use one of 'ct', 'ct'",
        "annotations[3].id: is '1', as is annotations[2]; give each a id of its own",
    ]


def test_a_mask_for_an_image_that_is_not_there() -> None:
    where = "annotations[0].image: is 'ct', which is no role of an image"
    assert problems_of(id="a", annotations=[cf.Mask("ct", "m.nii.gz", {1: "x"})]) == [
        f"{where}; use one of the images of the case (there are none)"
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tags": "train"}, "tags: is of type str, expected a list of str"),
        ({"images": None}, "images: is of type NoneType, expected a list of Image"),
        ({"annotations": {"a": 1}}, "annotations: is of type dict, expected a list of Annotation"),
        ({"values": [("a", 1)]}, "values: is of type list, expected names and values"),
        ({"metadata": None}, "metadata: is of type NoneType, expected names and values"),
        ({"folder": None}, "folder: is None, expected some text"),
    ],
)
def test_parts_of_another_form(fields: dict[str, Any], message: str) -> None:
    assert problems_of(id="a", **fields) == [message]


def test_one_problem_is_said_in_one_line_and_several_in_a_list() -> None:
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Case(id="a", title=5)  # type: ignore[arg-type]
    assert str(caught.value) == "case 'a' cannot be used: title: is 5, expected some text"
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Case(id="a", title=5, folder=5)  # type: ignore[arg-type]
    assert str(caught.value).splitlines()[0] == "case 'a' cannot be used, 2 problems:"
    assert str(caught.value).splitlines()[1] == "  - title: is 5, expected some text"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"files": []}, "files: is empty: an image has at least one file"),
        ({"files": [""]}, "files[0]: the location is '', expected a path or a URL"),
        ({"files": [3]}, "files[0]: expected str, bytes or os.PathLike object, not int"),
        ({"files": ["a", "b/.."]}, "files[1]: the file name '..' is not a file name"),
        ({"files": FILE, "kind": "hologram"}, "kind: is 'hologram', expected one of dicom-series, dicom-multiframe, "),
        ({"files": FILE, "layout": [[1]]}, "layout: is not a list of pairs"),
    ],
)
def test_images_that_are_none(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Image("ct", **fields)
    assert str(caught.value).startswith(message)


def test_an_image_takes_one_file_or_many_of_any_form() -> None:
    for files in (FILE, Path(FILE), cf.FileRef.of(FILE), [FILE], (Path(FILE),), iter([FILE]), {FILE: 1}.keys()):
        assert cf.Image("ct", files).files == (cf.FileRef.of(FILE),)


# -- equality, order, names ----------------------------------------------------------------------------------------


def built() -> cf.Case:
    return cf.Case(
        id="a",
        images=[cf.Image("ct", FILE)],
        annotations=[
            cf.Label(label="x"),
            cf.Label(label="x"),
            cf.Mask("ct", "/one/place/m.nii.gz", {1: "x"}),
            cf.Point("ct", (1, 2), frame=0, label="p", id="own"),
        ],
    )


def test_the_same_case_built_twice_is_equal_and_names_its_annotations_alike() -> None:
    assert built() == built()
    ids = [annotation.id for annotation in built().annotations]
    assert len(set(ids)) == 4
    assert ids[3] == "own"
    assert all(ids)


def test_names_of_annotations_do_not_depend_on_where_files_lie_or_on_neighbours() -> None:
    ids = [annotation.id for annotation in built().annotations]
    elsewhere = dataclasses.replace(built().annotations[2], file=cf.FileRef.of("s3://b/m.nii.gz"), id="")
    case = cf.Case(id="a", images=[cf.Image("ct", FILE)], annotations=[elsewhere, cf.Label(label="x")])
    assert [annotation.id for annotation in case.annotations] == [ids[2], ids[0]]
    assert cf.Case(id="b", annotations=[cf.Label(label="x")]).annotations[0].id != ids[0]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_order_is_kept_and_every_annotation_has_a_name_of_its_own(case: cf.Case) -> None:
    names = [annotation.id for annotation in case.annotations]
    assert len(set(names)) == len(names)
    assert all(names)
    again = dataclasses.replace(case, annotations=[dataclasses.replace(a, id="") for a in case.annotations])
    assert [annotation.id for annotation in again.annotations] == names
    assert list(case.files()) == list(again.files())
    assert case.with_files(lambda ref: ref) == case


def test_a_case_does_not_change_with_what_it_was_made_of() -> None:
    values, tags = {"a": [1, {"b": 2}]}, ["x"]
    case = cf.Case(id="a", values=values, tags=tags)  # type: ignore[arg-type]
    values["a"].append(3)
    tags.append("y")
    assert case.values == {"a": [1, {"b": 2}]}
    assert case.tags == ("x",)


@pytest.mark.parametrize("thing", [built(), cf.Image("ct", FILE), cf.Label(label="x"), cf.Attachment("r", FILE)])
def test_nothing_can_be_assigned(thing: Any) -> None:
    for each in dataclasses.fields(thing):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(thing, each.name, None)


def test_an_image_by_its_role() -> None:
    assert built().image("ct").role == "ct"
    with pytest.raises(KeyError, match="mr"):
        built().image("mr")


def test_a_case_is_shown_on_a_screen_whatever_it_holds(tmp_path: Path) -> None:
    """What a notebook shows of it: no bytes of a mask, none of thousands of files and positions."""
    mask = cf.Mask.of_array("ct", np.random.default_rng(1).integers(0, 2, (64, 64, 30), np.uint8), {1: "a"}, np.eye(4))
    case = cf.Case(
        "a",
        images=[cf.Image("ct", [tmp_path / f"{n}.dcm" for n in range(3000)])],
        annotations=[mask, cf.Polygon("ct", [(n, n % 7) for n in range(5000)], frame=0, label="outline")],
        metadata={"long": list(range(10_000))},
        values={"text": "x" * 100_000},
    )
    assert len(mask.file.location) > 10_000
    for each in (case, mask, *case.images, *case.annotations):
        assert len(repr(each)) < 3000
    assert repr(cf.Label("ct", "seen", frame=2)) == "Label(image='ct', label='seen', frame=2)"
    assert repr(cf.Case("a", tags=["x"])) == "Case(id='a', tags=('x',))"


@pytest.mark.parametrize("verb", ["put", "plan"])
def test_what_is_no_case_is_told(verb: str, tmp_path: Path) -> None:
    with cf.connect(f"local:{tmp_path}") as folder, pytest.raises(TypeError, match="expected a Case, and got Item"):
        getattr(folder, verb)(folder.put(cf.Case("a", values={"n": 1})))


def test_what_is_wrong_several_times_in_a_folder_is_told_once() -> None:
    with pytest.raises(cf.InvalidCase) as caught:
        cf.Case("a", folder="../../up")
    assert [problem.what for problem in caught.value.problems] == ["holds '..', which would leave a folder"]
