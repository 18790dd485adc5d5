"""The journal: intent before act, one process at a time, one transfer, nothing secret, and a disk that is full."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.held import Loss
from caseferry.removal.removed import Removed
from caseferry.testing import Samples
from caseferry.transfers.journal import DONE, FAILED, INTENT, REFUSED, Journal
from caseferry.transfers.journal_file import STATEMENTS, VERSION, Unwritable
from caseferry.transfers.outcome import Outcome, Result
from caseferry.transfers.run import transfer
from transfer_scene import Memory, fresh_dataset, small_cases, spoken

if TYPE_CHECKING:
    from pathlib import Path

    from caseferry.sandbox import Sandbox

NAMES = [f"case-{number}" for number in range(6)]


@pytest.fixture
def source() -> Memory:
    return Memory("memory:source", {name: spoken(name) for name in NAMES})


@pytest.fixture
def target() -> Memory:
    return Memory("memory:target")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def states(path: Path) -> dict[str, int]:
    with closing(Journal(path, read_only=True)) as journal:
        return journal.states()


# -- what is written, and when -------------------------------------------------------------------------------------


def test_the_intent_is_on_the_disk_before_anything_is_sent(source: Memory, target: Memory, path: Path) -> None:
    seen = {}

    def look(name: str) -> None:
        with closing(Journal(path, read_only=True)) as reader:
            entry = reader.entry(name)
            seen[name] = entry.state if entry is not None else None

    target.before_send = look
    assert transfer(source, target, journal=path, workers=3, unmapped="accept").ok
    assert seen == dict.fromkeys(NAMES, INTENT)
    assert states(path) == {DONE: 6}


def test_done_is_written_only_after_it_was_read_back(source: Memory, target: Memory, path: Path) -> None:
    seen = []

    def look(name: str) -> None:
        with closing(Journal(path, read_only=True)) as reader:
            entry = reader.entry(name)
            seen.append(entry is not None and entry.state)

    target.before_read = look
    assert transfer(source, target, journal=path, unmapped="accept").ok
    assert seen == [INTENT] * 6


def test_what_was_interrupted_is_looked_for_and_not_sent_again(source: Memory, target: Memory, path: Path) -> None:
    with Journal(path) as journal:
        journal.belong(source.url, target.url)
        for name in NAMES[:2]:
            journal.intend(name, name)
    target.held[NAMES[0]] = source.held[NAMES[0]]  # sent, and nobody heard of it; the other one never arrived
    report = transfer(source, target, journal=path, unmapped="accept")
    assert report.counts == {Outcome.UNCHANGED: 1, Outcome.SENT: 5}
    with closing(Journal(path, read_only=True)) as journal:
        tried = {name: journal.entry(name) for name in NAMES}
    assert {name: entry.attempts for name, entry in tried.items() if entry} == dict.fromkeys(NAMES, 1) | {
        NAMES[0]: 2,
        NAMES[1]: 2,
    }


def test_what_is_done_is_neither_read_nor_sent_nor_forgotten(source: Memory, target: Memory, path: Path) -> None:
    transfer(source, target, journal=path, unmapped="accept")
    with closing(Journal(path, read_only=True)) as journal:
        before = list(journal.results())
    source.before_read = target.before_send = target.before_read = pytest.fail
    report = transfer(source, target, journal=path, unmapped="accept")
    assert report.counts == {Outcome.UNCHANGED: 6}
    with closing(Journal(path, read_only=True)) as journal:
        assert list(journal.results()) == before


def test_what_was_deleted_at_the_target_is_sent_again(source: Memory, target: Memory, path: Path) -> None:
    transfer(source, target, journal=path, unmapped="accept")
    del target.held[NAMES[3]]
    report = transfer(source, target, journal=path, unmapped="accept")
    assert report.counts == {Outcome.UNCHANGED: 5, Outcome.SENT: 1}
    assert sorted(target.held) == NAMES


def test_what_was_renamed_at_the_target_is_not_sent_again(source: Memory, target: Memory, path: Path) -> None:
    """An item keeps its id when people give it another name, as on Grand Challenge, whose items are found by title."""
    transfer(source, target, journal=path, unmapped="accept")
    items = [cf.Item(target, name, f"{name}, seen") for name in target.held]
    target.held.clear()  # nothing is found by its name
    target.items = lambda **_: iter(items)  # type: ignore[method-assign]
    report = transfer(source, target, journal=path, unmapped="accept")
    assert report.counts == {Outcome.UNCHANGED: 6}
    gone = items.pop(0).id
    report = transfer(source, target, journal=path, unmapped="accept")
    assert report.counts == {Outcome.UNCHANGED: 5, Outcome.SENT: 1}
    assert list(target.held) == [gone]


def test_what_failed_is_tried_again(source: Memory, target: Memory, path: Path) -> None:
    def refuse(name: str) -> None:
        if name == NAMES[2]:
            raise cf.PermissionDenied("memory", "put", "not today")

    target.before_send = refuse
    report = transfer(source, target, journal=path, unmapped="accept")
    assert report.counts == {Outcome.SENT: 5, Outcome.FAILED: 1}
    assert states(path) == {DONE: 5, FAILED: 1}
    target.before_send = lambda _name: None
    assert transfer(source, target, journal=path, unmapped="accept").counts == {Outcome.UNCHANGED: 5, Outcome.SENT: 1}
    assert states(path) == {DONE: 6}


def test_a_new_case_at_the_source_is_sent(source: Memory, target: Memory, path: Path) -> None:
    transfer(source, target, journal=path, unmapped="accept")
    source.held["later"] = spoken("later")
    assert transfer(source, target, journal=path, unmapped="accept").counts == {Outcome.UNCHANGED: 6, Outcome.SENT: 1}


def test_results_come_back_whole_and_in_order(path: Path) -> None:
    loss = Loss("mask 'x'", "no place", "sidecar", "the item's metadata")
    removed = Removed("image 'ct'", ("PatientName", "PatientID"), 300)
    written = [
        Result("b", Outcome.SENT, "17", "https://example.org/17", "", (loss,), 10, 3, 0.5, removed=(removed,)),
        Result("a", Outcome.FAILED, reason="it is too large"),
        Result("c", Outcome.REFUSED, reason="it names somebody"),
    ]
    with Journal(path) as journal:
        for result in written:
            journal.record(result, f"item of {result.case_id}")
        journal.intend("d", "item of d")
        assert journal.states() == {DONE: 1, FAILED: 1, INTENT: 1, REFUSED: 1}
        found = list(journal.results())
    assert found[:3] == sorted(written, key=lambda result: result.case_id)
    assert (found[3].outcome, found[3].reason) == (Outcome.FAILED, "interrupted: run the transfer again")


def test_results_of_any_number_stream(path: Path) -> None:
    with Journal(path) as journal:
        journal.file.database.execute("BEGIN")
        journal.file.database.executemany(
            "INSERT INTO cases (case_id, source_item, state, outcome, updated) VALUES (?, '', 'done', 'sent', 0)",
            [(f"{number:06}",) for number in range(3 * 500 + 1)],
        )
        journal.file.database.execute("COMMIT")
        results = journal.results()
        assert next(results).case_id == "000000"
        assert [result.case_id for result in results] == [f"{number:06}" for number in range(1, 1501)]


def test_many_threads_write_together_and_nothing_is_missing(path: Path) -> None:
    with Journal(path) as journal:
        threads = [
            threading.Thread(target=lambda n=n: [journal.intend(f"{n}-{i}", "") for i in range(25)])  # type: ignore[misc]
            for n in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert journal.states() == {INTENT: 300}


# -- whose it is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["source", "target"])
def test_the_journal_of_another_transfer_is_refused(which: str, source: Memory, target: Memory, path: Path) -> None:
    transfer(source, target, journal=path, unmapped="accept")
    other = Memory("memory:other", source.held)
    target.before_send = source.before_read = pytest.fail
    with pytest.raises(cf.ConfigurationError, match=rf"transfer whose {which} is memory:{which}, not memory:other"):
        transfer(*((other, target) if which == "source" else (source, other)), journal=path)


def test_a_journal_that_another_process_holds_is_refused(source: Memory, target: Memory, path: Path) -> None:
    hold = "import sys; from caseferry.transfers.journal import Journal; j = Journal(sys.argv[1]); print(); input()"
    with subprocess.Popen(
        [sys.executable, "-u", "-c", hold, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(cf.ConfigurationError, match="another process is using the journal"):
                transfer(source, target, journal=path, unmapped="accept")
            assert not target.held
        finally:
            other.kill()  # which must let go of it, however it ends
    assert transfer(source, target, journal=path, unmapped="accept").ok


def test_a_journal_that_failed_to_open_is_let_go_of(path: Path) -> None:
    path.write_bytes(b"no database at all, but longer than a header of SQLite would be" * 10)
    with pytest.raises(cf.ConfigurationError, match="cannot be used as a journal"):
        Journal(path)
    path.unlink()
    Journal(path).close()


def test_a_journal_of_another_version_is_refused(path: Path) -> None:
    Journal(path).close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE about SET value = '99' WHERE name = 'version'")
    for read_only in (False, True):
        with pytest.raises(cf.ConfigurationError, match=f"version 99; this caseferry writes version {VERSION}"):
            Journal(path, read_only=read_only)


def test_the_database_of_somebody_else_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE patients (name TEXT)")
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(cf.ConfigurationError, match="a database of something else"):
            Journal(path, read_only=read_only)
    assert path.read_bytes() == before


def test_what_is_no_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(cf.ConfigurationError, match="there is no journal"):
        Journal(tmp_path / "missing.db", read_only=True)
    with pytest.raises(cf.ConfigurationError, match="cannot be used as a journal"):
        Journal(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(cf.ConfigurationError, match="cannot be written"):
        Journal(tmp_path / "file" / "journal.db")


def test_a_damaged_journal_is_told_before_anything_is_sent(source: Memory, target: Memory, path: Path) -> None:
    """Cut short, or with other bytes in its middle; a new one in its place finds what has arrived."""
    transfer(source, target, journal=path, unmapped="accept")
    whole = path.read_bytes()
    middle = len(whole) // 8
    for content in (whole[: len(whole) // 2], whole[: 3 * middle] + bytes(range(1, 251)) * 60, whole[:100]):
        path.write_bytes(content)
        with pytest.raises(cf.ConfigurationError, match=r"is damaged.*put it aside"):
            Journal(path, read_only=True)
        target.before_send = pytest.fail
        with pytest.raises(cf.ConfigurationError, match=r"is damaged.*put it aside"):
            transfer(source, target, journal=path, unmapped="accept")
    path.unlink()
    report = transfer(source, target, journal=path, unmapped="accept")
    assert {result.outcome for result in report.results()} == {Outcome.UNCHANGED}


def test_a_journal_that_breaks_while_it_is_used_stops_the_transfer(source: Memory, target: Memory, path: Path) -> None:
    def spoil(_name: str) -> None:
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))

    with Journal(path) as journal:
        journal.file.database.execute("PRAGMA journal_mode=DELETE")
        journal.file.database.execute("PRAGMA cache_size=0")
        target.before_send = spoil
        with pytest.raises(cf.TransferError, match=r"the journal '.*' cannot be (read|written)"):
            transfer(source, target, journal=journal, workers=1, unmapped="accept")
    assert len(target.held) == 1


def test_a_program_that_keeps_the_journal_locked_is_told_of(
    source: Memory, target: Memory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent meanwhile, and the same goes on once the program lets go."""
    monkeypatch.setattr("caseferry.transfers.journal_file.PATIENCE", 0.05)
    Journal(path).close()
    with Journal(path) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        journal.belong(source.url, target.url)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unwritable, match="is locked; close the other program that has it open, then run the same"):
            transfer(source, target, journal=journal, unmapped="accept")
        assert not target.held
    assert transfer(source, target, journal=path, unmapped="accept").counts == {Outcome.SENT: 6}


