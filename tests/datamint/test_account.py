"""What Datamint has beside cases: projects, worklists, people and single resources, on good days and bad."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.case.compare import differences
from caseferry.imaging.kinds import Kind
from caseferry_datamint import Datamint
from caseferry_datamint.sandbox import MEMBER_KEY, POWERLESS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caseferry.testing import Samples
    from datamint_scene import Scene


@pytest.fixture
def account(scene: Scene) -> Iterator[Datamint]:
    with Datamint() as opened:
        yield opened


def mask(image: cf.Image) -> cf.Mask:
    """Two labels, each in two planes."""
    grid = image.geometry
    assert grid is not None
    voxels = np.zeros((*grid.shape[:2], grid.planes), np.uint8)
    voxels[1, 1, :2], voxels[3, 2, 1:3] = 1, 2
    shaped = voxels.reshape(*grid.shape, grid.frames) if grid.frames > 1 else voxels
    return cf.Mask.of_array(image.role, shaped, {1: "one", 2: "two"}, grid.affine)


# -- making things once --------------------------------------------------------------------------------------------

MAKERS: dict[str, tuple[str, Callable[[Datamint], Any], Callable[[Datamint], list[str]]]] = {
    "project": (
        "POST /projects",
        lambda account: account.create_project("new").name,
        lambda account: [each.name for each in account.projects()],
    ),
    "worklist": (
        "POST /annotationsets",
        lambda account: account.create_worklist("sandbox", "new").name,
        lambda account: [each.name for each in account.worklists("sandbox")],
    ),
    "user": (
        "POST /users",
        lambda account: account.create_user("new@sandbox.example").email.partition("@")[0],
        lambda account: [each.email.partition("@")[0] for each in account.users()],
    ),
}


@pytest.mark.parametrize("fault", ["reset-after x1", "503-after x1", "reset-before x1", "502 x2"])
@pytest.mark.parametrize("made", MAKERS)
def test_what_is_made_is_made_once(scene: Scene, account: Datamint, made: str, fault: str) -> None:
    call, make, there = MAKERS[made]
    account.projects()  # a host that has never answered is not tried as often
    scene.sandbox.faults.add(f"{call} {fault}")
    assert make(account) == "new"
    assert there(account).count("new") == 1
    with pytest.raises(cf.AlreadyExists):
        make(account)
    assert there(account).count("new") == 1


def test_a_project_that_was_deleted_keeps_its_name(account: Datamint) -> None:
    account.create_project("short-lived")
    account.delete_project("short-lived")
    assert "short-lived" not in {each.name for each in account.projects()}
    with pytest.raises(cf.AlreadyExists, match="short-lived"):
        account.create_project("short-lived")
    (there,) = [each for each in account.projects(archived=True) if each.archived]
    assert account.project(there.id) == there
    for do in (account.delete_project, account.project, account.open):
        with pytest.raises(cf.NotFound):
            do("short-lived")


def test_a_worklist_takes_resources_and_labels(scene: Scene, account: Datamint, samples: Samples) -> None:
    rid = scene.open().put(samples.case("a", Kind.PICTURE)).id
    label = {"type": "category", "scope": "image", "identifier": "quality", "values": ["good", "bad"]}
    made = account.create_worklist(
        "sandbox", "reading", resources=[rid], labels=[label], annotators=["member@sandbox.example"], description="why"
    )
    assert (made.name, made.description, made.resources) == ("reading", "why", (rid,))
    assert made.annotators == ("member@sandbox.example",)
    assert made.labels[0]["values"] == ["good", "bad"]
    dataset = account.open("sandbox", worklist=made.id)
    dataset.annotate(dataset.get(rid), [cf.Category("picture", "quality", "good")])
    dataset.close()
    assert [each.label for each in account.annotations(worklist=made.id)] == ["quality"]


def test_a_worklist_is_opened_by_its_name_or_id(account: Datamint, samples: Samples) -> None:
    made = account.create_worklist("sandbox", "second reading")
    for named in (made.id, "second reading"):
        with account.open("sandbox", worklist=named) as dataset:
            dataset.put(samples.case(named, Kind.PICTURE, annotations=[cf.Label("picture", "a")]))
    assert [each.worklist for each in account.annotations()] == [made.id, made.id]
    with pytest.raises(cf.NotFound, match="the project has sandbox, second reading"):
        account.open("sandbox", worklist="third reading")


# -- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "do",
    [
        lambda account: account.projects(),
        lambda account: account.create_project("new"),
        lambda account: list(account.resources()),
        lambda account: account.users(),
        lambda account: account.worklists(),
        lambda account: list(account.annotations()),
        lambda account: account.open("sandbox"),
    ],
)
def test_keys_without_rights(scene: Scene, do: Callable[[Datamint], Any]) -> None:
    for key, kind in ((POWERLESS_KEY, cf.PermissionDenied), ("no key at all", cf.AuthenticationFailed)):
        with Datamint(api_key=key) as account, pytest.raises(kind) as refused:
            do(account)
        assert key not in f"{refused.value!r}{refused.value}"
    assert not scene.standin.state["resources"]


def test_what_a_member_may_not_do(scene: Scene, samples: Samples) -> None:
    with Datamint(api_key=MEMBER_KEY) as account:
        with pytest.raises(cf.PermissionDenied):
            account.create_user("new@sandbox.example", "a secret word")
        case = samples.case("a", Kind.PICTURE, annotations=[cf.Label("picture", "b", author="admin@sandbox.example")])
        importing = account.open("sandbox", authors="import")
        with importing, pytest.raises(cf.PermissionDenied, match="administrator"):
            importing.put(case)
        with account.open("sandbox") as dataset:
            (found,) = dataset.put(case).case().annotations
    assert found.author == "admin@sandbox.example"
    (row,) = scene.standin.state["annotations"].values()
    assert row["created_by"] == "member@sandbox.example"


@pytest.mark.parametrize("kind", [Kind.DICOM_MULTIFRAME, Kind.NIFTI], ids=str)
def test_annotations_in_the_names_of_those_who_made_them(scene: Scene, samples: Samples, kind: Kind) -> None:
    image = samples.image(kind)
    credit = {"source": "model", "model": "lung-net-3"}
    annotations = [
        cf.Label(image.role, "seen", author="member@sandbox.example"),
        cf.Label(image.role, "found", **credit),  # type: ignore[arg-type]
        replace(mask(image), **credit),  # type: ignore[arg-type]
    ]
    case = cf.Case("made by", images=[image], annotations=annotations)
    item = scene.put(case, scene.open(authors="import")).item
    rows = scene.standin.state["annotations"].values()
    assert {(row["identifier"], row["created_by"], row["model_id"]) for row in rows} == {
        ("seen", "member@sandbox.example", None),
        *((name, "admin@sandbox.example", "lung-net-3") for name in ("found", "one", "two")),
    }
    assert differences(scene.open().sealed(case), item.case()) == []


def test_a_password_is_in_no_message(account: Datamint, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(client: Any, *asked: Any, **options: Any) -> Any:
        raise cf.PermissionDenied("datamint", "create a user", "password 'secret word' is too weak", status=403)

    monkeypatch.setattr("caseferry_datamint.client.DatamintClient.change", refuse)
    with pytest.raises(cf.PermissionDenied, match="create a user answered 403") as refused:
        account.create_user("new@sandbox.example", "secret word")
    assert "secret word" not in "".join(traceback.format_exception(refused.value, chain=True)).replace(
        'create_user("new@sandbox.example", "secret word")', ""
    )


# -- lists ---------------------------------------------------------------------------------------------------------


def test_lists_that_the_server_cuts_short_are_whole(scene: Scene, account: Datamint) -> None:
    ids = [scene.upload(b"bytes", f"{number}.bin", channel=f"channel {number}") for number in range(5)]
    for number in range(4):
        account.create_user(f"{number}@sandbox.example")
        account.create_project(f"project {number}")
        account.create_worklist("sandbox", f"worklist {number}")
        scene.annotate(ids[0], {"type": "label", "identifier": f"label {number}", "scope": "image"})
    scene.standin.page_cap = 2
    for envelope in ("bare", "data", "nested"):
        scene.standin.search_envelope = envelope
        assert [each.label for each in account.annotations(ids[0])] == [f"label {number}" for number in range(4)]
    assert [each.label for each in account.annotations([*ids, *map(str, range(150))])] == [
        f"label {number}" for number in range(4)
    ]
    assert list(account.annotations([])) == []
    assert [each.id for each in account.resources()] == ids
    assert {each.name for each in account.channels()} == {f"channel {number}" for number in range(5)}
    assert len(account.users()) == 7
    assert len(account.projects()) == 5
    assert len(account.worklists("sandbox")) == 5
    assert len(account.worklists()) == 9
    assert len(account.project_datasets()) == 5


def test_a_server_of_today(scene: Scene, account: Datamint, samples: Samples) -> None:
    """Projects say neither their worklist nor how many of their resources are annotated."""
    scene.standin.current_server = True
    rid = scene.open().put(samples.case("a", Kind.PICTURE, annotations=[cf.Label("picture", "b")])).id
    project = account.project("sandbox")
    assert (project.resources, project.annotated) == (1, None)
    (worklist,) = account.worklists("sandbox")
    assert [each.worklist for each in account.annotations(rid)] == [worklist.id]
    account.create_project("second")
    other = account.create_worklist("second", "reading")
    account.update_worklist(other.id, status="active")
    assert {each.id for each in account.worklists()} > {worklist.id, other.id}
    assert [each.id for each in account.worklists(status="active")] == [other.id]


def test_a_case_is_found_by_any_of_its_resources(scene: Scene, samples: Samples) -> None:
    """The filter may match a resource that is not the first of its case."""
    volume, picture = samples.image(Kind.NIFTI, "ct"), samples.image(Kind.PICTURE, "xr")
    dataset = scene.open()
    both = dataset.put(cf.Case("both", images=[volume, picture]))
    only = dataset.put(cf.Case("only", images=[picture]))
    assert list(dataset.items(mimetype="image/png")) == [both, only]
    assert list(dataset.items(mimetype="application/nifti")) == [both]
    assert list(dataset.items(mimetype="image/png", ascending=False)) == [only, both]
    assert list(dataset.items(order="filename", ascending=False)) == [only, both]
    assert list(dataset.items()) == [both, only]
    assert [each.case().id for each in dataset.items(filename="xr.png")] == ["both", "only"]


# -- annotations ---------------------------------------------------------------------------------------------------


def test_a_verdict_comes_back_with_the_case(scene: Scene, samples: Samples) -> None:
    image = samples.image(Kind.DICOM_MULTIFRAME)
    right, wrong = cf.Label(image.role, "right"), cf.Label(image.role, "wrong")
    dataset = scene.open()
    item = dataset.put(cf.Case("judged", images=[image], annotations=[right, wrong, mask(image)]))
    good = [each for each in item.case().annotations if each.label != "wrong"]
    dataset.approve_annotations(item, good)
    judged = {each.label or each.kind: (each.status, each.reviewer) for each in item.case().annotations}
    by = ("approved", "admin@sandbox.example")
    assert judged == {"right": by, "mask": by, "wrong": (None, None)}
    assert len(list(dataset.account.annotations(status="published"))) == 5


@pytest.mark.parametrize("kind", [Kind.DICOM_MULTIFRAME, Kind.NIFTI, Kind.DICOM_SERIES], ids=str)
def test_an_annotation_is_added_once(scene: Scene, samples: Samples, kind: Kind) -> None:
    """Whatever answer is lost, and whatever of it was there by then."""
    image = samples.image(kind)
    dataset = scene.open()
    for number, fault in enumerate(("annotations reset-after", "segmentations/file 502-after", "file reset-after")):
        item = dataset.put(cf.Case(f"lost {number}", images=[image]))
        scene.sandbox.faults.add(f"POST /annotations/*/{fault} x1")
        new = [mask(image), cf.Label(image.role, "seen"), cf.Category(image.role, "quality", "good", frame=1)]
        item = dataset.annotate(item, new)
        scene.sandbox.faults.clear()
        rows = dataset.account.annotations(each.id for each in dataset.resources(item))
        places = [(each.resource, each.kind, each.label, each.frame) for each in rows]
        assert len(places) == len(set(places))
        case = item.case()
        assert sorted(each.kind for each in case.annotations) == ["category", "label", "mask"]
        drawn = next(each for each in case.annotations if isinstance(each, cf.Mask))
        assert drawn.labels == mask(image).labels
        np.testing.assert_array_equal(drawn.voxels(), mask(image).voxels())


@pytest.mark.parametrize(
    "said",
    [
        {"author": "a@b.c", "confidence": 0.5},
        {"attributes": {"k": 1}},
        {"codes": (cf.Code("1", "SCT"),), "status": "approved"},
        {"source": "model", "model": "m"},
    ],
)
def test_what_a_row_does_not_say_is_told_by_an_amendment(scene: Scene, samples: Samples, said: dict[str, Any]) -> None:
    """Where nothing would be lost there is none; on a resource of somebody else it is refused."""
    dataset = scene.open()
    item = dataset.put(samples.case("a", Kind.PICTURE))
    dataset.annotate(item, [cf.Label("picture", "c", status="new", source="unknown")])
    assert [row["identifier"] for row in scene.standin.state["annotations"].values()] == ["c"]
    new = cf.Label("picture", "b", id="b", **said)
    dataset.annotate(item, [cf.Label("picture", "fine"), new])
    found = {each.label: each for each in item.case().annotations}
    assert sorted(found) == ["b", "c", "fine"]
    assert found["b"] == new


@pytest.mark.parametrize("kind", [Kind.DICOM_MULTIFRAME, Kind.NIFTI, Kind.DICOM_SERIES], ids=str)
def test_a_mask_is_deleted_whole(scene: Scene, samples: Samples, kind: Kind) -> None:
    image = samples.image(kind)
    dataset = scene.open()
    case = cf.Case("two masks", images=[image], annotations=[mask(image), mask(image), cf.Label(image.role, "stays")])
    item = dataset.put(case)
    first, second, label = item.case().annotations
    dataset.delete_annotations(item, [first])
    assert [each.id for each in item.case().annotations] == [second.id, label.id]
    left = {each.annotation_id for each in dataset.account.annotations()}
    assert left == {second.id, label.id}


def test_what_others_drew_is_approved_and_deleted_too(scene: Scene) -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (8, 6)).save(out, "PNG")
    rid = scene.upload(out.getvalue(), "a.png", "image/png")
    masks = [{"type": "segmentation", "identifier": "m", "scope": "frame", "frame_index": 0}]
    scene.annotate(rid, {"type": "label", "identifier": "a", "scope": "image"}, *masks)
    dataset = scene.open()
    item = dataset.get(rid)
    dataset.approve_annotations(item, item.case().annotations)
    assert {row["status"] for row in scene.standin.state["annotations"].values()} == {"approved"}
    dataset.delete_annotations(item, item.case().annotations)
    assert item.case().annotations == ()


def test_a_range_of_frames_is_one_annotation(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    item = dataset.put(samples.case("a", Kind.NIFTI))
    scene.annotate(item.id, {"type": "label", "identifier": "seen", "scope": "frame", "frame_range": [1, 3]})
    (track,) = item.case().annotations
    assert isinstance(track, cf.Track)
    assert list(track.frames) == [1, 2, 3]
    dataset.delete_annotations(item, [track])
    assert item.case().annotations == ()


def test_what_lies_beside_the_case_is_not_deleted(scene: Scene, samples: Samples) -> None:
    dataset = scene.open()
    angle = cf.Angle("picture", [(1, 3), (3, 3), (3, 1)], label="bent")
    item = dataset.put(samples.case("a", Kind.PICTURE, annotations=[angle, cf.Label("picture", "b")]))
    before = len(scene.sandbox.ledger)
    with pytest.raises(cf.ConfigurationError, match="kept beside the case"):
        dataset.delete_annotations(item, item.case().annotations)
    assert not [entry for entry in list(scene.sandbox.ledger)[before:] if entry.method in {"DELETE", "PATCH"}]
    assert len(item.case().annotations) == 2


# -- resources -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bulk", [True, False])
def test_publishing_asks_as_rarely_as_the_server_allows(scene: Scene, account: Datamint, bulk: bool) -> None:
    ids = [scene.upload(b"bytes", f"{number}.bin") for number in range(7)]
    account.create_project("second")
    account.publish(ids[2])
    if not bulk:
        scene.sandbox.faults.add("POST /resources/bulk-publish 404")
    before = len(scene.sandbox.ledger)
    account.publish(ids, project="second")
    asked = [entry.path for entry in list(scene.sandbox.ledger)[before:] if entry.method == "POST"]
    assert len(asked) == (2 if bulk else 9)
    assert {each.status for each in account.resources()} == {"published"}
    assert [each.id for each in account.resources(project="second")] == ids
    with pytest.raises(cf.NotFound):
        account.publish([*ids, "00000000-0000-4000-8000-000000000000"])


@pytest.mark.parametrize("name", ["", "..", "../projects", "a/b", "x?y=1", "%2e%2e", "ü 1"])
def test_an_id_is_never_taken_for_more_of_an_address(scene: Scene, account: Datamint, name: str) -> None:
    for do in (
        account.resource,
        account.file,
        account.worklist,
        account.publish,
        account.delete_annotations,
        scene.open().get,
        lambda each: account.set_tags(each, ["tag"]),
    ):
        with pytest.raises(cf.NotFound):
            do(name)


@pytest.mark.parametrize("fault", ["reset-after x1", "502-after x2", "reset-before x1"])
def test_what_is_deleted_is_gone_whatever_answer_is_lost(
    scene: Scene, account: Datamint, samples: Samples, fault: str
) -> None:
    dataset = scene.open()
    image = samples.image(Kind.DICOM_SERIES)
    item = dataset.put(cf.Case("a", images=[image], annotations=[mask(image), cf.Label(image.role, "b")]))
    account.create_project("second")
    scene.sandbox.faults.add(f"DELETE * {fault}")
    dataset.delete_annotations(item, item.case().annotations[:1])
    scene.sandbox.faults.clear()
    assert [each.kind for each in item.case().annotations] == ["label"]
    scene.sandbox.faults.add(f"DELETE * {fault}")
    dataset.delete(item)
    assert list(account.resources()) == []
    scene.sandbox.faults.clear()
    scene.sandbox.faults.add(f"DELETE * {fault}")
    account.delete_project("second")
    assert [each.name for each in account.projects()] == ["sandbox"]
    with pytest.raises(cf.NotFound):
        dataset.delete(item)


# -- files ---------------------------------------------------------------------------------------------------------


def test_an_export_that_breaks_leaves_no_file(scene: Scene, account: Datamint, samples: Samples) -> None:
    scene.open().put(samples.case("a", Kind.NIFTI, annotations=[cf.Label("nifti", "b")]))
    target = scene.folder / "exports" / "project.zip"
    target.parent.mkdir()
    target.write_bytes(b"of last week")
    scene.sandbox.faults.add("GET /projects/*/annotated_dataset 400")
    with pytest.raises(cf.PlatformError):
        account.export_project("sandbox", target)
    scene.sandbox.faults.clear()
    scene.sandbox.faults.add("GET /projects/*/annotated_dataset 404")
    with pytest.raises(cf.NotFound, match="transfer the project to a folder instead"):
        account.export_project("sandbox", target)
    assert [(path.name, path.read_bytes()) for path in target.parent.iterdir()] == [("project.zip", b"of last week")]
    scene.sandbox.faults.clear()
    scene.sandbox.faults.add("GET /projects/*/annotated_dataset truncate x2")
    account.export_project("sandbox", target)
    assert target.read_bytes()[:2] == b"PK"


def test_a_file_is_saved_whole_or_not_at_all(scene: Scene, account: Datamint, samples: Samples) -> None:
    image = samples.image(Kind.NIFTI)
    rid = scene.open().put(cf.Case("a", images=[cf.Image("ct", image.files[0].measured())])).id
    target = scene.folder / "saved" / "there.nii.gz"
    target.parent.mkdir()
    scene.sandbox.faults.add("GET /resources/*/file corrupt x1")
    with pytest.raises(cf.UnexpectedResponse, match="SHA-256"):
        account.save(rid, target)
    assert list(target.parent.iterdir()) == []
    scene.sandbox.faults.add("GET /resources/*/file truncate x1")
    assert account.save(rid, target).read_bytes() == image.files[0].read()
    assert list(target.parent.iterdir()) == [target]
    beside = account.save(rid, target.parent)
    assert beside.name == image.files[0].name
    with pytest.raises(cf.AlreadyExists, match="holds a file of that name"):
        account.save(rid, target.parent)
    assert sorted(target.parent.iterdir()) == sorted([target, beside])


def test_frames_that_are_not_there(scene: Scene, account: Datamint, samples: Samples) -> None:
    volume, picture = (scene.open().put(samples.case(kind, kind)).id for kind in (Kind.NIFTI, Kind.PICTURE))
    for rid, index in ((volume, -1), (volume, 10**6), (picture, -1), (picture, 1)):
        with pytest.raises(cf.NotFound):
            account.frame(rid, index)


@pytest.mark.parametrize("tags", [["a,b"], ["caseferry:other"], [""], ["fine", " "]])
def test_tags_that_cannot_be(scene: Scene, account: Datamint, samples: Samples, tags: list[str]) -> None:
    rid = scene.open().put(samples.case("a", Kind.PICTURE, tags=["kept"])).id
    before = len(scene.sandbox.ledger)
    with pytest.raises(cf.ConfigurationError, match="tags"):
        account.set_tags(rid, tags)
    assert len(scene.sandbox.ledger) == before
    assert account.resource(rid).tags == ("kept",)


def test_a_resource_says_what_it_is(scene: Scene, account: Datamint, samples: Samples) -> None:
    rid = scene.open(channel="gc").put(samples.case("a", Kind.PICTURE, tags=["t"])).id
    found = account.resource(rid)
    assert (found.filename, found.mimetype, found.status, found.channel) == (
        "picture.png",
        "image/png",
        "published",
        "gc",
    )
    assert (found.case_id, found.projects, found.tags) == ("a", ("sandbox",), ("t",))
    assert found.size == len(account.file(rid).read())
    assert found.created is not None
    assert found.created.tzinfo is not None
