"""Ctrl-C and SIGTERM end a command soon, whatever it waits for, and the same command goes on from there."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.testing import Samples
from caseferry.transfers.run import transfer
from processes import begun
from transfer_scene import run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from caseferry.sandbox import Sandbox

SOON = 4.0
"""Seconds; the command's own grace is 1.5, and the machine may be busy."""


def _await(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def _interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[float, str]:
    """Send a signal; seconds until the process has ended with 130, and what it said."""
    started = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    return time.monotonic() - started, said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_while_the_platform_processes(online: Sandbox, folder: str, tmp_path: Path, number: int) -> None:
    online.settings.processing = 600
    arguments = (
        "transfer",
        folder,
        "darwin:sandbox-team/sandbox",
        "--journal",
        str(tmp_path / "journal.db"),
        "--unmapped",
        "accept",
    )
    with begun(*arguments) as process:
        _await(lambda: len(online.ledger.select("darwin", "GET", "/items")) > 6)
        spent, said = _interrupt(process, number)
    assert spent < SOON
    assert "the same command goes on from here" in said
    online.settings.processing = 0
    online.run(_hurry(online))
    code, _, said = run(*arguments)
    assert code == 0, said
    with cf.connect("darwin:sandbox-team/sandbox") as there:
        assert sorted(item.case_id for item in there.items()) == ["case-0", "case-1", "case-2"]


async def _hurry(online: Sandbox) -> None:
    """Have what was said to take long done now."""
    standin = online.standins["darwin"]
    await standin.host.cancel()
    standin.resume()


def test_while_a_download_trickles(online: Sandbox, folder: str, tmp_path: Path) -> None:
    with cf.connect(folder) as start:
        big = bytes(400_000)
        start.put(
            Samples(tmp_path / "more").case(
                "zz", cf.Kind.PICTURE, attachments=[cf.Attachment("a", cf.FileRef.of_bytes(big, "a.bin"))]
            )
        )
    assert transfer(folder, "datamint:sandbox", unmapped="accept").ok
    online.faults.add("datamint:GET */file* trickle=1000")
    arguments = (
        "transfer",
        "datamint:sandbox",
        f"local:{tmp_path / 'home'}",
        "--journal",
        str(tmp_path / "j.db"),
        "--unmapped",
        "accept",
    )
    with begun(*arguments) as process:
        _await(lambda: any(entry.fault == "trickle" for entry in online.ledger))
        time.sleep(0.3)
        spent, said = _interrupt(process)
    assert spent < SOON
    assert "the same command goes on from here" in said
    online.faults.clear()
    assert run(*arguments)[0] == 0
    assert run("verify", folder, f"local:{tmp_path / 'home'}")[0] == 0


def test_a_second_ctrl_c_ends_at_once(online: Sandbox, folder: str, tmp_path: Path) -> None:
    online.faults.add("datamint:POST /resources stall=30")
    with begun(
        "transfer", folder, "datamint:sandbox", "--journal", str(tmp_path / "journal.db"), "--unmapped", "accept"
    ) as process:
        _await(lambda: online.ledger.select("datamint", "POST", "/resources"))
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
        assert process.poll() is None
        spent, _ = _interrupt(process)
    assert spent < 1.0


def test_verify_can_be_interrupted(online: Sandbox, folder: str) -> None:
    assert transfer(folder, "datamint:sandbox", unmapped="accept").ok
    online.faults.add("datamint:GET */file* stall=30")
    with begun("verify", folder, "datamint:sandbox") as process:
        _await(lambda: any(entry.fault == "stall" for entry in online.ledger))
        spent, said = _interrupt(process)
    assert spent < SOON
    assert "interrupted" in said