def test_looking_at_a_journal_changes_nothing(source: Memory, target: Memory, path: Path) -> None:
    transfer(source, target, journal=path, unmapped="accept")
    before = path.read_bytes()
    assert states(path) == {DONE: 6}
    assert path.read_bytes() == before


def test_it_can_be_looked_at_while_a_transfer_runs(source: Memory, target: Memory, path: Path) -> None:
    seen: list[dict[str, int]] = []
    target.before_send = lambda _name: seen.append(states(path))
    transfer(source, target, journal=path, workers=1, unmapped="accept")
    assert [sum(each.values()) for each in seen] == [1, 2, 3, 4, 5, 6]


# -- a disk that is full -------------------------------------------------------------------------------------------


def fill(journal: Journal) -> None:
    """Let the journal's file not grow any more: SQLite then says what it says when a disk is full."""
    pages = journal.file.database.execute("PRAGMA page_count").fetchone()[0]
    journal.file.database.execute(f"PRAGMA max_page_count={pages}")


def test_nothing_is_sent_that_cannot_be_written_down(path: Path, target: Memory) -> None:
    names = [f"{number:03}" + "x" * 200 for number in range(200)]
    source = Memory("memory:source", {name: spoken(name) for name in names})
    with Journal(path) as journal:
        fill(journal)
        with pytest.raises(cf.TransferIncomplete, match="cannot be written: database or disk is full") as caught:
            transfer(source, target, journal=journal, workers=4, unmapped="accept")
        assert 0 < len(target.held) < len(names)
        assert set(target.held) <= {result.case_id for result in journal.results()}
        assert not caught.value.report.ok
        journal.file.database.execute("PRAGMA max_page_count=1000000")
        assert transfer(source, target, journal=journal, unmapped="accept").ok
        assert journal.states() == {DONE: 200}
    assert sorted(target.held) == names


