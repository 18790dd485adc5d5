"""Files of images and of sockets: from the store without the token, gone on with where they were cut, or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

import caseferry as cf
from caseferry.errors import NotFound, PermissionDenied, TemporaryFailure
from caseferry.files import FileRef
from caseferry_grand_challenge.wire.item_calls import filled_sockets

if TYPE_CHECKING:
    from caseferry.connector import Item
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene

TABLE = b"".join(b"%d,%d\n" % (number, number**2) for number in range(9000))
STORED = "/grand-challenge-protected/*"


@pytest.fixture
def archive(shared: Scene) -> GrandChallengeDataset:
    return shared.open()


@pytest.fixture
def item(shared: Scene, archive: GrandChallengeDataset) -> Item:
    voxels = np.random.default_rng(3).integers(0, 999, (5, 60, 70)).astype(np.int16)
    sitk.WriteImage(sitk.GetImageFromArray(voxels), str(shared.folder / "ct.mha"))
    table = cf.Attachment("table", FileRef.of_bytes(TABLE, "table.csv"))
    shared.standin.add_socket("notes", "Anything", in_database=False)
    image = cf.Image("ct", [shared.folder / "ct.mha"])
    item = archive.put(cf.Case("one", images=[image], attachments=[table], values={"notes": {"kept": "as a file"}}))
    shared.sandbox.ledger.clear()
    return item


def files(item: Item) -> dict[str, FileRef]:
    """The file of the image, and that of a socket."""
    case = item.case()
    return {"image": case.images[0].files[0], "socket": case.attachments[0].file}


@pytest.mark.parametrize("which", ["image", "socket"])
def test_the_store_is_asked_without_the_token(shared: Scene, item: Item, which: str) -> None:
    ref = files(item)[which]
    shared.sandbox.ledger.clear()
    content = ref.read()
    assert which == "image" or content == TABLE
    (asked,) = [entry for entry in shared.sandbox.ledger if entry.path.startswith("/media/")]
    (fetched,) = [entry for entry in shared.sandbox.ledger if entry.origin == "store"]
    assert (asked.status, asked.credentials) == (302, ("authorization",))
    assert (fetched.status, fetched.credentials) == (200, ())
    assert "range" not in fetched.headers


@pytest.mark.parametrize("which", ["image", "socket"])
@pytest.mark.parametrize("fault", ["truncate x2", "reset-before x1", "503 x1"])
def test_it_goes_on_where_it_was_cut(shared: Scene, item: Item, which: str, fault: str) -> None:
    ref = files(item)[which]
    whole = ref.read()
    shared.sandbox.ledger.clear()
    shared.sandbox.faults.add(f"grand-challenge:GET {STORED} {fault}")
    assert ref.read() == whole
    ranges = [entry.headers.get("range") for entry in shared.sandbox.ledger if entry.origin == "store"]
    if fault.startswith("truncate"):
        assert ranges[0] is None
        starts = [int(str(each).removeprefix("bytes=").removesuffix("-")) for each in ranges[1:]]
        assert 0 < starts[0] < starts[1] < len(whole)
    else:
        assert set(ranges) == {None}


@pytest.mark.parametrize("which", ["image", "socket"])
def test_a_link_that_has_expired_is_asked_for_anew(shared: Scene, item: Item, which: str) -> None:
    ref = files(item)[which]
    whole = ref.read()
    for fault in ("expired x1", "403 x1"):
        shared.sandbox.ledger.clear()
        shared.sandbox.faults.add(f"grand-challenge:GET {STORED} {fault}")
        assert ref.read() == whole
        tried = [(entry.origin, entry.status) for entry in shared.sandbox.ledger][-3:]
        assert tried == [("store", 403), ("api", 302), ("store", 200)]


def test_a_link_that_is_never_good(shared: Scene, item: Item, archive: GrandChallengeDataset) -> None:
    archive._client.http.repeater.retry = type(archive._client.repeater.retry)(attempts=2, first=0.01)
    ref = files(item)["image"]
    shared.sandbox.faults.add(f"grand-challenge:GET {STORED} expired")
    with pytest.raises(TemporaryFailure, match="the signed URL is not accepted any more") as raised:
        ref.read()
    assert "signature" not in str(raised.value)


def test_images_that_nobody_may_see_any_more(shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
    """An image in whose place another came is gone for everybody; the case as it was listed cannot be read on."""
    stale = files(item)["image"]
    voxels = sitk.GetImageFromArray(np.zeros((2, 3, 4), np.int16))
    sitk.WriteImage(voxels, str(shared.folder / "new.mha"))
    archive.fill(item, {"ct-image": cf.Image("ct", [shared.folder / "new.mha"])})
    with pytest.raises(PermissionDenied, match="answered 403: the file may not be read, or is not there any more"):
        stale.read()
    assert archive.get(item.id).case().images[0].geometry.shape == (4, 3, 2)  # type: ignore[union-attr]


def test_files_that_nobody_may_see_any_more(shared: Scene, archive: GrandChallengeDataset, item: Item) -> None:
    """A file in whose place another came. Reading the item, which looks at it again, finds the new one."""
    stale, old = files(item)["socket"], shared.open().get(item.id)
    archive.fill(item, {"table": FileRef.of_bytes(b"a,b\n", "table.csv"), "notes": {"kept": "anew"}})
    with pytest.raises(NotFound, match="answered 404: the file may not be read, or is not there any more"):
        stale.read()
    assert old.case().values == {"notes": {"kept": "anew"}}


@pytest.mark.parametrize("which", ["image", "socket"])
def test_what_the_store_has_lost(shared: Scene, archive: GrandChallengeDataset, item: Item, which: str) -> None:
    ref = files(item)[which]
    store = shared.standin.host.store
    key = f"grand-challenge-protected/{ref.location.partition('/media/')[2]}"
    lost = store.objects.pop(key)
    with pytest.raises(NotFound, match="answered 404"):
        ref.read()
    store.objects[key] = lost
    shared.sandbox.faults.add(f"grand-challenge:GET {STORED} 404 x1")
    with pytest.raises(NotFound, match="answered 404"):
        ref.read()
    assert ref.read()


def test_a_file_that_was_spoilt_on_its_way_is_not_kept(shared: Scene, archive: GrandChallengeDataset) -> None:
    """Its digest was put with it. It is fetched again."""
    table = cf.Attachment("table", FileRef.of_bytes(TABLE, "table.csv"))
    archive.put(cf.Case("one", attachments=[table]))
    shared.sandbox.faults.add("grand-challenge:GET */table.csv corrupt x1 after1")
    folder = shared.opened.enter_context(cf.connect(f"local:{shared.folder / 'cases'}"))
    report = cf.transfer(archive, folder, journal=shared.folder / "journal.db")
    kept = [item.case().attachments[0].file.read() for item in folder.items()]
    assert kept in ([TABLE], [])
    assert report.ok is (kept == [TABLE])


def test_every_value_of_an_item(item: Item, archive: GrandChallengeDataset) -> None:
    """JSON that the platform keeps as a file is a value again."""
    assert item.case().values == {"notes": {"kept": "as a file"}}
    assert filled_sockets(item.native)["notes"]["file"]
    assert np.asarray(item.case().images[0].voxels()).shape == (70, 60, 5)
