"""What becomes of each case: a failing one stops no other, a refused one sends nothing, no patient leaves unasked."""

from __future__ import annotations

import errno
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pydicom
import pytest

import caseferry as cf
from caseferry.connector import Item, State
from caseferry.testing import Samples
from caseferry.transfers.outcome import Outcome
from caseferry.transfers.run import transfer
from caseferry.transfers.verify import verify
from darwin_scene import picture
from transfer_scene import Memory, fresh_dataset, small_cases, spoken, unlike

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from caseferry.sandbox import Sandbox

NAMES = [f"case-{number}" for number in range(8)]
REMOTE = ("grand-challenge", "datamint", "darwin")


def full(*names: str) -> Memory:
    return Memory("memory:source", {name: spoken(name) for name in names})


def failing(*bad: str, error: BaseException) -> Callable[[str], None]:
    def act(name: str) -> None:
        if name in bad:
            raise error

    return act


@pytest.fixture
def online(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    return sandbox


# -- one case and the others ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["read", "sent", "read back"])
@pytest.mark.parametrize("workers", [1, 4])
def test_a_failing_case_stops_no_other(where: str, workers: int) -> None:
    source, target = full(*NAMES), Memory("memory:target")
    act = failing("case-2", "case-5", error=cf.PermissionDenied("memory", where, "not this one"))
    if where == "read":
        source.before_read = act
    elif where == "sent":
        target.before_send = act
    else:
        target.before_read = act
    report = transfer(source, target, workers=workers, unmapped="accept")
    assert report.counts == {Outcome.SENT: 6, Outcome.FAILED: 2}
    assert {each.case_id: each.reason for each in report.problems} == dict.fromkeys(
        ("case-2", "case-5"), f"memory: {where}: not this one"
    )
    assert not report.ok
    with pytest.raises(cf.TransferIncomplete, match="failed case-2"):
        report.require_ok()


def test_a_fault_of_ours_is_a_failed_case_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    source, target = full(*NAMES), Memory("memory:target")
    target.before_send = failing("case-3", error=ZeroDivisionError("of nothing"))
    with caplog.at_level(logging.ERROR, "caseferry"):
        report = transfer(source, target, unmapped="accept")
    assert report.counts == {Outcome.SENT: 7, Outcome.FAILED: 1}
    assert report.problems[0].reason == "unexpected ZeroDivisionError: of nothing"
    assert "case-3" in caplog.text


def test_what_reads_back_differently_is_not_done() -> None:
    class Forgetful(Memory):
        def read(self, item: Item) -> cf.Case:
            return replace(super().read(item), values={"number": 1000}, tags=())

    report = transfer(full("a"), Forgetful("memory:target"), unmapped="accept")
    assert report.counts == {Outcome.FAILED: 1}
    assert report.problems[0].reason == "case 'a' reads back differently: values.number differs"
    assert transfer(full("a"), Forgetful("memory:target"), verify=False, unmapped="accept").ok


class Rows(Memory):
    """A source that lists what it is told to list."""

    rows: tuple[Item, ...] = ()

    def items(self, **filters: Any) -> Iterator[Item]:
        return iter(self.rows)

    def get(self, item_id: str) -> Item:
        return next(row for row in self.rows if row.id == item_id)


@pytest.mark.parametrize("workers", [1, 8])
def test_of_two_items_of_one_name_the_first_is_sent(workers: int) -> None:
    source, target = Rows("memory:source", {"1": spoken("same"), "2": spoken("same"), "3": spoken("other")}), Memory()
    source.rows = (Item(source, "1", "same"), Item(source, "2", "same"), Item(source, "3", "other"))
    report = transfer(source, target, workers=workers, unmapped="accept")
    assert report.counts == {Outcome.SENT: 2, Outcome.REFUSED: 1}
    assert "item 2: is also the name of item 1 of memory:source, which comes first" in report.problems[0].reason
    assert sorted(target.held) == ["other", "same"]


def test_what_is_not_complete_at_the_source_is_not_taken_for_all_there_is() -> None:
    class Slow(Rows):
        def get(self, item_id: str) -> Item:
            return replace(super().get(item_id), state=State.READY if item_id == "1" else State.FAILED, reason="broken")

    source, target = Slow("memory:source", {name: spoken(name) for name in "123"}), Memory("memory:target")
    source.rows = tuple(
        Item(source, name, name, state=state)
        for name, state in (("1", State.PROCESSING), ("2", State.UPLOADING), ("3", State.PROCESSING))
    )
    report = transfer(source, target, unmapped="accept")
    assert sorted(target.held) == ["1"]
    reasons = {each.case_id: each.reason for each in report.problems}
    assert "not uploaded to its end" in reasons["2"]
    assert "broken" in reasons["3"]


def test_another_case_of_the_same_name_at_the_target_is_left_alone() -> None:
    other = replace(spoken("a"), values={"number": 99})
    source, target = full("a", "b"), Memory("memory:target", {"a": other})
    report = transfer(source, target, unmapped="accept")
    assert report.counts == {Outcome.FAILED: 1, Outcome.SENT: 1}
    assert "another case of that name" in report.problems[0].reason
    assert target.held["a"] is other


def test_a_case_that_its_item_names_otherwise_is_looked_for_by_its_own_name() -> None:
    source, target = Rows("memory:source", {"1": spoken("own")}), Memory("memory:target", {"own": spoken("own")})
    source.rows = (Item(source, "1", "title given by somebody"),)
    target.before_send = pytest.fail
    assert transfer(source, target, unmapped="accept").counts == {Outcome.UNCHANGED: 1}


@pytest.mark.parametrize("shown", [True, False])
def test_what_another_run_began_is_looked_for_where_no_listing_shows_it(shown: bool) -> None:
    class Hiding(Memory):
        looked = 0

        def items(self, **filters: Any) -> Iterator[Item]:
            return iter(())

        def _look(self, case: cf.Case) -> cf.Case | None:
            self.looked += 1
            return super()._look(case)

    target = Hiding("memory:target")
    target.capabilities = replace(target.capabilities, shows_unfinished=shown)
    assert transfer(full("a", "b"), target, unmapped="accept").counts == {Outcome.SENT: 2}
    assert target.looked == (0 if shown else 2)


def test_what_the_target_could_not_process_after_all_is_tried_again(tmp_path: Path) -> None:
    class Target(Memory):
        state = State.READY

        def items(self, **filters: Any) -> Iterator[Item]:
            return (replace(item, state=self.state) for item in super().items())

    source, target = full("a"), Target("memory:target")
    assert transfer(source, target, journal=tmp_path / "journal.db", verify=False, unmapped="accept").ok
    looked: list[str] = []
    source.before_read = looked.append
    assert transfer(source, target, journal=tmp_path / "journal.db", unmapped="accept").counts == {Outcome.UNCHANGED: 1}
    assert not looked
    target.state = State.FAILED
    transfer(source, target, journal=tmp_path / "journal.db", unmapped="accept")
    assert looked == ["a"]


def test_a_full_disk_of_temporary_files_is_told_in_words(caplog: pytest.LogCaptureFixture) -> None:
    target = Memory("memory:target")
    full_disk = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/tmp/caseferry-1")
    target.before_send = failing("a", error=full_disk)
    report = transfer(full("a", "b"), target, unmapped="accept")
    assert report.counts == {Outcome.FAILED: 1, Outcome.SENT: 1}
    assert report.problems[0].reason == "No space left on device: /tmp/caseferry-1"
    assert not caplog.records


# -- what stops everything -----------------------------------------------------------------------------------------


def test_a_refused_token_stops_the_run_after_the_first_case() -> None:
    source, target = full(*[f"{number:04}" for number in range(500)]), Memory("memory:target")
    target.before_send = failing(*source.held, error=cf.AuthenticationFailed("memory", "put", "the token is expired"))
    with pytest.raises(cf.AuthenticationFailed, match="the token is expired"):
        transfer(source, target, workers=2, unmapped="accept")
    assert not target.held


def test_a_token_that_expires_on_the_way_says_how_far_it_came() -> None:
    source, target = full(*NAMES), Memory("memory:target")
    target.before_send = failing("case-5", error=cf.AuthenticationFailed("memory", "put", "the token is expired"))
    with pytest.raises(cf.TransferIncomplete, match="stopped: memory: put: the token is expired") as caught:
        transfer(source, target, workers=1, unmapped="accept")
    assert caught.value.report.counts == {Outcome.SENT: 5}


@pytest.mark.parametrize("platform", REMOTE)
def test_credentials_that_are_refused_send_nothing(
    platform: str, online: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = fresh_dataset(online, platform, "fresh", tmp_path)
    key = {"grand-challenge": "GRAND_CHALLENGE_AUTHORIZATION", "datamint": "DATAMINT_API_KEY"}
    wrong = "0123456.0123456789abcdef0123456789abcdef"
    monkeypatch.setenv(key.get(platform, "DARWIN_API_KEY"), wrong)
    with pytest.raises(cf.CaseferryError) as caught:
        transfer(full("a"), url, unmapped="accept")
    assert caught.value.action == "stop"
    assert wrong not in str(caught.value)
    assert all(entry.method == "GET" for entry in online.ledger)


# -- what is refused -----------------------------------------------------------------------------------------------


def name_somebody(case: cf.Case) -> cf.Case:
    for ref in case.images[0].files:
        dataset = pydicom.dcmread(ref.location)
        dataset.PatientName, dataset.PatientIdentityRemoved = "Quirinius^Anna", "NO"
        dataset.save_as(ref.location)
    return case


@pytest.mark.parametrize("platform", REMOTE)
def test_a_case_that_names_a_patient_goes_nowhere(platform: str, online: Sandbox, tmp_path: Path) -> None:
    named = name_somebody(Samples(tmp_path / "named").case("named", cf.Kind.DICOM_SERIES))
    quiet = small_cases(tmp_path / "samples", 2)
    with cf.connect(f"local:{tmp_path / 'start'}") as start:
        for case in (named, *quiet):
            start.put(case)
        url = fresh_dataset(online, platform, "fresh", tmp_path)
        report = transfer(start, url, journal=tmp_path / "journal.db", unmapped="accept")
        assert report.counts == {Outcome.SENT: 2, Outcome.REFUSED: 1}
        assert "PatientName" in report.problems[0].reason
        assert "Quirinius" not in report.problems[0].reason
        asked = [str(entry) + str(entry.body) for entry in online.ledger]
        assert not any("Quirinius" in each or "named" in each for each in asked)
        assert not unlike(quiet, url)
        report = transfer(start, url, journal=tmp_path / "journal.db", phi="keep", unmapped="accept")
        assert report.counts == {Outcome.SENT: 1, Outcome.UNCHANGED: 2}


@pytest.mark.parametrize("platform", REMOTE)
def test_strict_refuses_what_has_no_place_of_its_own(platform: str, online: Sandbox, tmp_path: Path) -> None:
    raw = cf.Raw("picture", platform="elsewhere", payload={"kept": 1})
    plain = Samples(tmp_path / "plain").case("plain", cf.Kind.METAIMAGE)
    odd = Samples(tmp_path / "odd").case("odd", cf.Kind.METAIMAGE, annotations=[replace(raw, image="metaimage")])
    with cf.connect(f"local:{tmp_path / 'start'}") as start:
        for case in (plain, odd):
            start.put(case)
        url = fresh_dataset(online, platform, "fresh", tmp_path)
        report = transfer(start, url, strict=True, unmapped="accept")
    reasons = {each.case_id: each.reason for each in report.problems}
    assert "raw" in reasons["odd"]
    assert "leave strict out" in reasons["odd"]
    with cf.connect(url) as there:
        assert there.find("odd") is None


# -- nothing is sent -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", REMOTE)
def test_a_dry_run_sends_nothing(platform: str, online: Sandbox, tmp_path: Path) -> None:
    cases = small_cases(tmp_path / "samples", 4)
    with cf.connect(f"local:{tmp_path / 'start'}") as start:
        for case in cases:
            start.put(case)
        url = fresh_dataset(online, platform, "fresh", tmp_path)
        report = transfer(start, url, journal=tmp_path / "journal.db", dry_run=True, unmapped="accept")
        assert report.counts == {Outcome.PLANNED: 4}
        assert report.calls > 0
        assert all(entry.method == "GET" for entry in online.ledger)
        assert [(each.case_id, each.outcome) for each in report.results()] == [(c.id, Outcome.PLANNED) for c in cases]
        real = transfer(start, url, journal=tmp_path / "journal.db", unmapped="accept")
        assert real.ok
        assert 0 < real.calls <= report.calls  # what one case makes, a class of annotations, another need not make
        assert [(each.case_id, each.outcome) for each in real.results()] == [(case.id, Outcome.SENT) for case in cases]
        again = transfer(start, url, journal=tmp_path / "journal.db", dry_run=True, unmapped="accept")
        assert again.counts == {Outcome.UNCHANGED: 4}


def test_a_dry_run_reaches_a_folder_that_is_not_there(tmp_path: Path) -> None:
    report = transfer(full("a"), f"local:{tmp_path / 'target'}", dry_run=True, unmapped="accept")
    assert report.counts == {Outcome.PLANNED: 1}
    assert not (tmp_path / "target").exists()


# -- comparing -----------------------------------------------------------------------------------------------------


def test_verify_names_what_is_missing_and_what_differs() -> None:
    target = full(*NAMES)
    del target.held["case-1"]
    target.held["case-2"] = replace(target.held["case-2"], tags=["new"])
    report = verify(full(*NAMES), target, workers=3)
    assert report.counts == {Outcome.EQUAL: 6, Outcome.FAILED: 2}
    assert sorted(each.reason for each in report.problems) == [
        "case 'case-2' reads back differently: tags differ by ['new']",
        "it is not in memory:source",
    ]


@pytest.mark.parametrize("platform", REMOTE)
def test_bytes_that_changed_at_the_target_are_noticed(platform: str, online: Sandbox, tmp_path: Path) -> None:
    """Whatever the sidecar says: the digest that it holds is of what was sent."""
    (tmp_path / "noise.png").write_bytes(picture(64, 64))
    url = fresh_dataset(online, platform, "fresh", tmp_path)
    with cf.connect(f"local:{tmp_path / 'start'}") as start:
        start.put(cf.Case("a", images=[cf.Image("picture", tmp_path / "noise.png")]))
        assert transfer(start, url, unmapped="accept").ok
        assert verify(start, url).ok
        for path in ("*/file*", "*/uploads/*", "*protected*"):
            online.faults.add(f"{platform}:GET {path} corrupt")
        assert verify(start, url).counts == {Outcome.FAILED: 1}
        online.faults.clear()
        online.faults.add("* * 401")
        with pytest.raises(cf.CaseferryError):
            verify(start, url)


@pytest.mark.parametrize("where", ["one", "two"])
def test_a_changed_file_in_a_folder_is_noticed(where: str, tmp_path: Path) -> None:
    """On whichever side, whatever its description says; and nothing is sent of a case that is not as described."""
    case = Samples(tmp_path / "samples").case("a", cf.Kind.METAIMAGE)
    for name in ("one", "two"):
        with cf.connect(f"local:{tmp_path / name}") as folder:
            folder.put(case)
    file = next((tmp_path / where).rglob("*.mha"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    report = verify(f"local:{tmp_path / 'one'}", f"local:{tmp_path / 'two'}")
    assert report.counts == {Outcome.FAILED: 1}
    report = transfer(f"local:{tmp_path / where}", f"local:{tmp_path / 'three'}")
    assert report.counts == {Outcome.REFUSED: 1}
    assert "was changed: its SHA-256 is " in report.problems[0].reason
    file.write_bytes(content[:-1])
    report = transfer(f"local:{tmp_path / where}", f"local:{tmp_path / 'three'}")
    assert report.counts == {Outcome.REFUSED: 1}
    assert not list((tmp_path / "three").rglob("*.mha"))


def test_nobody_waits_for_what_nobody_uploads() -> None:
    source = full("a")
    target = Rows("memory:target", {"a": spoken("a")})
    target.rows = (Item(target, "a", "a", state=State.UPLOADING),)
    target.get = lambda _: target.rows[0]  # type: ignore[method-assign]
    report = verify(source, target)
    assert report.counts == {Outcome.FAILED: 1}
    assert "not uploaded to its end" in report.problems[0].reason