def test_everybody_who_waits_hears_that_the_disk_is_full(path: Path) -> None:
    heard: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(STATEMENTS):
                journal.intend(f"{number}-{turn}" + "x" * 900, "")
        except Unwritable as error:
            heard.append(error)

    with Journal(path) as journal:
        fill(journal)
        threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert len(heard) == 8


def test_files_that_find_no_room_beside_the_journal_stop_the_transfer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Journal(path) as journal:
        journal.keep("a", [cf.FileRef.of_bytes(b"kept", "a.bin")])
        monkeypatch.setattr(os, "fsync", no_room)
        with pytest.raises(Unwritable, match="cannot be written: No space left on device"):
            journal.keep("b", [cf.FileRef.of_bytes(b"not kept", "b.bin")])
    kept = {each.parent.joinpath("case.txt").read_text(): each.read_bytes() for each in _kept(path)}
    assert kept == {"a": b"kept"}


def _kept(path: Path) -> list[Path]:
    return [each for each in path.with_name(f"{path.name}.kept").rglob("*") if len(each.name) == 64]


# -- nothing secret ------------------------------------------------------------------------------------------------

SURNAME = "Quirinius-Zwettl"


def everything_written(path: Path) -> bytes:
    """The bytes of the journal and of all that lies beside it."""
    return b"\0".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*") if each.is_file())


