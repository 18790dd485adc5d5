"""`caseferry darwin policy` and `caseferry doctor`: what is wrong with a set-up, and what to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from caseferry.cli import main
from caseferry.storage import Bucket, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from darwin_scene import Scene
    from stores import Stores

BROWSER = "https://darwin.v7labs.com"
URL = "darwin:sandbox-team/sandbox"


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str]) -> Any:
    def run(url: str, *more: str) -> tuple[int, list[list[str]]]:
        code = main(["doctor", url, "--json", *more])
        return code, [
            [row["level"], row["what"], row["found"], row["remedy"]] for row in json.loads(capsys.readouterr().out)
        ]

    return run


def test_the_policy_is_that_of_the_guide(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["darwin", "policy", "--bucket", "scans"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (statement,) = shown["policy"]["Statement"]
    assert shown["policy"]["Version"] == "2012-10-17"
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"AWS": "arn:aws:iam::258327614892:role/external_s3"}
    assert statement["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert statement["Resource"] == "arn:aws:s3:::scans/*"
    (rule,) = shown["cors"]
    assert rule["AllowedMethods"] == ["GET"]
    assert rule["AllowedOrigins"] == ["https://darwin.v7labs.com"]
    assert main(["darwin", "policy", "--bucket", "scans", "--prefix", "/site a/", "--read-only"]) == 0
    (statement,) = json.loads(capsys.readouterr().out)["policy"]["Statement"]
    assert statement["Action"] == ["s3:GetObject"]
    assert statement["Resource"] == "arn:aws:s3:::scans/site a/*"


@pytest.mark.parametrize(
    ("bucket", "said"),
    [("my.scans", "has dots in its name"), ("s3://scans", "expected the name of a bucket"), ("", "expected the name")],
)
def test_a_bucket_that_cannot_be_used_is_refused(bucket: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["darwin", "policy", "--bucket", bucket]) == 2
    assert said in capsys.readouterr().err


def test_only_darwin_has_commands_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datamint", "policy"]) == 2
    assert "datamint has no commands of its own" in capsys.readouterr().err


def test_all_is_well(scene: Scene, stores: Stores, monkeypatch: pytest.MonkeyPatch, doctor: Any) -> None:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", "sandbox-bucket")
    stores.show_to(BROWSER, "s3://sandbox-bucket")
    stores.fill("s3://sandbox-bucket", {"patient/scan.png": b"bytes"})
    code, found = doctor(f"{URL}?storage=sandbox-bucket")
    assert code == 0, found
    assert {level for level, *_ in found} == {"ok"}
    assert [what for _, what, *_ in found] == [
        "the host",
        "the credentials",
        "the dataset",
        "the storage 'sandbox-bucket'",
        "the bucket, seen from here",
        "the bucket, seen from a browser",
    ]
    assert found[-2][2] == "s3://sandbox-bucket can be listed and read"


@pytest.mark.parametrize(("origin", "method"), [("https://elsewhere.example", "GET"), (BROWSER, "PUT"), (None, None)])
def test_a_bucket_that_browsers_may_not_show(
    origin: str | None, method: str | None, scene: Scene, stores: Stores, monkeypatch: pytest.MonkeyPatch, doctor: Any
) -> None:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", "sandbox-bucket")
    if origin and method:
        stores.show_to(origin, "s3://sandbox-bucket", method)
    code, found = doctor(f"{URL}?storage=sandbox-bucket")
    assert code == 1
    assert found[-1][:2] == ["error", "the bucket, seen from a browser"]
    assert "'caseferry darwin policy --bucket sandbox-bucket' prints them" in found[-1][3]
    assert ("OPTIONS", "/sandbox-bucket/caseferry-preflight", 0) in stores.calls("s3") or origin


def test_what_a_bucket_does_not_say_is_not_called_wrong(
    scene: Scene, stores: Stores, monkeypatch: pytest.MonkeyPatch, doctor: Any
) -> None:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", "sandbox-bucket")
    stores.show_to(BROWSER, "s3://sandbox-bucket")
    stores.fill("s3://sandbox-bucket", {"DOE^JOHN/scan.png": b"bytes"})
    monkeypatch.setattr(Bucket, "range", refused)
    code, found = doctor(f"{URL}?storage=sandbox-bucket")
    assert (code, found[-2][0]) == (0, "warning")
    assert "s3:GetObject" in found[-2][3]
    assert "DOE" not in json.dumps(found)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(Bucket, "list", refused)
    code, found = doctor(f"{URL}?storage=sandbox-bucket")
    assert code == 0
    assert [row[0] for row in found[-2:]] == ["warning", "warning"]
    assert "s3:ListBucket" in found[-2][3]
    assert "could not be asked" in found[-1][2]
    assert "look yourself" in found[-1][3]


def refused(*_given: Any) -> Any:
    """What a store says whose credentials do not reach far enough."""
    msg = "s3://sandbox-bucket: the object 'DOE^JOHN/scan.png' cannot be opened: the credentials do not allow it"
    raise StorageError(msg if len(_given) > 1 else "s3://sandbox-bucket: it cannot be listed")


def test_each_step_that_fails_is_named(scene: Scene, monkeypatch: pytest.MonkeyPatch, doctor: Any) -> None:
    code, found = doctor("darwin:sandbox-team/none")
    assert code == 1
    assert [row[:2] for row in found] == [["ok", "the host"], ["ok", "the credentials"], ["error", "the dataset"]]
    code, found = doctor(f"{URL}?storage=none")
    assert code == 1
    assert found[-1][1] == "the settings"
    assert "the team has no storage 'none'" in found[-1][2]
    monkeypatch.setenv("DARWIN_API_KEY", "1234567.12345678901234567890123456789012")
    code, found = doctor(URL)
    assert code == 1
    assert [row[:2] for row in found] == [["ok", "the host"], ["error", "the credentials"]]
    assert "12345678901234567890123456789012" not in json.dumps(found)
    monkeypatch.delenv("DARWIN_API_KEY")
    code, found = doctor(URL)
    assert code == 1
    assert [row[:2] for row in found] == [["error", "the credentials"]]


def test_a_storage_that_does_not_do_what_is_wanted(
    scene: Scene, stores: Stores, monkeypatch: pytest.MonkeyPatch, doctor: Any, tmp_path: Path
) -> None:
    stores.bucket("s3", monkeypatch)
    stores.make("s3", "sandbox-readonly")
    stores.show_to(BROWSER, "s3://sandbox-readonly")
    code, found = doctor(f"{URL}?storage=sandbox-readonly")
    assert code == 0
    assert [row[2] for row in found if row[0] == "warning"] == [
        "takes only files that are prepared, and the mapping names no thumbnails"
    ]
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('[darwin.roles."*"]\nthumbnail = "thumbnails/{stem}.png"\n')
    code, found = doctor(f"{URL}?storage=sandbox-readonly", "--mapping", str(mapping))
    assert {row[0] for row in found} == {"ok"}
    code, found = doctor(f"{URL}?storage=sandbox-bucket", "--mapping", str(mapping))
    assert next(row[2] for row in found if row[0] == "warning").startswith("is read-write, and the mapping names")
    assert [row[:2] for row in found[-2:]] == [
        ["warning", "the bucket, seen from here"],
        ["error", "the bucket, seen from a browser"],
    ]  # there is no such bucket
    scene.standin.add_storage("dotted", bucket="my.scans")
    code, found = doctor(f"{URL}?storage=dotted")
    assert code == 1
    assert any(row[0] == "error" and "dots" in row[2] for row in found)


def test_every_platform_can_be_asked(
    sandbox: Any, monkeypatch: pytest.MonkeyPatch, doctor: Any, tmp_path: Path
) -> None:
    for name, value in sandbox.variables.items():
        monkeypatch.setenv(name, value)
    for standin in sandbox.standins.values():
        code, found = doctor(standin.dataset)
        assert (code, {row[0] for row in found}) == (0, {"ok"}), found
        code, found = doctor(f"{standin.dataset.partition(':')[0]}:no-such-thing")
        assert code == 1
        assert found[-1][0] == "error"
    code, found = doctor(f"local:{tmp_path}")
    assert (code, [row[1] for row in found]) == (0, ["the dataset"])
    code, found = doctor(f"local:{tmp_path / 'none'}")
    assert (code, [row[:2] for row in found]) == (1, [["error", "the dataset"]])


def test_a_host_that_does_not_answer(scene: Scene, monkeypatch: pytest.MonkeyPatch, doctor: Any) -> None:
    monkeypatch.setenv("DARWIN_BASE_URL", "http://127.0.0.1:9")
    code, found = doctor(URL)
    assert code == 1
    assert [row[:2] for row in found] == [["error", "the host"]]
