"""What cannot be put is told with its place, what was expected and what helps; if it can be, before anything is sent.

What the platform alone knows it refuses itself; then the item that was made meanwhile is completed once that is mended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.errors import AuthenticationFailed, InvalidCase, NotFound, PermissionDenied, PlatformError
from caseferry.files import FileRef
from caseferry_grand_challenge.errors import explain, of_sockets
from caseferry_grand_challenge.sandbox.accounts import OUTSIDER_TOKEN, VIEWER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from caseferry.connector import Item
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

PDF = b"%PDF-1.4 one"


def written(scene: Scene, name: str, voxels: Any) -> cf.Image:
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(scene.folder / name))
    return cf.Image("ct", [scene.folder / name])


def small(scene: Scene) -> cf.Image:
    return written(scene, "ct.mha", np.arange(60, dtype=np.int16).reshape(3, 4, 5))


def written_to(scene: Scene) -> list[str]:
    return [str(entry) for entry in scene.sandbox.ledger if entry.method != "GET"]


@pytest.fixture
def archive(shared: Scene) -> GrandChallengeDataset:
    return shared.open()


@pytest.fixture
def item(archive: GrandChallengeDataset) -> Item:
    return archive.put(cf.Case("there", values={"lung-volume": 1.5}))


def empty(scene: Scene) -> cf.Case:
    (scene.folder / "empty.mha").write_bytes(b"")
    return cf.Case("one", images=[cf.Image("ct", [scene.folder / "empty.mha"])])


PUTTING: dict[str, tuple[Callable[[Scene], cf.Case], str]] = {
    "an empty image": (empty, r"case 'one'.*image 'ct': empty.mha is empty"),
    "a file that is not there": (
        lambda scene: cf.Case("one", images=[cf.Image("ct", [scene.folder / "gone.mha"])]),
        r"case 'one'.*image 'ct'.*gone.mha' cannot be opened",
    ),
    "a value that is no number": (
        lambda _: cf.Case("one", values={"lung-volume": float("nan")}),
        r"case 'one'.*values.lung-volume is nan, which is not a number that JSON can hold",
    ),
    "a title too long": (
        lambda scene: cf.Case("t" * 256, images=[small(scene)]),
        r"id: has 256 characters; at most 255 fit",
    ),
    "a title with a space at its end": (lambda _: cf.Case("one "), r"id: begins or ends with a space"),
    "an image of five channels": (
        lambda scene: cf.Case("one", images=[many_channels(scene)]),
        r"image 'ct': many.mha has 5 channels; 1, 3 and 4 can be moved",
    ),
    "an image without a socket": (
        lambda scene: cf.Case("one", images=[small(scene).renamed(f"image{number}") for number in range(4)]),
        r"image '\w+': no free socket of kind Image or Heat Map is called .*name a socket in the mapping",
    ),
}


def many_channels(scene: Scene) -> cf.Image:
    voxels = sitk.GetImageFromArray(np.zeros((3, 4, 5, 5), np.uint8), isVector=True)
    sitk.WriteImage(voxels, str(scene.folder / "many.mha"))
    return cf.Image("ct", [scene.folder / "many.mha"])


@pytest.mark.parametrize("what", PUTTING)
def test_cases_that_cannot_be_put(shared: Scene, archive: GrandChallengeDataset, what: str) -> None:
    make, words = PUTTING[what]
    with pytest.raises(InvalidCase, match=words):
        archive.put(make(shared))
    assert written_to(shared) == []


FILLING: dict[str, tuple[str, Callable[[Scene], Any], str]] = {
    "a number as text": ("lung-volume", lambda _: "2.5", "'lung-volume': is of kind Float, which the value is not"),
    "a truth value as a number": ("slice-count", lambda _: True, "is of kind Integer, which the value is not"),
    "nothing": ("lung-volume", lambda _: None, "is of kind Float, which the value is not"),
    "an endless number": ("case-metadata", lambda _: {"a": [float("inf")]}, r"the value.a\[0\] is inf"),
    "an empty file": ("report", lambda _: FileRef.of_bytes(b"", "a.pdf"), "'report': Grand Challenge takes no empty"),
    "text as a PDF": ("report", lambda _: FileRef.of_bytes(b"text", "a.pdf"), "takes PDF files, which the file is not"),
    "bytes as a table": ("table", lambda _: FileRef.of_bytes(b"a\0b", "a.csv"), "takes CSV files, which the file is"),
    "text as an archive": ("batch", lambda _: FileRef.of_bytes(b"text", "a.zip"), "takes ZIP files, which the file"),
    "no JSON as JSON": ("big-metadata", lambda _: FileRef.of_bytes(b"{]", "a.json"), "takes JSON, which the file is"),
    "a folder": ("report", lambda scene: scene.folder, "it is a folder; give the files that are in it"),
    "sixteen bits as a segmentation": (
        "lung-segmentation",
        lambda scene: written(scene, "m.mha", np.ones((3, 4, 5), np.int16)),
        "takes voxels of 8 bits, and the image holds int16",
    ),
    "values of no segment": (
        "lung-segmentation",
        lambda scene: written(scene, "m.mha", np.full((3, 4, 5), 9, np.uint8)),
        r"takes the voxel values \[0, 1, 2\], and the image holds \[9\] too",
    ),
    "a value where images go": ("ct-image", lambda _: 1, "holds images, not int"),
    "a socket that is none": ("no-such", lambda _: 1, "is none that the platform has"),
}


@pytest.mark.parametrize("what", FILLING)
def test_sockets_that_cannot_be_filled(shared: Scene, archive: GrandChallengeDataset, item: Item, what: str) -> None:
    slug, make, words = FILLING[what]
    shared.standin.add_socket("batch", "ZIP file")
    content = make(shared)
    shared.sandbox.ledger.clear()
    with pytest.raises(InvalidCase, match=words):
        archive.fill(item, {slug: content})
    assert written_to(shared) == []


def test_more_files_than_an_account_may_have_waiting(
    shared: Scene, archive: GrandChallengeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caseferry_grand_challenge.wire.putting.MOST_UPLOADS", 1)
    report = cf.Attachment("report", FileRef.of_bytes(PDF, "a.pdf"))
    with pytest.raises(InvalidCase, match=r"would be 2 uploads; Grand Challenge takes 1 of an account at a time"):
        archive.put(cf.Case("one", images=[small(shared)], attachments=[report]))
    assert written_to(shared) == []


def test_names_too_long_for_an_upload(archive: GrandChallengeDataset) -> None:
    """They are cut on their way, with their ending kept, and come back whole."""
    name = f"{'n' * 200}.pdf"
    item = archive.put(cf.Case("one", attachments=[cf.Attachment("report", FileRef.of_bytes(PDF, name))]))
    address = next(value["file"] for value in item.native["values"] if value["file"])
    assert len(address.rpartition("/")[2]) == 128
    assert address.endswith("n.pdf")
    assert item.case().attachments[0].file.name == name


def test_a_value_that_only_the_platform_can_refuse(shared: Scene, archive: GrandChallengeDataset) -> None:
    """The choices of a socket are told nowhere. The socket is named, the value is not, and the item is no obstacle."""
    case = cf.Case("one", values={"severity": "secret", "lung-volume": 1.0})
    with pytest.raises(PlatformError, match=r"400: values: socket 'severity': .*is not one of \['none'") as raised:
        archive.put(case)
    assert "secret" not in str(raised.value)
    assert archive.put(cf.Case("one", values={"severity": "mild"})).case().values == {"severity": "mild"}
    assert len(list(archive.items())) == 1


def test_an_archive_that_takes_few_sockets(shared: Scene) -> None:
    """As those of challenges do. Which, nobody is told; what they refuse goes beside from then on."""
    slug = f"{shared.archive}-phase"
    shared.standin.add_archive(slug, slug, sockets=["ct-image", "case-metadata"])
    archive = shared.open(slug)
    case = cf.Case("one", images=[small(shared)], values={"lung-volume": 1.5})
    item = archive.put(case)
    assert item.case().values == {"lung-volume": 1.5}
    assert {value["socket"]["slug"] for value in item.native["values"]} == {"ct-image", "case-metadata"}
    plan = archive.plan(cf.Case("two", images=case.images, values=case.values))
    plan.release()
    assert {each.part: each.kept for each in plan.held}["value 'lung-volume'"] == "sidecar"
    assert archive.put(cf.Case("two", images=case.images, values=case.values)).case().values == {"lung-volume": 1.5}


class TestRights:
    """401, 403 and 404 told apart; 400 where the platform says so of rights."""

    def test_a_token_that_is_none(self, shared: Scene) -> None:
        with pytest.raises(AuthenticationFailed, match=r"answered 401: Invalid token"):
            shared.open(token="none-of-ours")

    def test_who_may_not_look(self, shared: Scene) -> None:
        with pytest.raises(NotFound, match="there is no such archive, or the token may not view it"):
            shared.open(token=OUTSIDER_TOKEN)

    def test_who_may_only_look(self, shared: Scene, item: Item) -> None:
        viewer = shared.open(token=VIEWER_TOKEN)
        theirs = viewer.get(item.id)
        assert theirs.case().values == {"lung-volume": 1.5}
        acts: list[Callable[[], Any]] = [
            lambda: viewer.fill(theirs, {"lung-volume": 2.5}),
            lambda: viewer.detach(theirs, "lung-volume"),
            lambda: viewer.annotate(theirs, [cf.Text(label="note", value="seen")]),
        ]
        for act in acts:
            with pytest.raises(PermissionDenied, match="answered 403: You do not have permission"):
                act()
        with pytest.raises(PermissionDenied, match="the archive does not exist, or the token may not add items to it"):
            viewer.put(cf.Case("other", values={"lung-volume": 1.0}))

    def test_who_may_only_read_a_study(self, shared: Scene) -> None:
        study = shared.open("reader-studies/sandbox-study", token=VIEWER_TOKEN)
        with pytest.raises(PermissionDenied, match="the reader study does not exist, or the token may not add"):
            study.put(cf.Case("other", values={"lung-volume": 1.0}))

    def test_a_study_with_answers(self, shared: Scene) -> None:
        study = shared.open("reader-studies/sandbox-study")
        item = study.put(cf.Case(shared.archive, values={"lung-volume": 1.0}))
        shared.standin.mark_answered(item.id)
        with pytest.raises(PlatformError, match="answered 400: This display set cannot be changed"):
            study.fill(item, {"lung-volume": 2.0})


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"field": ["first", "second"]}, "field: first, second"),
        ({"non_field_errors": ["both"]}, "both"),
        ({"a": ["one"], "b": {"c": ["two"]}}, "a: one; b: c: two"),
        (["Values can only be added via update"], "Values can only be added via update"),
        ({"detail": "Not found."}, "Not found."),
        ({"values": [{}, {"__all__": ["wrong"]}]}, "values: socket 'two': wrong"),
        ({"values": [{}, {"interface": ["none"]}]}, "values: socket 'two': interface: none"),
        ({"values": ["not aligned"]}, "values: not aligned"),
    ],
)
def test_every_shape_of_an_error(body: Any, words: str) -> None:
    sent = {"values": [{"interface": "one", "value": 1}, {"interface": "two", "value": "x"}]}
    assert explain(400, of_sockets(body, sent), "") == words


class TestLargeValues:
    """The platform's front refuses bodies of more than 16 MB, when the item is there already."""

    @pytest.fixture(autouse=True)
    def little(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in ("item_calls", "putting"):
            monkeypatch.setattr(f"caseferry_grand_challenge.wire.{module}.LARGEST_BODY", 20_000)

    def test_several_go_one_after_the_other(self, shared: Scene) -> None:
        shared.standin.add_socket("wide", "Anything", in_database=True)
        archive = shared.open()
        case = cf.Case("one", metadata={"a": "x" * 9000}, values={"wide": {"b": "y" * 9000}, "lung-volume": 1.0})
        sent = shared.put(case, archive)
        assert [call.name for call in sent.plan.calls if call.method == "PATCH"] == ["set values", "set values 2"]
        assert (sent.item.case().metadata, sent.item.case().values) == (case.metadata, case.values)
        item = archive.fill(sent.item, {"wide": {"b": "z" * 9000}})
        assert item.case().values["wide"] == {"b": "z" * 9000}
        tip = cf.Text("", label="note", value="seen", id="note")
        item = archive.annotate(item, [cf.Text(label=tip.label, value=tip.value, id=tip.id)])
        assert [each.id for each in item.case().annotations] == ["note"]

    def test_one_that_is_too_large(self, shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
        shared.standin.add_socket("wide", "Anything", in_database=True)
        shared.sandbox.ledger.clear()
        with pytest.raises(InvalidCase, match=r"socket 'wide': would hold 3\d+ bytes; Grand Challenge takes 20000"):
            archive.put(cf.Case("one", values={"wide": {"b": "y" * 30_000}}))
        with pytest.raises(InvalidCase, match="name a socket that keeps its values as files"):
            archive.fill(item, {"wide": {"b": "y" * 30_000}})
        with pytest.raises(InvalidCase, match="or none large enough"):
            archive.put(cf.Case("one", metadata={"a": "y" * 30_000}))
        assert written_to(shared) == []

    def test_a_sidecar_that_is_too_large_lies_with_the_journal(self, shared: Scene) -> None:
        """Or in a socket that keeps its values as files."""
        case = cf.Case("one", metadata={"a": "x" * 30_000}, values={"lung-volume": 1.0})
        folder = shared.opened.enter_context(cf.connect(f"local:{shared.folder / 'cases'}"))
        folder.put(case)
        target = shared.open()
        cf.transfer(folder, target, journal=shared.folder / "journal.db", verify=False).require_ok()
        kept = [path.read_bytes() for path in shared.folder.glob("journal*/**/*") if path.is_file()]
        assert any(b"x" * 30_000 in content for content in kept)
        (item,) = target.items()
        assert item.case().values == {"lung-volume": 1.0}
        other = shared.open(sidecar="big-metadata")
        assert other.put(cf.Case("two", metadata=case.metadata)).case().metadata == case.metadata