@pytest.mark.parametrize("platform", ["grand-challenge", "datamint", "darwin"])
def test_no_secret_and_no_patient_is_in_it(
    platform: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    cases = small_cases(tmp_path / "samples", 4)
    named = Samples(tmp_path / "named").case("named", cf.Kind.DICOM_SERIES)
    _give_a_name(named)
    folder, target = tmp_path / "start", fresh_dataset(sandbox, platform, "fresh", tmp_path)
    with cf.connect(f"local:{folder}") as start:
        for case in [*cases, named]:
            start.put(case)
    path = tmp_path / "here" / "journal.db"
    for spec in ("PUT * expired; POST */resources 400; GET */file* 500-after", ""):
        sandbox.faults.clear()
        sandbox.faults.add(spec)
        with Journal(path) as journal:
            report = transfer(f"local:{folder}", target, journal=journal, unmapped="accept")
            _nothing_secret(everything_written(path), sandbox)
        _nothing_secret(everything_written(path), sandbox)
        assert report.counts[Outcome.REFUSED] == 1
    assert report.arrived == 4


def _give_a_name(case: cf.Case) -> None:
    import pydicom

    for ref in case.images[0].files:
        dataset = pydicom.dcmread(ref.location)
        dataset.PatientName, dataset.PatientIdentityRemoved = f"{SURNAME}^Anna", "NO"
        dataset.save_as(ref.location)


def _nothing_secret(content: bytes, sandbox: Sandbox) -> None:
    for name, value in sandbox.variables.items():
        if name.endswith(("KEY", "AUTHORIZATION")):
            assert value.encode() not in content
    for word in (b"signature=", b"X-Amz", SURNAME.encode(), b"Anna"):
        assert word not in content


def test_credentials_in_a_url_are_not_kept(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    key = sandbox.variables["DATAMINT_API_KEY"]
    monkeypatch.delenv("DATAMINT_API_KEY")
    with cf.connect(f"datamint:sandbox?api_key={key}") as there:
        assert transfer(
            Memory("memory:source", {"a": spoken("a")}), there, journal=path, unmapped="accept"
        ).arrived in {0, 1}
    assert key.encode() not in everything_written(path)
