"""Bad days and bad input: one clear message each, nothing made that cannot be undone, nothing lost."""

from __future__ import annotations

import functools
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import caseferry as cf
from caseferry.connector.execute import Patience
from caseferry.errors import (
    AlreadyExists,
    AuthenticationFailed,
    ConfigurationError,
    Inexpressible,
    InvalidCase,
    MissingCredentials,
    NotFound,
    PermissionDenied,
    PlatformError,
    ProcessingFailed,
    TemporaryFailure,
    UnexpectedResponse,
    UnsupportedOperation,
)
from caseferry.files import FileRef
from caseferry.imaging.kinds import Kind
from caseferry_grand_challenge.sandbox import OUTSIDER_TOKEN, VIEWER_TOKEN, shapes
from grand_challenge_scene import series, volume

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.testing import Samples
    from caseferry_grand_challenge.dataset import GrandChallengeDataset
    from grand_challenge_scene import Scene


@pytest.fixture
def archive(scene: Scene) -> GrandChallengeDataset:
    dataset = scene.open(socket="generic-medical-image")
    dataset.patience = Patience(total=5)
    return dataset


@pytest.fixture
def case(samples: Samples) -> cf.Case:
    return samples.case(
        "one",
        Kind.NIFTI,
        values={"lung-volume": 1.9},
        attachments=[cf.Attachment("report", FileRef.of_bytes(b"%PDF-1.4 a report", "report.pdf"))],
    )


def ids(dataset: GrandChallengeDataset) -> list[str]:
    return [item.case_id for item in dataset.items()]


def changes(scene: Scene) -> list[str]:
    return [str(entry) for entry in scene.sandbox.ledger if entry.method not in {"GET", "HEAD"}]


