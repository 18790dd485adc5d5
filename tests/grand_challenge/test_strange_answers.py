"""Answers that are none of Grand Challenge's, are of another version of it, or lead elsewhere: each has its message."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.connector.execute import Patience
from caseferry.errors import PlatformError, ProcessingFailed, TemporaryFailure, UnexpectedResponse
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge import GrandChallengeConnector
from caseferry_grand_challenge.sandbox import pages, shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from caseferry.connector import Item
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

Change = "Callable[[dict[str, Any]], Any]"


@contextmanager
def answering(name: str, change: Callable[[dict[str, Any]], Any]) -> Iterator[None]:
    """Let the stand-in answer something else where it shows things of a kind."""
    plain = getattr(shapes, name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shapes, name, lambda world, row: change(plain(world, row)))
        yield


def without(name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: {key: value for key, value in answer.items() if key != name}


def saying(**members: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda answer: {**answer, **members}


def sockets(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """Change the socket of each value."""

    def changed(answer: dict[str, Any]) -> Any:
        values = [{**value, "socket": change(value["socket"]), "interface": None} for value in answer["values"]]
        return {**answer, "values": values}

    return changed


@pytest.fixture
def archive(shared: Scene) -> GrandChallengeDataset:
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(shared.folder / "ct.mha"))
    archive = shared.open()
    archive.patience = Patience(total=0.2)
    return archive


def case(scene: Scene, name: str = "one") -> cf.Case:
    return cf.Case(name, images=[cf.Image("ct", [scene.folder / "ct.mha"])], values={"lung-volume": 2.0})


@pytest.fixture
def item(shared: Scene, archive: GrandChallengeDataset) -> Item:
    archive.patience = Patience(total=20)
    return archive.put(case(shared))


READING: dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]] = {
    "an item without its identifier": ("item", without("pk"), "lacks 'pk'"),
    "an item without values": ("item", without("values"), "lacks 'values'"),
    "values that are no list": ("item", saying(values="none"), "lacks 'values', which should be a list, not str"),
    "a value that is none": ("item", saying(values=[1]), "an object was expected, not int"),
    "a value without its socket": ("item", saying(values=[{"value": 1}]), "a socket .* an object was expected"),
    "a socket by its name alone": ("item", sockets(lambda socket: socket["slug"]), "an object was expected, not str"),
    "a socket without a kind": ("item", sockets(without("kind")), "lacks 'kind'"),
    "a list in place of an item": ("item", lambda answer: [answer], "an object was expected, not list"),
    "nothing in place of an item": ("item", lambda _: None, "an object was expected, not nothing"),
    "an image without files": ("image", saying(files=[]), "it has no files"),
    "a file without an address": ("image", saying(files=[{"image_type": "MHD", "file": None}]), "lacks 'file'"),
    "an image of no size": ("image", saying(width="wide"), "'width' is no whole number"),
    "text in place of an image": ("image", lambda _: "image", "an object was expected, not str"),
}


@pytest.fixture(scope="module")
def standing(world_scene: Scene) -> tuple[GrandChallengeDataset, Item]:
    """An item that all tests of reading share."""
    voxels = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(world_scene.folder / "ct.mha"))
    dataset = world_scene.open()
    return dataset, dataset.put(case(world_scene))


@pytest.mark.parametrize("what", READING)
def test_what_cannot_be_read(standing: tuple[GrandChallengeDataset, Item], what: str) -> None:
    archive, item = standing
    name, change, words = READING[what]
    with answering(name, change), pytest.raises(UnexpectedResponse, match=words):
        archive.get(item.id).case()
    with answering(name, change), pytest.raises(UnexpectedResponse, match=words):
        [each.case() for each in archive.items()]


SENDING: dict[str, tuple[str, Callable[[dict[str, Any]], Any], type[PlatformError], str]] = {
    "an upload without its identifier": ("upload", without("pk"), UnexpectedResponse, "lacks 'pk'"),
    "an upload without the store's word": ("upload", without("s3_upload_id"), UnexpectedResponse, "s3_upload_id"),
    "an item that was made and not told": ("posted_item", without("pk"), UnexpectedResponse, "create the item.*'pk'"),
    "an import without its identifier": ("session", without("pk"), UnexpectedResponse, "lacks 'pk'"),
    "an import without a state": ("session", without("status"), UnexpectedResponse, "lacks 'status'"),
    "an import that was given up": ("session", saying(status="Cancelled"), ProcessingFailed, "ended as 'Cancelled'"),
    "an import of a new state": ("session", saying(status="Dreaming"), TemporaryFailure, "not done after"),
    "an import that never ends": ("session", saying(status="Re-Queued"), TemporaryFailure, "not done after"),
}


@pytest.mark.parametrize("what", SENDING)
def test_what_cannot_be_sent(shared: Scene, archive: GrandChallengeDataset, what: str) -> None:
    """And once the platform answers as it should, the case is put, once."""
    name, change, kind, words = SENDING[what]
    with answering(name, change), pytest.raises(kind, match=words):
        archive.put(case(shared))
    archive.patience = Patience(total=20)
    assert archive.put(case(shared)).state is cf.State.READY
    assert [each.case_id for each in archive.items()] == ["one"]


@pytest.mark.parametrize("member", ["pk", "url", "api_url"])
def test_archives_that_do_not_say_which_they_are(shared: Scene, member: str) -> None:
    for change in (without(member), saying(**{member: None})):
        with answering("archive", change), pytest.raises(UnexpectedResponse, match=f"list archives.*{member!r}"):
            shared.open()
        with answering("archive", change), pytest.raises(UnexpectedResponse, match=f"lacks {member!r}"):
            list(GrandChallengeConnector().datasets())


def test_what_may_be_missing(shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
    """Titles, names, words for voxel values: nothing is made of them that could go wrong."""
    before = item.case()
    with answering("item", saying(title=None, hanging_protocol=None, new="member")):
        assert archive.get(item.id).case() == before
    with answering("image", saying(name=None, shape=None, segments=None)):
        (image,) = archive.get(item.id).case().images
        np.testing.assert_array_equal(image.voxels(), before.images[0].voxels())
    with answering("archive", saying(title=None, description=None)):
        assert shared.open().place.title == ""
    for segments in (None, [], [{"voxel_value": "x"}, {"name": "left lung", "voxel_value": 1}, 7]):
        with answering("socket", saying(overlay_segments=segments)):
            known = shared.open()._client.socket("lung-segmentation")
            assert known is not None
            assert known.segments == (((1, "left lung"),) if segments else ())


@pytest.mark.parametrize("first", [True, False])
def test_images_with_several_files(archive: GrandChallengeDataset, item: Item, *, first: bool) -> None:
    """The voxels are taken from where they are whole, whichever file is told first."""

    def more(answer: dict[str, Any]) -> Any:
        (own,) = answer["files"]
        slide = {**own, "image_type": "TIFF", "file": own["file"].replace(".mha", ".tif")}
        tiles = {**own, "image_type": "DZI", "file": own["file"].replace(".mha", ".dzi")}
        return {**answer, "files": [tiles, slide, own] if first else [own, slide, tiles]}

    with answering("image", more):
        (image,) = archive.get(item.id).case().images
    assert image.kind is Kind.METAIMAGE
    assert image.voxels().shape == (5, 4, 3)


def test_a_file_of_a_form_that_came_later(archive: GrandChallengeDataset, item: Item) -> None:
    """What it is, its own bytes tell."""
    with answering("image", lambda answer: {**answer, "files": [{**answer["files"][0], "image_type": "ZARR"}]}):
        (image,) = archive.get(item.id).case().images
    assert image.kind is Kind.METAIMAGE


class TestElsewhere:
    """The token goes to the platform's own host alone, whatever its answers name."""

    def test_the_next_page(
        self, shared: Scene, archive: GrandChallengeDataset, item: Item, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("caseferry_grand_challenge.client.PAGE", 1)
        archive.put(case(shared, "two"))
        monkeypatch.setattr(pages, "_address", lambda *_: f"{shared.standin.host.store.origin}/next")
        shared.sandbox.ledger.clear()
        assert sorted(each.case_id for each in shared.open().items()) == ["one", "two"]
        assert shared.sandbox.ledger.select(origin="store") == []

    def test_an_image(self, shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
        elsewhere = f"{shared.standin.host.store.origin}/image/"

        def moved(answer: dict[str, Any]) -> Any:
            values = [{**value, "image": elsewhere if value["image"] else None} for value in answer["values"]]
            return {**answer, "values": values}

        shared.sandbox.ledger.clear()
        with answering("item", moved), pytest.raises(UnexpectedResponse, match="is not one of https://127"):
            archive.get(item.id).case()
        assert shared.sandbox.ledger.select(origin="store") == []

    def test_a_file(self, shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
        elsewhere = f"{shared.standin.host.store.origin}/file.mha"
        shared.sandbox.ledger.clear()
        with answering("image", saying(files=[{"image_type": "MHD", "file": elsewhere}])):
            (image,) = archive.get(item.id).case().images
        with pytest.raises(PlatformError):
            image.files[0].read()
        assert {entry.credentials for entry in shared.sandbox.ledger.select(origin="store")} == {()}

    def test_a_login(self, shared: Scene, archive: GrandChallengeDataset) -> None:
        """A redirect of the API is none that is followed."""
        client = archive._client
        with pytest.raises(PlatformError, match="301"):
            client.get("archives")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail": "fine"}', "no page of a listing"),
        (b'[{"pk": "1"}]', "an object was expected, not list"),
        (b'{"results": {}, "count": 1}', "no page of a listing"),
        (b"not json", "not the JSON that it says it is"),
        (b"", "not the JSON that it says it is"),
    ],
)
def test_listings_that_are_none(
    archive: GrandChallengeDataset, monkeypatch: pytest.MonkeyPatch, body: bytes, words: str
) -> None:
    import httpx

    def answer(*_: Any, **__: Any) -> httpx.Response:
        request = httpx.Request("GET", archive._client.base)
        return httpx.Response(200, content=body, headers={"Content-Type": "application/json"}, request=request)

    monkeypatch.setattr(archive._client._api, "request", answer)
    with pytest.raises(UnexpectedResponse, match=words):
        list(archive.items())


def test_a_web_page_in_place_of_an_answer(shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
    """As proxies with a login give one; also for a file, which nobody is to take it for."""
    for path, words in (("*/archives/items/*", "text/html"), ("/media/*", "web page")):
        shared.sandbox.faults.add(f"grand-challenge:GET {path} html x1")
        with pytest.raises(UnexpectedResponse, match=words):
            archive.get(item.id).case().images[0].files[0].read()
    assert archive.get(item.id).case().images[0].files[0].read()
