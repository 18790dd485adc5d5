"""How a transfer shows its progress: a bar on a terminal, lines elsewhere, and never a word among the JSON."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import caseferry as cf
from caseferry.transfers import progress
from caseferry.transfers.outcome import Outcome, Report, Result
from transfer_scene import run, spoken

if TYPE_CHECKING:
    from pathlib import Path

pty = pytest.importorskip("pty", reason="there are no terminals here")


@pytest.fixture
def clashing(folder: str, tmp_path: Path) -> tuple[str, str]:
    """Three cases, and a target where another case has the name of one."""
    home = f"local:{tmp_path / 'home'}"
    with cf.connect(home) as dataset:
        dataset.put(spoken("case-1"))
    return folder, home


def on_a_terminal(*arguments: str) -> tuple[int, str, str]:
    """Run a command whose standard error is a terminal: exit code, standard output, and what the terminal showed."""
    outer, inner = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "caseferry", *arguments],
        stdout=subprocess.PIPE,
        stderr=inner,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        text=True,
    )
    os.close(inner)
    shown = b""
    try:
        while chunk := os.read(outer, 65536):
            shown += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(outer)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out, shown.decode()


def test_a_bar_on_a_terminal_and_a_line_above_it_for_a_case_that_is_not_well(clashing: tuple[str, str]) -> None:
    code, out, shown = on_a_terminal("transfer", *clashing, "--unmapped", "accept")
    assert code == 1
    assert "2 sent" in out
    assert "\x1b[" not in out
    assert "case-1: failed: local: put 'case-1'" in re.sub(r"\x1b\[[\d;?]*[a-zA-Z]", "", shown)
    assert "\x1b[?25l" in shown, "the bar hides the cursor"
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l"), "and gives it back"


@pytest.mark.parametrize("command", [("transfer",), ("transfer", "--dry-run"), ("verify",)])
def test_no_word_but_json_on_standard_output(command: tuple[str, ...], clashing: tuple[str, str]) -> None:
    code, out, shown = on_a_terminal(*command, *clashing, "--json")
    assert code in {0, 1}
    assert sum(json.loads(out)["cases"].values()) == 3
    if code:
        assert "case-1" in shown or "case-0" in shown


def test_plain_lines_elsewhere(clashing: tuple[str, str]) -> None:
    code, out, err = run("transfer", *clashing, "--unmapped", "accept")
    assert code == 1
    assert "\x1b" not in out + err
    assert err.startswith("case-1: failed: local: put 'case-1'")
    assert len(err.splitlines()) == 1


def test_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream, report = io.StringIO(), Report("memory:a", "memory:b")
    lines = progress.Lines(stream)
    lines.begin(report, None)
    for number in range(25):
        now += 1.0
        result = Result(f"c-{number}", Outcome.SENT, bytes=1_000)
        report.add(result)
        lines.advance(result)
    lines.end()
    assert stream.getvalue().splitlines() == ["10 cases, 10.0 kB, 10 s", "20 cases, 20.0 kB, 20 s"]