class TestOpening:
    def test_a_base_that_is_not_https(self) -> None:
        with pytest.raises(ConfigurationError, match="https://HOST/api/v1/"):
            cf.connect("grand-challenge:sandbox", url="http://127.0.0.1/api/v1/", token="t")

    @pytest.mark.parametrize("fault", ["503", "429=0"])
    def test_a_bad_moment_passes(self, scene: Scene, fault: str) -> None:
        scene.sandbox.faults.add(f"GET */api/v1/gcapi/ {fault} x1")
        assert ids(scene.open()) == []
        assert not scene.sandbox.faults.take("grand-challenge", "GET", "/api/v1/gcapi/")

    def test_no_token(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("GRAND_CHALLENGE_AUTHORIZATION")
        with pytest.raises(MissingCredentials, match="GRAND_CHALLENGE_AUTHORIZATION"):
            cf.connect("grand-challenge:sandbox")

    def test_a_token_that_is_refused(self, scene: Scene) -> None:
        with pytest.raises(AuthenticationFailed) as failure:
            cf.connect("grand-challenge:sandbox", token="secret-of-mine")
        assert "secret-of-mine" not in str(failure.value)

    def test_a_dataset_that_was_closed(self, scene: Scene) -> None:
        with scene.open() as dataset:
            assert repr(dataset) == f"GrandChallengeDataset({dataset.url!r})"
        with pytest.raises(ConfigurationError, match="the client was closed; connect again"):
            list(dataset.items())

    @pytest.mark.parametrize("spelling", ["{}", "BEARER {}", "Bearer {}"])
    def test_the_token_may_have_its_keyword(self, scene: Scene, spelling: str) -> None:
        token = spelling.format(scene.sandbox.variables["GRAND_CHALLENGE_AUTHORIZATION"])
        assert ids(scene.open(token=token)) == []

    def test_a_certificate_that_is_not_trusted(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("CASEFERRY_CA")
        with pytest.raises(PlatformError, match="CASEFERRY_CA"):
            cf.connect("grand-challenge:sandbox")

    @pytest.mark.parametrize(("name", "token"), [("not-there", None), ("sandbox", OUTSIDER_TOKEN)])
    def test_an_archive_that_may_not_be_viewed(self, scene: Scene, name: str, token: str | None) -> None:
        with pytest.raises(NotFound, match=f"{name}.*or the token may not view it"):
            cf.connect(f"grand-challenge:{name}", **({"token": token} if token else {}))

    def test_a_server_that_asks_for_a_newer_client(self, scene: Scene) -> None:
        scene.standin.require_client("99.0.0")
        with pytest.raises(ConfigurationError, match="newer gcapi"):
            scene.open()

    def test_a_base_that_is_another_site(self, scene: Scene) -> None:
        url = scene.sandbox.variables["GRAND_CHALLENGE_URL"].replace("/api/v1/", "/")
        with pytest.raises(PlatformError, match="base"):
            cf.connect("grand-challenge:sandbox", url=url)


class TestRefusedBeforehand:
    """Nothing is changed on the platform, as nobody could remove it again."""

    @pytest.fixture(autouse=True)
    def nothing_changes(self, scene: Scene) -> Any:
        yield
        assert changes(scene) == []

    def test_an_empty_file_goes_beside(self, archive: GrandChallengeDataset) -> None:
        case = cf.Case(id="one", attachments=[cf.Attachment("table", FileRef.of_bytes(b"", "table.csv"))])
        (loss,) = archive.plan(case).losses
        assert (loss.kept, loss.reason) == ("sidecar", "Grand Challenge takes no empty files")

    def test_an_empty_image(self, archive: GrandChallengeDataset) -> None:
        case = cf.Case(id="one", images=[cf.Image("ct", FileRef.of_bytes(b"", "ct.nii"))])
        with pytest.raises(InvalidCase, match=r"ct\.nii"):
            archive.put(case)

    @pytest.mark.parametrize("value", [float("nan"), float("inf"), [1, float("nan")]])
    def test_numbers_that_json_does_not_have(self, value: Any) -> None:
        with pytest.raises(InvalidCase, match="lung-volume"):
            cf.Case(id="one", values={"lung-volume": value})

    def test_an_image_without_a_socket(self, scene: Scene, samples: Samples) -> None:
        dataset = scene.open(socket="no-such-socket")
        with pytest.raises(Inexpressible, match="no-such-socket"):
            dataset.put(samples.case("one", Kind.NIFTI))

    def test_a_slide_without_a_resolution(self, archive: GrandChallengeDataset, samples: Samples) -> None:
        path = samples.image(Kind.WSI).files[0].path
        assert path is not None
        content = (
            path.read_bytes()
            .replace(b"\x1a\x01\x05\x00", b"\x31\x01\x05\x00")
            .replace(b"\x1b\x01\x05\x00", b"\x32\x01\x05\x00")
        )
        image = cf.Image("slide", [FileRef.of_bytes(content, "slide.tif")], kind=Kind.WSI)
        with pytest.raises(Inexpressible, match="Resolution"):
            archive.put(cf.Case(id="one", images=[image]))

    def test_another_case_of_the_same_title(self, archive: GrandChallengeDataset, case: cf.Case, scene: Scene) -> None:
        archive.put(case)
        scene.sandbox.ledger.clear()
        with pytest.raises(AlreadyExists, match="use another id"):
            archive.put(cf.Case(id="one", images=case.images, values={"lung-volume": 2.5}))

    def test_an_item_of_somebody_elses(self, archive: GrandChallengeDataset, case: cf.Case, scene: Scene) -> None:
        client = archive._client
        body = {"archive": archive.place.address, "title": "one"}
        pk = client.request("POST", "archives/items/", json=body, what="another's item").body["pk"]
        values = {"values": [{"interface": "lung-volume", "value": 7}]}
        client.request("PATCH", f"archives/items/{pk}/", json=values, what="another's value")
        scene.sandbox.ledger.clear()
        with pytest.raises(AlreadyExists):
            archive.put(case)

    def test_deleting(self, archive: GrandChallengeDataset, case: cf.Case, scene: Scene) -> None:
        item = archive.put(case)
        scene.sandbox.ledger.clear()
        with pytest.raises(UnsupportedOperation, match="support@"):
            archive.delete(item)

    def test_an_unknown_item(self, archive: GrandChallengeDataset) -> None:
        for name in ("00000000-0000-4000-8000-000000000000", "no-uuid"):
            with pytest.raises(NotFound):
                archive.get(name)

    def test_values_of_the_wrong_kind_go_beside(self, archive: GrandChallengeDataset) -> None:
        case = cf.Case(id="one", values={"lung-volume": "much", "slice-count": 2.5, "is-normal": 1})
        plan = archive.plan(case)
        assert sorted(loss.part for loss in plan.losses) == [
            "value 'is-normal'",
            "value 'lung-volume'",
            "value 'slice-count'",
        ]
        assert {loss.kept for loss in plan.losses} == {"sidecar"}

    def test_a_file_of_the_wrong_kind_goes_beside(self, archive: GrandChallengeDataset) -> None:
        """The platform itself takes any bytes as a PDF."""
        case = cf.Case(id="one", attachments=[cf.Attachment("report", FileRef.of_bytes(b"plain text", "report.pdf"))])
        (loss,) = archive.plan(case).losses
        assert (loss.part, loss.kept) == ("attachment 'report'", "sidecar")
        assert "PDF" in loss.reason


class TestRights:
    def test_viewing_alone(self, scene: Scene, case: cf.Case) -> None:
        dataset = scene.open(token=VIEWER_TOKEN, socket="generic-medical-image")
        with pytest.raises(PermissionDenied, match="may not add items"):
            dataset.put(case)
        assert ids(scene.open()) == []

    def test_too_many_uploads(self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case) -> None:
        scene.standin.upload_rows = 1
        with pytest.raises(PlatformError, match=r"too many uploads.*removed after a day"):
            archive.put(case)
        scene.standin.upload_rows = 2001
        assert archive.put(case).state is cf.State.READY


class TestBadDays:
    @pytest.mark.parametrize(
        "fault",
        [
            "POST */archives/items/ 502-after x1",
            "POST */archives/items/ reset-after x1",
            "POST */archives/items/ 503 x2",
            "PATCH */archives/items/* 502-after x1",
            "POST */upload-sessions/ 502-after x1",
            "POST */upload-sessions/ reset-after x1",
            "POST */uploads/ 502-after x1",
            "PATCH *complete-multipart-upload/ 502-after x1",
            "PATCH *complete-multipart-upload/ reset-after x1",
            "PATCH *generate-presigned-urls/ 500 x1",
            "PUT * 503 x2",
            "PUT * reset-before x1",
            "PUT * reset-after x1",
            "PUT * expired x1",
            "GET */archives/items/* 429=0 x2",
            "GET */upload-sessions/* 502 x1",
            "GET */interfaces/ reset-before x1",
        ],
    )
    def test_are_got_over(self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case, fault: str) -> None:
        """With one item, whatever happened to the request that made it."""
        scene.sandbox.faults.add(f"grand-challenge:{fault}")
        item = archive.put(case)
        assert (ids(archive), item.state) == (["one"], cf.State.READY)
        back = item.case()
        assert (back.values, [each.file.read() for each in back.attachments]) == (
            case.values,
            [b"%PDF-1.4 a report"],
        )
        np.testing.assert_array_equal(back.images[0].voxels(), case.images[0].voxels())

    def test_a_store_without_etags(self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case) -> None:
        scene.sandbox.faults.add("grand-challenge:PUT * no-etag")
        with pytest.raises(UnexpectedResponse, match="ETag"):
            archive.put(case)
        assert ids(archive) == []

    def test_an_upload_that_never_completes(self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case) -> None:
        scene.sandbox.faults.add("grand-challenge:PUT * 403")
        with pytest.raises(PlatformError):
            archive.put(case)
        assert ids(archive) == []

    @pytest.mark.parametrize("how", ["fail-later", "fail-later=attach"])
    def test_an_import_that_fails(self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case, how: str) -> None:
        """Also one that had succeeded. The reason is told, and the next attempt completes the item."""
        scene.sandbox.faults.add(f"grand-challenge:POST */upload-sessions/ {how} x1")
        with pytest.raises(ProcessingFailed, match=r"socket 'generic-medical-image'.*(could not|validation|single)"):
            archive.put(case)
        (half,) = archive.items()
        assert half.state is cf.State.PROCESSING
        item = archive.put(case)
        assert (item.id, item.state) == (half.id, cf.State.READY)

    def test_a_file_that_silently_never_lands(
        self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case
    ) -> None:
        """The platform never tells why. The next attempt sends it again."""
        scene.sandbox.faults.add("grand-challenge:PATCH */archives/items/* fail-later x1")
        archive.patience = Patience(total=0.3)
        with pytest.raises(TemporaryFailure, match="not done after"):
            archive.put(case)
        archive.patience = Patience(total=5)
        assert archive.put(case).state is cf.State.READY
        assert ids(archive) == ["one"]

    def test_slow_conversion_is_waited_for(self, scene: Scene, archive: GrandChallengeDataset, case: cf.Case) -> None:
        scene.sandbox.settings.processing = 0.4
        assert archive.put(case).case().images[0].geometry is not None

    @pytest.mark.parametrize("fault", ["truncate", "corrupt", "reset-before"])
    def test_a_download_that_is_spoilt(
        self, scene: Scene, archive: GrandChallengeDataset, samples: Samples, fault: str
    ) -> None:
        content = b"".join(b"%d,%d\n" % (number, number**2) for number in range(900))
        attachment = cf.Attachment("table", FileRef.of_bytes(content, "table.csv"))
        item = archive.put(cf.Case(id="one", attachments=[attachment]))
        (there,) = item.case().attachments
        scene.sandbox.faults.add(f"grand-challenge:GET *table.csv* {fault} x1 after1")
        if fault == "corrupt":
            assert there.file.read() != content, "the digest of the case tells"
            assert there.file.sha256 == FileRef.of_bytes(content, "table.csv").measured().sha256
        else:
            assert there.file.read() == content


class TestLists:
    def test_more_than_a_page(self, archive: GrandChallengeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("caseferry_grand_challenge.client.PAGE", 4)
        client = archive._client
        for number in range(9):
            body = {"archive": archive.place.address, "title": f"case {number}"}
            client.request("POST", "archives/items/", json=body, what="an item")
        assert sorted(ids(archive)) == sorted(f"case {number}" for number in range(9))

    def test_items_that_move_while_they_are_listed(
        self, archive: GrandChallengeDataset, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An item that others change goes to another page, and another is passed over; it is found the next time."""
        monkeypatch.setattr("caseferry_grand_challenge.client.PAGE", 3)
        client, pks = archive._client, []
        for number in range(8):
            body = {"archive": archive.place.address, "title": f"case {number}"}
            pks.append(client.request("POST", "archives/items/", json=body, what="an item").body["pk"])
        seen = []
        for count, item in enumerate(archive.items()):
            seen.append(item.case_id)
            if count in {1, 4}:
                patch = {"values": [{"interface": "lung-volume", "value": count}]}
                client.request("PATCH", f"archives/items/{pks[0]}/", json=patch, what="a change")
        assert sorted(seen) == [f"case {number}" for number in range(8)]

    @pytest.mark.parametrize("place", ["sandbox", "reader-studies/sandbox-study"])
    def test_writers_that_work_at_the_same_time(
        self, scene: Scene, place: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever others add and change meanwhile, what was there when the listing began is in it, and once."""
        monkeypatch.setattr("caseferry_grand_challenge.client.PAGE", 2)
        monkeypatch.setattr("caseferry_grand_challenge.client.PASSES", 50)
        dataset = scene.open(place)
        client, there, over = dataset._client, [], threading.Event()

        def add(name: str) -> str:
            body = dataset.place.creation(name)
            return str(client.request("POST", dataset.place.items, json=body, what="an item").body["pk"])

        def write() -> None:
            for number in range(40):
                if over.is_set():
                    return
                patch = {"values": [{"interface": "lung-volume", "value": number}]}
                client.request("PATCH", dataset.place.item(there[number % 9]), json=patch, what="a change")
                if number % 8 == 0:
                    add(f"new {number}")

        there += [add(f"case {number}") for number in range(9)]
        writer = threading.Thread(target=write)
        writer.start()
        try:
            seen = [item.id for item in scene.open(place).items()]
        finally:
            over.set()
            writer.join()
        assert set(there) <= set(seen)
        assert len(set(seen)) == len(seen)

    def test_a_list_that_never_settles(self, archive: GrandChallengeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
        rows = [({"pk": "1", "title": "a", "values": []}, 2)]
        monkeypatch.setattr(archive._client, "_rows", lambda *_: iter(rows))
        with pytest.raises(TemporaryFailure, match="1 of 2 items"):
            list(archive.items())


def test_servers_before_sockets_had_that_name(
    scene: Scene, archive: GrandChallengeDataset, case: cf.Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They tell the socket of a value as ``interface`` alone, which the official client cannot read."""
    plain = shapes._read_values

    @functools.wraps(plain)
    def without_sockets(*arguments: Any) -> list[dict[str, Any]]:
        return [{key: part for key, part in value.items() if key != "socket"} for value in plain(*arguments)]

    monkeypatch.setattr(shapes, "_read_values", without_sockets)
    item = archive.put(case)
    assert "socket" not in item.native["values"][0]
    back = item.case()
    assert (back.values, len(back.attachments), len(back.images)) == (case.values, 1, 1)


def test_values_are_shared_and_nobody_notices(archive: GrandChallengeDataset) -> None:
    """Equal values are one row on the platform; changing one case leaves the other alone."""
    first, second = (archive.put(cf.Case(id=name, values={"lung-volume": 1.9})) for name in ("a", "b"))
    pks = [value["pk"] for item in (first, second) for value in item.native["values"] if value["value"] == 1.9]
    assert len(set(pks)) == 1
    assert first.case().values == second.case().values == {"lung-volume": 1.9}


def test_a_series_of_more_files_than_an_import_takes(scene: Scene, archive: GrandChallengeDataset) -> None:
    """An import takes 100 files; it is given one that is made of all of them."""
    paths = series(scene.folder / "ct", np.arange(101 * 6, dtype=np.int16).reshape(101, 2, 3))
    image = cf.Image("ct", paths)
    item = archive.put(cf.Case(id="one", images=[image]), phi="keep")
    assert len(scene.sandbox.ledger.select(method="POST", path="/uploads/")) == 1
    np.testing.assert_array_equal(item.case().images[0].voxels(), image.voxels())


def test_long_names(archive: GrandChallengeDataset) -> None:
    name = "n" * 150 + ".csv"
    attachment = cf.Attachment("table", FileRef.of_bytes(b"a,b\n", name))
    item = archive.put(cf.Case(id="i" * 255, attachments=[attachment]))
    (back,) = item.case().attachments
    assert (back.file.name, item.case_id) == (name, "i" * 255)


def test_nobody_is_named_on_the_platform(scene: Scene, archive: GrandChallengeDataset) -> None:
    """Even where the caller keeps what identifies patients, the importer's image names no one."""
    paths = series(scene.folder / "ct", volume().astype("u2"))
    archive.put(cf.Case(id="one", images=[cf.Image("ct", paths)]), phi="keep")
    (row,) = scene.standin.table("images").values()
    assert not any(str(value) for key, value in row.items() if key.startswith("patient_") and value)


def test_closing_twice(scene: Scene, tmp_path: Path) -> None:
    with closing(cf.connect("grand-challenge:sandbox")) as dataset:
        dataset.close()


@pytest.mark.parametrize("delay", [0.0, 0.15])
@pytest.mark.parametrize("fault", ["reset-after", "502-after"])
def test_an_import_whose_beginning_was_not_answered_runs_once(
    scene: Scene, archive: GrandChallengeDataset, case: cf.Case, fault: str, delay: float
) -> None:
    """A second one would replace the image when everybody thinks that it is there to stay."""
    scene.sandbox.settings.processing = delay
    scene.sandbox.faults.add(f"grand-challenge:POST */upload-sessions/ {fault} x1")
    item = archive.put(case)
    scene.sandbox.settle()
    assert len(scene.sandbox.ledger.select(method="POST", path="/upload-sessions/")) == 1
    assert archive.get(item.id).native["values"] == item.native["values"]
