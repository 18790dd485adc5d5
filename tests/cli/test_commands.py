"""Every command: what it prints, its exit code, and one clear line for whoever got it wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import caseferry as cf
from caseferry.mapping import read_mapping
from caseferry.registry import schemes
from caseferry.testing import Samples
from processes import begun
from transfer_scene import run, spoken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from caseferry.sandbox import Sandbox


def url(sandbox: Sandbox, platform: str) -> str:
    """The dataset that the stand-in begins with."""
    return sandbox.standins[platform].dataset


# -- looking -------------------------------------------------------------------------------------------------------


def test_without_a_command_the_help_is_shown(caseferry: Callable[..., Any]) -> None:
    ended = caseferry()
    assert ended.code == 2
    assert "transfer" in ended.out


def test_the_version(caseferry: Callable[..., Any]) -> None:
    ended = caseferry("--version")
    assert (ended.code, ended.out.split()[0]) == (0, "caseferry")


def test_connectors(caseferry: Callable[..., Any]) -> None:
    listed = caseferry("connectors")
    assert listed.code == 0
    assert all(f"{scheme}:" in listed.out for scheme in schemes())
    assert [each["scheme"] for each in caseferry("connectors", "--json").json] == schemes()


def test_a_first_mapping_is_one(caseferry: Callable[..., Any], online: Sandbox, tmp_path: Path) -> None:
    """It maps what is there, and a transfer can use it as it is."""
    source = f"local:{tmp_path / 'cases'}"
    image = Samples(tmp_path / "samples").image(cf.Kind.NIFTI, "CT image")
    line = cf.Line("CT image", [(1, 1), (3, 3)], frame=1, label="Distance Measurement")
    with cf.connect(source) as folder:
        folder.put(cf.Case("a", images=[image], annotations=[line], values={"age": 3}))
    target = url(online, "grand-challenge")
    ended = caseferry("mapping", "init", source, target)
    assert (ended.code, ended.err) == (0, "")
    path = tmp_path / "names.toml"
    path.write_text(ended.out)
    names = read_mapping(path, "grand-challenge")
    assert names.images == {"CT image": "ct-image"}
    assert names.labels == {"Distance Measurement": "distance-measurement"}
    assert '# "age" = ""' in ended.out
    assert (
        caseferry("transfer", source, target, "--mapping", str(path), "--phi", "keep", "--unmapped", "accept").code == 0
    )
    standin: Any = online.standins["darwin"]
    standin.add_class("distance measurement", ["line"])
    for_darwin = caseferry("mapping", "init", source, url(online, "darwin")).out
    assert '"Distance Measurement" = "distance measurement"  # "line"; in 1 case' in for_darwin
    assert '# "age" = "age"  # in 1 case; any name is taken' in for_darwin
    assert caseferry("mapping").code == 2


def test_ls_and_show_of_a_folder(caseferry: Callable[..., Any], folder: str) -> None:
    listed = caseferry("ls", folder)
    assert listed.code == 0
    assert [line.split()[:2] for line in listed.out.splitlines()] == [[f"case-{n}", "ready"] for n in range(3)]
    assert [each["case"] for each in caseferry("ls", folder, "--json").json] == [f"case-{n}" for n in range(3)]
    shown = caseferry("show", folder, "case-1")
    assert shown.code == 0
    assert "value number: 1" in shown.out
    assert "tags: train" in shown.out
    document = caseferry("show", folder, "case-1", "--json").json
    assert cf.Case.from_json(document["case"]).id == document["item"]["case"] == "case-1"


@pytest.mark.parametrize("platform", ["grand-challenge", "datamint", "darwin"])
def test_ls_and_show_of_a_platform(platform: str, caseferry: Callable[..., Any], folder: str, online: Sandbox) -> None:
    there = url(online, platform)
    datasets = caseferry("ls", f"{platform}:").out.splitlines()
    assert there in datasets
    assert caseferry("ls", f"{platform}:", "--json").json == datasets
    assert caseferry("ls", there, "--json").json == []
    assert caseferry("transfer", folder, there, "--unmapped", "accept").code == 0
    items = caseferry("ls", there, "--json").json
    assert sorted(each["case"] for each in items) == [f"case-{n}" for n in range(3)]
    for name in (items[0]["id"], items[0]["case"]):
        assert caseferry("show", there, name, "--json").json["item"]["id"] == items[0]["id"]
    assert caseferry("show", there, "nobody").code == 2


def test_an_empty_folder_lists_as_nothing(caseferry: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert caseferry("ls", f"local:{tmp_path / 'empty'}", "--json").json == []


# -- moving --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("platform", ["grand-challenge", "datamint", "darwin"])
def test_a_plan_and_a_dry_run_change_nothing(
    platform: str, caseferry: Callable[..., Any], folder: str, online: Sandbox, tmp_path: Path
) -> None:
    there, journal = url(online, platform), str(tmp_path / "j.db")
    assert caseferry("ls", there).code == 0
    before = [line for line in online.ledger.select(platform) if line.method not in {"GET", "HEAD"}]
    planned = caseferry("plan", folder, there, "--create-missing" if platform == "darwin" else "--unmapped=accept")
    dry = caseferry("transfer", folder, there, "--journal", journal, "--dry-run", "--unmapped", "accept")
    document = caseferry(
        "transfer", folder, there, "--journal", journal, "--dry-run", "--json", "--unmapped", "accept"
    ).json
    as_json = caseferry("plan", folder, there, "--json", "--unmapped", "accept").json
    assert planned.code == dry.code == 0
    assert all(f"case-{n}" in planned.out and f"case-{n}" in dry.out for n in range(3))
    assert document["cases"] == {"planned": 3}
    assert len(as_json) == 3
    changed = [line for line in online.ledger.select(platform) if line.method not in {"GET", "HEAD"}]
    assert [str(line) for line in changed if not line.path.endswith("/annotations/search")] == [
        str(line) for line in before
    ]
    assert caseferry("status", journal, "--json").json["cases"] == {}


def test_transfer_status_and_verify(
    caseferry: Callable[..., Any], folder: str, online: Sandbox, tmp_path: Path
) -> None:
    there, journal = url(online, "darwin"), str(tmp_path / "j.db")
    first = caseferry("transfer", folder, there, "--journal", journal, "--unmapped", "accept")
    assert (first.code, "3 sent" in first.out) == (0, True)
    again = caseferry("transfer", folder, there, "--journal", journal, "--json", "--unmapped", "accept")
    assert again.code == 0
    assert again.json["cases"] == {"unchanged": 3}
    assert again.json["ok"] is True
    told = caseferry("status", journal)
    assert told.code == 0
    assert told.out.splitlines()[:2] == [f"{folder} -> {there}", "3 done"]
    assert caseferry("status", journal, "--json").json["cases"] == {"done": 3}
    compared = caseferry("verify", folder, there, "--json")
    assert (compared.code, compared.json["cases"]) == (0, {"equal": 3})


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        (["case-1"], ["case-1"]),
        (["case-[02]"], ["case-0", "case-2"]),
        (["*-0", "*-1"], ["case-0", "case-1"]),
        (["@FILE"], ["case-2"]),
        (["@FILE", "case-0"], ["case-0", "case-2"]),
    ],
)
def test_select(
    patterns: list[str], chosen: list[str], caseferry: Callable[..., Any], folder: str, tmp_path: Path
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("case-2\nnobody\n\n", encoding="utf-8")
    options = [word for each in patterns for word in ("--select", each.replace("FILE", str(names)))]
    home = f"local:{tmp_path / 'home'}"
    assert caseferry("transfer", folder, home, *options, "--unmapped", "accept").code == 0
    assert [each["case"] for each in caseferry("ls", home, "--json").json] == chosen
    assert caseferry("verify", folder, home, *options, "--json").json["cases"] == {"equal": len(chosen)}


@pytest.mark.parametrize("command", ["transfer", "plan", "verify"])
def test_a_selection_of_nothing_is_wrong_use(
    command: str, caseferry: Callable[..., Any], folder: str, tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    ended = caseferry(command, folder, f"local:{tmp_path / 'home'}", "--select", "LIDC-*")
    assert ended.code == 2
    assert "holds no cases that --select asks for" in ended.err


def test_some_failed_is_1_and_each_is_named(caseferry: Callable[..., Any], folder: str, tmp_path: Path) -> None:
    home = f"local:{tmp_path / 'home'}"
    with cf.connect(home) as dataset:
        dataset.put(spoken("case-1"))
    journal = str(tmp_path / "j.db")
    ended = caseferry("transfer", folder, home, "--journal", journal, "--unmapped", "accept")
    assert ended.code == 1
    assert "case-1: local: put 'case-1': another case of that name" in ended.out
    assert caseferry("status", journal).code == 1
    assert caseferry("verify", folder, home).code == 1
    assert caseferry("transfer", folder, home, "--json", "--unmapped", "accept").json["problems"][0]["case"] == "case-1"


def test_all_refused_is_2_and_nothing_was_sent(caseferry: Callable[..., Any], online: Sandbox, tmp_path: Path) -> None:
    with cf.connect(f"local:{tmp_path / 'start'}") as start:
        start.put(cf.Case("only-words", values={"x": [1]}))
    there = url(online, "datamint")
    ended = caseferry("transfer", f"local:{tmp_path / 'start'}", there, "--unmapped", "accept")
    assert ended.code == 2
    reason = ended.out.partition("refused only-words: ")[2].splitlines()[0]
    assert reason
    dry = caseferry("transfer", f"local:{tmp_path / 'start'}", there, "--unmapped", "accept", "--dry-run")
    assert dry.code == 2
    assert dry.out.count(reason) == 1


def test_strict_refuses_what_would_lie_in_a_sidecar(
    caseferry: Callable[..., Any], folder: str, online: Sandbox
) -> None:
    there = url(online, "datamint")
    for command in ("transfer", "plan"):
        ended = caseferry(command, folder, there, "--strict")
        assert ended.code == (2 if command == "transfer" else 1), ended.out
    assert caseferry("ls", there, "--json").json == []
    assert caseferry("transfer", folder, there, "--unmapped", "accept").code == 0


# -- wrong use -----------------------------------------------------------------------------------------------------

WRONG = {
    "unknown scheme": (["ls", "xnat:project"], "unknown scheme 'xnat'; installed connectors: darwin"),
    "no URL": (["ls", "cases"], "'cases' is not the URL of a dataset"),
    "no name": (["show", "local:", "x"], "names no dataset"),
    "bad options": (["ls", "local:x?storage"], "options"),
    "unknown option": (["ls", "local:x?storage=y"], "local has no option storage"),
    "missing path": (["ls", "local:/nowhere/at/all"], "there is no such folder"),
    "missing source": (["transfer", "local:/nowhere/at/all", "local:FOLDER"], "there is no such folder"),
    "no worker": (["transfer", "local:FOLDER", "local:FOLDER", "--workers", "0"], "workers is 0"),
    "no target of its own": (["transfer", "local:FOLDER", "local:FOLDER"], "is the source and the target"),
    "a target in the source": (["transfer", "local:FOLDER", "local:FOLDER/./b/../in"], "holds the target"),
    "no name of a journal": (["transfer", "local:FOLDER/a", "local:FOLDER/b", "--journal", ""], "journal"),
    "a platform misspelt": (["ls", "local:FOLDER", "--mapping", "FOLDER/typo.toml"], "[darwn]"),
    "missing journal": (["status", "FOLDER/none.db"], "there is no journal"),
    "missing names": (["transfer", "local:FOLDER", "local:FOLDER", "--select", "@FOLDER/none"], "cannot be read"),
    "missing mapping": (["ls", "local:FOLDER", "--mapping", "FOLDER/none.toml"], "none.toml"),
    "no credentials, Darwin": (["ls", "darwin:team/set"], "DARWIN_API_KEY"),
    "no credentials, Datamint": (["ls", "datamint:project"], "DATAMINT_API_KEY"),
    "no credentials, Grand Challenge": (["ls", "grand-challenge:archive"], "GRAND_CHALLENGE_AUTHORIZATION"),
    "bad faults": (["sandbox", "--faults", "nonsense"], "the sandbox cannot start"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_2_and_one_clear_line(
    name: str, caseferry: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in list(os.environ):
        if variable.startswith(("DARWIN_", "DATAMINT_", "GRAND_CHALLENGE_", "CASEFERRY_")):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "typo.toml").write_text('[darwn.labels]\nnodule = "Nodule"\n')
    arguments, words = WRONG[name]
    ended = caseferry(*(each.replace("FOLDER", str(tmp_path)) for each in arguments))
    assert ended.code == 2
    assert ended.out == ""
    assert words in ended.err
    assert len(ended.err.splitlines()) == 1, ended.err
    assert ended.err.startswith("caseferry: error: ")


REFUSED = {
    "grand-challenge": ("GRAND_CHALLENGE_AUTHORIZATION", "f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1"),
    "datamint": ("DATAMINT_API_KEY", "not-this-key"),
    "darwin": ("DARWIN_API_KEY", "ABCDEFG.not-this-key"),
}


@pytest.mark.parametrize("platform", REFUSED)
def test_a_refused_token_is_2_and_is_not_shown(
    platform: str, caseferry: Callable[..., Any], online: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable, token = REFUSED[platform]
    monkeypatch.setenv(variable, token)
    for more in ([], ["--json"]):
        ended = caseferry("ls", url(online, platform), *more)
        assert (ended.code, ended.out) == (2, "")
        assert len(ended.err.splitlines()) == 1
        assert token not in ended.err
        assert platform in ended.err


def test_a_dataset_that_is_not_there(caseferry: Callable[..., Any], online: Sandbox) -> None:
    for platform in ("grand-challenge:nowhere", "datamint:nowhere", "darwin:sandbox-team/nowhere"):
        ended = caseferry("ls", platform)
        assert ended.code == 2
        assert "nowhere" in ended.err
        assert len(ended.err.splitlines()) == 1


# -- as processes --------------------------------------------------------------------------------------------------


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    for number in range(300):
        case = cf.Case(f"{'long-name-' * 20}{number}")
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "case.json").write_text(json.dumps(case.to_json()), encoding="utf-8")
    with begun("ls", f"local:{tmp_path}") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("long-name")
        process.stdout.close()
        assert process.wait(30) == 0
        assert process.stderr.read() == ""


def test_the_sandbox_command(
    tmp_path: Path, folder: str, caseferry: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prints what every client needs, serves cases that it was given, and ends without a word of complaint."""
    state = str(tmp_path / "state")
    arguments = ["--port", "0", "--seed-data", folder.partition(":")[2], "--state", state, "--latency", "1"]
    with begun("sandbox", *arguments, "--faults", "GET /nothing 503") as process:
        assert process.stdout is not None
        variables: dict[str, str] = {}
        while len(variables) < 8:
            word, _, assignment = process.stdout.readline().strip().partition(" ")
            assert word == "export", process.communicate(timeout=5)
            name, _, value = assignment.partition("=")
            variables[name] = value
        assert set(variables) == {
            "GRAND_CHALLENGE_URL",
            "GRAND_CHALLENGE_AUTHORIZATION",
            "CASEFERRY_CA",
            "DATAMINT_API_URL",
            "DATAMINT_API_KEY",
            "DARWIN_BASE_URL",
            "DARWIN_API_KEY",
            "DARWIN_TEAM",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        for dataset in ("grand-challenge:sandbox", "darwin:sandbox-team/sandbox"):
            assert len(caseferry("ls", dataset, "--json").json) == 3
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 3


def test_the_export_lines_are_taken_by_a_shell(tmp_path: Path) -> None:
    """As the README says: eval the lines, then go on."""
    script = (
        f'touch "$1/lines"; {sys.executable} -m caseferry sandbox --port 0 > "$1/lines" 2> "$1/said" & '
        'while [ "$(grep -c "^export" "$1/lines")" -lt 8 ]; do sleep 0.1; done; eval "$(cat "$1/lines")"; '
        f"{sys.executable} -m caseferry ls darwin: ; kill -INT $!; wait $!; echo ended $?"
    )
    ended = subprocess.run(
        ["bash", "-mc", script, "bash", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.stdout.splitlines() == ["darwin:sandbox-team/sandbox", "ended 0"], ended.stderr


def test_the_demo(tmp_path: Path, caseferry: Callable[..., Any]) -> None:
    code, out, err = run("demo", "--folder", str(tmp_path / "demo"), timeout=120)
    assert code == 0, out + err
    assert "All 5 cases came home" in out
    assert out.count("all equal") == 4
    with cf.connect(f"local:{tmp_path / 'demo' / 'home'}") as home:
        assert len(list(home.items())) == 5
    assert caseferry("demo", "--folder", str(tmp_path / "demo")).code == 2


@pytest.mark.parametrize("command", [["ls", "local:x"], ["mapping", "init", "local:x", "local:y"]])
def test_beginnings_of_options_are_none(command: list[str], caseferry: Callable[..., Any]) -> None:
    ended = caseferry(*command, "--prof=z")
    assert ended.code == 2
    assert "unrecognized arguments: --prof=z" in ended.err
